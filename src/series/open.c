// SPDX-License-Identifier: Apache-2.0
// Purpose: opening and closing the series store: the catalog, the parts that it names, the index
// that they fill, and files that a crash has left.
#include <string.h>

#include "core/clock.h"
#include "core/logger.h"
#include "core/mem.h"
#include "core/must.h"
#include "os/file_number.h"
#include "series/state.h"

#define SERIES_MAX_DEFAULT ((size_t)1 << 20)
#define DAY_MS             ((uint64_t)24 * 3600 * 1000)

struct loader {
    struct series_store *s;
    struct arena arena;
    struct series_catalog_part *parts; // all that the catalog has
    size_t count, capacity;
    struct str *orphans;
    size_t orphan_count, orphan_capacity;
};

static char *copy_text(const char *format, const char *dir, struct arena *a)
{
    struct str s = arena_printf(a, format, dir);
    char *copy = mem_alloc(s.n + 1);
    ASSERT(s.p[s.n] == 0);
    memcpy(copy, s.p, s.n + 1);
    return copy;
}

static struct series_store *new_store(const struct series_options *o, struct arena *a)
{
    static const uint64_t keep_ms[TIER_COUNT] = {2 * DAY_MS, 15 * DAY_MS, 400 * DAY_MS};
    struct series_store *s = mem_new(1, sizeof *s);
    ASSERT(o->fs != NULL && o->dir != NULL && o->budget != NULL);
    s->o = *o;
    s->o.flush_age_ms = o->flush_age_ms > 0 ? o->flush_age_ms : 30000;
    s->o.series_max = o->series_max > 0 ? o->series_max : SERIES_MAX_DEFAULT;
    s->o.mono_ns = o->mono_ns != NULL ? o->mono_ns : clock_mono_ns;
    s->o.wall_ns = o->wall_ns != NULL ? o->wall_ns : clock_wall_ns;
    for (size_t i = 0; i < TIER_COUNT; i++) {
        s->o.keep_ms[i] = o->keep_ms[i] > 0 ? o->keep_ms[i] : keep_ms[i];
    }
    s->dir = copy_text("%s", o->dir, a);
    s->o.dir = s->dir;
    s->parts_dir = copy_text("%s/parts", o->dir, a);
    s->pool = fs_pool_new(o->fs, o->open_files_max);
    s->index = series_index_new(o->budget, o->budget->limit_bytes / 4);
    s->head = series_head_new(o->budget, clock_mono_ns());
    s->head_number = 2; // no series was seen in the two before
    s->forgetting.looked_ns = s->o.mono_ns();
    s->next_id = 1;
    meter_init(&s->meter, o->budget, ACCOUNT_SERIES);
    buf_init(&s->key, 2 * SERIES_LABELS_MAX * (SERIES_LABEL_BYTES_MAX + 1));
    s->lost = mem_new(SERIES_LOST_MAX, sizeof *s->lost);
    wake_init(&s->flush_wake);
    wake_init(&s->maintain_wake);
    MUST(pthread_mutex_init(&s->lock, NULL) == 0);
    MUST(pthread_mutex_init(&s->flushing, NULL) == 0);
    MUST(pthread_mutex_init(&s->maintaining, NULL) == 0);
    return s;
}

static void free_store(struct series_store *s)
{
    ASSERT(!s->started);
    for (size_t i = 0; i < s->part_count; i++) {
        series_part_unref(s->parts[i].part);
    }
    for (size_t i = 0; i < s->sealed_count; i++) {
        series_head_unref(s->sealed[i]);
    }
    series_head_unref(s->head);
    series_index_free(s->index);
    series_catalog_close(&s->catalog);
    fs_pool_free(s->pool);
    meter_done(&s->meter);
    buf_done(&s->key);
    (void)pthread_cond_destroy(&s->flush_wake);
    (void)pthread_cond_destroy(&s->maintain_wake);
    (void)pthread_mutex_destroy(&s->lock);
    (void)pthread_mutex_destroy(&s->flushing);
    (void)pthread_mutex_destroy(&s->maintaining);
    mem_free((void *)(uintptr_t)s->state.p);
    mem_free(s->sealed);
    mem_free(s->parts);
    mem_free(s->lost);
    mem_free(s->doubts);
    mem_free(s->seen);
    mem_free(s->forgetting.list);
    mem_free(s->dir);
    mem_free(s->parts_dir);
    mem_free(s);
}

// ---- Parts --------------------------------------------------------------------------------------

