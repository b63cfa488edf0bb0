// SPDX-License-Identifier: Apache-2.0
// Purpose: values of a file of rules.
#include "alert/reader.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "alert/rule_compile.h"
#include "core/likely.h"
#include "core/must.h"

// What YAML takes as it is: else it could not be printed and read again. Of valid UTF-8.
static bool is_printable(struct str s)
{
    ASSERT(s.p != NULL || s.n == 0);
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i],
                      second = i + 1 < s.n ? (unsigned char)s.p[i + 1] : 0;
        unsigned char third = i + 2 < s.n ? (unsigned char)s.p[i + 2] : 0;
        bool is_control = (c < 0x20 && c != '\t' && c != '\n') || c == 0x7f;
        bool is_c1 = c == 0xc2 && second < 0xa0; // U+0080 to U+009F
        bool is_break = c == 0xe2 && second == 0x80 && (third == 0xa8 || third == 0xa9);
        bool is_none = c == 0xef && ((second == 0xbb && third == 0xbf) || // a byte order mark
                                     (second == 0xbf && third >= 0xbe));  // U+FFFE, U+FFFF
        if (is_control || is_c1 || is_break || is_none) {
            return false;
        }
    }
    return true;
}

struct alert_place reader_place(const yaml_node_t *n)
{
    ASSERT(n != NULL);
    return (struct alert_place){n->start_mark.line + 1, n->start_mark.column + 1};
}

enum err reader_text(struct reader *r, const char *name, const yaml_node_t *value, size_t max,
                     struct str *ret_text)
{
    const char *text = yaml_doc_text(value);
    size_t bad;
    ASSERT(r->f != NULL);
    if (text == NULL) {
        return yaml_doc_wrong(&r->y, value, "expected a single value for", name);
    }
    struct str s = {text, value->data.scalar.length};
    if (s.n > max || !str_utf8_valid(s, &bad) || !is_printable(s)) {
        return yaml_doc_wrong(&r->y, value, "too long, or not text:", name);
    }
    *ret_text = arena_str(&r->f->arena, s);
    return ERR_OK;
}

// One text, or a list of them.
enum err reader_texts(struct reader *r, const char *name, const yaml_node_t *value, size_t max,
                      struct str **ret_items, size_t *ret_count)
{
    bool is_list = value->type == YAML_SEQUENCE_NODE;
    ASSERT(r->f != NULL);
    const yaml_node_item_t *items = is_list ? value->data.sequence.items.start : NULL;
    size_t count = is_list ? (size_t)(value->data.sequence.items.top - items) : 1;
    if (count > max) {
        return yaml_doc_wrong(&r->y, value, "too many of", name);
    }
    struct str *texts = arena_new(&r->f->arena, count + 1, sizeof *texts);
    for (size_t i = 0; i < count; i++) {
        const yaml_node_t *item = is_list ? yaml_doc_node(&r->y, items[i]) : value;
        enum err e = reader_text(r, name, item, ALERT_NAME_MAX, &texts[i]);
        if (e != ERR_OK || texts[i].n == 0) {
            return e != ERR_OK ? e : yaml_doc_wrong(&r->y, item, "expected a text for", name);
        }
    }
    *ret_items = texts;
    *ret_count = count;
    return ERR_OK;
}

enum err reader_duration(struct reader *r, const char *name, const yaml_node_t *value,
                         uint64_t min_ms, uint64_t max_ms, uint64_t *ret_ms)
{
    struct str text = STR("");
    double ns = NAN;
    enum err e = reader_text(r, name, value, ALERT_NAME_MAX, &text);
    ASSERT(r->f != NULL);
    if (e == ERR_OK && str_eq(text, STR("0"))) {
        ns = 0;
    } else if (e == ERR_OK && !rule_duration(text, &ns)) {
        ns = NAN;
    }
    if (e == ERR_OK && !(ns >= (double)min_ms * 1e6 && ns <= (double)max_ms * 1e6)) {
        char what[96];
        (void)snprintf(what, sizeof what, "expected a duration (30s, 5m) of %llu s to %llu h for",
                       (unsigned long long)(min_ms / 1000), (unsigned long long)(max_ms / 3600000));
        return yaml_doc_wrong(&r->y, value, what, name);
    }
    if (e == ERR_OK) {
        *ret_ms = (uint64_t)(ns / 1e6);
    }
    return e;
}

