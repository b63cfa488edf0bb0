// SPDX-License-Identifier: Apache-2.0
// Purpose: the calls between nodes that the spans of one chain show.
#include "stream/edges.h"

#include <string.h>

#include "core/mem.h"
#include "core/must.h"
#include "model/kin.h"

void edges_room_done(struct edges_room *room)
{
    mem_free(room->kin);
    mem_free(room->parents);
    mem_free(room->contexts);
    mem_free(room->order);
    mem_free(room->called);
    *room = (struct edges_room){0};
}

size_t edges_room_bytes(const struct edges_room *room)
{
    size_t each = sizeof *room->kin + sizeof *room->parents + sizeof *room->contexts +
                  sizeof *room->order + sizeof *room->called;
    ASSERT(room->capacity == 0 || room->kin != NULL);
    return room->capacity * each;
}

static void make_room(struct edges_room *room, size_t count)
{
    if (count <= room->capacity) {
        return;
    }
    edges_room_done(room);
    size_t capacity = 64;
    while (capacity < count) {
        capacity *= 2;
    }
    ASSERT(capacity <= 2 * count || capacity == 64);
    room->kin = mem_new(capacity, sizeof *room->kin);
    room->parents = mem_new(capacity, sizeof *room->parents);
    room->contexts = mem_new(capacity, sizeof *room->contexts);
    room->order = mem_new(capacity, sizeof *room->order);
    room->called = mem_new(capacity, sizeof *room->called);
    room->capacity = capacity;
}

// The endpoint that each span works for: that of the nearest entry of its service above it. Its
// parent's is known when it is its turn.
static void find_context(struct edges_room *room, const struct chain_span *spans, uint32_t i)
{
    const struct chain_span *s = &spans[i];
    uint32_t parent = room->parents[i], context = s->endpoint;
    if (context == 0 && parent != KIN_NONE && spans[parent].service == s->service) {
        context = room->contexts[parent];
    }
    room->contexts[i] = context != 0 ? context : s->service;
    ASSERT(room->contexts[i] != 0);
}

// Up to the first span whose turn was, and down again: kin_link() leaves no circles.
static void find_contexts(struct edges_room *room, const struct chain_span *spans, uint32_t count)
{
    uint32_t done = 0;
    memset(room->contexts, 0, count * sizeof *room->contexts);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t end = count; // the way up lies at the end of the room that is left
        for (uint32_t at = i; at != KIN_NONE && room->contexts[at] == 0; at = room->parents[at]) {
            ASSERT(end > done);
            room->order[--end] = at;
        }
        for (; end < count; end++) {
            uint32_t at = room->order[end];
            room->order[done++] = at;
            find_context(room, spans, at);
        }
    }
    ASSERT(done == count);
}

struct telling {
    const struct chain_span *spans;
    struct edges_room *room;
    void (*each)(void *ctx, const struct edge_call *call);
    void *ctx;
};

// Whether what a span works for failed.
static bool has_failed(const struct telling *t, uint32_t i)
{
    for (uint32_t above = t->room->parents[i]; t->spans[i].endpoint == 0 && above != KIN_NONE &&
                                               t->spans[above].service == t->spans[i].service;
         above = t->room->parents[i]) {
        i = above;
    }
    return t->spans[i].error;
}

// `caller` is the span that calls, or KIN_NONE; `other` the one at the other end, or NULL.
static void tell(const struct telling *t, enum node_kind from_kind, uint32_t from, uint32_t to,
                 uint32_t caller, const struct chain_span *measured, const struct chain_span *other)
{
    bool at_client = caller != KIN_NONE && measured == &t->spans[caller];
    bool is_known = other != NULL && other->centre != 0 && measured->centre != 0;
    struct edge_call call = {.from_kind = from_kind,
                             .from = from,
                             .to = to,
                             .at_client = at_client,
                             .error = measured->error,
                             .passed_on =
                                 measured->error && caller != KIN_NONE && has_failed(t, caller),
                             .cross_dc = is_known && other->centre != measured->centre,
                             .start_ns = measured->start_ns,
                             .duration_ns = measured->duration_ns};
    if (call.cross_dc) {
        call.from_centre = at_client ? measured->centre : other->centre;
        call.to_centre = at_client ? other->centre : measured->centre;
    }
    if (at_client || measured->kind == KIND_CONSUMER) {
        call.statement = measured->statement;
        call.service = measured->service;
        call.called = at_client && other != NULL ? other->service : measured->peer;
    }
    ASSERT(to != 0);
    t->each(t->ctx, &call);
}

// Where a span is called by another service, or this one anew.
static void tell_called(const struct telling *t, uint32_t i)
{
    const struct chain_span *s = &t->spans[i];
    uint32_t parent = t->room->parents[i], to = t->room->contexts[i];
    ASSERT(to != 0);
    if (s->kind == KIND_CONSUMER) {
        tell(t, NODE_QUEUE, s->peer, to, KIN_NONE, s, NULL);
    } else if (parent == KIN_NONE && s->kind == KIND_SERVER) {
        tell(t, s->parent == 0 ? NODE_CLIENT : NODE_SERVICE, 0, to, KIN_NONE, s, NULL);
    } else if (parent != KIN_NONE &&
               (s->kind == KIND_SERVER || t->spans[parent].service != s->service)) {
        uint32_t *called = &t->room->called[parent];
        tell(t, NODE_SERVICE, t->room->contexts[parent], to, parent, s, &t->spans[parent]);
        *called = *called == KIN_NONE || spans_cmp(s, &t->spans[*called]) < 0 ? i : *called;
    }
}

static void tell_calling(const struct telling *t, uint32_t i)
{
    const struct chain_span *s = &t->spans[i];
    uint32_t called = s->kind == KIND_CLIENT ? t->room->called[i] : KIN_NONE;
    ASSERT(chain_span_is_caller(s) && s->peer != 0);
    uint32_t to = called != KIN_NONE ? t->room->contexts[called] : s->peer;
    tell(t, NODE_SERVICE, t->room->contexts[i], to, i, s,
         called != KIN_NONE ? &t->spans[called] : NULL);
}

static bool link_parents(struct edges_room *room, const struct chain_span *spans, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        room->kin[i] = (struct kin){spans[i].id, spans[i].parent, chain_span_is_callee(&spans[i])};
        room->called[i] = KIN_NONE;
    }
    return kin_link(room->kin, count, room->parents);
}

void edges_of(struct edges_room *room, struct chain_span *spans, uint32_t count,
              void (*each)(void *ctx, const struct edge_call *call), void *ctx)
{
    make_room(room, count);
    if (link_parents(room, spans, count)) {
        spans_sort(spans, count, sizeof *spans); // hardly ever: broken tracers
        (void)link_parents(room, spans, count);
    }
    find_contexts(room, spans, count);
    struct telling t = {spans, room, each, ctx};
    for (uint32_t i = 0; i < count; i++) {
        tell_called(&t, i);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (chain_span_is_caller(&spans[i])) {
            tell_calling(&t, i);
        }
    }
}
