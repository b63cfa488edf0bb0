// SPDX-License-Identifier: Apache-2.0
// Purpose: the alerts that others raised, and when they fire and end.
#include "alert/received.h"

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/hash_index.h"
#include "core/logger.h"
#include "core/mem.h"
#include "core/must.h"

#define TELL_AT_ONCE ((size_t)64)
#define TEXTS        6 // of an alert
#define OWN_LOG_NS   (600 * NS_PER_S)

struct kept {
    struct received_alert alert;
    struct arena arena; // its texts
    size_t bytes;
};

// What fires in the book, and that nothing that is kept becomes: its texts are the arena's.
struct lost {
    struct str rule, group;
};

struct received {
    struct received_options o;
    struct str channels[ALERT_NAMES_MAX], receivers[ALERT_NAMES_MAX];
    size_t channel_count, receiver_count;
    struct arena arena;   // of those
    pthread_mutex_t lock; // of the rest
    struct kept **alerts;
    uint64_t *hashes; // of their keys
    struct hash_index index;
    size_t count, capacity, hash_capacity, bytes;
    struct lost *lost; // until they are told to end
    size_t lost_count, lost_capacity;
    struct meter meter;
    uint64_t taken, refused, own;
    struct log_gate own_gate;
};

// ---- What is kept -------------------------------------------------------------------------------

static size_t bytes_of(const struct received_alert *a)
{
    ASSERT(a->key.n > 0);
    return sizeof(struct kept) + a->key.n + a->annotations.n + a->generator_url.n + a->rule.n +
           a->group.n + a->service.n + TEXTS * 16; // of the ends of the texts
}

// Its place; `count` where it is not there.
static size_t find(const struct received *r, struct str key)
{
    uint64_t hash = str_hash(key);
    struct hash_walk walk = hash_index_walk(&r->index, hash);
    uint32_t at;
    ASSERT(r->count <= RECEIVED_MAX);
    while (hash_index_next(&walk, &at)) {
        if (r->hashes[at] == hash && str_eq(r->alerts[at]->alert.key, key)) {
            return at;
        }
    }
    return r->count;
}

static struct kept *keep(const struct received_alert *alert)
{
    struct kept *k = mem_new(1, sizeof *k);
    struct received_alert a = *alert;
    struct str *const texts[TEXTS] = {&a.key,  &a.annotations, &a.generator_url,
                                      &a.rule, &a.group,       &a.service};
    size_t room = bytes_of(&a);
    k->arena.next_chunk_bytes = room < ARENA_CHUNK_MIN ? room : 0;
    for (size_t i = 0; i < TEXTS; i++) {
        *texts[i] = arena_str(&k->arena, *texts[i]);
    }
    ASSERT(a.key.n > 0);
    k->alert = a;
    k->bytes = room;
    return k;
}

// The last takes its place.
static void drop(struct received *r, size_t i)
{
    ASSERT(i < r->count);
    struct kept *k = r->alerts[i];
    size_t last = r->count - 1;
    hash_index_remove(&r->index, r->hashes, (uint32_t)i);
    if (i != last) {
        hash_index_remove(&r->index, r->hashes, (uint32_t)last);
        r->alerts[i] = r->alerts[last];
        r->hashes[i] = r->hashes[last];
        hash_index_put(&r->index, r->hashes[i], (uint32_t)i);
    }
    r->count = last;
    meter_give(&r->meter, k->bytes);
    r->bytes -= k->bytes;
    arena_done(&k->arena);
    mem_free(k);
}

// In the place of the one with the same labels, whose beginning and state stay.
static void put_kept(struct received *r, const struct received_alert *alert)
{
    struct kept *k = keep(alert);
    size_t i = find(r, alert->key);
    ASSERT(i <= r->count);
    if (i < r->count) {
        const struct received_alert *old = &r->alerts[i]->alert;
        k->alert.fires = old->fires;
        k->alert.starts_ns =
            old->starts_ns < k->alert.starts_ns ? old->starts_ns : k->alert.starts_ns;
        drop(r, i);
    }
    r->alerts = mem_grow(r->alerts, &r->capacity, r->count + 1, sizeof *r->alerts);
    r->hashes = mem_grow(r->hashes, &r->hash_capacity, r->count + 1, sizeof *r->hashes);
    hash_index_reserve(&r->index, r->hashes, r->count, 16);
    r->hashes[r->count] = str_hash(k->alert.key);
    hash_index_put(&r->index, r->hashes[r->count], (uint32_t)r->count);
    r->alerts[r->count++] = k;
    r->bytes += k->bytes;
    meter_force(&r->meter, k->bytes);
}

