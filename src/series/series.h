// SPDX-License-Identifier: Apache-2.0
// Purpose: the series store: numbers over time. A series is a set of labels of one business line;
// what it has at a moment is a number (gauges and counters of OTLP and Prometheus) or a histogram
// of durations (RED of services, endpoints, edges). It is a consumer of the journal like the span
// store: what it commits carries the journal number up to which everything is in.
//
// Everything adds up. A histogram series has slots of 10 s, and what is added to a slot is merged
// with what is there, whenever it comes: a late span, a correction (core/hist.h counts are signed),
// a replay. So no window ever closes, no job ever rolls up: what is flushed is written at three
// widths at once (10 s, 1 min, 1 h), each exact, each merged and expired on its own.
//
//     series_add_*() -> head -> series_seal() -> sealed heads -> flush: parts of each line and
//     tier,
//                                                one SQLite transaction -> merged parts -> expired
//
// A query reads the head, the sealed heads and the parts of one moment, and adds up.
//
// Parts are cut at fixed borders of time (series_tier_span_ms()), so that a look at an hour does
// not read a month, and what is too old goes by whole parts.
//
// Numbers keep their time in ms and only exist in the first tier. Two numbers of one series at one
// time: the later added one counts.
//
// Times. What is older than a tier is kept is not written to that tier, and what lies more than a
// day ahead of the clock is not taken in; both are counted. What is old is told by a clock that
// does not believe leaps of the wall clock (core/retain_clock.h).
//
// Cardinality. A line has at most `series_max` series that were added to since the head before
// last; beyond it series_find() refuses new ones, and counts. The index holds every series that a
// part or a head has. It takes a quarter of the budget at most, and a sixteenth more for lines that
// have little: a line gets new series as long as what it has is at most four times what is left of
// both. So one line alone may fill the quarter, and those that come after it find room
// (series/index.h). At most SERIES_LINES_MAX lines have series. Labels: at most SERIES_LABELS_MAX,
// of SERIES_LABEL_BYTES_MAX each, sorted by key, keys unique, none empty, none with a NUL byte (the
// canonical form of a series, by which parts are sorted, is key NUL value NUL ...); "__name__" is
// one of them.
//
// Forgetting. What no part and no head has any more (its parts expired, were merged without it,
// were set aside; or it never got a sample) leaves the index and gives its memory back. It is
// looked for every SERIES_FORGET_MS, and goes with the next seal, in larger numbers with some more
// of them: where nothing comes, nothing goes. If it comes again it is a new series. Only series
// that the adder holds (series_hold()) stay. A line whose last series went makes room for another.
//
// Threads: one thread adds and seals (the "adder"); the store's own threads flush, and merge and
// expire at low priority; any thread queries. Memory: heads, index and queries take their bytes
// from the budget (ACCOUNT_SERIES, ACCOUNT_QUERY); the adder is never refused, but seals early when
// series_wants_seal() says so.
#ifndef SONDE_SERIES_SERIES_H
#define SONDE_SERIES_SERIES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/hist.h"
#include "core/str.h"
#include "ledger/budget.h"
#include "os/fs.h"

#define SERIES_LABELS_MAX      64
#define SERIES_LABEL_BYTES_MAX ((size_t)1024)
#define SERIES_LINES_MAX       64
#define SERIES_STATE_MAX       ((size_t)64 << 20)
#define SERIES_SLOT_MS         10000
#define SERIES_FORGET_MS       ((uint64_t)10 * 60 * 1000)

struct series_store;

// Numbers are stored: never change them.
enum series_type {
    SERIES_GAUGE = 1,   // a number as it is
    SERIES_COUNTER = 2, // cumulative, begins again from 0 where it falls
    SERIES_HIST = 3,    // histograms of durations, one for each slot, that add up
    SERIES_DELTA = 4,   // numbers that add up over time: each is what came since the one before
    SERIES_TYPE_END
};

enum series_tier { TIER_10S, TIER_1MIN, TIER_1H, TIER_COUNT };
uint64_t series_tier_ms(enum series_tier t);
uint64_t series_tier_span_ms(enum series_tier t); // no part crosses a multiple of it

