// SPDX-License-Identifier: Apache-2.0
// Purpose: searching for traces and showing one: list, whole trace, single spans, raw OTLP. The
// outline for the waterfall is in outline.c.

#include "api/put.h"
#include "api/trace_answer.h"
#include "core/mem.h"
#include "core/must.h"
#include "query/trace.h"
#include "wire/json_keys.h"
#include "wire/otlp.h"

// ---- The list -----------------------------------------------------------------------------------

#define SERVICES_LISTED 32

// The distinct services of a trace, in order of appearance, at most SERVICES_LISTED.
static void put_services(struct json_writer *w, const struct trace *t)
{
    struct str seen[SERVICES_LISTED];
    size_t count = 0;
    json_put_key(w, "services");
    json_put_array(w);
    for (size_t i = 0; i < t->count && count < SERVICES_LISTED; i++) {
        struct row row = t->spans[i].row;
        struct str service =
            batch_str(row.batch, batch_resource(row.batch, row_span(row))->service);
        size_t k = 0;
        while (k < count && !str_eq(seen[k], service)) {
            k++;
        }
        if (k == count) {
            seen[count++] = service;
            json_put_str(w, service);
        }
    }
    json_put_array_end(w);
}

static void put_summary(struct json_writer *w, const struct trace *t, enum search_order order,
                        const struct search_hit *hit)
{
    struct trace_summary s = trace_summary(t);
    json_put_object(w);
    put_trace_id(w, "trace_id", s.id);
    put_str(w, "root_service", s.root_service);
    put_str(w, "root_name", s.root_name);
    put_u64(w, "start_unix_nano", s.start_ns);
    put_ms(w, "start_unix_ms", s.start_ns);
    put_u64(w, "duration_ns", s.duration_ns);
    put_u64(w, "spans", s.spans);
    put_u64(w, "errors", s.errors);
    put_services(w, t);
    put_bool(w, "complete", s.complete);
    if (order == BY_SLOWEST) {
        put_u64(w, "matched_duration_ns", hit->rank);
    } else if (order == BY_ERRORS) {
        put_u64(w, "matched_errors", hit->rank);
    }
    json_put_object_end(w);
}

// Traces of a list that stand in memory at the same time.
#define LIST_PIECE 8

// `order` says what the hit's rank is.
static void put_hit(struct job *j, struct json_writer *w, const struct trace *t,
                    enum search_order order, const struct search_hit *hit)
{
    ASSERT(t->count > 0);
    if (j->lines) {
        json_put_object(w);
        json_put_key(w, "trace");
    }
    put_summary(w, t, order, hit);
    if (j->lines) {
        json_put_object_end(w);
        buf_add_byte(w->out, '\n');
        json_writer_init(w, w->out);
    }
}

// Writes the summaries of the traces found, as array items or as lines.
static enum err put_hits(struct job *j, struct json_writer *w, const struct search *search,
                         const struct search_hit *hits, size_t count)
{
    trace_id *ids = mem_new(count, sizeof *ids);
    enum err e = ERR_OK;
    ASSERT(count <= SEARCH_LIMIT_MAX);
    for (size_t i = 0; i < count; i++) {
        ids[i] = hits[i].trace;
    }
    struct trace_list *list = trace_list_new(search->view, ids, count);
    for (size_t at = 0; at < count && e == ERR_OK; at += LIST_PIECE) {
        struct trace *traces[LIST_PIECE];
        size_t n = count - at < LIST_PIECE ? count - at : LIST_PIECE;
        e = trace_list_load(list, at, n, TRACE_OUTLINE, &j->control, traces);
        for (size_t i = 0; i < n && e == ERR_OK; i++) {
            if (traces[i] != NULL) {
                atomic_fetch_add(&j->control.damaged_blocks, traces[i]->damaged_parts);
                put_hit(j, w, traces[i], search->order, &hits[at + i]);
                trace_free(traces[i]);
            }
        }
    }
    trace_list_free(list);
    mem_free(ids);
    return e;
}

static void put_result(struct job *j, const struct search *search, const struct search_hit *hits,
                       size_t count)
{
    ASSERT(count <= SEARCH_LIMIT_MAX && j->out.n == 0);
    struct json_writer w;
    json_writer_init(&w, &j->out);
    if (!j->lines) {
        json_put_object(&w);
        json_put_key(&w, "traces");
        json_put_array(&w);
    }
    enum err e = put_hits(j, &w, search, hits, count);
    if (e != ERR_OK) {
        job_fail(j, e);
        return;
    }
    if (!j->lines) {
        json_put_array_end(&w);
        job_stats(j, &w, search->view);
        json_put_object_end(&w);
        return;
    }
    json_put_object(&w);
    job_stats(j, &w, search->view);
    json_put_object_end(&w);
    buf_add_byte(&j->out, '\n');
}

