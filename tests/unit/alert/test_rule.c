// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of alert/rule.h: what files say, where they are wrong, and that what is printed is
// read again as the same.
#include <math.h>
#include <stdio.h>

#include "core/mem.h"
#include "support/random_batch.h"
#include "world.h"

static const char full[] = "rules:\n"
                           "  - name: slow checkout\n"
                           "    line: shop\n"
                           "    service: [checkout, pay]\n"
                           "    environment: prod\n"
                           "    level: error\n"
                           "    suppress: 5m\n"
                           "    match: all\n"
                           "    enabled: false\n"
                           "    remedy: \"Roll back:\\n- the last \\\"release\\\"\"\n"
                           "    channels: [ops, \"on\"]\n"
                           "    receivers: anna@example.org\n"
                           "    strategies:\n"
                           "      - filter: '{ name = \"POST /checkout\" }'\n"
                           "        measure: p99.9\n"
                           "        every: 1m30s\n"
                           "        operator: '>='\n"
                           "        threshold: 500ms\n"
                           "        group_by: [instance, span.k]\n"
                           "        at_least: 20\n"
                           "      - {metric: m, measure: average, field: value, every: 24h,\n"
                           "         operator: rise, threshold: 5%, group_by: [instance, span.k]}\n"
                           "channels:\n"
                           "  - {name: ops, type: webhook, url: 'http://h/', headers: [a, b]}\n";

static struct alert_file *read_ok(struct str text)
{
    struct alert_file *f = NULL;
    struct err_at at = {0};
    enum err e = alert_file_read(text, "f", &f, &at);
    if (e != ERR_OK) {
        print_error("%s\n%.*s\n", at.text, STR_FMT(text));
    }
    assert_int_equal(e, ERR_OK);
    return f;
}

static void test_every_key_is_read(void **state)
{
    struct alert_file *f = read_ok(str_of(full));
    (void)state;
    assert_int_equal(f->rule_count, 1);
    const struct alert_rule *r = f->rules;
    assert_str(r->name, "slow checkout");
    assert_str(r->line, "shop");
    assert_false(r->any_line);
    assert_int_equal(r->service_count, 2);
    assert_str(r->services[1], "pay");
    assert_str(r->environment, "prod");
    assert_int_equal(r->level, LEVEL_ERROR);
    assert_int_equal(r->suppress_ms, 300000);
    assert_true(r->match_all && !r->enabled);
    assert_str(r->remedy, "Roll back:\n- the last \"release\"");
    assert_int_equal(r->channel_count, 2);
    assert_str(r->channels[1], "on");
    assert_int_equal(r->channel_places[1].line, 11);
    assert_int_equal(r->channel_places[1].column, 21);
    assert_int_equal(r->receiver_count, 1);
    assert_str(r->receivers[0], "anna@example.org");
    assert_int_equal(r->strategy_count, 2);
    const struct alert_strategy *s = r->strategies;
    assert_int_equal(s->measure, MEASURE_QUANTILE);
    assert_true(s->quantile == 0.999);
    assert_int_equal(s->every_ms, 90000);
    assert_int_equal(s->op, COMPARE_GE);
    assert_true(s->threshold == 500e6);
    assert_int_equal(s->group_by_count, 2);
    assert_int_equal(s->group_by[0].field, ON_RESOURCE_ATTR);
    assert_str(s->group_by[0].key, "service.instance.id");
    assert_int_equal(s->group_by[1].field, ON_SPAN_ATTR);
    assert_int_equal(s->at_least, 20);
    assert_str(s[1].metric, "m");
    assert_int_equal(s[1].every_ms, 86400000);
    assert_int_equal(s[1].op, COMPARE_RISE);
    assert_true(s[1].threshold == 5);
    assert_int_equal(f->channel_count, 1);
    assert_int_equal(f->channels[0].count, 4);
    assert_str(f->channels[0].pairs[3].key, "headers");
    assert_true(f->channels[0].pairs[3].is_list && f->channels[0].pairs[3].count == 2);
    assert_int_equal(f->channels[0].pairs[2].place.line, 24);
    alert_file_free(f);
}

