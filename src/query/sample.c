// SPDX-License-Identifier: Apache-2.0
// Purpose: stored traces by the paths of their entries.
#include "query/sample.h"

#include <stdlib.h>

#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
#include "model/kin.h"
#include "query/trace.h"

struct sampled {
    struct chain_span span; // first: spans_sort()
    struct str statement;   // its fingerprint; empty where it has none
};

struct sampler {
    struct names names;
    struct paths paths;
    struct span_reader *reader;
    struct edges_room edges;
    struct entries_room entries;
    struct serial_room serial;
    const struct batch *batch; // that the reader reads
    struct sampled *rows;
    struct chain_span *spans;
    size_t count, capacity, span_capacity;
    struct sample_path *out;
    struct sample_serial *serials;
    size_t out_capacity, serial_capacity;
    struct arena arena; // of a sample
};

struct sampler *sampler_new(void)
{
    struct sampler *s = mem_new(1, sizeof *s);
    paths_init(&s->paths, &s->names, SIZE_MAX);
    s->reader = span_reader_new(&s->names, NULL);
    ASSERT(s->reader != NULL);
    return s;
}

void sampler_free(struct sampler *s)
{
    if (s != NULL) {
        span_reader_free(s->reader);
        edges_room_done(&s->edges);
        entries_room_done(&s->entries);
        serial_room_done(&s->serial);
        paths_done(&s->paths);
        names_done(&s->names);
        arena_done(&s->arena);
        mem_free(s->rows);
        mem_free(s->spans);
        mem_free(s->out);
        mem_free(s->serials);
        mem_free(s);
    }
}

// ---- Statements ---------------------------------------------------------------------------------

static struct str text_of(struct row row, const struct str keys[2])
{
    const struct span *span = row_span(row);
    for (size_t i = 0; i < 2; i++) {
        const struct attr *a = batch_find_attr(row.batch, span->attrs, keys[i]);
        if (a != NULL && a->type == ATTR_STRING) {
            ASSERT(a->code < row.batch->string_count);
            return batch_str(row.batch, (uint32_t)a->code);
        }
    }
    return STR("");
}

static struct str statement_of(struct sampler *s, struct row row)
{
    static const struct str texts[] = {{"db.query.text", 13}, {"db.statement", 12}};
    static const struct str systems[] = {{"db.system.name", 14}, {"db.system", 9}};
    struct statement_text made;
    struct statement_facts facts = {.system = text_of(row, systems), .text = text_of(row, texts)};
    facts.kind = statement_is_cache(facts.system) ? STATEMENT_CACHE : STATEMENT_DATABASE;
    ASSERT(s->reader != NULL);
    if (facts.text.n == 0) {
        return STR("");
    }
    statement_fingerprint(&facts, &made);
    return arena_str(&s->arena, (struct str){made.bytes, made.n});
}

// ---- Rows ---------------------------------------------------------------------------------------

static void on_rows(void *ctx, const struct row *rows, size_t count)
{
    struct sampler *s = ctx;
    for (size_t i = 0; i < count; i++) {
        uint32_t instance;
        if (rows[i].batch != s->batch) {
            span_reader_begin(s->reader, rows[i].batch);
            s->batch = rows[i].batch;
        }
        s->rows = mem_grow(s->rows, &s->capacity, s->count + 1, sizeof *s->rows);
        s->rows[s->count++] =
            (struct sampled){.span = span_reader_get(s->reader, rows[i].index, &instance),
                             .statement = statement_of(s, rows[i])};
    }
    ASSERT(s->count <= SAMPLE_SPANS_MAX);
    s->batch = NULL; // rows live until this returns, and so may their batch
}

// Each span once.
static void drop_copies(struct sampler *s)
{
    size_t kept = 0;
    spans_sort(s->rows, s->count, sizeof *s->rows);
    for (size_t i = 0; i < s->count; i++) {
        if (kept == 0 || !chain_span_is_same(&s->rows[kept - 1].span, &s->rows[i].span)) {
            s->rows[kept++] = s->rows[i];
        }
    }
    ASSERT(kept <= s->count);
    s->count = kept;
    s->spans = mem_grow(s->spans, &s->span_capacity, s->count + 1, sizeof *s->spans);
    for (size_t i = 0; i < s->count; i++) {
        s->spans[i] = s->rows[i].span;
    }
}

// ---- Paths --------------------------------------------------------------------------------------

struct said {
    uint32_t path;
    struct str statement;
};

