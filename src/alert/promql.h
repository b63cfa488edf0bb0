// SPDX-License-Identifier: Apache-2.0
// Purpose: expressions of Prometheus' rule files as trees: all of PromQL's grammar, so that whoever
// maps one can say of which part there is no counterpart.
//
// Source: prometheus.io, "Querying basics", "Operators", "Functions".
#ifndef SONDE_ALERT_PROMQL_H
#define SONDE_ALERT_PROMQL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/err.h"
#include "core/str.h"

#define PROMQL_TEXT_MAX  ((size_t)16 << 10)
#define PROMQL_DEPTH_MAX 64
#define PROMQL_ITEMS_MAX ((size_t)64) // arguments, matchers or labels of one node

enum promql_type {
    PROMQL_NUMBER,
    PROMQL_STRING,
    PROMQL_SELECTOR,  // text: the metric's name, or "": with matchers, and a range where it has one
    PROMQL_CALL,      // text: the function's name
    PROMQL_AGGREGATE, // text: sum, avg ...; of args[arg_count - 1], those before it are parameters
    PROMQL_BINARY,    // text: the operator
    PROMQL_NEGATIVE,  // of left
    PROMQL_SUBQUERY   // left[range:step]
};

enum promql_match { PROMQL_EQ, PROMQL_NE, PROMQL_RE, PROMQL_NRE };
struct promql_matcher {
    struct str label, value;
    enum promql_match op;
    size_t offset;
};

struct promql_node {
    enum promql_type type;
    size_t offset; // in the text
    struct str text;
    double number;
    struct promql_matcher *matchers;
    size_t matcher_count;
    uint64_t range_ms;     // 0: none
    bool is_moved;         // has an offset, or an @
    bool has_by, without;  // of aggregates
    bool is_bool, is_told; // of binaries: `bool`; on, ignoring, group_left or group_right
    struct str *labels;    // of by and without
    size_t label_count;
    struct promql_node *left, *right;
    struct promql_node **args;
    size_t arg_count;
};

// The tree lives in the arena, its texts too. ERR_INVALID or ERR_LIMIT with the place (`offset`)
// and what was expected there.
MUST_CHECK enum err promql_parse(struct str text, struct arena *arena,
                                 struct promql_node **ret_node, struct err_at *ret_at);

#endif
