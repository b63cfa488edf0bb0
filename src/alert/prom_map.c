// SPDX-License-Identifier: Apache-2.0
// Purpose: what an expression of Prometheus asks, as strategies of a rule.
#include "alert/prom_map.h"

#include <math.h>
#include <string.h>

#include "core/buf.h"
#include "core/must.h"
#include "model/point.h"

#define MINUTE_MS     ((uint64_t)60000)
#define LOOK_BACK_MS  (5 * MINUTE_MS) // how long Prometheus takes a value for the present one
#define TREND_WINDOWS 60

struct mapper {
    const struct prom_asked *asked;
    struct arena *arena;
    struct prom_mapping *m;
    struct err_at *ret_at;
    enum err e;
};

enum comparison { CMP_GT, CMP_GE, CMP_LT, CMP_LE, CMP_EQ, CMP_NE, CMP_NONE };

// A comparison: `node` op threshold.
struct compared {
    const struct promql_node *node;
    enum comparison op;
    double threshold;
};

static bool refuse(struct mapper *k, const struct promql_node *n, const char *what)
{
    ASSERT(n != NULL);
    if (k->e == ERR_OK) {
        k->e = err_at_set(k->ret_at, ERR_INVALID, n->offset, "%s", what);
    }
    return false;
}

static bool refuse_name(struct mapper *k, const struct promql_node *n, const char *what)
{
    ASSERT(n->text.p != NULL);
    if (k->e == ERR_OK) {
        struct str text = str_cut(n->text, 64);
        k->e = err_at_set(k->ret_at, ERR_INVALID, n->offset, "%.*s %s", STR_FMT(text), what);
    }
    return false;
}

static void remark(struct mapper *k, const struct promql_node *n, const char *text)
{
    struct prom_mapping *m = k->m;
    ASSERT(n != NULL);
    for (size_t i = 0; i < m->remark_count; i++) {
        if (strcmp(m->remarks[i].text, text) == 0) {
            return;
        }
    }
    if (m->remark_count < PROM_REMARKS_MAX) {
        m->remarks[m->remark_count++] = (struct prom_remark){n->offset, text};
    }
}

static bool is_op(const struct promql_node *n, const char *op)
{
    return n->type == PROMQL_BINARY && str_eq(n->text, str_of(op));
}

static bool is_named(const struct promql_node *n, enum promql_type type, const char *name)
{
    return n->type == type && str_eq_nocase(n->text, str_of(name));
}

static enum comparison comparison_of(const struct promql_node *n)
{
    static const char *const words[] = {">", ">=", "<", "<=", "==", "!="};
    unsigned i = CMP_GT;
    while (i < CMP_NONE && !is_op(n, words[i])) {
        i++;
    }
    ASSERT(i <= CMP_NONE);
    return (enum comparison)i;
}

static bool is_set_operator(const struct promql_node *n)
{
    return is_op(n, "and") || is_op(n, "or") || is_op(n, "unless");
}

// ---- Constants ----------------------------------------------------------------------------------

static bool constant(const struct promql_node *n, double *ret_value)
{
    double a = 0, b = 0;
    ASSERT(n != NULL);
    if (n->type == PROMQL_NUMBER) {
        *ret_value = n->number;
        return true;
    }
    if (n->type == PROMQL_NEGATIVE && constant(n->left, &a)) {
        *ret_value = -a;
        return true;
    }
    if (n->type != PROMQL_BINARY || !constant(n->left, &a) || !constant(n->right, &b)) {
        return false;
    }
    double v = is_op(n, "+")   ? a + b
               : is_op(n, "-") ? a - b
               : is_op(n, "*") ? a * b
               : is_op(n, "/") ? a / b
               : is_op(n, "%") ? fmod(a, b)
                               : pow(a, b);
    if (comparison_of(n) < CMP_NONE || is_set_operator(n) || is_op(n, "atan2")) {
        return false;
    }
    *ret_value = v;
    return true;
}

