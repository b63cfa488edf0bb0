// SPDX-License-Identifier: Apache-2.0
// Purpose: whole files for tests.
#include "support/files.h"

#include "core/mem.h"

enum err fs_read_all(struct fs *fs, const char *path, size_t max, char **ret_bytes, size_t *ret_n)
{
    struct file *f;
    uint64_t size;
    enum err e = fs->ops->open(fs, path, FS_READ, &f);
    if (e != ERR_OK) {
        return e;
    }
    e = fs->ops->size(f, &size);
    if (e == ERR_OK && size > max) {
        e = ERR_LIMIT;
    }
    if (e == ERR_OK) {
        char *bytes = mem_alloc((size_t)size + 1);
        e = fs->ops->read_at(f, bytes, (size_t)size, 0);
        if (e == ERR_OK) {
            bytes[size] = 0;
            *ret_bytes = bytes;
            *ret_n = (size_t)size;
        } else {
            mem_free(bytes);
        }
    }
    fs->ops->close(f);
    return e;
}
