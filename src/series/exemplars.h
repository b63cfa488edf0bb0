// SPDX-License-Identifier: Apache-2.0
// Purpose: exemplars: traces that stand behind the numbers of a metric. A sender adds them to some
// points: a value that was counted there, when it was, and in which trace.
//
// They are kept by the metric's name as sent, its business line and the labels of the point
// (model/point.h), beside the series in a SQLite file of their own. Of the exemplars of one metric
// with the same labels within EXEMPLARS_SLOT_MS the EXEMPLARS_OF_SLOT of the greatest values are
// kept, of those that are written together; one that is sent again is kept once. They go when they
// are older than is asked for, and the oldest beyond count_max. An exemplar without a trace
// leads nowhere and is not kept, nor is one with more text than EXEMPLARS_TEXT_MAX, nor are the
// attributes that a view has dropped.
//
// Durability. What is added waits in memory until exemplars_write(), which whoever commits the
// series calls before (series_options.before_commit): what the series have committed up to, the
// exemplars have as well. After a crash between both the same ones come again, and are there
// already. What waits takes bytes_max at most; beyond it exemplars are left out and counted: they
// are samples of what the series have whole.
//
// Threads: one adds and seals, one writes, any read.
#ifndef SONDE_SERIES_EXEMPLARS_H
#define SONDE_SERIES_EXEMPLARS_H

#include "ledger/budget.h"
#include "model/ids.h"
#include "series/series.h"

#define EXEMPLARS_MAX      ((uint64_t)1000000)
#define EXEMPLARS_KEEP_MS  ((uint64_t)2 * 24 * 3600 * 1000) // as long as numbers
#define EXEMPLARS_SLOT_MS  ((uint64_t)10000)
#define EXEMPLARS_OF_SLOT  8
#define EXEMPLARS_TEXT_MAX ((size_t)4096) // of line, name and labels of one

struct exemplars;

struct exemplars_options {
    const char *path;        // of the file, made when absent
    const char *catalog_vfs; // as in store/store.h
    struct budget *budget;
    size_t bytes_max;   // of what waits
    uint64_t keep_ms;   // by their own time
    uint64_t count_max; // EXEMPLARS_MAX when 0
};

// ERR_CORRUPT where the file is no such database: whoever opens decides whether to begin anew.
MUST_CHECK enum err exemplars_open(const struct exemplars_options *options, struct exemplars **ret,
                                   struct err_at *ret_at);
// What waits is lost: the journal has it. NULL is fine.
void exemplars_close(struct exemplars *x);

struct exemplar {
    struct str line, name;
    struct str labels; // canonical, see series_key_of()
    uint64_t time_ms;
    double value;
    trace_id trace;
    span_id span; // zero: not told
};

// False where it is left out.
bool exemplars_add(struct exemplars *x, const struct exemplar *e);
// What was added so far belongs to the journal up to `seq`.
void exemplars_seal(struct exemplars *x, uint64_t seq);
// Writes what was sealed up to `seq`, durably. `believed_ms` is the time that retention goes by. An
// error leaves everything as it was.
MUST_CHECK enum err exemplars_write(struct exemplars *x, uint64_t seq, uint64_t believed_ms);

struct exemplars_query {
    bool any_line;
    struct str line, name;
    const struct series_label *labels; // that it has, all of them
    size_t label_count;
    uint64_t from_ms, to_ms; // [from, to)
    size_t max;              // to EXEMPLARS_FOUND_MAX
};
#define EXEMPLARS_FOUND_MAX  ((size_t)1000)
#define EXEMPLARS_LOOKED_MAX 200000 // rows of one query, the newest

// Calls `each` for exemplars of the range, oldest first: of each of `max` stretches of equal length
// the one of the greatest value, so that all of a long range shows. Those that wait are among them.
// Texts live until it returns.
MUST_CHECK enum err exemplars_find(struct exemplars *x, const struct exemplars_query *query,
                                   void (*each)(void *ctx, const struct exemplar *e), void *ctx);

struct exemplars_stats {
    uint64_t added, left_out; // for want of room or of a trace, or with too much text
    uint64_t waiting;         // in memory
};
void exemplars_stats(struct exemplars *x, struct exemplars_stats *ret_stats);

#endif
