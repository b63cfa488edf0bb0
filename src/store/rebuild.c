// SPDX-License-Identifier: Apache-2.0
// Purpose: a new catalog from the parts.
#include "store/rebuild.h"

#include <stdio.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
#include "os/file_number.h"
#include "os/fs_pool.h"
#include "store/catalog.h"
#include "store/part_rows.h"
#include "store/store_state.h"

#define BAD_NAMES_MAX 99 // catalogs that were set aside

struct found {
    uint64_t id;
    struct str path;
    struct part *part; // NULL: damaged
    bool covered;
};

struct line {
    struct str name;
    uint64_t seq;
};

struct rebuild {
    const struct rebuild_options *o;
    struct fs *fs;
    struct fs_pool *pool;
    struct arena arena;
    const char *parts_dir;
    struct found *parts; // by ID
    size_t count, capacity;
    struct line *lines;
    size_t line_count;
    struct rebuilt result;
    struct err_at *at;
};

static struct str store_path(struct rebuild *r, const char *name)
{
    ASSERT(name != NULL);
    ASSERT(r->o->dir != NULL);
    return arena_printf(&r->arena, "%s/%s", r->o->dir, name);
}

// ---- Reading the parts --------------------------------------------------------------------------

static void note_part(void *ctx, const char *name)
{
    struct rebuild *r = ctx;
    uint64_t id;
    ASSERT(name != NULL);
    if (file_number_parse(name, ".part", &id) != ERR_OK) {
        return; // not ours, or set aside before
    }
    ASSERT(r->count <= r->capacity);
    r->parts = mem_grow(r->parts, &r->capacity, r->count + 1, sizeof *r->parts);
    r->parts[r->count++] =
        (struct found){.id = id, .path = arena_printf(&r->arena, "%s/%s", r->parts_dir, name)};
}

static int by_id(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    ASSERT(x == y || x->id != y->id); // names of files
    ASSERT(x->id > 0 && y->id > 0);
    return x->id < y->id ? -1 : x->id > y->id;
}

static void leave_out(const struct rebuild *r, const struct found *f, enum rebuild_fate fate,
                      const char *why)
{
    ASSERT(why != NULL);
    ASSERT(f->path.n > 0);
    if (r->o->on_left_out != NULL) {
        r->o->on_left_out(r->o->ctx, f->path.p, fate, why);
    }
}

// Opens a part and checks all of it. Damage is no error here; a disk that does not answer is.
static enum err read_part(struct rebuild *r, struct found *f)
{
    struct err_at at = {0};
    ASSERT(f->part == NULL);
    enum err e = part_open(fs_pool_fs(r->pool), f->path.p, &f->part, &at);
    if (e == ERR_OK) {
        e = part_verify(f->part, &at);
    }
    if (e == ERR_CORRUPT) {
        part_unref(f->part);
        f->part = NULL;
        r->result.damaged++;
        leave_out(r, f, REBUILD_DAMAGED, at.text);
        return ERR_OK;
    }
    ASSERT(e != ERR_OK || f->part != NULL);
    return e == ERR_OK ? e
                       : err_at_set(r->at, e, at.offset, "%016llx.part: %s",
                                    (unsigned long long)f->id, at.text);
}

static enum err read_parts(struct rebuild *r)
{
    ASSERT(r->count == 0);
    ASSERT(r->parts_dir != NULL);
    enum err e = r->fs->ops->list(r->fs, r->parts_dir, note_part, r);
    if (e != ERR_OK || r->count == 0) {
        return err_at_set(r->at, e == ERR_OK ? ERR_NOT_FOUND : e, 0, "There are no parts in %s.",
                          r->parts_dir);
    }
    sort_array(r->parts, r->count, sizeof *r->parts, by_id);
    for (size_t i = 0; i < r->count && e == ERR_OK; i++) {
        e = read_part(r, &r->parts[i]);
    }
    return e;
}

// ---- Parts within others ------------------------------------------------------------------------

