// SPDX-License-Identifier: Apache-2.0
// Purpose: reading: which series match, what parts and heads have of each, added up step by step.
//
// A view holds the parts and heads of one moment. The head that is added to stays in the view when
// it is sealed, so that nothing is seen twice or missed; it is read under the lock, SERIES_BATCH
// series at a time. Whoever reads has entered the index, so that no series that matched is
// forgotten meanwhile.

#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
#include "series/chunk.h"
#include "series/state.h"

struct view {
    struct series_head **heads; // the oldest first; the last one is added to
    size_t head_count;
    struct series_entry *parts; // of the tiers that are read, overlapping the range, by age
    size_t part_count;
    uint64_t lost; // parts of the tier and the range that were damaged
};

struct run {
    struct series_store *s;
    const struct series_query *q;
    struct view view;
    struct part_cursor *cursors; // of the parts
    size_t *places;              // where each part's search goes on
    bool *left_out;
    uint32_t *list; // what matches
    size_t count, charged;
    enum series_tier tier;
    struct samples samples, *heads; // of a series; of each series of the batch, from the heads
    struct arena arena, head_arena; // of a series; of the batch
    struct buf scratch;
    uint64_t *times; // as they are given
    double *numbers;
    struct series_hist *hists;
    size_t room, numbers_room, hists_room;
    size_t held; // of the meter, for samples
    struct series_answer answer;
};

// ---- View ---------------------------------------------------------------------------------------

static bool overlaps(const struct series_part_meta *m, const struct series_query *q)
{
    ASSERT(m->min_ms <= m->max_ms);
    return m->min_ms < q->to_ms && m->max_ms >= q->from_ms;
}

// Numbers are only in the first tier; histograms are read from one alone.
static void take_view(struct series_store *s, const struct series_query *q, enum series_tier tier,
                      struct view *v)
{
    v->lost = 0;
    (void)pthread_mutex_lock(&s->lock);
    v->heads = mem_alloc((s->sealed_count + 1) * sizeof(struct series_head *));
    v->parts = mem_alloc((s->part_count + 1) * sizeof *v->parts);
    for (size_t i = 0; i < s->sealed_count; i++) {
        v->heads[v->head_count++] = series_head_ref(s->sealed[i]);
    }
    v->heads[v->head_count++] = series_head_ref(s->head);
    for (size_t i = 0; i < s->part_count; i++) {
        const struct series_part_meta *m = &s->parts[i].part->meta;
        if ((m->tier == tier || m->tier == TIER_10S) && overlaps(m, q)) {
            (void)series_part_ref(s->parts[i].part);
            v->parts[v->part_count++] = s->parts[i];
        }
    }
    for (size_t i = 0; i < s->lost_count; i++) {
        const struct series_lost *l = &s->lost[i];
        v->lost += l->tier == tier && l->min_ms < q->to_ms && l->max_ms >= q->from_ms ? 1 : 0;
    }
    (void)pthread_mutex_unlock(&s->lock);
    ASSERT(v->head_count > 0);
}

static void free_view(struct view *v)
{
    ASSERT(v->heads != NULL || v->head_count == 0);
    for (size_t i = 0; i < v->head_count; i++) {
        series_head_unref(v->heads[i]);
    }
    for (size_t i = 0; i < v->part_count; i++) {
        series_part_unref(v->parts[i].part);
    }
    mem_free(v->heads);
    mem_free(v->parts);
}

// The widest tier that divides step and range; a wider one where that is kept for too short.
static enum series_tier choose_tier(const struct series_store *s, const struct series_query *q)
{
    enum series_tier tier = TIER_10S;
    ASSERT(q->step_ms % SERIES_SLOT_MS == 0);
    for (enum series_tier t = 0; t < TIER_COUNT; t++) {
        uint64_t width_ms = series_tier_ms(t);
        if (q->step_ms % width_ms == 0 && q->from_ms % width_ms == 0 && q->to_ms % width_ms == 0) {
            tier = t;
        }
    }
    while (tier + 1 < TIER_COUNT && q->from_ms < series_cutoff_ms(s, tier)) {
        tier++;
    }
    return tier;
}

uint64_t series_finest_ms(const struct series_store *s, uint64_t time_ms)
{
    enum series_tier tier = TIER_10S;
    while (tier + 1 < TIER_COUNT && time_ms < series_cutoff_ms(s, tier)) {
        tier++;
    }
    ASSERT(tier < TIER_COUNT);
    return series_tier_ms(tier);
}

// ---- One series ---------------------------------------------------------------------------------

static enum err hold(struct run *r, size_t bytes)
{
    size_t more = bytes > r->held ? bytes - r->held : 0;
    ASSERT(r->q != NULL);
    if (r->q->meter == NULL || more == 0) {
        return ERR_OK;
    }
    if (!meter_take(r->q->meter, more)) {
        return ERR_MEMORY;
    }
    r->held += more;
    return ERR_OK;
}

