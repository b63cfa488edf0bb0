// SPDX-License-Identifier: Apache-2.0
// Purpose: the keys of channels, what is wrong with them and where, secrets apart.
#include "notify/channel.h"

#include "test.h"

#define MAIL                                                                                       \
    "{\"name\":\"m\",\"type\":\"mail\",\"url\":\"smtp://"                                          \
    "mail.example:25\",\"from\":\"a@b.example\""

static const struct {
    const char *json;
    enum err e;
    enum channel_key key; // of channel_check(); KEY_COUNT: it is set that fails
    const char *why;      // NULL: it is good
} cases[] = {
    {"{\"name\":\"w\",\"type\":\"webhook\",\"url\":\"http://[::1]:80/a?b\"}", ERR_OK, 0, NULL},
    {MAIL ",\"to\":[\"x@y.example\",\"z@y.example\"],\"tls\":\"none\"}", ERR_OK, 0, NULL},
    {"{\"name\":\"s\",\"type\":\"sms\",\"url\":\"https://s/?{phone}\",\"body\":\"{\\\"a\\\":1}\"}",
     ERR_OK, 0, NULL},
    {"{\"url\":\"http://x\"}", ERR_INVALID, KEY_TYPE, "A channel needs a type."},
    {"{\"type\":\"slack\",\"url\":\"https://x\"}", ERR_INVALID, KEY_TYPE,
     "A channel of type slack needs 'name'."},
    {"{\"name\":\"a\",\"type\":\"slack\"}", ERR_INVALID, KEY_TYPE,
     "A channel of type slack needs 'url'."},
    {"{\"name\":\"a\",\"type\":\"slack\",\"url\":\"https://x\",\"secret\":\"s\"}", ERR_INVALID,
     KEY_SECRET, "A channel of type slack has no 'secret'."},
    {"{\"name\":\"a\",\"type\":\"slack\",\"url\":\"ftp://x\"}", ERR_INVALID, KEY_URL,
     "The url of a channel of type slack begins with https:// or http://."},
    {"{\"name\":\"a\",\"type\":\"slack\",\"url\":\"http://\"}", ERR_INVALID, KEY_URL,
     "The url has no host."},
    {"{\"name\":\"a\",\"type\":\"slack\",\"url\":\"http://u:p@x/\"}", ERR_INVALID, KEY_URL,
     "The host of a url holds no user, password or blank."},
    {"{\"name\":\"a\",\"type\":\"sms\",\"url\":\"http://{service}/\"}", ERR_INVALID, KEY_URL,
     "The host of a url holds no user, password or blank."},
    {"{\"name\":\"a\",\"type\":\"slack\",\"url\":\"http://x/a b\"}", ERR_INVALID, KEY_URL,
     "The url has a blank."},
    {"{\"name\":\"a\",\"type\":\"slack\",\"url\":\"http://[::1\"}", ERR_INVALID, KEY_URL,
     "The url is none: Bad IPv6 address."},
    {"{\"name\":\"a\",\"type\":\"slack\",\"url\":\"http://x:99999/\"}", ERR_INVALID, KEY_URL,
     "The url is none: Port number was not a decimal number between 0 and 65535."},
    {"{\"name\":\"..\"}", ERR_INVALID, KEY_COUNT, "A name is not '..'."},
    {"{\"name\":\"a\",\"type\":\"mail\",\"from\":\"a@b\",\"url\":\"http://x\"}", ERR_INVALID,
     KEY_URL, "The url of a channel of type mail begins with smtps:// or smtp://."},
    {"{\"name\":\"a\",\"type\":\"mail\",\"from\":\"a@b\",\"url\":\"smtp://x/y\"}", ERR_INVALID,
     KEY_URL, "The url of a mail server ends with its port."},
    {MAIL ",\"user\":\"u\"}", ERR_INVALID, KEY_USER, "'user' and 'password' go together."},
    {MAIL ",\"user\":\"u\",\"password\":\"p\",\"tls\":\"none\"}", ERR_INVALID, KEY_TLS,
     "A password is not sent without TLS."},
    {MAIL ",\"to\":[\"x@y.example\",\"no\"]}", ERR_INVALID, KEY_TO, "'to' is no mail address: no."},
    {"{\"name\":\"a\",\"type\":\"mail\",\"from\":\"a@b\",\"url\":\"smtps://x\",\"tls\":\"none\"}",
     ERR_INVALID, KEY_TLS, "'tls' is for smtp:// alone: smtps:// is TLS."},
    {"{\"name\":\"a\",\"type\":\"alertmanager\",\"url\":\"http://x\",\"token\":\"t\","
     "\"user\":\"u\",\"password\":\"p\"}",
     ERR_INVALID, KEY_TOKEN, "'token' and 'user' exclude one another."},
    {"{\"name\":\"a\",\"type\":\"sms\",\"url\":\"http://x/{phon}\"}", ERR_INVALID, KEY_URL,
     "There is nothing that {phon} stands for."},
    {"{\"name\":\"a\",\"type\":\"sms\",\"url\":\"http://x\",\"body\":\"{secret}\"}", ERR_INVALID,
     KEY_BODY, "{secret} needs 'secret'."},
    {"{\"name\":\"a\",\"type\":\"sms\",\"url\":\"http://x\",\"body\":\"b\",\"method\":\"GET\"}",
     ERR_INVALID, KEY_BODY, "A GET has no body."},
    {"{\"name\":\"a b\"}", ERR_INVALID, KEY_COUNT,
     "A name is of letters, digits, '.', '_' and '-'."},
    {"{\"name\":\"\"}", ERR_INVALID, KEY_COUNT, "'name' is empty."},
    {"{\"name\":[\"a\",\"b\"]}", ERR_INVALID, KEY_COUNT, "'name' is one text."},
    {"{\"type\":\"pager\"}", ERR_INVALID, KEY_COUNT,
     "'type' is one of: wecom, dingtalk, feishu, slack, webhook, mail, sms, alertmanager."},
    {"{\"language\":\"fr\"}", ERR_INVALID, KEY_COUNT, "'language' is one of: en, zh-CN."},
    {"{\"colour\":\"red\"}", ERR_INVALID, KEY_COUNT, "There is no key 'colour'."},
    {"{\"token\":\"a\\r\\nX: y\"}", ERR_INVALID, KEY_COUNT, "'token' has a control character."},
    {"{\"from\":\"a@b, c@d\"}", ERR_INVALID, KEY_COUNT, "'from' is no mail address: a@b, c@d."},
    {"{\"url\":7}", ERR_INVALID, KEY_COUNT, "'url' is no text."},
    {"[]", ERR_INVALID, KEY_COUNT, "A channel is an object of JSON."},
};