static enum comparison turned(enum comparison op)
{
    static const enum comparison others[] = {CMP_LT, CMP_LE, CMP_GT,  CMP_GE,
                                             CMP_EQ, CMP_NE, CMP_NONE};
    ASSERT(op <= CMP_NONE);
    return others[op];
}

// Brings what is added to, or multiplied with, the compared over to the threshold: one step. False
// where there is nothing left.
static bool solve(struct compared *c)
{
    const struct promql_node *n = c->node;
    double v;
    bool negates = n->type == PROMQL_NEGATIVE;
    if (negates) {
        c->threshold = -c->threshold;
        c->op = turned(c->op);
        c->node = n->left;
        return true;
    }
    bool is_right = n->type == PROMQL_BINARY && constant(n->right, &v);
    bool is_left = n->type == PROMQL_BINARY && !is_right && constant(n->left, &v);
    bool is_product = is_op(n, "*") || (is_op(n, "/") && is_right);
    bool is_sum = is_op(n, "+") || is_op(n, "-");
    if ((!is_right && !is_left) || (!is_product && !is_sum) || (is_product && v == 0)) {
        return false;
    }
    if (is_sum) {
        bool minus_it = is_op(n, "-") && is_left; // v - x
        c->threshold = is_op(n, "-") && is_right ? c->threshold + v
                       : minus_it                ? v - c->threshold
                                                 : c->threshold - v;
        c->op = minus_it ? turned(c->op) : c->op;
    } else {
        c->threshold = is_op(n, "/") ? c->threshold * v : c->threshold / v;
        c->op = v < 0 ? turned(c->op) : c->op;
    }
    ASSERT(c->op <= CMP_NONE);
    c->node = is_right ? n->left : n->right;
    return true;
}

// ---- Filters and groups -------------------------------------------------------------------------

static struct str field_of(struct mapper *k, struct str label)
{
    ASSERT(label.n > 0);
    return str_eq(label, STR("job"))        ? STR("service")
           : str_eq(label, STR("instance")) ? STR("instance")
                                            : arena_printf(k->arena, ".%.*s", STR_FMT(label));
}

// What is not there is "" for Prometheus, so `!=` holds of it.
static void put_matcher(struct buf *b, const struct promql_matcher *m)
{
    static const char *const ops[] = {
        [PROMQL_EQ] = "=", [PROMQL_NE] = "!=", [PROMQL_RE] = "=~", [PROMQL_NRE] = "!~"};
    bool is_job = str_eq(m->label, STR("job")), is_not = m->op == PROMQL_NE || m->op == PROMQL_NRE;
    struct str value = m->value, label = m->label;
    const char *slash = is_job && value.n > 0 ? memrchr(value.p, '/', value.n) : NULL;
    bool is_text = m->op == PROMQL_EQ || m->op == PROMQL_NE;
    struct buf field;
    buf_init(&field, PROMQL_TEXT_MAX);
    if (slash != NULL && is_text) { // "namespace/service" is how jobs of both are named
        value = (struct str){slash + 1, (size_t)(value.p + value.n - slash - 1)};
    }
    if (is_job || str_eq(label, STR("instance"))) {
        buf_add_str(&field,
                    is_job ? STR("resource.service.name") : STR("resource.service.instance.id"));
    } else {
        buf_printf(&field, ".%.*s", STR_FMT(label));
    }
    struct str f = buf_str(&field);
    bool is_presence = is_text ? value.n == 0 : value.n == 0 || str_eq(value, STR(".+"));
    if (is_presence) {
        bool is_there = str_eq(value, STR(".+")) != is_not;
        buf_printf(b, "%.*s %s nil", STR_FMT(f), is_there ? "!=" : "=");
    } else {
        buf_printf(b, is_not ? "(%.*s %s " : "%.*s %s ", STR_FMT(f), ops[m->op]);
        filter_print_text(value, b);
        if (is_not) {
            buf_printf(b, " || %.*s = nil)", STR_FMT(f));
        }
    }
    ASSERT(!field.failed);
    buf_done(&field);
}

