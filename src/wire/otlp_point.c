// SPDX-License-Identifier: Apache-2.0
// Purpose: OTLP metrics -> rows of a batch. What stands beside the points of a metric is found
// first, since it may stand behind them: the name, the temporality.
#include "wire/otlp_point.h"

#include "core/must.h"
#include "wire/otlp_decoder.h"

// What a field of a data point is.
enum role {
    ROLE_NONE,
    ROLE_START,
    ROLE_TIME,
    ROLE_DOUBLE,
    ROLE_INT,
    ROLE_COUNT,
    ROLE_SUM,
    ROLE_MIN,
    ROLE_MAX,
    ROLE_ATTRIBUTE,
    ROLE_FLAGS,
    ROLE_EXEMPLAR,
    ROLE_BODY
};

#define FIELDS_MAX 15

// One of the kinds of metrics: the field of a Metric that has its points, and their fields.
struct kind_info {
    uint32_t number;
    enum metric_kind kind;
    const char *name;
    const struct otlp_message *point; // what has a body is checked against it
    bool has_temporality;
    uint8_t exemplars; // number of that field
    uint8_t roles[FIELDS_MAX];
};

static const struct kind_info kinds[] = {
    {5,
     METRIC_GAUGE,
     "gauge",
     NULL,
     false,
     5,
     {0, 0, ROLE_START, ROLE_TIME, ROLE_DOUBLE, ROLE_EXEMPLAR, ROLE_INT, ROLE_ATTRIBUTE,
      ROLE_FLAGS}},
    {7,
     METRIC_SUM,
     "sum",
     NULL,
     true,
     5,
     {0, 0, ROLE_START, ROLE_TIME, ROLE_DOUBLE, ROLE_EXEMPLAR, ROLE_INT, ROLE_ATTRIBUTE,
      ROLE_FLAGS}},
    {9,
     METRIC_HISTOGRAM,
     "histogram",
     &otlp_histogram_point,
     true,
     8,
     {0, 0, ROLE_START, ROLE_TIME, ROLE_COUNT, ROLE_SUM, ROLE_BODY, ROLE_BODY, ROLE_EXEMPLAR,
      ROLE_ATTRIBUTE, ROLE_FLAGS, ROLE_MIN, ROLE_MAX}},
    {10,
     METRIC_EXPONENTIAL,
     "exponential_histogram",
     &otlp_exponential_point,
     true,
     11,
     {0, ROLE_ATTRIBUTE, ROLE_START, ROLE_TIME, ROLE_COUNT, ROLE_SUM, ROLE_BODY, ROLE_BODY,
      ROLE_BODY, ROLE_BODY, ROLE_FLAGS, ROLE_EXEMPLAR, ROLE_MIN, ROLE_MAX, ROLE_BODY}},
    {11,
     METRIC_SUMMARY,
     "summary",
     &otlp_summary_point,
     false,
     0,
     {0, 0, ROLE_START, ROLE_TIME, ROLE_COUNT, ROLE_SUM, ROLE_BODY, ROLE_ATTRIBUTE, ROLE_FLAGS}},
};

static const struct kind_info *kind_of(uint32_t number)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        ASSERT(kinds[i].kind < METRIC_KIND_END);
        if (kinds[i].number == number) {
            return &kinds[i];
        }
    }
    return NULL;
}

// ---- One point ----------------------------------------------------------------------------------

struct point_state {
    const struct kind_info *kind;
    struct point point;
    const char *reject; // why the point is left out, or NULL
    struct key_slot **previous;
    bool has_value, has_body, has_exemplars;
};

static enum role role_of(const struct kind_info *kind, uint32_t number)
{
    ASSERT(kind != NULL);
    return number < FIELDS_MAX ? (enum role)kind->roles[number] : ROLE_NONE;
}

static bool decode_double(struct decoder *d, struct point_state *st, const struct pb_field *f,
                          double *to, uint8_t says)
{
    static const char *const names[] = {
        [POINT_SUM] = "sum", [POINT_MIN] = "min", [POINT_MAX] = "max"};
    uint64_t bits = 0;
    ASSERT(says == POINT_SUM || says == POINT_MIN || says == POINT_MAX);
    if (!decoder_fixed64(d, f, names[says], &bits)) {
        return false;
    }
    memcpy(to, &bits, sizeof bits);
    st->point.says |= says;
    return true;
}

static bool decode_value(struct decoder *d, struct point_state *st, const struct pb_field *f,
                         enum role role)
{
    const char *name = role == ROLE_COUNT ? "count" : role == ROLE_INT ? "as_int" : "as_double";
    ASSERT(role == ROLE_COUNT || role == ROLE_INT || role == ROLE_DOUBLE);
    if (!decoder_fixed64(d, f, name, &st->point.bits)) {
        return false;
    }
    unsigned says = st->point.says & ~(unsigned)POINT_INT;
    st->point.says = (uint8_t)(says | (role == ROLE_INT ? POINT_INT : 0));
    st->has_value = true;
    return true;
}

