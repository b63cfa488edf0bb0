// SPDX-License-Identifier: Apache-2.0
// Purpose: calls of one chain that wait for one another. A function of its spans and of where they
// lie (stream/entries.h).
//
// A caller is one call of a service in the chain. Its calls are those that it makes itself of
// services and external ones and waits for, each as long as it waits: the client's half where there
// is one; a consumer is not waited for. What overlaps no other call of the caller is serial. Serial
// calls of one path do the same again (FINDING_REPEATED); those of different paths could run at the
// same time, and the caller would wait for one path alone, the one that takes longest:
//     saved = the sum of what each path takes - the most that one of them takes
//
// Whether a call needs what one before it has answered is in no span: the number is what there is
// to gain, whoever knows the code says whether it can be had.
#ifndef SONDE_QUERY_SERIAL_H
#define SONDE_QUERY_SERIAL_H

#include "stream/entries.h"

#define SERIAL_PATHS_MAX 8u // of one caller; calls of further ones are left out

// Of the calls of one path of callers, the one that could save most.
struct serial {
    uint32_t caller; // path
    uint64_t saved_ns;
    uint32_t paths[SERIAL_PATHS_MAX]; // by their first calls
    uint32_t count;                   // at least 2
};

// Room that is used again for the next chain.
struct serial_room {
    struct serial_call *calls;
    uint32_t *callers; // of each span
    struct serial *found;
    size_t capacity, caller_capacity, found_capacity;
};
void serial_room_done(struct serial_room *room);

// A chain as it was just told with edges_of() and entries_of().
struct serial_chain {
    const struct chain_span *spans;
    const struct edges_room *edges;
    const struct entries_room *entries;
    const struct paths *paths;
    const struct names *names;
    uint32_t count;
};

// Those that have any, in no order, with what they save of the time of all; they live until the
// next call.
const struct serial *serial_of(struct serial_room *room, const struct serial_chain *chain,
                               size_t *ret_count);

#endif
