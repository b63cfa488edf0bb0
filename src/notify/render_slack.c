// SPDX-License-Identifier: Apache-2.0
// Purpose: messages to an incoming webhook of Slack: blocks.
//
// docs.slack.dev/reference/block-kit/blocks: a header has 150 characters at most, a section ten
// fields of 2,000 characters, and its text 3,000. docs.slack.dev/messaging/formatting-message-text:
// & < > are escaped, and nothing else; then nothing in a text is a link or a mention. An answer has
// status 200, 429 with Retry-After, or another with the reason.
#include "core/must.h"
#include "notify/card.h"
#include "notify/message.h"
#include "wire/json_writer.h"

#define HEADER_BYTES_MAX  ((size_t)150)
#define FIELDS_MAX        ((size_t)10)
#define VALUE_BYTES_MAX   ((size_t)320) // 1,920 characters if each is an escape
#define SECTION_BYTES_MAX ((size_t)3000)
#define BODY_BYTES_MAX    ((size_t)64 << 10)
#define PER_MINUTE_MAX    60

static void put_text(struct json_writer *w, const char *type, struct str text)
{
    ASSERT(type != NULL);
    json_put_object(w);
    json_put_key(w, "type");
    json_put_str(w, str_of(type));
    json_put_key(w, "text");
    json_put_str(w, text);
    json_put_object_end(w);
}

static void open_block(struct json_writer *w, const char *type, const char *key)
{
    ASSERT(key != NULL);
    json_put_object(w);
    json_put_key(w, "type");
    json_put_str(w, str_of(type));
    json_put_key(w, key);
}

static void put_lines(struct json_writer *w, const struct card *c, struct arena *a)
{
    ASSERT(c->line_count <= CARD_LINES_MAX);
    for (size_t i = 0; i < c->line_count; i += FIELDS_MAX) {
        open_block(w, "section", "fields");
        json_put_array(w);
        for (size_t k = i; k < c->line_count && k < i + FIELDS_MAX; k++) {
            struct str label = card_angles(a, c->lines[k].label);
            struct str value = card_angles(a, card_flat(a, c->lines[k].value, VALUE_BYTES_MAX));
            put_text(w, "mrkdwn", arena_printf(a, "*%.*s*\n%.*s", STR_FMT(label), STR_FMT(value)));
        }
        json_put_array_end(w);
        json_put_object_end(w);
    }
}

static void put_links(struct json_writer *w, const struct occasion *o, const struct card *c,
                      struct arena *a)
{
    struct buf b;
    const struct notice *n = o->notice;
    ASSERT(c->link_count <= CARD_LINKS_MAX);
    buf_init(&b, SECTION_BYTES_MAX);
    for (size_t i = 0; i < c->link_count; i++) {
        struct str link =
            arena_printf(a, "%s<%.*s|%.*s>", b.n > 0 ? "  " : "",
                         STR_FMT(card_angles(a, c->links[i].value)), STR_FMT(c->links[i].label));
        buf_add_str(&b, b.n + link.n <= SECTION_BYTES_MAX ? link : STR(""));
    }
    for (size_t i = 0; i < n->people_count; i++) {
        struct str id = n->people[i].slack;
        if (card_is_id(id) && b.n + id.n + 4 <= SECTION_BYTES_MAX) {
            buf_printf(&b, "%s<@%.*s>", b.n > 0 ? " " : "", STR_FMT(id));
        }
    }
    if (b.n > 0) {
        open_block(w, "section", "text");
        put_text(w, "mrkdwn", buf_str(&b));
        json_put_object_end(w);
    }
    buf_done(&b);
}

static enum err render(const struct occasion *o, struct message *m, struct err_at *ret_at)
{
    struct card c;
    struct json_writer w;
    ASSERT(o->channel->type == CHANNEL_SLACK);
    (void)ret_at;
    card_make(o->notice, o->channel->language, m->arena, &c);
    m->url = channel_text(o->channel, KEY_URL);
    message_add_header(m, STR("Content-Type: application/json"));
    json_writer_init(&w, &m->body);
    json_put_object(&w);
    json_put_key(&w, "text");
    json_put_str(&w, card_angles(m->arena, c.title));
    json_put_key(&w, "blocks");
    json_put_array(&w);
    open_block(&w, "header", "text");
    put_text(&w, "plain_text", card_flat(m->arena, c.title, HEADER_BYTES_MAX));
    json_put_object_end(&w);
    put_lines(&w, &c, m->arena);
    put_links(&w, o, &c, m->arena);
    json_put_array_end(&w);
    json_put_object_end(&w);
    return ERR_OK;
}

const struct channel_ops slack_ops = {
    .body_bytes_max = BODY_BYTES_MAX, .per_minute_max = PER_MINUTE_MAX, .render = render};
