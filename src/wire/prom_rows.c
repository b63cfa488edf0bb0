// SPDX-License-Identifier: Apache-2.0
// Purpose: series of Prometheus as rows of a batch.
#include "wire/prom_rows.h"

#include "core/clock.h"
#include "core/must.h"
#include "model/semconv.h"

#define JOB           STR("job")
#define INSTANCE      STR("instance")
#define SCOPE_NAME    STR("otel_scope_name")
#define SCOPE_VERSION STR("otel_scope_version")

#define TIME_MS_MAX ((int64_t)10000000000000) // in the year 2286; in ns it fits 64 bits
#define LABEL_BYTES ((size_t)8)               // of a label, beside its texts; for the room of rows

_Static_assert(BATCH_STRINGS_MAX > 4 * PROM_LABELS_MAX, "the texts of a series fit a batch");

void prom_rows_init(struct prom_rows *r, const struct otlp_sink *sink)
{
    MUST(sink->batch_for != NULL && sink->reject != NULL);
    *r = (struct prom_rows){.sink = sink};
}

void prom_add_label(struct prom_series *s, struct str name, struct str value)
{
    ASSERT(s->label_count <= PROM_LABELS_MAX);
    if (s->label_count == PROM_LABELS_MAX) {
        s->too_many = true;
        return;
    }
    s->labels[s->label_count++] = (struct prom_label){name, value};
}

struct str prom_label_value(const struct prom_series *s, struct str name)
{
    ASSERT(s->label_count <= PROM_LABELS_MAX);
    for (size_t i = 0; i < s->label_count; i++) {
        if (str_eq(s->labels[i].name, name)) {
            return s->labels[i].value;
        }
    }
    return STR_NONE;
}

void prom_job(struct str job, struct str *ret_line, struct str *ret_service)
{
    struct str line;
    struct str rest = str_split(job, '/', &line);
    ASSERT(ret_line != ret_service);
    if (line.n == 0 || rest.n == 0 || memchr(rest.p, '/', rest.n) != NULL) {
        *ret_line = STR("");
        *ret_service = job;
        return;
    }
    *ret_line = line;
    *ret_service = rest;
}

static bool is_monotonic(const struct prom_series *s, struct str name)
{
    bool bucket = str_ends(name, POINT_SUFFIX_BUCKET) && prom_label_value(s, POINT_LE).p != NULL;
    bool totals = str_ends(name, POINT_SUFFIX_COUNT) || str_ends(name, POINT_SUFFIX_SUM);
    ASSERT(s->type < PROM_TYPE_COUNT);
    switch (s->type) {
    case PROM_COUNTER:
        return !str_ends(name, STR("_created"));
    case PROM_HISTOGRAM:
        return bucket || totals;
    case PROM_SUMMARY:
        return totals;
    case PROM_UNKNOWN:
        return bucket || totals || str_ends(name, STR("_total"));
    default:
        return false;
    }
}

// ---- Where a series goes ------------------------------------------------------------------------

static enum err has_room(struct prom_rows *r, struct batch *b, size_t bytes, struct err_at *ret_at)
{
    uint64_t offset = r->series->offset;
    ASSERT(!b->sealed);
    if (b->point_count >= BATCH_POINTS_MAX ||
        b->string_count + 4 * PROM_LABELS_MAX > BATCH_STRINGS_MAX) {
        return err_at_set(ret_at, ERR_LIMIT, offset, "the batch is full");
    }
    if (r->sink->admit == NULL) {
        return ERR_OK;
    }
    size_t growth = batch_growth_of_points(b, bytes);
    return growth == 0 || r->sink->admit(r->sink->ctx, b, growth)
               ? ERR_OK
               : err_at_set(ret_at, ERR_MEMORY, offset, "there is no memory for it");
}

// A help text is read once for each series of its family: one that is too long is left out, or a
// small request would take hours.
static struct str help_of(const struct prom_series *s)
{
    ASSERT(s->help.p != NULL || s->help.n == 0);
    return point_text_fits(s->help) ? s->help : STR("");
}

// What a series is made of.
static size_t series_bytes(const struct prom_series *s)
{
    size_t bytes = s->unit.n + help_of(s).n;
    ASSERT(s->label_count <= PROM_LABELS_MAX);
    for (size_t i = 0; i < s->label_count; i++) {
        bytes += s->labels[i].name.n + s->labels[i].value.n + LABEL_BYTES;
    }
    return bytes;
}

