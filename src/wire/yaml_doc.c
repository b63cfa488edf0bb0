// SPDX-License-Identifier: Apache-2.0
// Purpose: a YAML document whose readers say where what is wrong stands.
#include "wire/yaml_doc.h"

#include <stdio.h>
#include <string.h>

#include "core/must.h"

#define KEY_SHOWN 64 // bytes of one in an error

static enum err wrong_yaml(const char *name, const yaml_parser_t *parser, struct err_at *ret_at)
{
    ASSERT(name != NULL);
    return err_at_set(ret_at, ERR_INVALID, parser->problem_offset, "%s:%zu:%zu: %s", name,
                      parser->problem_mark.line + 1, parser->problem_mark.column + 1,
                      parser->problem != NULL ? parser->problem : "this is not YAML");
}

// What can be known of an event before anything is built; `depth` and `documents` with it counted.
static enum err check_event(const char *name, const yaml_event_t *event, unsigned depth,
                            unsigned depth_max, unsigned documents, struct err_at *ret_at)
{
    const yaml_mark_t *at = &event->start_mark;
    ASSERT(event->type != YAML_NO_EVENT);
    if (depth > depth_max) {
        return err_at_set(ret_at, ERR_LIMIT, at->index, "%s:%zu:%zu: nested deeper than %u levels",
                          name, at->line + 1, at->column + 1, depth_max);
    }
    if (documents > 1) { // which loading would not see
        return err_at_set(ret_at, ERR_INVALID, at->index,
                          "%s:%zu:%zu: a second document begins: one is expected", name,
                          at->line + 1, at->column + 1);
    }
    if (event->type == YAML_SCALAR_EVENT &&
        memchr(event->data.scalar.value, 0, event->data.scalar.length) != NULL) {
        // Readers would take what stands before it for the whole.
        return err_at_set(ret_at, ERR_INVALID, at->index, "%s:%zu:%zu: a NUL character in a text",
                          name, at->line + 1, at->column + 1);
    }
    return ERR_OK;
}

// Follows the text without building anything.
static enum err check_outline(struct str text, const char *name, unsigned depth_max,
                              struct err_at *ret_at)
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
            e = wrong_yaml(name, &parser, ret_at);
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
        e = check_event(name, &event, depth, depth_max, documents, ret_at);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return e;
}

enum err yaml_doc_load(struct str text, const char *name, unsigned depth_max,
                       struct yaml_doc *ret_doc, struct err_at *ret_at)
{
    struct str all = text.n > 0 ? text : STR("");
    enum err e = check_outline(all, name, depth_max, ret_at);
    if (e != ERR_OK) {
        return e;
    }
    yaml_parser_t parser;
    MUST(yaml_parser_initialize(&parser) == 1);
    yaml_parser_set_input_string(&parser, (const unsigned char *)all.p, all.n);
    if (yaml_parser_load(&parser, &ret_doc->doc) != 1) {
        e = wrong_yaml(name, &parser, ret_at);
    }
    yaml_parser_delete(&parser);
    ret_doc->name = name;
    ret_doc->at = ret_at;
    return e;
}

void yaml_doc_done(struct yaml_doc *d)
{
    ASSERT(d->name != NULL);
    yaml_document_delete(&d->doc);
}

const yaml_node_t *yaml_doc_root(struct yaml_doc *d)
{
    const yaml_node_t *root = yaml_document_get_root_node(&d->doc);
    ASSERT(d->name != NULL);
    return root != NULL && yaml_doc_text(root) != NULL && yaml_doc_text(root)[0] == 0 ? NULL : root;
}

const yaml_node_t *yaml_doc_node(struct yaml_doc *d, int index)
{
    const yaml_node_t *n = yaml_document_get_node(&d->doc, index);
    ASSERT(n != NULL);
    return n;
}

const char *yaml_doc_text(const yaml_node_t *n)
{
    ASSERT(n != NULL);
    return n->type == YAML_SCALAR_NODE ? (const char *)n->data.scalar.value : NULL;
}

enum err yaml_doc_wrong(struct yaml_doc *d, const yaml_node_t *n, const char *what,
                        const char *name)
{
    ASSERT(n != NULL && what != NULL);
    return err_at_set(d->at, ERR_INVALID, n->start_mark.index, "%s:%zu:%zu: %s%s%s", d->name,
                      n->start_mark.line + 1, n->start_mark.column + 1, what,
                      name != NULL ? " " : "", name != NULL ? name : "");
}

enum err yaml_doc_wrong_key(struct yaml_doc *d, const yaml_node_t *n, const char *name,
                            const char *meant, const char *known)
{
    const char *more = meant != NULL ? meant : known;
    ASSERT(n != NULL && name != NULL);
    return err_at_set(d->at, ERR_INVALID, n->start_mark.index, "%s:%zu:%zu: unknown key %.*s%s%s%s",
                      d->name, n->start_mark.line + 1, n->start_mark.column + 1, KEY_SHOWN, name,
                      more == NULL    ? ""
                      : meant != NULL ? "; did you mean "
                                      : "; there are ",
                      more != NULL ? more : "", meant != NULL ? "?" : "");
}

enum err yaml_doc_wrong_twice(struct yaml_doc *d, const yaml_node_t *n, const char *name,
                              const yaml_node_t *first)
{
    ASSERT(n != NULL && first != NULL); // by an alias one and the same
    return err_at_set(d->at, ERR_INVALID, n->start_mark.index,
                      "%s:%zu:%zu: %s is given twice, first at %zu:%zu", d->name,
                      n->start_mark.line + 1, n->start_mark.column + 1, name,
                      first->start_mark.line + 1, first->start_mark.column + 1);
}

enum err yaml_doc_check_twice(struct yaml_doc *d, const yaml_node_t *map,
                              const yaml_node_pair_t *pair, const char *path)
{
    ASSERT(map->type == YAML_MAPPING_NODE);
    const yaml_node_t *key = yaml_doc_node(d, pair->key);
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < pair; p++) {
        const yaml_node_t *other = yaml_doc_node(d, p->key);
        if (yaml_doc_text(other) != NULL && strcmp(yaml_doc_text(other), yaml_doc_text(key)) == 0) {
            return yaml_doc_wrong_twice(d, key, path, other);
        }
    }
    return ERR_OK;
}
