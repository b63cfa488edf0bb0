// SPDX-License-Identifier: Apache-2.0
// Purpose: points as numbers of series.
#include "point_sink.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"
#include "core/varint.h"
#include "model/semconv.h"
#include "series/index.h"
#include "wire/exemplar.h"
#include "wire/otlp.h"
#include "wire/otlp_point.h"

#define TEXT_MAX ((size_t)64 << 10) // of a value before it is found too long

_Static_assert(POINT_ATTRS_MAX + 8 <= SERIES_LABELS_MAX, "attributes and our own labels fit");
_Static_assert(POINT_KEY_BYTES_MAX + 5 <= SERIES_LABEL_BYTES_MAX, "a key fits with its prefix");

void point_sink_init(struct point_sink *s, struct series_store *series, struct exemplars *exemplars,
                     struct ledger *ledger, struct budget *budget)
{
    *s = (struct point_sink){.series = series, .exemplars = exemplars, .ledger = ledger};
    agent_counts_init(&s->agents, series, budget);
    ASSERT(series != NULL && exemplars != NULL && ledger != NULL);
    buf_init(&s->text, TEXT_MAX);
    buf_init(&s->key, 2 * SERIES_LABELS_MAX * (SERIES_LABEL_BYTES_MAX + 1));
}

void point_sink_done(struct point_sink *s)
{
    agent_counts_done(&s->agents);
    mem_free(s->cells);
    mem_free(s->numbers);
    buf_done(&s->text);
    buf_done(&s->key);
    arena_done(&s->arena);
    *s = (struct point_sink){.series = NULL};
}

// ---- The ledger ---------------------------------------------------------------------------------

static void count(struct point_sink *s, struct str service, enum outcome outcome,
                  enum reason reason, uint64_t n)
{
    size_t i = 0;
    ASSERT(n > 0);
    service = ledger_service(s->ledger, service);
    while (i < s->cell_count && (s->cells[i].service.p != service.p ||
                                 s->cells[i].outcome != outcome || s->cells[i].reason != reason)) {
        i++;
    }
    if (i == s->cell_count) {
        s->cells = mem_grow(s->cells, &s->cell_capacity, i + 1, sizeof *s->cells);
        s->cells[s->cell_count++] = (struct point_cell){service, outcome, reason, 0};
    }
    s->cells[i].count += n;
    ledger_add_volatile(s->ledger, SIGNAL_METRICS, outcome, reason, service, n);
}

#define STATE_END ((uint32_t)'S' | (uint32_t)'N' << 8 | (uint32_t)'D' << 16 | (uint32_t)'P' << 24)

static void put_text(struct buf *out, struct str text)
{
    ASSERT(text.p != NULL || text.n == 0);
    buf_add_varint(out, text.n);
    buf_add_str(out, text);
}

void point_sink_save(const struct point_sink *s, struct buf *state)
{
    size_t begin = state->n;
    buf_add_varint(state, s->cell_count);
    for (size_t i = 0; i < s->cell_count; i++) {
        const struct point_cell *c = &s->cells[i];
        put_text(state, str_of(outcome_name(c->outcome)));
        put_text(state, str_of(reason_name(c->reason)));
        put_text(state, c->service);
        buf_add_varint(state, c->count);
    }
    ASSERT(state->n >= begin || state->failed);
    buf_add_u32(state, (uint32_t)(state->n - begin));
    buf_add_u32(state, STATE_END);
    agent_counts_save(&s->agents, state);
}

struct state_reader {
    const uint8_t *p, *end; // p == NULL: something was wrong
};

static uint64_t get_number(struct state_reader *r)
{
    uint64_t v = 0;
    ASSERT(r->p == NULL || r->p <= r->end);
    r->p = r->p != NULL ? varint_get(r->p, r->end, &v) : NULL;
    return r->p != NULL ? v : 0;
}

static struct str get_text(struct state_reader *r)
{
    uint64_t n = get_number(r);
    if (r->p == NULL || n > (uint64_t)(r->end - r->p)) {
        r->p = NULL;
        return STR("");
    }
    struct str text = {(const char *)r->p, (size_t)n};
    r->p += n;
    return text;
}

