// SPDX-License-Identifier: Apache-2.0
// Purpose: the YAML file of the configuration (libyaml). What is wrong is refused with file, line
// and column; so is a key that is given twice, with both places: the reader meant one of them, and
// only they know which.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config_reader.h"
#include "core/must.h"

#define LINE_NAME_MAX 256

enum err config_wrong(struct config_reader *r, const yaml_node_t *n, const char *what,
                      const char *name)
{
    ASSERT(n != NULL && what != NULL);
    return err_at_set(r->at, ERR_INVALID, n->start_mark.index, "%s:%zu:%zu: %s%s%s", r->file,
                      n->start_mark.line + 1, n->start_mark.column + 1, what,
                      name != NULL ? " " : "", name != NULL ? name : "");
}

static enum err wrong_name(struct config_reader *r, const yaml_node_t *n, const char *what,
                           const char *name, const char *meant)
{
    ASSERT(n != NULL && name != NULL);
    if (meant == NULL) {
        return config_wrong(r, n, what, name);
    }
    return err_at_set(r->at, ERR_INVALID, n->start_mark.index,
                      "%s:%zu:%zu: %s %s; did you mean %s?", r->file, n->start_mark.line + 1,
                      n->start_mark.column + 1, what, name, meant);
}

enum err config_wrong_twice(struct config_reader *r, const yaml_node_t *n, const char *name,
                            const yaml_node_t *first)
{
    ASSERT(n != NULL && first != NULL && n != first);
    return err_at_set(r->at, ERR_INVALID, n->start_mark.index,
                      "%s:%zu:%zu: %s is given twice, first at %zu:%zu", r->file,
                      n->start_mark.line + 1, n->start_mark.column + 1, name,
                      first->start_mark.line + 1, first->start_mark.column + 1);
}

const char *config_text_of(const yaml_node_t *n)
{
    ASSERT(n != NULL);
    return n->type == YAML_SCALAR_NODE ? (const char *)n->data.scalar.value : NULL;
}

enum err config_check_twice(struct config_reader *r, const yaml_node_t *map,
                            const yaml_node_pair_t *pair, const char *path)
{
    ASSERT(map->type == YAML_MAPPING_NODE);
    const yaml_node_t *key = yaml_document_get_node(&r->doc, pair->key);
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < pair; p++) {
        const yaml_node_t *other = yaml_document_get_node(&r->doc, p->key);
        if (config_text_of(other) != NULL &&
            strcmp(config_text_of(other), config_text_of(key)) == 0) {
            return config_wrong_twice(r, key, path, other);
        }
    }
    return ERR_OK;
}

static enum err read_line_field(struct config_reader *r, struct store_retention *line,
                                const char *key, const yaml_node_t *key_node,
                                const yaml_node_t *value)
{
    const char *text = config_text_of(value);
    if (text == NULL) {
        return config_wrong(r, value, "expected a single value for", key);
    }
    if (strcmp(key, "name") == 0) {
        for (const char *c = text; *c != 0; c++) {
            if ((unsigned char)*c < 0x20 || *c == 0x7f) {
                return config_wrong(r, value, "expected a name without control characters", NULL);
            }
        }
        if (strlen(text) > LINE_NAME_MAX) {
            return config_wrong(r, value, "expected a name of 256 bytes at most", NULL);
        }
        line->line = arena_str(&r->c->arena, str_of(text));
        return ERR_OK;
    }
    static const struct {
        const char *key;
        enum setting bounds; // what it stands in for
    } fields[] = {{"age", SETTING_RETENTION_AGE},
                  {"errors_age", SETTING_RETENTION_ERRORS_AGE},
                  {"size", SETTING_RETENTION_SIZE},
                  {"keep", SETTING_KEEP_TRACES}};
    uint64_t *const values[] = {&line->age_ms, &line->errors_age_ms, &line->bytes,
                                &line->is_chosen};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (strcmp(key, fields[i].key) == 0) {
            char expected[CONFIG_EXPECTED_MAX];
            return config_parse(fields[i].bounds, text, values[i], expected) == ERR_OK
                       ? ERR_OK
                       : config_wrong(r, value, "expected", expected);
        }
    }
    return config_wrong(r, key_node, "a line has name, age, errors_age, size and keep, not", key);
}

static enum err read_line(struct config_reader *r, const yaml_node_t *item,
                          struct store_retention *line)
{
    ASSERT(item->type == YAML_MAPPING_NODE);
    *line = (struct store_retention){.age_ms = CONFIG_NOT_GIVEN,
                                     .errors_age_ms = CONFIG_NOT_GIVEN,
                                     .bytes = CONFIG_NOT_GIVEN,
                                     .is_chosen = CONFIG_NOT_GIVEN};
    for (yaml_node_pair_t *p = item->data.mapping.pairs.start; p < item->data.mapping.pairs.top;
         p++) {
        const yaml_node_t *key = yaml_document_get_node(&r->doc, p->key);
        const char *name = config_text_of(key);
        enum err e = name == NULL ? config_wrong(r, key, "expected a name", NULL)
                                  : config_check_twice(r, item, p, name);
        e = e == ERR_OK
                ? read_line_field(r, line, name, key, yaml_document_get_node(&r->doc, p->value))
                : e;
        if (e != ERR_OK) {
            return e;
        }
    }
    return line->line.n > 0 ? ERR_OK
                            : config_wrong(r, item, "expected a name for this business line", NULL);
}

