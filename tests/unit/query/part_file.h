// SPDX-License-Identifier: Apache-2.0
// Purpose: a part of the spans of a batch, for tests of queries.
#ifndef SONDE_TESTS_QUERY_PART_FILE_H
#define SONDE_TESTS_QUERY_PART_FILE_H

#include "test.h"

#include "core/mem.h"
#include "core/sort.h"
#include "store/part.h"

static inline int by_row(const void *a, const void *b)
{
    struct row x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return row_cmp(x, y);
}

// Writes the spans as a part and opens it.
static inline struct part *write_part(const char *path, struct batch *b, unsigned version)
{
    struct part_writer *w;
    struct part *p;
    const struct part_writer_options o = {
        .fs = fs_real(), .path = path, .line = b->line, .zstd_level = 1, .version = version};
    struct row *rows = mem_new(b->span_count, sizeof *rows);
    for (size_t i = 0; i < b->span_count; i++) {
        rows[i] = (struct row){b, (uint32_t)i};
    }
    sort_array(rows, b->span_count, sizeof *rows, by_row);
    assert_ok(part_writer_new(&o, &w));
    for (size_t i = 0; i < b->span_count; i++) {
        assert_ok(part_writer_add(w, rows[i]));
    }
    assert_ok(part_writer_finish(w));
    part_writer_free(w);
    mem_free(rows);
    assert_ok(part_open(fs_real(), path, &p, NULL));
    return p;
}

#endif