// What a newer version called otherwise is an error as well.
static bool restore_cell(struct point_sink *s, struct state_reader *r)
{
    struct str outcome = get_text(r), reason = get_text(r), service = get_text(r);
    uint64_t n = get_number(r);
    unsigned o = 0, why = 0;
    while (o < OUTCOME_COUNT && !str_eq(outcome, str_of(outcome_name((enum outcome)o)))) {
        o++;
    }
    while (why < REASON_COUNT && !str_eq(reason, str_of(reason_name((enum reason)why)))) {
        why++;
    }
    if (r->p == NULL || o == OUTCOME_COUNT || why == REASON_COUNT || n == 0 ||
        (o != OUTCOME_DROPPED && why != REASON_NONE)) {
        return false;
    }
    count(s, service, (enum outcome)o, (enum reason)why, n);
    return true;
}

enum err point_sink_restore(struct point_sink *s, struct str *state)
{
    size_t tail = 2 * sizeof(uint32_t);
    enum err e = agent_counts_restore(&s->agents, state);
    if (e != ERR_OK) {
        return e;
    }
    if (state->n < tail || load_u32(state->p + state->n - sizeof(uint32_t)) != STATE_END) {
        return ERR_OK; // of a version that had no points
    }
    size_t n = load_u32(state->p + state->n - tail);
    if (n > state->n - tail) {
        return ERR_CORRUPT;
    }
    struct state_reader r = {(const uint8_t *)state->p + state->n - tail - n, NULL};
    r.end = r.p + n;
    uint64_t cells = get_number(&r);
    for (uint64_t i = 0; i < cells; i++) {
        if (!restore_cell(s, &r)) {
            return ERR_CORRUPT;
        }
    }
    state->n -= tail + n;
    return r.p == r.end ? ERR_OK : ERR_CORRUPT;
}

// ---- Labels -------------------------------------------------------------------------------------

// In order of their keys.
struct point_labels {
    struct series_label items[SERIES_LABELS_MAX];
    size_t count;
};

static void put(struct point_labels *l, struct str key, struct str value)
{
    size_t at = l->count;
    if (value.n == 0) {
        return;
    }
    MUST(l->count < SERIES_LABELS_MAX);
    for (; at > 0 && str_cmp(l->items[at - 1].key, key) > 0; at--) {
        l->items[at] = l->items[at - 1];
    }
    l->items[at] = (struct series_label){key, value};
    l->count++;
}

static struct str attr_text(struct point_sink *s, const struct batch *b, const struct attr *a)
{
    static const char too_long[SERIES_LABEL_BYTES_MAX + 1] = {0};
    if (a->type == ATTR_STRING) {
        return batch_str(b, a->code);
    }
    buf_clear(&s->text);
    if (a->type != ATTR_EMPTY) {
        otlp_attr_json(b, a, &s->text);
    }
    ASSERT(s->text.n <= TEXT_MAX);
    return s->text.failed ? (struct str){too_long, sizeof too_long}
                          : arena_str(&s->arena, buf_str(&s->text));
}

static struct str joined(struct point_sink *s, struct str a, struct str b)
{
    char *text = arena_alloc(&s->arena, a.n + b.n + 1);
    memcpy(text, a.n > 0 ? a.p : "", a.n);
    memcpy(text + a.n, b.n > 0 ? b.p : "", b.n);
    ASSERT(text != NULL);
    return (struct str){text, a.n + b.n};
}

static struct str number_text(struct point_sink *s, double v)
{
    char text[40];
    int n = 0;
    for (int precision = 15; precision <= 17; precision++) {
        n = snprintf(text, sizeof text, "%.*g", precision, v);
        if (strtod(text, NULL) == v) {
            break;
        }
    }
    ASSERT(n > 0 && (size_t)n < sizeof text);
    return arena_str(&s->arena, (struct str){text, (size_t)n});
}

