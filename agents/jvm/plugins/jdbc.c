// SPDX-License-Identifier: Apache-2.0
// Purpose: JDBC, any driver and any pool, by interface. What executes a statement is the client
// span; of wrappers around a driver's objects the outermost call is taken, and its object is the
// one that is remembered.
//
// A Connection is tagged with the number of its database, 0 when it does not tell or there is no
// number for it. With a Statement that and the number of its text (statements.h) is held
// (bridge_class.h): a prepared statement knows when it is executed what it was made from.
#include <string.h>

#include "agents/jvm/plugins/plugins.h"
#include "agents/jvm/statements.h"
#include "agents/jvm/tags.h"
#include "core/clock.h"
#include "core/must.h"

#define SQL_READ_MAX 8192 // of a statement's text

static struct java_method get_connection = {"getConnection", "()Ljava/sql/Connection;", {NULL}};
static struct java_method get_meta = {"getMetaData", "()Ljava/sql/DatabaseMetaData;", {NULL}};
static struct java_method get_url = {"getURL", "()Ljava/lang/String;", {NULL}};
static struct java_method get_state = {"getSQLState", "()Ljava/lang/String;", {NULL}};
static struct java_method to_string = {"toString", "()Ljava/lang/String;", {NULL}};

// ---- What is executed where ------------------------------------------------------------------

// The tag of a statement: the database's number, the text's.
static uint64_t statement_tag(uint32_t database, uint32_t text)
{
    ASSERT(database <= DATABASES_MAX); // a tag has fewer bits than two numbers
    return (uint64_t)database << 32 | text;
}

static uint32_t ask_database(JNIEnv *env, jobject connection)
{
    char url[512];
    uint64_t known;
    if (tag_get(connection, TAG_CONNECTION, &known)) {
        return (uint32_t)known;
    }
    jobject meta = java_object(env, &get_meta, connection);
    struct str u = java_text(env, &get_url, meta, url, sizeof url);
    uint32_t id = u.n > 0 ? database_id(u) : 0;
    tag_set(connection, TAG_CONNECTION, id); // 0, too: it is not asked for every statement
    return id;
}

// A thread mostly asks for the connections that it asked for last, a pool's and the driver's behind
// it; the JVM's table of tags has one lock for all threads.
static uint32_t database_of(struct call *c, jobject connection)
{
    JNIEnv *env = c->env;
    struct thread_state *t = c->thread;
    for (unsigned i = 0; i < THREAD_CONNECTIONS && connection != NULL; i++) {
        if (t->connections[i] != NULL && (*env)->IsSameObject(env, t->connections[i], connection)) {
            t->next_connection = i + 1;
            return t->databases[i];
        }
    }
    uint32_t id = ask_database(env, connection);
    unsigned place = t->next_connection++ % THREAD_CONNECTIONS; // not the one that was found last
    if (connection != NULL) {
        if (t->connections[place] != NULL) {
            (*env)->DeleteWeakGlobalRef(env, t->connections[place]);
        }
        t->connections[place] = (*env)->NewWeakGlobalRef(env, connection);
        t->databases[place] = id;
        (void)java_clear(env);
    }
    return id;
}

static uint32_t text_number(JNIEnv *env, jstring sql, uint32_t database)
{
    char text[SQL_READ_MAX];
    const struct database *d = database_get(database);
    struct str s = java_string(env, sql, text, sizeof text);
    return s.n > 0 ? statement_id(s, d != NULL ? d->dialect : SQL_STANDARD) : 0;
}

// ---- Connection.prepareStatement, prepareCall ------------------------------------------------

static uint64_t number_of_prepared(struct call *c)
{
    uint32_t database = database_of(c, c->self);
    return statement_tag(database, text_number(c->env, c->a, database));
}

// ---- Statement.execute... --------------------------------------------------------------------

// Of a statement that was prepared before the agent came: drivers show its text.
static uint32_t shown_text(JNIEnv *env, jobject statement, uint32_t database)
{
    char text[SQL_READ_MAX];
    const struct database *d = database_get(database);
    struct str s = java_text(env, &to_string, statement, text, sizeof text);
    const char *colon = s.n > 2 ? memmem(s.p, s.n, ": ", 2) : NULL;
    const char *blank = s.n > 2 ? memchr(s.p, ' ', s.n) : NULL;
    if (blank == NULL) {
        return 0; // class@hash
    }
    s = colon != NULL && colon < blank ? str_skip(s, (size_t)(colon - s.p) + 2) : s;
    return statement_id(s, d != NULL ? d->dialect : SQL_STANDARD);
}

static uint64_t what_is_executed(struct call *c)
{
    uint64_t known = (uint64_t)c->n;
    bool is_known = known != 0 || tag_get(c->self, TAG_HELD, &known);
    uint32_t database = (uint32_t)(known >> 32), text = (uint32_t)known;
    if (!is_known) {
        database = database_of(c, java_object(c->env, &get_connection, c->self));
    }
    if (c->a != NULL) {
        text = text_number(c->env, c->a, database);
    } else if (!is_known) {
        text = shown_text(c->env, c->self, database);
    }
    if (!is_known) {
        tag_set(c->self, TAG_HELD, statement_tag(database, c->a != NULL ? 0 : text));
    }
    return statement_tag(database, text);
}

