// SPDX-License-Identifier: Apache-2.0
// Purpose: fingerprints of calls to stores.
#include "model/statement.h"

#include <ctype.h>
#include <strings.h>

#include "core/must.h"
#include "model/sql.h"

#define HEX_LEAST    8  // hexadecimal digits in a row that nobody made by hand
#define RANDOM_LEAST 16 // characters of a word with digits
#define COMMAND_MAX  ((size_t)32)
#define KEY_MAX      ((size_t)128) // bytes of one that are looked at

static bool is_one_of(struct str text, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (strlen(*words) == text.n && strncasecmp(*words, text.p, text.n) == 0) {
            return true;
        }
    }
    return false;
}

// ---- Writing ------------------------------------------------------------------------------------

static size_t room_of(const struct statement_text *t)
{
    ASSERT(t->n <= STATEMENT_MAX);
    return STATEMENT_MAX - t->n;
}

// Without NUL bytes, which labels of series do not have.
static void put(struct statement_text *t, struct str s)
{
    s = str_cut(s, room_of(t));
    for (size_t i = 0; i < s.n; i++) {
        t->bytes[t->n++] = s.p[i] != 0 ? s.p[i] : '_';
    }
    ASSERT(t->n <= STATEMENT_MAX);
}

// ---- Keys ---------------------------------------------------------------------------------------

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

// How long a UUID at the head is; 0: there is none.
static size_t uuid_at(struct str s)
{
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    size_t n = sizeof form - 1;
    for (size_t i = 0; i < n; i++) {
        if (i >= s.n || (form[i] == '-' ? s.p[i] != '-' : !isxdigit((unsigned char)s.p[i]))) {
            return 0;
        }
    }
    ASSERT(n <= s.n);
    return s.n == n || !is_word(s.p[n]) ? n : 0;
}

// Whether nobody made a word of letters and digits by hand.
static bool is_made_up(struct str word)
{
    size_t digits = 0, hex = 0, others = 0;
    for (size_t i = 0; i < word.n; i++) {
        unsigned char c = (unsigned char)word.p[i];
        digits += isdigit(c) ? 1 : 0;
        hex += isxdigit(c) ? 1 : 0;
        others += c >= 0x80 ? 1 : 0;
    }
    ASSERT(digits <= hex);
    return digits > 0 && others == 0 &&
           ((hex == word.n && word.n >= HEX_LEAST) || word.n >= RANDOM_LEAST);
}

static void put_mark(struct statement_text *t, size_t first)
{
    if (t->n == first || t->bytes[t->n - 1] != '?') {
        put(t, STR("?"));
    }
    ASSERT(t->n <= STATEMENT_MAX);
}

static void put_word(struct statement_text *t, struct str word, size_t first, bool digits)
{
    ASSERT(word.n > 0);
    while (word.n > 0) {
        size_t n = 0;
        while (n < word.n && !(digits && isdigit((unsigned char)word.p[n]))) {
            n++;
        }
        put(t, (struct str){word.p, n});
        if (n < word.n) {
            put_mark(t, first);
        }
        word = str_skip(word, n + 1);
    }
}

// A key or a destination; `digits`: those of every word go.
static void put_pattern(struct statement_text *t, struct str key, bool digits)
{
    size_t first = t->n;
    for (size_t i = 0, n; i < key.n; i += n) {
        struct str rest = str_skip(key, i);
        n = uuid_at(rest);
        if (n > 0) {
            put_mark(t, first);
            continue;
        }
        while (n < rest.n && is_word(rest.p[n])) {
            n++;
        }
        struct str word = {rest.p, n};
        if (n == 0) {
            n = 1;
            if (rest.p[0] == '?') {
                put_mark(t, first);
            } else {
                put(t, (struct str){rest.p, 1});
            }
        } else if (is_made_up(word)) {
            put_mark(t, first);
        } else {
            put_word(t, word, first, digits);
        }
    }
    ASSERT(t->n >= first);
}

// ---- Kinds --------------------------------------------------------------------------------------

bool statement_is_cache(struct str system)
{
    static const char *const caches[] = {"redis",     "memcached", "valkey", "aws.dynamodb.dax",
                                         "hazelcast", NULL};
    ASSERT(system.n == 0 || system.p != NULL);
    return is_one_of(system, caches);
}

static enum sql_dialect dialect_of(struct str system)
{
    static const char *const mysql[] = {"mysql",   "mariadb", "clickhouse", "hive",
                                        "spanner", "neo4j",   "tidb",       NULL};
    static const char *const documents[] = {
        "mongodb",        "elasticsearch", "opensearch",    "couchdb",   "cosmosdb",
        "azure.cosmosdb", "dynamodb",      "aws.dynamodb",  "couchbase", "influxdb",
        "solr",           "firestore",     "gcp.firestore", NULL};
    ASSERT(system.n == 0 || system.p != NULL);
    return is_one_of(system, mysql)       ? SQL_MYSQL
           : is_one_of(system, documents) ? SQL_DOCUMENT
                                          : SQL_STANDARD;
}

static void put_sql(struct statement_text *t, const struct statement_facts *f)
{
    struct sql_text sql;
    sql_sanitize(str_cut(f->text, STATEMENT_READ_MAX), dialect_of(f->system), STATEMENT_MAX, &sql);
    ASSERT(sql.text_n <= STATEMENT_MAX);
    put(t, (struct str){sql.text, sql.text_n});
}

static struct str next_word(struct str *rest)
{
    size_t n = 0;
    struct str s = str_trim(*rest);
    while (n < s.n && !isspace((unsigned char)s.p[n])) {
        n++;
    }
    *rest = str_skip(s, n);
    return (struct str){s.p, n};
}

