// SPDX-License-Identifier: Apache-2.0
// Purpose: compiled matching: which strategies a record belongs to, at a cost that does not grow
// with the number of those it does not belong to.
//
// A filter is brought into terms (an OR of ANDs, TERMS_MAX at most). The equalities of a term on
// resource attributes, attributes, name, kind and status are its key: their fields are the term's
// shape, their values are hashed together. A plan has a table for each shape that occurs; a record
// looks into each table once, with the hash of its own values in those fields. So the cost is the
// number of shapes (of which people write few) and of strategies that match, not that of rules.
// What a hash finds is then matched in full. Fields of resources are hashed once for each resource
// of a batch, and a shape whose part of resource fields nobody asks for with these values is left
// out for all of its records.
//
// Terms without an equality, and filters with more than TERMS_MAX terms, have nothing to hash:
// "{ duration > 1s }". For these a walk remembers what resource, scope, name, kind and status of a
// span say of each (filter_verdict()): of the spans of one resource and name, of which there are
// many, only those are tried that these leave open. It remembers PLAN_MEMO_MAX such, and begins
// anew beyond. Tests on other fields of a span are left open, and cost each of them.
//
// A walk may be told to spare those (plan_walk_spare()): who falls behind looks for the others, of
// which the cost is bounded, first.
//
// Values that are arrays count as each of their elements.
//
// A plan is immutable and any thread may use it; each thread has a walk of its own.
#ifndef SONDE_ALERT_PLAN_H
#define SONDE_ALERT_PLAN_H

#include "filter/filter.h"
#include "model/batch.h"

#define PLAN_TERMS_MAX      16 // of a filter
#define PLAN_KEY_MAX        4  // equalities of a term that are hashed
#define PLAN_FIELDS_MAX     4096
#define PLAN_SHAPES_MAX     1024
#define PLAN_MEMO_MAX       4096              // combinations
#define PLAN_MEMO_ITEMS_MAX ((size_t)1 << 20) // left open, of all of them

struct plan;

// One filter; its number is its place among those given. The filter must live as long as the plan.
struct plan_item {
    const struct filter *filter;
    struct str line; // business line
    bool any_line;
};

struct plan *plan_new(const struct plan_item *items, size_t count);
void plan_free(struct plan *p); // NULL is fine

enum plan_rows { PLAN_SPANS, PLAN_POINTS };

struct plan_walk;
struct plan_walk *plan_walk_new(void);
void plan_walk_free(struct plan_walk *w); // NULL is fine
// From now on items that nothing is hashed of are left out, or no longer.
void plan_walk_spare(struct plan_walk *w, bool spare);

// Calls `each` for every row of a sealed batch and every item that matches it, row by row.
void plan_each(const struct plan *p, struct plan_walk *w, const struct batch *b,
               enum plan_rows rows, void (*each)(void *ctx, uint32_t item, uint32_t row),
               void *ctx);

struct plan_stats {
    size_t shapes, terms, unkeyed; // items that nothing is hashed of
};
void plan_stats(const struct plan *p, struct plan_stats *ret_stats);

#endif
