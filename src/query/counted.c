// SPDX-License-Identifier: Apache-2.0
// Purpose: calls as they were counted before sampling.
#include "query/counted.h"

#include <math.h>
#include <stdlib.h>

#include "core/hash_index.h"
#include "core/mem.h"
#include "core/must.h"
#include "model/batch.h"
#include "model/calls.h"
#include "model/point.h"
#include "model/semconv.h"
#include "query/exponential.h"

#define COUNTED_BUCKET  STR("traces.span.metrics.duration_bucket")
#define COUNTED_COUNT   STR("traces.span.metrics.duration_count")
#define COUNTED_SUM     STR("traces.span.metrics.duration_sum")
#define SPAN_NAME_KEY   STR("span.name")
#define SPAN_KIND_KEY   STR("span.kind")
#define SPAN_RESULT_KEY STR("otel.span.sampling_result")
#define STATUS_KEY      STR("status.code")
#define ENTRY_KEY       STR("sonde.span.entry")

#define MATCHERS_MAX 8
#define LABELS       5
#define GROUPS_LEAST 64
#define HIST_PART    ((int64_t)1 << 30) // that a cell of a histogram takes at once

// A service whose agents report; all times are those of reports.
struct teller {
    struct str line, service;
    uint64_t first_ms, last_ms;
    bool samples; // it left spans out within the range
    bool counts;  // and there are counts of its calls
};

// Who was called, with what result.
struct group {
    struct str line, service, name;
    uint8_t kind;
    bool error;
    double *sum_ns; // by step
    double *calls;  // the same, where buckets are not read; none any more once they are given
};

// What came to a bucket of a group in a step.
struct gain {
    uint32_t group, step;
    uint32_t bucket; // hist_bucket()
    int64_t calls;
};

struct counting {
    const struct counted_query *q;
    enum err (*each)(void *ctx, const struct series_found *found);
    void *ctx;
    size_t steps;
    bool exact; // durations are read by buckets
    bool any;   // calls that were counted are given
    struct teller *tellers;
    size_t teller_count, teller_capacity;
    struct group *groups;
    uint64_t *hashes;
    size_t group_count, group_capacity, hash_capacity;
    struct hash_index index;
    struct gain *gains;
    size_t gain_count, gain_capacity;
    struct exponential_sources sources;
    uint32_t group;           // of the series that is read
    struct hist_total *total; // scratch, as the next two
    struct buf text;
    struct series_hist adjusted;
    uint64_t *times_ms; // of a series that is given, by step
    struct series_hist *hists;
    struct arena arena, bytes; // bytes: of the series that is given
    size_t charged_bytes;
};

static bool charge(struct counting *c, size_t bytes)
{
    if (!query_need(c->q->control, bytes)) {
        return false;
    }
    ASSERT(bytes > 0);
    c->charged_bytes += bytes;
    return true;
}

// The step that has the middle between two reports; false outside of the range.
static bool step_between(const struct counting *c, uint64_t after_ms, uint64_t until_ms,
                         uint32_t *ret_step)
{
    uint64_t middle_ms = after_ms + (until_ms - after_ms) / 2;
    ASSERT(after_ms < until_ms);
    if (middle_ms < c->q->from_ms || middle_ms >= c->q->to_ms) {
        return false;
    }
    *ret_step = (uint32_t)((middle_ms - c->q->from_ms) / c->q->step_ms);
    return true;
}

// ---- Who samples --------------------------------------------------------------------------------

static struct teller *find_teller(const struct counting *c, struct str line, struct str service)
{
    for (size_t i = 0; i < c->teller_count; i++) {
        ASSERT(c->tellers[i].service.n > 0);
        if (str_eq(c->tellers[i].service, service) && str_eq(c->tellers[i].line, line)) {
            return &c->tellers[i];
        }
    }
    return NULL;
}

// Who samples and is the teller of a series of the metric; or NULL.
static struct teller *sampling(const struct counting *c, const struct series_found *found)
{
    struct teller *t = find_teller(c, found->line, series_label(found, POINT_SERVICE));
    ASSERT(found->label_count > 0);
    return t != NULL && t->samples ? t : NULL;
}

