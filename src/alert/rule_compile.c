// SPDX-License-Identifier: Apache-2.0
// Purpose: the words of a rule become values and filters.
#include "alert/rule_compile.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alert/season.h"
#include "core/mem.h"
#include "core/must.h"
#include "model/point.h"
#include "model/semconv.h"

#define QUANTILE 0.99 // unless it is given

// ---- Words --------------------------------------------------------------------------------------

// The one test of "{ TEXT }", so that fields and values are read as the filter language has them.
static struct filter *parse_alone(const char *before, struct str text, const char *after)
{
    struct buf b;
    struct filter *f = NULL;
    struct err_at at;
    ASSERT(text.p != NULL || text.n == 0);
    buf_init(&b, FILTER_TEXT_MAX);
    buf_printf(&b, "{%s%.*s%s}", before, STR_FMT(text), after);
    bool is_one =
        !b.failed && filter_parse(buf_str(&b), &f, &at) == ERR_OK && f->root->type == NODE_TEST;
    buf_done(&b);
    if (!is_one && f != NULL) {
        filter_free(f);
        f = NULL;
    }
    return f;
}

bool rule_duration(struct str text, double *ret_ns)
{
    struct filter *f = parse_alone("duration = ", text, " ");
    bool is_duration = f != NULL && f->root->value.is_duration && f->root->value.number >= 0;
    ASSERT(text.p != NULL || text.n == 0);
    if (is_duration) {
        *ret_ns = f->root->value.number;
    }
    filter_free(f);
    return is_duration;
}

// Neither blanks nor what only C takes for a number.
static bool is_decimal(struct str text)
{
    ASSERT(text.p != NULL || text.n == 0);
    for (size_t i = 0; i < text.n; i++) {
        if (memchr("0123456789+-.eE", text.p[i], 15) == NULL) {
            return false;
        }
    }
    return true;
}

bool rule_number(struct str text, double *ret_number)
{
    char copy[64], *end;
    ASSERT(text.p != NULL || text.n == 0);
    if (text.n == 0 || text.n >= sizeof copy || !is_decimal(text)) {
        return false;
    }
    memcpy(copy, text.p, text.n);
    copy[text.n] = 0;
    double v = strtod(copy, &end);
    if (*end != 0 || !isfinite(v)) {
        return false;
    }
    *ret_number = v;
    return true;
}

bool rule_field(struct arena *arena, struct str text, struct alert_field *ret_field)
{
    ASSERT(arena != NULL);
    static const struct {
        struct str word, field;
    } words[] = {{{"service", 7}, {"resource.service.name", 21}},
                 {{"instance", 8}, {"resource.service.instance.id", 28}},
                 {{"host", 4}, {"resource.host.name", 18}},
                 {{"endpoint", 8}, {"name", 4}}};
    struct str meant = text;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        meant = str_eq(text, words[i].word) ? words[i].field : meant;
    }
    // What cannot stand alone is asked for by a value of its own type.
    struct filter *f = parse_alone(" ", meant, " ");
    f = f != NULL ? f : parse_alone(" ", meant, " != nil ");
    f = f != NULL ? f : parse_alone(" ", meant, " = \"\" ");
    f = f != NULL ? f : parse_alone(" ", meant, " > 0 ");
    f = f != NULL ? f : parse_alone(" ", meant, " = unset ");
    f = f != NULL ? f : parse_alone(" ", meant, " = server ");
    if (f == NULL) {
        return false;
    }
    *ret_field = (struct alert_field){.field = f->root->field,
                                      .key = arena_str(arena, f->root->key),
                                      .text = arena_str(arena, text)};
    filter_free(f);
    return true;
}

