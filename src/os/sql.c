// SPDX-License-Identifier: Apache-2.0
// Purpose: SQLite as catalogs use it.
#include "os/sql.h"

#include <stdio.h>

#include "core/mem.h"
#include "core/must.h"

enum err sql_err(int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_DONE:
    case SQLITE_ROW:
        return ERR_OK;
    case SQLITE_FULL:
        return ERR_FULL;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_CORRUPT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_BUSY;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
        return ERR_DENIED;
    default:
        return ERR_IO;
    }
}

int sql_text(sqlite3 *db, const char *text)
{
    ASSERT(db != NULL && text != NULL);
    return sqlite3_exec(db, text, NULL, NULL, NULL);
}

int sql_version(sqlite3 *db, int *ret_version)
{
    sqlite3_stmt *s;
    ASSERT(ret_version != NULL);
    int code = sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &s, NULL);
    if (code == SQLITE_OK) {
        code = sqlite3_step(s);
        *ret_version = sqlite3_column_int(s, 0);
        (void)sqlite3_finalize(s);
    }
    return code;
}

static enum err prepare(struct sql *s, const struct sql_options *o, struct err_at *at)
{
    (void)sqlite3_busy_timeout(s->db, SQL_BUSY_TIMEOUT_MS);
    ASSERT(o->schema != NULL);
    // Without shared memory, which only the machine's own disk has, a write-ahead log needs the
    // exclusive mode, from the first look on.
    int code = o->vfs != NULL ? sql_text(s->db, "PRAGMA locking_mode = EXCLUSIVE") : SQLITE_OK;
    code = code == SQLITE_OK ? sql_version(s->db, &s->version) : code;
    if (sql_err(code) == ERR_OK && s->version > o->version_max) {
        return err_at_set(at, ERR_UNSUPPORTED, 0, "%s has version %d, not %d.", o->path, s->version,
                          o->version_max);
    }
    const char *const steps[] = {"PRAGMA temp_store = MEMORY", "PRAGMA journal_mode = WAL",
                                 "PRAGMA synchronous = FULL", "PRAGMA cache_size = -1024",
                                 o->schema};
    for (size_t i = 0; i < sizeof steps / sizeof *steps && sql_err(code) == ERR_OK; i++) {
        code = sql_text(s->db, steps[i]);
    }
    for (size_t i = 0; i < o->count && sql_err(code) == ERR_OK; i++) {
        code = sqlite3_prepare_v3(s->db, o->texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                                  &s->statements[i], NULL);
    }
    enum err e = sql_err(code);
    return e == ERR_OK
               ? ERR_OK
               : err_at_set(at, e, 0, "%s cannot be used: %s.", o->path, sqlite3_errmsg(s->db));
}

enum err sql_open(struct sql *s, const struct sql_options *o, struct err_at *ret_at)
{
    ASSERT(o->path != NULL && o->texts != NULL);
    *s = (struct sql){.count = o->count};
    MUST(pthread_mutex_init(&s->lock, NULL) == 0);
    s->statements = mem_new(o->count, sizeof(sqlite3_stmt *));
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int code = sqlite3_open_v2(o->path, &s->db, flags, o->vfs);
    enum err e = sql_err(code);
    e = e == ERR_OK
            ? prepare(s, o, ret_at)
            : err_at_set(ret_at, e, 0, "%s cannot be opened: %s.", o->path, sqlite3_errstr(code));
    if (e != ERR_OK) {
        sql_close(s);
    }
    return e;
}

void sql_close(struct sql *s)
{
    ASSERT(s->db == NULL || sqlite3_get_autocommit(s->db) != 0);
    for (size_t i = 0; i < s->count; i++) {
        (void)sqlite3_finalize(s->statements[i]);
    }
    int code = sqlite3_close(s->db);
    MUST(code == SQLITE_OK);
    (void)pthread_mutex_destroy(&s->lock);
    mem_free(s->statements);
    *s = (struct sql){0};
}

enum err sql_set_version(struct sql *s, int version)
{
    char text[48];
    ASSERT(version > 0);
    (void)snprintf(text, sizeof text, "PRAGMA user_version = %d", version);
    return sql_err(sql_text(s->db, text));
}

