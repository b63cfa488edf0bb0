// SPDX-License-Identifier: Apache-2.0
// Purpose: the catalog: which parts exist, how far each business line has come in the journal, the
// saved ledger, and dead letters. SQLite with a write-ahead log and synchronous=FULL: a transaction
// that has been committed survives a crash of the machine. Its tables are described in
// docs/format.md. Any thread; calls are serialised, and a transaction excludes all others.
#ifndef SONDE_STORE_CATALOG_H
#define SONDE_STORE_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/err.h"
#include "core/str.h"
#include "ledger/dead_letter.h"
#include "ledger/ledger.h"
#include "store/part.h"

#define CATALOG_VERSION 3

struct catalog;

enum part_state {
    PART_LIVE,
    PART_QUARANTINED,
    PART_STRIPPED, // live, without its error-free traces; since version 2
    PART_FRESH     // live, and not sifted yet (store/sift.h); since version 3
};

struct catalog_part {
    uint64_t id; // names the file, see part_path()
    struct str line;
    uint32_t level; // how many merges made it
    enum part_state state;
    uint64_t rows, bytes;
    uint64_t min_start_ns, max_start_ns;
    uint64_t seq_first, seq_last;
    uint64_t committed_ns; // wall clock
    struct str services;   // services_encode(): needed when the file itself cannot be read
};

// The services of a part as bytes and back.
struct str services_encode(const struct part_meta *m, struct arena *a);
void services_each(struct str bytes, void (*each)(void *ctx, struct str service, uint64_t rows),
                   void *ctx);

// What a part's footer says, as the catalog has it; nothing of its place there.
struct catalog_part catalog_part_of(const struct part_meta *m, struct arena *a);
// The rows, numbers of the journal and services in one number: where a file has another than its
// entry in the catalog, it is not the file that was committed, and its rows would not go as they
// were counted.
uint64_t catalog_part_mark(const struct catalog_part *p);

// `vfs` names the disk as SQLite knows it; NULL is the machine's own, where other processes may
// read the catalog meanwhile. Any other belongs to this process alone.
MUST_CHECK enum err catalog_open(const char *path, const char *vfs, struct catalog **ret_catalog,
                                 struct err_at *ret_at);
void catalog_close(struct catalog *c);

// For tools: reads the parts of a catalog that a running server may have open, and changes nothing.
// ERR_BUSY when somebody else has locked it for good, ERR_UNSUPPORTED for another version.
MUST_CHECK enum err catalog_read_parts(const char *path,
                                       void (*each)(void *ctx, const struct catalog_part *part),
                                       void *ctx, struct err_at *ret_at);

// Whether catalog_open() found no catalog and began one. It stays new, also for the next start,
// until catalog_keep() says that it may stand for what the folder holds. That makes an older
// catalog one of this version, too: only meanings of `state` and tables were added.
bool catalog_is_new(const struct catalog *c);
MUST_CHECK enum err catalog_keep(struct catalog *c);

// Whether a catalog can be read whole: ERR_OK, ERR_NOT_FOUND where there is none or only one that
// is new, ERR_CORRUPT, ERR_UNSUPPORTED for a later version.
MUST_CHECK enum err catalog_check(const char *path, const char *vfs, struct err_at *ret_at);

// Numbers that stand alone; 0 where none was set.
enum catalog_fact {
    FACT_REPLAY_ALL,  // rebuilt: lines may have rows in the journal that `lines` knows nothing of
    FACT_BELIEVED_NS, // of retention's clock, see retain_clock.h
    FACT_BORNE_NS,
    FACT_KEEP_KEY, // of model/keep.h
    FACT_COUNT
};
MUST_CHECK enum err catalog_fact(struct catalog *c, enum catalog_fact which, uint64_t *ret_value);

// In order of slot, of id, of name. What `each` is given lives until it returns; it must not call
// the catalog.
MUST_CHECK enum err catalog_each_line(struct catalog *c,
                                      void (*each)(void *ctx, struct str line, uint64_t seq),
                                      void *ctx);
MUST_CHECK enum err catalog_each_part(struct catalog *c,
                                      void (*each)(void *ctx, const struct catalog_part *part),
                                      void *ctx);
MUST_CHECK enum err catalog_each_cell(struct catalog *c,
                                      void (*each)(void *ctx, const struct ledger_cell *cell),
                                      void *ctx);
MUST_CHECK enum err catalog_each_letter(struct catalog *c, size_t limit,
                                        void (*each)(void *ctx, uint64_t id,
                                                     const struct dead_letter *letter),
                                        void *ctx);
// In the order in which they were added.
MUST_CHECK enum err
catalog_each_left_out(struct catalog *c,
                      void (*each)(void *ctx, struct str hashes, bool is_partial), void *ctx);
MUST_CHECK enum err catalog_count_letters(struct catalog *c, uint64_t *ret_count);

// A transaction: after catalog_begin() the calls below add to it until catalog_end(), which makes
// all of it durable, or none of it and says why: the first error of any of the calls.
void catalog_begin(struct catalog *c);
// Makes a transaction without anything else in it write something.
void catalog_touch(struct catalog *c);
void catalog_add_part(struct catalog *c, const struct catalog_part *part);
void catalog_remove_part(struct catalog *c, uint64_t id);
void catalog_set_state(struct catalog *c, uint64_t id, enum part_state state);
void catalog_set_line(struct catalog *c, size_t slot, struct str line, uint64_t seq);
void catalog_set_fact(struct catalog *c, enum catalog_fact which, uint64_t value);
// Adds cell->count to what is saved; a count above INT64_MAX takes away (two's complement).
void catalog_add_cell(struct catalog *c, const struct ledger_cell *cell);
void catalog_add_letter(struct catalog *c, const struct dead_letter *letter);
// Hashes of traces that were left out, 8 bytes each, little-endian, or of those that are partial
// since. The newest lists stay, LEFT_OUT_LISTS_MAX at most, and of those what fits in `bytes`.
#define LEFT_OUT_LISTS_MAX ((uint64_t)4096)
void catalog_add_left_out(struct catalog *c, struct str hashes, bool is_partial, uint64_t bytes);
// Keeps the newest `count` letters, and of those what fits in `bytes`.
void catalog_trim_letters(struct catalog *c, uint64_t count, uint64_t bytes);
MUST_CHECK enum err catalog_end(struct catalog *c);

#endif
