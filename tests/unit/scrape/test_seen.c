// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of the set of series that a target had.
#include "test.h"

#include <stdio.h>

#include "scrape/internal.h"

#define SERIES 5000

static void make(struct prom_series *s, char text[32], int number, bool turned)
{
    (void)snprintf(text, 32, "%d", number);
    const struct prom_label name = {STR("__name__"), STR("up")}, n = {STR("n"), str_of(text)};
    *s = (struct prom_series){.label_count = 2, .type = PROM_COUNTER, .unit = STR("s")};
    s->labels[turned ? 1 : 0] = name;
    s->labels[turned ? 0 : 1] = n;
}

struct missing {
    int count, sum;
};

static enum err on_missing(void *ctx, const struct prom_series *s)
{
    struct missing *m = ctx;
    uint64_t n = 0;
    assert_int_equal(s->label_count, 2);
    assert_int_equal(s->type, PROM_COUNTER);
    assert_str(s->unit, "s");
    assert_str(prom_label_value(s, STR("__name__")), "up");
    assert_ok(str_to_u64(prom_label_value(s, STR("n")), &n));
    m->count++;
    m->sum += (int)n;
    return ERR_OK;
}

static void test_what_another_set_lacks_comes_back_whole(void **state)
{
    (void)state;
    struct budget budget;
    struct meter meter;
    struct seen had, has;
    struct prom_series s;
    char text[32];
    budget_init(&budget, (size_t)64 << 20);
    meter_init(&meter, &budget, ACCOUNT_BODIES);
    seen_init(&had, &meter);
    seen_init(&has, &meter);
    assert_false(seen_has(&had, 1));
    for (int i = 0; i < SERIES; i++) {
        make(&s, text, i, false);
        assert_ok(seen_add(&had, seen_hash(&s, NULL), &s));
        make(&s, text, i, true); // in another order
        assert_err(seen_add(&had, seen_hash(&s, NULL), &s), ERR_EXISTS);
        if (i % 10 != 7) {
            assert_ok(seen_add(&has, seen_hash(&s, NULL), &s));
        }
    }
    struct missing m = {0};
    assert_ok(seen_each_missing(&had, &has, on_missing, &m));
    assert_int_equal(m.count, SERIES / 10);
    assert_int_equal(m.sum, SERIES / 10 * (7 + SERIES - 3) / 2);
    m = (struct missing){0};
    assert_ok(seen_each_missing(&has, &had, on_missing, &m));
    assert_int_equal(m.count, 0);
    seen_done(&had);
    seen_done(&has);
    assert_int_equal(atomic_load(&budget.total), 0);
    meter_done(&meter);
}

static void test_memory_is_asked_for(void **state)
{
    (void)state;
    struct budget budget;
    struct meter meter;
    struct seen seen;
    struct prom_series s;
    char text[32];
    enum err e = ERR_OK;
    budget_init(&budget, 64 << 10);
    meter_init(&meter, &budget, ACCOUNT_BODIES);
    seen_init(&seen, &meter);
    for (int i = 0; i < SERIES && e == ERR_OK; i++) {
        make(&s, text, i, false);
        e = seen_add(&seen, seen_hash(&s, NULL), &s);
    }
    assert_err(e, ERR_MEMORY);
    seen_done(&seen);
    assert_int_equal(atomic_load(&budget.total), 0);
    meter_done(&meter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_another_set_lacks_comes_back_whole),
        cmocka_unit_test(test_memory_is_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
