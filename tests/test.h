// SPDX-License-Identifier: Apache-2.0
// Purpose: what every cmocka test includes, in the order that cmocka wants.
#ifndef SONDE_TESTS_TEST_H
#define SONDE_TESTS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/err.h"
#include "core/str.h"

#define assert_ok(e)          assert_string_equal(err_name(e), "OK")
#define assert_err(e, expect) assert_string_equal(err_name(e), err_name(expect))
#define assert_str(s, literal)                                                                     \
    do {                                                                                           \
        struct str got_ = (s);                                                                     \
        assert_int_equal(got_.n, sizeof(literal) - 1);                                             \
        assert_memory_equal(got_.p, literal, sizeof(literal) - 1);                                 \
    } while (0)

// A test that begins no thread, of a file in which others do: ThreadSanitizer would take minutes to
// find nothing.
#ifdef __SANITIZE_THREAD__
#define one_thread_test(test)                                                                      \
    {                                                                                              \
        .name = #test, .test_func = 0 ? (test) : test_is_skipped                                   \
    }
static inline void test_is_skipped(void **state)
{
    (void)state;
    skip();
}
#else
#define one_thread_test(test) cmocka_unit_test(test)
#endif

#endif
