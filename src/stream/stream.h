// SPDX-License-Identifier: Apache-2.0
// Purpose: stream analysis: what is told of calls while they arrive. A consumer of the journal: it
// puts chains together by trace ID and turns them into RED metrics (calls, errors, durations) of
// endpoints and instances, into the edges between services, databases, caches and queues, and into
// those of the statements that are sent there (stream/statements.h). What
// it finds leaves through a sink (the server gives it the series store). Metric points pass through
// it to the sink, so that one thread adds all that is committed together.
//
// One principle makes every number exact: what a trace adds to the metrics is a function of the set
// of its spans alone, and metrics add up. So
//   - a span that arrives counts at once, unless its chain has it already (sent twice);
//   - edges, which take both halves of a call, the statements on them, and what a chain adds to the
//     tree of its entry, are told when a chain closes: no span of it came for STREAM_IDLE_MS;
//   - a span that comes after its chain has closed opens the chain again. What was told of it then
//     is worked out from the store, and the difference is told: what is now known, minus what was.
// At rest the metrics are those of the stored spans, whatever the order in which they came, but for
// what the memory of closed chains (chains.h) cannot tell: a span that comes again after a restart,
// and whose copy the store drops before its chain closes; a chain that closes while a long replay
// goes on; a late span of a trace that began, by its sender's clock, after a restart that it came
// before. And looking back is limited: chains that close beyond that are counted as unjoined.
//
//     batch -> [spans: names and peers become numbers] -> [chains: by trace ID, without duplicates]
//           -> endpoints, instances: at once            -> closed: edges, entries -> sink
//
// What was counted is held back for the sink for half a second at most, since many calls of one
// subject cost it no more than one (stream/red.h).
//
// Memory. Open chains have a limit (STREAM_SHARE of the budget): beyond it the longest idle ones
// are closed early, which is the spill: the store has their spans, and what comes later opens them
// again. A chain that goes on and on keeps what the journal has since it opened: while the journal
// is filling, and what was sealed since has not helped, all chains are closed early too. Names are
// interned, at most STREAM_NAMES_MAX, and what the budget allows (a sixteenth for names,
// statements, paths and subjects); beyond it, and beyond STREAM_ENDPOINTS_MAX of one service, a
// name counts as "(other)"; so do statements, whose limits are their own.
//
// A chain that closes takes room for a moment, CLOSE_SPAN_BYTES for each of its spans, and what the
// store has of its trace as well; a trace is looked back at for HISTORY_SPANS_MAX rows at most
// (both in stream/internal.h). The first is taken from the budget even above its limit, since it
// frees the chain. The second is not: a trace for which there is no memory, or that has more rows,
// counts as unjoined, so that a sender with one trace ID for everything costs what others cost.
//
// Forgetting. Pods come and go, and so do programs, versions and whatever a sender puts into a
// name: what nothing came of for STREAM_FORGET_MS leaves (stream/forget.c): subjects, whose numbers
// the sink gets back, then paths, statements, names and data centres that nothing refers to any
// more. Their room is used again, and what counted as "(other)" for lack of it is asked for again.
// That is by the time of arrival, since a sender's clock must not make the others old. What was
// forgotten and comes again is the same subject to the sink, which knows it by its texts.
//
// Crashes. The sink commits metrics together with the journal number up to which all batches are in
// them, and with a state: the IDs of the chains open at that moment, whose edges nobody has told
// yet, and where the oldest of them began. A restart replays from there: a batch up to the
// committed number is only looked through for spans of those chains, which count no more; what lies
// behind it counts as new.
//
// Threads: stream_add_record() on the journal's thread, queues; one thread of the stream's own does
// the rest and is the only one that calls the sink.
#ifndef SONDE_STREAM_STREAM_H
#define SONDE_STREAM_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "ledger/budget.h"
#include "model/batch.h"
#include "model/keep.h"