static struct str filter_of(struct mapper *k, const struct promql_node *selector)
{
    struct buf b;
    struct str text = STR("");
    buf_init(&b, FILTER_TEXT_MAX);
    for (size_t i = 0; i < selector->matcher_count; i++) {
        const struct promql_matcher *m = &selector->matchers[i];
        bool is_all = str_eq(m->value, STR(".*"));
        if (is_all && m->op == PROMQL_NRE) {
            (void)refuse(k, selector, "matches nothing");
        } else if (!is_all || m->op != PROMQL_RE) {
            buf_add_str(&b, b.n == 0 ? STR("{ ") : STR(" && "));
            put_matcher(&b, m);
        }
    }
    if (b.n > 0) {
        buf_add_str(&b, STR(" }"));
    }
    ASSERT(selector->type == PROMQL_SELECTOR);
    if (b.failed) {
        (void)refuse(k, selector, "has more matchers than a filter may have");
    } else {
        text = arena_str(k->arena, buf_str(&b));
    }
    buf_done(&b);
    return text;
}

static void add_group(struct mapper *k, struct prom_strategy *s, struct str label)
{
    struct str field = field_of(k, label);
    ASSERT(s->group_by_count <= ALERT_GROUP_BY_MAX);
    for (size_t i = 0; i < s->group_by_count; i++) {
        if (str_eq(s->group_by[i], field)) {
            return;
        }
    }
    if (s->group_by_count < ALERT_GROUP_BY_MAX) {
        s->group_by[s->group_by_count++] = field;
    }
}

// Those of `le` are of buckets, which are measured together.
static size_t count_labels(const struct promql_node *aggregate)
{
    size_t n = 0;
    ASSERT(aggregate->type == PROMQL_AGGREGATE);
    for (size_t i = 0; i < aggregate->label_count; i++) {
        n += !str_eq(aggregate->labels[i], POINT_LE);
    }
    return n;
}

static bool set_groups(struct mapper *k, struct prom_strategy *s,
                       const struct promql_node *aggregate)
{
    ASSERT(s->group_by_count == 0);
    if (aggregate == NULL) {
        for (size_t i = 0; i < k->asked->label_count; i++) {
            add_group(k, s, k->asked->labels[i]);
        }
        if (s->group_by_count == 0) {
            add_group(k, s, STR("instance"));
        }
        return true;
    }
    if (aggregate->without) {
        return refuse(k, aggregate,
                      "groups by all labels without some: which there are is not known");
    }
    if (count_labels(aggregate) > ALERT_GROUP_BY_MAX) {
        return refuse(k, aggregate, "groups by more than three labels");
    }
    for (size_t i = 0; i < aggregate->label_count; i++) {
        if (!str_eq(aggregate->labels[i], POINT_LE)) {
            add_group(k, s, aggregate->labels[i]);
        }
    }
    return true;
}

// ---- Windows ------------------------------------------------------------------------------------

// The window of what is measured over a range, with `for`.
static uint64_t window_ms(struct mapper *k, const struct promql_node *n, uint64_t range_ms,
                          bool is_exact)
{
    uint64_t wanted = k->asked->for_ms;
    ASSERT(k->m != NULL);
    if (is_exact) {
        return range_ms + wanted;
    }
    if (wanted > 0) {
        remark(k, n,
               "is measured once over the longer of its range and `for`, instead of at each "
               "moment of `for`");
    }
    return range_ms > wanted ? range_ms : wanted;
}

static bool take_selector(struct mapper *k, struct prom_strategy *s, const struct promql_node *n)
{
    ASSERT(n->type == PROMQL_SELECTOR);
    if (n->is_moved) {
        return refuse(k, n, "looks at another time (offset or @), which windows do not");
    }
    if (n->text.n == 0) {
        return refuse(k, n, "names no metric");
    }
    s->metric = n->text;
    s->filter = filter_of(k, n);
    return k->e == ERR_OK;
}

static bool is_counter(struct str name)
{
    return str_ends(name, STR("_total")) || str_ends(name, STR("_count")) ||
           str_ends(name, STR("_sum")) || str_ends(name, STR("_bucket"));
}

