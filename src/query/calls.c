// SPDX-License-Identifier: Apache-2.0
// Purpose: calls added up.
#include "query/calls.h"

#include "core/must.h"
#include "series/hist_sum.h"

// Cells of a histogram at ten bytes each and two numbers before: no sum is larger.
#define HIST_BYTES_MAX ((size_t)HIST_BUCKETS * 20 + 64)

void calls_quantiles(const struct calls *c, struct hist_total *scratch, const double *q,
                     size_t count, uint64_t *ret_ns)
{
    struct str bytes = c->hist;
    *scratch = (struct hist_total){0};
    if (bytes.n > 0) {
        enum err e = hist_total_add_bytes(scratch, &bytes);
        MUST(e == ERR_OK); // series_run() gives whole histograms only
    }
    for (size_t i = 0; i < count; i++) {
        ret_ns[i] = hist_total_quantile(scratch, q[i]);
    }
}

void calls_sum_done(struct calls_sum *s)
{
    ASSERT(s->hist.n <= s->hist.capacity);
    buf_done(&s->hist);
}

void calls_adder_init(struct calls_adder *a, struct query_control *control)
{
    *a = (struct calls_adder){.control = control};
    buf_init(&a->cells, HIST_BYTES_MAX);
    buf_init(&a->spare, HIST_BYTES_MAX);
}

void calls_adder_done(struct calls_adder *a)
{
    ASSERT(!a->spare.failed);
    buf_done(&a->cells);
    buf_done(&a->spare);
}

// Takes what the bytes of a sum may grow by.
static bool take(struct calls_adder *a, const struct calls_sum *s, size_t more)
{
    size_t need = s->hist.n + more, bytes = 0;
    ASSERT(more <= HIST_BYTES_MAX);
    if (need > s->hist.capacity) {
        bytes = 2 * need - s->hist.capacity;
    }
    if (!query_need(a->control, bytes)) {
        return false;
    }
    a->charged_bytes += bytes;
    return true;
}

enum err calls_sum_add(struct calls_adder *a, struct calls_sum *s, const struct series_hist *h,
                       bool error)
{
    if (!take(a, s, h->bytes.n)) {
        return ERR_MEMORY;
    }
    if (s->hist.max == 0) {
        buf_init(&s->hist, HIST_BYTES_MAX);
    }
    if (s->hist.n == 0) {
        buf_add_str(&s->hist, h->bytes);
    } else {
        buf_clear(&a->spare);
        hist_sum(buf_str(&s->hist), h->bytes, &a->cells, &a->spare);
        buf_clear(&s->hist);
        buf_add_str(&s->hist, buf_str(&a->spare));
    }
    ASSERT(!s->hist.failed);
    s->calls += h->count;
    s->errors += error ? h->count : 0;
    s->sum_ns = (int64_t)((uint64_t)s->sum_ns + (uint64_t)h->sum_ns);
    return ERR_OK;
}

struct calls calls_sum_read(const struct calls_sum *s, struct arena *arena)
{
    struct calls c = {.calls = s->calls, .errors = s->errors, .sum_ns = s->sum_ns};
    ASSERT(arena != NULL);
    if (s->hist.n > 0) {
        c.hist = arena_str(arena, buf_str(&s->hist));
    }
    return c;
}

struct str series_label(const struct series_found *found, struct str key)
{
    ASSERT(key.n > 0);
    for (size_t i = 0; i < found->label_count; i++) {
        if (str_eq(found->labels[i].key, key)) {
            return found->labels[i].value;
        }
    }
    return STR("");
}