// ---- Life ---------------------------------------------------------------------------------------

static size_t names_of(struct str list, struct arena *a, struct str names[ALERT_NAMES_MAX])
{
    size_t n = 0;
    struct str name;
    ASSERT(list.p != NULL || list.n == 0);
    while (list.n > 0 && n < ALERT_NAMES_MAX) {
        list = str_split(list, ',', &name);
        name = str_trim(name);
        if (name.n > 0) {
            names[n++] = arena_str(a, name);
        }
    }
    return n;
}

static void load_one(void *ctx, const struct book_received *row)
{
    struct received *r = ctx;
    struct arena arena = {0};
    struct received_alert a = {.key = row->labels,
                               .annotations = row->annotations,
                               .generator_url = row->generator_url,
                               .starts_ns = row->starts_ns,
                               .ends_ns = row->ends_ns,
                               .updated_ns = row->updated_ns};
    ASSERT(ctx != NULL);
    if (r->count < RECEIVED_MAX && received_expand(&a, &arena) == ERR_OK) {
        put_kept(r, &a);
    }
    arena_done(&arena);
}

// What is kept by what it becomes, for the start.
struct becoming {
    struct received *r;
    uint64_t *hashes;
    struct hash_index index;
};

static uint64_t hash_of(struct str rule, struct str group)
{
    return secret_fold(str_hash(rule), str_hash(group));
}

static void load_firing(void *ctx, const struct book_alert *a)
{
    struct becoming *b = ctx;
    ASSERT(ctx != NULL);
    if (a->measure.n > 0 || a->group_count != 1 || !str_eq(a->fields[0], STR(RECEIVED_FIELD))) {
        return;
    }
    struct hash_walk walk = hash_index_walk(&b->index, hash_of(a->rule, a->group[0]));
    uint32_t at;
    bool is_kept = false;
    while (hash_index_next(&walk, &at)) {
        struct received_alert *k = &b->r->alerts[at]->alert;
        bool is_it = str_eq(k->rule, a->rule) && str_eq(k->group, a->group[0]);
        k->fires = k->fires || is_it;
        is_kept = is_kept || is_it;
    }
    if (!is_kept) {
        struct received *r = b->r;
        r->lost = mem_grow(r->lost, &r->lost_capacity, r->lost_count + 1, sizeof *r->lost);
        r->lost[r->lost_count++] =
            (struct lost){arena_str(&r->arena, a->rule), arena_str(&r->arena, a->group[0])};
    }
}

static enum err load_all_firing(struct received *r)
{
    struct becoming b = {.r = r, .hashes = mem_new(r->count + 1, sizeof *b.hashes)};
    ASSERT(r->count <= RECEIVED_MAX);
    for (size_t i = 0; i < r->count; i++) {
        const struct received_alert *k = &r->alerts[i]->alert;
        hash_index_reserve(&b.index, b.hashes, i, r->count);
        b.hashes[i] = hash_of(k->rule, k->group);
        hash_index_put(&b.index, b.hashes[i], (uint32_t)i);
    }
    enum err e = book_each_firing(r->o.book, load_firing, &b);
    hash_index_done(&b.index);
    mem_free(b.hashes);
    return e;
}

enum err received_open(const struct received_options *o, struct received **ret_received,
                       struct err_at *ret_at)
{
    struct received *r = mem_new(1, sizeof *r);
    ASSERT(o->book != NULL && o->desk != NULL);
    r->o = *o;
    r->channel_count = names_of(o->channels, &r->arena, r->channels);
    r->receiver_count = names_of(o->receivers, &r->arena, r->receivers);
    meter_init(&r->meter, o->budget, ACCOUNT_STREAM);
    MUST(pthread_mutex_init(&r->lock, NULL) == 0);
    enum err e = book_each_received(o->book, load_one, r);
    e = e == ERR_OK ? load_all_firing(r) : e;
    if (e != ERR_OK) {
        received_close(r);
        return err_at_set(ret_at, e, 0, "alerts of others cannot be read: %s", err_text(e));
    }
    *ret_received = r;
    return ERR_OK;
}

