// SPDX-License-Identifier: Apache-2.0
// Purpose: totals of agents as series of calls.
#include "agent_counts.h"

#include <math.h>
#include <string.h>
#include <xxhash.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
#include "core/varint.h"
#include "model/calls.h"
#include "model/point.h"
#include "wire/otlp_point.h"

#define DURATION   STR("traces.span.metrics.duration")
#define STARTED    STR("otel.sdk.span.started")
#define NAME_KEY   STR("span.name")
#define KIND_KEY   STR("span.kind")
#define STATUS_KEY STR("status.code")
#define ENTRY_KEY  STR("sonde.span.entry")
#define RESULT_KEY STR("otel.span.sampling_result")

#define CELL_BITS     12
#define CELL_COUNT(c) ((c) >> CELL_BITS)
// Of a line, a name and labels, each with its length.
#define KEY_BYTES_MAX                                                                              \
    ((2 * SERIES_LABELS_MAX + 2) * (SERIES_LABEL_BYTES_MAX + 2) + ((size_t)64 << 10))

#define SWEEP_MS      ((uint64_t)5 * 60 * 1000)
#define SOURCES_LEAST 64
#define STATE_END     ((uint32_t)'S' | (uint32_t)'N' << 8 | (uint32_t)'D' << 16 | (uint32_t)'A' << 24)

_Static_assert(HIST_BUCKETS == 1 << CELL_BITS, "a cell tells every bucket");

static unsigned cell_bucket(agent_cell c)
{
    return c & (HIST_BUCKETS - 1);
}

void agent_counts_init(struct agent_counts *c, struct series_store *series, struct budget *budget)
{
    *c = (struct agent_counts){.series = series, .wall_ns = clock_wall_ns};
    ASSERT(series != NULL);
    meter_init(&c->memory, budget, ACCOUNT_SERIES);
    buf_init(&c->key, KEY_BYTES_MAX);
}

static void give_cells(struct agent_counts *c, struct agent_source *s)
{
    ASSERT(c->cell_count >= s->cell_count);
    meter_give(&c->memory, s->cell_count * sizeof *s->cells);
    c->cell_count -= s->cell_count;
    mem_free(s->cells);
    s->cells = NULL;
    s->cell_count = 0;
}

void agent_counts_done(struct agent_counts *c)
{
    for (size_t i = 0; i < c->count; i++) {
        give_cells(c, &c->sources[i]);
    }
    ASSERT(c->cell_count == 0);
    mem_free(c->sources);
    mem_free(c->hashes);
    mem_free(c->told);
    buf_done(&c->key);
    hash_index_done(&c->index);
    meter_done(&c->memory);
    *c = (struct agent_counts){.series = NULL};
}

// ---- Sources ------------------------------------------------------------------------------------

static struct agent_source *find(const struct agent_counts *c, const uint64_t hash[2])
{
    struct hash_walk walk = hash_index_walk(&c->index, hash[0]);
    uint32_t at;
    while (hash_index_next(&walk, &at)) {
        struct agent_source *s = &c->sources[at];
        ASSERT(at < c->count);
        if (s->hash[0] == hash[0] && s->hash[1] == hash[1]) {
            return s;
        }
    }
    return NULL;
}

static struct agent_source *add_source(struct agent_counts *c, const uint64_t hash[2])
{
    size_t n = c->count;
    ASSERT(find(c, hash) == NULL && n < AGENT_COUNTS_SOURCES_MAX);
    meter_force(&c->memory, 2 * sizeof *c->sources);
    c->sources = mem_grow(c->sources, &c->capacity, n + 1, sizeof *c->sources);
    c->hashes = mem_grow(c->hashes, &c->hash_capacity, n + 1, sizeof *c->hashes);
    hash_index_reserve(&c->index, c->hashes, n, SOURCES_LEAST);
    c->sources[n] = (struct agent_source){.hash = {hash[0], hash[1]}};
    c->hashes[n] = hash[0];
    hash_index_put(&c->index, hash[0], (uint32_t)n);
    c->count++;
    return &c->sources[n];
}