// A series of how many spans were left out.
static enum err on_dropped(void *ctx, const struct series_found *found)
{
    struct counting *c = ctx;
    struct str service = series_label(found, POINT_SERVICE);
    if (found->numbers == NULL || found->count == 0 || service.n == 0) {
        return ERR_OK;
    }
    struct teller *t = find_teller(c, found->line, service);
    if (t == NULL) {
        if (!charge(c, 2 * sizeof *t + found->line.n + service.n)) {
            return ERR_MEMORY;
        }
        c->tellers =
            mem_grow(c->tellers, &c->teller_capacity, c->teller_count + 1, sizeof *c->tellers);
        t = &c->tellers[c->teller_count++];
        *t = (struct teller){.line = arena_str(&c->arena, found->line),
                             .service = arena_str(&c->arena, service),
                             .first_ms = UINT64_MAX};
    }
    uint64_t last_ms = found->times_ms[found->count - 1];
    t->first_ms = found->times_ms[0] < t->first_ms ? found->times_ms[0] : t->first_ms;
    t->last_ms = last_ms > t->last_ms ? last_ms : t->last_ms;
    for (size_t i = 1; i < found->count; i++) {
        uint32_t step;
        bool grew = found->numbers[i] > 0 && found->numbers[i] != found->numbers[i - 1];
        t->samples |= grew && step_between(c, found->times_ms[i - 1], found->times_ms[i], &step);
    }
    ASSERT(t->first_ms <= t->last_ms);
    return ERR_OK;
}

// Asks for a metric of agents, with a label more.
static enum err ask_metric(struct counting *c, struct str name, struct str key, struct str value,
                           bool all, enum err (*each)(void *ctx, const struct series_found *found),
                           uint64_t *damaged_parts)
{
    const struct counted_query *q = c->q;
    struct series_matcher m[MATCHERS_MAX] = {{POINT_NAME, MATCH_EQUAL, name},
                                             {POINT_SERVICE, MATCH_EQUAL, q->service},
                                             {POINT_SCOPE, MATCH_EQUAL, SEM_SDK_COUNTS},
                                             {key, MATCH_EQUAL, value}};
    const struct exponential_bucket whole = {EXPONENTIAL_ALL, 0};
    char room[EXPONENTIAL_TEXT_MAX];
    size_t n = 4;
    if (q->instance.p != NULL) {
        m[n++] = (struct series_matcher){POINT_INSTANCE, MATCH_EQUAL, q->instance};
    }
    if (q->endpoint.p != NULL && !str_eq(key, SPAN_RESULT_KEY)) {
        m[n++] = (struct series_matcher){SPAN_NAME_KEY, MATCH_EQUAL, q->endpoint};
    }
    if (all) {
        m[n++] =
            (struct series_matcher){POINT_BUCKET_INDEX, MATCH_EQUAL, exponential_text(whole, room)};
    }
    ASSERT(n <= MATCHERS_MAX);
    const struct series_query series = {
        .any_line = q->any_line,
        .line = q->line,
        .matchers = m,
        .matcher_count = n,
        .from_ms = q->from_ms > COUNTED_LOOK_MS ? q->from_ms - COUNTED_LOOK_MS : 0,
        .to_ms = q->to_ms + COUNTED_LOOK_MS,
        .step_ms = SERIES_SLOT_MS};
    return calls_run(q->store, series, q->control, each, c, damaged_parts);
}

// ---- What they counted --------------------------------------------------------------------------

static uint8_t kind_of(struct str text)
{
    uint8_t kind = KIND_INTERNAL;
    for (unsigned k = KIND_INTERNAL; k < KIND_COUNT; k++) {
        kind = str_eq_nocase(text, str_of(span_kind_name(k))) ? (uint8_t)k : kind;
    }
    ASSERT(kind < KIND_COUNT);
    return kind;
}

static bool is_group(const struct group *a, const struct group *b)
{
    return a->kind == b->kind && a->error == b->error && str_eq(a->name, b->name) &&
           str_eq(a->service, b->service) && str_eq(a->line, b->line);
}

static uint64_t group_hash(const struct group *g)
{
    ASSERT(g->kind < KIND_COUNT);
    return (str_hash(g->name) * 31 + str_hash(g->service)) * 31 + g->kind * 2u + g->error;
}

static bool find_group(const struct counting *c, const struct group *g, uint32_t *ret_group)
{
    uint64_t hash = group_hash(g);
    struct hash_walk walk = hash_index_walk(&c->index, hash);
    while (hash_index_next(&walk, ret_group)) {
        ASSERT(*ret_group < c->group_count);
        if (c->hashes[*ret_group] == hash && is_group(&c->groups[*ret_group], g)) {
            return true;
        }
    }
    return false;
}

