// SPDX-License-Identifier: Apache-2.0
// Purpose: the tables of statements and databases.
#include "agents/jvm/statements.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "agents/jvm/memory.h"
#include "agents/jvm/otlp.h"
#include "agents/jvm/shortfall.h"
#include "agents/jvm/span.h"
#include "core/must.h"

#define PROBES 8 // neighbours that a statement may lie at

struct entry {
    uint64_t hash;
    uint16_t generation;
    atomic_bool is_used;         // since the last time that somebody looked for room here
    struct statement *statement; // NULL: free
};

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static struct entry entries[STATEMENTS_MAX];
static struct {
    uint64_t hash;
    struct database database;
} databases[DATABASES_MAX];
static atomic_uint database_count;

// ---- Statements ------------------------------------------------------------------------------

static struct entry *entry_at(uint64_t hash, unsigned probe)
{
    return &entries[(hash + probe) % STATEMENTS_MAX];
}

static uint32_t id_of(const struct entry *e)
{
    return (uint32_t)e->generation << 16 | (uint32_t)(e - entries + 1);
}

// Written only where it changes something: threads share the line.
static void note_use(struct entry *e)
{
    if (!atomic_load_explicit(&e->is_used, memory_order_relaxed)) {
        atomic_store_explicit(&e->is_used, true, memory_order_relaxed);
    }
}

static uint32_t find(uint64_t hash)
{
    for (unsigned i = 0; i < PROBES; i++) {
        struct entry *e = entry_at(hash, i);
        if (e->statement != NULL && e->hash == hash) {
            note_use(e);
            return id_of(e);
        }
    }
    return 0;
}

// Among the neighbours: a free one, else one not used lately, else the first.
static struct entry *make_room(uint64_t hash)
{
    struct entry *chosen = NULL;
    for (unsigned i = 0; i < PROBES; i++) {
        struct entry *e = entry_at(hash, i);
        if (e->statement == NULL) {
            return e;
        }
        bool used = atomic_exchange_explicit(&e->is_used, false, memory_order_relaxed);
        chosen = !used && chosen == NULL ? e : chosen;
    }
    chosen = chosen != NULL ? chosen : entry_at(hash, 0);
    memory_free(chosen->statement);
    chosen->statement = NULL;
    chosen->generation++;
    return chosen;
}

// "SELECT stock", or as much of it as is known; the room is SPAN_NAME_MAX + 1.
static size_t summarize(const struct sql_text *t, char *out)
{
    _Static_assert(2 * SQL_NAME_MAX == SPAN_NAME_MAX, "a summary and a blank fit");
    size_t n = t->operation_n;
    memcpy(out, t->operation, n);
    if (t->collection_n > 0) {
        out[n++] = ' ';
        memcpy(out + n, t->collection, t->collection_n);
        n += t->collection_n;
    }
    return n;
}

static struct statement *statement_new(struct str sql, enum sql_dialect dialect)
{
    struct sql_text t;
    char name[SPAN_NAME_MAX + 1];
    uint8_t bytes[SQL_TEXT_MAX + 3 * SPAN_NAME_MAX + 256];
    struct otlp o = {.p = bytes, .capacity = sizeof bytes};
    sql_sanitize(sql, dialect, LONG_VALUE_MAX, &t);
    size_t name_n = summarize(&t, name);
    if (t.collection_n > 0) {
        otlp_text(&o, SPAN_ATTRIBUTES, "db.collection.name",
                  (struct str){t.collection, t.collection_n});
    }
    if (name_n > 0) {
        otlp_text(&o, SPAN_ATTRIBUTES, "db.query.summary", (struct str){name, name_n});
        otlp_text(&o, SPAN_ATTRIBUTES, "db.operation.name",
                  (struct str){t.operation, t.operation_n});
    }
    size_t essential_n = o.n;
    otlp_text(&o, SPAN_ATTRIBUTES, "db.query.text", (struct str){t.text, t.text_n});
    ASSERT(!o.full);
    struct statement *s = memory_get(sizeof *s + name_n + o.n);
    if (s != NULL) {
        s->name_n = (uint16_t)name_n;
        s->essential_n = (uint16_t)essential_n;
        s->encoded_n = (uint16_t)o.n;
        memcpy(s->bytes, name, name_n);
        memcpy(s->bytes + name_n, bytes, o.n);
    }
    return s;
}

