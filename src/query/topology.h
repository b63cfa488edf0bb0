// SPDX-License-Identifier: Apache-2.0
// Purpose: the topology of a range: who called whom, how often, how long, with what errors; by
// business line, service or endpoint. Added up from the edges and endpoints that the stream keeps,
// for any past range, and up to a second ago.
//
// Nodes. Services, and what they call that sends no spans: databases, caches, queues, external
// services; and clients from outside. At the level of lines, the services of one line are one node;
// at that of endpoints each endpoint is one. A node's calls are those that it answered, as it
// measured them; of what sends no spans, those sent to it, as the callers measured them.
//
// Edges have both sides where both told: what the caller measured and what the callee measured; the
// difference of their durations is the network and the queueing.
//
// Sampling. Where agents of a service left traces out, its calls are those that they counted before
// (query/counted.h), also of the stretches that its state is judged by. What agents do not count,
// which is who called whom, is known by kept spans alone: such edges, and nodes that have no other
// calls, are marked as a sample.
//
// The range is cut as calls_cut_range() does. ERR_LIMIT for
// more than TOPOLOGY_NODES_MAX nodes or TOPOLOGY_EDGES_MAX edges; ERR_MEMORY where the control's
// meter refuses, ERR_CANCELLED; else an error of the storage.
#ifndef SONDE_QUERY_TOPOLOGY_H
#define SONDE_QUERY_TOPOLOGY_H

#include "query/calls.h"
#include "query/health.h"
#include "query/node.h"

#define TOPOLOGY_NODES_MAX 20000u
#define TOPOLOGY_EDGES_MAX 50000u

enum topology_level { TOPOLOGY_LINE, TOPOLOGY_SERVICE, TOPOLOGY_ENDPOINT, TOPOLOGY_LEVELS };

struct topology_query {
    struct series_store *store;
    enum topology_level level;
    uint64_t from_ms, to_ms;
    const struct health_limits *limits; // of machines; NULL: these are not judged
    struct query_control *control;
};

struct topology_node {
    struct str id; // node_id()'s
    struct node node;
    struct calls calls;
    bool counted; // some of them before sampling
    bool sampled; // they are those of a sample
    // Of `calls`, beside the same range a day and a week before; and of the processes and machines
    // of services and lines (query/machine_states.h), which endpoints are not judged by.
    struct health_verdict health;
};

struct topology_edge {
    uint32_t from, to; // indexes of nodes
    struct calls client, server;
    int64_t cross_dc_calls; // from one data centre to another; the server's, as far as it told any
    // Failed calls whose callers failed too (stream/edges.h): of the client's, if it told any.
    int64_t passed_on_errors;
    bool sampled; // who told it left traces out
};

// The control lives until it is freed.
struct topology {
    struct topology_node *nodes; // in the order of their IDs
    size_t node_count;
    struct topology_edge *edges; // by from, then to
    size_t edge_count;
    uint64_t from_ms, to_ms;
    uint64_t damaged_parts;    // that had to be left out
    uint64_t left_out_sources; // metrics of machines that too many instances tell
    struct arena arena;
    struct query_control *control;
    size_t charged_bytes;
};

MUST_CHECK enum err topology_run(const struct topology_query *query, struct topology **ret);
void topology_free(struct topology *t);

#endif
