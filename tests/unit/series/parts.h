// SPDX-License-Identifier: Apache-2.0
// Purpose: parts of the series store made for tests: any number of series with some samples each.
#ifndef SONDE_TESTS_SERIES_PARTS_H
#define SONDE_TESTS_SERIES_PARTS_H

#include <stdio.h>
#include <string.h>

#include "core/hist.h"
#include "core/must.h"
#include "series/part.h"

// The samples of series number n: histograms in every third, else numbers.
static inline enum series_type part_type_of(unsigned n)
{
    return n % 3 == 0 ? SERIES_HIST : n % 3 == 1 ? SERIES_GAUGE : SERIES_COUNTER;
}

static inline void part_samples_of(unsigned n, struct samples *s, struct arena *a)
{
    struct buf bytes;
    buf_init(&bytes, 1 << 20);
    samples_clear(s);
    for (unsigned i = 0; i < 1 + n % 7; i++) {
        struct sample x = {.time_ms = 1700000000000 + (uint64_t)i * 10000};
        if (part_type_of(n) == SERIES_HIST) {
            struct hist h = {0};
            for (unsigned k = 0; k < 1 + n % 20; k++) {
                hist_add(&h, (uint64_t)(k + 1) * (n + 1) * 12345, k % 5 == 4 ? -1 : 2);
            }
            buf_clear(&bytes);
            hist_encode(&h, &bytes);
            x.hist = arena_str(a, buf_str(&bytes));
            hist_clear(&h);
        } else {
            x.number = n % 2 == 0 ? n * 0.25 + i : 1.0 / (n + i + 1);
        }
        samples_add(s, x);
    }
    buf_done(&bytes);
}

static inline struct str part_key_of(unsigned n, char *room)
{
    int at = snprintf(room, 64, "__name__%cm%u%cnumber%c%08u", 0, n / 1000, 0, 0, n);
    MUST(at > 0 && at < 63);
    return (struct str){room, (size_t)at + 1}; // with the last NUL
}

static inline void write_test_part(struct fs *fs, const char *path, unsigned count)
{
    const struct series_part_options o = {fs, path, STR("shop"), TIER_10S, 3};
    struct series_part_writer *w;
    struct samples s = {0};
    struct arena a = {0};
    char room[64];
    enum err e = series_part_writer_new(&o, &w);
    MUST(e == ERR_OK);
    for (unsigned n = 0; n < count; n++) {
        arena_clear(&a);
        part_samples_of(n, &s, &a);
        e = series_part_writer_add(w, part_key_of(n, room), part_type_of(n), &s);
        MUST(e == ERR_OK);
    }
    e = series_part_writer_finish(w);
    MUST(e == ERR_OK);
    series_part_writer_free(w);
    samples_done(&s);
    arena_done(&a);
}

#endif
