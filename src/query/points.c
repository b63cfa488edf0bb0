// SPDX-License-Identifier: Apache-2.0
// Purpose: metrics over time.
#include <math.h>
#include <string.h>

#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
#include "model/point.h"
#include "query/calls.h"
#include "query/metric.h"
#include "query/points_state.h"
#include "query/red.h"

const double points_quantiles[POINTS_QUANTILES] = {0.5, 0.9, 0.95, 0.99, 0.999};

const char *points_kind_name(enum points_kind k)
{
    static const char *const names[POINTS_KIND_COUNT] = {
        [POINTS_NONE] = "",       [POINTS_GAUGE] = "gauge",         [POINTS_COUNTER] = "counter",
        [POINTS_DELTA] = "delta", [POINTS_HISTOGRAM] = "histogram", [POINTS_SUMMARY] = "summary",
    };
    ASSERT(k < POINTS_KIND_COUNT);
    return names[k];
}

static struct points_growing *find_group(const struct points_run *r, struct str value,
                                         uint64_t hash)
{
    struct hash_walk walk = hash_index_walk(&r->group_index, hash);
    uint32_t at;
    while (hash_index_next(&walk, &at)) {
        ASSERT(at < r->group_count);
        if (r->group_hashes[at] == hash && str_eq(r->groups[at].value, value)) {
            return &r->groups[at];
        }
    }
    return NULL;
}

static enum err group_of(struct points_run *r, struct str value, struct points_growing **ret_group)
{
    uint64_t hash = str_hash(value);
    size_t n = r->group_count, most = r->q->groups_max > 0 ? r->q->groups_max : POINTS_GROUPS_MAX;
    struct points_growing *found = find_group(r, value, hash);
    if (found != NULL) {
        *ret_group = found;
        return ERR_OK;
    }
    if (n == most) {
        return ERR_LIMIT;
    }
    if (!query_memory_need(&r->out->memory,
                           r->steps * (sizeof(struct points_cell) + sizeof(struct points_step)))) {
        return ERR_MEMORY;
    }
    r->groups = mem_grow(r->groups, &r->group_capacity, n + 1, sizeof *r->groups);
    r->group_hashes =
        mem_grow(r->group_hashes, &r->group_hash_capacity, n + 1, sizeof *r->group_hashes);
    hash_index_reserve(&r->group_index, r->group_hashes, n, 16);
    r->groups[n] = (struct points_growing){
        .value = arena_str(&r->out->arena, value),
        .cells = mem_new(r->steps, sizeof(struct points_cell)),
    };
    r->group_hashes[n] = hash;
    hash_index_put(&r->group_index, hash, (uint32_t)n);
    ASSERT(n < most);
    *ret_group = &r->groups[r->group_count++];
    return ERR_OK;
}

// The step that a time lies in; false outside of the range.
static bool step_of(const struct points_run *r, uint64_t time_ms, size_t *ret_step)
{
    ASSERT(r->out->step_ms > 0);
    if (time_ms < r->out->from_ms || time_ms >= r->out->to_ms) {
        return false;
    }
    *ret_step = (size_t)((time_ms - r->out->from_ms) / r->out->step_ms);
    return true;
}

// ---- Growth -------------------------------------------------------------------------------------

static void grow(const struct points_run *r, struct points_cell *cells, size_t step, double by)
{
    ASSERT(step < r->steps);
    (void)r;
    cells[step].increase += by;
    cells[step].grows = true;
}

// Spreads what came between two times over the steps that lie there.
void points_spread(const struct points_run *r, struct points_cell *cells, uint64_t after_ms,
                   uint64_t until_ms, double by)
{
    const struct points *out = r->out;
    uint64_t from = after_ms > out->from_ms ? after_ms : out->from_ms;
    uint64_t to = until_ms < out->to_ms ? until_ms : out->to_ms;
    ASSERT(after_ms < until_ms);
    while (from < to) {
        size_t step = (size_t)((from - out->from_ms) / out->step_ms);
        uint64_t end = out->from_ms + (step + 1) * out->step_ms;
        end = end < to ? end : to;
        grow(r, cells, step, by * (double)(end - from) / (double)(until_ms - after_ms));
        from = end;
    }
}

