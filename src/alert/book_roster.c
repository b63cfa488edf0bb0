// SPDX-License-Identifier: Apache-2.0
// Purpose: the file of alerting: people, groups and silences.
#include <stdio.h>

#include "alert/book_state.h"
#include "core/must.h"

#define BODY_MAX ((size_t)64 << 10)

static const char *const kinds[BOOK_ROSTER_KINDS] = {"people", "groups", "silences"};

// What the audit calls it: "people/anna".
static struct str audit_name(enum book_roster_kind kind, struct str name, char room[BOOK_AUDIT_MAX])
{
    int n = snprintf(room, BOOK_AUDIT_MAX, "%s/%.*s", kinds[kind], STR_FMT(name));
    ASSERT(kind < BOOK_ROSTER_KINDS);
    return (struct str){room, n < 0 || n >= BOOK_AUDIT_MAX ? BOOK_AUDIT_MAX - 1 : (size_t)n};
}

struct item {
    enum book_roster_kind kind;
    struct str name;
    uint64_t until_ms;
};

// In a transaction.
static void put_item(struct book *b, const struct item *i, struct str body, struct str by,
                     uint64_t now_ns)
{
    char room[BOOK_AUDIT_MAX];
    sqlite3_stmt *s = book_statement(b, BOOK_PUT_ROSTER_CHANGE);
    ASSERT(i->name.n > 0);
    sql_bind_u64(s, 1, i->kind);
    sql_bind_str(s, 2, i->name);
    sql_bind_str(s, 3, body);
    sql_bind_str(s, 4, audit_name(i->kind, i->name, room));
    sql_bind_u64(s, 5, now_ns);
    sql_bind_str(s, 6, by);
    sql_run(&b->sql, BOOK_PUT_ROSTER_CHANGE);
    s = book_statement(b, BOOK_PUT_ROSTER);
    sql_bind_u64(s, 1, i->kind);
    sql_bind_str(s, 2, i->name);
    sql_bind_str(s, 3, body);
    sql_bind_u64(s, 4, i->until_ms < INT64_MAX ? i->until_ms : INT64_MAX);
    sql_run(&b->sql, BOOK_PUT_ROSTER);
}

static uint64_t count_of(struct book *b, enum book_roster_kind kind)
{
    sqlite3_stmt *s = book_statement(b, BOOK_COUNT_ROSTER);
    sql_bind_u64(s, 1, kind);
    ASSERT(kind < BOOK_ROSTER_KINDS);
    return book_count(b, BOOK_COUNT_ROSTER);
}

bool book_put_roster(struct book *b, const struct roster *r, struct str by, uint64_t now_ns)
{
    struct buf body;
    ASSERT(b->sql.db != NULL);
    buf_init(&body, BODY_MAX);
    for (size_t i = 0; i < r->person_count; i++) {
        buf_clear(&body);
        roster_print_person(&r->people[i], &body);
        const struct item item = {BOOK_PEOPLE, r->people[i].name, UINT64_MAX};
        put_item(b, &item, buf_str(&body), by, now_ns);
    }
    for (size_t i = 0; i < r->team_count; i++) {
        buf_clear(&body);
        roster_print_team(&r->teams[i], &body);
        const struct item item = {BOOK_GROUPS, r->teams[i].name, UINT64_MAX};
        put_item(b, &item, buf_str(&body), by, now_ns);
    }
    for (size_t i = 0; i < r->silence_count; i++) {
        buf_clear(&body);
        roster_print_silence(&r->silences[i], &body);
        const struct item item = {BOOK_SILENCES, r->silences[i].name, r->silences[i].until_ms};
        put_item(b, &item, buf_str(&body), by, now_ns);
    }
    bool fits = !body.failed;
    buf_done(&body);
    return fits && count_of(b, BOOK_PEOPLE) <= ROSTER_PEOPLE_MAX &&
           count_of(b, BOOK_GROUPS) <= ROSTER_TEAMS_MAX &&
           count_of(b, BOOK_SILENCES) <= ROSTER_SILENCES_MAX;
}

enum err book_remove_roster(struct book *b, struct str kind, struct str name, struct str by,
                            uint64_t now_ns)
{
    char room[BOOK_AUDIT_MAX];
    unsigned k = 0;
    ASSERT(b->sql.db != NULL);
    while (k < BOOK_ROSTER_KINDS && !str_eq(kind, str_of(kinds[k]))) {
        k++;
    }
    if (k == BOOK_ROSTER_KINDS) {
        return ERR_NOT_FOUND;
    }
    sql_begin(&b->sql);
    sqlite3_stmt *s = book_statement(b, BOOK_ROSTER_REMOVED);
    sql_bind_u64(s, 1, k);
    sql_bind_str(s, 2, name);
    sql_bind_str(s, 3, audit_name((enum book_roster_kind)k, name, room));
    sql_bind_u64(s, 4, now_ns);
    sql_bind_str(s, 5, by);
    sql_run(&b->sql, BOOK_ROSTER_REMOVED);
    bool is_there = sqlite3_changes(b->sql.db) > 0;
    s = book_statement(b, BOOK_REMOVE_ROSTER);
    sql_bind_u64(s, 1, k);
    sql_bind_str(s, 2, name);
    sql_run(&b->sql, BOOK_REMOVE_ROSTER);
    enum err e = sql_end(&b->sql);
    return e == ERR_OK && !is_there ? ERR_NOT_FOUND : e;
}

static void print_body(void *ctx, sqlite3_stmt *r)
{
    ASSERT(r != NULL);
    buf_add_str(ctx, sql_str(r, 0));
}

enum err book_print_roster(struct book *b, struct buf *out)
{
    enum err e = ERR_OK;
    ASSERT(b->sql.db != NULL);
    for (unsigned k = 0; k < BOOK_ROSTER_KINDS && e == ERR_OK; k++) {
        size_t before = out->n;
        buf_printf(out, "%s:\n", kinds[k]);
        size_t empty = out->n;
        e = sql_each(&b->sql, BOOK_ROSTER, k, print_body, out);
        out->n = out->n == empty ? before : out->n;
    }
    return e;
}
