// SPDX-License-Identifier: Apache-2.0
// Purpose: a growable run of big-endian bytes for writing class files. Unlike core/buf.h it never
// aborts: inside someone else's process a failed allocation marks it `failed`, later writes do
// nothing, and the writer checks once at its end.
#ifndef SONDE_JVM_BYTES_OUT_H
#define SONDE_JVM_BYTES_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/str.h"

struct bytes_out {
    uint8_t *p; // malloc'd
    size_t n, capacity, max;
    bool failed;  // no memory, or `max` would be passed
    bool is_full; // it was `max`
};

void out_init(struct bytes_out *o, size_t max);
void out_done(struct bytes_out *o);
void out_bytes(struct bytes_out *o, const void *p, size_t n);
void out_u1(struct bytes_out *o, unsigned v);
void out_u2(struct bytes_out *o, unsigned v);
void out_u4(struct bytes_out *o, uint32_t v);
// CP_UTF8 and its length, then the bytes (at most 65,535).
void out_utf8(struct bytes_out *o, struct str s);
// Takes back what was written behind `n`, and that there was no room for more.
void out_take_back(struct bytes_out *o, size_t n);
// Overwrites what was written at an offset.
void out_set_u2(struct bytes_out *o, size_t at, unsigned v);
void out_set_u4(struct bytes_out *o, size_t at, uint32_t v);

#endif
