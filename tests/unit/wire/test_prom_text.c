// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of wire/prom_text.h: what is read of the text format and of OpenMetrics, what is
// refused, and where. The cases follow the two specifications section by section.
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "wire/exemplar.h"
#include "wire/otlp_point.h"
#include "wire/prom_text.h"

struct told {
    char text[4096];
    size_t n, samples, exemplars, stop_at;
};

static void put(struct told *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct told *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(t->text + t->n, sizeof t->text - t->n, format, args);
    va_end(args);
    assert_true(n >= 0 && (size_t)n < sizeof t->text - t->n);
    t->n += (size_t)n;
}

// "name{a=b,c=d} value [@time] type/unit;"
static enum err each(void *ctx, const struct prom_text_sample *x)
{
    struct told *t = ctx;
    const struct prom_series *s = x->series;
    static const char *const types[] = {"", "c", "g", "h", "gh", "s", "i", "ss"};
    if (t->samples == t->stop_at) {
        return ERR_CANCELLED;
    }
    t->samples++;
    t->exemplars += exemplar_each(x->exemplars, NULL, NULL);
    assert_str(s->labels[0].name, "__name__");
    put(t, "%.*s", STR_FMT(s->labels[0].value));
    for (size_t i = 1; i < s->label_count; i++) {
        put(t, "%s%.*s=%.*s", i == 1 ? "{" : ",", STR_FMT(s->labels[i].name),
            STR_FMT(s->labels[i].value));
    }
    put(t, "%s %g", s->label_count > 1 ? "}" : "", x->value);
    if (x->has_time) {
        put(t, " @%lld", (long long)x->time_ms);
    }
    if (x->family.n > 0) {
        put(t, " %s/%.*s/%.*s", types[s->type], STR_FMT(s->unit), STR_FMT(s->help));
    }
    put(t, ";");
    return ERR_OK;
}

// The text is put where no byte follows it, so that a sanitizer sees reading beyond it.
static enum err parse(enum prom_format format, const char *text, struct told *t, struct err_at *at)
{
    size_t n = strlen(text);
    char *copy = malloc(n + (n == 0));
    assert_non_null(copy);
    memcpy(copy, text, n);
    *t = (struct told){.stop_at = SIZE_MAX};
    enum err e = prom_text_parse(format, (struct str){copy, n}, each, t, at);
    free(copy);
    return e;
}

static void assert_good(enum prom_format format, const char *text, const char *told)
{
    struct told t;
    struct err_at at = {0};
    enum err e = parse(format, text, &t, &at);
    if (e != ERR_OK || strcmp(t.text, told) != 0) {
        print_error("%s\n-> %s at %llu: %s\n", text, t.text, (unsigned long long)at.offset,
                    at.text);
    }
    assert_ok(e);
    assert_string_equal(t.text, told);
}

static void assert_bad(enum prom_format format, const char *text, const char *why)
{
    struct told t;
    struct err_at at = {0};
    enum err e = parse(format, text, &t, &at);
    if (e == ERR_OK || strcmp(at.text, why) != 0) {
        print_error("%s\n-> %s\n", text, at.text);
    }
    assert_err(e, ERR_INVALID);
    assert_string_equal(at.text, why);
    assert_true(at.offset <= strlen(text));
}

// ---- The text format ----------------------------------------------------------------------------

static void test_text_samples(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", ""},
        {"\n\n  \n", ""},
        {"a 1", "a 1;"},
        {"a 1\n", "a 1;"},
        {"  a \t 1  \n", "a 1;"},
        {"a 1 123\n", "a 1 @123;"},
        {"a 1 -123 \n", "a 1 @-123;"},
        {"a{} 1\n", "a 1;"},
        {"a{b=\"c\"} 1\n", "a{b=c} 1;"},
        {"a{b=\"c\"}1\n", NULL},
        {"a { b = \"c\" , d = \"e\" , } 1\n", "a{b=c,d=e} 1;"},
        {"a{b=\"\"} 1\n", "a{b=} 1;"},
        {"a{b=\"\\\\ \\\" \\n\"} 1\n", "a{b=\\ \" \n} 1;"},
        {"a{b=\"\\x\"} 1\n", "a{b=\\x} 1;"},
        {"a{b=\"},#= \"} 1\n", "a{b=},#= } 1;"},
        {"_a:b_1 1\n", "_a:b_1 1;"},
        {"a +Inf\nb -Inf\nc NaN\nd 1e3\ne .5\nf +1\ng -0.25\nh nan\n",
         "a inf;b -inf;c nan;d 1000;e 0.5;f 1;g -0.25;h nan;"},
        {"{\"a.b\",\"c d\"=\"e\"} 1\n", "a.b{c d=e} 1;"},
        {"{\"a.b\"} 1 5\n", "a.b 1 @5;"},
        {"# a comment\n#\n#TYPE a nonsense\n# EOF\na 1\n", "a 1;"},
        {"a{b=\"\xc3\xa4\"} 1\n", "a{b=\xc3\xa4} 1;"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (cases[i][1] != NULL) {
            assert_good(PROM_TEXT, cases[i][0], cases[i][1]);
        } else {
            assert_bad(PROM_TEXT, cases[i][0], "line 1: expected a number");
        }
    }
}

