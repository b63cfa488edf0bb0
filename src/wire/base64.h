// SPDX-License-Identifier: Apache-2.0
// Purpose: base64 (RFC 4648) and hexadecimal, as JSON carries bytes.
#ifndef SONDE_WIRE_BASE64_H
#define SONDE_WIRE_BASE64_H

#include <stdbool.h>

#include "core/buf.h"
#include "core/str.h"

void base64_encode(struct str bytes, struct buf *out);

// The standard or the URL alphabet, padded or not. False when it is neither; `out` then has a part.
bool base64_decode(struct str text, struct buf *out);

void hex_encode(struct str bytes, struct buf *out);

// Either case. False for an odd count or another digit; `out` then has a part.
bool hex_decode(struct str text, struct buf *out);

#endif
