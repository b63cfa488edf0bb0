// SPDX-License-Identifier: Apache-2.0
// Purpose: calls by subject and slot, on their way to the sink.
#include "stream/red.h"

#include <string.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"

#define INDEX_LEAST 1024
#define NOT_FOUND   UINT32_MAX // by the sink, yet

void red_init(struct red *r, const struct names *names)
{
    ASSERT(names != NULL);
    *r = (struct red){.names = names};
}

static void free_cells(struct red_subject *s)
{
    for (struct red_cell *c = s->cells; c != NULL;) {
        struct red_cell *next = c->next;
        hist_clear(&c->hist);
        mem_free(c);
        c = next;
    }
    s->cells = NULL;
}

void red_done(struct red *r)
{
    for (size_t i = 0; i < r->count; i++) {
        free_cells(&r->subjects[i]);
    }
    mem_free(r->subjects);
    mem_free(r->hashes);
    hash_index_done(&r->index);
    for (unsigned e = 0; e < 2; e++) {
        mem_free(r->of_endpoint[e]);
        mem_free(r->of_instance[e]);
    }
    *r = (struct red){0};
}

// ---- Subjects -----------------------------------------------------------------------------------

static uint64_t hash_of(const struct red_subject *s)
{
    uint64_t h = ((uint64_t)s->from << 32 | s->to) * 0x9e3779b97f4a7c15u;
    uint64_t flags = (uint64_t)s->kind | (uint64_t)s->from_kind << 8 |
                     (uint64_t)s->at_client << 16 | (uint64_t)s->error << 17;
    h = (h ^ flags ^ h >> 29) * 0xc2b2ae3d27d4eb4fu;
    return h ^ (h >> 32);
}

static bool is_same(const struct red_subject *a, const struct red_subject *b)
{
    return a->from == b->from && a->to == b->to && a->kind == b->kind &&
           a->from_kind == b->from_kind && a->at_client == b->at_client && a->error == b->error;
}

// Its index + 1; 0 when there are too many.
static uint32_t subject_of(struct red *r, const struct red_subject *wanted)
{
    uint64_t hash = hash_of(wanted);
    struct hash_walk walk = hash_index_walk(&r->index, hash);
    uint32_t at;
    while (hash_index_next(&walk, &at)) {
        ASSERT(at < r->count);
        if (r->hashes[at] == hash && is_same(&r->subjects[at], wanted)) {
            return at + 1;
        }
    }
    if (r->count == RED_SUBJECTS_MAX) {
        return 0;
    }
    r->subjects = mem_grow(r->subjects, &r->capacity, r->count + 1, sizeof *r->subjects);
    r->hashes = mem_grow(r->hashes, &r->hash_capacity, r->count + 1, sizeof *r->hashes);
    hash_index_reserve(&r->index, r->hashes, r->count, INDEX_LEAST);
    r->subjects[r->count] = *wanted;
    r->subjects[r->count].sink_number = NOT_FOUND;
    r->hashes[r->count] = hash;
    hash_index_put(&r->index, hash, (uint32_t)r->count);
    return (uint32_t)++r->count;
}

// ---- Counting -----------------------------------------------------------------------------------

static uint64_t slot_of(uint64_t start_ns)
{
    uint64_t ms = start_ns / NS_PER_MS;
    return ms - ms % STREAM_SLOT_MS;
}

static struct hist *cell_of(struct red *r, uint32_t subject, uint64_t slot_ms)
{
    struct red_subject *s = &r->subjects[subject - 1];
    for (struct red_cell *c = s->cells; c != NULL; c = c->next) {
        if (c->slot_ms == slot_ms) {
            return &c->hist;
        }
    }
    if (s->cells == NULL) {
        s->next_dirty = r->dirty;
        r->dirty = subject;
    }
    struct red_cell *made = mem_new(1, sizeof *made);
    made->slot_ms = slot_ms;
    made->next = s->cells;
    s->cells = made;
    r->cell_bytes += sizeof *made;
    return &made->hist;
}

