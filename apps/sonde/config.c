// SPDX-License-Identifier: Apache-2.0
// Purpose: reading the configuration: the table of settings, the YAML file (libyaml), the
// environment.
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "core/must.h"

#define KEY_MAX 128

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

// ---- Values
// --------------------------------------------------------------------------------------

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
    c->number[s] = number;
    c->source[s] = source;
    return ERR_OK;
}

// ---- The file
// ------------------------------------------------------------------------------------

struct reader {
    struct config *c;
    const char *file;
    yaml_document_t doc;
    struct err_at *at;
};

static enum err wrong(struct reader *r, const yaml_node_t *n, const char *what, const char *name)
{
    return err_at_set(r->at, ERR_INVALID, n->start_mark.index, "%s:%zu:%zu: %s%s%s", r->file,
                      n->start_mark.line + 1, n->start_mark.column + 1, what,
                      name != NULL ? " " : "", name != NULL ? name : "");
}

static const char *text_of(const yaml_node_t *n)
{
    return n->type == YAML_SCALAR_NODE ? (const char *)n->data.scalar.value : NULL;
}

static enum err read_line_field(struct reader *r, struct store_retention *line, const char *key,
                                const yaml_node_t *key_node, const yaml_node_t *value)
{
    const char *text = text_of(value);
    if (text == NULL) {
        return wrong(r, value, "expected a single value for", key);
    }
    if (strcmp(key, "name") == 0) {
        line->line = arena_str(&r->c->arena, str_of(text));
        return ERR_OK;
    }
    if (strcmp(key, "age") == 0) {
        return config_parse_duration(text, &line->age_ms) == ERR_OK
                   ? ERR_OK
                   : wrong(r, value, "expected a duration such as 12h or 7d", NULL);
    }
    if (strcmp(key, "errors_age") == 0) {
        return config_parse_duration(text, &line->errors_age_ms) == ERR_OK
                   ? ERR_OK
                   : wrong(r, value, "expected a duration such as 12h or 7d", NULL);
    }
    if (strcmp(key, "size") == 0) {
        return config_parse_size(text, &line->bytes) == ERR_OK
                   ? ERR_OK
                   : wrong(r, value, "expected a size such as 10GiB", NULL);
    }
    return wrong(r, key_node, "a line has name, age, errors_age and size, not", key);
}

// store.lines: a list of {name, age, errors_age, size}.
static enum err read_lines(struct reader *r, const yaml_node_t *list)
{
    if (list->type != YAML_SEQUENCE_NODE) {
        return wrong(r, list, "expected a list of business lines: - name: shop", NULL);
    }
    for (yaml_node_item_t *i = list->data.sequence.items.start; i < list->data.sequence.items.top;
         i++) {
        const yaml_node_t *item = yaml_document_get_node(&r->doc, *i);
        if (item->type != YAML_MAPPING_NODE || r->c->line_count == STORE_LINES_MAX) {
            return wrong(r, item, "expected a business line with a name (64 lines at most)", NULL);
        }
        struct store_retention *line = &r->c->lines[r->c->line_count++];
        line->age_ms = r->c->number[SETTING_RETENTION_AGE];
        line->errors_age_ms = r->c->number[SETTING_RETENTION_ERRORS_AGE];
        line->bytes = r->c->number[SETTING_RETENTION_SIZE];
        for (yaml_node_pair_t *p = item->data.mapping.pairs.start; p < item->data.mapping.pairs.top;
             p++) {
            const yaml_node_t *key = yaml_document_get_node(&r->doc, p->key);
            const char *name = text_of(key);
            enum err e = name == NULL ? wrong(r, key, "expected a name", NULL)
                                      : read_line_field(r, line, name, key,
                                                        yaml_document_get_node(&r->doc, p->value));
            if (e != ERR_OK) {
                return e;
            }
        }
        if (line->line.n == 0) {
            return wrong(r, item, "expected a name for this business line", NULL);
        }
    }
    return ERR_OK;
}

