// SPDX-License-Identifier: Apache-2.0
// Purpose: the catalog over SQLite.
#include "store/catalog.h"

#include <string.h>
#include <xxhash.h>

#include "codec/cursor.h"
#include "core/mem.h"
#include "core/must.h"
#include "core/varint.h"
#include "os/sql.h"

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS lines(slot INTEGER PRIMARY KEY, line BLOB NOT NULL UNIQUE,"
    " seq INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS parts(id INTEGER PRIMARY KEY, line BLOB NOT NULL,"
    " level INTEGER NOT NULL, state INTEGER NOT NULL, rows INTEGER NOT NULL,"
    " bytes INTEGER NOT NULL, min_start_ns INTEGER NOT NULL, max_start_ns INTEGER NOT NULL,"
    " seq_first INTEGER NOT NULL, seq_last INTEGER NOT NULL, committed_ns INTEGER NOT NULL,"
    " services BLOB NOT NULL);"
    "CREATE TABLE IF NOT EXISTS ledger(signal TEXT, outcome TEXT, reason TEXT, service BLOB,"
    " count INTEGER NOT NULL, PRIMARY KEY(signal, outcome, reason, service)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS touched(slot INTEGER PRIMARY KEY, times INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS facts(name INTEGER PRIMARY KEY, value INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS dead_letters(id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " received_ns INTEGER NOT NULL, signal TEXT NOT NULL, reason TEXT NOT NULL,"
    " protocol BLOB NOT NULL, peer BLOB NOT NULL, message BLOB NOT NULL,"
    " at INTEGER NOT NULL, records INTEGER NOT NULL, body BLOB NOT NULL);"
    "CREATE TABLE IF NOT EXISTS left_out(id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " partial INTEGER NOT NULL, hashes BLOB NOT NULL);";

enum statement {
    SQL_TOUCH,
    SQL_ADD_PART,
    SQL_REMOVE_PART,
    SQL_SET_STATE,
    SQL_SET_LINE,
    SQL_SET_FACT,
    SQL_ADD_CELL,
    SQL_ADD_LETTER,
    SQL_TRIM_COUNT,
    SQL_TRIM_BYTES,
    SQL_ADD_LEFT_OUT,
    SQL_TRIM_LEFT_OUT,
    SQL_LINES,
    SQL_PARTS,
    SQL_CELLS,
    SQL_LETTERS,
    SQL_COUNT_LETTERS,
    SQL_LEFT_OUT,
    SQL_FACT,
    SQL_STATEMENTS
};

