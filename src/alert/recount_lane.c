// SPDX-License-Identifier: Apache-2.0
// Purpose: the cells of one group and one strategy.
#include "alert/recount_lane.h"

#include <string.h>

#include "core/mem.h"
#include "core/must.h"

#define RUN_FIRST   8u    // cells
#define RUN_MOST    2048u // unless it is one that was folded
#define FEW_OF_SLOT 16u   // whose keys are compared one by one
#define DIGIT_MOST  12u   // bits; two of them are a slot
#define NOWHERE     UINT32_MAX

struct lane_run {
    struct lane_run *before;
    uint32_t count, room;
    struct recount_cell cells[];
};

static size_t run_bytes(size_t room)
{
    return sizeof(struct lane_run) + room * sizeof(struct recount_cell);
}

static void give(struct query_memory *m, size_t bytes)
{
    ASSERT(m->bytes >= bytes);
    query_give(m->control, bytes);
    m->bytes -= bytes;
}

// NULL where there is no memory.
static struct lane_run *run_new(size_t room, struct query_memory *memory)
{
    ASSERT(room < UINT32_MAX);
    if (!query_memory_need(memory, run_bytes(room))) {
        return NULL;
    }
    struct lane_run *made = mem_alloc(run_bytes(room));
    made->before = NULL;
    made->count = 0;
    made->room = (uint32_t)room;
    return made;
}

void lane_clear(struct recount_lane *l, struct query_memory *memory)
{
    while (l->newest != NULL) {
        struct lane_run *gone = l->newest;
        l->newest = gone->before;
        give(memory, run_bytes(gone->room));
        mem_free(gone);
    }
    *l = (struct recount_lane){0};
    ASSERT(l->count == 0);
}

void lane_scratch_done(struct lane_scratch *s)
{
    ASSERT(s->cells != NULL || s->cell_room == 0);
    mem_free(s->cells);
    mem_free(s->places);
    query_memory_give(&s->memory);
    *s = (struct lane_scratch){0};
}

// ---- Adding up ----------------------------------------------------------------------------------

static uint32_t saturated(uint32_t a, uint32_t b)
{
    return b > UINT32_MAX - a ? UINT32_MAX : a + b;
}

static void add_up(struct recount_cell *to, const struct recount_cell *c, enum lane_kind kind)
{
    ASSERT(to->slot == c->slot);
    to->count = saturated(to->count, c->count);
    if (kind == LANE_SUM) {
        to->number += c->number;
    } else if (kind == LANE_ERRORS) {
        to->errors += c->errors;
    } else if (kind == LANE_LEAST) {
        to->number = c->number < to->number ? c->number : to->number;
    } else if (kind == LANE_GREATEST) {
        to->number = c->number > to->number ? c->number : to->number;
    }
}

size_t lane_count(const struct recount_lane *l)
{
    ASSERT(l->newest != NULL || l->count == 0);
    return l->newest != NULL ? l->count + (size_t)(l->at - l->newest->cells) - l->newest->count : 0;
}

// What the newest run was given is counted there, and it takes no more.
static void close_newest(struct recount_lane *l)
{
    size_t count = lane_count(l);
    if (l->newest != NULL) {
        l->newest->count = (uint32_t)(l->at - l->newest->cells);
    }
    l->count = count;
    ASSERT(lane_count(l) == count);
}

// Folds the lane where it is long enough, and else, or where that gained nothing, begins a run.
// Where the next cell goes; NULL where there is no memory.
static struct recount_cell *make_room(struct recount_lane *l, enum lane_kind kind, uint32_t slots,
                                      struct lane_scratch *scratch, struct query_memory *memory)
{
    size_t first = slots > LANE_FIRST ? slots : LANE_FIRST, before = lane_count(l);
    ASSERT(l->at == l->end);
    l->fold_at = l->fold_at > 0 ? l->fold_at : first;
    if (before >= l->fold_at) {
        if (lane_fold(l, kind, slots, scratch, memory) != ERR_OK) {
            return NULL;
        }
        size_t next = l->count * (l->count > before / 4 * 3 ? 4 : 2);
        l->fold_at = next > first ? next : first;
        if (l->at != l->end) {
            return l->at;
        }
    }
    close_newest(l);
    size_t room = l->count < RUN_FIRST ? RUN_FIRST : l->count < RUN_MOST ? l->count : RUN_MOST;
    struct lane_run *run = run_new(room, memory);
    if (run == NULL) {
        return NULL;
    }
    run->before = l->newest;
    l->newest = run;
    l->at = run->cells;
    l->end = run->cells + room;
    return l->at;
}

