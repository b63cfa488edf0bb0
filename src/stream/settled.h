// SPDX-License-Identifier: Apache-2.0
// Purpose: up to which record the chains have had their time to close. A record is settled when all
// that was due has been closed at a moment by which each of its chains was due, but those that more
// came of. That it was taken in long ago does not say so: a stream that is behind takes in late and
// closes late.
//
// Marks say when records had been taken in. Records of one stretch of time share a mark, so that
// twice as many fit as it takes; where closing is that far behind, the last one moves on. One
// thread.
#ifndef SONDE_STREAM_SETTLED_H
#define SONDE_STREAM_SETTLED_H

#include <stddef.h>
#include <stdint.h>

#define SETTLED_MARKS 128u

struct settled_mark {
    uint64_t seq, at_ms; // all records up to seq were taken in by then
};

struct settled {
    struct settled_mark marks[SETTLED_MARKS]; // a ring, ascending
    size_t first, count;
    uint64_t begun_ms; // since when the last one has been moving on
    uint64_t after_ms; // within which a chain is due, from its last span on
    uint64_t seq;      // settled
};

void settled_init(struct settled *s, uint64_t after_ms);

// All records up to `seq` are taken in. Neither goes back.
void settled_take(struct settled *s, uint64_t seq, uint64_t now_ms);

// All that was due at now_ms is closed. The number up to which records are settled.
uint64_t settled_up_to(struct settled *s, uint64_t now_ms);

#endif
