// SPDX-License-Identifier: Apache-2.0
// Purpose: the samples of one series as bytes.
#include "series/chunk.h"

#include "codec/cursor.h"
#include "core/hist.h"
#include "core/must.h"
#include "series/number_codec.h"

void chunk_encode(const struct samples *s, enum series_type type, uint64_t width_ms,
                  struct zpack *z, struct buf *out)
{
    ASSERT(s->count > 0 && width_ms > 0);
    if (type != SERIES_HIST) {
        numbers_encode(s->at, s->count, z, out);
        return;
    }
    uint64_t before = 0;
    buf_add_varint(out, s->count);
    for (size_t i = 0; i < s->count; i++) {
        uint64_t slot = s->at[i].time_ms / width_ms;
        MUST(s->at[i].time_ms % width_ms == 0 && (i == 0 || slot > before));
        buf_add_varint(out, slot - before);
        before = slot;
    }
    for (size_t i = 0; i < s->count; i++) {
        buf_add_str(out, s->at[i].hist);
    }
}

// The slots at the head of a chunk of histograms, one after the other.
struct slot_walk {
    struct cursor c;
    size_t count, seen;
    uint64_t slot, slots_max;
};

static enum err begin_slots(struct slot_walk *w, struct str bytes, uint64_t width_ms)
{
    *w = (struct slot_walk){.c = cursor_of(bytes), .slots_max = SAMPLE_TIME_MAX / width_ms};
    w->count = (size_t)cursor_varint(&w->c);
    ASSERT(width_ms > 0);
    return w->c.failed || w->count == 0 || w->count > bytes.n ? ERR_CORRUPT : ERR_OK;
}

static enum err next_slot(struct slot_walk *w)
{
    uint64_t distance = cursor_varint(&w->c);
    ASSERT(w->seen < w->count);
    if (w->c.failed || (distance == 0 && w->seen > 0) || distance >= w->slots_max - w->slot) {
        return ERR_CORRUPT;
    }
    w->slot += distance;
    w->seen++;
    return ERR_OK;
}

enum err chunk_decode(struct str bytes, enum series_type type, uint64_t width_ms,
                      struct samples *into)
{
    struct slot_walk w;
    const size_t first = into->count;
    ASSERT(width_ms > 0);
    if (type != SERIES_HIST) {
        return numbers_decode(bytes, into);
    }
    enum err e = begin_slots(&w, bytes, width_ms);
    for (size_t i = 0; e == ERR_OK && i < w.count; i++) {
        e = next_slot(&w);
        if (e == ERR_OK) {
            samples_add(into, (struct sample){.time_ms = w.slot * width_ms});
        }
    }
    struct str rest = {(const char *)w.c.p, cursor_left(&w.c)};
    struct hist_head head;
    for (size_t i = 0; e == ERR_OK && i < w.count; i++) {
        e = hist_cut(&rest, &into->at[first + i].hist, &head);
    }
    return e == ERR_OK && rest.n > 0 ? ERR_CORRUPT : e;
}

static enum err skip_hists(struct str *bytes, size_t count)
{
    struct str hist;
    struct hist_head head;
    enum err e = ERR_OK;
    ASSERT(count > 0);
    for (size_t i = 0; i < count && e == ERR_OK; i++) {
        e = hist_cut(bytes, &hist, &head);
    }
    return e;
}

// How many slots, from the one at hand on, lie before `end_ms`; the walk moves behind them.
static size_t count_slots(struct slot_walk *w, uint64_t width_ms, uint64_t end_ms)
{
    size_t n = 1;
    ASSERT(w->slot * width_ms < end_ms);
    while (w->seen < w->count) {
        enum err e = next_slot(w);
        MUST(e == ERR_OK); // they were walked before
        if (w->slot * width_ms >= end_ms) {
            return n;
        }
        n++;
    }
    return n;
}

enum err chunk_sum(struct str bytes, uint64_t width_ms, const struct chunk_steps *steps,
                   struct samples *into)
{
    struct slot_walk w, ahead;
    enum err e = begin_slots(&w, bytes, width_ms);
    ASSERT(steps->step_ms > 0);
    ahead = w;
    for (size_t i = 0; e == ERR_OK && i < w.count; i++) {
        e = next_slot(&ahead);
    }
    struct str rest = {(const char *)ahead.c.p, cursor_left(&ahead.c)};
    e = e == ERR_OK ? next_slot(&w) : e;
    for (size_t done = 0, n; e == ERR_OK && done < w.count; done += n) {
        uint64_t time_ms = w.slot * width_ms, begin_ms = time_ms - time_ms % steps->step_ms;
        if (time_ms < steps->from_ms || time_ms >= steps->to_ms) {
            n = count_slots(&w, width_ms, time_ms < steps->from_ms ? steps->from_ms : UINT64_MAX);
            e = skip_hists(&rest, n);
        } else {
            uint64_t left_ms = steps->to_ms - begin_ms;
            uint64_t end_ms = begin_ms + (steps->step_ms < left_ms ? steps->step_ms : left_ms);
            n = count_slots(&w, width_ms, end_ms);
            e = samples_cut_hists(into, begin_ms, n, &rest, steps->sums);
        }
    }
    return e == ERR_OK && rest.n > 0 ? ERR_CORRUPT : e;
}