bool rule_measure(struct str text, struct alert_strategy *s)
{
    ASSERT(s->op < COMPARE_COUNT);
    static const struct {
        const char *word;
        enum alert_measure measure;
    } others[] = {{"avg", MEASURE_AVERAGE},
                  {"mean", MEASURE_AVERAGE},
                  {"error rate", MEASURE_ERROR_RATE},
                  {"distinct count", MEASURE_DISTINCT},
                  {"distinct_count", MEASURE_DISTINCT},
                  {"absent", MEASURE_ABSENCE}};
    double percent;
    for (unsigned i = 0; i < MEASURE_COUNT_OF; i++) {
        if (str_eq(text, str_of(alert_measure_name((enum alert_measure)i)))) {
            s->measure = (enum alert_measure)i;
            return true;
        }
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (str_eq(text, str_of(others[i].word))) {
            s->measure = others[i].measure;
            return true;
        }
    }
    if (text.n < 2 || (text.p[0] != 'p' && text.p[0] != 'P') ||
        !rule_number(str_skip(text, 1), &percent) || !(percent > 0 && percent < 100)) {
        return false;
    }
    // By its digits, so that 99.9 is the same as 0.999.
    char digits[80];
    (void)snprintf(digits, sizeof digits, "%.*se-2", STR_FMT(str_skip(text, 1)));
    double share = strtod(digits, NULL);
    if (!(share > 0 && share < 1) || (s->quantile != 0 && s->quantile != share)) {
        return false;
    }
    s->measure = MEASURE_QUANTILE;
    s->quantile = share;
    return true;
}

// ---- Strategies ---------------------------------------------------------------------------------

static bool is_relative(enum alert_operator op)
{
    return op >= COMPARE_ABOVE_AVERAGE && !alert_foresees(op);
}

// A number, 5%, or a duration.
static const char *read_threshold(struct alert_strategy *s)
{
    struct str t = s->threshold_text;
    bool is_percent = t.n > 1 && t.p[t.n - 1] == '%';
    bool of_duration = s->field.field == ON_DURATION && s->metric.n == 0;
    ASSERT(s->op < COMPARE_COUNT);
    if (is_percent && rule_number((struct str){t.p, t.n - 1}, &s->threshold)) {
        s->threshold = is_relative(s->op) ? s->threshold : s->threshold / 100;
    } else if (!rule_number(t, &s->threshold)) {
        if (is_relative(s->op) || !rule_duration(t, &s->threshold)) {
            return "threshold: expected a number, a share (5%) or a duration (500ms)";
        }
        if (!of_duration || s->measure < MEASURE_AVERAGE || s->measure > MEASURE_QUANTILE) {
            return "threshold: a duration is compared with a duration only";
        }
    }
    if (s->measure == MEASURE_ERROR_RATE && !is_relative(s->op) &&
        (s->threshold < 0 || s->threshold > 1)) {
        return "threshold: an error rate is a share from 0 to 1; write 5% or 0.05";
    }
    if (is_relative(s->op) && s->threshold < 0) {
        return "threshold: expected percent, 0 or more";
    }
    return NULL;
}

// What some operators ask for, and others do not take.
static const char *complete_operator(struct alert_strategy *s)
{
    bool is_seasonal = alert_is_seasonal(s->op), foresees = alert_foresees(s->op);
    ASSERT(s->op < COMPARE_COUNT);
    if (s->jitter_ms != 0 && !is_seasonal) {
        return "jitter: goes with above_baseline, below_baseline and off_baseline alone";
    }
    if (is_seasonal && s->every_ms > ALERT_SEASON_EVERY_MAX_MS) {
        return "every: 1h at most, to be compared with what is usual at a time of the day";
    }
    if ((s->within_ms != 0) != foresees) {
        return foresees ? "within: expected how far ahead to look, such as 4h"
                        : "within: goes with will_exceed and will_fall_below alone";
    }
    if (foresees && s->within_ms < s->every_ms) {
        return "within: expected as long as `every`, or longer";
    }
    s->jitter_ms = is_seasonal && s->jitter_ms == 0 ? SEASON_JITTER_MS : s->jitter_ms;
    return NULL;
}

