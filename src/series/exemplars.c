// SPDX-License-Identifier: Apache-2.0
// Purpose: exemplars of metrics.
#include "series/exemplars.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

#include "codec/checksum.h"
#include "core/arena.h"
#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
#include "os/sql.h"
#include "series/index.h"

#define SCHEMA_VERSION 1
#define EXPIRED_MIN    1000u

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS exemplars(id INTEGER PRIMARY KEY, name BLOB NOT NULL,"
    " time_ms INTEGER NOT NULL, trace BLOB NOT NULL, span BLOB NOT NULL, hash INTEGER NOT NULL,"
    " line BLOB NOT NULL, labels BLOB NOT NULL, value INTEGER NOT NULL);"
    "CREATE UNIQUE INDEX IF NOT EXISTS exemplars_once"
    " ON exemplars(name, time_ms, trace, span, hash);";

enum statement { SQL_ADD, SQL_EXPIRE, SQL_CUT, SQL_FIND, SQL_COUNT };

// The oldest have the least ids, so what is too old is looked for there. `value` has the bits of a
// double.
static const char *const texts[SQL_COUNT] = {
    [SQL_ADD] = "INSERT OR IGNORE INTO exemplars(name, time_ms, trace, span, hash, line, labels,"
                " value) VALUES(?,?,?,?,?,?,?,?)",
    [SQL_EXPIRE] = "DELETE FROM exemplars WHERE time_ms < ? AND id IN"
                   " (SELECT id FROM exemplars ORDER BY id LIMIT ?)",
    [SQL_CUT] = "DELETE FROM exemplars WHERE id <= (SELECT max(id) FROM exemplars) - ?",
    [SQL_FIND] = "SELECT line, labels, time_ms, value, trace, span FROM exemplars"
                 " WHERE name = ? AND time_ms >= ? AND time_ms < ?"
                 " ORDER BY time_ms DESC LIMIT ?",
};

// What was added between two seals.
struct share {
    uint64_t seq; // 0: not sealed
    struct arena arena;
    struct exemplar *items;
    size_t count, capacity, bytes;
};

struct exemplars {
    struct sql sql;
    size_t bytes_max;
    uint64_t keep_ms, count_max;
    struct meter meter;
    pthread_mutex_t lock; // of what is below
    struct share *open;
    struct share **sealed; // the oldest first; as many as the series have sealed heads
    size_t sealed_count, sealed_capacity;
    size_t bytes;
    struct exemplars_stats stats;
};

enum err exemplars_open(const struct exemplars_options *o, struct exemplars **ret,
                        struct err_at *ret_at)
{
    const struct sql_options sql = {o->path, o->catalog_vfs, SCHEMA_VERSION,
                                    schema,  texts,          SQL_COUNT};
    struct exemplars *x = mem_new(1, sizeof *x);
    ASSERT(o->bytes_max > 0 && o->budget != NULL);
    enum err e = sql_open(&x->sql, &sql, ret_at);
    if (e == ERR_OK && x->sql.version == 0) {
        e = sql_set_version(&x->sql, SCHEMA_VERSION);
        if (e != ERR_OK) {
            sql_close(&x->sql);
            (void)err_at_set(ret_at, e, 0, "The file of exemplars cannot be written.");
        }
    }
    if (e != ERR_OK) {
        mem_free(x);
        return e;
    }
    x->bytes_max = o->bytes_max;
    x->keep_ms = o->keep_ms;
    x->count_max = o->count_max > 0 ? o->count_max : EXEMPLARS_MAX;
    x->open = mem_new(1, sizeof *x->open);
    meter_init(&x->meter, o->budget, ACCOUNT_SERIES);
    MUST(pthread_mutex_init(&x->lock, NULL) == 0);
    *ret = x;
    return ERR_OK;
}

static void share_free(struct share *s)
{
    ASSERT(s->count <= s->capacity);
    arena_done(&s->arena);
    mem_free(s->items);
    mem_free(s);
}

void exemplars_close(struct exemplars *x)
{
    if (x == NULL) {
        return;
    }
    share_free(x->open);
    for (size_t i = 0; i < x->sealed_count; i++) {
        share_free(x->sealed[i]);
    }
    mem_free(x->sealed);
    sql_close(&x->sql);
    meter_done(&x->meter);
    (void)pthread_mutex_destroy(&x->lock);
    mem_free(x);
}

// ---- Adding -------------------------------------------------------------------------------------

static struct str kept_text(struct share *s, struct str before, struct str text)
{
    ASSERT(text.p != NULL || text.n == 0);
    if (before.p != NULL && str_eq(before, text)) {
        return before; // points of one series follow one another
    }
    s->bytes += text.n + 1;
    return arena_str(&s->arena, text);
}

static void put(struct share *s, const struct exemplar *e)
{
    static const struct exemplar none;
    const struct exemplar *before = s->count > 0 ? &s->items[s->count - 1] : &none;
    struct exemplar kept = *e;
    kept.line = kept_text(s, before->line, e->line);
    kept.name = kept_text(s, before->name, e->name);
    kept.labels = kept_text(s, before->labels, e->labels);
    s->items = mem_grow(s->items, &s->capacity, s->count + 1, sizeof *s->items);
    s->items[s->count++] = kept;
    s->bytes += sizeof kept;
    ASSERT(s->count <= s->capacity);
}

bool exemplars_add(struct exemplars *x, const struct exemplar *e)
{
    ASSERT(e->name.n > 0);
    MUST(pthread_mutex_lock(&x->lock) == 0);
    size_t before = x->open->bytes;
    size_t text_n = e->line.n + e->name.n + e->labels.n;
    // One of an infinite value would be the greatest of its slot for ever.
    bool fits = text_n <= EXEMPLARS_TEXT_MAX && !trace_id_is_zero(e->trace) && isfinite(e->value) &&
                x->bytes + sizeof *e + text_n + 3 <= x->bytes_max;
    if (fits) {
        put(x->open, e);
        x->bytes += x->open->bytes - before;
        meter_force(&x->meter, x->open->bytes - before);
    }
    x->stats.added += fits ? 1 : 0;
    x->stats.left_out += fits ? 0 : 1;
    MUST(pthread_mutex_unlock(&x->lock) == 0);
    return fits;
}

void exemplars_seal(struct exemplars *x, uint64_t seq)
{
    MUST(pthread_mutex_lock(&x->lock) == 0);
    if (x->open->count > 0) {
        x->open->seq = seq;
        x->sealed =
            mem_grow(x->sealed, &x->sealed_capacity, x->sealed_count + 1, sizeof *x->sealed);
        x->sealed[x->sealed_count++] = x->open;
        x->open = mem_new(1, sizeof *x->open);
    }
    ASSERT(x->open->count == 0);
    MUST(pthread_mutex_unlock(&x->lock) == 0);
}

void exemplars_stats(struct exemplars *x, struct exemplars_stats *ret_stats)
{
    MUST(pthread_mutex_lock(&x->lock) == 0);
    *ret_stats = x->stats;
    ret_stats->waiting = x->open->count;
    for (size_t i = 0; i < x->sealed_count; i++) {
        ASSERT(x->sealed[i]->seq > 0);
        ret_stats->waiting += x->sealed[i]->count;
    }
    MUST(pthread_mutex_unlock(&x->lock) == 0);
}

// ---- Writing ------------------------------------------------------------------------------------

static int by_slot(const struct exemplar *a, const struct exemplar *b)
{
    int order = str_cmp(a->name, b->name);
    order = order != 0 ? order : str_cmp(a->line, b->line);
    order = order != 0 ? order : str_cmp(a->labels, b->labels);
    uint64_t x = a->time_ms / EXEMPLARS_SLOT_MS, y = b->time_ms / EXEMPLARS_SLOT_MS;
    return order != 0 ? order : x < y ? -1 : x > y;
}

static int by_slot_and_value(const void *a, const void *b)
{
    const struct exemplar *x = *(const struct exemplar *const *)a;
    const struct exemplar *y = *(const struct exemplar *const *)b;
    int order = by_slot(x, y);
    return order != 0 ? order : x->value > y->value ? -1 : x->value < y->value;
}

static uint64_t hash_of(const struct exemplar *e)
{
    ASSERT(e->labels.p != NULL || e->labels.n == 0);
    return checksum(e->labels.p, e->labels.n) ^ checksum(e->line.p, e->line.n) * 3;
}

static void write_one(struct sql *sql, const struct exemplar *e)
{
    sqlite3_stmt *s = sql->statements[SQL_ADD];
    uint64_t bits;
    memcpy(&bits, &e->value, sizeof bits);
    ASSERT(e->name.n > 0);
    sql_bind_str(s, 1, e->name);
    sql_bind_u64(s, 2, e->time_ms);
    sql_bind_str(s, 3, (struct str){(const char *)e->trace.b, sizeof e->trace.b});
    sql_bind_str(s, 4, (struct str){(const char *)e->span.b, sizeof e->span.b});
    sql_bind_u64(s, 5, hash_of(e));
    sql_bind_str(s, 6, e->line);
    sql_bind_str(s, 7, e->labels);
    sql_bind_u64(s, 8, bits);
    sql_run(sql, SQL_ADD);
}

// The greatest of each slot. Returns how many.
static size_t write_all(struct sql *sql, const struct exemplar **items, size_t count)
{
    size_t written = 0, of_slot = 0;
    sort_array(items, count, sizeof *items, by_slot_and_value);
    for (size_t i = 0; i < count; i++) {
        of_slot = i > 0 && by_slot(items[i - 1], items[i]) == 0 ? of_slot + 1 : 0;
        if (of_slot < EXEMPLARS_OF_SLOT) {
            write_one(sql, items[i]);
            written++;
        }
    }
    ASSERT(written <= count);
    return written;
}

static void expire(struct exemplars *x, uint64_t believed_ms, size_t written)
{
    sqlite3_stmt *s = x->sql.statements[SQL_EXPIRE];
    ASSERT(x->keep_ms > 0);
    sql_bind_u64(s, 1, believed_ms > x->keep_ms ? believed_ms - x->keep_ms : 0);
    sql_bind_u64(s, 2, EXPIRED_MIN + 2 * written); // more than come, so that none stay behind
    sql_run(&x->sql, SQL_EXPIRE);
    sql_bind_u64(x->sql.statements[SQL_CUT], 1, x->count_max);
    sql_run(&x->sql, SQL_CUT);
}

static void forget(struct exemplars *x, size_t count)
{
    MUST(pthread_mutex_lock(&x->lock) == 0);
    for (size_t i = 0; i < count; i++) {
        x->bytes -= x->sealed[i]->bytes;
        meter_give(&x->meter, x->sealed[i]->bytes);
        share_free(x->sealed[i]);
    }
    x->sealed_count -= count;
    memmove(x->sealed, x->sealed + count, x->sealed_count * sizeof x->sealed[0]);
    MUST(pthread_mutex_unlock(&x->lock) == 0);
}

// Those that are sealed up to `seq`; the list is on the heap. They stay where they are: one writes.
static const struct exemplar **gather(struct exemplars *x, uint64_t seq, size_t *ret_shares,
                                      size_t *ret_count)
{
    size_t shares = 0, count = 0, n = 0;
    MUST(pthread_mutex_lock(&x->lock) == 0);
    for (; shares < x->sealed_count && x->sealed[shares]->seq <= seq; shares++) {
        count += x->sealed[shares]->count;
    }
    const struct exemplar **items = mem_alloc((count + 1) * sizeof *items);
    for (size_t i = 0; i < shares; i++) {
        for (size_t k = 0; k < x->sealed[i]->count; k++) {
            items[n++] = &x->sealed[i]->items[k];
        }
    }
    MUST(pthread_mutex_unlock(&x->lock) == 0);
    ASSERT(n == count);
    *ret_shares = shares;
    *ret_count = count;
    return items;
}

enum err exemplars_write(struct exemplars *x, uint64_t seq, uint64_t believed_ms)
{
    size_t shares, count;
    enum err e = ERR_OK;
    const struct exemplar **items = gather(x, seq, &shares, &count);
    if (shares > 0) {
        ASSERT(count > 0); // an empty one is not sealed
        sql_begin(&x->sql);
        expire(x, believed_ms, write_all(&x->sql, items, count));
        e = sql_end(&x->sql);
    }
    mem_free(items);
    if (e == ERR_OK && shares > 0) {
        forget(x, shares);
    }
    return e;
}

// ---- Finding ------------------------------------------------------------------------------------

// The best of a stretch, with its line and labels in a buffer that the next better one takes over.
struct stretch {
    struct exemplar best;
    struct buf text;
    bool has_any;
};

struct search {
    const struct exemplars_query *query;
    struct stretch *stretches; // query->max
};

static void bind_query(void *ctx, sqlite3_stmt *s)
{
    const struct search *f = ctx;
    ASSERT(f->query->name.n > 0);
    sql_bind_str(s, 1, f->query->name);
    sql_bind_u64(s, 2, f->query->from_ms);
    sql_bind_u64(s, 3, f->query->to_ms);
    sql_bind_u64(s, 4, EXEMPLARS_LOOKED_MAX);
}

static bool is_asked_for(const struct exemplars_query *q, struct str line, struct str labels)
{
    for (size_t i = 0; i < q->label_count; i++) {
        if (!str_eq(series_key_value(labels, q->labels[i].key), q->labels[i].value)) {
            return false;
        }
    }
    ASSERT(q->any_line || q->line.p != NULL || q->line.n == 0);
    return q->any_line || str_eq(q->line, line);
}

// Takes it where it is asked for and the greatest of its stretch.
static void look_at(struct search *f, const struct exemplar *e)
{
    const struct exemplars_query *q = f->query;
    if (e->time_ms < q->from_ms || e->time_ms >= q->to_ms || !is_asked_for(q, e->line, e->labels)) {
        return;
    }
    double place = (double)(e->time_ms - q->from_ms) / (double)(q->to_ms - q->from_ms);
    size_t at = (size_t)(place * (double)q->max);
    struct stretch *s = &f->stretches[at < q->max ? at : q->max - 1];
    if (!s->has_any || e->value > s->best.value) {
        s->has_any = true;
        s->best = *e;
        buf_clear(&s->text);
        buf_add_str(&s->text, e->line);
        buf_add_str(&s->text, e->labels);
    }
}

static void read_row(void *ctx, sqlite3_stmt *r)
{
    struct search *f = ctx;
    struct str trace = sql_str(r, 4), span = sql_str(r, 5);
    struct exemplar e = {.line = sql_str(r, 0), .labels = sql_str(r, 1), .time_ms = sql_u64(r, 2)};
    uint64_t bits = sql_u64(r, 3);
    memcpy(&e.value, &bits, sizeof e.value);
    if (trace.n == sizeof e.trace && span.n == sizeof e.span) {
        memcpy(&e.trace, trace.p, sizeof e.trace);
        memcpy(&e.span, span.p, sizeof e.span);
        look_at(f, &e);
    }
    ASSERT(f->stretches != NULL);
}

// What waits. An exemplar that was just written may be seen twice; it is the same.
static void look_at_share(struct search *f, const struct share *s)
{
    ASSERT(s->count <= s->capacity);
    for (size_t i = 0; i < s->count; i++) {
        if (str_eq(s->items[i].name, f->query->name)) {
            look_at(f, &s->items[i]);
        }
    }
}

static void give(struct stretch *s, struct str name,
                 void (*each)(void *ctx, const struct exemplar *e), void *ctx)
{
    struct str text = buf_str(&s->text);
    size_t line_n = s->best.line.n;
    ASSERT(text.n == line_n + s->best.labels.n || s->text.failed);
    if (!s->text.failed) {
        s->best.name = name;
        s->best.line = (struct str){text.p, line_n};
        s->best.labels = str_skip(text, line_n);
        each(ctx, &s->best);
    }
}

enum err exemplars_find(struct exemplars *x, const struct exemplars_query *q,
                        void (*each)(void *ctx, const struct exemplar *e), void *ctx)
{
    struct search f = {.query = q};
    ASSERT(q->max > 0 && q->max <= EXEMPLARS_FOUND_MAX);
    if (q->from_ms >= q->to_ms) {
        return ERR_OK;
    }
    f.stretches = mem_new(q->max, sizeof *f.stretches);
    for (size_t i = 0; i < q->max; i++) {
        buf_init(&f.stretches[i].text, EXEMPLARS_TEXT_MAX);
    }
    MUST(pthread_mutex_lock(&x->lock) == 0);
    for (size_t i = 0; i < x->sealed_count; i++) {
        look_at_share(&f, x->sealed[i]);
    }
    look_at_share(&f, x->open);
    MUST(pthread_mutex_unlock(&x->lock) == 0);
    enum err e = sql_each_bound(&x->sql, SQL_FIND, bind_query, read_row, &f);
    for (size_t i = 0; i < q->max; i++) {
        if (e == ERR_OK && f.stretches[i].has_any) {
            give(&f.stretches[i], q->name, each, ctx);
        }
        buf_done(&f.stretches[i].text);
    }
    mem_free(f.stretches);
    return e;
}