static void note_part(void *ctx, const struct series_catalog_part *part)
{
    struct loader *l = ctx;
    ASSERT(part->id > 0);
    l->parts = mem_grow(l->parts, &l->capacity, l->count + 1, sizeof *l->parts);
    l->parts[l->count] = *part;
    l->parts[l->count++].line = arena_str(&l->arena, part->line);
    l->s->next_id = part->id >= l->s->next_id ? part->id + 1 : l->s->next_id;
}

static bool is_known(const struct loader *l, uint64_t id)
{
    size_t low = 0, high = l->count;
    ASSERT(l->parts != NULL || l->count == 0);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (l->parts[middle].id == id) {
            return true;
        }
        low = l->parts[middle].id < id ? middle + 1 : low;
        high = l->parts[middle].id < id ? high : middle;
    }
    return false;
}

static void note_file(void *ctx, const char *name)
{
    struct loader *l = ctx;
    uint64_t id;
    ASSERT(l->s != NULL);
    if (file_number_parse(name, ".part", &id) != ERR_OK) {
        return; // not ours
    }
    l->s->next_id = id >= l->s->next_id ? id + 1 : l->s->next_id;
    if (!is_known(l, id)) {
        l->orphans =
            mem_grow(l->orphans, &l->orphan_capacity, l->orphan_count + 1, sizeof *l->orphans);
        l->orphans[l->orphan_count++] = arena_printf(&l->arena, "%s/%s", l->s->parts_dir, name);
    }
}

// Files that no transaction made known: left by a crash or a failure. But beside a catalog that was
// not there before, they are what a lost catalog knew: nothing is removed then.
static enum err remove_orphans(struct loader *l, struct err_at *ret_at)
{
    struct fs *fs = l->s->o.fs;
    enum err e = fs->ops->list(fs, l->s->parts_dir, note_file, l);
    ASSERT(l->orphan_count <= l->orphan_capacity);
    if (e == ERR_OK && l->orphan_count > 0 && series_catalog_is_new(&l->s->catalog)) {
        return err_at_set(ret_at, ERR_CORRUPT, 0,
                          "%s holds %zu parts, but there is no series.db that knows them: restore "
                          "it, or move the parts away to start empty.",
                          l->s->parts_dir, l->orphan_count);
    }
    for (size_t i = 0; i < l->orphan_count && e == ERR_OK; i++) {
        log_write(LOG_INFO, "series", "an unfinished part was removed", "path=%s", l->orphans[i].p);
        e = fs->ops->remove(fs, l->orphans[i].p);
    }
    return e == ERR_OK ? series_catalog_keep(&l->s->catalog) : e;
}

static void keep_bad_file(struct series_store *s, uint64_t id)
{
    struct arena a = {0};
    struct str path = series_path(s, id, &a), aside = arena_printf(&a, "%s.bad", path.p);
    ASSERT(id > 0);
    enum err e = s->o.fs->ops->rename(s->o.fs, path.p, aside.p);
    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        log_write(LOG_WARN, "series", "a damaged part could not be renamed", "path=%s error=%s",
                  path.p, err_name(e));
    }
    arena_done(&a);
}

static enum err lose_part(struct series_store *s, const struct series_catalog_part *p, enum err why,
                          const char *text)
{
    uint64_t id = p->id;
    log_write(LOG_ERROR, "series", "a part cannot be read and is set aside",
              "path=%s/%016llx.part error=%s why=\"%s\"", s->parts_dir, (unsigned long long)id,
              err_name(why), text);
    ASSERT(why != ERR_OK);
    sql_begin(&s->catalog.sql);
    series_catalog_set_bad(&s->catalog, id);
    enum err e = series_commit(s, NULL, 0);
    if (e == ERR_OK) {
        keep_bad_file(s, id);
        series_note_lost(s, p->tier, p->min_ms, p->max_ms);
        s->stats.damaged_parts++;
    }
    return e;
}

