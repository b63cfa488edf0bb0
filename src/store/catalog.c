// SPDX-License-Identifier: Apache-2.0
// Purpose: the catalog over SQLite.
#include "store/catalog.h"

#include <pthread.h>
#include <sqlite3.h>

#include "core/mem.h"
#include "core/must.h"

#define BUSY_TIMEOUT_MS 5000

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
    " at INTEGER NOT NULL, records INTEGER NOT NULL, body BLOB NOT NULL);";

enum statement {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ROLLBACK,
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
    SQL_LINES,
    SQL_PARTS,
    SQL_CELLS,
    SQL_LETTERS,
    SQL_COUNT_LETTERS,
    SQL_FACT,
    SQL_STATEMENTS
};

static const char *const texts[SQL_STATEMENTS] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
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
    [SQL_LINES] = "SELECT line, seq FROM lines ORDER BY slot",
    [SQL_PARTS] = "SELECT id, line, level, state, rows, bytes, min_start_ns, max_start_ns,"
                  " seq_first, seq_last, committed_ns, services FROM parts ORDER BY id",
    [SQL_CELLS] = "SELECT signal, outcome, reason, service, count FROM ledger",
    [SQL_LETTERS] = "SELECT id, received_ns, signal, reason, protocol, peer, message, at, records,"
                    " body FROM dead_letters ORDER BY id DESC LIMIT ?",
    [SQL_COUNT_LETTERS] = "SELECT count(*) FROM dead_letters",
    [SQL_FACT] = "SELECT value FROM facts WHERE name = ?",
};

struct catalog {
    pthread_mutex_t lock;
    sqlite3 *db;
    sqlite3_stmt *statements[SQL_STATEMENTS];
    enum err failed;     // first error of the transaction
    bool is_new, is_old; // no version yet; not this version yet
};

static enum err err_of(int code)
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

// ---- Opening ---------------------------------------------------------------------------------

static int run_text(sqlite3 *db, const char *sql)
{
    ASSERT(sql != NULL);
    ASSERT(db != NULL);
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static int user_version(sqlite3 *db, int *ret_version)
{
    ASSERT(db != NULL);
    ASSERT(ret_version != NULL);
    sqlite3_stmt *s;
    int code = sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &s, NULL);
    if (code == SQLITE_OK) {
        code = sqlite3_step(s);
        *ret_version = sqlite3_column_int(s, 0);
        (void)sqlite3_finalize(s);
    }
    return code;
}

static enum err prepare(struct catalog *c, bool is_alone, struct err_at *at)
{
    ASSERT(c->db != NULL);
    int version = 0;
    (void)sqlite3_busy_timeout(c->db, BUSY_TIMEOUT_MS);
    // Without shared memory, which only the machine's own disk has, a write-ahead log needs the
    // exclusive mode, from the first look on.
    int code = is_alone ? run_text(c->db, "PRAGMA locking_mode = EXCLUSIVE") : SQLITE_OK;
    code = code == SQLITE_OK ? user_version(c->db, &version) : code;
    c->is_new = version == 0;
    c->is_old = version < CATALOG_VERSION;
    if (err_of(code) == ERR_OK && version > CATALOG_VERSION) {
        return err_at_set(at, ERR_UNSUPPORTED, 0, "The catalog has version %d, not %d.", version,
                          CATALOG_VERSION);
    }
    const char *const steps[] = {"PRAGMA temp_store = MEMORY", "PRAGMA journal_mode = WAL",
                                 "PRAGMA synchronous = FULL", "PRAGMA cache_size = -1024", schema};
    for (size_t i = 0; i < sizeof steps / sizeof *steps && err_of(code) == ERR_OK; i++) {
        code = run_text(c->db, steps[i]);
    }
    for (size_t i = 0; i < SQL_STATEMENTS && err_of(code) == ERR_OK; i++) {
        ASSERT(texts[i] != NULL);
        code = sqlite3_prepare_v3(c->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &c->statements[i],
                                  NULL);
    }
    if (err_of(code) != ERR_OK) {
        return err_at_set(at, err_of(code), 0, "The catalog cannot be used: %s.",
                          sqlite3_errmsg(c->db));
    }
    return ERR_OK;
}

