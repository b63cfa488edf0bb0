// SPDX-License-Identifier: Apache-2.0
// Purpose: the text of W3C Baggage: key=value members with commas between them, a value
// percent-encoded, properties behind semicolons. Pure; bytes of a peer, so nothing is asserted.
#ifndef SONDE_JVM_BAGGAGE_H
#define SONDE_JVM_BAGGAGE_H

#include "agents/jvm/context.h"

// Copies the members that are as the specification has them, without blanks between; others are
// left out, and so is what would pass BAGGAGE_MAX. Returns the length.
size_t baggage_clean(struct str raw, char out[BAGGAGE_MAX]);

// The first value of a key, decoded, without properties. p == NULL: none, or longer than `room`.
struct str baggage_get(struct str baggage, struct str key, char *out, size_t room);

// The baggage with this member in the place of what it had of the key; empty: without. False when
// the key is no token (RFC 9110), the value no UTF-8 or the result too long.
bool baggage_set(struct str baggage, struct str key, struct str value, char out[BAGGAGE_MAX],
                 size_t *ret_n);

#endif