// store.lines: a list of {name, age, errors_age, size, keep}.
static enum err read_lines(struct config_reader *r, const yaml_node_t *list)
{
    ASSERT(r->c->line_count == 0); // there is one list
    if (list->type != YAML_SEQUENCE_NODE) {
        return config_wrong(r, list, "expected a list of business lines: - name: shop", NULL);
    }
    const yaml_node_item_t *items = list->data.sequence.items.start;
    for (const yaml_node_item_t *i = items; i < list->data.sequence.items.top; i++) {
        const yaml_node_t *item = yaml_document_get_node(&r->doc, *i);
        if (item->type != YAML_MAPPING_NODE || r->c->line_count == STORE_LINES_MAX) {
            return config_wrong(r, item, "expected a business line with a name (64 lines at most)",
                                NULL);
        }
        struct store_retention *line = &r->c->lines[r->c->line_count];
        enum err e = read_line(r, item, line);
        if (e != ERR_OK) {
            return e;
        }
        for (size_t k = 0; k < r->c->line_count; k++) {
            if (str_eq(r->c->lines[k].line, line->line)) {
                return config_wrong_twice(r, item, line->line.p,
                                          yaml_document_get_node(&r->doc, items[k]));
            }
        }
        r->c->line_count++;
    }
    return ERR_OK;
}

static bool is_section(const char *path)
{
    ASSERT(path[0] != 0);
    size_t n = strlen(path);
    for (unsigned i = 0; i < SETTING_COUNT; i++) {
        const char *key = setting_info((enum setting)i)->key;
        if (strncmp(key, path, n) == 0 && key[n] == '.') {
            return true;
        }
    }
    return false;
}

static enum err read_value(struct config_reader *r, const char *path, const yaml_node_t *key,
                           const yaml_node_t *value)
{
    char where[FS_PATH_MAX + 64];
    const char *text = config_text_of(value);
    (void)snprintf(where, sizeof where, "%s:%zu:%zu", r->file, value->start_mark.line + 1,
                   value->start_mark.column + 1);
    for (unsigned i = 0; i < SETTING_COUNT; i++) {
        if (strcmp(setting_info((enum setting)i)->key, path) == 0) {
            if (r->c->source[i] == SOURCE_FILE) { // as "a.b" and as "a: {b: }"
                return wrong_name(r, key, "this is given already, at", r->c->where[i], NULL);
            }
            return text != NULL ? config_set(r->c, (enum setting)i, text, SOURCE_FILE, where, r->at)
                                : config_wrong(r, value, "expected a single value for", path);
        }
    }
    return wrong_name(r, key, "unknown key", path, config_closest_key(path));
}

static enum err read_mapping(struct config_reader *r, const yaml_node_t *map, const char *prefix)
{
    ASSERT(map->type == YAML_MAPPING_NODE);
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
         p++) {
        const yaml_node_t *key = yaml_document_get_node(&r->doc, p->key);
        const yaml_node_t *value = yaml_document_get_node(&r->doc, p->value);
        char path[CONFIG_KEY_MAX];
        if (config_text_of(key) == NULL) {
            return config_wrong(r, key, "expected a key", NULL);
        }
        int n = snprintf(path, sizeof path, "%s%s%s", prefix, prefix[0] != 0 ? "." : "",
                         config_text_of(key));
        if (n < 0 || n >= CONFIG_KEY_MAX) {
            return config_wrong(r, key, "unknown key", NULL);
        }
        enum err e = config_check_twice(r, map, p, path);
        if (e != ERR_OK) {
            return e;
        }
        if (strcmp(path, "store.lines") == 0) {
            e = r->c->line_count > 0 ? config_wrong(r, key, "given twice:", path)
                                     : read_lines(r, value);
        } else if (strcmp(path, "scrape.jobs") == 0) {
            e = r->c->job_count > 0 ? config_wrong(r, key, "given twice:", path)
                                    : config_read_jobs(r, value);
        } else if (value->type == YAML_MAPPING_NODE && is_section(path)) {
            e = read_mapping(r, value, path);
        } else if (is_section(path)) {
            e = config_wrong(r, value, "expected keys below", path);
        } else {
            e = read_value(r, path, key, value);
        }
        if (e != ERR_OK) {
            return e;
        }
    }
    return ERR_OK;
}

