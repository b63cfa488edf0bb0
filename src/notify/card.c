// SPDX-License-Identifier: Apache-2.0
// Purpose: what a notice says to a person.
#include "notify/card.h"

#include <stdio.h>
#include <time.h>

#include "core/clock.h"
#include "core/must.h"

#define VALUE_BYTES_LEAST ((size_t)8) // a shorter rest of a value says nothing
#define MS_PER_S          1000

// ---- Texts --------------------------------------------------------------------------------------

struct str card_flat(struct arena *a, struct str text, size_t bytes_max)
{
    bool cut = text.n > bytes_max;
    ASSERT(bytes_max > 3);
    struct str head = cut ? str_cut(text, bytes_max - 3) : text;
    char *p = arena_alloc(a, head.n + 4);
    for (size_t i = 0; i < head.n; i++) {
        unsigned char c = (unsigned char)head.p[i];
        p[i] = c < 0x20 || c == 0x7f ? ' ' : (char)c;
    }
    // JSON would make three bytes of one that is no UTF-8, and limits are kept by counting bytes.
    size_t bad, from = 0;
    while (!str_utf8_valid((struct str){p + from, head.n - from}, &bad)) {
        from += bad + 1;
        p[from - 1] = '?';
    }
    memcpy(p + head.n, cut ? "..." : "", cut ? 4 : 1);
    return (struct str){p, head.n + (cut ? 3 : 0)};
}

struct str card_time(struct arena *a, uint64_t unix_nano)
{
    char text[64];
    struct tm t;
    time_t s = (time_t)(unix_nano / NS_PER_S);
    MUST(localtime_r(&s, &t) != NULL);
    size_t n = strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %z", &t);
    ASSERT(n > 0);
    return arena_str(a, (struct str){text, n});
}

struct str card_time_utc(struct arena *a, uint64_t unix_nano)
{
    char text[64];
    struct tm t;
    time_t s = (time_t)(unix_nano / NS_PER_S);
    MUST(gmtime_r(&s, &t) != NULL);
    size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &t);
    ASSERT(n > 0);
    return arena_printf(a, "%.*s.%03uZ", (int)n, text,
                        (unsigned)(unix_nano / NS_PER_MS % MS_PER_S));
}

struct twin {
    char c;
    const char *text;
};

static struct str replace(struct arena *a, struct str text, const struct twin *twins, size_t count,
                          size_t longest)
{
    char *p = arena_alloc(a, text.n * longest + 1);
    size_t n = 0;
    ASSERT(longest > 0);
    for (size_t i = 0; i < text.n; i++) {
        const char *twin = NULL;
        for (size_t k = 0; k < count && twin == NULL; k++) {
            twin = twins[k].c == text.p[i] ? twins[k].text : NULL;
        }
        size_t bytes = twin != NULL ? strlen(twin) : 1;
        memcpy(p + n, twin != NULL ? twin : text.p + i, bytes);
        n += bytes;
    }
    p[n] = 0;
    return (struct str){p, n};
}

struct str card_markdown(struct arena *a, struct str text)
{
    static const struct twin twins[] = {
        {'<', "＜"}, {'[', "［"}, {']', "］"}, {'`', "｀"}, {'*', "＊"}};
    ASSERT(text.p != NULL || text.n == 0);
    return replace(a, text, twins, sizeof twins / sizeof *twins, 3);
}

