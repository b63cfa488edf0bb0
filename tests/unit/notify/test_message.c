// SPDX-License-Identifier: Apache-2.0
// Purpose: every type of channel, in both languages, byte for byte; then what no notice may do to
// any of them.
#include "notify/message.h"

#include <jansson.h>
#include <stdlib.h>
#include <time.h>

#include "expected_messages.h"
#include "support/sample_notice.h"
#include "test.h"

#define NOW ((uint64_t)1790000002500000000)

#define WECOM "\"type\":\"wecom\",\"url\":\"https://qyapi.example/send?key=k\""
#define DINGTALK                                                                                   \
    "\"type\":\"dingtalk\",\"url\":\"https://oapi.example/send?t=1\",\"secret\":\"SECx\""
#define FEISHU "\"type\":\"feishu\",\"url\":\"https://open.example/hook/1\",\"secret\":\"fs\""
#define SLACK  "\"type\":\"slack\",\"url\":\"https://hooks.example/1\""
#define WEBHOOK                                                                                    \
    "\"type\":\"webhook\",\"url\":\"https://w.example/\",\"secret\":\"s\",\"token\":\"t\""
#define MAIL                                                                                       \
    "\"type\":\"mail\",\"url\":\"smtp://m.example\",\"from\":\"sonde@m.example\","                 \
    "\"to\":[\"ops@m.example\"],\"user\":\"u\",\"password\":\"p\""
#define SMS                                                                                        \
    "\"type\":\"sms\",\"url\":\"https://sms.example/?to={phone}\",\"to\":[\"+100\"],"              \
    "\"body\":\"{\\\"text\\\":\\\"{text}\\\",\\\"level\\\":\\\"{level}\\\"}\""
#define ALERTMANAGER "\"type\":\"alertmanager\",\"url\":\"http://am.example/\",\"token\":\"t\""
static const char *const channels[CHANNEL_TYPE_COUNT] = {WECOM,   DINGTALK, FEISHU, SLACK,
                                                         WEBHOOK, MAIL,     SMS,    ALERTMANAGER};

struct made {
    struct channel channel;
    struct arena arena;
    struct message message;
    enum err e;
    struct err_at at;
};

static void make(struct made *m, const char *channel, enum language l, const struct notice *n,
                 size_t step)
{
    struct buf json;
    *m = (struct made){0};
    buf_init(&json, 10000);
    buf_printf(&json, "{\"name\":\"ch\",\"language\":\"%s\",%s}", language_name(l), channel);
    channel_init(&m->channel);
    assert_ok(channel_from_json(&m->channel, buf_str(&json), &m->at));
    buf_done(&json);
    enum channel_key key;
    assert_ok(channel_check(&m->channel, &key, &m->at));
    m->message.arena = &m->arena;
    buf_init(&m->message.body, MESSAGE_BODY_BYTES_MAX);
    const struct occasion o = {&m->channel, n, STR("key-1"), step, NOW, STR("5e1f")};
    m->e = message_make(&o, &m->message, &m->at);
}

static void unmake(struct made *m)
{
    buf_done(&m->message.body);
    arena_done(&m->arena);
    channel_done(&m->channel);
}

// The request as a text.
static void describe(const struct made *m, struct buf *out)
{
    const struct message *x = &m->message;
    buf_printf(out, "%.*s %.*s\n", STR_FMT(x->method), STR_FMT(x->url));
    for (size_t i = 0; i < x->header_count; i++) {
        buf_printf(out, "%.*s\n", STR_FMT(x->headers[i]));
    }
    if (x->user.n > 0) {
        buf_printf(out, "user %.*s password %.*s\n", STR_FMT(x->user), STR_FMT(x->password));
    }
    for (size_t i = 0; i < x->to_count; i++) {
        buf_printf(out, "from %.*s to %.*s\n", STR_FMT(x->from), STR_FMT(x->to[i]));
    }
    buf_add_str(out, STR("\n"));
    buf_add_str(out, buf_str(&x->body));
}

static void check_messages(enum notice_status status, enum language l,
                           const char *const expected[CHANNEL_TYPE_COUNT])
{
    struct notice n;
    sample_notice(&n);
    n.status = status;
    n.repeat = status == NOTICE_RESOLVED;
    for (size_t i = 0; i < CHANNEL_TYPE_COUNT; i++) {
        struct made m;
        struct buf out;
        make(&m, channels[i], l, &n, 0);
        assert_ok(m.e);
        buf_init(&out, 100000);
        describe(&m, &out);
        buf_add_byte(&out, 0);
        assert_string_equal(out.p, expected[i]);
        buf_done(&out);
        unmake(&m);
    }
}

static void test_every_type_in_english(void **state)
{
    (void)state;
    check_messages(NOTICE_FIRING, LANGUAGE_EN, expected_en);
}

static void test_every_type_in_chinese(void **state)
{
    (void)state;
    check_messages(NOTICE_RESOLVED, LANGUAGE_ZH, expected_zh);
}

// ---- What no notice may do ----------------------------------------------------------------------

