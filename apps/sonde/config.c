// SPDX-License-Identifier: Apache-2.0
// Purpose: the configuration: the table of settings, their values, and what no single value shows.
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/must.h"

static const struct setting_info infos[SETTING_COUNT] = {
#define SETTING_ROW(name, key, kind, standard, least, most, reload, help)                          \
    {key, KIND_OF_##kind, standard, least, most, reload, help},
    SETTING_LIST(SETTING_ROW)
#undef SETTING_ROW
};

const struct setting_info *setting_info(enum setting s)
{
    ASSERT((unsigned)s < SETTING_COUNT);
    return &infos[s];
}

#define QUOTED_MAX 48

// A value as an error may quote it: cut, without what would break its line; secrets not at all.
static void quote(enum setting s, const char *text, char out[QUOTED_MAX + 4])
{
    size_t n = 0;
    ASSERT((unsigned)s < SETTING_COUNT);
    if (infos[s].kind == KIND_OF_SECRET) {
        (void)snprintf(out, QUOTED_MAX, "wrong");
        return;
    }
    out[n++] = '\'';
    struct str cut = str_cut(str_of(text), QUOTED_MAX - 1);
    for (size_t i = 0; i < cut.n; i++) {
        out[n++] = (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? '?' : text[i];
    }
    out[n++] = '\'';
    out[n] = 0;
}

enum err config_set(struct config *c, enum setting s, const char *text, enum setting_source source,
                    const char *where, struct err_at *ret_at)
{
    uint64_t number;
    char expected[CONFIG_EXPECTED_MAX], quoted[QUOTED_MAX + 4];
    ASSERT((unsigned)s < SETTING_COUNT);
    enum err e = config_parse(s, text, &number, expected);
    if (e != ERR_OK) {
        quote(s, text, quoted);
        return err_at_set(ret_at, ERR_INVALID, 0, "%s: %s is %s, expected %s", where, infos[s].key,
                          quoted, expected);
    }
    c->text[s] = arena_str(&c->arena, str_of(text)).p;
    c->where[s] = arena_str(&c->arena, str_of(where)).p;
    c->number[s] = number;
    c->source[s] = source;
    return ERR_OK;
}

// ---- The whole ----------------------------------------------------------------------------------

static enum err read_environment(struct config *c, struct err_at *ret_at)
{
    for (unsigned i = 0; i < SETTING_COUNT; i++) {
        char name[CONFIG_KEY_MAX];
        config_environment_name((enum setting)i, name);
        const char *text = getenv(name);
        if (text != NULL) {
            enum err e = config_set(c, (enum setting)i, text, SOURCE_ENVIRONMENT, name, ret_at);
            if (e != ERR_OK) {
                return e;
            }
        }
    }
    return ERR_OK;
}

// What the lines leave out they take from store.retention and store.keep, wherever these stand.
static void complete_lines(struct config *c)
{
    ASSERT(c->line_count <= STORE_LINES_MAX);
    for (size_t i = 0; i < c->line_count; i++) {
        struct store_retention *line = &c->lines[i];
        if (line->errors_age_ms == CONFIG_NOT_GIVEN) {
            line->errors_age_ms = c->number[SETTING_RETENTION_ERRORS_AGE];
        }
        if (line->age_ms == CONFIG_NOT_GIVEN) {
            line->age_ms = c->number[SETTING_RETENTION_AGE];
        }
        if (line->bytes == CONFIG_NOT_GIVEN) {
            line->bytes = c->number[SETTING_RETENTION_SIZE];
        }
        if (line->is_chosen == CONFIG_NOT_GIVEN) {
            line->is_chosen = c->number[SETTING_KEEP_TRACES];
        }
    }
}

enum err config_load(struct config *c, const char *file, struct err_at *ret_at)
{
    *c = (struct config){.file = ""};
    for (unsigned i = 0; i < SETTING_COUNT; i++) {
        enum err e = config_set(c, (enum setting)i, infos[i].standard, SOURCE_DEFAULT, "", ret_at);
        MUST(e == ERR_OK); // our own table
    }
    enum err e = file != NULL ? config_read_file(c, file, ret_at) : ERR_OK;
    e = e == ERR_OK ? read_environment(c, ret_at) : e;
    if (e == ERR_OK) {
        complete_lines(c);
        config_complete_jobs(c);
    }
    return e;
}

void config_print_lines(const struct config *c, struct buf *out)
{
    ASSERT(c->line_count <= STORE_LINES_MAX);
    for (size_t i = 0; i < c->line_count; i++) {
        const struct store_retention *line = &c->lines[i];
        buf_printf(out, "%s{name: %.*s, age: ", i > 0 ? ", " : "", STR_FMT(line->line));
        config_print_duration(out, line->age_ms);
        if (line->errors_age_ms > 0) {
            buf_printf(out, ", errors_age: ");
            config_print_duration(out, line->errors_age_ms);
        }
        buf_printf(out, ", size: ");
        config_print_size(out, line->bytes);
        if (line->is_chosen != c->number[SETTING_KEEP_TRACES]) {
            buf_printf(out, ", keep: %s", line->is_chosen != 0 ? "chosen" : "all");
        }
        buf_printf(out, "}");
    }
}

struct keep_rules config_keep_rules(const struct config *c, struct keep_line *lines)
{
    _Static_assert(KEEP_LINES_MAX == STORE_LINES_MAX, "each line has its rule");
    ASSERT(c->line_count <= STORE_LINES_MAX);
    for (size_t i = 0; i < c->line_count; i++) {
        lines[i] = (struct keep_line){c->lines[i].line, c->lines[i].is_chosen != 0};
    }
    return (struct keep_rules){.is_chosen = c->number[SETTING_KEEP_TRACES] != 0,
                               .share_ppm = (uint32_t)c->number[SETTING_KEEP_SHARE],
                               .slow_ppm = (uint32_t)c->number[SETTING_KEEP_SLOW],
                               .rare = (uint32_t)c->number[SETTING_KEEP_RARE],
                               .lines = lines,
                               .line_count = c->line_count};
}

void config_done(struct config *c)
{
    arena_done(&c->arena);
}

// Whether only this machine can reach the address.
static bool is_loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strncmp(address, "[::1]:", 6) == 0 ||
           strncmp(address, "localhost:", 10) == 0;
}

// "sonde.yaml:3:5: ", or nothing for a default: where a setting that is wrong was given.
static void put_place(const struct config *c, enum setting s, char out[CONFIG_PLACE_MAX])
{
    ASSERT((unsigned)s < SETTING_COUNT && c->where[s] != NULL);
    const char *where = c->where[s];
    (void)snprintf(out, CONFIG_PLACE_MAX, "%s%s", where, where[0] != 0 ? ": " : "");
}

static enum err check_open(const struct config *c, enum setting address, enum setting token,
                           struct err_at *ret_at)
{
    ASSERT(address != token);
    char place[CONFIG_PLACE_MAX];
    const char *a = c->text[address];
    if (strcmp(a, "off") == 0 || is_loopback(a) || c->text[token][0] != 0) {
        return ERR_OK;
    }
    put_place(c, address, place);
    return err_at_set(ret_at, ERR_DENIED, 0,
                      "%s%s is %s, which other machines can reach: set %s, or listen on 127.0.0.1",
                      place, infos[address].key, a, infos[token].key);
}

static enum err check_tls(const struct config *c, enum setting certificate, enum setting key,
                          struct err_at *ret_at)
{
    ASSERT(certificate != key);
    char place[CONFIG_PLACE_MAX];
    bool one = c->text[certificate][0] != 0, other = c->text[key][0] != 0;
    if (one == other) {
        return ERR_OK;
    }
    put_place(c, one ? certificate : key, place);
    return err_at_set(ret_at, ERR_INVALID, 0, "%s%s and %s are needed together: set %s too", place,
                      infos[certificate].key, infos[key].key, infos[one ? key : certificate].key);
}

// Traces with errors may be kept for longer than others, never for less long.
static enum err check_retention(const struct config *c, struct err_at *ret_at)
{
    char place[CONFIG_PLACE_MAX];
    uint64_t errors_ms = c->number[SETTING_RETENTION_ERRORS_AGE];
    if (errors_ms > 0 && errors_ms < c->number[SETTING_RETENTION_AGE]) {
        put_place(c, SETTING_RETENTION_ERRORS_AGE, place);
        return err_at_set(
            ret_at, ERR_INVALID, 0,
            "%sstore.retention.errors_age is %s, expected %s (store.retention.age) or "
            "more, or 0 for as long as all",
            place, c->text[SETTING_RETENTION_ERRORS_AGE], c->text[SETTING_RETENTION_AGE]);
    }
    for (size_t i = 0; i < c->line_count; i++) {
        const struct store_retention *line = &c->lines[i];
        if (line->errors_age_ms > 0 && line->errors_age_ms < line->age_ms) {
            return err_at_set(ret_at, ERR_INVALID, 0,
                              "%s: store.lines: the errors_age of %.*s is shorter than its age: "
                              "traces with errors may be kept for longer, not for less long",
                              c->file, STR_FMT(line->line));
        }
    }
    ASSERT(c->line_count <= STORE_LINES_MAX);
    return ERR_OK;
}

static enum err check_values(const struct config *c, struct err_at *ret_at)
{
    char place[CONFIG_PLACE_MAX];
    if (c->number[SETTING_JOURNAL_MAX] < 2 * c->number[SETTING_JOURNAL_SEGMENT]) {
        put_place(c, SETTING_JOURNAL_MAX, place);
        return err_at_set(ret_at, ERR_INVALID, 0,
                          "%sjournal.max is %s, expected room for two segments of %s at least",
                          place, c->text[SETTING_JOURNAL_MAX], c->text[SETTING_JOURNAL_SEGMENT]);
    }
    if (c->text[SETTING_HTTP_TOKEN][0] != 0 &&
        strcmp(c->text[SETTING_HTTP_TOKEN], c->text[SETTING_OTLP_TOKEN]) == 0) {
        put_place(c, SETTING_OTLP_TOKEN, place);
        return err_at_set(ret_at, ERR_INVALID, 0,
                          "%shttp.token and otlp.token are the same: senders could read everything",
                          place);
    }
    if (strcmp(c->text[SETTING_OTLP_GRPC], "off") == 0 &&
        strcmp(c->text[SETTING_OTLP_HTTP], "off") == 0) {
        put_place(c, SETTING_OTLP_HTTP, place);
        return err_at_set(ret_at, ERR_INVALID, 0,
                          "%sotlp.grpc and otlp.http are both off: nothing could be received",
                          place);
    }
    return ERR_OK;
}

enum err config_check(const struct config *c, struct err_at *ret_at)
{
    enum err e = check_open(c, SETTING_HTTP_ADDRESS, SETTING_HTTP_TOKEN, ret_at);
    e = e == ERR_OK ? check_open(c, SETTING_OTLP_GRPC, SETTING_OTLP_TOKEN, ret_at) : e;
    e = e == ERR_OK ? check_open(c, SETTING_OTLP_HTTP, SETTING_OTLP_TOKEN, ret_at) : e;
    e = e == ERR_OK ? check_tls(c, SETTING_HTTP_TLS_CERTIFICATE, SETTING_HTTP_TLS_KEY, ret_at) : e;
    e = e == ERR_OK ? check_tls(c, SETTING_OTLP_TLS_CERTIFICATE, SETTING_OTLP_TLS_KEY, ret_at) : e;
    e = e == ERR_OK ? check_retention(c, ret_at) : e;
    e = e == ERR_OK ? config_check_jobs(c, ret_at) : e;
    return e == ERR_OK ? check_values(c, ret_at) : e;
}
