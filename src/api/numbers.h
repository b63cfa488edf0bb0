// SPDX-License-Identifier: Apache-2.0
// Purpose: the numbers of calls as the API writes them: totals, and what comes of them.
#ifndef SONDE_API_NUMBERS_H
#define SONDE_API_NUMBERS_H

#include "query/calls.h"
#include "wire/json_writer.h"

enum number_quantile { NUMBER_P50, NUMBER_P90, NUMBER_P95, NUMBER_P99, NUMBER_P999, NUMBER_MAX };
#define NUMBER_QUANTILES (NUMBER_MAX + 1)

struct numbers {
    const struct calls *calls;
    uint64_t quantiles[NUMBER_QUANTILES]; // ns
};

// `scratch` is for the quantiles.
struct numbers numbers_of(const struct calls *c, struct hist_total *scratch);
int64_t numbers_mean_ns(const struct numbers *n);

// Keys with values, into an object: calls, errors, mean_ns, and p50_ns to p999_ns.
void put_numbers(struct json_writer *w, const struct numbers *n);
void put_calls(struct json_writer *w, const struct calls *c, struct hist_total *scratch);

#endif
