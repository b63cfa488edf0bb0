// SPDX-License-Identifier: Apache-2.0
// Purpose: a set of distinct strings, numbered in the order in which they came. Does not own the
// bytes. One thread.
#ifndef SONDE_STORE_STRTAB_H
#define SONDE_STORE_STRTAB_H

#include <stddef.h>
#include <stdint.h>

#include "core/hash_index.h"
#include "core/str.h"

struct strtab {
    struct str *strings;
    uint64_t *hashes;
    size_t count, capacity;
    struct hash_index index;
    size_t bytes; // of all strings
};

// A zeroed table is empty and valid.
void strtab_done(struct strtab *t);
void strtab_clear(struct strtab *t);

// The number of the string; it is new when t->count grew. `hash` is str_hash() of it.
uint32_t strtab_add(struct strtab *t, struct str s, uint64_t hash);

#endif
