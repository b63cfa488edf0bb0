// SPDX-License-Identifier: Apache-2.0
// Purpose: the catalog of the series store, series.db: which parts exist, how far the journal is in
// them, and the adder's state. Its tables are described in docs/format.md. Any thread, see
// os/sql.h.
#ifndef SONDE_SERIES_CATALOG_H
#define SONDE_SERIES_CATALOG_H

#include "os/sql.h"
#include "series/series.h"

#define SERIES_CATALOG_VERSION 1

struct series_catalog {
    struct sql sql;
};

struct series_catalog_part {
    uint64_t id; // names the file
    struct str line;
    enum series_tier tier;
    uint32_t level;               // merges behind it
    bool bad;                     // set aside
    uint64_t ord_first, ord_last; // the flushed parts that are in it, by their ids
    uint64_t series, samples, bytes, min_ms, max_ms;
};

// ERR_UNSUPPORTED for a later version.
MUST_CHECK enum err series_catalog_open(struct series_catalog *c, const char *path, const char *vfs,
                                        struct err_at *ret_at);
void series_catalog_close(struct series_catalog *c);

// Whether the file was not there before, and that it now stands for what the folder holds.
bool series_catalog_is_new(const struct series_catalog *c);
MUST_CHECK enum err series_catalog_keep(struct series_catalog *c);

// In order of id. What `each` is given lives until it returns.
MUST_CHECK enum err
series_catalog_each(struct series_catalog *c,
                    void (*each)(void *ctx, const struct series_catalog_part *part), void *ctx);
// The last committed seal: 0 and "" where there is none. The state is on the heap.
MUST_CHECK enum err series_catalog_seal(struct series_catalog *c, uint64_t *ret_seq,
                                        struct str *ret_state);

// Of retention's clock (core/retain_clock.h), as last saved; 0 where it was not yet.
MUST_CHECK enum err series_catalog_clock(struct series_catalog *c, uint64_t *ret_believed_ns,
                                         uint64_t *ret_borne_ns);

// Transactions: sql_begin(&c->sql), changes, sql_end(&c->sql).
void series_catalog_add(struct series_catalog *c, const struct series_catalog_part *part);
void series_catalog_remove(struct series_catalog *c, uint64_t id);
void series_catalog_set_bad(struct series_catalog *c, uint64_t id);
void series_catalog_set_seal(struct series_catalog *c, uint64_t seq, struct str state);
void series_catalog_set_clock(struct series_catalog *c, uint64_t believed_ns, uint64_t borne_ns);
void series_catalog_touch(struct series_catalog *c); // so that something is written

#endif