static void forget(struct agent_counts *c, size_t at)
{
    size_t last = c->count - 1;
    ASSERT(at <= last);
    c->since_ms = c->sources[at].time_ms > c->since_ms ? c->sources[at].time_ms : c->since_ms;
    give_cells(c, &c->sources[at]);
    meter_give(&c->memory, 2 * sizeof *c->sources);
    hash_index_remove(&c->index, c->hashes, (uint32_t)at);
    if (at != last) {
        hash_index_remove(&c->index, c->hashes, (uint32_t)last);
        c->sources[at] = c->sources[last];
        c->hashes[at] = c->hashes[last];
        hash_index_put(&c->index, c->hashes[at], (uint32_t)at);
    }
    c->count--;
}

void agent_counts_sweep(struct agent_counts *c)
{
    uint64_t now_ms = c->wall_ns() / NS_PER_MS;
    if (now_ms < c->swept_ms + SWEEP_MS && now_ms >= c->swept_ms) {
        return;
    }
    c->swept_ms = now_ms;
    for (size_t i = c->count; i > 0; i--) {
        if (c->sources[i - 1].seen_ms + AGENT_COUNTS_IDLE_MS < now_ms) {
            forget(c, i - 1);
        }
    }
    ASSERT(c->count <= AGENT_COUNTS_SOURCES_MAX);
}

// Whether what the point told has room, in a source that there is or, NULL, a new one.
static bool has_room(const struct agent_counts *c, const struct agent_source *s)
{
    size_t had = s != NULL ? s->cell_count : 0;
    ASSERT(c->cell_count >= had);
    return (s != NULL || c->count < AGENT_COUNTS_SOURCES_MAX) &&
           c->cell_count - had + c->told_count <= AGENT_COUNTS_CELLS_MAX;
}

// The source has what the point told; there is room.
static void keep_told(struct agent_counts *c, struct agent_source *s)
{
    size_t bytes = c->told_count * sizeof *s->cells;
    ASSERT(has_room(c, s));
    if (c->told_count != s->cell_count) {
        give_cells(c, s);
        meter_force(&c->memory, bytes);
        s->cells = mem_new(c->told_count + 1, sizeof *s->cells);
        s->cell_count = c->told_count;
        c->cell_count += c->told_count;
    }
    if (bytes > 0) {
        memcpy(s->cells, c->told, bytes);
    }
}

// ---- A point ------------------------------------------------------------------------------------

static void tell_cell(struct agent_counts *c, unsigned bucket, uint64_t count)
{
    ASSERT(bucket < HIST_BUCKETS);
    c->told = mem_grow(c->told, &c->told_capacity, c->told_count + 1, sizeof *c->told);
    c->told[c->told_count++] = bucket | count << CELL_BITS;
}

struct reading {
    struct agent_counts *counts;
    const struct exponential_shape *shape;
};

static void on_bucket(void *ctx, struct exponential_bucket bucket, uint64_t count)
{
    const struct reading *r = ctx;
    double lower, upper;
    exponential_bounds(r->shape, bucket, &lower, &upper);
    double middle = bucket.range == EXPONENTIAL_POSITIVE ? sqrt(lower * upper) : 0;
    ASSERT(!isnan(middle));
    tell_cell(r->counts, hist_bucket(middle < 0x1p63 ? (uint64_t)middle : (uint64_t)1 << 63),
              count);
}

static int by_bucket(const void *a, const void *b)
{
    unsigned x = cell_bucket(*(const agent_cell *)a), y = cell_bucket(*(const agent_cell *)b);
    return x < y ? -1 : x > y;
}

// Ascending, one of each bucket.
static void settle_told(struct agent_counts *c)
{
    size_t kept = 0;
    sort_array(c->told, c->told_count, sizeof *c->told, by_bucket);
    for (size_t i = 0; i < c->told_count; i++) {
        if (kept > 0 && cell_bucket(c->told[kept - 1]) == cell_bucket(c->told[i])) {
            c->told[kept - 1] += CELL_COUNT(c->told[i]) << CELL_BITS;
        } else {
            c->told[kept++] = c->told[i];
        }
    }
    ASSERT(kept <= c->told_count);
    c->told_count = kept;
}