static void test_text_families(void **state)
{
    (void)state;
    assert_good(PROM_TEXT,
                "# HELP a_total Lines \\\\ and \\n more \\x.\n#  TYPE\ta_total\tcounter \n"
                "a_total{b=\"1\"} 1\na_total{b=\"2\"} 2\nother 3\n",
                "a_total{b=1} 1 c//Lines \\ and \n more \\x.;"
                "a_total{b=2} 2 c//Lines \\ and \n more \\x.;other 3;");
    assert_good(PROM_TEXT,
                "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 2\nh_count 3\nh_other 4\n"
                "# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 2\ns_count 3\ns_bucket 4\n"
                "# TYPE g gauge\n# HELP g\ng 1\ng_total 2\n# TYPE u untyped\nu 1\n",
                "h_bucket{le=1} 1 h//;h_sum 2 h//;h_count 3 h//;h_other 4;"
                "s{quantile=0.5} 1 s//;s_sum 2 s//;s_count 3 s//;s_bucket 4;"
                "g 1 g//;g_total 2;u 1 //;");
}

static void test_text_that_is_bad(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"a", "expected a number"},
        {"a\n", "expected a number"},
        {"a x\n", "expected a number"},
        {"a 0x10\n", "expected a number"},
        {"a nan(1)\n", "expected a number"},
        {"a 1_000\n", "expected a number"},
        {"a 1 2.5\n", "expected a timestamp"},
        {"a 1 x\n", "expected a timestamp"},
        {"a 1 99999999999999999999\n", "expected a timestamp"},
        {"a 1 2 3\n", "expected the line's end"},
        {"a 1 2 # {} 1\n", "expected the line's end"},
        {"1a 1\n", "expected the name of a metric"},
        {"-a 1\n", "expected the name of a metric"},
        {"{b=\"c\"} 1\n", "expected the name of a metric"},
        {"{} 1\n", "expected the name of a metric"},
        {"a{b} 1\n", "expected a label: name=\"value\""},
        {"a{b=c} 1\n", "a label's value is not in quotes, does not end, or is not UTF-8"},
        {"a{b=\"c} 1\n", "a label's value is not in quotes, does not end, or is not UTF-8"},
        {"a{b=\"c\\\"} 1\n", "a label's value is not in quotes, does not end, or is not UTF-8"},
        {"a{b=\"\xff\"} 1\n", "a label's value is not in quotes, does not end, or is not UTF-8"},
        {"a{b=\"c\" d=\"e\"} 1\n", "expected a comma or } behind a label"},
        {"a{b:c=\"d\"} 1\n", "expected a label: name=\"value\""},
        {"a{,} 1\n", "expected a label: name=\"value\""},
        {"a{b=\"c\",,} 1\n", "expected a label: name=\"value\""},
        {"a{b=\"c\"\n", "expected a comma or } behind a label"},
        {"a{\n", "expected a label: name=\"value\""},
        {"a{\"b\"} 1\n", "expected a label: name=\"value\""},
        {"a 1\r\n", "expected a number"},
        {"# TYPE a\n", "expected more behind the name"},
        {"# TYPE a wrong\n", "this is no type"},
        {"# TYPE a counter x\n", "this is no type"},
        {"# TYPE 1 counter\n", "expected the name of a metric"},
        {"# HELP a \xff\n", "a help text has an escape that is none, or is not UTF-8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256], why[256];
        (void)snprintf(text, sizeof text, "good 1\n%s", cases[i][0]);
        (void)snprintf(why, sizeof why, "line 2: %s", cases[i][1]);
        assert_bad(PROM_TEXT, text, why);
    }
}

// ---- OpenMetrics --------------------------------------------------------------------------------