// Whether `b` may hold all rows of `a`, by their footers.
static bool may_cover(const struct found *b, const struct found *a)
{
    ASSERT(a->id > 0 && b->id > 0);
    if (a == b || a->part == NULL || b->part == NULL || a->covered || b->covered) {
        return false;
    }
    const struct part_meta *x = part_meta(a->part), *y = part_meta(b->part);
    ASSERT(x->rows > 0 && y->rows > 0);
    return str_eq(x->line, y->line) && x->seq_first >= y->seq_first && x->seq_last <= y->seq_last &&
           x->min_start_ns >= y->min_start_ns && x->max_start_ns <= y->max_start_ns &&
           x->min_duration_ns >= y->min_duration_ns && x->max_duration_ns <= y->max_duration_ns &&
           x->traces <= y->traces && (x->rows < y->rows || (x->rows == y->rows && a->id < b->id));
}

static bool is_same(struct row a, struct row b)
{
    ASSERT(a.index < a.batch->span_count && b.index < b.batch->span_count);
    const struct span *x = row_span(a), *y = row_span(b);
    ASSERT(row_cmp(a, b) == 0);
    return x->duration_ns == y->duration_ns && x->kind == y->kind;
}

// Both are in one order: walks through them side by side, to the first row that is missing.
static enum err covers(struct part *b, struct part *a, bool *ret_covers)
{
    static const struct page_request ids = {.fields = FIELD_START | FIELD_DURATION | FIELD_ID};
    struct part_rows x = {.part = a, .request = &ids}, y = {.part = b, .request = &ids};
    ASSERT(a != b);
    enum err e = part_rows_next(&x);
    e = e == ERR_OK ? part_rows_next(&y) : e;
    while (e == ERR_OK && x.page != NULL && y.page != NULL) {
        int c = row_cmp(part_rows_head(&y), part_rows_head(&x));
        if (c > 0) {
            break;
        }
        bool found = c == 0 && is_same(part_rows_head(&y), part_rows_head(&x));
        e = part_rows_next(found ? &x : &y); // a row that came twice is found twice
    }
    *ret_covers = e == ERR_OK && x.page == NULL;
    ASSERT(e != ERR_OK || x.page == NULL || !*ret_covers);
    part_rows_done(&x);
    part_rows_done(&y);
    return e;
}

static enum err find_covered(struct rebuild *r)
{
    enum err e = ERR_OK;
    ASSERT(r->count > 0);
    for (size_t i = 0; i < r->count && e == ERR_OK; i++) {
        for (size_t k = 0; k < r->count && e == ERR_OK; k++) {
            if (may_cover(&r->parts[k], &r->parts[i])) {
                e = covers(r->parts[k].part, r->parts[i].part, &r->parts[i].covered);
                if (r->parts[i].covered) {
                    ASSERT(k != i && !r->parts[k].covered);
                    r->result.covered++;
                    leave_out(r, &r->parts[i], REBUILD_COVERED, r->parts[k].path.p);
                }
            }
        }
    }
    return e == ERR_OK ? e : err_at_set(r->at, e, 0, "The parts cannot be compared.");
}

// ---- What they say of the journal ---------------------------------------------------------------

static void note_line(struct rebuild *r, const struct part_meta *m)
{
    size_t i = 0;
    ASSERT(r->line_count <= r->count);
    while (i < r->line_count && !str_eq(r->lines[i].name, m->line)) {
        i++;
    }
    if (i == r->line_count) {
        r->lines[r->line_count++] = (struct line){m->line, m->seq_last};
    }
    ASSERT(i < r->line_count);
    r->lines[i].seq = m->seq_last > r->lines[i].seq ? m->seq_last : r->lines[i].seq;
}

// The last place is shared by lines that have none of their own, so it gets the least offset: none
// of them loses a row.
static int by_seq(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    ASSERT(x == y || !str_eq(x->name, y->name));
    ASSERT(x->name.p != NULL && y->name.p != NULL);
    return x->seq > y->seq ? -1 : x->seq < y->seq;
}

static void find_lines(struct rebuild *r)
{
    ASSERT(r->lines == NULL);
    r->lines = mem_new(r->count, sizeof *r->lines);
    for (size_t i = 0; i < r->count; i++) {
        if (r->parts[i].part != NULL) {
            note_line(r, part_meta(r->parts[i].part));
        }
    }
    sort_array(r->lines, r->line_count, sizeof *r->lines, by_seq);
    if (r->line_count > STORE_LINES_MAX) {
        r->lines[STORE_LINES_MAX - 1].seq = r->lines[r->line_count - 1].seq;
        r->line_count = STORE_LINES_MAX;
    }
    ASSERT(r->line_count <= r->count);
}

