// SPDX-License-Identifier: Apache-2.0
// Purpose: the groups of one rule: for each combination of values of its group_by the windows of
// its strategies, what was told of it, and what a message about it would show. Internal to alert/.
#ifndef SONDE_ALERT_GROUPS_H
#define SONDE_ALERT_GROUPS_H

#include "alert/alert.h"
#include "alert/window.h"

struct group_trace {
    trace_id id;
    bool failed;
};

// What a strategy last said of a group.
struct group_verdict {
    bool holds;
    double value, limit;
    uint64_t end_ms; // of the window
};

struct group {
    struct str values[ALERT_GROUP_BY_MAX];
    uint64_t hash;
    struct window *windows[ALERT_STRATEGIES_MAX];
    struct group_verdict verdicts[ALERT_STRATEGIES_MAX];
    uint64_t seen_ms;                        // the engine's time of the last record
    uint64_t touched_min_ms, touched_max_ms; // events of this turn
    bool is_dirty;
    bool fires;
    bool owes; // fired, and the sink could not take it yet
    unsigned flaps;
    uint64_t changed_ms;                         // when it last fired or ended
    uint64_t quiet_ms;                           // since when nothing holds, while it fires
    uint64_t told_until_ms;                      // a breach up to then was told of
    struct group_trace traces[ALERT_TRACES_MAX]; // the oldest first
    unsigned trace_count;
    // Of the last record; owned, each changed only when it is another.
    char *origin[5]; // line, environment, service, instance, address
    size_t origin_n[5];
    const struct batch *noted_batch; // whose record that was; compared, never followed
    uint64_t noted_seq;
    uint32_t noted_resource;
    size_t bytes; // as they were last counted
};

// Of all groups of all rules.
struct group_totals {
    size_t bytes, count;
};

struct groups {
    const struct alert_rule *rule;
    struct window_shape shapes[ALERT_STRATEGIES_MAX];
    bool has_late;    // a strategy is judged when its window is over
    bool is_seasonal; // some strategy learns what is usual
    struct group **slots;
    size_t size, count; // open addressing; a power of two
    struct group **dirty;
    size_t dirty_count, dirty_capacity;
    struct group_totals *totals;
};

// The groups are counted in *totals as well.
void groups_init(struct groups *g, const struct alert_rule *rule, struct group_totals *totals);
// Those of a rule of the same identity move over to this one; *from is empty then.
void groups_take(struct groups *g, struct groups *from, const struct alert_rule *rule);
void groups_done(struct groups *g);

// Of the values of a group's fields, as many as its rule has.
uint64_t group_values_hash(const struct str *values, size_t count);
bool group_values_equal(const struct str *a, const struct str *b, size_t count);

// The group of these values; NULL where there is none.
struct group *groups_find(const struct groups *g, const struct str *values);
// Makes it where there is none; NULL where there are ALERT_GROUPS_MAX. The texts are copied.
struct group *groups_get(struct groups *g, const struct str *values, uint64_t now_ms);
// Makes the one group of a rule that divides nothing and is judged when windows are over: what is
// absent from the start is absent too.
void groups_begin(struct groups *g, uint64_t now_ms);
// Removes one that nothing is told of.
void groups_remove(struct groups *g, struct group *group);

// To be judged at the end of the turn.
void groups_touch(struct groups *g, struct group *group, uint64_t event_ms);

enum origin_part {
    ORIGIN_LINE,
    ORIGIN_ENVIRONMENT,
    ORIGIN_SERVICE,
    ORIGIN_INSTANCE,
    ORIGIN_ADDRESS
};
void group_set_origin(struct group *group, enum origin_part part, struct str text);
struct alert_origin group_origin(const struct group *group);
// Where there is no room the oldest goes, one that did not fail before one that did.
void group_add_trace(struct group *group, trace_id id, bool failed);
// Those that failed first, then the newest first; how many.
size_t group_traces(const struct group *group, trace_id ret_ids[ALERT_TRACES_MAX]);

// All that has a time is moved by so much: the clock was set, and what was seen stays as long ago
// as it was.
void groups_shift(struct groups *g, int64_t by_ms);

// Counts its memory anew.
void groups_weigh(struct groups *g, struct group *group);

void groups_encode(const struct groups *g, struct buf *out);
// ERR_CORRUPT for bytes that are none of this rule; what was read until then stays.
MUST_CHECK enum err groups_decode(struct groups *g, struct str *bytes);

#endif