static int by_said(const void *a, const void *b)
{
    const struct said *x = a, *y = b;
    if (x->path != y->path) {
        return x->path < y->path ? -1 : 1;
    }
    return str_cmp(x->statement, y->statement);
}

// The most frequent statement of each path.
static void find_statements(struct sampler *s, const struct entry_sum *sums, size_t count)
{
    struct said *all = mem_new(s->count + 1, sizeof *all);
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++) {
        if (s->rows[i].statement.n > 0 && s->entries.spans[i].path != 0) {
            all[n++] = (struct said){s->entries.spans[i].path, s->rows[i].statement};
        }
    }
    sort_array(all, n, sizeof *all, by_said);
    for (size_t first = 0, end; first < n; first = end) {
        end = first + 1;
        while (end < n && by_said(&all[first], &all[end]) == 0) {
            end++;
        }
        size_t at = 0;
        while (sums[at].path != all[first].path) {
            at++;
            ASSERT(at < count);
        }
        if (end - first > s->out[at].same_calls) {
            s->out[at].same_calls = (uint32_t)(end - first);
            s->out[at].statement = all[first].statement;
        }
    }
    ASSERT(count > 0 || n == 0);
    mem_free(all);
}

// ---- Serial calls -------------------------------------------------------------------------------

static size_t find_serials(struct sampler *s)
{
    const struct serial_chain chain = {.spans = s->spans,
                                       .edges = &s->edges,
                                       .entries = &s->entries,
                                       .paths = &s->paths,
                                       .names = &s->names,
                                       .count = (uint32_t)s->count};
    size_t count;
    const struct serial *found = serial_of(&s->serial, &chain, &count);
    s->serials = mem_grow(s->serials, &s->serial_capacity, count + 1, sizeof *s->serials);
    for (size_t i = 0; i < count; i++) {
        struct sample_serial *to = &s->serials[i];
        *to = (struct sample_serial){.caller = paths_at(&s->paths, found[i].caller)->id,
                                     .saved_ns = found[i].saved_ns,
                                     .count = found[i].count};
        for (size_t k = 0; k < found[i].count; k++) {
            to->paths[k] = paths_at(&s->paths, found[i].paths[k])->id;
        }
    }
    ASSERT(count <= s->count);
    return count;
}

static uint64_t duration_of(const struct sampler *s)
{
    uint64_t first_ns = UINT64_MAX, duration_ns = 0;
    ASSERT(s->edges.capacity >= s->count);
    for (size_t i = 0; i < s->count; i++) {
        const struct chain_span *span = &s->spans[i];
        if (s->edges.parents[i] == KIN_NONE && span->parent == 0 && span->start_ns < first_ns) {
            first_ns = span->start_ns;
            duration_ns = span->duration_ns;
        }
    }
    return duration_ns;
}

static void no_edge(void *ctx, const struct edge_call *call)
{
    ASSERT(call != NULL);
    (void)ctx;
}

enum err sampler_take(struct sampler *s, const struct store_view *view, trace_id id,
                      struct meter *meter, struct sample *ret_sample)
{
    size_t sums;
    uint64_t start_ns;
    s->count = 0;
    s->batch = NULL;
    arena_clear(&s->arena);
    enum err e = trace_each_row(view, id, SAMPLE_SPANS_MAX, meter, on_rows, s);
    if (e != ERR_OK) {
        return e != ERR_LEFT_OUT && e != ERR_LIMIT ? e : ERR_NOT_FOUND;
    }
    drop_copies(s);
    edges_of(&s->edges, s->spans, (uint32_t)s->count, no_edge, NULL);
    const struct entry_sum *sum = entries_of(&s->entries, &s->edges, &s->paths, s->spans,
                                             (uint32_t)s->count, &sums, &start_ns);
    s->out = mem_grow(s->out, &s->out_capacity, sums + 1, sizeof *s->out);
    for (size_t i = 0; i < sums; i++) {
        s->out[i] =
            (struct sample_path){.id = paths_at(&s->paths, sum[i].path)->id, .calls = sum[i].calls};
    }
    find_statements(s, sum, sums);
    ASSERT(view != NULL);
    size_t serials = find_serials(s);
    *ret_sample = (struct sample){.trace = id,
                                  .duration_ns = duration_of(s),
                                  .paths = s->out,
                                  .count = sums,
                                  .serials = s->serials,
                                  .serial_count = serials};
    return sums > 0 ? ERR_OK : ERR_NOT_FOUND;
}