static void count(struct red *r, uint32_t subject, uint64_t start_ns, uint64_t duration_ns,
                  int32_t times)
{
    ASSERT(subject <= r->count && (times == 1 || times == -1));
    if (subject == 0 || r->subjects[subject - 1].refused) {
        r->refused_calls++;
        return;
    }
    struct hist *h = cell_of(r, subject, slot_of(start_ns));
    uint64_t before = h->octaves;
    hist_add(h, duration_ns, times);
    r->cell_bytes += before != h->octaves ? HIST_OCTAVE * sizeof *h->cells : 0;
}

// The subject of a name, found at once the second time.
static uint32_t subject_of_name(struct red *r, uint32_t **table, size_t *capacity, uint32_t name,
                                enum subject_kind kind, bool error)
{
    ASSERT(name > 0 && name <= r->names->count);
    if (name >= *capacity) {
        size_t before = *capacity;
        *table = mem_grow(*table, capacity, name + 1u, sizeof **table);
        memset(*table + before, 0, (*capacity - before) * sizeof **table);
    }
    if ((*table)[name] == 0) {
        const struct red_subject wanted = {.to = name, .kind = (uint8_t)kind, .error = error};
        (*table)[name] = subject_of(r, &wanted);
    }
    return (*table)[name];
}

void red_count_span(struct red *r, const struct chain_span *s, int32_t times)
{
    unsigned e = s->error ? 1 : 0;
    ASSERT(s->service != 0);
    if (s->endpoint == 0) {
        return;
    }
    uint32_t subject = subject_of_name(r, &r->of_endpoint[e], &r->of_endpoint_capacity[e],
                                       s->endpoint, SUBJECT_ENDPOINT, s->error);
    count(r, subject, s->start_ns, s->duration_ns, times);
    if (s->instance != 0) {
        subject = subject_of_name(r, &r->of_instance[e], &r->of_instance_capacity[e], s->instance,
                                  SUBJECT_INSTANCE, s->error);
        count(r, subject, s->start_ns, s->duration_ns, times);
    }
}

void red_count_edge(struct red *r, const struct edge_call *call, int32_t times)
{
    const struct red_subject wanted = {.from = call->from,
                                       .to = call->to,
                                       .kind = SUBJECT_EDGE,
                                       .from_kind = call->from == 0 ? (uint8_t)call->from_kind : 0,
                                       .at_client = call->at_client,
                                       .error = call->error};
    ASSERT(call->to > 0 && call->to <= r->names->count && call->from <= r->names->count);
    count(r, subject_of(r, &wanted), call->start_ns, call->duration_ns, times);
}

bool red_is_large(const struct red *r)
{
    return r->cell_bytes > RED_BYTES_MAX;
}

// ---- To the sink --------------------------------------------------------------------------------

static struct stream_node node_of(const struct red *r, uint32_t name, uint8_t kind_without_name)
{
    if (name == 0) {
        return (struct stream_node){.kind = (enum node_kind)kind_without_name};
    }
    return names_at(r->names, name)->node;
}

static bool find_in_sink(struct red *r, struct red_subject *s, const struct stream_sink *sink)
{
    if (s->sink_number == NOT_FOUND && !s->refused) {
        struct stream_subject subject = {.kind = (enum subject_kind)s->kind,
                                         .from = node_of(r, s->from, s->from_kind),
                                         .to = node_of(r, s->to, 0),
                                         .span_kind = names_at(r->names, s->to)->span_kind,
                                         .at_client = s->at_client,
                                         .error = s->error};
        uint32_t number = NOT_FOUND;
        s->refused = sink->find(sink->ctx, &subject, &number) != ERR_OK;
        s->sink_number = s->refused ? NOT_FOUND : number;
    }
    ASSERT(s->refused == (s->sink_number == NOT_FOUND));
    return !s->refused;
}

void red_drain(struct red *r, const struct stream_sink *sink)
{
    while (r->dirty != 0) {
        struct red_subject *s = &r->subjects[r->dirty - 1];
        ASSERT(s->cells != NULL);
        r->dirty = s->next_dirty;
        s->next_dirty = 0;
        bool found = find_in_sink(r, s, sink);
        for (const struct red_cell *c = s->cells; c != NULL; c = c->next) {
            if (found) {
                sink->add(sink->ctx, s->sink_number, c->slot_ms, &c->hist);
            } else {
                r->refused_calls += (uint64_t)(c->hist.count > 0 ? c->hist.count : 0);
            }
        }
        free_cells(s);
    }
    r->cell_bytes = 0;
}