// One line of a cache's text.
static void put_command(struct statement_text *t, struct str line)
{
    // Without a key, or with what must not be shown in its place.
    static const char *const hidden[] = {"auth",   "hello",    "eval",    "evalsha", "eval_ro",
                                         "fcall",  "echo",     "ping",    "script",  "config",
                                         "client", "acl",      "migrate", "select",  "evalsha_ro",
                                         "info",   "fcall_ro", "wait",    NULL};
    struct str command = next_word(&line);
    struct str key = next_word(&line);
    char capitals[COMMAND_MAX];
    ASSERT(command.n > 0 && command.n <= sizeof capitals);
    for (size_t i = 0; i < command.n; i++) {
        capitals[i] = (char)toupper((unsigned char)command.p[i]);
    }
    put(t, (struct str){capitals, command.n});
    if (key.n == 0) {
        return;
    }
    put(t, STR(" "));
    if (is_one_of(command, hidden)) {
        put(t, STR("?"));
        return;
    }
    put_pattern(t, str_cut(key, KEY_MAX), true);
    put(t, str_trim(line).n > 0 ? STR(" ?") : STR(""));
}

static bool is_command(struct str word)
{
    for (size_t i = 0; i < word.n; i++) {
        if (!isalpha((unsigned char)word.p[i]) && strchr("_.-", word.p[i]) == NULL) {
            return false;
        }
    }
    return word.n > 0 && word.n <= COMMAND_MAX;
}

// What a line begins with that is a command, and no line of a value.
static bool is_known_command(struct str word)
{
    static const char *const known[] = {
        "append",     "auth",    "bitcount", "blpop",     "brpop",    "decr",          "decrby",
        "del",        "discard", "eval",     "evalsha",   "exec",     "exists",        "expire",
        "expireat",   "get",     "getdel",   "getex",     "getset",   "hdel",          "hexists",
        "hget",       "hgetall", "hincrby",  "hkeys",     "hlen",     "hmget",         "hmset",
        "hset",       "hsetnx",  "hvals",    "incr",      "incrby",   "lindex",        "llen",
        "lpop",       "lpush",   "lrange",   "lrem",      "ltrim",    "mget",          "mset",
        "multi",      "persist", "pexpire",  "pfadd",     "ping",     "psetex",        "pttl",
        "publish",    "rename",  "rpop",     "rpush",     "sadd",     "scard",         "select",
        "set",        "setex",   "setnx",    "sismember", "smembers", "srem",          "ttl",
        "type",       "unlink",  "unwatch",  "watch",     "xack",     "xadd",          "xread",
        "xreadgroup", "zadd",    "zcard",    "zincrby",   "zrange",   "zrangebyscore", "zrem",
        "zscore",     NULL};
    return str_eq(word, SQL_MARK) || is_one_of(word, known);
}

// Commands one below the other: a pipeline, or one whose values have line breaks.
static void put_commands(struct statement_text *t, struct str text)
{
    struct statement_text before = {.n = 0}, made;
    for (text = str_cut(text, STATEMENT_READ_MAX); text.n > 0;) {
        struct str line, rest = str_split(text, '\n', &line), words = line;
        struct str command = next_word(&words);
        text = rest;
        if (t->n > 0 ? !is_known_command(command) : !is_command(command)) {
            continue;
        }
        made.n = 0;
        put_command(&made, line);
        if (before.n == made.n && memcmp(before.bytes, made.bytes, made.n) == 0) {
            continue;
        }
        bool fits = made.n + 2 + SQL_MARK.n <= room_of(t);
        put(t, t->n > 0 ? STR("\n") : STR(""));
        put(t, fits ? (struct str){made.bytes, made.n} : SQL_MARK);
        if (!fits) {
            return;
        }
        before = made;
    }
    ASSERT(t->n <= STATEMENT_MAX);
}

static void put_both(struct statement_text *t, struct str a, const char *between, struct str b)
{
    put(t, a);
    put(t, a.n > 0 && b.n > 0 ? str_of(between) : STR(""));
    ASSERT(between != NULL);
    put(t, b);
}

// A database or a cache that is told nothing, by a span that says so: a connection is made, or
// taken from a pool.
static bool only_connects(const struct statement_facts *f)
{
    static const struct str word = {"connect", 7};
    ASSERT(f->kind < STATEMENT_KINDS);
    struct str end = f->name.n >= word.n ? str_skip(f->name, f->name.n - word.n) : STR("");
    return f->kind <= STATEMENT_CACHE && f->text.n == 0 && f->summary.n == 0 &&
           f->operation.n == 0 && f->collection.n == 0 && str_eq_nocase(end, word);
}

void statement_fingerprint(const struct statement_facts *f, struct statement_text *ret)
{
    ASSERT(f->kind < STATEMENT_KINDS);
    ret->n = 0;
    if (f->kind == STATEMENT_QUEUE) {
        put(ret, f->operation);
        put(ret, f->operation.n > 0 && f->collection.n > 0 ? STR(" ") : STR(""));
        put_pattern(ret, f->collection, false);
    } else if (f->kind == STATEMENT_RPC) {
        put_both(ret, f->collection, "/", f->operation);
    } else if (f->kind == STATEMENT_CACHE) {
        put_commands(ret, f->text);
    } else {
        put_sql(ret, f);
    }
    if (ret->n == 0 && f->kind <= STATEMENT_CACHE) {
        put(ret, f->summary);
    }
    if (ret->n == 0 && f->kind <= STATEMENT_CACHE) {
        put_both(ret, f->operation, " ", f->collection);
    }
    if (ret->n == 0 && !only_connects(f)) {
        put(ret, f->name);
    }
    ASSERT(ret->n <= STATEMENT_MAX);
}