struct str card_html(struct arena *a, struct str text)
{
    static const struct twin twins[] = {
        {'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}};
    ASSERT(text.p != NULL || text.n == 0);
    return replace(a, text, twins, sizeof twins / sizeof *twins, 6);
}

struct str card_angles(struct arena *a, struct str text)
{
    static const struct twin twins[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}};
    ASSERT(text.p != NULL || text.n == 0);
    return replace(a, text, twins, sizeof twins / sizeof *twins, 5);
}

bool card_is_id(struct str id)
{
    bool good = id.n > 0 && id.n <= NOTICE_ID_BYTES_MAX;
    ASSERT(id.p != NULL || id.n == 0);
    for (size_t i = 0; i < id.n && good; i++) {
        char c = id.p[i];
        good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '_' || c == '@' || c == '+' || c == '-';
    }
    return good;
}

bool card_add_fitting(struct buf *out, size_t bytes_max, struct str before, struct str value,
                      struct str after)
{
    size_t frame = before.n + after.n;
    size_t room = out->n < bytes_max ? bytes_max - out->n : 0;
    if (room < frame + (value.n < VALUE_BYTES_LEAST ? value.n : VALUE_BYTES_LEAST)) {
        return false;
    }
    bool cut = frame + value.n > room;
    buf_add_str(out, before);
    buf_add_str(out, cut ? str_cut(value, room - frame - 3) : value);
    buf_add_str(out, cut ? STR("...") : STR(""));
    buf_add_str(out, after);
    ASSERT(out->failed || out->n <= bytes_max);
    return true;
}

// ---- Lines --------------------------------------------------------------------------------------

static void add_line(struct card *c, struct str label, struct str value)
{
    if (value.n > 0) {
        MUST(c->line_count < CARD_LINES_MAX);
        c->lines[c->line_count++] = (struct card_line){label, value};
    }
}

// Only what a browser opens, and nothing that could end what it is put in.
static void add_link(struct card *c, struct arena *a, struct str label, struct str url)
{
    static const struct twin twins[] = {{' ', "%20"}, {'"', "%22"},  {'\'', "%27"}, {'(', "%28"},
                                        {')', "%29"}, {'<', "%3C"},  {'>', "%3E"},  {'[', "%5B"},
                                        {']', "%5D"}, {'\\', "%5C"}, {'|', "%7C"},  {'`', "%60"}};
    bool good = str_starts(url, STR("http://")) || str_starts(url, STR("https://"));
    if (good && url.n <= CARD_URL_BYTES_MAX) {
        struct str flat = card_flat(a, url, CARD_URL_BYTES_MAX);
        ASSERT(c->link_count < CARD_LINKS_MAX);
        c->links[c->link_count++] =
            (struct card_line){label, replace(a, flat, twins, sizeof twins / sizeof *twins, 3)};
    }
}

// "12.5 %", or "" where there is none.
static struct str number_text(struct arena *a, struct notice_number x, struct str unit)
{
    ASSERT(unit.p != NULL || unit.n == 0);
    if (!x.is_there) {
        return STR("");
    }
    return arena_printf(a, "%.6g%s%.*s", x.value, unit.n > 0 ? " " : "", STR_FMT(unit));
}

// "error_rate 12.5 % (> 5 %)", as much of it as there is.
static struct str measure_text(struct arena *a, const struct notice *n)
{
    struct str value = number_text(a, n->value, n->unit);
    struct str threshold = number_text(a, n->threshold, n->unit);
    bool has_limit = threshold.n > 0 && n->operator.n> 0;
    ASSERT(n->status < NOTICE_STATUS_COUNT);
    struct str all = arena_printf(a, "%.*s%s%.*s%s%.*s%s%.*s%s", STR_FMT(n->measure),
                                  n->measure.n > 0 && value.n > 0 ? " " : "", STR_FMT(value),
                                  has_limit ? " (" : "", has_limit ? (int)n->operator.n : 0,
                                  n->operator.p, has_limit ? " " : "",
                                  has_limit ? (int)threshold.n : 0, threshold.p, has_limit ? ")" : "");
    return card_flat(a, all, CARD_VALUE_BYTES_MAX);
}

static struct str joined(struct arena *a, const struct str *items, size_t count,
                         const char *separator)
{
    struct buf b;
    buf_init(&b, NOTICE_TRACES_MAX * (NOTICE_TEXT_BYTES_MAX + 4));
    ASSERT(count <= NOTICE_TRACES_MAX);
    for (size_t i = 0; i < count; i++) {
        buf_add_str(&b, str_of(i > 0 ? separator : ""));
        buf_add_str(&b, items[i]);
    }
    struct str flat = card_flat(a, b.n > 0 ? buf_str(&b) : STR(""), CARD_VALUE_BYTES_MAX);
    buf_done(&b);
    return flat;
}

static struct str share_text(struct arena *a, struct notice_number x)
{
    ASSERT(a != NULL);
    return x.is_there ? arena_printf(a, "%.1f %%", x.value * 100) : STR("");
}

static struct str title_of(const struct notice *n, enum language l, struct arena *a)
{
    struct str status = word_of((enum word)(WORD_FIRING + (int)n->status), l);
    struct str level = word_of((enum word)(WORD_INFO + (int)n->level), l);
    struct str rule = card_flat(a, n->rule, CARD_TITLE_BYTES_MAX / 2);
    struct str repeat = n->repeat ? word_of(WORD_REPEAT, l) : STR("");
    ASSERT(WORD_TEST == WORD_FIRING + NOTICE_TEST && WORD_CRITICAL == WORD_INFO + NOTICE_CRITICAL);
    return arena_printf(a, "%.*s · %.*s · %.*s%s%.*s%s", STR_FMT(status), STR_FMT(level),
                        STR_FMT(rule), n->repeat ? " (" : "", STR_FMT(repeat),
                        n->repeat ? ")" : "");
}

static struct str service_of(const struct notice *n, struct arena *a)
{
    bool both = n->line.n > 0 && n->service.n > 0;
    ASSERT(a != NULL);
    struct str all =
        arena_printf(a, "%.*s%s%.*s", STR_FMT(n->line), both ? " / " : "", STR_FMT(n->service));
    return card_flat(a, all, CARD_VALUE_BYTES_MAX);
}

static void add_where(struct card *c, const struct notice *n, enum language l, struct arena *a)
{
    ASSERT(n->group_count <= NOTICE_GROUP_MAX);
    add_line(c, word_of(WORD_SERVICE, l), service_of(n, a));
    add_line(c, word_of(WORD_ENVIRONMENT, l), card_flat(a, n->environment, CARD_VALUE_BYTES_MAX));
    add_line(c, word_of(WORD_INSTANCE, l), card_flat(a, n->instance, CARD_VALUE_BYTES_MAX));
    add_line(c, word_of(WORD_ADDRESS, l), card_flat(a, n->address, CARD_VALUE_BYTES_MAX));
    for (size_t i = 0; i < n->group_count; i++) {
        add_line(c, card_flat(a, n->group[i].field, CARD_VALUE_BYTES_MAX / 4),
                 card_flat(a, n->group[i].value, CARD_VALUE_BYTES_MAX));
    }
}

void card_make(const struct notice *n, enum language l, struct arena *a, struct card *ret_card)
{
    struct card *c = ret_card;
    struct str none = STR("");
    MUST(n->status < NOTICE_STATUS_COUNT && n->level < NOTICE_LEVEL_COUNT);
    *c = (struct card){.status = n->status, .level = n->level, .title = title_of(n, l, a)};
    bool is_test = n->status == NOTICE_TEST;
    add_line(c, word_of(WORD_NOTE, l), is_test ? word_of(WORD_TEST_NOTE, l) : none);
    add_where(c, n, l, a);
    add_line(c, word_of(WORD_MEASURE, l), measure_text(a, n));
    add_line(c, word_of(WORD_PROCESS_CPU, l), share_text(a, n->process_cpu));
    add_line(c, word_of(WORD_HOST_CPU, l), share_text(a, n->host_cpu));
    add_line(c, word_of(WORD_EVENT_TIME, l),
             n->event_unix_nano > 0 ? card_time(a, n->event_unix_nano) : none);
    add_line(c, word_of(WORD_FIRED_TIME, l),
             n->fired_unix_nano > 0 ? card_time(a, n->fired_unix_nano) : none);
    add_line(c, word_of(WORD_MORE, l),
             n->more > 0 ? arena_printf(a, "%llu", (unsigned long long)n->more) : none);
    add_line(c, word_of(WORD_ENTRIES, l), joined(a, n->entries, n->entry_count, ", "));
    add_line(c, word_of(WORD_SUSPECT, l), card_flat(a, n->suspect, CARD_VALUE_BYTES_MAX));
    add_line(c, word_of(WORD_REMEDY, l), card_flat(a, n->remedy, CARD_VALUE_BYTES_MAX));
    add_line(c, word_of(WORD_TRACES, l), joined(a, n->trace_ids, n->trace_count, " "));
    add_link(c, a, word_of(WORD_OPEN_INCIDENT, l), n->incident_url);
    add_link(c, a, word_of(WORD_OPEN_SNAPSHOT, l), n->snapshot_url);
}

struct str card_summary(const struct notice *n, enum language l, struct arena *a)
{
    struct buf b;
    struct str service = service_of(n, a), measure = measure_text(a, n);
    struct str instance = card_flat(a, n->instance, CARD_VALUE_BYTES_MAX);
    struct str parts[] = {title_of(n, l, a), service, instance, measure,
                          n->status == NOTICE_TEST ? word_of(WORD_TEST_NOTE, l) : STR("")};
    buf_init(&b, 2 * CARD_TITLE_BYTES_MAX + sizeof parts / sizeof *parts * CARD_VALUE_BYTES_MAX);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        buf_add_str(&b, i > 0 && parts[i].n > 0 ? STR(", ") : STR(""));
        buf_add_str(&b, parts[i]);
    }
    MUST(!b.failed);
    struct str copy = arena_str(a, buf_str(&b));
    buf_done(&b);
    return copy;
}
