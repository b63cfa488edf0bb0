// SPDX-License-Identifier: Apache-2.0
// Purpose: the name that was probably meant by one that is none.
#ifndef SONDE_CORE_LIKELY_H
#define SONDE_CORE_LIKELY_H

#include <stdbool.h>
#include <stddef.h>

#define LIKELY_NAME_MAX 128 // of longer names none is meant

// A search: begin with {.name = ...}, try every name there is.
struct likely {
    const char *name;
    const char *best; // as it was tried: it lives as long as that
    size_t least;     // how far it is from `best`
};

// Capitals count as small letters. True where the candidate may be meant, and is closer than all
// before it.
bool likely_try(struct likely *l, const char *candidate);

#endif
