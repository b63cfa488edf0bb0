// SPDX-License-Identifier: Apache-2.0
// Purpose: counting the stored spans that a strategy is of. Where all that it asks for is said by
// the shape of a span, its times and its duration, no rows are made of the columns; else the filter
// gets tests that hold of every span and name the attributes that are measured or grouped by, so
// that these are read.
#include <math.h>

#include "alert/engine_state.h"
#include "alert/recount.h"
#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"

#define NOTE_REFUSED UINT32_MAX // of a shape whose records do not count

// One thread's.
struct counting {
    struct recount *t;
    size_t strategy;
    bool of_rows;
};

// ---- What is read -------------------------------------------------------------------------------

static bool is_of_shape(const struct alert_field *f)
{
    return f->field == ON_NAME || f->field == ON_STATUS || f->field == ON_KIND ||
           f->field == ON_RESOURCE_ATTR;
}

static bool has_field(const struct alert_strategy *s)
{
    return s->measure == MEASURE_DISTINCT ||
           (s->measure >= MEASURE_AVERAGE && s->measure <= MEASURE_QUANTILE);
}

static bool needs_rows(const struct alert_strategy *s)
{
    bool needs = has_field(s) && (s->field.field != ON_DURATION || s->measure == MEASURE_DISTINCT);
    ASSERT(s->metric.n == 0);
    for (size_t i = 0; i < s->group_by_count; i++) {
        needs = needs || !is_of_shape(&s->group_by[i]);
    }
    return needs;
}

// A test of which one half always holds.
static void add_read(struct buf *b, const struct alert_field *f)
{
    const char *head = f->field == ON_SPAN_ATTR ? "span." : ".";
    ASSERT(b != NULL);
    if (f->field == ON_STATUS_MESSAGE) {
        buf_add_str(b, STR(" && (statusMessage = \"\" || statusMessage != \"\")"));
    } else if (f->field == ON_SPAN_ATTR || f->field == ON_ANY_ATTR) {
        buf_printf(b, " && (%s", head);
        filter_print_text(f->key, b);
        buf_printf(b, " != nil || %s", head);
        filter_print_text(f->key, b);
        buf_add_str(b, STR(" = nil)"));
    }
}

static enum err filter_of_rows(const struct alert_strategy *s, struct filter **ret_filter)
{
    struct buf own, all;
    buf_init(&own, 4 * FILTER_TEXT_MAX);
    buf_init(&all, 8 * FILTER_TEXT_MAX);
    filter_print(s->filter, &own);
    struct str inner = str_trim((struct str){own.p + 1, own.n - 2}); // without its braces
    ASSERT(own.failed || (own.n >= 2 && own.p[0] == '{'));
    if (inner.n > 0) {
        buf_printf(&all, "{ (%.*s)", STR_FMT(inner));
    } else {
        buf_add_str(&all, STR("{ (name = \"\" || name != \"\")"));
    }
    if (has_field(s)) {
        add_read(&all, &s->field);
    }
    for (size_t i = 0; i < s->group_by_count; i++) {
        add_read(&all, &s->group_by[i]);
    }
    buf_add_str(&all, STR(" }"));
    enum err e =
        own.failed || all.failed ? ERR_LIMIT : filter_parse(buf_str(&all), ret_filter, NULL);
    buf_done(&own);
    buf_done(&all);
    return e;
}

// ---- Counting -----------------------------------------------------------------------------------

static struct str shape_text(const struct scan_row *r, const struct alert_field *f,
                             char room[SEEN_ROOM])
{
    const struct seen s = {.b = r->resources, .resource = r->resource};
    ASSERT(is_of_shape(f));
    return f->field == ON_NAME     ? r->name
           : f->field == ON_STATUS ? str_of(span_status_name(r->status))
           : f->field == ON_KIND   ? str_of(span_kind_name(r->kind))
                                   : seen_text(&s, f, room);
}