const char *rule_complete_strategy(struct alert_strategy *s)
{
    bool is_average = s->op == COMPARE_ABOVE_AVERAGE || s->op == COMPARE_BELOW_AVERAGE;
    ASSERT(s->op < COMPARE_COUNT);
    if (s->every_ms == 0) {
        return "every: expected how long a window is, such as 1m";
    }
    if (s->measure != MEASURE_QUANTILE && s->quantile != 0) {
        return "quantile: goes with measure: quantile alone";
    }
    s->quantile = s->quantile != 0 ? s->quantile : QUANTILE;
    if (s->measure == MEASURE_ABSENCE) {
        bool is_bare = s->jitter_ms == 0 && s->within_ms == 0;
        return is_bare && s->threshold_text.n == 0 && s->op == COMPARE_GT
                   ? NULL
                   : "absence takes neither operator nor threshold";
    }
    if (s->measure == MEASURE_ERROR_RATE && s->metric.n > 0) {
        return "an error rate is one of spans, not of a metric";
    }
    if (s->measure == MEASURE_CAPACITY && s->metric.n > 0) {
        return "capacity is one of calls, not of a metric";
    }
    if (s->measure == MEASURE_DISTINCT && s->field.field == ON_DURATION) {
        return "field: expected whose values are counted";
    }
    if (is_average && s->measure >= MEASURE_MIN) {
        return "above_average and below_average are for what adds up: compare with rise or fall";
    }
    if (s->threshold_text.n == 0) {
        return "threshold: expected a number";
    }
    const char *wrong = complete_operator(s);
    return wrong != NULL ? wrong : read_threshold(s);
}

// ---- Filters ------------------------------------------------------------------------------------

// What stands between the braces of a filter that was parsed before; "" when it is all.
static struct str inner(struct str text)
{
    struct str t = str_trim(text);
    ASSERT(t.n == 0 || (t.n >= 2 && t.p[0] == '{' && t.p[t.n - 1] == '}'));
    return t.n == 0 ? t : str_trim((struct str){t.p + 1, t.n - 2});
}

static void add_and(struct buf *b)
{
    ASSERT(b != NULL);
    buf_add_str(b, b->n > 1 ? STR(" && ") : STR(" "));
}

static void add_services(struct buf *b, const struct alert_rule *r)
{
    ASSERT(r->strategy_count <= ALERT_STRATEGIES_MAX);
    for (size_t i = 0; i < r->service_count; i++) {
        buf_add_str(b, i == 0 ? STR("(") : STR(" || "));
        buf_add_str(b, STR("resource.service.name = "));
        filter_print_text(r->services[i], b);
    }
    buf_add_str(b, STR(")"));
}

// Buckets of Prometheus come as points of a metric of their own (model/point.h).
static void add_metric(struct buf *b, const struct alert_strategy *s)
{
    ASSERT(s->metric.n > 0);
    if (s->measure != MEASURE_QUANTILE) {
        buf_add_str(b, STR("name = "));
        filter_print_text(s->metric, b);
        return;
    }
    struct buf bucket;
    buf_init(&bucket, 2 * FILTER_TEXT_MAX);
    buf_add_str(&bucket, s->metric);
    buf_add_str(&bucket, POINT_SUFFIX_BUCKET);
    buf_add_str(b, STR("(name = "));
    filter_print_text(s->metric, b);
    buf_add_str(b, STR(" || name = "));
    filter_print_text(buf_str(&bucket), b);
    buf_add_str(b, STR(")"));
    b->failed = b->failed || bucket.failed;
    buf_done(&bucket);
}

static void build(struct buf *b, const struct alert_rule *r, const struct alert_strategy *s)
{
    struct str own = inner(s->filter_text);
    ASSERT(r->strategy_count <= ALERT_STRATEGIES_MAX);
    buf_add_str(b, STR("{"));
    if (r->service_count > 0) {
        add_and(b);
        add_services(b, r);
    }
    if (s->metric.n > 0) {
        add_and(b);
        add_metric(b, s);
    }
    if (own.n > 0) {
        add_and(b);
        buf_printf(b, "(%.*s)", STR_FMT(own));
    }
    if (s->measure == MEASURE_CAPACITY) { // what is counted as calls of an instance
        add_and(b);
        buf_add_str(b, STR("(kind = server || kind = consumer)"));
    }
    if (r->environment.n > 0) { // by its name of today, and of before
        add_and(b);
        buf_add_str(b, STR("(resource.deployment.environment.name = "));
        filter_print_text(r->environment, b);
        buf_add_str(b, STR(" || resource.deployment.environment = "));
        filter_print_text(r->environment, b);
        buf_add_str(b, STR(")"));
    }
    buf_add_str(b, STR(" }"));
}

static bool same_groups(const struct alert_strategy *a, const struct alert_strategy *b)
{
    ASSERT(a->op < COMPARE_COUNT);
    if (a->group_by_count != b->group_by_count) {
        return false;
    }
    for (size_t i = 0; i < a->group_by_count; i++) {
        if (!str_eq(a->group_by[i].text, b->group_by[i].text)) {
            return false;
        }
    }
    return true;
}

