// SPDX-License-Identifier: Apache-2.0
// Purpose: the store's state and who may change it; private to the store.
//
// Locks, taken in this order and never the other way round:
//   flushing     one flush at a time; only its holder removes hot batches
//   maintaining  one merge, expiry or quarantine at a time; only its holder removes parts
//   (the catalog's own lock)
//   lock         all fields below it, for moments: never held over input or output
//
// A row's way: store_add_record() puts its batch in the line's hot list. A flush writes the oldest
// hot batches as a part, commits part, line offset and ledger in one catalog transaction, and then
// swaps the batches for the part under `lock`. Views are made under `lock`, so that a view has the
// batches or the part, never both or neither. A crash before the transaction leaves a file that the
// catalog does not know: it is removed at the next start, and the journal replays the rows.
#ifndef SONDE_STORE_STORE_STATE_H
#define SONDE_STORE_STORE_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/arena.h"
#include "core/logger.h"
#include "core/retain_clock.h"
#include "os/fs_pool.h"
#include "os/wake.h"
#include "store/catalog.h"
#include "store/fates.h"
#include "store/store.h"
#include "store/tally.h"

#define STORE_FLUSH_ROWS_MAX     ((size_t)1 << 20) // of one part written from hot batches
#define STORE_LETTER_QUEUE_MAX   256
#define STORE_LETTER_QUEUE_BYTES ((size_t)4 << 20)
#define STORE_DEAD_LETTER_BYTES  ((uint64_t)64 << 20)
#define STORE_RETRY_NS           NS_PER_S       // after a flush that failed
#define STORE_CHECKPOINT_NS      (5 * NS_PER_S) // of the ledger, when nothing else is committed
#define STORE_MERGE_RETRY_NS     (10 * NS_PER_S)
#define STORE_REWRITE_LEVEL      3                // of compression, of parts that are written anew
#define STORE_CLOCK_SAVE_NS      (300 * NS_PER_S) // retention's clock may fall back so far in a crash

struct hot_batch {
    struct batch *batch;
    uint64_t arrival;
    size_t bytes;   // of the batch
    size_t charged; // taken from the budget: the batch, and BUDGET_ROW_BYTES for each row
};

struct part_entry {
    uint64_t id;
    uint32_t level;
    uint64_t committed_ns;
    struct part *part;
    enum part_state state;     // not PART_QUARANTINED
    uint64_t fresh_ns;         // monotonic, when it became fresh
    uint32_t rewrite_failures; // of sifting or stripping it
};

struct store_line {
    struct str name;
    uint64_t seq;  // everything up to it is in parts; as the catalog has it
    bool recorded; // in the catalog
    struct hot_batch *hot;
    size_t hot_count, hot_capacity;
    uint64_t hot_rows, hot_bytes;
    uint64_t oldest_ns; // monotonic, when hot[0] came
    struct part_entry **parts;
    size_t part_count, part_capacity;
};

struct letter_node {
    struct letter_node *next;
    size_t bytes;
    struct dead_letter letter;
    char text[];
};

struct store {
    struct fs *fs;
    struct fs_pool *pool;
    struct fs *part_fs; // the pool's: for reading parts, with a limit on open files
    struct budget *budget;
    struct ledger *ledger;
    struct catalog *catalog;
    struct block_cache *cache; // of what queries opened
    struct fates *fates;
    uint64_t keep_key;
    atomic_uint_fast64_t judged_seq, keep_wait_ns;
    char *dir, *parts_dir;
    size_t flush_rows;
    struct log_gate room_gate; // of room.h
    uint64_t flush_age_ns, merge_rows_max, free_bytes_min;
    const atomic_bool *hurry;
    uint64_t (*wall_ns)(void);
    void (*on_committed)(void *ctx, uint64_t seq);
    void *ctx;

    pthread_mutex_t flushing, maintaining;
    pthread_t flush_thread, merge_thread;
    bool started;
    atomic_bool stop;

    pthread_mutex_t lock;
    pthread_cond_t flush_wake, merge_wake;
    struct store_line lines[STORE_LINES_MAX];
    size_t line_count;
    uint64_t arrivals, delivered_seq, next_id;
    uint64_t idle_seq; // up to which offsets moved without a part, last time
    bool replay_all;   // until the first flush, see FACT_REPLAY_ALL
    struct store_retention fallback;
    struct store_retention *retention;
    size_t retention_count;
    struct letter_node *letters, **letters_end;
    size_t letter_count, letter_bytes;
    uint64_t letters_lost;
    struct doubt *doubts; // files of transactions that failed, see commit.c
    uint64_t flush_retry_ns, merge_retry_ns, checkpoint_ns;
    struct retain_clock clock;
    uint64_t clock_saved_ns; // by the monotonic clock
    bool low_space, write_full;
    bool sifts_again;  // a merge failed or found no memory: a sift that failed goes first
    bool strips_again; // the same of a sift or a merge, and a strip
    bool unreachable, flush_failing;
    struct store_stats stats;
};