// The group of a series of the metric.
static enum err group_of(struct counting *c, const struct series_found *found, uint32_t *ret_group)
{
    bool instances = c->q->instances;
    struct str kind = str_skip(series_label(found, SPAN_KIND_KEY), strlen("SPAN_KIND_"));
    struct group g = {.line = found->line,
                      .service = series_label(found, POINT_SERVICE),
                      .name = series_label(found, instances ? POINT_INSTANCE : SPAN_NAME_KEY),
                      .kind = instances ? KIND_UNSPECIFIED : kind_of(kind),
                      .error = str_eq(series_label(found, STATUS_KEY), STR("STATUS_CODE_ERROR"))};
    uint64_t hash = group_hash(&g);
    if (find_group(c, &g, ret_group)) {
        return ERR_OK;
    }
    size_t n = c->group_count, texts = g.line.n + g.service.n + g.name.n;
    if (!charge(c, 2 * sizeof g + texts + 64 + 2 * c->steps * sizeof *g.sum_ns)) {
        return ERR_MEMORY;
    }
    g.line = arena_str(&c->arena, g.line);
    g.service = arena_str(&c->arena, g.service);
    g.name = arena_str(&c->arena, g.name);
    g.sum_ns = arena_new(&c->arena, c->steps, sizeof *g.sum_ns);
    g.calls = arena_new(&c->arena, c->steps, sizeof *g.calls);
    c->groups = mem_grow(c->groups, &c->group_capacity, n + 1, sizeof *c->groups);
    c->hashes = mem_grow(c->hashes, &c->hash_capacity, n + 1, sizeof *c->hashes);
    hash_index_reserve(&c->index, c->hashes, n, GROUPS_LEAST);
    hash_index_put(&c->index, hash, (uint32_t)n);
    c->groups[n] = g;
    c->hashes[n] = hash;
    ASSERT(c->group_count < UINT32_MAX);
    *ret_group = (uint32_t)c->group_count++;
    return ERR_OK;
}

static enum err on_all(void *ctx, const struct series_found *found)
{
    struct counting *c = ctx;
    struct teller *t = sampling(c, found);
    ASSERT(c->steps > 0);
    if (t == NULL) {
        return ERR_OK;
    }
    t->counts = true;
    return exponential_mark(&c->sources, found);
}

static enum err add_gain(struct counting *c, struct gain gain)
{
    struct gain *last = c->gain_count > 0 ? &c->gains[c->gain_count - 1] : NULL;
    if (last != NULL && last->group == gain.group && last->step == gain.step &&
        last->bucket == gain.bucket) {
        last->calls += gain.calls;
        return ERR_OK;
    }
    if (c->gain_count == c->gain_capacity &&
        !charge(c, (c->gain_count + 16) * sizeof *c->gains)) { // doubles
        return ERR_MEMORY;
    }
    c->gains = mem_grow(c->gains, &c->gain_capacity, c->gain_count + 1, sizeof *c->gains);
    c->gains[c->gain_count++] = gain;
    ASSERT(c->gain_count <= c->gain_capacity);
    return ERR_OK;
}

static enum err on_growth(void *ctx, const struct exponential_growth *growth)
{
    struct counting *c = ctx;
    double middle = sqrt(growth->lower * growth->upper);
    uint32_t step;
    if (!step_between(c, growth->after_ms, growth->until_ms, &step) || !(middle < 0x1p63)) {
        return ERR_OK;
    }
    ASSERT(growth->after_ms < growth->until_ms);
    return add_gain(c, (struct gain){.group = c->group,
                                     .step = step,
                                     .bucket = hist_bucket((uint64_t)middle),
                                     .calls = (int64_t)growth->by});
}

static enum err on_bucket(void *ctx, const struct series_found *found)
{
    struct counting *c = ctx;
    if (found->type != SERIES_COUNTER || !exponential_has(found) || sampling(c, found) == NULL) {
        return ERR_OK;
    }
    enum err e = group_of(c, found, &c->group);
    ASSERT(c->steps > 0);
    e = e == ERR_OK ? exponential_grow(&c->sources, found, on_growth, c) : e;
    return e == ERR_INVALID ? ERR_OK : e; // "all"
}

