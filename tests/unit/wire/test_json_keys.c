// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of wire/json_keys.h: a key is new once, few or many of them, and many are paid
// for.
#include "test.h"

#include <stdio.h>

#include "ledger/budget.h"
#include "wire/json_keys.h"

#define KEYS 1000

static void test_a_key_is_new_once(void **state)
{
    (void)state;
    static char texts[KEYS][8];
    struct budget budget;
    struct meter meter;
    struct json_keys k;
    struct buf out;
    budget_init(&budget, 1 << 20);
    meter_init(&meter, &budget, ACCOUNT_QUERY);
    buf_init_from(&out, 4096, &meter.source);
    json_keys_init(&k, &out);
    for (int i = 0; i < KEYS; i++) {
        (void)snprintf(texts[i], sizeof texts[i], "k%d", i);
        assert_true(json_keys_add(&k, str_of(texts[i])));
        assert_false(json_keys_add(&k, str_of(texts[i])));
        assert_false(json_keys_add(&k, str_of(texts[i / 2])));
        assert_int_equal(meter.held_bytes > 0, i >= JSON_KEYS_FEW);
    }
    assert_true(json_keys_add(&k, STR("")));
    assert_false(json_keys_add(&k, STR("")));
    json_keys_done(&k);
    assert_int_equal(meter.held_bytes, 0);
    assert_false(out.denied);
    buf_done(&out);
}

static void test_many_keys_need_memory(void **state)
{
    (void)state;
    static char texts[KEYS][8];
    struct budget budget;
    struct meter meter;
    struct json_keys k;
    struct buf out;
    int added = 0;
    budget_init(&budget, 10000);
    meter_init(&meter, &budget, ACCOUNT_QUERY);
    buf_init_from(&out, 4096, &meter.source);
    json_keys_init(&k, &out);
    for (int i = 0; i < KEYS && !out.denied; i++) {
        (void)snprintf(texts[i], sizeof texts[i], "k%d", i);
        added += json_keys_add(&k, str_of(texts[i])) ? 1 : 0;
    }
    assert_in_range(added, JSON_KEYS_FEW, KEYS - 1);
    assert_true(out.denied && out.failed);
    json_keys_done(&k);
    assert_int_equal(meter.held_bytes, 0);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_key_is_new_once),
        cmocka_unit_test(test_many_keys_need_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