// A bound or quantile as number_text() writes it; what is no number stays as it is.
static struct str plain_number(struct point_sink *s, struct str text)
{
    char copy[64], *end;
    ASSERT(text.p != NULL || text.n == 0);
    if (text.n == 0 || text.n >= sizeof copy) {
        return text;
    }
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    double v = strtod(copy, &end);
    return end == copy + text.n && isfinite(v) ? number_text(s, v) : text;
}

static struct str resource_text(struct point_sink *s, const struct batch *b,
                                const struct resource *r, struct str key)
{
    const struct attr *a = batch_find_attr(b, r->attrs, key);
    ASSERT(key.n > 0);
    bool plain = a != NULL && (a->type == ATTR_STRING || a->type == ATTR_INT);
    return plain ? attr_text(s, b, a) : STR("");
}

static struct str instance_of(struct point_sink *s, const struct batch *b, const struct resource *r)
{
    struct str id = resource_text(s, b, r, SEM_SERVICE_INSTANCE_ID);
    if (id.n > 0) {
        return id;
    }
    struct str host = resource_text(s, b, r, SEM_HOST_NAME);
    struct str pid = resource_text(s, b, r, SEM_PROCESS_PID);
    ASSERT(id.n == 0);
    if (host.n > 0 && pid.n > 0) {
        host = joined(s, host, STR(":"));
    }
    return joined(s, host, pid);
}

static void put_labels(struct point_sink *s, const struct batch *b, const struct point *x,
                       struct point_labels *l)
{
    const struct resource *r = &b->resources[x->resource];
    l->count = 0;
    ASSERT(x->attrs.count <= POINT_ATTRS_MAX);
    bool is_series = b->metrics[x->metric].kind == METRIC_SERIES;
    for (uint32_t i = 0; i < x->attrs.count; i++) {
        const struct attr *a = &b->attrs[x->attrs.first + i];
        struct str key = batch_str(b, a->key), text = attr_text(s, b, a);
        if (is_series && (str_eq(key, POINT_LE) || str_eq(key, POINT_QUANTILE))) {
            text = plain_number(s, text);
        } else if (point_key_is_taken(key)) {
            key = joined(s, POINT_ATTRIBUTE_PREFIX, key);
        }
        put(l, key, text);
    }
    put(l, POINT_SERVICE, batch_str(b, r->service));
    put(l, POINT_INSTANCE, instance_of(s, b, r));
    put(l, POINT_SCOPE, batch_str(b, b->scopes[x->scope].name));
    put(l, POINT_UNIT, batch_str(b, b->metrics[x->metric].unit));
}

// ---- One point ----------------------------------------------------------------------------------

// A point on its way into its series.
struct taking {
    struct point_sink *sink;
    const struct batch *batch;
    const struct point *point;
    struct point_labels labels;
    struct str name;          // of the metric
    enum series_type type;    // of what adds up
    struct str extra, bucket; // the key of the label at hand, and the name it goes with
    bool within;              // numbers are of buckets whose start "all" tells
    struct exponential_shape shape;
    enum reason why; // what is wrong; REASON_NONE
};

static enum reason reason_of(enum err e)
{
    ASSERT(e != ERR_OK);
    return e == ERR_LIMIT ? REASON_CARDINALITY : REASON_INVALID;
}

static void add(struct point_sink *s, uint32_t series, uint64_t time_ms, double value)
{
    s->numbers = mem_grow(s->numbers, &s->number_capacity, s->number_count + 1, sizeof *s->numbers);
    s->numbers[s->number_count++] = (struct point_number){series, time_ms, value};
    ASSERT(s->number_count <= s->number_capacity);
}

// The series with these labels, of *type; of one that Prometheus told of, as it is known already.
static enum err find_series(const struct taking *t, const struct point_labels *l,
                            enum series_type *type, uint32_t *ret_series)
{
    struct str line = t->batch->line;
    enum err e = series_find(t->sink->series, line, *type, l->items, l->count, ret_series);
    ASSERT(l->count > 0);
    if (e == ERR_INVALID && t->batch->metrics[t->point->metric].kind == METRIC_SERIES) {
        enum series_type other = *type == SERIES_GAUGE ? SERIES_COUNTER : SERIES_GAUGE;
        e = series_find(t->sink->series, line, other, l->items, l->count, ret_series);
        *type = e == ERR_OK ? other : *type;
    }
    return e;
}

