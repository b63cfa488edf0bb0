// SPDX-License-Identifier: Apache-2.0
// Purpose: SQLite as catalogs use it: one connection, a write-ahead log and synchronous=FULL (what
// a transaction committed survives a crash of the machine), prepared statements by number, and
// transactions whose first error is told at their end. Any thread; calls are serialised, and a
// transaction excludes all others.
#ifndef SONDE_OS_SQL_H
#define SONDE_OS_SQL_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/str.h"

struct sql_options {
    const char *path;
    // What SQLite calls the disk; NULL is the machine's own, where other processes may read the
    // file meanwhile. Any other belongs to this process alone.
    const char *vfs;
    int version_max; // of user_version; ERR_UNSUPPORTED, and nothing changed, above it
    const char *schema;
    const char *const *texts; // of the statements
    size_t count;
};

struct sql {
    pthread_mutex_t lock;
    sqlite3 *db;
    sqlite3_stmt **statements;
    size_t count;
    enum err failed; // first error of the transaction
    int version;     // user_version as it was found: 0 where the file is new
};

MUST_CHECK enum err sql_open(struct sql *s, const struct sql_options *options,
                             struct err_at *ret_at);
void sql_close(struct sql *s);
MUST_CHECK enum err sql_set_version(struct sql *s, int version);

// In a transaction: values are bound from 1 on, and sql_run() takes them. Bytes must live until
// then.
void sql_begin(struct sql *s);
void sql_bind_u64(sqlite3_stmt *statement, int at, uint64_t v);
void sql_bind_str(sqlite3_stmt *statement, int at, struct str v);
void sql_run(struct sql *s, size_t which);
MUST_CHECK enum err sql_end(struct sql *s);  // commits, or rolls back what failed
MUST_CHECK enum err sql_undo(struct sql *s); // rolls back; the first error that there was

// Every row of a query, whose parameter, where it has one, is `parameter`. `row` must not call the
// catalog.
MUST_CHECK enum err sql_each(struct sql *s, size_t which, uint64_t parameter,
                             void (*row)(void *ctx, sqlite3_stmt *r), void *ctx);
// The same with parameters that `bind` sets.
MUST_CHECK enum err sql_each_bound(struct sql *s, size_t which,
                                   void (*bind)(void *ctx, sqlite3_stmt *statement),
                                   void (*row)(void *ctx, sqlite3_stmt *r), void *ctx);
uint64_t sql_u64(sqlite3_stmt *r, int column);
struct str sql_str(sqlite3_stmt *r, int column); // lives until the next row

// For who opens a connection by other means: the code that SQLite gave; user_version; a statement
// without rows.
enum err sql_err(int code);
int sql_version(sqlite3 *db, int *ret_version);
int sql_text(sqlite3 *db, const char *text);
#define SQL_BUSY_TIMEOUT_MS 5000

#endif
