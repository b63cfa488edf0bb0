// SPDX-License-Identifier: Apache-2.0
// Purpose: one file in memory behind the file table, read-only, for corruption tests and fuzzing.
#ifndef SONDE_TESTS_STORE_MEMFS_H
#define SONDE_TESTS_STORE_MEMFS_H

#include <string.h>

#include "core/mem.h"
#include "os/fs.h"

struct memfs {
    struct fs base;
    const uint8_t *bytes;
    size_t n;
};

struct memfile {
    struct file base;
    struct memfs *fs;
};

static inline enum err memfs_open(struct fs *fs, const char *path, enum fs_open how,
                                  struct file **ret_file)
{
    (void)path;
    if (how != FS_READ) {
        return ERR_DENIED;
    }
    struct memfile *f = mem_new(1, sizeof *f);
    f->base.ops = fs->ops;
    f->fs = (struct memfs *)fs;
    *ret_file = &f->base;
    return ERR_OK;
}

static inline enum err memfs_read_at(struct file *f, void *bytes, size_t n, uint64_t offset)
{
    const struct memfs *fs = ((struct memfile *)f)->fs;
    if (offset > fs->n || n > fs->n - offset) {
        return ERR_END;
    }
    if (n > 0) {
        memcpy(bytes, fs->bytes + offset, n);
    }
    return ERR_OK;
}

static inline enum err memfs_size(struct file *f, uint64_t *ret_bytes)
{
    *ret_bytes = ((struct memfile *)f)->fs->n;
    return ERR_OK;
}

static inline void memfs_close(struct file *f)
{
    mem_free(f);
}

static inline void memfs_init(struct memfs *fs, const void *bytes, size_t n)
{
    static const struct fs_ops ops = {
        .open = memfs_open, .read_at = memfs_read_at, .size = memfs_size, .close = memfs_close};
    *fs = (struct memfs){.base.ops = &ops, .bytes = bytes, .n = n};
}

#endif
