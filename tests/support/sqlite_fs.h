// SPDX-License-Identifier: Apache-2.0
// Purpose: SQLite over a struct fs, so that the catalog lives on the same simulated disk as the
// journal and the parts. One connection a file: locks are not kept, and there is no shared memory.
#ifndef SONDE_TESTS_SUPPORT_SQLITE_FS_H
#define SONDE_TESTS_SUPPORT_SQLITE_FS_H

#include "os/fs.h"

// Makes SQLite know the disk under this name (which must stay valid), in the place of what bore it
// before; with fs == NULL the name goes away.
void sqlite_fs_register(const char *name, struct fs *fs);

#endif
