// SPDX-License-Identifier: Apache-2.0
// Purpose: numbers by service, while a part is made: rows that came twice, rows that expire. One
// thread.
#ifndef SONDE_STORE_TALLY_H
#define SONDE_STORE_TALLY_H

#include "core/arena.h"
#include "store/part.h"
#include "store/strtab.h"

struct tally {
    struct strtab services; // copies of the names
    uint64_t *counts;
    size_t capacity;
    struct arena arena;
};

// A zeroed tally is empty and valid.
void tally_done(struct tally *t);

// Adds n to a service; `hash` is str_hash() of its name.
void tally_add(struct tally *t, struct str service, uint64_t hash, uint64_t n);

uint64_t tally_total(const struct tally *t);

// Adds to `gone` what each service has in `after` less than in all of `before`, of which it was
// made. ERR_CORRUPT where one has more: some footer does not tell the truth.
MUST_CHECK enum err tally_missing(struct part *const *before, size_t count,
                                  const struct part_meta *after, struct tally *gone);

#endif