static void test_openmetrics_families(void **state)
{
    (void)state;
    assert_good(PROM_OPENMETRICS, "# EOF\n", "");
    assert_good(PROM_OPENMETRICS, "# EOF", "");
    assert_good(
        PROM_OPENMETRICS,
        "# TYPE a_seconds counter\n# UNIT a_seconds seconds\n# HELP a_seconds It \\\"is\\\".\n"
        "a_seconds_total{b=\"c\"} 1 1.5\na_seconds_created{b=\"c\"} 2\n# EOF\n",
        "a_seconds_total{b=c} 1 @1500 c/seconds/It \"is\".;"
        "a_seconds_created{b=c} 2 c/seconds/It \"is\".;");
    assert_good(PROM_OPENMETRICS,
                "# TYPE g gaugehistogram\ng_bucket{le=\"+Inf\"} 1\ng_gcount 1\ng_gsum 2\n"
                "# TYPE i info\ni_info{v=\"1\"} 1\n# TYPE s stateset\ns{s=\"on\"} 1\n"
                "# TYPE u unknown\n# UNIT u \nu 3\n# HELP n \nn 4\n# EOF\n",
                "g_bucket{le=+Inf} 1 gh//;g_gcount 1 gh//;g_gsum 2 gh//;i_info{v=1} 1 i//;"
                "s{s=on} 1 ss//;u 3 //;n 4 //;");
    assert_good(PROM_OPENMETRICS, "a -1.5 -1e-3\nb 1 1700000000.123\n# EOF\n",
                "a -1.5 @-1;b 1 @1700000000123;");
}

static void test_openmetrics_exemplars(void **state)
{
    (void)state;
    struct told t;
    struct err_at at;
    assert_ok(
        parse(PROM_OPENMETRICS,
              "# TYPE a counter\na_total 1 # {} 0.5\n"
              "a_total{b=\"c\"} 1 # {trace_id=\"ab\",x=\"y\"} 0.5\n"
              "a_total{b=\"d\"} 1 2 # {trace_id=\"\\\"\"} 0.5 1.5\na_total{b=\"e\"} 1\n# EOF\n",
              &t, &at));
    assert_int_equal(t.samples, 4);
    assert_int_equal(t.exemplars, 3);
}

static void test_openmetrics_that_is_bad(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"\n", "an empty line"},
        {" a 1\n", "expected the name of a metric"},
        {"a  1\n", "expected a number"},
        {"a\t1\n", "expected a number"},
        {"a 1 \n", "expected the line's end"},
        {"a 1 2 \n", "expected the line's end"},
        {"a 1 2 3\n", "expected an exemplar: # {...} number"},
        {"a {b=\"c\"} 1\n", "expected a number"},
        {"a{ b=\"c\"} 1\n", "expected a label: name=\"value\""},
        {"a{b=\"c\",} 1\n", "expected a label: name=\"value\""},
        {"a{b=\"c\", d=\"e\"} 1\n", "expected a label: name=\"value\""},
        {"a{b =\"c\"} 1\n", "expected a label: name=\"value\""},
        {"a{b=\"\\x\"} 1\n", "a label's value is not in quotes, does not end, or is not UTF-8"},
        {"a 1 NaN\n", "expected a timestamp"},
        {"a 1 +Inf\n", "expected a timestamp"},
        {"a 1 # {}\n", "expected the number of an exemplar"},
        {"a 1 # {} x\n", "expected the number of an exemplar"},
        {"a 1 # {} 1 x\n", "expected the timestamp of an exemplar"},
        {"a 1 # {} 1 NaN\n", "expected the timestamp of an exemplar"},
        {"a 1 # {} 1 2 3\n", "expected the line's end"},
        {"a 1 #{} 1\n", "expected an exemplar: # {...} number"},
        {"a 1 # {b} 1\n", "expected a label: name=\"value\""},
        {"a 1 # x\n", "expected an exemplar: # {...} number"},
        {"# a comment\n", "expected TYPE, HELP, UNIT or EOF"},
        {"#\n", "expected TYPE, HELP, UNIT or EOF"},
        {"#TYPE a counter\n", "expected TYPE, HELP, UNIT or EOF"},
        {"#  TYPE a counter\n", "expected TYPE, HELP, UNIT or EOF"},
        {"# TYPE  a counter\n", "expected the name of a metric"},
        {"# TYPE a untyped\n", "this is no type"},
        {"# TYPE a counter \n", "this is no type"},
        {"# TYPE a\n", "expected more behind the name"},
        {"# TYPE a gauge\n# TYPE a gauge\n", "a family is described twice, or behind its samples"},
        {"# HELP a x\n# HELP a x\n", "a family is described twice, or behind its samples"},
        {"# TYPE a gauge\na 1\n# HELP a x\n", "a family is described twice, or behind its samples"},
        {"# UNIT a seconds\n", "the name of a family does not end in its unit"},
        {"# UNIT aseconds seconds\n", "the name of a family does not end in its unit"},
        {"# UNIT seconds seconds\n", "the name of a family does not end in its unit"},
        {"# HELP a \\x\n", "a help text has an escape that is none, or is not UTF-8"},
        {"# EOF \n", "expected TYPE, HELP, UNIT or EOF"},
        {"# EOF\n# EOF\n", "something follows # EOF"},
        {"# EOF\n\n", "something follows # EOF"},
        {"a 1\n", "the last line is not # EOF: the text is cut short"},
        {"", "the last line is not # EOF: the text is cut short"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct told t;
        struct err_at at = {0};
        enum err e = parse(PROM_OPENMETRICS, cases[i][0], &t, &at);
        const char *why = strstr(at.text, ": ");
        if (e != ERR_INVALID || why == NULL || strcmp(why + 2, cases[i][1]) != 0) {
            print_error("%s-> %s\n", cases[i][0], at.text);
        }
        assert_err(e, ERR_INVALID);
        assert_string_equal(why + 2, cases[i][1]);
    }
}

