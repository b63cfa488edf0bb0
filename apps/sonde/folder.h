// SPDX-License-Identifier: Apache-2.0
// Purpose: the data folder belongs to one process at a time: two on one folder would destroy it.
#ifndef SONDE_APPS_FOLDER_H
#define SONDE_APPS_FOLDER_H

#include <stdbool.h>

#include "core/err.h"

// The lock, held until folder_done(); the folder itself is locked too, since somebody may remove
// the file in it.
struct folder {
    int lock_fd, folder_fd; // -1: not held
};

#define FOLDER_NONE ((struct folder){-1, -1})

// ERR_BUSY where another process has it. What was taken on the way to a failure is kept until
// folder_done().
MUST_CHECK enum err folder_take(struct folder *f, const char *dir, struct err_at *ret_at);

// Whether the path still leads to the folder that is held.
bool folder_is_there(const struct folder *f, const char *dir);

void folder_done(struct folder *f);

#endif
