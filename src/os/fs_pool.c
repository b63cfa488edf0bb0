// SPDX-License-Identifier: Apache-2.0
// Purpose: many files with few descriptors.
#include "os/fs_pool.h"

#include <pthread.h>
#include <string.h>

#include "core/mem.h"
#include "core/must.h"
#include "os/descriptors.h"

struct pool_file {
    struct file base;
    struct fs_pool *pool;
    char *path;
    struct file *inner;              // NULL without a descriptor
    unsigned pins;                   // reads under way
    struct pool_file *newer, *older; // of those with a descriptor
};

struct fs_pool {
    struct fs base;
    struct fs_ops ops;
    struct fs *inner;
    size_t max;
    pthread_mutex_t lock; // over what follows, and all pool_file fields but `path`
    struct pool_file *newest, *oldest;
    size_t open, files;
};

static struct pool_file *of(struct file *f)
{
    ASSERT(f != NULL);
    return (struct pool_file *)f;
}

static struct fs_pool *pool_of(struct fs *fs)
{
    ASSERT(fs != NULL);
    return (struct fs_pool *)fs;
}

// ---- The list, under the lock -------------------------------------------------------------------

static void unlink_file(struct fs_pool *p, struct pool_file *f)
{
    ASSERT(p->newest != NULL && p->oldest != NULL);
    *(f->newer != NULL ? &f->newer->older : &p->newest) = f->older;
    *(f->older != NULL ? &f->older->newer : &p->oldest) = f->newer;
    f->newer = f->older = NULL;
}

static void link_newest(struct fs_pool *p, struct pool_file *f)
{
    ASSERT(f->newer == NULL && f->older == NULL);
    f->older = p->newest;
    *(p->newest != NULL ? &p->newest->newer : &p->oldest) = f;
    p->newest = f;
}

static void drop_descriptor(struct fs_pool *p, struct pool_file *f)
{
    MUST(f->inner != NULL && f->pins == 0 && p->open > 0);
    unlink_file(p, f);
    f->inner->ops->close(f->inner);
    f->inner = NULL;
    p->open--;
}

// Closes the one not read for longest; false when all are being read.
static bool drop_oldest(struct fs_pool *p)
{
    struct pool_file *f = p->oldest;
    while (f != NULL && f->pins > 0) {
        f = f->newer;
    }
    if (f != NULL) {
        ASSERT(f->pool == p);
        drop_descriptor(p, f);
    }
    return f != NULL;
}

static enum err open_descriptor(struct fs_pool *p, struct pool_file *f)
{
    ASSERT(f->inner == NULL);
    while (p->open >= p->max && drop_oldest(p)) {
    }
    enum err e = p->inner->ops->open(p->inner, f->path, FS_READ, &f->inner);
    if (e == ERR_IO && drop_oldest(p)) { // others may have taken the process's last descriptor
        e = p->inner->ops->open(p->inner, f->path, FS_READ, &f->inner);
    }
    if (e == ERR_OK) {
        p->open++;
        link_newest(p, f);
    }
    return e;
}

// ---- Files --------------------------------------------------------------------------------------

// Pins the file's descriptor. A file that is gone from its path is damage, not absence.
static enum err pin(struct pool_file *f)
{
    struct fs_pool *p = f->pool;
    enum err e = ERR_OK;
    (void)pthread_mutex_lock(&p->lock);
    if (f->inner == NULL) {
        e = open_descriptor(p, f);
    } else if (p->newest != f) {
        unlink_file(p, f);
        link_newest(p, f);
    }
    f->pins += e == ERR_OK ? 1 : 0;
    (void)pthread_mutex_unlock(&p->lock);
    ASSERT(e != ERR_OK || f->inner != NULL);
    return e;
}

static void unpin(struct pool_file *f)
{
    (void)pthread_mutex_lock(&f->pool->lock);
    MUST(f->pins > 0);
    f->pins--;
    (void)pthread_mutex_unlock(&f->pool->lock);
}

