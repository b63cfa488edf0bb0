// SPDX-License-Identifier: Apache-2.0
// Purpose: a file of rules (YAML, libyaml) becomes rules. What is wrong is refused with its line
// and column; nothing is guessed and nothing is left out.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alert/reader.h"
#include "alert/roster_read.h"
#include "alert/rule_compile.h"
#include "alert/season.h"
#include "core/mem.h"
#include "core/must.h"
#include "wire/yaml_doc.h"

#define DEPTH_MAX      8
#define SUPPRESS_MS    ((uint64_t)600000) // unless it is given
#define SUPPRESS_MAX   ((uint64_t)7 * 24 * 3600 * 1000)
#define CHANNEL_KEYS   32
#define STRATEGY_BYTES ((size_t)1024) // of tables, and a group
#define CHANNELS_MAX   ((size_t)1000)
#define CHANNEL_VALUES 256

// ---- Strategies ---------------------------------------------------------------------------------

static enum err strategy_filter(struct reader *r, const char *name, const yaml_node_t *v, void *to)
{
    struct alert_strategy *s = to;
    struct filter *parsed;
    struct err_at at;
    enum err e = reader_text(r, name, v, FILTER_TEXT_MAX, &s->filter_text);
    ASSERT(r->f != NULL);
    if (e != ERR_OK || s->filter_text.n == 0) {
        return e;
    }
    e = filter_parse(s->filter_text, &parsed, &at);
    if (e != ERR_OK) {
        return err_at_set(r->y.at, ERR_INVALID, v->start_mark.index,
                          "%s:%zu:%zu: filter, at %llu: %s", r->y.name, v->start_mark.line + 1,
                          v->start_mark.column + 1, (unsigned long long)at.offset + 1, at.text);
    }
    filter_free(parsed);
    return ERR_OK;
}

static enum err strategy_measure(struct reader *r, const char *name, const yaml_node_t *v, void *to)
{
    struct str text = STR("");
    enum err e = reader_text(r, name, v, ALERT_NAME_MAX, &text);
    ASSERT(r->f != NULL);
    return e != ERR_OK || rule_measure(text, to)
               ? e
               : yaml_doc_wrong(&r->y, v,
                                "expected count, rate, error_rate, average, sum, min, max, "
                                "quantile, p99, distinct, absence or capacity for",
                                name);
}

static enum err strategy_quantile(struct reader *r, const char *name, const yaml_node_t *v,
                                  void *to)
{
    struct alert_strategy *s = to;
    struct str text = STR("");
    double share = NAN;
    enum err e = reader_text(r, name, v, ALERT_NAME_MAX, &text);
    ASSERT(r->f != NULL);
    if (e == ERR_OK && !(rule_number(text, &share) && share > 0 && share < 1)) {
        return yaml_doc_wrong(&r->y, v, "expected a number between 0 and 1 for", name);
    }
    if (e == ERR_OK && s->quantile != 0 && s->quantile != share) { // p99 beside another
        return yaml_doc_wrong(&r->y, v, "another than the measure says:", name);
    }
    s->quantile = e == ERR_OK ? share : s->quantile;
    return e;
}

static enum err read_field(struct reader *r, const char *name, const yaml_node_t *v,
                           struct alert_field *to)
{
    struct str text = STR("");
    enum err e = reader_text(r, name, v, ALERT_NAME_MAX, &text);
    ASSERT(r->f != NULL);
    return e != ERR_OK || rule_field(&r->f->arena, text, to)
               ? e
               : yaml_doc_wrong(&r->y, v,
                                "expected a field, such as duration, name, resource.service.name "
                                "or span.http.route, for",
                                name);
}

static enum err strategy_field(struct reader *r, const char *name, const yaml_node_t *v, void *to)
{
    struct alert_strategy *s = to;
    bool is_value = yaml_doc_text(v) != NULL && strcmp(yaml_doc_text(v), "value") == 0;
    ASSERT(r->f != NULL);
    return is_value ? ERR_OK : read_field(r, name, v, &s->field);
}

static enum err strategy_every(struct reader *r, const char *name, const yaml_node_t *v, void *to)
{
    struct alert_strategy *s = to;
    enum err e = reader_duration(r, name, v, ALERT_EVERY_MIN_MS, ALERT_EVERY_MAX_MS, &s->every_ms);
    ASSERT(r->f != NULL);
    return e != ERR_OK || s->every_ms % 1000 == 0
               ? e
               : yaml_doc_wrong(&r->y, v, "expected whole seconds for", name);
}

