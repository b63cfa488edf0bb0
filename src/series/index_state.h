// SPDX-License-Identifier: Apache-2.0
// Purpose: what index.c, index_match.c and index_forget.c share.
#ifndef SONDE_SERIES_INDEX_STATE_H
#define SONDE_SERIES_INDEX_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/hash_index.h"
#include "series/index.h"

#define SERIES_INDEX_MAX ((size_t)UINT32_MAX / 4)
#define INDEX_LEAST      ((size_t)1024) // rows; smaller tables are not worth a thought
#define UNRANKED         UINT32_MAX
#define KEY_OVERHEAD     ((size_t)16) // of the allocator
// What a series weighs in the share of its line, beside the bytes of its key: about what the tables
// have of it.
#define WEIGHT_BASE ((size_t)128)

struct index_entry {
    const char *key; // on the heap; NULL: the reference is free
    uint32_t key_n;
    uint16_t line;
    uint8_t type;
    bool held;
};

struct posting {
    const char *label; // key NUL value NUL, in the key of `owner`, which is in the list
    uint32_t label_n, line;
    union {
        uint32_t *series; // in no order; room for the power of two at or above `count`
        uint32_t only;    // while there is one
    };
    uint32_t count, owner;
};

struct index_line {
    char *name; // on the heap
    size_t name_n;
    size_t entries; // that have its number, those on their way out included
    uint32_t *series;
    size_t count, capacity;
    size_t weight; // the adder's: of those that are linked
};

struct series_index {
    pthread_rwlock_t lock;
    struct meter meter;
    size_t bytes_max;
    size_t key_bytes; // of series and names of lines
    struct index_entry *entries;
    uint64_t *hashes;
    size_t count, capacity, hash_capacity; // of references that were given
    size_t free_count, free_from;          // of them free; none is below
    struct hash_index by_key;              // the adder's: of those that are linked
    size_t weight;                         // the adder's: of them
    // Rank by series, or UNRANKED; series by rank. One that was freed stays in the order until the
    // next ranking, which tells by its rank.
    uint32_t *ranks, *order;
    size_t ranked, rank_capacity, order_capacity;
    uint32_t *fresh; // those that came since
    size_t fresh_count, fresh_capacity;
    struct posting *postings;
    uint64_t *posting_hashes;
    size_t posting_count, posting_capacity, posting_hash_capacity, list_bytes;
    struct hash_index by_label;
    struct index_line lines[SERIES_LINES_MAX];
    uint32_t line_count;
    // Those that entered and have not left, by the parity of strips then.
    atomic_uint_fast64_t inside[2];
    unsigned parity;
};

// Takes what the tables hold from the budget, or gives back. The lock is held.
void series_index_charge(struct series_index *x);

// Cuts the first label (key NUL value NUL) off a key.
struct str series_key_cut(struct str *key);

// Room for one row more. Large tables grow by an eighth, so that what the index takes does not leap
// over the shares; that costs little (core/mem.h).
void *index_grow(void *p, size_t *capacity, size_t count, size_t size);

// The room of a posting's list of so many: a power of two; none where one stands for itself.
static inline size_t posting_room(size_t count)
{
    size_t room = 2;
    while (room < count) {
        room *= 2;
    }
    return count > 1 ? room : 0;
}

// The series with the label in a line.
const uint32_t *series_index_posting(const struct series_index *x, struct str label, uint32_t line,
                                     size_t *ret_count);

#endif
