// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of what the stream forgets: pods, and all else that comes and goes by generations,
// take no more room than those of the last hour, are counted all, and what was refused once is
// asked for again.
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/varint.h"
#include "stream/internal.h"
#include "unit/stream/no_history.h"

#define GENERATIONS 200u
#define PODS        2000u
#define SERVICES    20u
#define STEP_MS     ((uint64_t)1200000) // from one generation to the next
#define LIVE_MAX    (SERVICES * 4 + 5 * PODS)

struct sink {
    bool live[LIVE_MAX], of_instance[LIVE_MAX], is_full;
    size_t live_count, released, asked;
    int64_t instance_calls, other_calls;
};

static enum err find(void *ctx, const struct stream_subject *subject, uint32_t *ret_number)
{
    struct sink *s = ctx;
    uint32_t n = 0;
    s->asked++;
    if (s->is_full) {
        return ERR_LIMIT;
    }
    for (n = (uint32_t)(s->asked % LIVE_MAX); s->live[n]; n = (n + 1) % LIVE_MAX) {
        assert_true(s->live_count < LIVE_MAX);
    }
    s->live[n] = true;
    s->of_instance[n] = subject->kind == SUBJECT_INSTANCE;
    assert_true(!s->of_instance[n] || (subject->to.name.n > 0 && subject->place.host.n > 0));
    s->live_count++;
    *ret_number = n;
    return ERR_OK;
}

static void release(void *ctx, uint32_t number)
{
    struct sink *s = ctx;
    assert_true(s->live[number]);
    s->live[number] = false;
    s->live_count--;
    s->released++;
}

static void count(void *ctx, const struct stream_count *counts, size_t n)
{
    struct sink *s = ctx;
    for (size_t i = 0; i < n; i++) {
        assert_true(s->live[counts[i].number]);
        int64_t calls = counts[i].times * (int64_t)counts[i].count;
        *(s->of_instance[counts[i].number] ? &s->instance_calls : &s->other_calls) += calls;
    }
}

static void put(struct batch *b, const char *key, const char *value)
{
    uint32_t k = batch_intern(b, str_of(key)), v = batch_intern(b, str_of(value));
    *batch_add_attr(b) = (struct attr){.key = k, .type = ATTR_STRING, .code = v};
}

// One call of each pod.
static struct batch *generation(unsigned g, unsigned pods)
{
    struct batch *b = batch_new(STR("shop"));
    (void)batch_add_scope(b);
    for (unsigned i = 0; i < pods; i++) {
        char service[16], pod[32], host[32];
        uint32_t first = (uint32_t)b->attr_count;
        (void)snprintf(service, sizeof service, "service-%u", i % SERVICES);
        (void)snprintf(pod, sizeof pod, "pod-%03u-%04u", g, i);
        (void)snprintf(host, sizeof host, "host-%03u-%02u", g, i % 64);
        put(b, "service.instance.id", pod);
        put(b, "host.name", host);
        uint32_t code = batch_intern(b, str_of(service));
        *batch_add_resource(b) = (struct resource){.attrs = {first, 2}, .service = code};
        struct span *s = batch_add_span(b);
        *s = (struct span){.start_ns = clock_wall_ns() + NS_PER_S,
                           .duration_ns = 1000,
                           .resource = i,
                           .name = batch_intern(b, STR("GET /")),
                           .kind = KIND_SERVER};
        uint64_t id = (uint64_t)g * pods + i + 1;
        memcpy(s->trace.b, &id, sizeof id);
        memcpy(s->id.b, &id, sizeof id);
    }
    batch_seal(b);
    b->seq = g + 1;
    return b;
}

static void take(struct analysis *a, unsigned g, unsigned pods, uint64_t now_ms)
{
    struct batch *b = generation(g, pods);
    analysis_take(a, b, NULL, now_ms);
    batch_unref(b);
    for (struct chain *c; (c = chains_due(&a->chains, now_ms, true)) != NULL;) {
        analysis_close(a, c);
    }
    red_flush(&a->red);
}

// Until all tables were swept, after all subjects were looked at.
static void forget_all(struct analysis *a, uint64_t *now_ms)
{
    for (uint64_t sweeps = a->sweeps + 2; a->sweeps < sweeps; *now_ms += 60000) {
        red_flush(&a->red);
        for (size_t i = 0; i <= a->red.count / FORGET_STEPS; i++) {
            analysis_forget(a, *now_ms);
        }
    }
}

