// SPDX-License-Identifier: Apache-2.0
// Purpose: the file of alerting: its tables, alerts, incidents, messages.
#include "alert/book.h"

#include <string.h>

#include "alert/book_state.h"
#include "core/clock.h"
#include "core/must.h"

#define SCHEMA_VERSION 1

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS rules(name BLOB PRIMARY KEY, version INTEGER NOT NULL,"
    " body BLOB NOT NULL, changed_ns INTEGER NOT NULL, who BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS changes(id INTEGER PRIMARY KEY, rule BLOB NOT NULL,"
    " version INTEGER NOT NULL, action BLOB NOT NULL, body BLOB NOT NULL, at_ns INTEGER NOT NULL,"
    " who BLOB NOT NULL);"
    "CREATE INDEX IF NOT EXISTS changes_rule ON changes(rule, version);"
    "CREATE TABLE IF NOT EXISTS roster(kind INTEGER NOT NULL, name BLOB NOT NULL,"
    " body BLOB NOT NULL, until_ms INTEGER NOT NULL, PRIMARY KEY(kind, name)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS alerts(id INTEGER PRIMARY KEY, incident INTEGER NOT NULL,"
    " rule BLOB NOT NULL, fields BLOB NOT NULL, g0 BLOB NOT NULL, g1 BLOB NOT NULL,"
    " g2 BLOB NOT NULL, group_count INTEGER NOT NULL, level INTEGER NOT NULL,"
    " measure BLOB NOT NULL, op BLOB NOT NULL, line BLOB NOT NULL, environment BLOB NOT NULL,"
    " service BLOB NOT NULL, instance BLOB NOT NULL, address BLOB NOT NULL, traces BLOB NOT NULL,"
    " value REAL, bound REAL, event_ns INTEGER NOT NULL, fired_ns INTEGER NOT NULL,"
    " ended_ns INTEGER NOT NULL, told_ns INTEGER NOT NULL);"
    "CREATE INDEX IF NOT EXISTS alerts_incident ON alerts(incident);"
    "CREATE INDEX IF NOT EXISTS alerts_ended ON alerts(ended_ns);"
    "CREATE TABLE IF NOT EXISTS incidents(id INTEGER PRIMARY KEY, state INTEGER NOT NULL,"
    " level INTEGER NOT NULL, title BLOB NOT NULL, line BLOB NOT NULL, services BLOB NOT NULL,"
    " suspect BLOB NOT NULL, entries BLOB NOT NULL, users BLOB NOT NULL, remedy BLOB NOT NULL,"
    " channels BLOB NOT NULL, receivers BLOB NOT NULL, suppress_ms INTEGER NOT NULL,"
    " opened_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL, ended_ns INTEGER NOT NULL,"
    " alerts INTEGER NOT NULL, firing INTEGER NOT NULL, messaged_ns INTEGER NOT NULL,"
    " silent INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS timeline(id INTEGER PRIMARY KEY, incident INTEGER NOT NULL,"
    " at_ns INTEGER NOT NULL, kind BLOB NOT NULL, text BLOB NOT NULL, who BLOB NOT NULL);"
    "CREATE INDEX IF NOT EXISTS timeline_incident ON timeline(incident);"
    "CREATE TABLE IF NOT EXISTS messages(id INTEGER PRIMARY KEY, incident INTEGER NOT NULL,"
    " channels BLOB NOT NULL, body BLOB NOT NULL, resolves INTEGER NOT NULL,"
    " put INTEGER NOT NULL);"
    "CREATE INDEX IF NOT EXISTS messages_unput ON messages(id) WHERE put = 0;"
    "CREATE TABLE IF NOT EXISTS received(labels BLOB PRIMARY KEY, annotations BLOB NOT NULL,"
    " generator_url BLOB NOT NULL, starts_ns INTEGER NOT NULL, ends_ns INTEGER NOT NULL,"
    " updated_ns INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS windows(id INTEGER PRIMARY KEY CHECK(id = 1),"
    " seq INTEGER NOT NULL, bytes BLOB NOT NULL);";

#define ALERT_COLUMNS                                                                              \
    "id, incident, rule, fields, g0, g1, g2, group_count, level, measure, op, line, environment,"  \
    " service, instance, address, traces, value, bound, event_ns, fired_ns, ended_ns, told_ns"
#define INCIDENT_COLUMNS                                                                           \
    "id, state, level, title, line, services, suspect, entries, users, remedy, channels,"          \
    " receivers, suppress_ms, opened_ns, last_ns, ended_ns, alerts, firing, messaged_ns, silent"

static const char *const texts[BOOK_STATEMENTS] = {
    [BOOK_PUT_CHANGE] =
        "INSERT INTO changes(rule, version, action, body, at_ns, who) SELECT ?1,"
        " 1 + max(coalesce((SELECT max(version) FROM changes WHERE rule = ?1), 0),"
        " coalesce((SELECT version FROM rules WHERE name = ?1), 0)),"
        " CASE WHEN EXISTS(SELECT 1 FROM rules WHERE name = ?1) THEN 'changed' ELSE 'made' END,"
        " ?2, ?3, ?4 WHERE NOT EXISTS(SELECT 1 FROM rules WHERE name = ?1 AND body = ?2)",
    [BOOK_PUT_RULE] =
        "INSERT INTO rules(name, version, body, changed_ns, who)"
        " SELECT ?1, (SELECT max(version) FROM changes WHERE rule = ?1), ?2, ?3, ?4 WHERE true"
        " ON CONFLICT(name) DO UPDATE SET version = excluded.version, body = excluded.body,"
        " changed_ns = excluded.changed_ns, who = excluded.who WHERE body != excluded.body",
    [BOOK_CHANGE_REMOVED] =
        "INSERT INTO changes(rule, version, action, body, at_ns, who) SELECT name,"
        " 1 + version, 'removed', body, ?2, ?3"
        " FROM rules WHERE name = ?1",
    [BOOK_REMOVE_RULE] = "DELETE FROM rules WHERE name = ?1",
    [BOOK_RULES] = "SELECT name, version, body, changed_ns, who FROM rules ORDER BY name",
    [BOOK_COUNT_RULES] = "SELECT count(*) FROM rules",
    [BOOK_CUT_CHANGES] = "DELETE FROM changes WHERE id <= (SELECT max(id) FROM changes) - ?1",
    [BOOK_VERSION] = "SELECT coalesce(max(id), 0) FROM changes",
    [BOOK_CHANGES] = "SELECT rule, version, action, body, at_ns, who FROM changes"
                     " WHERE ?1 IS NULL OR rule = ?1 ORDER BY id DESC LIMIT ?2",
    [BOOK_PUT_RECEIVED] = "INSERT OR REPLACE INTO received(labels, annotations, generator_url,"
                          " starts_ns, ends_ns, updated_ns) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    [BOOK_REMOVE_RECEIVED] = "DELETE FROM received WHERE labels = ?1",
    [BOOK_RECEIVED] = "SELECT labels, annotations, generator_url, starts_ns, ends_ns, updated_ns"
                      " FROM received",
    [BOOK_PUT_STATE] = "INSERT OR REPLACE INTO windows(id, seq, bytes) VALUES(1, ?1, ?2)",
    [BOOK_STATE] = "SELECT seq, bytes FROM windows",
    [BOOK_TOLD] = "SELECT rule, g0, g1, g2, ended_ns = 0, told_ns, group_count FROM alerts"
                  " WHERE length(measure) > 0 AND (ended_ns = 0 OR ended_ns >= ?1) ORDER BY id",
    [BOOK_ADD_ALERT] = "INSERT INTO alerts(" ALERT_COLUMNS ") VALUES(NULL, ?1, ?2, ?3, ?4, ?5, ?6,"
                       " ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21,"
                       " ?22)",
    [BOOK_END_ALERT] = "UPDATE alerts SET ended_ns = ?2, told_ns = ?3 WHERE id = ?1",
    [BOOK_ALERTS] = "SELECT " ALERT_COLUMNS " FROM (SELECT * FROM alerts WHERE incident = ?1"
                    " ORDER BY id DESC LIMIT 1000) ORDER BY id",
    [BOOK_FIRING] = "SELECT " ALERT_COLUMNS " FROM alerts WHERE ended_ns = 0 ORDER BY id",
    [BOOK_ADD_INCIDENT] = "INSERT INTO incidents(" INCIDENT_COLUMNS ") VALUES(NULL, ?1, ?2, ?3, ?4,"
                          " ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)",
    [BOOK_SET_INCIDENT] =
        "UPDATE incidents SET state = ?1, level = ?2, title = ?3, line = ?4, services = ?5,"
        " suspect = ?6, entries = ?7, users = ?8, remedy = ?9, channels = ?10, receivers = ?11,"
        " suppress_ms = ?12, opened_ns = ?13, last_ns = ?14, ended_ns = ?15, alerts = ?16,"
        " firing = ?17, messaged_ns = ?18, silent = ?19 WHERE id = ?20",
    [BOOK_INCIDENTS] = "SELECT " INCIDENT_COLUMNS " FROM incidents WHERE (?1 = 0 OR state != 2)"
                       " AND (?2 = 0 OR id < ?2) ORDER BY id DESC LIMIT ?3",
    [BOOK_INCIDENT] = "SELECT " INCIDENT_COLUMNS " FROM incidents WHERE id = ?1",
    [BOOK_OLD_INCIDENTS] = "DELETE FROM incidents WHERE state = 2 AND ended_ns < ?1 AND id IN"
                           " (SELECT id FROM incidents ORDER BY id LIMIT 1000)",
    [BOOK_MANY_INCIDENTS] = "DELETE FROM incidents WHERE state = 2 AND"
                            " id <= (SELECT max(id) FROM incidents) - ?1",
    [BOOK_FORGET_ALERTS] = "DELETE FROM alerts WHERE ended_ns != 0 AND"
                           " incident NOT IN (SELECT id FROM incidents)",
    [BOOK_FORGET_TIMELINE] = "DELETE FROM timeline WHERE incident NOT IN (SELECT id FROM"
                             " incidents)",
    [BOOK_FORGET_MESSAGES] = "DELETE FROM messages WHERE put = 1 AND"
                             " id <= (SELECT max(id) FROM messages) - ?1 AND"
                             " incident NOT IN (SELECT id FROM incidents WHERE state != 2)",
    [BOOK_ADD_ENTRY] = "INSERT INTO timeline(incident, at_ns, kind, text, who)"
                       " VALUES(?1, ?2, ?3, ?4, ?5)",
    [BOOK_TIMELINE] = "SELECT incident, at_ns, kind, text, who FROM (SELECT * FROM timeline WHERE"
                      " incident = ?1 ORDER BY id DESC LIMIT 1000) ORDER BY id",
    [BOOK_COMMENTS] = "SELECT count(*) FROM timeline WHERE incident = ?1 AND kind ="
                      " CAST('comment' AS BLOB)",
    [BOOK_ADD_MESSAGE] = "INSERT INTO messages(incident, channels, body, resolves, put)"
                         " VALUES(?1, ?2, ?3, ?4, 0)",
    [BOOK_PUT_MESSAGE] = "UPDATE messages SET put = 1 WHERE id = ?1",
    [BOOK_LAST_MESSAGES] =
        "SELECT max(id), incident, group_concat(channels, ''), body, resolves FROM messages"
        " WHERE incident IN"
        " (SELECT id FROM incidents WHERE state != 2) GROUP BY incident",
    [BOOK_PUT_ROSTER_CHANGE] =
        "INSERT INTO changes(rule, version, action, body, at_ns, who) SELECT ?4,"
        " 1 + coalesce((SELECT max(version) FROM changes WHERE rule = ?4), 0),"
        " CASE WHEN EXISTS(SELECT 1 FROM roster WHERE kind = ?1 AND name = ?2) THEN 'changed'"
        " ELSE 'made' END, ?3, ?5, ?6"
        " WHERE NOT EXISTS(SELECT 1 FROM roster WHERE kind = ?1 AND name = ?2 AND body = ?3)",
    [BOOK_PUT_ROSTER] = "INSERT OR REPLACE INTO roster(kind, name, body, until_ms)"
                        " VALUES(?1, ?2, ?3, ?4)",
    [BOOK_ROSTER_REMOVED] =
        "INSERT INTO changes(rule, version, action, body, at_ns, who) SELECT ?3,"
        " 1 + coalesce((SELECT max(version) FROM changes WHERE rule = ?3), 0), 'removed', body,"
        " ?4, ?5 FROM roster WHERE kind = ?1 AND name = ?2",
    [BOOK_REMOVE_ROSTER] = "DELETE FROM roster WHERE kind = ?1 AND name = ?2",
    [BOOK_ROSTER] = "SELECT body FROM roster WHERE kind = ?1 ORDER BY name",
    [BOOK_COUNT_ROSTER] = "SELECT count(*) FROM roster WHERE kind = ?1",
    [BOOK_OLD_SILENCES] = "DELETE FROM roster WHERE kind = 2 AND until_ms < ?1",
    [BOOK_UNPUT] = "SELECT id, incident, channels, body, resolves FROM messages WHERE put = 0"
                   " ORDER BY id",
};

const char *incident_state_name(enum incident_state s)
{
    static const char *const names[INCIDENT_STATES] = {"firing", "acknowledged", "resolved"};
    ASSERT(s < INCIDENT_STATES);
    return names[s];
}

enum err book_open(struct book *b, const char *path, const char *vfs, struct err_at *ret_at)
{
    const struct sql_options o = {path, vfs, SCHEMA_VERSION, schema, texts, BOOK_STATEMENTS};
    enum err e = sql_open(&b->sql, &o, ret_at);
    ASSERT(e != ERR_OK || b->sql.db != NULL);
    if (e == ERR_OK && b->sql.version == 0) {
        e = sql_set_version(&b->sql, SCHEMA_VERSION);
        if (e != ERR_OK) {
            sql_close(&b->sql);
            (void)err_at_set(ret_at, e, 0, "The file of alerts cannot be written.");
        }
    }
    return e;
}

void book_close(struct book *b)
{
    ASSERT(b != NULL);
    if (b->sql.db != NULL) {
        sql_close(&b->sql);
    }
}

void book_begin(struct book *b)
{
    ASSERT(b->sql.db != NULL);
    sql_begin(&b->sql);
}

enum err book_end(struct book *b)
{
    ASSERT(b->sql.db != NULL);
    return sql_end(&b->sql);
}

static uint64_t added(struct book *b)
{
    ASSERT(sqlite3_get_autocommit(b->sql.db) == 0 || b->sql.failed != ERR_OK);
    return (uint64_t)sqlite3_last_insert_rowid(b->sql.db);
}

// Binds values in order.
struct binder {
    sqlite3_stmt *s;
    int at;
};

static void bind_u64(struct binder *b, uint64_t v)
{
    ASSERT(b->s != NULL);
    sql_bind_u64(b->s, ++b->at, v);
}

static void bind_str(struct binder *b, struct str v)
{
    ASSERT(b->s != NULL);
    sql_bind_str(b->s, ++b->at, v.p != NULL ? v : STR(""));
}

static void bind_double(struct binder *b, double v) // NaN is kept as NULL
{
    int code = sqlite3_bind_double(b->s, ++b->at, v);
    MUST(code == SQLITE_OK);
}

// ---- Alerts -------------------------------------------------------------------------------------

#define FIELD_SEPARATOR '\n'

// Names of fields have no line break (they are words of the filter language).
static struct str join_fields(const struct book_alert *a, char *room, size_t size)
{
    size_t n = 0;
    ASSERT(a != NULL);
    for (size_t i = 0; i < a->group_count; i++) {
        size_t take = a->fields[i].n < size - n - 1 ? a->fields[i].n : size - n - 1;
        memcpy(room + n, a->fields[i].p, take);
        n += take;
        room[n++] = FIELD_SEPARATOR;
    }
    return (struct str){room, n};
}

uint64_t book_add_alert(struct book *b, const struct book_alert *a)
{
    ASSERT(b->sql.db != NULL);
    char room[ALERT_GROUP_BY_MAX * (ALERT_NAME_MAX + 1) + 1];
    struct binder to = {book_statement(b, BOOK_ADD_ALERT), 0};
    const struct str texts_of[] = {a->measure, a->op,       a->line,    a->environment,
                                   a->service, a->instance, a->address, a->traces};
    bind_u64(&to, a->incident);
    bind_str(&to, a->rule);
    bind_str(&to, join_fields(a, room, sizeof room));
    for (size_t i = 0; i < ALERT_GROUP_BY_MAX; i++) {
        bind_str(&to, i < a->group_count ? a->group[i] : STR(""));
    }
    bind_u64(&to, a->group_count);
    bind_u64(&to, a->level);
    for (size_t i = 0; i < sizeof texts_of / sizeof texts_of[0]; i++) {
        bind_str(&to, texts_of[i]);
    }
    bind_double(&to, a->value);
    bind_double(&to, a->limit);
    bind_u64(&to, a->event_ns);
    bind_u64(&to, a->fired_ns);
    bind_u64(&to, a->ended_ns);
    bind_u64(&to, a->told_ns);
    sql_run(&b->sql, BOOK_ADD_ALERT);
    return added(b);
}

void book_end_alert(struct book *b, uint64_t id, uint64_t ended_ns, uint64_t told_ns)
{
    struct binder to = {book_statement(b, BOOK_END_ALERT), 0};
    ASSERT(ended_ns > 0);
    bind_u64(&to, id);
    bind_u64(&to, ended_ns);
    bind_u64(&to, told_ns);
    sql_run(&b->sql, BOOK_END_ALERT);
}

static double column_double(sqlite3_stmt *r, int column)
{
    ASSERT(r != NULL);
    return sqlite3_column_type(r, column) == SQLITE_NULL ? __builtin_nan("")
                                                         : sqlite3_column_double(r, column);
}

struct alert_reader {
    void (*each)(void *ctx, const struct book_alert *a);
    void *ctx;
};

static void read_alert(void *ctx, sqlite3_stmt *r)
{
    const struct alert_reader *to = ctx;
    struct str fields = sql_str(r, 3);
    ASSERT(r != NULL);
    struct book_alert a = {
        .id = sql_u64(r, 0),
        .incident = sql_u64(r, 1),
        .rule = sql_str(r, 2),
        .group = {sql_str(r, 4), sql_str(r, 5), sql_str(r, 6)},
        .group_count = sql_u64(r, 7) <= ALERT_GROUP_BY_MAX ? sql_u64(r, 7) : 0,
        .level = sql_u64(r, 8) < LEVEL_COUNT ? (enum alert_level)sql_u64(r, 8) : LEVEL_WARNING,
        .measure = sql_str(r, 9),
        .op = sql_str(r, 10),
        .line = sql_str(r, 11),
        .environment = sql_str(r, 12),
        .service = sql_str(r, 13),
        .instance = sql_str(r, 14),
        .address = sql_str(r, 15),
        .traces = sql_str(r, 16),
        .value = column_double(r, 17),
        .limit = column_double(r, 18),
        .event_ns = sql_u64(r, 19),
        .fired_ns = sql_u64(r, 20),
        .ended_ns = sql_u64(r, 21),
        .told_ns = sql_u64(r, 22),
    };
    for (size_t i = 0; i < a.group_count; i++) {
        fields = str_split(fields, FIELD_SEPARATOR, &a.fields[i]);
    }
    to->each(to->ctx, &a);
}

enum err book_each_alert(struct book *b, uint64_t incident,
                         void (*each)(void *ctx, const struct book_alert *a), void *ctx)
{
    struct alert_reader to = {each, ctx};
    ASSERT(b->sql.db != NULL);
    return sql_each(&b->sql, BOOK_ALERTS, incident, read_alert, &to);
}

enum err book_each_firing(struct book *b, void (*each)(void *ctx, const struct book_alert *a),
                          void *ctx)
{
    struct alert_reader to = {each, ctx};
    ASSERT(b->sql.db != NULL);
    return sql_each(&b->sql, BOOK_FIRING, 0, read_alert, &to);
}

// ---- Incidents ----------------------------------------------------------------------------------

static void bind_incident(struct binder *to, const struct book_incident *i)
{
    const struct str texts_of[] = {i->title, i->line,   i->services, i->suspect,  i->entries,
                                   i->users, i->remedy, i->channels, i->receivers};
    ASSERT(i->state < INCIDENT_STATES);
    bind_u64(to, i->state);
    bind_u64(to, i->level);
    for (size_t k = 0; k < sizeof texts_of / sizeof texts_of[0]; k++) {
        bind_str(to, texts_of[k]);
    }
    bind_u64(to, i->suppress_ms);
    bind_u64(to, i->opened_ns);
    bind_u64(to, i->last_ns);
    bind_u64(to, i->ended_ns);
    bind_u64(to, i->alerts);
    bind_u64(to, i->firing);
    bind_u64(to, i->messaged_ns);
    bind_u64(to, i->silent);
}

uint64_t book_add_incident(struct book *b, const struct book_incident *i)
{
    struct binder to = {book_statement(b, BOOK_ADD_INCIDENT), 0};
    ASSERT(b->sql.db != NULL);
    bind_incident(&to, i);
    sql_run(&b->sql, BOOK_ADD_INCIDENT);
    return added(b);
}

void book_set_incident(struct book *b, const struct book_incident *i)
{
    struct binder to = {book_statement(b, BOOK_SET_INCIDENT), 0};
    ASSERT(i->id > 0);
    bind_incident(&to, i);
    bind_u64(&to, i->id);
    sql_run(&b->sql, BOOK_SET_INCIDENT);
}

struct incident_reader {
    uint64_t open, before, max;
    void (*each)(void *ctx, const struct book_incident *i);
    void *ctx;
    size_t count;
};

static void read_incident(void *ctx, sqlite3_stmt *r)
{
    struct incident_reader *to = ctx;
    ASSERT(r != NULL);
    const struct book_incident i = {
        .id = sql_u64(r, 0),
        .state = sql_u64(r, 1) < INCIDENT_STATES ? (enum incident_state)sql_u64(r, 1)
                                                 : INCIDENT_RESOLVED,
        .level = sql_u64(r, 2) < LEVEL_COUNT ? (enum alert_level)sql_u64(r, 2) : LEVEL_WARNING,
        .title = sql_str(r, 3),
        .line = sql_str(r, 4),
        .services = sql_str(r, 5),
        .suspect = sql_str(r, 6),
        .entries = sql_str(r, 7),
        .users = sql_str(r, 8),
        .remedy = sql_str(r, 9),
        .channels = sql_str(r, 10),
        .receivers = sql_str(r, 11),
        .suppress_ms = sql_u64(r, 12),
        .opened_ns = sql_u64(r, 13),
        .last_ns = sql_u64(r, 14),
        .ended_ns = sql_u64(r, 15),
        .alerts = sql_u64(r, 16),
        .firing = sql_u64(r, 17),
        .messaged_ns = sql_u64(r, 18),
        .silent = sql_u64(r, 19),
    };
    to->count++;
    to->each(to->ctx, &i);
}

static void bind_range(void *ctx, sqlite3_stmt *s)
{
    const struct incident_reader *to = ctx;
    ASSERT(s != NULL);
    sql_bind_u64(s, 1, to->open);
    sql_bind_u64(s, 2, to->before);
    sql_bind_u64(s, 3, to->max);
}

enum err book_each_incident(struct book *b, bool open, uint64_t before, uint64_t max,
                            void (*each)(void *ctx, const struct book_incident *i), void *ctx)
{
    struct incident_reader to = {open, before, max, each, ctx, 0};
    ASSERT(b->sql.db != NULL);
    return sql_each_bound(&b->sql, BOOK_INCIDENTS, bind_range, read_incident, &to);
}

enum err book_incident(struct book *b, uint64_t id,
                       void (*each)(void *ctx, const struct book_incident *i), void *ctx)
{
    struct incident_reader to = {0, 0, 1, each, ctx, 0};
    enum err e = sql_each(&b->sql, BOOK_INCIDENT, id, read_incident, &to);
    ASSERT(b->sql.db != NULL);
    return e == ERR_OK && to.count == 0 ? ERR_NOT_FOUND : e;
}

void book_forget(struct book *b, uint64_t now_ns)
{
    uint64_t keep_ns = BOOK_KEEP_MS * NS_PER_MS;
    ASSERT(b->sql.db != NULL);
    sql_bind_u64(book_statement(b, BOOK_OLD_INCIDENTS), 1, now_ns > keep_ns ? now_ns - keep_ns : 0);
    sql_run(&b->sql, BOOK_OLD_INCIDENTS);
    sql_bind_u64(book_statement(b, BOOK_MANY_INCIDENTS), 1, BOOK_INCIDENTS_MAX);
    sql_run(&b->sql, BOOK_MANY_INCIDENTS);
    uint64_t now_ms = now_ns / NS_PER_MS;
    sql_bind_u64(book_statement(b, BOOK_OLD_SILENCES), 1,
                 now_ms > BOOK_SILENCE_MS ? now_ms - BOOK_SILENCE_MS : 0);
    sql_run(&b->sql, BOOK_OLD_SILENCES);
    sql_run(&b->sql, BOOK_FORGET_ALERTS);
    sql_run(&b->sql, BOOK_FORGET_TIMELINE);
    sql_bind_u64(book_statement(b, BOOK_FORGET_MESSAGES), 1, BOOK_MESSAGES_MAX);
    sql_run(&b->sql, BOOK_FORGET_MESSAGES);
}

// ---- Timeline and messages ----------------------------------------------------------------------

void book_add_entry(struct book *b, const struct book_entry *e)
{
    struct binder to = {book_statement(b, BOOK_ADD_ENTRY), 0};
    ASSERT(e->kind.n > 0);
    bind_u64(&to, e->incident);
    bind_u64(&to, e->at_ns);
    bind_str(&to, e->kind);
    bind_str(&to, e->text);
    bind_str(&to, e->by);
    sql_run(&b->sql, BOOK_ADD_ENTRY);
}

struct entry_reader {
    void (*each)(void *ctx, const struct book_entry *e);
    void *ctx;
};

static void read_entry(void *ctx, sqlite3_stmt *r)
{
    const struct entry_reader *to = ctx;
    ASSERT(r != NULL);
    const struct book_entry e = {sql_u64(r, 0), sql_u64(r, 1), sql_str(r, 2), sql_str(r, 3),
                                 sql_str(r, 4)};
    to->each(to->ctx, &e);
}

enum err book_each_entry(struct book *b, uint64_t incident,
                         void (*each)(void *ctx, const struct book_entry *e), void *ctx)
{
    struct entry_reader to = {each, ctx};
    ASSERT(b->sql.db != NULL);
    return sql_each(&b->sql, BOOK_TIMELINE, incident, read_entry, &to);
}

static void read_count(void *ctx, sqlite3_stmt *r)
{
    ASSERT(ctx != NULL);
    *(uint64_t *)ctx = sql_u64(r, 0);
}

enum err book_count_comments(struct book *b, uint64_t incident, uint64_t *ret_count)
{
    ASSERT(b->sql.db != NULL);
    return sql_each(&b->sql, BOOK_COMMENTS, incident, read_count, ret_count);
}

uint64_t book_add_message(struct book *b, const struct book_message *m)
{
    struct binder to = {book_statement(b, BOOK_ADD_MESSAGE), 0};
    ASSERT(b->sql.db != NULL);
    bind_u64(&to, m->incident);
    bind_str(&to, m->channels);
    bind_str(&to, m->body);
    bind_u64(&to, m->resolves);
    sql_run(&b->sql, BOOK_ADD_MESSAGE);
    return added(b);
}

void book_message_is_put(struct book *b, uint64_t id)
{
    ASSERT(b->sql.db != NULL);
    sql_bind_u64(book_statement(b, BOOK_PUT_MESSAGE), 1, id);
    sql_run(&b->sql, BOOK_PUT_MESSAGE);
}

struct message_reader {
    void (*each)(void *ctx, const struct book_message *m);
    void *ctx;
};

static void read_message(void *ctx, sqlite3_stmt *r)
{
    const struct message_reader *to = ctx;
    ASSERT(r != NULL);
    const struct book_message m = {sql_u64(r, 0), sql_u64(r, 1), sql_str(r, 2), sql_str(r, 3),
                                   sql_u64(r, 4) != 0};
    to->each(to->ctx, &m);
}

enum err book_each_last_message(struct book *b,
                                void (*each)(void *ctx, const struct book_message *m), void *ctx)
{
    struct message_reader to = {each, ctx};
    ASSERT(b->sql.db != NULL);
    return sql_each(&b->sql, BOOK_LAST_MESSAGES, 0, read_message, &to);
}

enum err book_each_unput(struct book *b, void (*each)(void *ctx, const struct book_message *m),
                         void *ctx)
{
    struct message_reader to = {each, ctx};
    ASSERT(b->sql.db != NULL);
    return sql_each(&b->sql, BOOK_UNPUT, 0, read_message, &to);
}
