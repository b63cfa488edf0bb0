// SPDX-License-Identifier: Apache-2.0
// Purpose: the numbers of calls as the API writes them.
#include "api/numbers.h"

#include "api/put.h"
#include "core/must.h"

struct numbers numbers_of(const struct calls *c, struct hist_total *scratch)
{
    static const double shares[NUMBER_QUANTILES] = {0.5, 0.9, 0.95, 0.99, 0.999, 1};
    struct numbers n = {.calls = c};
    ASSERT(scratch != NULL);
    calls_quantiles(c, scratch, shares, NUMBER_QUANTILES, n.quantiles);
    return n;
}

int64_t numbers_mean_ns(const struct numbers *n)
{
    const struct calls *c = n->calls;
    ASSERT(c != NULL);
    return c->calls > 0 ? c->sum_ns / c->calls : 0;
}

void put_numbers(struct json_writer *w, const struct numbers *n)
{
    static const char *const names[] = {"p50_ns", "p90_ns", "p95_ns", "p99_ns", "p999_ns"};
    put_i64(w, "calls", n->calls->calls);
    put_i64(w, "errors", n->calls->errors);
    put_i64(w, "mean_ns", numbers_mean_ns(n));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ASSERT(i < NUMBER_QUANTILES);
        put_ns(w, names[i], n->quantiles[i]);
    }
}

void put_calls(struct json_writer *w, const struct calls *c, struct hist_total *scratch)
{
    struct numbers n = numbers_of(c, scratch);
    put_numbers(w, &n);
}
