// SPDX-License-Identifier: Apache-2.0
// Purpose: the server's name and port as URLs and RPC libraries write them together. Pure.
#ifndef SONDE_JVM_AUTHORITY_H
#define SONDE_JVM_AUTHORITY_H

#include "core/str.h"

// The host of "host:port", "host", "[v6]:port" or "[v6]", without brackets; in the text given. The
// port is 0 when there is none or it is none of 1 to 65535.
struct str authority_split(struct str authority, int *ret_port);

#endif
