// SPDX-License-Identifier: Apache-2.0
// Purpose: the name that was probably meant by one that is none.
#include "core/likely.h"

#include <stdint.h>
#include <string.h>

#include "core/must.h"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

// How many letters must be put in, taken out or changed to make one name of the other
// (Levenshtein).
static size_t distance(const char *a, const char *b)
{
    size_t row[LIKELY_NAME_MAX + 1], n = strlen(b);
    if (strlen(a) >= LIKELY_NAME_MAX || n >= LIKELY_NAME_MAX) {
        return SIZE_MAX;
    }
    for (size_t j = 0; j <= n; j++) {
        row[j] = j;
    }
    for (size_t i = 0; a[i] != 0; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < n; j++) {
            size_t change = diagonal + (lower(a[i]) == lower(b[j]) ? 0 : 1);
            size_t add = (row[j] < row[j + 1] ? row[j] : row[j + 1]) + 1;
            diagonal = row[j + 1];
            row[j + 1] = change < add ? change : add;
        }
    }
    return row[n];
}

bool likely_try(struct likely *l, const char *candidate)
{
    size_t d = distance(l->name, candidate);
    ASSERT(candidate != NULL);
    // A name that differs in more than a third of its letters was hardly meant.
    if (d > strlen(l->name) / 3 || (l->best != NULL && d >= l->least)) {
        return false;
    }
    l->best = candidate;
    l->least = d;
    return true;
}