bool catalog_is_new(const struct catalog *c)
{
    ASSERT(c->is_old || !c->is_new);
    ASSERT(c->db != NULL);
    return c->is_new;
}

enum err catalog_keep(struct catalog *c)
{
    _Static_assert(CATALOG_VERSION == 2, "the version stands in the text below");
    ASSERT(c->db != NULL);
    return c->is_old ? err_of(run_text(c->db, "PRAGMA user_version = 2")) : ERR_OK;
}

enum err catalog_open(const char *path, const char *vfs, struct catalog **ret_catalog,
                      struct err_at *ret_at)
{
    ASSERT(path != NULL);
    struct catalog *c = mem_new(1, sizeof *c);
    MUST(pthread_mutex_init(&c->lock, NULL) == 0);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int code = sqlite3_open_v2(path, &c->db, flags, vfs);
    enum err e = err_of(code);
    if (e == ERR_OK) {
        e = prepare(c, vfs != NULL, ret_at);
    } else {
        (void)err_at_set(ret_at, e, 0, "The catalog cannot be opened: %s.", sqlite3_errstr(code));
    }
    if (e != ERR_OK) {
        catalog_close(c);
        return e;
    }
    *ret_catalog = c;
    return ERR_OK;
}

void catalog_close(struct catalog *c)
{
    ASSERT(c == NULL || c->db == NULL || sqlite3_get_autocommit(c->db) != 0);
    if (c == NULL) {
        return;
    }
    for (size_t i = 0; i < SQL_STATEMENTS; i++) {
        (void)sqlite3_finalize(c->statements[i]);
    }
    int code = sqlite3_close(c->db);
    MUST(code == SQLITE_OK);
    (void)pthread_mutex_destroy(&c->lock);
    mem_free(c);
}

// ---- Values ----------------------------------------------------------------------------------

static void bind_u64(sqlite3_stmt *s, int at, uint64_t v)
{
    ASSERT(s != NULL && at > 0);
    int code = sqlite3_bind_int64(s, at, (sqlite3_int64)v);
    MUST(code == SQLITE_OK);
}

static void bind_text(sqlite3_stmt *s, int at, const char *text)
{
    ASSERT(text != NULL && at > 0);
    int code = sqlite3_bind_text(s, at, text, -1, SQLITE_STATIC);
    MUST(code == SQLITE_OK);
}

// The bytes must live until the statement has run.
static void bind_str(sqlite3_stmt *s, int at, struct str v)
{
    ASSERT(at > 0 && (v.p != NULL || v.n == 0));
    int code = sqlite3_bind_blob64(s, at, v.n > 0 ? v.p : "", v.n, SQLITE_STATIC);
    MUST(code == SQLITE_OK);
}

static uint64_t column_u64(sqlite3_stmt *s, int at)
{
    ASSERT(s != NULL && at < sqlite3_column_count(s));
    ASSERT(at >= 0);
    return (uint64_t)sqlite3_column_int64(s, at);
}

static struct str column_str(sqlite3_stmt *s, int at)
{
    ASSERT(s != NULL && at < sqlite3_column_count(s));
    ASSERT(at >= 0);
    const char *p = sqlite3_column_blob(s, at);
    return p == NULL ? STR("") : (struct str){p, (size_t)sqlite3_column_bytes(s, at)};
}

