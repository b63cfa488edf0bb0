// SPDX-License-Identifier: Apache-2.0
// Purpose: agents/jvm/red: buckets are where OTLP has them, nothing is lost to concurrency or to a
// million names, and what is written is a message.
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "agents/jvm/red.h"
#include "test.h"

static void test_buckets(void **state)
{
    (void)state;
    for (uint64_t v = 2; v < 1ULL << 39; v += 1 + v / 7) {
        int expected = (int)ceill(log2l((long double)v) * 64) - 1;
        assert_int_equal(red_bucket(v), expected);
    }
    for (unsigned i = 1; i < 40; i++) {
        assert_int_equal(red_bucket(1ULL << i), 64 * i - 1);
        assert_int_equal(red_bucket((1ULL << i) + 1),
                         (unsigned)ceill(log2l((1ULL << i) + 1) * 64) - 1);
    }
    assert_int_equal(red_bucket(0), 0);
    assert_int_equal(red_bucket(UINT64_MAX), RED_BUCKETS - 1);
}

static void *add_many(void *ctx)
{
    for (uint64_t i = 0; i < 100000; i++) {
        red_add(i % 2 == 0 ? STR("GET /a") : STR("GET /b"), 2, false, i % 10 == 0, 1000 + i);
    }
    return ctx;
}

// The sum of all counts of a message's points, by taking it apart: count is field 4, fixed64, of
// the points (1) of the histogram (10) of the metric (2).
static uint64_t total_count(const struct otlp *o)
{
    uint64_t total = 0;
    for (size_t i = 0; i + 17 < o->n; i++) {
        // POINT_COUNT's tag, then POINT_SUM's tag eight bytes on.
        if (o->p[i] == (4 << 3 | 1) && o->p[i + 9] == (5 << 3 | 1)) {
            uint64_t n;
            memcpy(&n, o->p + i + 1, sizeof n);
            total += n < 1ULL << 32 ? n : 0;
        }
    }
    return total;
}

static void test_nothing_is_lost(void **state)
{
    pthread_t threads[4];
    static uint8_t bytes[1 << 20];
    struct otlp o = {.p = bytes, .capacity = sizeof bytes};
    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, add_many, NULL), 0);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    red_write(&o, 2);
    assert_false(o.full);
    assert_int_equal(total_count(&o), 400000);
    red_done();
}

static void test_names_beyond_the_limit_are_counted_together(void **state)
{
    static uint8_t bytes[1 << 20];
    struct otlp o = {.p = bytes, .capacity = sizeof bytes};
    char name[32];
    (void)state;
    for (int i = 0; i < 100000; i++) {
        snprintf(name, sizeof name, "GET /%d", i);
        red_add(str_of(name), 2, false, false, 500);
    }
    red_write(&o, 2);
    assert_int_equal(total_count(&o), 100000);
    assert_non_null(memmem(o.p, o.n, RED_OTHER, strlen(RED_OTHER)));
    // A space too small holds the first ones, whole.
    struct otlp small = {.p = bytes, .capacity = 2000};
    red_write(&small, 2);
    assert_false(small.full);
    assert_in_range(small.n, 1500, 2000);
    red_done();
}

static void test_what_begins_a_trace_is_an_entry(void **state)
{
    static const struct {
        unsigned kind;
        bool is_root;
        bool says;
    } spans[] = {{1, true, true}, {1, false, false}, {2, true, false}, {5, true, false}};
    (void)state;
    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++) {
        static uint8_t bytes[1 << 12];
        struct otlp o = {.p = bytes, .capacity = sizeof bytes};
        red_add(STR("tick"), spans[i].kind, spans[i].is_root, false, 500);
        red_write(&o, 2);
        assert_int_equal(total_count(&o), 1);
        const void *found = memmem(o.p, o.n, "sonde.span.entry", strlen("sonde.span.entry"));
        assert_int_equal(found != NULL, spans[i].says);
        red_done();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buckets),
        cmocka_unit_test(test_nothing_is_lost),
        cmocka_unit_test(test_what_begins_a_trace_is_an_entry),
        cmocka_unit_test(test_names_beyond_the_limit_are_counted_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
