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

enum reader_kind { READ_OTHER, READ_TEXT, READ_TEXTS, READ_DURATION, READ_TIME };

// One key of a mapping, and where its value goes in what the mapping is read into. What has a shape
// of its own has a function of its own.
struct reader_key {
    const char *name;
    enum err (*read)(struct reader *r, const char *name, const yaml_node_t *value, void *to);
    enum reader_kind kind;
    size_t at, count_at; // bytes from the beginning of it
    uint64_t min, max;   // bytes of a text; how many texts; ms
};
#define KEY_TEXT(type, member, bytes_max)                                                          \
    .kind = READ_TEXT, .at = offsetof(type, member), .max = (bytes_max)
#define KEY_TEXTS(type, member, count, most)                                                       \
    .kind = READ_TEXTS, .at = offsetof(type, member), .count_at = offsetof(type, count),           \
    .max = (most)
#define KEY_DURATION(type, member, min_ms, max_ms)                                                 \
    .kind = READ_DURATION, .at = offsetof(type, member), .min = (min_ms), .max = (max_ms)
#define KEY_TIME(type, member) .kind = READ_TIME, .at = offsetof(type, member)

// Reads a mapping by its keys; `what` says which there are.
enum err reader_keys(struct reader *r, const yaml_node_t *map, const struct reader_key *keys,
                     size_t count, const char *what, void *to);
struct alert_place reader_place(const yaml_node_t *n);
// A single value of `max` bytes at most that YAML takes as it is.
enum err reader_text(struct reader *r, const char *name, const yaml_node_t *value, size_t max,
                     struct str *ret_text);
// One text, or a list of them; none is empty.
enum err reader_texts(struct reader *r, const char *name, const yaml_node_t *value, size_t max,
                      struct str **ret_items, size_t *ret_count);
// Also 0 where min_ms is.
enum err reader_duration(struct reader *r, const char *name, const yaml_node_t *value,
                         uint64_t min_ms, uint64_t max_ms, uint64_t *ret_ms);
// The nodes of a list of `max` at most.
enum err reader_list(struct reader *r, const char *name, const yaml_node_t *value, size_t max,
                     size_t *ret_count);
// The place of a word in a list of words that ends with NULL.
enum err reader_word(struct reader *r, const yaml_node_t *value, const char *const *words,
                     const char *what, unsigned *ret_at);

#endif
