// SPDX-License-Identifier: Apache-2.0
// Purpose: entries: all chains of one entry merged into a tree, and the other way round, which
// entries load a node. Added up from what the stream tells of paths (stream/entries.h), over any
// range, and up to a few seconds ago.
//
// An entry is the endpoint that a chain begins with. Its tree has a node for each path: the nodes
// called one below the other. Of a path is known how many chains had it, how often it was called
// and that failed in all and in one chain, and its own time: what was spent there and nowhere
// below. Own times of a tree add up to all the time that was spent for its entry; where calls run
// at the same time that is more than the entry took.
//
// Times N. What an entry called N times as often adds to each service is (N - 1) times its calls of
// it. What an instance can carry is not known; what one was seen to carry is: the most calls that
// any instance of the service had within one minute of the range, or of its last day. The instances
// needed are those that carry the service's busiest minute, and what is added on average, at that
// load, and no fewer than there are: enough if the added calls are like those of now. An instance
// may carry more than was seen, then fewer are needed. Without an instance that tells its
// service.instance.id nothing is said. Of a range of more than a day the calls are of its last day.
//
// ERR_LIMIT for more than ENTRIES_PATHS_MAX paths; ERR_MEMORY where the control's meter refuses,
// ERR_CANCELLED; else an error of the storage.
#ifndef SONDE_QUERY_ENTRIES_H
#define SONDE_QUERY_ENTRIES_H

#include "query/calls.h"
#include "query/node.h"

#define ENTRIES_PATHS_MAX ((size_t)200000)
#define ENTRY_TIMES_MAX   1000

struct entries_query {
    struct series_store *store;
    bool any_line;
    struct str line;              // of the entry
    struct str service, endpoint; // of the entry; p == NULL: any
    const struct node *load;      // only paths to this node, or NULL; endpoints of a service,
                                  // where its name is empty
    uint64_t from_ms, to_ms;
    uint64_t now_ms; // rates are by the time up to it: what comes after has no calls yet; 0: by all
    struct query_control *control;
};

#define ENTRY_NO_PARENT SIZE_MAX

struct entry_path {
    struct node entry, node;
    struct str path, parent; // IDs, see model/calls.h; no parent: ""
    size_t parent_at;        // its index; ENTRY_NO_PARENT of an entry
    int64_t chains;          // that have it
    int64_t calls, errors, self_ns;
    struct calls calls_of_chain; // `hist` is of how often it was called in one chain
};

// The control lives until it is freed.
struct entries {
    struct entry_path *paths; // by entry; parents before their children, most time first
    size_t count;
    uint64_t from_ms, to_ms; // that was added up, as calls_cut_range() says
    uint64_t now_ms;         // as the query says it
    uint64_t damaged_parts;  // that had to be left out
    struct arena arena;
    struct query_control *control;
    size_t charged_bytes;
};

MUST_CHECK enum err entries_run(const struct entries_query *query, struct entries **ret_entries);
void entries_free(struct entries *e);

// Chains are those of kept spans. Where agents of an entry's service left traces out, they are a
// sample, and how often its endpoint was called in all is what agents counted before
// (query/counted.h), whether a call of it began a chain or not.
struct entry_counted {
    const struct node *entry;
    bool sampled;
    bool counted; // `calls` is known
    int64_t calls;
};

// Of each entry there is, in the order of the paths; in the arena of the entries. ERR_MEMORY,
// ERR_CANCELLED, or an error of the storage.
MUST_CHECK enum err entries_counted(struct entries *e, struct series_store *store,
                                    struct entry_counted **ret_items, size_t *ret_count);

// What a service carries, and would.
struct entry_need {
    struct node node; // the service
    double calls_per_s, added_per_s;
    int64_t busiest_calls;          // of the service, in a minute
    int64_t busiest_instance_calls; // of one instance, in a minute; 0: none is known
    uint64_t instances;             // that were called in the range
    uint64_t instances_needed;      // 0: not known
};

// The needs of the services of one entry's tree, called `times` as often; in the arena of the
// entries. More services than ENTRIES_NEEDS_MAX are left out.
#define ENTRIES_NEEDS_MAX 200
MUST_CHECK enum err entries_times(struct entries *e, struct series_store *store, uint64_t times,
                                  struct entry_need **ret_needs, size_t *ret_count);

// ---- What instances carry -----------------------------------------------------------------------

// The most calls that any instance of a service had within one minute of the range, which is read
// by pieces of CARRIED_PIECE_MS; 0: none that tells its name had any. The same that
// entry_need.busiest_instance_calls is.
#define CARRIED_PIECE_MS ((uint64_t)24 * 3600 * 1000)
struct carried_query {
    struct series_store *store;
    struct str line, service;
    uint64_t from_ms, to_ms;
    struct query_control *control;
};
MUST_CHECK enum err entries_carried(const struct carried_query *query, int64_t *ret_calls);

#endif
