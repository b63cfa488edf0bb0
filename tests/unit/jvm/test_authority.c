// SPDX-License-Identifier: Apache-2.0
// Purpose: agents/jvm/authority: names and ports are told apart, and what is no port is none.
#include "agents/jvm/authority.h"
#include "test.h"

static void expect(const char *authority, const char *host, int port)
{
    int got = -1;
    struct str found = authority_split(str_of(authority), &got);
    assert_true(str_eq(found, str_of(host)));
    assert_int_equal(got, port);
}

static void test_host_and_port(void **state)
{
    (void)state;
    expect("shop.example:8443", "shop.example", 8443);
    expect("shop.example", "shop.example", 0);
    expect("10.0.0.7:1", "10.0.0.7", 1);
    expect("10.0.0.7", "10.0.0.7", 0);
    expect("[::1]:50051", "::1", 50051);
    expect("[fe80::1]", "fe80::1", 0);
}

static void test_what_is_no_port(void **state)
{
    (void)state;
    expect("shop:65535", "shop", 65535);
    expect("shop:65536", "shop", 0);
    expect("shop:99999999999999999999", "shop", 0);
    expect("shop:0", "shop", 0);
    expect("shop:", "shop", 0);
    expect("shop:http", "shop:http", 0);
    expect("8080", "8080", 0);
    expect(":8080", "", 8080);
    expect("", "", 0);
    expect("[]", "[]", 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_host_and_port),
        cmocka_unit_test(test_what_is_no_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
