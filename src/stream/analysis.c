// SPDX-License-Identifier: Apache-2.0
// Purpose: batches go into chains, and chains, when they close, become edges.
#include <string.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
#include "stream/internal.h"
#include "stream/told.h"

#define AHEAD      16             // rows whose chains are brought near before they are needed
#define FEW_SPANS  ((size_t)1024) // a chain of no more closes on what the budget leaves in reserve
#define FEW_SENT   ((size_t)64)   // calls with a statement
#define MINUTE_MS  60000
#define ROOM_SPANS ((size_t)8192) // room for chains that is kept from one to the next

void analysis_init(struct analysis *a, const struct stream_sink *sink,
                   const struct stream_history *history, uint32_t idle_ms, size_t remembered,
                   size_t kept_bytes)
{
    *a = (struct analysis){.history = *history, .began_ns = clock_mono_ns()};
    a->history.time_share = history->time_share > 0 ? history->time_share : HISTORY_TIME_SHARE;
    ASSERT(history->load != NULL);
    statements_init(&a->statements, kept_bytes / 8);
    a->reader = span_reader_new(&a->names, &a->statements);
    chains_init(&a->chains, idle_ms, remembered, a->began_ns / NS_PER_MS, clock_wall_ns());
    a->names.bytes_max = kept_bytes / 8 * 3;
    paths_init(&a->paths, &a->names, kept_bytes / 4);
    red_init(&a->red, &a->names, &a->paths, &a->statements, sink, kept_bytes / 4);
}

static void list_done(struct span_list *l)
{
    ASSERT(l->count <= l->capacity);
    mem_free(l->items);
    *l = (struct span_list){0};
}

void analysis_done(struct analysis *a)
{
    ASSERT(a->reader != NULL);
    span_reader_free(a->reader);
    chains_done(&a->chains);
    red_done(&a->red);
    judge_done(&a->judge);
    edges_room_done(&a->edges);
    entries_room_done(&a->entries);
    paths_done(&a->paths);
    list_done(&a->own);
    list_done(&a->base);
    mem_free(a->stored);
    mem_free(a->sent);
    mem_free(a->doubts.places);
    mem_free(a->doubts.marks);
    mem_free(a->doubts.told);
    statements_done(&a->statements);
    names_done(&a->names);
}

size_t analysis_bytes(const struct analysis *a)
{
    size_t remembered = a->chains.remembered * (sizeof(struct closed) + 2 * sizeof(uint32_t));
    return remembered + a->chains.bytes + red_bytes(&a->red) + names_bytes(&a->names) +
           statements_bytes(&a->statements) + paths_bytes(&a->paths) + edges_room_bytes(&a->edges) +
           entries_room_bytes(&a->entries) + judge_bytes(&a->judge) +
           (a->own.capacity + a->base.capacity) * sizeof *a->own.items +
           a->stored_capacity * sizeof *a->stored + a->sent_capacity * sizeof *a->sent +
           a->doubts.capacity * sizeof *a->doubts.places +
           a->doubts.mark_capacity * sizeof *a->doubts.marks + a->doubts.told_capacity;
}

// ---- Taking in ----------------------------------------------------------------------------------

static struct chain *take_row(struct analysis *a, const struct batch *b, uint32_t row,
                              uint64_t hash, bool counts, uint64_t now_ms)
{
    uint32_t instance;
    struct chain_span s = span_reader_get(a->reader, row, &instance);
    struct chain *chain = chains_open(&a->chains, b->spans[row].trace, hash, b->seq, now_ms);
    a->spans++;
    if (a->judge.is_on && chain->count == 0 && chain->was_closed) {
        a->keeper.reopened(a->keeper.ctx, chain->id);
    }
    ASSERT(chain->first_seq <= b->seq);
    if (!chains_add(&a->chains, chain, &s, now_ms)) {
        a->duplicates++;
    } else if (counts) {
        red_count_span(&a->red, &s, instance, 1);
    }
    return chain;
}

// A row that was counted before a restart: its chain was open then, and opens again. What came
// before that chain opened is what had closed, and was told.
static void take_again(struct analysis *a, const struct batch *b, uint32_t row, uint64_t hash,
                       const struct open_set *only, uint64_t now_ms)
{
    const struct open_chain *was = open_set_find(only, trace_id_hash(b->spans[row].trace));
    ASSERT(only != NULL);
    if (was != NULL && b->seq >= was->first_seq) {
        struct chain *chain = take_row(a, b, row, hash, false, now_ms);
        chain->is_whole = !was->may_be_old;
        chain->was_closed = was->may_be_old;
    }
}

