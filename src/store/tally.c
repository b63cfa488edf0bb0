// SPDX-License-Identifier: Apache-2.0
// Purpose: numbers by service.
#include "store/tally.h"

#include "core/mem.h"
#include "core/must.h"

void tally_done(struct tally *t)
{
    ASSERT(t->services.count <= t->capacity);
    ASSERT(t->counts != NULL || t->services.count == 0);
    strtab_done(&t->services);
    mem_free(t->counts);
    arena_done(&t->arena);
    *t = (struct tally){0};
}

void tally_add(struct tally *t, struct str service, uint64_t hash, uint64_t n)
{
    ASSERT(hash == str_hash(service));
    size_t known = t->services.count;
    uint32_t at = strtab_add(&t->services, service, hash);
    ASSERT(at < t->services.count);
    if (t->services.count > known) {
        t->services.strings[at] = arena_str(&t->arena, service);
        t->counts = mem_grow(t->counts, &t->capacity, known + 1, sizeof *t->counts);
        t->counts[at] = 0;
    }
    t->counts[at] += n;
}

uint64_t tally_total(const struct tally *t)
{
    ASSERT(t->services.count <= t->capacity || t->services.count == 0);
    uint64_t total = 0;
    ASSERT(t->counts != NULL || t->services.count == 0);
    for (size_t i = 0; i < t->services.count; i++) {
        total += t->counts[i];
    }
    return total;
}

// Takes from what a service has; false when that is not so much.
static bool tally_take(struct tally *t, struct str service, uint64_t n)
{
    uint64_t hash = str_hash(service);
    ASSERT(n > 0);
    tally_add(t, service, hash, 0);
    uint32_t at = strtab_add(&t->services, service, hash);
    ASSERT(at < t->services.count);
    bool fits = n <= t->counts[at];
    t->counts[at] -= fits ? n : 0;
    return fits;
}

enum err tally_missing(struct part *const *before, size_t count, const struct part_meta *after,
                       struct tally *gone)
{
    ASSERT(count > 0);
    ASSERT(gone->services.count == 0);
    for (size_t i = 0; i < count; i++) {
        const struct part_meta *m = part_meta(before[i]);
        for (size_t k = 0; k < m->service_count; k++) {
            struct str name = m->services[k].name;
            tally_add(gone, name, str_hash(name), m->services[k].rows);
        }
    }
    for (size_t i = 0; i < after->service_count; i++) {
        if (!tally_take(gone, after->services[i].name, after->services[i].rows)) {
            return ERR_CORRUPT;
        }
    }
    return ERR_OK;
}
