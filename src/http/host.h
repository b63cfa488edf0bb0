// SPDX-License-Identifier: Apache-2.0
// Purpose: whom a browser believes it talks to. A web page may have its own name resolve to
// 127.0.0.1 (DNS rebinding); the browser then lets it read whatever listens there. Its requests
// still name that page, in Host and in Origin, while those of people and agents name this machine
// by an address or as localhost. Where no token is demanded, that is the difference.
#ifndef SONDE_HTTP_HOST_H
#define SONDE_HTTP_HOST_H

#include <stdbool.h>

#include "core/str.h"

// Whether "host" or "host:port" is an IP address, localhost, a name below it, or the host of
// `address` (what is listened on, "host:port"). False for what is neither. Any thread.
bool host_is_local(struct str host, const char *address);

// The same of an Origin ("http://host:port"); false for "null".
bool origin_is_local(struct str origin, const char *address);

#endif