void analysis_take(struct analysis *a, const struct batch *b, const struct open_set *only,
                   uint64_t now_ms)
{
    uint64_t hashes[AHEAD];
    ASSERT(b->seq > 0);
    a->seq = b->seq > a->seq ? b->seq : a->seq;
    a->names.minute = a->statements.minute = a->red.minute = (uint32_t)(now_ms / MINUTE_MS);
    span_reader_begin(a->reader, b);
    for (size_t first = 0; first < b->span_count; first += AHEAD) {
        size_t n = b->span_count - first < AHEAD ? b->span_count - first : AHEAD;
        for (size_t i = 0; i < n; i++) {
            hashes[i] = chains_hash(b->spans[first + i].trace);
            chains_prefetch_slot(&a->chains, hashes[i]);
        }
        for (size_t i = 0; i < n; i++) {
            chains_prefetch_chain(&a->chains, hashes[i]);
        }
        for (size_t i = 0; i < n; i++) {
            chains_prefetch_room(&a->chains, hashes[i]);
        }
        for (size_t i = 0; i < n; i++) {
            uint32_t row = (uint32_t)(first + i);
            if (only == NULL) {
                (void)take_row(a, b, row, hashes[i], true, now_ms);
            } else {
                take_again(a, b, row, hashes[i], only, now_ms);
            }
        }
    }
}

// ---- What was told before -----------------------------------------------------------------------

static void list_add(struct span_list *l, const struct chain_span *s)
{
    l->items = mem_grow(l->items, &l->capacity, l->count + 1, sizeof *l->items);
    l->items[l->count++] = *s;
}

static void list_chain(struct span_list *l, const struct chain *chain)
{
    uint32_t left = chain->count;
    l->items = mem_grow(l->items, &l->capacity, left, sizeof *l->items);
    l->count = left;
    struct chain_span *to = l->items;
    for (const struct chain_block *b = chain->first; left > 0; b = b->next) {
        uint32_t n = left < CHAIN_BLOCK ? left : CHAIN_BLOCK;
        ASSERT(b != NULL);
        memcpy(to, b->spans, n * sizeof *to);
        to += n;
        left -= n;
    }
}

static void on_rows(void *ctx, const struct row *rows, size_t count)
{
    struct analysis *a = ctx;
    const struct batch *last = NULL;
    MUST(a->stored_count + count <= HISTORY_SPANS_MAX); // the store was asked for no more
    if (a->no_room || (a->closing != NULL && !meter_take(a->closing, count * CLOSE_SPAN_BYTES))) {
        a->no_room = true;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (rows[i].batch->seq > a->seq) {
            continue;
        }
        if (rows[i].batch != last) {
            last = rows[i].batch;
            span_reader_begin(a->reader, last);
        }
        a->stored =
            mem_grow(a->stored, &a->stored_capacity, a->stored_count + 1, sizeof *a->stored);
        struct stored_span *s = &a->stored[a->stored_count++];
        s->span = span_reader_get(a->reader, rows[i].index, &s->instance);
    }
    ASSERT(a->stored_count <= HISTORY_SPANS_MAX);
}

// All that the store has of the trace, what came since it opened included; without what still waits
// to be taken in, where the store has that in memory (rows of parts tell no journal number). False
// when it cannot be had, is too much, or the store was asked enough for now.
static bool load_history(struct analysis *a, const struct chain *chain)
{
    uint64_t now_ns = clock_mono_ns();
    uint64_t allowed_ns = (NS_PER_S + now_ns - a->began_ns) / a->history.time_share;
    a->stored_count = 0;
    a->no_room = false;
    ASSERT(now_ns >= a->began_ns);
    if (a->history_ns > allowed_ns) {
        return false;
    }
    enum err e =
        a->history.load(a->history.ctx, chain->id, HISTORY_SPANS_MAX, a->closing, on_rows, a);
    a->history_ns += clock_mono_ns() - now_ns;
    return (e == ERR_OK || e == ERR_NOT_FOUND) && !a->no_room;
}

// Equal spans of the sorted list become one, with the number of its copies.
static void count_copies(struct analysis *a)
{
    size_t kept = 0;
    spans_sort(a->stored, a->stored_count, sizeof *a->stored);
    for (size_t i = 0; i < a->stored_count; i++) {
        struct chain_span *last = kept > 0 ? &a->stored[kept - 1].span : NULL;
        if (last != NULL && chain_span_is_same(last, &a->stored[i].span)) {
            last->copies = (uint8_t)(last->copies + (last->copies < UINT8_MAX));
        } else {
            a->stored[kept++] = a->stored[i];
        }
    }
    ASSERT(kept <= a->stored_count);
    a->stored_count = kept;
}

