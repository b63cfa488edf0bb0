// SPDX-License-Identifier: Apache-2.0
// Purpose: judging chains: which ones stay in the store (model/keep.h). A chain is judged when it
// closes, and again when it closes once more, with all that is known of it.
//
//   line    what the chain's services belong to: one line that keeps all keeps the chain
//   error   any span with the status error
//   slow    by its root (the first span without a parent; else its first entry): the endpoint's own
//           pace (stream/pace.h)
//   new     the first chains of an endpoint, while its pace is not known
//   rare    its shape is the set of paths that it has (stream/paths.h), however often; the first
//           chains of a shape in an hour are rare. A chain without a root has no shape. Where
//           nearly every chain of an entry has a shape of its own, shapes say little: of an entry's
//           chains in an hour JUDGE_RARE_SHAPES shapes' are rare, and one in JUDGE_RARE_SHARE
//   share   by the hash of the trace ID alone
//
// Limits: JUDGE_ENTRIES_MAX entries are known apart, later ones as one;
// JUDGE_SHAPES_MAX shapes are told apart in an hour, chains of later ones are not rare (names of
// senders make shapes, and must not keep everything). One thread.
#ifndef SONDE_STREAM_JUDGE_H
#define SONDE_STREAM_JUDGE_H

#include "core/hash_index.h"
#include "model/keep.h"
#include "stream/entries.h"
#include "stream/names.h"
#include "stream/pace.h"

#define JUDGE_ENTRIES_MAX ((size_t)4096)
#define JUDGE_SHAPES_MAX  ((size_t)1 << 16)
#define JUDGE_HOUR_MS     ((uint64_t)3600000)
#define JUDGE_RARE_SHARE  100u
#define JUDGE_RARE_SHAPES 10u

// What is known of an entry.
struct judge_entry {
    struct pace pace;
    uint64_t hour_ms; // when the hour of the next line began
    uint32_t chains, rare;
};

struct judge {
    uint64_t key; // of keep_hash()
    struct keep_rules *rules;
    bool is_on;           // a line keeps chosen chains
    uint64_t restart_seq; // chains that began up to here are kept
    uint8_t *services;    // by number: what their line does, once that was asked
    size_t service_capacity;
    struct judge_entry **entries; // by number of the endpoint
    size_t entry_capacity, entry_count;
    struct judge_entry *others; // those beyond the limit
    struct hash_index by_shape;
    uint64_t *shapes; // of this hour
    uint32_t *chains; // of each
    size_t shape_count, shape_capacity, chain_capacity;
    uint64_t hour_ms; // when it began, monotonic
    uint64_t verdicts[KEEP_WHY_COUNT];
    uint64_t other_shapes; // chains whose shape found no room
};

void judge_init(struct judge *j, uint64_t key);
void judge_done(struct judge *j);
// Drops what is known of names that are forgotten.
void judge_forget(struct judge *j, const struct names *names);
size_t judge_bytes(const struct judge *j); // heap bytes held

// Takes over a copy (keep_rules_copy()).
void judge_set_rules(struct judge *j, struct keep_rules *rules);

struct judged_chain {
    trace_id id;
    uint64_t first_seq;
    const struct chain_span *spans;
    size_t count;
    const struct entry_sum *sums; // entries_of() it
    size_t sum_count;
    bool is_again; // it was judged before: nothing is to be learned from it
};
enum keep_why judge_chain(struct judge *j, const struct names *names, const struct paths *paths,
                          const struct judged_chain *chain, uint64_t now_ms);

#endif
