// SPDX-License-Identifier: Apache-2.0
// Purpose: messages by mail (RFC 5322, MIME): the card as plain text and as HTML.
//
//     From, To, Subject, Date, Message-ID, In-Reply-To, Auto-Submitted, MIME-Version
//     multipart/alternative: text/plain, text/html; both UTF-8 in base64
//
// Headers hold only what cannot end a line: the subject is encoded words (RFC 2047) as soon as it
// holds anything but printable ASCII, addresses are checked. The Message-ID is made of the
// delivery's key, so that what is sent twice is one message to who sorts by it; all mails of an
// incident answer the same Message-ID, so that they stand together.
#include <stdio.h>
#include <time.h>

#include "core/clock.h"
#include "core/must.h"
#include "notify/card.h"
#include "notify/message.h"
#include "wire/base64.h"

#define BODY_BYTES_MAX ((size_t)256 << 10)
#define PART_BYTES_MAX ((size_t)48 << 10)
#define WORD_BYTES_MAX                                                                             \
    ((size_t)39) // 52 in base64, so that the first line has 76 characters at most
#define LINE_BYTES     ((size_t)57) // 76 in base64
#define MAIL_BYTES_MAX ((size_t)254)
#define BOUNDARY       "=_sonde_alternative"

// ---- Headers ------------------------------------------------------------------------------------

static bool is_plain(struct str text)
{
    bool plain = !str_starts(text, STR("=?"));
    ASSERT(text.p != NULL || text.n == 0);
    for (size_t i = 0; i < text.n; i++) {
        plain = plain && text.p[i] >= ' ' && text.p[i] < 0x7f;
    }
    return plain && text.n < 70;
}

static void add_subject(struct buf *out, struct str text)
{
    buf_add_str(out, STR("Subject: "));
    ASSERT(out->n > 0);
    if (is_plain(text)) {
        buf_add_str(out, text);
        buf_add_str(out, STR("\r\n"));
        return;
    }
    for (bool first = true; text.n > 0; first = false) {
        struct str part = str_cut(text, WORD_BYTES_MAX);
        part.n = part.n > 0 ? part.n : 1;
        buf_add_str(out, first ? STR("=?UTF-8?B?") : STR("\r\n =?UTF-8?B?"));
        base64_encode(part, out);
        buf_add_str(out, STR("?="));
        text = str_skip(text, part.n);
    }
    buf_add_str(out, STR("\r\n"));
}

