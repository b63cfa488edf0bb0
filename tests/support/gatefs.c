// SPDX-License-Identifier: Apache-2.0
// Purpose: the disk whose syncs can be held back.
#include "support/gatefs.h"

#include <pthread.h>

#include "core/mem.h"

struct gatefs {
    struct fs base;
    struct fs *inner;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool shut;
    int waiting;
};

struct gate_file {
    struct file base;
    struct file *inner;
    struct gatefs *gate;
};

static struct fs *inner_fs(struct fs *fs)
{
    return ((struct gatefs *)fs)->inner;
}

static struct file *inner_file(struct file *f)
{
    return ((struct gate_file *)f)->inner;
}

static enum err gate_open_file(struct fs *fs, const char *path, enum fs_open how,
                               struct file **ret_file)
{
    struct fs *in = inner_fs(fs);
    struct file *inner = NULL;
    enum err e = in->ops->open(in, path, how, &inner);
    if (e != ERR_OK) {
        return e;
    }
    struct gate_file *f = mem_new(1, sizeof *f);
    f->base.ops = fs->ops;
    f->inner = inner;
    f->gate = (struct gatefs *)fs;
    *ret_file = &f->base;
    return ERR_OK;
}

static enum err gate_read_at(struct file *f, void *bytes, size_t n, uint64_t offset)
{
    struct file *in = inner_file(f);
    return in->ops->read_at(in, bytes, n, offset);
}

static enum err gate_write_at(struct file *f, const void *bytes, size_t n, uint64_t offset)
{
    struct file *in = inner_file(f);
    return in->ops->write_at(in, bytes, n, offset);
}

static enum err gate_sync(struct file *f)
{
    struct gatefs *g = ((struct gate_file *)f)->gate;
    struct file *in = inner_file(f);
    pthread_mutex_lock(&g->lock);
    g->waiting++;
    pthread_cond_broadcast(&g->changed);
    while (g->shut) {
        pthread_cond_wait(&g->changed, &g->lock);
    }
    g->waiting--;
    pthread_mutex_unlock(&g->lock);
    return in->ops->sync(in);
}

static enum err gate_size(struct file *f, uint64_t *ret_bytes)
{
    struct file *in = inner_file(f);
    return in->ops->size(in, ret_bytes);
}

static enum err gate_truncate(struct file *f, uint64_t bytes)
{
    struct file *in = inner_file(f);
    return in->ops->truncate(in, bytes);
}

static enum err gate_allocate(struct file *f, uint64_t bytes)
{
    struct file *in = inner_file(f);
    return in->ops->allocate(in, bytes);
}

static void gate_close(struct file *f)
{
    if (f != NULL) {
        struct file *in = inner_file(f);
        in->ops->close(in);
        mem_free(f);
    }
}

static enum err gate_rename(struct fs *fs, const char *from, const char *to)
{
    struct fs *in = inner_fs(fs);
    return in->ops->rename(in, from, to);
}

static enum err gate_remove(struct fs *fs, const char *path)
{
    struct fs *in = inner_fs(fs);
    return in->ops->remove(in, path);
}

static enum err gate_sync_dir(struct fs *fs, const char *path)
{
    struct fs *in = inner_fs(fs);
    return in->ops->sync_dir(in, path);
}

static enum err gate_make_dir(struct fs *fs, const char *path)
{
    struct fs *in = inner_fs(fs);
    return in->ops->make_dir(in, path);
}

static enum err gate_list(struct fs *fs, const char *path,
                          void (*each)(void *ctx, const char *name), void *ctx)
{
    struct fs *in = inner_fs(fs);
    return in->ops->list(in, path, each, ctx);
}

static enum err gate_free_bytes(struct fs *fs, const char *path, uint64_t *ret_bytes)
{
    struct fs *in = inner_fs(fs);
    return in->ops->free_bytes(in, path, ret_bytes);
}

static const struct fs_ops GATE_OPS = {
    .open = gate_open_file,
    .read_at = gate_read_at,
    .write_at = gate_write_at,
    .sync = gate_sync,
    .size = gate_size,
    .truncate = gate_truncate,
    .allocate = gate_allocate,
    .close = gate_close,
    .rename = gate_rename,
    .remove = gate_remove,
    .sync_dir = gate_sync_dir,
    .make_dir = gate_make_dir,
    .list = gate_list,
    .free_bytes = gate_free_bytes,
};

struct gatefs *gatefs_new(struct fs *inner)
{
    struct gatefs *g = mem_new(1, sizeof *g);
    g->base.ops = &GATE_OPS;
    g->inner = inner;
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->changed, NULL);
    return g;
}

void gatefs_free(struct gatefs *g)
{
    pthread_mutex_destroy(&g->lock);
    pthread_cond_destroy(&g->changed);
    mem_free(g);
}

struct fs *gatefs_fs(struct gatefs *g)
{
    return &g->base;
}

void gatefs_shut(struct gatefs *g)
{
    pthread_mutex_lock(&g->lock);
    g->shut = true;
    pthread_mutex_unlock(&g->lock);
}

void gatefs_open(struct gatefs *g)
{
    pthread_mutex_lock(&g->lock);
    g->shut = false;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

void gatefs_await(struct gatefs *g)
{
    pthread_mutex_lock(&g->lock);
    while (g->waiting == 0) {
        pthread_cond_wait(&g->changed, &g->lock);
    }
    pthread_mutex_unlock(&g->lock);
}
