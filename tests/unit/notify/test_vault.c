// SPDX-License-Identifier: Apache-2.0
// Purpose: the key and its file; what opens and what does not.
#include "notify/vault.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

static char folder[] = "/tmp/sonde-vault-XXXXXX";
static char path[64];

static int setup(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/sonde-vault-XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/notify.key", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder); // which tells of a file that was left behind
}

static void test_a_key_is_made_and_kept(void **state)
{
    struct vault v, again;
    struct err_at at;
    struct stat st;
    (void)state;
    mode_t before = umask(0);
    assert_ok(vault_open(&v, path, &at));
    (void)umask(before);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(st.st_size, VAULT_KEY_BYTES);
    assert_ok(vault_open(&again, path, &at));
    assert_memory_equal(v.key, again.key, sizeof v.key);
    char mark[VAULT_MARK_CHARS + 1], same[VAULT_MARK_CHARS + 1];
    vault_mark(&v, mark);
    vault_mark(&again, same);
    assert_string_equal(mark, same);
    again.key[0] ^= 1;
    vault_mark(&again, same);
    assert_string_not_equal(mark, same);
    vault_done(&v);
    const struct vault none = {0};
    assert_memory_equal(v.key, none.key, sizeof v.key);
}

static void test_a_key_that_others_may_use_is_refused(void **state)
{
    struct vault v;
    struct err_at at;
    (void)state;
    assert_ok(vault_open(&v, path, &at));
    for (mode_t bit = 1; bit <= 040; bit <<= 1) {
        assert_int_equal(chmod(path, 0600 | bit), 0);
        assert_err(vault_open(&v, path, &at), ERR_DENIED);
    }
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(truncate(path, 31), 0);
    assert_err(vault_open(&v, path, &at), ERR_CORRUPT);
    assert_non_null(strstr(at.text, "anew"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/etc/hostname", path), 0);
    assert_true(vault_open(&v, path, &at) != ERR_OK);
    assert_err(vault_open(&v, "/nowhere/notify.key", &at), ERR_NOT_FOUND);
}

static void test_only_what_was_sealed_for_the_name_opens(void **state)
{
    struct vault v, other;
    struct buf sealed, again, plain;
    (void)state;
    memset(v.key, 1, sizeof v.key);
    memset(other.key, 2, sizeof other.key);
    buf_init(&sealed, 100);
    buf_init(&again, 100);
    buf_init(&plain, 100);
    vault_seal(&v, STR("a"), STR("secret"), &sealed);
    vault_seal(&v, STR("a"), STR("secret"), &again);
    assert_int_equal(sealed.n, 6 + VAULT_OVERHEAD_BYTES);
    assert_memory_not_equal(sealed.p, again.p, sealed.n); // another nonce
    assert_ok(vault_unseal(&v, STR("a"), buf_str(&sealed), &plain));
    assert_str(buf_str(&plain), "secret");
    buf_clear(&plain);
    assert_err(vault_unseal(&other, STR("a"), buf_str(&sealed), &plain), ERR_CORRUPT);
    assert_err(vault_unseal(&v, STR("b"), buf_str(&sealed), &plain), ERR_CORRUPT);
    for (size_t bit = 0; bit < 8 * sealed.n; bit++) {
        sealed.p[bit / 8] ^= (char)(1 << bit % 8);
        assert_err(vault_unseal(&v, STR("a"), buf_str(&sealed), &plain), ERR_CORRUPT);
        sealed.p[bit / 8] ^= (char)(1 << bit % 8);
    }
    for (size_t n = 0; n < sealed.n; n++) {
        assert_err(vault_unseal(&v, STR("a"), (struct str){sealed.p, n}, &plain), ERR_CORRUPT);
    }
    assert_int_equal(plain.n, 0);
    buf_clear(&sealed);
    vault_seal(&v, STR("a"), STR(""), &sealed);
    assert_ok(vault_unseal(&v, STR("a"), buf_str(&sealed), &plain));
    assert_int_equal(plain.n, 0);
    buf_done(&sealed);
    buf_done(&again);
    buf_done(&plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_key_is_made_and_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_key_that_others_may_use_is_refused, setup, teardown),
        cmocka_unit_test(test_only_what_was_sealed_for_the_name_opens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