static uint64_t count_of(const agent_cell *cells, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += CELL_COUNT(cells[i]);
    }
    ASSERT(n == 0 || cells != NULL);
    return sum;
}

// What a total was before, and when that was told.
struct before {
    const agent_cell *cells;
    size_t count;
    int64_t sum;
    uint64_t time_ms;
};

// False where it is not known.
static bool find_before(const struct agent_counts *c, const struct agent_source *s,
                        const struct point *x, struct before *ret_before)
{
    uint64_t time_ms = x->time_ns / NS_PER_MS, start_ms = x->start_ns / NS_PER_MS;
    struct before none = {.time_ms = start_ms > 0 && start_ms < time_ms ? start_ms : time_ms};
    ASSERT(s == NULL || s->time_ms < time_ms);
    if (s == NULL) {
        *ret_before = none;
        return start_ms > c->since_ms && start_ms <= time_ms;
    }
    if (start_ms > s->time_ms ||
        count_of(c->told, c->told_count) < count_of(s->cells, s->cell_count)) {
        none.time_ms = start_ms > s->time_ms ? none.time_ms : s->time_ms;
        *ret_before = none;
        return true;
    }
    *ret_before = (struct before){s->cells, s->cell_count, s->sum, s->time_ms};
    return true;
}

// ---- Growth -------------------------------------------------------------------------------------

#define LABELS_MAX 12

struct growth {
    struct agent_counts *counts;
    uint32_t series;
    uint64_t time_ms;
    int64_t sum; // is given with the first calls
};

static void add_calls(struct growth *g, unsigned bucket, int64_t calls)
{
    const uint16_t buckets[] = {(uint16_t)bucket};
    struct series_run run = {
        .series = g->series, .time_ms = g->time_ms, .buckets = buckets, .count = 1};
    if (g->sum != 0 && calls != 0) { // a run's sum counts as often as its calls
        run.times = calls > 0 ? 1 : -1;
        run.sum_ns = calls > 0 ? (uint64_t)g->sum : 0 - (uint64_t)g->sum;
        series_add_runs(g->counts->series, &run, 1);
        calls -= run.times;
        g->sum = 0;
        run.sum_ns = 0;
    }
    while (calls != 0) {
        int64_t part = calls > INT32_MAX ? INT32_MAX : calls < -INT32_MAX ? -INT32_MAX : calls;
        run.times = (int32_t)part;
        series_add_runs(g->counts->series, &run, 1);
        calls -= part;
    }
    ASSERT(calls == 0);
}

// What c->told has more than what was before, in one series.
static void add_growth(struct agent_counts *c, uint32_t series, uint64_t time_ms,
                       const struct before *before, int64_t sum)
{
    struct growth g = {c, series, time_ms, (int64_t)((uint64_t)sum - (uint64_t)before->sum)};
    size_t i = 0, k = 0;
    while (i < c->told_count || k < before->count) {
        unsigned now = i < c->told_count ? cell_bucket(c->told[i]) : HIST_BUCKETS;
        unsigned then = k < before->count ? cell_bucket(before->cells[k]) : HIST_BUCKETS;
        int64_t grew = 0;
        ASSERT(now < HIST_BUCKETS || then < HIST_BUCKETS);
        if (now <= then) {
            grew += (int64_t)CELL_COUNT(c->told[i++]);
        }
        if (then <= now) {
            grew -= (int64_t)CELL_COUNT(before->cells[k++]);
        }
        add_calls(&g, now < then ? now : then, grew);
    }
}

static bool find_series(struct agent_counts *c, const struct agent_point *of,
                        const struct series_label *labels, size_t count, uint32_t *ret_series)
{
    enum err e = series_find(c->series, of->line, SERIES_HIST, labels, count, ret_series);
    ASSERT(count > 0);
    return e == ERR_OK;
}

