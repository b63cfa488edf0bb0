// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of model/ids.h.
#include "test.h"

#include "model/ids.h"

static void test_hex(void **state)
{
    (void)state;
    trace_id t;
    span_id s;
    char text[TRACE_ID_HEX + 1];
    assert_ok(trace_id_parse(STR("4BF92F3577B34DA6A3CE929D0E0E4736"), &t));
    trace_id_hex(t, text);
    assert_string_equal(text, "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_ok(trace_id_parse(STR("a3ce929d0e0e4736"), &t));
    trace_id_hex(t, text);
    assert_string_equal(text, "0000000000000000a3ce929d0e0e4736");
    assert_err(trace_id_parse(STR("a3ce929d0e0e473"), &t), ERR_INVALID);
    assert_err(trace_id_parse(STR("g3ce929d0e0e4736"), &t), ERR_INVALID);
    assert_err(span_id_parse(STR("00f067aa0ba902b"), &s), ERR_INVALID);
    assert_ok(span_id_parse(STR("00f067aa0ba902b7"), &s));
    assert_false(span_id_is_zero(s));
}

static void test_parts(void **state)
{
    (void)state;
    const struct trace_id_parts in = {.unix_ms = 1700000000123,
                                      .ipv4 = 0x0a010203,
                                      .pid = 4194303,
                                      .environment = 9,
                                      .counter = 2097153};
    bool plausible = false;
    struct trace_id_parts out = trace_id_decode(trace_id_make(&in), 1700000001000, &plausible);
    assert_memory_equal(&in, &out, sizeof in);
    assert_true(plausible);
    trace_id foreign;
    assert_ok(trace_id_parse(STR("ffffffffffffffffffffffffffffffff"), &foreign));
    (void)trace_id_decode(foreign, 1700000001000, &plausible);
    assert_false(plausible);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
