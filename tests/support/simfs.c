// SPDX-License-Identifier: Apache-2.0
// Purpose: the simulated disk.
#include "support/simfs.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "core/must.h"

#define SECTOR    512
#define FILES_MAX 4096

// The bytes of one file, seen and durable, with a mark for each sector that differs by intent.
struct inode {
    char *seen, *durable;
    uint8_t *dirty;
    size_t capacity; // of all three, in bytes of content
    uint64_t seen_bytes, durable_bytes;
    int links; // names and open handles
};

struct name {
    char path[256];
    struct inode *inode;
};

// A change of the folder that is not durable yet.
struct dir_op {
    char path[256];
    struct inode *inode; // NULL: the name goes away
};

struct simfs {
    struct fs base;
    struct fs_ops ops;
    pthread_mutex_t lock;
    uint64_t random;
    unsigned write_permille, sync_permille;
    uint64_t operations, off_at;
    uint64_t growths, full_at; // writes that need new room
    bool full;
    struct name *seen, *durable; // FILES_MAX each; inode NULL: free
    struct dir_op *pending;
    size_t pending_count, pending_capacity;
};

struct sim_file {
    struct file base;
    struct simfs *fs;
    struct inode *inode;
};

// Under the lock.
static uint64_t roll(struct simfs *s, uint64_t n)
{
    s->random ^= s->random << 13;
    s->random ^= s->random >> 7;
    s->random ^= s->random << 17;
    return s->random % n;
}

uint64_t simfs_random(struct simfs *s, uint64_t n)
{
    pthread_mutex_lock(&s->lock);
    uint64_t r = roll(s, n);
    pthread_mutex_unlock(&s->lock);
    return r;
}

static void inode_unref(struct inode *i)
{
    if (i != NULL && --i->links == 0) {
        mem_free(i->seen);
        mem_free(i->durable);
        mem_free(i->dirty);
        mem_free(i);
    }
}

static void inode_room(struct inode *i, uint64_t bytes)
{
    size_t need = (size_t)(bytes + SECTOR - 1) / SECTOR * SECTOR;
    if (need <= i->capacity) {
        return;
    }
    // Files grow by a few bytes at a time, and sanitizers copy all that is resized.
    need = need < 2 * i->capacity ? 2 * i->capacity : need;
    i->seen = mem_resize(i->seen, need, 1);
    i->durable = mem_resize(i->durable, need, 1);
    i->dirty = mem_resize(i->dirty, need / SECTOR, 1);
    memset(i->seen + i->capacity, 0, need - i->capacity);
    memset(i->durable + i->capacity, 0, need - i->capacity);
    memset(i->dirty + i->capacity / SECTOR, 0, (need - i->capacity) / SECTOR);
    i->capacity = need;
}

static struct name *find(struct name *table, const char *path)
{
    for (size_t i = 0; i < FILES_MAX; i++) {
        if (table[i].inode != NULL && strcmp(table[i].path, path) == 0) {
            return &table[i];
        }
    }
    return NULL;
}

static void set_name(struct name *table, const char *path, struct inode *inode)
{
    struct name *n = find(table, path);
    if (inode != NULL) {
        inode->links++;
    }
    for (size_t i = 0; n == NULL && inode != NULL; i++) {
        MUST(i < FILES_MAX);
        if (table[i].inode == NULL) {
            n = &table[i];
            (void)snprintf(n->path, sizeof n->path, "%s", path);
        }
    }
    if (n != NULL) {
        inode_unref(n->inode);
        n->inode = inode;
    }
}

static void change_name(struct simfs *s, const char *path, struct inode *inode)
{
    s->pending =
        mem_grow(s->pending, &s->pending_capacity, s->pending_count + 1, sizeof *s->pending);
    struct dir_op *op = &s->pending[s->pending_count++];
    (void)snprintf(op->path, sizeof op->path, "%s", path);
    op->inode = inode;
    if (inode != NULL) {
        inode->links++;
    }
    set_name(s->seen, path, inode);
}

