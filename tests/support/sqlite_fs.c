// SPDX-License-Identifier: Apache-2.0
// Purpose: a VFS of SQLite over a struct fs.
#include "support/sqlite_fs.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "core/must.h"

struct vfs_file {
    sqlite3_file base;
    struct fs *fs;
    struct file *f;
    char path[256];
    bool is_new; // its name is not durable yet
};

static struct vfs_file *of(sqlite3_file *f)
{
    return (struct vfs_file *)f;
}

static int code_of(enum err e, int otherwise)
{
    return e == ERR_OK ? SQLITE_OK : e == ERR_FULL ? SQLITE_FULL : otherwise;
}

static enum err sync_folder_of(struct fs *fs, const char *path)
{
    char dir[256];
    (void)snprintf(dir, sizeof dir, "%s", path);
    char *slash = strrchr(dir, '/');
    MUST(slash != NULL);
    *slash = 0;
    return fs->ops->sync_dir(fs, dir);
}

static int vfs_close(sqlite3_file *f)
{
    of(f)->f->ops->close(of(f)->f);
    return SQLITE_OK;
}

static int vfs_read(sqlite3_file *f, void *bytes, int n, sqlite3_int64 offset)
{
    struct file *in = of(f)->f;
    uint64_t size = 0, at = (uint64_t)offset;
    enum err e = in->ops->size(in, &size);
    size_t have = at >= size ? 0 : size - at < (size_t)n ? (size_t)(size - at) : (size_t)n;
    if (e == ERR_OK) {
        e = in->ops->read_at(in, bytes, have, at);
    }
    if (e != ERR_OK) {
        return SQLITE_IOERR_READ;
    }
    memset((char *)bytes + have, 0, (size_t)n - have);
    return have == (size_t)n ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int vfs_write(sqlite3_file *f, const void *bytes, int n, sqlite3_int64 offset)
{
    struct file *in = of(f)->f;
    return code_of(in->ops->write_at(in, bytes, (size_t)n, (uint64_t)offset), SQLITE_IOERR_WRITE);
}

static int vfs_truncate(sqlite3_file *f, sqlite3_int64 bytes)
{
    struct file *in = of(f)->f;
    return code_of(in->ops->truncate(in, (uint64_t)bytes), SQLITE_IOERR_TRUNCATE);
}

static int vfs_sync(sqlite3_file *f, int flags)
{
    struct file *in = of(f)->f;
    (void)flags;
    enum err e = in->ops->sync(in);
    if (e == ERR_OK && of(f)->is_new) {
        e = sync_folder_of(of(f)->fs, of(f)->path);
        of(f)->is_new = e != ERR_OK;
    }
    return code_of(e, SQLITE_IOERR_FSYNC);
}

static int vfs_size(sqlite3_file *f, sqlite3_int64 *ret_bytes)
{
    struct file *in = of(f)->f;
    uint64_t bytes = 0;
    enum err e = in->ops->size(in, &bytes);
    *ret_bytes = (sqlite3_int64)bytes;
    return code_of(e, SQLITE_IOERR_FSTAT);
}

static int vfs_lock(sqlite3_file *f, int kind)
{
    (void)f;
    (void)kind;
    return SQLITE_OK;
}

static int vfs_check_lock(sqlite3_file *f, int *ret_locked)
{
    (void)f;
    *ret_locked = 0;
    return SQLITE_OK;
}

static int vfs_control(sqlite3_file *f, int what, void *arg)
{
    (void)f;
    (void)what;
    (void)arg;
    return SQLITE_NOTFOUND;
}

static int vfs_sector_size(sqlite3_file *f)
{
    (void)f;
    return 512; // what the simulated disk tears
}

static int vfs_characteristics(sqlite3_file *f)
{
    (void)f;
    // As SQLite's own on Linux: what stands beside the bytes of a torn write is not harmed.
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags,
                    int *ret_flags)
{
    static const sqlite3_io_methods methods = {
        .iVersion = 1,
        .xClose = vfs_close,
        .xRead = vfs_read,
        .xWrite = vfs_write,
        .xTruncate = vfs_truncate,
        .xSync = vfs_sync,
        .xFileSize = vfs_size,
        .xLock = vfs_lock,
        .xUnlock = vfs_lock,
        .xCheckReservedLock = vfs_check_lock,
        .xFileControl = vfs_control,
        .xSectorSize = vfs_sector_size,
        .xDeviceCharacteristics = vfs_characteristics,
    };
    struct fs *fs = vfs->pAppData;
    struct file *f = NULL;
    file->pMethods = NULL;
    if (path == NULL) {
        return SQLITE_CANTOPEN; // temporary files stay in memory
    }
    enum err e = fs->ops->open(fs, path, FS_WRITE, &f);
    bool is_new = e == ERR_NOT_FOUND && (flags & SQLITE_OPEN_CREATE);
    if (is_new) {
        e = fs->ops->open(fs, path, FS_WRITE | FS_CREATE, &f);
    }
    if (e != ERR_OK) {
        return code_of(e, SQLITE_CANTOPEN);
    }
    struct vfs_file *out = of(file);
    *out = (struct vfs_file){.base.pMethods = &methods, .fs = fs, .f = f, .is_new = is_new};
    (void)snprintf(out->path, sizeof out->path, "%s", path);
    if (ret_flags != NULL) {
        *ret_flags = flags;
    }
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync_dir)
{
    struct fs *fs = vfs->pAppData;
    enum err e = fs->ops->remove(fs, path);
    if (e == ERR_OK && sync_dir) {
        e = sync_folder_of(fs, path);
    }
    return e == ERR_NOT_FOUND ? SQLITE_IOERR_DELETE_NOENT : code_of(e, SQLITE_IOERR_DELETE);
}

static int vfs_access(sqlite3_vfs *vfs, const char *path, int flags, int *ret_yes)
{
    struct fs *fs = vfs->pAppData;
    struct file *f = NULL;
    uint64_t bytes = 0;
    (void)flags;
    enum err e = fs->ops->open(fs, path, FS_READ, &f);
    if (e == ERR_OK) {
        e = f->ops->size(f, &bytes);
        f->ops->close(f);
    }
    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        return SQLITE_IOERR_ACCESS;
    }
    // As SQLite's own does: an empty file is as good as none.
    *ret_yes = e == ERR_OK && (flags != SQLITE_ACCESS_EXISTS || bytes > 0);
    return SQLITE_OK;
}

