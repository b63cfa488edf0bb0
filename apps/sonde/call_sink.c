// SPDX-License-Identifier: Apache-2.0
// Purpose: subjects of the stream as series.
#include "call_sink.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/must.h"
#include "model/batch.h"
#include "model/calls.h"

#define LABELS_MAX 16
#define RUNS       256 // handed over at once

// The labels of one series, in the order of their keys.
struct label_list {
    struct series_label items[LABELS_MAX];
    size_t count;
};

static void put(struct label_list *l, struct str key, struct str value)
{
    if (value.n > 0) {
        ASSERT(l->count < LABELS_MAX);
        ASSERT(l->count == 0 || str_cmp(l->items[l->count - 1].key, key) < 0);
        l->items[l->count++] = (struct series_label){key, value};
    }
}

static struct str of_service(const struct stream_node *n, struct str text)
{
    return n->kind == NODE_SERVICE ? text : STR("");
}

static struct str of_peer(const struct stream_node *n, struct str text)
{
    return n->kind != NODE_SERVICE ? text : STR("");
}

static void put_from(struct label_list *l, const struct stream_node *n)
{
    put(l, CALLS_FROM_ENDPOINT, of_service(n, n->name));
    put(l, CALLS_FROM_KIND, str_of(node_kind_name(n->kind)));
    put(l, CALLS_FROM_LINE, of_service(n, n->line));
    put(l, CALLS_FROM_NAME, of_peer(n, n->name));
    put(l, CALLS_FROM_SERVICE, of_service(n, n->service));
}

static void put_to(struct label_list *l, const struct stream_node *n)
{
    put(l, CALLS_TO_ENDPOINT, of_service(n, n->name));
    put(l, CALLS_TO_KIND, str_of(node_kind_name(n->kind)));
    put(l, CALLS_TO_LINE, of_service(n, n->line));
    put(l, CALLS_TO_NAME, of_peer(n, n->name));
    put(l, CALLS_TO_SERVICE, of_service(n, n->service));
}

// The texts of a path and its parent.
struct path_ids {
    char path[17], parent[17];
};

static void put_path(struct label_list *l, const struct stream_subject *s, struct path_ids *ids)
{
    static const struct str measures[PATH_MEASURE_COUNT] = {
        [PATH_CALLS] = {"calls", 5}, [PATH_ERRORS] = {"errors", 6}, [PATH_SELF] = {"self", 4}};
    (void)snprintf(ids->path, sizeof ids->path, "%016" PRIx64, s->path);
    (void)snprintf(ids->parent, sizeof ids->parent, "%016" PRIx64, s->parent);
    ASSERT(s->measure < PATH_MEASURE_COUNT);
    put_from(l, &s->from);
    put(l, CALLS_MEASURE, measures[s->measure]);
    put(l, CALLS_OF, CALLS_PATH);
    put(l, CALLS_PATH, str_of(ids->path));
    put(l, CALLS_PATH_PARENT, s->parent != 0 ? str_of(ids->parent) : STR(""));
    put_to(l, &s->to);
}

// `ids` has texts that the labels name.
static struct label_list labels_of(const struct stream_subject *s, struct path_ids *ids)
{
    struct label_list l = {.count = 0};
    put(&l, CALLS_LABEL_NAME, CALLS_NAME);
    put(&l, CALLS_COUNTED, s->counted ? CALLS_TRUE : STR(""));
    put(&l, CALLS_CROSS, s->cross_dc ? CALLS_TRUE : STR(""));
    put(&l, CALLS_DC, s->place.centre);
    put(&l, CALLS_ENDPOINT, s->kind == SUBJECT_ENDPOINT ? s->to.name : STR(""));
    put(&l, CALLS_ERROR, s->error ? CALLS_TRUE : STR(""));
    if (s->kind == SUBJECT_PATH) {
        put_path(&l, s, ids);
    } else if (s->kind == SUBJECT_STATEMENT) {
        put_from(&l, &s->from);
        put(&l, CALLS_MEASURE, s->repeats ? CALLS_MEASURE_REPEATS : STR(""));
        put(&l, CALLS_OF, CALLS_STATEMENT);
        put(&l, CALLS_STATEMENT, s->statement);
        put(&l, CALLS_SYSTEM, s->system);
        put_to(&l, &s->to);
    } else if (s->kind == SUBJECT_EDGE) {
        put_from(&l, &s->from);
        put(&l, CALLS_OF, CALLS_EDGE);
        put(&l, CALLS_PASSED_ON, s->passed_on ? CALLS_TRUE : STR(""));
        put(&l, CALLS_SIDE, s->at_client ? CALLS_CLIENT : CALLS_SERVER);
        put_to(&l, &s->to);
    } else if (s->kind == SUBJECT_CENTRES) {
        put(&l, CALLS_FROM_DC, s->from_centre);
        put(&l, CALLS_OF, CALLS_DC);
        put(&l, CALLS_SIDE, s->at_client ? CALLS_CLIENT : CALLS_SERVER);
        put(&l, CALLS_TO_DC, s->to_centre);
    } else if (s->kind == SUBJECT_INSTANCE) {
        put(&l, CALLS_HOST, s->place.host);
        put(&l, CALLS_INSTANCE, s->to.name);
        put(&l, CALLS_OF, CALLS_INSTANCE);
        put(&l, CALLS_RACK, s->place.rack);
        put(&l, CALLS_SERVICE, s->to.service);
    } else {
        put(&l, CALLS_KIND, str_of(span_kind_name(s->span_kind)));
        put(&l, CALLS_OF, CALLS_ENDPOINT);
        put(&l, CALLS_SERVICE, s->to.service);
    }
    return l;
}