static bool intern(struct batch *b, struct str text, uint32_t *ret_code)
{
    *ret_code = 0;
    ASSERT(!b->sealed);
    return text.n == 0 || batch_intern_text(b, text, ret_code);
}

static bool add_attr(struct batch *b, struct attr_run *run, struct str key, struct str value)
{
    uint32_t text = 0;
    if (value.n == 0) {
        return true;
    }
    if (!intern(b, value, &text)) {
        return false;
    }
    ASSERT(run->first + run->count == b->attr_count);
    *batch_add_attr(b) =
        (struct attr){.key = batch_intern(b, key), .type = ATTR_STRING, .code = text};
    run->count++;
    return true;
}

static bool add_resource(struct batch *b, struct prom_place *p, struct str service)
{
    struct resource row = {.attrs = {.first = (uint32_t)b->attr_count}};
    struct str line = p->line;
    if (!add_attr(b, &row.attrs, SEM_SERVICE_NAME, service) ||
        !add_attr(b, &row.attrs, SEM_SERVICE_NAMESPACE, line) ||
        !add_attr(b, &row.attrs, SEM_SERVICE_INSTANCE_ID, p->instance)) {
        return false;
    }
    row.service = batch_intern(b, service.n > 0 ? service : SEM_UNKNOWN_SERVICE);
    *batch_add_resource(b) = row;
    ASSERT(b->resource_count > 0);
    p->resource = (uint32_t)b->resource_count - 1;
    return true;
}

static bool add_scope(struct batch *b, struct prom_place *p)
{
    struct scope row = {.attrs = {.first = (uint32_t)b->attr_count}};
    if (!intern(b, p->scope, &row.name) || !intern(b, p->version, &row.version)) {
        return false;
    }
    ASSERT(!b->sealed);
    *batch_add_scope(b) = row;
    p->scope_row = (uint32_t)b->scope_count - 1;
    return true;
}

static const struct prom_place *known_place(const struct prom_rows *r, const struct prom_place *p)
{
    ASSERT(r->place_count <= PROM_PLACES);
    for (size_t i = 0; i < r->place_count; i++) {
        const struct prom_place *q = &r->places[i];
        if (str_eq(q->job, p->job) && str_eq(q->instance, p->instance) &&
            str_eq(q->scope, p->scope) && str_eq(q->version, p->version)) {
            return q;
        }
    }
    return NULL;
}

static enum err not_text(const struct prom_series *s, struct err_at *ret_at)
{
    ASSERT(s->label_count > 0);
    return err_at_set(ret_at, ERR_INVALID, s->offset, "a label is not UTF-8");
}

static struct str kept(struct batch *b, struct str text)
{
    ASSERT(text.n == 0 || text.p != NULL);
    return text.n > 0 ? batch_str(b, batch_intern(b, text)) : STR("");
}

// A place outlives the series that it was met with: its texts are the batch's.
static void keep_texts(struct prom_place *p)
{
    struct batch *b = p->batch;
    struct str service;
    ASSERT(!b->sealed);
    p->job = kept(b, p->job);
    p->instance = kept(b, p->instance);
    p->scope = batch_str(b, b->scopes[p->scope_row].name);
    p->version = batch_str(b, b->scopes[p->scope_row].version);
    prom_job(p->job, &p->line, &service);
}

static enum err find_place(struct prom_rows *r, struct err_at *ret_at)
{
    const struct prom_series *s = r->series;
    struct prom_place p = {.job = prom_label_value(s, JOB),
                           .instance = prom_label_value(s, INSTANCE),
                           .scope = prom_label_value(s, SCOPE_NAME),
                           .version = prom_label_value(s, SCOPE_VERSION)};
    struct str service;
    r->place = known_place(r, &p);
    if (r->place != NULL) {
        // The sink's batch for the line, told anew: it keeps count of which one grows.
        struct batch *b = r->sink->batch_for(r->sink->ctx, r->place->line);
        MUST(b == r->place->batch);
        return ERR_OK;
    }
    prom_job(p.job, &p.line, &service);
    if (!str_utf8_valid(p.job, NULL)) {
        return not_text(s, ret_at);
    }
    p.batch = r->sink->batch_for(r->sink->ctx, p.line);
    enum err e = has_room(r, p.batch, series_bytes(s) + 2 * p.job.n, ret_at);
    if (e != ERR_OK) {
        return e;
    }
    if (!add_resource(p.batch, &p, service) || !add_scope(p.batch, &p)) {
        return not_text(s, ret_at);
    }
    keep_texts(&p);
    size_t at = r->place_next++ % PROM_PLACES;
    r->place_count = r->place_count < PROM_PLACES ? r->place_count + 1 : PROM_PLACES;
    ASSERT(at < r->place_count);
    r->places[at] = p;
    r->place = &r->places[at];
    return ERR_OK;
}