// The number whose name the column holds; `count` when there is none.
static unsigned column_name_of(sqlite3_stmt *s, int at, unsigned count,
                               const char *(*name)(unsigned i))
{
    ASSERT(s != NULL && at < sqlite3_column_count(s));
    ASSERT(name != NULL && count > 0);
    struct str have = column_str(s, at);
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

static void run(struct catalog *c, enum statement which)
{
    ASSERT(c->statements[which] != NULL);
    ASSERT(which < SQL_STATEMENTS);
    sqlite3_stmt *s = c->statements[which];
    if (c->failed == ERR_OK) {
        int code = sqlite3_step(s);
        c->failed = err_of(code);
    }
    (void)sqlite3_reset(s);
    (void)sqlite3_clear_bindings(s);
}

void catalog_begin(struct catalog *c)
{
    ASSERT(c->db != NULL);
    int code = pthread_mutex_lock(&c->lock);
    MUST(code == 0);
    c->failed = ERR_OK;
    run(c, SQL_BEGIN);
}

enum err catalog_end(struct catalog *c)
{
    ASSERT(c->db != NULL);
    run(c, SQL_COMMIT);
    enum err e = c->failed;
    if (e != ERR_OK && sqlite3_get_autocommit(c->db) == 0) {
        c->failed = ERR_OK;
        run(c, SQL_ROLLBACK);
        MUST(sqlite3_get_autocommit(c->db) != 0);
    }
    (void)pthread_mutex_unlock(&c->lock);
    return e;
}

void catalog_touch(struct catalog *c)
{
    ASSERT(sqlite3_get_autocommit(c->db) == 0 || c->failed != ERR_OK);
    ASSERT(c->db != NULL);
    run(c, SQL_TOUCH);
}

void catalog_add_part(struct catalog *c, const struct catalog_part *p)
{
    ASSERT(p->state <= PART_STRIPPED);
    ASSERT(p->id > 0);
    sqlite3_stmt *s = c->statements[SQL_ADD_PART];
    const uint64_t numbers[] = {p->level,     p->state,        p->rows,
                                p->bytes,     p->min_start_ns, p->max_start_ns,
                                p->seq_first, p->seq_last,     p->committed_ns};
    bind_u64(s, 1, p->id);
    bind_str(s, 2, p->line);
    for (int i = 0; i < (int)(sizeof numbers / sizeof *numbers); i++) {
        bind_u64(s, 3 + i, numbers[i]);
    }
    bind_str(s, 12, p->services);
    run(c, SQL_ADD_PART);
}

void catalog_remove_part(struct catalog *c, uint64_t id)
{
    ASSERT(sqlite3_get_autocommit(c->db) == 0 || c->failed != ERR_OK);
    ASSERT(id > 0);
    bind_u64(c->statements[SQL_REMOVE_PART], 1, id);
    run(c, SQL_REMOVE_PART);
}

void catalog_set_state(struct catalog *c, uint64_t id, enum part_state state)
{
    ASSERT(sqlite3_get_autocommit(c->db) == 0 || c->failed != ERR_OK);
    ASSERT(id > 0 && state <= PART_STRIPPED);
    bind_u64(c->statements[SQL_SET_STATE], 1, (uint64_t)state);
    bind_u64(c->statements[SQL_SET_STATE], 2, id);
    run(c, SQL_SET_STATE);
}

void catalog_set_line(struct catalog *c, size_t slot, struct str line, uint64_t seq)
{
    ASSERT(slot < INT32_MAX);
    ASSERT(c->db != NULL);
    sqlite3_stmt *s = c->statements[SQL_SET_LINE];
    bind_u64(s, 1, slot);
    bind_str(s, 2, line);
    bind_u64(s, 3, seq);
    run(c, SQL_SET_LINE);
}

void catalog_set_fact(struct catalog *c, enum catalog_fact which, uint64_t value)
{
    ASSERT(which < FACT_COUNT);
    ASSERT(c->db != NULL);
    bind_u64(c->statements[SQL_SET_FACT], 1, (uint64_t)which);
    bind_u64(c->statements[SQL_SET_FACT], 2, value);
    run(c, SQL_SET_FACT);
}

void catalog_add_cell(struct catalog *c, const struct ledger_cell *cell)
{
    ASSERT(cell->outcome == OUTCOME_DROPPED || cell->reason == REASON_NONE);
    ASSERT(cell->count != 0);
    sqlite3_stmt *s = c->statements[SQL_ADD_CELL];
    bind_text(s, 1, signal_name(cell->signal));
    bind_text(s, 2, outcome_name(cell->outcome));
    bind_text(s, 3, reason_name(cell->reason));
    bind_str(s, 4, cell->service);
    bind_u64(s, 5, cell->count);
    run(c, SQL_ADD_CELL);
}

void catalog_add_letter(struct catalog *c, const struct dead_letter *l)
{
    ASSERT((unsigned)l->signal < SIGNAL_COUNT && (unsigned)l->reason < REASON_COUNT);
    ASSERT(l->body.n <= DEAD_LETTER_BODY_MAX);
    sqlite3_stmt *s = c->statements[SQL_ADD_LETTER];
    bind_u64(s, 1, l->received_ns);
    bind_text(s, 2, signal_name(l->signal));
    bind_text(s, 3, reason_name(l->reason));
    bind_str(s, 4, l->protocol);
    bind_str(s, 5, l->peer);
    bind_str(s, 6, l->message);
    bind_u64(s, 7, l->offset);
    bind_u64(s, 8, l->records);
    bind_str(s, 9, l->body);
    run(c, SQL_ADD_LETTER);
}

void catalog_trim_letters(struct catalog *c, uint64_t count, uint64_t bytes)
{
    ASSERT(sqlite3_get_autocommit(c->db) == 0 || c->failed != ERR_OK);
    ASSERT(count > 0 && bytes > 0);
    bind_u64(c->statements[SQL_TRIM_COUNT], 1, count);
    run(c, SQL_TRIM_COUNT);
    bind_u64(c->statements[SQL_TRIM_BYTES], 1, bytes);
    run(c, SQL_TRIM_BYTES);
}

// ---- Reading ---------------------------------------------------------------------------------

// Steps through a query under the lock; `row` takes each row.
static enum err each_row(struct catalog *c, enum statement which, uint64_t limit,
                         void (*row)(void *ctx, sqlite3_stmt *s), void *ctx)
{
    ASSERT(row != NULL && which < SQL_STATEMENTS);
    int code = pthread_mutex_lock(&c->lock);
    MUST(code == 0);
    sqlite3_stmt *s = c->statements[which];
    if (sqlite3_bind_parameter_count(s) > 0) {
        bind_u64(s, 1, limit);
    }
    while ((code = sqlite3_step(s)) == SQLITE_ROW) {
        row(ctx, s);
    }
    (void)sqlite3_reset(s);
    (void)pthread_mutex_unlock(&c->lock);
    return err_of(code);
}

struct line_reader {
    void (*each)(void *ctx, struct str line, uint64_t seq);
    void *ctx;
};

static void line_row(void *ctx, sqlite3_stmt *s)
{
    ASSERT(sqlite3_column_count(s) == 2);
    ASSERT(ctx != NULL);
    const struct line_reader *r = ctx;
    r->each(r->ctx, column_str(s, 0), column_u64(s, 1));
}

enum err catalog_each_line(struct catalog *c,
                           void (*each)(void *ctx, struct str line, uint64_t seq), void *ctx)
{
    ASSERT(c->db != NULL);
    ASSERT(each != NULL);
    return each_row(c, SQL_LINES, 0, line_row, &(struct line_reader){each, ctx});
}

struct part_reader {
    void (*each)(void *ctx, const struct catalog_part *part);
    void *ctx;
};

static enum part_state state_of(uint64_t number)
{
    _Static_assert(PART_STRIPPED == 2, "the numbers are on the disk");
    ASSERT(PART_LIVE == 0);
    return number == PART_LIVE       ? PART_LIVE
           : number == PART_STRIPPED ? PART_STRIPPED
                                     : PART_QUARANTINED;
}

static void part_row(void *ctx, sqlite3_stmt *s)
{
    ASSERT(sqlite3_column_count(s) == 12);
    ASSERT(ctx != NULL);
    const struct part_reader *r = ctx;
    const struct catalog_part p = {
        .id = column_u64(s, 0),
        .line = column_str(s, 1),
        .level = (uint32_t)column_u64(s, 2),
        .state = state_of(column_u64(s, 3)),
        .rows = column_u64(s, 4),
        .bytes = column_u64(s, 5),
        .min_start_ns = column_u64(s, 6),
        .max_start_ns = column_u64(s, 7),
        .seq_first = column_u64(s, 8),
        .seq_last = column_u64(s, 9),
        .committed_ns = column_u64(s, 10),
        .services = column_str(s, 11),
    };
    r->each(r->ctx, &p);
}

enum err catalog_each_part(struct catalog *c,
                           void (*each)(void *ctx, const struct catalog_part *part), void *ctx)
{
    ASSERT(c->db != NULL);
    ASSERT(each != NULL);
    return each_row(c, SQL_PARTS, 0, part_row, &(struct part_reader){each, ctx});
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
                                         (enum reason)reason, column_str(s, 3), column_u64(s, 4)};
        r->each(r->ctx, &cell);
    }
}

