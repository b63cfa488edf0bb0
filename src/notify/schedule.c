// SPDX-License-Identifier: Apache-2.0
// Purpose: what becomes of a delivery after an attempt.
#include "notify/schedule.h"

#include <stdio.h>

#include "core/must.h"

#define DOUBLINGS_MAX 20

static uint64_t backoff_ms(uint64_t attempts, uint64_t random)
{
    ASSERT(attempts > 0);
    uint64_t doublings = attempts - 1 < DOUBLINGS_MAX ? attempts - 1 : DOUBLINGS_MAX;
    uint64_t ms = SCHEDULE_FIRST_MS << doublings;
    ms = ms < SCHEDULE_LONGEST_MS ? ms : SCHEDULE_LONGEST_MS;
    return ms + random % (ms / 4);
}

static uint64_t longer(uint64_t a, uint64_t b)
{
    ASSERT(OUTBOX_DUE_MS_MAX > SCHEDULE_SLOWER_MS);
    return a > b ? a : b;
}

static void set_error(struct outbox_outcome *x, struct str error)
{
    struct str cut = str_cut(error, sizeof x->error - 1);
    ASSERT(cut.n < sizeof x->error);
    if (cut.n > 0) {
        memcpy(x->error, cut.p, cut.n);
    }
    x->error[cut.n] = 0;
}

// The step is through, delivered or lost.
static void end_step(const struct outbox_delivery *d, const struct attempt *a, uint64_t lost,
                     struct outbox_outcome *x)
{
    ASSERT(lost <= 1);
    x->lost = lost > 0;
    if (d->step + 1 < a->steps) {
        x->what = OUTBOX_NEXT;
    } else if (d->lost + lost == 0) {
        x->what = OUTBOX_SENT;
    } else {
        x->what = OUTBOX_GIVEN_UP;
    }
    if (x->what == OUTBOX_GIVEN_UP && lost == 0) {
        (void)snprintf(x->error, sizeof x->error, "%llu of %llu receivers could not be told.",
                       (unsigned long long)d->lost, (unsigned long long)a->steps);
    }
}

void schedule_outcome(const struct outbox_delivery *d, const struct attempt *a, uint64_t now_ms,
                      uint64_t random, struct outbox_outcome *ret_outcome)
{
    struct outbox_outcome *x = ret_outcome;
    ASSERT(a->steps > 0 && d->attempts > 0);
    *x = (struct outbox_outcome){.id = d->id, .channel = d->channel, .key = d->key};
    set_error(x, a->error);
    if (a->verdict == VERDICT_TAKEN) {
        end_step(d, a, 0, x);
        return;
    }
    x->failed = true;
    x->refused = a->verdict == VERDICT_REFUSED;
    x->repeat = a->may_be_delivered;
    bool old = now_ms > d->created_ms && now_ms - d->created_ms >= SCHEDULE_GIVE_UP_MS;
    if (old || (x->refused && d->refusals + 1 >= SCHEDULE_REFUSALS_MAX)) {
        end_step(d, a, 1, x);
        return;
    }
    uint64_t wait_ms = backoff_ms(d->attempts, random);
    bool unsaid = a->verdict == VERDICT_SLOWER && a->retry_after_ms == 0;
    wait_ms = longer(wait_ms, unsaid ? SCHEDULE_SLOWER_MS : a->retry_after_ms);
    x->what = OUTBOX_AGAIN;
    x->due_ms = now_ms + (wait_ms < OUTBOX_DUE_MS_MAX ? wait_ms : OUTBOX_DUE_MS_MAX);
}