// Attributes become labels, which have limits.
static bool decode_point_attr(struct decoder *d, struct point_state *st, const struct pb_field *f)
{
    struct attr_run *run = &st->point.attrs;
    uint64_t records = 0;
    if (f->wire != PB_BYTES) {
        return decoder_fail_field(d, f, "attributes");
    }
    if (run->count == POINT_ATTRS_MAX) {
        st->reject = "more than 56 attributes";
        return otlp_check(&otlp_key_value, f->bytes, 0, &records, &d->problem);
    }
    ASSERT(run->count < POINT_ATTRS_MAX);
    run->count++;
    return decoder_attr(d, f->bytes, &st->previous);
}

static bool decode_point_field(struct decoder *d, struct point_state *st, const struct pb_field *f)
{
    struct point *x = &st->point;
    enum role role = role_of(st->kind, f->number);
    ASSERT(role <= ROLE_BODY);
    switch (role) {
    case ROLE_START:
        return decoder_fixed64(d, f, "start_time_unix_nano", &x->start_ns);
    case ROLE_TIME:
        return decoder_fixed64(d, f, "time_unix_nano", &x->time_ns);
    case ROLE_DOUBLE:
    case ROLE_INT:
    case ROLE_COUNT:
        return decode_value(d, st, f, role);
    case ROLE_SUM:
        return decode_double(d, st, f, &x->sum, POINT_SUM);
    case ROLE_MIN:
        return decode_double(d, st, f, &x->min, POINT_MIN);
    case ROLE_MAX:
        return decode_double(d, st, f, &x->max, POINT_MAX);
    case ROLE_ATTRIBUTE:
        return decode_point_attr(d, st, f);
    case ROLE_FLAGS:
        return decoder_u32(d, f, "flags", &x->flags);
    case ROLE_EXEMPLAR:
        st->has_exemplars = true;
        return decoder_check(d, f, &otlp_exemplar, "exemplars");
    case ROLE_BODY:
        st->has_body = true;
        return true;
    case ROLE_NONE:
        break;
    }
    return true;
}

// The bytes of the fields that no column has.
static uint32_t collect_body(struct decoder *d, const struct kind_info *kind, struct str bytes)
{
    struct pb_reader r = pb_reader(bytes);
    struct pb_field f;
    buf_clear(&d->scratch);
    while (r.p < r.end && pb_next(&r, &f)) {
        if (role_of(kind, f.number) == ROLE_BODY) {
            buf_add(&d->scratch, f.at, (size_t)(r.p - f.at));
        }
    }
    ASSERT(!d->scratch.failed);
    return batch_intern(d->batch, buf_str(&d->scratch));
}

static bool finish_point(struct decoder *d, struct point_state *st, struct str bytes)
{
    struct point *x = &st->point;
    bool is_counted = metric_kind_has_count(st->kind->kind);
    x->says |= x->flags & 1 ? POINT_NO_VALUE : 0;
    if (st->reject == NULL && x->time_ns == 0) {
        st->reject = "time_unix_nano is missing or zero";
    } else if (st->reject == NULL && !is_counted && !st->has_value && !(x->says & POINT_NO_VALUE)) {
        st->reject = "as_double or as_int is missing";
    }
    st->reject = st->reject != NULL ? st->reject : point_check_attrs(d->batch, x->attrs);
    if (st->reject == NULL && st->has_body) {
        x->body = collect_body(d, st->kind, bytes);
        st->reject = otlp_point_check(st->kind->kind, batch_str(d->batch, x->body));
    }
    if (st->reject != NULL) {
        return decoder_reject(d, x->attrs.first, st->reject, bytes);
    }
    x->exemplars = st->has_exemplars ? decoder_collect(d, bytes, st->kind->exemplars) : 0;
    x->resource = d->resource;
    x->scope = d->scope;
    ASSERT(x->attrs.first + x->attrs.count == d->batch->attr_count);
    *batch_add_point(d->batch) = *x;
    d->counts.accepted++;
    return true;
}

static bool decode_point(struct decoder *d, const struct kind_info *kind, const char *reject,
                         struct str bytes)
{
    struct point_state st = {.kind = kind, .reject = reject, .previous = &d->first};
    struct pb_reader r = pb_reader(bytes);
    struct pb_field f;
    uint64_t records = 0;
    if (!decoder_has_room(d, bytes)) {
        return false;
    }
    ASSERT(d->batch->metric_count > 0);
    st.point.metric = (uint32_t)d->batch->metric_count - 1;
    st.point.attrs.first = (uint32_t)d->batch->attr_count;
    if (kind->point != NULL && !otlp_check(kind->point, bytes, 0, &records, &d->problem)) {
        return false;
    }
    while (r.p < r.end) {
        if (!pb_next(&r, &f)) {
            return decoder_fail_broken(d, &f);
        }
        if (decode_point_field(d, &st, &f)) {
            continue;
        }
        enum role role = role_of(kind, f.number);
        const char *list = role == ROLE_ATTRIBUTE  ? "attributes"
                           : role == ROLE_EXEMPLAR ? "exemplars"
                                                   : NULL;
        return list != NULL && f.wire == PB_BYTES
                   ? otlp_problem_in_repeated(&d->problem, list, f.number, bytes, f.at)
                   : false;
    }
    return finish_point(d, &st, bytes);
}

