// SPDX-License-Identifier: Apache-2.0
// Purpose: the file of alerting: rules and their versions, and the engine's state.
#include "alert/book_state.h"
#include "core/must.h"

#define BODY_MAX ((size_t)1 << 20)

// ---- Rules --------------------------------------------------------------------------------------

static void put_rule(struct book *b, const struct alert_rule *r, struct str body, struct str by,
                     uint64_t now_ns)
{
    static const enum book_statement steps[] = {BOOK_PUT_CHANGE, BOOK_PUT_RULE};
    ASSERT(r->name.n > 0);
    for (size_t i = 0; i < 2; i++) {
        sqlite3_stmt *s = book_statement(b, steps[i]);
        sql_bind_str(s, 1, r->name);
        sql_bind_str(s, 2, body);
        sql_bind_u64(s, 3, now_ns);
        sql_bind_str(s, 4, by);
        sql_run(&b->sql, steps[i]);
    }
}

uint64_t book_count(struct book *b, enum book_statement which)
{
    sqlite3_stmt *s = book_statement(b, which);
    int code = sqlite3_step(s);
    uint64_t n = code == SQLITE_ROW ? sql_u64(s, 0) : 0;
    enum err e = code == SQLITE_ROW ? ERR_OK : code == SQLITE_DONE ? ERR_IO : sql_err(code);
    ASSERT(b->sql.db != NULL);
    b->sql.failed = b->sql.failed == ERR_OK ? e : b->sql.failed;
    (void)sqlite3_reset(s);
    (void)sqlite3_clear_bindings(s);
    return n;
}

// In a transaction.
static void put_file(struct book *b, const struct alert_file *file, struct str by, uint64_t now_ns)
{
    struct buf body;
    ASSERT(b->sql.db != NULL);
    buf_init(&body, BODY_MAX);
    bool is_too_much = false;
    for (size_t i = 0; i < file->rule_count; i++) {
        buf_clear(&body);
        alert_rule_print(&file->rules[i], &body);
        is_too_much = is_too_much || body.failed;
        put_rule(b, &file->rules[i], buf_str(&body), by, now_ns);
    }
    sql_bind_u64(book_statement(b, BOOK_CUT_CHANGES), 1, BOOK_CHANGES_MAX);
    sql_run(&b->sql, BOOK_CUT_CHANGES);
    is_too_much = !book_put_roster(b, &file->roster, by, now_ns) || is_too_much ||
                  book_count(b, BOOK_COUNT_RULES) > ALERT_RULES_MAX;
    b->sql.failed = is_too_much && b->sql.failed == ERR_OK ? ERR_LIMIT : b->sql.failed;
    buf_done(&body);
}

enum err book_put_rules(struct book *b, const struct alert_file *file, struct str by,
                        uint64_t now_ns)
{
    ASSERT(b->sql.db != NULL);
    sql_begin(&b->sql);
    put_file(b, file, by, now_ns);
    return sql_end(&b->sql);
}

enum err book_try_rules(struct book *b, const struct alert_file *file)
{
    ASSERT(b->sql.db != NULL);
    sql_begin(&b->sql);
    put_file(b, file, STR(""), 1);
    return sql_undo(&b->sql);
}

enum err book_remove_rule(struct book *b, struct str name, struct str by, uint64_t now_ns)
{
    ASSERT(b->sql.db != NULL);
    sql_begin(&b->sql);
    sqlite3_stmt *s = book_statement(b, BOOK_CHANGE_REMOVED);
    sql_bind_str(s, 1, name);
    sql_bind_u64(s, 2, now_ns);
    sql_bind_str(s, 3, by);
    sql_run(&b->sql, BOOK_CHANGE_REMOVED);
    bool is_there = sqlite3_changes(b->sql.db) > 0;
    sql_bind_str(book_statement(b, BOOK_REMOVE_RULE), 1, name);
    sql_run(&b->sql, BOOK_REMOVE_RULE);
    enum err e = sql_end(&b->sql);
    return e == ERR_OK && !is_there ? ERR_NOT_FOUND : e;
}

static void read_version(void *ctx, sqlite3_stmt *r)
{
    uint64_t *version = ctx;
    ASSERT(r != NULL);
    *version = sql_u64(r, 0);
}

enum err book_version(struct book *b, uint64_t *ret_version)
{
    uint64_t version = 0;
    enum err e = sql_each(&b->sql, BOOK_VERSION, 0, read_version, &version);
    ASSERT(b->sql.db != NULL);
    *ret_version = e == ERR_OK ? version : *ret_version;
    return e;
}

static void print_body(void *ctx, sqlite3_stmt *r)
{
    ASSERT(r != NULL);
    buf_add_str(ctx, sql_str(r, 2));
}