// One number of the point, in the series with this name and, unless its key is empty, label.
static void take_number(struct taking *t, enum series_type type, struct str name, struct str key,
                        struct str value, double number)
{
    struct point_labels l = t->labels;
    const struct point *x = t->point;
    uint64_t time_ms = x->time_ns / NS_PER_MS, start_ms = x->start_ns / NS_PER_MS;
    uint32_t series;
    if (t->why != REASON_NONE) {
        return;
    }
    put(&l, POINT_NAME, name);
    put(&l, key, value);
    for (size_t i = 0; i < l.count; i++) {
        if (l.items[i].key.n > SERIES_LABEL_BYTES_MAX ||
            l.items[i].value.n > SERIES_LABEL_BYTES_MAX) {
            t->why = REASON_TOO_LARGE;
            return;
        }
    }
    enum err e = find_series(t, &l, &type, &series);
    if (e != ERR_OK) {
        t->why = reason_of(e);
        return;
    }
    ASSERT(l.count > 0);
    // A millisecond before, so that it takes no sample's place.
    if (type == SERIES_COUNTER && !t->within && x->start_ns >= NS_PER_MS &&
        x->start_ns < x->time_ns && time_ms - start_ms <= POINT_YOUNG_MS) {
        add(t->sink, series, start_ms - 1, 0);
    }
    add(t->sink, series, time_ms, number);
}

static void take_scalar(struct taking *t)
{
    const struct point *x = t->point;
    const struct metric *m = &t->batch->metrics[x->metric];
    enum series_type type = SERIES_GAUGE;
    if (m->kind == METRIC_SUM && m->temporality == TEMPORALITY_DELTA) {
        type = SERIES_DELTA;
    } else if (m->kind != METRIC_GAUGE && m->monotonic) {
        type = SERIES_COUNTER;
    }
    double value = x->says & POINT_INT ? (double)x->i : x->d;
    ASSERT(!metric_kind_has_count(m->kind));
    take_number(t, type, t->name, STR(""), STR(""),
                x->says & POINT_NO_VALUE ? point_stale() : value);
}

static void on_bucket(void *ctx, double bound, uint64_t n)
{
    struct taking *t = ctx;
    ASSERT(t->extra.n > 0);
    take_number(t, t->type, t->bucket, t->extra, number_text(t->sink, bound), (double)n);
}

// The labels that buckets of an exponential histogram have in common.
static void put_shape(struct taking *t)
{
    char *scale = arena_alloc(&t->sink->arena, 16);
    int n = snprintf(scale, 16, "%d", t->shape.scale);
    ASSERT(n > 0 && n < 16 && t->extra.n == 0);
    t->extra = POINT_BUCKET_INDEX;
    put(&t->labels, POINT_BUCKET_SCALE, (struct str){scale, (size_t)n});
    if (t->shape.zero_threshold > 0) {
        put(&t->labels, POINT_BUCKET_ZERO, number_text(t->sink, t->shape.zero_threshold));
    }
}

static void on_exponential(void *ctx, struct exponential_bucket bucket, uint64_t n)
{
    struct taking *t = ctx;
    char room[EXPONENTIAL_TEXT_MAX];
    if (t->extra.n == 0) {
        put_shape(t);
    }
    ASSERT(t->extra.n > 0);
    take_number(t, t->type, t->bucket, t->extra, exponential_text(bucket, room), (double)n);
}

static const char *take_exponential(struct taking *t)
{
    const struct point *x = t->point;
    const struct exponential_bucket all = {EXPONENTIAL_ALL, 0};
    t->within = true;
    const char *wrong =
        otlp_point_exponential(batch_str(t->batch, x->body), &t->shape, on_exponential, t);
    t->within = false;
    ASSERT(t->bucket.n > 0);
    if (wrong == NULL) {
        on_exponential(t, all, x->count);
    }
    return wrong;
}

