// SPDX-License-Identifier: Apache-2.0
// Purpose: the parts that the store holds: their places in the lines, and how they leave, with
// their files and what the ledger says of their rows.
#include "core/logger.h"
#include "core/mem.h"
#include "core/must.h"
#include "store/block_cache.h"
#include "store/store_state.h"

struct str store_part_path(const struct store *s, uint64_t id, struct arena *a)
{
    ASSERT(a != NULL && s->parts_dir != NULL);
    ASSERT(id > 0);
    return arena_printf(a, "%s/%016llx.part", s->parts_dir, (unsigned long long)id);
}

void store_keep_bad_file(const struct store *s, uint64_t id, struct arena *a)
{
    ASSERT(id > 0);
    ASSERT(a != NULL);
    struct str path = store_part_path(s, id, a), aside = arena_printf(a, "%s.bad", path.p);
    enum err e = s->fs->ops->rename(s->fs, path.p, aside.p);
    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        log_write(LOG_WARN, "store", "a damaged part could not be renamed", "path=%s error=%s",
                  path.p, err_name(e));
    }
}

void store_put_part(struct store *s, struct store_line *line, struct part_entry *entry)
{
    ASSERT(line->part_count <= line->part_capacity);
    ASSERT(entry->part != NULL && entry->id > 0);
    part_use_cache(entry->part, s->cache); // no view has the part yet
    line->parts = mem_grow(line->parts, &line->part_capacity, line->part_count + 1,
                           sizeof(struct part_entry *));
    line->parts[line->part_count++] = entry;
    s->stats.parts++;
    s->stats.part_rows += part_meta(entry->part)->rows;
    s->stats.part_bytes += part_meta(entry->part)->file_bytes;
    s->stats.fresh_parts += entry->state == PART_FRESH ? 1 : 0;
}

void store_take_part(struct store *s, struct store_line *line, const struct part_entry *entry)
{
    ASSERT(entry->part != NULL);
    size_t i = 0;
    while (i < line->part_count && line->parts[i] != entry) {
        i++;
    }
    MUST(i < line->part_count);
    line->parts[i] = line->parts[--line->part_count];
    s->stats.parts--;
    s->stats.part_rows -= part_meta(entry->part)->rows;
    s->stats.part_bytes -= part_meta(entry->part)->file_bytes;
    s->stats.fresh_parts -= entry->state == PART_FRESH ? 1 : 0;
}

void store_mark_part(struct store *s, struct part_entry *entry, enum part_state state)
{
    ASSERT(entry->part != NULL);
    ASSERT(state != PART_QUARANTINED);
    s->stats.fresh_parts -= entry->state == PART_FRESH ? 1 : 0;
    entry->state = state;
    s->stats.fresh_parts += entry->state == PART_FRESH ? 1 : 0;
}

void parts_count_gone(struct commit *c, const struct part_meta *m, enum outcome o, enum reason r)
{
    ASSERT(c->store != NULL && (m->services != NULL || m->service_count == 0));
    ASSERT(o != OUTCOME_STORED && o != OUTCOME_RECEIVED);
    for (size_t i = 0; i < m->service_count; i++) {
        const struct part_service *x = &m->services[i];
        commit_gone(c, o, r, x->name, x->rows);
    }
}

void parts_drop(struct store *s, size_t line, struct part_entry *entry, enum file_fate fate)
{
    ASSERT(fate != FILE_STAYS);
    ASSERT(line < STORE_LINES_MAX && entry->part != NULL);
    (void)pthread_mutex_lock(&s->lock);
    store_take_part(s, &s->lines[line], entry);
    (void)pthread_mutex_unlock(&s->lock);
    part_retire(entry->part, fate);
    part_unref(entry->part);
    mem_free(entry);
}

void parts_swap(struct store *s, size_t line, struct part_entry *const *old, size_t count,
                struct part_entry *fresh)
{
    ASSERT(count > 0 && fresh->part != NULL);
    (void)pthread_mutex_lock(&s->lock);
    store_put_part(s, &s->lines[line], fresh);
    for (size_t i = 0; i < count; i++) {
        MUST(old[i] != fresh);
        store_take_part(s, &s->lines[line], old[i]);
    }
    (void)pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < count; i++) {
        ASSERT(old[i]->part != NULL);
        part_retire(old[i]->part, FILE_IS_REMOVED);
        part_unref(old[i]->part);
        mem_free(old[i]);
    }
}

enum err parts_quarantine(struct store *s, size_t line, struct part_entry *entry)
{
    ASSERT(entry->id > 0);
    struct commit c;
    const struct part_meta *m = part_meta(entry->part);
    ASSERT(line < STORE_LINES_MAX);
    commit_begin(&c, s);
    catalog_set_state(s->catalog, entry->id, PART_QUARANTINED);
    parts_count_gone(&c, m, OUTCOME_DROPPED, REASON_CORRUPT);
    enum err e = commit_end(&c);
    if (e != ERR_OK) {
        return e;
    }
    log_write(LOG_ERROR, "store", "a part is damaged and is set aside",
              "path=%s/%016llx.part rows=%llu", s->parts_dir, (unsigned long long)entry->id,
              (unsigned long long)m->rows);
    parts_drop(s, line, entry, FILE_IS_SET_ASIDE);
    (void)pthread_mutex_lock(&s->lock);
    s->stats.damaged_parts++;
    (void)pthread_mutex_unlock(&s->lock);
    return ERR_OK;
}
