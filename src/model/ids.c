// SPDX-License-Identifier: Apache-2.0
// Purpose: trace and span IDs as text and as parts.
#include "model/ids.h"

#include <xxhash.h>

#include "core/must.h"

uint64_t trace_id_hash(trace_id id)
{
    return XXH3_64bits(id.b, sizeof id.b);
}

static void to_hex(const uint8_t *b, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[b[i] >> 4];
        out[2 * i + 1] = digits[b[i] & 15];
    }
    out[2 * n] = 0;
}

void trace_id_hex(trace_id id, char out[TRACE_ID_HEX + 1])
{
    to_hex(id.b, sizeof id.b, out);
}

void span_id_hex(span_id id, char out[SPAN_ID_HEX + 1])
{
    to_hex(id.b, sizeof id.b, out);
}

static enum err from_hex(struct str hex, uint8_t *out)
{
    for (size_t i = 0; i < hex.n / 2; i++) {
        int high = str_hex_digit(hex.p[2 * i]), low = str_hex_digit(hex.p[2 * i + 1]);
        if (high < 0 || low < 0) {
            return ERR_INVALID;
        }
        out[i] = (uint8_t)(high << 4 | low);
    }
    return ERR_OK;
}

enum err trace_id_parse(struct str hex, trace_id *ret_id)
{
    trace_id id = {{0}};
    ASSERT(ret_id != NULL);
    if (hex.n != 32 && hex.n != 16) {
        return ERR_INVALID;
    }
    enum err e = from_hex(hex, id.b + (hex.n == 16 ? 8 : 0));
    if (e == ERR_OK) {
        *ret_id = id;
    }
    return e;
}

enum err span_id_parse(struct str hex, span_id *ret_id)
{
    span_id id;
    ASSERT(ret_id != NULL);
    if (hex.n != 16) {
        return ERR_INVALID;
    }
    enum err e = from_hex(hex, id.b);
    if (e == ERR_OK) {
        *ret_id = id;
    }
    return e;
}

static void put_bits(uint8_t *b, unsigned first, unsigned count, uint64_t v)
{
    for (unsigned i = 0; i < count; i++) {
        unsigned at = first + count - 1 - i;
        b[at / 8] = (uint8_t)(b[at / 8] | ((v >> i & 1) << (7 - at % 8)));
    }
}

static uint64_t get_bits(const uint8_t *b, unsigned first, unsigned count)
{
    uint64_t v = 0;
    for (unsigned at = first; at < first + count; at++) {
        v = v << 1 | (b[at / 8] >> (7 - at % 8) & 1U);
    }
    return v;
}

trace_id trace_id_make(const struct trace_id_parts *parts)
{
    trace_id id = {{0}};
    ASSERT(parts != NULL);
    put_bits(id.b, 0, 48, parts->unix_ms);
    put_bits(id.b, 48, 32, parts->ipv4);
    put_bits(id.b, 80, 22, parts->pid);
    put_bits(id.b, 102, 4, parts->environment);
    put_bits(id.b, 106, 22, parts->counter);
    return id;
}

struct trace_id_parts trace_id_decode(trace_id id, uint64_t now_ms, bool *ret_plausible)
{
    static const uint64_t year_2020_ms = 1577836800000, day_ms = 86400000;
    struct trace_id_parts parts = {
        .unix_ms = get_bits(id.b, 0, 48),
        .ipv4 = (uint32_t)get_bits(id.b, 48, 32),
        .pid = (uint32_t)get_bits(id.b, 80, 22),
        .environment = (uint32_t)get_bits(id.b, 102, 4),
        .counter = (uint32_t)get_bits(id.b, 106, 22),
    };
    ASSERT(ret_plausible != NULL);
    *ret_plausible = parts.unix_ms >= year_2020_ms && parts.unix_ms <= now_ms + day_ms;
    return parts;
}
