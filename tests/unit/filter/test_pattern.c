// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of filter/pattern.h: what of PCRE2 is refused, and that what is taken stays within
// its steps and its memory, with and without machine code.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "test.h"

#include <dlfcn.h>
#include <pcre2.h>

#include "core/mem.h"
#include "filter/pattern.h"

static bool without_machine_code;
static int match_data; // that there are

// The next three stand before the library's: it then seems to be built without JIT where that is
// wanted, and match data are counted.
static void *real(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    assert_non_null(found);
    return found;
}

int pcre2_jit_compile_8(pcre2_code_8 *code, uint32_t options)
{
    int (*compile)(pcre2_code_8 *, uint32_t) = NULL;
    *(void **)&compile = real("pcre2_jit_compile_8");
    return without_machine_code ? PCRE2_ERROR_JIT_BADOPTION : compile(code, options);
}

pcre2_match_data_8 *pcre2_match_data_create_8(uint32_t pairs, pcre2_general_context_8 *context)
{
    pcre2_match_data_8 *(*create)(uint32_t, pcre2_general_context_8 *) = NULL;
    *(void **)&create = real("pcre2_match_data_create_8");
    match_data++;
    return create(pairs, context);
}

void pcre2_match_data_free_8(pcre2_match_data_8 *data)
{
    void (*release)(pcre2_match_data_8 *) = NULL;
    *(void **)&release = real("pcre2_match_data_free_8");
    match_data -= data != NULL ? 1 : 0;
    release(data);
}

static void test_references_back_and_verbs_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
        size_t at;
    } cases[] = {
        {"(?<n>a)\\k<n>", "caught", 0},
        {"(?<n>a)\\k'n'", "caught", 0},
        {"(?<n>a)\\k{n}", "caught", 0},
        {"(?<n>a)\\g{n}", "caught", 0},
        {"(?<n>a)\\g{-1}", "caught", 0},
        {"(?<n>a)\\g1", "caught", 0},
        {"(?<n>a)\\1", "caught", 0},
        {"(?'n'a)(?P=n)", "caught", 0},
        {"(?<n>a)?(?(n)b|c)", "caught", 0},
        {"(?<n>a)?(?(<n>)b|c)", "caught", 0},
        {"(?<n>a)?(?(1)b|c)", "caught", 0},
        {"(?J)(?<n>a)|(?<n>b)\\k<n>", "caught", 0},
        {"(?|(?<n>a)|(?<n>b))\\1", "caught", 0},
        {"(?-n)(a)\\1", "caught", 0}, // which would make plain parentheses capture
        {"(?^:(a))\\1", "caught", 0},
        {"(a)\\1", "non-existent", 4},
        {"(*UTF)a", "(*...)", 0},
        {"a(*COMMIT)b", "(*...)", 1},
        {"a(*ACCEPT)b", "(*...)", 1},
        {"\\\\(*F)", "(*...)", 2},
        {"\\c\\(*F)", "(*...)", 3},
        {"\\Q\\\\E(*F)", "(*...)", 5},
        {"\\Qa\\c\\E(*F)", "(*...)", 7},
        {"(?x)#[\n(*F)", "(*...)", 7},
        {"a\\C", "\\C", 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pattern *p = NULL;
        struct err_at at = {0};
        assert_err(pattern_new(str_of(cases[i].text), &p, &at), ERR_INVALID);
        if (strstr(at.text, cases[i].why) == NULL || at.offset != cases[i].at) {
            print_error("%s: %s at %d\n", cases[i].text, at.text, (int)at.offset);
        }
        assert_non_null(strstr(at.text, cases[i].why));
        assert_int_equal(at.offset, cases[i].at);
        assert_null(p);
    }
}

static void test_groups_recursion_and_escaped_parentheses_are_taken(void **state)
{
    (void)state;
    static const struct {
        const char *text, *yes, *no;
    } cases[] = {
        {"(?<n>a|b)+", "abba", "abc"},
        {"\\((?R)*\\)", "(()())", "(()"},
        {"(?<n>a(?&n)?b)", "aaabbb", "aaabb"},
        {"(?<n>a(?P>n)?b)c", "aabbc", "aabc"},
        {"(?<n>a)\\g<n>", "aa", "a"},
        {"(?<n>a)(?1)", "aa", "a"},
        {"(?(?=a)a+|b)", "aa", "ba"},
        {"a\\(*b", "a((b", "a)b"},
        {"[*(]+", "(*", "a"},
    };
    for (size_t i = 0; i < 2 * (sizeof cases / sizeof cases[0]); i++) {
        struct pattern *p;
        struct err_at at = {0};
        without_machine_code = i % 2 != 0;
        assert_ok(pattern_new(str_of(cases[i / 2].text), &p, &at));
        assert_int_equal(pattern_match(p, str_of(cases[i / 2].yes)), PATTERN_YES);
        assert_int_equal(pattern_match(p, str_of(cases[i / 2].no)), PATTERN_NO);
        pattern_free(p);
    }
    without_machine_code = false;
}

#define VALUE_BYTES ((size_t)200000)

// Values that take too long in every way: each is given up. The interpreter leaves what
// backtracking took, up to PATTERN_HEAP_BYTES, in the match data: those go at once.
static void test_what_a_value_took_is_not_kept(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "(?:a|aa)*c|(?:a|b)*x", "a(?R)?|b",         "(?<q>a(?&q)?)|b",
        "(?:a(?R)?)*x|a*y",     "(?:a|(?R)(?R))*b",
    };
    char *value = mem_alloc(VALUE_BYTES);
    memset(value, 'a', VALUE_BYTES);
    value[VALUE_BYTES - 2] = 'x';
    value[VALUE_BYTES - 1] = 'b';
    for (size_t i = 0; i < 2 * (sizeof texts / sizeof texts[0]); i++) {
        struct pattern *p;
        struct err_at at = {0};
        without_machine_code = i % 2 != 0;
        assert_ok(pattern_new(str_of(texts[i / 2]), &p, &at));
        size_t bytes = pattern_bytes(p);
        assert_true(bytes <= PATTERN_BYTES_MAX + 4096);
        assert_int_equal(pattern_match(p, (struct str){value, VALUE_BYTES}), PATTERN_GAVE_UP);
        assert_int_equal(pattern_given_up(p), 1);
        assert_int_equal(pattern_bytes(p), bytes);
        assert_int_equal(match_data, without_machine_code ? 0 : 1);
        pattern_free(p);
        assert_int_equal(match_data, 0);
    }
    without_machine_code = false;
    mem_free(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_references_back_and_verbs_are_refused),
        cmocka_unit_test(test_groups_recursion_and_escaped_parentheses_are_taken),
        cmocka_unit_test(test_what_a_value_took_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
