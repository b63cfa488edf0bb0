// SPDX-License-Identifier: Apache-2.0
// Purpose: calls of kept spans, and in their place those that were counted before sampling.
#include "query/counted.h"

#include "core/mem.h"
#include "core/must.h"
#include "model/calls.h"

#define MATCHERS_MAX 5

struct counting {
    const struct counted_query *q;
    enum err (*each)(void *ctx, const struct series_found *found);
    void *ctx;
    bool any; // calls that were counted are given
    struct senders senders;
    size_t steps;
    uint64_t *times_ms; // of a series that is given, by step
    struct series_hist *hists;
    struct hist_total *total; // scratch, as the next
    struct buf text;
    struct arena arena;
    struct query_memory memory;
};

bool counted_is(const struct series_found *found)
{
    struct str of = series_label(found, CALLS_OF);
    ASSERT(found->hists != NULL);
    return str_eq(of, CALLS_AGENT_ENDPOINT) || str_eq(of, CALLS_AGENT_INSTANCE);
}

// Who tells a series and left spans out, or NULL.
static struct sender *sender_of(const struct counting *c, const struct series_found *found)
{
    struct sender *s = senders_find(&c->senders, found->line, series_label(found, CALLS_SERVICE));
    ASSERT(found->label_count > 0);
    return s != NULL && s->samples ? s : NULL;
}

static enum err on_counted(void *ctx, const struct series_found *found)
{
    struct counting *c = ctx;
    struct sender *s = sender_of(c, found);
    ASSERT(counted_is(found));
    if (s == NULL) {
        return ERR_OK;
    }
    s->counts = true;
    c->any |= found->count > 0;
    return c->each(c->ctx, found);
}

// A series of calls of kept spans whose place is not taken.
static bool is_whole(const struct counting *c, const struct series_found *found,
                     const struct sender **ret_sender)
{
    const struct sender *s =
        str_eq(series_label(found, CALLS_COUNTED), CALLS_TRUE) ? sender_of(c, found) : NULL;
    ASSERT(ret_sender != NULL);
    *ret_sender = s;
    return s == NULL || !s->counts;
}

// The steps of the series that lie before the first report or behind the last one.
static void take_left(struct counting *c, const struct series_found *found, const struct sender *s,
                      struct series_found *ret_left)
{
    *ret_left = *found;
    ret_left->count = 0;
    ret_left->times_ms = c->times_ms;
    ret_left->hists = c->hists;
    for (size_t i = 0; i < found->count; i++) {
        if (found->times_ms[i] < s->first_ms || found->times_ms[i] >= s->last_ms) {
            MUST(ret_left->count < c->steps);
            c->times_ms[ret_left->count] = found->times_ms[i];
            c->hists[ret_left->count++] = found->hists[i];
        }
    }
}

// Makes one histogram of those of all steps, which lives until the next series.
static void sum_up(struct counting *c, struct series_found *left)
{
    int64_t calls = 0;
    ASSERT(left->count > 0 && left->hists == c->hists);
    for (size_t i = 0; i < left->count; i++) {
        hist_total_add(c->total, c->hists[i].bytes);
        calls += c->hists[i].count;
    }
    buf_clear(&c->text);
    hist_total_encode(c->total, &c->text);
    c->hists[0] = (struct series_hist){calls, c->total->sum_ns, buf_str(&c->text)};
    c->times_ms[0] = c->q->from_ms;
    left->count = 1;
    hist_total_clear(c->total);
}

static enum err on_kept(void *ctx, const struct series_found *found)
{
    struct counting *c = ctx;
    const struct sender *s;
    struct series_found left;
    if (is_whole(c, found, &s)) {
        return c->each(c->ctx, found);
    }
    ASSERT(!c->q->is_sum);
    take_left(c, found, s, &left);
    return left.count > 0 ? c->each(c->ctx, &left) : ERR_OK;
}

// Of sums, first those series that are given as they are, then the steps that are left of others.
static enum err on_kept_sum(void *ctx, const struct series_found *found)
{
    struct counting *c = ctx;
    const struct sender *s;
    ASSERT(c->q->is_sum);
    return is_whole(c, found, &s) ? c->each(c->ctx, found) : ERR_OK;
}

static enum err on_left_sum(void *ctx, const struct series_found *found)
{
    struct counting *c = ctx;
    const struct sender *s;
    struct series_found left;
    ASSERT(c->q->is_sum);
    if (is_whole(c, found, &s)) {
        return ERR_OK;
    }
    take_left(c, found, s, &left);
    if (left.count == 0) {
        return ERR_OK;
    }
    sum_up(c, &left);
    return c->each(c->ctx, &left);
}