void api_traces(struct job *j)
{
    struct search search;
    struct filter *filter = NULL;
    struct search_hit *hits;
    size_t count;
    if (!job_filter_for(j, FILTER_OF_TREES, &filter)) {
        return;
    }
    if (job_search(j, &search)) {
        struct store_view *view = store_view(j->api->o.store);
        search.view = view;
        search.filter = filter;
        enum err e = search_run(&search, &hits, &count);
        if (e == ERR_OK) {
            put_result(j, &search, hits, count);
            mem_free(hits);
        } else {
            job_fail(j, e);
        }
        store_view_free(view);
    }
    filter_free(filter);
}

// ---- One trace ----------------------------------------------------------------------------------

static void put_attrs(struct json_writer *w, const char *key, const struct batch *b,
                      struct attr_run run)
{
    struct json_keys keys;
    ASSERT((size_t)run.first + run.count <= b->attr_count);
    json_keys_init(&keys, w->out);
    json_put_key(w, key);
    json_put_object(w);
    for (uint32_t i = run.first; i < run.first + run.count; i++) {
        struct str name = batch_str(b, b->attrs[i].key);
        if (json_keys_add(&keys, name)) {
            json_put_key_str(w, name);
            otlp_attr_json(b, &b->attrs[i], json_put_raw(w));
        }
    }
    json_put_object_end(w);
    json_keys_done(&keys);
}

// Attributes as events and links have them, while they are written.
struct attribute_list {
    struct json_writer *w;
    struct json_keys keys;
};

static void put_key_value(void *ctx, struct str key, const struct otlp_value *value)
{
    struct attribute_list *l = ctx;
    struct json_writer *w = l->w;
    if (!json_keys_add(&l->keys, key)) {
        return;
    }
    json_put_key_str(w, key);
    switch (value->type) {
    case ATTR_STRING:
        json_put_str(w, value->text);
        break;
    case ATTR_BOOL:
        json_put_bool(w, value->i != 0);
        break;
    case ATTR_INT:
        json_put_i64(w, value->i);
        break;
    case ATTR_DOUBLE:
        json_put_double(w, value->d);
        break;
    case ATTR_ARRAY:
    case ATTR_KVLIST:
        otlp_value_json(value->text, json_put_raw(w));
        break;
    case ATTR_BYTES:
        otlp_bytes_json(value->text, json_put_raw(w));
        break;
    default:
        json_put_null(w);
        break;
    }
}

static void put_attribute_list(struct json_writer *w, struct str attributes)
{
    struct attribute_list l = {.w = w};
    json_keys_init(&l.keys, w->out);
    json_put_key(w, "attributes");
    json_put_object(w);
    otlp_each_key_value(attributes, put_key_value, &l);
    json_put_object_end(w);
    json_keys_done(&l.keys);
}

// A span may have millions of events or links in one request; so many are shown of each.
#define EVENTS_SHOWN 1000

struct event_list { // or of links
    struct json_writer *w;
    uint64_t span_start_ns;
    size_t count;
};

static void put_event(void *ctx, const struct otlp_event *event)
{
    struct event_list *l = ctx;
    struct json_writer *w = l->w;
    if (l->count++ >= EVENTS_SHOWN) {
        return;
    }
    json_put_object(w);
    put_u64(w, "time_unix_nano", event->time_ns);
    json_put_key(w, "offset_ns");
    json_put_i64(w, (int64_t)(event->time_ns - l->span_start_ns));
    put_str(w, "name", event->name);
    put_attribute_list(w, event->attributes);
    json_put_object_end(w);
}

static void put_link(void *ctx, const struct otlp_link *link)
{
    struct event_list *l = ctx;
    struct json_writer *w = l->w;
    if (l->count++ >= EVENTS_SHOWN) {
        return;
    }
    json_put_object(w);
    put_trace_id(w, "trace_id", link->trace);
    put_span_id(w, "span_id", link->span);
    put_attribute_list(w, link->attributes);
    json_put_object_end(w);
}

static size_t left_out(const struct event_list *l)
{
    return l->count > EVENTS_SHOWN ? l->count - EVENTS_SHOWN : 0;
}

static void put_events_and_links(struct json_writer *w, const struct batch *b, const struct span *s)
{
    struct event_list events = {.w = w, .span_start_ns = s->start_ns}, links = {.w = w};
    json_put_key(w, "events");
    json_put_array(w);
    otlp_each_event(batch_str(b, s->events), put_event, &events);
    json_put_array_end(w);
    json_put_key(w, "links");
    json_put_array(w);
    otlp_each_link(batch_str(b, s->links), put_link, &links);
    json_put_array_end(w);
    put_u64(w, "events_left_out", left_out(&events));
    put_u64(w, "links_left_out", left_out(&links));
}

