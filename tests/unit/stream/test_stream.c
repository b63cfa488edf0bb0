// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of stream/stream.h: whatever the order in which spans come, however often, and
// with crashes in between, the metrics are those that a recount of the stored spans gives.
//
// The recount below shares nothing with the stream: it walks the generator's own spans, by name.
#include "test.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/hist.h"
#include "core/mem.h"
#include "stream/paths.h"
#include "world.h"

#define RECORDS_MAX  400
#define CELLS_MAX    60000
#define SUBJECTS_MAX 20000

// ---- Metrics as text ----------------------------------------------------------------------------

struct cell {
    char key[200];
    struct hist hist;
};
struct metrics {
    struct cell cells[CELLS_MAX];
    unsigned count;
};

static struct hist *cell_of(struct metrics *m, const char *key)
{
    for (unsigned i = 0; i < m->count; i++) {
        if (strcmp(m->cells[i].key, key) == 0) {
            return &m->cells[i].hist;
        }
    }
    assert_true(m->count < CELLS_MAX && strlen(key) < sizeof m->cells[0].key);
    struct cell *c = &m->cells[m->count++];
    *c = (struct cell){0};
    memcpy(c->key, key, strlen(key) + 1);
    return &c->hist;
}

static void metrics_free(struct metrics *m)
{
    for (unsigned i = 0; i < m->count; i++) {
        hist_clear(&m->cells[i].hist);
    }
    mem_free(m);
}

static void total_add(struct hist_total *t, const struct hist *h)
{
    struct buf bytes;
    buf_init(&bytes, 1 << 20);
    hist_encode(h, &bytes);
    hist_total_add(t, buf_str(&bytes));
    buf_done(&bytes);
}

static void hist_copy(struct hist *to, const struct hist *from)
{
    struct hist_total *t = mem_new(1, sizeof *t);
    total_add(t, from);
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        if (t->buckets[i] != 0) {
            hist_add(to, hist_value(i), (int32_t)t->buckets[i]);
        }
    }
    to->sum_ns = from->sum_ns;
    mem_free(t);
}

static void metrics_copy(struct metrics *to, const struct metrics *from)
{
    for (unsigned i = 0; i < to->count; i++) {
        hist_clear(&to->cells[i].hist);
    }
    to->count = from->count;
    for (unsigned i = 0; i < from->count; i++) {
        to->cells[i] = from->cells[i];
        to->cells[i].hist = (struct hist){0};
        hist_copy(&to->cells[i].hist, &from->cells[i].hist);
    }
}

static void check_same(struct metrics *got, struct metrics *wanted)
{
    unsigned nothing = 0;
    for (unsigned i = 0; i < wanted->count; i++) {
        const struct hist *want = &wanted->cells[i].hist, *have;
        have = cell_of(got, wanted->cells[i].key);
        if (have->count != want->count || have->sum_ns != want->sum_ns) {
            print_error("%s: %lld calls, %lld ns; recounted %lld, %lld\n", wanted->cells[i].key,
                        (long long)have->count, (long long)have->sum_ns, (long long)want->count,
                        (long long)want->sum_ns);
            fail();
        }
        struct hist_total *a = mem_new(1, sizeof *a), *b = mem_new(1, sizeof *b);
        total_add(a, have);
        total_add(b, want);
        assert_memory_equal(a->buckets, b->buckets, sizeof a->buckets);
        mem_free(a);
        mem_free(b);
    }
    for (unsigned i = 0; i < got->count; i++) {
        nothing += hist_is_nothing(&got->cells[i].hist) ? 1 : 0;
    }
    if (got->count - nothing != wanted->count) {
        for (unsigned i = 0; i < got->count; i++) {
            if (!hist_is_nothing(&got->cells[i].hist) &&
                cell_of(wanted, got->cells[i].key)->count == 0) {
                print_error("%s: %lld calls, recounted none\n", got->cells[i].key,
                            (long long)got->cells[i].hist.count);
            }
        }
        fail();
    }
}

static void path_key(char *out, size_t room, uint64_t id, unsigned measure, uint64_t slot_ms)
{
    (void)snprintf(out, room, "path %016" PRIx64 " %u @%llu", id, measure,
                   (unsigned long long)slot_ms);
}

// ---- The recount --------------------------------------------------------------------------------

static const struct plain *parent_in(const struct world *w, const struct plain *s)
{
    for (unsigned i = 0; i < w->count; i++) {
        if (w->spans[i].trace == s->trace && w->spans[i].id == s->parent) {
            return &w->spans[i];
        }
    }
    return NULL;
}

static bool is_callee(const struct plain *s)
{
    return s->kind == KIND_SERVER || s->kind == KIND_CONSUMER;
}

