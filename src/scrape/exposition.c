// SPDX-License-Identifier: Apache-2.0
// Purpose: what a target answered, as a batch: its samples, the ends of the series that it has no
// more, and what is told of the scrape itself.
//
// An answer is read up to twice: where OpenMetrics says when counters began (NAME_created), that
// stands behind the samples that it is for. These are kept as series too.
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
#include "model/semconv.h"
#include "scrape/internal.h"

#define CREATED     STR("_created")
#define CREATED_MAX ((size_t)1 << 20) // remembered of one answer; further ones begin unknown

struct created {
    uint64_t hash; // of the family and what tells its counters apart
    int64_t time_ms;
};

struct making {
    const struct scraped *x;
    struct exposition *out;
    struct prom_rows rows;
    struct prom_series series; // with the target's labels
    struct arena arena;        // names that were changed
    struct seen now;
    uint64_t samples;
    struct buf created; // struct created, sorted
    struct err_at at;
};

// ---- The batch ----------------------------------------------------------------------------------

// Brings what is charged to what the batch holds: what was asked for and not used goes back.
static void settle(struct making *m)
{
    size_t bytes = m->out->batch != NULL ? batch_bytes(m->out->batch) : 0;
    ASSERT(bytes <= m->out->charged); // it was asked for before the batch grew
    if (bytes > m->out->charged) {
        meter_force(m->x->meter, bytes - m->out->charged);
    } else {
        meter_give(m->x->meter, m->out->charged - bytes);
    }
    m->out->charged = bytes;
}

static bool admit(void *ctx, struct batch *b, size_t bytes)
{
    struct making *m = ctx;
    ASSERT(m->out->batch == b);
    settle(m);
    if (!meter_take(m->x->meter, bytes)) {
        return false;
    }
    (void)b;
    m->out->charged += bytes;
    return true;
}

static struct batch *batch_for(void *ctx, struct str line)
{
    struct making *m = ctx;
    if (m->out->batch == NULL) {
        m->out->batch = batch_new(line);
        m->out->charged = batch_bytes(m->out->batch);
        meter_force(m->x->meter, m->out->charged);
    }
    ASSERT(str_eq(m->out->batch->line, line)); // a target has one job
    return m->out->batch;
}

static void reject(void *ctx, struct str service, uint64_t offset, const char *message,
                   struct str bytes)
{
    struct making *m = ctx;
    ASSERT(message != NULL);
    (void)offset;
    (void)bytes;
    ledger_add(m->x->ledger, SIGNAL_METRICS, OUTCOME_RECEIVED, REASON_NONE, service, 1);
    ledger_add(m->x->ledger, SIGNAL_METRICS, OUTCOME_DROPPED, REASON_INVALID, service, 1);
}

// ---- Labels -------------------------------------------------------------------------------------

static bool target_has(const struct target_labels *labels, struct str name)
{
    ASSERT(labels->count <= PROM_LABELS_MAX);
    for (size_t i = 0; i < labels->count; i++) {
        if (str_eq(labels->items[i].name, name)) {
            return true;
        }
    }
    return false;
}

// The series as the target told it, with what is on all that it tells.
static void with_target(struct making *m, const struct prom_series *told)
{
    const struct target_labels *labels = m->x->labels;
    struct prom_series *s = &m->series;
    s->label_count = 0;
    s->too_many = told->too_many;
    s->type = told->type;
    s->unit = told->unit;
    s->help = told->help;
    s->offset = told->offset;
    s->bytes = told->bytes;
    arena_clear(&m->arena);
    for (size_t i = 0; i < labels->count; i++) {
        prom_add_label(s, labels->items[i].name, labels->items[i].value);
    }
    for (size_t i = 0; i < told->label_count; i++) {
        struct str name = told->labels[i].name;
        if (target_has(labels, name)) {
            name = arena_printf(&m->arena, "exported_%.*s", STR_FMT(name));
        }
        prom_add_label(s, name, told->labels[i].value);
    }
    ASSERT(s->label_count <= PROM_LABELS_MAX);
}

// ---- When counters began ------------------------------------------------------------------------

static bool tells_apart(struct str name)
{
    return !str_eq(name, POINT_NAME) && !str_eq(name, POINT_LE) && !str_eq(name, POINT_QUANTILE);
}

