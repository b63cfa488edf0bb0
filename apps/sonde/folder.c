// SPDX-License-Identifier: Apache-2.0
// Purpose: locking the data folder.
#include "folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/must.h"
#include "os/fs.h"

enum err folder_take(struct folder *f, const char *dir, struct err_at *ret_at)
{
    char path[FS_PATH_MAX];
    ASSERT(f->lock_fd < 0 && f->folder_fd < 0);
    int n = snprintf(path, sizeof path, "%s/lock", dir);
    if (n < 0 || n >= (int)sizeof path) {
        return err_at_set(ret_at, ERR_LIMIT, 0, "the path of the data folder is too long");
    }
    f->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (f->lock_fd < 0) {
        return err_at_set(ret_at, err_from_errno(errno), 0, "%s: %s", path, strerror(errno));
    }
    f->folder_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    // Not every file system can lock a folder.
    if (flock(f->lock_fd, LOCK_EX | LOCK_NB) != 0 ||
        (f->folder_fd >= 0 && flock(f->folder_fd, LOCK_EX | LOCK_NB) != 0 &&
         errno == EWOULDBLOCK)) {
        return err_at_set(ret_at, ERR_BUSY, 0, "data folder %s is in use by another sonde process",
                          dir);
    }
    return ERR_OK;
}

bool folder_is_there(const struct folder *f, const char *dir)
{
    struct stat held, found;
    ASSERT(dir != NULL);
    return f->folder_fd < 0 || fstat(f->folder_fd, &held) != 0 ||
           (stat(dir, &found) == 0 && held.st_dev == found.st_dev && held.st_ino == found.st_ino);
}

void folder_done(struct folder *f)
{
    ASSERT(f != NULL);
    if (f->folder_fd >= 0) {
        (void)close(f->folder_fd);
    }
    if (f->lock_fd >= 0) {
        (void)close(f->lock_fd);
    }
    *f = FOLDER_NONE;
}
