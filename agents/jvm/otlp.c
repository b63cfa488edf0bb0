// SPDX-License-Identifier: Apache-2.0
// Purpose: protobuf into a fixed space. Source of the messages: opentelemetry/proto/common/v1.
#include "agents/jvm/otlp.h"

#include <string.h>

#include "core/must.h"
#include "core/varint.h"

#define SMALL_LENGTH 2 // bytes of a small message's length
#define LARGE_LENGTH 4

enum any_value { ANY_TEXT = 1, ANY_BOOL = 2, ANY_INT = 3 };
enum key_value { KEY = 1, VALUE = 2 };

void otlp_raw(struct otlp *o, const void *p, size_t n)
{
    if (o->full || n > o->capacity - o->n) {
        o->full = true;
        return;
    }
    if (n > 0) {
        memcpy(o->p + o->n, p, n);
    }
    o->n += n;
}

void otlp_varint(struct otlp *o, uint64_t v)
{
    uint8_t bytes[VARINT_MAX];
    otlp_raw(o, bytes, varint_put(bytes, v));
}

void otlp_tag(struct otlp *o, unsigned number, enum otlp_wire wire)
{
    otlp_varint(o, (uint64_t)number << 3 | wire);
}

void otlp_number(struct otlp *o, unsigned number, uint64_t v)
{
    otlp_tag(o, number, WIRE_VARINT);
    otlp_varint(o, v);
}

void otlp_sint(struct otlp *o, unsigned number, int64_t v)
{
    otlp_number(o, number, ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0));
}

void otlp_bytes(struct otlp *o, unsigned number, const void *p, size_t n)
{
    otlp_tag(o, number, WIRE_BYTES);
    otlp_varint(o, n);
    otlp_raw(o, p, n);
}

void otlp_fixed64(struct otlp *o, unsigned number, uint64_t v)
{
    otlp_tag(o, number, WIRE_FIXED64);
    otlp_raw(o, &v, sizeof v);
}

void otlp_double(struct otlp *o, unsigned number, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    otlp_fixed64(o, number, bits);
}

// A length takes the bytes that were kept for it, whatever it is: varints may have leading zeros.
static size_t begin(struct otlp *o, unsigned number, size_t length_n)
{
    otlp_tag(o, number, WIRE_BYTES);
    otlp_raw(o, "\x80\x80\x80\x00", length_n);
    return o->n;
}

static void end(struct otlp *o, size_t at, size_t length_n)
{
    if (o->full) {
        return;
    }
    size_t n = o->n - at;
    ASSERT(n >> (7 * length_n) == 0);
    for (size_t i = 0; i < length_n; i++) {
        o->p[at - length_n + i] = (uint8_t)((n & 0x7F) | (i + 1 < length_n ? 0x80 : 0));
        n >>= 7;
    }
}

size_t otlp_begin(struct otlp *o, unsigned number)
{
    return begin(o, number, SMALL_LENGTH);
}

void otlp_end(struct otlp *o, size_t at)
{
    end(o, at, SMALL_LENGTH);
}

size_t otlp_begin_large(struct otlp *o, unsigned number)
{
    return begin(o, number, LARGE_LENGTH);
}

void otlp_end_large(struct otlp *o, size_t at)
{
    end(o, at, LARGE_LENGTH);
}

// ---- Attributes ------------------------------------------------------------------------------

// Lengths are known before a byte is written: room is asked for once, and varints are short.

static size_t varint_n(uint64_t v)
{
    return v < 0x80 ? 1 : v < 0x4000 ? 2 : (size_t)(70 - __builtin_clzll(v)) / 7;
}

static uint8_t *put(uint8_t *to, uint64_t v)
{
    if (v < 0x80) {
        *to = (uint8_t)v;
        return to + 1;
    }
    return to + varint_put(to, v);
}

// A KeyValue up to its AnyValue's content, which takes `any_n` bytes; NULL when there is no room.
static uint8_t *begin_pair(struct otlp *o, unsigned field, const char *key, size_t any_n)
{
    uint64_t tag = (uint64_t)field << 3 | WIRE_BYTES;
    size_t key_n = strlen(key);
    size_t pair_n = 1 + varint_n(key_n) + key_n + 1 + varint_n(any_n) + any_n;
    size_t n = varint_n(tag) + varint_n(pair_n) + pair_n;
    if (o->full || n > o->capacity - o->n) {
        o->full = true;
        return NULL;
    }
    uint8_t *to = put(put(o->p + o->n, tag), pair_n);
    o->n += n;
    *to++ = KEY << 3 | WIRE_BYTES;
    to = put(to, key_n);
    memcpy(to, key, key_n);
    to += key_n;
    *to++ = VALUE << 3 | WIRE_BYTES;
    return put(to, any_n);
}

void otlp_text(struct otlp *o, unsigned field, const char *key, struct str value)
{
    uint8_t *to = begin_pair(o, field, key, 1 + varint_n(value.n) + value.n);
    if (to == NULL) {
        return;
    }
    *to++ = ANY_TEXT << 3 | WIRE_BYTES;
    to = put(to, value.n);
    if (value.n > 0) {
        memcpy(to, value.p, value.n);
    }
}

static void put_number(struct otlp *o, unsigned field, const char *key, enum any_value type,
                       uint64_t value)
{
    uint8_t *to = begin_pair(o, field, key, 1 + varint_n(value));
    if (to != NULL) {
        *to++ = (uint8_t)(type << 3 | WIRE_VARINT);
        (void)put(to, value);
    }
}

void otlp_int(struct otlp *o, unsigned field, const char *key, int64_t value)
{
    put_number(o, field, key, ANY_INT, (uint64_t)value);
}

void otlp_bool(struct otlp *o, unsigned field, const char *key, bool value)
{
    put_number(o, field, key, ANY_BOOL, value);
}