enum err catalog_each_cell(struct catalog *c,
                           void (*each)(void *ctx, const struct ledger_cell *cell), void *ctx)
{
    ASSERT(c->db != NULL);
    ASSERT(each != NULL);
    return each_row(c, SQL_CELLS, 0, cell_row, &(struct cell_reader){each, ctx});
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
        .received_ns = column_u64(s, 1),
        .signal = signal < SIGNAL_COUNT ? (enum signal)signal : SIGNAL_TRACES,
        .reason = reason < REASON_COUNT ? (enum reason)reason : REASON_NONE,
        .protocol = column_str(s, 4),
        .peer = column_str(s, 5),
        .message = column_str(s, 6),
        .offset = column_u64(s, 7),
        .records = column_u64(s, 8),
        .body = column_str(s, 9),
    };
    r->each(r->ctx, column_u64(s, 0), &letter);
}

enum err catalog_each_letter(struct catalog *c, size_t limit,
                             void (*each)(void *ctx, uint64_t id, const struct dead_letter *letter),
                             void *ctx)
{
    ASSERT(c->db != NULL);
    ASSERT(each != NULL);
    return each_row(c, SQL_LETTERS, limit, letter_row, &(struct letter_reader){each, ctx});
}

static void count_row(void *ctx, sqlite3_stmt *s)
{
    ASSERT(sqlite3_column_count(s) == 1);
    ASSERT(ctx != NULL);
    *(uint64_t *)ctx = column_u64(s, 0);
}

