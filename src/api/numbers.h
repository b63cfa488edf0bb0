// SPDX-License-Identifier: Apache-2.0
// Purpose: numbers of calls and of machines as the API writes them: totals, what comes of them, and
// the state that they are in.
#ifndef SONDE_API_NUMBERS_H
#define SONDE_API_NUMBERS_H

#include "query/health.h"
#include "query/machine.h"
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

// The same of an edge: its calls are those that the callee answered; where it tells nothing, those
// that were made. And both sides, as far as they told any.
void put_sides(struct json_writer *w, const struct calls *client, const struct calls *server,
               struct hist_total *scratch);

// Keys with values, into an object: state and state_reasons.
void put_health(struct json_writer *w, const struct health_verdict *v);

// The key measures with a list.
void put_measures(struct json_writer *w, const struct machine_number *numbers, size_t count);

#endif
