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

#endif