static bool is_up(enum comparison op)
{
    return op == CMP_GT || op == CMP_GE;
}

static const char *operator_of(enum comparison op)
{
    static const char *const words[] = {">", ">=", "<", "<="};
    ASSERT(op < CMP_EQ);
    return words[op];
}

static bool add(struct mapper *k, const struct promql_node *n, const struct prom_strategy *s)
{
    ASSERT(s->measure != NULL);
    if (k->m->count == ALERT_STRATEGIES_MAX) {
        return refuse(k, n, "is more than eight strategies");
    }
    if (s->every_ms > ALERT_EVERY_MAX_MS || s->every_ms < ALERT_EVERY_MIN_MS ||
        s->every_ms % 1000 != 0) {
        return refuse(k, n, "needs a window of other than 1 s to 24 h, in whole seconds");
    }
    k->m->strategies[k->m->count++] = *s;
    return true;
}

// ---- What is measured ---------------------------------------------------------------------------

// The value itself, at each moment of `for`.
static bool map_value(struct mapper *k, const struct compared *c, const struct promql_node *n,
                      const struct promql_node *aggregate)
{
    struct prom_strategy s = {.threshold = c->threshold};
    bool is_min = aggregate != NULL && is_named(aggregate, PROMQL_AGGREGATE, "min");
    bool is_max = aggregate != NULL && is_named(aggregate, PROMQL_AGGREGATE, "max");
    bool is_mean = aggregate != NULL && is_named(aggregate, PROMQL_AGGREGATE, "avg");
    ASSERT(n->type == PROMQL_SELECTOR);
    if (aggregate != NULL && !is_min && !is_max && !is_mean) {
        return refuse_name(k, aggregate,
                           "over series of values has no counterpart: a window has "
                           "several of each");
    }
    if (!take_selector(k, &s, n) || !set_groups(k, &s, aggregate)) {
        return false;
    }
    if (is_counter(n->text)) {
        return refuse_name(k, n,
                           "is a counter: only how much it grew is measured (rate, increase)");
    }
    s.every_ms = k->asked->for_ms > MINUTE_MS ? k->asked->for_ms : MINUTE_MS;
    if (c->op == CMP_EQ && aggregate == NULL) {
        struct prom_strategy low = s;
        s.measure = "max";
        s.op = "<=";
        low.measure = "min";
        low.op = ">=";
        return add(k, n, &s) && add(k, n, &low);
    }
    if (c->op >= CMP_EQ) {
        return refuse(k, c->node, "is compared by == or !=, which no operator does");
    }
    // Of all series the largest is below: the same as of each. Else one value at some moment is
    // enough.
    bool is_same = aggregate == NULL || is_min == is_up(c->op);
    s.measure = is_mean ? "average" : is_min || (aggregate == NULL && is_up(c->op)) ? "min" : "max";
    s.op = operator_of(c->op);
    if (k->asked->for_ms > 0 && (is_mean || !is_same)) {
        remark(k, aggregate, "is measured over all values of the window, not at each moment");
    }
    return add(k, n, &s);
}

struct function {
    const char *name, *measure;
    bool is_growth; // what is aggregated by sum as well
};
static const struct function functions[] = {
    {"rate", "rate", true},
    {"irate", "rate", true},
    {"increase", "sum", true},
    {"avg_over_time", "average", false},
    {"min_over_time", "min", false},
    {"max_over_time", "max", false},
    {"sum_over_time", "sum", false},
    {"count_over_time", "count", false},
    {"quantile_over_time", "quantile", false},
};

static const char *why_not(struct str name)
{
    static const struct {
        const char *name, *why;
    } known[] = {
        {"time", "compares with the time of day, which no measure does"},
        {"vector", "is a constant: a rule needs something to watch"},
        {"delta", "has no counterpart: of a gauge values are measured, not their differences"},
        {"deriv", "has no counterpart: see will_exceed, which looks at trends"},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (str_eq_nocase(name, str_of(known[i].name))) {
            return known[i].why;
        }
    }
    ASSERT(name.n > 0);
    return "is a function that has no counterpart";
}