static void add_date(struct buf *out, uint64_t unix_nano)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm t;
    time_t s = (time_t)(unix_nano / NS_PER_S);
    MUST(gmtime_r(&s, &t) != NULL);
    buf_printf(out, "Date: %s, %d %s %d %02d:%02d:%02d +0000\r\n", days[t.tm_wday], t.tm_mday,
               months[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
}

static void add_ids(struct buf *out, const struct occasion *o, struct str from)
{
    struct str local;
    struct str domain = str_split(from, '@', &local);
    const struct notice *n = o->notice;
    ASSERT(domain.n > 0);
    buf_printf(out, "Message-ID: <%016llx.sonde@%.*s>\r\n",
               (unsigned long long)str_hash_stable(o->key), STR_FMT(domain));
    if (n->incident.n > 0) {
        unsigned long long h = str_hash_stable(n->incident);
        buf_printf(out,
                   "In-Reply-To: <%016llx.incident.sonde@%.*s>\r\n"
                   "References: <%016llx.incident.sonde@%.*s>\r\n",
                   h, STR_FMT(domain), h, STR_FMT(domain));
    }
}

static void add_headers(struct buf *out, const struct occasion *o, const struct message *m,
                        const struct card *c)
{
    ASSERT(m->to_count > 0);
    buf_printf(out, "From: Sonde <%.*s>\r\nTo: ", STR_FMT(m->from));
    for (size_t i = 0; i < m->to_count; i++) {
        buf_printf(out, "%s%.*s", i > 0 ? ",\r\n " : "", STR_FMT(m->to[i]));
    }
    buf_add_str(out, STR("\r\n"));
    add_subject(out, c->title);
    add_date(out, o->now_unix_nano);
    add_ids(out, o, m->from);
    buf_add_str(out, STR("Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
                         "Content-Type: multipart/alternative; boundary=\"" BOUNDARY "\"\r\n\r\n"));
}

// ---- Parts --------------------------------------------------------------------------------------

static void add_part(struct buf *out, const char *type, struct str text)
{
    buf_printf(out,
               "--" BOUNDARY "\r\nContent-Type: %s; charset=utf-8\r\n"
               "Content-Transfer-Encoding: base64\r\n\r\n",
               type);
    ASSERT(text.n > 0);
    while (text.n > 0) {
        struct str line = {text.p, text.n < LINE_BYTES ? text.n : LINE_BYTES};
        base64_encode(line, out);
        buf_add_str(out, STR("\r\n"));
        text = str_skip(text, line.n);
    }
}

static void make_text(const struct occasion *o, const struct card *c, struct buf *out)
{
    enum language l = o->channel->language;
    ASSERT(out->n == 0);
    buf_printf(out, "%.*s\n\n", STR_FMT(c->title));
    for (size_t i = 0; i < c->line_count; i++) {
        buf_printf(out, "%.*s: %.*s\n", STR_FMT(c->lines[i].label), STR_FMT(c->lines[i].value));
    }
    for (size_t i = 0; i < c->link_count; i++) {
        buf_printf(out, "\n%.*s: %.*s\n", STR_FMT(c->links[i].label), STR_FMT(c->links[i].value));
    }
    buf_printf(out, "\n-- \n%.*s %.*s\n", STR_FMT(word_of(WORD_SENT_BY, l)),
               STR_FMT(channel_text(o->channel, KEY_NAME)));
}

static const char *colour_of(const struct card *c)
{
    static const char *const colours[NOTICE_LEVEL_COUNT] = {[NOTICE_INFO] = "#2563eb",
                                                            [NOTICE_WARNING] = "#b45309",
                                                            [NOTICE_ERROR] = "#c2410c",
                                                            [NOTICE_CRITICAL] = "#b91c1c"};
    ASSERT(c->level < NOTICE_LEVEL_COUNT);
    return c->status == NOTICE_RESOLVED ? "#15803d" : colours[c->level];
}

// Tables and styles of the elements themselves: readers of mail know little more.
static void make_html(const struct occasion *o, const struct card *c, struct arena *a,
                      struct buf *out)
{
    enum language l = o->channel->language;
    ASSERT(out->n == 0);
    buf_printf(out,
               "<!DOCTYPE html>\n<html lang=\"%s\"><body style=\"margin:0;padding:24px;"
               "background:#f4f4f5;font-family:sans-serif;font-size:14px;color:#18181b\">\n"
               "<div style=\"max-width:640px;margin:0 auto;background:#ffffff;"
               "border-top:4px solid %s;padding:16px 24px\">\n"
               "<h1 style=\"margin:0 0 12px;font-size:18px;color:%s\">%.*s</h1>\n"
               "<table cellpadding=\"0\" cellspacing=\"0\">\n",
               language_name(l), colour_of(c), colour_of(c), STR_FMT(card_html(a, c->title)));
    for (size_t i = 0; i < c->line_count; i++) {
        buf_printf(out,
                   "<tr><td style=\"padding:4px 16px 4px 0;color:#71717a;vertical-align:top\">"
                   "%.*s</td><td style=\"padding:4px 0;word-break:break-word\">%.*s</td></tr>\n",
                   STR_FMT(card_html(a, c->lines[i].label)),
                   STR_FMT(card_html(a, c->lines[i].value)));
    }
    buf_add_str(out, STR("</table>\n"));
    for (size_t i = 0; i < c->link_count; i++) {
        buf_printf(out,
                   "<a href=\"%.*s\" style=\"display:inline-block;margin:16px 8px 0 0;"
                   "padding:8px 16px;background:%s;color:#ffffff;text-decoration:none\">%.*s</a>\n",
                   STR_FMT(card_html(a, c->links[i].value)), colour_of(c),
                   STR_FMT(card_html(a, c->links[i].label)));
    }
    buf_printf(out, "<p style=\"margin:16px 0 0;color:#a1a1aa;font-size:12px\">%.*s %.*s</p>\n",
               STR_FMT(word_of(WORD_SENT_BY, l)), STR_FMT(channel_text(o->channel, KEY_NAME)));
    buf_add_str(out, STR("</div></body></html>\n"));
}

// ---- The message --------------------------------------------------------------------------------

static void add_receiver(struct message *m, struct str mail)
{
    struct str local;
    struct str domain = str_split(mail, '@', &local);
    bool good = card_is_id(mail) && mail.n <= MAIL_BYTES_MAX && local.n > 0 && domain.n > 0 &&
                memchr(domain.p, '@', domain.n) == NULL;
    for (size_t i = 0; i < m->to_count && good; i++) {
        good = !str_eq_nocase(m->to[i], mail);
    }
    if (good) {
        MUST(m->to_count < MESSAGE_RECEIVERS_MAX);
        m->to[m->to_count++] = mail;
    }
}

static enum err render(const struct occasion *o, struct message *m, struct err_at *ret_at)
{
    struct card c;
    struct buf text, html;
    ASSERT(o->channel->type == CHANNEL_MAIL);
    m->url = channel_text(o->channel, KEY_URL);
    m->user = channel_text(o->channel, KEY_USER);
    m->password = channel_text(o->channel, KEY_PASSWORD);
    m->from = channel_text(o->channel, KEY_FROM);
    for (size_t i = 0; i < o->channel->to_count; i++) {
        add_receiver(m, o->channel->to[i]);
    }
    for (size_t i = 0; i < o->notice->people_count; i++) {
        add_receiver(m, o->notice->people[i].mail);
    }
    if (m->to_count == 0) {
        return err_at_set(ret_at, ERR_NOT_FOUND, 0, "Nobody to send to has a mail address.");
    }
    card_make(o->notice, o->channel->language, m->arena, &c);
    buf_init(&text, PART_BYTES_MAX);
    buf_init(&html, 2 * PART_BYTES_MAX);
    make_text(o, &c, &text);
    make_html(o, &c, m->arena, &html);
    add_headers(&m->body, o, m, &c);
    add_part(&m->body, "text/plain", buf_str(&text));
    add_part(&m->body, "text/html", buf_str(&html));
    buf_add_str(&m->body, STR("--" BOUNDARY "--\r\n"));
    MUST(!text.failed && !html.failed);
    buf_done(&text);
    buf_done(&html);
    return ERR_OK;
}

const struct channel_ops mail_ops = {.body_bytes_max = BODY_BYTES_MAX, .render = render};