// ---- A series -----------------------------------------------------------------------------------

static bool is_attribute(struct str name)
{
    return !str_eq(name, POINT_NAME) && !str_eq(name, JOB) && !str_eq(name, INSTANCE) &&
           !str_eq(name, SCOPE_NAME) && !str_eq(name, SCOPE_VERSION);
}

// What is wrong with the series as a whole, or NULL.
static const char *check_series(const struct prom_series *s)
{
    struct str name = prom_label_value(s, POINT_NAME);
    size_t attributes = 0;
    ASSERT(s->label_count <= PROM_LABELS_MAX);
    if (name.n == 0) {
        return "the series has no __name__";
    }
    if (!point_text_fits(name) || !point_text_fits(s->unit)) {
        return "the metric's name or unit is longer than 1,000 bytes or has a NUL byte";
    }
    for (size_t i = 0; i < s->label_count; i++) {
        struct str key = s->labels[i].name, text = s->labels[i].value;
        if (key.n == 0) {
            return "a label has no name";
        }
        if (key.n > POINT_KEY_BYTES_MAX || !point_text_fits(key) || !point_text_fits(text)) {
            return "a label is longer than 1,000 bytes or has a NUL byte";
        }
        for (size_t k = 0; k < i; k++) {
            if (str_eq(s->labels[k].name, key)) {
                return "two labels have the same name";
            }
        }
        attributes += is_attribute(key) && text.n > 0;
    }
    return s->too_many || attributes > POINT_ATTRS_MAX ? "more than 56 labels" : NULL;
}

static bool intern_series(struct prom_rows *r)
{
    const struct prom_series *s = r->series;
    struct batch *b = r->place->batch;
    struct str name = prom_label_value(s, POINT_NAME);
    r->attr_count = 0;
    r->metric_row = SIZE_MAX;
    r->metric =
        (struct metric){.temporality = TEMPORALITY_CUMULATIVE, .monotonic = is_monotonic(s, name)};
    if (!intern(b, name, &r->metric.name) || !intern(b, s->unit, &r->metric.unit) ||
        !intern(b, help_of(s), &r->metric.description)) {
        return false;
    }
    for (size_t i = 0; i < s->label_count; i++) {
        if (!is_attribute(s->labels[i].name) || s->labels[i].value.n == 0) {
            continue;
        }
        MUST(r->attr_count < POINT_ATTRS_MAX);
        if (!intern(b, s->labels[i].name, &r->attrs[r->attr_count].key) ||
            !intern(b, s->labels[i].value, &r->attrs[r->attr_count].text)) {
            return false;
        }
        r->attr_count++;
    }
    return true;
}

enum err prom_rows_series(struct prom_rows *r, const struct prom_series *series,
                          struct err_at *ret_at)
{
    r->series = series;
    r->place = NULL;
    r->reject = check_series(series);
    if (r->reject != NULL) {
        return ERR_OK;
    }
    enum err e = find_place(r, ret_at);
    if (e == ERR_OK) {
        e = has_room(r, r->place->batch, series_bytes(series), ret_at);
    }
    if (e != ERR_OK) {
        return e;
    }
    ASSERT(r->place != NULL);
    return intern_series(r) ? ERR_OK : not_text(series, ret_at);
}

// ---- Its samples --------------------------------------------------------------------------------

static enum err reject(struct prom_rows *r, const char *why)
{
    struct str line, service;
    prom_job(prom_label_value(r->series, JOB), &line, &service);
    ASSERT(why != NULL);
    if (service.n == 0 || !point_text_fits(service) || !str_utf8_valid(service, NULL)) {
        service = SEM_UNKNOWN_SERVICE;
    }
    r->sink->reject(r->sink->ctx, service, r->series->offset, why, r->series->bytes);
    r->rejected++;
    return ERR_OK;
}

