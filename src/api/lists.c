// SPDX-License-Identifier: Apache-2.0
// Purpose: services, operations, attribute keys and values, the scatter, and the check of a filter.
#include <stdlib.h>

#include "api/job.h"
#include "api/put.h"
#include "core/clock.h"
#include "core/must.h"
#include "query/aggregate.h"

// What every list begins with: a view and the range; the view is NULL after an error answer.
static struct aggregate begin(struct job *j)
{
    struct aggregate a = {.control = &j->control};
    if (job_range_of_spans(j, &a.from_ns, &a.to_ns)) {
        a.view = store_view(j->api->o.store);
    }
    return a;
}

static void end(const struct aggregate *a)
{
    ASSERT(a->view != NULL);
    store_view_free((struct store_view *)a->view);
}

static void put_service_name(struct json_writer *w, const struct group *g)
{
    put_str(w, "id", g->name);
    put_str(w, "name", g->name);
    put_str(w, "namespace", g->line);
    put_ms(w, "last_seen_unix_ms", g->last_start_ns);
}

static void put_operation_name(struct json_writer *w, const struct group *g)
{
    put_str(w, "name", g->name);
    put_str(w, "kind", str_of(span_kind_name(g->kind)));
}

// {KEY: [{name..., RED}, ...], left_out_spans, stats}; frees the groups.
static void put_groups(struct job *j, const struct aggregate *a, struct groups *g, const char *key,
                       void (*put_name)(struct json_writer *w, const struct group *g))
{
    struct json_writer w;
    json_writer_init(&w, &j->out);
    json_put_object(&w);
    json_put_key(&w, key);
    json_put_array(&w);
    for (size_t i = 0; i < g->count; i++) {
        const struct group *item = &g->items[i];
        MUST(item->durations != NULL);
        json_put_object(&w);
        put_name(&w, item);
        put_u64(&w, "spans", item->spans);
        put_u64(&w, "errors", item->errors);
        put_ns(&w, "p50_ns", sketch_quantile(item->durations, 0.5));
        put_ns(&w, "p99_ns", sketch_quantile(item->durations, 0.99));
        json_put_object_end(&w);
    }
    json_put_array_end(&w);
    put_u64(&w, "left_out_spans", g->left_out);
    job_stats(j, &w, a->view);
    json_put_object_end(&w);
    groups_free(g);
}

void api_services(struct job *j)
{
    struct aggregate a = begin(j);
    struct groups *g;
    if (a.view == NULL) {
        return;
    }
    enum err e = aggregate_services(&a, &g);
    if (e == ERR_OK) {
        put_groups(j, &a, g, "services", put_service_name);
    } else {
        job_fail(j, e);
    }
    end(&a);
}

void api_operations(struct job *j)
{
    struct aggregate a = begin(j);
    struct groups *g;
    if (a.view == NULL) {
        return;
    }
    struct str line = j->params[PARAM_NAMESPACE];
    enum err e = aggregate_operations(&a, j->path_param, line, line.p == NULL, &g);
    if (e == ERR_OK) {
        put_groups(j, &a, g, "operations", put_operation_name);
    } else if (e == ERR_LIMIT) {
        job_error(j, 400, "the name of a service is too long to be searched for");
    } else if (e == ERR_INVALID) {
        job_error(j, 400, "the name of a service must be UTF-8");
    } else {
        job_fail(j, e);
    }
    end(&a);
}

static void put_types(struct json_writer *w, unsigned types)
{
    ASSERT(types != 0 && types < 1U << ATTR_TYPE_COUNT);
    static const char *const names[ATTR_TYPE_COUNT] = {
        [ATTR_EMPTY] = "empty",   [ATTR_STRING] = "string", [ATTR_BOOL] = "bool",
        [ATTR_INT] = "int",       [ATTR_DOUBLE] = "double", [ATTR_ARRAY] = "array",
        [ATTR_KVLIST] = "kvlist", [ATTR_BYTES] = "bytes",
    };
    json_put_key(w, "types");
    json_put_array(w);
    for (unsigned t = 0; t < ATTR_TYPE_COUNT; t++) {
        if (types & 1U << t) {
            json_put_str(w, str_of(names[t]));
        }
    }
    json_put_array_end(w);
}

void api_attributes(struct job *j)
{
    struct aggregate a = begin(j);
    struct attribute_key *keys;
    size_t count;
    uint64_t limit;
    struct json_writer w;
    if (a.view == NULL) {
        return;
    }
    if (job_number(j, PARAM_LIMIT, 1000, 1, 10000, &limit)) {
        bool truncated;
        struct arena arena = {0};
        enum err e = aggregate_keys(&a, j->params[PARAM_PREFIX], &arena, &keys, &count, &truncated);
        if (e != ERR_OK) {
            job_fail(j, e);
        } else {
            json_writer_init(&w, &j->out);
            json_put_object(&w);
            json_put_key(&w, "attributes");
            json_put_array(&w);
            for (size_t i = 0; i < count && i < limit; i++) {
                json_put_object(&w);
                put_str(&w, "scope", keys[i].of_resource ? STR("resource") : STR("span"));
                put_str(&w, "key", keys[i].key);
                put_types(&w, keys[i].types);
                json_put_object_end(&w);
            }
            json_put_array_end(&w);
            put_bool(&w, "truncated", truncated || count > limit);
            json_put_object_end(&w);
        }
        arena_done(&arena);
    }
    end(&a);
}

