// SPDX-License-Identifier: Apache-2.0
// Purpose: the texts of settings and the values behind them: units, choices, bounds.
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "core/must.h"

// ---- Units --------------------------------------------------------------------------------------

struct unit {
    const char *name;
    uint64_t factor;
};

// The largest first: the order in which they are tried for printing.
static const struct unit sizes[] = {{"TiB", 1ULL << 40},
                                    {"TB", 1000000000000},
                                    {"GiB", 1ULL << 30},
                                    {"GB", 1000000000},
                                    {"MiB", 1ULL << 20},
                                    {"MB", 1000000},
                                    {"KiB", 1ULL << 10},
                                    {"KB", 1000},
                                    {"B", 1},
                                    {"", 1},
                                    {NULL, 0}};
static const struct unit durations[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000},
                                        {"s", 1000},     {"ms", 1},      {NULL, 0}};

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
    return parse_with_units(text, sizes, ret_bytes);
}

enum err config_parse_duration(const char *text, uint64_t *ret_ms)
{
    if (strcmp(text, "0") == 0) {
        *ret_ms = 0;
        return ERR_OK;
    }
    return parse_with_units(text, durations, ret_ms);
}

enum err config_parse_share(const char *text, uint64_t *ret_ppm)
{
    uint64_t ppm = 0, unit = 10000;
    size_t at = 0, digits = 0;
    for (; text[at] != 0 && text[at] != '%'; at++) {
        if (text[at] == '.' && unit == 10000 && digits > 0) {
            unit = 1000;
            continue;
        }
        if (!isdigit((unsigned char)text[at]) || unit == 0 || ppm > KEEP_PPM) {
            return ERR_INVALID;
        }
        uint64_t digit = (uint64_t)(text[at] - '0');
        ppm = unit == 10000 ? ppm * 10 + digit * unit : ppm + digit * unit;
        unit /= unit < 10000 ? 10 : 1;
        digits++;
    }
    if (digits == 0 || text[at - 1] == '.' || strcmp(text + at, "%") != 0 || ppm > KEEP_PPM) {
        return ERR_INVALID;
    }
    *ret_ppm = ppm;
    return ERR_OK;
}

static void print_with_units(struct buf *out, uint64_t value, const struct unit *units)
{
    ASSERT(units != NULL);
    while (value % units->factor != 0) {
        units++;
        ASSERT(units->name != NULL);
    }
    buf_printf(out, "%" PRIu64 "%s", value / units->factor, value == 0 ? "" : units->name);
}

void config_print_size(struct buf *out, uint64_t bytes)
{
    print_with_units(out, bytes, sizes);
}

void config_print_duration(struct buf *out, uint64_t ms)
{
    print_with_units(out, ms, durations);
}

// ---- Values -------------------------------------------------------------------------------------

static enum err parse_choice(const char *text, const char *const *words, uint64_t *ret_number)
{
    ASSERT(words[0] != NULL);
    for (unsigned i = 0; words[i] != NULL; i++) {
        if (strcmp(text, words[i]) == 0) {
            *ret_number = i;
            return ERR_OK;
        }
    }
    return ERR_INVALID;
}

// HOST:PORT, the host in brackets when it has colons. Whether it resolves, the socket shows.
static bool is_address(const char *text)
{
    const char *colon = strrchr(text, ':');
    uint64_t port;
    if (colon == NULL || colon == text || str_to_u64(str_of(colon + 1), &port) != ERR_OK ||
        port > 65535) {
        return false;
    }
    bool bracketed = text[0] == '[' && colon[-1] == ']';
    for (const char *c = text; c < colon; c++) {
        if ((unsigned char)*c <= ' ' || (*c == ':' && !bracketed)) {
            return false;
        }
    }
    return true;
}

static bool has_only(const char *text, unsigned char from, unsigned char to)
{
    ASSERT(from <= to);
    for (; *text != 0; text++) {
        if ((unsigned char)*text < from || (unsigned char)*text > to) {
            return false;
        }
    }
    return true;
}

