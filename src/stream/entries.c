// SPDX-License-Identifier: Apache-2.0
// Purpose: the tree of an entry, of one chain.
#include "stream/entries.h"

#include <string.h>

#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
#include "model/kin.h"

#define FEW_BITS 6
#define FEW      ((uint32_t)1 << FEW_BITS) // spans that are sorted by inserting

void entries_room_done(struct entries_room *room)
{
    ASSERT(room->sum_count <= room->sum_capacity);
    mem_free(room->spans);
    mem_free(room->order);
    mem_free(room->sums);
    mem_free(room->places);
    *room = (struct entries_room){0};
}

size_t entries_room_bytes(const struct entries_room *room)
{
    ASSERT(room->sum_count <= room->sum_capacity);
    return room->capacity * (sizeof *room->spans + sizeof *room->order) +
           room->sum_capacity * sizeof *room->sums + room->place_count * sizeof *room->places;
}

static void make_room(struct entries_room *room, const struct chain_span *spans, uint32_t count)
{
    if (count > room->capacity) {
        size_t capacity = room->capacity > 0 ? room->capacity : 64;
        while (capacity < count) {
            capacity *= 2;
        }
        mem_free(room->spans);
        mem_free(room->order);
        room->spans = mem_new(capacity, sizeof *room->spans);
        room->order = mem_new(capacity, sizeof *room->order);
        room->capacity = capacity;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint64_t start = spans[i].start_ns, end = start + spans[i].duration_ns;
        end = end < start ? UINT64_MAX : end;
        room->spans[i] = (struct entry_span){start, end, spans[i].duration_ns, start, 0, 0};
    }
    ASSERT(room->capacity >= count);
}

// ---- Where spans lie ----------------------------------------------------------------------------

struct placing {
    struct entries_room *room;
    const struct edges_room *edges;
    struct paths *paths;
    const struct chain_span *spans;
};

static bool is_called(const struct placing *x, uint32_t i)
{
    uint32_t parent = x->edges->parents[i];
    const struct chain_span *s = &x->spans[i];
    return parent == KIN_NONE || s->endpoint != 0 || x->spans[parent].service != s->service;
}

static bool is_calling(const struct placing *x, uint32_t i)
{
    return chain_span_is_caller(&x->spans[i]) &&
           (x->spans[i].kind == KIND_PRODUCER || x->edges->called[i] == KIN_NONE);
}

// Its parent is placed, or it has none.
static void place(const struct placing *x, uint32_t i)
{
    uint32_t parent = x->edges->parents[i];
    struct entry_span *e = &x->room->spans[i];
    bool is_root = parent == KIN_NONE && x->spans[i].parent == 0;
    e->at = parent != KIN_NONE ? x->room->spans[parent].path : 0;
    if (is_root || (e->at != 0 && is_called(x, i))) {
        e->at = paths_below(x->paths, e->at, x->edges->contexts[i]);
    }
    e->path =
        e->at != 0 && is_calling(x, i) ? paths_below(x->paths, e->at, x->spans[i].peer) : e->at;
    x->room->rootless_spans += e->path == 0 ? 1 : 0;
}

// ---- Own time -----------------------------------------------------------------------------------

struct start {
    uint64_t start_ns;
    uint32_t span;
};

static int by_start(const void *a, const void *b)
{
    const struct start *x = a, *y = b;
    return x->start_ns < y->start_ns ? -1 : x->start_ns > y->start_ns;
}

static void sort_many(struct entries_room *room, uint32_t count)
{
    struct start *starts = mem_alloc(count * sizeof *starts);
    for (uint32_t i = 0; i < count; i++) {
        starts[i] = (struct start){room->spans[i].start_ns, i};
    }
    sort_array(starts, count, sizeof *starts, by_start);
    for (uint32_t i = 0; i < count; i++) {
        room->order[i] = starts[i].span;
    }
    mem_free(starts);
}

// Most chains are small and short: a start and the number of its span fit in one number.
static void sort(struct entries_room *room, uint32_t count)
{
    uint64_t starts[FEW], least = UINT64_MAX, most = 0;
    for (uint32_t i = 0; i < count; i++) {
        least = room->spans[i].start_ns < least ? room->spans[i].start_ns : least;
        most = room->spans[i].start_ns > most ? room->spans[i].start_ns : most;
    }
    if (count > FEW || (most - least) >> (64 - FEW_BITS) != 0) {
        sort_many(room, count);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint64_t start = (room->spans[i].start_ns - least) << FEW_BITS | i;
        uint32_t at = i;
        for (; at > 0 && starts[at - 1] > start; at--) {
            starts[at] = starts[at - 1];
        }
        starts[at] = start;
    }
    for (uint32_t i = 0; i < count; i++) {
        room->order[i] = starts[i] & (((uint32_t)1 << FEW_BITS) - 1);
        ASSERT(room->order[i] < count);
    }
}

