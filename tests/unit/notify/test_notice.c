// SPDX-License-Identifier: Apache-2.0
// Purpose: the canonical form of notices, both ways; what is too long; bad input.
#include "notify/notice.h"

#include <math.h>
#include <stdio.h>

#include "support/sample_notice.h"
#include "test.h"

static const char whole[] =
    "{\"status\":\"firing\",\"level\":\"critical\",\"rule\":\"slow orders\",\"line\":\"shop\","
    "\"environment\":\"prod\",\"service\":\"orders\",\"instance\":\"orders-1\","
    "\"address\":\"10.0.0.7\",\"measure\":\"error_rate\",\"operator\":\">\",\"unit\":\"%\","
    "\"incident\":\"i-1\",\"incident_url\":\"https://sonde.example/incidents/i-1\","
    "\"snapshot_url\":\"https://sonde.example/snapshots/s-1\","
    "\"remedy\":\"Restart <orders> & *look*\",\"suspect\":\"orders -> "
    "db\",\"group\":{\"http.route\":\"/buy\"},"
    "\"value\":12.5,\"threshold\":5,\"process_cpu\":0.42,\"host_cpu\":0.875,"
    "\"event_unix_nano\":1790000000123456789,\"fired_unix_nano\":1790000001000000000,"
    "\"more\":214,\"trace_ids\":[\"0af7651916cd43dd8448eb211c80319c\"],"
    "\"entries\":[\"POST /buy\",\"GET /cart\"],\"repeat\":false";
static const char people[] =
    ",\"people\":[{\"name\":\"Li\",\"mail\":\"li@example.com\",\"phone\":\"13800000000\","
    "\"wecom\":\"li\",\"dingtalk\":\"d1\",\"feishu\":\"ou_1\",\"slack\":\"U1\"}]";

static void check_json(const struct notice *n, bool with_people, const char *a, const char *b)
{
    struct buf out;
    buf_init(&out, NOTICE_JSON_BYTES_MAX);
    notice_to_json(n, with_people, &out);
    char expected[2048];
    (void)snprintf(expected, sizeof expected, "%s%s}", a, b);
    buf_add_byte(&out, 0);
    assert_string_equal(out.p, expected);
    buf_done(&out);
}

static void test_canonical_form(void **state)
{
    struct notice n;
    (void)state;
    sample_notice(&n);
    check_json(&n, true, whole, people);
    check_json(&n, false, whole, "");
}

static void test_what_is_written_is_read(void **state)
{
    struct notice n, back;
    struct arena a = {0};
    struct err_at at;
    (void)state;
    sample_notice(&n);
    struct buf out;
    buf_init(&out, NOTICE_JSON_BYTES_MAX);
    notice_to_json(&n, true, &out);
    assert_ok(notice_from_json(buf_str(&out), &a, &back, &at));
    buf_done(&out); // the texts are the arena's
    check_json(&back, true, whole, people);
    arena_done(&a);
}

static void test_what_is_too_long_is_cut_at_a_character(void **state)
{
    struct notice n, back;
    struct arena a = {0};
    struct err_at at;
    char text[3000];
    (void)state;
    for (size_t i = 0; i < sizeof text; i += 3) {
        memcpy(text + i, "\xe8\xad\xa6", 3);
    }
    hostile_notice(&n, (struct str){text, sizeof text});
    n.more = UINT64_MAX;
    n.value.value = NAN;
    n.threshold.value = INFINITY;
    struct buf out;
    buf_init(&out, NOTICE_JSON_BYTES_MAX);
    notice_to_json(&n, true, &out);
    assert_false(out.failed);
    assert_ok(notice_from_json(buf_str(&out), &a, &back, &at));
    assert_int_equal(back.rule.n, 1023); // 340 characters and "..."
    assert_true(str_ends(back.rule, STR("\xa6...")));
    assert_int_equal(back.remedy.n, 3000);
    assert_int_equal(back.people_count, NOTICE_PEOPLE_MAX);
    assert_int_equal(back.group_count, 1); // they had the same name
    assert_false(back.value.is_there || back.threshold.is_there);
    assert_int_equal(back.more, INT64_MAX);
    buf_done(&out);
    arena_done(&a);
}

