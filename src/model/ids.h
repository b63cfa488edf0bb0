// SPDX-License-Identifier: Apache-2.0
// Purpose: trace and span IDs: by-value types, their hexadecimal form (W3C Trace Context), and the
// decoding of trace IDs that Sonde's own agents make.
#ifndef SONDE_MODEL_IDS_H
#define SONDE_MODEL_IDS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/err.h"
#include "core/str.h"

// 16 and 8 bytes in the order they have on the wire. All zero means absent (invalid in W3C terms).
typedef struct {
    uint8_t b[16];
} trace_id;

typedef struct {
    uint8_t b[8];
} span_id;

#define TRACE_ID_HEX 32
#define SPAN_ID_HEX  16

static inline bool trace_id_is_zero(trace_id id)
{
    static const trace_id zero;
    return memcmp(&id, &zero, sizeof id) == 0;
}

static inline bool span_id_is_zero(span_id id)
{
    static const span_id zero;
    return memcmp(&id, &zero, sizeof id) == 0;
}

static inline int trace_id_cmp(const trace_id *a, const trace_id *b)
{
    return memcmp(a->b, b->b, sizeof a->b);
}

static inline bool span_id_eq(span_id a, span_id b)
{
    return memcmp(a.b, b.b, sizeof a.b) == 0;
}

// A well-mixed 64-bit hash of the whole ID. Sampling and filters use this, because foreign IDs may
// have any structure and none of their bits is to be read as random. Stable: it is stored.
uint64_t trace_id_hash(trace_id id);

// Lower-case hexadecimal; out has room for the digits and a NUL.
void trace_id_hex(trace_id id, char out[TRACE_ID_HEX + 1]);
void span_id_hex(span_id id, char out[SPAN_ID_HEX + 1]);

// Parses exactly 32 (16) hexadecimal digits of either case. A 16-digit trace ID (64-bit tracers) is
// accepted and padded with zeros on the left. ERR_INVALID otherwise.
MUST_CHECK enum err trace_id_parse(struct str hex, trace_id *ret_id);
MUST_CHECK enum err span_id_parse(struct str hex, span_id *ret_id);

// What a trace ID made by Sonde's agents says. Bits from the most significant: 48 of milliseconds
// since 1970, 32 of IPv4 (or a hash of the IPv6 address), 22 of process ID, 4 of environment, 22 of
// counter: 10 million IDs a second per host stay unique without coordination.
struct trace_id_parts {
    uint64_t unix_ms;
    uint32_t ipv4; // host byte order
    uint32_t pid;
    uint32_t environment;
    uint32_t counter;
};

trace_id trace_id_make(const struct trace_id_parts *parts);

// Takes any ID apart by the layout above. Foreign IDs give nonsense: `plausible` tells whether the
// time lies between 2020 and one day after `now_ms`, which a random ID meets once in about 700.
struct trace_id_parts trace_id_decode(trace_id id, uint64_t now_ms, bool *ret_plausible);

#endif
