// SPDX-License-Identifier: Apache-2.0
// Purpose: opening and closing the store, taking batches in, and views.
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/logger.h"
#include "core/mem.h"
#include "core/must.h"
#include "store/store_state.h"

#define FLUSH_ROWS_DEFAULT   ((size_t)131072)
#define FLUSH_AGE_MS_DEFAULT 30000u
#define MERGE_ROWS_DEFAULT   ((uint64_t)1 << 20)
#define FREE_BYTES_DEFAULT   ((uint64_t)256 << 20)

struct str store_part_path(const struct store *s, uint64_t id, struct arena *a)
{
    ASSERT(id > 0);
    return arena_printf(a, "%s/%016llx.part", s->parts_dir, (unsigned long long)id);
}

void store_keep_bad_file(const struct store *s, uint64_t id, struct arena *a)
{
    ASSERT(a != NULL);
    struct str path = store_part_path(s, id, a), aside = arena_printf(a, "%s.bad", path.p);
    enum err e = s->fs->ops->rename(s->fs, path.p, aside.p);
    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        log_write(LOG_WARN, "store", "a damaged part could not be renamed", "path=%s error=%s",
                  path.p, err_name(e));
    }
}

size_t store_line_index(struct store *s, struct str line)
{
    ASSERT(s->line_count <= STORE_LINES_MAX);
    for (size_t i = 0; i < s->line_count; i++) {
        if (str_eq(s->lines[i].name, line)) {
            return i;
        }
    }
    if (s->line_count == STORE_LINES_MAX) {
        return STORE_LINES_MAX - 1;
    }
    struct store_line *x = &s->lines[s->line_count];
    char *name = mem_alloc(line.n);
    memcpy(name, line.n > 0 ? line.p : "", line.n);
    x->name = (struct str){name, line.n};
    return s->line_count++;
}

void store_put_part(struct store *s, struct store_line *line, struct part_entry *entry)
{
    ASSERT(entry->part != NULL && entry->id > 0);
    line->parts = mem_grow(line->parts, &line->part_capacity, line->part_count + 1,
                           sizeof(struct part_entry *));
    line->parts[line->part_count++] = entry;
    s->stats.parts++;
    s->stats.part_rows += part_meta(entry->part)->rows;
    s->stats.part_bytes += part_meta(entry->part)->file_bytes;
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
}

// ---- Opening ---------------------------------------------------------------------------------

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
    uint64_t *ids; // of all parts in the catalog, ascending
    size_t id_count, id_capacity;
};

static void load_line(void *ctx, struct str line, uint64_t seq)
{
    ASSERT(ctx != NULL);
    struct store *s = ((struct loader *)ctx)->s;
    struct store_line *x = &s->lines[store_line_index(s, line)];
    x->seq = seq;
    x->recorded = true;
    // Other lines may have rows in the journal after the least offset: until these are replayed,
    // nothing later counts as delivered.
    s->delivered_seq = s->line_count == 1 || seq < s->delivered_seq ? seq : s->delivered_seq;
}