enum err book_print_rules(struct book *b, struct buf *out)
{
    size_t before = out->n;
    ASSERT(b->sql.db != NULL);
    buf_add_str(out, STR("rules:\n"));
    size_t empty = out->n;
    enum err e = sql_each(&b->sql, BOOK_RULES, 0, print_body, out);
    if (out->n == empty) {
        out->n = before;
        buf_add_str(out, STR("rules: []\n"));
    }
    e = e == ERR_OK ? book_print_roster(b, out) : e;
    return e == ERR_OK && out->failed ? ERR_LIMIT : e;
}

struct rule_reader {
    void (*each)(void *ctx, const struct book_rule *r);
    void *ctx;
};

static void read_rule(void *ctx, sqlite3_stmt *r)
{
    const struct rule_reader *to = ctx;
    const struct book_rule rule = {sql_str(r, 0), sql_str(r, 4), sql_u64(r, 1), sql_u64(r, 3)};
    ASSERT(r != NULL);
    to->each(to->ctx, &rule);
}

enum err book_each_rule(struct book *b, void (*each)(void *ctx, const struct book_rule *r),
                        void *ctx)
{
    struct rule_reader to = {each, ctx};
    ASSERT(b->sql.db != NULL);
    return sql_each(&b->sql, BOOK_RULES, 0, read_rule, &to);
}

struct change_reader {
    struct str name;
    uint64_t max;
    void (*each)(void *ctx, const struct book_change *c);
    void *ctx;
};

static void bind_changes(void *ctx, sqlite3_stmt *s)
{
    const struct change_reader *to = ctx;
    ASSERT(s != NULL);
    if (to->name.p != NULL) {
        sql_bind_str(s, 1, to->name);
    }
    sql_bind_u64(s, 2, to->max);
}

static void read_change(void *ctx, sqlite3_stmt *r)
{
    const struct change_reader *to = ctx;
    ASSERT(r != NULL);
    const struct book_change c = {.rule = sql_str(r, 0),
                                  .version = sql_u64(r, 1),
                                  .action = sql_str(r, 2),
                                  .body = sql_str(r, 3),
                                  .at_ns = sql_u64(r, 4),
                                  .by = sql_str(r, 5)};
    to->each(to->ctx, &c);
}

enum err book_each_change(struct book *b, struct str name, uint64_t max,
                          void (*each)(void *ctx, const struct book_change *c), void *ctx)
{
    struct change_reader to = {name, max, each, ctx};
    ASSERT(b->sql.db != NULL);
    return sql_each_bound(&b->sql, BOOK_CHANGES, bind_changes, read_change, &to);
}

// ---- The engine's state -------------------------------------------------------------------------

enum err book_put_state(struct book *b, uint64_t seq, struct str state)
{
    sqlite3_stmt *s = book_statement(b, BOOK_PUT_STATE);
    ASSERT(b->sql.db != NULL);
    sql_begin(&b->sql);
    sql_bind_u64(s, 1, seq);
    sql_bind_str(s, 2, state);
    sql_run(&b->sql, BOOK_PUT_STATE);
    return sql_end(&b->sql);
}

struct state_reader {
    uint64_t seq;
    struct buf *out;
};

static void read_state(void *ctx, sqlite3_stmt *r)
{
    struct state_reader *to = ctx;
    ASSERT(r != NULL);
    to->seq = sql_u64(r, 0);
    buf_add_str(to->out, sql_str(r, 1));
}

enum err book_state(struct book *b, uint64_t *ret_seq, struct buf *out)
{
    struct state_reader to = {0, out};
    enum err e = sql_each(&b->sql, BOOK_STATE, 0, read_state, &to);
    ASSERT(b->sql.db != NULL);
    if (e == ERR_OK) {
        *ret_seq = to.seq;
    }
    return e;
}

struct told_reader {
    void (*each)(void *ctx, const struct alert_told *t);
    void *ctx;
};

static void read_told(void *ctx, sqlite3_stmt *r)
{
    const struct told_reader *to = ctx;
    ASSERT(r != NULL);
    const struct alert_told t = {.rule = sql_str(r, 0),
                                 .group = {sql_str(r, 1), sql_str(r, 2), sql_str(r, 3)},
                                 .group_count =
                                     sql_u64(r, 6) <= ALERT_GROUP_BY_MAX ? sql_u64(r, 6) : 0,
                                 .fires = sql_u64(r, 4) != 0,
                                 .event_ns = sql_u64(r, 5)};
    to->each(to->ctx, &t);
}

enum err book_each_told(struct book *b, uint64_t since_ns,
                        void (*each)(void *ctx, const struct alert_told *t), void *ctx)
{
    struct told_reader to = {each, ctx};
    ASSERT(b->sql.db != NULL);
    return sql_each(&b->sql, BOOK_TOLD, since_ns, read_told, &to);
}