#define STREAM_IDLE_MS       5000
#define STREAM_SHARE         8 // of the budget, one part in so many for open chains
#define STREAM_NAMES_MAX     ((size_t)1 << 18)
#define STREAM_ENDPOINTS_MAX ((size_t)2000)
#define STREAM_FORGET_MS     ((uint64_t)3600000)
#define STREAM_SLOT_MS       10000 // metrics are kept by slots of this width, by the start of a call

struct stream;

// What a metric is of. Texts live until the sink's call returns.
enum subject_kind {
    SUBJECT_ENDPOINT,  // `to`: calls of it
    SUBJECT_INSTANCE,  // `to` with `name` the instance: calls of it
    SUBJECT_EDGE,      // calls from `from` to `to`
    SUBJECT_PATH,      // what chains have of a path below their entry, which is `from`, to `to`
    SUBJECT_STATEMENT, // calls from `from`, a service alone, to `to`, a peer or a service alone
    SUBJECT_CENTRES    // calls from one data centre to another, whoever calls whom
};
// Of paths, for each chain that has the path: a number in place of a duration.
enum path_measure {
    PATH_CALLS,  // how often it was called
    PATH_ERRORS, // how often that failed; nothing where it did not
    PATH_SELF,   // nanoseconds that were spent there and nowhere below
    PATH_MEASURE_COUNT
};
enum node_kind {
    NODE_SERVICE,  // line, service; name: the endpoint, "" where it is not known
    NODE_CLIENT,   // who calls from outside: nothing above it is known
    NODE_DATABASE, // name: the system, its database and its address, see peer.h
    NODE_CACHE,
    NODE_QUEUE,
    NODE_EXTERNAL, // a service that sends no spans; name: its address
    NODE_KIND_COUNT
};
const char *node_kind_name(enum node_kind k); // "service", "client"; static

struct stream_node {
    enum node_kind kind;
    struct str line, service, name;
};
// Where an instance runs; what is not known is empty.
struct stream_place {
    struct str centre, rack, host;
};

struct stream_subject {
    enum subject_kind kind;
    struct stream_node from, to;
    uint8_t span_kind;                 // of endpoints
    struct stream_place place;         // of instances
    struct str from_centre, to_centre; // of calls between data centres
    bool
        at_client; // of edges, and between data centres: measured by the caller; else by the callee
    bool error;    // calls that failed are a subject of their own
    bool counted;  // of endpoints and instances: by a sender that counts before it samples
    bool passed_on; // of edges: failed calls whose callers failed too; a subject of their own
    bool cross_dc;  // of edges: from one data centre to another; a subject of their own as well
    uint64_t path, parent; // of paths: the same in each process; no parent: 0
    enum path_measure measure;
    // Of statements: the fingerprint, and what it is for; `repeats`: in place of durations, how
    // often each chain has it that has it more than once.
    struct str statement, system;
    bool repeats;
};

// Calls of a subject that began in a slot; or, with times -1, some that are taken back. They are
// told by the buckets of their durations (core/hist.h) and the sum of these, which may wrap.
struct stream_count {
    uint32_t number; // the sink's, of the subject
    int32_t times;
    uint64_t slot_ms, sum_ns;
    const uint16_t *buckets; // live until the sink's call returns
    size_t count;
};

struct stream_sink {
    // A number for the subject, which it has until it is released. ERR_LIMIT: there are too many;
    // it is asked again from time to time.
    enum err (*find)(void *ctx, const struct stream_subject *subject, uint32_t *ret_number);
    // Nothing was counted for it for STREAM_FORGET_MS. May be NULL.
    void (*release)(void *ctx, uint32_t number);
    // Many at once, in no order.
    void (*count)(void *ctx, const struct stream_count *counts, size_t count);
    // A batch that has metric points: in order of the journal, and none again that was committed.
    void (*points)(void *ctx, const struct batch *b);
    // Whether what was counted should be sealed now.
    bool (*wants_seal)(void *ctx);
    // Everything up to `seq` is in what was counted; `state` is to be given back after a restart.
    // What the journal has above `oldest` will be needed then.
    void (*seal)(void *ctx, uint64_t seq, uint64_t oldest, struct str state);
    void *ctx;
};