uint32_t statement_id(struct str sql, enum sql_dialect dialect)
{
    uint64_t hash = str_hash(sql) + (uint64_t)dialect;
    pthread_rwlock_rdlock(&lock);
    uint32_t id = find(hash);
    pthread_rwlock_unlock(&lock);
    if (id != 0) {
        return id;
    }
    struct statement *made = statement_new(sql, dialect);
    if (made == NULL) {
        return 0;
    }
    pthread_rwlock_wrlock(&lock);
    id = find(hash);
    if (id == 0) {
        struct entry *e = make_room(hash);
        e->hash = hash;
        e->statement = made;
        atomic_store_explicit(&e->is_used, true, memory_order_relaxed);
        id = id_of(e);
        made = NULL;
    }
    pthread_rwlock_unlock(&lock);
    memory_free(made);
    ASSERT(id != 0);
    return id;
}

bool statement_tell(uint32_t id, void (*tell)(void *ctx, const struct statement *s), void *ctx)
{
    uint32_t index = (id & 0xFFFF) - 1;
    bool found = false;
    if (id == 0 || index >= STATEMENTS_MAX) {
        return false;
    }
    pthread_rwlock_rdlock(&lock);
    struct entry *e = &entries[index];
    if (e->statement != NULL && e->generation == id >> 16) {
        note_use(e);
        tell(ctx, e->statement);
        found = true;
    }
    pthread_rwlock_unlock(&lock);
    return found;
}

void statements_done(void)
{
    pthread_rwlock_wrlock(&lock);
    for (unsigned i = 0; i < STATEMENTS_MAX; i++) {
        memory_free(entries[i].statement);
        entries[i].statement = NULL;
        entries[i].generation++;
    }
    pthread_rwlock_unlock(&lock);
}

// ---- Databases -------------------------------------------------------------------------------

// As OpenTelemetry's db.system.name has them.
static const struct {
    const char *scheme, *system;
    enum sql_dialect dialect;
} SYSTEMS[] = {
    {"postgresql", "postgresql", SQL_STANDARD},
    {"mysql", "mysql", SQL_MYSQL},
    {"mariadb", "mariadb", SQL_MYSQL},
    {"oracle", "oracle.db", SQL_STANDARD},
    {"sqlserver", "microsoft.sql_server", SQL_STANDARD},
    {"db2", "ibm.db2", SQL_STANDARD},
    {"h2", "h2database", SQL_STANDARD},
    {"hsqldb", "hsqldb", SQL_STANDARD},
    {"derby", "derby", SQL_STANDARD},
    {"sqlite", "sqlite", SQL_STANDARD},
    {"clickhouse", "clickhouse", SQL_STANDARD},
    {"ch", "clickhouse", SQL_STANDARD},
};

static void copy(char *to, size_t room, struct str from)
{
    from = str_cut(from, room - 1);
    if (from.n > 0) {
        memcpy(to, from.p, from.n);
    }
    to[from.n] = '\0';
}

static int port_of(struct str text)
{
    int port = 0;
    for (size_t i = 0; i < text.n && i < 5 && text.p[i] >= '0' && text.p[i] <= '9'; i++) {
        port = port * 10 + (text.p[i] - '0');
    }
    return port;
}

// What stands behind the last '@', before which drivers have credentials.
static struct str without_credentials(struct str text)
{
    for (size_t i = text.n; i > 0; i--) {
        if (text.p[i - 1] == '@') {
            return str_skip(text, i);
        }
    }
    return text;
}

// "user:secret@host:port", "[::1]:5432", of a list of hosts the first. What some drivers have in
// another form there, as "address=(host=a)(password=b)", is not taken apart and not told.
static void set_authority(struct database *d, struct str a)
{
    struct str first, host;
    if (a.n > 0 && (memchr(a.p, '(', a.n) != NULL || memchr(a.p, '=', a.n) != NULL)) {
        return;
    }
    (void)str_split(without_credentials(a), ',', &first);
    if (first.n > 0 && first.p[0] == '[') {
        struct str rest = str_split(str_skip(first, 1), ']', &host);
        d->port = rest.n > 1 ? port_of(str_skip(rest, 1)) : 0;
    } else {
        d->port = port_of(str_split(first, ':', &host));
    }
    copy(d->host, sizeof d->host, host);
}