static enum err strategy_operator(struct reader *r, const char *name, const yaml_node_t *v,
                                  void *to)
{
    const char *words[COMPARE_COUNT + 1] = {NULL};
    for (unsigned i = 0; i < COMPARE_COUNT; i++) {
        words[i] = alert_operator_name((enum alert_operator)i);
    }
    unsigned at = 0;
    enum err e =
        reader_word(r, v, words,
                    "\">\", \">=\", \"<\", \"<=\", above_average, below_average, rise, fall, "
                    "above_baseline, below_baseline, off_baseline, will_exceed or "
                    "will_fall_below",
                    &at);
    ASSERT(name != NULL);
    ((struct alert_strategy *)to)->op = e == ERR_OK ? (enum alert_operator)at : COMPARE_GT;
    return e;
}

static enum err strategy_threshold(struct reader *r, const char *name, const yaml_node_t *v,
                                   void *to)
{
    struct alert_strategy *s = to;
    enum err e = reader_text(r, name, v, ALERT_NAME_MAX, &s->threshold_text);
    ASSERT(r->f != NULL);
    return e != ERR_OK || s->threshold_text.n > 0
               ? e
               : yaml_doc_wrong(&r->y, v, "expected a number for", name);
}

static enum err strategy_group_by(struct reader *r, const char *name, const yaml_node_t *v,
                                  void *to)
{
    struct alert_strategy *s = to;
    bool is_list = v->type == YAML_SEQUENCE_NODE;
    ASSERT(r->f != NULL);
    size_t count =
        is_list ? (size_t)(v->data.sequence.items.top - v->data.sequence.items.start) : 1;
    if (count > ALERT_GROUP_BY_MAX) {
        return yaml_doc_wrong(&r->y, v, "expected three fields at most for", name);
    }
    for (size_t i = 0; i < count; i++) {
        const yaml_node_t *item =
            is_list ? yaml_doc_node(&r->y, v->data.sequence.items.start[i]) : v;
        enum err e = read_field(r, name, item, &s->group_by[i]);
        if (e != ERR_OK) {
            return e;
        }
        s->group_by_count++;
    }
    return ERR_OK;
}

static enum err strategy_at_least(struct reader *r, const char *name, const yaml_node_t *v,
                                  void *to)
{
    struct str text = STR("");
    enum err e = reader_text(r, name, v, ALERT_NAME_MAX, &text);
    uint64_t n = 0;
    ASSERT(r->f != NULL);
    if (e == ERR_OK && (str_to_u64(text, &n) != ERR_OK || n == 0)) {
        return yaml_doc_wrong(&r->y, v, "expected a number of records for", name);
    }
    ((struct alert_strategy *)to)->at_least = n;
    return e;
}

static const struct reader_key strategy_keys[] = {
    {"metric", KEY_TEXT(struct alert_strategy, metric, ALERT_NAME_MAX)},
    {"filter", strategy_filter},
    {"measure", strategy_measure},
    {"quantile", strategy_quantile},
    {"field", strategy_field},
    {"every", strategy_every},
    {"operator", strategy_operator},
    {"threshold", strategy_threshold},
    {"group_by", strategy_group_by},
    {"at_least", strategy_at_least},
    {"jitter",
     KEY_DURATION(struct alert_strategy, jitter_ms, SEASON_JITTER_MS, SEASON_JITTER_MAX_MS)},
    {"within",
     KEY_DURATION(struct alert_strategy, within_ms, ALERT_EVERY_MIN_MS, ALERT_WITHIN_MAX_MS)},
};

static enum err read_strategy(struct reader *r, const yaml_node_t *map, struct alert_strategy *s)
{
    const char *wrong = NULL;
    ASSERT(r->f != NULL);
    *s = (struct alert_strategy){.measure = MEASURE_COUNT,
                                 .field = {.field = ON_DURATION, .text = STR("duration")},
                                 .op = COMPARE_GT,
                                 .at_least = 1};
    enum err e =
        reader_keys(r, map, strategy_keys, sizeof strategy_keys / sizeof strategy_keys[0],
                    "filter, metric, measure, quantile, field, every, operator, threshold, "
                    "group_by, at_least, jitter, within",
                    s);
    if (e == ERR_OK && (wrong = rule_complete_strategy(s)) != NULL) {
        return yaml_doc_wrong(&r->y, map, wrong, NULL);
    }
    return e;
}

// ---- Rules --------------------------------------------------------------------------------------

static enum err rule_line(struct reader *r, const char *name, const yaml_node_t *v, void *to)
{
    struct alert_rule *rule = to;
    ASSERT(r->f != NULL);
    rule->any_line = false;
    return reader_text(r, name, v, ALERT_NAME_MAX, &rule->line);
}