static void apply_pending(struct simfs *s, size_t count)
{
    for (size_t i = 0; i < s->pending_count; i++) {
        if (i < count) {
            set_name(s->durable, s->pending[i].path, s->pending[i].inode);
        }
        inode_unref(s->pending[i].inode);
    }
    s->pending_count = 0;
}

// Counts an operation; ERR_IO when the power is off.
static enum err power(struct simfs *s)
{
    s->operations++;
    return s->off_at != 0 && s->operations >= s->off_at ? ERR_IO : ERR_OK;
}

// Counts a write that needs new room; ERR_FULL when there is none.
static enum err take_room(struct simfs *s)
{
    s->growths++;
    return s->full || (s->full_at != 0 && s->growths >= s->full_at) ? ERR_FULL : ERR_OK;
}

static struct simfs *of(struct fs *fs)
{
    return (struct simfs *)fs;
}

static struct sim_file *file_of(struct file *f)
{
    return (struct sim_file *)f;
}

static enum err sim_open(struct fs *fs, const char *path, enum fs_open how, struct file **ret_file)
{
    struct simfs *s = of(fs);
    pthread_mutex_lock(&s->lock);
    enum err e = power(s);
    struct name *n = find(s->seen, path);
    if (e == ERR_OK && n == NULL && !(how & FS_CREATE)) {
        e = ERR_NOT_FOUND;
    }
    if (e == ERR_OK && n == NULL) {
        e = take_room(s);
    }
    if (e == ERR_OK) {
        if (n == NULL) {
            struct inode *made = mem_new(1, sizeof *made);
            inode_room(made, SECTOR);
            change_name(s, path, made);
            n = find(s->seen, path);
        }
        struct sim_file *f = mem_new(1, sizeof *f);
        f->base.ops = &s->ops;
        f->fs = s;
        f->inode = n->inode;
        f->inode->links++;
        *ret_file = &f->base;
    }
    pthread_mutex_unlock(&s->lock);
    return e;
}

static enum err sim_read_at(struct file *f, void *bytes, size_t n, uint64_t offset)
{
    struct inode *i = file_of(f)->inode;
    pthread_mutex_lock(&file_of(f)->fs->lock);
    enum err e = power(file_of(f)->fs);
    if (e == ERR_OK && offset + n > i->seen_bytes) {
        e = ERR_END;
    }
    if (e == ERR_OK && n > 0) {
        memcpy(bytes, i->seen + offset, n);
    }
    pthread_mutex_unlock(&file_of(f)->fs->lock);
    return e;
}

static void put(struct inode *i, const void *bytes, size_t n, uint64_t offset)
{
    inode_room(i, offset + n);
    memcpy(i->seen + offset, bytes, n);
    for (uint64_t at = offset / SECTOR; at <= (offset + n - 1) / SECTOR; at++) {
        i->dirty[at] = 1;
    }
    i->seen_bytes = offset + n > i->seen_bytes ? offset + n : i->seen_bytes;
}

static enum err sim_write_at(struct file *f, const void *bytes, size_t n, uint64_t offset)
{
    struct simfs *s = file_of(f)->fs;
    struct inode *i = file_of(f)->inode;
    pthread_mutex_lock(&s->lock);
    enum err e = power(s);
    bool off = e != ERR_OK;
    if (e == ERR_OK && offset + n > i->seen_bytes) {
        e = take_room(s);
    }
    if (e == ERR_OK && roll(s, 1000) < s->write_permille) {
        e = ERR_IO;
    }
    // A failing write may have written any part, also when the power goes in the middle of it.
    bool first_failure = off && s->operations == s->off_at;
    size_t part = e == ERR_OK ? n : first_failure || !off ? roll(s, n + 1) : 0;
    if (part > 0 && (e != ERR_FULL || s->full_at != 0)) {
        put(i, bytes, part, offset);
    }
    pthread_mutex_unlock(&s->lock);
    return e;
}