static void node_text(const struct world *w, const struct plain *s, char *out, size_t room)
{
    const struct plain *at = s;
    while (at != NULL && at->service == s->service && !is_callee(at) && at->parent != 0) {
        at = parent_in(w, at);
    }
    bool entry = at != NULL && at->service == s->service;
    unsigned kind = entry && at->kind == KIND_UNSPECIFIED ? KIND_INTERNAL : entry ? at->kind : 0;
    if (entry) {
        (void)snprintf(out, room, "service:%s/%s/op%u:%u", lines[s->service], services[s->service],
                       at->name, kind);
    } else {
        (void)snprintf(out, room, "service:%s/%s/:0", lines[s->service], services[s->service]);
    }
}

static void peer_text(const struct plain *s, char *out, size_t room)
{
    if (s->kind == KIND_CLIENT) {
        (void)snprintf(out, room, "%s",
                       s->is_cached ? "cache://redis@127.0.0.1:6379:0"
                                    : "database://postgresql/shop@db:5432:0");
    } else {
        (void)snprintf(out, room, "queue://kafka/t%u:0", s->name);
    }
}

static void recount_call(struct metrics *m, const char *what, const char *from, const char *to,
                         const char *side, const struct plain *s)
{
    char key[400];
    uint64_t slot = s->start_ns / NS_PER_MS / STREAM_SLOT_MS * STREAM_SLOT_MS;
    const char *end = strrchr(from, ':'); // the kind, which only what is called tells
    int n = end != NULL ? (int)(end - from) : 0;
    bool counted = s->service == COUNTING && strcmp(what, "edge") != 0;
    (void)snprintf(key, sizeof key, "%s %.*s>%s %s %d%s @%llu", what, n, from, to, side, s->error,
                   counted ? " counted" : "", (unsigned long long)slot);
    hist_add(cell_of(m, key), s->duration_ns, 1);
}

static const struct plain *first_called(const struct world *w, const struct plain *caller)
{
    const struct plain *first = NULL;
    for (unsigned i = 0; i < w->count; i++) {
        const struct plain *c = &w->spans[i];
        bool called =
            c->kind != KIND_CONSUMER && (c->kind == KIND_SERVER || c->service != caller->service);
        if (c->trace == caller->trace && c->parent == caller->id && called &&
            (first == NULL || c->start_ns < first->start_ns ||
             (c->start_ns == first->start_ns && c->duration_ns > first->duration_ns))) {
            first = c;
        }
    }
    return first;
}

static void recount_span(const struct world *w, struct metrics *m, const struct plain *s)
{
    char self[100], other[100];
    const struct plain *parent = parent_in(w, s);
    node_text(w, s, self, sizeof self);
    if (is_callee(s) || s->parent == 0) {
        recount_call(m, "endpoint", "", self, "s", s);
        (void)snprintf(other, sizeof other, "service:%s/%s/i1:0", lines[s->service],
                       services[s->service]);
        recount_call(m, "instance", "", other, "s", s);
    }
    if (s->kind == KIND_CONSUMER) {
        peer_text(s, other, sizeof other);
        recount_call(m, "edge", other, self, "s", s);
    } else if (s->kind == KIND_SERVER || (parent != NULL && parent->service != s->service)) {
        if (parent != NULL) {
            node_text(w, parent, other, sizeof other);
        }
        recount_call(m, "edge",
                     parent != NULL   ? other
                     : s->parent == 0 ? "client://:0"
                                      : "service://:0",
                     self, "s", s);
    }
    if (s->kind == KIND_CLIENT || s->kind == KIND_PRODUCER) {
        const struct plain *called = s->kind == KIND_CLIENT ? first_called(w, s) : NULL;
        if (called != NULL) {
            node_text(w, called, other, sizeof other);
        } else {
            peer_text(s, other, sizeof other);
        }
        recount_call(m, "edge", self, other, "c", s);
    }
}

// What a span sends, by whom and to whom; false where it sends nothing.
static bool statement_key(const struct world *w, const struct plain *s, char *out, size_t room)
{
    char to[100], text[64];
    const struct plain *called = s->kind == KIND_CLIENT ? first_called(w, s) : NULL;
    if (s->kind != KIND_CLIENT && s->kind != KIND_PRODUCER && s->kind != KIND_CONSUMER) {
        return false;
    }
    if (called != NULL) {
        (void)snprintf(to, sizeof to, "service:%s/%s/:0", lines[called->service],
                       services[called->service]);
    } else {
        peer_text(s, to, sizeof to);
    }
    if (s->kind == KIND_CLIENT && s->is_cached) {
        (void)snprintf(text, sizeof text, "redis GET k:?");
    } else if (s->kind == KIND_CLIENT) {
        (void)snprintf(text, sizeof text, "postgresql select %c from t where x = ?", 'a' + s->name);
    } else {
        (void)snprintf(text, sizeof text, "kafka %s t%u",
                       s->kind == KIND_PRODUCER ? "publish" : "process", s->name);
    }
    (void)snprintf(out, room, "statement %s/%s>%s %s", lines[s->service], services[s->service], to,
                   text);
    return true;
}