struct label_list {
    struct series_label items[LABELS_MAX];
    size_t n;
};

static void put(struct label_list *l, struct str key, struct str value)
{
    if (value.n > 0) {
        ASSERT(l->n < LABELS_MAX);
        ASSERT(l->n == 0 || str_cmp(l->items[l->n - 1].key, key) < 0);
        l->items[l->n++] = (struct series_label){key, value};
    }
}

static struct str label_of(const struct agent_point *of, struct str key)
{
    ASSERT(key.n > 0);
    for (size_t i = 0; i < of->label_count; i++) {
        if (str_eq(of->labels[i].key, key)) {
            return of->labels[i].value;
        }
    }
    return STR("");
}

static uint8_t kind_of(const struct agent_point *of)
{
    struct str name = str_skip(label_of(of, KIND_KEY), strlen("SPAN_KIND_"));
    uint8_t kind = KIND_INTERNAL;
    for (unsigned k = KIND_INTERNAL; k < KIND_COUNT; k++) {
        kind = str_eq_nocase(name, str_of(span_kind_name(k))) ? (uint8_t)k : kind;
    }
    ASSERT(kind < KIND_COUNT);
    return kind;
}

static bool is_entry(const struct agent_point *of)
{
    uint8_t kind = kind_of(of);
    return kind == KIND_SERVER || kind == KIND_CONSUMER ||
           str_eq(label_of(of, ENTRY_KEY), STR("true"));
}

// Of an endpoint, and of an instance.
static bool add_durations(struct agent_counts *c, const struct agent_point *of, uint64_t time_ms,
                          const struct before *before, int64_t sum)
{
    bool error = str_eq(label_of(of, STATUS_KEY), STR("STATUS_CODE_ERROR"));
    struct label_list l = {.n = 0}, by = {.n = 0};
    uint32_t series[2];
    put(&l, CALLS_LABEL_NAME, CALLS_NAME);
    put(&l, CALLS_ENDPOINT, label_of(of, NAME_KEY));
    put(&l, CALLS_ERROR, error ? CALLS_TRUE : STR(""));
    put(&l, CALLS_KIND, str_of(span_kind_name(kind_of(of))));
    put(&l, CALLS_OF, CALLS_AGENT_ENDPOINT);
    put(&l, CALLS_SERVICE, of->service);
    put(&by, CALLS_LABEL_NAME, CALLS_NAME);
    put(&by, CALLS_DC, of->centre);
    put(&by, CALLS_ERROR, error ? CALLS_TRUE : STR(""));
    put(&by, CALLS_HOST, of->host);
    put(&by, CALLS_INSTANCE, of->instance);
    put(&by, CALLS_OF, CALLS_AGENT_INSTANCE);
    put(&by, CALLS_RACK, of->rack);
    put(&by, CALLS_SERVICE, of->service);
    if (!find_series(c, of, l.items, l.n, &series[0]) ||
        (of->instance.n > 0 && !find_series(c, of, by.items, by.n, &series[1]))) {
        return false;
    }
    for (size_t i = 0; i < (of->instance.n > 0 ? 2 : 1); i++) {
        add_growth(c, series[i], time_ms, before, sum);
    }
    return true;
}

// How many spans were left out since the report before, told at the end of that time; of a source
// that is not known, or began again, the begin is told as well: with nothing.
static bool add_report(struct agent_counts *c, const struct agent_point *of,
                       const struct agent_source *s, const struct before *before, bool known,
                       uint64_t time_ms)
{
    uint64_t grew = count_of(c->told, c->told_count) - count_of(before->cells, before->count);
    struct label_list l = {.n = 0};
    struct growth g = {.counts = c, .time_ms = before->time_ms};
    put(&l, CALLS_LABEL_NAME, CALLS_NAME);
    put(&l, CALLS_OF, CALLS_AGENT_REPORT);
    put(&l, CALLS_SERVICE, of->service);
    if (!find_series(c, of, l.items, l.n, &g.series)) {
        return false;
    }
    if (s == NULL || before->cells != s->cells) {
        add_calls(&g, hist_bucket(0), 1);
    }
    if (known && time_ms > before->time_ms) {
        g.time_ms = time_ms - 1; // what begins then is not covered
        g.sum = (int64_t)grew;
        add_calls(&g, hist_bucket(grew), 1);
    }
    ASSERT(g.sum == 0);
    return true;
}