static const char *const texts[SQL_STATEMENTS] = {
    [SQL_TOUCH] = "INSERT INTO touched VALUES(0, 1) ON CONFLICT DO UPDATE SET times = times + 1",
    [SQL_ADD_PART] = "INSERT INTO parts VALUES(?,?,?,?,?,?,?,?,?,?,?,?)",
    [SQL_REMOVE_PART] = "DELETE FROM parts WHERE id = ?",
    [SQL_SET_STATE] = "UPDATE parts SET state = ? WHERE id = ?",
    [SQL_SET_LINE] = "INSERT INTO lines VALUES(?,?,?)"
                     " ON CONFLICT(slot) DO UPDATE SET seq = excluded.seq",
    [SQL_SET_FACT] = "INSERT INTO facts VALUES(?,?)"
                     " ON CONFLICT DO UPDATE SET value = excluded.value",
    // A count that was moved elsewhere comes as a negative number.
    [SQL_ADD_CELL] = "INSERT INTO ledger VALUES(?,?,?,?,?)"
                     " ON CONFLICT DO UPDATE SET count = count + excluded.count",
    [SQL_ADD_LETTER] = "INSERT INTO dead_letters(received_ns, signal, reason, protocol, peer,"
                       " message, at, records, body) VALUES(?,?,?,?,?,?,?,?,?)",
    [SQL_TRIM_COUNT] = "DELETE FROM dead_letters WHERE id <="
                       " (SELECT id FROM dead_letters ORDER BY id DESC LIMIT 1 OFFSET ?)",
    [SQL_TRIM_BYTES] = "DELETE FROM dead_letters WHERE id <= (SELECT max(id) FROM (SELECT id,"
                       " sum(length(body) + length(message) + length(peer) + 64)"
                       " OVER (ORDER BY id DESC) AS total FROM dead_letters) WHERE total > ?)",
    [SQL_ADD_LEFT_OUT] = "INSERT INTO left_out(partial, hashes) VALUES(?,?)",
    [SQL_TRIM_LEFT_OUT] = "DELETE FROM left_out WHERE id <= (SELECT max(id) FROM (SELECT id,"
                          " count(*) OVER (ORDER BY id DESC) AS lists, sum(length(hashes))"
                          " OVER (ORDER BY id DESC) AS total FROM left_out)"
                          " WHERE lists > ? OR total > ?)",
    [SQL_LINES] = "SELECT line, seq FROM lines ORDER BY slot",
    [SQL_PARTS] = "SELECT id, line, level, state, rows, bytes, min_start_ns, max_start_ns,"
                  " seq_first, seq_last, committed_ns, services FROM parts ORDER BY id",
    [SQL_CELLS] = "SELECT signal, outcome, reason, service, count FROM ledger",
    [SQL_LETTERS] = "SELECT id, received_ns, signal, reason, protocol, peer, message, at, records,"
                    " body FROM dead_letters ORDER BY id DESC LIMIT ?",
    [SQL_LEFT_OUT] = "SELECT hashes, partial FROM left_out ORDER BY id",
    [SQL_COUNT_LETTERS] = "SELECT count(*) FROM dead_letters",
    [SQL_FACT] = "SELECT value FROM facts WHERE name = ?",
};

struct catalog {
    struct sql sql;
    bool is_new, is_old; // no version yet; not this version yet
};

// ---- Opening ---------------------------------------------------------------------------------

bool catalog_is_new(const struct catalog *c)
{
    ASSERT(c->is_old || !c->is_new);
    ASSERT(c->sql.db != NULL);
    return c->is_new;
}

enum err catalog_keep(struct catalog *c)
{
    ASSERT(c->is_old || !c->is_new);
    ASSERT(c->sql.db != NULL);
    return c->is_old ? sql_set_version(&c->sql, CATALOG_VERSION) : ERR_OK;
}

enum err catalog_open(const char *path, const char *vfs, struct catalog **ret_catalog,
                      struct err_at *ret_at)
{
    const struct sql_options o = {path, vfs, CATALOG_VERSION, schema, texts, SQL_STATEMENTS};
    struct catalog *c = mem_new(1, sizeof *c);
    ASSERT(path != NULL);
    ASSERT(ret_catalog != NULL);
    enum err e = sql_open(&c->sql, &o, ret_at);
    if (e != ERR_OK) {
        mem_free(c);
        return e;
    }
    c->is_new = c->sql.version == 0;
    c->is_old = c->sql.version < CATALOG_VERSION;
    *ret_catalog = c;
    return ERR_OK;
}

void catalog_close(struct catalog *c)
{
    ASSERT(c == NULL || c->sql.db != NULL);
    if (c != NULL) {
        sql_close(&c->sql);
        mem_free(c);
    }
}

// ---- Values ----------------------------------------------------------------------------------

static void bind_text(sqlite3_stmt *s, int at, const char *text)
{
    ASSERT(text != NULL && at > 0);
    int code = sqlite3_bind_text(s, at, text, -1, SQLITE_STATIC);
    MUST(code == SQLITE_OK);
}

// The number whose name the column holds; `count` when there is none.
static unsigned column_name_of(sqlite3_stmt *s, int at, unsigned count,
                               const char *(*name)(unsigned i))
{
    ASSERT(s != NULL && at < sqlite3_column_count(s));
    ASSERT(name != NULL && count > 0);
    struct str have = sql_str(s, at);
    for (unsigned i = 0; i < count; i++) {
        if (str_eq(have, str_of(name(i)))) {
            return i;
        }
    }
    return count;
}

