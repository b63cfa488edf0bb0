// SPDX-License-Identifier: Apache-2.0
// Purpose: the catalog of the series store.
#include "series/catalog.h"

#include <string.h>

#include "core/mem.h"
#include "core/must.h"

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS parts(id INTEGER PRIMARY KEY, line BLOB NOT NULL,"
    " tier INTEGER NOT NULL, level INTEGER NOT NULL, bad INTEGER NOT NULL,"
    " ord_first INTEGER NOT NULL, ord_last INTEGER NOT NULL, series INTEGER NOT NULL,"
    " samples INTEGER NOT NULL, bytes INTEGER NOT NULL, min_ms INTEGER NOT NULL,"
    " max_ms INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS seal(slot INTEGER PRIMARY KEY, seq INTEGER NOT NULL,"
    " state BLOB NOT NULL);"
    "CREATE TABLE IF NOT EXISTS clock(slot INTEGER PRIMARY KEY, believed_ns INTEGER NOT NULL,"
    " borne_ns INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS touched(slot INTEGER PRIMARY KEY, times INTEGER NOT NULL);";

enum statement {
    SQL_ADD,
    SQL_REMOVE,
    SQL_SET_BAD,
    SQL_SET_SEAL,
    SQL_SET_CLOCK,
    SQL_TOUCH,
    SQL_PARTS,
    SQL_SEAL,
    SQL_CLOCK,
    SQL_COUNT
};

static const char *const texts[SQL_COUNT] = {
    [SQL_ADD] = "INSERT INTO parts VALUES(?,?,?,?,?,?,?,?,?,?,?,?)",
    [SQL_REMOVE] = "DELETE FROM parts WHERE id = ?",
    [SQL_SET_BAD] = "UPDATE parts SET bad = 1 WHERE id = ?",
    [SQL_SET_SEAL] = "INSERT INTO seal VALUES(0,?,?)"
                     " ON CONFLICT DO UPDATE SET seq = excluded.seq, state = excluded.state",
    [SQL_SET_CLOCK] = "INSERT OR REPLACE INTO clock VALUES(0,?,?)",
    [SQL_TOUCH] = "INSERT INTO touched VALUES(0, 1) ON CONFLICT DO UPDATE SET times = times + 1",
    [SQL_PARTS] = "SELECT id, line, tier, level, bad, ord_first, ord_last, series, samples, bytes,"
                  " min_ms, max_ms FROM parts ORDER BY id",
    [SQL_SEAL] = "SELECT seq, state FROM seal",
    [SQL_CLOCK] = "SELECT believed_ns, borne_ns FROM clock",
};

enum err series_catalog_open(struct series_catalog *c, const char *path, const char *vfs,
                             struct err_at *ret_at)
{
    const struct sql_options o = {path, vfs, SERIES_CATALOG_VERSION, schema, texts, SQL_COUNT};
    ASSERT(path != NULL);
    return sql_open(&c->sql, &o, ret_at);
}

void series_catalog_close(struct series_catalog *c)
{
    ASSERT(c != NULL);
    if (c->sql.db != NULL) {
        sql_close(&c->sql);
    }
}

bool series_catalog_is_new(const struct series_catalog *c)
{
    ASSERT(c->sql.db != NULL);
    return c->sql.version == 0;
}

enum err series_catalog_keep(struct series_catalog *c)
{
    ASSERT(c->sql.version <= SERIES_CATALOG_VERSION);
    return c->sql.version == 0 ? sql_set_version(&c->sql, SERIES_CATALOG_VERSION) : ERR_OK;
}

struct reader {
    void (*each)(void *ctx, const struct series_catalog_part *part);
    void *ctx;
    bool odd; // a row that no store has written
};

static void read_part(void *ctx, sqlite3_stmt *r)
{
    struct reader *x = ctx;
    ASSERT(x->each != NULL);
    const struct series_catalog_part p = {
        .id = sql_u64(r, 0),
        .line = sql_str(r, 1),
        .tier = (enum series_tier)sql_u64(r, 2),
        .level = (uint32_t)sql_u64(r, 3),
        .bad = sql_u64(r, 4) != 0,
        .ord_first = sql_u64(r, 5),
        .ord_last = sql_u64(r, 6),
        .series = sql_u64(r, 7),
        .samples = sql_u64(r, 8),
        .bytes = sql_u64(r, 9),
        .min_ms = sql_u64(r, 10),
        .max_ms = sql_u64(r, 11),
    };
    if (sql_u64(r, 2) >= TIER_COUNT || p.id == 0) {
        x->odd = true;
    } else {
        x->each(x->ctx, &p);
    }
}

enum err series_catalog_each(struct series_catalog *c,
                             void (*each)(void *ctx, const struct series_catalog_part *part),
                             void *ctx)
{
    struct reader r = {each, ctx, false};
    ASSERT(each != NULL);
    enum err e = sql_each(&c->sql, SQL_PARTS, 0, read_part, &r);
    return e == ERR_OK && r.odd ? ERR_CORRUPT : e;
}

struct seal {
    uint64_t seq;
    struct str state;
};

static void read_seal(void *ctx, sqlite3_stmt *r)
{
    struct seal *x = ctx;
    struct str state = sql_str(r, 1);
    ASSERT(x->state.p == NULL);
    char *copy = mem_alloc(state.n + 1);
    memcpy(copy, state.p, state.n);
    x->seq = sql_u64(r, 0);
    x->state = (struct str){copy, state.n};
}

enum err series_catalog_seal(struct series_catalog *c, uint64_t *ret_seq, struct str *ret_state)
{
    struct seal x = {0};
    ASSERT(ret_seq != NULL && ret_state != NULL);
    enum err e = sql_each(&c->sql, SQL_SEAL, 0, read_seal, &x);
    if (e != ERR_OK) {
        mem_free((void *)(uintptr_t)x.state.p);
        return e;
    }
    *ret_seq = x.seq;
    *ret_state = x.state;
    return ERR_OK;
}

static void read_clock(void *ctx, sqlite3_stmt *r)
{
    uint64_t *both = ctx;
    ASSERT(both != NULL);
    both[0] = sql_u64(r, 0);
    both[1] = sql_u64(r, 1);
}

enum err series_catalog_clock(struct series_catalog *c, uint64_t *ret_believed_ns,
                              uint64_t *ret_borne_ns)
{
    uint64_t both[2] = {0};
    ASSERT(ret_believed_ns != NULL && ret_borne_ns != NULL);
    enum err e = sql_each(&c->sql, SQL_CLOCK, 0, read_clock, both);
    if (e == ERR_OK) {
        *ret_believed_ns = both[0];
        *ret_borne_ns = both[1];
    }
    return e;
}

void series_catalog_add(struct series_catalog *c, const struct series_catalog_part *p)
{
    const uint64_t numbers[] = {(uint64_t)p->tier, p->level,  p->bad ? 1 : 0, p->ord_first,
                                p->ord_last,       p->series, p->samples,     p->bytes,
                                p->min_ms,         p->max_ms};
    ASSERT(p->id > 0 && p->ord_first > 0);
    sql_bind_u64(c->sql.statements[SQL_ADD], 1, p->id);
    sql_bind_str(c->sql.statements[SQL_ADD], 2, p->line);
    for (int i = 0; i < (int)(sizeof numbers / sizeof *numbers); i++) {
        sql_bind_u64(c->sql.statements[SQL_ADD], 3 + i, numbers[i]);
    }
    sql_run(&c->sql, SQL_ADD);
}

void series_catalog_remove(struct series_catalog *c, uint64_t id)
{
    ASSERT(id > 0);
    sql_bind_u64(c->sql.statements[SQL_REMOVE], 1, id);
    sql_run(&c->sql, SQL_REMOVE);
}

void series_catalog_set_bad(struct series_catalog *c, uint64_t id)
{
    ASSERT(id > 0);
    sql_bind_u64(c->sql.statements[SQL_SET_BAD], 1, id);
    sql_run(&c->sql, SQL_SET_BAD);
}

void series_catalog_set_seal(struct series_catalog *c, uint64_t seq, struct str state)
{
    ASSERT(state.p != NULL || state.n == 0);
    sql_bind_u64(c->sql.statements[SQL_SET_SEAL], 1, seq);
    sql_bind_str(c->sql.statements[SQL_SET_SEAL], 2, state);
    sql_run(&c->sql, SQL_SET_SEAL);
}

void series_catalog_set_clock(struct series_catalog *c, uint64_t believed_ns, uint64_t borne_ns)
{
    ASSERT(believed_ns > 0);
    sql_bind_u64(c->sql.statements[SQL_SET_CLOCK], 1, believed_ns);
    sql_bind_u64(c->sql.statements[SQL_SET_CLOCK], 2, borne_ns);
    sql_run(&c->sql, SQL_SET_CLOCK);
}

void series_catalog_touch(struct series_catalog *c)
{
    ASSERT(c->sql.db != NULL);
    sql_run(&c->sql, SQL_TOUCH);
}