static void describe(void *ctx, const struct statement *s)
{
    struct frame *f = ctx;
    ASSERT(s->essential_n <= s->encoded_n);
    if (s->name_n > 0) {
        span_name(f, (struct str){(const char *)s->bytes, s->name_n});
    }
    span_encoded(f, s->bytes + s->name_n, span_has_details(f) ? s->encoded_n : s->essential_n);
}

static struct frame *enter_execute(struct call *c)
{
    if (is_within(c)) {
        return NULL;
    }
    uint64_t what = what_is_executed(c);
    struct frame *f = span_open(c->thread, c->method, SPAN_CLIENT);
    if (f == NULL) {
        return NULL;
    }
    const struct database *d = database_get((uint32_t)(what >> 32));
    span_name(f, d != NULL ? str_of(d->system) : STR("SQL"));
    if (d != NULL) {
        span_encoded(f, d->encoded, d->encoded_n);
    }
    (void)statement_tell((uint32_t)what, describe, f);
    return f;
}

static void leave_execute(struct call *c, struct frame *f, jobject result, jlong number)
{
    char state[16];
    (void)result, (void)number;
    ASSERT(f->is_span && f->end_mono_ns >= f->start_mono_ns);
    if (c->thrown != NULL) {
        struct str s = java_text(c->env, &get_state, c->thrown, state, sizeof state);
        if (s.n > 0) {
            span_text(f, "db.response.status_code", s);
        }
    }
    if (f->end_mono_ns - f->start_mono_ns >= plugin_slow_ns()) {
        span_bool(f, "sonde.slow", true);
    }
}

static void leave_update(struct call *c, struct frame *f, jobject result, jlong number)
{
    if (c->thrown == NULL && number >= 0) {
        span_int(f, "db.response.affected_rows", number);
    }
    leave_execute(c, f, result, number);
}

// ---- The table -------------------------------------------------------------------------------

#define PREPARE(method, arguments, result)                                                         \
    {                                                                                              \
        .class_name = "java/sql/Connection", .is_interface = true, .name = method,                 \
        .descriptor = "(Ljava/lang/String;" arguments ")Ljava/sql/" result ";",                    \
        .probe = {.kind = PROBE_MADE, .objects = {1}}, .number = number_of_prepared,               \
        .is_light = true                                                                           \
    }
#define PREPARED(method, result, leave)                                                            \
    {                                                                                              \
        .class_name = "java/sql/PreparedStatement", .is_interface = true, .name = method,          \
        .descriptor = "()" result, .probe = {.kind = PROBE_SPAN, .is_held = true},                 \
        .enter = enter_execute, .exit = leave, .is_light = true                                    \
    }
#define BATCH(method, result)                                                                      \
    {                                                                                              \
        .class_name = "java/sql/Statement", .is_interface = true, .name = method,                  \
        .descriptor = "()" result, .probe = {.kind = PROBE_SPAN, .is_held = true},                 \
        .enter = enter_execute, .exit = leave_execute                                              \
    }
#define EXECUTE(method, arguments, result, leave)                                                  \
    {                                                                                              \
        .class_name = "java/sql/Statement", .is_interface = true, .name = method,                  \
        .descriptor = "(Ljava/lang/String;" arguments ")" result,                                  \
        .probe = {.kind = PROBE_SPAN, .objects = {1}, .is_held = true}, .enter = enter_execute,    \
        .exit = leave, .is_light = true                                                            \
    }
#define WITH_KEYS(method, result, leave)                                                           \
    EXECUTE(method, "", result, leave), EXECUTE(method, "I", result, leave),                       \
        EXECUTE(method, "[I", result, leave),                                                      \
        EXECUTE(method, "[Ljava/lang/String;", result, leave)

static struct plugin_method methods[] = {
    PREPARE("prepareStatement", "", "PreparedStatement"),
    PREPARE("prepareStatement", "I", "PreparedStatement"),
    PREPARE("prepareStatement", "[I", "PreparedStatement"),
    PREPARE("prepareStatement", "[Ljava/lang/String;", "PreparedStatement"),
    PREPARE("prepareStatement", "II", "PreparedStatement"),
    PREPARE("prepareStatement", "III", "PreparedStatement"),
    PREPARE("prepareCall", "", "CallableStatement"),
    PREPARE("prepareCall", "II", "CallableStatement"),
    PREPARE("prepareCall", "III", "CallableStatement"),
    {.class_name = "java/sql/Statement",
     .is_interface = true,
     .name = "close",
     .descriptor = "()V",
     .probe = {.kind = PROBE_GONE}},
    PREPARED("execute", "Z", leave_execute),
    PREPARED("executeQuery", "Ljava/sql/ResultSet;", leave_execute),
    PREPARED("executeUpdate", "I", leave_update),
    PREPARED("executeLargeUpdate", "J", leave_update),
    BATCH("executeBatch", "[I"),
    BATCH("executeLargeBatch", "[J"),
    EXECUTE("executeQuery", "", "Ljava/sql/ResultSet;", leave_execute),
    WITH_KEYS("execute", "Z", leave_execute),
    WITH_KEYS("executeUpdate", "I", leave_update),
    WITH_KEYS("executeLargeUpdate", "J", leave_update),
};

struct plugin plugin_jdbc = {"jdbc", methods, sizeof methods / sizeof *methods};