static void pool_close(struct file *file)
{
    if (file == NULL) {
        return;
    }
    struct pool_file *f = of(file);
    struct fs_pool *p = f->pool;
    (void)pthread_mutex_lock(&p->lock);
    MUST(f->pins == 0 && p->files > 0);
    if (f->inner != NULL) {
        drop_descriptor(p, f);
    }
    p->files--;
    (void)pthread_mutex_unlock(&p->lock);
    mem_free(f->path);
    mem_free(f);
}

static enum err pool_open(struct fs *fs, const char *path, enum fs_open how, struct file **ret_file)
{
    struct fs_pool *p = pool_of(fs);
    ASSERT(path != NULL && ret_file != NULL);
    if (how != FS_READ) {
        return ERR_DENIED;
    }
    struct pool_file *f = mem_new(1, sizeof *f);
    f->base.ops = &p->ops;
    f->pool = p;
    f->path = mem_alloc(strlen(path) + 1);
    memcpy(f->path, path, strlen(path) + 1);
    (void)pthread_mutex_lock(&p->lock);
    p->files++;
    (void)pthread_mutex_unlock(&p->lock);
    enum err e = pin(f);
    if (e != ERR_OK) {
        pool_close(&f->base);
        return e;
    }
    unpin(f);
    *ret_file = &f->base;
    return ERR_OK;
}

static enum err pool_read_at(struct file *file, void *bytes, size_t n, uint64_t offset)
{
    struct pool_file *f = of(file);
    ASSERT(bytes != NULL || n == 0);
    enum err e = pin(f);
    if (e != ERR_OK) {
        return e == ERR_NOT_FOUND ? ERR_CORRUPT : e;
    }
    e = f->inner->ops->read_at(f->inner, bytes, n, offset);
    unpin(f);
    return e;
}

static enum err pool_size(struct file *file, uint64_t *ret_bytes)
{
    struct pool_file *f = of(file);
    ASSERT(ret_bytes != NULL);
    enum err e = pin(f);
    if (e != ERR_OK) {
        return e == ERR_NOT_FOUND ? ERR_CORRUPT : e;
    }
    e = f->inner->ops->size(f->inner, ret_bytes);
    unpin(f);
    return e;
}

// ---- Folders: to the table below ----------------------------------------------------------------

static enum err pool_rename(struct fs *fs, const char *from, const char *to)
{
    struct fs *in = pool_of(fs)->inner;
    return in->ops->rename(in, from, to);
}

static enum err pool_remove(struct fs *fs, const char *path)
{
    struct fs *in = pool_of(fs)->inner;
    return in->ops->remove(in, path);
}

// ---- The pool -----------------------------------------------------------------------------------

struct fs_pool *fs_pool_new(struct fs *inner, size_t open_max)
{
    struct fs_pool *p = mem_new(1, sizeof *p);
    ASSERT(inner != NULL);
    p->ops = (struct fs_ops){.open = pool_open,
                             .read_at = pool_read_at,
                             .size = pool_size,
                             .close = pool_close,
                             .rename = pool_rename,
                             .remove = pool_remove};
    p->base.ops = &p->ops;
    p->inner = inner;
    p->max = open_max != 0 ? open_max : descriptors_for_reading(descriptors_limit());
    p->max = p->max > FS_POOL_MIN ? p->max : FS_POOL_MIN;
    MUST(pthread_mutex_init(&p->lock, NULL) == 0);
    return p;
}

void fs_pool_free(struct fs_pool *p)
{
    if (p == NULL) {
        return;
    }
    MUST(p->files == 0 && p->open == 0);
    (void)pthread_mutex_destroy(&p->lock);
    mem_free(p);
}

struct fs *fs_pool_fs(struct fs_pool *p)
{
    ASSERT(p->inner != NULL);
    return &p->base;
}

void fs_pool_count(struct fs_pool *p, size_t *ret_open, size_t *ret_max)
{
    ASSERT(ret_open != NULL && ret_max != NULL);
    (void)pthread_mutex_lock(&p->lock);
    *ret_open = p->open;
    *ret_max = p->max;
    (void)pthread_mutex_unlock(&p->lock);
}