static void doubt(struct doubts *d, uint32_t place, uint64_t mark)
{
    d->places = mem_grow(d->places, &d->capacity, d->count + 1, sizeof *d->places);
    d->marks = mem_grow(d->marks, &d->mark_capacity, d->count + 1, sizeof *d->marks);
    d->told = mem_grow(d->told, &d->told_capacity, d->count + 1, sizeof *d->told);
    d->places[d->count] = place;
    d->marks[d->count++] = mark;
    ASSERT(d->count <= HISTORY_SPANS_MAX);
}

static uint64_t sum_of(const struct span_list *l)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < l->count; i++) {
        sum ^= chain_span_mark(&l->items[i]);
    }
    return sum;
}

// A span that came since the chain opened was counted, and had been before.
static void take_back(struct analysis *a, const struct stored_span *s)
{
    ASSERT(s->span.service != 0);
    list_add(&a->base, &s->span);
    red_count_span(&a->red, &s->span, s->instance, -1);
}

// What is stored of the trace is parted: what came since the chain opened is new; the rest was told
// before, and is `base`. `own`, and what is stored, are sorted; `own` then has all of the trace.
//
// A span that came and is stored more often than it came was there before. One that is not may have
// been as well, since the store drops copies: what is known to have been told decides.
static void part_old_from_new(struct analysis *a, uint64_t told)
{
    size_t at = 0, own_count = a->own.count;
    struct doubts *d = &a->doubts;
    d->count = 0;
    for (size_t i = 0; i < a->stored_count; i++) {
        const struct chain_span *s = &a->stored[i].span;
        while (at < own_count && spans_cmp(&a->own.items[at], s) < 0) {
            at++;
        }
        bool came = at < own_count && chain_span_is_same(&a->own.items[at], s);
        if (came && s->copies <= a->own.items[at].copies) {
            doubt(d, (uint32_t)i, chain_span_mark(s));
        } else if (came) {
            take_back(a, &a->stored[i]);
        } else {
            list_add(&a->base, s);
            list_add(&a->own, s);
        }
    }
    ASSERT(a->base.count + d->count <= a->stored_count);
    if (told != 0 && told_find(d->marks, d->count, told ^ sum_of(&a->base), d->told)) {
        for (size_t i = 0; i < d->count; i++) {
            if (d->told[i]) {
                take_back(a, &a->stored[d->places[i]]);
            }
        }
    }
}

// ---- Closing ------------------------------------------------------------------------------------

struct edge_teller {
    struct analysis *a;
    int32_t times;
};

static void on_edge(void *ctx, const struct edge_call *call)
{
    struct edge_teller *t = ctx;
    struct analysis *a = t->a;
    red_count_edge(&a->red, call, t->times);
    if (call->statement != 0) {
        a->sent = mem_grow(a->sent, &a->sent_capacity, a->sent_count + 1, sizeof *a->sent);
        a->sent[a->sent_count++] =
            (struct sent){call->statement, call->service, call->called, call->start_ns};
    }
}

static bool is_same_sent(const struct sent *a, const struct sent *b)
{
    return a->statement == b->statement && a->called == b->called && a->service == b->service;
}

static int by_sent(const void *x, const void *y)
{
    const struct sent *a = x, *b = y;
    if (a->statement != b->statement) {
        return a->statement < b->statement ? -1 : 1;
    }
    if (a->called != b->called) {
        return a->called < b->called ? -1 : 1;
    }
    if (a->service != b->service) { // of STATEMENT_OTHER
        return a->service < b->service ? -1 : 1;
    }
    return a->start_ns < b->start_ns ? -1 : a->start_ns > b->start_ns;
}

static void tell_repeats_of_many(struct analysis *a, int32_t times)
{
    sort_array(a->sent, a->sent_count, sizeof *a->sent, by_sent);
    for (size_t first = 0, end; first < a->sent_count; first = end) {
        end = first + 1;
        while (end < a->sent_count && is_same_sent(&a->sent[end], &a->sent[first])) {
            end++;
        }
        if (end - first > 1) {
            red_count_repeats(&a->red, &a->sent[first], end - first, times);
        }
    }
    ASSERT(a->sent_count > FEW_SENT);
}