static const char *signal_of(unsigned i)
{
    _Static_assert(SIGNAL_COUNT <= 16 && OUTCOME_COUNT <= 16, "names are looked for one by one");
    ASSERT(i < SIGNAL_COUNT);
    return signal_name((enum signal)i);
}

static const char *outcome_of(unsigned i)
{
    ASSERT(i < OUTCOME_COUNT);
    return outcome_name((enum outcome)i);
}

static const char *reason_of(unsigned i)
{
    ASSERT(i < REASON_COUNT);
    return reason_name((enum reason)i);
}

// ---- Transactions ----------------------------------------------------------------------------

void catalog_begin(struct catalog *c)
{
    ASSERT(c->sql.db != NULL);
    sql_begin(&c->sql);
}

enum err catalog_end(struct catalog *c)
{
    ASSERT(c->sql.db != NULL);
    return sql_end(&c->sql);
}

void catalog_touch(struct catalog *c)
{
    ASSERT(sqlite3_get_autocommit(c->sql.db) == 0 || c->sql.failed != ERR_OK);
    ASSERT(c->sql.db != NULL);
    sql_run(&c->sql, SQL_TOUCH);
}

void catalog_add_part(struct catalog *c, const struct catalog_part *p)
{
    ASSERT(p->state <= PART_FRESH);
    ASSERT(p->id > 0);
    sqlite3_stmt *s = c->sql.statements[SQL_ADD_PART];
    const uint64_t numbers[] = {p->level,     p->state,        p->rows,
                                p->bytes,     p->min_start_ns, p->max_start_ns,
                                p->seq_first, p->seq_last,     p->committed_ns};
    sql_bind_u64(s, 1, p->id);
    sql_bind_str(s, 2, p->line);
    for (int i = 0; i < (int)(sizeof numbers / sizeof *numbers); i++) {
        sql_bind_u64(s, 3 + i, numbers[i]);
    }
    sql_bind_str(s, 12, p->services);
    sql_run(&c->sql, SQL_ADD_PART);
}

void catalog_remove_part(struct catalog *c, uint64_t id)
{
    ASSERT(sqlite3_get_autocommit(c->sql.db) == 0 || c->sql.failed != ERR_OK);
    ASSERT(id > 0);
    sql_bind_u64(c->sql.statements[SQL_REMOVE_PART], 1, id);
    sql_run(&c->sql, SQL_REMOVE_PART);
}

void catalog_set_state(struct catalog *c, uint64_t id, enum part_state state)
{
    ASSERT(sqlite3_get_autocommit(c->sql.db) == 0 || c->sql.failed != ERR_OK);
    ASSERT(id > 0 && state <= PART_FRESH);
    sql_bind_u64(c->sql.statements[SQL_SET_STATE], 1, (uint64_t)state);
    sql_bind_u64(c->sql.statements[SQL_SET_STATE], 2, id);
    sql_run(&c->sql, SQL_SET_STATE);
}

void catalog_set_line(struct catalog *c, size_t slot, struct str line, uint64_t seq)
{
    ASSERT(slot < INT32_MAX);
    ASSERT(c->sql.db != NULL);
    sqlite3_stmt *s = c->sql.statements[SQL_SET_LINE];
    sql_bind_u64(s, 1, slot);
    sql_bind_str(s, 2, line);
    sql_bind_u64(s, 3, seq);
    sql_run(&c->sql, SQL_SET_LINE);
}

void catalog_set_fact(struct catalog *c, enum catalog_fact which, uint64_t value)
{
    ASSERT(which < FACT_COUNT);
    ASSERT(c->sql.db != NULL);
    sql_bind_u64(c->sql.statements[SQL_SET_FACT], 1, (uint64_t)which);
    sql_bind_u64(c->sql.statements[SQL_SET_FACT], 2, value);
    sql_run(&c->sql, SQL_SET_FACT);
}