static void settle(struct simfs *s, struct inode *i, bool all)
{
    bool size_kept = all || roll(s, 2) == 0;
    for (size_t at = 0; at < i->capacity / SECTOR; at++) {
        if (i->dirty[at] && (all || roll(s, 2) == 0)) {
            memcpy(i->durable + at * SECTOR, i->seen + at * SECTOR, SECTOR);
        }
        i->dirty[at] = 0;
    }
    i->durable_bytes = size_kept ? i->seen_bytes : i->durable_bytes;
}

static enum err sim_sync(struct file *f)
{
    struct simfs *s = file_of(f)->fs;
    pthread_mutex_lock(&s->lock);
    enum err e = power(s);
    if (e == ERR_OK && roll(s, 1000) < s->sync_permille) {
        settle(s, file_of(f)->inode, roll(s, 3) == 0);
        e = ERR_IO;
    } else if (e == ERR_OK) {
        settle(s, file_of(f)->inode, true);
    }
    pthread_mutex_unlock(&s->lock);
    return e;
}

static enum err sim_size(struct file *f, uint64_t *ret_bytes)
{
    pthread_mutex_lock(&file_of(f)->fs->lock);
    *ret_bytes = file_of(f)->inode->seen_bytes;
    pthread_mutex_unlock(&file_of(f)->fs->lock);
    return ERR_OK;
}

static enum err sim_resize(struct file *f, uint64_t bytes, bool shrink)
{
    struct simfs *s = file_of(f)->fs;
    struct inode *i = file_of(f)->inode;
    pthread_mutex_lock(&s->lock);
    enum err e = power(s);
    if (e == ERR_OK && bytes > i->seen_bytes) {
        e = take_room(s);
    }
    if (e == ERR_OK && (shrink || bytes > i->seen_bytes)) {
        inode_room(i, bytes);
        i->seen_bytes = bytes;
    }
    pthread_mutex_unlock(&s->lock);
    return e;
}

static enum err sim_truncate(struct file *f, uint64_t bytes)
{
    return sim_resize(f, bytes, true);
}

static enum err sim_allocate(struct file *f, uint64_t bytes)
{
    return sim_resize(f, bytes, false);
}

static void sim_close(struct file *f)
{
    if (f != NULL) {
        struct simfs *s = file_of(f)->fs;
        pthread_mutex_lock(&s->lock);
        inode_unref(file_of(f)->inode);
        pthread_mutex_unlock(&s->lock);
        mem_free(f);
    }
}

static enum err sim_rename(struct fs *fs, const char *from, const char *to)
{
    struct simfs *s = of(fs);
    pthread_mutex_lock(&s->lock);
    enum err e = power(s);
    struct name *n = find(s->seen, from);
    if (e == ERR_OK && n == NULL) {
        e = ERR_NOT_FOUND;
    }
    if (e == ERR_OK) {
        struct inode *i = n->inode;
        i->links++;
        change_name(s, to, i);
        change_name(s, from, NULL);
        inode_unref(i);
    }
    pthread_mutex_unlock(&s->lock);
    return e;
}

static enum err sim_remove(struct fs *fs, const char *path)
{
    struct simfs *s = of(fs);
    pthread_mutex_lock(&s->lock);
    enum err e = power(s);
    if (e == ERR_OK && find(s->seen, path) == NULL) {
        e = ERR_NOT_FOUND;
    }
    if (e == ERR_OK) {
        change_name(s, path, NULL);
    }
    pthread_mutex_unlock(&s->lock);
    return e;
}

static enum err sim_sync_dir(struct fs *fs, const char *path)
{
    struct simfs *s = of(fs);
    (void)path;
    pthread_mutex_lock(&s->lock);
    enum err e = power(s);
    if (e == ERR_OK) {
        apply_pending(s, s->pending_count);
    }
    pthread_mutex_unlock(&s->lock);
    return e;
}

static enum err sim_make_dir(struct fs *fs, const char *path)
{
    (void)fs;
    (void)path;
    return ERR_OK;
}