// Most chains send a few: each of them is looked for among those before it by a small table.
static void tell_repeats_of_few(struct analysis *a, int32_t times)
{
    uint8_t places[2 * FEW_SENT] = {0}, counts[FEW_SENT]; // places: + 1
    ASSERT(a->sent_count <= FEW_SENT);
    for (size_t i = 0; i < a->sent_count; i++) {
        const struct sent *s = &a->sent[i];
        uint32_t at = (s->statement * 0x9e3779b1u ^ s->called * 0x85ebca6bu) >> 16;
        for (at %= 2 * FEW_SENT; places[at] != 0; at = (at + 1) % (2 * FEW_SENT)) {
            if (is_same_sent(&a->sent[places[at] - 1], s)) {
                break;
            }
        }
        if (places[at] == 0) {
            places[at] = (uint8_t)(i + 1);
            counts[i] = 1;
        } else {
            struct sent *first = &a->sent[places[at] - 1];
            first->start_ns = s->start_ns < first->start_ns ? s->start_ns : first->start_ns;
            counts[places[at] - 1]++;
            counts[i] = 0;
        }
    }
    for (size_t i = 0; i < a->sent_count; i++) {
        if (counts[i] > 1) {
            red_count_repeats(&a->red, &a->sent[i], counts[i], times);
        }
    }
}

// Statements that the chain has more than once, each by its first call.
static void tell_repeats(struct analysis *a, int32_t times)
{
    ASSERT(a->sent_count <= a->sent_capacity);
    if (a->sent_count > FEW_SENT) {
        tell_repeats_of_many(a, times);
    } else {
        tell_repeats_of_few(a, times);
    }
    a->sent_count = 0;
}

// A chain, or what of it was told before.
static void tell(struct analysis *a, struct span_list *l, int32_t times)
{
    struct edge_teller t = {a, times};
    uint32_t count = (uint32_t)l->count;
    size_t sums;
    uint64_t start_ns;
    ASSERT(l->count <= UINT32_MAX);
    edges_of(&a->edges, l->items, count, on_edge, &t);
    tell_repeats(a, times);
    const struct entry_sum *s =
        entries_of(&a->entries, &a->edges, &a->paths, l->items, count, &sums, &start_ns);
    for (size_t i = 0; i < sums; i++) {
        red_count_entry(&a->red, &s[i], start_ns, times);
    }
}

// Room that one large chain took is not kept for the small ones that follow.
static void give_room_back(struct analysis *a)
{
    if (a->own.capacity <= ROOM_SPANS && a->stored_capacity <= ROOM_SPANS) {
        return;
    }
    uint64_t rootless = a->entries.rootless_spans;
    list_done(&a->own);
    list_done(&a->base);
    mem_free(a->stored);
    mem_free(a->sent);
    a->sent = NULL;
    a->sent_count = a->sent_capacity = 0;
    a->stored = NULL;
    a->stored_count = a->stored_capacity = 0;
    mem_free(a->doubts.places);
    mem_free(a->doubts.marks);
    mem_free(a->doubts.told);
    a->doubts = (struct doubts){0};
    edges_room_done(&a->edges);
    entries_room_done(&a->entries);
    a->entries.rootless_spans = rootless;
    ASSERT(a->own.capacity == 0);
}

static void judge(struct analysis *a, const struct chain *chain)
{
    const struct judged_chain c = {.id = chain->id,
                                   .first_seq = chain->first_seq,
                                   .spans = a->own.items,
                                   .count = a->own.count,
                                   .sums = a->entries.sums,
                                   .sum_count = a->entries.sum_count,
                                   .is_again = chain->was_closed};
    ASSERT(a->keeper.judged != NULL);
    enum keep_why why = judge_chain(&a->judge, &a->names, &a->paths, &c, chain->last_ms);
    a->keeper.judged(a->keeper.ctx, chain->id, why);
}

void analysis_close(struct analysis *a, struct chain *chain)
{
    uint64_t told = chain->sum; // 0 where not all of the trace is known
    if (a->closing != NULL && chain->count > FEW_SPANS) {
        meter_force(a->closing, chain->count * CLOSE_SPAN_BYTES);
    }
    list_chain(&a->own, chain);
    a->base.count = 0;
    if (chains_may_be_old(&a->chains, chain)) {
        if (load_history(a, chain)) {
            count_copies(a);
            spans_sort(a->own.items, a->own.count, sizeof *a->own.items);
            part_old_from_new(a, chain->told);
            a->reopened_chains += a->base.count > 0 ? 1 : 0;
            told = sum_of(&a->own);
        } else {
            a->unjoined_spans += a->own.count;
            told = 0;
        }
    }
    tell(a, &a->own, 1);
    if (a->judge.is_on) {
        judge(a, chain);
    }
    if (a->base.count > 0) {
        tell(a, &a->base, -1);
    }
    a->closed_chains++;
    ASSERT(chain->count > 0);
    chains_close(&a->chains, chain, clock_wall_ns(), told);
    give_room_back(a);
    if (a->closing != NULL && atomic_load(&a->closing->held_bytes) > 0) {
        meter_give(a->closing, atomic_load(&a->closing->held_bytes));
    }
}
