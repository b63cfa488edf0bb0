// SPDX-License-Identifier: Apache-2.0
// Purpose: a YAML document (libyaml) whose readers say where what is wrong stands:
// "NAME:LINE:COLUMN: what", counted from 1. JSON is YAML too.
//
// A document nested deeper than is asked for, and a second one behind it, are refused before
// anything is built: the parser's time grows with the square of the depth. An alias is the node
// that it names, so a reader that goes no deeper than its own shape asks ends.
#ifndef SONDE_WIRE_YAML_DOC_H
#define SONDE_WIRE_YAML_DOC_H

#include <yaml.h>

#include "core/err.h"
#include "core/str.h"

struct yaml_doc {
    const char *name; // of the file, as errors tell it
    struct err_at *at;
    yaml_document_t doc;
};

// The text must live until yaml_doc_done(), and so must `name` and `ret_at`. ERR_INVALID or
// ERR_LIMIT, and nothing to be done. No scalar has a NUL in it: an escape for one is refused.
MUST_CHECK enum err yaml_doc_load(struct str text, const char *name, unsigned depth_max,
                                  struct yaml_doc *ret_doc, struct err_at *ret_at);
void yaml_doc_done(struct yaml_doc *d);

// NULL: an empty text, or one with nothing but an empty scalar.
const yaml_node_t *yaml_doc_root(struct yaml_doc *d);
const yaml_node_t *yaml_doc_node(struct yaml_doc *d, int index);

// The text of a scalar; NULL for anything else.
const char *yaml_doc_text(const yaml_node_t *n);

// ERR_INVALID with the place of the node; `name`, which may be NULL, stands behind `what`.
enum err yaml_doc_wrong(struct yaml_doc *d, const yaml_node_t *n, const char *what,
                        const char *name);
// Of a key that there is none of: with the one that was probably `meant`, or, where that is NULL,
// those that are `known`, unless that is NULL too.
enum err yaml_doc_wrong_key(struct yaml_doc *d, const yaml_node_t *n, const char *name,
                            const char *meant, const char *known);
enum err yaml_doc_wrong_twice(struct yaml_doc *d, const yaml_node_t *n, const char *name,
                              const yaml_node_t *first);

// Refuses the pair when its key stands in the mapping before it too; `path` is what the key is
// called.
MUST_CHECK enum err yaml_doc_check_twice(struct yaml_doc *d, const yaml_node_t *map,
                                         const yaml_node_pair_t *pair, const char *path);

#endif