static enum err rule_level(struct reader *r, const char *name, const yaml_node_t *v, void *to)
{
    static const char *const words[] = {"info", "warning", "error", "critical", NULL};
    unsigned at = LEVEL_WARNING;
    enum err e = reader_word(r, v, words, "info, warning, error or critical", &at);
    ASSERT(name != NULL);
    ((struct alert_rule *)to)->level = (enum alert_level)at;
    return e;
}

static enum err rule_match(struct reader *r, const char *name, const yaml_node_t *v, void *to)
{
    static const char *const words[] = {"any", "all", "ANY", "ALL", NULL};
    unsigned at = 0;
    enum err e = reader_word(r, v, words, "all or any", &at);
    ASSERT(name != NULL);
    ((struct alert_rule *)to)->match_all = at % 2 == 1;
    return e;
}

static enum err rule_enabled(struct reader *r, const char *name, const yaml_node_t *v, void *to)
{
    static const char *const words[] = {"false", "true", NULL};
    unsigned at = 0;
    enum err e = reader_word(r, v, words, "true or false", &at);
    ASSERT(name != NULL);
    ((struct alert_rule *)to)->enabled = at == 1;
    return e;
}

static enum err rule_strategies(struct reader *r, const char *name, const yaml_node_t *v, void *to)
{
    struct alert_rule *rule = to;
    ASSERT(r->f != NULL);
    size_t count = 0;
    enum err e = reader_list(r, name, v, SIZE_MAX, &count);
    if (e != ERR_OK) {
        return e;
    }
    const yaml_node_item_t *items = v->data.sequence.items.start;
    if (count == 0 || count > ALERT_STRATEGIES_MAX) {
        return yaml_doc_wrong(&r->y, v, "expected one strategy to eight", NULL);
    }
    rule->strategies = arena_new(&r->f->arena, count, sizeof *rule->strategies);
    for (; rule->strategy_count < count; rule->strategy_count++) {
        e = read_strategy(r, yaml_doc_node(&r->y, items[rule->strategy_count]),
                          &rule->strategies[rule->strategy_count]);
        if (e != ERR_OK) {
            return e;
        }
    }
    return ERR_OK;
}

// With their places: whether there are such channels is known later.
static enum err rule_channels(struct reader *r, const char *name, const yaml_node_t *v, void *to)
{
    struct alert_rule *rule = to;
    enum err e = reader_texts(r, name, v, ALERT_NAMES_MAX, &rule->channels, &rule->channel_count);
    ASSERT(r->f != NULL);
    if (e != ERR_OK) {
        return e;
    }
    rule->channel_places =
        arena_new(&r->f->arena, rule->channel_count + 1, sizeof *rule->channel_places);
    for (size_t i = 0; i < rule->channel_count; i++) {
        bool is_list = v->type == YAML_SEQUENCE_NODE;
        rule->channel_places[i] =
            reader_place(is_list ? yaml_doc_node(&r->y, v->data.sequence.items.start[i]) : v);
    }
    return ERR_OK;
}

static const struct reader_key rule_keys[] = {
    {"name", KEY_TEXT(struct alert_rule, name, ALERT_NAME_MAX)},
    {"line", rule_line},
    {"service", KEY_TEXTS(struct alert_rule, services, service_count, ALERT_SERVICES_MAX)},
    {"environment", KEY_TEXT(struct alert_rule, environment, ALERT_NAME_MAX)},
    {"level", rule_level},
    {"suppress", KEY_DURATION(struct alert_rule, suppress_ms, 0, SUPPRESS_MAX)},
    {"match", rule_match},
    {"enabled", rule_enabled},
    {"remedy", KEY_TEXT(struct alert_rule, remedy, ALERT_TEXT_MAX)},
    {"channels", rule_channels},
    {"receivers", KEY_TEXTS(struct alert_rule, receivers, receiver_count, ALERT_NAMES_MAX)},
    {"strategies", rule_strategies},
};

static enum err read_rule(struct reader *r, const yaml_node_t *map, struct alert_rule *rule)
{
    struct err_at at;
    ASSERT(r->f != NULL);
    *rule = (struct alert_rule){
        .any_line = true, .enabled = true, .level = LEVEL_WARNING, .suppress_ms = SUPPRESS_MS};
    enum err e = reader_keys(r, map, rule_keys, sizeof rule_keys / sizeof rule_keys[0],
                             "name, line, service, environment, level, suppress, match, enabled, "
                             "remedy, channels, receivers, strategies",
                             rule);
    if (e != ERR_OK) {
        return e;
    }
    if (rule->name.n == 0 || rule->strategy_count == 0) {
        return yaml_doc_wrong(&r->y, map, "expected a name and strategies for this rule", NULL);
    }
    e = rule_compile(rule, &r->f->arena, &at);
    return e == ERR_OK ? e : yaml_doc_wrong(&r->y, map, at.text, NULL);
}

