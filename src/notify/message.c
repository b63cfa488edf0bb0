// SPDX-License-Identifier: Apache-2.0
// Purpose: messages: the types of channels, and what they share.
#include "notify/message.h"

#include <jansson.h>

#include "core/must.h"

static const struct channel_ops *const types[CHANNEL_TYPE_COUNT] = {
    [CHANNEL_WECOM] = &wecom_ops,     [CHANNEL_DINGTALK] = &dingtalk_ops,
    [CHANNEL_FEISHU] = &feishu_ops,   [CHANNEL_SLACK] = &slack_ops,
    [CHANNEL_WEBHOOK] = &webhook_ops, [CHANNEL_MAIL] = &mail_ops,
    [CHANNEL_SMS] = &sms_ops,         [CHANNEL_ALERTMANAGER] = &alertmanager_ops,
};

const struct channel_ops *channel_ops_of(enum channel_type t)
{
    MUST(t < CHANNEL_TYPE_COUNT && types[t] != NULL);
    return types[t];
}

size_t message_steps(const struct channel *c, const struct notice *n)
{
    const struct channel_ops *ops = channel_ops_of(c->type);
    size_t steps = ops->steps != NULL ? ops->steps(c, n) : 1;
    ASSERT(steps <= MESSAGE_RECEIVERS_MAX);
    return steps > 0 ? steps : 1; // rendering says what is wrong
}

void message_add_header(struct message *m, struct str line)
{
    MUST(m->header_count < MESSAGE_HEADERS_MAX);
    ASSERT(memchr(line.p, '\n', line.n) == NULL && line.p[line.n] == 0);
    m->headers[m->header_count++] = line;
}

enum err message_make(const struct occasion *o, struct message *m, struct err_at *ret_at)
{
    const struct channel_ops *ops = channel_ops_of(o->channel->type);
    ASSERT(m->arena != NULL && m->body.n == 0);
    if (o->channel->needs_secrets) {
        return err_at_set(ret_at, ERR_DENIED, 0,
                          "The key that sealed the channel's secrets is lost: give them anew.");
    }
    struct occasion cleaned = *o;
    struct notice *n = arena_new(m->arena, 1, sizeof *n);
    *n = *o->notice;
    notice_clean(n, m->arena);
    cleaned.notice = n;
    m->method = STR("POST");
    m->body.max = ops->body_bytes_max;
    enum err e = ops->render(&cleaned, m, ret_at);
    if (e != ERR_OK) {
        return e;
    }
    if (m->body.failed) {
        return m->body.denied ? ERR_MEMORY
                              : err_at_set(ret_at, ERR_LIMIT, 0, "The message is too large.");
    }
    return ERR_OK;
}

enum verdict message_judge_code(struct str body, struct str code_key, const int64_t *slower,
                                struct str *ret_why)
{
    json_t *root = json_loadb(body.n > 0 ? body.p : "", body.n, 0, NULL);
    const json_t *code = json_object_get(root, code_key.p);
    int64_t value = json_integer_value(code);
    enum verdict v = VERDICT_REFUSED;
    ASSERT(code_key.p[code_key.n] == 0);
    if (!json_is_integer(code)) {
        v = VERDICT_AGAIN;
    } else if (value == 0) {
        v = VERDICT_TAKEN;
    } else if (value == -1) {
        v = VERDICT_AGAIN;
    }
    for (size_t i = 0; slower[i] != 0 && v == VERDICT_REFUSED; i++) {
        v = slower[i] == value ? VERDICT_SLOWER : v;
    }
    *ret_why = v == VERDICT_TAKEN ? STR("") : body.n > 0 ? body : STR("an empty answer");
    json_decref(root);
    return v;
}