static void recount_statement(const struct world *w, struct metrics *m, const struct plain *s)
{
    char key[250], other[250], full[300];
    unsigned calls = 0;
    uint64_t slot = s->start_ns / NS_PER_MS / STREAM_SLOT_MS * STREAM_SLOT_MS;
    if (!statement_key(w, s, key, sizeof key)) {
        return;
    }
    (void)snprintf(full, sizeof full, "%s %d @%llu", key, s->error, (unsigned long long)slot);
    hist_add(cell_of(m, full), s->duration_ns, 1);
    for (unsigned i = 0; i < w->count; i++) {
        const struct plain *o = &w->spans[i];
        if (o->trace == s->trace && statement_key(w, o, other, sizeof other) &&
            strcmp(key, other) == 0) {
            if (o->start_ns < s->start_ns || (o->start_ns == s->start_ns && o < s)) {
                return; // the first of them tells
            }
            calls++;
        }
    }
    if (calls > 1) {
        (void)snprintf(full, sizeof full, "%s repeats @%llu", key, (unsigned long long)slot);
        hist_add(cell_of(m, full), calls, 1);
    }
}

// Numbers of names and paths are those of the recount; IDs of paths are the same everywhere.
struct paths_rig {
    struct names names;
    struct paths paths;
};

static uint32_t node_number(struct paths_rig *p, const struct world *w, const struct plain *s)
{
    char text[16];
    const struct plain *at = s;
    uint32_t service =
        names_service(&p->names, str_of(lines[s->service]), str_of(services[s->service]));
    while (at != NULL && at->service == s->service && !is_callee(at) && at->parent != 0) {
        at = parent_in(w, at);
    }
    if (at == NULL || at->service != s->service) {
        return service;
    }
    (void)snprintf(text, sizeof text, "op%u", at->name);
    uint8_t kind = at->kind == KIND_UNSPECIFIED ? KIND_INTERNAL : (uint8_t)at->kind;
    return names_below(&p->names, service, str_of(text), kind);
}

static uint32_t peer_number(struct paths_rig *p, const struct plain *s)
{
    char text[100], *name, *kind_end;
    peer_text(s, text, sizeof text); // "database://postgresql/shop@db:5432:0"
    kind_end = strstr(text, "://");
    name = kind_end + 3;
    *kind_end = 0;
    *strrchr(name, ':') = 0;
    return names_peer(&p->names,
                      strcmp(text, "cache") == 0      ? NODE_CACHE
                      : strcmp(text, "database") == 0 ? NODE_DATABASE
                                                      : NODE_QUEUE,
                      str_of(name));
}

static bool is_called(const struct world *w, const struct plain *s)
{
    const struct plain *parent = parent_in(w, s);
    return is_callee(s) || s->parent == 0 || (parent != NULL && parent->service != s->service);
}

static bool is_calling(const struct world *w, const struct plain *s)
{
    return s->kind == KIND_PRODUCER || (s->kind == KIND_CLIENT && first_called(w, s) == NULL);
}

// Where a span is called, or its parent lies; 0 below a root that is not there.
static uint32_t path_at(struct paths_rig *p, const struct world *w, const struct plain *s);

static uint32_t path_of(struct paths_rig *p, const struct world *w, const struct plain *s)
{
    uint32_t at = path_at(p, w, s);
    return at != 0 && is_calling(w, s) ? paths_below(&p->paths, at, peer_number(p, s)) : at;
}

static uint32_t path_at(struct paths_rig *p, const struct world *w, const struct plain *s)
{
    const struct plain *parent = parent_in(w, s);
    uint32_t above = parent != NULL ? path_of(p, w, parent) : 0;
    if (above == 0 && s->parent != 0) {
        return 0;
    }
    return is_called(w, s) ? paths_below(&p->paths, above, node_number(p, w, s)) : above;
}

// What of a span no child covers: from border to border, what lies between is covered or not.
static uint64_t self_ns(const struct world *w, const struct plain *s)
{
    uint64_t end = s->start_ns + s->duration_ns, self = 0, at = s->start_ns;
    while (at < end) {
        uint64_t next = end;
        bool covered = false;
        for (unsigned i = 0; i < w->count; i++) {
            const struct plain *c = &w->spans[i];
            uint64_t from = c->start_ns, to = c->start_ns + c->duration_ns;
            if (c->trace == s->trace && parent_in(w, c) == s) {
                covered = covered || (from <= at && at < to);
                next = from > at && from < next ? from : next;
                next = to > at && to < next ? to : next;
            }
        }
        self += covered ? 0 : next - at;
        at = next;
    }
    return self;
}