static void test_pods_that_come_and_go_take_constant_room(void **state)
{
    (void)state;
    static struct analysis a;
    struct sink *s = mem_new(1, sizeof *s);
    const struct stream_sink sink = {.find = find, .release = release, .count = count, .ctx = s};
    const struct stream_history history = {no_history, NULL, 0};
    uint64_t now_ms = clock_mono_ns() / NS_PER_MS;
    size_t bytes = 0;
    analysis_init(&a, &sink, &history, 1000, 64, (size_t)48 << 20);
    for (unsigned g = 0; g < GENERATIONS; g++) {
        take(&a, g, PODS, now_ms);
        now_ms += STEP_MS;
        forget_all(&a, &now_ms);
        bytes = g == GENERATIONS / 4 ? analysis_bytes(&a) : bytes;
    }
    assert_int_equal(analysis_bytes(&a), bytes);
    assert_int_equal(a.names.others, 0);
    assert_int_equal(a.red.refused_calls, 0);
    assert_int_equal(s->instance_calls, GENERATIONS * PODS);
    assert_true(s->other_calls > 0);
    assert_true(a.names.count - a.names.free_count < 5 * PODS);
    assert_true(s->released >= (GENERATIONS - 4) * PODS);
    now_ms += 2 * STREAM_FORGET_MS;
    forget_all(&a, &now_ms);
    assert_int_equal(s->live_count, 0);
    assert_int_equal(a.names.count, a.names.free_count);
    take(&a, 0, PODS, now_ms); // as if they had never been there
    assert_int_equal(s->instance_calls, (GENERATIONS + 1) * PODS);
    analysis_done(&a);
    mem_free(s);
}

static void test_what_was_refused_is_asked_for_again(void **state)
{
    (void)state;
    static struct analysis a;
    struct sink *s = mem_new(1, sizeof *s);
    const struct stream_sink sink = {.find = find, .release = release, .count = count, .ctx = s};
    const struct stream_history history = {no_history, NULL, 0};
    uint64_t now_ms = clock_mono_ns() / NS_PER_MS;
    analysis_init(&a, &sink, &history, 1000, 64, (size_t)48 << 20);
    s->is_full = true;
    take(&a, 0, 1, now_ms);
    size_t asked = s->asked;
    assert_int_equal(s->instance_calls + s->other_calls, 0);
    assert_int_equal(a.red.refused_calls, asked);
    s->is_full = false;
    now_ms += STEP_MS;
    forget_all(&a, &now_ms);
    struct batch *b = generation(0, 1); // the same pod, in another trace
    b->spans[0].trace.b[15] = b->spans[0].id.b[7] = 9;
    analysis_take(&a, b, NULL, now_ms);
    batch_unref(b);
    red_flush(&a.red);
    assert_int_equal(s->instance_calls, 1);
    assert_int_equal(s->other_calls, 1);
    analysis_done(&a);
    mem_free(s);
}

// ---- Everything else ----------------------------------------------------------------------------

#define AGES      60u // generations
#define AGE_MS    ((uint64_t)600000)
#define BEAT_MS   ((uint64_t)10000)
#define SHOPS     12u // of a generation
#define LONG      ((uint64_t)1 << 40)
#define CELLS_MAX ((size_t)1 << 16)

// What the sink got, by all that a subject says of itself.
struct cell {
    uint64_t key;
    int64_t calls, sum_ns;
};
struct book {
    struct cell cells[CELLS_MAX];
    uint64_t keys[CELLS_MAX]; // by number; 0: free
    size_t cell_count, live_count, asked;
};

static uint64_t add_text(uint64_t h, struct str text)
{
    return (h ^ str_hash_stable(text)) * 0x9e3779b97f4a7c15u;
}

static uint64_t key_of(const struct stream_subject *s)
{
    char flags[96];
    const struct str texts[] = {s->from.line,   s->from.service, s->from.name,    s->to.line,
                                s->to.service,  s->to.name,      s->place.centre, s->place.host,
                                s->from_centre, s->to_centre,    s->statement,    s->system};
    uint64_t h = s->path * 3 + s->parent * 5;
    (void)snprintf(flags, sizeof flags, "%d %d %d %d %d %d %d %d %d %d %d", (int)s->kind,
                   (int)s->from.kind, (int)s->to.kind, s->span_kind, s->at_client, s->error,
                   s->counted, s->passed_on, s->cross_dc, (int)s->measure, s->repeats);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        h = add_text(h + i, texts[i]);
    }
    return add_text(h, str_of(flags)) | 1;
}

