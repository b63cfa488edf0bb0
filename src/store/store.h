// SPDX-License-Identifier: Apache-2.0
// Purpose: the span store: hot batches that no part holds yet, immutable parts, and the catalog
// that makes every change atomic. It is a consumer of the journal: what it commits carries the
// journal range it covers, per business line, so that a replay after a crash neither loses nor
// doubles a row.
//
// Threads: the journal's thread calls store_add_record(); the store's own thread flushes; another,
// at low priority, merges and expires; any thread takes views.
#ifndef SONDE_STORE_STORE_H
#define SONDE_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "ledger/budget.h"
#include "ledger/dead_letter.h"
#include "ledger/ledger.h"
#include "model/batch.h"
#include "model/keep.h"
#include "store/part.h"

#define STORE_LINES_MAX 64 // business lines with a storage of their own; later ones share the last

struct store;

// Retention of one business line; zero means no limit.
struct store_retention {
    struct str line;
    uint64_t age_ms;
    uint64_t errors_age_ms; // of traces with errors; at or below age_ms: no longer than the others
    uint64_t bytes;
    uint64_t is_chosen; // 1: keeps chosen chains (model/keep.h), 0: all
};

struct store_options {
    struct fs *fs;
    const char *dir; // made when absent; holds catalog.db and parts/
    // What SQLite calls the disk of catalog.db; NULL: the machine's own, which fs_real() is as
    // well.
    const char *catalog_vfs;
    struct budget *budget;
    struct ledger *ledger;
    size_t flush_rows;        // a line is written as a part at this many rows; 65,536 when 0
    uint32_t flush_age_ms;    // or at this age of its oldest row; 30 s when 0
    const atomic_bool *hurry; // of the journal: it is filling (journal/journal.h). May be NULL
    uint64_t merge_rows_max;  // parts at least this large are not merged further; 512 Ki when 0
    size_t open_files_max;    // of parts; a quarter of the process's descriptors when 0
    uint64_t free_bytes_min;  // below it the store reports full; 256 MiB when 0
    struct store_retention retention_default;
    const struct store_retention *retention; // by line, over the default
    size_t retention_count;
    uint32_t keep_wait_ms;     // see store_set_keep_wait()
    uint64_t (*wall_ns)(void); // of retention and commits; clock_wall_ns() when NULL
    // Told after each commit: the journal may forget everything up to seq. May be NULL.
    void (*on_committed)(void *ctx, uint64_t seq);
    void *ctx;
};

MUST_CHECK enum err store_open(const struct store_options *options, struct store **ret_store,
                               struct err_at *ret_at);

// The journal seq up to which the line's rows are in parts: a replayed batch of that line with a
// lower or equal seq is to be skipped. And the least of it over all lines, where replay starts.
uint64_t store_line_seq(struct store *s, struct str line);
uint64_t store_replay_after(struct store *s);

// The greatest seq that any line has committed: a journal must never give out numbers at or below
// it.
uint64_t store_last_seq(struct store *s);

// Starts the flushing and merging threads.
void store_start(struct store *s);

// Takes over one reference of each of the sealed, durable batches of one journal record (all have
// its seq); their rows are searchable when this returns. Records come in order of seq. Never
// blocks; counts the rows as received. A record is taken in as one: if its lines came one by one, a
// flush in between could commit the record's seq for a line whose batch is still to come, and a
// crash would lose that batch.
void store_add_record(struct store *s, struct batch *const *batches, size_t count);

// Tells that the journal has nothing below seq for any line, so that idle lines do not hold it
// back.
void store_note_seq(struct store *s, uint64_t seq);

// Writes all hot rows as parts and returns when they are committed.
MUST_CHECK enum err store_flush(struct store *s);

// Flushes, moves the offsets of records without rows, then merges until no merge is due. For
// benchmarks and tests.
MUST_CHECK enum err store_quiesce(struct store *s);