// ---- store.c -----------------------------------------------------------------------------------

// Under `lock`: an index into lines[], made when absent; the last line when there are too many.
size_t store_line_index(struct store *s, struct str line);
// ---- commit.c ----------------------------------------------------------------------------------

// One catalog transaction with the ledger in it: what the ledger has not saved yet, and what this
// change moves.
struct commit {
    struct store *store;
    struct arena arena;
    struct commit_cell *cells;
};

void commit_begin(struct commit *c, struct store *s);
// Moves `n` rows of a service: saves the count with the transaction and, when `now`, counts it in
// the running ledger after it. To take away, give 0 - n.
void commit_count(struct commit *c, enum outcome o, enum reason r, struct str service, uint64_t n,
                  bool now);
MUST_CHECK enum err commit_end(struct commit *c);

// Keeps the file of a transaction that failed until a later one has settled that it never happened,
// and removes it then.
void commit_doubt(struct store *s, struct str path);
// Where there are such files, commits a transaction that settles them: before more are
// written.
MUST_CHECK enum err commit_settle(struct store *s);
void commit_done(struct store *s);

// Counts that a service's rows, stored now, are gone; and those of a tally.
void commit_gone(struct commit *c, enum outcome o, enum reason r, struct str service,
                 uint64_t rows);
void commit_move(struct commit *c, const struct tally *t, enum outcome o, enum reason r);

// Makes a part known, with what its footer says.
void commit_add_part(struct commit *c, const struct part_entry *entry);
void catalog_put_part(struct catalog *c, const struct part_entry *entry, struct arena *a);

// ---- parts.c -----------------------------------------------------------------------------------

struct str store_part_path(const struct store *s, uint64_t id, struct arena *a);
// Renames the file of a part that left the store because it is damaged, for a person to look at.
void store_keep_bad_file(const struct store *s, uint64_t id, struct arena *a);
// Under `lock`.
void store_put_part(struct store *s, struct store_line *line, struct part_entry *entry);
void store_take_part(struct store *s, struct store_line *line, const struct part_entry *entry);
// The part stays as it is, and becomes this.
void store_mark_part(struct store *s, struct part_entry *entry, enum part_state state);

// The functions below are for the holder of `maintaining`.

// Counts the rows of a part that leaves the store.
void parts_count_gone(struct commit *c, const struct part_meta *m, enum outcome o, enum reason r);
// The part is gone from the catalog: now from memory, and its file once no view holds it. Frees the
// entry.
void parts_drop(struct store *s, size_t line, struct part_entry *entry, enum file_fate fate);
// One part takes the place of others, which are dropped.
void parts_swap(struct store *s, size_t line, struct part_entry *const *old, size_t count,
                struct part_entry *fresh);
// A damaged part leaves the store; its file stays for a person to look at.
MUST_CHECK enum err parts_quarantine(struct store *s, size_t line, struct part_entry *entry);

// ---- flush.c -----------------------------------------------------------------------------------

// Writes the line's oldest hot batches as one part. Takes `flushing`.
MUST_CHECK enum err flush_line(struct store *s, size_t line);
// Records without spans need no part, but the journal must not keep them for the store: where
// nothing is hot, offsets move by themselves. On failure a later call does it.
void flush_idle(struct store *s);
void *flush_thread(void *store);

// ---- maintain.c --------------------------------------------------------------------------------

// Does one merge or expiry when one is due; *ret_did tells. Takes `maintaining`.
MUST_CHECK enum err maintain_step(struct store *s, bool patient, bool *ret_did);
void *merge_thread(void *store);
// Under `lock`: counts a merge, sift or strip that could not be written. Not again for a while.
void maintain_hold_off(struct store *s);
// Adds retention's clock to a transaction.
void maintain_save_clock(struct store *s);

// ---- letters.c ---------------------------------------------------------------------------------

// Writes the queued dead letters into the catalog.
void letters_save(struct store *s);
void letters_done(struct store *s);

#endif