static void load_part(void *ctx, const struct catalog_part *p)
{
    ASSERT(ctx != NULL && p->id > 0);
    struct loader *l = ctx;
    struct store *s = l->s;
    struct err_at at = {0};
    struct part *part;
    l->ids = mem_grow(l->ids, &l->id_capacity, l->id_count + 1, sizeof *l->ids);
    l->ids[l->id_count++] = p->id;
    s->next_id = p->id >= s->next_id ? p->id + 1 : s->next_id;
    if (p->state != PART_LIVE) {
        return;
    }
    struct str path = store_part_path(s, p->id, &l->arena);
    enum err e = part_open(s->fs, path.p, &part, &at);
    if (e == ERR_OK && part_meta(part)->rows != p->rows) {
        part_unref(part);
        e = ERR_CORRUPT;
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
    *entry = (struct part_entry){p->id, p->level, p->committed_ns, part};
    store_put_part(s, &s->lines[store_line_index(s, p->line)], entry);
}

static void load_cell(void *ctx, const struct ledger_cell *cell)
{
    ASSERT(ctx != NULL);
    ledger_restore(((struct loader *)ctx)->s->ledger, cell);
}

static void count_lost_service(void *ctx, struct str service, uint64_t rows)
{
    struct commit *c = ctx;
    ASSERT(c->store != NULL);
    commit_count(c, OUTCOME_STORED, REASON_NONE, service, 0 - rows, true);
    commit_count(c, OUTCOME_DROPPED, REASON_CORRUPT, service, rows, true);
}

static enum err set_aside(struct loader *l)
{
    ASSERT(l->s->catalog != NULL);
    struct store *s = l->s;
    struct commit c;
    if (l->lost == NULL) {
        return ERR_OK;
    }
    commit_begin(&c, s);
    for (const struct lost_part *x = l->lost; x != NULL; x = x->next) {
        catalog_quarantine_part(s->catalog, x->id);
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
    struct orphans *o = ctx;
    char *end = NULL;
    ASSERT(o->l != NULL);
    uint64_t id = strtoull(name, &end, 16);
    if (end == name || strcmp(end, ".part") != 0) {
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

static enum err load_catalog(struct loader *l)
{
    struct catalog *c = l->s->catalog;
    ASSERT(c != NULL);
    enum err e = catalog_each_line(c, load_line, l);
    if (e == ERR_OK) {
        e = catalog_each_cell(c, load_cell, l);
    }
    if (e == ERR_OK) {
        e = catalog_each_part(c, load_part, l);
    }
    if (e == ERR_OK) {
        e = catalog_count_letters(c, &l->s->stats.dead_letters);
    }
    return e == ERR_OK ? set_aside(l) : e;
}

static enum err load(struct store *s, struct err_at *ret_at)
{
    ASSERT(s->catalog != NULL && s->line_count == 0);
    struct loader l = {.s = s};
    enum err e = load_catalog(&l);
    if (e != ERR_OK) {
        (void)err_at_set(ret_at, e, 0, "The catalog's parts cannot be loaded.");
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
    ASSERT(dir != NULL && name != NULL);
    size_t n = strlen(dir) + strlen(name) + 1;
    char *path = mem_alloc(n);
    (void)snprintf(path, n, "%s%s", dir, name);
    return path;
}

static void init(struct store *s, const struct store_options *o)
{
    ASSERT(o->dir != NULL);
    pthread_condattr_t monotonic;
    s->fs = o->fs;
    s->budget = o->budget;
    s->ledger = o->ledger;
    s->dir = join(o->dir, "");
    s->parts_dir = join(o->dir, "/parts");
    s->flush_rows = o->flush_rows != 0 ? o->flush_rows : FLUSH_ROWS_DEFAULT;
    s->flush_age_ns =
        (o->flush_age_ms != 0 ? o->flush_age_ms : FLUSH_AGE_MS_DEFAULT) * (uint64_t)NS_PER_MS;
    s->merge_rows_max = o->merge_rows_max != 0 ? o->merge_rows_max : MERGE_ROWS_DEFAULT;
    s->free_bytes_min = o->free_bytes_min != 0 ? o->free_bytes_min : FREE_BYTES_DEFAULT;
    s->on_committed = o->on_committed;
    s->ctx = o->ctx;
    s->next_id = 1;
    s->letters_end = &s->letters;
    MUST(pthread_condattr_init(&monotonic) == 0);
    MUST(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
    MUST(pthread_mutex_init(&s->flushing, NULL) == 0);
    MUST(pthread_mutex_init(&s->maintaining, NULL) == 0);
    MUST(pthread_mutex_init(&s->lock, NULL) == 0);
    MUST(pthread_cond_init(&s->flush_wake, &monotonic) == 0);
    MUST(pthread_cond_init(&s->merge_wake, &monotonic) == 0);
    (void)pthread_condattr_destroy(&monotonic);
    store_set_retention(s, o->retention_default, o->retention, o->retention_count);
}

static void free_all(struct store *s)
{
    ASSERT(!s->started || atomic_load(&s->stop));
    for (size_t i = 0; i < s->line_count; i++) {
        struct store_line *line = &s->lines[i];
        for (size_t k = 0; k < line->hot_count; k++) {
            budget_give(s->budget, ACCOUNT_STORE, line->hot[k].bytes);
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
    catalog_close(s->catalog);
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
    if (commit_end(&c) != ERR_OK) {
        log_write(LOG_WARN, "store", "the ledger could not be saved", "%s", "");
    }
    free_all(s);
}

// ---- Taking in -------------------------------------------------------------------------------

uint64_t store_line_seq(struct store *s, struct str line)
{
    ASSERT(s != NULL);
    uint64_t seq = 0;
    (void)pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->line_count; i++) {
        // What does not fit shares the last line and its offset.
        if (str_eq(s->lines[i].name, line) || i + 1 == STORE_LINES_MAX) {
            seq = s->lines[i].seq;
            break;
        }
    }
    (void)pthread_mutex_unlock(&s->lock);
    return seq;
}

uint64_t store_replay_after(struct store *s)
{
    ASSERT(s != NULL);
    (void)pthread_mutex_lock(&s->lock);
    uint64_t least = s->line_count > 0 ? UINT64_MAX : 0;
    for (size_t i = 0; i < s->line_count; i++) {
        least = s->lines[i].seq < least ? s->lines[i].seq : least;
    }
    (void)pthread_mutex_unlock(&s->lock);
    return least;
}

uint64_t store_last_seq(struct store *s)
{
    uint64_t last = 0;
    (void)pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->line_count; i++) {
        last = s->lines[i].seq > last ? s->lines[i].seq : last;
    }
    (void)pthread_mutex_unlock(&s->lock);
    return last;
}

static void count_received(struct store *s, const struct batch *b)
{
    ASSERT(b->resource_count > 0);
    uint64_t *rows = mem_new(b->resource_count, sizeof *rows);
    for (size_t i = 0; i < b->span_count; i++) {
        MUST(b->spans[i].resource < b->resource_count);
        rows[b->spans[i].resource]++;
    }
    for (size_t i = 0; i < b->resource_count; i++) {
        if (rows[i] > 0) {
            ledger_add_volatile(s->ledger, SIGNAL_TRACES, OUTCOME_RECEIVED, REASON_NONE,
                                batch_str(b, b->resources[i].service), rows[i]);
        }
    }
    mem_free(rows);
}

// Under `lock`.
static void add_hot(struct store *s, struct batch *b)
{
    ASSERT(b->span_count > 0);
    size_t bytes = batch_bytes(b);
    struct store_line *line = &s->lines[store_line_index(s, b->line)];
    budget_force(s->budget, ACCOUNT_STORE, bytes);
    line->hot = mem_grow(line->hot, &line->hot_capacity, line->hot_count + 1, sizeof *line->hot);
    if (line->hot_count == 0) {
        line->oldest_ns = clock_mono_ns();
    }
    line->hot[line->hot_count++] = (struct hot_batch){b, s->arrivals++, bytes};
    line->hot_rows += b->span_count;
    line->hot_bytes += bytes;
    if (line->hot_rows >= s->flush_rows || budget_is_tight(s->budget)) {
        (void)pthread_cond_signal(&s->flush_wake);
    }
}

void store_add_record(struct store *s, struct batch *const *batches, size_t count)
{
    ASSERT(s != NULL && count > 0);
    for (size_t i = 0; i < count; i++) {
        ASSERT(batches[i]->line.n <= (size_t)1 << 20);
        MUST(batches[i]->sealed && batches[i]->seq == batches[0]->seq);
        if (batches[i]->span_count > 0) {
            count_received(s, batches[i]);
        }
    }
    (void)pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < count; i++) {
        if (batches[i]->span_count > 0) {
            add_hot(s, batches[i]);
        }
    }
    // Only now: a flush that commits offsets sees all of the record or nothing of it.
    s->delivered_seq = batches[0]->seq > s->delivered_seq ? batches[0]->seq : s->delivered_seq;
    (void)pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < count; i++) {
        if (batches[i]->span_count == 0) {
            batch_unref(batches[i]); // nobody else has seen it
        }
    }
}

void store_add(struct store *s, struct batch *b)
{
    ASSERT(b != NULL);
    store_add_record(s, &b, 1);
}

void store_note_seq(struct store *s, uint64_t seq)
{
    ASSERT(s != NULL);
    (void)pthread_mutex_lock(&s->lock);
    if (seq > 0 && seq - 1 > s->delivered_seq) {
        s->delivered_seq = seq - 1;
    }
    (void)pthread_mutex_unlock(&s->lock);
}

// ---- Views -----------------------------------------------------------------------------------

static int newest_part_first(const void *a, const void *b)
{
    const struct part_meta *x = part_meta(*(struct part *const *)a);
    const struct part_meta *y = part_meta(*(struct part *const *)b);
    return x->max_start_ns > y->max_start_ns ? -1 : x->max_start_ns < y->max_start_ns;
}

static int newest_batch_first(const void *a, const void *b)
{
    const struct hot_batch *x = a, *y = b;
    return x->arrival > y->arrival ? -1 : x->arrival < y->arrival;
}

struct store_view *store_view(struct store *s)
{
    ASSERT(s != NULL);
    struct store_view *v = mem_new(1, sizeof *v);
    (void)pthread_mutex_lock(&s->lock);
    size_t parts = 0, hot_count = 0;
    for (size_t i = 0; i < s->line_count; i++) {
        parts += s->lines[i].part_count;
        hot_count += s->lines[i].hot_count;
    }
    v->parts = mem_new(parts, sizeof(struct part *));
    struct hot_batch *hot = mem_new(hot_count, sizeof *hot);
    for (size_t i = 0; i < s->line_count; i++) {
        const struct store_line *line = &s->lines[i];
        for (size_t k = 0; k < line->part_count; k++) {
            v->parts[v->part_count++] = part_ref(line->parts[k]->part);
        }
        for (size_t k = 0; k < line->hot_count; k++) {
            hot[v->hot_count] = line->hot[k];
            (void)batch_ref(hot[v->hot_count++].batch);
        }
    }
    (void)pthread_mutex_unlock(&s->lock);
    ASSERT(v->part_count == parts && v->hot_count == hot_count);
    qsort(v->parts, v->part_count, sizeof(struct part *), newest_part_first);
    qsort(hot, v->hot_count, sizeof *hot, newest_batch_first);
    v->hot = mem_new(hot_count, sizeof(struct batch *));
    for (size_t i = 0; i < hot_count; i++) {
        v->hot[i] = hot[i].batch;
    }
    mem_free(hot);
    return v;
}

void store_view_free(struct store_view *v)
{
    if (v == NULL) {
        return;
    }
    for (size_t i = 0; i < v->part_count; i++) {
        part_unref(v->parts[i]);
    }
    for (size_t i = 0; i < v->hot_count; i++) {
        batch_unref(v->hot[i]);
    }
    mem_free(v->parts);
    mem_free(v->hot);
    mem_free(v);
}

// ---- State -----------------------------------------------------------------------------------

void store_stats(struct store *s, struct store_stats *ret_stats)
{
    ASSERT(ret_stats != NULL);
    (void)pthread_mutex_lock(&s->lock);
    *ret_stats = s->stats;
    ret_stats->full = s->low_space || s->write_full;
    ret_stats->hot_rows = ret_stats->hot_bytes = 0;
    for (size_t i = 0; i < s->line_count; i++) {
        ret_stats->hot_rows += s->lines[i].hot_rows;
        ret_stats->hot_bytes += s->lines[i].hot_bytes;
    }
    (void)pthread_mutex_unlock(&s->lock);
}

void store_each_part(struct store *s, void (*each)(void *ctx, const struct store_part_info *info),
                     void *ctx)
{
    ASSERT(each != NULL);
    (void)pthread_mutex_lock(&s->lock);
    size_t n = 0;
    struct part_entry *copies = mem_new((size_t)s->stats.parts, sizeof *copies);
    for (size_t i = 0; i < s->line_count; i++) {
        for (size_t k = 0; k < s->lines[i].part_count; k++) {
            copies[n] = *s->lines[i].parts[k];
            (void)part_ref(copies[n++].part);
        }
    }
    (void)pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < n; i++) {
        const struct store_part_info info = {copies[i].id, copies[i].level,
                                             part_meta(copies[i].part)};
        each(ctx, &info);
        part_unref(copies[i].part);
    }
    mem_free(copies);
}
