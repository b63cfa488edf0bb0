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

static enum err read_line_field(struct config_reader *r, struct store_retention *line,
                                const char *key, const yaml_node_t *key_node,
                                const yaml_node_t *value)
{
    const char *text = yaml_doc_text(value);
    if (text == NULL) {
        return yaml_doc_wrong(&r->y, value, "expected a single value for", key);
    }
    if (strcmp(key, "name") == 0) {
        for (const char *c = text; *c != 0; c++) {
            if ((unsigned char)*c < 0x20 || *c == 0x7f) {
                return yaml_doc_wrong(&r->y, value, "expected a name without control characters",
                                      NULL);
            }
        }
        if (strlen(text) > LINE_NAME_MAX) {
            return yaml_doc_wrong(&r->y, value, "expected a name of 256 bytes at most", NULL);
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
                       : yaml_doc_wrong(&r->y, value, "expected", expected);
        }
    }
    return yaml_doc_wrong(&r->y, key_node, "a line has name, age, errors_age, size and keep, not",
                          key);
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
        const yaml_node_t *key = yaml_doc_node(&r->y, p->key);
        const char *name = yaml_doc_text(key);
        enum err e = name == NULL ? yaml_doc_wrong(&r->y, key, "expected a name", NULL)
                                  : yaml_doc_check_twice(&r->y, item, p, name);
        e = e == ERR_OK ? read_line_field(r, line, name, key, yaml_doc_node(&r->y, p->value)) : e;
        if (e != ERR_OK) {
            return e;
        }
    }
    return line->line.n > 0
               ? ERR_OK
               : yaml_doc_wrong(&r->y, item, "expected a name for this business line", NULL);
}

// store.lines: a list of {name, age, errors_age, size, keep}.
static enum err read_lines(struct config_reader *r, const yaml_node_t *list)
{
    ASSERT(r->c->line_count == 0); // there is one list
    if (list->type != YAML_SEQUENCE_NODE) {
        return yaml_doc_wrong(&r->y, list, "expected a list of business lines: - name: shop", NULL);
    }
    const yaml_node_item_t *items = list->data.sequence.items.start;
    for (const yaml_node_item_t *i = items; i < list->data.sequence.items.top; i++) {
        const yaml_node_t *item = yaml_doc_node(&r->y, *i);
        if (item->type != YAML_MAPPING_NODE || r->c->line_count == STORE_LINES_MAX) {
            return yaml_doc_wrong(&r->y, item,
                                  "expected a business line with a name (64 lines at most)", NULL);
        }
        struct store_retention *line = &r->c->lines[r->c->line_count];
        enum err e = read_line(r, item, line);
        if (e != ERR_OK) {
            return e;
        }
        for (size_t k = 0; k < r->c->line_count; k++) {
            if (str_eq(r->c->lines[k].line, line->line)) {
                return yaml_doc_wrong_twice(&r->y, item, line->line.p,
                                            yaml_doc_node(&r->y, items[k]));
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
    const char *text = yaml_doc_text(value);
    (void)snprintf(where, sizeof where, "%s:%zu:%zu", r->y.name, value->start_mark.line + 1,
                   value->start_mark.column + 1);
    for (unsigned i = 0; i < SETTING_COUNT; i++) {
        if (strcmp(setting_info((enum setting)i)->key, path) == 0) {
            if (r->c->source[i] == SOURCE_FILE) { // as "a.b" and as "a: {b: }"
                return yaml_doc_wrong(&r->y, key, "this is given already, at", r->c->where[i]);
            }
            return text != NULL
                       ? config_set(r->c, (enum setting)i, text, SOURCE_FILE, where, r->y.at)
                       : yaml_doc_wrong(&r->y, value, "expected a single value for", path);
        }
    }
    return yaml_doc_wrong_key(&r->y, key, path, config_closest_key(path), NULL);
}

static enum err read_mapping(struct config_reader *r, const yaml_node_t *map, const char *prefix)
{
    ASSERT(map->type == YAML_MAPPING_NODE);
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
         p++) {
        const yaml_node_t *key = yaml_doc_node(&r->y, p->key);
        const yaml_node_t *value = yaml_doc_node(&r->y, p->value);
        char path[CONFIG_KEY_MAX];
        if (yaml_doc_text(key) == NULL) {
            return yaml_doc_wrong(&r->y, key, "expected a key", NULL);
        }
        int n = snprintf(path, sizeof path, "%s%s%s", prefix, prefix[0] != 0 ? "." : "",
                         yaml_doc_text(key));
        if (n < 0 || n >= CONFIG_KEY_MAX) {
            return yaml_doc_wrong(&r->y, key, "unknown key", NULL);
        }
        enum err e = yaml_doc_check_twice(&r->y, map, p, path);
        if (e != ERR_OK) {
            return e;
        }
        if (strcmp(path, "store.lines") == 0) {
            e = r->c->line_count > 0 ? yaml_doc_wrong(&r->y, key, "given twice:", path)
                                     : read_lines(r, value);
        } else if (strcmp(path, "scrape.jobs") == 0) {
            e = r->c->job_count > 0 ? yaml_doc_wrong(&r->y, key, "given twice:", path)
                                    : config_read_jobs(r, value);
        } else if (value->type == YAML_MAPPING_NODE && is_section(path)) {
            e = read_mapping(r, value, path);
        } else if (is_section(path)) {
            e = yaml_doc_wrong(&r->y, value, "expected keys below", path);
        } else {
            e = read_value(r, path, key, value);
        }
        if (e != ERR_OK) {
            return e;
        }
    }
    return ERR_OK;
}

static enum err read_root(struct config_reader *r)
{
    const yaml_node_t *root = yaml_doc_root(&r->y);
    if (root == NULL) {
        return ERR_OK;
    }
    return root->type == YAML_MAPPING_NODE
               ? read_mapping(r, root, "")
               : yaml_doc_wrong(&r->y, root, "expected keys, such as 'journal:'", NULL);
}

static enum err read_text(const char *file, struct buf *out, struct err_at *ret_at)
{
    char piece[4096];
    size_t n;
    FILE *f = fopen(file, "re");
    if (f == NULL) {
        return err_at_set(ret_at, err_from_errno(errno), 0, "%s: %s", file, strerror(errno));
    }
    errno = 0;
    while (!out->failed && (n = fread(piece, 1, sizeof piece, f)) > 0) {
        buf_add(out, piece, n);
    }
    int why = ferror(f) ? errno : 0;
    (void)fclose(f);
    if (why != 0) {
        return err_at_set(ret_at, err_from_errno(why), 0, "%s: %s", file, strerror(why));
    }
    if (out->failed) {
        return err_at_set(ret_at, ERR_LIMIT, CONFIG_FILE_MAX, "%s: larger than %zu MiB", file,
                          CONFIG_FILE_MAX >> 20);
    }
    return ERR_OK;
}

enum err config_read_file(struct config *c, const char *file, struct err_at *ret_at)
{
    ASSERT(c->line_count == 0 && c->job_count == 0);
    struct config_reader r = {.c = c};
    struct buf text;
    buf_init(&text, CONFIG_FILE_MAX);
    enum err e = read_text(file, &text, ret_at);
    if (e == ERR_OK) {
        c->file = arena_str(&c->arena, str_of(file)).p;
        e = yaml_doc_load(buf_str(&text), file, CONFIG_DEPTH_MAX, &r.y, ret_at);
    }
    if (e == ERR_OK) {
        e = read_root(&r);
        yaml_doc_done(&r.y);
    }
    buf_done(&text);
    return e;
}
