// SPDX-License-Identifier: Apache-2.0
// Purpose: the cells of one group and one strategy, written down as they come and put in order
// afterwards. Internal to recount*.c; recount.h says what a cell is.
//
// Records of one group come in any order of time, from parts of hours, and there are many groups: a
// cell looked up for each record is a miss of every cache. So a lane is a list of runs that grow at
// one end alone, with a cell for each record (or one for those of a slot that follow one another).
// Folding a lane sorts its cells by slot, two passes of a radix sort, and adds up those that belong
// together: of one slot, and where cells have keys (buckets, hashes) of one key.
//
// A lane is folded when it has become as long as it may be folded (LANE_FIRST cells, or what
// there are slots), and then again when it has grown by as much; where little was gained, only
// when it is four times as long. So folding costs each record a few passes, and a lane takes twice
// what its cells do at most, or what LANE_FIRST of them do.
//
// Memory is taken from the query's budget first: of runs, of what folding needs beside them, and
// given back with lane_clear(). Not thread-safe; a folded lane may be read by any thread.
#ifndef SONDE_ALERT_RECOUNT_LANE_H
#define SONDE_ALERT_RECOUNT_LANE_H

#include "core/err.h"
#include "query/scan.h"

#define LANE_FIRST ((size_t)8192) // cells before it is folded at all

struct recount_cell {
    uint32_t slot;  // of the windows' slots, from the recount's first
    uint32_t count; // records
    union {
        double number;   // their sum, or the least or greatest
        uint64_t errors; // how many of them failed
        uint64_t key;    // the bucket, or the hash, that they have in common
    };
};

// What becomes of `number`, `errors` or `key` where cells are added up.
enum lane_kind { LANE_SUM, LANE_ERRORS, LANE_LEAST, LANE_GREATEST, LANE_KEYED };

struct lane_run;

// All zero is an empty one.
struct recount_lane {
    struct recount_cell *at, *end; // room in the newest run
    struct lane_run *newest;
    size_t count;   // cells of all runs but what the newest was given since it is the newest
    size_t fold_at; // 0: not known yet
};

// What folding needs; of one thread, for any number of lanes. All zero at first.
struct lane_scratch {
    struct recount_cell *cells;
    uint32_t *places;
    size_t cell_room, place_room;
    struct query_memory memory;
};
void lane_scratch_done(struct lane_scratch *s);

// Adds a cell, of which there are fewer than `slots` slots. False where there is no memory.
MUST_CHECK bool lane_add(struct recount_lane *l, enum lane_kind kind, uint32_t slots,
                         const struct recount_cell *cell, struct lane_scratch *scratch,
                         struct query_memory *memory);
// Moves the cells of another lane here, whose memory was taken from *from_memory.
void lane_join(struct recount_lane *l, struct recount_lane *from, struct query_memory *memory,
               struct query_memory *from_memory);
// What its runs take.
size_t lane_bytes(const struct recount_lane *l);
// How many cells it has.
size_t lane_count(const struct recount_lane *l);
// Sorts by slot and adds up. ERR_MEMORY.
MUST_CHECK enum err lane_fold(struct recount_lane *l, enum lane_kind kind, uint32_t slots,
                              struct lane_scratch *scratch, struct query_memory *memory);
// The cells of a folded lane, by slot.
const struct recount_cell *lane_cells(const struct recount_lane *l);
// How many records the cells are of.
uint64_t lane_records(struct recount_lane *l);
void lane_clear(struct recount_lane *l, struct query_memory *memory);

#endif
