// SPDX-License-Identifier: Apache-2.0
// Purpose: who is whose parent among the spans of one trace.
#include "model/kin.h"

#include <stddef.h>
#include <string.h>

#include "core/mem.h"
#include "core/must.h"
#include "core/secret.h"

// Most traces are small: their tables lie on the stack.
#define SMALL_COUNT 128
_Static_assert(KIN_NONE == (uint32_t)0 - 1, "a free slot is none");

// Open addressing by span ID: span + 1.
struct kin_index {
    const struct kin *spans;
    uint32_t *slots;
    size_t mask;
    uint64_t factor; // odd and drawn by the process, since peers choose the IDs
    unsigned shift;
};

static size_t slot_of(const struct kin_index *x, uint64_t id)
{
    return (size_t)(id * x->factor >> x->shift);
}

// Whether any share an ID.
static bool fill(struct kin_index *x, uint32_t count)
{
    bool shared = false;
    ASSERT(x->mask + 1 >= (size_t)count * 2);
    for (uint32_t i = 0; i < count; i++) {
        size_t at = slot_of(x, x->spans[i].id);
        unsigned equal = 0;
        while (x->slots[at] != 0) {
            equal += x->spans[x->slots[at] - 1].id == x->spans[i].id ? 1 : 0;
            at = (at + 1) & x->mask;
        }
        shared = shared || equal > 0;
        if (equal < KIN_EQUAL_MAX) {
            x->slots[at] = i + 1;
        }
    }
    return shared;
}

// The first span with this ID, other than `self`, that is a callee or a caller as asked; else the
// last with the ID.
static uint32_t find(const struct kin_index *x, uint64_t id, bool callee, uint32_t self)
{
    uint32_t best = KIN_NONE;
    ASSERT(x->slots != NULL);
    for (size_t at = slot_of(x, id); x->slots[at] != 0; at = (at + 1) & x->mask) {
        uint32_t i = x->slots[at] - 1;
        if (i == self || x->spans[i].id != id) {
            continue;
        }
        if (best == KIN_NONE || x->spans[i].callee == callee) {
            best = i;
        }
    }
    return best;
}

// The one span with this ID, where none share one.
static uint32_t find_only(const struct kin_index *x, uint64_t id)
{
    size_t at = slot_of(x, id);
    ASSERT(id != 0);
    while (x->slots[at] != 0 && x->spans[x->slots[at] - 1].id != id) {
        at = (at + 1) & x->mask;
    }
    return x->slots[at] - 1; // of a free slot KIN_NONE
}

static uint32_t find_parent(const struct kin_index *x, uint32_t i)
{
    const struct kin *s = &x->spans[i];
    if (s->callee) {
        uint32_t twin = find(x, s->id, false, i);
        if (twin != KIN_NONE && !x->spans[twin].callee) {
            return twin; // the other half with the same ID
        }
    }
    return s->parent == 0 ? KIN_NONE : find(x, s->parent, true, i);
}

// Cuts cycles: a walk up from each span marks what it passes; meeting its own mark closes a circle,
// and the span where it was met loses its parent. Whether there was one.
static bool cut_cycles(uint32_t *parents, uint32_t count, uint32_t *marks)
{
    bool cut = false;
    ASSERT(count > 0 && marks[0] == 0);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = i;
        while (at != KIN_NONE && marks[at] == 0) {
            marks[at] = i + 1;
            at = parents[at];
        }
        if (at != KIN_NONE && marks[at] == i + 1) {
            parents[at] = KIN_NONE;
            cut = true;
        }
    }
    return cut;
}

bool kin_link(const struct kin *spans, uint32_t count, uint32_t *ret_parents)
{
    uint32_t small[SMALL_COUNT * 2];
    bool on_stack = count <= SMALL_COUNT;
    size_t size = 16;
    ASSERT(count < UINT32_MAX / 4);
    if (count == 0) {
        return false;
    }
    while (size < (size_t)count * 2) {
        size *= 2;
    }
    uint32_t *slots = on_stack ? small : mem_alloc(size * sizeof *slots);
    memset(slots, 0, size * sizeof *slots);
    struct kin_index x = {spans, slots, size - 1, secret_word() | 1,
                          (unsigned)__builtin_clzll(size) + 1};
    bool ordered = fill(&x, count);
    if (ordered) {
        for (uint32_t i = 0; i < count; i++) {
            ret_parents[i] = find_parent(&x, i);
        }
    } else {
        for (uint32_t i = 0; i < count; i++) {
            uint32_t parent = spans[i].parent != 0 ? find_only(&x, spans[i].parent) : KIN_NONE;
            ret_parents[i] = parent != i ? parent : KIN_NONE;
        }
    }
    memset(slots, 0, count * sizeof *slots); // the marks of spans
    ordered |= cut_cycles(ret_parents, count, slots);
    if (!on_stack) {
        mem_free(slots);
    }
    return ordered;
}
