// SPDX-License-Identifier: Apache-2.0
// Purpose: the memory for writing parts from parts: merges, sifts, strips. Writing a block takes
// what its rows take, as read and as encoded: 32 MiB for a full one. Where the budget has no room
// for that, smaller blocks are written, which compress a little worse, down to one page; and where
// it has none for those either, the work is put off, which is counted, and logged from time to
// time: with a memory.limit that is always too small for it, parts only become more.
// A room of more than 1 / ROOM_SHARE of the limit is only taken while all accounts together stay
// below half of it with the room (budget.h: flush_bytes), so that nobody who sends is refused for
// it.
//
// The thread that holds `maintaining`.
#ifndef SONDE_STORE_ROOM_H
#define SONDE_STORE_ROOM_H

#include "store/store_state.h"

#define ROOM_SHARE       8
#define ROOM_INPUT_BYTES ((size_t)4 << 20) // a page of an input's rows

struct room {
    size_t bytes;      // taken from the budget
    size_t block_rows; // at most, of the blocks that are written
};

// Takes memory for a block, and `beside` bytes. False where there is none; without `patient` it
// is taken even above the limit.
bool room_take(struct store *s, size_t beside, bool patient, struct room *ret_room);
void room_give(struct store *s, const struct room *room);

// Work is put off since room_take() gave nothing, however little was asked.
void room_put_off(struct store *s);

// The number of a part that is about to be written. Takes `lock`.
uint64_t store_new_part_id(struct store *s);

#endif
