// SPDX-License-Identifier: Apache-2.0
// Purpose: one request: a message as a transfer of libcurl, and what its end means.
#include <stdio.h>
#include <sys/stat.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"
#include "notify/card.h"
#include "notify/internal.h"

#define EXCERPT_BYTES  ((size_t)160)
#define HTTP_TIMEOUT   408
#define HTTP_TOO_MANY  429
#define SMTP_PERMANENT 500
#define MS_PER_S       1000

static bool is_mail(const struct transfer *t)
{
    ASSERT(t->channel != NULL);
    return t->channel->channel.type == CHANNEL_MAIL;
}

// ---- Beginning ----------------------------------------------------------------------------------

static size_t on_answer(char *bytes, size_t size, size_t n, void *ctx)
{
    struct transfer *t = ctx;
    size_t room = NOTIFY_ANSWER_BYTES_MAX - t->answer.n;
    ASSERT(size == 1);
    buf_add(&t->answer, bytes, n < room ? n : room);
    t->answer_cut = n > room;
    return t->answer_cut || t->answer.failed ? 0 : n;
}

// Of a mail server: what it says to each command. It may take the mail for some receivers and not
// for others.
static size_t on_line(char *bytes, size_t size, size_t n, void *ctx)
{
    struct transfer *t = ctx;
    ASSERT(size == 1);
    if (is_mail(t)) {
        struct str line = {bytes, n};
        while (line.n > 0 && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r')) {
            line.n--;
        }
        if (line.n > 3 && (line.p[0] == '4' || line.p[0] == '5')) {
            struct str flat = card_flat(&t->arena, line, sizeof t->refused - 1);
            memcpy(t->refused, flat.p, flat.n + 1);
        }
        buf_clear(&t->answer);
        buf_add_str(&t->answer, line);
    }
    return n;
}

static size_t on_upload(char *room, size_t size, size_t n, void *ctx)
{
    struct transfer *t = ctx;
    size_t left = t->message.body.n - t->uploaded;
    size_t count = left < size * n ? left : size * n;
    ASSERT(t->uploaded <= t->message.body.n);
    if (count > 0) {
        memcpy(room, t->message.body.p + t->uploaded, count);
    }
    t->uploaded += count;
    return count;
}

static void append(struct curl_slist **list, struct str text)
{
    ASSERT(text.p[text.n] == 0);
    struct curl_slist *longer = curl_slist_append(*list, text.p);
    MUST(longer != NULL);
    *list = longer;
}

// QUICK_EXIT: see scrape/scrape.c. No connection is used twice: see notify.h.
static bool set_common(struct transfer *t, const char *version)
{
    char agent[64];
    const struct channel *c = &t->channel->channel;
    ASSERT(t->easy != NULL);
    (void)snprintf(agent, sizeof agent, "sonde/%s", version);
    return curl_easy_setopt(t->easy, CURLOPT_URL, t->message.url.p) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_USERAGENT, agent) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, NOTIFY_TIMEOUT_MS) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, 1L) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_FORBID_REUSE, 1L) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->error) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_answer) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_HEADERFUNCTION, on_line) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, t) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t) == CURLE_OK &&
           (!channel_has(c, KEY_CA_FILE) ||
            curl_easy_setopt(t->easy, CURLOPT_CAINFO, channel_text(c, KEY_CA_FILE).p) == CURLE_OK);
}

// A pipe or a device would hold the thread up, and with it everybody.
static bool has_no_odd_file(const struct channel *c)
{
    struct stat st;
    if (!channel_has(c, KEY_CA_FILE)) {
        return true;
    }
    ASSERT(channel_text(c, KEY_CA_FILE).n > 0);
    return stat(channel_text(c, KEY_CA_FILE).p, &st) == 0 && S_ISREG(st.st_mode) &&
           st.st_size <= CA_FILE_BYTES_MAX;
}

static bool set_user(struct transfer *t)
{
    const struct message *m = &t->message;
    ASSERT(m->user.n == 0 || m->user.p[m->user.n] == 0);
    return m->user.n == 0 ||
           (curl_easy_setopt(t->easy, CURLOPT_USERNAME, m->user.p) == CURLE_OK &&
            curl_easy_setopt(t->easy, CURLOPT_PASSWORD, m->password.p) == CURLE_OK);
}

