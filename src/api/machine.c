// SPDX-License-Identifier: Apache-2.0
// Purpose: how the machines and processes of a node are: /api/v1/topology/metrics.
#include "query/machine.h"

#include "api/job.h"
#include "api/numbers.h"
#include "api/put.h"
#include "core/clock.h"
#include "core/must.h"

static void put_machine(struct job *j, const struct machine *m)
{
    struct json_writer w;
    json_writer_init(&w, &j->out);
    json_put_object(&w);
    put_range(&w, m->from_ms, m->to_ms, m->damaged_parts);
    put_u64(&w, "step_ms", m->step_ms);
    put_str(&w, "namespace", m->line);
    put_measures(&w, m->numbers, m->count);
    put_u64(&w, "left_out_measures", m->left_out);
    json_put_key(&w, "metrics");
    json_put_array(&w);
    for (size_t i = 0; i < m->metric_count; i++) {
        const struct metric_said said = job_metric_said(j, m->metrics[i].name);
        put_metric_name(&w, &m->metrics[i], &said);
    }
    json_put_array_end(&w);
    put_u64(&w, "more_metrics", m->more_metrics);
    put_u64(&w, "other_metrics", m->other_metrics);
    json_put_object_end(&w);
    ASSERT(m->count <= MACHINE_MEASURES);
}

void api_machine(struct job *j)
{
    uint64_t from_ns, to_ns;
    struct node node;
    struct machine *m;
    if (!job_range(j, &from_ns, &to_ns)) {
        return;
    }
    if (!node_parse(&j->arena, j->params[PARAM_NODE], &node) || node.service.n == 0) {
        job_error(j, 400,
                  "node must be the ID of a service of /api/v1/topology, such as "
                  "service/shop/orders");
        return;
    }
    const struct machine_query q = {.store = j->api->o.series,
                                    .line = node.line,
                                    .service = node.service,
                                    .from_ms = from_ns / NS_PER_MS,
                                    .to_ms = to_ns / NS_PER_MS,
                                    .control = &j->control};
    enum err e = machine_run(&q, &m);
    if (e == ERR_OK) {
        put_machine(j, m);
        machine_free(m);
    } else {
        job_fail(j, e);
    }
}