static enum err load_part(struct series_store *s, const struct series_catalog_part *p,
                          struct err_at *ret_at)
{
    struct err_at at = {0};
    struct series_entry entry = {
        .id = p->id, .ord_first = p->ord_first, .ord_last = p->ord_last, .level = p->level};
    if (p->bad) {
        keep_bad_file(s, p->id); // where a crash came before
        series_note_lost(s, p->tier, p->min_ms, p->max_ms);
        return ERR_OK;
    }
    enum err e = series_load_part(s, p->id, &entry.part, &at);
    ASSERT(e != ERR_OK || entry.part != NULL);
    if (e == ERR_OK &&
        (!str_eq(entry.part->meta.line, p->line) || entry.part->meta.tier != p->tier ||
         entry.part->meta.samples != p->samples)) {
        series_part_unref(entry.part);
        e = err_at_set(&at, ERR_CORRUPT, 0, "It is another one than the catalog knows.");
    }
    if (e == ERR_CORRUPT || e == ERR_NOT_FOUND) {
        return lose_part(s, p, e, at.text);
    }
    if (e != ERR_OK) {
        // No damage: a newer version, a disk that does not answer. Nothing is set aside for it.
        return err_at_set(ret_at, e, 0, "%016llx.part: %s", (unsigned long long)p->id, at.text);
    }
    e = series_index_line(s->index, entry.part->meta.line, &entry.line);
    MUST(e == ERR_OK); // it was found when the part was loaded
    series_put_entry(s, &entry);
    return ERR_OK;
}

static enum err load_clock(struct series_store *s)
{
    uint64_t believed_ns = 0, borne_ns = 0;
    ASSERT(s->o.mono_ns != NULL);
    enum err e = series_catalog_clock(&s->catalog, &believed_ns, &borne_ns);
    s->clock = retain_clock_from(believed_ns, borne_ns, s->o.wall_ns(), s->o.mono_ns());
    atomic_init(&s->believed_ms, s->clock.believed_ns / NS_PER_MS);
    return e;
}

static enum err load(struct loader *l, struct err_at *ret_at)
{
    struct series_store *s = l->s;
    struct str path = arena_printf(&l->arena, "%s/series.db", s->dir);
    struct fs *fs = s->o.fs;
    ASSERT(ret_at != NULL);
    enum err e = fs->ops->make_dir(fs, s->dir);
    e = e == ERR_OK ? fs->ops->make_dir(fs, s->parts_dir) : e;
    if (e != ERR_OK) {
        return err_at_set(ret_at, e, 0, "%s cannot be made.", s->parts_dir);
    }
    e = series_catalog_open(&s->catalog, path.p, s->o.catalog_vfs, ret_at);
    if (e != ERR_OK) {
        s->catalog.sql.db = NULL;
        return e;
    }
    e = load_clock(s);
    e = e == ERR_OK ? series_catalog_each(&s->catalog, note_part, l) : e;
    e = e == ERR_OK ? remove_orphans(l, ret_at) : e;
    for (size_t i = 0; i < l->count && e == ERR_OK; i++) {
        e = load_part(s, &l->parts[i], ret_at);
    }
    series_index_rank(s->index);
    return e == ERR_OK ? series_catalog_seal(&s->catalog, &s->seq, &s->state) : e;
}

enum err series_open(const struct series_options *options, struct series_store **ret_store,
                     struct err_at *ret_at)
{
    struct loader l = {0};
    struct err_at at = {0};
    ASSERT(ret_store != NULL);
    l.s = new_store(options, &l.arena);
    enum err e = load(&l, &at);
    if (e == ERR_OK) {
        *ret_store = l.s;
    } else {
        free_store(l.s);
        (void)err_at_set(ret_at, e, 0, "%s",
                         at.text[0] != 0 ? at.text : "The disk does not answer.");
    }
    mem_free(l.parts);
    mem_free(l.orphans);
    arena_done(&l.arena);
    return e;
}

void series_start(struct series_store *s)
{
    MUST(!s->started);
    mem_free((void *)(uintptr_t)s->state.p);
    s->state = STR_NONE;
    s->started = true;
    MUST(pthread_create(&s->flush_thread, NULL, series_flush_thread, s) == 0);
    MUST(pthread_create(&s->maintain_thread, NULL, series_maintain_thread, s) == 0);
}

void series_close(struct series_store *s)
{
    if (s == NULL) {
        return;
    }
    ASSERT(s->head != NULL);
    (void)pthread_mutex_lock(&s->lock);
    atomic_store(&s->stop, true);
    (void)pthread_cond_broadcast(&s->flush_wake);
    (void)pthread_cond_broadcast(&s->maintain_wake);
    (void)pthread_mutex_unlock(&s->lock);
    if (s->started) {
        (void)pthread_join(s->flush_thread, NULL);
        (void)pthread_join(s->maintain_thread, NULL);
        s->started = false;
    }
    enum err e = series_flush(s);
    (void)e; // logged; the journal has it
    free_store(s);
}