static bool is_section(const char *path)
{
    size_t n = strlen(path);
    for (unsigned i = 0; i < SETTING_COUNT; i++) {
        if (strncmp(infos[i].key, path, n) == 0 && infos[i].key[n] == '.') {
            return true;
        }
    }
    return false;
}

static enum err read_value(struct reader *r, const char *path, const yaml_node_t *key,
                           const yaml_node_t *value)
{
    char where[FS_PATH_MAX + 64];
    const char *text = text_of(value);
    (void)snprintf(where, sizeof where, "%s:%zu:%zu", r->file, value->start_mark.line + 1,
                   value->start_mark.column + 1);
    for (unsigned i = 0; i < SETTING_COUNT; i++) {
        if (strcmp(infos[i].key, path) == 0) {
            return text != NULL ? config_set(r->c, (enum setting)i, text, SOURCE_FILE, where, r->at)
                                : wrong(r, value, "expected a single value for", path);
        }
    }
    return wrong(r, key, "unknown key", path);
}

static enum err read_mapping(struct reader *r, const yaml_node_t *map, const char *prefix)
{
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
         p++) {
        const yaml_node_t *key = yaml_document_get_node(&r->doc, p->key);
        const yaml_node_t *value = yaml_document_get_node(&r->doc, p->value);
        char path[KEY_MAX];
        if (text_of(key) == NULL) {
            return wrong(r, key, "expected a key", NULL);
        }
        int n =
            snprintf(path, sizeof path, "%s%s%s", prefix, prefix[0] != 0 ? "." : "", text_of(key));
        if (n < 0 || n >= KEY_MAX) {
            return wrong(r, key, "unknown key", NULL);
        }
        enum err e;
        if (strcmp(path, "store.lines") == 0) {
            e = read_lines(r, value);
        } else if (value->type == YAML_MAPPING_NODE && is_section(path)) {
            e = read_mapping(r, value, path);
        } else if (is_section(path)) {
            e = wrong(r, value, "expected keys below", path);
        } else {
            e = read_value(r, path, key, value);
        }
        if (e != ERR_OK) {
            return e;
        }
    }
    return ERR_OK;
}

static enum err read_document(struct reader *r, FILE *f)
{
    yaml_parser_t parser;
    MUST(yaml_parser_initialize(&parser) == 1);
    yaml_parser_set_input_file(&parser, f);
    enum err e = ERR_OK;
    if (yaml_parser_load(&parser, &r->doc) != 1) {
        e = err_at_set(r->at, ERR_INVALID, parser.problem_offset, "%s:%zu:%zu: %s", r->file,
                       parser.problem_mark.line + 1, parser.problem_mark.column + 1,
                       parser.problem != NULL ? parser.problem : "this is not YAML");
        yaml_parser_delete(&parser);
        return e;
    }
    const yaml_node_t *root = yaml_document_get_root_node(&r->doc);
    if (root != NULL && root->type == YAML_MAPPING_NODE) {
        e = read_mapping(r, root, "");
    } else if (root != NULL && (text_of(root) == NULL || text_of(root)[0] != 0)) {
        e = wrong(r, root, "expected keys, such as 'journal:'", NULL);
    }
    yaml_document_delete(&r->doc);
    yaml_parser_delete(&parser);
    return e;
}

// ---- The whole ----------------------------------------------------------------------------------

static void environment_name(const char *key, char out[KEY_MAX])
{
    int n = snprintf(out, KEY_MAX, "SONDE_%s", key);
    MUST(n > 0 && n < KEY_MAX);
    for (char *p = out; *p != 0; p++) {
        if (*p == '.') {
            *p = '_';
        } else if (*p >= 'a' && *p <= 'z') {
            *p = (char)(*p - 'a' + 'A');
        }
    }
}