// ---- Taking -------------------------------------------------------------------------------------

static void put_text(struct buf *out, struct str text)
{
    ASSERT(text.p != NULL || text.n == 0);
    buf_add_varint(out, text.n);
    buf_add_str(out, text);
}

static void hash_of(struct agent_counts *c, const struct agent_point *of, uint64_t ret_hash[2])
{
    struct buf *key = &c->key;
    buf_clear(key);
    put_text(key, of->line);
    put_text(key, of->metric);
    for (size_t i = 0; i < of->label_count; i++) {
        const struct series_label *l = &of->labels[i];
        if (!str_eq(l->key, POINT_BUCKET_SCALE) && !str_eq(l->key, POINT_BUCKET_ZERO)) {
            put_text(key, l->key);
            put_text(key, l->value);
        }
    }
    ASSERT(!key->failed);
    XXH128_hash_t hash = XXH3_128bits(key->p, key->n);
    ret_hash[0] = hash.low64;
    ret_hash[1] = hash.high64;
}

// Whether the point is a total that counts, and c->told it.
static bool read_point(struct agent_counts *c, const struct agent_point *of, const struct point *x,
                       enum metric_kind kind, struct str body)
{
    c->told_count = 0;
    ASSERT(x->time_ns > 0);
    if (x->says & POINT_NO_VALUE) {
        return false;
    }
    if (str_eq(of->metric, STARTED) && kind == METRIC_SUM) {
        double count = x->says & POINT_INT ? (double)x->i : x->d;
        bool counts = str_eq(label_of(of, RESULT_KEY), STR("DROP")) && count >= 0;
        if (counts && count > 0) {
            tell_cell(c, 0, count < 0x1p51 ? (uint64_t)count : (uint64_t)1 << 51);
        }
        return counts;
    }
    struct exponential_shape shape;
    struct reading r = {c, &shape};
    if (!str_eq(of->metric, DURATION) || kind != METRIC_EXPONENTIAL || !is_entry(of) ||
        otlp_point_exponential(body, &shape, on_bucket, &r) != NULL) {
        return false;
    }
    settle_told(c);
    return true;
}

void agent_counts_take(struct agent_counts *c, const struct agent_point *of, const struct point *x,
                       enum metric_kind kind, struct str body)
{
    uint64_t time_ms = x->time_ns / NS_PER_MS, hash[2];
    bool durations = str_eq(of->metric, DURATION);
    if (!read_point(c, of, x, kind, body)) {
        return;
    }
    if (c->since_ms == 0) { // nobody was known before
        c->since_ms = time_ms > POINT_YOUNG_MS ? time_ms - POINT_YOUNG_MS : 1;
    }
    hash_of(c, of, hash);
    struct agent_source *s = find(c, hash);
    if (s != NULL && time_ms <= s->time_ms) {
        return;
    }
    struct before before;
    int64_t sum = durations && x->sum > 0 ? (int64_t)fmin(x->sum, 0x1p62) : 0;
    bool known = find_before(c, s, x, &before), room = has_room(c, s);
    uint64_t middle_ms = before.time_ms + (time_ms - before.time_ms) / 2;
    if (room && !durations) {
        room = add_report(c, of, s, &before, known, time_ms);
    } else if (room && known) {
        room = add_durations(c, of, middle_ms, &before, sum);
    }
    if (!room) {
        atomic_fetch_add(&c->refused, 1);
        return;
    }
    s = s != NULL ? s : add_source(c, hash);
    keep_told(c, s);
    s->time_ms = time_ms;
    s->seen_ms = c->wall_ns() / NS_PER_MS;
    s->sum = sum;
}