// The rows of a trace that are stored already: calls `each` with them. `rows` live until it
// returns. None are given where there are more than `rows_max` (ERR_LIMIT), or `meter` has no
// memory for them (ERR_MEMORY); it has it back at the end.
struct stream_history {
    enum err (*load)(void *ctx, trace_id id, size_t rows_max, struct meter *meter,
                     void (*each)(void *rows_ctx, const struct row *rows, size_t count),
                     void *rows_ctx);
    void *ctx;
    // It is asked as long as it takes no more than 1 / time_share of the time; 0: a tenth.
    uint32_t time_share;
};

// Who is told which chains stay (model/keep.h).
struct stream_keeper {
    // A chain has closed, where a line keeps chosen chains. May come again for a trace.
    void (*judged)(void *ctx, trace_id id, enum keep_why why);
    // A chain that was judged is open again.
    void (*reopened)(void *ctx, trace_id id);
    // Chains of all records up to `seq` have closed since, and were judged, but those that more
    // came of. At each turn; does not go back.
    void (*settled)(void *ctx, uint64_t seq);
    void *ctx;
    uint64_t key;                   // of keep_hash()
    const struct keep_rules *rules; // copied
};

struct stream_options {
    struct budget *budget;
    struct stream_sink sink;
    struct stream_history history;
    struct stream_keeper keeper; // all zero: nobody
    uint32_t idle_ms;            // STREAM_IDLE_MS when 0
    const atomic_bool *hurry;    // of the journal: it is filling (journal/journal.h). May be NULL
    // As the sink had committed it; 0 and "" for a new one. ERR_CORRUPT from stream_new() for a
    // state that cannot be read.
    uint64_t seq;
    struct str state;
};

MUST_CHECK enum err stream_new(const struct stream_options *options, struct stream **ret_stream);

// The journal number behind which replay must start.
uint64_t stream_replay_after(const struct stream *s);

// Before stream_start(): takes a replayed record in, on the caller's thread.
void stream_replay(struct stream *s, struct batch *const *batches, size_t count);

void stream_start(struct stream *s);

// Other rules of keeping, soon. Copies. Only where there is a keeper.
void stream_set_keeping(struct stream *s, const struct keep_rules *rules);

// Queues the sealed, durable batches of a journal record, in order of seq; takes a reference of
// each. Never blocks. What piles up is taken from the budget (ACCOUNT_STREAM), so that a stream
// that falls behind slows the senders down.
void stream_add_record(struct stream *s, struct batch *const *batches, size_t count);

// Returns when everything queued is taken in, all chains are closed, and everything is sealed.
void stream_quiesce(struct stream *s);

// Takes in what is queued, closes all chains, seals, and ends the thread. NULL is fine.
void stream_close(struct stream *s);

struct stream_stats {
    uint64_t spans, duplicates, points;
    uint64_t left_out_spans; // of chains that have CHAIN_SPANS_MAX (stream/chains.h) without them
    uint64_t open_chains, open_spans, open_bytes;
    uint64_t closed_chains, spilled_chains; // spilled: closed early, for lack of memory or journal
    uint64_t reopened_chains;               // a span came after the chain had closed
    uint64_t unjoined_spans;                // of those, whose history could not be had
    uint64_t names, other_names;            // interned; counted as "(other)"
    uint64_t statements, other_statements;  // kept apart; calls that counted as "(other)"
    uint64_t refused_calls;                 // that the sink has no room for
    uint64_t paths, other_paths;            // interned; counted as "(other)", or not at all
    uint64_t rootless_spans;                // of which entry they are is not known
    uint64_t queued_bytes;
    uint64_t verdicts[KEEP_WHY_COUNT]; // on chains that closed; again where one closed again
    bool chooses;                      // a line keeps chosen chains
    uint64_t other_shapes;             // chains whose shape is one too many to be told apart
};
void stream_stats(struct stream *s, struct stream_stats *ret_stats);

#endif
