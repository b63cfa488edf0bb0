// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of core/err.h: what of quoted input a person gets to read.
#include "test.h"

#include <string.h>

#include "core/err.h"
#include "core/str.h"

static void assert_text(const char *quoted, const char *want)
{
    struct err_at at = {0};
    assert_err(err_at_set(&at, ERR_INVALID, 3, "%s", quoted), ERR_INVALID);
    assert_int_equal(at.offset, 3);
    assert_string_equal(at.text, want);
}

static void test_names_of_every_language_are_quoted(void **state)
{
    (void)state;
    struct err_at at = {0};
    assert_text("a plain one", "a plain one");
    assert_err(err_at_set(&at, ERR_NOT_FOUND, 0, "rule %s: no channel %s", "支付超时", "值班"),
               ERR_NOT_FOUND);
    assert_string_equal(at.text, "rule 支付超时: no channel 值班");
    assert_text("naïve … 🚒", "naïve … 🚒");
    assert_text("\u00a0\u2027\u202f\u2065\u206a\u061b", "\u00a0\u2027\u202f\u2065\u206a\u061b");
}

static void test_what_shows_nothing_is_replaced(void **state)
{
    (void)state;
    assert_text("a\x1b[2Jb\nc\x7f", "a?[2Jb?c?");
    assert_text("值\xc2\x9b"
                "1m",
                "值??1m");
    assert_text("\u2028\u202e值\u2066\u200f\u061c", "??????值????????");
    assert_text("\xff值\xe5\x80", "?值??");
    assert_text("\xc0\xaf\xed\xa0\x80.", "?????.");
}

// Wherever the end falls, the text is valid and has all that there is room for.
static void test_a_long_text_is_cut_between_characters(void **state)
{
    (void)state;
    for (size_t before = 0; before < 4; before++) {
        char long_text[400];
        struct err_at at = {0};
        memset(long_text, 'x', before);
        for (size_t i = before; i + 3 < sizeof long_text; i += 3) {
            memcpy(long_text + i, "值", 4);
        }
        (void)err_at_set(&at, ERR_INVALID, 0, "%s", long_text);
        size_t n = strlen(at.text);
        assert_int_equal(n, sizeof at.text - 1 - (sizeof at.text - 1 - before) % 3);
        assert_memory_equal(at.text, long_text, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_of_every_language_are_quoted),
        cmocka_unit_test(test_what_shows_nothing_is_replaced),
        cmocka_unit_test(test_a_long_text_is_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
