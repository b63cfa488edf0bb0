// SPDX-License-Identifier: Apache-2.0
// Purpose: whether a window of a group can hold at all, so that those that cannot need not be
// judged. Internal to rehearsal*.c.
//
// Most windows of a day hold nothing, and judging one adds up all of its slots. A gate keeps for
// each strategy what the window that ends with a slot has in all, from one slot to the next: what
// comes in is added, what leaves is taken away. It only ever leaves out what the judgement would
// deny: numbers are whole, and so exact in any order. Beyond what is exact (a sum of 2^53 ns), or
// has room (GATE_KEYS_MAX distinct values of a group), it stays open.
//
// There is a gate for rules whose strategies all have slots of one length and compare with a
// threshold by > or >=, are judged as records come, and measure what adds up so: all but averages,
// sums and rates of metrics.
#ifndef SONDE_ALERT_REHEARSAL_GATE_H
#define SONDE_ALERT_REHEARSAL_GATE_H

#include "alert/recount.h"

#define GATE_KEYS_MAX ((size_t)1 << 15)

struct gate_key {
    uint64_t key;   // 0: free
    uint32_t cells; // of the window that have it
};

struct gate_window {
    const struct recount_cell *head, *tail, *end; // next to come in, and to leave
    uint64_t count, errors;                       // of records
    uint64_t passing, failing; // records (of quantiles) or cells that do, or do not, compare
    double sum;
    uint64_t least_key; // of quantiles: the first bucket that compares
    struct gate_key *keys;
    size_t key_size, key_count, distinct; // the last: how many have cells
    bool is_open;
};

struct gate {
    const struct recount *recount;
    struct gate_window windows[ALERT_STRATEGIES_MAX];
};

bool gate_is_for(const struct recount *t);
// What its keys may take.
size_t gate_bytes(const struct recount *t);
void gate_init(struct gate *g, const struct recount *t);
void gate_done(struct gate *g);
// From the first cell of a group.
void gate_begin(struct gate *g, size_t group);
// Whether some strategy may hold in a window that ends with a slot from `from` to `to`; slots
// ascend from call to call.
bool gate_may_hold(struct gate *g, uint64_t from, uint64_t to);

#endif