// What a trace has at each path, and when its first root began.
struct path_count {
    uint32_t path;
    uint64_t values[PATH_MEASURE_COUNT];
};

static struct path_count *count_at(struct path_count *counts, unsigned *n, uint32_t path)
{
    unsigned i = 0;
    while (i < *n && counts[i].path != path) {
        i++;
    }
    if (i == *n) {
        assert_true(*n < 64);
        counts[(*n)++] = (struct path_count){.path = path};
    }
    return &counts[i];
}

static void recount_paths(const struct world *w, struct metrics *m, unsigned trace)
{
    static struct paths_rig p;
    struct path_count counts[64];
    unsigned n = 0;
    uint64_t first_ns = UINT64_MAX;
    p = (struct paths_rig){0};
    paths_init(&p.paths, &p.names, SIZE_MAX);
    for (unsigned i = 0; i < w->count; i++) {
        const struct plain *s = &w->spans[i];
        uint32_t at = s->trace == trace ? path_at(&p, w, s) : 0;
        if (at == 0) {
            continue;
        }
        first_ns = s->parent == 0 && s->start_ns < first_ns ? s->start_ns : first_ns;
        if (is_called(w, s)) {
            count_at(counts, &n, at)->values[PATH_CALLS]++;
            count_at(counts, &n, at)->values[PATH_ERRORS] += s->error;
        }
        uint32_t path = path_of(&p, w, s);
        if (is_calling(w, s)) {
            count_at(counts, &n, path)->values[PATH_CALLS]++;
            count_at(counts, &n, path)->values[PATH_ERRORS] += s->error;
        }
        count_at(counts, &n, path)->values[PATH_SELF] += self_ns(w, s);
    }
    uint64_t slot = first_ns / NS_PER_MS / STREAM_SLOT_MS * STREAM_SLOT_MS;
    for (unsigned i = 0; i < n; i++) {
        for (unsigned k = 0; k < PATH_MEASURE_COUNT; k++) {
            char key[100];
            path_key(key, sizeof key, paths_at(&p.paths, counts[i].path)->id, k, slot);
            if (k != PATH_ERRORS || counts[i].values[k] > 0) {
                hist_add(cell_of(m, key), counts[i].values[k], 1);
            }
        }
    }
    paths_done(&p.paths);
    names_done(&p.names);
}

static struct metrics *recount(const struct world *w)
{
    struct metrics *m = mem_new(1, sizeof *m);
    unsigned traces = 0;
    for (unsigned i = 0; i < w->count; i++) {
        traces = w->spans[i].trace > traces ? w->spans[i].trace : traces;
    }
    for (unsigned t = 1; t <= traces; t++) {
        recount_paths(w, m, t);
    }
    for (unsigned i = 0; i < w->count; i++) {
        recount_span(w, m, &w->spans[i]);
        recount_statement(w, m, &w->spans[i]);
    }
    return m;
}

// ---- Journal, store and sink --------------------------------------------------------------------

struct rig {
    const struct world *world;
    struct budget budget;
    struct batch **records[RECORDS_MAX]; // the journal, which is the store as well
    size_t batch_counts[RECORDS_MAX];
    unsigned record_count, delivered;
    unsigned ahead;    // records that the store has beyond those
    bool drops_copies; // the store does
    uint32_t idle_ms;
    char subjects[SUBJECTS_MAX][160];
    unsigned subject_count;
    struct metrics *now, *committed;
    // Metric points that came of each record.
    unsigned points[RECORDS_MAX], committed_points[RECORDS_MAX];
    uint64_t committed_seq;
    struct buf state;
    struct stream *stream;
    atomic_bool seals;          // when the stream asks
    atomic_bool has_sealed_all; // and no chain was open
    uint64_t given;             // spans to the stream of now, with those replayed
};

static void put_text(struct batch *b, const char *key, const char *value)
{
    uint32_t k = batch_intern(b, str_of(key)), v = batch_intern(b, str_of(value));
    *batch_add_attr(b) = (struct attr){.key = k, .type = ATTR_STRING, .code = v};
}

static void put_int(struct batch *b, const char *key, int64_t value)
{
    uint32_t k = batch_intern(b, str_of(key));
    *batch_add_attr(b) = (struct attr){.key = k, .type = ATTR_INT, .i = value};
}