void catalog_add_cell(struct catalog *c, const struct ledger_cell *cell)
{
    ASSERT(cell->outcome == OUTCOME_DROPPED || cell->reason == REASON_NONE);
    ASSERT(cell->count != 0);
    sqlite3_stmt *s = c->sql.statements[SQL_ADD_CELL];
    bind_text(s, 1, signal_name(cell->signal));
    bind_text(s, 2, outcome_name(cell->outcome));
    bind_text(s, 3, reason_name(cell->reason));
    sql_bind_str(s, 4, cell->service);
    sql_bind_u64(s, 5, cell->count);
    sql_run(&c->sql, SQL_ADD_CELL);
}

void catalog_add_letter(struct catalog *c, const struct dead_letter *l)
{
    ASSERT((unsigned)l->signal < SIGNAL_COUNT && (unsigned)l->reason < REASON_COUNT);
    ASSERT(l->body.n <= DEAD_LETTER_BODY_MAX);
    sqlite3_stmt *s = c->sql.statements[SQL_ADD_LETTER];
    sql_bind_u64(s, 1, l->received_ns);
    bind_text(s, 2, signal_name(l->signal));
    bind_text(s, 3, reason_name(l->reason));
    sql_bind_str(s, 4, l->protocol);
    sql_bind_str(s, 5, l->peer);
    sql_bind_str(s, 6, l->message);
    sql_bind_u64(s, 7, l->offset);
    sql_bind_u64(s, 8, l->records);
    sql_bind_str(s, 9, l->body);
    sql_run(&c->sql, SQL_ADD_LETTER);
}

void catalog_trim_letters(struct catalog *c, uint64_t count, uint64_t bytes)
{
    ASSERT(sqlite3_get_autocommit(c->sql.db) == 0 || c->sql.failed != ERR_OK);
    ASSERT(count > 0 && bytes > 0);
    sql_bind_u64(c->sql.statements[SQL_TRIM_COUNT], 1, count);
    sql_run(&c->sql, SQL_TRIM_COUNT);
    sql_bind_u64(c->sql.statements[SQL_TRIM_BYTES], 1, bytes);
    sql_run(&c->sql, SQL_TRIM_BYTES);
}

void catalog_add_left_out(struct catalog *c, struct str hashes, bool is_partial, uint64_t bytes)
{
    ASSERT(sqlite3_get_autocommit(c->sql.db) == 0 || c->sql.failed != ERR_OK);
    ASSERT(hashes.n > 0 && hashes.n % sizeof(uint64_t) == 0);
    sql_bind_u64(c->sql.statements[SQL_ADD_LEFT_OUT], 1, is_partial);
    sql_bind_str(c->sql.statements[SQL_ADD_LEFT_OUT], 2, hashes);
    sql_run(&c->sql, SQL_ADD_LEFT_OUT);
    sql_bind_u64(c->sql.statements[SQL_TRIM_LEFT_OUT], 1, LEFT_OUT_LISTS_MAX);
    sql_bind_u64(c->sql.statements[SQL_TRIM_LEFT_OUT], 2, bytes);
    sql_run(&c->sql, SQL_TRIM_LEFT_OUT);
}

// ---- Reading ---------------------------------------------------------------------------------

struct line_reader {
    void (*each)(void *ctx, struct str line, uint64_t seq);
    void *ctx;
};

static void line_row(void *ctx, sqlite3_stmt *s)
{
    ASSERT(sqlite3_column_count(s) == 2);
    ASSERT(ctx != NULL);
    const struct line_reader *r = ctx;
    r->each(r->ctx, sql_str(s, 0), sql_u64(s, 1));
}

enum err catalog_each_line(struct catalog *c,
                           void (*each)(void *ctx, struct str line, uint64_t seq), void *ctx)
{
    ASSERT(c->sql.db != NULL);
    ASSERT(each != NULL);
    return sql_each(&c->sql, SQL_LINES, 0, line_row, &(struct line_reader){each, ctx});
}

