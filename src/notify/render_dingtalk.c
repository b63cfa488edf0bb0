// SPDX-License-Identifier: Apache-2.0
// Purpose: messages to a robot of a DingTalk (钉钉) group: markdown.
//
// open.dingtalk.com/document/robots/custom-robot-access: a robot sends 20 messages a minute at
// most, and is silenced for ten minutes when it sends more; a body has 20,000 bytes at most. Whom
// `at` names is mentioned if the text names them too. With a secret, `timestamp` (milliseconds) and
// `sign` = base64(HMAC-SHA256(secret, timestamp + "\n" + secret)) stand in the query. An answer has
// status 200 and says in `errcode` how it went; 130101 is too many.
#include "core/clock.h"
#include "core/must.h"
#include "notify/card.h"
#include "notify/message.h"
#include "notify/sign.h"
#include "wire/json_writer.h"

#define BODY_BYTES_MAX   ((size_t)20000)
#define TEXT_BYTES_MAX   ((size_t)8000) // twice that where each line ends in an escape; and `at`
#define TAIL_BYTES_MAX   (TEXT_BYTES_MAX / 2)
#define PER_MINUTE_MAX   20
#define ERRCODE_TOO_MANY 130101

static bool is_mobile(const struct notice_person *p)
{
    ASSERT(p != NULL);
    return p->dingtalk.n == 0 && card_is_id(p->phone);
}

static void make_tail(const struct notice *n, const struct card *c, struct arena *a,
                      struct buf *tail)
{
    ASSERT(tail->n == 0);
    for (size_t i = 0; i < c->link_count; i++) {
        struct str link = arena_printf(a, "\n\n[%.*s](%.*s)", STR_FMT(c->links[i].label),
                                       STR_FMT(c->links[i].value));
        buf_add_str(tail, link);
    }
    buf_add_str(tail, STR("\n\n"));
    for (size_t i = 0; i < n->people_count; i++) {
        struct str id = is_mobile(&n->people[i]) ? n->people[i].phone : n->people[i].dingtalk;
        if (card_is_id(id) && tail->n + id.n + 2 <= TAIL_BYTES_MAX) {
            buf_printf(tail, "@%.*s ", STR_FMT(id));
        }
    }
}

static void put_text(struct json_writer *w, const struct occasion *o, const struct card *c,
                     struct arena *a)
{
    struct buf text, tail;
    struct str title = card_markdown(a, c->title);
    ASSERT(c->line_count <= CARD_LINES_MAX);
    buf_init(&text, TEXT_BYTES_MAX);
    buf_init(&tail, TAIL_BYTES_MAX);
    make_tail(o->notice, c, a, &tail);
    buf_printf(&text, "### %.*s\n", STR_FMT(title));
    for (size_t i = 0; i < c->line_count; i++) {
        struct str before =
            arena_printf(a, "\n- **%.*s**: ", STR_FMT(card_markdown(a, c->lines[i].label)));
        (void)card_add_fitting(&text, TEXT_BYTES_MAX - tail.n, before,
                               card_markdown(a, c->lines[i].value), STR(""));
    }
    buf_add_str(&text, tail.n > 2 ? buf_str(&tail) : STR(""));
    MUST(!text.failed && !tail.failed);
    json_put_key(w, "markdown");
    json_put_object(w);
    json_put_key(w, "title");
    json_put_str(w, c->title);
    json_put_key(w, "text");
    json_put_str(w, buf_str(&text));
    json_put_object_end(w);
    buf_done(&text);
    buf_done(&tail);
}

// Only whom the text had room for is worth naming here; naming more does nothing.
static void put_at(struct json_writer *w, const struct notice *n, bool mobiles)
{
    size_t bytes = 0;
    ASSERT(n->people_count <= NOTICE_PEOPLE_MAX);
    json_put_array(w);
    for (size_t i = 0; i < n->people_count; i++) {
        const struct notice_person *p = &n->people[i];
        struct str id = mobiles ? p->phone : p->dingtalk;
        bytes += id.n + 2;
        if (is_mobile(p) == mobiles && card_is_id(id) && bytes <= TAIL_BYTES_MAX / 2) {
            json_put_str(w, id);
        }
    }
    json_put_array_end(w);
}

static struct str signed_url(const struct occasion *o, struct arena *a)
{
    struct str url = channel_text(o->channel, KEY_URL), key = channel_text(o->channel, KEY_SECRET);
    ASSERT(url.n > 0);
    if (key.n == 0) {
        return url;
    }
    unsigned long long ms = o->now_unix_nano / NS_PER_MS;
    struct str what = arena_printf(a, "%llu\n%.*s", ms, STR_FMT(key));
    struct str sign = sign_percent(a, sign_base64(a, key, what));
    const char *join = memchr(url.p, '?', url.n) != NULL ? "&" : "?";
    return arena_printf(a, "%.*s%stimestamp=%llu&sign=%.*s", STR_FMT(url), join, ms, STR_FMT(sign));
}

static enum err render(const struct occasion *o, struct message *m, struct err_at *ret_at)
{
    struct card c;
    struct json_writer w;
    ASSERT(o->channel->type == CHANNEL_DINGTALK);
    (void)ret_at;
    card_make(o->notice, o->channel->language, m->arena, &c);
    m->url = signed_url(o, m->arena);
    message_add_header(m, STR("Content-Type: application/json; charset=utf-8"));
    json_writer_init(&w, &m->body);
    json_put_object(&w);
    json_put_key(&w, "msgtype");
    json_put_str(&w, STR("markdown"));
    put_text(&w, o, &c, m->arena);
    json_put_key(&w, "at");
    json_put_object(&w);
    json_put_key(&w, "atMobiles");
    put_at(&w, o->notice, true);
    json_put_key(&w, "atUserIds");
    put_at(&w, o->notice, false);
    json_put_key(&w, "isAtAll");
    json_put_bool(&w, false);
    json_put_object_end(&w);
    json_put_object_end(&w);
    return ERR_OK;
}

static enum verdict judge(struct str body, struct str *ret_why)
{
    static const int64_t slower[] = {ERRCODE_TOO_MANY, 0};
    ASSERT(ret_why != NULL);
    return message_judge_code(body, STR("errcode"), slower, ret_why);
}

const struct channel_ops dingtalk_ops = {.body_bytes_max = BODY_BYTES_MAX,
                                         .per_minute_max = PER_MINUTE_MAX,
                                         .render = render,
                                         .judge = judge};