// jdbc:<scheme>:[<more>:]//authority/name?properties; ";databaseName=x" for SQL Server.
static void parse(struct database *d, struct str url)
{
    struct str scheme, rest = str_split(url, ':', &scheme);
    rest = str_split(rest, ':', &scheme);
    copy(d->system, sizeof d->system, STR("other_sql"));
    for (size_t i = 0; i < sizeof SYSTEMS / sizeof *SYSTEMS; i++) {
        if (str_eq(scheme, str_of(SYSTEMS[i].scheme))) {
            copy(d->system, sizeof d->system, str_of(SYSTEMS[i].system));
            d->dialect = SYSTEMS[i].dialect;
        }
    }
    const char *slashes = rest.n > 2 ? memmem(rest.p, rest.n, "//", 2) : NULL;
    size_t end = 0;
    if (slashes != NULL) {
        rest = str_skip(rest, (size_t)(slashes - rest.p) + 2);
        while (end < rest.n && memchr("/?;", rest.p[end], 3) == NULL) {
            end++;
        }
        set_authority(d, (struct str){rest.p, end});
        rest = str_skip(rest, end < rest.n ? end + (rest.p[end] == '/') : rest.n);
    }
    const char *named = rest.n > 13 ? memmem(rest.p, rest.n, "databaseName=", 13) : NULL;
    rest = named != NULL ? str_skip(rest, (size_t)(named - rest.p) + 13) : rest;
    // Oracle's has credentials first, in which anything may stand; others have none here, but
    // properties with secrets behind the name.
    rest = strcmp(d->system, "oracle.db") == 0 ? without_credentials(rest) : rest;
    const char *ends = slashes != NULL ? "?;&:" : "?;&";
    for (end = 0; end < rest.n && strchr(ends, rest.p[end]) == NULL;) {
        end++;
    }
    struct str name = without_credentials((struct str){rest.p, end});
    copy(d->name, sizeof d->name, name);
}

static void encode(struct database *d)
{
    struct otlp o = {.p = d->encoded, .capacity = sizeof d->encoded};
    otlp_text(&o, SPAN_ATTRIBUTES, "db.system.name", str_of(d->system));
    if (d->name[0] != '\0') {
        otlp_text(&o, SPAN_ATTRIBUTES, "db.namespace", str_of(d->name));
    }
    if (d->host[0] != '\0') {
        otlp_text(&o, SPAN_ATTRIBUTES, "server.address", str_of(d->host));
    }
    if (d->port > 0) {
        otlp_int(&o, SPAN_ATTRIBUTES, "server.port", d->port);
    }
    ASSERT(!o.full);
    d->encoded_n = (uint16_t)o.n;
}

static uint32_t find_database(uint64_t hash)
{
    unsigned n = atomic_load_explicit(&database_count, memory_order_acquire);
    for (unsigned i = 0; i < n; i++) {
        if (databases[i].hash == hash) {
            return i + 1;
        }
    }
    return 0;
}

uint32_t database_id(struct str url)
{
    uint64_t hash = str_hash(url);
    uint32_t id = find_database(hash);
    if (id != 0) {
        return id;
    }
    if (atomic_load(&database_count) == DATABASES_MAX) { // nobody waits for the lock
        shortfall_count(SHORTFALL_DATABASES);
        return 0;
    }
    pthread_rwlock_wrlock(&lock);
    id = find_database(hash);
    unsigned n = atomic_load(&database_count);
    if (id == 0 && n < DATABASES_MAX) {
        databases[n].hash = hash;
        parse(&databases[n].database, url);
        encode(&databases[n].database);
        atomic_store_explicit(&database_count, n + 1, memory_order_release);
        id = n + 1;
    }
    pthread_rwlock_unlock(&lock);
    return id;
}

const struct database *database_get(uint32_t id)
{
    return id > 0 && id <= atomic_load_explicit(&database_count, memory_order_acquire)
               ? &databases[id - 1].database
               : NULL;
}