static struct cell *cell_of(struct book *b, uint64_t key)
{
    size_t at = key >> 20 & (CELLS_MAX - 1);
    while (b->cells[at].key != 0 && b->cells[at].key != key) {
        at = (at + 1) & (CELLS_MAX - 1);
    }
    b->cell_count += b->cells[at].key == 0 ? 1 : 0;
    assert_true(b->cell_count < CELLS_MAX);
    b->cells[at].key = key;
    return &b->cells[at];
}

static enum err book_find(void *ctx, const struct stream_subject *subject, uint32_t *ret_number)
{
    struct book *b = ctx;
    uint32_t n = (uint32_t)(b->asked++ % CELLS_MAX);
    for (; b->keys[n] != 0; n = (n + 1) % CELLS_MAX) {
        assert_true(b->live_count < CELLS_MAX);
    }
    b->keys[n] = key_of(subject);
    b->live_count++;
    *ret_number = n;
    return ERR_OK;
}

static void book_release(void *ctx, uint32_t number)
{
    struct book *b = ctx;
    assert_true(b->keys[number] != 0);
    b->keys[number] = 0;
    b->live_count--;
}

static void book_count(void *ctx, const struct stream_count *counts, size_t n)
{
    struct book *b = ctx;
    for (size_t i = 0; i < n; i++) {
        struct cell *c = cell_of(b, b->keys[counts[i].number]);
        assert_true(c->key != 0);
        c->calls += counts[i].times * (int64_t)counts[i].count;
        c->sum_ns += counts[i].times * (int64_t)counts[i].sum_ns;
    }
}

// A service, at its place: the number of its resource.
static uint32_t add_service(struct batch *b, const char *service, const char *zone)
{
    uint32_t first = (uint32_t)b->attr_count, number = (uint32_t)b->resource_count;
    put(b, "service.instance.id", "one");
    put(b, "cloud.availability_zone", zone);
    *batch_add_resource(b) =
        (struct resource){.attrs = {first, 2}, .service = batch_intern(b, str_of(service))};
    return number;
}

static struct span *add_span(struct batch *b, uint32_t resource, uint64_t trace, uint64_t id,
                             uint64_t parent, const char *name, uint8_t kind)
{
    struct span *s = batch_add_span(b);
    *s = (struct span){.start_ns = 1700000000 * NS_PER_S + id,
                       .duration_ns = 1000 + id % 1000,
                       .resource = resource,
                       .name = batch_intern(b, str_of(name)),
                       .kind = kind};
    memcpy(s->trace.b, &trace, sizeof trace);
    memcpy(s->id.b, &id, sizeof id);
    memcpy(s->parent.b, &parent, sizeof parent);
    return s;
}

// An endpoint that asks a database twice, and another service, in another data centre.
static void add_shop(struct batch *b, uint64_t trace, const char *tag)
{
    char name[32], zone[32], text[64], peer[32];
    (void)snprintf(zone, sizeof zone, "zone-%.*s", (int)strcspn(tag, "-"), tag);
    (void)snprintf(name, sizeof name, "shop-%s", tag);
    (void)snprintf(text, sizeof text, "select a from t_%s", tag);
    (void)snprintf(peer, sizeof peer, "db-%s", tag);
    const uint64_t id = trace << 8;
    uint32_t shop = add_service(b, name, "zone"), stock = add_service(b, "stock", zone);
    (void)add_span(b, shop, trace, id + 1, 0, name, KIND_SERVER);
    for (unsigned i = 0; i < 2; i++) {
        uint32_t first = (uint32_t)b->attr_count;
        put(b, "db.system.name", "postgresql");
        put(b, "server.address", peer);
        put(b, "db.query.text", text);
        add_span(b, shop, trace, id + 2 + i, id + 1, "query", KIND_CLIENT)->attrs =
            (struct attr_run){first, 3};
    }
    (void)add_span(b, shop, trace, id + 4, id + 1, "call", KIND_CLIENT);
    (void)add_span(b, stock, trace, id + 5, id + 4, name, KIND_SERVER);
}

