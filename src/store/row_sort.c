// SPDX-License-Identifier: Apache-2.0
// Purpose: sorting rows: a radix sort over the first half of the trace ID, then each run of equal
// ones by comparison.
#include "store/row_sort.h"

#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
#include "core/varint.h"

#define DIGITS 8
#define VALUES 256

struct item {
    uint64_t key;
    struct row row;
};

static int compare(const void *a, const void *b)
{
    ASSERT(((const struct item *)a)->key == ((const struct item *)b)->key);
    ASSERT(a != NULL && b != NULL);
    return row_cmp(((const struct item *)a)->row, ((const struct item *)b)->row);
}

// One pass over one byte of the keys; false when all have the same, and nothing moved.
static bool pass(const struct item *from, struct item *to, size_t n, unsigned digit,
                 const size_t *counts)
{
    ASSERT(digit < DIGITS && from != to);
    size_t at[VALUES], sum = 0;
    for (size_t v = 0; v < VALUES; v++) {
        if (counts[v] == n) {
            return false;
        }
        at[v] = sum;
        sum += counts[v];
    }
    ASSERT(sum == n);
    for (size_t i = 0; i < n; i++) {
        to[at[from[i].key >> (8 * digit) & 255]++] = from[i];
    }
    return true;
}

static void sort_runs(struct item *items, size_t n)
{
    ASSERT(items != NULL || n == 0);
    for (size_t first = 0; first < n;) {
        size_t end = first + 1;
        while (end < n && items[end].key == items[first].key) {
            end++;
        }
        ASSERT(end == n || items[end].key > items[first].key);
        sort_array(items + first, end - first, sizeof *items, compare);
        first = end;
    }
}

void row_sort(struct row *rows, size_t n)
{
    ASSERT(rows != NULL || n == 0);
    static const size_t zero[VALUES];
    size_t counts[DIGITS][VALUES];
    struct item *from = mem_alloc(n * sizeof *from), *to = mem_alloc(n * sizeof *to);
    for (size_t d = 0; d < DIGITS; d++) {
        memcpy(counts[d], zero, sizeof zero);
    }
    for (size_t i = 0; i < n; i++) {
        from[i].row = rows[i];
        from[i].key = __builtin_bswap64(load_u64(row_span(rows[i])->trace.b));
        for (unsigned d = 0; d < DIGITS; d++) {
            counts[d][from[i].key >> (8 * d) & 255]++;
        }
    }
    for (unsigned d = 0; d < DIGITS && n > 1; d++) {
        if (pass(from, to, n, d, counts[d])) {
            struct item *swap = from;
            from = to;
            to = swap;
        }
    }
    sort_runs(from, n);
    for (size_t i = 0; i < n; i++) {
        rows[i] = from[i].row;
    }
    ASSERT(n < 2 || row_cmp(rows[0], rows[n - 1]) <= 0);
    mem_free(from);
    mem_free(to);
}

bool dedupe_is_copy(struct dedupe *d, struct row row)
{
    ASSERT(row.index < row.batch->span_count);
    const struct span *s = row_span(row);
    struct dedupe_row r = {s->duration_ns, row.batch->hashes[s->name], s->kind};
    if (d->count == 0 || s->start_ns != d->start_ns || !span_id_eq(s->id, d->id) ||
        trace_id_cmp(&s->trace, &d->trace) != 0) {
        d->trace = s->trace;
        d->id = s->id;
        d->start_ns = s->start_ns;
        d->count = 0;
    }
    ASSERT(d->count <= DEDUPE_GROUP_MAX);
    for (size_t i = 0; i < d->count; i++) {
        if (d->group[i].duration_ns == r.duration_ns && d->group[i].name_hash == r.name_hash &&
            d->group[i].kind == r.kind) {
            return true;
        }
    }
    if (d->count < DEDUPE_GROUP_MAX) {
        d->group[d->count++] = r;
    }
    return false;
}
