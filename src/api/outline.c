// SPDX-License-Identifier: Apache-2.0
// Purpose: the outline of a trace: what a waterfall needs, in columns, and the critical path.
#include "api/put.h"
#include "api/trace_answer.h"
#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"

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
    trace_put_lack(j, w, t);
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
    trace_answer(j, TRACE_OUTLINE, put_outline_of);
}
