// SPDX-License-Identifier: Apache-2.0
// Purpose: the fingerprint of a call to a store: what calls that differ in their values alone have
// in common, so that they can be counted as one. Pure; fuzzed (tests/fuzz/fuzz_statement).
//
//     database   its text as model/sql.h shows it; where there is none the summary, else operation
//                and collection. Documents are read as such where the system keeps some.
//     cache      the command in capitals, its key as a pattern, and one "?" for all that follows:
//                "SET user:? ?"; of several commands each, as long as it is another than the one
//                before. Of commands without a key, and of those whose first argument is a secret
//                or a script, the command and "?".
//     queue      operation and destination: "publish orders"
//     rpc        service and method: "shop.Orders/Place"
// Where the span says nothing of that, its name. Where that of a call of a database or a cache ends
// in "connect" then, it is no statement: it makes a connection, or takes one from a pool
// ("pg-pool.connect").
//
// In the pattern of a key each run of digits is "?", and so is what no people made: UUIDs, runs of
// 8 or more hexadecimal digits, words of 16 characters or more with digits among them. Of
// destinations only the latter.
//
// Facts are valid UTF-8. A fingerprint is so too, without NUL, at most STATEMENT_MAX bytes, and its
// own fingerprint; cut between tokens, it ends in SQL_MARK. Of a text at most STATEMENT_READ_MAX
// bytes are looked at.
#ifndef SONDE_MODEL_STATEMENT_H
#define SONDE_MODEL_STATEMENT_H

#include "core/str.h"

#define STATEMENT_MAX      ((size_t)512)
#define STATEMENT_READ_MAX ((size_t)1 << 16)

enum statement_kind {
    STATEMENT_DATABASE,
    STATEMENT_CACHE,
    STATEMENT_QUEUE,
    STATEMENT_RPC,
    STATEMENT_KINDS
};

// Whether a system (redis, valkey, memcached) is a cache; else one of db.system is a database.
bool statement_is_cache(struct str system);

// What a span says of its call; "" or STR_NONE where it says nothing.
struct statement_facts {
    enum statement_kind kind;
    struct str system;     // "postgresql"
    struct str text;       // of databases and caches
    struct str summary;    // the same
    struct str operation;  // of databases, caches and queues; the method of RPC
    struct str collection; // a table; the destination of queues; the service of RPC
    struct str name;       // of the span
};

struct statement_text {
    char bytes[STATEMENT_MAX];
    size_t n; // 0: it is none, or nothing is known, not even a name
};

void statement_fingerprint(const struct statement_facts *facts, struct statement_text *ret);

#endif
