// SPDX-License-Identifier: Apache-2.0
// Purpose: counting the stored points that a strategy is of, from their series (model/point.h).
//
// Series have the point's attributes as text, the service and the instance; of their resource
// nothing else is kept. Fields that are asked for and are not there are named (recount.lacks):
// tests on them are false, and groups by them have no value.
//
// A point of a histogram is kept as NAME_count and NAME_sum: what the one grew by are records, what
// the other did is their sum. Which is read where there is no series NAME.
// Their quantiles are not tried: such records are counted as unfit.
#include <math.h>

#include "alert/engine_state.h"
#include "alert/recount.h"
#include "core/mem.h"
#include "core/must.h"
#include "model/point.h"
#include "model/semconv.h"
#include "query/metric.h"

#define LOOK_MS ((uint64_t)600000) // a counter's sample before the range is looked for so far back

enum aspect { OF_VALUES, OF_COUNTS, OF_SUMS };

struct reading {
    struct recount *t;
    size_t strategy;
    enum aspect aspect;
    uint64_t series;
};

// ---- What is not kept ---------------------------------------------------------------------------

static void note_lack(struct recount *t, enum filter_field field, struct str key)
{
    bool is_kept = field != ON_RESOURCE_ATTR || str_eq(key, SEM_SERVICE_NAME) ||
                   str_eq(key, SEM_SERVICE_INSTANCE_ID);
    ASSERT(t->lack_count <= REHEARSAL_LACKS_MAX);
    for (size_t i = 0; i < t->lack_count; i++) {
        is_kept = is_kept || str_eq(t->lacks[i], key);
    }
    if (!is_kept && t->lack_count < REHEARSAL_LACKS_MAX) {
        t->lacks[t->lack_count++] = arena_str(&t->arena, key);
    }
}

static void note_test(void *ctx, const struct filter_node *test)
{
    ASSERT(ctx != NULL);
    note_lack(ctx, test->field, test->key);
}

// ---- A series -----------------------------------------------------------------------------------

static void add_attr(struct batch *b, struct attr_run *run, struct str key, struct str value)
{
    struct attr *a = batch_add_attr(b);
    uint32_t k = batch_intern(b, key), v = batch_intern(b, value);
    ASSERT(!b->sealed);
    *a = (struct attr){.key = k, .type = ATTR_STRING, .code = v};
    run->count++;
}

static struct str label_of(const struct series_found *f, struct str key)
{
    for (size_t i = 0; i < f->label_count; i++) {
        if (str_eq(f->labels[i].key, key)) {
            return f->labels[i].value;
        }
    }
    ASSERT(f->labels != NULL);
    return STR("");
}

// The series as a point of the metric, which filters and fields are asked of.
static struct batch *as_batch(const struct series_found *f, struct str metric)
{
    static const struct str own[] = {
        {"__name__", 8}, {"service", 7}, {"instance", 8}, {"scope", 5}, {"unit", 4}};
    struct batch *b = batch_new(f->line);
    struct scope *scope = batch_add_scope(b);
    struct resource *r = batch_add_resource(b);
    struct str service = label_of(f, POINT_SERVICE), instance = label_of(f, POINT_INSTANCE);
    scope->name = batch_intern(b, label_of(f, POINT_SCOPE));
    r->attrs = (struct attr_run){(uint32_t)b->attr_count, 0};
    r->service = batch_intern(b, service);
    add_attr(b, &r->attrs, SEM_SERVICE_NAME, service);
    if (instance.n > 0) {
        add_attr(b, &r->attrs, SEM_SERVICE_INSTANCE_ID, instance);
    }
    struct metric *m = batch_add_metric(b);
    m->name = batch_intern(b, metric);
    m->kind = METRIC_GAUGE;
    struct point *p = batch_add_point(b);
    p->attrs = (struct attr_run){(uint32_t)b->attr_count, 0};
    for (size_t i = 0; i < f->label_count; i++) {
        bool is_own = false;
        struct str key = f->labels[i].key, prefix = POINT_ATTRIBUTE_PREFIX;
        for (size_t k = 0; k < sizeof own / sizeof own[0]; k++) {
            is_own = is_own || str_eq(key, own[k]);
        }
        if (!is_own) {
            bool is_prefixed = str_starts(key, prefix);
            key = is_prefixed ? (struct str){key.p + prefix.n, key.n - prefix.n} : key;
            add_attr(b, &p->attrs, key, f->labels[i].value);
        }
    }
    batch_seal(b);
    return b;
}

// ---- Its samples --------------------------------------------------------------------------------

