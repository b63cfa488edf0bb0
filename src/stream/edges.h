// SPDX-License-Identifier: Apache-2.0
// Purpose: the calls between nodes that the spans of one chain show. A function of the set of spans
// alone (duplicates apart): the order in which they came changes nothing.
//
// Parents are found by model/kin.h. Below, "the endpoint of X" is that of the nearest entry of the
// same service at or above X, with no other service in between; where there is none, the service
// stands alone, with no endpoint.
//     callee (server) with a caller above it   caller's endpoint -> its endpoint: measured at the
//                                              client where the parent is of kind client, and at
//                                              the server
//     any other span whose parent is of        the same: it stands for an entry that was not seen
//     another service
//     callee whose parent is not there         an unknown service -> its endpoint, at the server
//     root of kind server                      the client -> its endpoint, at the server
//     consumer                                 its queue -> its endpoint, at the server
//     producer                                 its endpoint -> its queue, at the client
//     client without a callee below it         its endpoint -> its peer, at the client
// A client with several callees below (retries in one span) is measured at the client once, with
// the first of them by start; each callee is measured at the server.
//
// A call with a statement (stream/spans.h) tells it where it is measured at the client; a consumer,
// which takes from its queue, at the server.
//
// A call that failed is passed on where what made it failed as well: the nearest entry of the
// caller, or, without one, the first span of its service in a row. How often says how much a caller
// depends on what it calls.
//
// Where the spans of both ends are there and name different data centres, the call crosses them.
//
// A root that is not a server, and work inside one service, are no calls.
#ifndef SONDE_STREAM_EDGES_H
#define SONDE_STREAM_EDGES_H

#include "stream/spans.h"

// Numbers in the names; `from` 0: see `from_kind`.
struct edge_call {
    enum node_kind from_kind; // where `from` is 0: NODE_CLIENT, or NODE_SERVICE that is not known
    uint32_t from, to;        // an endpoint, a service without one, or a peer
    bool at_client, error;
    bool passed_on; // an error, of which its caller failed as well
    bool cross_dc;  // its ends are known to lie in different data centres, which are:
    uint8_t from_centre, to_centre;
    uint64_t start_ns, duration_ns;
    // What was sent, by which service, and to whom: a peer, or the service that answered. Of calls
    // at the client, and of consumers; 0: nothing is known.
    uint32_t statement, service, called;
};

// Room that is used again for the next chain.
struct edges_room {
    struct kin *kin;
    uint32_t *parents, *contexts;
    uint32_t *order;  // the spans, each behind its parent
    uint32_t *called; // of callers: the first that they call, or KIN_NONE
    size_t capacity;
};
void edges_room_done(struct edges_room *room);
size_t edges_room_bytes(const struct edges_room *room);

// Calls `each` for every call. May sort the spans.
void edges_of(struct edges_room *room, struct chain_span *spans, uint32_t count,
              void (*each)(void *ctx, const struct edge_call *call), void *ctx);

#endif