// ---- The state ----------------------------------------------------------------------------------

void agent_counts_save(const struct agent_counts *c, struct buf *state)
{
    size_t begin = state->n;
    buf_add_varint(state, c->since_ms);
    buf_add_varint(state, c->count);
    for (size_t i = 0; i < c->count; i++) {
        const struct agent_source *s = &c->sources[i];
        unsigned last = UINT32_MAX;
        buf_add_u64(state, s->hash[0]);
        buf_add_u64(state, s->hash[1]);
        buf_add_varint(state, s->time_ms);
        buf_add_varint(state, zigzag(s->sum));
        buf_add_varint(state, s->cell_count);
        for (size_t k = 0; k < s->cell_count; k++) {
            unsigned bucket = cell_bucket(s->cells[k]);
            buf_add_varint(state, bucket - last);
            buf_add_varint(state, CELL_COUNT(s->cells[k]));
            last = bucket;
        }
    }
    ASSERT(state->n >= begin || state->failed);
    buf_add_u32(state, (uint32_t)(state->n - begin));
    buf_add_u32(state, STATE_END);
}

struct state_reader {
    const uint8_t *p, *end; // p == NULL: something was wrong
};

static uint64_t get_varint(struct state_reader *r)
{
    uint64_t v = 0;
    ASSERT(r->p == NULL || r->p <= r->end);
    r->p = r->p != NULL ? varint_get(r->p, r->end, &v) : NULL;
    return r->p != NULL ? v : 0;
}

static uint64_t get_u64(struct state_reader *r)
{
    if (r->p == NULL || r->end - r->p < 8) {
        r->p = NULL;
        return 0;
    }
    uint64_t v = load_u64(r->p);
    r->p += 8;
    return v;
}

static bool restore_source(struct agent_counts *c, struct state_reader *r)
{
    uint64_t first = get_u64(r), second = get_u64(r);
    const uint64_t hash[] = {first, second};
    uint64_t time_ms = get_varint(r), sum = get_varint(r), cells = get_varint(r), bucket = 0;
    if (r->p == NULL || cells > HIST_BUCKETS || find(c, hash) != NULL) {
        return false;
    }
    c->told_count = 0;
    for (uint64_t i = 0; i < cells; i++) {
        uint64_t distance = get_varint(r), count = get_varint(r);
        bucket += distance;
        if (r->p == NULL || distance == 0 || distance > HIST_BUCKETS || bucket > HIST_BUCKETS ||
            count > UINT64_MAX >> CELL_BITS) {
            return false;
        }
        tell_cell(c, (unsigned)bucket - 1, count);
    }
    if (!has_room(c, NULL)) {
        return false;
    }
    struct agent_source *s = add_source(c, hash);
    keep_told(c, s);
    s->time_ms = time_ms;
    s->sum = unzigzag(sum);
    s->seen_ms = c->wall_ns() / NS_PER_MS;
    ASSERT(s->cell_count == cells);
    return true;
}

enum err agent_counts_restore(struct agent_counts *c, struct str *state)
{
    size_t tail = 2 * sizeof(uint32_t);
    if (state->n < tail || load_u32(state->p + state->n - sizeof(uint32_t)) != STATE_END) {
        return ERR_OK;
    }
    size_t n = load_u32(state->p + state->n - tail);
    if (n > state->n - tail) {
        return ERR_CORRUPT;
    }
    struct state_reader r = {(const uint8_t *)state->p + state->n - tail - n, NULL};
    r.end = r.p + n;
    c->since_ms = get_varint(&r);
    uint64_t sources = get_varint(&r);
    for (uint64_t i = 0; i < sources; i++) {
        if (!restore_source(c, &r)) {
            return ERR_CORRUPT;
        }
    }
    ASSERT(c->count == sources);
    if (r.p != r.end) {
        return ERR_CORRUPT;
    }
    state->n -= tail + n;
    return ERR_OK;
}
