// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of what the stream forgets: pods that come and go by generations take no more room
// than those of the last hour, are counted all, and what the sink refused once is asked for again.
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/varint.h"
#include "stream/internal.h"

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

static enum err load(void *ctx, trace_id id,
                     void (*each)(void *rows_ctx, const struct row *rows, size_t count),
                     void *rows_ctx)
{
    (void)ctx;
    (void)id;
    (void)each;
    (void)rows_ctx;
    return ERR_NOT_FOUND;
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

static void forget_all(struct analysis *a, uint64_t now_ms)
{
    for (size_t i = 0; i < (a->names.count + a->red.count) / FORGET_STEPS + 2; i++) {
        analysis_forget(a, now_ms);
    }
}

static void test_pods_that_come_and_go_take_constant_room(void **state)
{
    (void)state;
    static struct analysis a;
    struct sink *s = mem_new(1, sizeof *s);
    const struct stream_sink sink = {.find = find, .release = release, .count = count, .ctx = s};
    const struct stream_history history = {load, NULL, 0};
    uint64_t now_ms = clock_mono_ns() / NS_PER_MS;
    size_t bytes = 0;
    analysis_init(&a, &sink, &history, 1000, 64, (size_t)48 << 20);
    for (unsigned g = 0; g < GENERATIONS; g++) {
        take(&a, g, PODS, now_ms);
        now_ms += STEP_MS;
        forget_all(&a, now_ms);
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
    forget_all(&a, now_ms);
    assert_int_equal(s->live_count, 0);
    forget_all(&a, now_ms); // hosts, which have no pods any more
    assert_int_equal(a.names.count - a.names.free_count, 2 * SERVICES);
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
    const struct stream_history history = {load, NULL, 0};
    uint64_t now_ms = clock_mono_ns() / NS_PER_MS;
    analysis_init(&a, &sink, &history, 1000, 64, (size_t)48 << 20);
    s->is_full = true;
    take(&a, 0, 1, now_ms);
    size_t asked = s->asked;
    assert_int_equal(s->instance_calls + s->other_calls, 0);
    assert_int_equal(a.red.refused_calls, asked);
    s->is_full = false;
    now_ms += STEP_MS;
    forget_all(&a, now_ms);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pods_that_come_and_go_take_constant_room),
        cmocka_unit_test(test_what_was_refused_is_asked_for_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