static void put_peer(struct batch *b, const struct plain *s)
{
    char topic[16], text[64];
    if (s->kind == KIND_CLIENT && s->is_cached) {
        (void)snprintf(text, sizeof text, "GET k:%u", s->id);
        put_text(b, "db.system", "redis");
        put_text(b, "db.statement", text);
        put_text(b, "net.peer.name", "127.0.0.1");
        put_int(b, "net.peer.port", 6379);
    } else if (s->kind == KIND_CLIENT) {
        (void)snprintf(text, sizeof text, "select %c from t where x = '%u'", 'a' + s->name, s->id);
        put_text(b, "db.system.name", "postgresql");
        put_text(b, "db.query.text", text);
        put_text(b, "db.namespace", "shop");
        put_text(b, "server.address", "db");
        put_int(b, "server.port", 5432);
    } else if (s->kind == KIND_PRODUCER || s->kind == KIND_CONSUMER) {
        (void)snprintf(topic, sizeof topic, "t%u", s->name);
        put_text(b, "messaging.system", "kafka");
        put_text(b, "messaging.destination.name", topic);
    }
}

static trace_id trace_of(unsigned n)
{
    trace_id id = {{1}};
    memcpy(id.b + 8, &n, sizeof n);
    return id;
}

static void put_span(struct batch *b, const struct plain *s, uint32_t resource)
{
    char name[16];
    uint32_t first = (uint32_t)b->attr_count;
    (void)snprintf(name, sizeof name, "op%u", s->name);
    put_peer(b, s);
    uint32_t code = batch_intern(b, str_of(name));
    struct span *to = batch_add_span(b);
    to->trace = trace_of(s->trace);
    memcpy(to->id.b, &s->id, sizeof s->id);
    memcpy(to->parent.b, &s->parent, sizeof s->parent);
    to->start_ns = s->start_ns;
    to->duration_ns = s->duration_ns;
    to->resource = resource;
    to->name = code;
    to->kind = s->kind;
    to->status = s->error ? STATUS_ERROR : STATUS_UNSET;
    to->attrs = (struct attr_run){first, (uint32_t)b->attr_count - first};
}

// The spans of one line among those given, as a batch; NULL when there are none.
static struct batch *batch_of(const struct world *w, const unsigned *picked, unsigned n,
                              const char *line, uint64_t seq)
{
    struct batch *b = batch_new(str_of(line));
    for (unsigned v = 0; v < 5; v++) {
        if (strcmp(lines[v], line) != 0) {
            continue;
        }
        uint32_t first = (uint32_t)b->attr_count;
        put_text(b, "service.instance.id", "i1");
        put_text(b, "telemetry.sdk.name", v == COUNTING ? "sonde-jvm" : "opentelemetry");
        uint32_t service = batch_intern(b, str_of(services[v]));
        *batch_add_resource(b) = (struct resource){.attrs = {first, 2}, .service = service};
        for (unsigned i = 0; i < n; i++) {
            if (w->spans[picked[i]].service == v) {
                put_span(b, &w->spans[picked[i]], (uint32_t)b->resource_count - 1);
            }
        }
    }
    (void)batch_add_scope(b);
    (void)batch_add_metric(b);
    for (uint64_t i = 0; i < seq % 3; i++) {
        (void)batch_add_point(b);
    }
    b->seq = seq;
    if (b->span_count == 0) {
        batch_unref(b);
        return NULL;
    }
    batch_seal(b);
    return b;
}

static void add_record(struct rig *rig, const unsigned *picked, unsigned n)
{
    static const char *const all_lines[] = {"shop", "bank", ""};
    unsigned at = rig->record_count;
    assert_true(at < RECORDS_MAX);
    rig->records[at] = mem_new(3, sizeof(struct batch *));
    for (unsigned l = 0; l < 3; l++) {
        struct batch *b = batch_of(rig->world, picked, n, all_lines[l], at + 1);
        if (b != NULL) {
            rig->records[at][rig->batch_counts[at]++] = b;
        }
    }
    rig->record_count += rig->batch_counts[at] > 0 ? 1 : 0;
}

// Whether the span is in a record before, or before it in its batch.
static bool was_before(const struct rig *rig, const struct row *row, unsigned record, size_t batch)
{
    for (unsigned r = 0; r <= record; r++) {
        for (size_t i = 0; i < rig->batch_counts[r] && (r < record || i <= batch); i++) {
            const struct batch *b = rig->records[r][i];
            for (uint32_t k = 0; k < b->span_count && (b != row->batch || k < row->index); k++) {
                if (span_id_eq(b->spans[k].id, row->batch->spans[row->index].id)) {
                    return true;
                }
            }
        }
    }
    return false;
}