void points_add_growth(const struct points_run *r, const struct series_found *found,
                       struct points_cell *cells)
{
    uint64_t last_ms = 0;
    double last = 0;
    bool known = false;
    ASSERT(found->numbers != NULL);
    for (size_t i = 0; i < found->count; i++) {
        uint64_t time_ms = found->times_ms[i];
        double v = found->numbers[i];
        size_t step;
        if (isnan(v)) {
            known = known && !point_is_stale(v);
            continue;
        }
        if (found->type == SERIES_DELTA) {
            if (step_of(r, time_ms, &step)) {
                grow(r, cells, step, v);
            }
            continue;
        }
        if (known) {
            points_spread(r, cells, last_ms, time_ms, v >= last ? v - last : v);
        }
        known = true;
        last = v;
        last_ms = time_ms;
    }
}

// ---- Values -------------------------------------------------------------------------------------

static void add_values(struct points_run *r, const struct series_found *found,
                       struct points_cell *cells)
{
    struct points_cell *one = r->one;
    memset(one, 0, r->steps * sizeof *one);
    for (size_t i = 0; i < found->count; i++) {
        size_t step;
        double v = found->numbers[i];
        if (isnan(v) || !step_of(r, found->times_ms[i], &step)) {
            continue;
        }
        struct points_cell *c = &cells[step];
        ASSERT(step < r->steps);
        c->min = c->samples == 0 || v < c->min ? v : c->min;
        c->max = c->samples == 0 || v > c->max ? v : c->max;
        if (c->samples == 0 || found->times_ms[i] >= c->last_ms) {
            c->last = v;
            c->last_ms = found->times_ms[i];
        }
        c->total += v;
        c->samples++;
        one[step].total += v;
        one[step].samples++;
    }
    for (size_t i = 0; i < r->steps; i++) {
        if (one[i].samples > 0) {
            cells[i].sum += one[i].total / (double)one[i].samples;
        }
    }
}

// ---- Labels -------------------------------------------------------------------------------------

// Whether a label says what a series is, rather than which of several.
static bool tells_kind(struct str key)
{
    ASSERT(key.n > 0);
    return str_eq(key, POINT_NAME) || str_eq(key, POINT_UNIT) || str_eq(key, POINT_LE) ||
           str_starts(key, STR("bucket."));
}

static void note_label(struct points *out, struct str key)
{
    ASSERT(out->label_count <= POINTS_LABELS_MAX);
    for (size_t i = 0; i < out->label_count; i++) {
        if (str_eq(out->labels[i], key)) {
            return;
        }
    }
    if (out->label_count < POINTS_LABELS_MAX && !tells_kind(key)) {
        out->labels[out->label_count++] = arena_str(&out->arena, key);
    }
}

static void note_labels(struct points *out, const struct series_found *found)
{
    if (out->labels == NULL) {
        out->labels = arena_new(&out->arena, POINTS_LABELS_MAX, sizeof *out->labels);
    }
    for (size_t i = 0; i < found->label_count; i++) {
        note_label(out, found->labels[i].key);
    }
    ASSERT(out->label_count <= POINTS_LABELS_MAX);
}

