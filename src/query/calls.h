// SPDX-License-Identifier: Apache-2.0
// Purpose: calls added up, as model/calls.h keeps them: every rate, mean and quantile that is shown
// comes from such a sum, so that any two ways of asking agree.
#ifndef SONDE_QUERY_CALLS_H
#define SONDE_QUERY_CALLS_H

#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"
#include "query/scan.h"
#include "series/series.h"

// `hist` is hist_encode()'s bytes of all calls, failed or not; empty where there are none.
struct calls {
    int64_t calls, errors, sum_ns;
    struct str hist;
};

// The durations below which the shares q (0 to 1, ascending) of the calls lie; 0 without calls.
// `scratch` is the caller's, since it is large; all zero at first.
void calls_quantiles(const struct calls *c, struct hist_total *scratch, const double *q,
                     size_t count, uint64_t *ret_ns);

// A sum in the making. All zero is an empty one.
struct calls_sum {
    int64_t calls, errors;
    struct buf hist;
};
void calls_sum_done(struct calls_sum *s);

// What adding needs, for any number of sums. What sums hold is taken from the control.
struct calls_adder {
    struct hist_total *total; // scratch, as the next
    struct buf bytes;
    struct query_control *control;
    size_t charged_bytes; // given back by who frees the sums
};
void calls_adder_init(struct calls_adder *a, struct query_control *control);
void calls_adder_done(struct calls_adder *a);

// Adds one moment of a series. ERR_MEMORY where the control has none left.
MUST_CHECK enum err calls_sum_add(struct calls_adder *a, struct calls_sum *s,
                                  const struct series_hist *h, bool error);

// What the calls took together, as hist_sum_ns() says.
int64_t calls_sum_ns(const struct calls_sum *s);

// The sum so far, with its bytes copied into the arena.
struct calls calls_sum_read(const struct calls_sum *s, struct arena *arena);

// Of two such sums, the sum; it does not wrap either.
static inline int64_t calls_ns_add(int64_t a, int64_t b)
{
    int64_t sum;
    return !__builtin_add_overflow(a, b, &sum) ? sum : a < 0 ? INT64_MIN : INT64_MAX;
}

// A range as whole steps of 10 s where it is shorter than CALLS_FINE_MS, of a minute, or, of more
// than a day, of an hour: it can then be read from the tier of that width, and of a short one
// little counts that was not asked for. Of a time of which no such tier is kept any more, steps of
// one that is; so, too, where as much time `before_ms` before it is compared with it (0: none), of
// which that holds. Empty where it is.
#define CALLS_FINE_MS ((uint64_t)10 * 60000)
void calls_cut_range(const struct series_store *store, uint64_t from_ms, uint64_t to_ms,
                     uint64_t before_ms, uint64_t *ret_from_ms, uint64_t *ret_to_ms);

// The step of a query for one sum of each series: steps are counted from 0, so that no border of
// one lies in a range that ends here, and what divides its ends divides it, too.
static inline uint64_t calls_whole_step_ms(uint64_t to_ms)
{
    return to_ms;
}

// series_run() under a control: the memory that it takes is the control's, and it ends when that is
// cancelled. Adds the parts that had to be left out to *damaged_parts.
MUST_CHECK enum err calls_run(struct series_store *store, struct series_query query,
                              struct query_control *control,
                              enum err (*each)(void *ctx, const struct series_found *found),
                              void *ctx, uint64_t *damaged_parts);

// The value of a label of a series; "" where it has none.
struct str series_label(const struct series_found *found, struct str key);

// The same as a number; NAN where it says none.
double series_label_number(const struct series_found *found, struct str key);

#endif
