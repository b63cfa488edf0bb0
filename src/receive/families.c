// SPDX-License-Identifier: Apache-2.0
// Purpose: families of metrics by name.
#include "receive/families.h"

#include <pthread.h>

#include "core/hash_index.h"
#include "core/mem.h"
#include "core/must.h"

#define FAMILIES_LEAST 64

// The texts lie behind one another.
struct family_row {
    struct prom_family family;
    char *texts;
};

struct families {
    pthread_mutex_t lock; // over all of it
    struct family_row *rows;
    uint64_t *hashes;
    size_t count, capacity, hash_capacity, bytes;
    uint64_t left_out;
    struct hash_index index;
};

struct families *families_new(void)
{
    struct families *f = mem_new(1, sizeof *f);
    MUST(pthread_mutex_init(&f->lock, NULL) == 0);
    return f;
}

void families_free(struct families *f)
{
    if (f != NULL) {
        for (size_t i = 0; i < f->count; i++) {
            mem_free(f->rows[i].texts);
        }
        ASSERT(f->count <= FAMILIES_MAX);
        mem_free(f->rows);
        mem_free(f->hashes);
        hash_index_done(&f->index);
        (void)pthread_mutex_destroy(&f->lock);
        mem_free(f);
    }
}

static struct family_row *find(const struct families *f, struct str name, uint64_t hash)
{
    struct hash_walk walk = hash_index_walk(&f->index, hash);
    uint32_t at;
    while (hash_index_next(&walk, &at)) {
        ASSERT(at < f->count);
        if (f->hashes[at] == hash && str_eq(f->rows[at].family.name, name)) {
            return &f->rows[at];
        }
    }
    return NULL;
}

static struct str text_of(struct str text)
{
    ASSERT(text.p != NULL || text.n == 0);
    return point_text_fits(text) && str_utf8_valid(text, NULL) ? text : STR("");
}

static struct str put_text(char **to, struct str text)
{
    char *p = *to;
    ASSERT(p != NULL);
    if (text.n > 0) {
        memcpy(p, text.p, text.n);
    }
    *to += text.n;
    return (struct str){p, text.n};
}

static void fill(struct family_row *row, const struct prom_family *family)
{
    size_t bytes = family->name.n + family->unit.n + family->help.n;
    char *old = row->texts, *at = row->texts = mem_new(bytes + 1, 1);
    ASSERT(family->name.n > 0);
    row->family.type = family->type;
    row->family.name = put_text(&at, family->name);
    row->family.unit = put_text(&at, family->unit);
    row->family.help = put_text(&at, family->help);
    mem_free(old);
}

static size_t bytes_of(const struct prom_family *family)
{
    ASSERT(family != NULL);
    return family->name.n + family->unit.n + family->help.n;
}

// A row for the name, which has none yet.
static struct family_row *add(struct families *f, uint64_t hash)
{
    size_t n = f->count;
    ASSERT(n < FAMILIES_MAX);
    f->rows = mem_grow(f->rows, &f->capacity, n + 1, sizeof *f->rows);
    f->hashes = mem_grow(f->hashes, &f->hash_capacity, n + 1, sizeof *f->hashes);
    hash_index_reserve(&f->index, f->hashes, n, FAMILIES_LEAST);
    f->rows[n] = (struct family_row){.texts = NULL};
    f->hashes[n] = hash;
    hash_index_put(&f->index, hash, (uint32_t)n);
    f->count++;
    return &f->rows[n];
}

void families_note(struct families *f, const struct prom_family *family)
{
    const struct prom_family told = {family->type, text_of(family->name), text_of(family->unit),
                                     text_of(family->help)};
    uint64_t hash = str_hash(told.name);
    if (told.name.n == 0) {
        return;
    }
    pthread_mutex_lock(&f->lock);
    struct family_row *row = find(f, told.name, hash);
    size_t had = row != NULL ? bytes_of(&row->family) : 0;
    bool same = row != NULL && row->family.type == told.type &&
                str_eq(row->family.unit, told.unit) && str_eq(row->family.help, told.help);
    bool room = (row != NULL || f->count < FAMILIES_MAX) &&
                f->bytes - had + bytes_of(&told) <= FAMILIES_BYTES_MAX;
    ASSERT(f->bytes >= had);
    if (!same && room) {
        row = row != NULL ? row : add(f, hash);
        fill(row, &told);
        f->bytes = f->bytes - had + bytes_of(&told);
    }
    f->left_out += room ? 0 : 1;
    pthread_mutex_unlock(&f->lock);
}

bool families_find(struct families *f, struct str name, struct arena *arena,
                   struct prom_family *ret_family)
{
    const struct str total = STR("_total");
    pthread_mutex_lock(&f->lock);
    const struct family_row *row = find(f, name, str_hash(name));
    if (row == NULL && str_ends(name, total)) {
        struct str family = {name.p, name.n - total.n};
        row = find(f, family, str_hash(family));
        row = row != NULL && row->family.type == PROM_COUNTER ? row : NULL;
    }
    if (row != NULL) {
        ASSERT(row->texts != NULL);
        *ret_family = (struct prom_family){row->family.type, arena_str(arena, row->family.name),
                                           arena_str(arena, row->family.unit),
                                           arena_str(arena, row->family.help)};
    }
    pthread_mutex_unlock(&f->lock);
    return row != NULL;
}

uint64_t families_left_out(struct families *f)
{
    pthread_mutex_lock(&f->lock);
    uint64_t n = f->left_out;
    ASSERT(f->bytes <= FAMILIES_BYTES_MAX);
    pthread_mutex_unlock(&f->lock);
    return n;
}
