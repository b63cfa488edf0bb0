// SPDX-License-Identifier: Apache-2.0
// Purpose: a rehearsal as its own files see it.
//
//   rehearsal.c       what is read, for how long, and what the answer is made of
//   rehearsal_play.c  the cells of one group after the other, through windows and judgement
#ifndef SONDE_ALERT_REHEARSAL_STATE_H
#define SONDE_ALERT_REHEARSAL_STATE_H

#include <stdatomic.h>

#include "alert/recount.h"
#include "alert/rehearsal.h"

// What all threads share that play groups.
struct rehearsal_play {
    const struct recount *recount;
    uint64_t from_ms, to_ms;         // stretches that lie in it are kept
    uint64_t turn_ms;                // the least slot of the strategies: judged this often
    uint64_t stride;                 // turns at once
    struct rehearsal_group *results; // of each group
    atomic_size_t next;              // group to be played
    atomic_size_t bytes;             // of memory taken
    atomic_int error;
    struct query_control *control;
};

// Judged only when its windows are over: in each turn, whether something came or not.
bool rehearsal_has_late(const struct alert_rule *r);

// Plays groups until there are none; for crew_run(). The results are by group.
void rehearsal_play_groups(void *ctx, size_t who);

#endif
