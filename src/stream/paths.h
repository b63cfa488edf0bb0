// SPDX-License-Identifier: Apache-2.0
// Purpose: paths as numbers. A path is where a call lies in the tree of its entry: the entry's
// endpoint, then the nodes that were called one below the other (endpoints, databases, caches,
// queues, external services). Numbers count from 1; 0 is none. A path lives until
// nothing refers to it or to one below it: paths_forget(). Then its number is free for another.
//
// A path also has an ID that is the same in each process: a hash of all its names. Endpoints of one
// name and different kinds (a server, a consumer) are one node of a path.
//
// Limits: bytes_max, PATHS_MAX paths in all, PATHS_OF_ENTRY_MAX below one entry, PATHS_DEPTH_MAX
// nodes one below the other. What is beyond becomes "(other)", a node below the entry, for which
// there is always room; an entry too many has no path. Not thread-safe.
#ifndef SONDE_STREAM_PATHS_H
#define SONDE_STREAM_PATHS_H

#include "stream/names.h"

#define PATHS_MAX          ((size_t)1 << 16)
#define PATHS_OF_ENTRY_MAX 256u
#define PATHS_DEPTH_MAX    32u

struct path {
    uint64_t id;
    uint32_t parent; // 0: it is an entry
    uint32_t entry;  // the path that it begins with; itself, of entries
    uint32_t node;   // number of the name, or of one of that name; 0: "(other)"
    uint32_t below;  // of entries: how many paths there are below
    uint32_t depth;  // of entries 1; 0: it is forgotten
    uint32_t next_free;
};

// What was asked for, and which path it is.
struct path_key {
    uint32_t parent, node, path;
};

// The same, of what was asked for last; `is_other`: it was given as "(other)", or not at all, and
// will be until some are forgotten, since tables that are full stay full.
struct path_memo {
    uint32_t parent, node; // node 0: free
    uint32_t path : 31, is_other : 1;
};
#define PATHS_MEMOS ((size_t)1 << 12) // a power of two

struct paths {
    const struct names *names;
    size_t bytes_max;
    struct path *items;                  // by number - 1
    uint64_t *ids;                       // of them
    size_t count, capacity, id_capacity; // count: those forgotten included
    size_t free_count;
    uint32_t first_free; // number of one that is forgotten; 0: none is
    struct hash_index by_id;
    struct path_key *keys;
    uint64_t *hashes; // of them
    size_t key_count, key_capacity, hash_capacity;
    struct hash_index by_key;
    struct path_memo *memos;
    uint64_t others; // asked for, and given as "(other)", or not at all
};

void paths_init(struct paths *p, const struct names *names, size_t bytes_max);
void paths_done(struct paths *p);

// The path of `node` below `parent`, which is 0 for an entry. 0 for an entry too many.
uint32_t paths_look_below(struct paths *p, uint32_t parent, uint32_t node, struct path_memo *memo);
static inline uint32_t paths_below(struct paths *p, uint32_t parent, uint32_t node)
{
    uint32_t h = (parent * 0x9e3779b1u ^ node) * 0x85ebca6bu;
    struct path_memo *memo = &p->memos[h >> 16 & (PATHS_MEMOS - 1)];
    if (memo->node != node || memo->parent != parent) {
        return paths_look_below(p, parent, node, memo);
    }
    p->others += memo->is_other;
    return memo->path;
}

static inline const struct path *paths_at(const struct paths *p, uint32_t number)
{
    return &p->items[number - 1];
}

// Forgets the paths that are not in use, nor any below them, and marks the names of the others.
void paths_forget(struct paths *p, struct used *used);

size_t paths_bytes(const struct paths *p); // heap bytes held

#endif