static void test_what_is_absent_has_a_meaning(void **state)
{
    struct alert_file *f =
        read_ok(STR("rules: [{name: r, strategies: [{every: 1s, threshold: 2}]}]"));
    (void)state;
    const struct alert_rule *r = f->rules;
    assert_true(r->any_line && r->enabled && !r->match_all);
    assert_int_equal(r->level, LEVEL_WARNING);
    assert_int_equal(r->suppress_ms, 600000);
    assert_int_equal(r->service_count + r->channel_count + r->receiver_count, 0);
    assert_int_equal(r->strategies->measure, MEASURE_COUNT);
    assert_int_equal(r->strategies->op, COMPARE_GT);
    assert_int_equal(r->strategies->at_least, 1);
    assert_int_equal(r->strategies->group_by_count, 0);
    alert_file_free(f);
    f = read_ok(STR(""));
    assert_int_equal(f->rule_count + f->channel_count, 0);
    alert_file_free(f);
}

// ---- What is wrong ------------------------------------------------------------------------------

struct wrong {
    const char *text, *expected; // what the error begins with
};

static void check_wrong(const struct wrong *w, const char *before, const char *after)
{
    char text[1000];
    struct alert_file *f = NULL;
    struct err_at at = {0};
    (void)snprintf(text, sizeof text, "%s%s%s", before, w->text, after);
    assert_int_equal(alert_file_read(str_of(text), "f", &f, &at), ERR_INVALID);
    assert_null(f);
    if (strncmp(at.text, w->expected, strlen(w->expected)) != 0) {
        print_error("%s\n  says %s\n  not %s\n", text, at.text, w->expected);
        fail();
    }
}