// What only the whole trace says of a span.
static void put_assembled(struct json_writer *w, const struct trace *t, uint32_t i)
{
    const struct trace_span *s = &t->spans[i];
    char room[TRACE_RPC_ROOM];
    ASSERT(s->peer == TRACE_NONE || s->peer < t->count);
    put_u64(w, "self_ns", s->self_ns);
    put_u64(w, "critical_ns", s->critical_ns);
    put_i64(w, "skew_ns", s->skew_ns);
    put_str(w, "peer_rpc_id", s->peer != TRACE_NONE ? trace_rpc_id(t, s->peer, room) : STR(""));
}

static void put_span_head(struct json_writer *w, struct trace *t, uint32_t i, struct row row)
{
    ASSERT(i < t->count);
    const struct batch *b = row.batch;
    const struct span *s = row_span(row);
    put_span_id(w, "span_id", s->id);
    put_span_id(w, "parent_span_id", s->parent);
    char room[TRACE_RPC_ROOM];
    put_str(w, "rpc_id", trace_rpc_id(t, i, room));
    put_str(w, "service", batch_str(b, batch_resource(b, s)->service));
    put_str(w, "namespace", b->line);
    put_str(w, "name", batch_str(b, s->name));
    put_str(w, "kind", str_of(span_kind_name(s->kind)));
    put_u64(w, "start_unix_nano", s->start_ns);
    put_ms(w, "start_unix_ms", s->start_ns);
    put_u64(w, "duration_ns", s->duration_ns);
    put_assembled(w, t, i);
    put_str(w, "status", str_of(span_status_name(s->status)));
    put_str(w, "status_message", batch_str(b, s->status_message));
    put_str(w, "trace_state", batch_str(b, s->trace_state));
    put_u64(w, "flags", s->flags);
    put_bool(w, "end_before_start", s->end_before_start != 0);
}

// `row` is the span with everything.
static void put_span(struct json_writer *w, struct trace *t, uint32_t i, struct row row)
{
    const struct batch *b = row.batch;
    const struct span *s = row_span(row);
    const struct scope *scope = &b->scopes[s->scope];
    json_put_object(w);
    put_span_head(w, t, i, row);
    put_attrs(w, "attributes", b, s->attrs);
    put_attrs(w, "resource", b, batch_resource(b, s)->attrs);
    json_put_key(w, "scope");
    json_put_object(w);
    put_str(w, "name", batch_str(b, scope->name));
    put_str(w, "version", batch_str(b, scope->version));
    put_attrs(w, "attributes", b, scope->attrs);
    json_put_object_end(w);
    put_events_and_links(w, b, s);
    put_u64(w, "dropped_attributes", s->dropped_attrs);
    put_u64(w, "dropped_events", s->dropped_events);
    put_u64(w, "dropped_links", s->dropped_links);
    json_put_object_end(w);
}

// Which spans are asked for: those with an ID, or, by its RpcId, one.
struct wanted_span {
    bool by_rpc;
    struct str rpc;
    span_id id;
};

static bool is_wanted(const struct trace *t, uint32_t i, const struct wanted_span *wanted)
{
    char room[TRACE_RPC_ROOM];
    ASSERT(i < t->count);
    return wanted->by_rpc ? str_eq(trace_rpc_id(t, i, room), wanted->rpc)
                          : span_id_eq(row_span(t->spans[i].row)->id, wanted->id);
}

static void begin_spans(struct json_writer *w, struct job *j, const struct trace *t)
{
    ASSERT(t->count > 0);
    json_writer_init(w, &j->out);
    json_put_object(w);
    put_trace_id(w, "trace_id", t->id);
    json_put_key(w, "spans");
    json_put_array(w);
}

static void end_spans(struct json_writer *w, struct job *j, const struct trace *t)
{
    ASSERT(w->depth > 0);
    json_put_array_end(w);
    trace_put_lack(j, w, t);
    json_put_object_end(w);
}

static bool put_spans(struct job *j, struct trace *t)
{
    struct json_writer w;
    begin_spans(&w, j, t);
    for (uint32_t i = 0; i < t->count && !j->out.failed; i++) {
        if (i > 0 && query_must_end(&j->control)) {
            atomic_store(&j->control.cut_short, true);
            break;
        }
        put_span(&w, t, i, t->spans[i].row);
    }
    end_spans(&w, j, t);
    return !j->out.failed;
}

void api_trace(struct job *j)
{
    trace_answer(j, TRACE_WHOLE, put_spans);
}