static void run(struct sql *s, sqlite3_stmt *statement)
{
    ASSERT(statement != NULL);
    if (s->failed == ERR_OK) {
        s->failed = sql_err(sqlite3_step(statement));
    }
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
}

void sql_begin(struct sql *s)
{
    int code = pthread_mutex_lock(&s->lock);
    MUST(code == 0);
    s->failed = sql_err(sql_text(s->db, "BEGIN IMMEDIATE"));
}

void sql_bind_u64(sqlite3_stmt *statement, int at, uint64_t v)
{
    ASSERT(statement != NULL && at > 0);
    int code = sqlite3_bind_int64(statement, at, (sqlite3_int64)v);
    MUST(code == SQLITE_OK);
}

void sql_bind_str(sqlite3_stmt *statement, int at, struct str v)
{
    ASSERT(at > 0 && (v.p != NULL || v.n == 0));
    int code = sqlite3_bind_blob64(statement, at, v.n > 0 ? v.p : "", v.n, SQLITE_STATIC);
    MUST(code == SQLITE_OK);
}

void sql_run(struct sql *s, size_t which)
{
    ASSERT(which < s->count);
    run(s, s->statements[which]);
}

enum err sql_undo(struct sql *s)
{
    ASSERT(s->db != NULL);
    enum err e = s->failed;
    if (sqlite3_get_autocommit(s->db) == 0) {
        (void)sql_text(s->db, "ROLLBACK");
        MUST(sqlite3_get_autocommit(s->db) != 0);
    }
    (void)pthread_mutex_unlock(&s->lock);
    return e;
}

enum err sql_end(struct sql *s)
{
    ASSERT(s->db != NULL);
    if (s->failed == ERR_OK) {
        s->failed = sql_err(sql_text(s->db, "COMMIT"));
    }
    return sql_undo(s); // nothing, where it is committed
}

enum err sql_each_bound(struct sql *s, size_t which,
                        void (*bind)(void *ctx, sqlite3_stmt *statement),
                        void (*row)(void *ctx, sqlite3_stmt *r), void *ctx)
{
    ASSERT(which < s->count && row != NULL);
    int code = pthread_mutex_lock(&s->lock);
    MUST(code == 0);
    sqlite3_stmt *r = s->statements[which];
    bind(ctx, r);
    while ((code = sqlite3_step(r)) == SQLITE_ROW) {
        row(ctx, r);
    }
    (void)sqlite3_reset(r);
    (void)sqlite3_clear_bindings(r);
    (void)pthread_mutex_unlock(&s->lock);
    return sql_err(code);
}

struct each {
    uint64_t parameter;
    void (*row)(void *ctx, sqlite3_stmt *r);
    void *ctx;
};

static void bind_parameter(void *ctx, sqlite3_stmt *statement)
{
    const struct each *e = ctx;
    ASSERT(sqlite3_bind_parameter_count(statement) <= 1);
    if (sqlite3_bind_parameter_count(statement) > 0) {
        sql_bind_u64(statement, 1, e->parameter);
    }
}

static void each_row(void *ctx, sqlite3_stmt *r)
{
    const struct each *e = ctx;
    ASSERT(e->row != NULL);
    e->row(e->ctx, r);
}

enum err sql_each(struct sql *s, size_t which, uint64_t parameter,
                  void (*row)(void *ctx, sqlite3_stmt *r), void *ctx)
{
    struct each e = {parameter, row, ctx};
    ASSERT(row != NULL);
    return sql_each_bound(s, which, bind_parameter, each_row, &e);
}

uint64_t sql_u64(sqlite3_stmt *r, int column)
{
    ASSERT(column >= 0 && column < sqlite3_column_count(r));
    return (uint64_t)sqlite3_column_int64(r, column);
}

struct str sql_str(sqlite3_stmt *r, int column)
{
    ASSERT(column >= 0 && column < sqlite3_column_count(r));
    const char *p = sqlite3_column_blob(r, column);
    return p == NULL ? STR("") : (struct str){p, (size_t)sqlite3_column_bytes(r, column)};
}