// The shops of a generation, and one that is always there; or, later on, a span of a trace that
// goes on and on, whose first spans no one asks the names of again.
static struct batch *age(unsigned beat)
{
    char tag[16];
    struct batch *b = batch_new(STR("shop"));
    (void)batch_add_scope(b);
    if (beat == 0) {
        add_shop(b, LONG, "long");
    } else {
        uint32_t shop = add_service(b, "beats", "");
        (void)add_span(b, shop, LONG, (LONG << 8) + 16 + beat, (LONG << 8) + 1, "beat",
                       KIND_INTERNAL);
    }
    for (unsigned i = 0; i <= SHOPS && beat % (AGE_MS / BEAT_MS) == 0; i++) {
        (void)snprintf(tag, sizeof tag, i < SHOPS ? "%u-%u" : "live", beat, i);
        add_shop(b, (uint64_t)beat * 100 + i + 1, tag);
    }
    batch_seal(b);
    b->seq = beat + 1;
    return b;
}

struct rooms {
    size_t names, centres, paths, keys, statements, subjects;
};

static struct rooms rooms_of(const struct analysis *a)
{
    return (struct rooms){a->names.count,        a->names.centre_count, a->paths.count,
                          a->paths.key_capacity, a->statements.count,   a->red.count};
}

static void close_all(struct analysis *a, uint64_t now_ms, bool early)
{
    for (struct chain *c; (c = chains_due(&a->chains, now_ms, early)) != NULL;) {
        analysis_close(a, c);
    }
    red_flush(&a->red);
}

static void judged(void *ctx, trace_id id, enum keep_why why)
{
    (void)ctx;
    (void)id;
    (void)why;
}

static void start(struct analysis *a, struct book *b, const struct keep_rules *rules)
{
    const struct stream_sink sink = {
        .find = book_find, .release = book_release, .count = book_count, .ctx = b};
    const struct stream_history history = {no_history, NULL, 0};
    analysis_init(a, &sink, &history, 15000, 64, (size_t)48 << 20);
    a->keeper = (struct stream_keeper){.judged = judged, .key = 1};
    judge_init(&a->judge, 1);
    judge_set_rules(&a->judge, keep_rules_copy(rules));
}

// The same without forgetting anything.
static void recount(struct book *b, const struct keep_rules *rules)
{
    static struct analysis a;
    uint64_t now_ms = clock_mono_ns() / NS_PER_MS;
    start(&a, b, rules);
    for (unsigned beat = 0; beat < AGES * (AGE_MS / BEAT_MS); beat++) {
        struct batch *batch = age(beat);
        analysis_take(&a, batch, NULL, now_ms);
        batch_unref(batch);
    }
    close_all(&a, now_ms, true);
    assert_true(a.names.others + a.paths.others + a.red.refused_calls == 0);
    analysis_done(&a);
}

static void assert_same_book(struct book *got, struct book *wanted)
{
    assert_int_equal(got->cell_count, wanted->cell_count);
    for (size_t i = 0; i < CELLS_MAX; i++) {
        if (wanted->cells[i].key != 0) {
            const struct cell *c = cell_of(got, wanted->cells[i].key);
            assert_int_equal(c->calls, wanted->cells[i].calls);
            assert_int_equal(c->sum_ns, wanted->cells[i].sum_ns);
        }
    }
}

static void assert_same_rooms(const struct analysis *a, struct rooms was)
{
    const struct rooms is = rooms_of(a);
    assert_memory_equal(&is, &was, sizeof is);
    assert_true(is.names < 20 * 8 * SHOPS && is.statements < 20 * SHOPS &&
                is.paths < 20 * 8 * SHOPS);
    assert_int_equal(a->names.others, 0);
    assert_int_equal(a->paths.others, 0);
    assert_int_equal(a->red.refused_calls, 0);
    assert_int_equal(a->red.other_statements, 0);
}

static void assert_all_forgotten(const struct analysis *a, const struct book *b)
{
    assert_int_equal(b->live_count, 0);
    assert_int_equal(a->names.count, a->names.free_count);
    assert_int_equal(a->names.own_bytes, 0);
    for (size_t i = 0; i < a->names.centre_count; i++) {
        assert_int_equal(a->names.centres[i].text.n, 0);
    }
    assert_int_equal(a->paths.count, a->paths.free_count);
    assert_int_equal(a->paths.key_count, 0);
    assert_int_equal(a->statements.count - a->statements.free_count, STATEMENT_OTHER);
    assert_int_equal(a->statements.group_count, 0);
    assert_int_equal(a->judge.entry_count, 0);
}