static void test_each_prefix_is_read_within_bounds(void **state)
{
    (void)state;
    static const char whole[] =
        "# TYPE a_seconds counter\n# UNIT a_seconds seconds\n"
        "# HELP a_seconds x\\n\na_seconds_total{b=\"\\\"c\",\"d e\"=\"f\"} 1 1.5"
        " # {g=\"h\"} 2 3\n{\"i.j\",k=\"l\"} -Inf\n# EOF\n";
    char part[sizeof whole];
    for (size_t n = 0; n < sizeof whole; n++) {
        for (int format = PROM_TEXT; format <= PROM_OPENMETRICS; format++) {
            struct told t;
            struct err_at at = {0};
            memcpy(part, whole, n);
            part[n] = '\0';
            enum err e = parse((enum prom_format)format, part, &t, &at);
            bool is_whole = format == PROM_OPENMETRICS && n >= sizeof whole - 2;
            assert_true(format == PROM_TEXT || (e == ERR_OK) == is_whole);
        }
    }
}

static void test_reading_stops_when_told_to(void **state)
{
    (void)state;
    struct told t = {.stop_at = 2};
    struct err_at at;
    assert_err(prom_text_parse(PROM_TEXT, STR("a 1\nb 2\nc 3\nd 4\n"), each, &t, &at),
               ERR_CANCELLED);
    assert_int_equal(t.samples, 2);
}

static void test_limits(void **state)
{
    (void)state;
    struct told t;
    struct err_at at;
    struct buf text;
    buf_init(&text, (size_t)4 << 20);
    buf_add_str(&text, STR("a{"));
    for (int i = 0; i < 100; i++) {
        buf_printf(&text, "l%d=\"\",", i);
    }
    buf_add_str(&text, STR("} 1\n"));
    t = (struct told){.stop_at = SIZE_MAX};
    assert_ok(
        prom_text_parse(PROM_TEXT, buf_str(&text), each, &t, &at)); // what is too much is said
    assert_int_equal(t.samples, 1);
    buf_add_str(&text, STR("# "));
    for (int i = 0; i < 1 << 20; i++) {
        buf_add_byte(&text, 'x');
    }
    assert_err(prom_text_parse(PROM_TEXT, buf_str(&text), each, &t, &at), ERR_INVALID);
    assert_string_equal(at.text, "line 2: the line is longer than 1 MiB");
    buf_done(&text);
}

static void test_content_types(void **state)
{
    (void)state;
    assert_int_equal(prom_format_of(STR("application/openmetrics-text; version=1.0.0")),
                     PROM_OPENMETRICS);
    assert_int_equal(prom_format_of(STR("Application/OpenMetrics-Text")), PROM_OPENMETRICS);
    assert_int_equal(prom_format_of(STR("text/plain; version=0.0.4")), PROM_TEXT);
    assert_int_equal(prom_format_of(STR("")), PROM_TEXT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_samples),
        cmocka_unit_test(test_text_families),
        cmocka_unit_test(test_text_that_is_bad),
        cmocka_unit_test(test_openmetrics_families),
        cmocka_unit_test(test_openmetrics_exemplars),
        cmocka_unit_test(test_openmetrics_that_is_bad),
        cmocka_unit_test(test_each_prefix_is_read_within_bounds),
        cmocka_unit_test(test_reading_stops_when_told_to),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_content_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