static int vfs_full_path(sqlite3_vfs *vfs, const char *path, int n, char *out)
{
    (void)vfs;
    return snprintf(out, (size_t)n, "%s", path) < n ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int vfs_random(sqlite3_vfs *vfs, int n, char *out)
{
    (void)vfs;
    memset(out, 7, (size_t)n); // the same life for the same seed
    return n;
}

static int vfs_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    return us;
}

static int vfs_time(sqlite3_vfs *vfs, double *ret_days)
{
    (void)vfs;
    *ret_days = 2460000.5;
    return SQLITE_OK;
}

static int vfs_error(sqlite3_vfs *vfs, int n, char *out)
{
    (void)vfs;
    (void)n;
    (void)out;
    return 0;
}

void sqlite_fs_register(const char *name, struct fs *fs)
{
    static sqlite3_vfs vfs = {
        .iVersion = 1,
        .szOsFile = (int)sizeof(struct vfs_file),
        .mxPathname = 250,
        .xOpen = vfs_open,
        .xDelete = vfs_delete,
        .xAccess = vfs_access,
        .xFullPathname = vfs_full_path,
        .xRandomness = vfs_random,
        .xSleep = vfs_sleep,
        .xCurrentTime = vfs_time,
        .xGetLastError = vfs_error,
    };
    MUST(name != NULL && sqlite3_initialize() == SQLITE_OK);
    (void)sqlite3_vfs_unregister(&vfs);
    vfs.zName = name;
    vfs.pAppData = fs;
    if (fs != NULL) {
        MUST(sqlite3_vfs_register(&vfs, 0) == SQLITE_OK);
    }
}
