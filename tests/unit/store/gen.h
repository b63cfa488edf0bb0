// SPDX-License-Identifier: Apache-2.0
// Purpose: random batches for the store's tests, and comparing rows across batches: seeded, with
// every kind of attribute, duplicate keys, equal times, parents inside and outside.
#ifndef SONDE_TESTS_STORE_GEN_H
#define SONDE_TESTS_STORE_GEN_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/mem.h"
#include "core/sort.h"
#include "model/batch.h"

struct gen {
    uint64_t state;
    size_t traces;      // distinct trace IDs to pick from
    size_t attrs_max;   // of a span
    size_t text_max;    // bytes of an ordinary text
    uint64_t time_base; // of the first start
};

static inline uint64_t gen_u64(struct gen *g)
{
    g->state += 0x9E3779B97F4A7C15ULL;
    uint64_t z = g->state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
}

static inline uint64_t gen_below(struct gen *g, uint64_t n)
{
    return gen_u64(g) % n;
}

static inline uint32_t gen_text(struct gen *g, struct batch *b)
{
    char text[600];
    if (gen_below(g, 3) != 0) {
        (void)snprintf(text, sizeof text, "value-%d", (int)gen_below(g, 20));
        return batch_intern(b, str_of(text));
    }
    size_t n = (size_t)gen_below(g, g->text_max < sizeof text ? g->text_max + 1 : sizeof text);
    for (size_t i = 0; i < n; i++) {
        text[i] = (char)gen_u64(g);
    }
    return batch_intern(b, (struct str){text, n});
}

static inline struct attr_run gen_attrs(struct gen *g, struct batch *b, size_t max)
{
    static const char *const keys[] = {"http.url",  "http.method", "db.statement", "user.id", "n",
                                       "duplicate", "duplicate",   "retry",        "x",       ""};
    struct attr_run run = {(uint32_t)b->attr_count, (uint32_t)gen_below(g, max + 1)};
    for (uint32_t i = 0; i < run.count; i++) {
        uint32_t key = batch_intern(b, str_of(keys[gen_below(g, 10)]));
        uint32_t type = (uint32_t)gen_below(g, ATTR_TYPE_COUNT);
        uint64_t bits = 0;
        if (attr_type_is_text(type)) {
            bits = gen_text(g, b);
        } else if (type == ATTR_BOOL) {
            bits = gen_below(g, 2);
        } else if (type != ATTR_EMPTY) {
            bits = gen_below(g, 2) ? gen_u64(g) : gen_below(g, 300) - 20;
        }
        *batch_add_attr(b) = (struct attr){.key = key, .type = type, .bits = bits};
    }
    return run;
}

static inline void gen_resources(struct gen *g, struct batch *b)
{
    char name[32];
    for (int i = 0; i < 3; i++) {
        struct attr_run run = gen_attrs(g, b, 4);
        (void)snprintf(name, sizeof name, "service-%d", (int)gen_below(g, 5));
        uint32_t service = batch_intern(b, str_of(name)), schema = gen_text(g, b);
        struct resource *r = batch_add_resource(b);
        r->attrs = run;
        r->service = service;
        r->schema_url = schema;
        r->dropped_attrs = (uint32_t)gen_below(g, 2);
        run = gen_attrs(g, b, 2);
        uint32_t version = gen_text(g, b);
        struct scope *s = batch_add_scope(b);
        s->attrs = run;
        s->name = service;
        s->version = version;
        s->schema_url = schema;
    }
}