// ---- The run ------------------------------------------------------------------------------------

// Asks for series of this kind; `counted`: only those of senders that count.
static enum err ask(struct counting *c, struct str of, bool counted, uint64_t step_ms,
                    enum err (*each)(void *ctx, const struct series_found *found),
                    uint64_t *damaged_parts)
{
    const struct counted_query *q = c->q;
    struct series_matcher m[MATCHERS_MAX] = {{CALLS_LABEL_NAME, MATCH_EQUAL, CALLS_NAME},
                                             {CALLS_OF, MATCH_EQUAL, of}};
    size_t n = 2;
    if (q->service.p != NULL) {
        m[n++] = (struct series_matcher){CALLS_SERVICE, MATCH_EQUAL, q->service};
    }
    if (q->instance.p != NULL) {
        m[n++] = (struct series_matcher){CALLS_INSTANCE, MATCH_EQUAL, q->instance};
    } else if (q->endpoint.p != NULL) {
        m[n++] = (struct series_matcher){CALLS_ENDPOINT, MATCH_EQUAL, q->endpoint};
    }
    if (counted) {
        m[n++] = (struct series_matcher){CALLS_COUNTED, MATCH_EQUAL, CALLS_TRUE};
    }
    ASSERT(n <= MATCHERS_MAX);
    const struct series_query series = {.any_line = q->any_line,
                                        .line = q->line,
                                        .matchers = m,
                                        .matcher_count = n,
                                        .from_ms = q->from_ms,
                                        .to_ms = q->to_ms,
                                        .step_ms = step_ms};
    return calls_run(q->store, series, q->control, each, c, damaged_parts);
}

static enum err read_senders(struct counting *c, uint64_t *damaged_parts)
{
    const struct counted_query *q = c->q;
    const struct senders_query who = {.store = q->store,
                                      .any_line = q->any_line,
                                      .line = q->line,
                                      .service = q->service,
                                      .from_ms = q->from_ms,
                                      .to_ms = q->to_ms,
                                      .step_ms = q->step_ms,
                                      .control = q->control};
    enum err e = senders_read(&c->senders, &who, damaged_parts);
    if (e != ERR_OK || !senders_sample(&c->senders)) {
        return e;
    }
    if (!query_memory_need(&c->memory, c->steps * (sizeof *c->times_ms + sizeof *c->hists))) {
        return ERR_MEMORY;
    }
    ASSERT(c->steps > 0);
    c->times_ms = arena_new(&c->arena, c->steps, sizeof *c->times_ms);
    c->hists = arena_new(&c->arena, c->steps, sizeof *c->hists);
    return ERR_OK;
}

static enum err read_all(struct counting *c, uint64_t *damaged_parts)
{
    const struct counted_query *q = c->q;
    struct str kept = q->instances ? CALLS_INSTANCE : CALLS_ENDPOINT;
    struct str counted = q->instances ? CALLS_AGENT_INSTANCE : CALLS_AGENT_ENDPOINT;
    uint64_t step_ms = q->is_sum ? calls_whole_step_ms(q->to_ms) : q->step_ms;
    bool samples = senders_sample(&c->senders);
    enum err e = samples ? ask(c, counted, false, step_ms, on_counted, damaged_parts) : ERR_OK;
    ASSERT(step_ms % q->step_ms == 0);
    if (e == ERR_OK) {
        e = ask(c, kept, false, step_ms, q->is_sum ? on_kept_sum : on_kept, damaged_parts);
    }
    if (e == ERR_OK && q->is_sum && samples) {
        e = ask(c, kept, true, q->step_ms, on_left_sum, damaged_parts);
    }
    return e;
}

enum err counted_run(const struct counted_query *q,
                     enum err (*each)(void *ctx, const struct series_found *found), void *ctx,
                     uint64_t *damaged_parts, bool *ret_counted)
{
    struct counting c = {.q = q, .each = each, .ctx = ctx, .memory = {.control = q->control}};
    ASSERT(q->from_ms < q->to_ms && q->step_ms > 0);
    c.steps = (size_t)((q->to_ms - q->from_ms) / q->step_ms);
    c.total = mem_new(1, sizeof *c.total);
    buf_init(&c.text, HIST_BYTES_MAX);
    senders_init(&c.senders, q->control);
    enum err e = read_senders(&c, damaged_parts);
    e = e == ERR_OK ? read_all(&c, damaged_parts) : e;
    if (e == ERR_OK) {
        *ret_counted = c.any;
    }
    senders_done(&c.senders);
    arena_done(&c.arena);
    buf_done(&c.text);
    mem_free(c.total);
    query_memory_give(&c.memory);
    return e;
}