static bool map_range(struct mapper *k, const struct compared *c, const struct promql_node *call,
                      const struct function *f, const struct promql_node *aggregate)
{
    struct prom_strategy s = {.threshold = c->threshold, .measure = f->measure};
    bool is_quantile = strcmp(f->measure, "quantile") == 0;
    const struct promql_node *of = call->arg_count > 0 ? call->args[call->arg_count - 1] : NULL;
    ASSERT(call->type == PROMQL_CALL);
    if (of == NULL || of->type != PROMQL_SELECTOR || of->range_ms == 0) {
        return refuse_name(k, call, "of anything but a metric and its range has no counterpart");
    }
    if (is_quantile && (call->arg_count != 2 || !constant(call->args[0], &s.quantile) ||
                        !(s.quantile > 0 && s.quantile < 1))) {
        return refuse_name(k, call, "needs a share between 0 and 1");
    }
    if (!f->is_growth && is_counter(of->text)) {
        return refuse_name(k, of,
                           "is a counter: only how much it grew is measured (rate, increase)");
    }
    if (aggregate != NULL && (!f->is_growth || !is_named(aggregate, PROMQL_AGGREGATE, "sum"))) {
        return refuse_name(k, aggregate,
                           "of what is measured over a range has no counterpart "
                           "(sum of rate and increase has)");
    }
    if (c->op >= CMP_EQ) {
        return refuse(k, c->node, "is compared by == or !=, which no operator does");
    }
    if (!take_selector(k, &s, of) || !set_groups(k, &s, aggregate)) {
        return false;
    }
    if (is_named(call, PROMQL_CALL, "irate")) {
        remark(k, call, "is the rate of the whole window, not of its last two points");
    }
    bool is_exact = (strcmp(f->measure, "min") == 0 && is_up(c->op)) ||
                    (strcmp(f->measure, "max") == 0 && !is_up(c->op));
    s.every_ms = window_ms(k, call, of->range_ms, is_exact);
    if (strcmp(f->measure, "sum") == 0 && f->is_growth && s.every_ms != of->range_ms) {
        s.threshold *= (double)s.every_ms / (double)of->range_ms; // what grew in a longer window
    }
    s.op = operator_of(c->op);
    return add(k, call, &s);
}

static const struct function *function_of(const struct promql_node *n)
{
    for (size_t i = 0; n->type == PROMQL_CALL && i < sizeof functions / sizeof functions[0]; i++) {
        if (str_eq_nocase(n->text, str_of(functions[i].name))) {
            return &functions[i];
        }
    }
    ASSERT(n->offset <= PROMQL_TEXT_MAX);
    return NULL;
}

// histogram_quantile(0.99, sum by (le) (rate(x_bucket[5m]))): of x, however its buckets come.
static bool map_quantile(struct mapper *k, const struct compared *c, const struct promql_node *call)
{
    struct prom_strategy s = {.threshold = c->threshold, .measure = "quantile"};
    const struct promql_node *n = call->arg_count == 2 ? call->args[1] : NULL, *aggregate = NULL;
    ASSERT(call->type == PROMQL_CALL);
    if (n == NULL || !constant(call->args[0], &s.quantile) || !(s.quantile > 0 && s.quantile < 1)) {
        return refuse_name(k, call, "needs a share between 0 and 1");
    }
    if (is_named(n, PROMQL_AGGREGATE, "sum") && n->arg_count == 1) {
        aggregate = n;
        n = n->args[0];
    }
    const struct function *f = function_of(n);
    const struct promql_node *of =
        f != NULL && f->is_growth && n->arg_count == 1 ? n->args[0] : NULL;
    if (of == NULL || of->type != PROMQL_SELECTOR || of->range_ms == 0) {
        return refuse_name(k, call,
                           "of anything but the rate or increase of buckets has no counterpart");
    }
    if (c->op >= CMP_EQ) {
        return refuse(k, c->node, "is compared by == or !=, which no operator does");
    }
    if (!take_selector(k, &s, of) || !set_groups(k, &s, aggregate)) {
        return false;
    }
    if (str_ends(s.metric, POINT_SUFFIX_BUCKET)) {
        s.metric.n -= POINT_SUFFIX_BUCKET.n;
    }
    s.every_ms = window_ms(k, call, of->range_ms, false);
    s.op = operator_of(c->op);
    return add(k, call, &s);
}