static size_t run_bytes(const struct run *r)
{
    size_t n = r->arena.held_bytes + r->head_arena.held_bytes;
    ASSERT(r->view.part_count == 0 || r->cursors != NULL);
    for (size_t i = 0; i < r->view.part_count; i++) {
        n += r->cursors[i].arena.held_bytes;
    }
    return n + (r->samples.capacity + r->samples.spare_capacity) * sizeof(struct sample) +
           r->room * sizeof(uint64_t) + r->numbers_room * sizeof(double) +
           r->hists_room * sizeof(struct series_hist);
}

// What one part has of a series, where it has any.
static enum err read_part(struct run *r, size_t part, uint32_t series, const struct series_id *id)
{
    const struct series_part *p = r->view.parts[part].part;
    const struct chunk_steps steps = {r->q->from_ms, r->q->to_ms, r->q->step_ms, &r->arena};
    size_t n = (size_t)p->meta.series;
    ASSERT(!r->left_out[part]);
    series_index_open(r->s->index);
    size_t at = series_index_search(r->s->index, p->series, r->places[part], n, series);
    series_index_close(r->s->index);
    if (at == n) {
        return ERR_OK;
    }
    r->places[part] = at;
    return id->type == SERIES_HIST
               ? part_cursor_sums(&r->cursors[part], at, &steps, &r->samples)
               : part_cursor_samples(&r->cursors[part], at, id->type, &r->samples);
}

// What the parts have of a series in the range; histograms by steps already.
static enum err read_parts(struct run *r, uint32_t series, const struct series_id *id)
{
    enum err e = ERR_OK;
    enum series_tier tier = id->type == SERIES_HIST ? r->tier : TIER_10S;
    ASSERT(id->key.n > 0);
    for (size_t i = 0; i < r->view.part_count && e == ERR_OK;) {
        const struct series_entry *x = &r->view.parts[i];
        bool is_asked = x->line == id->line && x->part->meta.tier == tier && !r->left_out[i];
        e = is_asked ? read_part(r, i, series, id) : ERR_OK;
        i++;
        if (e == ERR_CORRUPT) { // it is set aside by who maintains, and the others are read again
            r->left_out[i - 1] = true;
            r->answer.damaged_parts++;
            samples_clear(&r->samples);
            i = 0;
            e = ERR_OK;
        }
    }
    if (id->type != SERIES_HIST) {
        samples_cut(&r->samples, r->q->from_ms, r->q->to_ms);
    }
    return e;
}

static void make_room(struct run *r, bool hist)
{
    size_t n = r->samples.count;
    ASSERT(n > 0);
    r->times = mem_grow(r->times, &r->room, n, sizeof *r->times);
    if (hist) {
        r->hists = mem_grow(r->hists, &r->hists_room, n, sizeof *r->hists);
    } else {
        r->numbers = mem_grow(r->numbers, &r->numbers_room, n, sizeof *r->numbers);
    }
}

static enum err give(struct run *r, const struct series_id *id,
                     enum err (*each)(void *ctx, const struct series_found *found), void *ctx)
{
    struct series_label labels[SERIES_LABELS_MAX];
    bool hist = id->type == SERIES_HIST;
    make_room(r, hist);
    for (size_t i = 0; i < r->samples.count; i++) {
        const struct sample *x = &r->samples.at[i];
        r->times[i] = x->time_ms;
        if (hist) {
            struct hist_head head = hist_head_of(x->hist);
            r->hists[i] = (struct series_hist){head.count, head.sum_ns, x->hist};
        } else {
            r->numbers[i] = x->number;
        }
    }
    series_index_open(r->s->index);
    struct str line = series_index_line_name(r->s->index, id->line);
    series_index_close(r->s->index);
    const struct series_found found = {
        .line = line,
        .type = id->type,
        .labels = labels,
        .label_count = series_key_labels(id->key, labels),
        .count = r->samples.count,
        .times_ms = r->times,
        .numbers = hist ? NULL : r->numbers,
        .hists = hist ? r->hists : NULL,
    };
    r->answer.series++;
    r->answer.samples += found.count;
    return each(ctx, &found);
}

// ---- All of them --------------------------------------------------------------------------------

// What the heads have of a batch of series, in one hold of the lock.
static enum err read_heads(struct run *r, size_t first, size_t count)
{
    enum err e = ERR_OK;
    ASSERT(count <= SERIES_BATCH);
    arena_clear(&r->head_arena);
    (void)pthread_mutex_lock(&r->s->lock);
    for (size_t i = 0; i < count && e == ERR_OK; i++) {
        samples_clear(&r->heads[i]);
        for (size_t k = 0; k < r->view.head_count; k++) {
            series_head_samples(r->view.heads[k], r->list[first + i], r->q->from_ms, r->q->to_ms,
                                &r->heads[i], &r->head_arena, &r->scratch);
        }
        e = hold(r, run_bytes(r));
    }
    (void)pthread_mutex_unlock(&r->s->lock);
    return e;
}

