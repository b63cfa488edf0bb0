// SPDX-License-Identifier: Apache-2.0
// Purpose: a dry run: when a rule would have fired, had it been there, and how often.
//
//     stored spans, points -> [recount: cells of groups] -> [groups, one by one: windows] ->
//     [judge]
//
// The judgement is the engine's own: what is stored is counted by group and slot (recount.h), and
// for each group these cells go, in order of time, into the windows of groups.h, which judge.c
// judges, with a clock that is moved on slot by slot. Tests hold the two against each other.
//
// What differs from having been there:
// - Records count when they happened, not when they came: none is late.
// - A group is judged once for each slot of its windows (a second, or a sixtieth of the window),
//   not for each record: what held for less, as a share can, is not seen. Where that would be more
//   than REHEARSAL_LOOKS_MAX judgements, it is judged less often (step_ms says how often).
// - What is stored is what was kept. Whoever keeps chosen traces, or samples, counts fewer.
// - Points are kept without most attributes of their resources, and for two days (recount.h).
// - Nothing is suppressed, nobody is told.
//
// The scan begins before the range, by as much as the rule's windows need to be whole
// (scanned_from_ms): two windows, for averages and trends sixty, for what is usual at a time of the
// day eight days. What is not stored that far back is as if nothing had been there, but for the
// windows that need to have begun: data_from_ms says since when there is anything.
//
// Bounds. Groups and memory as in recount.h; REHEARSAL_STRETCHES_MAX of a group are given, and
// REHEARSAL_GROUPS_MAX groups, those that fired most often; all are counted.
//
// Threads: the caller's, and idle ones of the control's crew. A query that is out of turn ends with
// what it has of whole groups, and says so (control->cut_short).
#ifndef SONDE_ALERT_REHEARSAL_H
#define SONDE_ALERT_REHEARSAL_H

#include "alert/rule.h"
#include "model/ids.h"
#include "query/scan.h"
#include "series/series.h"

#define REHEARSAL_STRETCHES_MAX ((size_t)100)
#define REHEARSAL_GROUPS_MAX    ((size_t)200)
#define REHEARSAL_LACKS_MAX     8 // fields that are named as not kept
#define REHEARSAL_LOOKS_MAX     ((uint64_t)8000000)
#define REHEARSAL_RANGE_MAX_MS  ((uint64_t)31 * 24 * 3600 * 1000)

struct rehearsal_query {
    const struct store_view *view;
    struct series_store *series;
    const struct alert_rule *rule; // also one that is not enabled
    uint64_t from_ms, to_ms;
    struct query_control *control;
};

// From when to when a group would have fired.
struct rehearsal_stretch {
    uint64_t begin_ms;   // the last slot of the first window that held; may lie before the range
    uint64_t end_ms;     // the end of the first that no longer did; 0: it still fires
    size_t strategy;     // the first that held
    double value, limit; // of the first window that held
    double worst;
    bool has_trace;
    trace_id trace; // that speaks for it
};

struct rehearsal_group {
    struct str values[ALERT_GROUP_BY_MAX];
    struct rehearsal_stretch *stretches; // ascending
    size_t count;
    uint64_t fired;     // all of them
    uint64_t firing_ms; // of the range
};

struct rehearsal {
    struct rehearsal_group *groups; // those that fired, most often first
    size_t count;
    uint64_t groups_fired, groups_seen, fired, firing_ms;
    uint64_t records, refused, unfit; // that matched; of groups that are too many; without a value
    uint64_t from_ms, to_ms, scanned_from_ms, step_ms;
    uint64_t data_from_ms;                 // of the earliest record that matched; 0: there is none
    struct str lacks[REHEARSAL_LACKS_MAX]; // fields of resources that points are kept without
    size_t lack_count;
    struct arena arena;
    struct query_memory memory;
};

// ERR_LIMIT for a range of more slots than there may be; ERR_MEMORY, ERR_CANCELLED; else an error
// of the storage. The control lives until it is freed.
MUST_CHECK enum err rehearsal_run(const struct rehearsal_query *query,
                                  struct rehearsal **ret_rehearsal);
void rehearsal_free(struct rehearsal *r); // NULL is fine

#endif
