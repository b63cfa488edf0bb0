// SPDX-License-Identifier: Apache-2.0
// Purpose: loading the trace that a path names, and answering with as much of it as fits.
#include "api/trace_answer.h"

#include "api/put.h"
#include "core/must.h"

bool trace_read_id(struct job *j, struct str text, trace_id *ret_id)
{
    ASSERT(j->out.n == 0);
    if (trace_id_parse(text, ret_id) != ERR_OK) {
        job_error(j, 400, "a trace ID has 32 hexadecimal digits");
        return false;
    }
    return true;
}

void trace_fail_load(struct job *j, enum err e)
{
    ASSERT(e != ERR_OK);
    if (e == ERR_CORRUPT) {
        job_error(
            j, 404,
            "no span of this trace can be read; a damaged part, which is being set aside, may "
            "have held some");
    } else {
        job_fail(j, e);
    }
}

struct trace *trace_answer_load(struct job *j, trace_id id, enum trace_detail detail,
                                size_t rows_max)
{
    struct trace *t;
    struct store_view *view = store_view(j->api->o.store);
    ASSERT(rows_max > 0);
    enum err e = trace_load_some(view, id, detail, rows_max, &j->control, &t);
    store_view_free(view);
    if (e != ERR_OK) {
        trace_fail_load(j, e);
        return NULL;
    }
    return t;
}

void trace_answer(struct job *j, enum trace_detail detail,
                  bool (*put)(struct job *j, struct trace *t))
{
    trace_id id;
    if (!trace_read_id(j, j->path_param, &id)) {
        return;
    }
    for (size_t rows_max = TRACE_SPANS_MAX; rows_max > 0;) {
        struct trace *t = trace_answer_load(j, id, detail, rows_max);
        if (t == NULL) {
            return;
        }
        bool fits = put(j, t) && !j->out.failed;
        rows_max = fits || trace_memory_is_elsewhere(&j->control) ? 0 : t->count / 2;
        trace_free(t);
        if (!fits) {
            buf_done(&j->out);
        }
        if (!fits && rows_max == 0) {
            job_fail(j, ERR_MEMORY);
        }
    }
}

void trace_put_lack(struct job *j, struct json_writer *w, const struct trace *t)
{
    put_u64(w, "total_spans", t->count + t->left_out);
    put_bool(w, "truncated", t->left_out > 0);
    job_partial(j, w,
                t->damaged_parts > 0 ? "unreadable_part"
                : t->left_out > 0    ? "memory_limit"
                : t->is_partial      ? "left_out"
                                     : NULL);
    ASSERT(t->damaged_parts == 0 || t->damaged_part[0] > 0);
    json_put_key(w, "damaged_parts");
    json_put_array(w);
    for (size_t i = 0; i < t->damaged_parts && i < TRACE_DAMAGED_MAX; i++) {
        json_put_u64(w, t->damaged_part[i]);
    }
    json_put_array_end(w);
}
