// SPDX-License-Identifier: Apache-2.0
// Purpose: random spans of several services as the tests of the stream know them, the same for the
// same seed.
#ifndef TESTS_STREAM_WORLD_H
#define TESTS_STREAM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/clock.h"
#include "core/mem.h"
#include "model/batch.h"

#define SPANS_MAX 4000
#define COUNTING  2 // the service whose sender counts its calls itself

struct plain {
    unsigned trace, id, parent; // parent 0: a root; an ID that no span has: it is not here
    unsigned service, name;
    uint8_t kind;
    bool error, is_cached;
    uint64_t start_ns, duration_ns;
};

static const char *const services[] = {"web", "cart", "pay", "stock", "mail"};
static const char *const lines[] = {"shop", "shop", "bank", "shop", ""};

static uint64_t draw(uint64_t *seed, uint64_t n)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (*seed >> 33) % n;
}

struct world {
    struct plain spans[SPANS_MAX];
    unsigned count;
};

// A call below `parent`: sometimes both halves, sometimes one.
static void grow(struct world *w, uint64_t *seed, unsigned trace, const struct plain *parent)
{
    struct plain *s = &w->spans[w->count];
    bool again = parent != NULL && draw(seed, 3) > 0;
    *s = (struct plain){.trace = trace, .id = ++w->count};
    s->parent = parent != NULL ? parent->id : draw(seed, 8) == 0 ? 900000 + w->count : 0;
    s->service = again ? parent->service : (unsigned)draw(seed, 5);
    s->name = (unsigned)draw(seed, 4);
    s->kind = (uint8_t)draw(seed, KIND_COUNT);
    s->error = draw(seed, 7) == 0;
    s->is_cached = draw(seed, 3) == 0;
    s->start_ns = (uint64_t)1700000000 * NS_PER_S + draw(seed, 60000) * NS_PER_MS;
    if (parent != NULL && draw(seed, 4) > 0) { // within it, about
        s->start_ns = parent->start_ns + draw(seed, 110 * NS_PER_MS) - 5 * NS_PER_MS;
    }
    s->duration_ns = draw(seed, 1000) == 0 ? 0 : 1000 + draw(seed, 100000000);
}

static struct world *world_new(uint64_t seed, unsigned traces)
{
    struct world *w = mem_new(1, sizeof *w);
    for (unsigned t = 1; t <= traces; t++) {
        unsigned first = w->count, n = 1 + (unsigned)draw(&seed, 14);
        for (unsigned i = 0; i < n && w->count < SPANS_MAX; i++) {
            const struct plain *parent =
                i > 0 ? &w->spans[first + draw(&seed, w->count - first)] : NULL;
            grow(w, &seed, t, parent);
        }
    }
    return w;
}

#endif
