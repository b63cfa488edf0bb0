// SPDX-License-Identifier: Apache-2.0
// Purpose: the series store as its adder sees it: finding series, adding, sealing; and its numbers.
#include <string.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"
#include "journal/journal.h"
#include "series/state.h"

#define EARLY_MS      ((uint64_t)24 * 3600 * 1000)
#define HEADS_WAITING 2 // sealed heads beside which no further one is wanted
#define HEADS_TIGHT   8 // the same where memory is tight

uint64_t series_tier_ms(enum series_tier t)
{
    static const uint64_t widths[TIER_COUNT] = {SERIES_SLOT_MS, 60000, 3600000};
    ASSERT(t < TIER_COUNT);
    return widths[t];
}

uint64_t series_tier_span_ms(enum series_tier t)
{
    static const uint64_t spans[TIER_COUNT] = {(uint64_t)2 * 3600000, (uint64_t)24 * 3600000,
                                               (uint64_t)30 * 24 * 3600000};
    ASSERT(t < TIER_COUNT);
    return spans[t];
}

uint64_t series_seq(const struct series_store *s)
{
    struct series_store *x = (struct series_store *)(uintptr_t)s;
    (void)pthread_mutex_lock(&x->lock);
    uint64_t seq = x->seq;
    (void)pthread_mutex_unlock(&x->lock);
    ASSERT(s != NULL);
    return seq;
}

struct str series_state(const struct series_store *s)
{
    ASSERT(!s->started);
    return s->state;
}

// ---- Cardinality --------------------------------------------------------------------------------

static void grow_seen(struct series_store *s, uint32_t series)
{
    size_t room = s->seen_count;
    ASSERT(series < UINT32_MAX);
    if (series >= room) {
        s->seen = mem_grow(s->seen, &room, (size_t)series + 1, sizeof *s->seen);
        memset(s->seen + s->seen_count, 0, (room - s->seen_count) * sizeof *s->seen);
        s->seen_count = room;
    }
}

// Whether the series counts already.
static bool is_live(const struct series_store *s, uint32_t series)
{
    ASSERT(s->head_number > 1);
    return series < s->seen_count && s->seen[series] + 1 >= s->head_number;
}

static void note_live(struct series_store *s, uint32_t series, uint32_t line)
{
    grow_seen(s, series);
    struct series_live *l = &s->live[line];
    if (s->seen[series] == s->head_number) {
        return;
    }
    ASSERT(line < SERIES_LINES_MAX);
    if (s->seen[series] + 1 == s->head_number) {
        l->before--;
    }
    l->now++;
    s->seen[series] = s->head_number;
}

static bool has_room(const struct series_store *s, uint32_t line)
{
    ASSERT(line < SERIES_LINES_MAX);
    return s->live[line].now + s->live[line].before < s->o.series_max;
}

// ---- Adding -------------------------------------------------------------------------------------

static enum err refuse(struct series_store *s, enum err e)
{
    ASSERT(e != ERR_OK);
    if (e == ERR_LIMIT) {
        (void)pthread_mutex_lock(&s->lock);
        s->stats.refused_series++;
        (void)pthread_mutex_unlock(&s->lock);
    }
    return e;
}

enum err series_find(struct series_store *s, struct str line, enum series_type type,
                     const struct series_label *labels, size_t count, uint32_t *ret_series)
{
    struct series_id id = {.type = type};
    uint32_t at = 0;
    ASSERT(type >= SERIES_GAUGE && type < SERIES_TYPE_END);
    buf_clear(&s->key);
    enum err e = series_key_of(labels, count, &s->key);
    e = e == ERR_OK ? series_index_line(s->index, line, &id.line) : e;
    if (e != ERR_OK) {
        return refuse(s, e);
    }
    id.key = buf_str(&s->key);
    e = series_index_find(s->index, &id, &at);
    if (e == ERR_OK && !is_live(s, at) && !has_room(s, id.line)) {
        e = ERR_LIMIT;
    } else if (e == ERR_NOT_FOUND) {
        e = has_room(s, id.line) ? series_index_add(s->index, &id, false, &at) : ERR_LIMIT;
    }
    if (e != ERR_OK) {
        return refuse(s, e);
    }
    note_live(s, at, id.line);
    *ret_series = at;
    return ERR_OK;
}

void series_hold(struct series_store *s, uint32_t series)
{
    ASSERT(s->index != NULL);
    series_index_hold(s->index, series);
}

void series_release(struct series_store *s, uint32_t series)
{
    ASSERT(s->index != NULL);
    series_index_release(s->index, series);
}

bool series_takes(struct series_store *s, uint64_t time_ms)
{
    ASSERT(s->head != NULL);
    return time_ms < SAMPLE_TIME_MAX && time_ms >= series_cutoff_ms(s, TIER_10S) &&
           time_ms < s->o.wall_ns() / NS_PER_MS + EARLY_MS;
}

