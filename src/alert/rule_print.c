// SPDX-License-Identifier: Apache-2.0
// Purpose: a rule as a file has it, and as JSON.
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alert/printer.h"
#include "alert/rule.h"
#include "alert/season.h"
#include "core/must.h"
#include "wire/json_writer.h"

#define SUPPRESS_MS ((uint64_t)600000) // what is meant when it is absent (rule_read.c)

// A number, with a unit or a percent sign as it may be: YAML's readers here take all as text.
static bool is_quantity(struct str s)
{
    static const char others[] = "0123456789.%mnush";
    bool is_one = s.n > 0 && s.n <= 32 && isdigit((unsigned char)s.p[0]) != 0;
    ASSERT(s.p != NULL || s.n == 0);
    for (size_t i = 0; i < s.n && is_one; i++) {
        is_one = memchr(others, s.p[i], sizeof others - 1) != NULL;
    }
    return is_one;
}

// With as few digits as give the same number again.
static void put_number(struct buf *out, const char *indent, const char *key, double v)
{
    char text[40];
    int digits = 1;
    ASSERT(isfinite(v));
    do {
        (void)snprintf(text, sizeof text, "%.*g", digits++, v);
    } while (strtod(text, NULL) != v && digits <= 17);
    buf_printf(out, "%s%s: %s\n", indent, key, text);
}

static void print_strategy(const struct alert_strategy *s, struct buf *out)
{
    static const char indent[] = "        ";
    struct str fields[ALERT_GROUP_BY_MAX];
    ASSERT(s->op < COMPARE_COUNT);
    buf_printf(out, "      - measure: %s\n", alert_measure_name(s->measure));
    if (s->measure == MEASURE_QUANTILE) {
        put_number(out, indent, "quantile", s->quantile);
    }
    if (s->metric.n > 0) {
        printer_pair(out, indent, "metric", s->metric);
    }
    if (s->filter_text.n > 0) {
        printer_pair(out, indent, "filter", s->filter_text);
    }
    if (s->field.field != ON_DURATION) {
        printer_pair(out, indent, "field", s->field.text);
    }
    printer_duration(out, indent, "every", s->every_ms);
    if (s->measure != MEASURE_ABSENCE) {
        printer_pair(out, indent, "operator", str_of(alert_operator_name(s->op)));
        if (is_quantity(s->threshold_text)) {
            buf_printf(out, "%sthreshold: %.*s\n", indent, STR_FMT(s->threshold_text));
        } else {
            printer_pair(out, indent, "threshold", s->threshold_text);
        }
    }
    if (alert_is_seasonal(s->op) && s->jitter_ms != SEASON_JITTER_MS) {
        printer_duration(out, indent, "jitter", s->jitter_ms);
    }
    if (alert_foresees(s->op)) {
        printer_duration(out, indent, "within", s->within_ms);
    }
    for (size_t i = 0; i < s->group_by_count; i++) {
        fields[i] = s->group_by[i].text;
    }
    printer_list(out, indent, "group_by", fields, s->group_by_count);
    if (s->at_least != 1) {
        buf_printf(out, "%sat_least: %" PRIu64 "\n", indent, s->at_least);
    }
}

void alert_rule_print(const struct alert_rule *r, struct buf *out)
{
    static const char indent[] = "    ";
    ASSERT(r->strategy_count > 0);
    buf_add_str(out, STR("  - name: "));
    printer_text(out, r->name);
    buf_add_str(out, STR("\n"));
    if (!r->any_line) {
        printer_pair(out, indent, "line", r->line);
    }
    printer_list(out, indent, "service", r->services, r->service_count);
    if (r->environment.n > 0) {
        printer_pair(out, indent, "environment", r->environment);
    }
    printer_pair(out, indent, "level", str_of(alert_level_name(r->level)));
    if (r->suppress_ms != SUPPRESS_MS) {
        printer_duration(out, indent, "suppress", r->suppress_ms);
    }
    if (r->match_all) {
        buf_printf(out, "%smatch: all\n", indent);
    }
    if (!r->enabled) {
        buf_printf(out, "%senabled: false\n", indent);
    }
    if (r->remedy.n > 0) {
        printer_pair(out, indent, "remedy", r->remedy);
    }
    printer_list(out, indent, "channels", r->channels, r->channel_count);
    printer_list(out, indent, "receivers", r->receivers, r->receiver_count);
    buf_printf(out, "%sstrategies:\n", indent);
    for (size_t i = 0; i < r->strategy_count; i++) {
        print_strategy(&r->strategies[i], out);
    }
}

