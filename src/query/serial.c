// SPDX-License-Identifier: Apache-2.0
// Purpose: calls that wait for one another.
#include "query/serial.h"

#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
#include "model/kin.h"

// What calls are taken to last at most: eight times that fits. A thousand hours.
#define SERIAL_TIME_MAX ((uint64_t)3600000 * 1000000000)

struct serial_call {
    uint64_t start_ns, end_ns;
    uint32_t caller; // the span where the caller is called
    uint32_t path;   // that is called
};

void serial_room_done(struct serial_room *room)
{
    mem_free(room->calls);
    mem_free(room->callers);
    mem_free(room->found);
    *room = (struct serial_room){0};
}

// ---- Who calls ----------------------------------------------------------------------------------

static bool is_called(const struct serial_chain *c, uint32_t i)
{
    uint32_t parent = c->edges->parents[i];
    ASSERT(i < c->count);
    return parent == KIN_NONE || c->entries->spans[i].at != c->entries->spans[parent].path;
}

// For each span where the service that it works for was called: itself, or that of its parent.
static void find_callers(struct serial_room *room, const struct serial_chain *c)
{
    room->callers =
        mem_grow(room->callers, &room->caller_capacity, c->count, sizeof *room->callers);
    for (uint32_t i = 0; i < c->count; i++) {
        room->callers[i] = KIN_NONE;
    }
    for (uint32_t i = 0; i < c->count; i++) {
        uint32_t top = i;
        while (room->callers[top] == KIN_NONE && !is_called(c, top)) {
            top = c->edges->parents[top];
            ASSERT(top < c->count); // what has no parent is called
        }
        uint32_t caller = room->callers[top] == KIN_NONE ? top : room->callers[top];
        room->callers[top] = caller;
        for (uint32_t at = i; at != top; at = c->edges->parents[at]) {
            room->callers[at] = caller;
        }
    }
}

// ---- Calls --------------------------------------------------------------------------------------

static bool is_waited_for(const struct serial_chain *c, uint32_t path)
{
    uint32_t node = path != 0 ? paths_at(c->paths, path)->node : 0;
    if (node == 0) {
        return false;
    }
    enum node_kind kind = names_at(c->names, node)->node.kind;
    ASSERT(kind < NODE_KIND_COUNT);
    return kind == NODE_SERVICE || kind == NODE_EXTERNAL;
}

// The call that a span is: of its service, or of an external one. False where it is none.
static bool call_of(const struct serial_room *room, const struct serial_chain *c, uint32_t i,
                    struct serial_call *ret)
{
    const struct entry_span *e = &c->entries->spans[i];
    uint32_t parent = c->edges->parents[i], waiting = i;
    ASSERT(i < c->count);
    if (is_called(c, i)) {
        if (parent == KIN_NONE || c->spans[i].kind == KIND_CONSUMER) {
            return false;
        }
        waiting =
            chain_span_is_caller(&c->spans[parent]) && c->edges->called[parent] == i ? parent : i;
        *ret = (struct serial_call){.caller = room->callers[parent], .path = e->at};
    } else if (e->path != e->at && c->spans[i].kind == KIND_CLIENT) {
        *ret = (struct serial_call){.caller = room->callers[i], .path = e->path};
    } else {
        return false;
    }
    ret->start_ns = c->entries->spans[waiting].start_ns;
    ret->end_ns = c->entries->spans[waiting].end_ns;
    return is_waited_for(c, ret->path);
}

static int by_caller_and_start(const void *a, const void *b)
{
    const struct serial_call *x = a, *y = b;
    if (x->caller != y->caller) {
        return x->caller < y->caller ? -1 : 1;
    }
    return x->start_ns < y->start_ns ? -1 : x->start_ns > y->start_ns;
}

static size_t find_calls(struct serial_room *room, const struct serial_chain *c)
{
    size_t count = 0;
    room->calls = mem_grow(room->calls, &room->capacity, c->count, sizeof *room->calls);
    for (uint32_t i = 0; i < c->count; i++) {
        count += call_of(room, c, i, &room->calls[count]) ? 1 : 0;
    }
    ASSERT(count <= c->count);
    sort_array(room->calls, count, sizeof *room->calls, by_caller_and_start);
    return count;
}

// ---- What could be saved ------------------------------------------------------------------------

// Adds what a call takes to that of its path.
static void add_call(struct serial *s, uint64_t taken_ns[SERIAL_PATHS_MAX],
                     const struct serial_call *call)
{
    uint32_t i = 0;
    while (i < s->count && s->paths[i] != call->path) {
        i++;
    }
    ASSERT(s->count <= SERIAL_PATHS_MAX);
    if (i == SERIAL_PATHS_MAX) {
        return;
    }
    if (i == s->count) {
        s->paths[s->count++] = call->path;
        taken_ns[i] = 0;
    }
    uint64_t took_ns = call->end_ns - call->start_ns, left_ns = SERIAL_TIME_MAX - taken_ns[i];
    taken_ns[i] += took_ns < left_ns ? took_ns : left_ns;
}

// Of the calls of one caller, in the order of their starts.
static struct serial look_at(const struct serial_call *calls, size_t count)
{
    struct serial s = {0};
    uint64_t taken_ns[SERIAL_PATHS_MAX], until_ns = 0, sum_ns = 0, most_ns = 0;
    ASSERT(count > 0);
    for (size_t i = 0; i < count; i++) {
        bool is_overlapped = calls[i].start_ns < until_ns ||
                             (i + 1 < count && calls[i + 1].start_ns < calls[i].end_ns);
        until_ns = calls[i].end_ns > until_ns ? calls[i].end_ns : until_ns;
        if (!is_overlapped) {
            add_call(&s, taken_ns, &calls[i]);
        }
    }
    for (uint32_t i = 0; i < s.count; i++) {
        sum_ns += taken_ns[i];
        most_ns = taken_ns[i] > most_ns ? taken_ns[i] : most_ns;
    }
    s.saved_ns = sum_ns - most_ns;
    return s;
}

static void keep_best(struct serial_room *room, size_t *count, const struct serial *s)
{
    size_t i = 0;
    while (i < *count && room->found[i].caller != s->caller) {
        i++;
    }
    if (i == *count) {
        room->found = mem_grow(room->found, &room->found_capacity, *count + 1, sizeof *room->found);
        room->found[(*count)++] = *s;
    } else if (s->saved_ns > room->found[i].saved_ns) {
        room->found[i] = *s;
    }
    ASSERT(i < *count);
}

const struct serial *serial_of(struct serial_room *room, const struct serial_chain *c,
                               size_t *ret_count)
{
    *ret_count = 0;
    find_callers(room, c);
    size_t count = find_calls(room, c);
    for (size_t first = 0, end; first < count; first = end) {
        for (end = first + 1; end < count && room->calls[end].caller == room->calls[first].caller;
             end++) {
        }
        struct serial s = look_at(room->calls + first, end - first);
        s.caller = c->entries->spans[room->calls[first].caller].at;
        if (s.count > 1 && s.saved_ns > 0 && s.caller != 0) {
            keep_best(room, ret_count, &s);
        }
    }
    ASSERT(*ret_count <= c->count);
    return room->found;
}