static void put_text(struct buf *b, struct str s)
{
    ASSERT(b != NULL);
    buf_add_varint(b, s.n);
    buf_add_str(b, s);
}

static void identify(struct alert_rule *r, struct arena *arena)
{
    struct buf b;
    buf_init(&b, ALERT_STRATEGIES_MAX * (2 * FILTER_TEXT_MAX));
    put_text(&b, r->name);
    put_text(&b, r->line);
    buf_add_byte(&b, r->any_line);
    buf_add_byte(&b, r->match_all);
    for (size_t i = 0; i < r->strategy_count; i++) {
        const struct alert_strategy *s = &r->strategies[i];
        filter_print(s->filter, &b);
        buf_printf(&b, " %d %d %.17g %.17g %llu %llu", (int)s->measure, (int)s->op, s->quantile,
                   s->threshold, (unsigned long long)s->every_ms, (unsigned long long)s->at_least);
        buf_printf(&b, " %llu %llu", (unsigned long long)s->jitter_ms,
                   (unsigned long long)s->within_ms);
        put_text(&b, s->metric);
        put_text(&b, s->field.text);
        for (size_t k = 0; k < s->group_by_count; k++) {
            put_text(&b, s->group_by[k].text);
        }
    }
    MUST(!b.failed);
    r->identity = arena_str(arena, buf_str(&b));
    buf_done(&b);
}

// What one instance carries is known of a service.
static bool is_of_one_service(const struct alert_rule *r, const struct alert_strategy *s)
{
    bool is_one = r->service_count == 1;
    ASSERT(s->group_by_count <= ALERT_GROUP_BY_MAX);
    for (size_t i = 0; i < s->group_by_count; i++) {
        const struct alert_field *f = &s->group_by[i];
        is_one = is_one || (f->field == ON_RESOURCE_ATTR && str_eq(f->key, SEM_SERVICE_NAME));
    }
    return is_one;
}

enum err rule_compile(struct alert_rule *r, struct arena *arena, struct err_at *ret_at)
{
    ASSERT(r->strategy_count > 0);
    for (size_t i = 0; i < r->strategy_count; i++) {
        struct alert_strategy *s = &r->strategies[i];
        struct buf b;
        struct err_at at;
        if (!same_groups(&r->strategies[0], s)) {
            return err_at_set(ret_at, ERR_INVALID, 0,
                              "strategies of one rule have the same group_by");
        }
        if (s->measure == MEASURE_CAPACITY && !is_of_one_service(r, s)) {
            return err_at_set(ret_at, ERR_INVALID, 0,
                              "capacity is that of a service: expected service in group_by, or one "
                              "service for the rule");
        }
        buf_init(&b, FILTER_TEXT_MAX);
        build(&b, r, s);
        enum err e = b.failed ? ERR_LIMIT : filter_parse(buf_str(&b), &s->filter, &at);
        buf_done(&b);
        if (e != ERR_OK) {
            return err_at_set(ret_at, e, 0,
                              "the filter with what the rule watches is too large: %s",
                              e == ERR_LIMIT ? err_text(e) : at.text);
        }
    }
    identify(r, arena);
    return ERR_OK;
}

// ---- Names --------------------------------------------------------------------------------------

size_t rule_named_twice(const struct alert_rule *rules, size_t count, size_t **ret_places)
{
    size_t size = 16;
    while (size < count * 2) {
        size *= 2;
    }
    size_t *slots = mem_new(size, sizeof *slots); // place + 1
    size_t *places = mem_new(count + 1, sizeof *places);
    size_t found = count;
    for (size_t i = 0; i < count && found == count; i++) {
        size_t at = str_hash(rules[i].name) & (size - 1);
        for (; slots[at] != 0; at = (at + 1) & (size - 1)) {
            if (str_eq(rules[slots[at] - 1].name, rules[i].name)) {
                places[i] = slots[at] - 1;
                found = i;
                break;
            }
        }
        slots[at] = i + 1;
    }
    mem_free(slots);
    ASSERT(found <= count);
    *ret_places = places;
    return found;
}