// ---- Channels -----------------------------------------------------------------------------------

static enum err read_pair(struct reader *r, const yaml_node_t *key, const yaml_node_t *value,
                          struct alert_pair *pair)
{
    const char *name = yaml_doc_text(key);
    ASSERT(value != NULL);
    if (name == NULL) {
        return yaml_doc_wrong(&r->y, key, "expected a key", NULL);
    }
    pair->key = arena_str(&r->f->arena, str_of(name));
    pair->is_list = value->type == YAML_SEQUENCE_NODE;
    pair->place = reader_place(value);
    if (pair->is_list) {
        return reader_texts(r, name, value, CHANNEL_VALUES, &pair->values, &pair->count);
    }
    pair->values = arena_new(&r->f->arena, 1, sizeof *pair->values);
    pair->count = 1;
    return reader_text(r, name, value, (size_t)64 << 10, pair->values);
}

static enum err read_channel(struct reader *r, const yaml_node_t *map,
                             struct alert_channel_text *channel)
{
    size_t count = 0;
    ASSERT(r->f != NULL);
    if (map->type == YAML_MAPPING_NODE) {
        count = (size_t)(map->data.mapping.pairs.top - map->data.mapping.pairs.start);
    }
    if (count == 0 || count > CHANNEL_KEYS) {
        return yaml_doc_wrong(&r->y, map, "expected a channel: name, type, url", NULL);
    }
    *channel = (struct alert_channel_text){
        .pairs = arena_new(&r->f->arena, count, sizeof *channel->pairs),
        .place = reader_place(map),
    };
    for (; channel->count < count; channel->count++) {
        yaml_node_pair_t *p = &map->data.mapping.pairs.start[channel->count];
        const yaml_node_t *key = yaml_doc_node(&r->y, p->key);
        enum err e =
            read_pair(r, key, yaml_doc_node(&r->y, p->value), &channel->pairs[channel->count]);
        e = e == ERR_OK ? yaml_doc_check_twice(&r->y, map, p, yaml_doc_text(key)) : e;
        if (e != ERR_OK) {
            return e;
        }
    }
    return ERR_OK;
}

// ---- The file -----------------------------------------------------------------------------------

static enum err check_names(struct reader *r, const yaml_node_item_t *items)
{
    struct alert_file *f = r->f;
    size_t *places;
    size_t twice = rule_named_twice(f->rules, f->rule_count, &places);
    enum err e = ERR_OK;
    ASSERT(r->f != NULL);
    if (twice < f->rule_count) {
        e = yaml_doc_wrong_twice(&r->y, yaml_doc_node(&r->y, items[twice]), f->rules[twice].name.p,
                                 yaml_doc_node(&r->y, items[places[twice]]));
    }
    mem_free(places);
    return e;
}

static enum err file_rules(struct reader *r, const char *name, const yaml_node_t *v, void *to)
{
    struct alert_file *f = to;
    ASSERT(r->f != NULL);
    size_t count = 0;
    enum err e = reader_list(r, name, v, SIZE_MAX, &count);
    if (e != ERR_OK) {
        return e;
    }
    const yaml_node_item_t *items = v->data.sequence.items.start;
    if (count > ALERT_RULES_MAX) {
        return err_at_set(r->y.at, ERR_LIMIT, 0, "%s: more than %zu rules", r->y.name,
                          ALERT_RULES_MAX);
    }
    f->rules = arena_new(&f->arena, count + 1, sizeof *f->rules);
    for (size_t i = 0; i < count; i++) {
        f->rule_count++; // also of one that is read in part: its filters are to be freed
        e = read_rule(r, yaml_doc_node(&r->y, items[i]), &f->rules[i]);
        if (e != ERR_OK) {
            return e;
        }
    }
    return check_names(r, items);
}

static enum err file_channels(struct reader *r, const char *name, const yaml_node_t *v, void *to)
{
    struct alert_file *f = to;
    ASSERT(r->f != NULL);
    size_t count = 0;
    enum err e = reader_list(r, name, v, SIZE_MAX, &count);
    if (e != ERR_OK) {
        return e;
    }
    const yaml_node_item_t *items = v->data.sequence.items.start;
    if (count > CHANNELS_MAX) {
        return yaml_doc_wrong(&r->y, v, "more than 1,000 channels", NULL);
    }
    f->channels = arena_new(&f->arena, count + 1, sizeof *f->channels);
    for (; f->channel_count < count; f->channel_count++) {
        e = read_channel(r, yaml_doc_node(&r->y, items[f->channel_count]),
                         &f->channels[f->channel_count]);
        if (e != ERR_OK) {
            return e;
        }
    }
    return ERR_OK;
}