struct series_label {
    struct str key, value;
};

struct series_options {
    struct fs *fs;
    const char *dir;         // made when absent; holds series.db and parts/
    const char *catalog_vfs; // as in store/store.h
    struct budget *budget;
    uint32_t flush_age_ms;        // series_wants_seal() at this age of the head; 30 s when 0
    const atomic_bool *hurry;     // of the journal: it is filling (journal/journal.h). May be NULL
    size_t series_max;            // of a line; 1 Mi when 0
    size_t open_files_max;        // of parts; a quarter of the process's descriptors when 0
    uint64_t keep_ms[TIER_COUNT]; // by time of the samples; 0: 2 days, 15 days, 400 days
    uint64_t (*wall_ns)(void);    // clock_wall_ns() when NULL
    uint64_t (*mono_ns)(void);    // that retention goes by; clock_mono_ns() when NULL
    // Asked before each commit, by who flushes: what others keep of the journal up to seq is
    // durable when it returns; `believed_ms` is the time that retention goes by. An error fails the
    // flush, which is tried again. May be NULL.
    enum err (*before_commit)(void *ctx, uint64_t seq, uint64_t believed_ms);
    // Told after each commit, by who flushed: everything up to seq is durable here.
    void (*on_committed)(void *ctx, uint64_t seq);
    void *ctx;
};

// ERR_CORRUPT for a damaged catalog. A damaged part is found when it is read: it is set aside as
// <name>.bad, logged and counted, and the others are read on.
MUST_CHECK enum err series_open(const struct series_options *options,
                                struct series_store **ret_store, struct err_at *ret_at);

// Of the last committed seal: its seq (0: none yet), and the state that the adder gave with it as
// series_open() found it, which lives until series_start().
uint64_t series_seq(const struct series_store *s);
struct str series_state(const struct series_store *s);

// Starts the store's thread.
void series_start(struct series_store *s);

// ---- Adding (the adder alone) -------------------------------------------------------------------

// The series with these labels, made when it is new. The reference holds until the next
// series_seal(), or for good where it is held. ERR_LIMIT when the line, its share of the index or
// the number of lines is at its limit, ERR_INVALID for labels that break the rules above, or a type
// other than the series has.
MUST_CHECK enum err series_find(struct series_store *s, struct str line, enum series_type type,
                                const struct series_label *labels, size_t count,
                                uint32_t *ret_series);

// The reference, which was found since the last seal, holds until it is released, and the series is
// not forgotten: for those that are counted again and again. How many there are is up to the adder.
void series_hold(struct series_store *s, uint32_t series);
// The reference of a series that is held holds no longer than one that was never: it is to be found
// again before it is added to.
void series_release(struct series_store *s, uint32_t series);

// Whether a number of this time would be kept: it is not too old, and not too far ahead.
bool series_takes(struct series_store *s, uint64_t time_ms);

void series_add_number(struct series_store *s, uint32_t series, uint64_t time_ms, double value);

// Durations in the slot that time_ms lies in, each `times` times: a negative number takes them
// back. They are given by their buckets and their sum, which may wrap (core/hist.h). What is added
// to one slot between two seals stays within 32 bits a bucket.
struct series_run {
    uint32_t series;
    int32_t times;
    uint64_t time_ms, sum_ns;
    const uint16_t *buckets;
    size_t count;
};
// Many at once, in any order: memory is waited for once for many of them.
void series_add_runs(struct series_store *s, const struct series_run *runs, size_t count);

// Whether the head is old or large enough, or memory short enough, to be written. Never while two
// sealed heads wait, unless memory is tight, and never while eight do: a disk that takes nothing.
bool series_wants_seal(const struct series_store *s);

// What was added so far is exactly what the journal has up to `seq`, beside `state` (opaque, at
// most SERIES_STATE_MAX): they are committed together. A new head begins. Never blocks on the disk.
void series_seal(struct series_store *s, uint64_t seq, struct str state);

// Returns when everything sealed is committed, or the last try failed.
MUST_CHECK enum err series_flush(struct series_store *s);
// The same, and no merge is due. For benchmarks and tests.
MUST_CHECK enum err series_quiesce(struct series_store *s);

