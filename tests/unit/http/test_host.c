// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of http/host.h.
#include "test.h"

#include "http/host.h"

static void test_names_of_this_machine(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        bool local;
    } cases[] = {
        {"127.0.0.1", true},
        {"127.0.0.1:7070", true},
        {"10.1.2.3:80", true},
        {"[::1]:7070", true},
        {"[::1]", true},
        {"localhost:7070", true},
        {"LocalHost", true},
        {"sonde.localhost:7070", true},
        {"apm.example:443", true}, // what is listened on
        {"evil.example", false},
        {"evil.example:7070", false},
        {"127.0.0.1.evil.example", false},
        {"notlocalhost", false},
        {".localhost", false},
        {"[::1", false},
        {"[::1].evil.example", false},
        {"[::1].evil.example:7070", false},
        {"[::1]evil.example", false},
        {"", false},
        {":7070", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (host_is_local(str_of(cases[i].host), "apm.example:7070") != cases[i].local) {
            fail_msg("%s: expected %d", cases[i].host, cases[i].local);
        }
    }
    char longest[300];
    memset(longest, '1', sizeof longest);
    assert_false(host_is_local((struct str){longest, sizeof longest}, "127.0.0.1:1"));
}

static void test_origins(void **state)
{
    (void)state;
    assert_true(origin_is_local(STR("http://127.0.0.1:7070"), "127.0.0.1:4318"));
    assert_true(origin_is_local(STR("https://localhost"), "127.0.0.1:4318"));
    assert_false(origin_is_local(STR("http://evil.example:4318"), "127.0.0.1:4318"));
    assert_false(origin_is_local(STR("null"), "127.0.0.1:4318"));
    assert_false(origin_is_local(STR(""), "127.0.0.1:4318"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_of_this_machine),
        cmocka_unit_test(test_origins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
