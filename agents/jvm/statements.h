// SPDX-License-Identifier: Apache-2.0
// Purpose: the statements and databases that the application uses, each kept once under a number,
// so that a prepared statement carries eight bytes and nothing is sanitized or encoded twice. Any
// thread.
//
// STATEMENTS_MAX statements are kept; a new one takes the place of one that was not used lately,
// whose number then finds nothing. Databases are few and stay: beyond DATABASES_MAX there is no
// number for another one (0, counted as a shortfall).
#ifndef SONDE_JVM_STATEMENTS_H
#define SONDE_JVM_STATEMENTS_H

#include <stdint.h>

#include "model/sql.h"

#define STATEMENTS_MAX 1024
#define DATABASES_MAX  64

#define DATABASE_ENCODED_MAX 448 // 32 + 2 * 128 bytes of text, and their keys

struct database {
    enum sql_dialect dialect;
    int port; // 0: not said
    char system[32], host[128], name[128];
    uint16_t encoded_n; // what a span says of it (span_encoded())
    uint8_t encoded[DATABASE_ENCODED_MAX];
};

// What a span says of a statement: its name and, for span_encoded(), its attributes, those that
// are essential before the text.
struct statement {
    uint16_t name_n, essential_n, encoded_n;
    uint8_t bytes[]; // the name, the attributes
};

// The number of what a JDBC URL names: "jdbc:postgresql://host:5432/shop?user=x". 0: no room.
uint32_t database_id(struct str url);
// Lives as long as the process; NULL for 0.
const struct database *database_get(uint32_t id);

// The number of a statement; never 0 unless memory is out.
uint32_t statement_id(struct str sql, enum sql_dialect dialect);
// Tells what is kept of it, which `tell` may look at until it returns; it must not come back here.
// False when it has had to make room.
bool statement_tell(uint32_t id, void (*tell)(void *ctx, const struct statement *s), void *ctx);

// Forgets every statement: the agent stops.
void statements_done(void);

#endif