// Adds what a counter of a group grew by, step by step, to its sums or its calls.
static enum err add_counter(struct counting *c, const struct series_found *found, bool is_sum)
{
    uint32_t group, step;
    struct teller *t = sampling(c, found);
    if (found->type != SERIES_COUNTER || t == NULL) {
        return ERR_OK;
    }
    t->counts |= !is_sum;
    enum err e = group_of(c, found, &group);
    for (size_t i = 1; i < found->count && e == ERR_OK; i++) {
        double last = found->numbers[i - 1], v = found->numbers[i];
        ASSERT(group < c->group_count);
        if (step_between(c, found->times_ms[i - 1], found->times_ms[i], &step) && v >= 0) {
            double *to = is_sum ? c->groups[group].sum_ns : c->groups[group].calls;
            to[step] += v >= last ? v - last : v;
        }
    }
    return e;
}

static enum err on_sum(void *ctx, const struct series_found *found)
{
    return add_counter(ctx, found, true);
}

static enum err on_count(void *ctx, const struct series_found *found)
{
    return add_counter(ctx, found, false);
}

// What the service was called for: its entries, by what says that they are.
static enum err read_metric(struct counting *c, uint64_t *damaged_parts)
{
    const struct series_label entries[] = {{SPAN_KIND_KEY, STR("SPAN_KIND_SERVER")},
                                           {SPAN_KIND_KEY, STR("SPAN_KIND_CONSUMER")},
                                           {ENTRY_KEY, STR("true")}};
    const size_t n = sizeof entries / sizeof entries[0];
    enum err e = ERR_OK;
    for (size_t i = 0; i < n && e == ERR_OK && c->exact; i++) {
        e = ask_metric(c, COUNTED_BUCKET, entries[i].key, entries[i].value, true, on_all,
                       damaged_parts);
    }
    exponential_settle(&c->sources);
    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        e = ask_metric(c, c->exact ? COUNTED_BUCKET : COUNTED_COUNT, entries[i].key,
                       entries[i].value, false, c->exact ? on_bucket : on_count, damaged_parts);
        e = e == ERR_OK ? ask_metric(c, COUNTED_SUM, entries[i].key, entries[i].value, false,
                                     on_sum, damaged_parts)
                        : e;
    }
    ASSERT(c->group_count <= c->group_capacity);
    return e;
}

// ---- As series ----------------------------------------------------------------------------------

static int compare_gains(const void *a, const void *b)
{
    const struct gain *x = a, *y = b;
    if (x->group != y->group) {
        return x->group < y->group ? -1 : 1;
    }
    if (x->step != y->step) {
        return x->step < y->step ? -1 : 1;
    }
    return x->bucket < y->bucket ? -1 : x->bucket > y->bucket;
}

// What c->total has, as a histogram that lives until the next series; the total is empty then.
static enum err take_total(struct counting *c, double sum_ns, struct series_hist *ret_hist)
{
    c->total->sum_ns = (int64_t)fmin(sum_ns, 0x1p62);
    buf_clear(&c->text);
    hist_total_encode(c->total, &c->text);
    ASSERT(!c->text.failed);
    size_t growth = arena_growth(&c->bytes, c->text.n + 1);
    bool room = growth == 0 || charge(c, growth);
    if (room) {
        *ret_hist = (struct series_hist){c->total->count, c->total->sum_ns,
                                         arena_str(&c->bytes, buf_str(&c->text))};
    }
    hist_total_clear(c->total);
    return room ? ERR_OK : ERR_MEMORY;
}

// The gains of a group and step, which are `n`, as a histogram.
static enum err hist_of(struct counting *c, const struct gain *gains, size_t n,
                        struct series_hist *ret_hist)
{
    ASSERT(n > 0);
    for (size_t i = 0; i < n; i++) {
        for (int64_t left = gains[i].calls; left != 0;) {
            int64_t part = left > HIST_PART ? HIST_PART : left < -HIST_PART ? -HIST_PART : left;
            struct hist h = {0};
            hist_add(&h, hist_value(gains[i].bucket), (int32_t)part);
            buf_clear(&c->text);
            hist_encode(&h, &c->text);
            hist_total_add(c->total, buf_str(&c->text));
            hist_clear(&h);
            left -= part;
        }
    }
    return take_total(c, c->groups[gains[0].group].sum_ns[gains[0].step], ret_hist);
}