static enum err load(void *ctx, trace_id id, size_t rows_max, struct meter *meter,
                     void (*each)(void *rows_ctx, const struct row *rows, size_t count),
                     void *rows_ctx)
{
    struct rig *rig = ctx;
    (void)rows_max, (void)meter; // little is stored
    for (unsigned r = 0; r < rig->delivered + rig->ahead && r < rig->record_count; r++) {
        for (size_t i = 0; i < rig->batch_counts[r]; i++) {
            const struct batch *b = rig->records[r][i];
            for (uint32_t k = 0; k < b->span_count; k++) {
                struct row row = {b, k};
                if (trace_id_cmp(&b->spans[k].trace, &id) == 0 &&
                    !(rig->drops_copies && was_before(rig, &row, r, i))) {
                    each(rows_ctx, &row, 1);
                }
            }
        }
    }
    return ERR_OK;
}

static enum err number_of(struct rig *rig, const char *text, uint32_t *ret_number)
{
    for (unsigned i = 0; i < rig->subject_count; i++) {
        if (strcmp(rig->subjects[i], text) == 0) {
            *ret_number = i;
            return ERR_OK;
        }
    }
    assert_true(rig->subject_count < SUBJECTS_MAX && strlen(text) < sizeof rig->subjects[0]);
    memcpy(rig->subjects[rig->subject_count], text, strlen(text) + 1);
    *ret_number = rig->subject_count++;
    return ERR_OK;
}

static enum err find(void *ctx, const struct stream_subject *s, uint32_t *ret_number)
{
    static const char *const kinds[] = {"endpoint", "instance", "edge"};
    char text[400], from[150] = "";
    if (s->kind == SUBJECT_PATH) {
        assert_true(s->from.service.n > 0 && s->path != s->parent);
        (void)snprintf(text, sizeof text, "path %016" PRIx64 " %u", s->path, (unsigned)s->measure);
        return number_of(ctx, text, ret_number);
    }
    if (s->kind == SUBJECT_STATEMENT) {
        (void)snprintf(text, sizeof text, "statement %.*s/%.*s>%s:%.*s/%.*s/%.*s:0 %.*s %.*s %s",
                       STR_FMT(s->from.line), STR_FMT(s->from.service), node_kind_name(s->to.kind),
                       STR_FMT(s->to.line), STR_FMT(s->to.service), STR_FMT(s->to.name),
                       STR_FMT(s->system), STR_FMT(s->statement),
                       s->repeats ? "repeats"
                       : s->error ? "1"
                                  : "0");
        return number_of(ctx, text, ret_number);
    }
    if (s->kind == SUBJECT_EDGE) {
        (void)snprintf(from, sizeof from, "%s:%.*s/%.*s/%.*s", node_kind_name(s->from.kind),
                       STR_FMT(s->from.line), STR_FMT(s->from.service), STR_FMT(s->from.name));
    }
    (void)snprintf(text, sizeof text, "%s %s>%s:%.*s/%.*s/%.*s:%u %s %d%s", kinds[s->kind], from,
                   node_kind_name(s->to.kind), STR_FMT(s->to.line), STR_FMT(s->to.service),
                   STR_FMT(s->to.name), s->span_kind, s->at_client ? "c" : "s", s->error,
                   s->counted ? " counted" : "");
    return number_of(ctx, text, ret_number);
}

static void count(void *ctx, const struct stream_count *counts, size_t n)
{
    struct rig *rig = ctx;
    for (size_t i = 0; i < n; i++) {
        const struct stream_count *c = &counts[i];
        char key[200];
        assert_true(c->number < rig->subject_count);
        (void)snprintf(key, sizeof key, "%s @%llu", rig->subjects[c->number],
                       (unsigned long long)c->slot_ms);
        hist_add_run(cell_of(rig->now, key), c->buckets, c->count, c->sum_ns, c->times);
    }
}

static void points(void *ctx, const struct batch *b)
{
    struct rig *rig = ctx;
    assert_true(b->seq > rig->committed_seq && b->point_count > 0);
    for (unsigned r = (unsigned)b->seq; r < rig->record_count; r++) {
        assert_int_equal(rig->points[r], 0); // in the order of the journal
    }
    rig->points[b->seq - 1] += (unsigned)b->point_count;
}

static bool wants_seal(void *ctx)
{
    return atomic_load(&((struct rig *)ctx)->seals);
}

static void seal(void *ctx, uint64_t seq, uint64_t oldest, struct str state)
{
    struct rig *rig = ctx;
    assert_true(oldest <= seq && seq >= rig->committed_seq);
    metrics_copy(rig->committed, rig->now);
    memcpy(rig->committed_points, rig->points, sizeof rig->points);
    rig->committed_seq = seq;
    buf_clear(&rig->state);
    buf_add_str(&rig->state, state);
    atomic_store(&rig->has_sealed_all, oldest == seq && seq == rig->record_count);
}

