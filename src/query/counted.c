// SPDX-License-Identifier: Apache-2.0
// Purpose: calls of kept spans, and in their place those that were counted before sampling.
#include "query/counted.h"

#include <math.h>

#include "core/mem.h"
#include "core/must.h"
#include "model/batch.h"
#include "model/calls.h"
#include "query/reports.h"

#define MATCHERS_MAX 4
#define LABELS       5

struct counting {
    const struct counted_query *q;
    enum err (*each)(void *ctx, const struct series_found *found);
    void *ctx;
    bool any; // calls that were counted are given
    struct senders senders;
    struct reports reports;
    struct hist_total *total; // scratch, as the next two
    struct buf text;
    struct series_hist adjusted;
    uint64_t *times_ms; // of a series that is given, by step
    struct series_hist *hists;
    struct arena arena, bytes; // bytes: of the series that is given
    struct query_memory memory;
};

// What c->total has, as a histogram that lives until the next series; the total is empty then.
static enum err take_total(struct counting *c, double sum_ns, struct series_hist *ret_hist)
{
    c->total->sum_ns = (int64_t)fmin(sum_ns, 0x1p62);
    buf_clear(&c->text);
    hist_total_encode(c->total, &c->text);
    ASSERT(!c->text.failed);
    size_t growth = arena_growth(&c->bytes, c->text.n + 1);
    bool room = growth == 0 || query_memory_need(&c->memory, growth);
    if (room) {
        *ret_hist = (struct series_hist){c->total->count, c->total->sum_ns,
                                         arena_str(&c->bytes, buf_str(&c->text))};
    }
    hist_total_clear(c->total);
    return room ? ERR_OK : ERR_MEMORY;
}

// ---- What was counted ---------------------------------------------------------------------------

static enum err give_reported(struct counting *c, const struct reported *x, size_t count)
{
    bool instances = c->q->instances;
    struct series_label labels[LABELS];
    size_t n = 0;
    if (!instances) {
        labels[n++] = (struct series_label){CALLS_ENDPOINT, x->name};
    }
    if (x->error) {
        labels[n++] = (struct series_label){CALLS_ERROR, CALLS_TRUE};
    }
    labels[n++] = instances ? (struct series_label){CALLS_INSTANCE, x->name}
                            : (struct series_label){CALLS_KIND, str_of(span_kind_name(x->kind))};
    labels[n++] = (struct series_label){CALLS_OF, instances ? CALLS_INSTANCE : CALLS_ENDPOINT};
    labels[n++] = (struct series_label){CALLS_SERVICE, x->service};
    ASSERT(n <= LABELS);
    const struct series_found found = {.line = x->line,
                                       .type = SERIES_HIST,
                                       .labels = labels,
                                       .label_count = n,
                                       .count = count,
                                       .times_ms = c->times_ms,
                                       .hists = c->hists};
    return c->each(c->ctx, &found);
}

// The gains from `first` on that are of one step, as its histogram; *ret_end is behind them.
static enum err take_step(struct counting *c, size_t first, struct series_hist *ret_hist,
                          size_t *ret_end)
{
    const struct reports *r = &c->reports;
    const struct gain *g = &r->gains[first];
    size_t end = first;
    for (; end < r->gain_count && r->gains[end].of == g->of && r->gains[end].step == g->step;
         end++) {
        hist_total_add_bucket(c->total, r->gains[end].bucket, r->gains[end].calls);
    }
    ASSERT(end > first);
    *ret_end = end;
    return take_total(c, r->items[g->of].sum_ns[g->step], ret_hist);
}

static enum err give_gains(struct counting *c)
{
    const struct reports *r = &c->reports;
    enum err e = ERR_OK;
    reports_sort(&c->reports);
    for (size_t i = 0; i < r->gain_count && e == ERR_OK;) {
        uint32_t of = r->gains[i].of;
        size_t count = 0;
        arena_clear(&c->bytes);
        while (i < r->gain_count && r->gains[i].of == of && e == ERR_OK) {
            ASSERT(count < r->steps);
            c->times_ms[count] = c->q->from_ms + r->gains[i].step * c->q->step_ms;
            e = take_step(c, i, &c->hists[count], &i);
            count++;
        }
        e = e == ERR_OK ? give_reported(c, &r->items[of], count) : e;
    }
    c->any |= r->gain_count > 0;
    return e;
}

// ---- Calls of kept spans ------------------------------------------------------------------------

// c->adjusted becomes the calls of a step that were counted, by the durations of those of kept
// spans. *ret_some: false where there are none; what else there is to say of the step is given
// later.
static enum err adjust(struct counting *c, struct reported *x, size_t step, bool *ret_some)
{
    int64_t calls = (int64_t)x->calls[step];
    ASSERT(step < c->reports.steps);
    *ret_some = false;
    if (calls == 0) {
        return ERR_OK;
    }
    hist_total_add(c->total, c->adjusted.bytes);
    if (!hist_total_scale(c->total, calls)) {
        return ERR_OK;
    }
    enum err e = take_total(c, x->sum_ns[step], &c->adjusted);
    x->calls[step] = 0;
    *ret_some = e == ERR_OK;
    c->any = true;
    return e;
}