static bool set_http(struct transfer *t)
{
    const struct message *m = &t->message;
    bool get = str_eq(m->method, STR("GET"));
    for (size_t i = 0; i < m->header_count; i++) {
        append(&t->headers, m->headers[i]);
    }
    append(&t->headers, STR("Expect:"));
    append(&t->headers, STR("Accept: */*"));
    ASSERT(m->method.n > 0);
    return curl_easy_setopt(t->easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers) == CURLE_OK &&
           (get || (curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)m->body.n) ==
                        CURLE_OK &&
                    curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, m->body.n > 0 ? m->body.p : "") ==
                        CURLE_OK &&
                    curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, m->method.p) == CURLE_OK));
}

static bool set_mail(struct transfer *t)
{
    const struct message *m = &t->message;
    bool open = str_eq(channel_text(&t->channel->channel, KEY_TLS), STR("none"));
    for (size_t i = 0; i < m->to_count; i++) {
        append(&t->receivers, m->to[i]);
    }
    ASSERT(m->to_count > 0);
    return curl_easy_setopt(t->easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps") == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_USE_SSL,
                            (long)(open ? CURLUSESSL_NONE : CURLUSESSL_ALL)) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_MAIL_FROM, m->from.p) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_MAIL_RCPT, t->receivers) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_MAIL_RCPT_ALLLOWFAILS, 1L) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_READFUNCTION, on_upload) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_READDATA, t) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_UPLOAD, 1L) == CURLE_OK;
}

static enum err read_notice(struct transfer *t, struct err_at *at)
{
    struct notice *n = arena_new(&t->arena, 1, sizeof *n);
    enum err e = notice_from_json(t->delivery.notice, &t->arena, n, at);
    ASSERT(t->notice == NULL);
    n->repeat = n->repeat || t->delivery.repeat;
    t->notice = n;
    return e;
}

enum err transfer_prepare(struct transfer *t, const char *version, const char *mark,
                          uint64_t now_unix_nano, struct result *ret_failure)
{
    struct err_at at = {0};
    enum err e = t->notice != NULL ? ERR_OK : read_notice(t, &at);
    t->message.arena = &t->arena;
    if (e == ERR_OK) {
        t->steps = message_steps(&t->channel->channel, t->notice);
        const struct occasion o = {&t->channel->channel, t->notice,     t->delivery.key,
                                   t->delivery.step,     now_unix_nano, str_of(mark)};
        e = message_make(&o, &t->message, &at);
    }
    if (e == ERR_OK && !has_no_odd_file(&t->channel->channel)) {
        e = err_at_set(&at, ERR_INVALID, 0, "'ca_file' is no file of certificates.");
    }
    if (e != ERR_OK) {
        struct str why = at.text[0] != 0 ? str_of(at.text) : str_of(err_text(e));
        t->steps = t->steps > 0 ? t->steps : 1;
        *ret_failure = (struct result){
            .verdict = e == ERR_MEMORY || e == ERR_DENIED ? VERDICT_AGAIN : VERDICT_REFUSED,
            .error = arena_str(&t->arena, why)};
        return e;
    }
    t->easy = curl_easy_init();
    MUST(t->easy != NULL);
    t->began_ns = clock_mono_ns();
    bool set = set_common(t, version) && set_user(t) && (is_mail(t) ? set_mail(t) : set_http(t));
    if (!set) {
        *ret_failure = (struct result){.verdict = VERDICT_REFUSED,
                                       .error = STR("The request cannot be made.")};
        return ERR_INVALID;
    }
    return ERR_OK;
}

void transfer_free(struct transfer *t)
{
    ASSERT(t != NULL);
    if (t->easy != NULL) {
        curl_easy_cleanup(t->easy);
    }
    curl_slist_free_all(t->headers);
    curl_slist_free_all(t->receivers);
    buf_done(&t->message.body);
    buf_done(&t->answer);
    arena_done(&t->arena);
    held_unref(t->channel);
    mem_free(t);
}

