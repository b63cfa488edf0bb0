// SPDX-License-Identifier: Apache-2.0
// Purpose: files behind one table, so that crash tests can put a simulated disk (torn writes,
// failed writes, lost caches, no space) in the place of the real one. The journal and the store
// touch the disk through this table only.
#ifndef SONDE_OS_FS_H
#define SONDE_OS_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

struct fs;
struct file;

enum fs_open {
    FS_READ = 1,   // for reading; the file must exist
    FS_WRITE = 2,  // for reading and writing; the file must exist
    FS_CREATE = 4, // for reading and writing; made when absent, never truncated
};

// Errors: every slot may return ERR_IO, ERR_DENIED or what its comment adds; ERR_FULL where room
// runs out. Slots may be called from any thread; one `struct file` may be read and written at
// different places by several threads at once.
struct fs_ops {
    // ERR_NOT_FOUND without FS_CREATE; ERR_UNSUPPORTED for what is no regular file: a pipe would
    // be waited for, a folder cannot be read. The caller closes what it gets.
    enum err (*open)(struct fs *fs, const char *path, enum fs_open how, struct file **ret_file);
    // Reads exactly `n` bytes; ERR_END when the file ends before that (nothing is promised of the
    // buffer then).
    enum err (*read_at)(struct file *f, void *bytes, size_t n, uint64_t offset);
    // Writes all `n` bytes or fails; after a failure any part of them may be on disk. Writing past
    // the end extends the file.
    enum err (*write_at)(struct file *f, const void *bytes, size_t n, uint64_t offset);
    // Returns once all written bytes and the size are durable (fdatasync). ERR_NOT_FOUND for a file
    // that was removed meanwhile: what it holds is lost with it.
    enum err (*sync)(struct file *f);
    enum err (*size)(struct file *f, uint64_t *ret_bytes);
    enum err (*truncate)(struct file *f, uint64_t bytes);
    // Reserves disk room so that later writes below `bytes` cannot fail with ERR_FULL.
    enum err (*allocate)(struct file *f, uint64_t bytes);
    void (*close)(struct file *f); // NULL is fine

    // A rename, a removal and a new file are durable after sync_dir() on the folder.
    enum err (*rename)(struct fs *fs, const char *from, const char *to);
    enum err (*remove)(struct fs *fs, const char *path);
    enum err (*sync_dir)(struct fs *fs, const char *path);
    // Makes one folder; fine when it exists.
    enum err (*make_dir)(struct fs *fs, const char *path);
    // Calls `each` with the name (no path) of every regular file in the folder, in no order.
    enum err (*list)(struct fs *fs, const char *path, void (*each)(void *ctx, const char *name),
                     void *ctx);
    // Bytes that an ordinary user could still write.
    enum err (*free_bytes)(struct fs *fs, const char *path, uint64_t *ret_bytes);
};

struct fs {
    const struct fs_ops *ops;
};

struct file {
    const struct fs_ops *ops;
};

// The machine's own files. Static; any thread.
struct fs *fs_real(void);

#define FS_PATH_MAX 4096

#endif
