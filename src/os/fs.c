// SPDX-License-Identifier: Apache-2.0
// Purpose: the file table over POSIX.
#include "os/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/mem.h"
#include "core/must.h"

struct real_file {
    struct file base;
    int fd;
};

static int fd_of(struct file *f)
{
    ASSERT(f != NULL);
    return ((struct real_file *)f)->fd;
}

static enum err real_open(struct fs *fs, const char *path, enum fs_open how, struct file **ret_file)
{
    ASSERT(path != NULL && ret_file != NULL);
    ASSERT(how == FS_READ || (how & ~(enum fs_open)(FS_READ | FS_WRITE | FS_CREATE)) == 0);
    struct stat st;
    int flags = O_CLOEXEC | O_NONBLOCK; // which means nothing to a regular file
    flags |= how == FS_READ ? O_RDONLY : O_RDWR;
    flags |= how & FS_CREATE ? O_CREAT : 0;
    int fd = open(path, flags, 0640);
    if (fd < 0) {
        return err_from_errno(errno);
    }
    bool is_known = fstat(fd, &st) == 0;
    if (!is_known || !S_ISREG(st.st_mode)) {
        enum err e = is_known ? ERR_UNSUPPORTED : err_from_errno(errno);
        (void)close(fd);
        return e;
    }
    struct real_file *f = mem_new(1, sizeof *f);
    f->base.ops = fs->ops;
    f->fd = fd;
    *ret_file = &f->base;
    return ERR_OK;
}

static enum err real_read_at(struct file *f, void *bytes, size_t n, uint64_t offset)
{
    ASSERT(bytes != NULL || n == 0);
    char *at = bytes;
    while (n > 0) {
        ssize_t got = pread(fd_of(f), at, n, (off_t)offset);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return err_from_errno(errno);
        }
        if (got == 0) {
            return ERR_END;
        }
        at += got;
        n -= (size_t)got;
        offset += (uint64_t)got;
    }
    return ERR_OK;
}

static enum err real_write_at(struct file *f, const void *bytes, size_t n, uint64_t offset)
{
    ASSERT(bytes != NULL || n == 0);
    ASSERT(offset <= (uint64_t)INT64_MAX - n);
    const char *at = bytes;
    while (n > 0) {
        ssize_t put = pwrite(fd_of(f), at, n, (off_t)offset);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            return err_from_errno(errno);
        }
        at += put;
        n -= (size_t)put;
        offset += (uint64_t)put;
    }
    return ERR_OK;
}

// A file that was removed underfoot takes bytes that nobody will ever read: that is not durable.
static enum err real_sync(struct file *f)
{
    struct stat st;
    if (fdatasync(fd_of(f)) != 0 || fstat(fd_of(f), &st) != 0) {
        return err_from_errno(errno);
    }
    return st.st_nlink > 0 ? ERR_OK : ERR_NOT_FOUND;
}

static enum err real_size(struct file *f, uint64_t *ret_bytes)
{
    ASSERT(ret_bytes != NULL);
    struct stat st;
    if (fstat(fd_of(f), &st) != 0) {
        return err_from_errno(errno);
    }
    *ret_bytes = (uint64_t)st.st_size;
    return ERR_OK;
}

static enum err real_truncate(struct file *f, uint64_t bytes)
{
    ASSERT(bytes <= (uint64_t)INT64_MAX);
    return ftruncate(fd_of(f), (off_t)bytes) == 0 ? ERR_OK : err_from_errno(errno);
}

static enum err real_allocate(struct file *f, uint64_t bytes)
{
    ASSERT(bytes > 0 && bytes <= (uint64_t)INT64_MAX);
    int e = posix_fallocate(fd_of(f), 0, (off_t)bytes);
    // A file system without the call still works; only the promise of room is lost.
    return e == 0 || e == EOPNOTSUPP || e == EINVAL ? ERR_OK : err_from_errno(e);
}

static void real_close(struct file *f)
{
    if (f != NULL) {
        (void)close(fd_of(f));
        mem_free(f);
    }
}

static enum err real_rename(struct fs *fs, const char *from, const char *to)
{
    ASSERT(from != NULL && to != NULL);
    (void)fs;
    return rename(from, to) == 0 ? ERR_OK : err_from_errno(errno);
}

static enum err real_remove(struct fs *fs, const char *path)
{
    ASSERT(path != NULL);
    (void)fs;
    return unlink(path) == 0 ? ERR_OK : err_from_errno(errno);
}

static enum err real_sync_dir(struct fs *fs, const char *path)
{
    ASSERT(path != NULL);
    (void)fs;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return err_from_errno(errno);
    }
    enum err e = fsync(fd) == 0 ? ERR_OK : err_from_errno(errno);
    (void)close(fd);
    return e;
}

static enum err real_make_dir(struct fs *fs, const char *path)
{
    ASSERT(path != NULL);
    (void)fs;
    return mkdir(path, 0750) == 0 || errno == EEXIST ? ERR_OK : err_from_errno(errno);
}

static enum err real_list(struct fs *fs, const char *path,
                          void (*each)(void *ctx, const char *name), void *ctx)
{
    ASSERT(path != NULL && each != NULL);
    (void)fs;
    DIR *d = opendir(path);
    if (d == NULL) {
        return err_from_errno(errno);
    }
    for (const struct dirent *entry; (entry = readdir(d)) != NULL;) {
        struct stat st;
        if (fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(st.st_mode)) {
            each(ctx, entry->d_name);
        }
    }
    (void)closedir(d);
    return ERR_OK;
}

static enum err real_free_bytes(struct fs *fs, const char *path, uint64_t *ret_bytes)
{
    ASSERT(path != NULL && ret_bytes != NULL);
    struct statvfs v;
    (void)fs;
    if (statvfs(path, &v) != 0) {
        return err_from_errno(errno);
    }
    *ret_bytes = (uint64_t)v.f_bavail * v.f_frsize;
    return ERR_OK;
}

struct fs *fs_real(void)
{
    static const struct fs_ops ops = {
        .open = real_open,
        .read_at = real_read_at,
        .write_at = real_write_at,
        .sync = real_sync,
        .size = real_size,
        .truncate = real_truncate,
        .allocate = real_allocate,
        .close = real_close,
        .rename = real_rename,
        .remove = real_remove,
        .sync_dir = real_sync_dir,
        .make_dir = real_make_dir,
        .list = real_list,
        .free_bytes = real_free_bytes,
    };
    static struct fs fs = {.ops = &ops};
    return &fs;
}
