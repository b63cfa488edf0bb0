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

static void put_side(struct json_writer *w, const char *key, const struct numbers *n)
{
    ASSERT(n->calls != NULL);
    if (n->calls->hist.n > 0) {
        json_put_key(w, key);
        json_put_object(w);
        put_numbers(w, n);
        json_put_object_end(w);
    }
}

void put_sides(struct json_writer *w, const struct calls *client, const struct calls *server,
               struct hist_total *scratch)
{
    struct numbers made = numbers_of(client, scratch), answered = numbers_of(server, scratch);
    ASSERT(made.calls == client && answered.calls == server);
    put_numbers(w, server->hist.n > 0 ? &answered : &made);
    put_side(w, "client", &made);
    put_side(w, "server", &answered);
}

void put_health(struct json_writer *w, const struct health_verdict *v)
{
    put_str(w, "state", str_of(health_name(v->state)));
    json_put_key(w, "state_reasons");
    json_put_array(w);
    for (size_t i = 0; i < v->count; i++) {
        const struct health_reason *r = &v->reasons[i];
        ASSERT(r->level > HEALTH_OK);
        json_put_object(w);
        put_str(w, "measure", str_of(health_measure_name(r->measure)));
        put_str(w, "level", str_of(health_name(r->level)));
        put_double(w, "value", r->value);
        put_double(w, "limit", r->limit);
        if (r->who.p != NULL) {
            put_str(w, "instance", r->who);
        }
        json_put_object_end(w);
    }
    json_put_array_end(w);
}

static void put_measure(struct json_writer *w, const struct machine_number *n)
{
    ASSERT(n->instances > 0);
    json_put_object(w);
    put_str(w, "measure", str_of(machine_measure_name(n->measure)));
    put_str(w, "unit", str_of(machine_measure_unit(n->measure)));
    put_str(w, "metric", n->metric);
    put_u64(w, "instances", n->instances);
    put_double(w, "mean", n->mean);
    json_put_key(w, "worst");
    json_put_object(w);
    put_str(w, "instance", n->worst);
    put_double(w, "mean", n->worst_mean);
    put_double(w, "max", n->worst_max);
    put_u64(w, "max_unix_ms", n->worst_ms);
    json_put_object_end(w);
    json_put_object_end(w);
}

void put_measures(struct json_writer *w, const struct machine_number *numbers, size_t count)
{
    json_put_key(w, "measures");
    json_put_array(w);
    ASSERT(count <= MACHINE_MEASURES);
    for (size_t i = 0; i < count; i++) {
        put_measure(w, &numbers[i]);
    }
    json_put_array_end(w);
}