static void on_quantile(void *ctx, double quantile, double value)
{
    struct taking *t = ctx;
    ASSERT(t->extra.n > 0);
    take_number(t, SERIES_GAUGE, t->name, t->extra, number_text(t->sink, quantile), value);
}

static void take_suffixed(struct taking *t, enum series_type type, struct str suffix, double value)
{
    ASSERT(suffix.n > 0);
    take_number(t, type, joined(t->sink, t->name, suffix), STR(""), STR(""), value);
}

static void take_distribution(struct taking *t)
{
    const struct point *x = t->point;
    const struct metric *m = &t->batch->metrics[x->metric];
    bool none = (x->says & POINT_NO_VALUE) != 0;
    const char *wrong = NULL;
    t->type = m->temporality == TEMPORALITY_DELTA ? SERIES_DELTA : SERIES_COUNTER;
    t->bucket = joined(t->sink, t->name, POINT_SUFFIX_BUCKET);
    take_suffixed(t, t->type, POINT_SUFFIX_COUNT, none ? point_stale() : (double)x->count);
    if (none || (x->says & POINT_SUM)) {
        take_suffixed(t, t->type, POINT_SUFFIX_SUM, none ? point_stale() : x->sum);
    }
    if (none) {
        return;
    }
    if (x->says & POINT_MIN) {
        take_suffixed(t, SERIES_GAUGE, POINT_SUFFIX_MIN, x->min);
    }
    if (x->says & POINT_MAX) {
        take_suffixed(t, SERIES_GAUGE, POINT_SUFFIX_MAX, x->max);
    }
    if (m->kind == METRIC_SUMMARY) {
        t->extra = POINT_QUANTILE;
        wrong = otlp_point_quantiles(batch_str(t->batch, x->body), on_quantile, t);
    } else if (m->kind == METRIC_EXPONENTIAL) {
        wrong = take_exponential(t);
    } else {
        t->extra = POINT_LE;
        wrong = otlp_point_buckets(batch_str(t->batch, x->body), on_bucket, t);
        take_number(t, t->type, t->bucket, POINT_LE, STR("+Inf"), (double)x->count);
    }
    ASSERT(wrong == NULL); // it was checked as it came
    t->why = wrong != NULL ? REASON_INVALID : t->why;
}

// ---- Exemplars ----------------------------------------------------------------------------------

static bool is_of_one_bucket(struct str key)
{
    return str_eq(key, POINT_LE) || str_eq(key, POINT_QUANTILE) ||
           str_eq(key, POINT_BUCKET_SCALE) || str_eq(key, POINT_BUCKET_ZERO);
}

// The name that a metric was sent by: of a bucket that came by itself, that of its histogram.
static struct str sent_name(const struct taking *t)
{
    bool is_series = t->batch->metrics[t->point->metric].kind == METRIC_SERIES;
    ASSERT(t->name.p != NULL);
    for (size_t i = 0; i < t->labels.count && is_series; i++) {
        if (str_eq(t->labels.items[i].key, POINT_LE) && str_ends(t->name, POINT_SUFFIX_BUCKET)) {
            return (struct str){t->name.p, t->name.n - POINT_SUFFIX_BUCKET.n};
        }
    }
    return t->name;
}

static void on_exemplar(void *ctx, const struct wire_exemplar *e)
{
    struct taking *t = ctx;
    const struct exemplar x = {.line = t->batch->line,
                               .name = sent_name(t),
                               .labels = buf_str(&t->sink->key),
                               .time_ms =
                                   (e->time_ns > 0 ? e->time_ns : t->point->time_ns) / NS_PER_MS,
                               .value = e->value,
                               .trace = e->trace,
                               .span = e->span};
    ASSERT(x.name.n > 0);
    (void)exemplars_add(t->sink->exemplars, &x); // counted there
}