// ---- The end ------------------------------------------------------------------------------------

static void judge_http(struct transfer *t, CURLcode code, struct result *r)
{
    const struct channel_ops *ops = channel_ops_of(t->channel->channel.type);
    bool whole = code == CURLE_OK || (code == CURLE_WRITE_ERROR && t->answer_cut);
    struct str why = STR("");
    ASSERT(r->status > 0);
    if (r->status / 100 == 2 && !whole) {
        r->verdict = VERDICT_AGAIN; // it broke off: who knows what the rest would have said
        r->may_be_delivered = true;
        r->error = arena_printf(&t->arena, "HTTP %ld, and then: %s", r->status,
                                t->error[0] != 0 ? t->error : curl_easy_strerror(code));
        return;
    }
    if (r->status / 100 == 2) {
        r->verdict = ops->judge == NULL ? VERDICT_TAKEN : ops->judge(buf_str(&t->answer), &why);
        r->may_be_delivered = r->verdict == VERDICT_AGAIN;
    } else if (r->status == HTTP_TIMEOUT || r->status / 100 == 5) {
        r->verdict = VERDICT_AGAIN;
        r->may_be_delivered = r->status != HTTP_TIMEOUT;
        why = buf_str(&t->answer);
    } else if (r->status == HTTP_TOO_MANY) {
        r->verdict = VERDICT_SLOWER;
        why = buf_str(&t->answer);
    } else {
        r->verdict = VERDICT_REFUSED;
        why = r->status / 100 == 3 ? STR("redirects are not followed") : buf_str(&t->answer);
    }
    if (r->verdict != VERDICT_TAKEN) {
        why = card_flat(&t->arena, why.n > 0 ? why : STR(""), EXCERPT_BYTES);
        r->error = arena_printf(&t->arena, "HTTP %ld%s%.*s", r->status, why.n > 0 ? ": " : "",
                                STR_FMT(why));
    }
}

// What is permanent with a mail server begins with 5, what is not with 4: the other way round than
// with HTTP.
static void judge_mail(struct transfer *t, CURLcode code, struct result *r)
{
    bool said_no = r->status >= 400;
    bool all_sent = t->uploaded == t->message.body.n;
    ASSERT(is_mail(t));
    if (code == CURLE_OK) {
        r->verdict = VERDICT_TAKEN;
        r->error = arena_str(&t->arena, str_of(t->refused));
        return;
    }
    r->verdict = r->status >= SMTP_PERMANENT ? VERDICT_REFUSED : VERDICT_AGAIN;
    r->may_be_delivered = all_sent && !said_no;
    const char *why = t->refused[0] != 0 ? t->refused
                      : t->error[0] != 0 ? t->error
                                         : curl_easy_strerror(code);
    r->error = arena_str(&t->arena, str_of(why));
}

void transfer_result(struct transfer *t, CURLcode code, struct result *ret_result)
{
    struct result r = {.error = STR("")};
    curl_off_t uploaded = 0, retry_after_s = 0;
    ASSERT(t->easy != NULL);
    (void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &r.status);
    (void)curl_easy_getinfo(t->easy, CURLINFO_SIZE_UPLOAD_T, &uploaded);
    (void)curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
    if (is_mail(t)) {
        judge_mail(t, code, &r);
    } else if (r.status > 0) {
        judge_http(t, code, &r);
    } else {
        curl_off_t pretransfer_us = 0;
        (void)curl_easy_getinfo(t->easy, CURLINFO_PRETRANSFER_TIME_T, &pretransfer_us);
        r.verdict = VERDICT_AGAIN;
        // Connected, with TLS where there is one: some of the request may have gone.
        r.may_be_delivered = pretransfer_us > 0 || uploaded > 0;
        r.error =
            arena_str(&t->arena, str_of(t->error[0] != 0 ? t->error : curl_easy_strerror(code)));
    }
    retry_after_s = retry_after_s > 0 && retry_after_s < UINT32_MAX ? retry_after_s : 0;
    r.retry_after_ms = (uint64_t)retry_after_s * MS_PER_S;
    *ret_result = r;
}
