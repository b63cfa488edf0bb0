// SPDX-License-Identifier: Apache-2.0
// Purpose: how busy an instance and its host were.
#include "alert/load.h"

#include <math.h>

#include "core/clock.h"
#include "core/must.h"
#include "model/calls.h"
#include "query/machine_sources.h"

#define STEP_MS SERIES_SLOT_MS

// Whose value is looked for: any of the names.
struct wanted {
    struct str names[2]; // "": none
    bool with_ports;     // "web-1:9100" tells of web-1
    struct notice_number *to;
};

static struct str without_port(struct str name)
{
    const char *colon = name.n > 0 ? memrchr(name.p, ':', name.n) : NULL;
    ASSERT(name.p != NULL || name.n == 0);
    return colon != NULL ? (struct str){name.p, (size_t)(colon - name.p)} : name;
}

static void on_value(void *ctx, const struct machine_value *v)
{
    const struct wanted *w = ctx;
    ASSERT(ctx != NULL);
    for (size_t i = 0; i < 2; i++) {
        struct str name = w->names[i];
        bool is_it = name.n > 0 && (str_eq(v->instance, name) ||
                                    (w->with_ports && str_eq(without_port(v->instance), name)));
        if (is_it && isfinite(v->mean) && !w->to->is_there) {
            *w->to = (struct notice_number){true, v->mean < 0 ? 0 : v->mean};
        }
    }
}

// By the first source that has a value. What cannot be read is not told.
static void look(const struct machine_reading *r, enum machine_measure measure, struct wanted *w)
{
    uint64_t damaged_parts = 0;
    enum err e = ERR_OK;
    ASSERT(r->from_ms < r->to_ms);
    for (size_t i = 0; i < machine_source_count && !w->to->is_there && e == ERR_OK; i++) {
        if (machine_sources[i].measure == measure) {
            e = machine_read(r, &machine_sources[i], on_value, w, &damaged_parts);
            e = e == ERR_LIMIT ? ERR_OK : e; // others may have fewer instances
        }
    }
}

struct naming {
    struct arena *arena;
    struct str host;
};

static void on_series(void *ctx, const struct series_found *found)
{
    struct naming *n = ctx;
    ASSERT(ctx != NULL);
    for (size_t i = 0; i < found->label_count && n->host.n == 0; i++) {
        if (str_eq(found->labels[i].key, CALLS_HOST)) {
            n->host = arena_str(n->arena, found->labels[i].value);
        }
    }
}

// Where the instance runs, as its calls tell.
static struct str host_of(struct series_store *series, const struct alert_origin *o,
                          uint64_t from_ms, uint64_t to_ms, struct arena *arena)
{
    const struct series_matcher matchers[] = {{CALLS_OF, MATCH_EQUAL, CALLS_INSTANCE},
                                              {CALLS_SERVICE, MATCH_EQUAL, o->service},
                                              {CALLS_INSTANCE, MATCH_EQUAL, o->instance}};
    const struct series_query q = {.line = o->line,
                                   .matchers = matchers,
                                   .matcher_count = sizeof matchers / sizeof *matchers,
                                   .from_ms = from_ms,
                                   .to_ms = to_ms,
                                   .step_ms = STEP_MS};
    struct naming n = {arena, STR("")};
    ASSERT(from_ms < to_ms);
    return series_list(series, &q, on_series, &n) == ERR_OK ? n.host : STR("");
}

void load_measure(struct series_store *series, const struct alert_origin *o, uint64_t at_ns,
                  struct inquiry *ret_inquiry)
{
    uint64_t to_ms = (at_ns / NS_PER_MS / STEP_MS + 1) * STEP_MS;
    uint64_t from_ms = to_ms > LOAD_RANGE_MS ? to_ms - LOAD_RANGE_MS : 0;
    struct machine_reading r = {.store = series,
                                .line = o->line,
                                .service = o->service,
                                .instances_max = LOAD_INSTANCES_MAX,
                                .from_ms = from_ms,
                                .to_ms = to_ms,
                                .step_ms = STEP_MS};
    ASSERT(!ret_inquiry->process_cpu.is_there && !ret_inquiry->host_cpu.is_there);
    if (o->instance.n == 0 || o->service.n == 0) {
        return; // of several, or of none
    }
    struct wanted process = {.names = {o->instance, STR("")}, .to = &ret_inquiry->process_cpu};
    struct wanted host = {.names = {o->instance, STR("")}, .to = &ret_inquiry->host_cpu};
    look(&r, MACHINE_CPU, &process);
    look(&r, MACHINE_HOST_CPU, &host);
    r.any_line = true;
    r.service = STR_NONE;
    host.names[0] = host_of(series, o, from_ms, to_ms, &ret_inquiry->arena);
    host.names[1] = o->address;
    host.with_ports = true;
    look(&r, MACHINE_HOST_CPU, &host);
}