static const char *const hostile[] = {
    "<@all>[x](http://evil.example)![y](http://z)**b** `c`\n# d\r\n> e",
    "\"}],\"text\":\"x\",\"a\":[{\"b\":\"",
    "</td><script>alert(1)</script><!-- \" ' & -->",
    "x\r\nBcc: evil@example.com\r\n\r\n.\r\nRCPT TO:<evil@example.com>",
    "{secret} {phone} %s%n \x01\x02\x7f",
    "\xff\xfe\xc0\x80",
    ("safe\xe2\x80\xaetxt.\xe2\x81\xa6"
     "exe\xe2\x81\xa9 \xe2\x80\xe2\x80\xaa\xae \xe2\xe2\x80\xac\x80\xad"),
    "",
    "\xe8\xad\xa6\xe5\x91\x8a",
};

// Only what is marked as mrkdwn can mention anybody.
static void check_slack(const json_t *blocks)
{
    size_t i, k;
    json_t *block, *field;
    assert_true(json_array_size(blocks) <= 50);
    json_array_foreach(blocks, i, block)
    {
        json_t *fields = json_object_get(block, "fields");
        assert_true(json_array_size(fields) <= 10);
        json_array_foreach(fields, k, field)
        {
            const char *text = json_string_value(json_object_get(field, "text"));
            assert_true(strlen(text) <= 2000);
            assert_null(strstr(text, "<"));
        }
    }
}

// None of the characters that turn the order of text, as they are or as JSON escapes them.
static void check_order(struct str body)
{
    for (size_t i = 0; i < 9; i++) {
        char raw[4] = {(char)0xe2, (char)(i < 5 ? 0x80 : 0x81), (char)(i < 5 ? 0xaa + i : 0xa1 + i),
                       0};
        char escaped[8];
        (void)snprintf(escaped, sizeof escaped, "\\u%04x",
                       (unsigned)(i < 5 ? 0x202a + i : 0x2061 + i));
        assert_null(memmem(body.p, body.n, raw, 3));
        assert_null(memmem(body.p, body.n, escaped, 6));
    }
}

