// SPDX-License-Identifier: Apache-2.0
// Purpose: how the machines and processes are that a node of the topology runs on, and what else
// they tell: a few numbers of what the metrics say (CPU, memory, garbage collection, threads), each
// with its worst instance, and the names of the metrics that are the business's own.
//
// Whose. Metrics are a service's by the labels `service` and business line, and an instance's by
// `instance` (model/point.h): service.instance.id, else host.name and process.pid. Where a service
// has none in its own line, those of its name without a line count: what is scraped often tells
// none.
//
// Numbers. What a runtime, an exporter or a collector calls a measure differs, so each measure has
// sources, in order (machine_sources.h); the first that there is counts, for all instances. The
// range is cut into about MACHINE_STEPS steps, of 10 s or more. In each step an instance has one
// value: the sum of its series (pools of a heap, modes of a CPU), of a counter by second; of what
// tells idle time, what is left of 1. Growth is known only between two samples, so of a counter the
// step of the first sample, unless the range begins with it, and that of the last do not count,
// where there are others. An instance's mean is that of its steps' values, its `max` the greatest
// of them. The worst instance is the one with the greatest `max`; among equals the first by name.
//
// Limits. A measure of more than MACHINE_INSTANCES_MAX instances is left out and counted; of own
// metrics the first MACHINE_METRICS_MAX by name are told, the others counted. ERR_MEMORY where the
// control's meter refuses, ERR_CANCELLED; else an error of the storage.
#ifndef SONDE_QUERY_MACHINE_H
#define SONDE_QUERY_MACHINE_H

#include "query/points.h"

#define MACHINE_STEPS         60u
#define MACHINE_INSTANCES_MAX ((size_t)1000)
#define MACHINE_METRICS_MAX   ((size_t)100)

enum machine_measure {
    MACHINE_CPU,         // what the process takes of all CPUs of its machine, 0 to 1
    MACHINE_CPU_CORES,   // the same in cores
    MACHINE_HEAP,        // bytes in use
    MACHINE_HEAP_SHARE,  // of what the heap may have
    MACHINE_HEAP_LIVE,   // the same of what was left after the last garbage collection
    MACHINE_MEMORY,      // bytes of the process that are resident
    MACHINE_GC,          // share of time in garbage collection, of all collectors together
    MACHINE_THREADS,     // how many
    MACHINE_LOOP,        // share of time that an event loop was busy
    MACHINE_HOST_CPU,    // share of time that the host's CPUs were busy, 0 to 1
    MACHINE_HOST_MEMORY, // share of the host's memory that is in use
    MACHINE_HOST_DISK,   // share of a file system that is in use, of the fullest one that is told
    MACHINE_HOST_LOAD,   // processes that ran or wanted to, of the last minute
    MACHINE_MEASURES
};
const char *machine_measure_name(enum machine_measure m); // "cpu", "host_cpu"; static
const char *machine_measure_unit(enum machine_measure m); // UCUM: "1", "By", "{thread}"; static

struct machine_number {
    enum machine_measure measure;
    struct str metric; // it comes from; static
    uint64_t instances;
    double mean;      // of the instances' means
    struct str worst; // instance
    double worst_mean, worst_max;
    uint64_t worst_ms; // begin of the step that has worst_max
    struct str most;   // instance whose mean is the greatest, among equals the first
    double most_mean;
};

struct machine_value;
// Adds what one more instance has; its name goes to the arena where it is the worst so far.
void machine_number_add(struct machine_number *n, struct arena *arena,
                        const struct machine_value *v);

struct machine_query {
    struct series_store *store;
    struct str line, service;
    uint64_t from_ms, to_ms;
    struct query_control *control;
};

// The control lives until it is freed.
struct machine {
    struct machine_number numbers[MACHINE_MEASURES]; // by measure; those there are
    size_t count;
    uint64_t left_out; // measures of too many instances
    struct str line;   // whose metrics they are: the query's, or ""
    // Metrics that are none of a machine, a runtime, a protocol or a collector, in order of name.
    struct points_name *metrics;
    size_t metric_count;
    uint64_t more_metrics;  // the same kind, that are not told
    uint64_t other_metrics; // of machines, runtimes, protocols, collectors
    bool more_names;        // than POINTS_NAMES_MAX, so that metrics may be missing
    uint64_t from_ms, to_ms, step_ms;
    uint64_t damaged_parts;
    struct points_names *names; // has the texts of `metrics`
    struct arena arena;
};
MUST_CHECK enum err machine_run(const struct machine_query *query, struct machine **ret);
void machine_free(struct machine *m);

#endif