// Stops the threads after a flush (when possible) and closes the catalog.
void store_close(struct store *s);

// ---- Reading ---------------------------------------------------------------------------------

// What was there at one moment: rows are in exactly one of hot and parts. Immutable; holds
// references. Parts are ordered by max_start_ns, newest first; hot batches by arrival, newest
// first.
struct store_view {
    struct part **parts;
    size_t part_count;
    struct batch **hot;
    size_t hot_count;
    struct fates *fates; // the store's; NULL in a view that somebody else made
    uint64_t keep_key;
    bool is_sampled; // traces were left out: what the view has is what was kept
};
struct store_view *store_view(struct store *s);
void store_view_free(struct store_view *v);

// What became of a trace that the view may have spans of: none of those of one that is left out is
// to be shown (model/keep.h). Cheap while nothing was ever left out.
enum trace_fate { TRACE_IS_WHOLE, TRACE_IS_LEFT_OUT, TRACE_IS_PARTIAL };
enum trace_fate store_view_fate(const struct store_view *v, trace_id id);

// ---- Keeping (model/keep.h) --------------------------------------------------------------------

// What keep_hash() takes, of this store for good.
uint64_t store_keep_key(const struct store *s);

// A verdict on a chain. Any thread.
void store_judge(struct store *s, trace_id id, enum keep_why why);

// A span came after a verdict on its chain: there will be another.
void store_judge_again(struct store *s, trace_id id);

// Whoever judges is done with all records up to `seq`, but for chains that go on: parts with later
// ones are not sifted yet.
void store_judged_up_to(struct store *s, uint64_t seq);

// How long after its flush a part is sifted: chains should have closed by then. 60 s when 0.
void store_set_keep_wait(struct store *s, uint64_t wait_ms);

// ---- State -----------------------------------------------------------------------------------

struct store_stats {
    uint64_t hot_rows, hot_bytes;
    uint64_t parts, part_rows, part_bytes;
    uint64_t flushes, merges, merged_rows, expired_parts;
    uint64_t stripped_parts;            // that retention wrote anew without their error-free traces
    uint64_t damaged_parts;             // set aside since the start
    uint64_t fresh_parts;               // that are to be sifted
    uint64_t sifted_parts, sifted_rows; // rows: before
    uint64_t left_out_traces;           // in each part that had one of them
    uint64_t fates, forgotten_fates, back_traces; // known; too early; partial
    uint64_t flush_failures, merge_failures;
    uint64_t put_off_merges; // and sifts and strips, for lack of memory; each time
    uint64_t dead_letters;
    bool merging; // parts are written from parts, or are to be: by a merge, a sift or retention;
                  // not while that is put off
    bool full;    // the disk is full: new requests are to be refused, queries work
    bool failing; // the last flush failed, or the folder does not answer
};
void store_stats(struct store *s, struct store_stats *ret_stats);

// New limits, at once. Copies.
void store_set_retention(struct store *s, struct store_retention fallback,
                         const struct store_retention *lines, size_t count);

// The dead-letter table: bounded to STORE_DEAD_LETTERS_MAX rows and 64 MiB, the oldest go first.
#define STORE_DEAD_LETTERS_MAX 10000
struct dead_letter_sink store_dead_letter_sink(struct store *s);
// Newest first, at most `limit`.
MUST_CHECK enum err store_dead_letters(struct store *s, size_t limit,
                                       void (*each)(void *ctx, uint64_t id,
                                                    const struct dead_letter *letter),
                                       void *ctx);

// One line per part for `sonde store stats` and the admin page.
struct store_part_info {
    uint64_t id;
    uint32_t level;
    bool stripped; // retention took its error-free traces out
    bool fresh;    // it has not been sifted yet
    const struct part_meta *meta;
};
void store_each_part(struct store *s, void (*each)(void *ctx, const struct store_part_info *info),
                     void *ctx);

#endif