static int compare_labels(const void *a, const void *b)
{
    ASSERT(a != NULL && b != NULL);
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

// ---- The run ------------------------------------------------------------------------------------

static enum points_kind kind_of(enum series_type t)
{
    ASSERT(t != SERIES_HIST);
    return t == SERIES_GAUGE ? POINTS_GAUGE : t == SERIES_COUNTER ? POINTS_COUNTER : POINTS_DELTA;
}

enum points_kind points_said(enum points_kind kind, enum points_kind said)
{
    bool numbers = kind == POINTS_GAUGE || kind == POINTS_COUNTER;
    ASSERT(said < POINTS_KIND_COUNT);
    return numbers && (said == POINTS_GAUGE || said == POINTS_COUNTER) ? said : kind;
}

// What is asked for is settled by the first series.
static enum err settle(struct points_run *r, const struct series_found *found)
{
    struct points *out = r->out;
    ASSERT(r->aspect == ASPECT_NUMBERS);
    out->kind = points_said(kind_of(found->type), r->q->said);
    out->as = r->q->as != POINTS_AUTO     ? r->q->as
              : out->kind == POINTS_GAUGE ? POINTS_VALUE
                                          : POINTS_RATE;
    return out->kind == POINTS_GAUGE && out->as == POINTS_RATE ? ERR_INVALID : ERR_OK;
}

static enum err add_series(struct points_run *r, const struct series_found *found,
                           struct points_growing *g)
{
    enum err e = ERR_OK;
    ASSERT(found->numbers != NULL);
    if (r->aspect == ASPECT_BUCKET) {
        e = exponential_has(found) ? points_add_exponential(r, found, g)
                                   : points_add_below(r, found, g);
    } else if (r->aspect == ASPECT_SUM) {
        memset(r->one, 0, r->steps * sizeof *r->one);
        points_add_growth(r, found, r->one);
        for (size_t i = 0; i < r->steps; i++) {
            g->cells[i].hist_sum += r->one[i].increase;
        }
    } else if (r->aspect == ASPECT_COUNT || r->out->as == POINTS_RATE) {
        points_add_growth(r, found, g->cells);
    } else {
        add_values(r, found, g->cells);
    }
    return e;
}

static enum err on_series(void *ctx, const struct series_found *found)
{
    struct points_run *r = ctx;
    struct points_growing *g;
    struct points *out = r->out;
    if (found->type == SERIES_HIST) {
        out->left_out++;
        return ERR_OK;
    }
    if (r->aspect == ASPECT_ALL) {
        return exponential_mark(&r->sources, found);
    }
    if (out->unit.p == NULL) {
        out->unit = arena_str(&out->arena, series_label(found, POINT_UNIT));
    }
    enum err e =
        r->aspect == ASPECT_NUMBERS && out->kind == POINTS_NONE ? settle(r, found) : ERR_OK;
    if (e != ERR_OK) {
        return e;
    }
    note_labels(out, found);
    bool grows = r->aspect != ASPECT_NUMBERS || out->as == POINTS_RATE;
    if (grows && found->type == SERIES_GAUGE && r->q->said != POINTS_COUNTER) {
        out->left_out++;
        return ERR_OK;
    }
    e = group_of(r, r->q->by.p != NULL ? series_label(found, r->q->by) : STR(""), &g);
    if (e == ERR_OK) {
        g->series += r->aspect == ASPECT_NUMBERS || r->aspect == ASPECT_COUNT ? 1 : 0;
        ASSERT(out->unit.p != NULL);
        e = add_series(r, found, g);
    }
    return e;
}

static enum err ask(struct points_run *r, enum points_aspect aspect, struct str suffix)
{
    const struct points_query *q = r->q;
    struct points *out = r->out;
    char *name = arena_alloc(&out->arena, q->name.n + suffix.n + 1);
    memcpy(name, q->name.p, q->name.n);
    memcpy(name + q->name.n, suffix.n > 0 ? suffix.p : "", suffix.n);
    r->aspect = aspect;
    const struct metric_query metric = {.store = q->store,
                                        .any_line = q->any_line,
                                        .line = q->line,
                                        .name = {name, q->name.n + suffix.n},
                                        .service = q->service,
                                        .labels = q->labels,
                                        .label_count = q->label_count,
                                        .wholes = aspect == ASPECT_ALL,
                                        .from_ms = out->from_ms,
                                        .to_ms = out->to_ms,
                                        .look_ms = POINTS_LOOK_MS,
                                        .control = q->control};
    struct series_answer answer;
    enum err e = metric_run(&metric, on_series, r, &answer);
    if (e == ERR_OK) {
        ASSERT(answer.series <= answer.samples);
        bool again = aspect == ASPECT_ALL; // they are buckets as well
        out->series += again ? 0 : answer.series;
        out->samples += again ? 0 : answer.samples;
        out->damaged_parts += answer.damaged_parts;
    }
    return e;
}

// A name of no series may be a histogram's.
static enum err ask_all(struct points_run *r)
{
    struct points *out = r->out;
    enum err e = ask(r, ASPECT_NUMBERS, STR(""));
    if (e != ERR_OK || out->series > 0) {
        return e;
    }
    e = ask(r, ASPECT_ALL, POINT_SUFFIX_BUCKET);
    if (e == ERR_OK) {
        exponential_settle(&r->sources);
        e = ask(r, ASPECT_BUCKET, POINT_SUFFIX_BUCKET);
    }
    if (e != ERR_OK || out->series == 0) {
        return e;
    }
    ASSERT(out->kind == POINTS_NONE);
    out->kind = POINTS_HISTOGRAM;
    out->as = POINTS_RATE;
    e = r->q->as == POINTS_VALUE ? ERR_INVALID : ask(r, ASPECT_COUNT, POINT_SUFFIX_COUNT);
    return e == ERR_OK ? ask(r, ASPECT_SUM, POINT_SUFFIX_SUM) : e;
}

static bool read_cell(const struct points_run *r, const struct points_growing *g, size_t i,
                      struct points_step *s)
{
    const struct points_cell *c = &g->cells[i];
    const struct points *out = r->out;
    ASSERT(i < r->steps);
    *s = (struct points_step){.time_ms = out->from_ms + i * out->step_ms,
                              .samples = c->samples,
                              .last = c->last,
                              .min = c->min,
                              .max = c->max,
                              .sum = c->sum,
                              .increase = c->increase,
                              .rate = c->increase * 1000 / (double)out->step_ms,
                              .total = c->hist_sum};
    s->mean = c->samples > 0 ? c->total / (double)c->samples : 0;
    for (size_t q = 0; out->kind == POINTS_HISTOGRAM && q < POINTS_QUANTILES; q++) {
        s->quantiles[q] = NAN;
    }
    if (out->kind == POINTS_HISTOGRAM && c->increase > 0) {
        points_take_quantiles(g, i, s->quantiles);
    }
    return out->as == POINTS_RATE ? c->grows : c->samples > 0;
}

static int compare_groups(const void *a, const void *b)
{
    ASSERT(a != NULL && b != NULL);
    return str_cmp(((const struct points_growing *)a)->value,
                   ((const struct points_growing *)b)->value);
}

static void read_groups(struct points_run *r)
{
    struct points *out = r->out;
    sort_array(r->groups, r->group_count, sizeof *r->groups, compare_groups);
    out->groups = arena_new(&out->arena, r->group_count + 1, sizeof *out->groups);
    for (size_t i = 0; i < r->group_count; i++) {
        if (r->groups[i].series == 0) {
            continue; // buckets without their counts: by `le`, or where these were one too many
        }
        struct points_group *g = &out->groups[out->count++];
        g->value = r->groups[i].value;
        g->series = r->groups[i].series;
        g->steps = arena_new(&out->arena, r->steps + 1, sizeof *g->steps);
        for (size_t k = 0; k < r->steps; k++) {
            g->count += read_cell(r, &r->groups[i], k, &g->steps[g->count]) ? 1 : 0;
        }
    }
    if (out->label_count > 0) {
        sort_array(out->labels, out->label_count, sizeof *out->labels, compare_labels);
    }
    ASSERT(out->count <= r->group_count);
}

static void free_run(struct points_run *r)
{
    ASSERT(r->groups != NULL || r->group_count == 0);
    for (size_t i = 0; i < r->group_count; i++) {
        points_free_buckets(&r->groups[i]);
        mem_free(r->groups[i].cells);
    }
    mem_free(r->groups);
    mem_free(r->group_hashes);
    hash_index_done(&r->group_index);
    mem_free(r->one);
    exponential_done(&r->sources);
}

// Cuts the range to whole steps.
static enum err set_range(const struct points_query *q, struct points *out)
{
    uint64_t range_ms = q->to_ms > q->from_ms ? q->to_ms - q->from_ms : 0;
    uint64_t step_ms = q->step_ms > 0 ? q->step_ms : red_step_ms(range_ms);
    ASSERT(step_ms >= POINTS_STEP_MS);
    out->step_ms = step_ms;
    out->from_ms = q->from_ms / step_ms * step_ms;
    out->to_ms = (q->to_ms + step_ms - 1) / step_ms * step_ms;
    return range_ms / step_ms > RED_POINTS_MAX ? ERR_LIMIT : ERR_OK;
}

enum err points_run(const struct points_query *q, struct points **ret_points)
{
    struct points *out = mem_new(1, sizeof *out);
    struct points_run r = {.q = q, .out = out};
    exponential_init(&r.sources, q->control);
    ASSERT(q->name.n > 0 && q->label_count <= METRIC_LABELS_MAX);
    out->memory.control = q->control;
    out->as = q->as == POINTS_AUTO ? POINTS_VALUE : q->as;
    enum err e = set_range(q, out);
    r.steps = out->to_ms > out->from_ms ? (size_t)((out->to_ms - out->from_ms) / out->step_ms) : 0;
    if (e == ERR_OK && r.steps > 0) {
        r.one = mem_new(r.steps, sizeof *r.one);
        e = ask_all(&r);
    }
    if (e == ERR_OK) {
        read_groups(&r);
    }
    free_run(&r);
    if (e != ERR_OK) {
        points_free(out);
        return e;
    }
    *ret_points = out;
    return ERR_OK;
}

void points_free(struct points *p)
{
    if (p != NULL) {
        arena_done(&p->arena);
        query_memory_give(&p->memory);
        mem_free(p);
    }
}
