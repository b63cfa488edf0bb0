// SPDX-License-Identifier: Apache-2.0
// Purpose: statements as numbers: the fingerprint of a call (model/statement.h) by who sends it.
// Numbers count from 1; 0 is none. A statement lives as long as the table.
//
// Most calls repeat: the facts of a call are hashed, with the secret of the process, and what the
// last STATEMENTS_KNOWN different ones came to is remembered by that, so that a call whose text is
// known takes one look, whatever its values are.
//
// Limits: bytes_max, STATEMENTS_MAX in all, STATEMENTS_OF_SERVICE_MAX that one service sends,
// STATEMENTS_OF_NODE_MAX of them first to one and the same peer. Beyond that a call counts as
// STATEMENT_OTHER, the
// "(other)" of all. Not thread-safe.
#ifndef SONDE_STREAM_STATEMENTS_H
#define SONDE_STREAM_STATEMENTS_H

#include "core/hash_index.h"
#include "model/statement.h"
#include "stream/used.h"

#define STATEMENTS_MAX            ((size_t)1 << 16)
#define STATEMENTS_OF_SERVICE_MAX 4000u
#define STATEMENTS_OF_NODE_MAX    1000u
#define STATEMENTS_KNOWN          ((size_t)1 << 13) // a power of two
#define STATEMENT_OTHER           1u

struct statement_item {
    uint32_t service;        // number of the name (stream/names.h)
    uint32_t peer;           // that of whom it was sent to first
    uint32_t touched;        // the minute in which it was asked for last
    uint32_t next_free;      // number of the next one that is forgotten, where this one is
    struct str system, text; // on the heap, one behind the other; an empty text: it is forgotten
};

// How many statements a service sends (peer 0), or sent first to this peer.
struct statement_group {
    uint32_t service, peer, count;
};

struct statements {
    size_t bytes_max;
    uint32_t minute;                       // now, of a clock that never goes back
    struct statement_item *items;          // by number - 1
    uint64_t *hashes;                      // of them
    size_t count, capacity, hash_capacity; // count: those forgotten included
    size_t free_count, text_bytes;
    uint32_t first_free; // number of one that is forgotten; 0: none is
    struct hash_index index;
    struct statement_group *groups;
    uint64_t *group_hashes;
    size_t group_count, group_capacity, group_hash_capacity;
    struct hash_index group_index;
    struct {
        uint64_t hash; // of the facts; 0: free
        uint32_t number;
    } * known; // by hash
};

void statements_init(struct statements *s, size_t bytes_max);
void statements_done(struct statements *s);

// The number of what a service sends to a peer. 0 where the facts tell nothing.
uint32_t statements_number(struct statements *s, uint32_t service, uint32_t peer,
                           const struct statement_facts *facts);

static inline const struct statement_item *statements_at(const struct statements *s,
                                                         uint32_t number)
{
    return &s->items[number - 1];
}

// Forgets the statements that are not in use, and that were not asked for since `minutes`: their
// numbers will be those of others. Marks the names that the others refer to.
void statements_forget(struct statements *s, struct used *used, uint32_t minutes);

size_t statements_bytes(const struct statements *s); // heap bytes held

#endif