static void take_exemplars(struct taking *t)
{
    struct series_label labels[SERIES_LABELS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < t->labels.count; i++) {
        if (!is_of_one_bucket(t->labels.items[i].key)) {
            labels[count++] = t->labels.items[i];
        }
    }
    buf_clear(&t->sink->key);
    enum err e = count > 0 ? series_key_of(labels, count, &t->sink->key) : ERR_OK;
    ASSERT(e == ERR_OK); // the series has taken them
    if (e == ERR_OK) {
        (void)exemplar_each(batch_str(t->batch, t->point->exemplars), on_exemplar, t);
    }
}

// ---- Calls that agents counted ------------------------------------------------------------------

static struct str either(struct str a, struct str b)
{
    ASSERT(a.p != NULL || a.n == 0);
    return a.n > 0 ? a : b;
}

// The place as stream/spans.h says.
static void take_agents_point(const struct taking *t)
{
    struct point_sink *s = t->sink;
    const struct batch *b = t->batch;
    const struct resource *r = &b->resources[t->point->resource];
    if (!str_eq(batch_str(b, b->scopes[t->point->scope].name), SEM_SDK_COUNTS)) {
        return;
    }
    const struct agent_point of = {
        .line = b->line,
        .service = batch_str(b, r->service),
        .instance = instance_of(s, b, r),
        .centre = either(resource_text(s, b, r, SEM_AVAILABILITY_ZONE),
                         resource_text(s, b, r, SEM_REGION)),
        .rack = resource_text(s, b, r, SEM_HOST_RACK),
        .host = either(resource_text(s, b, r, SEM_HOST_NAME), resource_text(s, b, r, SEM_HOST_ID)),
        .labels = t->labels.items,
        .label_count = t->labels.count,
        .metric = t->name};
    ASSERT(of.label_count > 0);
    agent_counts_take(&s->agents, &of, t->point, b->metrics[t->point->metric].kind,
                      batch_str(b, t->point->body));
}

static enum reason take_point(struct point_sink *s, const struct batch *b, const struct point *x)
{
    const struct metric *m = &b->metrics[x->metric];
    struct taking t = {.sink = s, .batch = b, .point = x, .why = REASON_NONE};
    if (!series_takes(s->series, x->time_ns / NS_PER_MS)) {
        return REASON_OUT_OF_RANGE;
    }
    arena_clear(&s->arena);
    s->number_count = 0;
    put_labels(s, b, x, &t.labels);
    t.name = batch_str(b, m->name);
    if (metric_kind_has_count(m->kind)) {
        take_distribution(&t);
    } else {
        take_scalar(&t);
    }
    for (size_t i = 0; i < s->number_count && t.why == REASON_NONE; i++) {
        const struct point_number *n = &s->numbers[i];
        series_add_number(s->series, n->series, n->time_ms, n->value);
    }
    if (x->exemplars != 0 && t.why == REASON_NONE) {
        take_exemplars(&t);
    }
    if (t.why == REASON_NONE || t.why == REASON_CARDINALITY) {
        take_agents_point(&t);
    }
    return t.why;
}

void point_sink_take(struct point_sink *s, const struct batch *b)
{
    agent_counts_sweep(&s->agents);
    uint64_t run = 0; // of points of one resource and fate, that follow one another
    uint32_t resource = 0;
    enum reason fate = REASON_NONE;
    for (size_t i = 0; i <= b->point_count; i++) {
        const struct point *x = i < b->point_count ? &b->points[i] : NULL;
        enum reason why = x != NULL ? take_point(s, b, x) : REASON_NONE;
        if (run > 0 && (x == NULL || x->resource != resource || why != fate)) {
            struct str service = batch_str(b, b->resources[resource].service);
            count(s, service, OUTCOME_RECEIVED, REASON_NONE, run);
            count(s, service, fate == REASON_NONE ? OUTCOME_STORED : OUTCOME_DROPPED, fate, run);
            run = 0;
        }
        if (x != NULL) {
            ASSERT(x->resource < b->resource_count);
            resource = x->resource;
            fate = why;
            run++;
        }
    }
}