static enum err give_group(struct counting *c, const struct group *g, size_t count)
{
    struct series_label labels[LABELS];
    size_t n = 0;
    if (!c->q->instances) {
        labels[n++] = (struct series_label){CALLS_ENDPOINT, g->name};
    }
    if (g->error) {
        labels[n++] = (struct series_label){CALLS_ERROR, CALLS_TRUE};
    }
    labels[n++] = c->q->instances
                      ? (struct series_label){CALLS_INSTANCE, g->name}
                      : (struct series_label){CALLS_KIND, str_of(span_kind_name(g->kind))};
    labels[n++] =
        (struct series_label){CALLS_OF, c->q->instances ? CALLS_INSTANCE : CALLS_ENDPOINT};
    labels[n++] = (struct series_label){CALLS_SERVICE, g->service};
    ASSERT(n <= LABELS);
    const struct series_found found = {.line = g->line,
                                       .type = SERIES_HIST,
                                       .labels = labels,
                                       .label_count = n,
                                       .count = count,
                                       .times_ms = c->times_ms,
                                       .hists = c->hists};
    return c->each(c->ctx, &found);
}

static enum err give_groups(struct counting *c)
{
    enum err e = ERR_OK;
    if (c->gain_count > 1) {
        qsort(c->gains, c->gain_count, sizeof *c->gains, compare_gains);
    }
    for (size_t i = 0; i < c->gain_count && e == ERR_OK;) {
        uint32_t group = c->gains[i].group;
        size_t count = 0;
        arena_clear(&c->bytes);
        while (i < c->gain_count && c->gains[i].group == group && e == ERR_OK) {
            uint32_t step = c->gains[i].step;
            size_t end = i;
            while (end < c->gain_count && c->gains[end].group == group &&
                   c->gains[end].step == step) {
                end++;
            }
            ASSERT(count < c->steps);
            c->times_ms[count] = c->q->from_ms + step * c->q->step_ms;
            e = hist_of(c, c->gains + i, end - i, &c->hists[count]);
            count++;
            i = end;
        }
        e = e == ERR_OK ? give_group(c, &c->groups[group], count) : e;
    }
    c->any |= c->gain_count > 0;
    return e;
}

// Of ranges without buckets, calls in steps in which no span was kept: all as long as their mean.
static enum err gain_the_rest(struct counting *c)
{
    enum err e = ERR_OK;
    for (size_t g = 0; g < c->group_count; g++) {
        const struct group *group = &c->groups[g];
        for (size_t i = 0; i < c->steps && e == ERR_OK; i++) {
            double calls = group->calls[i];
            ASSERT(calls >= 0);
            if (calls >= 1) {
                double mean = fmin(group->sum_ns[i] / calls, 0x1p62);
                e = add_gain(c, (struct gain){.group = (uint32_t)g,
                                              .step = (uint32_t)i,
                                              .bucket = hist_bucket((uint64_t)mean),
                                              .calls = (int64_t)calls});
            }
        }
    }
    return e;
}

// ---- Calls of kept spans ------------------------------------------------------------------------

// Makes the calls of a total so many, with the shares of their durations. False for a total without
// calls, which is empty then.
static bool make_as_many(struct hist_total *t, int64_t calls)
{
    int64_t all = 0, below = 0, given = 0;
    for (size_t i = 0; i < HIST_BUCKETS; i++) {
        all += t->buckets[i] > 0 ? t->buckets[i] : 0;
    }
    ASSERT(calls > 0);
    if (all == 0) {
        hist_total_clear(t);
        return false;
    }
    for (size_t i = 0; i < HIST_BUCKETS; i++) {
        if (t->buckets[i] != 0) {
            below += t->buckets[i] > 0 ? t->buckets[i] : 0;
            int64_t upto =
                below == all ? calls : (int64_t)((double)below / (double)all * (double)calls);
            t->buckets[i] = upto - given;
            given = upto;
        }
    }
    t->count = calls;
    return true;
}

// c->adjusted becomes the calls of a step that were counted, by the durations of those of kept
// spans. *ret_some: false where there are none; what else there is to say of the step is given
// later.
static enum err adjust(struct counting *c, struct group *g, size_t step, bool *ret_some)
{
    int64_t calls = (int64_t)g->calls[step];
    ASSERT(step < c->steps);
    *ret_some = false;
    if (calls == 0) {
        return ERR_OK;
    }
    hist_total_add(c->total, c->adjusted.bytes);
    if (!make_as_many(c->total, calls)) {
        return ERR_OK;
    }
    enum err e = take_total(c, g->sum_ns[step], &c->adjusted);
    g->calls[step] = 0;
    *ret_some = e == ERR_OK;
    c->any = true;
    return e;
}