// ---- Writing the catalog ------------------------------------------------------------------------

static void put_part(struct rebuild *r, struct catalog *c, struct ledger *names,
                     const struct found *f, uint64_t now_ns)
{
    const struct part_meta *m = part_meta(f->part);
    ASSERT(!f->covered);
    ASSERT(m->rows > 0);
    const struct part_entry entry = {.id = f->id, .committed_ns = now_ns, .part = f->part};
    catalog_put_part(c, &entry, &r->arena);
    for (size_t i = 0; i < m->service_count; i++) {
        struct str name = ledger_service(names, m->services[i].name);
        const uint64_t rows = m->services[i].rows;
        catalog_add_cell(
            c, &(struct ledger_cell){SIGNAL_TRACES, OUTCOME_RECEIVED, REASON_NONE, name, rows});
        catalog_add_cell(
            c, &(struct ledger_cell){SIGNAL_TRACES, OUTCOME_STORED, REASON_NONE, name, rows});
    }
    r->result.parts++;
    r->result.rows += m->rows;
    r->result.bytes += m->file_bytes;
}

static enum err fill(struct rebuild *r, struct catalog *c)
{
    struct ledger *names = ledger_new();
    uint64_t now_ns = clock_wall_ns();
    ASSERT(r->result.parts == 0);
    catalog_begin(c);
    for (size_t i = 0; i < r->count; i++) {
        if (r->parts[i].part != NULL && !r->parts[i].covered) {
            put_part(r, c, names, &r->parts[i], now_ns);
        }
    }
    for (size_t i = 0; i < r->line_count; i++) {
        catalog_set_line(c, i, r->lines[i].name, r->lines[i].seq);
    }
    r->result.lines = r->line_count;
    catalog_set_fact(c, FACT_REPLAY_ALL, 1);
    enum err e = catalog_end(c);
    ledger_free(names);
    ASSERT(r->result.parts <= r->count);
    return e == ERR_OK ? catalog_keep(c) : e;
}