static void test_wrong_rules_are_told_with_their_place(void **state)
{
    static const struct wrong wrongs[] = {
        {"x: 1", "f:2:14: unknown key x; there are name, line"},
        {"chanels: [a]", "f:2:14: unknown key chanels; did you mean channels?"},
        {"[a]: 1", "f:2:14: expected keys: name, line"},
        {"name: [a]", "f:2:20: expected a single value for name"},
        {"name: a, name: b", "f:2:23: name is given twice, first at 2:14"},
        {"name: \"\\x7f\"", "f:2:20: too long, or not text: name"},
        {"name: \"a\\u2028b\"", "f:2:20: too long, or not text: name"},
        {"name: \"\\u0085\"", "f:2:20: too long, or not text: name"},
        {"name: \"\\ufeff\"", "f:2:20: too long, or not text: name"},
        {"level: loud", "f:2:21: expected info, warning, error or critical"},
        {"suppress: 5", "f:2:24: expected a duration (30s, 5m) of 0 s to 168 h for suppress"},
        {"suppress: 169h", "f:2:24: expected a duration"},
        {"match: some", "f:2:21: expected all or any"},
        {"enabled: maybe", "f:2:23: expected true or false"},
        {"service: {a: b}", "f:2:23: expected a single value for service"},
        {"service: ['']", "f:2:24: expected a text for service"},
        {"channels: [[a]]", "f:2:25: expected a single value for channels"},
        {"strategies: {}", "f:2:26: expected a list for strategies"},
        {"strategies: []", "f:2:26: expected one strategy to eight"},
        {"strategies: [7]", "f:2:27: expected keys: filter, metric"},
        {"strategies: [{every: 1s, threshold: 1}]", "f:2:13: expected a name and strategies"},
        {"name: r", "f:2:13: expected a name and strategies"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
        check_wrong(&wrongs[i], "\nrules:     [{", "}]");
    }
    static const struct wrong files[] = {
        {"rules: [", "f:2:1: did not find expected node content"},
        {"rules: 5", "f:1:8: expected a list for rules"},
        {"other: 5", "f:1:1: unknown key other; there are rules, channels"},
        {"[]", "f:1:1: expected keys: rules, channels"},
        {"a: 1\n---\nb: 2", "f:2:1: a second document begins"},
        {"channels: [a]", "f:1:12: expected a channel"},
        {"channels: [{a: {b: c}}]", "f:1:16: expected a single value for a"},
        {"channels: [{a: 1, a: 2}]", "f:1:19: a is given twice, first at 1:13"},
        {"channels: [{[a]: 1}]", "f:1:13: expected a key"},
        {"rules:\n- {name: r, strategies: [{every: 1s, threshold: 1}]}\n"
         "- {name: r, strategies: [{every: 1s, threshold: 1}]}",
         "f:3:3: r is given twice, first at 2:3"},
        {"rules: [&r {name: r, strategies: [{every: 1s, threshold: 1}]}, *r]",
         "f:1:9: r is given twice, first at 1:9"},
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        check_wrong(&files[i], "", "");
    }
}

static void test_wrong_strategies_are_told_with_their_place(void **state)
{
    static const struct wrong wrongs[] = {
        {"y: 1", "f:3:4: unknown key y; there are filter, metric"},
        {"filter: '{ a b }'", "f:3:12: filter, at "},
        {"filter: 'status = error'", "f:3:12: filter, at "},
        {"filter: '{ rpcID = \"0\" }'",
         "f:3:12: filter, at 3: expected a field that a span has without"},
        {"measure: p100", "f:3:13: expected count, rate"},
        {"measure: p0", "f:3:13: expected count, rate"},
        {"measure: p0x1p3", "f:3:13: expected count, rate"},
        {"quantile: 1", "f:3:14: expected a number between 0 and 1 for quantile"},
        {"measure: p99, quantile: 0.5", "f:3:28: another than the measure says: quantile"},
        {"quantile: 0.5, measure: p99", "f:3:28: expected count, rate"},
        {"every: 1s, threshold: 1, quantile: 0.5", "f:3:3: quantile: goes with"},
        {"field: 'a b'", "f:3:11: expected a field"},
        {"every: 999ms", "f:3:11: expected a duration (30s, 5m) of 1 s to 24 h for every"},
        {"every: 1500ms", "f:3:11: expected whole seconds for every"},
        {"every: 25h", "f:3:11: expected a duration"},
        {"every: -5s", "f:3:11: expected a duration"},
        {"operator: '=='", "f:3:14: expected \">\""},
        {"threshold: ''", "f:3:15: expected a number for threshold"},
        {"group_by: [a, b, c, d]", "f:3:14: expected three fields at most for group_by"},
        {"group_by: [service, '= 5']", "f:3:24: expected a field"},
        {"at_least: 0", "f:3:14: expected a number of records for at_least"},
        {"at_least: many", "f:3:14: expected a number of records for at_least"},
        {"threshold: 5", "f:3:3: every: expected how long"},
        {"every: 1m", "f:3:3: threshold: expected a number"},
        {"every: 1m, threshold: five", "f:3:3: threshold: expected a number, a share"},
        {"every: 1m, threshold: 0x10", "f:3:3: threshold: expected a number, a share"},
        {"every: 1m, threshold: ' 5'", "f:3:3: threshold: expected a number, a share"},
        {"every: 1m, threshold: 1e999", "f:3:3: threshold: expected a number, a share"},
        {"every: 1m, threshold: 5ms", "f:3:3: threshold: a duration is compared with a duration"},
        {"every: 1m, threshold: 5ms, measure: p99, operator: rise", "f:3:3: threshold: expected"},
        {"every: 1m, threshold: 5, measure: error_rate", "f:3:3: threshold: an error rate is a"},
        {"every: 1m, threshold: -1, operator: fall", "f:3:3: threshold: expected percent"},
        {"every: 1m, measure: absence, threshold: 1", "f:3:3: absence takes neither"},
        {"every: 1m, measure: absence, operator: '<'", "f:3:3: absence takes neither"},
        {"every: 1m, measure: error_rate, metric: m, threshold: 1", "f:3:3: an error rate is one"},
        {"every: 1m, measure: distinct, threshold: 1", "f:3:3: field: expected whose values"},
        {"every: 1m, measure: p9, operator: above_average, threshold: 1", "f:3:3: above_average"},
        {"every: 1m, measure: max, operator: below_average, threshold: 1", "f:3:3: above_average"},
        {"every: 1m, threshold: 1, jitter: 1h", "f:3:3: jitter: goes with"},
        {"every: 1m, threshold: 1, within: 1h", "f:3:3: within: goes with"},
        {"every: 1m, threshold: 1, operator: will_exceed", "f:3:3: within: expected how far"},
        {"every: 1m, threshold: 1, operator: will_exceed, within: 1s",
         "f:3:3: within: expected as"},
        {"every: 2h, threshold: 1, operator: off_baseline", "f:3:3: every: 1h at most"},
        {"every: 1m, threshold: 1, operator: off_baseline, jitter: 1s",
         "f:3:61: expected a duration"},
        {"every: 1m, measure: absence, within: 1h", "f:3:3: absence takes neither"},
        {"every: 1s, threshold: 1}, {every: 1s, threshold: 1, group_by: name", // of two strategies
         "f:2:11: strategies of one rule have the same group_by"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
        check_wrong(&wrongs[i], "\nrules:   [{name: r, strategies: [\n  {", "}]}]");
    }
}

static void test_durations_and_shares(void **state)
{
    static const struct {
        const char *measure, *op, *text;
        double value;
    } thresholds[] = {
        {"p99", ">", "1m30s", 90e9},
        {"max", "<", "250us", 250e3},
        {"average", ">", "1e6", 1e6},
        {"error_rate", ">", "5%", 0.05},
        {"error_rate", ">", "0.5", 0.5},
        {"error_rate", "rise", "50%", 50},
        {"count", "above_average", "50", 50},
        {"p99", "off_baseline", "50%", 50},
        {"sum", ">", "-2.5", -2.5},
        {"count", ">=", "7", 7},
        {"rate", ">", "0.1", 0.1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof thresholds / sizeof thresholds[0]; i++) {
        char text[400];
        (void)snprintf(text, sizeof text,
                       "rules: [{name: r, strategies: [{measure: %s, every: 1h, operator: '%s', "
                       "threshold: %s}]}]",
                       thresholds[i].measure, thresholds[i].op, thresholds[i].text);
        struct alert_file *f = read_ok(str_of(text));
        assert_true(fabs(f->rules->strategies->threshold - thresholds[i].value) < 1e-9);
        alert_file_free(f);
    }
}

// ---- Printing -----------------------------------------------------------------------------------

static void print(const struct alert_file *f, struct buf *out)
{
    buf_add_str(out, STR("rules:\n"));
    for (size_t i = 0; i < f->rule_count; i++) {
        alert_rule_print(&f->rules[i], out);
    }
}

static void check_again(struct str text)
{
    struct alert_file *f = read_ok(text);
    struct buf once, twice, json, json_again;
    buf_init(&once, (size_t)1 << 20);
    buf_init(&twice, (size_t)1 << 20);
    buf_init(&json, (size_t)1 << 20);
    buf_init(&json_again, (size_t)1 << 20);
    print(f, &once);
    struct alert_file *again = read_ok(buf_str(&once));
    print(again, &twice);
    assert_int_equal(again->rule_count, f->rule_count);
    for (size_t i = 0; i < f->rule_count; i++) {
        assert_true(str_eq(f->rules[i].identity, again->rules[i].identity));
        assert_true(str_eq(f->rules[i].remedy, again->rules[i].remedy));
        alert_rule_print_json(&f->rules[i], &json);
        alert_rule_print_json(&again->rules[i], &json_again);
    }
    assert_true(str_eq(buf_str(&once), buf_str(&twice)));
    assert_true(str_eq(buf_str(&json), buf_str(&json_again)));
    alert_file_free(f);
    alert_file_free(again);
    buf_done(&once);
    buf_done(&twice);
    buf_done(&json);
    buf_done(&json_again);
}

static void add_one_of(struct random *r, struct buf *b, const char *key, const char *const *values,
                       size_t count)
{
    if (random_below(r, 2) == 0) {
        buf_printf(b, ", %s: %s", key, values[random_below(r, count)]);
    }
}

#define ONE_OF(r, b, key, ...)                                                                     \
    add_one_of(r, b, key, (const char *const[]){__VA_ARGS__},                                      \
               sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void random_strategy(struct random *r, struct buf *b, const char *group_by)
{
    static const char *const measures[] = {
        "count, threshold: 5",
        "rate, threshold: '0.25'",
        "error_rate, threshold: 5%",
        "average, threshold: 1m30s",
        "sum, threshold: 1e3",
        "min, threshold: 007",
        "max, threshold: 3.50",
        "p99.9, threshold: 1.5s",
        "p99.99, threshold: 1ms",
        "p12.345, threshold: 1",
        "p0.1, threshold: 3h",
        "P50, threshold: 1us",
        "quantile, threshold: 1",
        "quantile, threshold: 1, quantile: 0.3333333333333333",
        "distinct, threshold: 7, field: span.a",
        "absence",
        "p99, operator: off_baseline, threshold: 50%",
        "max, operator: above_baseline, threshold: 0, jitter: 2h",
        "rate, operator: will_exceed, threshold: 2, within: 720h",
        "sum, operator: will_fall_below, threshold: 1, within: 36h"};
    const char *measure = measures[random_below(r, 20)];
    size_t longest = strstr(measure, "baseline") != NULL ? 3600 : 86400;
    buf_printf(b, "{every: %zus, measure: %s%s", 1 + random_below(r, longest), measure, group_by);
    ONE_OF(r, b, "filter", "'{}'", "' { name = \"a\" } '", "\"{ span.a = \\\"x\\\\ny\\\" }\"",
           "'{ (duration > 1s || status = error) && resource.b != nil }'");
    ONE_OF(r, b, "at_least", "1", "2", "100000");
    if (strcmp(measure, "absence") != 0 && strstr(measure, "operator") == NULL) {
        ONE_OF(r, b, "operator", "'>'", "'>='", "'<'", "'<='");
    }
    buf_add_str(b, STR("}"));
}

static void test_what_is_printed_is_read_as_the_same(void **state)
{
    struct random r = {3};
    (void)state;
    check_again(str_of(full));
    for (size_t round = 0; round < 2000; round++) {
        static const char *const groups[] = {"", ", group_by: name", ", group_by: [service, .x]",
                                             ", group_by: [instance, host, endpoint]"};
        const char *group_by = groups[random_below(&r, 4)];
        struct buf b;
        buf_init(&b, (size_t)1 << 20);
        buf_printf(&b, "rules: [{name: r%zu", round);
        ONE_OF(&r, &b, "line", "''", "shop", "'7'", "\"a: b # c\"");
        ONE_OF(&r, &b, "service", "a", "[a, 'b c', \"\\\"q\\\"\", 支付]", "[]", "'{'");
        ONE_OF(&r, &b, "environment", "prod", "'true'", "null", "'~'", "\"\\t\"");
        ONE_OF(&r, &b, "level", "info", "critical", "warning");
        ONE_OF(&r, &b, "suppress", "0", "10m", "90s", "1h", "1500ms", "168h");
        ONE_OF(&r, &b, "match", "all", "any", "ALL");
        ONE_OF(&r, &b, "enabled", "true", "false");
        ONE_OF(&r, &b, "remedy", "a", "\"x\\n\\ny  z \"", "'- a'", "\"\\ttab\\\\\"",
               "\"😀 \\u00e9\"");
        ONE_OF(&r, &b, "channels", "ops", "[a, b]", "['no', 'y', '1.5', '-']");
        ONE_OF(&r, &b, "receivers", "'+49 1'", "[a@b, '*x', '&y', '!z', '%']");
        buf_add_str(&b, STR(", strategies: ["));
        for (size_t n = 1 + random_below(&r, 3); n > 0; n--) {
            random_strategy(&r, &b, group_by);
            buf_add_str(&b, n > 1 ? STR(", ") : STR("]}]"));
        }
        check_again(buf_str(&b));
        buf_done(&b);
    }
}

static void test_json_has_all(void **state)
{
    struct alert_file *f = read_ok(str_of(full));
    struct buf b;
    (void)state;
    buf_init(&b, (size_t)1 << 16);
    alert_rule_print_json(f->rules, &b);
    assert_str(buf_str(&b),
               "{\"name\":\"slow checkout\",\"line\":\"shop\",\"service\":[\"checkout\",\"pay\"],"
               "\"environment\":\"prod\",\"level\":\"error\",\"suppress_ms\":300000,"
               "\"match\":\"all\",\"enabled\":false,"
               "\"remedy\":\"Roll back:\\n- the last \\\"release\\\"\","
               "\"channels\":[\"ops\",\"on\"],\"receivers\":[\"anna@example.org\"],\"strategies\":["
               "{\"metric\":\"\",\"filter\":\"{ name = \\\"POST /checkout\\\" }\","
               "\"measure\":\"quantile\",\"quantile\":0.999,\"field\":\"duration\","
               "\"every_ms\":90000,\"operator\":\">=\",\"threshold\":\"500ms\","
               "\"group_by\":[\"instance\",\"span.k\"],\"at_least\":20},"
               "{\"metric\":\"m\",\"filter\":\"\",\"measure\":\"average\",\"field\":\"value\","
               "\"every_ms\":86400000,\"operator\":\"rise\",\"threshold\":\"5%\","
               "\"group_by\":[\"instance\",\"span.k\"],\"at_least\":1}]}");
    buf_done(&b);
    alert_file_free(f);
}

static void test_identity_is_what_is_watched_and_measured(void **state)
{
    static const char *const same[] = {"level: info",    "remedy: x",   "channels: [c]",
                                       "enabled: false", "suppress: 0", "receivers: r"};
    static const char *const other[] = {"line: shop", "service: s", "environment: e", "match: all"};
    struct alert_file *base =
        read_ok(STR("rules: [{name: r, strategies: [{every: 1s, threshold: 2}]}]"));
    (void)state;
    for (size_t i = 0; i < 10; i++) {
        char text[200];
        (void)snprintf(text, sizeof text,
                       "rules: [{name: r, %s, strategies: [{every: 1s, threshold: 2}]}]",
                       i < 6 ? same[i] : other[i - 6]);
        struct alert_file *f = read_ok(str_of(text));
        assert_int_equal(str_eq(f->rules->identity, base->rules->identity), i < 6);
        alert_file_free(f);
    }
    alert_file_free(base);
}

static void test_there_are_twenty_thousand_and_no_more(void **state)
{
    struct buf b;
    struct err_at at;
    struct alert_file *f = NULL;
    (void)state;
    buf_init(&b, ALERT_FILE_MAX);
    buf_add_str(&b, STR("rules:\n"));
    for (size_t i = 0; i < ALERT_RULES_MAX; i++) {
        buf_printf(&b, "- {name: r%zu, service: s%zu, strategies: [{every: 1m, threshold: %zu}]}\n",
                   i, i % 100, i);
    }
    f = read_ok(buf_str(&b));
    assert_int_equal(f->rule_count, ALERT_RULES_MAX);
    alert_file_free(f);
    buf_add_str(&b, STR("- {name: r, strategies: [{every: 1m, threshold: 1}]}\n"));
    assert_int_equal(alert_file_read(buf_str(&b), "f", &f, &at), ERR_LIMIT);
    buf_done(&b);
}

static void test_severities_of_others(void **state)
{
    static const struct {
        const char *word;
        enum alert_level level;
    } known[] = {{"PAGE", LEVEL_CRITICAL},     {"p1", LEVEL_CRITICAL},
                 {"disaster", LEVEL_CRITICAL}, {"Major", LEVEL_ERROR},
                 {"minor", LEVEL_WARNING},     {"warn", LEVEL_WARNING},
                 {"notice", LEVEL_INFO},       {"informational", LEVEL_INFO}};
    enum alert_level level = LEVEL_COUNT;
    (void)state;
    assert_false(alert_level_of_severity(STR("x"), &level));
    assert_false(alert_level_of_severity(STR(""), &level));
    assert_int_equal(level, LEVEL_COUNT);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        assert_true(alert_level_of_severity(str_of(known[i].word), &level));
        assert_int_equal(level, known[i].level);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_key_is_read),
        cmocka_unit_test(test_what_is_absent_has_a_meaning),
        cmocka_unit_test(test_wrong_rules_are_told_with_their_place),
        cmocka_unit_test(test_wrong_strategies_are_told_with_their_place),
        cmocka_unit_test(test_durations_and_shares),
        cmocka_unit_test(test_severities_of_others),
        cmocka_unit_test(test_what_is_printed_is_read_as_the_same),
        cmocka_unit_test(test_json_has_all),
        cmocka_unit_test(test_identity_is_what_is_watched_and_measured),
        cmocka_unit_test(test_there_are_twenty_thousand_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
