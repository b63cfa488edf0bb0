// SPDX-License-Identifier: Apache-2.0
// Purpose: places while series are read, as the files see it that read them; internal to places.
//
//   places.c           hosts, nodes, services, instances and edges, from series of calls
//   places_edges.c     calls from place to place
//   places_machine.c   how the machines of hosts are
#ifndef SONDE_QUERY_PLACES_STATE_H
#define SONDE_QUERY_PLACES_STATE_H

#include "core/hash_index.h"
#include "query/places.h"

#define PLACES_NOBODY UINT32_MAX // in place of a host

// Rows by their hashes; the rows themselves lie beside it.
struct places_index {
    uint64_t *hashes;
    size_t count, capacity;
    struct hash_index slots;
};

struct places_host {
    struct place place;
    uint32_t node;
    struct machine_number numbers[MACHINE_MEASURES]; // by measure; of those told: instances > 0
    uint8_t sources[MACHINE_MEASURES];               // that told them, + 1; 0: none yet
};

struct places_sum {
    struct places_node node; // its lists are read at the end
    struct calls_sum own, usual[USUAL_COUNT];
    size_t services;
};

// Calls of a service on a node.
struct places_member {
    uint32_t node;
    struct places_service service;
    struct calls_sum calls;
};

struct places_instance {
    struct str line, service, name;
    uint32_t host;
};

// Whose metrics a name of an instance, or of a host, is of.
struct places_teller {
    struct str name;
    uint32_t host; // PLACES_NOBODY: of several
};

struct places_cut {
    uint32_t from, to;
    struct calls_sum client, server;
    bool sampled;
};

struct places_run {
    const struct places_query *q;
    struct places *out;
    struct calls_adder adder;
    struct places_host *hosts;
    struct places_sum *nodes;
    struct places_member *members;
    struct places_instance *instances;
    struct places_teller *tellers;
    struct places_cut *edges;
    size_t host_capacity, node_capacity, member_capacity, instance_capacity, teller_capacity;
    size_t edge_capacity;
    struct places_index host_index, node_index, member_index, instance_index, teller_index,
        edge_index;
    enum health_usual usual; // USUAL_COUNT: it is the range itself that is read
};

uint64_t places_hash(uint64_t number, const struct str *texts, size_t count);

// Makes the row of a hash, the last one.
void places_index_add(struct places_index *x, uint64_t hash);

// Takes memory of the run, given back with its answer.
MUST_CHECK bool places_charge(struct places_run *r, size_t bytes);

// The node of a place at the level that is asked for, which may be new.
MUST_CHECK enum err places_node_of(struct places_run *r, struct place p, uint32_t *ret_node);

// Adds all moments of a series.
MUST_CHECK enum err places_add_all(struct places_run *r, struct calls_sum *sum,
                                   const struct series_found *found);

// ---- places_edges.c -----------------------------------------------------------------------------

// Once all services are read.
MUST_CHECK enum err places_read_edges(struct places_run *r);

// ---- places_machine.c ---------------------------------------------------------------------------

// Reads what metrics say of the hosts' machines.
MUST_CHECK enum err places_read_machines(struct places_run *r);

#endif
