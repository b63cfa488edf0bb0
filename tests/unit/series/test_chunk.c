// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of series/chunk.h and samples.h: histograms added up as they are read are those
// that are read, cut and folded, over random ranges and steps, and of several chunks; and bytes
// that are none are refused by both.
#include "test.h"

#include "core/hist.h"
#include "core/mem.h"
#include "series/chunk.h"

#define WIDTH_MS 10000u
#define T0_MS    ((uint64_t)1700000010000) // a slot, but no minute

static uint64_t dice = 5;

static uint64_t roll(uint64_t n)
{
    dice ^= dice << 13, dice ^= dice >> 7, dice ^= dice << 17;
    return (dice >> 11) % n;
}

// A chunk of up to 40 histograms; some of them are what is taken back of others.
static void make_chunk(struct buf *out)
{
    struct samples s = {0};
    struct arena a = {0};
    struct zpack *z = zpack_new(1);
    struct buf bytes;
    uint64_t slot = roll(5);
    buf_init(&bytes, HIST_BYTES_MAX);
    for (uint64_t n = 1 + roll(40); n > 0; n--) {
        struct hist h = {0};
        for (uint64_t k = 1 + roll(6); k > 0; k--) {
            hist_add(&h, 1000 + roll(3) * 777, roll(2) ? 1 : -1);
        }
        buf_clear(&bytes);
        hist_encode(&h, &bytes);
        samples_add(&s, (struct sample){.time_ms = T0_MS + slot * WIDTH_MS,
                                        .hist = arena_str(&a, buf_str(&bytes))});
        slot += 1 + roll(3);
        hist_clear(&h);
    }
    buf_clear(out);
    chunk_encode(&s, SERIES_HIST, WIDTH_MS, z, out);
    samples_done(&s);
    arena_done(&a);
    buf_done(&bytes);
    zpack_free(z);
}

static void assert_same(const struct samples *a, const struct samples *b)
{
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        assert_int_equal(a->at[i].time_ms, b->at[i].time_ms);
        assert_int_equal(a->at[i].hist.n, b->at[i].hist.n);
        assert_memory_equal(a->at[i].hist.p, b->at[i].hist.p, a->at[i].hist.n);
    }
}

static void test_sums_equal_a_fold(void **state)
{
    (void)state;
    static const uint64_t steps_ms[] = {10000, 30000, 60000, 3600000, T0_MS + 900000};
    struct samples plain = {0}, summed = {0};
    struct arena a = {0}, b = {0};
    struct buf chunks[3];
    size_t found = 0;
    for (unsigned i = 0; i < 3; i++) {
        buf_init(&chunks[i], 1 << 20);
    }
    for (unsigned round = 0; round < 2000; round++) {
        uint64_t from_ms = T0_MS + roll(60) * WIDTH_MS;
        const struct chunk_steps steps = {.from_ms = round % 5 == 0 ? 0 : from_ms,
                                          .to_ms = from_ms + roll(60) * WIDTH_MS,
                                          .step_ms = steps_ms[roll(5)],
                                          .sums = &b};
        size_t count = 1 + roll(3);
        samples_clear(&plain);
        samples_clear(&summed);
        for (size_t i = 0; i < count; i++) {
            make_chunk(&chunks[i]);
            assert_ok(chunk_decode(buf_str(&chunks[i]), SERIES_HIST, WIDTH_MS, &plain));
            assert_ok(chunk_sum(buf_str(&chunks[i]), WIDTH_MS, &steps, &summed));
        }
        samples_cut(&plain, steps.from_ms, steps.to_ms);
        samples_fold(&plain, SERIES_HIST, steps.step_ms, &a);
        samples_fold(&summed, SERIES_HIST, steps.step_ms, &b);
        assert_same(&plain, &summed);
        found += plain.count;
        arena_clear(&a);
        arena_clear(&b);
    }
    assert_true(found > 10000);
    for (unsigned i = 0; i < 3; i++) {
        buf_done(&chunks[i]);
    }
    samples_done(&plain);
    samples_done(&summed);
    arena_done(&a);
    arena_done(&b);
}

// Whatever byte is changed or missing; and the list is as good as new after it.
static void test_damage_is_refused(void **state)
{
    (void)state;
    struct samples plain = {0}, summed = {0};
    struct arena a = {0};
    struct buf chunk;
    const struct chunk_steps steps = {T0_MS + 30000, T0_MS + 300000, 60000, &a};
    unsigned refused = 0;
    buf_init(&chunk, 1 << 20);
    for (unsigned round = 0; round < 3000; round++) {
        make_chunk(&chunk);
        struct str bytes = buf_str(&chunk);
        if (round % 3 == 0) {
            bytes.n = roll(bytes.n);
        } else {
            chunk.p[roll(bytes.n)] = (char)roll(256);
        }
        samples_clear(&plain);
        samples_clear(&summed);
        enum err e = chunk_decode(bytes, SERIES_HIST, WIDTH_MS, &plain);
        assert_int_equal(chunk_sum(bytes, WIDTH_MS, &steps, &summed), e);
        refused += e == ERR_CORRUPT ? 1 : 0;
    }
    assert_true(refused > 1000);
    samples_clear(&plain);
    samples_clear(&summed);
    make_chunk(&chunk);
    assert_ok(chunk_decode(buf_str(&chunk), SERIES_HIST, WIDTH_MS, &plain));
    assert_ok(chunk_sum(buf_str(&chunk), WIDTH_MS, &steps, &summed));
    samples_cut(&plain, steps.from_ms, steps.to_ms);
    samples_fold(&plain, SERIES_HIST, steps.step_ms, &a);
    samples_fold(&summed, SERIES_HIST, steps.step_ms, &a);
    assert_same(&plain, &summed);
    samples_done(&plain);
    samples_done(&summed);
    arena_done(&a);
    buf_done(&chunk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums_equal_a_fold),
        cmocka_unit_test(test_damage_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
