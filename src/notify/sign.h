// SPDX-License-Identifier: Apache-2.0
// Purpose: signatures of requests: HMAC-SHA256, as text. No state, any thread.
#ifndef SONDE_NOTIFY_SIGN_H
#define SONDE_NOTIFY_SIGN_H

#include "core/arena.h"
#include "core/str.h"

struct str sign_hex(struct arena *a, struct str key, struct str bytes);
struct str sign_base64(struct arena *a, struct str key, struct str bytes);

// What may not stand in a URL's query, or in a form, as %XX: all but letters, digits and - . _ ~.
struct str sign_percent(struct arena *a, struct str text);

#endif
