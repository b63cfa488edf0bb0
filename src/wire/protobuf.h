// SPDX-License-Identifier: Apache-2.0
// Purpose: the protobuf wire format: reading fields within bounds, and writing nested messages.
// A field is a tag (varint: number << 3 | wire type) and a value: a varint, 8 or 4 bytes
// little-endian, or a varint length with so many bytes. Groups (wire types 3 and 4) are refused.
#ifndef SONDE_WIRE_PROTOBUF_H
#define SONDE_WIRE_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/must.h"
#include "core/varint.h"

enum pb_wire { PB_VARINT = 0, PB_FIXED64 = 1, PB_BYTES = 2, PB_FIXED32 = 5 };

#define PB_NUMBER_MAX ((1U << 29) - 1)

struct pb_reader {
    const uint8_t *p, *end;
};

struct pb_field {
    const uint8_t *at; // the tag
    uint32_t number;
    enum pb_wire wire;
    uint64_t value;   // of the number types
    struct str bytes; // of PB_BYTES
};

static inline struct pb_reader pb_reader(struct str s)
{
    const uint8_t *p = (const uint8_t *)(s.p != NULL ? s.p : "");
    ASSERT(s.p != NULL || s.n == 0);
    return (struct pb_reader){p, p + s.n};
}

// Reads the value that follows a tag. False when it is cut short or of no known wire type.
static inline bool pb_value(struct pb_reader *r, struct pb_field *f, unsigned wire)
{
    f->wire = (enum pb_wire)wire;
    f->value = 0;
    f->bytes = (struct str){(const char *)r->p, 0};
    size_t left = (size_t)(r->end - r->p);
    switch (wire) {
    case PB_VARINT: {
        const uint8_t *next = varint_get(r->p, r->end, &f->value);
        if (next == NULL) {
            return false;
        }
        r->p = next;
        return true;
    }
    case PB_FIXED64:
        if (left < 8) {
            return false;
        }
        f->value = load_u64(r->p);
        r->p += 8;
        return true;
    case PB_FIXED32:
        if (left < 4) {
            return false;
        }
        f->value = load_u32(r->p);
        r->p += 4;
        return true;
    case PB_BYTES: {
        uint64_t n = 0;
        const uint8_t *bytes = varint_get(r->p, r->end, &n);
        if (bytes == NULL || n > (size_t)(r->end - bytes)) {
            return false;
        }
        f->bytes = (struct str){(const char *)bytes, (size_t)n};
        r->p = bytes + n;
        return true;
    }
    default:
        return false;
    }
}

// Reads the next field; call while r->p < r->end. On false r->p is where the field began.
static inline bool pb_next(struct pb_reader *r, struct pb_field *f)
{
    ASSERT(r->p < r->end);
    uint64_t tag = 0;
    f->at = r->p;
    const uint8_t *p = varint_get(r->p, r->end, &tag);
    if (p == NULL || tag >> 3 == 0 || tag >> 3 > PB_NUMBER_MAX) {
        return false;
    }
    f->number = (uint32_t)(tag >> 3);
    r->p = p;
    if (!pb_value(r, f, tag & 7)) {
        r->p = f->at;
        return false;
    }
    return true;
}

static inline void pb_tag(struct buf *out, uint32_t number, enum pb_wire wire)
{
    ASSERT(number > 0 && number <= PB_NUMBER_MAX);
    if (number < 16 && out->n < out->capacity && !out->failed) {
        out->p[out->n++] = (char)(number << 3 | wire);
        return;
    }
    buf_add_varint(out, (uint64_t)number << 3 | wire);
}

static inline void pb_put_varint(struct buf *out, uint32_t number, uint64_t v)
{
    pb_tag(out, number, PB_VARINT);
    buf_add_varint(out, v);
}

static inline void pb_put_fixed64(struct buf *out, uint32_t number, uint64_t v)
{
    pb_tag(out, number, PB_FIXED64);
    buf_add_u64(out, v);
}

// Doubles are fixed64.
static inline double pb_double(uint64_t bits)
{
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

static inline void pb_put_double(struct buf *out, uint32_t number, double d)
{
    uint64_t bits;
    memcpy(&bits, &d, sizeof bits);
    pb_put_fixed64(out, number, bits);
}

static inline void pb_put_fixed32(struct buf *out, uint32_t number, uint32_t v)
{
    pb_tag(out, number, PB_FIXED32);
    buf_add_u32(out, v);
}

static inline void pb_put_bytes(struct buf *out, uint32_t number, struct str s)
{
    pb_tag(out, number, PB_BYTES);
    buf_add_varint(out, s.n);
    buf_add_str(out, s);
}

// A nested message: what is appended between begin and end. One byte is kept free for the length;
// a longer length moves the message, which costs less than encoding twice.
static inline size_t pb_begin(struct buf *out, uint32_t number)
{
    pb_tag(out, number, PB_BYTES);
    buf_add_byte(out, 0);
    return out->n;
}

static inline void pb_end(struct buf *out, size_t begin)
{
    uint8_t length[VARINT_MAX];
    if (out->failed) {
        return;
    }
    ASSERT(begin > 0 && begin <= out->n);
    size_t size = out->n - begin;
    size_t n = varint_put(length, size);
    if (n > 1) {
        if (!buf_reserve(out, n - 1)) {
            return;
        }
        memmove(out->p + begin - 1 + n, out->p + begin, size);
        out->n += n - 1;
    }
    memcpy(out->p + begin - 1, length, n);
}

#endif