static void start(struct rig *rig)
{
    const struct stream_options o = {.budget = &rig->budget,
                                     .sink = {find, NULL, count, points, wants_seal, seal, rig},
                                     .history = {load, rig, 1}, // however slow the machine is
                                     .idle_ms = rig->idle_ms,
                                     .seq = rig->committed_seq,
                                     .state = buf_str(&rig->state)};
    assert_int_equal(stream_new(&o, &rig->stream), ERR_OK);
    uint64_t after = stream_replay_after(rig->stream);
    rig->given = 0;
    for (unsigned r = (unsigned)after; r < rig->delivered; r++) {
        stream_replay(rig->stream, rig->records[r], rig->batch_counts[r]);
    }
    struct stream_stats s;
    stream_start(rig->stream);
    stream_stats(rig->stream, &s);
    rig->given = s.spans; // of what was replayed, those of chains that were open or are new
}

// As if the process had gone: what was not committed is lost. (Closing tells and seals what is
// open; none of that counts.)
static void crash(struct rig *rig)
{
    struct metrics *committed = mem_new(1, sizeof *committed);
    struct buf state;
    uint64_t seq = rig->committed_seq;
    buf_init(&state, 1 << 20);
    buf_add_str(&state, buf_str(&rig->state));
    metrics_copy(committed, rig->committed);
    unsigned *points_then = mem_new(RECORDS_MAX, sizeof *points_then);
    memcpy(points_then, rig->committed_points, sizeof rig->points);
    stream_close(rig->stream);
    memcpy(rig->points, points_then, sizeof rig->points);
    memcpy(rig->committed_points, points_then, sizeof rig->points);
    mem_free(points_then);
    metrics_copy(rig->now, committed);
    metrics_copy(rig->committed, committed);
    rig->committed_seq = seq;
    buf_clear(&rig->state);
    buf_add_str(&rig->state, buf_str(&state));
    buf_done(&state);
    metrics_free(committed);
    start(rig);
}

static struct rig *rig_new(const struct world *w)
{
    struct rig *rig = mem_new(1, sizeof *rig);
    rig->world = w;
    rig->idle_ms = 60000;
    rig->now = mem_new(1, sizeof *rig->now);
    rig->committed = mem_new(1, sizeof *rig->committed);
    buf_init(&rig->state, 1 << 20);
    budget_init(&rig->budget, (size_t)256 << 20);
    return rig;
}

static void rig_free(struct rig *rig)
{
    stream_close(rig->stream);
    assert_int_equal(atomic_load(&rig->budget.total), 0);
    for (unsigned r = 0; r < rig->record_count; r++) {
        for (size_t i = 0; i < rig->batch_counts[r]; i++) {
            batch_unref(rig->records[r][i]);
        }
        mem_free(rig->records[r]);
    }
    metrics_free(rig->now);
    metrics_free(rig->committed);
    buf_done(&rig->state);
    mem_free(rig);
}

