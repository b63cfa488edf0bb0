// SPDX-License-Identifier: Apache-2.0
// Purpose: alerting in the stream: a consumer of the journal that looks at each record once, when
// it comes, and tells when a rule fires and when that is over.
//
//     batch -> [plan: which strategies] -> [groups: windows by event time] -> [judge] -> sink
//
// Time. Records count at the time of their event: the end of a span, the time of a point. One that
// is more than ALERT_FUTURE_MS ahead of the server counts when it came, and one that is older than
// its window's ring not at all; both are counted. The engine's own time follows the monotonic clock
// and takes a leap of the wall clock over only after ALERT_LEAP_MS, together with all that it knows
// the time of: alerts neither fire nor end since somebody set a clock.
//
// States. A group (a rule and values of its group_by) is quiet or firing. It fires once any, or
// all, of its strategies hold, and tells so at the end of the turn, TURN_MS at most after the
// record was durable. It ends when they no longer hold at the end of a window that is
// ALERT_GRACE_MS old. One that fires again within ALERT_FLAP_MS is flapping: each time it must have
// been quiet for twice as long before it ends, up to half an hour. What one of several groups has
// not had for ALERT_GONE_MS is gone for good: that ends as well.
//
// Once and not twice. What the sink is told is committed by it before the call returns; the windows
// are given to it from time to time together with the number of the journal up to which they are.
// After a crash the windows go on from there, and records that were looked at already are looked at
// again: a breach that was told is known by its rule, group and time, and is not told again.
//
// Bounds. ALERT_GROUPS_MAX groups of a rule, and altogether what ALERT_SHARE of the budget holds:
// beyond it a record of a new group counts as refused, but for the first group of each rule. Groups
// go when nothing of them is in any window.
//
// Falling behind. Alerts never keep the server from taking data in. Where more waits for them than
// one part of the budget in ALERT_BEHIND_SHARE, strategies of which the cost is not bounded
// (plan.h) are not looked for, and where twice as much waits, or a start takes ALERT_REPLAY_MS to
// catch up, records are passed over until that is worked off. Both are counted, and logged.
//
// Threads: alert_add_record() on the journal's thread, queues; one thread of the engine's own does
// the rest and is the only one that calls the sink. Rules may be set by any thread.
#ifndef SONDE_ALERT_ALERT_H
#define SONDE_ALERT_ALERT_H

#include "alert/rule.h"
#include "ledger/budget.h"
#include "model/batch.h"
#include "model/ids.h"

#define ALERT_SHARE        16 // of the budget, one part in so many
#define ALERT_BEHIND_SHARE 16
#define ALERT_REPLAY_MS    ((uint64_t)3000)
#define ALERT_RULES_SHARE  4 // what rules may take
#define ALERT_GROUPS_MAX   ((size_t)10000)
// Less than what windows wait for late records: a clock that is ahead must not make those of others
// late.
#define ALERT_FUTURE_MS  ((uint64_t)10000)
#define ALERT_LEAP_MS    ((uint64_t)60000)
#define ALERT_FLAP_MS    ((uint64_t)600000)
#define ALERT_GONE_MS    ((uint64_t)24 * 3600 * 1000)
#define ALERT_TRACES_MAX 10
#define ALERT_VALUE_MAX  ((size_t)256) // bytes of a value that is grouped by; cut beyond

struct alert_engine;

// A set of rules, shared by whoever looks at it. Immutable.
struct alert_set;
// Takes the file over.
struct alert_set *alert_set_new(struct alert_file *file);
struct alert_set *alert_set_ref(struct alert_set *s);
void alert_set_unref(struct alert_set *s); // NULL is fine
const struct alert_file *alert_set_file(const struct alert_set *s);
size_t alert_set_bytes(const struct alert_set *s); // about

// Who a record is of. Texts live until the sink's call returns.
struct alert_origin {
    struct str line, environment, service, instance, address;
};