static const struct reader_key file_keys[] = {{"rules", file_rules},
                                              {"channels", file_channels},
                                              {"people", roster_read_people},
                                              {"groups", roster_read_teams},
                                              {"silences", roster_read_silences}};

// The four digits behind "\u" at `i`; -1 where there are none.
static int escaped_unit(struct str text, size_t i)
{
    int v = 0;
    ASSERT(i <= text.n);
    if (text.n - i < 6 || text.p[i] != '\\' || text.p[i + 1] != 'u') {
        return -1;
    }
    for (size_t k = i + 2; k < i + 6; k++) {
        const char *at = memchr("0123456789abcdefABCDEF", text.p[k], 22);
        if (at == NULL) {
            return -1;
        }
        int digit = (int)(at - "0123456789abcdefABCDEF");
        v = v * 16 + (digit < 16 ? digit : digit - 6);
    }
    return v;
}

// JSON writes a character beyond U+FFFF as two escapes, which YAML takes for none: they become one
// of YAML's.
static void join_escapes(struct str text, struct buf *out)
{
    ASSERT(out->n == 0);
    for (size_t i = 0; i < text.n; i++) {
        int high = escaped_unit(text, i);
        int low = high >= 0xD800 && high < 0xDC00 ? escaped_unit(text, i + 6) : -1;
        if (low >= 0xDC00 && low < 0xE000) {
            buf_printf(out, "\\U%08X",
                       0x10000U + ((unsigned)(high - 0xD800) << 10) + (unsigned)(low - 0xDC00));
            i += 11;
        } else if (text.p[i] == '\\' && i + 1 < text.n) { // an escaped backslash escapes nothing
            buf_add(out, text.p + i, 2);
            i++;
        } else {
            buf_add_byte(out, (uint8_t)text.p[i]);
        }
    }
}

static enum err read_file(struct str text, const char *name, struct alert_file **ret_file,
                          struct err_at *ret_at)
{
    struct reader r;
    enum err e = yaml_doc_load(text, name, DEPTH_MAX, &r.y, ret_at);
    if (e != ERR_OK) {
        return e;
    }
    struct alert_file *f = mem_new(1, sizeof *f);
    r.f = f;
    const yaml_node_t *root = yaml_doc_root(&r.y);
    if (root != NULL) {
        e = reader_keys(&r, root, file_keys, sizeof file_keys / sizeof file_keys[0],
                        "rules, channels, people, groups, silences", f);
    }
    yaml_doc_done(&r.y);
    if (e != ERR_OK) {
        alert_file_free(f);
        return e;
    }
    *ret_file = f;
    return ERR_OK;
}

enum err alert_file_read(struct str text, const char *name, struct alert_file **ret_file,
                         struct err_at *ret_at)
{
    struct buf joined;
    bool is_json = text.n > 0 && (text.p[0] == '{' || text.p[0] == '[');
    ASSERT(text.p != NULL || text.n == 0);
    if (text.n > ALERT_FILE_MAX) {
        return err_at_set(ret_at, ERR_LIMIT, ALERT_FILE_MAX, "%s: larger than %zu MiB", name,
                          ALERT_FILE_MAX >> 20);
    }
    buf_init(&joined, ALERT_FILE_MAX);
    if (is_json) {
        join_escapes(text, &joined);
    }
    enum err e = read_file(is_json ? buf_str(&joined) : text, name, ret_file, ret_at);
    buf_done(&joined);
    return e;
}

size_t alert_file_bytes(const struct alert_file *f)
{
    size_t bytes = f->arena.held_bytes;
    ASSERT(f->rule_count <= ALERT_RULES_MAX);
    for (size_t i = 0; i < f->rule_count; i++) {
        for (size_t k = 0; k < f->rules[i].strategy_count; k++) {
            bytes += filter_bytes(f->rules[i].strategies[k].filter) + STRATEGY_BYTES;
        }
    }
    return bytes;
}

void alert_file_free(struct alert_file *f)
{
    if (f == NULL) {
        return;
    }
    for (size_t i = 0; i < f->rule_count; i++) {
        for (size_t k = 0; k < f->rules[i].strategy_count; k++) {
            filter_free(f->rules[i].strategies[k].filter);
        }
    }
    arena_done(&f->arena);
    mem_free(f);
}