// "0.1.12"; no span ID has a dot, or is so short.
static bool is_rpc_id(struct str text)
{
    bool digit = false;
    ASSERT(text.p != NULL || text.n == 0);
    for (size_t i = 0; i < text.n; i++) {
        bool is_dot = text.p[i] == '.';
        if (is_dot ? !digit : text.p[i] < '0' || text.p[i] > '9') {
            return false;
        }
        digit = !is_dot;
    }
    return digit && (text.n < SPAN_ID_HEX || memchr(text.p, '.', text.n) != NULL);
}

// Of a trace that was loaded as an outline the wanted spans are read whole.
static void put_wanted(struct job *j, const struct store_view *view, struct trace *t,
                       const struct wanted_span *wanted)
{
    struct json_writer w;
    size_t found = 0;
    enum err e = ERR_OK;
    begin_spans(&w, j, t);
    for (uint32_t i = 0; i < t->count && e == ERR_OK; i++) {
        struct row row;
        struct batch *read;
        if (!is_wanted(t, i, wanted)) {
            continue;
        }
        e = trace_whole_row(view, t, i, &j->control, &row, &read);
        if (e == ERR_OK) {
            put_span(&w, t, i, row);
            found++;
            if (read != NULL) {
                meter_give(&j->meter, batch_bytes(read));
                batch_unref(read);
            }
        }
    }
    end_spans(&w, j, t);
    if (e != ERR_OK) {
        trace_fail_load(j, e);
    } else if (found == 0 && atomic_load(&j->control.cut_short)) {
        job_fail(j, ERR_CANCELLED); // the rest may have had it
    } else if (found == 0 && t->left_out > 0) {
        job_error(j, 404,
                  "none of the first %zu spans of the trace has this ID; it has %zu, more than "
                  "there is memory for",
                  t->count, t->count + t->left_out);
    } else if (found == 0) {
        job_error(j, 404, "the trace has no span with this ID");
    }
}

void api_trace_span(struct job *j)
{
    struct str id_text, rest = str_split(j->path_param, '/', &id_text);
    struct str slash, word = str_split(rest, '/', &slash);
    struct wanted_span wanted = {.by_rpc = is_rpc_id(word), .rpc = word};
    trace_id id;
    struct trace *t;
    // rest is "spans/<id>".
    if (!str_eq(slash, STR("spans")) ||
        (!wanted.by_rpc && span_id_parse(word, &wanted.id) != ERR_OK)) {
        job_error(j, 400,
                  "expected /api/v1/traces/{trace_id}/spans/{span_id}, the span ID with 16 "
                  "hexadecimal digits, or an RpcId such as 0.1.2");
        return;
    }
    if (!trace_read_id(j, id_text, &id)) {
        return;
    }
    struct store_view *view = store_view(j->api->o.store);
    enum err e = trace_load_some(view, id, TRACE_OUTLINE, TRACE_SPANS_MAX, &j->control, &t);
    if (e == ERR_OK) {
        put_wanted(j, view, t, &wanted);
        trace_free(t);
    } else {
        trace_fail_load(j, e);
    }
    store_view_free(view);
}

// Others may have had the memory a moment ago, and have given it back since.
#define RAW_TRIES 2

// OTLP cannot say that something is missing: all of the trace, or nothing.
static bool put_raw(struct job *j, const struct trace *t)
{
    size_t bytes = t->count * sizeof(struct row);
    ASSERT(t->count > 0);
    if (t->left_out > 0 || !meter_take(&j->meter, bytes)) {
        return false;
    }
    struct row *rows = mem_new(t->count, sizeof *rows);
    for (size_t i = 0; i < t->count; i++) {
        rows[i] = t->spans[i].row;
    }
    otlp_encode_traces_json(rows, t->count, &j->out);
    mem_free(rows);
    meter_give(&j->meter, bytes);
    return !j->out.failed;
}

void api_trace_raw(struct job *j)
{
    trace_id id;
    size_t spans = 0;
    if (!trace_read_id(j, j->path_param, &id)) {
        return;
    }
    for (int tries = 0; tries < RAW_TRIES; tries++) {
        struct trace *t = trace_answer_load(j, id, TRACE_WHOLE, TRACE_SPANS_MAX);
        if (t == NULL) {
            return;
        }
        bool is_cut_short = atomic_load(&j->control.cut_short);
        bool fits = !is_cut_short && put_raw(j, t);
        spans = t->count + t->left_out;
        trace_free(t);
        if (fits) {
            j->disposition = "attachment; filename=\"trace.json\"";
            return;
        }
        buf_done(&j->out);
        if (is_cut_short || trace_memory_is_elsewhere(&j->control)) {
            job_fail(j, is_cut_short ? ERR_CANCELLED : ERR_MEMORY);
            return;
        }
    }
    job_error(j, 413,
              "the trace has %zu spans: as one file that is more than there is memory for; "
              "/api/v1/traces/{trace_id} gives the first of them",
              spans);
}