// UINT32_MAX of groups that are too many.
static void add(const struct reading *k, uint32_t group, uint64_t time_ms, double v,
                const struct seen *seen)
{
    struct recount *t = k->t;
    const struct alert_strategy *s = &t->rule->strategies[k->strategy];
    bool is_rate = s->measure == MEASURE_RATE;
    struct recount_record r = {.time_ms = time_ms, .count = 1, .value = v};
    char room[SEEN_ROOM];
    ASSERT(group < t->group_count || group == UINT32_MAX);
    if (time_ms < t->from_ms || time_ms >= t->to_ms) {
        return;
    }
    if (s->measure == MEASURE_DISTINCT) {
        r.hash = str_hash_stable(seen_text(seen, &s->field, room));
    } else if (s->field.field != ON_DURATION && s->measure >= MEASURE_AVERAGE) {
        r.value = seen_number(seen, &s->field);
    } else if (k->aspect == OF_COUNTS) {
        r.count = v > 0 ? (uint32_t)(v < UINT32_MAX ? v : UINT32_MAX) : 0;
        r.value = s->measure == MEASURE_QUANTILE ? (double)NAN : is_rate ? v : 0;
    } else if (k->aspect == OF_SUMS) {
        r.count = 0;
    }
    if (isnan(r.value)) {
        t->unfit += r.count;
        return;
    }
    if (group == UINT32_MAX) {
        t->refused += r.count;
    } else {
        recount_add(t, k->strategy, group, &r);
    }
}

// What a counter grew by from sample to sample; others as they are.
static void add_samples(const struct reading *k, uint32_t group, const struct series_found *f,
                        const struct seen *seen)
{
    double before = 0;
    bool is_known = false;
    ASSERT(f->numbers != NULL);
    for (size_t i = 0; i < f->count; i++) {
        double v = f->numbers[i];
        if (isnan(v)) {
            continue; // was no longer there
        }
        if (f->type != SERIES_COUNTER) {
            add(k, group, f->times_ms[i], v, seen);
        } else if (is_known) {
            add(k, group, f->times_ms[i], v < before ? v : v - before, seen);
        }
        before = v;
        is_known = true;
    }
}

static enum err see(void *ctx, const struct series_found *f)
{
    struct reading *k = ctx;
    struct recount *t = k->t;
    const struct alert_strategy *s = &t->rule->strategies[k->strategy];
    ASSERT(ctx != NULL);
    if (f->numbers == NULL) {
        return ERR_OK;
    }
    k->series++;
    struct batch *b = as_batch(f, s->metric);
    if (filter_match_point(s->filter, b, 0)) {
        struct str values[ALERT_GROUP_BY_MAX] = {{0}};
        char room[ALERT_GROUP_BY_MAX][SEEN_ROOM];
        const struct seen seen = seen_of(b, PLAN_POINTS, 0);
        for (size_t i = 0; i < s->group_by_count; i++) {
            values[i] = str_cut(seen_text(&seen, &s->group_by[i], room[i]), ALERT_VALUE_MAX);
        }
        uint32_t group = recount_group(t, values);
        add_samples(k, group, f, &seen);
    }
    batch_unref(b);
    return t->error;
}

static enum err read_named(struct reading *k, struct str suffix, struct series_store *store)
{
    struct recount *t = k->t;
    struct buf name;
    struct series_answer answer;
    buf_init(&name, 2 * SERIES_LABEL_BYTES_MAX);
    buf_add_str(&name, t->rule->strategies[k->strategy].metric);
    buf_add_str(&name, suffix);
    const struct metric_query q = {.store = store,
                                   .any_line = t->rule->any_line,
                                   .line = t->rule->line,
                                   .name = buf_str(&name),
                                   .from_ms = t->from_ms,
                                   .to_ms = t->to_ms,
                                   .look_ms = LOOK_MS,
                                   .control = t->memory.control};
    enum err e = name.failed ? ERR_LIMIT : metric_run(&q, see, k, &answer);
    ASSERT(t->rule != NULL);
    buf_done(&name);
    return e;
}

enum err recount_points(struct recount *t, size_t strategy, struct series_store *store)
{
    const struct alert_strategy *s = &t->rule->strategies[strategy];
    struct reading k = {.t = t, .strategy = strategy};
    ASSERT(s->metric.n > 0);
    filter_each_test(s->filter, note_test, t);
    for (size_t i = 0; i < s->group_by_count; i++) {
        note_lack(t, s->group_by[i].field, s->group_by[i].key);
    }
    enum err e = read_named(&k, STR(""), store);
    bool has_values =
        s->measure == MEASURE_MIN || s->measure == MEASURE_MAX || s->measure == MEASURE_DISTINCT;
    if (e == ERR_OK && k.series == 0) {
        k.aspect = OF_COUNTS;
        e = has_values ? ERR_OK : read_named(&k, POINT_SUFFIX_COUNT, store);
        k.aspect = OF_SUMS;
        bool has_sum = s->measure == MEASURE_AVERAGE || s->measure == MEASURE_SUM;
        e = e == ERR_OK && has_sum ? read_named(&k, POINT_SUFFIX_SUM, store) : e;
    }
    return e;
}
