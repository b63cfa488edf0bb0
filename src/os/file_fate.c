// SPDX-License-Identifier: Apache-2.0
// Purpose: removing files, and setting them aside.
#include "os/file_fate.h"

#include <stdio.h>

#include "core/logger.h"
#include "core/must.h"

void file_meet_fate(struct fs *fs, const char *path, enum file_fate fate, const char *component)
{
    enum err e = ERR_OK;
    char bad[FS_PATH_MAX];
    ASSERT(fs != NULL && path != NULL);
    switch (fate) {
    case FILE_IS_REMOVED:
        e = fs->ops->remove(fs, path);
        break;
    case FILE_IS_SET_ASIDE:
        (void)snprintf(bad, sizeof bad, "%s.bad", path);
        e = fs->ops->rename(fs, path, bad);
        break;
    case FILE_STAYS:
        break;
    }
    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        log_write(LOG_WARN, component, "a file could not be removed or renamed", "path=%s error=%s",
                  path, err_name(e));
    }
}