void received_close(struct received *r)
{
    if (r == NULL) {
        return;
    }
    while (r->count > 0) {
        drop(r, r->count - 1);
    }
    ASSERT(r->bytes == 0);
    hash_index_done(&r->index);
    mem_free(r->hashes);
    mem_free(r->alerts);
    mem_free(r->lost);
    meter_done(&r->meter);
    arena_done(&r->arena);
    (void)pthread_mutex_destroy(&r->lock);
    mem_free(r);
}

// ---- Taking -------------------------------------------------------------------------------------

struct request {
    struct received_alert *alerts;
    size_t count;
    struct arena arena;
};

static void refuse(struct received *r, struct received_taken *taken, size_t i,
                   const struct err_at *why, struct err_at *ret_at)
{
    ASSERT(why->text[0] != 0);
    if (taken->refused == 0) {
        (void)err_at_set(ret_at, ERR_INVALID, 0, "alert %zu of the list: %s", i + 1, why->text);
    }
    taken->refused++;
    r->refused++;
}

static void pass_own(struct received *r)
{
    ASSERT(r->count <= RECEIVED_MAX);
    r->own++;
    if (log_gate_pass(&r->own_gate, OWN_LOG_NS) > 0) {
        log_write(LOG_WARN, "alert",
                  "alerts of this server came back to it, and are passed over: a channel of the "
                  "type alertmanager leads here",
                  "alerts=%llu", (unsigned long long)r->own);
    }
}

// Those that are right and have room; the lock is held.
static void choose(struct received *r, json_t *list, uint64_t now_ns, struct request *q,
                   struct received_taken *taken, struct err_at *ret_at)
{
    size_t max = r->o.budget->limit_bytes / RECEIVED_SHARE, bytes = r->bytes, count = r->count;
    size_t total = json_array_size(list);
    ASSERT(q->count == 0);
    for (size_t i = 0; i < total; i++) {
        if (received_is_of(json_array_get(list, i), r->o.mark)) {
            pass_own(r);
            taken->taken++;
            continue;
        }
        struct err_at why = {0};
        struct received_alert a;
        enum err e = received_read(json_array_get(list, i), now_ns, &q->arena, &a, &why);
        size_t at = e == ERR_OK ? find(r, a.key) : r->count, had = 0;
        bool is_known = at < r->count, is_over = e == ERR_OK && a.ends_ns <= now_ns;
        had = is_known ? r->alerts[at]->bytes : 0;
        if (e == ERR_OK && !is_over &&
            ((!is_known && count >= RECEIVED_MAX) || bytes - had + bytes_of(&a) > max)) {
            e = err_at_set(&why, ERR_LIMIT, 0, "there are %zu alerts already, and no room", count);
        }
        if (e != ERR_OK) {
            refuse(r, taken, i, &why, ret_at);
            continue;
        }
        taken->taken++;
        if (is_known || !is_over) { // what is over and is not known is nothing
            count += !is_known;
            bytes += bytes_of(&a) > had ? bytes_of(&a) - had : 0;
            q->alerts[q->count++] = a;
        }
    }
}

static enum err write_down(struct received *r, const struct request *q)
{
    ASSERT(r->count <= RECEIVED_MAX);
    if (q->count == 0) {
        return ERR_OK;
    }
    book_begin(r->o.book);
    for (size_t i = 0; i < q->count; i++) {
        const struct received_alert *a = &q->alerts[i];
        size_t at = find(r, a->key);
        uint64_t starts = a->starts_ns;
        if (at < r->count && r->alerts[at]->alert.starts_ns < starts) {
            starts = r->alerts[at]->alert.starts_ns;
        }
        const struct book_received row = {a->key, a->annotations, a->generator_url,
                                          starts, a->ends_ns,     a->updated_ns};
        book_put_received(r->o.book, &row);
    }
    return book_end(r->o.book);
}

