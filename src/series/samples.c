// SPDX-License-Identifier: Apache-2.0
// Purpose: putting together what one series has.
#include "series/samples.h"

#include <string.h>

#include "core/mem.h"
#include "core/must.h"

void samples_done(struct samples *s)
{
    ASSERT(s->count <= s->capacity);
    mem_free(s->at);
    mem_free(s->spare);
    mem_free(s->total);
    buf_done(&s->bytes);
    *s = (struct samples){0};
}

void samples_clear(struct samples *s)
{
    ASSERT(s->count <= s->capacity);
    if (s->is_open) {
        hist_total_clear(s->total);
        s->is_open = false;
    }
    s->count = 0;
}

void samples_add(struct samples *s, struct sample sample)
{
    ASSERT(sample.time_ms < SAMPLE_TIME_MAX);
    s->at = mem_grow(s->at, &s->capacity, s->count + 1, sizeof *s->at);
    s->at[s->count++] = sample;
}

void samples_cut(struct samples *s, uint64_t from_ms, uint64_t to_ms)
{
    size_t n = 0;
    ASSERT(s->count == 0 || s->at != NULL);
    for (size_t i = 0; i < s->count; i++) {
        if (s->at[i].time_ms >= from_ms && s->at[i].time_ms < to_ms) {
            s->at[n++] = s->at[i];
        }
    }
    s->count = n;
}

static bool is_sorted(const struct samples *s)
{
    ASSERT(s->count == 0 || s->at != NULL);
    for (size_t i = 1; i < s->count; i++) {
        if (s->at[i].time_ms < s->at[i - 1].time_ms) {
            return false;
        }
    }
    return true;
}

// Merges the sorted runs [from, middle) and [middle, to) into `out`; equal times keep their order.
static void merge_runs(const struct sample *in, size_t from, size_t middle, size_t to,
                       struct sample *out)
{
    size_t i = from, j = middle;
    ASSERT(from <= middle && middle <= to);
    for (size_t k = from; k < to; k++) {
        bool left = i < middle && (j == to || in[i].time_ms <= in[j].time_ms);
        out[k] = left ? in[i++] : in[j++];
    }
}

// A merge sort, since equal times must keep their order.
static void sort(struct samples *s)
{
    if (is_sorted(s)) {
        return;
    }
    s->spare = mem_grow(s->spare, &s->spare_capacity, s->count, sizeof *s->spare);
    struct sample *from = s->at, *to = s->spare;
    for (size_t width = 1; width < s->count; width *= 2) {
        for (size_t i = 0; i < s->count; i += 2 * width) {
            size_t middle = i + width < s->count ? i + width : s->count;
            size_t end = i + 2 * width < s->count ? i + 2 * width : s->count;
            merge_runs(from, i, middle, end, to);
        }
        struct sample *swap = from;
        from = to;
        to = swap;
    }
    if (from != s->at) {
        memcpy(s->at, from, s->count * sizeof *from);
    }
    ASSERT(is_sorted(s));
}

static bool is_nothing(struct str hist)
{
    ASSERT(hist.n >= 3);
    return hist.n == 3 && hist.p[0] == 0 && hist.p[1] == 0 && hist.p[2] == 0;
}

static void begin_sum(struct samples *s)
{
    if (s->total == NULL) {
        s->total = mem_new(1, sizeof *s->total);
        buf_init(&s->bytes, HIST_BYTES_MAX);
    }
    ASSERT(s->total->words == 0 && !s->is_open);
}

static struct str end_sum(struct samples *s, struct arena *sums)
{
    buf_clear(&s->bytes);
    hist_total_encode(s->total, &s->bytes);
    hist_total_clear(s->total);
    struct str sum = buf_str(&s->bytes);
    ASSERT(!s->bytes.failed);
    return is_nothing(sum) ? STR("\0\0\0") : arena_str(sums, sum);
}

static struct str sum_of(struct samples *s, size_t first, size_t end, struct arena *sums)
{
    ASSERT(first < end && end <= s->count);
    if (end - first == 1) {
        return s->at[first].hist;
    }
    begin_sum(s);
    for (size_t i = first; i < end; i++) {
        hist_total_add(s->total, s->at[i].hist);
    }
    return end_sum(s, sums);
}

static void close_sum(struct samples *s, struct arena *sums)
{
    if (s->is_open) {
        s->is_open = false;
        samples_add(s, (struct sample){.time_ms = s->open_ms, .hist = end_sum(s, sums)});
    }
    ASSERT(s->total == NULL || s->total->words == 0);
}

enum err samples_cut_hists(struct samples *s, uint64_t time_ms, size_t count, struct str *bytes,
                           struct arena *sums)
{
    struct sample sample = {.time_ms = time_ms};
    struct hist_head head;
    enum err e = ERR_OK;
    ASSERT(count > 0);
    if (!s->is_open || s->open_ms != time_ms) {
        close_sum(s, sums);
        if (count == 1) {
            e = hist_cut(bytes, &sample.hist, &head);
            if (e == ERR_OK) {
                samples_add(s, sample);
            }
            return e;
        }
        begin_sum(s);
        s->is_open = true;
        s->open_ms = time_ms;
    }
    for (size_t i = 0; i < count && e == ERR_OK; i++) {
        e = hist_total_cut(s->total, bytes);
    }
    return e;
}

void samples_fold(struct samples *s, enum series_type type, uint64_t width_ms, struct arena *sums)
{
    bool hist = type == SERIES_HIST;
    ASSERT(width_ms > 0);
    close_sum(s, sums);
    for (size_t i = 0; i < s->count && hist; i++) {
        s->at[i].time_ms -= s->at[i].time_ms % width_ms;
    }
    sort(s);
    size_t n = 0;
    for (size_t i = 0, end; i < s->count; i = end) {
        end = i + 1;
        while (end < s->count && s->at[end].time_ms == s->at[i].time_ms) {
            end++;
        }
        struct sample x = s->at[end - 1];
        if (hist) {
            x.hist = sum_of(s, i, end, sums);
        }
        if (!hist || !is_nothing(x.hist)) {
            s->at[n++] = x;
        }
    }
    ASSERT(n <= s->count);
    s->count = n;
}
