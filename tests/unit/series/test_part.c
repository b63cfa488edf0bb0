// SPDX-License-Identifier: Apache-2.0
// Purpose: parts of the series store come back as they were written, and no flipped byte goes
// unseen.
#include "test.h"

#include <stdlib.h>
#include <unistd.h>

#include "core/mem.h"
#include "support/files.h"
#include "unit/series/parts.h"
#include "unit/store/memfs.h"

static char *part_bytes(unsigned count, size_t *ret_n)
{
    char path[] = "/tmp/sonde-test-series-part-XXXXXX";
    char *bytes;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    write_test_part(fs_real(), path, count);
    assert_ok(fs_read_all(fs_real(), path, (size_t)64 << 20, &bytes, ret_n));
    assert_int_equal(unlink(path), 0);
    return bytes;
}

struct expected {
    unsigned next;
};

static enum err expect_series(void *ctx, struct str key, enum series_type type)
{
    struct expected *x = ctx;
    char room[64];
    assert_true(str_eq(key, part_key_of(x->next, room)));
    assert_int_equal(type, part_type_of(x->next++));
    return ERR_OK;
}

static void expect_samples(struct part_cursor *c, unsigned n)
{
    struct samples got = {0}, want = {0};
    struct arena a = {0};
    part_samples_of(n, &want, &a);
    assert_ok(part_cursor_samples(c, n, part_type_of(n), &got));
    assert_int_equal(got.count, want.count);
    for (size_t i = 0; i < got.count; i++) {
        assert_int_equal(got.at[i].time_ms, want.at[i].time_ms);
        if (part_type_of(n) == SERIES_HIST) {
            assert_true(str_eq(got.at[i].hist, want.at[i].hist));
        } else {
            assert_true(got.at[i].number == want.at[i].number);
        }
    }
    samples_done(&got);
    samples_done(&want);
    arena_done(&a);
}

static void test_comes_back(void **state)
{
    (void)state;
    size_t n;
    char *bytes = part_bytes(10000, &n);
    struct memfs fs;
    struct series_part *p;
    struct part_cursor c;
    struct expected x = {0};
    memfs_init(&fs, (const uint8_t *)bytes, n);
    assert_ok(series_part_open(&fs.base, "", &p, NULL));
    assert_str(p->meta.line, "shop");
    assert_int_equal(p->meta.series, 10000);
    assert_int_equal(p->meta.file_bytes, n);
    assert_int_equal(p->meta.min_ms, 1700000000000);
    assert_int_equal(p->meta.max_ms, 1700000060000);
    assert_true(p->block_count > 5 && p->table_count == 3);
    assert_ok(series_part_each(p, expect_series, &x));
    assert_int_equal(x.next, 10000);
    part_cursor_init(&c, p);
    for (unsigned i = 0; i < 10000; i++) {
        expect_samples(&c, i);
    }
    for (unsigned i = 0; i < 300; i++) { // here and there, back too
        expect_samples(&c, i * 7919 % 10000);
    }
    part_cursor_done(&c);
    series_part_unref(p);
    mem_free(bytes);
}

static enum err ignore_series(void *ctx, struct str key, enum series_type type)
{
    (void)ctx;
    (void)key;
    (void)type;
    return ERR_OK;
}

// Reads everything.
static enum err read_all(const char *bytes, size_t n)
{
    struct memfs fs;
    struct series_part *p;
    struct part_cursor c;
    struct samples s = {0};
    memfs_init(&fs, (const uint8_t *)bytes, n);
    enum err e = series_part_open(&fs.base, "", &p, NULL);
    if (e != ERR_OK) {
        return e;
    }
    e = series_part_each(p, ignore_series, NULL);
    part_cursor_init(&c, p);
    for (unsigned i = 0; i < p->meta.series && e == ERR_OK; i++) {
        samples_clear(&s);
        e = part_cursor_samples(&c, i, part_type_of(i), &s);
        assert_true(e == ERR_OK || atomic_load(&p->damaged));
    }
    part_cursor_done(&c);
    series_part_unref(p);
    samples_done(&s);
    return e;
}

static void test_no_flipped_byte_goes_unseen(void **state)
{
    (void)state;
    size_t n;
    char *bytes = part_bytes(40, &n);
    assert_ok(read_all(bytes, n));
    for (size_t i = 0; i < n; i++) {
        bytes[i] = (char)(bytes[i] ^ 4);
        enum err e = read_all(bytes, n);
        assert_err(e, ERR_CORRUPT);
        bytes[i] = (char)(bytes[i] ^ 4);
    }
    for (size_t cut = 0; cut < n; cut++) {
        assert_err(read_all(bytes, cut), ERR_CORRUPT);
    }
    mem_free(bytes);
}

static void test_other_versions_are_refused(void **state)
{
    (void)state;
    size_t n;
    char *bytes = part_bytes(1, &n);
    bytes[8] = bytes[n - 20] = 9;
    assert_err(read_all(bytes, n), ERR_UNSUPPORTED);
    mem_free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comes_back),
        cmocka_unit_test(test_no_flipped_byte_goes_unseen),
        cmocka_unit_test(test_other_versions_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
