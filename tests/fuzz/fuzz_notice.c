// SPDX-License-Identifier: Apache-2.0
// Purpose: fuzzing notices: any bytes; what is read is written the same again, and every type of
// channel makes a message of it that keeps its limit.
#include "core/must.h"
#include "notify/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SMS                                                                                        \
    "{\"name\":\"c\",\"type\":\"sms\",\"url\":\"http://x/{rule}\",\"to\":[\"100\"],"               \
    "\"body\":\"{text}{phone}\"}"
static const char *const channels[CHANNEL_TYPE_COUNT] = {
    "{\"name\":\"c\",\"type\":\"wecom\",\"url\":\"http://x\"}",
    "{\"name\":\"c\",\"type\":\"dingtalk\",\"url\":\"http://x\",\"secret\":\"s\"}",
    "{\"name\":\"c\",\"type\":\"feishu\",\"url\":\"http://x\",\"secret\":\"s\"}",
    "{\"name\":\"c\",\"type\":\"slack\",\"url\":\"http://x\"}",
    "{\"name\":\"c\",\"type\":\"webhook\",\"url\":\"http://x\",\"secret\":\"s\"}",
    "{\"name\":\"c\",\"type\":\"mail\",\"url\":\"smtp://x\",\"from\":\"a@b\",\"to\":[\"c@d\"]}",
    SMS,
    "{\"name\":\"c\",\"type\":\"alertmanager\",\"url\":\"http://x\"}",
};

static void check_message(const struct notice *n, enum channel_type type)
{
    struct channel c;
    struct err_at at;
    struct arena a = {0};
    struct message m = {.arena = &a};
    channel_init(&c);
    enum err e = channel_from_json(&c, str_of(channels[type]), &at);
    MUST(e == ERR_OK);
    const struct occasion o = {&c, n, STR("key"), 0, 1790000000000000000, STR("5e1f")};
    buf_init(&m.body, MESSAGE_BODY_BYTES_MAX);
    e = message_make(&o, &m, &at);
    MUST(e == ERR_OK && m.body.n <= channel_ops_of(type)->body_bytes_max);
    buf_done(&m.body);
    arena_done(&a);
    channel_done(&c);
}

static void check_again(const struct notice *n, struct arena *a)
{
    static struct notice back;
    struct buf once, twice;
    struct err_at at;
    buf_init(&once, NOTICE_JSON_BYTES_MAX);
    buf_init(&twice, NOTICE_JSON_BYTES_MAX);
    notice_to_json(n, true, &once);
    MUST(!once.failed);
    enum err e = notice_from_json(buf_str(&once), a, &back, &at);
    MUST(e == ERR_OK);
    notice_to_json(&back, true, &twice);
    MUST(str_eq(buf_str(&once), buf_str(&twice)));
    buf_done(&once);
    buf_done(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct notice n;
    struct arena a = {0};
    struct err_at at;
    if (notice_from_json((struct str){(const char *)data, size}, &a, &n, &at) == ERR_OK) {
        check_again(&n, &a);
        for (unsigned type = 0; type < CHANNEL_TYPE_COUNT; type++) {
            check_message(&n, (enum channel_type)type);
        }
    }
    arena_done(&a);
    return 0;
}