static void test_keys_and_what_is_wrong_with_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct channel c;
        struct err_at at = {0};
        enum channel_key key = KEY_COUNT;
        channel_init(&c);
        enum err e = channel_from_json(&c, str_of(cases[i].json), &at);
        e = e == ERR_OK ? channel_check(&c, &key, &at) : e;
        assert_err(e, cases[i].e);
        assert_string_equal(at.text, cases[i].why != NULL ? cases[i].why : "");
        if (cases[i].why != NULL) {
            assert_int_equal(key, cases[i].key);
        }
        channel_done(&c);
    }
}

static void test_places(void **state)
{
    struct channel c;
    struct err_at at;
    const struct str name = STR("ab/c"), address = STR("http://x\x01"), twice = STR("a");
    struct str many[CHANNEL_LIST_MAX + 1];
    static char body[CHANNEL_TEXT_BYTES_MAX + 1];
    (void)state;
    channel_init(&c);
    assert_err(channel_set(&c, STR("name"), &name, 1, &at), ERR_INVALID);
    assert_int_equal(at.offset, 2);
    assert_err(channel_set(&c, STR("url"), &address, 1, &at), ERR_INVALID);
    assert_int_equal(at.offset, 8);
    assert_ok(channel_set(&c, STR("name"), &twice, 1, &at));
    assert_err(channel_set(&c, STR("name"), &twice, 1, &at), ERR_EXISTS);
    for (size_t i = 0; i <= CHANNEL_LIST_MAX; i++) {
        many[i] = twice;
    }
    assert_err(channel_set(&c, STR("to"), many, CHANNEL_LIST_MAX + 1, &at), ERR_LIMIT);
    assert_ok(channel_set(&c, STR("to"), many, CHANNEL_LIST_MAX, &at));
    memset(body, 'x', sizeof body);
    const struct str long_one = {body, sizeof body};
    assert_err(channel_set(&c, STR("body"), &long_one, 1, &at), ERR_LIMIT);
    const struct str fits = {body, sizeof body - 1};
    assert_ok(channel_set(&c, STR("body"), &fits, 1, &at));
    channel_done(&c);
}

static void test_secrets_apart(void **state)
{
    struct channel c, back;
    struct err_at at;
    struct buf out;
    static const char json[] =
        "{\"name\":\"d\",\"type\":\"dingtalk\",\"language\":\"zh-CN\",\"url\":\"https://x/?key\","
        "\"secret\":\"SEC\"}";
    (void)state;
    channel_init(&c);
    channel_init(&back);
    buf_init(&out, 1000);
    assert_ok(channel_from_json(&c, str_of(json), &at));
    channel_to_json(&c, false, &out);
    assert_str(buf_str(&out), "{\"type\":\"dingtalk\",\"language\":\"zh-CN\"}");
    assert_ok(channel_from_json(&back, buf_str(&out), &at));
    buf_clear(&out);
    channel_to_json(&c, true, &out);
    assert_str(buf_str(&out), "{\"url\":\"https://x/?key\",\"secret\":\"SEC\"}");
    assert_ok(channel_from_json(&back, buf_str(&out), &at));
    assert_int_equal(back.type, CHANNEL_DINGTALK);
    assert_int_equal(back.language, LANGUAGE_ZH);
    assert_str(channel_text(&back, KEY_SECRET), "SEC");
    assert_str(channel_text(&back, KEY_NAME), "");
    buf_done(&out);
    channel_done(&c);
    channel_done(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_and_what_is_wrong_with_them),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_secrets_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