static enum err run_batch(struct run *r, size_t first, size_t count,
                          enum err (*each)(void *ctx, const struct series_found *found), void *ctx)
{
    enum err e = read_heads(r, first, count);
    ASSERT(first + count <= r->count);
    for (size_t i = 0; i < count && e == ERR_OK; i++) {
        uint32_t series = r->list[first + i];
        series_index_open(r->s->index);
        struct series_id id = series_index_get(r->s->index, series);
        series_index_close(r->s->index);
        samples_clear(&r->samples);
        arena_clear(&r->arena);
        e = read_parts(r, series, &id);
        for (size_t k = 0; k < r->heads[i].count; k++) {
            samples_add(&r->samples, r->heads[i].at[k]);
        }
        if (e == ERR_OK) {
            samples_fold(&r->samples, id.type, r->q->step_ms, &r->arena);
            e = hold(r, run_bytes(r));
        }
        if (e == ERR_OK && r->samples.count > 0) {
            e = give(r, &id, each, ctx);
        }
        bool cancelled = r->q->cancelled != NULL && atomic_load(r->q->cancelled);
        e = e == ERR_OK && cancelled ? ERR_CANCELLED : e;
    }
    return e;
}

static void begin(struct run *r)
{
    size_t n = r->view.part_count;
    ASSERT(r->view.head_count > 0);
    r->cursors = mem_new(n + 1, sizeof *r->cursors);
    r->places = mem_new(n + 1, sizeof *r->places);
    r->left_out = mem_new(n + 1, sizeof *r->left_out);
    r->heads = mem_new(SERIES_BATCH, sizeof *r->heads);
    for (size_t i = 0; i < n; i++) {
        part_cursor_init(&r->cursors[i], r->view.parts[i].part);
    }
    buf_init(&r->scratch, REGION_MAX);
}

static void end(struct run *r)
{
    ASSERT(r->cursors != NULL);
    for (size_t i = 0; i < r->view.part_count; i++) {
        part_cursor_done(&r->cursors[i]);
    }
    for (size_t i = 0; i < SERIES_BATCH; i++) {
        samples_done(&r->heads[i]);
    }
    buf_done(&r->scratch);
    mem_free(r->cursors);
    mem_free(r->places);
    mem_free(r->left_out);
    mem_free(r->heads);
    mem_free(r->times);
    mem_free(r->numbers);
    mem_free(r->hists);
    samples_done(&r->samples);
    arena_done(&r->arena);
    arena_done(&r->head_arena);
}

static enum err check(const struct series_query *q)
{
    ASSERT(q->matchers != NULL || q->matcher_count == 0);
    return q->step_ms > 0 && q->step_ms % SERIES_SLOT_MS == 0 && q->from_ms <= q->to_ms
               ? ERR_OK
               : ERR_INVALID;
}

static void give_back(const struct series_query *q, size_t bytes)
{
    ASSERT(q->meter != NULL || bytes == 0);
    if (q->meter != NULL) {
        meter_give(q->meter, bytes);
    }
}

enum err series_run(struct series_store *s, const struct series_query *q,
                    enum err (*each)(void *ctx, const struct series_found *found), void *ctx,
                    struct series_answer *ret_answer)
{
    struct run r = {.s = s, .q = q};
    enum err e = check(q);
    ASSERT(each != NULL && ret_answer != NULL);
    unsigned ticket = series_index_enter(s->index);
    e = e == ERR_OK ? series_index_match(s->index, q, &r.list, &r.count, &r.charged) : e;
    if (e != ERR_OK) {
        series_index_leave(s->index, ticket);
        return e;
    }
    r.tier = r.answer.tier = choose_tier(s, q);
    take_view(s, q, r.tier, &r.view);
    r.answer.damaged_parts = r.view.lost;
    begin(&r);
    for (size_t i = 0; i < r.count && e == ERR_OK; i += SERIES_BATCH) {
        size_t n = r.count - i < SERIES_BATCH ? r.count - i : SERIES_BATCH;
        e = run_batch(&r, i, n, each, ctx);
    }
    end(&r);
    free_view(&r.view);
    series_index_leave(s->index, ticket);
    mem_free(r.list);
    give_back(q, r.held + r.charged);
    if (e == ERR_OK) {
        *ret_answer = r.answer;
    }
    return e;
}

// ---- Values of a label --------------------------------------------------------------------------