static struct reported *reported_of(const struct counting *c, const struct series_found *found)
{
    bool instances = c->q->instances;
    const struct reported x = {
        .line = found->line,
        .service = series_label(found, CALLS_SERVICE),
        .name = series_label(found, instances ? CALLS_INSTANCE : CALLS_ENDPOINT),
        .kind = instances ? KIND_UNSPECIFIED : reports_kind(series_label(found, CALLS_KIND)),
        .error = str_eq(series_label(found, CALLS_ERROR), CALLS_TRUE)};
    ASSERT(found->label_count > 0);
    return reports_find(&c->reports, &x);
}

// A series of calls of kept spans: without what was counted, or made that.
static enum err on_calls(void *ctx, const struct series_found *found)
{
    struct counting *c = ctx;
    struct series_found left = *found;
    const struct sender *s =
        str_eq(series_label(found, CALLS_COUNTED), CALLS_TRUE)
            ? senders_find(&c->senders, found->line, series_label(found, CALLS_SERVICE))
            : NULL;
    if (s == NULL || !s->counts) {
        return c->each(c->ctx, found);
    }
    struct reported *x = c->reports.exact ? NULL : reported_of(c, found);
    enum err e = ERR_OK;
    left.count = 0;
    left.times_ms = c->times_ms;
    left.hists = c->hists;
    arena_clear(&c->bytes);
    for (size_t i = 0; i < found->count && e == ERR_OK; i++) {
        uint64_t time_ms = found->times_ms[i];
        bool gives = time_ms + c->q->step_ms <= s->first_ms || time_ms >= s->last_ms;
        c->adjusted = found->hists[i];
        if (!gives && x != NULL) {
            e = adjust(c, x, (size_t)((time_ms - c->q->from_ms) / c->q->step_ms), &gives);
        }
        if (gives) {
            ASSERT(left.count < c->reports.steps);
            c->times_ms[left.count] = time_ms;
            c->hists[left.count++] = c->adjusted;
        }
    }
    return e == ERR_OK && left.count > 0 ? c->each(c->ctx, &left) : e;
}

static enum err ask_calls(struct counting *c, uint64_t *damaged_parts)
{
    const struct counted_query *q = c->q;
    struct series_matcher m[MATCHERS_MAX] = {
        {CALLS_LABEL_NAME, MATCH_EQUAL, CALLS_NAME},
        {CALLS_SERVICE, MATCH_EQUAL, q->service},
        {CALLS_OF, MATCH_EQUAL, q->instances ? CALLS_INSTANCE : CALLS_ENDPOINT}};
    size_t n = 3;
    if (q->instance.p != NULL) {
        m[n++] = (struct series_matcher){CALLS_INSTANCE, MATCH_EQUAL, q->instance};
    } else if (q->endpoint.p != NULL) {
        m[n++] = (struct series_matcher){CALLS_ENDPOINT, MATCH_EQUAL, q->endpoint};
    }
    ASSERT(n <= MATCHERS_MAX);
    const struct series_query series = {.any_line = q->any_line,
                                        .line = q->line,
                                        .matchers = m,
                                        .matcher_count = n,
                                        .from_ms = q->from_ms,
                                        .to_ms = q->to_ms,
                                        .step_ms = q->step_ms};
    return calls_run(q->store, series, q->control, on_calls, c, damaged_parts);
}

// ---- The run ------------------------------------------------------------------------------------

static enum err begin(struct counting *c)
{
    size_t steps = c->reports.steps;
    ASSERT(steps > 0);
    if (!query_memory_need(&c->memory, steps * (sizeof *c->times_ms + sizeof *c->hists))) {
        return ERR_MEMORY;
    }
    c->times_ms = arena_new(&c->arena, steps, sizeof *c->times_ms);
    c->hists = arena_new(&c->arena, steps, sizeof *c->hists);
    return ERR_OK;
}

static void end(struct counting *c)
{
    ASSERT(c->q != NULL);
    senders_done(&c->senders);
    reports_done(&c->reports);
    arena_done(&c->arena);
    arena_done(&c->bytes);
    buf_done(&c->text);
    mem_free(c->total);
    query_memory_give(&c->memory);
}

enum err counted_run(const struct counted_query *q,
                     enum err (*each)(void *ctx, const struct series_found *found), void *ctx,
                     uint64_t *damaged_parts, bool *ret_counted)
{
    struct counting c = {.q = q, .each = each, .ctx = ctx, .memory = {.control = q->control}};
    ASSERT(q->from_ms < q->to_ms && q->step_ms > 0 && q->service.p != NULL);
    c.total = mem_new(1, sizeof *c.total);
    buf_init(&c.text, HIST_BYTES_MAX);
    senders_init(&c.senders, q);
    reports_init(&c.reports, q, &c.senders);
    enum err e = begin(&c);
    e = e == ERR_OK ? senders_read(&c.senders, damaged_parts) : e;
    if (e == ERR_OK && senders_sample(&c.senders)) {
        e = reports_read(&c.reports, damaged_parts);
    }
    e = e == ERR_OK ? ask_calls(&c, damaged_parts) : e;
    e = e == ERR_OK && !c.reports.exact ? reports_gain_the_rest(&c.reports) : e;
    e = e == ERR_OK ? give_gains(&c) : e;
    if (e == ERR_OK) {
        *ret_counted = c.any;
    }
    end(&c);
    return e;
}