static void test_the_worst_of_bytes_fit(void **state)
{
    struct notice n, back;
    struct arena a = {0};
    struct err_at at;
    char text[5000];
    (void)state;
    memset(text, 1, sizeof text); // six bytes each
    hostile_notice(&n, (struct str){text, sizeof text});
    struct buf out;
    buf_init(&out, NOTICE_JSON_BYTES_MAX);
    notice_to_json(&n, true, &out);
    assert_false(out.failed);
    assert_ok(notice_from_json(buf_str(&out), &a, &back, &at));
    buf_clear(&out);
    memset(text, 0xff, sizeof text); // no UTF-8
    notice_to_json(&n, true, &out);
    assert_false(out.failed);
    buf_done(&out);
    arena_done(&a);
}

static const struct {
    const char *json, *why;
    enum err e;
} bad[] = {
    {"", "A notice is no JSON: '[' or '{' expected near end of file.", ERR_INVALID},
    {"[]", "A notice is an object.", ERR_INVALID},
    {"{\"status\":\"firing\",\"level\":\"info\"}", "'rule' of a notice is missing.", ERR_INVALID},
    {"{\"status\":\"firing\",\"level\":\"info\",\"rule\":\"\"}", "'rule' of a notice is empty.",
     ERR_INVALID},
    {"{\"status\":\"burning\"}", "'status' of a notice is none that there is.", ERR_INVALID},
    {"{\"level\":3}", "'level' of a notice is none that there is.", ERR_INVALID},
    {"{\"x\":1}", "'x' of a notice is no key that there is.", ERR_INVALID},
    {"{\"value\":\"1\"}", "'value' of a notice is no number.", ERR_INVALID},
    {"{\"more\":-1}", "'more' of a notice is no whole number.", ERR_INVALID},
    {"{\"event_unix_nano\":1.5}", "'event_unix_nano' of a notice is no whole number.", ERR_INVALID},
    {"{\"group\":[]}", "'group' of a notice is no object.", ERR_INVALID},
    {"{\"group\":{\"a\":\"\",\"b\":\"\",\"c\":\"\",\"d\":\"\"}}",
     "'group' of a notice has too many fields.", ERR_LIMIT},
    {"{\"entries\":[\"\",\"\",\"\",\"\",\"\",\"\"]}", "'entries' of a notice has too many items.",
     ERR_LIMIT},
    {"{\"people\":[{\"pager\":\"\"}]}", "'pager' of a notice is no key of a person.", ERR_INVALID},
    {"{\"people\":[1]}", "'people' of a notice is no list of objects.", ERR_INVALID},
    {"{\"repeat\":0}", "'repeat' of a notice is neither true nor false.", ERR_INVALID},
    {"{\"rule\":\"a\",\"rule\":\"b\"}",
     "A notice is no JSON: duplicate object key near '\"rule\"'.", ERR_INVALID},
};

static void test_bad_input_says_what_is_wrong(void **state)
{
    struct arena a = {0};
    struct notice n;
    struct err_at at;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        memset(&n, 0x5a, sizeof n);
        struct notice before = n;
        assert_err(notice_from_json(str_of(bad[i].json), &a, &n, &at), bad[i].e);
        assert_string_equal(at.text, bad[i].why);
        assert_memory_equal(&n, &before, sizeof n);
    }
    assert_err(notice_from_json(STR("{\"rule\":\"\xff\"}"), &a, &n, &at), ERR_INVALID);
    assert_int_equal(at.offset, 9);
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_canonical_form),
        cmocka_unit_test(test_what_is_written_is_read),
        cmocka_unit_test(test_what_is_too_long_is_cut_at_a_character),
        cmocka_unit_test(test_the_worst_of_bytes_fit),
        cmocka_unit_test(test_bad_input_says_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
