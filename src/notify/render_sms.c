// SPDX-License-Identifier: Apache-2.0
// Purpose: messages by SMS, through whatever HTTP request a gateway wants: see template.h. Where
// {phone} stands in it there is one request a number, one after the other; without it there is one.
#include "core/must.h"
#include "notify/card.h"
#include "notify/message.h"
#include "notify/template.h"

#define BODY_BYTES_MAX ((size_t)64 << 10)
#define URL_BYTES_MAX  ((size_t)16 << 10)
#define TEXT_BYTES_MAX ((size_t)420) // 140 Chinese characters, which is two parts of an SMS

// Digits, and what is written between them; nothing else is called.
static bool is_phone(struct str phone)
{
    bool good = phone.n >= 3 && phone.n <= 32;
    ASSERT(phone.p != NULL || phone.n == 0);
    for (size_t i = 0; i < phone.n && good; i++) {
        good = (phone.p[i] >= '0' && phone.p[i] <= '9') || phone.p[i] == '-' ||
               (phone.p[i] == '+' && i == 0);
    }
    return good;
}

static size_t phones_of(const struct channel *c, const struct notice *n,
                        struct str phones[MESSAGE_RECEIVERS_MAX])
{
    size_t count = 0;
    ASSERT(n->people_count <= NOTICE_PEOPLE_MAX);
    for (size_t i = 0; i < c->to_count + n->people_count; i++) {
        struct str phone = i < c->to_count ? c->to[i] : n->people[i - c->to_count].phone;
        bool is_new = is_phone(phone);
        for (size_t k = 0; k < count && is_new; k++) {
            is_new = !str_eq(phones[k], phone);
        }
        if (is_new) {
            phones[count++] = phone;
        }
    }
    return count;
}

static bool one_by_one(const struct channel *c)
{
    ASSERT(c->type == CHANNEL_SMS);
    return template_has(channel_text(c, KEY_URL), TEMPLATE_PHONE) ||
           template_has(channel_text(c, KEY_BODY), TEMPLATE_PHONE);
}

static size_t steps(const struct channel *c, const struct notice *n)
{
    struct str phones[MESSAGE_RECEIVERS_MAX];
    ASSERT(c->type == CHANNEL_SMS);
    return one_by_one(c) ? phones_of(c, n, phones) : 1;
}

static struct str all_phones(struct arena *a, const struct str *phones, size_t count)
{
    struct buf b;
    ASSERT(count <= MESSAGE_RECEIVERS_MAX);
    buf_init(&b, MESSAGE_RECEIVERS_MAX * 33);
    for (size_t i = 0; i < count; i++) {
        buf_add_str(&b, i > 0 ? STR(",") : STR(""));
        buf_add_str(&b, phones[i]);
    }
    struct str text = arena_str(a, b.n > 0 ? buf_str(&b) : STR(""));
    buf_done(&b);
    return text;
}

static struct str number(struct arena *a, struct notice_number x)
{
    ASSERT(a != NULL);
    return x.is_there ? arena_printf(a, "%.6g", x.value) : STR("");
}

static void values_of(const struct occasion *o, struct arena *a, const struct str *phones,
                      size_t count, struct str values[TEMPLATE_NAME_COUNT])
{
    const struct notice *n = o->notice;
    enum language l = o->channel->language;
    const struct str all[TEMPLATE_NAME_COUNT] = {
        [TEMPLATE_PHONE] = o->step < count ? phones[o->step] : STR(""),
        [TEMPLATE_PHONES] = all_phones(a, phones, count),
        [TEMPLATE_TEXT] = card_flat(a, card_summary(n, l, a), TEXT_BYTES_MAX),
        [TEMPLATE_SECRET] = channel_text(o->channel, KEY_SECRET),
        [TEMPLATE_STATUS] = str_of(notice_status_name(n->status)),
        [TEMPLATE_LEVEL] = str_of(notice_level_name(n->level)),
        [TEMPLATE_RULE] = n->rule,
        [TEMPLATE_LINE] = n->line,
        [TEMPLATE_ENVIRONMENT] = n->environment,
        [TEMPLATE_SERVICE] = n->service,
        [TEMPLATE_INSTANCE] = n->instance,
        [TEMPLATE_ADDRESS] = n->address,
        [TEMPLATE_MEASURE] = n->measure,
        [TEMPLATE_VALUE] = number(a, n->value),
        [TEMPLATE_THRESHOLD] = number(a, n->threshold),
        [TEMPLATE_UNIT] = n->unit,
        [TEMPLATE_INCIDENT] = n->incident,
        [TEMPLATE_INCIDENT_URL] = n->incident_url,
        [TEMPLATE_SNAPSHOT_URL] = n->snapshot_url,
        [TEMPLATE_TIME] = card_time(a, n->event_unix_nano),
    };
    for (size_t i = 0; i < TEMPLATE_NAME_COUNT; i++) {
        bool is_secret = i == TEMPLATE_SECRET;
        values[i] = is_secret ? all[i] : card_flat(a, all[i], CARD_URL_BYTES_MAX);
    }
    ASSERT(TEMPLATE_TIME + 1 == TEMPLATE_NAME_COUNT);
}

static enum err render(const struct occasion *o, struct message *m, struct err_at *ret_at)
{
    struct str phones[MESSAGE_RECEIVERS_MAX], values[TEMPLATE_NAME_COUNT];
    const struct channel *c = o->channel;
    size_t count = phones_of(c, o->notice, phones);
    struct str body = channel_text(c, KEY_BODY), type = channel_text(c, KEY_CONTENT_TYPE);
    bool is_json = body.n > 0 && (body.p[0] == '{' || body.p[0] == '[');
    struct str authorization = channel_text(c, KEY_AUTHORIZATION);
    ASSERT(c->type == CHANNEL_SMS);
    if (count == 0 && (one_by_one(c) || template_has(channel_text(c, KEY_URL), TEMPLATE_PHONES) ||
                       template_has(body, TEMPLATE_PHONES))) {
        return err_at_set(ret_at, ERR_NOT_FOUND, 0, "Nobody to send to has a phone number.");
    }
    values_of(o, m->arena, phones, count, values);
    struct buf url;
    buf_init(&url, URL_BYTES_MAX);
    template_fill(channel_text(c, KEY_URL), TEMPLATE_QUERY, values, &url);
    bool fits = !url.failed;
    m->url = arena_str(m->arena, fits ? buf_str(&url) : STR(""));
    buf_done(&url);
    if (!fits) {
        return err_at_set(ret_at, ERR_LIMIT, 0, "The url with its values is too long.");
    }
    m->method = channel_has(c, KEY_METHOD) ? channel_text(c, KEY_METHOD) : m->method;
    template_fill(body, is_json ? TEMPLATE_JSON : TEMPLATE_QUERY, values, &m->body);
    if (!str_eq(m->method, STR("GET"))) {
        type = type.n > 0 ? type
               : is_json  ? STR("application/json")
                          : STR("application/x-www-form-urlencoded");
        message_add_header(m, arena_printf(m->arena, "Content-Type: %.*s", STR_FMT(type)));
    }
    if (authorization.n > 0) {
        message_add_header(m,
                           arena_printf(m->arena, "Authorization: %.*s", STR_FMT(authorization)));
    }
    return ERR_OK;
}

const struct channel_ops sms_ops = {
    .body_bytes_max = BODY_BYTES_MAX, .steps = steps, .render = render};