// The number behind a text, of texts their length, and what is expected where the text is wrong.
static enum err parse_kind(enum setting_kind kind, const char *text, uint64_t *ret_number,
                           const char **ret_expected)
{
    static const char *const syncs[] = {"always", "interval", NULL};
    static const char *const keeps[] = {"all", "chosen", NULL};
    static const char *const levels[] = {"debug", "info", "warn", "error", NULL};
    *ret_number = strlen(text);
    switch (kind) {
    case KIND_OF_TEXT:
        *ret_expected = "text without control characters";
        return has_only(text, ' ', 255) ? ERR_OK : ERR_INVALID;
    case KIND_OF_SECRET: // a header carries it
        *ret_expected = "letters, digits and signs of ASCII without blanks or line breaks";
        return has_only(text, '!', '~') ? ERR_OK : ERR_INVALID;
    case KIND_OF_ADDRESS:
        *ret_expected = "HOST:PORT such as 127.0.0.1:7070";
        return is_address(text) ? ERR_OK : ERR_INVALID;
    case KIND_OF_ADDRESS_OR_OFF:
        *ret_expected = "HOST:PORT such as 127.0.0.1:4317, or off";
        return is_address(text) || strcmp(text, "off") == 0 ? ERR_OK : ERR_INVALID;
    case KIND_OF_SIZE:
        *ret_expected = "a size such as 256MiB or 10GiB";
        return config_parse_size(text, ret_number);
    case KIND_OF_DURATION:
        *ret_expected = "a duration such as 100ms, 30s, 12h or 7d";
        return config_parse_duration(text, ret_number);
    case KIND_OF_NUMBER:
        *ret_expected = "a whole number";
        return str_to_u64(str_of(text), ret_number);
    case KIND_OF_SHARE:
        *ret_expected = "a share from 0% to 100% such as 1% or 0.25%";
        return config_parse_share(text, ret_number);
    case KIND_OF_KEEP:
        *ret_expected = "all or chosen";
        return parse_choice(text, keeps, ret_number);
    case KIND_OF_SYNC:
        *ret_expected = "always or interval";
        return parse_choice(text, syncs, ret_number);
    case KIND_OF_LEVEL:
        *ret_expected = "debug, info, warn or error";
        return parse_choice(text, levels, ret_number);
    }
    return ERR_INVALID;
}

static void print_bounds(const struct setting_info *info, char out[CONFIG_EXPECTED_MAX])
{
    struct buf b;
    const char *kind = info->kind == KIND_OF_SIZE       ? "a size"
                       : info->kind == KIND_OF_DURATION ? "a duration"
                       : info->kind == KIND_OF_NUMBER   ? "a number"
                                                        : "a text of";
    uint64_t bounds[2] = {info->least, info->most};
    ASSERT(info->least <= info->most);
    buf_init(&b, CONFIG_EXPECTED_MAX);
    buf_printf(&b, "%s ", kind);
    for (int i = 0; i < 2; i++) {
        buf_add_str(&b, i == 0 && info->kind >= KIND_OF_SIZE ? STR("from ") : STR(""));
        if (info->kind == KIND_OF_SIZE) {
            config_print_size(&b, bounds[i]);
        } else if (info->kind == KIND_OF_DURATION) {
            config_print_duration(&b, bounds[i]);
        } else {
            buf_printf(&b, "%" PRIu64, bounds[i]);
        }
        buf_add_str(&b, i == 0 ? STR(" to ") : STR(""));
    }
    buf_add_str(&b, info->kind < KIND_OF_SIZE ? STR(" bytes") : STR(""));
    MUST(!b.failed);
    (void)snprintf(out, CONFIG_EXPECTED_MAX, "%.*s", STR_FMT(buf_str(&b)));
    buf_done(&b);
}

enum err config_parse(enum setting s, const char *text, uint64_t *ret_number,
                      char ret_expected[CONFIG_EXPECTED_MAX])
{
    const struct setting_info *info = setting_info(s);
    const char *expected = "";
    uint64_t number;
    enum err e = parse_kind(info->kind, text, &number, &expected);
    if (e != ERR_OK) {
        (void)snprintf(ret_expected, CONFIG_EXPECTED_MAX, "%s", expected);
        return ERR_INVALID;
    }
    bool bounded = info->kind < KIND_OF_SHARE;
    if (bounded && (number < info->least || number > info->most)) {
        print_bounds(info, ret_expected);
        return ERR_INVALID;
    }
    *ret_number = number;
    return ERR_OK;
}