enum err received_put(struct received *r, struct str json, uint64_t now_ns,
                      struct received_taken *ret_taken, struct err_at *ret_at)
{
    struct received_taken taken = {0};
    struct request q = {.count = 0};
    json_error_t why;
    json_t *list = json_loadb(json.n > 0 ? json.p : "", json.n, JSON_REJECT_DUPLICATES, &why);
    ASSERT(now_ns > 0);
    if (!json_is_array(list)) {
        json_decref(list);
        return err_at_set(ret_at, ERR_INVALID, 0, "expected a list of alerts%s%.150s",
                          list == NULL ? ": " : "", list == NULL ? why.text : "");
    }
    q.alerts = mem_new(json_array_size(list) + 1, sizeof *q.alerts);
    pthread_mutex_lock(&r->lock);
    choose(r, list, now_ns, &q, &taken, ret_at);
    enum err e = write_down(r, &q);
    for (size_t i = 0; i < q.count && e == ERR_OK; i++) {
        put_kept(r, &q.alerts[i]);
    }
    r->taken += e == ERR_OK ? taken.taken : 0;
    pthread_mutex_unlock(&r->lock);
    mem_free(q.alerts);
    arena_done(&q.arena);
    json_decref(list);
    if (e == ERR_OK) {
        *ret_taken = taken;
    }
    return e;
}

// ---- Telling ------------------------------------------------------------------------------------

// Events of one call, and what they point to.
struct telling {
    struct alert_event events[TELL_AT_ONCE];
    struct alert_rule rules[TELL_AT_ONCE];
    struct alert_strategy strategy;
    struct kept *kept[TELL_AT_ONCE];
    size_t count;
    struct arena arena;
};

static void add_event(struct received *r, struct telling *t, struct kept *k, bool fires,
                      uint64_t now_ns)
{
    struct alert_rule *rule = &t->rules[t->count];
    const struct received_alert *a = &k->alert;
    ASSERT(t->count < TELL_AT_ONCE);
    *rule = (struct alert_rule){.name = a->rule,
                                .level = LEVEL_WARNING,
                                .remedy = STR(""),
                                .suppress_ms = RECEIVED_SUPPRESS_MS,
                                .channels = r->channels,
                                .channel_count = r->channel_count,
                                .receivers = r->receivers,
                                .receiver_count = r->receiver_count,
                                .strategies = &t->strategy,
                                .strategy_count = 1};
    struct alert_origin origin = {.service = a->service};
    if (fires) {
        received_describe(a, &t->arena, rule, &origin);
    }
    t->events[t->count] = (struct alert_event){.rule = rule,
                                               .strategy = &t->strategy,
                                               .group = {a->group},
                                               .fires = fires,
                                               .outside = true,
                                               .value = __builtin_nan(""),
                                               .limit = __builtin_nan(""),
                                               .event_ns = fires ? a->starts_ns : a->ends_ns,
                                               .at_ns = now_ns,
                                               .origin = origin};
    t->kept[t->count++] = k;
}

// False where it could not be written down: it is told the next time.
static bool tell(struct received *r, struct telling *t)
{
    enum err e = t->count > 0 ? desk_tell(r->o.desk, t->events, t->count) : ERR_OK;
    ASSERT(t->count <= TELL_AT_ONCE);
    for (size_t i = 0; i < t->count && e == ERR_OK; i++) {
        t->kept[i]->alert.fires = t->events[i].fires;
    }
    if (e != ERR_OK) {
        log_write(LOG_ERROR, "alert", "alerts of others cannot be written", "reason=\"%s\"",
                  err_text(e));
    }
    t->count = 0;
    arena_done(&t->arena);
    return e == ERR_OK;
}

