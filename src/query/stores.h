// SPDX-License-Identifier: Apache-2.0
// Purpose: the boards of databases, caches, RPC and queues: which stores there are, and which
// statements they are sent, by whom, how often, how long, with what errors; beside the same of an
// earlier stretch of time. Added up from the statements that the stream counts (model/calls.h), for
// any past range, and up to a few seconds ago.
//
// Numbers are those of the callers, as they measured them; of a queue, also of those that take from
// it. Stores are nodes of the topology: databases, caches, queues; of RPC, services that are called
// by RPC, and external ones. "Of one chain" is how often a service sends the statement in a chain
// in which it sends it at all: exact, but for chains whose calls lie on both sides of the range's
// ends; a chain in which two services send it is two.
//
// The range is cut as calls_cut_range() does, and the earlier one to as much. A statement that is
// only in the earlier one is counted in `gone`.
//
// ERR_LIMIT for more than STORES_SERIES_MAX series; ERR_MEMORY where the control's meter refuses,
// ERR_CANCELLED; else an error of the storage.
#ifndef SONDE_QUERY_STORES_H
#define SONDE_QUERY_STORES_H

#include "model/statement.h"
#include "query/calls.h"
#include "query/node.h"

#define STORES_SERIES_MAX  ((size_t)200000)
#define STORES_LIMIT       100u
#define STORES_LIMIT_MAX   1000u
#define STORES_CALLERS_MAX 20u // of a statement, those with the most time first

enum stores_order {
    STORES_BY_TOTAL, // time spent
    STORES_BY_MEAN,
    STORES_BY_CALLS,
    STORES_BY_ERRORS,
    STORES_BY_P99,
    STORES_ORDERS
};
const char *stores_order_name(enum stores_order o);     // "total", "mean"; static
const char *stores_kind_name(enum statement_kind kind); // "db", "cache", "mq", "rpc"; static

struct stores_query {
    struct series_store *store;
    bool any_kind;
    enum statement_kind kind;
    bool any_line;
    struct str line;         // of the callers
    struct str service;      // of the callers; p == NULL: any
    const struct node *node; // that is sent the statements, or NULL
    enum stores_order order; // of statements, the most first
    size_t limit;            // of statements, to STORES_LIMIT_MAX
    uint64_t from_ms, to_ms;
    uint64_t before_ms; // how much earlier the range lies that is compared with; 0: none
    struct query_control *control;
};

struct stores_store {
    struct node node;
    struct str system;
    enum statement_kind kind;
    struct calls calls, before;
    size_t statements, callers;
};

// Of one caller.
struct stores_sum {
    int64_t calls, errors, sum_ns;
};

struct stores_caller {
    struct str line, service;
    struct stores_sum sum;
};

// How many calls chains have of a statement.
struct stores_of_chain {
    int64_t chains;   // that have it
    int64_t repeated; // that have it more than once
    uint64_t p99, max;
};

struct stores_statement {
    const struct stores_store *store;
    struct str text, system;
    struct calls calls, before;
    struct stores_of_chain of_chain;
    struct stores_caller *callers;
    size_t caller_count, left_out_callers;
};

// The control lives until it is freed.
struct stores {
    struct stores_store **stores; // most time first
    size_t store_count;
    struct stores_statement *statements; // as asked for
    size_t statement_count;
    size_t left_out; // beyond the limit
    size_t gone;
    uint64_t from_ms, to_ms;
    uint64_t damaged_parts; // that had to be left out
    struct arena arena;
    struct query_control *control;
    size_t charged_bytes;
};

MUST_CHECK enum err stores_run(const struct stores_query *query, struct stores **ret_stores);
void stores_free(struct stores *s);

#endif