static enum err find(void *ctx, const struct stream_subject *subject, uint32_t *ret_number)
{
    struct call_sink *s = ctx;
    struct path_ids ids;
    struct label_list l = labels_of(subject, &ids);
    bool to_peer = subject->kind == SUBJECT_EDGE && subject->to.kind != NODE_SERVICE;
    // All of a tree is in one line, and all that a service sends.
    bool is_from = subject->kind == SUBJECT_PATH || subject->kind == SUBJECT_STATEMENT;
    struct str line = to_peer || is_from ? subject->from.line : subject->to.line;
    ASSERT(l.count > 2);
    enum err e = series_find(s->series, line, SERIES_HIST, l.items, l.count, ret_number);
    if (e == ERR_OK) {
        series_hold(s->series, *ret_number); // the stream asks once
    }
    return e;
}

static void release(void *ctx, uint32_t number)
{
    struct call_sink *s = ctx;
    ASSERT(s->series != NULL);
    series_release(s->series, number);
}

static void count(void *ctx, const struct stream_count *counts, size_t n)
{
    struct call_sink *s = ctx;
    for (size_t done = 0; done < n;) {
        struct series_run runs[RUNS];
        size_t k = 0;
        for (; k < RUNS && done < n; k++, done++) {
            const struct stream_count *c = &counts[done];
            runs[k] = (struct series_run){c->number, c->times,   c->slot_ms,
                                          c->sum_ns, c->buckets, c->count};
        }
        series_add_runs(s->series, runs, k);
    }
    ASSERT(s->series != NULL);
}

static void points(void *ctx, const struct batch *b)
{
    const struct call_sink *s = ctx;
    point_sink_take(s->points, b);
}

static bool wants_seal(void *ctx)
{
    const struct call_sink *s = ctx;
    return series_wants_seal(s->series);
}

// Where too many wait, the last one's place is taken: its commit then keeps more of the journal.
static void seal(void *ctx, uint64_t seq, uint64_t oldest, struct str state)
{
    struct call_sink *s = ctx;
    ASSERT(oldest <= seq);
    pthread_mutex_lock(&s->lock);
    if (s->seal_count == CALL_SINK_SEALS) {
        s->seal_count--;
        oldest = s->seals[s->seal_count].oldest;
    }
    s->seals[s->seal_count].seq = seq;
    s->seals[s->seal_count++].oldest = oldest;
    pthread_mutex_unlock(&s->lock);
    struct buf both;
    buf_init(&both, SERIES_STATE_MAX);
    buf_add_str(&both, state);
    point_sink_save(s->points, &both);
    MUST(!both.failed);
    exemplars_seal(s->points->exemplars, seq);
    series_seal(s->series, seq, buf_str(&both));
    buf_done(&both);
}

void call_sink_init(struct call_sink *s, struct series_store *series, struct point_sink *points)
{
    *s = (struct call_sink){.series = series, .points = points};
    ASSERT(series != NULL);
    MUST(pthread_mutex_init(&s->lock, NULL) == 0);
}

void call_sink_done(struct call_sink *s)
{
    (void)pthread_mutex_destroy(&s->lock);
    s->series = NULL;
}

struct stream_sink call_sink_of(struct call_sink *s)
{
    ASSERT(s->series != NULL);
    return (struct stream_sink){find, release, count, points, wants_seal, seal, s};
}

uint64_t call_sink_committed(struct call_sink *s, uint64_t seq)
{
    uint64_t oldest = 0;
    size_t done = 0;
    pthread_mutex_lock(&s->lock);
    while (done < s->seal_count && s->seals[done].seq <= seq) {
        oldest = s->seals[done++].oldest;
    }
    s->seal_count -= done;
    memmove(s->seals, s->seals + done, s->seal_count * sizeof s->seals[0]);
    ASSERT(s->seal_count < CALL_SINK_SEALS);
    pthread_mutex_unlock(&s->lock);
    return oldest;
}
