// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of os/fs.h: the machine's own files.
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_removed_file_is_not_durable)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
