// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of os/fs_pool.h: many files, few descriptors, several threads.
#include "test.h"

#include <pthread.h>
#include <stdio.h>

#include "os/fs_pool.h"
#include "support/simfs.h"

#define FILES 200

static void path_of(uint32_t i, char *out, size_t n)
{
    (void)snprintf(out, n, "d/%u", i);
}

static void make_files(struct simfs *s)
{
    struct fs *fs = simfs_fs(s);
    for (uint32_t i = 0; i < FILES; i++) {
        char path[32];
        struct file *f;
        path_of(i, path, sizeof path);
        assert_ok(fs->ops->open(fs, path, FS_CREATE, &f));
        assert_ok(f->ops->write_at(f, &i, sizeof i, 0));
        f->ops->close(f);
    }
}

static void assert_bounded(struct fs_pool *p)
{
    size_t open, max;
    fs_pool_count(p, &open, &max);
    assert_int_equal(max, FS_POOL_MIN);
    assert_true(open <= max);
}

struct reader {
    struct file **files;
    uint32_t seed;
};

static void *read_all(void *arg)
{
    struct reader *r = arg;
    uint32_t x = r->seed;
    for (int i = 0; i < 20000; i++) {
        x = x * 1664525 + 1013904223;
        uint32_t at = x >> 8, got = 0;
        struct file *f = r->files[at % FILES];
        assert_ok(f->ops->read_at(f, &got, sizeof got, 0));
        assert_int_equal(got, at % FILES);
    }
    return NULL;
}

static void test_many_files_few_descriptors(void **state)
{
    (void)state;
    struct simfs *s = simfs_new(1);
    make_files(s);
    struct fs_pool *p = fs_pool_new(simfs_fs(s), 1); // raised to the least
    struct fs *fs = fs_pool_fs(p);
    struct file *files[FILES], *none;
    for (uint32_t i = 0; i < FILES; i++) {
        char path[32];
        path_of(i, path, sizeof path);
        assert_ok(fs->ops->open(fs, path, FS_READ, &files[i]));
        assert_bounded(p);
    }
    assert_err(fs->ops->open(fs, "d/none", FS_READ, &none), ERR_NOT_FOUND);
    assert_err(fs->ops->open(fs, "d/none", FS_CREATE, &none), ERR_DENIED);
    pthread_t threads[4];
    struct reader readers[4];
    for (uint32_t i = 0; i < 4; i++) {
        readers[i] = (struct reader){files, i + 1};
        assert_int_equal(pthread_create(&threads[i], NULL, read_all, &readers[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_bounded(p);
    // A file that is gone although it should be there is damage.
    uint64_t bytes;
    uint32_t got;
    assert_ok(fs->ops->remove(fs, "d/0"));
    for (uint32_t i = 1; i < FILES; i++) {
        assert_ok(files[i]->ops->size(files[i], &bytes));
        assert_int_equal(bytes, 4);
    }
    assert_err(files[0]->ops->read_at(files[0], &got, 4, 0), ERR_CORRUPT);
    for (uint32_t i = 0; i < FILES; i++) {
        files[i]->ops->close(files[i]);
    }
    size_t open, max;
    fs_pool_count(p, &open, &max);
    assert_int_equal(open, 0);
    fs_pool_free(p);
    simfs_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_many_files_few_descriptors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
