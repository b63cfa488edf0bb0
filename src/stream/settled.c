// SPDX-License-Identifier: Apache-2.0
// Purpose: up to which record the chains have had their time to close.
#include "stream/settled.h"

#include <stdbool.h>

#include "core/must.h"

void settled_init(struct settled *s, uint64_t after_ms)
{
    *s = (struct settled){.after_ms = after_ms};
    ASSERT(after_ms > 0);
}

void settled_take(struct settled *s, uint64_t seq, uint64_t now_ms)
{
    const struct settled_mark *last = &s->marks[(s->first + s->count - 1) % SETTLED_MARKS];
    ASSERT(s->count == 0 || (last->seq <= seq && last->at_ms <= now_ms));
    if (seq <= (s->count > 0 ? last->seq : s->seq)) {
        return; // nothing new
    }
    bool is_over = now_ms - s->begun_ms >= s->after_ms / (SETTLED_MARKS / 2);
    if (s->count == 0 || (is_over && s->count < SETTLED_MARKS)) {
        s->count++;
        s->begun_ms = now_ms;
    }
    s->marks[(s->first + s->count - 1) % SETTLED_MARKS] = (struct settled_mark){seq, now_ms};
}

uint64_t settled_up_to(struct settled *s, uint64_t now_ms)
{
    while (s->count > 0 && now_ms - s->after_ms >= s->marks[s->first].at_ms) {
        ASSERT(s->marks[s->first].seq > s->seq);
        s->seq = s->marks[s->first].seq;
        s->first = (s->first + 1) % SETTLED_MARKS;
        s->count--;
    }
    return s->seq;
}