static enum err read_environment(struct config *c, struct err_at *ret_at)
{
    for (unsigned i = 0; i < SETTING_COUNT; i++) {
        char name[KEY_MAX];
        environment_name(infos[i].key, name);
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

enum err config_load(struct config *c, const char *file, struct err_at *ret_at)
{
    *c = (struct config){.file = ""};
    for (unsigned i = 0; i < SETTING_COUNT; i++) {
        enum err e =
            config_set(c, (enum setting)i, infos[i].standard, SOURCE_DEFAULT, "default", ret_at);
        MUST(e == ERR_OK); // our own table
    }
    if (file != NULL) {
        struct reader r = {.c = c, .file = file, .at = ret_at};
        FILE *f = fopen(file, "re");
        if (f == NULL) {
            return err_at_set(ret_at, err_from_errno(errno), 0, "%s: %s", file, strerror(errno));
        }
        c->file = arena_str(&c->arena, str_of(file)).p;
        enum err e = read_document(&r, f);
        (void)fclose(f);
        if (e != ERR_OK) {
            return e;
        }
    }
    return read_environment(c, ret_at);
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

static enum err check_open(const struct config *c, enum setting address, enum setting token,
                           struct err_at *ret_at)
{
    const char *a = c->text[address];
    if (strcmp(a, "off") == 0 || is_loopback(a) || c->text[token][0] != 0) {
        return ERR_OK;
    }
    return err_at_set(ret_at, ERR_DENIED, 0,
                      "%s is %s, which other machines can reach: set %s, or listen on 127.0.0.1",
                      infos[address].key, a, infos[token].key);
}

static enum err check_tls(const struct config *c, enum setting certificate, enum setting key,
                          struct err_at *ret_at)
{
    if ((c->text[certificate][0] != 0) == (c->text[key][0] != 0)) {
        return ERR_OK;
    }
    return err_at_set(ret_at, ERR_INVALID, 0, "%s and %s are needed together",
                      infos[certificate].key, infos[key].key);
}

enum err config_check(const struct config *c, struct err_at *ret_at)
{
    enum err e = check_open(c, SETTING_HTTP_ADDRESS, SETTING_HTTP_TOKEN, ret_at);
    e = e == ERR_OK ? check_open(c, SETTING_OTLP_GRPC, SETTING_OTLP_TOKEN, ret_at) : e;
    e = e == ERR_OK ? check_open(c, SETTING_OTLP_HTTP, SETTING_OTLP_TOKEN, ret_at) : e;
    e = e == ERR_OK ? check_tls(c, SETTING_HTTP_TLS_CERTIFICATE, SETTING_HTTP_TLS_KEY, ret_at) : e;
    e = e == ERR_OK ? check_tls(c, SETTING_OTLP_TLS_CERTIFICATE, SETTING_OTLP_TLS_KEY, ret_at) : e;
    if (e == ERR_OK && c->number[SETTING_MEMORY_LIMIT] < (uint64_t)64 << 20) {
        e = err_at_set(ret_at, ERR_INVALID, 0, "memory.limit is %s, expected at least 64MiB",
                       c->text[SETTING_MEMORY_LIMIT]);
    }
    if (e == ERR_OK && c->text[SETTING_HTTP_TOKEN][0] != 0 &&
        strcmp(c->text[SETTING_HTTP_TOKEN], c->text[SETTING_OTLP_TOKEN]) == 0) {
        e = err_at_set(ret_at, ERR_INVALID, 0,
                       "http.token and otlp.token are the same: senders could read everything");
    }
    if (e == ERR_OK && strcmp(c->text[SETTING_OTLP_GRPC], "off") == 0 &&
        strcmp(c->text[SETTING_OTLP_HTTP], "off") == 0) {
        e = err_at_set(ret_at, ERR_INVALID, 0,
                       "otlp.grpc and otlp.http are both off: nothing could be received");
    }
    return e;
}