static inline void gen_span(struct gen *g, struct batch *b)
{
    struct attr_run run = gen_attrs(g, b, g->attrs_max);
    uint32_t name = gen_text(g, b), events = gen_text(g, b), links = gen_text(g, b);
    uint32_t message = gen_text(g, b), state = gen_text(g, b);
    bool sparse = gen_below(g, 4) == 0;
    struct span *s = batch_add_span(b);
    uint64_t trace = gen_below(g, g->traces) * 0x9E3779B97F4A7C15ULL;
    memcpy(s->trace.b, &trace, 8);
    s->trace.b[15] = 1;
    s->id.b[0] = (uint8_t)gen_below(g, 250);
    s->id.b[7] = (uint8_t)gen_below(g, 250);
    if (gen_below(g, 5) != 0) {
        s->parent.b[0] = (uint8_t)gen_below(g, 250);
        s->parent.b[7] = (uint8_t)gen_below(g, 250);
    }
    s->start_ns = g->time_base + gen_below(g, 1000) * 1000;
    s->duration_ns = gen_below(g, 3) == 0 ? gen_u64(g) : gen_below(g, 100000);
    s->resource = (uint32_t)gen_below(g, 3);
    s->scope = (uint32_t)gen_below(g, 3);
    s->name = name;
    s->attrs = run;
    s->kind = (uint8_t)gen_below(g, KIND_COUNT);
    s->status = (uint8_t)gen_below(g, STATUS_COUNT);
    if (sparse) {
        s->status_message = message;
        s->trace_state = state;
        s->events = events;
        s->links = links;
        s->dropped_attrs = (uint32_t)gen_u64(g);
        s->dropped_events = (uint32_t)gen_below(g, 3);
        s->dropped_links = (uint32_t)gen_below(g, 3);
        s->flags = (uint32_t)gen_below(g, 1000);
        s->end_before_start = (uint8_t)gen_below(g, 2);
    }
}

static inline struct batch *gen_batch(struct gen *g, struct str line, size_t spans)
{
    struct batch *b = batch_new(line);
    gen_resources(g, b);
    for (size_t i = 0; i < spans; i++) {
        gen_span(g, b);
    }
    batch_seal(b);
    return b;
}

// ---- Rows in canonical form ------------------------------------------------------------------

static inline void put_canonical_text(struct buf *out, const struct batch *b, uint64_t code)
{
    buf_add_varint(out, b->strings[code].n);
    buf_add_str(out, b->strings[code]);
}

static inline void put_canonical_attrs(struct buf *out, const struct batch *b, struct attr_run run)
{
    buf_add_varint(out, run.count);
    for (uint32_t i = run.first; i < run.first + run.count; i++) {
        put_canonical_text(out, b, b->attrs[i].key);
        buf_add_byte(out, (uint8_t)b->attrs[i].type);
        if (attr_type_is_text(b->attrs[i].type)) {
            put_canonical_text(out, b, b->attrs[i].code);
        } else if (b->attrs[i].type != ATTR_EMPTY) {
            buf_add_u64(out, b->attrs[i].bits);
        }
    }
}

// The row as bytes that do not depend on the batch's codes: equal rows give equal bytes.
static inline void row_canonical(struct row row, struct buf *out)
{
    const struct batch *b = row.batch;
    const struct span *s = row_span(row);
    const struct resource *r = &b->resources[s->resource];
    const struct scope *x = &b->scopes[s->scope];
    const uint64_t numbers[] = {s->start_ns,       s->duration_ns,   s->dropped_attrs,
                                s->dropped_events, s->dropped_links, s->flags,
                                s->kind,           s->status,        s->end_before_start,
                                r->dropped_attrs,  x->dropped_attrs};
    const uint32_t texts[] = {s->name,    s->status_message, s->trace_state, s->events,
                              s->links,   r->schema_url,     r->service,     x->name,
                              x->version, x->schema_url};
    buf_add(out, s->trace.b, 16);
    buf_add(out, s->id.b, 8);
    buf_add(out, s->parent.b, 8);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        buf_add_u64(out, numbers[i]);
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        put_canonical_text(out, b, texts[i]);
    }
    put_canonical_attrs(out, b, s->attrs);
    put_canonical_attrs(out, b, r->attrs);
    put_canonical_attrs(out, b, x->attrs);
}

// ---- A heap of rows --------------------------------------------------------------------------

struct rows {
    struct row *rows;
    size_t count, capacity;
};

static inline int rows_compare(const void *a, const void *b)
{
    return row_cmp(*(const struct row *)a, *(const struct row *)b);
}

static inline void rows_add(struct rows *r, const struct batch *b)
{
    r->rows = mem_grow(r->rows, &r->capacity, r->count + b->span_count, sizeof *r->rows);
    for (size_t i = 0; i < b->span_count; i++) {
        r->rows[r->count++] = (struct row){b, (uint32_t)i};
    }
}

static inline void rows_sort(struct rows *r)
{
    if (r->count > 0) {
        sort_array(r->rows, r->count, sizeof *r->rows, rows_compare);
    }
}

#endif
