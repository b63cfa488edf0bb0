// SPDX-License-Identifier: Apache-2.0
// Purpose: what lists and charts show of many spans: services, operations, attribute keys and
// values, and the scatter of duration over time. Each runs one scan and keeps a bounded number of
// groups; what does not fit is counted in `left_out`, and groups that are there may then lack spans
// as well. What groups, keys and cells take comes from the control's meter before it is allocated;
// ERR_MEMORY where it refuses. Beyond the first GROUPS_NEEDED groups it is no failure: groups that
// there is no memory for, or that would take more than half of what one query may have (the answer
// needs some as well), are left out like those beyond the number, and the control says so
// (`left_for_memory`). The control lives until they are freed.
#ifndef SONDE_QUERY_AGGREGATE_H
#define SONDE_QUERY_AGGREGATE_H

#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/err.h"
#include "core/sketch.h"
#include "query/scan.h"

#define GROUPS_MAX    2048
#define GROUPS_NEEDED 16

// Distinct values are counted up to so many, and so many bytes of them, before the most frequent
// are told.
#define VALUES_MAX       32768
#define VALUES_BYTES_MAX ((size_t)16 << 20)

struct aggregate {
    const struct store_view *view;
    uint64_t from_ns, to_ns;
    struct query_control *control;
};

// One group: a service (line, name), an operation (name, kind), or an attribute value (name).
struct group {
    struct str line, name;
    uint8_t kind;
    uint64_t spans, errors;
    uint64_t last_start_ns;
    struct sketch *durations; // NULL for attribute values
    uint64_t hash;
};

struct groups {
    struct arena arena;
    struct group *items; // by number of spans, largest first
    size_t count, capacity, max;
    uint32_t *index; // open addressing: group + 1; while filling
    size_t index_size;
    bool with_durations;
    uint64_t left_out; // spans of groups beyond `max`
    struct query_control *control;
    size_t charged_bytes;
};
void groups_free(struct groups *g);

MUST_CHECK enum err aggregate_services(const struct aggregate *a, struct groups **ret_groups);

// Of one service: name and, unless `any_line`, business line. ERR_LIMIT when the name is too long.
MUST_CHECK enum err aggregate_operations(const struct aggregate *a, struct str service,
                                         struct str line, bool any_line,
                                         struct groups **ret_groups);

// Where an attribute is looked for: OF_ANY in the span first, then in its resource.
enum attribute_scope { OF_ANY, OF_SPAN, OF_RESOURCE };

// Values of one attribute (or of the intrinsic name, kind or status) with the spans that have it,
// the most frequent first; only values that begin with `prefix`. Numbers and booleans as text.
// ERR_LIMIT when the key is too long.
MUST_CHECK enum err aggregate_values(const struct aggregate *a, enum attribute_scope scope,
                                     struct str key, struct str prefix, struct groups **ret_groups);

// The attribute keys in the range, by name; from dictionaries alone. `types` has a bit 1 << enum
// attr_type for each type seen. *ret_truncated: there are more than the first ATTRIBUTE_KEYS_MAX
// found. The arena's growth stays taken from the meter.
#define ATTRIBUTE_KEYS_MAX 4096

struct attribute_key {
    struct str key;
    bool of_resource;
    unsigned types;
};
MUST_CHECK enum err aggregate_keys(const struct aggregate *a, struct str prefix,
                                   struct arena *arena, struct attribute_key **ret_keys,
                                   size_t *ret_count, bool *ret_truncated);

// The duration-time scatter: `columns` of equal width over the range, `rows` of equal ratio over
// the durations found.
#define SCATTER_COLUMNS_MAX 400
#define SCATTER_ROWS_MAX    200

struct scatter_cell {
    uint32_t column, row;
    uint64_t spans, errors;
    trace_id example; // a trace with an error where there is one
};

struct scatter {
    uint32_t columns, rows;
    uint64_t column_ns;
    uint64_t duration_min_ns, duration_max_ns; // bounds of the first and the last row
    struct scatter_cell *cells;
    size_t count;
    struct query_control *control;
    size_t charged_bytes;
};
MUST_CHECK enum err aggregate_scatter(const struct aggregate *a, const struct filter *filter,
                                      uint32_t columns, uint32_t rows, struct scatter *ret_scatter);
void scatter_done(struct scatter *s);

#endif
