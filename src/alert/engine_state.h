// SPDX-License-Identifier: Apache-2.0
// Purpose: the engine as its own files see it.
#ifndef SONDE_ALERT_ENGINE_STATE_H
#define SONDE_ALERT_ENGINE_STATE_H

#include "alert/alert.h"
#include "alert/groups.h"
#include "alert/growth.h"
#include "alert/plan.h"
#include "core/hist.h"

struct alert_set {
    _Atomic int refs;
    struct alert_file *file;
    size_t bytes; // about
};

// Which strategy an item of a plan is.
struct program_item {
    uint32_t rule, strategy;
};

// A set of rules as it is looked for: those that are enabled, and their groups.
struct program {
    struct alert_set *set;
    struct groups *groups; // of each enabled rule
    size_t count;
    struct plan *plans[2]; // by enum plan_rows
    struct program_item *items[2];
    size_t strategy_count;
};

// A new program, which has a reference of the set; what `old` (may be NULL) has of rules that stay
// as they are moves over. Groups are counted in *totals.
void program_init(struct program *p, struct alert_set *set, struct program *old, uint64_t now_ms,
                  struct group_totals *totals);
void program_done(struct program *p);

// The engine's time; ms since 1970.
struct engine_time {
    uint64_t now_ms, watermark_ms; // up to which windows are over
    uint64_t base_ms, base_mono_ns;
    uint64_t leaping_since_ns; // monotonic; 0: the wall clock agrees
    int64_t leap_ms;           // how far the wall clock is ahead meanwhile
    uint64_t ticked_ms;        // when windows that are over were last judged
};

// All of this belongs to the thread that takes records in.
struct look {
    struct program program;
    struct growth growth;
    struct alert_carried carried;
    struct plan_walk *walks[2]; // by enum plan_rows: each keeps to one plan
    struct hist_total *scratch;
    struct engine_time time;
    bool is_live; // else records are replayed, and may be of long ago
    struct group_totals totals;
    size_t bytes_max; // of groups
    uint32_t *dirty;  // rules with groups to be judged at the end of the turn
    size_t dirty_count, dirty_capacity;
    uint64_t records, late, future, refused, unfit, fired, ended, leaps, tell_failures;
    uint64_t firing;
    struct alert_event *events; // that are to be told
    struct group **event_groups;
    size_t event_count, event_capacity, event_group_capacity;
    // Ends that could not be told of what is no longer there; until they are, nothing else is told.
    // As many at most as fire.
    struct arena left_arena; // of their texts
    struct alert_told *left;
    size_t left_count, left_capacity;
};

// look.c: finds what the records of a batch belong to and adds them there.
void look_at(struct look *l, const struct batch *b);
// Adds to a window of a group, which is then judged at the end of the turn. False where it is late.
bool look_add(struct look *l, uint32_t rule, uint32_t strategy, struct group *g,
              const struct window_record *r);

// One record, whichever kind it is of.
struct seen {
    const struct batch *b;
    const struct span *span;   // NULL: a point
    const struct point *point; // NULL: a span
    uint32_t number, resource, scope;
    struct attr_run attrs;
    uint64_t time_ns;
};
struct seen seen_of(const struct batch *b, enum plan_rows rows, uint32_t row);
// A field's value as text; numbers as they are printed, for which there is room.
#define SEEN_ROOM 40
struct str seen_text(const struct seen *s, const struct alert_field *f, char room[SEEN_ROOM]);
// NAN where it is no number.
double seen_number(const struct seen *s, const struct alert_field *f);

// judge.c: judges the groups that records came for; with `tick`, all windows that are over as well.
// Tells what changed.
void judge_all(struct look *l, const struct alert_sink *sink, bool tick);
// Ends what fires of rules that are no longer there, or are others. What of it cannot be told is
// kept, and told at a later tick.
void judge_leave(struct look *l, const struct alert_sink *sink, struct program *old);
// The same of what fired before the start, and at once where the sink takes it.
void judge_keep_left(struct look *l, const struct alert_told *t);
void judge_tell_left(struct look *l, const struct alert_sink *sink);

// state.c: the groups as bytes. Layout: varint 3, varint time, varint rules, then for each its
// identity and the bytes of its groups, each behind a varint of its length.
void state_encode(const struct look *l, struct buf *out);
// Takes what is there of rules that are still there. ERR_CORRUPT: the rest is left out.
MUST_CHECK enum err state_decode(struct look *l, struct str bytes, uint64_t *ret_time_ms);

#endif
