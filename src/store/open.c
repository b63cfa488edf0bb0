// SPDX-License-Identifier: Apache-2.0
// Purpose: opening the store: what the catalog knows is brought together with what the folder
// holds; starting and closing it.
#include <stdio.h>

#include "core/clock.h"
#include "core/logger.h"
#include "core/mem.h"
#include "core/must.h"
#include "os/file_number.h"
#include "store/block_cache.h"
#include "store/sift.h"
#include "store/store_state.h"

#define FLUSH_ROWS_DEFAULT   ((size_t)65536)
#define FLUSH_AGE_MS_DEFAULT 30000u
#define MERGE_ROWS_DEFAULT   ((uint64_t)1 << 19)
#define FREE_BYTES_DEFAULT   ((uint64_t)256 << 20)

// Parts whose file cannot be read at start; set aside once the catalog has been read.
struct lost_part {
    struct lost_part *next;
    uint64_t id, rows;
    struct str services;
};

struct loader {
    struct store *s;
    struct arena arena;
    struct lost_part *lost;
    enum err failed;   // the first part that may be good but cannot be read now
    struct err_at why; // ... in words
    uint64_t *ids;     // of all parts in the catalog, ascending
    size_t id_count, id_capacity;
};

static void load_line(void *ctx, struct str line, uint64_t seq)
{
    ASSERT(line.p != NULL || line.n == 0);
    ASSERT(ctx != NULL);
    struct store *s = ((struct loader *)ctx)->s;
    struct store_line *x = &s->lines[store_line_index(s, line)];
    x->seq = seq;
    x->recorded = true;
    // Other lines may have rows in the journal after the least offset: until these are replayed,
    // nothing later counts as delivered.
    s->delivered_seq = s->line_count == 1 || seq < s->delivered_seq ? seq : s->delivered_seq;
}

static bool is_the_one(const struct part *part, const struct catalog_part *p, struct arena *a)
{
    const struct catalog_part found = catalog_part_of(part_meta(part), a);
    ASSERT(p->id > 0);
    return catalog_part_mark(&found) == catalog_part_mark(p);
}

static void load_part(void *ctx, const struct catalog_part *p)
{
    ASSERT(p->line.p != NULL || p->line.n == 0);
    ASSERT(ctx != NULL && p->id > 0);
    struct loader *l = ctx;
    struct store *s = l->s;
    struct err_at at = {0};
    struct part *part;
    l->ids = mem_grow(l->ids, &l->id_capacity, l->id_count + 1, sizeof *l->ids);
    l->ids[l->id_count++] = p->id;
    s->next_id = p->id >= s->next_id ? p->id + 1 : s->next_id;
    if (p->state == PART_QUARANTINED) {
        store_keep_bad_file(s, p->id, &l->arena); // where a crash came before
        return;
    }
    struct str path = store_part_path(s, p->id, &l->arena);
    enum err e = part_open(s->part_fs, path.p, &part, &at);
    if (e == ERR_OK && !is_the_one(part, p, &l->arena)) {
        part_unref(part);
        e = err_at_set(&at, ERR_CORRUPT, 0, "The catalog knows other services and rows of it.");
    }
    if (e != ERR_OK && e != ERR_CORRUPT && e != ERR_NOT_FOUND) {
        // No damage: a newer version, a disk that does not answer. Nothing is set aside for it.
        l->failed = l->failed != ERR_OK ? l->failed
                                        : err_at_set(&l->why, e, 0, "%016llx.part: %s",
                                                     (unsigned long long)p->id, at.text);
        return;
    }
    if (e != ERR_OK) {
        log_write(LOG_ERROR, "store", "a part cannot be read and was set aside",
                  "path=%s error=%s rows=%llu why=\"%s\"", path.p, err_name(e),
                  (unsigned long long)p->rows, at.text);
        struct lost_part *x = arena_new(&l->arena, 1, sizeof *x);
        *x = (struct lost_part){l->lost, p->id, p->rows, arena_str(&l->arena, p->services)};
        l->lost = x;
        return;
    }
    struct part_entry *entry = mem_new(1, sizeof *entry);
    *entry = (struct part_entry){.id = p->id,
                                 .level = p->level,
                                 .committed_ns = p->committed_ns,
                                 .part = part,
                                 .state = p->state,
                                 .fresh_ns = clock_mono_ns()};
    store_put_part(s, &s->lines[store_line_index(s, p->line)], entry);
}

