// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of alert/season.h: bands equal those of a recount over all that was noted, also
// through bytes; one bad day does not become usual; bytes that are none are refused.
#include <math.h>

#include "alert/season.h"
#include "core/mem.h"
#include "core/sort.h"
#include "support/random_batch.h"
#include "test.h"

#define DAY_MS    ((uint64_t)86400000)
#define START_MS  (DAY_MS * 20000)
#define NOTED_MAX 20000

struct noted {
    uint64_t at_ms;
    float value;
};

static struct noted noted[NOTED_MAX];
static size_t noted_count;

static void note(struct season *s, uint64_t at_ms, double value)
{
    assert_true(noted_count < NOTED_MAX);
    noted[noted_count++] = (struct noted){at_ms, (float)value};
    season_note(s, at_ms, value);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// From everything that was noted, the newest day being the last that was.
static bool recount(uint64_t at_ms, uint64_t jitter_ms, struct season_band *ret)
{
    double low[SEASON_DAYS], high[SEASON_DAYS], week_low = INFINITY, week_high = -INFINITY;
    size_t n = 0;
    for (uint64_t d = 1; d <= SEASON_DAYS; d++) {
        uint64_t from = (at_ms - d * DAY_MS - jitter_ms) / SEASON_CELL_MS;
        uint64_t to = (at_ms - d * DAY_MS + jitter_ms) / SEASON_CELL_MS;
        double least = INFINITY, most = -INFINITY;
        for (size_t i = 0; i < noted_count; i++) {
            uint64_t cell = noted[i].at_ms / SEASON_CELL_MS;
            if (cell >= from && cell <= to) {
                least = fmin(least, (double)noted[i].value);
                most = fmax(most, (double)noted[i].value);
            }
        }
        if (least <= most) {
            low[n] = least;
            high[n++] = most;
            week_low = d == SEASON_DAYS ? least : week_low;
            week_high = d == SEASON_DAYS ? most : week_high;
        }
    }
    if (n < SEASON_DAYS_MIN) {
        return false;
    }
    sort_array(low, n, sizeof *low, ascending);
    sort_array(high, n, sizeof *high, ascending);
    *ret = (struct season_band){fmin(low[(n - 1) / 2], week_low), fmax(high[n / 2], week_high)};
    return true;
}

static struct season *through_bytes(struct season *s)
{
    struct buf b;
    struct season *back;
    buf_init(&b, (size_t)1 << 20);
    season_encode(s, &b);
    buf_add_str(&b, STR("rest"));
    struct str bytes = buf_str(&b);
    assert_int_equal(season_decode(&bytes, &back), ERR_OK);
    assert_str(bytes, "rest");
    assert_int_equal(season_bytes(back), season_bytes(s));
    season_free(s);
    buf_done(&b);
    return back;
}

static void test_bands_equal_a_recount(void **state)
{
    struct random r = {4711};
    struct season *s = season_new();
    size_t there = 0;
    (void)state;
    noted_count = 0;
    for (uint64_t at = START_MS; at < START_MS + 12 * DAY_MS; at += random_below(&r, 1200000)) {
        note(s, at, (double)random_below(&r, 1000) - 100);
        if (random_below(&r, 40) == 0) {
            at += random_below(&r, DAY_MS / 2); // nothing is told for a while
        }
        if (random_below(&r, 30) == 0) {
            s = through_bytes(s);
        }
        // Of today: what is older than the eight days that are kept is not asked for.
        uint64_t jitter = SEASON_CELL_MS * (1 + random_below(&r, 24));
        uint64_t now = at + random_below(&r, 1000000);
        struct season_band got = {0}, expected = {0};
        bool is_there = recount(now, jitter, &expected);
        if (now / DAY_MS > noted[noted_count - 1].at_ms / DAY_MS ||
            (now - 7 * DAY_MS - jitter) / DAY_MS + 7 < now / DAY_MS) {
            continue; // of the day that gave its place to today
        }
        assert_int_equal(season_band(s, now, jitter, &got), is_there);
        assert_true(!is_there || (got.low == expected.low && got.high == expected.high));
        there += is_there;
    }
    assert_true(there > 100);
    season_free(s);
}

static void test_one_bad_day_does_not_become_usual(void **state)
{
    struct season *s = season_new();
    struct season_band b;
    uint64_t noon = START_MS + DAY_MS / 2;
    (void)state;
    season_note(s, noon, 100);
    assert_false(season_band(s, noon + DAY_MS, SEASON_CELL_MS, &b)); // one day is too little
    for (uint64_t d = 1; d < 7; d++) {
        season_note(s, noon + d * DAY_MS, d == 4 ? 5000 : 100 + (double)d);
        season_note(s, noon + d * DAY_MS + 7 * SEASON_CELL_MS, 7);
    }
    assert_true(season_band(s, noon + 7 * DAY_MS, SEASON_CELL_MS, &b));
    assert_true(b.low == 100 && b.high == 103);
    // What is usual comes earlier or later by the jitter.
    uint64_t later = noon + 7 * DAY_MS + 5 * SEASON_CELL_MS;
    assert_false(season_band(s, later, SEASON_CELL_MS, &b));
    assert_true(season_band(s, later, 2 * SEASON_CELL_MS, &b) && b.low == 7 && b.high == 7);
    assert_true(season_band(s, later, 5 * SEASON_CELL_MS, &b) && b.low == 7 && b.high == 103);
    season_note(s, noon, 1); // of a day that is still there
    season_note(s, noon + 8 * DAY_MS, NAN);
    season_note(s, noon + 5 * DAY_MS, 1e300); // no float: it would not come back from bytes
    s = through_bytes(s);
    assert_true(season_band(s, noon + 7 * DAY_MS, SEASON_CELL_MS, &b) && b.low == 1);
    season_free(s);
}

static void test_bytes_that_are_none_are_refused(void **state)
{
    struct random r = {99};
    struct season *s = season_new(), *back;
    struct buf b, cut;
    size_t refused = 0;
    (void)state;
    buf_init(&b, (size_t)1 << 20);
    buf_init(&cut, (size_t)1 << 20);
    for (uint64_t i = 0; i < 300; i++) {
        season_note(s, START_MS + i * SEASON_CELL_MS, (double)i);
    }
    season_encode(s, &b);
    for (size_t n = 0; n < b.n; n++) {
        struct str bytes = {(const char *)b.p, n};
        assert_int_equal(season_decode(&bytes, &back), ERR_CORRUPT);
    }
    for (size_t i = 0; i < 20000; i++) {
        buf_clear(&cut);
        buf_add_str(&cut, buf_str(&b));
        ((uint8_t *)cut.p)[random_below(&r, cut.n)] = (uint8_t)random_below(&r, 256);
        struct str bytes = buf_str(&cut);
        enum err e = season_decode(&bytes, &back);
        assert_true(e == ERR_OK || e == ERR_CORRUPT);
        refused += e != ERR_OK;
        season_free(e == ERR_OK ? back : NULL);
    }
    assert_true(refused > 100);
    buf_done(&b);
    buf_done(&cut);
    season_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bands_equal_a_recount),
        cmocka_unit_test(test_one_bad_day_does_not_become_usual),
        cmocka_unit_test(test_bytes_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
