// SPDX-License-Identifier: Apache-2.0
// Purpose: values of a file of rules (YAML, libyaml), for those that read its lists. Each function
// refuses what is wrong (ERR_INVALID) with the place of the node. Internal to alert/.
#ifndef SONDE_ALERT_READER_H
#define SONDE_ALERT_READER_H

#include "alert/rule.h"
#include "wire/yaml_doc.h"

struct reader {
    struct yaml_doc y;
    struct alert_file *f; // texts live in its arena
};

// One key of a mapping: what reads its value into `to`.
struct reader_key {
    const char *name;
    enum err (*read)(struct reader *r, const char *name, const yaml_node_t *value, void *to);
};

// Reads a mapping by its keys; `what` says which there are.
enum err reader_keys(struct reader *r, const yaml_node_t *map, const struct reader_key *keys,
                     size_t count, const char *what, void *to);
// A single value of `max` bytes at most that YAML takes as it is.
enum err reader_text(struct reader *r, const char *name, const yaml_node_t *value, size_t max,
                     struct str *ret_text);
// One text, or a list of them; none is empty.
enum err reader_texts(struct reader *r, const char *name, const yaml_node_t *value, size_t max,
                      struct str **ret_items, size_t *ret_count);
// Also 0 where min_ms is.
enum err reader_duration(struct reader *r, const char *name, const yaml_node_t *value,
                         uint64_t min_ms, uint64_t max_ms, uint64_t *ret_ms);
// The place of a word in a list of words that ends with NULL.
enum err reader_word(struct reader *r, const yaml_node_t *value, const char *const *words,
                     const char *what, unsigned *ret_at);

#endif
