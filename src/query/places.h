// SPDX-License-Identifier: Apache-2.0
// Purpose: the physical layer of the topology: where services run, in a range. Hosts, racks or data
// centres as nodes, with the services on them, their calls and how their machines are; and the
// calls from one data centre to another. Of any past range, and up to a second ago.
//
// It is a view of its own beside query/topology.h, since one service runs on many hosts, so that
// its nodes are not what those of the other levels are, one level up: a node here has services in
// it, each with the calls that its instances there answered. It is added up from the series of
// instances (model/calls.h), which tell their places.
//
// Nodes. A host is a host of its rack and data centre, so that two of one name in two centres are
// two. What instances do not tell is empty: such a node stands for all that tell no more. Of calls
// whose senders tell neither service.instance.id nor host.name nothing is here.
//
// Sampling. Where agents left traces out, calls of nodes and services are those that they counted
// before (query/counted.h); `counted` says so. Edges are always those of kept spans.
//
// Edges, as both sides measured them. Between data centres, of calls both of whose ends tell where
// they are: exact, and counted as such (model/calls.h). Hosts by hosts would be as many numbers as
// the square of the hosts, so those are not kept; but where all instances of a service ran on one
// host, all its calls came from and went to that host, and likewise in one rack. So edges between
// hosts and racks are of services that have one such home each, and exact; calls between services
// that have not are in `unplaced_calls`. Calls within one place are no edge.
//
// Machines. Of each host its CPU, memory, disk and load (query/machine.h), from metrics whose
// `instance` is an instance that answered calls on one host alone, or the name of one host alone,
// with or without a port. Where several tell one measure of a host, it is the mean of their means
// and the greatest of their greatest; sources of a measure are tried in their order until each host
// has it. That of a rack or a data centre is that of its hosts, as that of a service is of its
// instances.
//
// The range is cut as that of the topology. ERR_LIMIT for more than PLACES_HOSTS_MAX hosts or
// PLACES_SERVICES_MAX services on them; of instances beyond PLACES_INSTANCES_MAX calls count, but
// they are left out of `instances`, and their metrics of the machines, and so is a metric of
// machines of more than PLACES_TELLERS_MAX instances; both are counted. ERR_MEMORY where the
// control's meter refuses, ERR_CANCELLED; else an error of the storage.
#ifndef SONDE_QUERY_PLACES_H
#define SONDE_QUERY_PLACES_H

#include "query/calls.h"
#include "query/health.h"
#include "query/machine.h"

#define PLACES_HOSTS_MAX     5000u
#define PLACES_SERVICES_MAX  20000u // each on each host counts
#define PLACES_INSTANCES_MAX 50000u
#define PLACES_TELLERS_MAX   ((size_t)10000) // instances of one metric of machines
#define PLACES_STEPS         12u             // of those

enum places_level { PLACES_HOST, PLACES_RACK, PLACES_CENTRE, PLACES_LEVELS };

struct place {
    struct str centre, rack, host; // "": not known, or not told apart at the level
};

struct places_service {
    struct str line, service;
    uint64_t instances;
    struct calls calls;
};

struct places_node {
    struct str
        id; // "host/CENTRE/RACK/HOST", "rack/CENTRE/RACK", "dc/CENTRE", escaped as node_id()'s
    struct place place;
    uint64_t hosts, instances;
    struct calls calls;
    // Of `calls`, beside the same range a day and a week before, and of the machines.
    struct health_verdict health;
    struct places_service *services; // most calls first
    size_t service_count;
    // Of the host's instances that told it, or of the hosts; those measures there are.
    struct machine_number numbers[MACHINE_MEASURES];
    size_t number_count;
};

struct places_edge {
    uint32_t from, to; // indexes of nodes
    struct calls client, server;
    bool cross_dc; // their data centres are told, and differ
    bool sampled;  // who told it left traces out; not known between data centres
};

struct places_query {
    struct series_store *store;
    enum places_level level;
    uint64_t from_ms, to_ms;
    const struct health_limits *limits; // of machines; NULL: these are not judged
    struct query_control *control;
};

// The control lives until it is freed.
struct places {
    struct places_node *nodes; // in the order of their IDs
    size_t node_count;
    struct places_edge *edges; // by from, then to
    size_t edge_count;
    uint64_t from_ms, to_ms;
    bool counted;                // there are calls that agents counted before they sampled
    int64_t unplaced_calls;      // of services, that are in no edge; not at the level of centres
    uint64_t left_out_instances; // beyond PLACES_INSTANCES_MAX; one may count more than once
    uint64_t left_out_sources;   // metrics of machines that have more than PLACES_TELLERS_MAX
    uint64_t damaged_parts;
    struct arena arena;
    struct query_control *control;
    size_t charged_bytes;
};

MUST_CHECK enum err places_run(const struct places_query *query, struct places **ret);
void places_free(struct places *p);

#endif