static bool map_forecast(struct mapper *k, const struct compared *c, const struct promql_node *call)
{
    struct prom_strategy s = {.threshold = c->threshold, .measure = "average"};
    double seconds = 0;
    const struct promql_node *of = call->arg_count == 2 ? call->args[0] : NULL;
    ASSERT(call->type == PROMQL_CALL);
    if (of == NULL || of->type != PROMQL_SELECTOR || of->range_ms == 0 ||
        !constant(call->args[1], &seconds) || !(seconds >= 1 && seconds < 1e9)) {
        return refuse_name(k, call,
                           "of anything but a metric, its range and a number of seconds "
                           "has no counterpart");
    }
    if (c->op >= CMP_EQ || is_counter(of->text)) {
        return refuse_name(k, call, "is foreseen of values that rise or fall to a threshold only");
    }
    if (!take_selector(k, &s, of) || !set_groups(k, &s, NULL)) {
        return false;
    }
    s.op = is_up(c->op) ? "will_exceed" : "will_fall_below";
    s.every_ms = of->range_ms / TREND_WINDOWS / 1000 * 1000;
    s.every_ms = s.every_ms < MINUTE_MS ? MINUTE_MS : s.every_ms;
    s.within_ms = (uint64_t)seconds * 1000;
    if (s.within_ms > ALERT_WITHIN_MAX_MS || s.within_ms < s.every_ms) {
        return refuse_name(k, call, "looks ahead for less than a window, or more than 720h");
    }
    remark(k, call, "is foreseen by the median trend of 60 windows, not by least squares");
    return add(k, call, &s);
}

static bool map_absent(struct mapper *k, const struct promql_node *call)
{
    struct prom_strategy s = {.measure = "absence"};
    const struct promql_node *of = call->arg_count == 1 ? call->args[0] : NULL;
    ASSERT(call->type == PROMQL_CALL);
    if (of == NULL || of->type != PROMQL_SELECTOR) {
        return refuse_name(k, call, "of anything but a metric has no counterpart");
    }
    if (!take_selector(k, &s, of)) {
        return false;
    }
    uint64_t range = of->range_ms > 0 ? of->range_ms : LOOK_BACK_MS;
    s.every_ms = range > k->asked->for_ms ? range : k->asked->for_ms;
    return add(k, call, &s);
}

static bool map_measured(struct mapper *k, const struct compared *c)
{
    const struct promql_node *n = c->node, *aggregate = NULL;
    ASSERT(c->op <= CMP_NONE);
    if (n->type == PROMQL_AGGREGATE) {
        aggregate = n;
        if (n->arg_count != 1) {
            return refuse_name(k, n, "has no counterpart");
        }
        n = n->args[0];
    }
    const struct function *f = function_of(n);
    if (f != NULL) {
        return map_range(k, c, n, f, aggregate);
    }
    if (is_named(n, PROMQL_CALL, "predict_linear") && aggregate == NULL) {
        return map_forecast(k, c, n);
    }
    if (is_named(n, PROMQL_CALL, "histogram_quantile") && aggregate == NULL) {
        return map_quantile(k, c, n);
    }
    switch (n->type) {
    case PROMQL_SELECTOR:
        return n->range_ms == 0 ? map_value(k, c, n, aggregate)
                                : refuse(k, n, "is a range, of which a function must make a value");
    case PROMQL_CALL:
        return refuse_name(k, n, why_not(n->text));
    case PROMQL_AGGREGATE:
        return refuse_name(k, n, "inside of another has no counterpart");
    case PROMQL_SUBQUERY:
        return refuse(k, n, "is a subquery, which has no counterpart");
    case PROMQL_BINARY:
        return refuse(k, n,
                      comparison_of(n) < CMP_NONE
                          ? "is compared twice"
                          : "takes several metrics together, and a strategy measures one");
    default:
        return refuse(k, n, "is nothing that can be measured");
    }
}

