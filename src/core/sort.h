// SPDX-License-Identifier: Apache-2.0
// Purpose: sorting of arrays that may be empty, and of numbers.
#ifndef SONDE_CORE_SORT_H
#define SONDE_CORE_SORT_H

#include <stdlib.h>

// qsort() for what a growing array is: `items` may be NULL where `count` is 0, which qsort() does
// not allow (C17 7.22.5: its arguments have to be valid pointers then, too). In place, not stable.
static inline void sort_array(void *items, size_t count, size_t size,
                              int (*compare)(const void *, const void *))
{
    if (count > 1) {
        qsort(items, count, size, compare);
    }
}

static inline int sort_by_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// The least first. None of them is NAN.
static inline void sort_doubles(double *items, size_t count)
{
    sort_array(items, count, sizeof *items, sort_by_double);
}

#endif
