// SPDX-License-Identifier: Apache-2.0
// Purpose: the configuration: the table of settings, their values, and what no single value shows.
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/must.h"

static const struct setting_info infos[SETTING_COUNT] = {
#define SETTING_ROW(name, key, kind, standard, reload, help)                                       \
    {key, KIND_OF_##kind, standard, reload, help},
    SETTING_LIST(SETTING_ROW)
#undef SETTING_ROW
};

const struct setting_info *setting_info(enum setting s)
{
    ASSERT((unsigned)s < SETTING_COUNT);
    return &infos[s];
}

// ---- Values -------------------------------------------------------------------------------------

struct unit {
    const char *name;
    uint64_t factor;
};

static enum err parse_with_units(const char *text, const struct unit *units, uint64_t *ret_value)
{
    char *end;
    if (!isdigit((unsigned char)text[0])) {
        return ERR_INVALID;
    }
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    while (*end == ' ') {
        end++;
    }
    if (errno != 0) {
        return ERR_INVALID;
    }
    for (; units->name != NULL; units++) {
        if (strcmp(units->name, end) == 0) {
            return __builtin_mul_overflow((uint64_t)n, units->factor, ret_value) ? ERR_INVALID
                                                                                 : ERR_OK;
        }
    }
    return ERR_INVALID;
}

enum err config_parse_size(const char *text, uint64_t *ret_bytes)
{
    static const struct unit units[] = {{"", 1},
                                        {"B", 1},
                                        {"KiB", 1ULL << 10},
                                        {"MiB", 1ULL << 20},
                                        {"GiB", 1ULL << 30},
                                        {"TiB", 1ULL << 40},
                                        {"KB", 1000},
                                        {"MB", 1000000},
                                        {"GB", 1000000000},
                                        {"TB", 1000000000000},
                                        {NULL, 0}};
    return parse_with_units(text, units, ret_bytes);
}

enum err config_parse_duration(const char *text, uint64_t *ret_ms)
{
    static const struct unit units[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
                                        {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
    if (strcmp(text, "0") == 0) {
        *ret_ms = 0;
        return ERR_OK;
    }
    return parse_with_units(text, units, ret_ms);
}

static int choice(const char *text, const char *const *words)
{
    ASSERT(words[0] != NULL);
    for (int i = 0; words[i] != NULL; i++) {
        if (strcmp(text, words[i]) == 0) {
            return i;
        }
    }
    return -1;
}

// The number behind a text, and what is expected where the text is wrong.
static enum err parse_value(enum setting_kind kind, const char *text, uint64_t *ret_number,
                            const char **ret_expected)
{
    static const char *const syncs[] = {"always", "interval", NULL};
    static const char *const levels[] = {"debug", "info", "warn", "error", NULL};
    int at = 0;
    *ret_number = 0;
    switch (kind) {
    case KIND_OF_TEXT:
    case KIND_OF_SECRET:
        return ERR_OK;
    case KIND_OF_SIZE:
        *ret_expected = "a size such as 256MiB or 10GiB";
        return config_parse_size(text, ret_number);
    case KIND_OF_DURATION:
        *ret_expected = "a duration such as 100ms, 30s, 12h or 7d";
        return config_parse_duration(text, ret_number);
    case KIND_OF_NUMBER:
        *ret_expected = "a whole number";
        return str_to_u64(str_of(text), ret_number);
    case KIND_OF_SYNC:
        *ret_expected = "always or interval";
        at = choice(text, syncs);
        break;
    case KIND_OF_LEVEL:
        *ret_expected = "debug, info, warn or error";
        at = choice(text, levels);
        break;
    }
    *ret_number = (uint64_t)at;
    return at >= 0 ? ERR_OK : ERR_INVALID;
}

enum err config_set(struct config *c, enum setting s, const char *text, enum setting_source source,
                    const char *where, struct err_at *ret_at)
{
    uint64_t number;
    const char *expected = "";
    ASSERT((unsigned)s < SETTING_COUNT);
    enum err e = parse_value(infos[s].kind, text, &number, &expected);
    if (e != ERR_OK) {
        return err_at_set(ret_at, ERR_INVALID, 0, "%s: %s is '%s', expected %s", where,
                          infos[s].key, text, expected);
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

// What the lines leave out they take from store.retention, wherever that stands.
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
    }
    return e;
}

// The largest unit that divides a value, so that it reads as it was probably written.
static void print_with_units(struct buf *out, uint64_t value, const struct unit *units)
{
    ASSERT(units != NULL);
    while (value == 0 || value % units->factor != 0) {
        if (units->factor == 1) {
            break;
        }
        units++;
    }
    buf_printf(out, "%" PRIu64 "%s", value / units->factor, value == 0 ? "" : units->name);
}

void config_print_lines(const struct config *c, struct buf *out)
{
    static const struct unit ages[] = {
        {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
    static const struct unit sizes[] = {{"TiB", 1ULL << 40},
                                        {"GiB", 1ULL << 30},
                                        {"MiB", 1ULL << 20},
                                        {"KiB", 1ULL << 10},
                                        {"", 1}};
    ASSERT(c->line_count <= STORE_LINES_MAX);
    for (size_t i = 0; i < c->line_count; i++) {
        const struct store_retention *line = &c->lines[i];
        buf_printf(out, "%s{name: %.*s, age: ", i > 0 ? ", " : "", STR_FMT(line->line));
        print_with_units(out, line->age_ms, ages);
        buf_printf(out, ", size: ");
        print_with_units(out, line->bytes, sizes);
        buf_printf(out, "}");
    }
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
    if (strrchr(a, ':') == NULL) {
        return err_at_set(ret_at, ERR_INVALID, 0,
                          "%s%s is '%s', expected HOST:PORT such as 127.0.0.1:7070%s", place,
                          infos[address].key, a, address == SETTING_HTTP_ADDRESS ? "" : ", or off");
    }
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

static enum err check_values(const struct config *c, struct err_at *ret_at)
{
    char place[CONFIG_PLACE_MAX];
    if (c->number[SETTING_MEMORY_LIMIT] < (uint64_t)64 << 20) {
        put_place(c, SETTING_MEMORY_LIMIT, place);
        return err_at_set(ret_at, ERR_INVALID, 0, "%smemory.limit is %s, expected at least 64MiB",
                          place, c->text[SETTING_MEMORY_LIMIT]);
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
    return e == ERR_OK ? check_values(c, ret_at) : e;
}
