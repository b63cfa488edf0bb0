// SPDX-License-Identifier: Apache-2.0
// Purpose: the memory for writing parts from parts.
#include "store/room.h"

#include "core/clock.h"
#include "core/must.h"

#define ROW_BYTES  ((size_t)512) // of a block that is being written, with its rows as read
#define LOG_PERIOD (600 * NS_PER_S)

// Where the limit is small a room is much of it: then senders go first.
static bool take(struct budget *b, size_t bytes)
{
    bool is_much = bytes > b->limit_bytes / ROOM_SHARE;
    ASSERT(bytes > 0);
    ASSERT(b->flush_bytes <= b->limit_bytes);
    if (is_much && atomic_load_explicit(&b->total, memory_order_relaxed) + bytes > b->flush_bytes) {
        return false;
    }
    return budget_take(b, ACCOUNT_STORE, bytes);
}

bool room_take(struct store *s, size_t beside, bool patient, struct room *ret_room)
{
    static const size_t block_rows[] = {BLOCK_ROWS, BLOCK_ROWS / 4, PAGE_ROWS};
    ASSERT(ret_room != NULL);
    ASSERT(beside <= SIZE_MAX / 2);
    for (size_t i = 0; i < sizeof block_rows / sizeof block_rows[0]; i++) {
        struct room r = {beside + block_rows[i] * ROW_BYTES, block_rows[i]};
        if (!patient) {
            budget_force(s->budget, ACCOUNT_STORE, r.bytes);
        } else if (!take(s->budget, r.bytes)) {
            continue;
        }
        *ret_room = r;
        return true;
    }
    return false;
}

void room_give(struct store *s, const struct room *room)
{
    ASSERT(room->bytes > 0);
    ASSERT(room->block_rows > 0);
    budget_give(s->budget, ACCOUNT_STORE, room->bytes);
}

void room_put_off(struct store *s)
{
    ASSERT(s->budget != NULL);
    (void)pthread_mutex_lock(&s->lock);
    s->stats.put_off_merges++;
    ASSERT(s->stats.put_off_merges > 0);
    (void)pthread_mutex_unlock(&s->lock);
    uint64_t times = log_gate_pass(&s->room_gate, LOG_PERIOD);
    if (times > 0) {
        log_write(LOG_WARN, "store",
                  "there is no memory for merging parts now; if this goes on, memory.limit is too "
                  "small",
                  "times=%llu", (unsigned long long)times);
    }
}

uint64_t store_new_part_id(struct store *s)
{
    (void)pthread_mutex_lock(&s->lock);
    uint64_t id = s->next_id++;
    ASSERT(s->next_id > id);
    (void)pthread_mutex_unlock(&s->lock);
    ASSERT(id > 0);
    return id;
}