static void check_limits(const struct made *m, enum channel_type type)
{
    const struct message *x = &m->message;
    check_order(x->body.n > 0 ? buf_str(&x->body) : STR(""));
    check_order(x->url);
    assert_true(m->e == ERR_OK || (m->e == ERR_NOT_FOUND && type == CHANNEL_SMS));
    assert_true(x->body.n <= channel_ops_of(type)->body_bytes_max);
    for (size_t i = 0; i < x->header_count; i++) {
        assert_null(memchr(x->headers[i].p, '\n', x->headers[i].n));
    }
    if (m->e != ERR_OK || type == CHANNEL_MAIL || type == CHANNEL_SMS) {
        return;
    }
    json_t *root = json_loadb(x->body.p, x->body.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    assert_non_null(root);
    if (type == CHANNEL_WECOM) {
        const char *content =
            json_string_value(json_object_get(json_object_get(root, "markdown"), "content"));
        assert_true(strlen(content) <= 4096);
        assert_null(strstr(content, "<@all>"));
        assert_null(strstr(content, "](http://evil"));
        assert_null(strstr(content, "\n#"));
    }
    if (type == CHANNEL_SLACK) {
        assert_int_equal(json_object_size(root), 2);
        check_slack(json_object_get(root, "blocks"));
    }
    json_decref(root);
}

static void test_no_text_gets_out_of_its_place_or_over_a_limit(void **state)
{
    struct notice n;
    static char text[6000];
    (void)state;
    for (size_t h = 0; h < sizeof hostile / sizeof *hostile; h++) {
        for (size_t times = 1; times <= 101; times += 100) {
            size_t one = strlen(hostile[h]), length = 0;
            while (length + one <= sizeof text && length < one * times) {
                memcpy(text + length, hostile[h], one);
                length += one;
            }
            hostile_notice(&n, (struct str){text, length});
            for (unsigned type = 0; type < CHANNEL_TYPE_COUNT; type++) {
                struct made m;
                make(&m, channels[type], (enum language)(h % 2), &n, 0);
                check_limits(&m, (enum channel_type)type);
                unmake(&m);
            }
        }
    }
}

static void test_mail_of_a_hostile_notice_has_only_its_own_headers(void **state)
{
    struct notice n;
    struct made m;
    (void)state;
    hostile_notice(&n, str_of(hostile[3]));
    make(&m, MAIL, LANGUAGE_EN, &n, 0);
    assert_ok(m.e);
    assert_int_equal(m.message.to_count, 1); // what is no address is nobody's
    buf_add_byte(&m.message.body, 0);
    assert_null(strstr(m.message.body.p, "Bcc:"));
    assert_null(strstr(m.message.body.p, "evil"));
    const char *line = m.message.body.p;
    for (const char *end; (end = strstr(line, "\r\n")) != NULL; line = end + 2) {
        assert_true(end - line <= 78 && memchr(line, '\n', (size_t)(end - line)) == NULL);
    }
    unmake(&m);
}

static void test_many_people_fit(void **state)
{
    static char ids[NOTICE_PEOPLE_MAX][NOTICE_ID_BYTES_MAX];
    struct notice n;
    (void)state;
    hostile_notice(&n, STR("x"));
    for (size_t i = 0; i < NOTICE_PEOPLE_MAX; i++) {
        memset(ids[i], 'a' + (int)(i % 26), sizeof ids[i]);
        struct str id = {ids[i], sizeof ids[i]};
        n.people[i] = (struct notice_person){id, id, id, id, id, id, id};
    }
    for (unsigned type = 0; type < CHANNEL_TYPE_COUNT; type++) {
        struct made m;
        make(&m, channels[type], LANGUAGE_EN, &n, 0);
        check_limits(&m, (enum channel_type)type);
        unmake(&m);
    }
}

static void test_steps_of_sms(void **state)
{
    struct notice n;
    struct made m;
    (void)state;
    sample_notice(&n);
    make(&m, SMS, LANGUAGE_EN, &n, 1);
    assert_ok(m.e);
    assert_str(m.message.url, "https://sms.example/?to=13800000000");
    assert_int_equal(message_steps(&m.channel, &n), 2);
    unmake(&m);
    n.people_count = 0;
    make(&m, "\"type\":\"sms\",\"url\":\"https://s.example/?to={phones}\"", LANGUAGE_EN, &n, 0);
    assert_err(m.e, ERR_NOT_FOUND);
    assert_string_equal(m.at.text, "Nobody to send to has a phone number.");
    unmake(&m);
    make(&m,
         "\"type\":\"sms\",\"url\":\"https://s.example/{rule}\",\"method\":\"GET\","
         "\"to\":[\"1\"]",
         LANGUAGE_EN, &n, 0);
    assert_ok(m.e);
    assert_str(m.message.url, "https://s.example/slow%20orders");
    assert_int_equal(m.message.header_count, 0);
    unmake(&m);
}

static void test_mail_to_nobody(void **state)
{
    struct notice n;
    struct made m;
    (void)state;
    sample_notice(&n);
    n.people_count = 0;
    make(&m, "\"type\":\"mail\",\"url\":\"smtp://m.example\",\"from\":\"a@m.example\"", LANGUAGE_EN,
         &n, 0);
    assert_err(m.e, ERR_NOT_FOUND);
    unmake(&m);
}

static void test_judging_answers(void **state)
{
    static const struct {
        const char *body;
        enum verdict v;
    } answers[] = {{"{\"errcode\":0,\"errmsg\":\"ok\"}", VERDICT_TAKEN},
                   {"{\"errcode\":45009}", VERDICT_SLOWER},
                   {"{\"errcode\":-1}", VERDICT_AGAIN},
                   {"{\"errcode\":93000}", VERDICT_REFUSED},
                   {"{\"errcode\":\"0\"}", VERDICT_AGAIN},
                   {"<html>", VERDICT_AGAIN},
                   {"", VERDICT_AGAIN}};
    struct str why;
    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        assert_int_equal(wecom_ops.judge(str_of(answers[i].body), &why), answers[i].v);
    }
    assert_str(why, "an empty answer");
    assert_int_equal(dingtalk_ops.judge(STR("{\"errcode\":130101}"), &why), VERDICT_SLOWER);
    assert_int_equal(feishu_ops.judge(STR("{\"code\":0}"), &why), VERDICT_TAKEN);
    assert_int_equal(feishu_ops.judge(STR("{\"code\":11232}"), &why), VERDICT_SLOWER);
    assert_int_equal(feishu_ops.judge(STR("{\"code\":19021,\"msg\":\"sign\"}"), &why),
                     VERDICT_REFUSED);
    assert_str(why, "{\"code\":19021,\"msg\":\"sign\"}");
}

static void test_lost_secrets_are_told(void **state)
{
    struct notice n;
    struct made m;
    (void)state;
    sample_notice(&n);
    make(&m, WEBHOOK, LANGUAGE_EN, &n, 0);
    m.channel.needs_secrets = true;
    buf_clear(&m.message.body);
    const struct occasion o = {&m.channel, &n, STR("k"), 0, NOW, STR("5e1f")};
    assert_err(message_make(&o, &m.message, &m.at), ERR_DENIED);
    unmake(&m);
}

int main(void)
{
    (void)setenv("TZ", "CST-8", 1);
    tzset();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_type_in_english),
        cmocka_unit_test(test_every_type_in_chinese),
        cmocka_unit_test(test_no_text_gets_out_of_its_place_or_over_a_limit),
        cmocka_unit_test(test_mail_of_a_hostile_notice_has_only_its_own_headers),
        cmocka_unit_test(test_many_people_fit),
        cmocka_unit_test(test_steps_of_sms),
        cmocka_unit_test(test_mail_to_nobody),
        cmocka_unit_test(test_judging_answers),
        cmocka_unit_test(test_lost_secrets_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