static void put_values(struct job *j, const struct groups *g, uint64_t limit)
{
    struct json_writer w;
    ASSERT(j->out.n == 0);
    json_writer_init(&w, &j->out);
    json_put_object(&w);
    json_put_key(&w, "values");
    json_put_array(&w);
    for (size_t i = 0; i < g->count && i < limit; i++) {
        json_put_object(&w);
        put_str(&w, "value", g->items[i].name);
        put_u64(&w, "spans", g->items[i].spans);
        json_put_object_end(&w);
    }
    json_put_array_end(&w);
    put_bool(&w, "truncated", g->left_out > 0 || g->count > limit);
    put_bool(&w, "approximate", g->left_out > 0);
    json_put_object_end(&w);
}

void api_attribute_values(struct job *j)
{
    struct aggregate a = begin(j);
    struct groups *g;
    uint64_t limit;
    struct str scope = j->params[PARAM_SCOPE];
    bool of_span = str_eq(scope, STR("span")), of_resource = str_eq(scope, STR("resource"));
    if (a.view == NULL) {
        return;
    }
    if (scope.n > 0 && !of_span && !of_resource) {
        job_error(j, 400, "scope must be span or resource; without it both are looked at");
    } else if (job_number(j, PARAM_LIMIT, 100, 1, 1000, &limit)) {
        enum err e = aggregate_values(&a,
                                      of_span       ? OF_SPAN
                                      : of_resource ? OF_RESOURCE
                                                    : OF_ANY,
                                      j->path_param, j->params[PARAM_PREFIX], &g);
        if (e == ERR_OK) {
            put_values(j, g, limit);
            groups_free(g);
        } else if (e == ERR_LIMIT) {
            job_error(j, 400, "the attribute key is too long to be searched for");
        } else if (e == ERR_INVALID) {
            job_error(j, 400, "the attribute key must be UTF-8");
        } else {
            job_fail(j, e);
        }
    }
    end(&a);
}

static void put_cells(struct json_writer *w, const struct scatter *s)
{
    json_put_key(w, "cells");
    json_put_array(w);
    for (size_t i = 0; i < s->count; i++) {
        ASSERT(s->cells[i].column < s->columns && s->cells[i].row < s->rows);
        char id[TRACE_ID_HEX + 1];
        trace_id_hex(s->cells[i].example, id);
        json_put_array(w);
        json_put_u64(w, s->cells[i].column);
        json_put_u64(w, s->cells[i].row);
        json_put_u64(w, s->cells[i].spans);
        json_put_u64(w, s->cells[i].errors);
        json_put_str(w, str_of(id));
        json_put_array_end(w);
    }
    json_put_array_end(w);
}

static void scatter(struct job *j, const struct aggregate *a, const struct filter *filter,
                    uint32_t columns, uint32_t rows)
{
    struct scatter s;
    struct json_writer w;
    enum err e = aggregate_scatter(a, filter, columns, rows, &s);
    if (e != ERR_OK) {
        job_fail(j, e);
        return;
    }
    json_writer_init(&w, &j->out);
    json_put_object(&w);
    put_u64(&w, "from", a->from_ns / NS_PER_MS);
    put_u64(&w, "to", a->to_ns / NS_PER_MS);
    put_u64(&w, "columns", s.columns);
    json_put_key(&w, "column_ms");
    json_put_double(&w, (double)s.column_ns / (double)NS_PER_MS);
    put_u64(&w, "rows", s.rows);
    put_u64(&w, "duration_min_ns", s.duration_min_ns);
    put_u64(&w, "duration_max_ns", s.duration_max_ns);
    put_cells(&w, &s);
    job_stats(j, &w, a->view);
    json_put_object_end(&w);
    scatter_done(&s);
}

void api_scatter(struct job *j)
{
    uint64_t columns, rows;
    struct filter *filter;
    if (!job_number(j, PARAM_COLUMNS, 120, 1, SCATTER_COLUMNS_MAX, &columns) ||
        !job_number(j, PARAM_ROWS, 40, 1, SCATTER_ROWS_MAX, &rows) || !job_filter(j, &filter)) {
        return;
    }
    struct aggregate a = begin(j);
    if (a.view != NULL) {
        scatter(j, &a, filter, (uint32_t)columns, (uint32_t)rows);
        end(&a);
    }
    filter_free(filter);
}

void api_filter(struct job *j)
{
    struct filter *filter;
    struct json_writer w;
    struct buf canonical;
    if (!job_filter_for(j, FILTER_OF_TREES, &filter)) {
        return;
    }
    buf_init(&canonical, 4 * FILTER_TEXT_MAX);
    filter_print(filter, &canonical);
    json_writer_init(&w, &j->out);
    json_put_object(&w);
    put_bool(&w, "ok", true);
    put_str(&w, "canonical", buf_str(&canonical));
    json_put_object_end(&w);
    buf_done(&canonical);
    filter_free(filter);
}