// ---- Conditions ---------------------------------------------------------------------------------

static bool map_condition(struct mapper *k, const struct promql_node *n)
{
    enum comparison op = comparison_of(n);
    double v;
    ASSERT(n != NULL);
    if (is_named(n, PROMQL_CALL, "absent") || is_named(n, PROMQL_CALL, "absent_over_time")) {
        return map_absent(k, n);
    }
    if (op == CMP_NONE) {
        return n->type == PROMQL_CALL && function_of(n) == NULL
                   ? refuse_name(k, n, why_not(n->text))
                   : refuse(k, n, "is not compared with a number");
    }
    if (n->is_bool || n->is_told) {
        return refuse(k, n,
                      n->is_bool ? "is compared with bool: that always gives a value"
                                 : "is matched by labels (on, ignoring)");
    }
    bool is_right = constant(n->right, &v), is_left = !is_right && constant(n->left, &v);
    if (!is_right && !is_left) {
        return refuse(k, n->right, "is no number, and what is compared with must be one");
    }
    struct compared c = {is_right ? n->left : n->right, is_right ? op : turned(op), v};
    while (solve(&c)) {
    }
    return isfinite(c.threshold) ? map_measured(k, &c)
                                 : refuse(k, n, "is compared with what is no finite number");
}

// Whether one of the conditions is put together so.
static bool has(const struct promql_node *n, const char *op)
{
    bool is_both = is_op(n, "and") || is_op(n, "or");
    ASSERT(op[0] != 0);
    return is_op(n, op) || (is_both && (has(n->left, op) || has(n->right, op)));
}

static bool map_all(struct mapper *k, const struct promql_node *n)
{
    ASSERT(n != NULL);
    if (is_op(n, "unless")) {
        return refuse(k, n, "is left out where something else is there (unless): no rule can");
    }
    if (!is_op(n, "and") && !is_op(n, "or")) {
        size_t before = k->m->count;
        bool is_done = map_condition(k, n);
        bool is_both = is_done && k->m->count > before + 1; // == is two that must hold
        return is_both && !k->m->match_all ? refuse(k, n, "is compared by == beside `or`")
                                           : is_done;
    }
    if (n->is_told) {
        return refuse(k, n, "is matched by labels (on, ignoring)");
    }
    return map_all(k, n->left) && map_all(k, n->right);
}

static bool same_groups(const struct prom_strategy *a, const struct prom_strategy *b)
{
    ASSERT(a->group_by_count <= ALERT_GROUP_BY_MAX);
    if (a->group_by_count != b->group_by_count) {
        return false;
    }
    for (size_t i = 0; i < a->group_by_count; i++) {
        if (!str_eq(a->group_by[i], b->group_by[i])) {
            return false;
        }
    }
    return true;
}

enum err prom_map(const struct promql_node *n, const struct prom_asked *asked, struct arena *arena,
                  struct prom_mapping *ret_mapping, struct err_at *ret_at)
{
    struct prom_mapping m = {.match_all = !is_op(n, "or")};
    struct mapper k = {.asked = asked, .arena = arena, .m = &m, .ret_at = ret_at, .e = ERR_OK};
    ASSERT(n != NULL);
    if (has(n, "and") && has(n, "or")) {
        (void)refuse(&k, n, "mixes `and` with `or`: the strategies of a rule are all, or any");
    }
    bool is_mapped = k.e == ERR_OK && map_all(&k, n);
    for (size_t i = 1; is_mapped && i < m.count; i++) {
        is_mapped = same_groups(&m.strategies[0], &m.strategies[i]) ||
                    refuse(&k, n, "has parts that are grouped by different labels");
    }
    if (!is_mapped) {
        return k.e;
    }
    *ret_mapping = m;
    return ERR_OK;
}