static void load_cell(void *ctx, const struct ledger_cell *cell)
{
    ASSERT(cell != NULL);
    ASSERT(ctx != NULL);
    ledger_restore(((struct loader *)ctx)->s->ledger, cell);
}

static void count_lost_service(void *ctx, struct str service, uint64_t rows)
{
    ASSERT(ctx != NULL);
    struct commit *c = ctx;
    ASSERT(c->store != NULL);
    commit_gone(c, OUTCOME_DROPPED, REASON_CORRUPT, service, rows);
}

static enum err set_aside(struct loader *l)
{
    ASSERT(l->s->fs != NULL);
    ASSERT(l->s->catalog != NULL);
    struct store *s = l->s;
    struct commit c;
    if (l->lost == NULL) {
        return ERR_OK;
    }
    commit_begin(&c, s);
    for (const struct lost_part *x = l->lost; x != NULL; x = x->next) {
        catalog_set_state(s->catalog, x->id, PART_QUARANTINED);
        services_each(x->services, count_lost_service, &c);
    }
    enum err e = commit_end(&c);
    for (const struct lost_part *x = l->lost; e == ERR_OK && x != NULL; x = x->next) {
        store_keep_bad_file(s, x->id, &l->arena);
    }
    return e;
}

struct orphans {
    struct loader *l;
    struct str *paths;
    size_t count, capacity;
};