bool lane_add(struct recount_lane *l, enum lane_kind kind, uint32_t slots,
              const struct recount_cell *cell, struct lane_scratch *scratch,
              struct query_memory *memory)
{
    struct recount_cell *last = l->newest != NULL && l->at != l->newest->cells ? l->at - 1 : NULL;
    ASSERT(cell->slot < slots);
    if (last != NULL && last->slot == cell->slot &&
        (kind != LANE_KEYED || last->key == cell->key)) {
        add_up(last, cell, kind);
        return true;
    }
    struct recount_cell *at = l->at != l->end ? l->at : make_room(l, kind, slots, scratch, memory);
    if (at == NULL) {
        return false;
    }
    *at = *cell;
    l->at = at + 1;
    return true;
}

size_t lane_bytes(const struct recount_lane *l)
{
    size_t bytes = 0;
    ASSERT(l->newest != NULL || l->count == 0);
    for (const struct lane_run *r = l->newest; r != NULL; r = r->before) {
        bytes += run_bytes(r->room);
    }
    return bytes;
}

void lane_join(struct recount_lane *l, struct recount_lane *from, struct query_memory *memory,
               struct query_memory *from_memory)
{
    struct lane_run **end = &from->newest;
    size_t bytes = lane_bytes(from);
    ASSERT(memory->control == from_memory->control && from_memory->bytes >= bytes);
    close_newest(l);
    close_newest(from);
    from_memory->bytes -= bytes;
    memory->bytes += bytes;
    while (*end != NULL) {
        end = &(*end)->before;
    }
    *end = l->newest;
    if (from->newest != NULL) {
        l->newest = from->newest;
        l->at = from->at;
        l->end = from->end;
    }
    l->count += from->count;
    *from = (struct recount_lane){0};
}

uint64_t lane_records(struct recount_lane *l)
{
    uint64_t n = 0;
    close_newest(l);
    ASSERT(l->newest != NULL || l->count == 0);
    for (const struct lane_run *r = l->newest; r != NULL; r = r->before) {
        for (uint32_t i = 0; i < r->count; i++) {
            n += r->cells[i].count;
        }
    }
    return n;
}

const struct recount_cell *lane_cells(const struct recount_lane *l)
{
    ASSERT(l->newest == NULL || (l->newest->before == NULL && l->newest->count == l->count));
    return l->newest != NULL ? l->newest->cells : NULL;
}

// ---- Folding ------------------------------------------------------------------------------------

static bool need_room(struct lane_scratch *s, size_t cells, size_t places,
                      struct query_control *control)
{
    ASSERT(s->memory.control == NULL || s->memory.control == control);
    s->memory.control = control;
    if (cells > s->cell_room) {
        if (!query_memory_need(&s->memory, (cells - s->cell_room) * sizeof *s->cells)) {
            return false;
        }
        mem_free(s->cells);
        s->cells = mem_alloc(cells * sizeof *s->cells);
        s->cell_room = cells;
    }
    if (places > s->place_room) {
        if (!query_memory_need(&s->memory, (places - s->place_room) * sizeof *s->places)) {
            return false;
        }
        mem_free(s->places);
        s->places = mem_alloc(places * sizeof *s->places);
        s->place_room = places;
    }
    return true;
}

static void begin_places(uint32_t *counts, size_t n)
{
    uint32_t at = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t own = counts[i];
        counts[i] = at;
        at += own;
    }
    ASSERT(n > 0);
}

// All cells of the lane into to[], by slot; those of a slot as they were.
static void sort_by_slot(const struct recount_lane *l, uint32_t slots, struct lane_scratch *s,
                         struct recount_cell *to)
{
    uint32_t low[1u << DIGIT_MOST] = {0}, high[1u << DIGIT_MOST] = {0};
    unsigned bits = 1;
    while ((uint64_t)1 << 2 * bits < slots) {
        bits++;
    }
    uint32_t mask = (1u << bits) - 1;
    ASSERT(bits <= DIGIT_MOST);
    for (const struct lane_run *r = l->newest; r != NULL; r = r->before) {
        for (uint32_t i = 0; i < r->count; i++) {
            low[r->cells[i].slot & mask]++;
            high[r->cells[i].slot >> bits]++;
        }
    }
    begin_places(low, (size_t)mask + 1);
    begin_places(high, (size_t)mask + 1);
    for (const struct lane_run *r = l->newest; r != NULL; r = r->before) {
        for (uint32_t i = 0; i < r->count; i++) {
            s->cells[low[r->cells[i].slot & mask]++] = r->cells[i];
        }
    }
    for (size_t i = 0; i < l->count; i++) {
        to[high[s->cells[i].slot >> bits]++] = s->cells[i];
    }
}

