// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of alert/prom_rules.h and what stands below it: what each form of an expression
// becomes, why others become nothing, and where in the file that is said to be.
#include <stdio.h>

#include "alert/prom_map.h"
#include "alert/prom_rules.h"
#include "test.h"

// ---- Expressions --------------------------------------------------------------------------------

// A strategy as a line: measure metric filter operator threshold every [within] by groups.
static void put_strategy(struct buf *b, const struct prom_strategy *s)
{
    buf_printf(b, "%s(%.*s%s%.*s)", s->measure, STR_FMT(s->metric), s->filter.n > 0 ? " " : "",
               STR_FMT(s->filter));
    if (s->op != NULL) {
        buf_printf(b, " %s %.6g", s->op, s->threshold);
    }
    buf_printf(b, " in %llus", (unsigned long long)s->every_ms / 1000);
    if (s->within_ms > 0) {
        buf_printf(b, " within %llus", (unsigned long long)s->within_ms / 1000);
    }
    for (size_t i = 0; i < s->group_by_count; i++) {
        buf_printf(b, "%s%.*s", i == 0 ? " by " : ",", STR_FMT(s->group_by[i]));
    }
}

static void map(const char *expr, uint64_t for_ms, struct buf *out)
{
    const struct prom_asked asked = {.for_ms = for_ms};
    struct prom_mapping m;
    struct arena arena = {0};
    struct promql_node *n;
    struct err_at at = {0};
    buf_clear(out);
    enum err e = promql_parse(str_of(expr), &arena, &n, &at);
    e = e == ERR_OK ? prom_map(n, &asked, &arena, &m, &at) : e;
    if (e != ERR_OK) {
        buf_printf(out, "%llu: %s", (unsigned long long)at.offset, at.text);
    }
    for (size_t i = 0; e == ERR_OK && i < m.count; i++) {
        buf_printf(out, "%s", i == 0 ? "" : m.match_all ? " and " : " or ");
        put_strategy(out, &m.strategies[i]);
    }
    buf_add_byte(out, 0);
    arena_done(&arena);
}