static bool is_known(const struct loader *l, uint64_t id)
{
    ASSERT(l->s != NULL);
    ASSERT(l->ids != NULL || l->id_count == 0);
    size_t low = 0, high = l->id_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (l->ids[middle] == id) {
            return true;
        }
        if (l->ids[middle] < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return false;
}

static void note_orphan(void *ctx, const char *name)
{
    ASSERT(name != NULL);
    struct orphans *o = ctx;
    ASSERT(o->l != NULL);
    uint64_t id;
    if (file_number_parse(name, ".part", &id) != ERR_OK) {
        return; // not ours
    }
    o->l->s->next_id = id >= o->l->s->next_id ? id + 1 : o->l->s->next_id;
    if (!is_known(o->l, id)) {
        o->paths = mem_grow(o->paths, &o->capacity, o->count + 1, sizeof *o->paths);
        o->paths[o->count++] = arena_printf(&o->l->arena, "%s/%s", o->l->s->parts_dir, name);
    }
}

// Files that no transaction made known: left by a crash or a failure. But beside a catalog that was
// not there before, they are what a lost catalog knew: nothing is removed then.
static enum err remove_orphans(struct loader *l, struct err_at *ret_at)
{
    ASSERT(l->s->catalog != NULL);
    ASSERT(l->s->parts_dir != NULL);
    struct orphans o = {.l = l};
    struct store *s = l->s;
    enum err e = s->fs->ops->list(s->fs, s->parts_dir, note_orphan, &o);
    if (e == ERR_OK && o.count > 0 && catalog_is_new(s->catalog)) {
        mem_free(o.paths);
        return err_at_set(ret_at, ERR_CORRUPT, 0,
                          "%s holds %zu parts, but there is no catalog.db that knows them: restore "
                          "it, or move the parts away to start empty.",
                          s->parts_dir, o.count);
    }
    for (size_t i = 0; i < o.count && e == ERR_OK; i++) {
        log_write(LOG_INFO, "store", "an unfinished part was removed", "path=%s", o.paths[i].p);
        e = s->fs->ops->remove(s->fs, o.paths[i].p);
    }
    mem_free(o.paths);
    return e;
}

static enum err load_clock(struct store *s)
{
    uint64_t believed_ns = 0, borne_ns = 0;
    ASSERT(s->wall_ns != NULL);
    enum err e = catalog_fact(s->catalog, FACT_BELIEVED_NS, &believed_ns);
    e = e == ERR_OK ? catalog_fact(s->catalog, FACT_BORNE_NS, &borne_ns) : e;
    s->clock = retain_clock_from(believed_ns, borne_ns, s->wall_ns(), clock_mono_ns());
    ASSERT(s->clock.mono_ns > 0);
    return e;
}

static enum err load_catalog(struct loader *l)
{
    ASSERT(l->id_count == 0 && l->lost == NULL);
    struct catalog *c = l->s->catalog;
    ASSERT(c != NULL);
    enum err e = catalog_each_line(c, load_line, l);
    if (e == ERR_OK) {
        uint64_t replay_all = 0;
        e = catalog_fact(c, FACT_REPLAY_ALL, &replay_all);
        l->s->replay_all = replay_all != 0;
        l->s->delivered_seq = l->s->replay_all ? 0 : l->s->delivered_seq;
    }
    e = e == ERR_OK ? load_clock(l->s) : e;
    e = e == ERR_OK ? sift_load(l->s) : e;
    if (e == ERR_OK) {
        e = catalog_each_cell(c, load_cell, l);
    }
    if (e == ERR_OK) {
        e = catalog_each_part(c, load_part, l);
        e = e == ERR_OK ? l->failed : e;
    }
    if (e == ERR_OK) {
        e = catalog_count_letters(c, &l->s->stats.dead_letters);
    }
    return e == ERR_OK ? set_aside(l) : e;
}

static enum err load(struct store *s, struct err_at *ret_at)
{
    ASSERT(s->parts_dir != NULL);
    ASSERT(s->catalog != NULL && s->line_count == 0);
    struct loader l = {.s = s};
    enum err e = load_catalog(&l);
    if (e != ERR_OK) {
        (void)err_at_set(ret_at, e, 0, "The catalog's parts cannot be loaded. %s", l.why.text);
    } else {
        e = remove_orphans(&l, ret_at);
    }
    if (e == ERR_OK) {
        e = catalog_keep(s->catalog);
    }
    mem_free(l.ids);
    arena_done(&l.arena);
    return e;
}

static char *join(const char *dir, const char *name)
{
    ASSERT(name[0] == 0 || name[0] == '/');
    ASSERT(dir != NULL && name != NULL);
    size_t n = strlen(dir) + strlen(name) + 1;
    char *path = mem_alloc(n);
    (void)snprintf(path, n, "%s%s", dir, name);
    return path;
}

static void init(struct store *s, const struct store_options *o)
{
    ASSERT(o->dir != NULL);
    s->fs = o->fs;
    s->pool = fs_pool_new(o->fs, o->open_files_max);
    s->part_fs = fs_pool_fs(s->pool);
    s->budget = o->budget;
    s->cache = block_cache_new(o->budget, o->budget->limit_bytes / BLOCK_CACHE_SHARE + 1);
    s->ledger = o->ledger;
    s->dir = join(o->dir, "");
    s->parts_dir = join(o->dir, "/parts");
    s->flush_rows = o->flush_rows != 0 ? o->flush_rows : FLUSH_ROWS_DEFAULT;
    s->hurry = o->hurry;
    s->flush_age_ns =
        (o->flush_age_ms != 0 ? o->flush_age_ms : FLUSH_AGE_MS_DEFAULT) * (uint64_t)NS_PER_MS;
    s->merge_rows_max = o->merge_rows_max != 0 ? o->merge_rows_max : MERGE_ROWS_DEFAULT;
    store_set_keep_wait(s, o->keep_wait_ms);
    s->free_bytes_min = o->free_bytes_min != 0 ? o->free_bytes_min : FREE_BYTES_DEFAULT;
    s->wall_ns = o->wall_ns != NULL ? o->wall_ns : clock_wall_ns;
    s->on_committed = o->on_committed;
    s->ctx = o->ctx;
    s->next_id = 1;
    s->letters_end = &s->letters;
    MUST(pthread_mutex_init(&s->flushing, NULL) == 0);
    MUST(pthread_mutex_init(&s->maintaining, NULL) == 0);
    MUST(pthread_mutex_init(&s->lock, NULL) == 0);
    wake_init(&s->flush_wake);
    wake_init(&s->merge_wake);
    store_set_retention(s, o->retention_default, o->retention, o->retention_count);
}

static void free_all(struct store *s)
{
    ASSERT(!s->started || atomic_load(&s->stop));
    for (size_t i = 0; i < s->line_count; i++) {
        struct store_line *line = &s->lines[i];
        for (size_t k = 0; k < line->hot_count; k++) {
            budget_give(s->budget, ACCOUNT_STORE, line->hot[k].charged);
            batch_unref(line->hot[k].batch);
        }
        for (size_t k = 0; k < line->part_count; k++) {
            part_unref(line->parts[k]->part);
            mem_free(line->parts[k]);
        }
        mem_free(line->hot);
        mem_free(line->parts);
        mem_free((void *)(uintptr_t)line->name.p);
    }
    letters_done(s);
    commit_done(s);
    store_set_retention(s, (struct store_retention){0}, NULL, 0);
    mem_free(s->retention);
    block_cache_unref(s->cache);
    fates_free(s->fates);
    catalog_close(s->catalog);
    fs_pool_free(s->pool);
    MUST(pthread_mutex_destroy(&s->lock) == 0);
    (void)pthread_mutex_destroy(&s->flushing);
    (void)pthread_mutex_destroy(&s->maintaining);
    (void)pthread_cond_destroy(&s->flush_wake);
    (void)pthread_cond_destroy(&s->merge_wake);
    mem_free(s->dir);
    mem_free(s->parts_dir);
    mem_free(s);
}

enum err store_open(const struct store_options *options, struct store **ret_store,
                    struct err_at *ret_at)
{
    ASSERT(ret_store != NULL && options->dir != NULL);
    ASSERT(options->fs != NULL && options->budget != NULL && options->ledger != NULL);
    struct store *s = mem_new(1, sizeof *s);
    init(s, options);
    enum err e = s->fs->ops->make_dir(s->fs, s->dir);
    if (e == ERR_OK) {
        e = s->fs->ops->make_dir(s->fs, s->parts_dir);
    }
    if (e != ERR_OK) {
        (void)err_at_set(ret_at, e, 0, "The folder %s cannot be made.", s->parts_dir);
    } else {
        char *path = join(options->dir, "/catalog.db");
        e = catalog_open(path, options->catalog_vfs, &s->catalog, ret_at);
        mem_free(path);
        if (e == ERR_OK) {
            e = load(s, ret_at);
        }
    }
    if (e != ERR_OK) {
        free_all(s);
        return e;
    }
    *ret_store = s;
    return ERR_OK;
}

void store_start(struct store *s)
{
    MUST(!s->started);
    s->started = true;
    MUST(pthread_create(&s->flush_thread, NULL, flush_thread, s) == 0);
    MUST(pthread_create(&s->merge_thread, NULL, merge_thread, s) == 0);
}

void store_close(struct store *s)
{
    ASSERT(s == NULL || !atomic_load(&s->stop));
    if (s == NULL) {
        return;
    }
    atomic_store(&s->stop, true);
    if (s->started) {
        (void)pthread_mutex_lock(&s->lock);
        (void)pthread_cond_broadcast(&s->flush_wake);
        (void)pthread_cond_broadcast(&s->merge_wake);
        (void)pthread_mutex_unlock(&s->lock);
        MUST(pthread_join(s->flush_thread, NULL) == 0);
        MUST(pthread_join(s->merge_thread, NULL) == 0);
    }
    enum err e = store_flush(s);
    if (e != ERR_OK) {
        log_write(LOG_WARN, "store", "closed with rows that only the journal holds", "error=%s",
                  err_name(e));
    }
    letters_save(s);
    struct commit c;
    commit_begin(&c, s);
    maintain_save_clock(s);
    if (commit_end(&c) != ERR_OK) {
        log_write(LOG_WARN, "store", "the ledger could not be saved", "%s", "");
    }
    free_all(s);
}