// What would fire for ever, as nobody can end it: an older version knew alerts by another group.
static bool tell_lost(struct received *r, struct telling *t, uint64_t now_ns)
{
    enum err e = ERR_OK;
    ASSERT(t->count == 0);
    while (r->lost_count > 0 && e == ERR_OK) {
        size_t n = r->lost_count < TELL_AT_ONCE ? r->lost_count : TELL_AT_ONCE;
        for (size_t i = 0; i < n; i++) {
            const struct lost *of = &r->lost[r->lost_count - 1 - i];
            t->rules[i] = (struct alert_rule){
                .name = of->rule, .strategies = &t->strategy, .strategy_count = 1};
            t->events[i] = (struct alert_event){.rule = &t->rules[i],
                                                .strategy = &t->strategy,
                                                .group = {of->group},
                                                .outside = true,
                                                .event_ns = now_ns,
                                                .at_ns = now_ns};
        }
        e = desk_tell(r->o.desk, t->events, n);
        r->lost_count -= e == ERR_OK ? n : 0;
    }
    if (e != ERR_OK) {
        log_write(LOG_ERROR, "alert", "alerts of others cannot be written", "reason=\"%s\"",
                  err_text(e));
    }
    return e == ERR_OK;
}

static struct telling *telling_new(void)
{
    struct telling *t = mem_new(1, sizeof *t);
    t->strategy =
        (struct alert_strategy){.group_by = {{.text = STR(RECEIVED_FIELD)}}, .group_by_count = 1};
    ASSERT(t->count == 0);
    return t;
}

static bool has_ended(const struct kept *k, uint64_t now_ns)
{
    ASSERT(k->alert.key.n > 0);
    return k->alert.ends_ns <= now_ns;
}

// What has ended, and was told so. Where that cannot be written it is forgotten later.
static void forget(struct received *r, uint64_t now_ns)
{
    size_t over = 0;
    ASSERT(r->count <= RECEIVED_MAX);
    for (size_t i = 0; i < r->count; i++) {
        over += has_ended(r->alerts[i], now_ns) && !r->alerts[i]->alert.fires;
    }
    if (over == 0) {
        return;
    }
    book_begin(r->o.book);
    for (size_t i = 0; i < r->count; i++) {
        if (has_ended(r->alerts[i], now_ns) && !r->alerts[i]->alert.fires) {
            book_remove_received(r->o.book, r->alerts[i]->alert.key);
        }
    }
    if (book_end(r->o.book) != ERR_OK) {
        return;
    }
    for (size_t i = r->count; i > 0; i--) {
        if (has_ended(r->alerts[i - 1], now_ns) && !r->alerts[i - 1]->alert.fires) {
            drop(r, i - 1);
        }
    }
}

void received_tick(struct received *r, uint64_t now_ns)
{
    pthread_mutex_lock(&r->lock);
    ASSERT(r->count <= RECEIVED_MAX);
    struct telling *t = r->lost_count > 0 ? telling_new() : NULL;
    bool ok = t == NULL || tell_lost(r, t, now_ns);
    for (size_t i = 0; i < r->count && ok; i++) {
        struct kept *k = r->alerts[i];
        bool fires = !has_ended(k, now_ns) && k->alert.starts_ns <= now_ns;
        if (fires == k->alert.fires) {
            continue;
        }
        t = t != NULL ? t : telling_new();
        add_event(r, t, k, fires, now_ns);
        ok = t->count < TELL_AT_ONCE || tell(r, t);
    }
    ok = ok && (t == NULL || tell(r, t));
    if (ok) {
        forget(r, now_ns);
    }
    pthread_mutex_unlock(&r->lock);
    mem_free(t);
}

// ---- Asking -------------------------------------------------------------------------------------

void received_each(struct received *r, void (*each)(void *ctx, const struct received_alert *a),
                   void *ctx)
{
    pthread_mutex_lock(&r->lock);
    ASSERT(r->count <= RECEIVED_MAX);
    for (size_t i = 0; i < r->count; i++) {
        each(ctx, &r->alerts[i]->alert);
    }
    pthread_mutex_unlock(&r->lock);
}

void received_stats(struct received *r, struct received_stats *ret_stats)
{
    pthread_mutex_lock(&r->lock);
    ASSERT(r->count <= RECEIVED_MAX);
    *ret_stats = (struct received_stats){r->count, r->bytes, r->taken, r->refused, r->own};
    pthread_mutex_unlock(&r->lock);
}