// Stops the thread after a last try to commit what is sealed; an unsealed head is lost (the journal
// has it). NULL is fine.
void series_close(struct series_store *s);

// ---- Reading ------------------------------------------------------------------------------------

enum series_match { MATCH_EQUAL, MATCH_NOT_EQUAL, MATCH_PREFIX, MATCH_ANY };

// A series without the label has the value "". MATCH_ANY: the label is there.
struct series_matcher {
    struct str key;
    enum series_match how;
    struct str value;
};

struct series_query {
    bool any_line;
    struct str line;
    const struct series_matcher *matchers; // all of them
    size_t matcher_count;
    uint64_t from_ms, to_ms; // [from, to): slots that begin in it
    // Histograms are given for steps of this width, counted from 0: a multiple of a slot. The store
    // reads the widest tier that divides step, from and to; where that tier is kept for less long
    // than the range, a wider one, and says which.
    uint64_t step_ms;
    struct meter *meter;          // what the query holds; may be NULL
    const atomic_bool *cancelled; // may be NULL
};

// A histogram as it was added up: its bytes are hist_encode()'s, for hist_total_add(). Counts
// may be beyond 32 bits, which a struct hist would not hold.
struct series_hist {
    int64_t count, sum_ns;
    struct str bytes;
};

// One series as found. All that is here lives until `each` returns.
struct series_found {
    struct str line;
    enum series_type type;
    const struct series_label *labels;
    size_t label_count;
    // Ascending by time, without gaps filled.
    size_t count;
    const uint64_t *times_ms;
    const double *numbers;           // of numbers, or NULL
    const struct series_hist *hists; // of histograms, or NULL
};

struct series_answer {
    enum series_tier tier;    // that histograms were read from
    uint64_t series, samples; // given
    uint64_t damaged_parts;   // that had something of the range, and are left out: now or long ago
};

// Calls `each` for every series that has something in the range, in order of line (as first seen,
// while there are no more than SERIES_LINES_MAX) and labels; it returns ERR_OK to go on. A series
// is never seen half: what is found of it is of one moment, and so are up to SERIES_BATCH of them;
// parts and heads are those of the moment of the call. ERR_INVALID for a step that is not a
// multiple of a slot. ERR_MEMORY where the meter refuses, ERR_CANCELLED, an error of the storage,
// or what `each` returned.
#define SERIES_BATCH 1024
MUST_CHECK enum err series_run(struct series_store *s, const struct series_query *query,
                               enum err (*each)(void *ctx, const struct series_found *found),
                               void *ctx, struct series_answer *ret_answer);

// The width of the narrowest tier that is still kept of a moment; of one before them all that of
// the widest.
uint64_t series_finest_ms(const struct series_store *s, uint64_t time_ms);

// The values that a label has among the series that match, sorted; at most `max`. Of the range only
// as much is asked as parts and heads say without being read: a series counts that is in one which
// overlaps it.
MUST_CHECK enum err series_values(struct series_store *s, const struct series_query *query,
                                  struct str key, size_t max,
                                  void (*each)(void *ctx, struct str value), void *ctx);

// Calls `each` for every series that matches and is in the range, as series_values() tells it, in
// no order and without samples. It must not call the store.
MUST_CHECK enum err series_list(struct series_store *s, const struct series_query *query,
                                void (*each)(void *ctx, const struct series_found *found),
                                void *ctx);

// ---- State --------------------------------------------------------------------------------------

struct series_stats {
    uint64_t series;         // in the index
    uint64_t refused_series; // series_find() that met a limit
    uint64_t forgotten_series;
    uint64_t early_samples; // that came from more than a day ahead
    uint64_t late_samples;  // that were too old for a tier when it was written
    uint64_t head_samples, head_bytes, index_bytes;
    uint64_t parts[TIER_COUNT], part_bytes[TIER_COUNT], part_samples[TIER_COUNT];
    uint64_t flushes, merges, flush_failures, merge_failures, damaged_parts, expired_parts;
    uint64_t seq;
    uint64_t sealed_heads;
    bool failing; // the last flush did
};
void series_stats(struct series_store *s, struct series_stats *ret_stats);

#endif