static struct group *group_of_calls(const struct counting *c, const struct series_found *found)
{
    bool instances = c->q->instances;
    uint32_t at;
    const struct group g = {
        .line = found->line,
        .service = series_label(found, CALLS_SERVICE),
        .name = series_label(found, instances ? CALLS_INSTANCE : CALLS_ENDPOINT),
        .kind = instances ? KIND_UNSPECIFIED : kind_of(series_label(found, CALLS_KIND)),
        .error = str_eq(series_label(found, CALLS_ERROR), CALLS_TRUE)};
    ASSERT(found->label_count > 0);
    return find_group(c, &g, &at) ? &c->groups[at] : NULL;
}

// A series of calls of kept spans: without what was counted, or made that.
static enum err on_calls(void *ctx, const struct series_found *found)
{
    struct counting *c = ctx;
    struct series_found left = *found;
    const struct teller *t = str_eq(series_label(found, CALLS_COUNTED), CALLS_TRUE)
                                 ? find_teller(c, found->line, series_label(found, CALLS_SERVICE))
                                 : NULL;
    if (t == NULL || !t->counts) {
        return c->each(c->ctx, found);
    }
    struct group *g = c->exact ? NULL : group_of_calls(c, found);
    enum err e = ERR_OK;
    left.count = 0;
    left.times_ms = c->times_ms;
    left.hists = c->hists;
    arena_clear(&c->bytes);
    for (size_t i = 0; i < found->count && e == ERR_OK; i++) {
        uint64_t time_ms = found->times_ms[i];
        bool gives = time_ms + c->q->step_ms <= t->first_ms || time_ms >= t->last_ms;
        c->adjusted = found->hists[i];
        if (!gives && g != NULL) {
            e = adjust(c, g, (size_t)((time_ms - c->q->from_ms) / c->q->step_ms), &gives);
        }
        if (gives) {
            ASSERT(left.count < c->steps);
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

static void counting_done(struct counting *c)
{
    ASSERT(c->q != NULL);
    exponential_done(&c->sources);
    mem_free(c->tellers);
    mem_free(c->groups);
    mem_free(c->hashes);
    mem_free(c->gains);
    hash_index_done(&c->index);
    arena_done(&c->arena);
    arena_done(&c->bytes);
    buf_done(&c->text);
    mem_free(c->total);
    query_give(c->q->control, c->charged_bytes);
}

enum err counted_run(const struct counted_query *q,
                     enum err (*each)(void *ctx, const struct series_found *found), void *ctx,
                     uint64_t *damaged_parts, bool *ret_counted)
{
    struct counting c = {.q = q, .each = each, .ctx = ctx};
    bool samples = false;
    ASSERT(q->from_ms < q->to_ms && q->step_ms > 0 && q->service.p != NULL);
    c.steps = (size_t)((q->to_ms - q->from_ms) / q->step_ms);
    c.exact = q->to_ms - q->from_ms <= COUNTED_EXACT_MS;
    c.total = mem_new(1, sizeof *c.total);
    buf_init(&c.text, HIST_BYTES_MAX);
    exponential_init(&c.sources, q->control);
    enum err e = charge(&c, c.steps * (sizeof *c.times_ms + sizeof *c.hists)) ? ERR_OK : ERR_MEMORY;
    if (e == ERR_OK) {
        c.times_ms = arena_new(&c.arena, c.steps, sizeof *c.times_ms);
        c.hists = arena_new(&c.arena, c.steps, sizeof *c.hists);
        e = ask_metric(&c, STR("otel.sdk.span.started"), SPAN_RESULT_KEY, STR("DROP"), false,
                       on_dropped, damaged_parts);
    }
    for (size_t i = 0; i < c.teller_count; i++) {
        samples |= c.tellers[i].samples;
    }
    e = e == ERR_OK && samples ? read_metric(&c, damaged_parts) : e;
    e = e == ERR_OK ? ask_calls(&c, damaged_parts) : e;
    e = e == ERR_OK && !c.exact ? gain_the_rest(&c) : e;
    e = e == ERR_OK ? give_groups(&c) : e;
    if (e == ERR_OK) {
        *ret_counted = c.any;
    }
    counting_done(&c);
    return e;
}