// Children by their starts: each takes from its parent's own time what none before it covered.
static void find_own_time(struct entries_room *room, const uint32_t *parents, uint32_t count)
{
    sort(room, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct entry_span *s = &room->spans[room->order[i]];
        uint32_t parent = parents[room->order[i]];
        if (parent == KIN_NONE) {
            continue;
        }
        struct entry_span *p = &room->spans[parent];
        uint64_t from = s->start_ns > p->covered_ns ? s->start_ns : p->covered_ns;
        uint64_t to = s->end_ns < p->end_ns ? s->end_ns : p->end_ns;
        if (to > from) {
            ASSERT(p->self_ns >= to - from);
            p->self_ns -= to - from;
            p->covered_ns = to;
        }
    }
}

// ---- Sums ---------------------------------------------------------------------------------------

static struct entry_sum *sum_of(struct entries_room *room, uint32_t path)
{
    ASSERT(path != 0 && path < room->place_count);
    if (room->places[path] == 0) {
        ASSERT(room->sum_count < room->sum_capacity);
        room->sums[room->sum_count] = (struct entry_sum){.path = path};
        room->places[path] = (uint32_t)++room->sum_count;
    }
    return &room->sums[room->places[path] - 1];
}

// For sums of two paths a span, of any path that there is.
static void make_sum_room(struct entries_room *room, const struct paths *paths, uint32_t count)
{
    if (paths->count >= room->place_count) {
        size_t before = room->place_count;
        room->places =
            mem_grow(room->places, &room->place_count, paths->count + 1, sizeof *room->places);
        memset(room->places + before, 0, (room->place_count - before) * sizeof *room->places);
    }
    if (2 * (size_t)count > room->sum_capacity) {
        room->sums =
            mem_grow(room->sums, &room->sum_capacity, 2 * (size_t)count, sizeof *room->sums);
    }
    ASSERT(room->sum_count == 0);
}

static void forget_sums(struct entries_room *room)
{
    for (size_t i = 0; i < room->sum_count; i++) {
        ASSERT(room->sums[i].path < room->place_count);
        room->places[room->sums[i].path] = 0;
    }
    room->sum_count = 0;
}

static void count_call(struct entry_sum *sum, bool error)
{
    ASSERT(sum->errors <= sum->calls);
    sum->calls++;
    sum->errors += error ? 1 : 0;
}

static void add_up(const struct placing *x, uint32_t count, uint64_t *ret_start_ns)
{
    uint64_t first_ns = UINT64_MAX;
    for (uint32_t i = 0; i < count; i++) {
        const struct entry_span *e = &x->room->spans[i];
        if (x->edges->parents[i] == KIN_NONE && x->spans[i].parent == 0) {
            first_ns = e->start_ns < first_ns ? e->start_ns : first_ns;
        }
        if (e->path == 0) {
            continue;
        }
        struct entry_sum *sum = sum_of(x->room, e->path);
        sum->self_ns += e->self_ns;
        if (is_calling(x, i)) {
            count_call(sum, x->spans[i].error);
        }
        if (is_called(x, i)) {
            count_call(sum_of(x->room, e->at), x->spans[i].error);
        }
    }
    *ret_start_ns = first_ns;
}

const struct entry_sum *entries_of(struct entries_room *room, const struct edges_room *edges,
                                   struct paths *paths, const struct chain_span *spans,
                                   uint32_t count, size_t *ret_sums, uint64_t *ret_start_ns)
{
    const struct placing x = {room, edges, paths, spans};
    ASSERT(edges->capacity >= count);
    make_room(room, spans, count);
    forget_sums(room);
    for (uint32_t i = 0; i < count; i++) {
        place(&x, edges->order[i]);
    }
    find_own_time(room, edges->parents, count);
    make_sum_room(room, paths, count);
    add_up(&x, count, ret_start_ns);
    *ret_sums = room->sum_count;
    return room->sums;
}
