// SPDX-License-Identifier: Apache-2.0
// Purpose: traces behind the numbers of a metric: /api/v1/metrics/exemplars.
#include "series/exemplars.h"

#include "api/job.h"
#include "api/put.h"
#include "core/clock.h"
#include "core/must.h"
#include "model/point.h"
#include "series/index.h"

#define LIMIT 100

// What else than its service its labels say.
static void put_labels(struct json_writer *w, struct str key)
{
    struct series_label labels[SERIES_LABELS_MAX];
    size_t count = series_key_labels(key, labels);
    ASSERT(count <= SERIES_LABELS_MAX);
    json_put_key(w, "labels");
    json_put_object(w);
    for (size_t i = 0; i < count; i++) {
        if (!str_eq(labels[i].key, POINT_SERVICE)) {
            json_put_key_str(w, labels[i].key);
            json_put_str(w, labels[i].value);
        }
    }
    json_put_object_end(w);
}

static void put_exemplar(void *ctx, const struct exemplar *e)
{
    struct json_writer *w = ctx;
    ASSERT(!trace_id_is_zero(e->trace));
    json_put_object(w);
    put_u64(w, "time_unix_ms", e->time_ms);
    put_number(w, "value", e->value);
    put_trace_id(w, "trace_id", e->trace);
    put_span_id(w, "span_id", e->span);
    put_str(w, "service", series_key_value(e->labels, POINT_SERVICE));
    put_str(w, "namespace", e->line);
    put_labels(w, e->labels);
    json_put_object_end(w);
}

void api_exemplars(struct job *j)
{
    uint64_t from_ns, to_ns, limit;
    struct series_label labels[METRIC_LABELS_MAX + 1];
    struct json_writer w;
    if (!job_range(j, &from_ns, &to_ns) ||
        !job_number(j, PARAM_LIMIT, LIMIT, 1, EXEMPLARS_FOUND_MAX, &limit)) {
        return;
    }
    if (j->params[PARAM_NAME].n == 0) {
        job_error(j, 400, "name is missing: which metric is asked for?");
        return;
    }
    struct exemplars_query q = {.any_line = j->params[PARAM_NAMESPACE].p == NULL,
                                .line = j->params[PARAM_NAMESPACE],
                                .name = j->params[PARAM_NAME],
                                .labels = labels,
                                .label_count = j->label_count,
                                .from_ms = from_ns / NS_PER_MS,
                                .to_ms = to_ns / NS_PER_MS,
                                .max = (size_t)limit};
    memcpy(labels, j->labels, j->label_count * sizeof labels[0]);
    if (j->params[PARAM_SERVICE].p != NULL) {
        labels[q.label_count++] = (struct series_label){POINT_SERVICE, j->params[PARAM_SERVICE]};
    }
    json_writer_init(&w, &j->out);
    json_put_object(&w);
    put_u64(&w, "from_unix_ms", q.from_ms);
    put_u64(&w, "to_unix_ms", q.to_ms);
    json_put_key(&w, "exemplars");
    json_put_array(&w);
    enum err e = exemplars_find(j->api->o.exemplars, &q, put_exemplar, &w);
    json_put_array_end(&w);
    json_put_object_end(&w);
    if (e != ERR_OK) {
        job_fail(j, e);
    }
}