// Records of random size with the spans in random order, some of them several times.
static void deal(struct rig *rig, uint64_t seed, unsigned repeats)
{
    unsigned count = rig->world->count, *order = mem_new(count * 2, sizeof *order), n = 0;
    for (unsigned i = 0; i < count; i++) {
        order[n++] = i;
    }
    for (unsigned i = 0; i < repeats; i++) {
        order[n++] = (unsigned)draw(&seed, count);
    }
    for (unsigned i = n; i-- > 1;) {
        unsigned other = (unsigned)draw(&seed, i + 1), kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
    for (unsigned at = 0; at < n;) {
        unsigned more = 1 + (unsigned)draw(&seed, 60);
        more = more < n - at ? more : n - at;
        add_record(rig, order + at, more);
        at += more;
    }
    mem_free(order);
}

static uint64_t span_count(const struct rig *rig, unsigned record)
{
    uint64_t n = 0;
    for (size_t i = 0; i < rig->batch_counts[record]; i++) {
        n += rig->records[record][i]->span_count;
    }
    return n;
}

static void deliver(struct rig *rig)
{
    unsigned r = rig->delivered++; // the store has it before the stream
    rig->given += span_count(rig, r);
    stream_add_record(rig->stream, rig->records[r], rig->batch_counts[r]);
}

// The stream tells its numbers at the end of a turn, when it has sealed as well.
static void wait_until_taken(struct rig *rig)
{
    struct stream_stats s;
    do {
        stream_stats(rig->stream, &s);
    } while (s.spans < rig->given && usleep(100) == 0);
    assert_int_equal(s.spans, rig->given);
}

static void deliver_some(struct rig *rig)
{
    if (rig->delivered < rig->record_count) {
        deliver(rig);
    }
}

static void check_recount(struct rig *rig)
{
    struct metrics *wanted = recount(rig->world);
    stream_quiesce(rig->stream);
    check_same(rig->now, wanted);
    for (unsigned r = 0; r < rig->delivered; r++) {
        unsigned n = 0;
        for (size_t i = 0; i < rig->batch_counts[r]; i++) {
            n += (unsigned)rig->records[r][i]->point_count;
        }
        assert_int_equal(rig->points[r], n);
    }
    metrics_free(wanted);
}

// ---- Tests --------------------------------------------------------------------------------------

static void test_what_closes_when_nothing_comes_is_sealed(void **state)
{
    (void)state;
    struct world *w = world_new(1, 60);
    struct rig *rig = rig_new(w);
    rig->idle_ms = 500;
    start(rig);
    atomic_store(&rig->seals, true); // at once, while chains are open
    deal(rig, 1, 0);
    while (rig->delivered < rig->record_count) {
        deliver(rig);
    }
    uint64_t until = clock_mono_ns() + 60 * NS_PER_S;
    while (!atomic_load(&rig->has_sealed_all)) {
        assert_true(clock_mono_ns() < until && usleep(100) == 0);
    }
    struct metrics *wanted = recount(w);
    crash(rig);
    check_same(rig->committed, wanted);
    metrics_free(wanted);
    rig_free(rig);
    mem_free(w);
}

static void test_metrics_equal_a_recount(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct world *w = world_new(seed, 60);
        struct rig *rig = rig_new(w);
        start(rig);
        deal(rig, seed, w->count / 5);
        while (rig->delivered < rig->record_count) {
            deliver(rig);
        }
        check_recount(rig);
        struct stream_stats s;
        stream_stats(rig->stream, &s);
        assert_int_equal(s.duplicates, w->count / 5);
        assert_int_equal(s.open_chains, 0);
        assert_int_equal(s.reopened_chains + s.unjoined_spans, 0);
        rig_free(rig);
        mem_free(w);
    }
}

static void check_late_spans(unsigned ahead, bool drops_copies)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct world *w = world_new(seed, 40);
        struct rig *rig = rig_new(w);
        uint64_t chance = seed;
        rig->ahead = ahead;
        rig->drops_copies = drops_copies;
        start(rig);
        deal(rig, seed, w->count / 5);
        while (rig->delivered < rig->record_count) {
            deliver(rig);
            if (draw(&chance, 4) == 0) {
                stream_quiesce(rig->stream); // everything closes: the rest is late
            }
        }
        check_recount(rig);
        struct stream_stats s;
        stream_stats(rig->stream, &s);
        assert_true(s.reopened_chains > 0);
        assert_int_equal(s.unjoined_spans, 0);
        rig_free(rig);
        mem_free(w);
    }
}

static void test_late_spans_correct_what_was_told(void **state)
{
    (void)state;
    check_late_spans(0, false);
}

static void test_copies_of_what_was_told_count_once(void **state)
{
    (void)state;
    check_late_spans(0, true); // the store drops the copy before its chain closes
}

// Chains close while records wait that the store has already.
static void test_spans_that_wait_are_no_history(void **state)
{
    (void)state;
    check_late_spans(3, false);
}

static void test_crashes_count_nothing_twice(void **state)
{
    (void)state;
    unsigned crashes = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world *w = world_new(seed, 40);
        struct rig *rig = rig_new(w);
        uint64_t chance = seed;
        start(rig);
        deal(rig, seed, w->count / 8);
        while (rig->delivered < rig->record_count) {
            deliver_some(rig);
            if (draw(&chance, 3) == 0) {
                wait_until_taken(rig);
                atomic_store(&rig->seals, true); // with chains that are open
                deliver_some(rig);
                wait_until_taken(rig);
                atomic_store(&rig->seals, false);
            }
            if (draw(&chance, 6) == 0) {
                wait_until_taken(rig);
                crash(rig);
                crashes++;
            }
            if (draw(&chance, 12) == 0) {
                stream_quiesce(rig->stream);
            }
        }
        check_recount(rig);
        rig_free(rig);
        mem_free(w);
    }
    assert_true(crashes > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_closes_when_nothing_comes_is_sealed),
        cmocka_unit_test(test_metrics_equal_a_recount),
        cmocka_unit_test(test_late_spans_correct_what_was_told),
        cmocka_unit_test(test_copies_of_what_was_told_count_once),
        cmocka_unit_test(test_spans_that_wait_are_no_history),
        cmocka_unit_test(test_crashes_count_nothing_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