enum err catalog_count_letters(struct catalog *c, uint64_t *ret_count)
{
    ASSERT(c->db != NULL);
    ASSERT(ret_count != NULL);
    return each_row(c, SQL_COUNT_LETTERS, 0, count_row, ret_count);
}

enum err catalog_fact(struct catalog *c, enum catalog_fact which, uint64_t *ret_value)
{
    uint64_t value = 0;
    ASSERT(which < FACT_COUNT);
    ASSERT(ret_value != NULL);
    enum err e = each_row(c, SQL_FACT, which, count_row, &value);
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
    (void)sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
    code = code == SQLITE_OK ? user_version(db, &version) : code;
    enum err e = err_of(code);
    if (e == ERR_OK && version > CATALOG_VERSION) {
        e = ERR_UNSUPPORTED;
    }
    if (e == ERR_OK) {
        e = err_of(sqlite3_prepare_v2(db, texts[SQL_PARTS], -1, &s, NULL));
    }
    while (e == ERR_OK && (code = sqlite3_step(s)) == SQLITE_ROW) {
        part_row(&r, s);
    }
    e = e == ERR_OK ? err_of(code) : e;
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
    if (code == SQLITE_OK && vfs != NULL) { // see prepare()
        code = run_text(db, "PRAGMA locking_mode = EXCLUSIVE");
    }
    code = err_of(code) == ERR_OK ? user_version(db, &version) : code;
    if (err_of(code) == ERR_OK && version > 0 && version <= CATALOG_VERSION) {
        code = sqlite3_exec(db, "PRAGMA integrity_check(1)", note_answer, &is_whole, NULL);
    }
    enum err e = (code & 0xff) == SQLITE_CANTOPEN ? ERR_NOT_FOUND : err_of(code);
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
