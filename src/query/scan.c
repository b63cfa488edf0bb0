// SPDX-License-Identifier: Apache-2.0
// Purpose: the scan over hot batches and parts: its pieces, and the threads that share them.
#include "query/scan.h"

#include <unistd.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"
#include "query/scan_block.h"

// A hot batch, or a block of a part.
struct piece {
    const struct batch *batch;
    struct part *part;
    uint32_t block;
};

struct scan_run {
    const struct scan *s;
    struct piece *pieces; // newest storage first
    size_t count;
    atomic_size_t next;
    atomic_uint_fast64_t floor; // the highest that any thread has
    atomic_int error;           // the first
    void *forked[CREW_HELPERS_MAX];
};

#define WAIT_MS 10 // between two looks for memory

bool scan_passes_over(struct query_control *control, enum err e)
{
    if (e != ERR_CORRUPT || control == NULL) {
        return false;
    }
    atomic_fetch_add(&control->damaged_blocks, 1);
    return true;
}

bool query_must_end(const struct query_control *control)
{
    return control != NULL &&
           (atomic_load(&control->cancelled) || atomic_load(&control->out_of_turn));
}

bool query_take(struct query_control *control, size_t bytes)
{
    ASSERT(bytes <= SIZE_MAX / 2);
    return control == NULL || control->meter == NULL || meter_take(control->meter, bytes);
}

// Counts the time since `from_ns` as waited, as far as no other thread of the query has.
static void count_wait(struct query_control *control, uint64_t from_ns)
{
    uint64_t now_ns = clock_mono_ns(), counted_ns = atomic_load(&control->waited_until_ns);
    ASSERT(from_ns <= now_ns);
    do {
        if (counted_ns >= now_ns) {
            return;
        }
    } while (!atomic_compare_exchange_weak(&control->waited_until_ns, &counted_ns, now_ns));
    atomic_fetch_add(&control->waited_ns, now_ns - (counted_ns > from_ns ? counted_ns : from_ns));
}

bool query_need(struct query_control *control, size_t bytes)
{
    while (!query_take(control, bytes)) {
        ASSERT(control != NULL);
        if (query_must_end(control)) {
            atomic_store(&control->cut_short, true);
            return false;
        }
        if (atomic_load(&control->waited_ns) >= QUERY_PATIENCE_MS * NS_PER_MS) {
            atomic_store(&control->short_of_memory, true);
            return false;
        }
        uint64_t from_ns = clock_mono_ns();
        (void)usleep(WAIT_MS * 1000);
        count_wait(control, from_ns);
    }
    return true;
}

void query_give(struct query_control *control, size_t bytes)
{
    ASSERT(bytes <= SIZE_MAX / 2);
    if (control != NULL && control->meter != NULL) {
        meter_give(control->meter, bytes);
    }
}

bool query_memory_take(struct query_memory *m, size_t bytes)
{
    bool taken = query_take(m->control, bytes);
    m->bytes += taken ? bytes : 0;
    ASSERT(!taken || m->bytes >= bytes);
    return taken;
}

bool query_memory_need(struct query_memory *m, size_t bytes)
{
    bool taken = query_need(m->control, bytes);
    m->bytes += taken ? bytes : 0;
    ASSERT(!taken || m->bytes >= bytes);
    return taken;
}

void query_memory_give(struct query_memory *m)
{
    query_give(m->control, m->bytes);
    m->bytes = 0;
}

// Below what rows matter to no thread: what one has found is enough for all.
static struct scan_floor floor_of(void *ctx, struct scan_worker *w)
{
    struct scan_run *run = ctx;
    const struct scan *s = run->s;
    uint64_t own = s->floor_ns != NULL ? s->floor_ns(w->ctx) : 0;
    ASSERT(w->s == s);
    uint64_t shared = atomic_load(&run->floor);
    while (own > shared && !atomic_compare_exchange_weak(&run->floor, &shared, own)) {
    }
    own = own > shared ? own : shared;
    if (s->floor_of_durations) {
        return (struct scan_floor){s->from_ns, own};
    }
    return (struct scan_floor){own > s->from_ns ? own : s->from_ns, 0};
}

static enum err scan_batch(struct scan_run *run, struct scan_worker *w, const struct batch *b)
{
    const struct scan *s = run->s;
    struct scan_floor floor = floor_of(run, w);
    ASSERT(b->sealed);
    scan_count(s, b->span_count);
    enum err e = ERR_OK;
    if (b->max_start_ns < floor.start_ns || b->min_start_ns >= s->to_ns) {
        return ERR_OK;
    }
    for (size_t i = 0; i < b->span_count && e == ERR_OK; i++) {
        e = i % SCAN_TESTS_A_LOOK == 0 ? scan_stopped(s) : ERR_OK;
        const struct span *span = &b->spans[i];
        struct row row = {b, (uint32_t)i};
        if (span->start_ns >= floor.start_ns && span->start_ns < s->to_ns &&
            span->duration_ns >= floor.duration_ns && filter_match(s->filter, row)) {
            const struct scan_row found = {.trace = span->trace,
                                           .start_ns = span->start_ns,
                                           .duration_ns = span->duration_ns,
                                           .line = b->line,
                                           .service =
                                               batch_str(b, batch_resource(b, span)->service),
                                           .name = batch_str(b, span->name),
                                           .kind = span->kind,
                                           .status = span->status,
                                           .row = row,
                                           .resources = b,
                                           .resource = span->resource};
            s->visit(w->ctx, &found);
        }
    }
    return e;
}