static bool has_any(struct series_store *s, const struct view *v, uint32_t series)
{
    bool has = false;
    ASSERT(v->head_count > 0);
    for (size_t i = 0; i < v->part_count && !has; i++) {
        const struct series_part *p = v->parts[i].part;
        size_t n = (size_t)p->meta.series;
        has = series_index_search(s->index, p->series, 0, n, series) < n;
    }
    return has;
}

static int compare_texts(const void *a, const void *b)
{
    ASSERT(a != NULL && b != NULL);
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

// The distinct values, sorted.
static size_t distinct(struct str *values, size_t n)
{
    size_t kept = 0;
    ASSERT(values != NULL || n == 0);
    sort_array(values, n, sizeof *values, compare_texts);
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || !str_eq(values[kept - 1], values[i])) {
            values[kept++] = values[i];
        }
    }
    return kept;
}

static bool is_in_heads(const struct view *v, const struct series_query *q, uint32_t series)
{
    ASSERT(v->head_count > 0);
    for (size_t i = 0; i < v->head_count; i++) {
        const struct series_head *h = v->heads[i];
        if (h->min_ms < q->to_ms && h->max_ms >= q->from_ms && series_head_has(h, series)) {
            return true;
        }
    }
    return false;
}

// Calls `each` for every series that matches and that a part or head which overlaps the range has;
// the index is open then. Whoever calls has entered it.
static enum err each_present(struct series_store *s, const struct series_query *q,
                             void (*each)(void *ctx, const struct series_id *id), void *ctx)
{
    uint32_t *list;
    size_t count, charged;
    struct view v = {0};
    enum err e = check(q);
    e = e == ERR_OK ? series_index_match(s->index, q, &list, &count, &charged) : e;
    if (e != ERR_OK) {
        return e;
    }
    size_t room = count * (sizeof(struct str) + sizeof(bool)); // what callers list included
    if (q->meter != NULL && !meter_take(q->meter, room)) {
        mem_free(list);
        give_back(q, charged);
        return ERR_MEMORY;
    }
    charged += q->meter != NULL ? room : 0;
    take_view(s, q, choose_tier(s, q), &v);
    bool *in_heads = mem_alloc(count + 1);
    (void)pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < count; i++) {
        in_heads[i] = is_in_heads(&v, q, list[i]);
    }
    (void)pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < count; i++) {
        series_index_open(s->index); // by turns, so that new series need not wait for all
        struct series_id id = series_index_get(s->index, list[i]);
        if (in_heads[i] || has_any(s, &v, list[i])) {
            each(ctx, &id);
        }
        series_index_close(s->index);
    }
    mem_free(in_heads);
    free_view(&v);
    mem_free(list);
    give_back(q, charged);
    return ERR_OK;
}

// Values point into keys.
struct value_list {
    struct str key, *values;
    size_t count, capacity;
};

static void add_value(void *ctx, const struct series_id *id)
{
    struct value_list *l = ctx;
    struct str value = series_key_value(id->key, l->key);
    ASSERT(l->count <= l->capacity);
    if (value.n > 0) {
        l->values = mem_grow(l->values, &l->capacity, l->count + 1, sizeof *l->values);
        l->values[l->count++] = value;
    }
}

enum err series_values(struct series_store *s, const struct series_query *q, struct str key,
                       size_t max, void (*each)(void *ctx, struct str value), void *ctx)
{
    struct value_list l = {.key = key};
    ASSERT(each != NULL);
    unsigned ticket = series_index_enter(s->index);
    enum err e = each_present(s, q, add_value, &l);
    size_t n = e == ERR_OK ? distinct(l.values, l.count) : 0;
    for (size_t i = 0; i < n && i < max; i++) {
        each(ctx, l.values[i]);
    }
    series_index_leave(s->index, ticket);
    mem_free(l.values);
    return e;
}

struct lister {
    struct series_store *store;
    void (*each)(void *ctx, const struct series_found *found);
    void *ctx;
};

static void list_one(void *ctx, const struct series_id *id)
{
    struct series_label labels[SERIES_LABELS_MAX];
    const struct lister *l = ctx;
    ASSERT(id->key.n > 0);
    const struct series_found found = {
        .line = series_index_line_name(l->store->index, id->line),
        .type = id->type,
        .labels = labels,
        .label_count = series_key_labels(id->key, labels),
    };
    l->each(l->ctx, &found);
}

enum err series_list(struct series_store *s, const struct series_query *q,
                     void (*each)(void *ctx, const struct series_found *found), void *ctx)
{
    struct lister l = {s, each, ctx};
    ASSERT(each != NULL);
    unsigned ticket = series_index_enter(s->index);
    enum err e = each_present(s, q, list_one, &l);
    series_index_leave(s->index, ticket);
    return e;
}
