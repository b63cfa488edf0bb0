// SPDX-License-Identifier: Apache-2.0
// Purpose: reading everything that a part has, for whoever wants to know that it is whole.
#include "core/mem.h"
#include "core/must.h"
#include "series/part.h"

struct types {
    uint8_t *items; // enum series_type
    size_t count, capacity;
};

static enum err note_type(void *ctx, struct str key, enum series_type type)
{
    struct types *t = ctx;
    ASSERT(key.n > 0);
    t->items = mem_grow(t->items, &t->capacity, t->count + 1, sizeof *t->items);
    t->items[t->count++] = (uint8_t)type;
    return ERR_OK;
}

enum err series_part_verify(struct series_part *p, struct err_at *ret_at)
{
    struct types types = {.count = 0};
    struct samples samples = {.count = 0};
    struct part_cursor cursor;
    uint64_t found = 0;
    ASSERT(p->file != NULL);
    enum err e = series_part_each(p, note_type, &types);
    if (e != ERR_OK) {
        (void)err_at_set(ret_at, e, 0, "The table of series cannot be read.");
    }
    part_cursor_init(&cursor, p);
    for (size_t i = 0; i < types.count && e == ERR_OK; i++) {
        samples_clear(&samples);
        e = part_cursor_samples(&cursor, i, (enum series_type)types.items[i], &samples);
        found += samples.count;
        if (e != ERR_OK) {
            (void)err_at_set(ret_at, e, 0, "The samples of series %zu cannot be read.", i);
        }
    }
    part_cursor_done(&cursor);
    samples_done(&samples);
    mem_free(types.items);
    if (e == ERR_OK && (found != p->meta.samples || types.count != p->meta.series)) {
        e = err_at_set(ret_at, ERR_CORRUPT, 0, "It has other numbers of samples than it says.");
    }
    return e;
}