static void test_all_kinds_take_constant_room(void **state)
{
    (void)state;
    static struct analysis a;
    struct book *got = mem_new(1, sizeof *got), *wanted = mem_new(1, sizeof *wanted);
    const struct keep_rules choosing = {.is_chosen = true, .slow_ppm = 10000, .rare = 2};
    struct rooms rooms = {0};
    uint64_t now_ms = clock_mono_ns() / NS_PER_MS;
    start(&a, got, &choosing);
    for (unsigned beat = 0; beat < AGES * (AGE_MS / BEAT_MS); beat++, now_ms += BEAT_MS) {
        struct batch *batch = age(beat);
        analysis_take(&a, batch, NULL, now_ms);
        batch_unref(batch);
        close_all(&a, now_ms, false);
        analysis_forget(&a, now_ms);
        rooms = beat == AGES / 2 * (AGE_MS / BEAT_MS) ? rooms_of(&a) : rooms;
    }
    assert_int_equal(a.chains.count, 1); // the long one
    assert_same_rooms(&a, rooms);
    close_all(&a, now_ms, true);
    recount(wanted, &choosing);
    assert_same_book(got, wanted);
    assert_true(a.judge.entry_count > 0);
    now_ms += 2 * STREAM_FORGET_MS;
    forget_all(&a, &now_ms);
    assert_all_forgotten(&a, got);
    analysis_done(&a);
    mem_free(got);
    mem_free(wanted);
}

// More peers below one endpoint than an entry may have paths, more statements than a service may
// send to one, and more data centres than there may be.
static struct batch *too_many(unsigned generation, uint64_t trace)
{
    struct batch *b = batch_new(STR("shop"));
    (void)batch_add_scope(b);
    for (unsigned i = 0; i < STATEMENTS_OF_NODE_MAX + 310; i++) {
        char text[64], peer[32], zone[32];
        (void)snprintf(text, sizeof text, "select a from t_%u_%u", generation, i);
        (void)snprintf(peer, sizeof peer, "db-%u-%u", generation, i < 300 ? i : 0);
        (void)snprintf(zone, sizeof zone, "zone-%u-%u", generation, i < 300 ? i : 0);
        uint32_t shop = add_service(b, "shop", zone);
        if (i == 0) {
            (void)add_span(b, shop, trace, trace << 16, 0, "GET /", KIND_SERVER);
        }
        uint32_t first = (uint32_t)b->attr_count;
        put(b, "db.system.name", "postgresql");
        put(b, "server.address", peer);
        put(b, "db.query.text", text);
        add_span(b, shop, trace, (trace << 16) + i + 1, trace << 16, "query", KIND_CLIENT)->attrs =
            (struct attr_run){first, 3};
    }
    batch_seal(b);
    b->seq = trace;
    return b;
}

struct refused {
    uint64_t names, paths;
    int64_t statements;
};

static void take_too_many(struct analysis *a, unsigned generation, uint64_t now_ms,
                          struct refused *ret)
{
    const struct refused before = {a->names.others, a->paths.others, a->red.other_statements};
    struct batch *b = too_many(generation, a->closed_chains + 1);
    analysis_take(a, b, NULL, now_ms);
    batch_unref(b);
    close_all(a, now_ms, true);
    *ret = (struct refused){a->names.others - before.names, a->paths.others - before.paths,
                            a->red.other_statements - before.statements};
}

static void test_room_of_what_is_forgotten_is_given_again(void **state)
{
    (void)state;
    static struct analysis a;
    struct book *b = mem_new(1, sizeof *b);
    const struct keep_rules choosing = {.is_chosen = true, .rare = 2};
    struct refused first, full, again;
    uint64_t now_ms = clock_mono_ns() / NS_PER_MS;
    start(&a, b, &choosing);
    take_too_many(&a, 0, now_ms, &first);
    assert_true(first.names > 0 && first.paths > 0 && first.statements > 0);
    take_too_many(&a, 1, now_ms, &full);
    assert_true(full.names > first.names && full.paths > first.paths);
    now_ms += 2 * STREAM_FORGET_MS;
    forget_all(&a, &now_ms);
    take_too_many(&a, 1, now_ms, &again); // what was refused a moment ago finds room
    assert_memory_equal(&again, &first, sizeof again);
    analysis_done(&a);
    mem_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pods_that_come_and_go_take_constant_room),
        cmocka_unit_test(test_what_was_refused_is_asked_for_again),
        cmocka_unit_test(test_all_kinds_take_constant_room),
        cmocka_unit_test(test_room_of_what_is_forgotten_is_given_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