// UINT32_MAX where the record does not count.
static uint32_t group_of(struct counting *c, const struct scan_row *r, const struct seen *seen)
{
    const struct alert_rule *rule = c->t->rule;
    const struct alert_strategy *s = &rule->strategies[c->strategy];
    struct str values[ALERT_GROUP_BY_MAX] = {{0}};
    char room[ALERT_GROUP_BY_MAX][SEEN_ROOM];
    ASSERT(c->of_rows == (seen != NULL));
    if (r->note != NULL && *r->note != 0) {
        return *r->note == NOTE_REFUSED ? UINT32_MAX : *r->note - 1;
    }
    uint32_t group = UINT32_MAX;
    bool is_ours = rule->any_line || str_eq(r->line, rule->line);
    for (size_t i = 0; is_ours && i < s->group_by_count; i++) {
        struct str text = seen != NULL ? seen_text(seen, &s->group_by[i], room[i])
                                       : shape_text(r, &s->group_by[i], room[i]);
        values[i] = str_cut(text, ALERT_VALUE_MAX);
    }
    group = is_ours ? recount_group(c->t, values) : UINT32_MAX;
    if (r->note != NULL && !(is_ours && group == UINT32_MAX)) {
        *r->note = is_ours ? group + 1 : NOTE_REFUSED;
    }
    c->t->refused += is_ours && group == UINT32_MAX;
    return group;
}

// What speaks for the alert: where less is worse, less.
static double score_of(const struct alert_strategy *s, double value, bool failed)
{
    bool is_below = s->op == COMPARE_LT || s->op == COMPARE_LE || s->op == COMPARE_FALL ||
                    s->op == COMPARE_BELOW_AVERAGE || s->op == COMPARE_BELOW_BASELINE ||
                    s->op == COMPARE_WILL_FALL_BELOW;
    if (!has_field(s) || s->measure == MEASURE_DISTINCT) {
        return failed ? 1 : 0;
    }
    return is_below ? -value : value;
}

static void see(void *ctx, const struct scan_row *r)
{
    struct counting *c = ctx;
    struct recount *t = c->t;
    const struct alert_strategy *s = &t->rule->strategies[c->strategy];
    uint64_t end_ms = (r->start_ns + r->duration_ns) / NS_PER_MS;
    char room[SEEN_ROOM];
    ASSERT(c->strategy < t->rule->strategy_count);
    if (end_ms < t->from_ms || end_ms >= t->to_ms) {
        return;
    }
    struct seen seen = {0};
    if (c->of_rows) {
        seen = seen_of(r->row.batch, PLAN_SPANS, r->row.index);
    }
    bool failed = r->status == STATUS_ERROR;
    struct recount_record record = {
        .time_ms = end_ms, .count = 1, .errors = failed, .trace = &r->trace};
    if (s->measure == MEASURE_DISTINCT) {
        struct str text = seen_text(&seen, &s->field, room);
        record.hash = str_hash_stable(text);
        if (text.n == 0) {
            return;
        }
    } else if (has_field(s)) {
        record.value =
            s->field.field == ON_DURATION ? (double)r->duration_ns : seen_number(&seen, &s->field);
        if (isnan(record.value)) {
            t->unfit++;
            return;
        }
    }
    uint32_t group = group_of(c, r, c->of_rows ? &seen : NULL);
    if (group != UINT32_MAX) {
        record.score = score_of(s, record.value, failed);
        recount_add(t, c->strategy, group, &record);
    }
}

static void *fork_counting(const void *ctx)
{
    const struct counting *c = ctx;
    struct counting *made = mem_new(1, sizeof *made);
    *made = *c;
    made->t = recount_fork(c->t);
    return made;
}

static void join_counting(void *ctx, void *forked)
{
    struct counting *c = ctx, *from = forked;
    ASSERT(c->t != from->t);
    recount_join(c->t, from->t);
    mem_free(from);
}

enum err recount_spans(struct recount *t, size_t strategy, const struct store_view *view)
{
    const struct alert_strategy *s = &t->rule->strategies[strategy];
    struct counting c = {.t = t, .strategy = strategy, .of_rows = needs_rows(s)};
    struct filter *own = NULL;
    uint64_t from_ms = t->from_ms > RECOUNT_LONG_MS ? t->from_ms - RECOUNT_LONG_MS : 0;
    enum err e = c.of_rows ? filter_of_rows(s, &own) : ERR_OK;
    ASSERT(s->filter != NULL);
    if (e == ERR_OK) {
        const struct scan scan = {.view = view,
                                  .filter = own != NULL ? own : s->filter,
                                  .from_ns = from_ms * NS_PER_MS,
                                  .to_ns = t->to_ms * NS_PER_MS,
                                  .durations = true,
                                  .rows = c.of_rows,
                                  .control = t->memory.control,
                                  .visit = see,
                                  .ctx = &c,
                                  .fork = fork_counting,
                                  .join = join_counting};
        e = scan_run(&scan);
    }
    filter_free(own);
    return e == ERR_OK ? t->error : e;
}
