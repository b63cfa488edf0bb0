// SPDX-License-Identifier: Apache-2.0
// Purpose: calls added up.
#include "query/calls.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/must.h"

void calls_quantiles(const struct calls *c, struct hist_total *scratch, const double *q,
                     size_t count, uint64_t *ret_ns)
{
    hist_total_clear(scratch);
    if (c->hist.n > 0) {
        hist_total_add(scratch, c->hist);
    }
    hist_total_quantiles(scratch, q, count, ret_ns);
    ASSERT(count > 0);
}

void calls_sum_done(struct calls_sum *s)
{
    ASSERT(s->hist.n <= s->hist.capacity);
    buf_done(&s->hist);
}

void calls_adder_init(struct calls_adder *a, struct query_control *control)
{
    *a = (struct calls_adder){.control = control};
    a->total = mem_new(1, sizeof *a->total);
    buf_init(&a->bytes, HIST_BYTES_MAX);
}

void calls_adder_done(struct calls_adder *a)
{
    ASSERT(a->total != NULL);
    mem_free(a->total);
    buf_done(&a->bytes);
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
        hist_total_add(a->total, buf_str(&s->hist));
        hist_total_add(a->total, h->bytes);
        hist_total_encode(a->total, &a->bytes);
        hist_total_clear(a->total);
        buf_clear(&s->hist);
        buf_add_str(&s->hist, buf_str(&a->bytes));
        buf_clear(&a->bytes);
    }
    ASSERT(!s->hist.failed);
    s->calls += h->count;
    s->errors += error ? h->count : 0;
    return ERR_OK;
}

int64_t calls_sum_ns(const struct calls_sum *s)
{
    ASSERT(!s->hist.failed);
    return s->hist.n > 0 ? hist_sum_ns(buf_str(&s->hist)) : 0;
}

struct calls calls_sum_read(const struct calls_sum *s, struct arena *arena)
{
    struct calls c = {.calls = s->calls, .errors = s->errors, .sum_ns = calls_sum_ns(s)};
    ASSERT(arena != NULL);
    if (s->hist.n > 0) {
        c.hist = arena_str(arena, buf_str(&s->hist));
    }
    return c;
}

void calls_cut_range(const struct series_store *store, uint64_t from_ms, uint64_t to_ms,
                     uint64_t before_ms, uint64_t *ret_from_ms, uint64_t *ret_to_ms)
{
    const uint64_t minute_ms = 60000, hour_ms = 60 * minute_ms;
    uint64_t range_ms = to_ms > from_ms ? to_ms - from_ms : 0;
    uint64_t kept_ms = series_finest_ms(store, from_ms > before_ms ? from_ms - before_ms : 0);
    uint64_t unit_ms = range_ms > 24 * hour_ms     ? hour_ms
                       : range_ms >= CALLS_FINE_MS ? minute_ms
                                                   : SERIES_SLOT_MS;
    unit_ms = kept_ms > unit_ms ? kept_ms : unit_ms;
    *ret_from_ms = from_ms / unit_ms * unit_ms;
    *ret_to_ms = range_ms > 0 ? (to_ms + unit_ms - 1) / unit_ms * unit_ms : *ret_from_ms;
    ASSERT(*ret_from_ms <= *ret_to_ms);
}

enum err calls_run(struct series_store *store, struct series_query query,
                   struct query_control *control,
                   enum err (*each)(void *ctx, const struct series_found *found), void *ctx,
                   uint64_t *damaged_parts)
{
    struct series_answer answer;
    query.meter = control != NULL ? control->meter : NULL;
    query.cancelled = control != NULL ? &control->cancelled : NULL;
    enum err e = series_run(store, &query, each, ctx, &answer);
    *damaged_parts += e == ERR_OK ? answer.damaged_parts : 0;
    ASSERT(each != NULL);
    return e;
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

double series_label_number(const struct series_found *found, struct str key)
{
    struct str label = series_label(found, key);
    char text[64] = {0};
    ASSERT(found->label_count > 0);
    if (label.n == 0 || label.n >= sizeof text) {
        return NAN;
    }
    memcpy(text, label.p, label.n);
    return strtod(text, NULL); // "+Inf" too
}