static void test_what_has_a_counterpart(void **state)
{
    static const struct {
        const char *expr;
        uint64_t for_ms;
        const char *becomes;
    } cases[] = {
        {"m > 5", 0, "min(m) > 5 in 60s by instance"},
        {"m >= 5", 300000, "min(m) >= 5 in 300s by instance"},
        {"5 > m", 300000, "max(m) < 5 in 300s by instance"},
        {"up == 0", 120000,
         "max(up) <= 0 in 120s by instance and min(up) >= 0 in 120s by instance"},
        {"-m < -5", 0, "min(m) > 5 in 60s by instance"},
        {"100 - m * 100 > 90", 0, "max(m) < 0.1 in 60s by instance"},
        {"(m / 1024 - 1) / 2 < 2 ^ 2 + 1", 0, "max(m) < 11264 in 60s by instance"},
        {"rate(a_total[5m]) > 1", 0, "rate(a_total) > 1 in 300s by instance"},
        {"rate(a_total[5m]) * 60 > 30", 600000, "rate(a_total) > 0.5 in 600s by instance"},
        {"increase(a_total[1h]) > 3", 0, "sum(a_total) > 3 in 3600s by instance"},
        {"increase(a_total[5m]) > 3", 600000, "sum(a_total) > 6 in 600s by instance"},
        {"sum by (job) (rate(a_total[1m])) > 1", 0, "rate(a_total) > 1 in 60s by service"},
        {"sum(rate(a_total[1m])) by (job, x) > 1", 0, "rate(a_total) > 1 in 60s by service,.x"},
        {"sum(rate(a_total[1m])) > 1", 0, "rate(a_total) > 1 in 60s"},
        {"avg by (x) (m) < 1", 0, "average(m) < 1 in 60s by .x"},
        {"max by (x) (m) > 1", 0, "max(m) > 1 in 60s by .x"},
        {"min by (x) (m) > 1", 60000, "min(m) > 1 in 60s by .x"},
        {"max_over_time(m[5m]) >= 1", 900000, "max(m) >= 1 in 900s by instance"},
        {"min_over_time(m[5m]) > 1", 600000, "min(m) > 1 in 900s by instance"},
        {"quantile_over_time(0.9, m[5m]) > 1", 0, "quantile(m) > 1 in 300s by instance"},
        {"histogram_quantile(0.99, rate(m_bucket[5m])) > 1", 0,
         "quantile(m) > 1 in 300s by instance"},
        {"histogram_quantile(0.9, sum by (le, job) (increase(m_bucket{x=\"y\"}[1m]))) * 1000 > 250",
         0, "quantile(m { .x = \"y\" }) > 0.25 in 60s by service"},
        {"histogram_quantile(0.9, sum by (le) (rate(m[1m]))) < 1", 300000,
         "quantile(m) < 1 in 300s"},
        {"absent(m)", 0, "absence(m) in 300s"},
        {"absent(m{job=\"a\"})", 900000, "absence(m { resource.service.name = \"a\" }) in 900s"},
        {"absent_over_time(m[10m])", 0, "absence(m) in 600s"},
        {"predict_linear(m[6h], 4 * 3600) < 0", 0,
         "average(m) will_fall_below 0 in 360s within 14400s by instance"},
        {"a > 1 and b < 2", 0, "min(a) > 1 in 60s by instance and max(b) < 2 in 60s by instance"},
        {"a > 1 or b < 2", 0, "min(a) > 1 in 60s by instance or max(b) < 2 in 60s by instance"},
        {"m{a=\"x\", b!=\"y\", c=~\"p.*\", d!~\"q\", job=\"n/s\"} > 1", 0,
         "min(m { .a = \"x\" && (.b != \"y\" || .b = nil) && .c =~ \"p.*\" && "
         "(.d !~ \"q\" || .d = nil) && resource.service.name = \"s\" }) > 1 in 60s by instance"},
        {"m{a=\"\", b!=\"\", c=~\".+\", d=~\".*\"} > 1", 0,
         "min(m { .a = nil && .b != nil && .c != nil }) > 1 in 60s by instance"},
        {"{__name__=\"m\", a='x'} > 1 # why", 0, "min(m { .a = \"x\" }) > 1 in 60s by instance"},
    };
    struct buf out;
    buf_init(&out, 4096);
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        map(cases[i].expr, cases[i].for_ms, &out);
        assert_string_equal(out.p, cases[i].becomes);
    }
    buf_done(&out);
}

static void test_what_has_none_is_told_with_its_place(void **state)
{
    static const struct {
        const char *expr, *why; // the beginning of it
    } cases[] = {
        {"m", "0: is not compared"},
        {"1 < rate(a / b)", "4: rate of anything but"},
        {"a / b > 1", "0: takes several metrics together"},
        {"a > b", "4: is no number"},
        {"a_total > 5", "0: a_total is a counter"},
        {"sum by (x) (m) > 1", "0: sum over series"},
        {"count(m) > 1", "0: count over series"},
        {"sum without (x) (rate(m[5m])) > 1", "0: groups by all labels without"},
        {"sum by (a, b, c, d) (rate(m[5m])) > 1", "0: groups by more than three"},
        {"avg by (x) (rate(a_total[5m])) > 1", "0: avg of what is measured"},
        {"1 > abs(m)", "4: abs is a function"},
        {"histogram_quantile(0.9, m_bucket) > 1", "0: histogram_quantile of anything but"},
        {"histogram_quantile(2, rate(m_bucket[5m])) > 1", "0: histogram_quantile needs a share"},
        {"histogram_quantile(0.9, avg by (le) (rate(m_bucket[5m]))) > 1",
         "0: histogram_quantile of anything"},
        {"m offset 5m > 1", "0: looks at another time"},
        {"m != 1", "0: is compared by =="},
        {"m > bool 1", "0: is compared with bool"},
        {"a > 1 and on (x) b > 1", "0: is matched by labels"},
        {"a > 1 unless b > 1", "0: is left out where"},
        {"a > 1 or b > 1 and c > 1", "0: mixes"},
        {"a == 1 or b > 1", "0: is compared by == beside"},
        {"vector(1)", "0: vector is a constant"},
        {"time() - m > 5", "0: takes several"},
        {"max_over_time(rate(m[5m])[1h:1m]) > 1", "0: max_over_time of anything"},
        {"m[5m] > 1", "0: is a range"},
        {"rate(m[25h]) > 1", "0: needs a window"},
        {"m > NaN", "0: is compared with what is no"},
        {"sum(rate(x[5m]) > 1", "19: expected , or )"},
        {"m > ", "4: expected a metric"},
        {"m{a=5} > 1", "4: expected a text"},
        {"m > 1 )", "6: expected an operator"},
        {"m[5q] > 1", "2: expected a duration"},
        {"\"a", "2: expected the end of a text"},
    };
    struct buf out;
    buf_init(&out, 4096);
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        map(cases[i].expr, 0, &out);
        if (strncmp(out.p, cases[i].why, strlen(cases[i].why)) != 0) {
            fail_msg("%s: %s instead of %s", cases[i].expr, out.p, cases[i].why);
        }
    }
    buf_done(&out);
}

