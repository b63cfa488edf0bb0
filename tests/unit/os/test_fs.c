// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of os/fs.h: the machine's own files.
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fs.h"

static void test_a_removed_file_is_not_durable(void **state)
{
    (void)state;
    char dir[] = "/tmp/sonde-test-fs-XXXXXX", path[64];
    struct fs *fs = fs_real();
    struct file *f;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/file", dir);
    assert_ok(fs->ops->open(fs, path, FS_CREATE, &f));
    assert_ok(f->ops->write_at(f, "acknowledged", 12, 0));
    assert_ok(f->ops->sync(f));
    assert_int_equal(unlink(path), 0);
    assert_ok(f->ops->write_at(f, "lost", 4, 12));
    assert_err(f->ops->sync(f), ERR_NOT_FOUND);
    f->ops->close(f);
    assert_int_equal(rmdir(dir), 0);
}

// What is no file is refused, and nobody is waited for.
static void test_what_is_no_file_is_refused(void **state)
{
    (void)state;
    char dir[] = "/tmp/sonde-test-fs-XXXXXX", path[64];
    struct fs *fs = fs_real();
    struct file *f = NULL;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/pipe", dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    (void)alarm(60);
    assert_err(fs->ops->open(fs, path, FS_READ, &f), ERR_UNSUPPORTED);
    assert_err(fs->ops->open(fs, path, FS_WRITE, &f), ERR_UNSUPPORTED);
    (void)alarm(0);
    assert_err(fs->ops->open(fs, dir, FS_READ, &f), ERR_UNSUPPORTED);
    assert_err(fs->ops->open(fs, "/dev/null", FS_READ, &f), ERR_UNSUPPORTED);
    assert_null(f);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_removed_file_is_not_durable),
        cmocka_unit_test(test_what_is_no_file_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