static enum err wrong_yaml(struct config_reader *r, const yaml_parser_t *parser)
{
    return err_at_set(r->at, ERR_INVALID, parser->problem_offset, "%s:%zu:%zu: %s", r->file,
                      parser->problem_mark.line + 1, parser->problem_mark.column + 1,
                      parser->problem != NULL ? parser->problem : "this is not YAML");
}

static enum err wrong_event(struct config_reader *r, const yaml_event_t *event, enum err e,
                            const char *what)
{
    return err_at_set(r->at, e, event->start_mark.index, "%s:%zu:%zu: %s", r->file,
                      event->start_mark.line + 1, event->start_mark.column + 1, what);
}

// What can be known of an event before anything is built; `depth` and `documents` with it counted.
static enum err check_event(struct config_reader *r, const yaml_event_t *event, unsigned depth,
                            unsigned documents)
{
    char what[64];
    ASSERT(event->type != YAML_NO_EVENT);
    if (depth > CONFIG_DEPTH_MAX) {
        (void)snprintf(what, sizeof what, "nested deeper than %d levels", CONFIG_DEPTH_MAX);
        return wrong_event(r, event, ERR_LIMIT, what);
    }
    if (documents > 1) { // which read_document() would not see
        return wrong_event(r, event, ERR_INVALID, "a second document begins: one is expected");
    }
    return ERR_OK;
}

// Follows the text without building anything. The parser's time grows with the square of the depth,
// and what it builds is walked, so the depth is bounded before.
static enum err check_outline(struct config_reader *r, struct str text)
{
    yaml_parser_t parser;
    MUST(yaml_parser_initialize(&parser) == 1);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.p, text.n);
    enum err e = ERR_OK;
    unsigned depth = 0, documents = 0;
    bool ended = false;
    while (e == ERR_OK && !ended) {
        yaml_event_t event;
        if (yaml_parser_parse(&parser, &event) != 1) {
            e = wrong_yaml(r, &parser);
            break;
        }
        bool opens =
            event.type == YAML_SEQUENCE_START_EVENT || event.type == YAML_MAPPING_START_EVENT;
        bool closes = event.type == YAML_SEQUENCE_END_EVENT || event.type == YAML_MAPPING_END_EVENT;
        documents += event.type == YAML_DOCUMENT_START_EVENT ? 1 : 0;
        depth += opens ? 1 : 0;
        ASSERT(!closes || depth > 0);
        depth -= closes ? 1 : 0;
        ended = event.type == YAML_STREAM_END_EVENT;
        e = check_event(r, &event, depth, documents);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return e;
}

static enum err read_document(struct config_reader *r, struct str text)
{
    yaml_parser_t parser;
    MUST(yaml_parser_initialize(&parser) == 1);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.p, text.n);
    enum err e = ERR_OK;
    if (yaml_parser_load(&parser, &r->doc) != 1) {
        e = wrong_yaml(r, &parser);
        yaml_parser_delete(&parser);
        return e;
    }
    const yaml_node_t *root = yaml_document_get_root_node(&r->doc);
    if (root != NULL && root->type == YAML_MAPPING_NODE) {
        e = read_mapping(r, root, "");
    } else if (root != NULL && (config_text_of(root) == NULL || config_text_of(root)[0] != 0)) {
        e = config_wrong(r, root, "expected keys, such as 'journal:'", NULL);
    }
    yaml_document_delete(&r->doc);
    yaml_parser_delete(&parser);
    return e;
}

static enum err read_text(struct config_reader *r, struct buf *out)
{
    char piece[4096];
    size_t n;
    FILE *f = fopen(r->file, "re");
    if (f == NULL) {
        return err_at_set(r->at, err_from_errno(errno), 0, "%s: %s", r->file, strerror(errno));
    }
    errno = 0;
    while (!out->failed && (n = fread(piece, 1, sizeof piece, f)) > 0) {
        buf_add(out, piece, n);
    }
    int why = ferror(f) ? errno : 0;
    (void)fclose(f);
    if (why != 0) {
        return err_at_set(r->at, err_from_errno(why), 0, "%s: %s", r->file, strerror(why));
    }
    if (out->failed) {
        return err_at_set(r->at, ERR_LIMIT, CONFIG_FILE_MAX, "%s: larger than %zu MiB", r->file,
                          CONFIG_FILE_MAX >> 20);
    }
    return ERR_OK;
}

enum err config_read_file(struct config *c, const char *file, struct err_at *ret_at)
{
    ASSERT(c->line_count == 0 && c->job_count == 0);
    struct config_reader r = {.c = c, .file = file, .at = ret_at};
    struct buf text;
    buf_init(&text, CONFIG_FILE_MAX);
    enum err e = read_text(&r, &text);
    struct str all = text.n > 0 ? buf_str(&text) : STR("");
    if (e == ERR_OK) {
        c->file = arena_str(&c->arena, str_of(file)).p;
        e = check_outline(&r, all);
    }
    e = e == ERR_OK ? read_document(&r, all) : e;
    buf_done(&text);
    return e;
}