static uint64_t created_hash(const struct prom_text_sample *x)
{
    ASSERT(x->family.n > 0);
    return seen_hash(x->series, tells_apart) ^ str_hash(x->family);
}

static enum err note_created(void *ctx, const struct prom_text_sample *x)
{
    struct making *m = ctx;
    struct str name = prom_label_value(x->series, POINT_NAME);
    bool of_counters = x->series->type == PROM_COUNTER || x->series->type == PROM_HISTOGRAM ||
                       x->series->type == PROM_SUMMARY;
    if (!of_counters || !str_ends(name, CREATED) || !(x->value > 0 && x->value < 1e10)) {
        return ERR_OK;
    }
    struct created one = {created_hash(x), (int64_t)(x->value * 1000)};
    if (m->created.n / sizeof one < CREATED_MAX) {
        buf_add(&m->created, &one, sizeof one);
    }
    return m->created.failed ? ERR_MEMORY : ERR_OK;
}

static int by_hash(const void *a, const void *b)
{
    uint64_t x = ((const struct created *)a)->hash, y = ((const struct created *)b)->hash;
    return x < y ? -1 : x > y;
}

static enum err find_created(struct making *m)
{
    struct str text = m->x->text;
    if (m->x->format != PROM_OPENMETRICS || memmem(text.p, text.n, "_created", 8) == NULL) {
        return ERR_OK;
    }
    enum err e = prom_text_parse(m->x->format, text, note_created, m, &m->at);
    if (e == ERR_OK && m->created.n > 0) {
        sort_array(m->created.p, m->created.n / sizeof(struct created), sizeof(struct created),
                   by_hash);
    }
    return e;
}

static int64_t created_ms(const struct making *m, const struct prom_text_sample *x)
{
    if (m->created.n == 0 || x->family.n == 0) {
        return 0;
    }
    struct created key = {created_hash(x), 0};
    const struct created *found =
        bsearch(&key, m->created.p, m->created.n / sizeof key, sizeof key, by_hash);
    ASSERT(found == NULL || found->hash == key.hash);
    return found != NULL ? found->time_ms : 0;
}

// ---- Samples ------------------------------------------------------------------------------------

static enum err put(struct making *m, const struct prom_sample *sample)
{
    enum err e = prom_rows_series(&m->rows, &m->series, &m->at);
    ASSERT(e == ERR_OK || e == ERR_INVALID || e == ERR_MEMORY || e == ERR_LIMIT);
    return e == ERR_OK ? prom_rows_sample(&m->rows, sample, &m->at) : e;
}

static enum err over_limit(struct making *m, const char *what, size_t limit)
{
    ASSERT(limit > 0);
    return err_at_set(&m->at, ERR_LIMIT, 0, "more than %zu %s", limit, what);
}

static enum err take(void *ctx, const struct prom_text_sample *x)
{
    struct making *m = ctx;
    const struct scrape_job *job = m->x->job;
    if (job->samples_max > 0 && m->samples == job->samples_max) {
        return over_limit(m, "samples", job->samples_max);
    }
    m->samples++;
    with_target(m, x->series);
    if (job->labels_max > 0 && (m->series.too_many || m->series.label_count > job->labels_max)) {
        return over_limit(m, "labels", job->labels_max);
    }
    // A series with times of its own ends by them (and is not there twice, then).
    if (!x->has_time && !m->series.too_many) {
        enum err e = seen_add(&m->now, seen_hash(&m->series, NULL), &m->series);
        if (e == ERR_EXISTS) {
            m->out->repeated++;
            return ERR_OK;
        }
        if (e != ERR_OK) {
            return e;
        }
    }
    const struct prom_sample sample = {.time_ms = x->has_time ? x->time_ms : m->x->time_ms,
                                       .start_ms = created_ms(m, x),
                                       .value = x->value,
                                       .exemplars = x->exemplars};
    ASSERT(m->series.label_count > 0);
    return put(m, &sample);
}

static enum err end_series(void *ctx, const struct prom_series *series)
{
    struct making *m = ctx;
    m->series = *series; // the target's labels are on it already
    ASSERT(series->label_count > 0);
    return put(m, &(struct prom_sample){.time_ms = m->x->time_ms, .value = point_stale()});
}

