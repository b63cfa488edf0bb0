// SPDX-License-Identifier: Apache-2.0
// Purpose: signatures, by published examples.
#include "notify/sign.h"

#include "test.h"

// RFC 4231, cases 1, 2 and 6.
static void test_published_examples(void **state)
{
    struct arena a = {0};
    char key[131], first[20];
    (void)state;
    memset(key, 0xaa, sizeof key);
    memset(first, 0x0b, sizeof first);
    assert_str(sign_hex(&a, (struct str){first, sizeof first}, STR("Hi There")),
               "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    assert_str(sign_hex(&a, STR("Jefe"), STR("what do ya want for nothing?")),
               "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    assert_str(sign_hex(&a, (struct str){key, sizeof key},
                        STR("Test Using Larger Than Block-Size Key - Hash Key First")),
               "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    assert_str(sign_base64(&a, STR("Jefe"), STR("what do ya want for nothing?")),
               "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=");
    arena_done(&a);
}

// What Feishu signs is empty: the same as Python's hmac.new(key, b"", hashlib.sha256).
static void test_nothing_is_signed_too(void **state)
{
    struct arena a = {0};
    (void)state;
    assert_str(sign_base64(&a, STR("1599360473\nfs"), STR("")),
               "UBJu3K/hEyIWuLL8cjeqTR2r/IOnYtdsrNatgI+oHOs=");
    arena_done(&a);
}

static void test_percent(void **state)
{
    struct arena a = {0};
    (void)state;
    assert_str(sign_percent(&a, STR("aZ0-._~ +/=&\xe8")), "aZ0-._~%20%2B%2F%3D%26%E8");
    assert_str(sign_percent(&a, STR("")), "");
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_examples),
        cmocka_unit_test(test_nothing_is_signed_too),
        cmocka_unit_test(test_percent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