// The place of a word in a list of words that ends with NULL.
enum err reader_word(struct reader *r, const yaml_node_t *value, const char *const *words,
                     const char *what, unsigned *ret_at)
{
    const char *text = yaml_doc_text(value);
    ASSERT(r->f != NULL);
    for (unsigned i = 0; text != NULL && words[i] != NULL; i++) {
        if (strcmp(words[i], text) == 0) {
            *ret_at = i;
            return ERR_OK;
        }
    }
    return yaml_doc_wrong(&r->y, value, "expected", what);
}

enum err reader_list(struct reader *r, const char *name, const yaml_node_t *v, size_t max,
                     size_t *ret_count)
{
    ASSERT(r->f != NULL);
    if (v->type != YAML_SEQUENCE_NODE) {
        return yaml_doc_wrong(&r->y, v, "expected a list for", name);
    }
    size_t count = (size_t)(v->data.sequence.items.top - v->data.sequence.items.start);
    if (count > max) {
        return yaml_doc_wrong(&r->y, v, "too many of", name);
    }
    *ret_count = count;
    return ERR_OK;
}

// ---- Mappings -----------------------------------------------------------------------------------

static enum err read_time(struct reader *r, const char *name, const yaml_node_t *v,
                          uint64_t *ret_ms)
{
    struct str text = STR("");
    enum err e = reader_text(r, name, v, ALERT_NAME_MAX, &text);
    ASSERT(r->f != NULL);
    return e != ERR_OK || roster_time(text, ret_ms)
               ? e
               : yaml_doc_wrong(&r->y, v, "expected a time such as 2026-12-01T22:00+01:00 for",
                                name);
}

static enum err read_value(struct reader *r, const struct reader_key *k, const yaml_node_t *v,
                           void *to)
{
    void *at = (char *)to + k->at;
    ASSERT((k->kind == READ_OTHER) == (k->read != NULL));
    switch (k->kind) {
    case READ_TEXT:
        return reader_text(r, k->name, v, k->max, at);
    case READ_TEXTS:
        return reader_texts(r, k->name, v, k->max, at,
                            (size_t *)(void *)((char *)to + k->count_at));
    case READ_DURATION:
        return reader_duration(r, k->name, v, k->min, k->max, at);
    case READ_TIME:
        return read_time(r, k->name, v, at);
    default:
        return k->read(r, k->name, v, to);
    }
}

// NULL: none.
static const char *meant_key(const struct reader_key *keys, size_t count, const char *name)
{
    struct likely l = {.name = name};
    ASSERT(count > 0);
    for (size_t i = 0; i < count; i++) {
        (void)likely_try(&l, keys[i].name);
    }
    return l.best;
}

enum err reader_keys(struct reader *r, const yaml_node_t *map, const struct reader_key *keys,
                     size_t count, const char *what, void *to)
{
    ASSERT(r->f != NULL);
    if (map->type != YAML_MAPPING_NODE) {
        return yaml_doc_wrong(&r->y, map, "expected keys:", what);
    }
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
         p++) {
        const yaml_node_t *key = yaml_doc_node(&r->y, p->key);
        const char *name = yaml_doc_text(key);
        size_t k = 0;
        while (name != NULL && k < count && strcmp(keys[k].name, name) != 0) {
            k++;
        }
        if (name == NULL) {
            return yaml_doc_wrong(&r->y, key, "expected keys:", what);
        }
        if (k == count) {
            return yaml_doc_wrong_key(&r->y, key, name, meant_key(keys, count, name), what);
        }
        enum err e = yaml_doc_check_twice(&r->y, map, p, name);
        e = e == ERR_OK ? read_value(r, &keys[k], yaml_doc_node(&r->y, p->value), to) : e;
        if (e != ERR_OK) {
            return e;
        }
    }
    return ERR_OK;
}
