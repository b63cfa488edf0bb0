// SPDX-License-Identifier: Apache-2.0
// Purpose: cards: titles, lines, links, escapes, cutting.
#include "notify/card.h"

#include <stdlib.h>
#include <time.h>

#include "support/sample_notice.h"
#include "test.h"

static void test_a_test_says_so(void **state)
{
    struct arena a = {0};
    struct notice n;
    struct card c;
    (void)state;
    notice_make_test(&n, 1790000000000000000);
    card_make(&n, LANGUAGE_ZH, &a, &c);
    assert_str(c.title, "测试 · 提示 · sonde-test");
    assert_str(c.lines[0].value, "这是一条通道测试消息，没有异常。");
    assert_int_equal(c.line_count, 3); // and two times
    assert_str(card_summary(&n, LANGUAGE_EN, &a),
               "Test · info · sonde-test, This is a test of the channel. Nothing is wrong.");
    arena_done(&a);
}

static void test_measures_as_far_as_they_are_there(void **state)
{
    static const struct {
        struct notice_number value, threshold;
        struct str measure, operator, unit;
        const char *expected; // NULL: no line
    } cases[] = {
        {{true, 12.5}, {true, 5}, STR("p99"), STR(">"), STR("ms"), "p99 12.5 ms (> 5 ms)"},
        {{true, 1e6}, {false, 0}, STR("p99"), STR(">"), STR(""), "p99 1e+06"},
        {{true, 3}, {true, 5}, STR(""), STR(""), STR(""), "3"},
        {{false, 0}, {true, 5}, STR("calls"), STR("<"), STR(""), "calls (< 5)"},
        {{false, 0}, {false, 0}, STR("calls"), STR("<"), STR(""), "calls"},
        {{false, 0}, {false, 0}, STR(""), STR("<"), STR(""), NULL},
    };
    struct arena a = {0};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct card c;
        const struct notice n = {.rule = STR("r"),
                                 .measure = cases[i].measure,
                                 .operator= cases[i].operator,
                                 .unit = cases[i].unit,
                                 .value = cases[i].value,
                                 .threshold = cases[i].threshold};
        card_make(&n, LANGUAGE_EN, &a, &c);
        assert_int_equal(c.line_count, cases[i].expected != NULL);
        if (cases[i].expected != NULL) {
            assert_true(str_eq(c.lines[0].value, str_of(cases[i].expected)));
        }
    }
    arena_done(&a);
}

static void test_links_are_only_what_a_browser_opens(void **state)
{
    static const struct str urls[] = {STR("javascript:alert(1)"), STR("ftp://x"), STR("")};
    struct arena a = {0};
    struct notice n;
    struct card c;
    char longest[CARD_URL_BYTES_MAX + 2] = "http://";
    (void)state;
    sample_notice(&n);
    for (size_t i = 0; i < 3; i++) {
        n.incident_url = urls[i];
        card_make(&n, LANGUAGE_EN, &a, &c);
        assert_int_equal(c.link_count, 1);
    }
    memset(longest + 7, 'x', sizeof longest - 7);
    n.incident_url = (struct str){longest, CARD_URL_BYTES_MAX + 1};
    card_make(&n, LANGUAGE_EN, &a, &c);
    assert_int_equal(c.link_count, 1);
    n.incident_url = STR("http://x/(a) \"<b>|`'[c]\\\n");
    card_make(&n, LANGUAGE_EN, &a, &c);
    assert_str(c.links[0].value, "http://x/%28a%29%20%22%3Cb%3E%7C%60%27%5Bc%5D%5C%20");
    arena_done(&a);
}

static void test_escapes(void **state)
{
    struct arena a = {0};
    (void)state;
    assert_str(card_flat(&a,
                         STR("a\nb\x01\x7f"
                             "c"),
                         100),
               "a b  c");
    assert_str(card_flat(&a, STR("\xe8\xad\xa6\xe8\xad\xa6\xe8\xad\xa6"), 8), "\xe8\xad\xa6...");
    assert_str(card_flat(&a, STR("\xe8\xad\xa6"), 4), "\xe8\xad\xa6");
    assert_str(card_flat(&a,
                         STR("\xff"
                             "a\xc0\x80\xe8"),
                         9),
               "?a???");
    assert_str(card_markdown(&a, STR("<@a> [b](c) `d` **e**")), "＜@a> ［b］(c) ｀d｀ ＊＊e＊＊");
    assert_str(card_html(&a, STR("<a b=\"c\" d='e'>&")),
               "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;");
    assert_str(card_angles(&a, STR("<'&'>")), "&lt;'&amp;'&gt;");
    assert_true(card_is_id(STR("a.B_9@x+y-z")));
    assert_false(card_is_id(STR("")) || card_is_id(STR("a b")) || card_is_id(STR("a>")));
    arena_done(&a);
}

static void test_fitting(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 100);
    assert_true(card_add_fitting(&b, 20, STR("<"), STR("0123456789"), STR(">")));
    assert_str(buf_str(&b), "<0123456789>");
    assert_false(card_add_fitting(&b, 20, STR("<"), STR("0123456789"), STR(">")));
    assert_true(card_add_fitting(&b, 22, STR("<"), STR("0123456789"), STR(">")));
    assert_str(buf_str(&b), "<0123456789><01234...>");
    assert_true(card_add_fitting(&b, 25, STR(""), STR("abc"), STR("")));
    assert_int_equal(b.n, 25);
    buf_done(&b);
}

static void test_times(void **state)
{
    struct arena a = {0};
    (void)state;
    assert_str(card_time(&a, 1790000000999999999), "2026-09-21 22:13:20 +0800");
    assert_str(card_time_utc(&a, 1790000000999999999), "2026-09-21T14:13:20.999Z");
    arena_done(&a);
}

int main(void)
{
    (void)setenv("TZ", "CST-8", 1);
    tzset();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_test_says_so),
        cmocka_unit_test(test_measures_as_far_as_they_are_there),
        cmocka_unit_test(test_links_are_only_what_a_browser_opens),
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_fitting),
        cmocka_unit_test(test_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