// Under `lock`: whether a sample of this time is taken in.
static bool is_timely(struct series_store *s, uint64_t time_ms)
{
    bool timely = time_ms < SAMPLE_TIME_MAX && time_ms < s->o.wall_ns() / NS_PER_MS + EARLY_MS;
    ASSERT(s->head != NULL);
    s->stats.early_samples += timely ? 0 : 1;
    return timely;
}

void series_add_number(struct series_store *s, uint32_t series, uint64_t time_ms, double value)
{
    struct series_id id = series_index_get(s->index, series);
    MUST(id.type != SERIES_HIST);
    note_live(s, series, id.line);
    (void)pthread_mutex_lock(&s->lock);
    if (is_timely(s, time_ms)) {
        series_head_add_number(s->head, series, time_ms, value);
    }
    (void)pthread_mutex_unlock(&s->lock);
}

void series_add_runs(struct series_store *s, const struct series_run *runs, size_t count)
{
    ASSERT(runs != NULL || count == 0);
    for (size_t i = 0; i < count; i++) {
        uint32_t series = runs[i].series;
        if (series >= s->seen_count || s->seen[series] != s->head_number) {
            struct series_id id = series_index_get(s->index, series);
            MUST(id.type == SERIES_HIST);
            note_live(s, series, id.line);
        }
    }
    (void)pthread_mutex_lock(&s->lock);
    uint64_t end_ms = s->o.wall_ns() / NS_PER_MS + EARLY_MS;
    s->stats.early_samples += series_head_add_runs(s->head, runs, count, end_ms);
    (void)pthread_mutex_unlock(&s->lock);
}

bool series_wants_seal(const struct series_store *s)
{
    struct series_store *x = (struct series_store *)(uintptr_t)s;
    struct budget *b = s->o.budget;
    (void)pthread_mutex_lock(&x->lock);
    size_t waiting = x->sealed_count, bytes = x->head->meter.held_bytes;
    uint64_t born_ns = x->head->born_ns;
    (void)pthread_mutex_unlock(&x->lock);
    ASSERT(b != NULL);
    if (budget_is_tight(b) && bytes > b->limit_bytes / 64) {
        return waiting < HEADS_TIGHT;
    }
    uint64_t age_ms = s->o.flush_age_ms;
    if (s->o.hurry != NULL && atomic_load(s->o.hurry) && age_ms > JOURNAL_HURRY_MS) {
        age_ms = JOURNAL_HURRY_MS;
    }
    bool is_old = clock_mono_ns() - born_ns >= age_ms * NS_PER_MS;
    bool is_large = bytes > b->limit_bytes / 8;
    bool is_short = budget_is_filling(b) && bytes > b->limit_bytes / 32;
    return waiting < HEADS_WAITING && (is_old || is_large || is_short);
}

void series_seal(struct series_store *s, uint64_t seq, struct str state)
{
    struct series_head *fresh = series_head_new(s->o.budget, clock_mono_ns());
    MUST(state.n <= SERIES_STATE_MAX);
    char *copy = mem_alloc(state.n + 1);
    memcpy(copy, state.n > 0 ? state.p : "", state.n);
    (void)pthread_mutex_lock(&s->lock);
    struct series_head *h = s->head;
    s->sealed = mem_grow(s->sealed, &s->sealed_capacity, s->sealed_count + 1, sizeof *s->sealed);
    h->seq = seq;
    h->state = (struct str){copy, state.n};
    meter_force(&h->meter, state.n);
    s->sealed[s->sealed_count++] = h;
    s->head = fresh;
    s->head_number++;
    (void)pthread_cond_signal(&s->flush_wake);
    (void)pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < SERIES_LINES_MAX; i++) {
        s->live[i] = (struct series_live){.before = s->live[i].now};
    }
    series_forget_unlink(s);
}

// ---- State --------------------------------------------------------------------------------------

void series_stats(struct series_store *s, struct series_stats *ret_stats)
{
    ASSERT(ret_stats != NULL);
    series_index_open(s->index);
    uint64_t series = series_index_count(s->index), index_bytes = series_index_bytes(s->index);
    series_index_close(s->index);
    (void)pthread_mutex_lock(&s->lock);
    *ret_stats = s->stats;
    ret_stats->series = series;
    ret_stats->index_bytes = index_bytes;
    ret_stats->seq = s->seq;
    ret_stats->sealed_heads = s->sealed_count;
    ret_stats->head_samples = s->head->samples;
    ret_stats->head_bytes = s->head->meter.held_bytes;
    for (size_t i = 0; i < s->sealed_count; i++) {
        ret_stats->head_samples += s->sealed[i]->samples;
        ret_stats->head_bytes += s->sealed[i]->meter.held_bytes;
    }
    (void)pthread_mutex_unlock(&s->lock);
}
