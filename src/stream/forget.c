// SPDX-License-Identifier: Apache-2.0
// Purpose: what the stream forgets: whatever nothing came of for STREAM_FORGET_MS, so that the
// tables hold what lives, and not what ever lived.
//
// Subjects go first, some at each call (red_forget()): those that nothing was counted for in so
// long. Once all of them were looked at, and a minute has passed, the tables of names, paths,
// statements and data centres are swept, at one moment, on the thread that alone uses them.
//
// Invariant: a number that anything holds keeps its meaning. Who holds numbers between two calls:
//     subjects               names, paths, statements, data centres (stream/red.h)
//     paths, and their keys  the paths above them, and names (stream/paths.h)
//     statements             the names of who sends them, and of whom they were sent to first
//     names                  that of their service, or of their place (names.children)
//     spans of open chains   names, statements, data centres: those of a chain that is younger than
//                            half of STREAM_FORGET_MS were asked for since, and are not old;
//                            those of an older one are marked one by one
// All of these are marked first, and what is not marked, and was not asked for in STREAM_FORGET_MS,
// is forgotten. What else has numbers is asked to drop them here (the memory of stream/judge.h, the
// memos of paths and statements), or has them for a batch or a chain alone. Calls that the sink
// does not have yet are none here: red_flush() was before. Nothing that outlives the process has
// numbers (the state that is committed has hashes of trace IDs), so that a replay, which asks by
// names, finds or makes them again.
#include "core/clock.h"
#include "core/must.h"
#include "stream/internal.h"

#define MINUTE_MS      60000
#define FORGET_MINUTES ((uint32_t)(STREAM_FORGET_MS / MINUTE_MS))

struct marking {
    struct used *used;
    uint64_t now_ms;
};

static void mark_chain(void *ctx, const struct chain *chain)
{
    struct marking *m = ctx;
    uint32_t left = chain->count;
    if (m->now_ms - chain->opened_ms < STREAM_FORGET_MS / 2) {
        return;
    }
    for (const struct chain_block *b = chain->first; left > 0; b = b->next) {
        const uint32_t n = left < CHAIN_BLOCK ? left : CHAIN_BLOCK;
        ASSERT(b != NULL);
        for (uint32_t i = 0; i < n; i++) {
            const struct chain_span *s = &b->spans[i];
            marks_set(&m->used->names, s->service);
            marks_set(&m->used->names, s->endpoint);
            marks_set(&m->used->names, s->peer);
            marks_set(&m->used->statements, s->statement);
            marks_set(&m->used->centres, s->centre);
        }
        left -= n;
    }
}

// What refers to paths, to statements and to names is looked at in this order: what is forgotten of
// one refers to none of the next.
static void sweep(struct analysis *a, uint64_t now_ms)
{
    struct names *n = &a->names;
    struct used used;
    struct marking m = {&used, now_ms};
    marks_init(&used.names, n->count);
    marks_init(&used.paths, a->paths.count);
    marks_init(&used.statements, a->statements.count);
    marks_init(&used.centres, n->centre_count);
    chains_each(&a->chains, mark_chain, &m);
    red_mark(&a->red, &used);
    paths_forget(&a->paths, &used);
    statements_forget(&a->statements, &used, FORGET_MINUTES);
    names_forget(n, &used, FORGET_MINUTES);
    judge_forget(&a->judge, n);
    marks_done(&used.names);
    marks_done(&used.paths);
    marks_done(&used.statements);
    marks_done(&used.centres);
    a->sweeps++;
}

void analysis_forget(struct analysis *a, uint64_t now_ms)
{
    const uint32_t minute = (uint32_t)(now_ms / MINUTE_MS);
    ASSERT(minute >= a->swept_minute);
    a->names.minute = a->statements.minute = a->red.minute = minute;
    bool are_all = red_forget(&a->red, FORGET_STEPS);
    a->looked_at_all = a->looked_at_all || are_all;
    if (a->looked_at_all && minute > a->swept_minute) {
        a->swept_minute = minute;
        a->looked_at_all = false;
        sweep(a, now_ms);
    }
}