struct part_reader {
    void (*each)(void *ctx, const struct catalog_part *part);
    void *ctx;
};

static enum part_state state_of(uint64_t number)
{
    _Static_assert(PART_STRIPPED == 2 && PART_FRESH == 3, "the numbers are on the disk");
    ASSERT(PART_LIVE == 0);
    return number == PART_LIVE       ? PART_LIVE
           : number == PART_STRIPPED ? PART_STRIPPED
           : number == PART_FRESH    ? PART_FRESH
                                     : PART_QUARANTINED;
}

static void part_row(void *ctx, sqlite3_stmt *s)
{
    ASSERT(sqlite3_column_count(s) == 12);
    ASSERT(ctx != NULL);
    const struct part_reader *r = ctx;
    const struct catalog_part p = {
        .id = sql_u64(s, 0),
        .line = sql_str(s, 1),
        .level = (uint32_t)sql_u64(s, 2),
        .state = state_of(sql_u64(s, 3)),
        .rows = sql_u64(s, 4),
        .bytes = sql_u64(s, 5),
        .min_start_ns = sql_u64(s, 6),
        .max_start_ns = sql_u64(s, 7),
        .seq_first = sql_u64(s, 8),
        .seq_last = sql_u64(s, 9),
        .committed_ns = sql_u64(s, 10),
        .services = sql_str(s, 11),
    };
    r->each(r->ctx, &p);
}

enum err catalog_each_part(struct catalog *c,
                           void (*each)(void *ctx, const struct catalog_part *part), void *ctx)
{
    ASSERT(c->sql.db != NULL);
    ASSERT(each != NULL);
    return sql_each(&c->sql, SQL_PARTS, 0, part_row, &(struct part_reader){each, ctx});
}

struct cell_reader {
    void (*each)(void *ctx, const struct ledger_cell *cell);
    void *ctx;
};

static void cell_row(void *ctx, sqlite3_stmt *s)
{
    ASSERT(sqlite3_column_count(s) == 5);
    ASSERT(ctx != NULL);
    const struct cell_reader *r = ctx;
    unsigned signal = column_name_of(s, 0, SIGNAL_COUNT, signal_of);
    unsigned outcome = column_name_of(s, 1, OUTCOME_COUNT, outcome_of);
    unsigned reason = column_name_of(s, 2, REASON_COUNT, reason_of);
    // Names that a later version wrote are not this version's to count.
    if (signal < SIGNAL_COUNT && outcome < OUTCOME_COUNT && reason < REASON_COUNT &&
        (outcome == OUTCOME_DROPPED || reason == REASON_NONE)) {
        const struct ledger_cell cell = {(enum signal)signal, (enum outcome)outcome,
                                         (enum reason)reason, sql_str(s, 3), sql_u64(s, 4)};
        r->each(r->ctx, &cell);
    }
}

enum err catalog_each_cell(struct catalog *c,
                           void (*each)(void *ctx, const struct ledger_cell *cell), void *ctx)
{
    ASSERT(c->sql.db != NULL);
    ASSERT(each != NULL);
    return sql_each(&c->sql, SQL_CELLS, 0, cell_row, &(struct cell_reader){each, ctx});
}

struct letter_reader {
    void (*each)(void *ctx, uint64_t id, const struct dead_letter *letter);
    void *ctx;
};

static void letter_row(void *ctx, sqlite3_stmt *s)
{
    ASSERT(sqlite3_column_count(s) == 10);
    ASSERT(ctx != NULL);
    const struct letter_reader *r = ctx;
    unsigned signal = column_name_of(s, 2, SIGNAL_COUNT, signal_of);
    unsigned reason = column_name_of(s, 3, REASON_COUNT, reason_of);
    const struct dead_letter letter = {
        .received_ns = sql_u64(s, 1),
        .signal = signal < SIGNAL_COUNT ? (enum signal)signal : SIGNAL_TRACES,
        .reason = reason < REASON_COUNT ? (enum reason)reason : REASON_NONE,
        .protocol = sql_str(s, 4),
        .peer = sql_str(s, 5),
        .message = sql_str(s, 6),
        .offset = sql_u64(s, 7),
        .records = sql_u64(s, 8),
        .body = sql_str(s, 9),
    };
    r->each(r->ctx, sql_u64(s, 0), &letter);
}