static void test_depth_and_length_are_bounded(void **state)
{
    char text[2000];
    struct buf out;
    buf_init(&out, 4096);
    (void)state;
    memset(text, '(', sizeof text);
    text[sizeof text - 1] = 0;
    map(text, 0, &out);
    assert_non_null(strstr(out.p, "nested too deeply"));
    memset(text, '-', sizeof text - 1);
    map(text, 0, &out);
    assert_non_null(strstr(out.p, "nested too deeply"));
    struct buf longer;
    buf_init(&longer, PROMQL_TEXT_MAX * 2);
    while (longer.n <= PROMQL_TEXT_MAX) {
        buf_add_byte(&longer, 'a');
    }
    buf_add_byte(&longer, 0);
    map(longer.p, 0, &out);
    assert_non_null(strstr(out.p, "longer than"));
    buf_done(&longer);
    buf_done(&out);
}

// ---- Files --------------------------------------------------------------------------------------

static struct prom_rules *read_ok(const char *text)
{
    struct prom_rules *r = NULL;
    struct err_at at = {0};
    assert_true(prom_rules_are(str_of(text)));
    enum err e = prom_rules_read(str_of(text), "f.yaml", STR("ops"), &r, &at);
    if (e != ERR_OK) {
        print_error("%s\n", at.text);
    }
    assert_int_equal(e, ERR_OK);
    return r;
}

static const struct prom_note *note_of(const struct prom_rules *r, const char *rule)
{
    for (size_t i = 0; i < r->note_count; i++) {
        if (str_eq(r->notes[i].rule, str_of(rule))) {
            return &r->notes[i];
        }
    }
    fail_msg("nothing is noted of %s", rule);
    return NULL;
}

static const char file[] =
    "groups:\n"
    "- name: g\n"
    "  rules:\n"
    "  - alert: Down\n"
    "    expr: up{job=\"node\"} == 0\n"
    "    for: 2m\n"
    "    labels: {severity: page, team: x}\n"
    "    annotations:\n"
    "      summary: '{{ $labels.instance }} is down: {{ $value | humanize }}'\n"
    "      runbook_url: http://r/\n"
    "  - alert: Full\n"
    "    expr: m{a=\"1\"} < 1\n"
    "    annotations: {description: \"{{ $labels.mountpoint }} of {{ .Labels.instance }}\"}\n"
    "  - alert: Full\n"
    "    expr: m < 2\n"
    "    labels: {severity: info}\n"
    "  - alert: Full\n"
    "    expr: m < 3\n"
    "  - alert: Share\n"
    "    expr: |\n"
    "      sum(rate(x[5m])) > 1 and\n"
    "        deriv(y[5m]) > 5\n"
    "  - {alert: Plain, expr: 'abs(x) > 1'}\n"
    "  - record: a:b\n"
    "    expr: sum(x)\n"
    "  - alert: Late\n"
    "    expr: m > 1\n"
    "    for: soon\n";

