// SPDX-License-Identifier: Apache-2.0
// Purpose: the queue on disk: its tables, and the steps of a delivery in them.
#include "notify/outbox.h"

#include <stdio.h>

#include "core/mem.h"
#include "core/must.h"
#include "os/sql.h"

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS channels(name BLOB PRIMARY KEY, open BLOB NOT NULL,"
    " sealed BLOB NOT NULL, sent INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0,"
    " given_up INTEGER NOT NULL DEFAULT 0, last_success_ms INTEGER NOT NULL DEFAULT 0,"
    " last_error_ms INTEGER NOT NULL DEFAULT 0, last_error BLOB NOT NULL DEFAULT '');"
    "CREATE TABLE IF NOT EXISTS deliveries(id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE,"
    " channel BLOB NOT NULL, incident BLOB NOT NULL, ending INTEGER NOT NULL, notice BLOB NOT NULL,"
    " state INTEGER NOT NULL, flying INTEGER NOT NULL, attempts INTEGER NOT NULL,"
    " refusals INTEGER NOT NULL, step INTEGER NOT NULL, lost INTEGER NOT NULL,"
    " repeat INTEGER NOT NULL, due_ms INTEGER NOT NULL, created_ms INTEGER NOT NULL,"
    " ended_ms INTEGER NOT NULL, error BLOB NOT NULL);"
    "CREATE INDEX IF NOT EXISTS waiting_due ON deliveries(channel, due_ms, id) WHERE state = 0;"
    "CREATE INDEX IF NOT EXISTS waiting_id ON deliveries(channel, id) WHERE state = 0;"
    "CREATE INDEX IF NOT EXISTS waiting_incident ON deliveries(channel, incident, ending, id)"
    " WHERE state = 0;"
    "CREATE INDEX IF NOT EXISTS of_incident ON deliveries(incident, id);"
    "CREATE INDEX IF NOT EXISTS ended ON deliveries(ended_ms) WHERE state > 0;"
    "CREATE INDEX IF NOT EXISTS failures ON deliveries(ended_ms) WHERE state = 2;";

// As stored.
enum state { STATE_WAITING = 0, STATE_SENT = 1, STATE_GIVEN_UP = 2 };

enum statement {
    SQL_SET_CHANNEL,
    SQL_REMOVE_CHANNEL,
    SQL_CHANNELS,
    SQL_SAVE_STATS,
    SQL_GIVE_UP_CHANNEL,
    SQL_PUT,
    SQL_DROP_OLDEST_OF,
    SQL_DROP_OLDEST,
    SQL_WAITING,
    SQL_ENDED,
    SQL_RESUME,
    SQL_CLAMP_DUE,
    SQL_CLAMP_CREATED,
    SQL_END,
    SQL_AGAIN,
    SQL_NEXT,
    SQL_POSTPONE,
    SQL_HURRY,
    SQL_PICK,
    SQL_CLAIM,
    SQL_NEXT_DUE,
    SQL_FORGET_OLD,
    SQL_FORGET_MANY,
    SQL_FAILURES,
    SQL_OF_INCIDENT,
    SQL_COUNT
};

#define DROP "UPDATE deliveries SET state = 2, ended_ms = ?, error = ? WHERE id = "
static const char *const texts[SQL_COUNT] = {
    [SQL_SET_CHANNEL] = "INSERT INTO channels(name, open, sealed) VALUES(?,?,?) ON CONFLICT(name)"
                        " DO UPDATE SET open = excluded.open, sealed = excluded.sealed",
    [SQL_REMOVE_CHANNEL] = "DELETE FROM channels WHERE name = ?",
    [SQL_CHANNELS] = "SELECT name, open, sealed, sent, failed, given_up, last_success_ms,"
                     " last_error_ms, last_error FROM channels ORDER BY name",
    [SQL_SAVE_STATS] = "UPDATE channels SET sent = ?, failed = ?, given_up = ?,"
                       " last_success_ms = ?, last_error_ms = ?, last_error = ? WHERE name = ?",
    [SQL_GIVE_UP_CHANNEL] = "UPDATE deliveries SET state = 2, flying = 0, ended_ms = ?, error = ?"
                            " WHERE channel = ? AND state = 0",
    [SQL_PUT] = "INSERT INTO deliveries(key, channel, incident, ending, notice, due_ms, created_ms,"
                " state, flying, attempts, refusals, step, lost, repeat, ended_ms, error)"
                " VALUES(?,?,?,?,?,?,?,0,0,0,0,0,0,0,0,'') ON CONFLICT(key) DO NOTHING",
    [SQL_DROP_OLDEST_OF] = DROP "(SELECT min(id) FROM deliveries WHERE channel = ? AND state = 0"
                                " AND flying = 0 AND id < ?) RETURNING channel, key",
    [SQL_DROP_OLDEST] = DROP "(SELECT min(id) FROM deliveries WHERE state = 0 AND flying = 0"
                             " AND id < ?) RETURNING channel, key",
    [SQL_WAITING] = "SELECT channel, count(*) FROM deliveries WHERE state = 0 GROUP BY channel",
    [SQL_ENDED] = "SELECT count(*) FROM deliveries WHERE state > 0",
    [SQL_RESUME] = "UPDATE deliveries SET flying = 0, repeat = 1, due_ms = ?"
                   " WHERE state = 0 AND flying = 1",
    [SQL_CLAMP_DUE] = "UPDATE deliveries SET due_ms = ?1 WHERE state = 0 AND due_ms > ?1 + ?2",
    [SQL_CLAMP_CREATED] = "UPDATE deliveries SET created_ms = ?1 WHERE state = 0"
                          " AND created_ms > ?1",
    // What was told may go; what was not may still be asked for.
    [SQL_END] = "UPDATE deliveries SET state = ?1, flying = 0, ended_ms = ?2, error = ?3,"
                " notice = CASE ?1 WHEN 1 THEN '' ELSE notice END WHERE id = ?4 AND state = 0",
    [SQL_AGAIN] = "UPDATE deliveries SET flying = 0, due_ms = ?, refusals = refusals + ?,"
                  " repeat = max(repeat, ?), error = ? WHERE id = ? AND state = 0",
    [SQL_NEXT] = "UPDATE deliveries SET flying = 0, attempts = 0, refusals = 0, repeat = 0,"
                 " step = step + 1, lost = lost + ?, due_ms = ?, created_ms = ?, error = ?"
                 " WHERE id = ? AND state = 0",
    [SQL_POSTPONE] = "UPDATE deliveries SET flying = 0, attempts = attempts - 1, due_ms = ?"
                     " WHERE id = ? AND state = 0",
    [SQL_HURRY] = "UPDATE deliveries SET due_ms = ?1 WHERE channel = ?2 AND state = 0"
                  " AND due_ms > ?1",
    [SQL_PICK] = "SELECT id, key, notice, attempts, refusals, step, lost, repeat, created_ms"
                 " FROM deliveries d WHERE channel = ? AND state = 0 AND due_ms <= ? AND flying = 0"
                 " AND (incident = x'' OR NOT EXISTS (SELECT 1 FROM deliveries e"
                 " WHERE e.channel = d.channel AND e.incident = d.incident"
                 " AND e.ending = 1 - d.ending AND e.state = 0 AND e.id < d.id))"
                 " ORDER BY due_ms, id LIMIT ?",
    [SQL_CLAIM] = "UPDATE deliveries SET flying = 1, attempts = attempts + 1 WHERE id = ?",
    [SQL_NEXT_DUE] = "SELECT min(due_ms) FROM deliveries WHERE channel = ? AND state = 0"
                     " AND flying = 0 AND due_ms > ?",
    [SQL_FORGET_OLD] = "DELETE FROM deliveries WHERE state > 0 AND ended_ms < ?",
    [SQL_FORGET_MANY] = "DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries"
                        " WHERE state > 0 ORDER BY ended_ms LIMIT ?)",
    [SQL_FAILURES] = "SELECT channel, key, error, attempts, created_ms, ended_ms FROM deliveries"
                     " WHERE state = 2 ORDER BY ended_ms DESC, id DESC LIMIT ?",
    [SQL_OF_INCIDENT] = "SELECT channel, error, ending, state, attempts, created_ms, ended_ms"
                        " FROM deliveries WHERE incident = ? ORDER BY id LIMIT ?",
};

struct entry {
    struct str name; // on the heap
    struct outbox_stats stats;
};

struct drop {
    struct str channel, key;
};

struct outbox {
    struct outbox_options options;
    struct sql sql;
    pthread_mutex_t lock; // of all that follows, and around each transaction
    struct entry entries[OUTBOX_CHANNELS_MAX];
    size_t count;
    bool stale; // what follows, and the entries, could not be read again
    size_t waiting, ended;
    uint64_t overflowed;
    struct arena drops_arena; // of the transaction that runs
    struct drop *drops;
    size_t drop_count, drop_capacity;
};

static void lock(struct outbox *o)
{
    MUST(pthread_mutex_lock(&o->lock) == 0);
}

static void unlock(struct outbox *o)
{
    MUST(pthread_mutex_unlock(&o->lock) == 0);
}

static struct entry *entry_of(struct outbox *o, struct str name)
{
    ASSERT(o->count <= OUTBOX_CHANNELS_MAX);
    for (size_t i = 0; i < o->count; i++) {
        if (str_eq(o->entries[i].name, name)) {
            return &o->entries[i];
        }
    }
    return NULL;
}

static sqlite3_stmt *statement(struct outbox *o, enum statement which)
{
    ASSERT(which < SQL_COUNT);
    return o->sql.statements[which];
}

// The number of rows that it changed.
static size_t run(struct outbox *o, enum statement which)
{
    ASSERT(o->sql.db != NULL);
    sql_run(&o->sql, which);
    return o->sql.failed == ERR_OK ? (size_t)sqlite3_changes(o->sql.db) : 0;
}

// Each row of a statement whose values are bound, in a transaction.
static void each_row(struct outbox *o, enum statement which,
                     void (*row)(void *ctx, sqlite3_stmt *r), void *ctx)
{
    sqlite3_stmt *s = statement(o, which);
    int code = SQLITE_DONE;
    ASSERT(sqlite3_get_autocommit(o->sql.db) == 0 || o->sql.failed != ERR_OK);
    while (o->sql.failed == ERR_OK && (code = sqlite3_step(s)) == SQLITE_ROW) {
        row(ctx, s);
    }
    o->sql.failed = o->sql.failed == ERR_OK ? sql_err(code) : o->sql.failed;
    (void)sqlite3_reset(s);
    (void)sqlite3_clear_bindings(s);
}

static void set_error(struct outbox_stats *s, uint64_t now_ms, struct str error)
{
    struct str cut = str_cut(error, sizeof s->last_error - 1);
    ASSERT(cut.n < sizeof s->last_error);
    if (cut.n > 0) {
        memcpy(s->last_error, cut.p, cut.n);
    }
    s->last_error[cut.n] = 0;
    s->last_error_ms = now_ms;
}

// ---- What is counted ----------------------------------------------------------------------------

static void forget_entries(struct outbox *o)
{
    ASSERT(o->count <= OUTBOX_CHANNELS_MAX);
    for (size_t i = 0; i < o->count; i++) {
        mem_free((void *)(uintptr_t)o->entries[i].name.p);
    }
    o->count = 0;
    o->waiting = 0;
}

static void add_entry(struct outbox *o, struct str name, const struct outbox_stats *stats)
{
    MUST(o->count < OUTBOX_CHANNELS_MAX);
    char *copy = mem_alloc(name.n + 1);
    memcpy(copy, name.p, name.n);
    o->entries[o->count++] = (struct entry){{copy, name.n}, *stats};
}

static void read_entry(void *ctx, sqlite3_stmt *r)
{
    struct outbox *o = ctx;
    struct outbox_stats s = {.sent = sql_u64(r, 3),
                             .failed = sql_u64(r, 4),
                             .given_up = sql_u64(r, 5),
                             .last_success_ms = sql_u64(r, 6)};
    set_error(&s, sql_u64(r, 7), sql_str(r, 8));
    ASSERT(o->sql.db != NULL);
    if (o->count < OUTBOX_CHANNELS_MAX) {
        add_entry(o, sql_str(r, 0), &s);
    }
}

static void read_waiting(void *ctx, sqlite3_stmt *r)
{
    struct outbox *o = ctx;
    struct entry *e = entry_of(o, sql_str(r, 0));
    ASSERT(sqlite3_column_count(r) == 2);
    if (e != NULL) {
        e->stats.waiting = sql_u64(r, 1);
    }
    o->waiting += sql_u64(r, 1);
}

static void read_ended(void *ctx, sqlite3_stmt *r)
{
    struct outbox *o = ctx;
    ASSERT(sqlite3_column_count(r) == 1);
    o->ended = sql_u64(r, 0);
}

// As the disk has it: at the start, and after a transaction that failed.
static enum err load(struct outbox *o)
{
    forget_entries(o);
    ASSERT(o->count == 0);
    enum err e = sql_each(&o->sql, SQL_CHANNELS, 0, read_entry, o);
    e = e == ERR_OK ? sql_each(&o->sql, SQL_WAITING, 0, read_waiting, o) : e;
    return e == ERR_OK ? sql_each(&o->sql, SQL_ENDED, 0, read_ended, o) : e;
}

static void save_stats(struct outbox *o, const struct entry *e)
{
    sqlite3_stmt *s = statement(o, SQL_SAVE_STATS);
    const struct outbox_stats *x = &e->stats;
    const uint64_t numbers[] = {x->sent, x->failed, x->given_up, x->last_success_ms,
                                x->last_error_ms};
    ASSERT(e->name.n > 0);
    for (int i = 0; i < 5; i++) {
        sql_bind_u64(s, i + 1, numbers[i]);
    }
    sql_bind_str(s, 6, str_of(x->last_error));
    sql_bind_str(s, 7, e->name);
    (void)run(o, SQL_SAVE_STATS);
}

// Locks; ERR_IO and the like, unlocked, where what the memory holds of the disk could not be read.
static enum err enter(struct outbox *o)
{
    lock(o);
    enum err e = o->stale ? load(o) : ERR_OK;
    ASSERT(o->drop_count == 0);
    o->stale = e != ERR_OK;
    if (e != ERR_OK) {
        unlock(o);
    }
    return e;
}

// Ends the transaction; then tells of what was given up for want of room, in no lock.
static enum err finish(struct outbox *o)
{
    enum err e = sql_end(&o->sql);
    if (e != ERR_OK) {
        o->stale = load(o) != ERR_OK;
        o->drop_count = 0;
    }
    struct arena arena = o->drops_arena;
    struct drop *drops = o->drops;
    size_t count = o->drop_count;
    ASSERT(count <= o->drop_capacity || count == 0);
    o->drops_arena = (struct arena){0};
    o->drops = NULL;
    o->drop_count = o->drop_capacity = 0;
    o->overflowed += count;
    unlock(o);
    for (size_t i = 0; i < count && o->options.given_up != NULL; i++) {
        o->options.given_up(o->options.ctx, drops[i].channel, drops[i].key,
                            STR("Too many deliveries wait."));
    }
    mem_free(drops);
    arena_done(&arena);
    return e;
}

// ---- Opening ------------------------------------------------------------------------------------

// What flew when the process ended may have been delivered.
static enum err resume(struct outbox *o, uint64_t now_ms)
{
    ASSERT(o->sql.db != NULL);
    sql_begin(&o->sql);
    sql_bind_u64(statement(o, SQL_RESUME), 1, now_ms);
    (void)run(o, SQL_RESUME);
    sql_bind_u64(statement(o, SQL_CLAMP_DUE), 1, now_ms);
    sql_bind_u64(statement(o, SQL_CLAMP_DUE), 2, OUTBOX_DUE_MS_MAX);
    (void)run(o, SQL_CLAMP_DUE);
    sql_bind_u64(statement(o, SQL_CLAMP_CREATED), 1, now_ms);
    (void)run(o, SQL_CLAMP_CREATED);
    return sql_end(&o->sql);
}

enum err outbox_open(const struct outbox_options *options, struct outbox **ret_outbox,
                     struct err_at *ret_at)
{
    const struct sql_options s = {options->path, options->vfs, OUTBOX_VERSION,
                                  schema,        texts,        SQL_COUNT};
    struct outbox *o = mem_new(1, sizeof *o);
    MUST(options->path != NULL && options->waiting_max > 0);
    o->options = *options;
    enum err e = sql_open(&o->sql, &s, ret_at);
    if (e != ERR_OK) {
        mem_free(o);
        return e;
    }
    MUST(pthread_mutex_init(&o->lock, NULL) == 0);
    e = o->sql.version == 0 ? sql_set_version(&o->sql, OUTBOX_VERSION) : ERR_OK;
    e = e == ERR_OK ? resume(o, options->now_ms) : e;
    e = e == ERR_OK ? load(o) : e;
    if (e != ERR_OK) {
        outbox_close(o);
        return err_at_set(ret_at, e, 0, "The deliveries cannot be read: %s.", err_text(e));
    }
    *ret_outbox = o;
    return ERR_OK;
}

void outbox_close(struct outbox *o)
{
    if (o == NULL) {
        return;
    }
    ASSERT(o->drop_count == 0);
    sql_close(&o->sql);
    forget_entries(o);
    MUST(pthread_mutex_destroy(&o->lock) == 0);
    mem_free(o);
}

// ---- Channels -----------------------------------------------------------------------------------

enum err outbox_set_channels(struct outbox *o, const struct outbox_channel *channels, size_t count)
{
    const struct outbox_stats none = {0};
    ASSERT(channels != NULL || count == 0);
    enum err e = enter(o);
    if (e != ERR_OK) {
        return e;
    }
    sql_begin(&o->sql);
    for (size_t i = 0; i < count && o->sql.failed == ERR_OK; i++) {
        const struct outbox_channel *c = &channels[i];
        MUST(c->name.n > 0 && c->name.n <= CHANNEL_NAME_BYTES_MAX);
        if (entry_of(o, c->name) == NULL) {
            if (o->count == OUTBOX_CHANNELS_MAX) {
                o->sql.failed = ERR_LIMIT; // finish() takes back those before
                break;
            }
            add_entry(o, c->name, &none);
        }
        sqlite3_stmt *s = statement(o, SQL_SET_CHANNEL);
        sql_bind_str(s, 1, c->name);
        sql_bind_str(s, 2, c->open);
        sql_bind_str(s, 3, c->sealed);
        (void)run(o, SQL_SET_CHANNEL);
    }
    return finish(o);
}

enum err outbox_remove_channel(struct outbox *o, struct str name, uint64_t now_ms)
{
    enum err entered = enter(o);
    if (entered != ERR_OK) {
        return entered;
    }
    struct entry *e = entry_of(o, name);
    if (e == NULL) {
        unlock(o);
        return ERR_NOT_FOUND;
    }
    sql_begin(&o->sql);
    sql_bind_str(statement(o, SQL_REMOVE_CHANNEL), 1, name);
    (void)run(o, SQL_REMOVE_CHANNEL);
    sqlite3_stmt *s = statement(o, SQL_GIVE_UP_CHANNEL);
    sql_bind_u64(s, 1, now_ms);
    sql_bind_str(s, 2, STR("The channel was removed."));
    sql_bind_str(s, 3, name);
    size_t ended = run(o, SQL_GIVE_UP_CHANNEL);
    o->ended += ended;
    ASSERT(o->waiting >= ended);
    o->waiting -= ended;
    mem_free((void *)(uintptr_t)e->name.p);
    *e = o->entries[--o->count];
    return finish(o);
}

struct channels {
    void (*each)(void *ctx, struct str name, struct str open, struct str sealed);
    void *ctx;
};

static void read_channel(void *ctx, sqlite3_stmt *r)
{
    const struct channels *c = ctx;
    ASSERT(c->each != NULL);
    c->each(c->ctx, sql_str(r, 0), sql_str(r, 1), sql_str(r, 2));
}

enum err outbox_each_channel(struct outbox *o,
                             void (*each)(void *ctx, struct str name, struct str open,
                                          struct str sealed),
                             void *ctx)
{
    struct channels c = {each, ctx};
    ASSERT(each != NULL);
    return sql_each(&o->sql, SQL_CHANNELS, 0, read_channel, &c);
}

bool outbox_channel_stats(struct outbox *o, struct str name, struct outbox_stats *ret_stats)
{
    ASSERT(ret_stats != NULL);
    lock(o);
    const struct entry *e = entry_of(o, name);
    if (e != NULL) {
        *ret_stats = e->stats;
    }
    unlock(o);
    return e != NULL;
}

// ---- Putting ------------------------------------------------------------------------------------

static void on_dropped(void *ctx, sqlite3_stmt *r)
{
    struct outbox *o = ctx;
    struct str channel = arena_str(&o->drops_arena, sql_str(r, 0));
    struct str key = arena_str(&o->drops_arena, sql_str(r, 1));
    struct entry *e = entry_of(o, channel);
    ASSERT(o->waiting > 0);
    o->drops = mem_grow(o->drops, &o->drop_capacity, o->drop_count + 1, sizeof *o->drops);
    o->drops[o->drop_count++] = (struct drop){channel, key};
    o->waiting--;
    o->ended++;
    if (e != NULL) {
        e->stats.waiting--;
        e->stats.given_up++;
    }
}

// One that was put before the newest.
static void drop(struct outbox *o, enum statement which, uint64_t now_ms, struct str channel)
{
    sqlite3_stmt *s = statement(o, which);
    int at = 3;
    ASSERT(which == SQL_DROP_OLDEST || which == SQL_DROP_OLDEST_OF);
    sql_bind_u64(s, 1, now_ms);
    sql_bind_str(s, 2, STR("Too many deliveries wait."));
    if (which == SQL_DROP_OLDEST_OF) {
        sql_bind_str(s, at++, channel);
    }
    sql_bind_u64(s, at, (uint64_t)sqlite3_last_insert_rowid(o->sql.db));
    each_row(o, which, on_dropped, o);
}

static void make_room(struct outbox *o, uint64_t now_ms, struct entry *e)
{
    size_t before = o->drop_count;
    if (o->waiting < o->options.waiting_max) {
        return;
    }
    ASSERT(e != NULL);
    drop(o, SQL_DROP_OLDEST_OF, now_ms, e->name);
    if (o->drop_count == before) {
        drop(o, SQL_DROP_OLDEST, now_ms, STR(""));
    }
    for (size_t i = before; i < o->drop_count; i++) {
        struct entry *of = entry_of(o, o->drops[i].channel);
        if (of != NULL) {
            save_stats(o, of);
        }
    }
}

static enum outbox_taken put(struct outbox *o, uint64_t now_ms, const struct outbox_item *item)
{
    sqlite3_stmt *s = statement(o, SQL_PUT);
    struct entry *e = entry_of(o, item->channel);
    MUST(item->key.n > 0 && item->key.n <= OUTBOX_KEY_BYTES_MAX);
    if (e == NULL) {
        return OUTBOX_NO_CHANNEL;
    }
    sql_bind_str(s, 1, item->key);
    sql_bind_str(s, 2, item->channel);
    sql_bind_str(s, 3, item->incident);
    sql_bind_u64(s, 4, item->ending ? 1 : 0);
    sql_bind_str(s, 5, item->notice);
    sql_bind_u64(s, 6, now_ms);
    sql_bind_u64(s, 7, now_ms);
    if (run(o, SQL_PUT) == 0) {
        return OUTBOX_KNOWN;
    }
    make_room(o, now_ms, e);
    e->stats.waiting++;
    o->waiting++;
    return OUTBOX_TAKEN;
}

enum err outbox_put(struct outbox *o, uint64_t now_ms, const struct outbox_item *items,
                    size_t count, enum outbox_taken *ret_taken)
{
    ASSERT(items != NULL || count == 0);
    enum err e = enter(o);
    if (e != ERR_OK) {
        return e;
    }
    enum outbox_taken *taken = mem_new(count + 1, sizeof *taken);
    sql_begin(&o->sql);
    for (size_t i = 0; i < count && o->sql.failed == ERR_OK; i++) {
        taken[i] = put(o, now_ms, &items[i]);
    }
    e = finish(o);
    if (e == ERR_OK) {
        memcpy(ret_taken, taken, count * sizeof *taken);
    }
    mem_free(taken);
    return e;
}

// ---- A turn -------------------------------------------------------------------------------------

static size_t end_delivery(struct outbox *o, uint64_t now_ms, const struct outbox_outcome *x)
{
    sqlite3_stmt *s = statement(o, SQL_END);
    bool sent = x->what == OUTBOX_SENT;
    ASSERT(sent || x->what == OUTBOX_GIVEN_UP);
    sql_bind_u64(s, 1, sent ? STATE_SENT : STATE_GIVEN_UP);
    sql_bind_u64(s, 2, now_ms);
    sql_bind_str(s, 3, str_of(x->error));
    sql_bind_u64(s, 4, x->id);
    size_t changed = run(o, SQL_END);
    o->waiting -= changed;
    o->ended += changed;
    return changed;
}

static void go_on(struct outbox *o, uint64_t now_ms, const struct outbox_outcome *x)
{
    bool next = x->what == OUTBOX_NEXT, postponed = x->what == OUTBOX_POSTPONED;
    enum statement which = next ? SQL_NEXT : postponed ? SQL_POSTPONE : SQL_AGAIN;
    sqlite3_stmt *s = statement(o, which);
    int at = 1;
    ASSERT(next || postponed || x->what == OUTBOX_AGAIN);
    if (next) {
        sql_bind_u64(s, at++, x->lost ? 1 : 0);
        sql_bind_u64(s, at++, now_ms);
        sql_bind_u64(s, at++, now_ms);
    } else {
        sql_bind_u64(s, at++, x->due_ms);
    }
    if (which == SQL_AGAIN) {
        sql_bind_u64(s, at++, x->refused ? 1 : 0);
        sql_bind_u64(s, at++, x->repeat ? 1 : 0);
    }
    if (!postponed) {
        sql_bind_str(s, at++, str_of(x->error));
    }
    sql_bind_u64(s, at, x->id);
    (void)run(o, which);
}

static void record(struct outbox *o, uint64_t now_ms, const struct outbox_outcome *x)
{
    struct entry *e = entry_of(o, x->channel);
    bool ends = x->what == OUTBOX_SENT || x->what == OUTBOX_GIVEN_UP;
    size_t ended = ends ? end_delivery(o, now_ms, x) : 0;
    if (!ends) {
        go_on(o, now_ms, x);
    }
    if (e == NULL) {
        return; // removed while it flew
    }
    ASSERT(e->stats.waiting >= ended);
    e->stats.waiting -= ended;
    e->stats.sent += x->what == OUTBOX_SENT ? ended : 0;
    e->stats.given_up += x->what == OUTBOX_GIVEN_UP ? ended : 0;
    e->stats.failed += x->failed ? 1 : 0;
    if (x->error[0] != 0) {
        set_error(&e->stats, now_ms, str_of(x->error));
    }
    if (!x->failed && (x->what == OUTBOX_SENT || x->what == OUTBOX_NEXT)) {
        e->stats.last_success_ms = now_ms;
    }
    if (x->what != OUTBOX_POSTPONED) {
        save_stats(o, e);
    }
}

struct picking {
    struct arena *arena;
    struct str channel;
    struct outbox_delivery *deliveries;
    size_t count;
};

static void on_picked(void *ctx, sqlite3_stmt *r)
{
    struct picking *p = ctx;
    ASSERT(p->arena != NULL);
    p->deliveries[p->count++] = (struct outbox_delivery){
        .id = sql_u64(r, 0),
        .channel = arena_str(p->arena, p->channel),
        .key = arena_str(p->arena, sql_str(r, 1)),
        .notice = arena_str(p->arena, sql_str(r, 2)),
        .attempts = sql_u64(r, 3) + 1,
        .refusals = sql_u64(r, 4),
        .step = sql_u64(r, 5),
        .lost = sql_u64(r, 6),
        .repeat = sql_u64(r, 7) != 0,
        .created_ms = sql_u64(r, 8),
    };
}

static void on_next_due(void *ctx, sqlite3_stmt *r)
{
    uint64_t *next_ms = ctx;
    ASSERT(sqlite3_column_count(r) == 1);
    *next_ms = sqlite3_column_type(r, 0) == SQLITE_NULL ? UINT64_MAX : sql_u64(r, 0);
}

static void claim(struct outbox *o, uint64_t now_ms, struct outbox_wish *w, struct picking *p)
{
    size_t from = p->count;
    sqlite3_stmt *s;
    ASSERT(w->channel.n > 0);
    if (w->hurry) {
        s = statement(o, SQL_HURRY);
        sql_bind_u64(s, 1, now_ms);
        sql_bind_str(s, 2, w->channel);
        (void)run(o, SQL_HURRY);
    }
    if (w->count > 0) {
        s = statement(o, SQL_PICK);
        sql_bind_str(s, 1, w->channel);
        sql_bind_u64(s, 2, now_ms);
        sql_bind_u64(s, 3, w->count);
        p->channel = w->channel;
        each_row(o, SQL_PICK, on_picked, p);
    }
    for (size_t i = from; i < p->count; i++) {
        sql_bind_u64(statement(o, SQL_CLAIM), 1, p->deliveries[i].id);
        (void)run(o, SQL_CLAIM);
    }
    s = statement(o, SQL_NEXT_DUE);
    sql_bind_str(s, 1, w->channel);
    sql_bind_u64(s, 2, now_ms);
    each_row(o, SQL_NEXT_DUE, on_next_due, &w->ret_next_ms);
}

enum err outbox_turn(struct outbox *o, uint64_t now_ms, const struct outbox_outcome *outcomes,
                     size_t outcome_count, struct outbox_wish *wishes, size_t wish_count,
                     struct arena *a, struct outbox_delivery *ret_deliveries, size_t *ret_count)
{
    struct picking p = {.arena = a, .deliveries = ret_deliveries};
    ASSERT(ret_count != NULL);
    enum err e = enter(o);
    if (e != ERR_OK) {
        return e;
    }
    sql_begin(&o->sql);
    for (size_t i = 0; i < outcome_count; i++) {
        record(o, now_ms, &outcomes[i]);
    }
    for (size_t i = 0; i < wish_count; i++) {
        claim(o, now_ms, &wishes[i], &p);
    }
    e = finish(o);
    if (e == ERR_OK) {
        *ret_count = p.count;
    }
    return e;
}

// ---- The rest -----------------------------------------------------------------------------------

enum err outbox_forget(struct outbox *o, uint64_t now_ms)
{
    ASSERT(o->sql.db != NULL);
    enum err e = enter(o);
    if (e != ERR_OK) {
        return e;
    }
    sql_begin(&o->sql);
    sql_bind_u64(statement(o, SQL_FORGET_OLD), 1,
                 now_ms > OUTBOX_KEPT_MS ? now_ms - OUTBOX_KEPT_MS : 0);
    o->ended -= run(o, SQL_FORGET_OLD);
    if (o->ended > OUTBOX_ENDED_MAX) {
        sql_bind_u64(statement(o, SQL_FORGET_MANY), 1, o->ended - OUTBOX_ENDED_MAX);
        o->ended -= run(o, SQL_FORGET_MANY);
    }
    return finish(o);
}

struct failures {
    void (*each)(void *ctx, const struct outbox_failure *f);
    void *ctx;
};

static void read_failure(void *ctx, sqlite3_stmt *r)
{
    const struct failures *x = ctx;
    const struct outbox_failure f = {.channel = sql_str(r, 0),
                                     .key = sql_str(r, 1),
                                     .error = sql_str(r, 2),
                                     .attempts = sql_u64(r, 3),
                                     .created_ms = sql_u64(r, 4),
                                     .ended_ms = sql_u64(r, 5)};
    ASSERT(x->each != NULL);
    x->each(x->ctx, &f);
}

enum err outbox_each_failure(struct outbox *o, size_t count,
                             void (*each)(void *ctx, const struct outbox_failure *f), void *ctx)
{
    struct failures x = {each, ctx};
    ASSERT(each != NULL && count <= OUTBOX_ENDED_MAX);
    return sql_each(&o->sql, SQL_FAILURES, count, read_failure, &x);
}

struct of_incident {
    struct str incident;
    void (*each)(void *ctx, const struct outbox_of_incident *d);
    void *ctx;
};

static void bind_incident(void *ctx, sqlite3_stmt *s)
{
    const struct of_incident *x = ctx;
    ASSERT(x->each != NULL);
    sql_bind_str(s, 1, x->incident);
    sql_bind_u64(s, 2, OUTBOX_OF_INCIDENT_MAX);
}

static void read_of_incident(void *ctx, sqlite3_stmt *r)
{
    static const enum outbox_state states[] = {[STATE_WAITING] = OUTBOX_IS_WAITING,
                                               [STATE_SENT] = OUTBOX_IS_SENT,
                                               [STATE_GIVEN_UP] = OUTBOX_IS_GIVEN_UP};
    const struct of_incident *x = ctx;
    uint64_t state = sql_u64(r, 3);
    ASSERT(x->each != NULL);
    if (state > STATE_GIVEN_UP) {
        return; // a damaged row
    }
    const struct outbox_of_incident d = {.channel = sql_str(r, 0),
                                         .error = sql_str(r, 1),
                                         .ending = sql_u64(r, 2) != 0,
                                         .state = states[state],
                                         .attempts = sql_u64(r, 4),
                                         .created_ms = sql_u64(r, 5),
                                         .ended_ms = sql_u64(r, 6)};
    x->each(x->ctx, &d);
}

enum err outbox_each_of_incident(struct outbox *o, struct str incident,
                                 void (*each)(void *ctx, const struct outbox_of_incident *d),
                                 void *ctx)
{
    struct of_incident x = {incident, each, ctx};
    ASSERT(each != NULL && incident.n > 0);
    return sql_each_bound(&o->sql, SQL_OF_INCIDENT, bind_incident, read_of_incident, &x);
}

size_t outbox_waiting(struct outbox *o)
{
    ASSERT(o != NULL);
    lock(o);
    size_t waiting = o->waiting;
    unlock(o);
    return waiting;
}

uint64_t outbox_overflowed(struct outbox *o)
{
    ASSERT(o != NULL);
    lock(o);
    uint64_t overflowed = o->overflowed;
    unlock(o);
    return overflowed;
}