enum err catalog_each_letter(struct catalog *c, size_t limit,
                             void (*each)(void *ctx, uint64_t id, const struct dead_letter *letter),
                             void *ctx)
{
    ASSERT(c->sql.db != NULL);
    ASSERT(each != NULL);
    return sql_each(&c->sql, SQL_LETTERS, limit, letter_row, &(struct letter_reader){each, ctx});
}

struct left_out_reader {
    void (*each)(void *ctx, struct str hashes, bool is_partial);
    void *ctx;
};

static void left_out_row(void *ctx, sqlite3_stmt *s)
{
    ASSERT(sqlite3_column_count(s) == 2);
    ASSERT(ctx != NULL);
    const struct left_out_reader *r = ctx;
    r->each(r->ctx, sql_str(s, 0), sql_u64(s, 1) != 0);
}

enum err catalog_each_left_out(struct catalog *c,
                               void (*each)(void *ctx, struct str hashes, bool is_partial),
                               void *ctx)
{
    ASSERT(c->sql.db != NULL);
    ASSERT(each != NULL);
    return sql_each(&c->sql, SQL_LEFT_OUT, 0, left_out_row, &(struct left_out_reader){each, ctx});
}

static void count_row(void *ctx, sqlite3_stmt *s)
{
    ASSERT(sqlite3_column_count(s) == 1);
    ASSERT(ctx != NULL);
    *(uint64_t *)ctx = sql_u64(s, 0);
}

enum err catalog_count_letters(struct catalog *c, uint64_t *ret_count)
{
    ASSERT(c->sql.db != NULL);
    ASSERT(ret_count != NULL);
    return sql_each(&c->sql, SQL_COUNT_LETTERS, 0, count_row, ret_count);
}

enum err catalog_fact(struct catalog *c, enum catalog_fact which, uint64_t *ret_value)
{
    uint64_t value = 0;
    ASSERT(which < FACT_COUNT);
    ASSERT(ret_value != NULL);
    enum err e = sql_each(&c->sql, SQL_FACT, which, count_row, &value);
    if (e == ERR_OK) {
        *ret_value = value;
    }
    return e;
}

// ---- For tools ---------------------------------------------------------------------------------

enum err catalog_read_parts(const char *path,
                            void (*each)(void *ctx, const struct catalog_part *part), void *ctx,
                            struct err_at *ret_at)
{
    struct part_reader r = {each, ctx};
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    int version = 0;
    ASSERT(path != NULL && each != NULL);
    int code = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    (void)sqlite3_busy_timeout(db, SQL_BUSY_TIMEOUT_MS);
    code = code == SQLITE_OK ? sql_version(db, &version) : code;
    enum err e = sql_err(code);
    if (e == ERR_OK && version > CATALOG_VERSION) {
        e = ERR_UNSUPPORTED;
    }
    if (e == ERR_OK) {
        e = sql_err(sqlite3_prepare_v2(db, texts[SQL_PARTS], -1, &s, NULL));
    }
    while (e == ERR_OK && (code = sqlite3_step(s)) == SQLITE_ROW) {
        part_row(&r, s);
    }
    e = e == ERR_OK ? sql_err(code) : e;
    if (e != ERR_OK) {
        (void)err_at_set(ret_at, e, 0, "The catalog cannot be read: %s.",
                         e == ERR_UNSUPPORTED ? "it has another version" : sqlite3_errmsg(db));
    }
    (void)sqlite3_finalize(s);
    (void)sqlite3_close(db);
    return e;
}