static void test_a_file_is_taken_over(void **state)
{
    struct prom_rules *r = read_ok(file);
    struct alert_file *f;
    struct err_at at = {0};
    (void)state;
    assert_int_equal(alert_file_read(buf_str(&r->out), "out", &f, &at), ERR_OK);
    assert_int_equal(r->taken, 4);
    assert_int_equal(f->rule_count, 4);
    assert_int_equal(r->left_out, 4);
    const struct alert_rule *down = &f->rules[0];
    assert_str(down->name, "Down");
    assert_int_equal(down->level, LEVEL_CRITICAL);
    assert_true(down->match_all);
    assert_int_equal(down->strategy_count, 2);
    assert_int_equal(down->strategies[0].every_ms, 120000);
    assert_str(down->strategies[0].metric, "up");
    assert_str(down->remedy, "<instance> is down: <value>\nhttp://r/");
    assert_str(down->channels[0], "ops");
    const struct alert_strategy *full = &f->rules[1].strategies[0];
    assert_int_equal(full->group_by_count, 2);
    assert_str(full->group_by[0].text, ".mountpoint");
    assert_str(full->group_by[1].text, "instance");
    assert_str(f->rules[2].name, "Full (info)");
    assert_int_equal(f->rules[2].level, LEVEL_INFO);
    assert_str(f->rules[3].name, "Full 2");
    alert_file_free(f);
    prom_rules_free(r);
}

static void test_places_are_those_of_the_file(void **state)
{
    struct prom_rules *r = read_ok(file);
    static const struct {
        const char *rule;
        size_t line, column;
        bool leaves_out;
    } cases[] = {{"Down", 7, 30, false},
                 {"Share", 22, 9, true},
                 {"Plain", 23, 27, true},
                 {"a:b", 24, 13, true},
                 {"Late", 28, 10, true}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct prom_note *n = note_of(r, cases[i].rule);
        assert_int_equal(n->line, cases[i].line);
        assert_int_equal(n->column, cases[i].column);
        assert_int_equal(n->leaves_out, cases[i].leaves_out);
    }
    prom_rules_free(r);
}

static void test_what_is_no_such_file(void **state)
{
    static const char *const texts[] = {
        "", "groups: 5\n", "groups: [5]\n", "groups: [{rules: x}]\n", "rules: []\n", "a: [\n"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct prom_rules *r = NULL;
        struct err_at at = {0};
        assert_int_equal(prom_rules_read(str_of(texts[i]), "f", STR(""), &r, &at), ERR_INVALID);
        assert_true(at.text[0] != 0);
    }
    assert_false(prom_rules_are(STR("rules: []\n")));
    // Groups of people, which a file of ours may have alone.
    assert_false(prom_rules_are(STR("groups: [{name: ops, members: [anna]}]\n")));
    assert_true(prom_rules_are(STR("{\"groups\": [{\"name\": \"ops\", \"rules\": []}]}")));
    struct prom_rules *r;
    struct err_at at = {0};
    assert_ok(prom_rules_read(STR("groups: [{name: x}]\n"), "f", STR(""), &r, &at));
    assert_int_equal(r->taken + r->left_out, 0);
    assert_str(buf_str(&r->out), "rules: []\n");
    prom_rules_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_has_a_counterpart),
        cmocka_unit_test(test_what_has_none_is_told_with_its_place),
        cmocka_unit_test(test_depth_and_length_are_bounded),
        cmocka_unit_test(test_a_file_is_taken_over),
        cmocka_unit_test(test_places_are_those_of_the_file),
        cmocka_unit_test(test_what_is_no_such_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