// ---- JSON ---------------------------------------------------------------------------------------

static void json_str(struct json_writer *w, const char *key, struct str value)
{
    ASSERT(w->out != NULL);
    json_put_key(w, key);
    json_put_str(w, value);
}

static void json_list(struct json_writer *w, const char *key, const struct str *items, size_t count)
{
    ASSERT(w->out != NULL);
    json_put_key(w, key);
    json_put_array(w);
    for (size_t i = 0; i < count; i++) {
        json_put_str(w, items[i]);
    }
    json_put_array_end(w);
}

static void json_strategy(struct json_writer *w, const struct alert_strategy *s)
{
    struct str fields[ALERT_GROUP_BY_MAX];
    ASSERT(s->op < COMPARE_COUNT);
    json_put_object(w);
    json_str(w, "metric", s->metric);
    json_str(w, "filter", s->filter_text);
    json_str(w, "measure", str_of(alert_measure_name(s->measure)));
    if (s->measure == MEASURE_QUANTILE) {
        json_put_key(w, "quantile");
        json_put_double(w, s->quantile);
    }
    json_str(w, "field",
             s->metric.n > 0 && s->field.field == ON_DURATION ? STR("value") : s->field.text);
    json_put_key(w, "every_ms");
    json_put_u64(w, s->every_ms);
    if (s->measure != MEASURE_ABSENCE) {
        json_str(w, "operator", str_of(alert_operator_name(s->op)));
        json_str(w, "threshold", s->threshold_text);
    }
    for (size_t i = 0; i < s->group_by_count; i++) {
        fields[i] = s->group_by[i].text;
    }
    json_list(w, "group_by", fields, s->group_by_count);
    if (s->jitter_ms > 0) {
        json_put_key(w, "jitter_ms");
        json_put_u64(w, s->jitter_ms);
    }
    if (s->within_ms > 0) {
        json_put_key(w, "within_ms");
        json_put_u64(w, s->within_ms);
    }
    json_put_key(w, "at_least");
    json_put_u64(w, s->at_least);
    json_put_object_end(w);
}

void alert_rule_print_json(const struct alert_rule *r, struct buf *out)
{
    struct json_writer w;
    ASSERT(r->strategy_count <= ALERT_STRATEGIES_MAX);
    json_writer_init(&w, out);
    json_put_object(&w);
    json_str(&w, "name", r->name);
    json_put_key(&w, "line");
    if (r->any_line) {
        json_put_null(&w);
    } else {
        json_put_str(&w, r->line);
    }
    json_list(&w, "service", r->services, r->service_count);
    json_str(&w, "environment", r->environment);
    json_str(&w, "level", str_of(alert_level_name(r->level)));
    json_put_key(&w, "suppress_ms");
    json_put_u64(&w, r->suppress_ms);
    json_str(&w, "match", r->match_all ? STR("all") : STR("any"));
    json_put_key(&w, "enabled");
    json_put_bool(&w, r->enabled);
    json_str(&w, "remedy", r->remedy);
    json_list(&w, "channels", r->channels, r->channel_count);
    json_list(&w, "receivers", r->receivers, r->receiver_count);
    json_put_key(&w, "strategies");
    json_put_array(&w);
    for (size_t i = 0; i < r->strategy_count; i++) {
        json_strategy(&w, &r->strategies[i]);
    }
    json_put_array_end(&w);
    json_put_object_end(&w);
}