static enum err remove_if_there(struct rebuild *r, const char *name)
{
    ASSERT(r->o->dir != NULL);
    enum err e = r->fs->ops->remove(r->fs, store_path(r, name).p);
    ASSERT(name[0] != 0);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err write_catalog(struct rebuild *r)
{
    ASSERT(r->result.parts == 0);
    struct catalog *c;
    ASSERT(r->lines != NULL);
    enum err e = remove_if_there(r, "catalog.db.new"); // of an earlier try
    e = e == ERR_OK ? remove_if_there(r, "catalog.db.new-wal") : e;
    e = e == ERR_OK ? remove_if_there(r, "catalog.db.new-shm") : e;
    if (e == ERR_OK) {
        e = catalog_open(store_path(r, "catalog.db.new").p, r->o->catalog_vfs, &c, NULL);
    }
    if (e == ERR_OK) {
        e = fill(r, c);
        catalog_close(c);
    }
    // Closed in order it has no log any more: one file is all of it.
    if (e == ERR_OK &&
        r->fs->ops->remove(r->fs, store_path(r, "catalog.db.new-wal").p) != ERR_NOT_FOUND) {
        e = ERR_IO;
    }
    e = e == ERR_OK ? r->fs->ops->sync_dir(r->fs, r->o->dir) : e;
    return e == ERR_OK
               ? e
               : err_at_set(r->at, e, 0, "A new catalog cannot be written: %s.", err_text(e));
}

// ---- Putting it in place ------------------------------------------------------------------------

static enum err rename_if_there(struct rebuild *r, struct str from, struct str to)
{
    ASSERT(from.n > 0 && to.n > 0);
    enum err e = r->fs->ops->rename(r->fs, from.p, to.p);
    ASSERT(e != ERR_AGAIN);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static bool exists(struct rebuild *r, const char *name)
{
    ASSERT(r->fs != NULL);
    struct file *f;
    ASSERT(name[0] != 0);
    enum err e = r->fs->ops->open(r->fs, store_path(r, name).p, FS_READ, &f);
    if (e == ERR_OK) {
        f->ops->close(f);
    }
    return e != ERR_NOT_FOUND;
}

// The catalog goes before its log. An interrupted rebuild leaves no catalog, which the server
// refuses; a log that went first would leave an older state, which it would take for the truth.
static enum err set_old_aside(struct rebuild *r)
{
    ASSERT(r->result.parts > 0 || r->result.damaged > 0);
    char *name = r->result.kept_as;
    enum err e = ERR_OK;
    (void)snprintf(name, sizeof r->result.kept_as, "catalog.db.bad");
    for (int i = 2; exists(r, name) && e == ERR_OK; i++) {
        (void)snprintf(name, sizeof r->result.kept_as, "catalog.db.bad%d", i);
        e = i > BAD_NAMES_MAX ? ERR_LIMIT : ERR_OK;
    }
    bool had = exists(r, "catalog.db");
    ASSERT(name[0] != 0);
    if (e == ERR_OK) {
        e = rename_if_there(r, store_path(r, "catalog.db"), store_path(r, name));
    }
    if (e == ERR_OK) {
        e = rename_if_there(r, store_path(r, "catalog.db-wal"),
                            arena_printf(&r->arena, "%s/%s-wal", r->o->dir, name));
    }
    e = e == ERR_OK ? remove_if_there(r, "catalog.db-shm") : e;
    if (!had) {
        name[0] = 0;
    }
    return e == ERR_OK ? r->fs->ops->sync_dir(r->fs, r->o->dir) : e;
}

static enum err put_in_place(struct rebuild *r)
{
    enum err e = ERR_OK;
    ASSERT(r->result.kept_as[0] == 0);
    for (size_t i = 0; i < r->count && e == ERR_OK; i++) {
        if (r->parts[i].part == NULL) {
            struct str path = r->parts[i].path;
            e = rename_if_there(r, path, arena_printf(&r->arena, "%s.bad", path.p));
        }
    }
    e = e == ERR_OK ? r->fs->ops->sync_dir(r->fs, r->parts_dir) : e;
    e = e == ERR_OK ? set_old_aside(r) : e;
    if (e == ERR_OK) {
        struct str fresh = store_path(r, "catalog.db.new"), path = store_path(r, "catalog.db");
        e = r->fs->ops->rename(r->fs, fresh.p, path.p);
    }
    e = e == ERR_OK ? r->fs->ops->sync_dir(r->fs, r->o->dir) : e;
    ASSERT(r->count > 0);
    return e == ERR_OK ? e
                       : err_at_set(r->at, e, 0, "The new catalog cannot be put in place: %s.",
                                    err_text(e));
}

// ---- The whole ----------------------------------------------------------------------------------

// A catalog that works is worth more than a new one.
static enum err check_old(struct rebuild *r)
{
    struct err_at at = {0};
    ASSERT(r->count == 0);
    enum err e = catalog_check(store_path(r, "catalog.db").p, r->o->catalog_vfs, &at);
    if (e == ERR_OK) {
        return err_at_set(r->at, ERR_EXISTS, 0,
                          "%s/catalog.db is whole: there is nothing to rebuild.", r->o->dir);
    }
    ASSERT(at.text[0] != 0);
    return e == ERR_CORRUPT || e == ERR_NOT_FOUND
               ? ERR_OK
               : err_at_set(r->at, e, 0, "%s/catalog.db: %s.", r->o->dir, at.text);
}

enum err store_rebuild(const struct rebuild_options *options, struct rebuilt *ret_rebuilt,
                       struct err_at *ret_at)
{
    ASSERT(options->fs != NULL && options->dir != NULL);
    struct rebuild r = {.o = options, .fs = options->fs, .at = ret_at};
    ASSERT(ret_rebuilt != NULL);
    r.pool = fs_pool_new(options->fs, 0);
    r.parts_dir = store_path(&r, "parts").p;
    enum err e = check_old(&r);
    e = e == ERR_OK ? read_parts(&r) : e;
    e = e == ERR_OK ? find_covered(&r) : e;
    if (e == ERR_OK) {
        find_lines(&r);
        e = write_catalog(&r);
    }
    e = e == ERR_OK ? put_in_place(&r) : e;
    for (size_t i = 0; i < r.count; i++) {
        part_unref(r.parts[i].part);
    }
    mem_free(r.parts);
    mem_free(r.lines);
    fs_pool_free(r.pool);
    if (e == ERR_OK) {
        *ret_rebuilt = r.result;
    }
    arena_done(&r.arena);
    return e;
}