static enum err scan_piece(struct scan_run *run, struct scan_worker *w, const struct piece *p)
{
    ASSERT((p->batch == NULL) != (p->part == NULL));
    enum err e = scan_stopped(run->s);
    if (e != ERR_OK) {
        return e;
    }
    if (p->batch != NULL) {
        return scan_batch(run, w, p->batch);
    }
    e = scan_block(w, p->part, p->block, floor_of, run);
    return scan_passes_over(run->s->control, e) ? ERR_OK : e;
}

// Takes pieces until there are none; on one thread.
static void take_pieces(struct scan_run *run, struct scan_worker *w)
{
    ASSERT(w->s == run->s);
    while (atomic_load(&run->error) == ERR_OK) {
        size_t at = atomic_fetch_add(&run->next, 1);
        if (at >= run->count) {
            break;
        }
        enum err e = scan_piece(run, w, &run->pieces[at]);
        int none = ERR_OK;
        if (e != ERR_OK) {
            (void)atomic_compare_exchange_strong(&run->error, &none, (int)e);
        }
    }
}

// A helper for whose state there is no memory leaves the work to the others.
static void work(void *ctx, size_t who)
{
    struct scan_run *run = ctx;
    const struct scan *s = run->s;
    void *visitor = s->ctx;
    struct scan_worker *w;
    ASSERT(who <= CREW_HELPERS_MAX && (who == 0 || s->fork != NULL));
    if (who > 0) {
        if (!query_take(s->control, sizeof *w)) {
            return;
        }
        visitor = run->forked[who - 1] = s->fork(s->ctx);
    }
    if (visitor != NULL) {
        w = mem_alloc(sizeof *w);
        w->s = s;
        w->ctx = visitor;
        take_pieces(run, w);
        mem_free(w);
    }
    if (who > 0) {
        query_give(s->control, sizeof *w);
    }
}

static void list_pieces(struct scan_run *run, const struct store_view *v)
{
    size_t count = v->hot_count;
    uint64_t total = 0;
    for (size_t i = 0; i < v->part_count; i++) {
        count += (size_t)part_meta(v->parts[i])->blocks;
        total += part_meta(v->parts[i])->rows;
    }
    run->pieces = mem_new(count, sizeof *run->pieces);
    for (size_t i = 0; i < v->hot_count; i++) {
        run->pieces[run->count++].batch = v->hot[i];
        total += v->hot[i]->span_count;
    }
    for (size_t i = 0; i < v->part_count; i++) {
        for (uint32_t k = 0; k < part_meta(v->parts[i])->blocks; k++) {
            run->pieces[run->count++] = (struct piece){.part = v->parts[i], .block = k};
        }
    }
    ASSERT(run->count == count);
    if (run->s->control != NULL) {
        atomic_store(&run->s->control->total_spans, total);
    }
}

enum err scan_run(const struct scan *s)
{
    struct scan_run run = {.s = s};
    struct crew *crew = s->control != NULL ? s->control->crew : NULL;
    ASSERT(s->filter != NULL && s->visit != NULL && s->from_ns <= s->to_ns);
    ASSERT((s->fork == NULL) == (s->join == NULL));
    uint64_t given_up = filter_given_up(s->filter);
    list_pieces(&run, s->view);
    size_t most = run.count > 1 ? run.count - 1 : 0;
    most = s->fork == NULL ? 0 : most < CREW_HELPERS_MAX ? most : CREW_HELPERS_MAX;
    crew_run(crew, most, work, &run);
    for (size_t i = 0; i < CREW_HELPERS_MAX; i++) {
        if (run.forked[i] != NULL) {
            s->join(s->ctx, run.forked[i]);
        }
    }
    mem_free(run.pieces);
    if (s->control != NULL) {
        atomic_fetch_add(&s->control->given_up_values, filter_given_up(s->filter) - given_up);
    }
    enum err e = (enum err)atomic_load(&run.error);
    if (e == ERR_CANCELLED && !atomic_load(&s->control->cancelled)) {
        atomic_store(&s->control->cut_short, true);
        e = ERR_OK;
    }
    return e == ERR_OK && s->control != NULL && atomic_load(&s->control->short_of_memory)
               ? ERR_MEMORY
               : e;
}
