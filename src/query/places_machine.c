// SPDX-License-Identifier: Apache-2.0
// Purpose: how the machines of hosts are: metrics find their hosts by who tells them.
#include <string.h>

#include "core/mem.h"
#include "core/must.h"
#include "query/machine_sources.h"
#include "query/places_state.h"

#define STEP_LEAST_MS ((uint64_t)10000)

static bool find_teller(const struct places_run *r, struct str name, uint64_t hash,
                        uint32_t *ret_teller)
{
    struct hash_walk walk = hash_index_walk(&r->teller_index.slots, hash);
    while (hash_index_next(&walk, ret_teller)) {
        ASSERT(*ret_teller < r->teller_index.count);
        if (str_eq(r->tellers[*ret_teller].name, name)) {
            return true;
        }
    }
    return false;
}

// A name that is of two hosts is of nobody's.
static enum err add_teller(struct places_run *r, struct str name, uint32_t host)
{
    uint64_t hash = places_hash(0, &name, 1);
    uint32_t at;
    size_t n = r->teller_index.count;
    if (find_teller(r, name, hash, &at)) {
        struct places_teller *t = &r->tellers[at];
        t->host = t->host == host ? host : PLACES_NOBODY;
        return ERR_OK;
    }
    if (!places_charge(r, 2 * sizeof *r->tellers + 64)) {
        return ERR_MEMORY;
    }
    r->tellers = mem_grow(r->tellers, &r->teller_capacity, n + 1, sizeof *r->tellers);
    r->tellers[n] = (struct places_teller){.name = name, .host = host};
    places_index_add(&r->teller_index, hash);
    ASSERT(r->teller_index.count == n + 1);
    return ERR_OK;
}

// The instances, and the hosts themselves; what instances tell that do not say where they run is
// nobody's.
static enum err gather_tellers(struct places_run *r)
{
    enum err e = ERR_OK;
    for (size_t i = 0; i < r->instance_index.count && e == ERR_OK; i++) {
        const struct places_instance *x = &r->instances[i];
        ASSERT(x->host < r->host_index.count);
        bool known = r->hosts[x->host].place.host.n > 0;
        e = add_teller(r, x->name, known ? x->host : PLACES_NOBODY);
    }
    for (size_t i = 0; i < r->host_index.count && e == ERR_OK; i++) {
        struct str host = r->hosts[i].place.host;
        e = host.n > 0 ? add_teller(r, host, (uint32_t)i) : ERR_OK;
    }
    return e;
}

// "web-1:9100" -> "web-1"; another text as it is.
static struct str without_port(struct str name)
{
    size_t n = name.n;
    while (n > 0 && name.p[n - 1] >= '0' && name.p[n - 1] <= '9') {
        n--;
    }
    bool has_port = n > 1 && n < name.n && name.p[n - 1] == ':';
    ASSERT(n <= name.n);
    return has_port ? (struct str){name.p, n - 1} : name;
}

struct telling {
    struct places_run *run;
    const struct machine_source *source;
    uint8_t number; // of the source
};

static uint32_t host_of_teller(const struct places_run *r, struct str instance)
{
    const struct str names[] = {instance, without_port(instance)};
    for (size_t i = 0; i < 2; i++) {
        uint32_t at;
        if (find_teller(r, names[i], places_hash(0, &names[i], 1), &at)) {
            ASSERT(at < r->teller_index.count);
            return r->tellers[at].host;
        }
    }
    return PLACES_NOBODY;
}

static void on_value(void *ctx, const struct machine_value *value)
{
    const struct telling *t = ctx;
    uint32_t at = host_of_teller(t->run, value->instance);
    if (at == PLACES_NOBODY) {
        return;
    }
    struct places_host *host = &t->run->hosts[at];
    struct machine_number *n = &host->numbers[t->source->measure];
    uint8_t *told = &host->sources[t->source->measure];
    if (*told != 0 && *told != t->number) {
        return; // by a source that goes before
    }
    if (*told == 0) {
        *n = (struct machine_number){.measure = t->source->measure, .metric = t->source->name};
        *told = t->number;
    }
    ASSERT(*told == t->number);
    machine_number_add(n, &t->run->out->arena, value);
}

static bool is_of_hosts(enum machine_measure m)
{
    return m == MACHINE_HOST_CPU || m == MACHINE_HOST_MEMORY || m == MACHINE_HOST_DISK ||
           m == MACHINE_HOST_LOAD;
}

// Whether a host still lacks the measure.
static bool is_wanted(const struct places_run *r, enum machine_measure m)
{
    ASSERT(m < MACHINE_MEASURES);
    for (size_t i = 0; i < r->host_index.count; i++) {
        if (r->hosts[i].place.host.n > 0 && r->hosts[i].numbers[m].instances == 0) {
            return true;
        }
    }
    return false;
}

enum err places_read_machines(struct places_run *r)
{
    struct places *out = r->out;
    uint64_t step_ms = ((out->to_ms - out->from_ms) / PLACES_STEPS + 999) / 1000 * 1000;
    const struct machine_reading reading = {.store = r->q->store,
                                            .any_line = true,
                                            .instances_max = PLACES_TELLERS_MAX,
                                            .from_ms = out->from_ms,
                                            .to_ms = out->to_ms,
                                            .step_ms =
                                                step_ms > STEP_LEAST_MS ? step_ms : STEP_LEAST_MS,
                                            .control = r->q->control};
    enum err e = gather_tellers(r);
    for (size_t i = 0; i < machine_source_count && e == ERR_OK; i++) {
        const struct machine_source *s = &machine_sources[i];
        if (!is_of_hosts(s->measure) || !is_wanted(r, s->measure)) {
            continue;
        }
        struct telling t = {.run = r, .source = s, .number = (uint8_t)(i + 1)};
        ASSERT(i < UINT8_MAX);
        e = machine_read(&reading, s, on_value, &t, &out->damaged_parts);
        out->left_out_sources += e == ERR_LIMIT ? 1 : 0;
        e = e == ERR_LIMIT ? ERR_OK : e;
    }
    return e;
}
