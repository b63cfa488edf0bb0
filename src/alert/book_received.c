// SPDX-License-Identifier: Apache-2.0
// Purpose: the file of alerting: alerts that others raised.
#include "alert/book_state.h"
#include "core/must.h"

void book_put_received(struct book *b, const struct book_received *r)
{
    sqlite3_stmt *s = book_statement(b, BOOK_PUT_RECEIVED);
    ASSERT(r->labels.n > 0);
    sql_bind_str(s, 1, r->labels);
    sql_bind_str(s, 2, r->annotations);
    sql_bind_str(s, 3, r->generator_url);
    sql_bind_u64(s, 4, r->starts_ns);
    sql_bind_u64(s, 5, r->ends_ns);
    sql_bind_u64(s, 6, r->updated_ns);
    sql_run(&b->sql, BOOK_PUT_RECEIVED);
}

void book_remove_received(struct book *b, struct str labels)
{
    ASSERT(labels.n > 0);
    sql_bind_str(book_statement(b, BOOK_REMOVE_RECEIVED), 1, labels);
    sql_run(&b->sql, BOOK_REMOVE_RECEIVED);
}

struct received_reader {
    void (*each)(void *ctx, const struct book_received *r);
    void *ctx;
};

static void read_received(void *ctx, sqlite3_stmt *r)
{
    const struct received_reader *to = ctx;
    ASSERT(r != NULL);
    const struct book_received row = {sql_str(r, 0), sql_str(r, 1), sql_str(r, 2),
                                      sql_u64(r, 3), sql_u64(r, 4), sql_u64(r, 5)};
    to->each(to->ctx, &row);
}

enum err book_each_received(struct book *b, void (*each)(void *ctx, const struct book_received *r),
                            void *ctx)
{
    struct received_reader to = {each, ctx};
    ASSERT(b->sql.db != NULL);
    return sql_each(&b->sql, BOOK_RECEIVED, 0, read_received, &to);
}