struct alert_event {
    const struct alert_rule *rule;
    const struct alert_strategy *strategy; // the first that holds
    struct str group[ALERT_GROUP_BY_MAX];  // values of its group_by
    bool fires;                            // else it ends
    bool outside;        // not the engine's: there is no measure, and it ends where it came from
    double value, limit; // of `strategy`; as they were last where it ends
    uint64_t event_ns;   // the end of the window that holds, or no longer does
    uint64_t at_ns;      // when it was seen
    struct alert_origin origin;        // of the last record
    trace_id traces[ALERT_TRACES_MAX]; // those that failed before others, the newest first
    size_t trace_count;
};

// What was told before, for the start. What fires of a rule that is no longer there, or divides
// into other groups, is told to end.
struct alert_told {
    struct str rule;
    struct str group[ALERT_GROUP_BY_MAX];
    size_t group_count;
    bool fires;        // still
    uint64_t event_ns; // a breach up to then was told of
};

struct alert_sink {
    // Durable when it returns ERR_OK; otherwise all of them are told again.
    enum err (*tell)(void *ctx, const struct alert_event *events, size_t count);
    // A second or so has passed; what was told is told before.
    void (*tick)(void *ctx, uint64_t now_ns);
    // The windows as they are after all records up to `seq`.
    void (*commit)(void *ctx, uint64_t seq, struct str state);
    // All records up to `seq` are no longer needed.
    void (*done)(void *ctx, uint64_t seq);
    void *ctx;
};

struct alert_clock {
    uint64_t (*wall_ns)(void);
    uint64_t (*mono_ns)(void);
};

// What one instance of a service was seen to carry in a minute (capacity.h); NAN: not known, or not
// yet. On the engine's thread, at each tick for each group that needs it.
struct alert_carried {
    double (*of)(void *ctx, struct str line, struct str service); // NULL: of none
    void *ctx;
};

struct alert_options {
    struct budget *budget;
    struct alert_sink sink;
    struct alert_set *set;    // a reference is taken
    struct alert_clock clock; // zero: core/clock.h
    struct alert_carried carried;
    uint32_t commit_every_ms; // 10 s when 0
    const atomic_bool *hurry; // of the journal: it is filling (journal/journal.h). May be NULL
    uint64_t seq;             // as committed; 0 and "" for a new one
    struct str state;
    const struct alert_told *told;
    size_t told_count;
};

// A state that cannot be read, or is of other rules, is left out: windows begin anew, and it is
// logged.
struct alert_engine *alert_new(const struct alert_options *options);

// The journal number behind which replay must start; UINT64_MAX: nothing is needed.
uint64_t alert_replay_after(const struct alert_engine *a);
// Before alert_start(): takes a replayed record in, on the caller's thread.
void alert_replay(struct alert_engine *a, struct batch *const *batches, size_t count);
void alert_start(struct alert_engine *a);

// Queues the sealed, durable batches of a journal record, in order of seq; takes a reference of
// each. Never blocks.
void alert_add_record(struct alert_engine *a, struct batch *const *batches, size_t count);

// Other rules, from the next turn on. Groups of strategies that stay as they are stay.
void alert_set_rules(struct alert_engine *a, struct alert_set *set);

// Returns when everything queued is taken in, judged and committed.
void alert_quiesce(struct alert_engine *a);
void alert_close(struct alert_engine *a); // takes in what is queued; NULL is fine

struct alert_stats {
    uint64_t rules, strategies, shapes, unkeyed; // of the plan
    uint64_t records;                            // that matched, once for each strategy
    uint64_t late, future, refused;              // records: see above
    uint64_t unfit;                              // points that a measure cannot be taken of
    uint64_t spared, passed; // records: looked at for a part of the strategies, and not at all
    uint64_t groups, firing, bytes;
    uint64_t fired, ended, leaps, queued_bytes, tell_failures;
};
void alert_stats(struct alert_engine *a, struct alert_stats *ret_stats);

#endif