// ---- The scrape itself --------------------------------------------------------------------------

static const char *const OWN[] = {"up", "scrape_duration_seconds", "scrape_samples_scraped"};

static enum err put_own(struct making *m, size_t which, double value)
{
    struct prom_series told = {.type = PROM_GAUGE, .unit = STR(""), .help = STR("")};
    told.bytes = str_of(OWN[which]);
    ASSERT(which < sizeof OWN / sizeof OWN[0]);
    prom_add_label(&told, POINT_NAME, str_of(OWN[which]));
    with_target(m, &told);
    return put(m, &(struct prom_sample){.time_ms = m->x->time_ms, .value = value});
}

static void fail(struct making *m, enum scrape_failure why)
{
    ASSERT(why < SCRAPE_FAILURE_COUNT);
    m->out->failed = true;
    m->out->why = why;
    m->out->at = m->at;
}

static enum scrape_failure failure_of(enum err e)
{
    ASSERT(e != ERR_OK);
    return e == ERR_MEMORY  ? SCRAPE_FAILURE_OVERLOAD
           : e == ERR_LIMIT ? SCRAPE_FAILURE_LIMIT
                            : SCRAPE_FAILURE_FORMAT;
}

static void begin(struct making *m, const struct scraped *x, struct exposition *out,
                  struct otlp_sink *sink)
{
    *out = (struct exposition){.batch = NULL};
    *sink = (struct otlp_sink){.batch_for = batch_for, .reject = reject, .ctx = m, .admit = admit};
    m->x = x;
    m->out = out;
    m->samples = 0;
    m->arena = (struct arena){0};
    m->at = (struct err_at){0};
    ASSERT(x->seen != NULL && x->meter != NULL);
    prom_rows_init(&m->rows, sink);
    seen_init(&m->now, x->meter);
    buf_init_from(&m->created, CREATED_MAX * sizeof(struct created), &x->meter->source);
}

// What the target has now is what it will have had.
static void end(struct making *m)
{
    settle(m);
    seen_done(m->x->seen);
    *m->x->seen = m->now;
    buf_done(&m->created);
    arena_done(&m->arena);
    ASSERT(m->out->batch == NULL || !m->out->batch->sealed);
}

// The samples; where they cannot be had, none of them is left.
static void take_text(struct making *m)
{
    struct batch *b = NULL;
    enum err e = find_created(m);
    if (e == ERR_OK) {
        e = prom_text_parse(m->x->format, m->x->text, take, m, &m->at);
    }
    if (e == ERR_OK) {
        m->out->samples = m->rows.samples;
        return;
    }
    fail(m, failure_of(e));
    b = m->out->batch;
    if (b != NULL) {
        batch_rollback(b, (struct batch_mark){0});
        m->rows.place_count = m->rows.place_next = 0; // their rows are gone
    }
    seen_done(&m->now);
    ASSERT(m->now.count == 0);
}

void exposition_make(const struct scraped *x, struct exposition *ret)
{
    struct making m;
    struct otlp_sink sink;
    begin(&m, x, ret, &sink);
    if (x->text.p != NULL) {
        take_text(&m);
    } else {
        fail(&m, SCRAPE_FAILURE_FETCH);
    }
    enum err e = put_own(&m, 0, m.out->failed ? 0 : 1);
    e = e == ERR_OK ? put_own(&m, 1, x->duration_s) : e;
    e = e == ERR_OK ? put_own(&m, 2, (double)m.samples) : e;
    e = e == ERR_OK ? seen_each_missing(x->seen, &m.now, end_series, &m) : e;
    if (e != ERR_OK && !m.out->failed) {
        fail(&m, failure_of(e));
    }
    ASSERT(e != ERR_INVALID);
    end(&m);
}

void exposition_end(const struct scraped *x, struct exposition *ret)
{
    struct making m;
    struct otlp_sink sink;
    begin(&m, x, ret, &sink);
    enum err e = seen_each_missing(x->seen, &m.now, end_series, &m);
    for (size_t i = 0; i < sizeof OWN / sizeof OWN[0] && e == ERR_OK; i++) {
        e = put_own(&m, i, point_stale());
    }
    if (e != ERR_OK) {
        fail(&m, failure_of(e));
    }
    ASSERT(m.now.count == 0);
    end(&m);
}
