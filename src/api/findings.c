// SPDX-License-Identifier: Apache-2.0
// Purpose: what is wrong with how calls are made: /api/v1/findings.
#include "query/findings.h"

#include "api/job.h"
#include "api/put.h"
#include "core/clock.h"
#include "core/must.h"
#include "query/senders.h"

static void put_node(struct json_writer *w, const struct node *n)
{
    ASSERT(n != NULL);
    json_put_object(w);
    if (n->kind.n > 0) {
        put_node_identity(w, n);
    }
    json_put_object_end(w);
}

static void put_end(struct json_writer *w, const char *key, const struct node *n)
{
    ASSERT(key != NULL);
    json_put_key(w, key);
    put_node(w, n);
}

static void put_serial(struct json_writer *w, const struct finding *f)
{
    ASSERT(f->serial_count <= SERIAL_PATHS_MAX);
    json_put_key(w, "calls");
    json_put_array(w);
    for (size_t i = 0; i < f->serial_count; i++) {
        put_node(w, &f->serial[i]);
    }
    json_put_array_end(w);
}

// Of a dead endpoint what is said is true of all calls.
static bool is_sample(const struct finding *f, const struct senders *senders)
{
    ASSERT(f->entry.kind.n > 0 || f->kind == FINDING_DEAD);
    return f->entry.kind.n > 0 && senders_has_sampled(senders, f->entry.line, f->entry.service);
}

static void put_finding(struct json_writer *w, const struct finding *f,
                        const struct senders *senders)
{
    ASSERT(f->example_count <= FINDING_EXAMPLES);
    json_put_object(w);
    put_str(w, "kind", str_of(finding_name(f->kind)));
    if (f->entry.kind.n > 0) {
        put_end(w, "entry", &f->entry);
        put_end(w, "caller", &f->caller);
    }
    put_end(w, "node", &f->node);
    put_double(w, "value", f->value);
    put_double(w, "limit", f->limit);
    put_i64(w, "chains", f->chains);
    put_i64(w, "self_ns", f->self_ns);
    put_bool(w, "sampled", is_sample(f, senders));
    if (f->statement.n > 0) {
        put_str(w, "statement", f->statement);
    }
    if (f->kind == FINDING_SERIAL) {
        put_serial(w, f);
    }
    json_put_key(w, "trace_ids");
    json_put_array(w);
    for (size_t i = 0; i < f->example_count; i++) {
        char text[TRACE_ID_HEX + 1];
        trace_id_hex(f->examples[i], text);
        json_put_str(w, (struct str){text, TRACE_ID_HEX});
    }
    json_put_array_end(w);
    json_put_object_end(w);
}

static void put_findings(struct job *j, const struct findings *f, const struct senders *senders)
{
    struct json_writer w;
    json_writer_init(&w, &j->out);
    json_put_object(&w);
    put_range(&w, f->from_ms, f->to_ms, f->damaged_parts + atomic_load(&j->control.cut_short));
    json_put_key(&w, "findings");
    json_put_array(&w);
    for (size_t i = 0; i < f->count; i++) {
        put_finding(&w, &f->items[i], senders);
    }
    json_put_array_end(&w);
    json_put_object_end(&w);
    ASSERT(f->count <= FINDINGS_MAX);
}

void api_findings(struct job *j)
{
    uint64_t from_ns, to_ns;
    struct findings *f;
    struct senders senders;
    if (!job_range(j, &from_ns, &to_ns)) {
        return;
    }
    struct store_view *view = store_view(j->api->o.store);
    const struct findings_query q = {.series = j->api->o.series,
                                     .view = view,
                                     .from_ms = from_ns / NS_PER_MS,
                                     .to_ms = to_ns / NS_PER_MS,
                                     .control = &j->control};
    enum err e = findings_run(&q, &f);
    if (e == ERR_OK) {
        e = senders_of_range(&senders, j->api->o.series, f->from_ms, f->to_ms, &j->control,
                             &f->damaged_parts);
        if (e == ERR_OK) {
            put_findings(j, f, &senders);
        }
        senders_done(&senders);
        findings_free(f);
    }
    if (e != ERR_OK) {
        job_fail_sum(j, e);
    }
    store_view_free(view);
}