// ---- One metric ---------------------------------------------------------------------------------

struct metric_state {
    struct metric row;
    const struct kind_info *kind; // NULL: it has no points
    struct str data;              // the message that has them
    const char *bad_list;         // of the problem, where it is in a list
    const char *reject;           // why all of its points are left out, or NULL
};

// Temporality and monotony.
static bool decode_data_head(struct decoder *d, struct metric_state *st)
{
    struct pb_reader r = pb_reader(st->data);
    struct pb_field f;
    uint32_t value = 0;
    ASSERT(st->kind != NULL);
    while (r.p < r.end) {
        if (!pb_next(&r, &f)) {
            return decoder_fail_broken(d, &f);
        }
        if (f.number == 1 && f.wire != PB_BYTES) {
            return decoder_fail_field(d, &f, "data_points");
        }
        if (f.number == 2 && st->kind->has_temporality) {
            if (!decoder_u32(d, &f, "aggregation_temporality", &value)) {
                return false;
            }
            st->row.temporality =
                value < TEMPORALITY_COUNT ? (uint8_t)value : TEMPORALITY_UNSPECIFIED;
        } else if (f.number == 3 && st->kind->kind == METRIC_SUM) {
            if (!decoder_u32(d, &f, "is_monotonic", &value)) {
                return false;
            }
            st->row.monotonic = value != 0;
        }
    }
    return true;
}

static bool decode_metric_field(struct decoder *d, struct metric_state *st,
                                const struct pb_field *f)
{
    const struct kind_info *kind = kind_of(f->number);
    if (kind != NULL) {
        if (f->wire != PB_BYTES) {
            return decoder_fail_field(d, f, kind->name);
        }
        st->kind = kind;
        st->data = f->bytes;
        st->row.kind = (uint8_t)kind->kind;
        return true;
    }
    switch (f->number) {
    case 1:
        return decoder_text(d, f, "name", &st->row.name);
    case 2:
        return decoder_text(d, f, "description", &st->row.description);
    case 3:
        return decoder_text(d, f, "unit", &st->row.unit);
    case 12:
        st->bad_list = f->wire == PB_BYTES ? "metadata" : NULL;
        return decoder_check(d, f, &otlp_key_value, "metadata");
    default:
        ASSERT(kind == NULL);
        return true;
    }
}

static bool decode_points(struct decoder *d, const struct metric_state *st)
{
    struct pb_reader r = pb_reader(st->data);
    struct pb_field f;
    ASSERT(st->kind != NULL);
    // decode_data_head() walked the same bytes: nothing is broken at this level.
    while (r.p < r.end && pb_next(&r, &f)) {
        if (f.number == 1 && !decode_point(d, st->kind, st->reject, f.bytes)) {
            (void)otlp_problem_in_repeated(&d->problem, "data_points", 1, st->data, f.at);
            return false;
        }
    }
    return true;
}

static const char *check_metric(const struct batch *b, const struct metric_state *st)
{
    ASSERT(st->kind != NULL);
    if (st->row.name == 0) {
        return "the metric has no name";
    }
    if (!point_text_fits(batch_str(b, st->row.name)) ||
        !point_text_fits(batch_str(b, st->row.unit))) {
        return "the metric's name or unit is longer than 1,000 bytes or has a NUL byte";
    }
    return st->kind->has_temporality && st->row.temporality == TEMPORALITY_UNSPECIFIED
               ? "aggregation_temporality is neither delta nor cumulative"
               : NULL;
}

bool decoder_metric(struct decoder *d, struct str bytes)
{
    struct metric_state st = {.kind = NULL};
    struct pb_reader r = pb_reader(bytes);
    struct pb_field f;
    size_t points = d->batch->point_count;
    if (!decoder_has_room(d, bytes)) {
        return false;
    }
    while (r.p < r.end) {
        if (!pb_next(&r, &f)) {
            return decoder_fail_broken(d, &f);
        }
        if (!decode_metric_field(d, &st, &f)) {
            return st.bad_list != NULL
                       ? otlp_problem_in_repeated(&d->problem, st.bad_list, f.number, bytes, f.at)
                       : false;
        }
    }
    if (st.kind == NULL) {
        return true;
    }
    if (!decode_data_head(d, &st)) {
        return otlp_problem_in(&d->problem, st.kind->name, -1);
    }
    ASSERT(st.row.kind == st.kind->kind);
    st.reject = check_metric(d->batch, &st);
    *batch_add_metric(d->batch) = st.row;
    if (!decode_points(d, &st)) {
        return otlp_problem_in(&d->problem, st.kind->name, -1);
    }
    if (d->batch->point_count == points) {
        d->batch->metric_count--; // nobody names it
    }
    return true;
}