static int note_answer(void *ctx, int columns, char **values, char **names)
{
    ASSERT(columns == 1 && names != NULL);
    ASSERT(ctx != NULL);
    *(bool *)ctx = values[0] != NULL && strcmp(values[0], "ok") == 0;
    return 0;
}

enum err catalog_check(const char *path, const char *vfs, struct err_at *ret_at)
{
    sqlite3 *db = NULL;
    int version = 0;
    bool is_whole = false;
    ASSERT(path != NULL);
    int code = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, vfs);
    if (code == SQLITE_OK && vfs != NULL) { // see os/sql.c
        code = sql_text(db, "PRAGMA locking_mode = EXCLUSIVE");
    }
    code = sql_err(code) == ERR_OK ? sql_version(db, &version) : code;
    if (sql_err(code) == ERR_OK && version > 0 && version <= CATALOG_VERSION) {
        code = sqlite3_exec(db, "PRAGMA integrity_check(1)", note_answer, &is_whole, NULL);
    }
    enum err e = (code & 0xff) == SQLITE_CANTOPEN ? ERR_NOT_FOUND : sql_err(code);
    e = e == ERR_OK && version == 0                ? ERR_NOT_FOUND
        : e == ERR_OK && version > CATALOG_VERSION ? ERR_UNSUPPORTED
        : e == ERR_OK && !is_whole                 ? ERR_CORRUPT
                                                   : e;
    if (e != ERR_OK) {
        (void)err_at_set(ret_at, e, 0, "%s", db != NULL ? sqlite3_errmsg(db) : err_text(e));
    }
    code = sqlite3_close(db);
    MUST(code == SQLITE_OK);
    return e;
}

// ---- Services of a part ----------------------------------------------------------------------
// bytes = for each service: varint length, name, varint rows

struct str services_encode(const struct part_meta *m, struct arena *a)
{
    ASSERT(m->services != NULL || m->service_count == 0);
    size_t n = 0, room = 0;
    for (size_t i = 0; i < m->service_count; i++) {
        room += m->services[i].name.n + (size_t)2 * VARINT_MAX;
    }
    uint8_t *p = arena_alloc(a, room + 1);
    for (size_t i = 0; i < m->service_count; i++) {
        struct str name = m->services[i].name;
        n += varint_put(p + n, name.n);
        memcpy(p + n, name.n > 0 ? name.p : "", name.n);
        n += name.n;
        n += varint_put(p + n, m->services[i].rows);
    }
    MUST(n <= room);
    return (struct str){(char *)p, n};
}

void services_each(struct str bytes, void (*each)(void *ctx, struct str service, uint64_t rows),
                   void *ctx)
{
    ASSERT(bytes.p != NULL || bytes.n == 0);
    ASSERT(each != NULL);
    struct cursor c = cursor_of(bytes);
    while (!c.failed && cursor_left(&c) > 0) {
        size_t n = (size_t)cursor_varint(&c);
        const char *name = (const char *)cursor_bytes(&c, n);
        uint64_t rows = cursor_varint(&c);
        if (!c.failed) {
            each(ctx, (struct str){name, n}, rows);
        }
    }
}

struct catalog_part catalog_part_of(const struct part_meta *m, struct arena *a)
{
    ASSERT(m->rows > 0);
    ASSERT(m->seq_first <= m->seq_last);
    return (struct catalog_part){.line = m->line,
                                 .rows = m->rows,
                                 .bytes = m->file_bytes,
                                 .min_start_ns = m->min_start_ns,
                                 .max_start_ns = m->max_start_ns,
                                 .seq_first = m->seq_first,
                                 .seq_last = m->seq_last,
                                 .services = services_encode(m, a)};
}

uint64_t catalog_part_mark(const struct catalog_part *p)
{
    const uint64_t numbers[] = {p->rows, p->seq_first, p->seq_last};
    ASSERT(p->services.p != NULL || p->services.n == 0);
    ASSERT(p->rows > 0);
    return XXH3_64bits_withSeed(p->services.p, p->services.n, XXH3_64bits(numbers, sizeof numbers));
}