static size_t power_above(size_t n)
{
    size_t size = 1;
    ASSERT(n < SIZE_MAX / 4);
    while (size < n) {
        size *= 2;
    }
    return size;
}

// The cells of one slot, added up by key, to[0] and on: how many. to may be what they are read
// from.
static size_t add_up_keys(const struct recount_cell *cells, size_t n, struct recount_cell *to,
                          uint32_t *places)
{
    size_t count = 0, mask = power_above(2 * n) - 1;
    ASSERT(n > 0 && to <= cells);
    if (n > FEW_OF_SLOT) {
        memset(places, 0xff, (mask + 1) * sizeof *places);
    }
    for (size_t i = 0; i < n; i++) {
        const struct recount_cell c = cells[i];
        size_t at = 0;
        if (n <= FEW_OF_SLOT) {
            while (at < count && to[at].key != c.key) {
                at++;
            }
        } else {
            size_t place = (c.key * 0x9e3779b97f4a7c15u >> 24) & mask;
            while (places[place] != NOWHERE && to[places[place]].key != c.key) {
                place = (place + 1) & mask;
            }
            places[place] = places[place] == NOWHERE ? (uint32_t)count : places[place];
            at = places[place];
        }
        if (at == count) {
            to[count++] = c;
        } else {
            add_up(&to[at], &c, LANE_KEYED);
        }
    }
    return count;
}

// Of sorted cells, in place: how many there are then.
static size_t add_up_all(struct recount_cell *cells, size_t n, enum lane_kind kind,
                         uint32_t *places)
{
    size_t count = 0;
    ASSERT(n > 0);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && cells[end].slot == cells[i].slot; end++) {
        }
        if (kind == LANE_KEYED) {
            count += add_up_keys(&cells[i], end - i, &cells[count], places);
            continue;
        }
        struct recount_cell sum = cells[i];
        for (size_t k = i + 1; k < end; k++) {
            add_up(&sum, &cells[k], kind);
        }
        cells[count++] = sum;
    }
    return count;
}

// The most cells that any slot has, for which keys need places.
static size_t longest_slot(const struct recount_cell *cells, size_t n)
{
    size_t most = 0, begin = 0;
    ASSERT(n > 0);
    for (size_t i = 1; i <= n; i++) {
        if (i == n || cells[i].slot != cells[begin].slot) {
            most = i - begin > most ? i - begin : most;
            begin = i;
        }
    }
    return most;
}

enum err lane_fold(struct recount_lane *l, enum lane_kind kind, uint32_t slots,
                   struct lane_scratch *scratch, struct query_memory *memory)
{
    size_t n = lane_count(l);
    if (n == 0) {
        return ERR_OK;
    }
    close_newest(l);
    struct lane_run *made = need_room(scratch, n, 0, memory->control) ? run_new(n, memory) : NULL;
    if (made == NULL) {
        return ERR_MEMORY;
    }
    sort_by_slot(l, slots, scratch, made->cells);
    size_t most = kind == LANE_KEYED ? longest_slot(made->cells, n) : 0;
    size_t places = most > FEW_OF_SLOT ? power_above(2 * most) : 0;
    struct lane_run *kept = NULL;
    if (need_room(scratch, n, places, memory->control)) {
        made->count = (uint32_t)add_up_all(made->cells, n, kind, scratch->places);
        // What was gained is given back.
        kept = made->count < n / 4 * 3 ? run_new(made->count, memory) : made;
    }
    if (kept != NULL && kept != made) {
        memcpy(kept->cells, made->cells, made->count * sizeof made->cells[0]);
        kept->count = made->count;
    }
    if (kept != made) {
        give(memory, run_bytes(made->room));
        mem_free(made);
    }
    if (kept != NULL) {
        size_t fold_at = l->fold_at;
        lane_clear(l, memory);
        *l = (struct recount_lane){.at = kept->cells + kept->count,
                                   .end = kept->cells + kept->room,
                                   .newest = kept,
                                   .count = kept->count,
                                   .fold_at = fold_at};
        ASSERT(lane_cells(l) != NULL);
    }
    return kept != NULL ? ERR_OK : ERR_MEMORY;
}