static const char *check_time(int64_t time_ms)
{
    return time_ms <= 0 || time_ms > TIME_MS_MAX ? "the timestamp is not in milliseconds since 1970"
                                                 : NULL;
}

// The metric's row; points of one series that follow one another share it.
static uint32_t metric_row(struct prom_rows *r, enum metric_kind kind)
{
    struct batch *b = r->place->batch;
    if (r->metric_row == SIZE_MAX || b->metrics[r->metric_row].kind != kind) {
        struct metric *m = batch_add_metric(b);
        *m = r->metric;
        m->kind = (uint8_t)kind;
        m->monotonic = kind == METRIC_SERIES ? m->monotonic : 0;
        r->metric_row = b->metric_count - 1;
    }
    ASSERT(r->metric_row < b->metric_count);
    return (uint32_t)r->metric_row;
}

// A point with all that the series says, and the times.
static struct point *add_point(struct prom_rows *r, enum metric_kind kind, int64_t time_ms,
                               int64_t start_ms, struct str exemplars)
{
    struct batch *b = r->place->batch;
    struct attr_run run = {(uint32_t)b->attr_count, r->attr_count};
    ASSERT(time_ms > 0 && time_ms <= TIME_MS_MAX);
    for (uint32_t i = 0; i < r->attr_count; i++) {
        *batch_add_attr(b) =
            (struct attr){.key = r->attrs[i].key, .type = ATTR_STRING, .code = r->attrs[i].text};
    }
    struct point *x = batch_add_point(b);
    x->metric = metric_row(r, kind);
    x->resource = r->place->resource;
    x->scope = r->place->scope_row;
    x->attrs = run;
    x->time_ns = (uint64_t)time_ms * NS_PER_MS;
    x->start_ns = start_ms > 0 && start_ms <= time_ms ? (uint64_t)start_ms * NS_PER_MS : 0;
    x->exemplars = exemplars.n > 0 ? batch_intern(b, exemplars) : 0;
    return x;
}

static size_t point_bytes(const struct prom_rows *r, size_t body)
{
    ASSERT(r->attr_count <= POINT_ATTRS_MAX);
    return r->attr_count * LABEL_BYTES + body;
}

enum err prom_rows_sample(struct prom_rows *r, const struct prom_sample *x, struct err_at *ret_at)
{
    const char *wrong = r->reject != NULL ? r->reject : check_time(x->time_ms);
    if (wrong != NULL) {
        return reject(r, wrong);
    }
    enum err e = has_room(r, r->place->batch, point_bytes(r, x->exemplars.n), ret_at);
    if (e != ERR_OK) {
        return e;
    }
    struct point *p = add_point(r, METRIC_SERIES, x->time_ms, x->start_ms, x->exemplars);
    p->d = x->value;
    if (point_is_stale(x->value)) {
        p->flags = 1;
        p->says = POINT_NO_VALUE;
    }
    r->samples++;
    ASSERT(r->metric_row != SIZE_MAX);
    return ERR_OK;
}

enum err prom_rows_histogram(struct prom_rows *r, const struct prom_histogram *x,
                             struct err_at *ret_at)
{
    const char *wrong = r->reject != NULL ? r->reject : x->wrong;
    wrong = wrong != NULL ? wrong : check_time(x->time_ms);
    if (wrong != NULL) {
        return reject(r, wrong);
    }
    size_t bytes = point_bytes(r, x->body.n + x->exemplars.n);
    enum err e = has_room(r, r->place->batch, bytes, ret_at);
    if (e != ERR_OK) {
        return e;
    }
    ASSERT(x->kind == METRIC_EXPONENTIAL || x->kind == METRIC_HISTOGRAM);
    uint32_t body = x->body.n > 0 ? batch_intern(r->place->batch, x->body) : 0;
    struct point *p = add_point(r, x->kind, x->time_ms, x->start_ms, x->exemplars);
    p->count = x->count;
    p->sum = x->sum;
    p->body = body;
    p->says = POINT_SUM;
    if (x->stale) {
        p->flags = 1;
        p->says = POINT_NO_VALUE;
        p->sum = 0;
    }
    r->histograms++;
    return ERR_OK;
}