static enum err sim_list(struct fs *fs, const char *path, void (*each)(void *ctx, const char *name),
                         void *ctx)
{
    struct simfs *s = of(fs);
    size_t n = strlen(path);
    pthread_mutex_lock(&s->lock);
    enum err e = power(s);
    for (size_t i = 0; e == ERR_OK && i < FILES_MAX; i++) {
        const char *p = s->seen[i].path;
        if (s->seen[i].inode != NULL && strncmp(p, path, n) == 0 && p[n] == '/' &&
            strchr(p + n + 1, '/') == NULL) {
            each(ctx, p + n + 1);
        }
    }
    pthread_mutex_unlock(&s->lock);
    return e;
}

static enum err sim_free_bytes(struct fs *fs, const char *path, uint64_t *ret_bytes)
{
    (void)path;
    pthread_mutex_lock(&of(fs)->lock);
    *ret_bytes = of(fs)->full ? 0 : (uint64_t)1 << 40;
    pthread_mutex_unlock(&of(fs)->lock);
    return ERR_OK;
}

struct simfs *simfs_new(uint64_t seed)
{
    struct simfs *s = mem_new(1, sizeof *s);
    s->ops = (struct fs_ops){
        .open = sim_open,
        .read_at = sim_read_at,
        .write_at = sim_write_at,
        .sync = sim_sync,
        .size = sim_size,
        .truncate = sim_truncate,
        .allocate = sim_allocate,
        .close = sim_close,
        .rename = sim_rename,
        .remove = sim_remove,
        .sync_dir = sim_sync_dir,
        .make_dir = sim_make_dir,
        .list = sim_list,
        .free_bytes = sim_free_bytes,
    };
    s->base.ops = &s->ops;
    s->random = seed * 0x9e3779b97f4a7c15U + 1;
    s->seen = mem_new(FILES_MAX, sizeof *s->seen);
    s->durable = mem_new(FILES_MAX, sizeof *s->durable);
    MUST(pthread_mutex_init(&s->lock, NULL) == 0);
    return s;
}

void simfs_free(struct simfs *s)
{
    apply_pending(s, 0);
    for (size_t i = 0; i < FILES_MAX; i++) {
        inode_unref(s->seen[i].inode);
        inode_unref(s->durable[i].inode);
    }
    mem_free(s->seen);
    mem_free(s->durable);
    mem_free(s->pending);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

struct fs *simfs_fs(struct simfs *s)
{
    return &s->base;
}

void simfs_set_faults(struct simfs *s, unsigned write_permille, unsigned sync_permille)
{
    pthread_mutex_lock(&s->lock);
    s->write_permille = write_permille;
    s->sync_permille = sync_permille;
    pthread_mutex_unlock(&s->lock);
}

void simfs_power_off_after(struct simfs *s, uint64_t operations)
{
    pthread_mutex_lock(&s->lock);
    s->off_at = operations == 0 ? 0 : s->operations + operations;
    pthread_mutex_unlock(&s->lock);
}

void simfs_set_full(struct simfs *s, bool full)
{
    pthread_mutex_lock(&s->lock);
    s->full = full;
    pthread_mutex_unlock(&s->lock);
}

void simfs_fill_after(struct simfs *s, uint64_t writes)
{
    pthread_mutex_lock(&s->lock);
    s->full_at = writes == 0 ? 0 : s->growths + writes;
    pthread_mutex_unlock(&s->lock);
}

void simfs_crash(struct simfs *s)
{
    pthread_mutex_lock(&s->lock);
    apply_pending(s, roll(s, s->pending_count + 1));
    for (size_t i = 0; i < FILES_MAX; i++) {
        if (s->seen[i].inode != NULL) {
            inode_unref(s->seen[i].inode);
        }
        s->seen[i].inode = NULL;
    }
    for (size_t i = 0; i < FILES_MAX; i++) {
        struct inode *n = s->durable[i].inode;
        if (n == NULL) {
            continue;
        }
        settle(s, n, roll(s, 3) == 0);
        memcpy(n->seen, n->durable, n->capacity);
        n->seen_bytes = n->durable_bytes;
        s->seen[i] = s->durable[i];
        n->links++;
    }
    s->off_at = 0;
    pthread_mutex_unlock(&s->lock);
}
