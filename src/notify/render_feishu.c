// SPDX-License-Identifier: Apache-2.0
// Purpose: messages to a robot of a Feishu (飞书, Lark) group: a card.
//
// open.feishu.cn/document/client-docs/bot-v3/add-custom-bot: a robot sends 100 messages a minute
// and 5 a second at most; a body has 20 KB at most. With a secret, `timestamp` (seconds) and `sign`
// = base64(HMAC-SHA256(timestamp + "\n" + secret, "")) stand in the body: what is signed is the
// key. An answer has status 200 and says in `code` how it went; 11232 and 9499 are too many. Texts
// of the tag plain_text mean nothing but themselves.
#include "core/clock.h"
#include "core/must.h"
#include "notify/card.h"
#include "notify/message.h"
#include "notify/sign.h"
#include "wire/json_writer.h"

#define BODY_BYTES_MAX     ((size_t)20000)
#define LINES_BYTES_MAX    ((size_t)12000) // as they stand in the body, with their frames
#define LINE_FRAME_BYTES   ((size_t)96)
#define MENTIONS_BYTES_MAX ((size_t)3000)
#define PER_MINUTE_MAX     100
#define CODE_TOO_MANY      11232
#define CODE_TOO_MANY_OLD  9499

static void put_text(struct json_writer *w, const char *tag, struct str content)
{
    ASSERT(tag != NULL);
    json_put_object(w);
    json_put_key(w, "tag");
    json_put_str(w, str_of(tag));
    json_put_key(w, "content");
    json_put_str(w, content);
    json_put_object_end(w);
}

static void put_header(struct json_writer *w, const struct card *c)
{
    static const char *const colours[NOTICE_LEVEL_COUNT] = {[NOTICE_INFO] = "blue",
                                                            [NOTICE_WARNING] = "yellow",
                                                            [NOTICE_ERROR] = "orange",
                                                            [NOTICE_CRITICAL] = "red"};
    ASSERT(c->level < NOTICE_LEVEL_COUNT);
    json_put_key(w, "header");
    json_put_object(w);
    json_put_key(w, "title");
    put_text(w, "plain_text", c->title);
    json_put_key(w, "template");
    json_put_str(w, str_of(c->status == NOTICE_RESOLVED ? "green" : colours[c->level]));
    json_put_object_end(w);
}

static void put_lines(struct json_writer *w, const struct card *c, struct arena *a)
{
    size_t from = w->out->n;
    ASSERT(c->line_count <= CARD_LINES_MAX);
    json_put_object(w);
    json_put_key(w, "tag");
    json_put_str(w, STR("div"));
    json_put_key(w, "fields");
    json_put_array(w);
    for (size_t i = 0; i < c->line_count; i++) {
        const struct card_line *l = &c->lines[i];
        // Quotes and backslashes take two bytes each.
        if (w->out->n - from + LINE_FRAME_BYTES + 2 * (l->label.n + l->value.n) > LINES_BYTES_MAX) {
            break;
        }
        json_put_object(w);
        json_put_key(w, "is_short");
        json_put_bool(w, l->value.n <= 48);
        json_put_key(w, "text");
        put_text(w, "plain_text",
                 arena_printf(a, "%.*s\n%.*s", STR_FMT(l->label), STR_FMT(l->value)));
        json_put_object_end(w);
    }
    json_put_array_end(w);
    json_put_object_end(w);
}

static void put_mentions(struct json_writer *w, const struct notice *n)
{
    struct buf b;
    ASSERT(n->people_count <= NOTICE_PEOPLE_MAX);
    buf_init(&b, MENTIONS_BYTES_MAX);
    for (size_t i = 0; i < n->people_count; i++) {
        struct str id = n->people[i].feishu;
        if (card_is_id(id) && b.n + id.n + 14 <= MENTIONS_BYTES_MAX) {
            buf_printf(&b, "<at id=%.*s></at>", STR_FMT(id));
        }
    }
    if (b.n > 0) {
        json_put_object(w);
        json_put_key(w, "tag");
        json_put_str(w, STR("div"));
        json_put_key(w, "text");
        put_text(w, "lark_md", buf_str(&b));
        json_put_object_end(w);
    }
    buf_done(&b);
}

static void put_links(struct json_writer *w, const struct card *c)
{
    ASSERT(c->link_count <= CARD_LINKS_MAX);
    if (c->link_count == 0) {
        return;
    }
    json_put_object(w);
    json_put_key(w, "tag");
    json_put_str(w, STR("action"));
    json_put_key(w, "actions");
    json_put_array(w);
    for (size_t i = 0; i < c->link_count; i++) {
        json_put_object(w);
        json_put_key(w, "tag");
        json_put_str(w, STR("button"));
        json_put_key(w, "text");
        put_text(w, "plain_text", c->links[i].label);
        json_put_key(w, "type");
        json_put_str(w, str_of(i == 0 ? "primary" : "default"));
        json_put_key(w, "url");
        json_put_str(w, c->links[i].value);
        json_put_object_end(w);
    }
    json_put_array_end(w);
    json_put_object_end(w);
}

static void put_signature(struct json_writer *w, const struct occasion *o, struct arena *a)
{
    struct str secret = channel_text(o->channel, KEY_SECRET);
    unsigned long long s = o->now_unix_nano / NS_PER_S;
    ASSERT(a != NULL);
    if (secret.n == 0) {
        return;
    }
    struct str key = arena_printf(a, "%llu\n%.*s", s, STR_FMT(secret));
    json_put_key(w, "timestamp");
    json_put_str(w, arena_printf(a, "%llu", s));
    json_put_key(w, "sign");
    json_put_str(w, sign_base64(a, key, STR("")));
}

static enum err render(const struct occasion *o, struct message *m, struct err_at *ret_at)
{
    struct card c;
    struct json_writer w;
    ASSERT(o->channel->type == CHANNEL_FEISHU);
    (void)ret_at;
    card_make(o->notice, o->channel->language, m->arena, &c);
    m->url = channel_text(o->channel, KEY_URL);
    message_add_header(m, STR("Content-Type: application/json"));
    json_writer_init(&w, &m->body);
    json_put_object(&w);
    put_signature(&w, o, m->arena);
    json_put_key(&w, "msg_type");
    json_put_str(&w, STR("interactive"));
    json_put_key(&w, "card");
    json_put_object(&w);
    put_header(&w, &c);
    json_put_key(&w, "elements");
    json_put_array(&w);
    put_lines(&w, &c, m->arena);
    put_links(&w, &c);
    put_mentions(&w, o->notice);
    json_put_array_end(&w);
    json_put_object_end(&w);
    json_put_object_end(&w);
    return ERR_OK;
}

static enum verdict judge(struct str body, struct str *ret_why)
{
    static const int64_t slower[] = {CODE_TOO_MANY, CODE_TOO_MANY_OLD, 0};
    ASSERT(ret_why != NULL);
    return message_judge_code(body, STR("code"), slower, ret_why);
}

const struct channel_ops feishu_ops = {.body_bytes_max = BODY_BYTES_MAX,
                                       .per_minute_max = PER_MINUTE_MAX,
                                       .render = render,
                                       .judge = judge};
