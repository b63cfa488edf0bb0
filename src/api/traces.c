// SPDX-License-Identifier: Apache-2.0
// Purpose: searching for traces and showing one: list, whole trace, outline for the waterfall,
// single spans, raw OTLP.

#include "api/job.h"
#include "api/put.h"
#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
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
    if (!job_filter(j, &filter)) {
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

static bool read_id(struct job *j, struct str text, trace_id *ret_id)
{
    ASSERT(j->out.n == 0);
    if (trace_id_parse(text, ret_id) != ERR_OK) {
        job_error(j, 400, "a trace ID has 32 hexadecimal digits");
        return false;
    }
    return true;
}

static void fail_load(struct job *j, enum err e)
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

// Loads a trace, or the earliest `rows_max` of it; NULL after answering with an error.
static struct trace *load(struct job *j, trace_id id, enum trace_detail detail, size_t rows_max)
{
    struct trace *t;
    struct store_view *view = store_view(j->api->o.store);
    ASSERT(rows_max > 0);
    enum err e = trace_load_some(view, id, detail, rows_max, &j->control, &t);
    store_view_free(view);
    if (e != ERR_OK) {
        fail_load(j, e);
        return NULL;
    }
    return t;
}

// Answers with as much of a trace as there is memory for, read and written. `put` gives false where
// there was too little for this much of it.
static void answer_with_trace(struct job *j, enum trace_detail detail,
                              bool (*put)(struct job *j, struct trace *t))
{
    trace_id id;
    if (!read_id(j, j->path_param, &id)) {
        return;
    }
    for (size_t rows_max = TRACE_SPANS_MAX; rows_max > 0;) {
        struct trace *t = load(j, id, detail, rows_max);
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

// Whether the trace may lack something, and parts that may have held more of it.
static void put_lack(struct job *j, struct json_writer *w, const struct trace *t)
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
    put_lack(j, w, t);
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
    answer_with_trace(j, TRACE_WHOLE, put_spans);
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
        fail_load(j, e);
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
    if (!read_id(j, id_text, &id)) {
        return;
    }
    struct store_view *view = store_view(j->api->o.store);
    enum err e = trace_load_some(view, id, TRACE_OUTLINE, TRACE_SPANS_MAX, &j->control, &t);
    if (e == ERR_OK) {
        put_wanted(j, view, t, &wanted);
        trace_free(t);
    } else {
        fail_load(j, e);
    }
    store_view_free(view);
}

// OTLP cannot say that something is missing: all of the trace, or an error.
static void put_raw(struct job *j, const struct trace *t)
{
    struct row *rows = NULL;
    bool fits = t->left_out == 0 && meter_take(&j->meter, t->count * sizeof *rows);
    if (fits) {
        rows = mem_new(t->count, sizeof *rows);
        for (size_t i = 0; i < t->count; i++) {
            rows[i] = t->spans[i].row;
        }
        otlp_encode_traces_json(rows, t->count, &j->out);
        mem_free(rows);
        fits = !j->out.failed;
    }
    if (fits) {
        j->disposition = "attachment; filename=\"trace.json\"";
    } else if (trace_memory_is_elsewhere(&j->control)) {
        job_fail(j, ERR_MEMORY);
    } else {
        job_error(j, 413,
                  "the trace has %zu spans: as one file that is more than there is memory for; "
                  "/api/v1/traces/{trace_id} gives the first of them",
                  t->count + t->left_out);
    }
}

void api_trace_raw(struct job *j)
{
    trace_id id;
    struct trace *t =
        read_id(j, j->path_param, &id) ? load(j, id, TRACE_WHOLE, TRACE_SPANS_MAX) : NULL;
    if (t == NULL) {
        return;
    }
    ASSERT(t->count > 0);
    if (atomic_load(&j->control.cut_short)) {
        job_fail(j, ERR_CANCELLED);
    } else {
        put_raw(j, t);
    }
    trace_free(t);
}

// ---- Outline ------------------------------------------------------------------------------------

// A list of distinct texts with their numbers.
struct names {
    struct str *items;
    size_t count, capacity;
    uint32_t *index;
    size_t index_size;
};

static uint32_t name_number(struct names *n, struct str s)
{
    ASSERT(n->count < n->index_size); // or the probe would not end
    size_t at = str_hash(s) & (n->index_size - 1);
    for (; n->index[at] != 0; at = (at + 1) & (n->index_size - 1)) {
        if (str_eq(n->items[n->index[at] - 1], s)) {
            return n->index[at] - 1;
        }
    }
    n->items = mem_grow(n->items, &n->capacity, n->count + 1, sizeof *n->items);
    n->items[n->count++] = s;
    n->index[at] = (uint32_t)n->count;
    return (uint32_t)n->count - 1;
}

static void names_init(struct names *n, size_t most)
{
    *n = (struct names){.index_size = 64};
    while (n->index_size < most * 2) {
        n->index_size *= 2;
    }
    n->index = mem_new(n->index_size, sizeof *n->index);
}

static void names_put(struct names *n, struct json_writer *w, const char *key)
{
    json_put_key(w, key);
    json_put_array(w);
    for (size_t i = 0; i < n->count; i++) {
        json_put_str(w, n->items[i]);
    }
    json_put_array_end(w);
    mem_free(n->items);
    mem_free(n->index);
}

enum outline_column {
    COLUMN_PARENT,
    COLUMN_SERVICE,
    COLUMN_NAME,
    COLUMN_KIND,
    COLUMN_STATUS,
    COLUMN_START,
    COLUMN_DURATION,
    COLUMN_SELF,
    COLUMN_DEPTH,
    COLUMN_CRITICAL,
    COLUMN_PEER,
    COLUMN_SKEW,
    COLUMN_COUNT
};

static const char *const column_names[COLUMN_COUNT] = {
    "parent",      "service", "name",  "kind",        "status", "start_ns",
    "duration_ns", "self_ns", "depth", "critical_ns", "peer",   "skew_ns"};

// Heap bytes of a span in what follows: two lists of names that double, their indexes, numbers, and
// its pieces of the critical path (put_critical()).
#define OUTLINE_SPAN_BYTES ((size_t)128)

struct outline {
    const struct query_control *control;
    struct trace *t;
    struct names services, names;
    uint32_t *service, *name; // by span
};

// The 64 bits of a cell; which columns are signed, put_columns() knows.
static int64_t outline_cell(const struct outline *o, uint32_t i, enum outline_column column)
{
    ASSERT(i < o->t->count && column < COLUMN_COUNT);
    const struct trace_span *s = &o->t->spans[i];
    const struct span *row = row_span(s->row);
    switch (column) {
    case COLUMN_PARENT:
        return s->parent == TRACE_NONE ? -1 : (int64_t)s->parent;
    case COLUMN_SERVICE:
        return o->service[i];
    case COLUMN_NAME:
        return o->name[i];
    case COLUMN_KIND:
        return row->kind;
    case COLUMN_STATUS:
        return row->status;
    case COLUMN_START:
        return (int64_t)(s->start_ns - o->t->start_ns);
    case COLUMN_DURATION:
        return (int64_t)row->duration_ns;
    case COLUMN_SELF:
        return (int64_t)s->self_ns;
    case COLUMN_DEPTH:
        return s->depth;
    case COLUMN_CRITICAL:
        return (int64_t)s->critical_ns;
    case COLUMN_PEER:
        return s->peer == TRACE_NONE ? -1 : (int64_t)s->peer;
    case COLUMN_SKEW:
        return s->skew_ns;
    case COLUMN_COUNT:
        break;
    }
    return 0;
}

static void put_columns(struct json_writer *w, const struct outline *o)
{
    ASSERT(o->service != NULL && o->name != NULL);
    struct trace *t = o->t;
    json_put_key(w, "spans");
    json_put_object(w);
    json_put_key(w, "id");
    json_put_array(w);
    for (size_t i = 0; i < t->count; i++) {
        char text[SPAN_ID_HEX + 1];
        span_id_hex(row_span(t->spans[i].row)->id, text);
        json_put_str(w, str_of(text));
    }
    json_put_array_end(w);
    json_put_key(w, "rpc_id");
    json_put_array(w);
    for (uint32_t i = 0; i < t->count; i++) {
        char room[TRACE_RPC_ROOM];
        json_put_str(w, trace_rpc_id(t, i, room));
    }
    json_put_array_end(w);
    // Nobody reads the answer of who was cancelled; whose turn is over still says what it has.
    for (unsigned c = 0; c < COLUMN_COUNT && !atomic_load(&o->control->cancelled); c++) {
        json_put_key(w, column_names[c]);
        json_put_array(w);
        for (uint32_t i = 0; i < t->count; i++) {
            int64_t cell = outline_cell(o, i, (enum outline_column)c);
            if (c == COLUMN_PARENT || c == COLUMN_PEER || c == COLUMN_SKEW) {
                json_put_i64(w, cell);
            } else {
                json_put_u64(w, (uint64_t)cell); // senders' times may be any number
            }
        }
        json_put_array_end(w);
    }
    json_put_object_end(w);
}

struct critical_piece {
    uint64_t from_ns, to_ns;
    uint32_t span;
};

static int by_from(const void *a, const void *b)
{
    const struct critical_piece *x = a, *y = b;
    return x->from_ns < y->from_ns ? -1 : x->from_ns > y->from_ns;
}

static void put_critical(struct json_writer *w, const struct trace *t)
{
    struct critical_piece *pieces = mem_new(t->segment_count + 1, sizeof *pieces);
    size_t count = 0;
    for (uint32_t i = 0; i < t->count; i++) {
        const struct trace_span *s = &t->spans[i];
        for (uint32_t k = 0; k < s->critical_count; k++) {
            ASSERT(s->critical_first + k < t->segment_count);
            struct trace_segment g = t->segments[s->critical_first + k];
            pieces[count++] = (struct critical_piece){g.from_ns, g.to_ns, i};
        }
    }
    MUST(count == t->segment_count);
    sort_array(pieces, count, sizeof *pieces, by_from);
    json_put_key(w, "critical");
    json_put_object(w);
    for (int field = 0; field < 3; field++) {
        static const char *const keys[] = {"span", "from_ns", "to_ns"};
        json_put_key(w, keys[field]);
        json_put_array(w);
        for (size_t i = 0; i < count; i++) {
            json_put_u64(w, field == 0   ? pieces[i].span
                            : field == 1 ? pieces[i].from_ns
                                         : pieces[i].to_ns);
        }
        json_put_array_end(w);
    }
    json_put_object_end(w);
    mem_free(pieces);
}

static bool is_orphan(const struct trace_span *s)
{
    return s->parent == TRACE_NONE && !span_id_is_zero(row_span(s->row)->parent);
}

static void put_outline(struct job *j, struct json_writer *w, struct outline *o)
{
    struct trace *t = o->t;
    json_put_object(w);
    put_trace_id(w, "trace_id", t->id);
    put_u64(w, "start_unix_nano", t->start_ns);
    put_ms(w, "start_unix_ms", t->start_ns);
    put_u64(w, "duration_ns", t->end_ns - t->start_ns);
    put_columns(w, o);
    names_put(&o->services, w, "services");
    names_put(&o->names, w, "names");
    put_critical(w, t);
    json_put_key(w, "orphan_rows");
    json_put_array(w);
    for (uint32_t i = 0; i < t->count; i++) {
        if (is_orphan(&t->spans[i])) {
            json_put_u64(w, i);
        }
    }
    json_put_array_end(w);
    put_u64(w, "orphans", t->orphans);
    put_u64(w, "errors", t->errors);
    put_lack(j, w, t);
    json_put_object_end(w);
}

static bool put_outline_of(struct job *j, struct trace *t)
{
    struct json_writer w;
    ASSERT(!j->route->light);
    if (!meter_take(&j->meter, t->count * OUTLINE_SPAN_BYTES)) {
        return false;
    }
    struct outline o = {.control = &j->control, .t = t};
    names_init(&o.services, t->count);
    names_init(&o.names, t->count);
    o.service = mem_new(t->count, sizeof *o.service);
    o.name = mem_new(t->count, sizeof *o.name);
    for (size_t i = 0; i < t->count; i++) {
        const struct batch *b = t->spans[i].row.batch;
        const struct span *s = row_span(t->spans[i].row);
        o.service[i] = name_number(&o.services, batch_str(b, batch_resource(b, s)->service));
        o.name[i] = name_number(&o.names, batch_str(b, s->name));
    }
    json_writer_init(&w, &j->out);
    put_outline(j, &w, &o);
    mem_free(o.service);
    mem_free(o.name);
    meter_give(&j->meter, t->count * OUTLINE_SPAN_BYTES);
    return !j->out.failed;
}

void api_trace_outline(struct job *j)
{
    answer_with_trace(j, TRACE_OUTLINE, put_outline_of);
}
