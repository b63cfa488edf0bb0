// SPDX-License-Identifier: Apache-2.0
// Purpose: messages to a robot of a WeCom (企业微信) group: markdown.
//
// developer.work.weixin.qq.com/document/path/91770: `content` has 4096 bytes at most, a robot sends
// 20 messages a minute at most, <@userid> mentions a member. An answer has status 200 and says in
// `errcode` how it went; 45009 is too many.
#include "core/must.h"
#include "notify/card.h"
#include "notify/message.h"
#include "wire/json_writer.h"

#define CONTENT_BYTES_MAX ((size_t)4096)
#define TAIL_BYTES_MAX    (CONTENT_BYTES_MAX / 2)
#define BODY_BYTES_MAX    (6 * CONTENT_BYTES_MAX + 128) // each byte as an escape of JSON
#define PER_MINUTE_MAX    20
#define ERRCODE_TOO_MANY  45009

// Links and mentions: they come last, and what stands before them is cut in their favour.
static void make_tail(const struct occasion *o, const struct card *c, struct arena *a,
                      struct buf *tail)
{
    const struct notice *n = o->notice;
    ASSERT(tail->n == 0);
    for (size_t i = 0; i < c->link_count; i++) {
        struct str link = arena_printf(a, "\n[%.*s](%.*s)", STR_FMT(c->links[i].label),
                                       STR_FMT(c->links[i].value));
        if (tail->n + link.n <= TAIL_BYTES_MAX) {
            buf_add_str(tail, link);
        }
    }
    buf_add_str(tail, STR("\n"));
    for (size_t i = 0; i < n->people_count; i++) {
        struct str id = n->people[i].wecom;
        if (card_is_id(id) && tail->n + id.n + 3 <= TAIL_BYTES_MAX) {
            buf_printf(tail, "<@%.*s>", STR_FMT(id));
        }
    }
}

static void make_content(const struct card *c, struct arena *a, size_t bytes_max, struct buf *out)
{
    static const char *const colours[NOTICE_STATUS_COUNT] = {
        [NOTICE_FIRING] = "warning", [NOTICE_RESOLVED] = "info", [NOTICE_TEST] = "comment"};
    struct str title = card_markdown(a, c->title);
    ASSERT(c->status < NOTICE_STATUS_COUNT);
    buf_printf(out, "**<font color=\"%s\">%.*s</font>**", colours[c->status], STR_FMT(title));
    for (size_t i = 0; i < c->line_count; i++) {
        struct str before =
            arena_printf(a, "\n> **%.*s**: ", STR_FMT(card_markdown(a, c->lines[i].label)));
        (void)card_add_fitting(out, bytes_max, before, card_markdown(a, c->lines[i].value),
                               STR(""));
    }
}

static enum err render(const struct occasion *o, struct message *m, struct err_at *ret_at)
{
    struct card c;
    struct buf content, tail;
    struct json_writer w;
    ASSERT(o->channel->type == CHANNEL_WECOM);
    (void)ret_at;
    card_make(o->notice, o->channel->language, m->arena, &c);
    buf_init(&content, CONTENT_BYTES_MAX);
    buf_init(&tail, TAIL_BYTES_MAX + 1);
    make_tail(o, &c, m->arena, &tail);
    make_content(&c, m->arena, CONTENT_BYTES_MAX - tail.n, &content);
    buf_add_str(&content, tail.n > 1 ? buf_str(&tail) : STR(""));
    MUST(!content.failed && !tail.failed);

    m->url = channel_text(o->channel, KEY_URL);
    message_add_header(m, STR("Content-Type: application/json"));
    json_writer_init(&w, &m->body);
    json_put_object(&w);
    json_put_key(&w, "msgtype");
    json_put_str(&w, STR("markdown"));
    json_put_key(&w, "markdown");
    json_put_object(&w);
    json_put_key(&w, "content");
    json_put_str(&w, buf_str(&content));
    json_put_object_end(&w);
    json_put_object_end(&w);
    buf_done(&content);
    buf_done(&tail);
    return ERR_OK;
}

static enum verdict judge(struct str body, struct str *ret_why)
{
    static const int64_t slower[] = {ERRCODE_TOO_MANY, 0};
    ASSERT(ret_why != NULL);
    return message_judge_code(body, STR("errcode"), slower, ret_why);
}

const struct channel_ops wecom_ops = {.body_bytes_max = BODY_BYTES_MAX,
                                      .per_minute_max = PER_MINUTE_MAX,
                                      .render = render,
                                      .judge = judge};
