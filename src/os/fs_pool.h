// SPDX-License-Identifier: Apache-2.0
// Purpose: many files open for reading with few file descriptors. A file opened through the pool
// has a descriptor only while it is being read and as long as nobody else needs one: beyond the
// limit the one not read for longest is closed, and opened again by its path when it is read next.
// So a file must keep its path for as long as it is open here. More than the limit are open only
// while more than that are being read at the same moment.
//
// Any thread. Opening for writing is refused; folder operations go to the file table below.
#ifndef SONDE_OS_FS_POOL_H
#define SONDE_OS_FS_POOL_H

#include <stddef.h>

#include "os/fs.h"

struct fs_pool;

#define FS_POOL_MIN ((size_t)16)

// `open_max` 0: what os/descriptors.h has for it; at least FS_POOL_MIN.
struct fs_pool *fs_pool_new(struct fs *inner, size_t open_max);

// All files opened through it must be closed. NULL is fine.
void fs_pool_free(struct fs_pool *p);

struct fs *fs_pool_fs(struct fs_pool *p);

// Descriptors that it holds now, and its limit.
void fs_pool_count(struct fs_pool *p, size_t *ret_open, size_t *ret_max);

#endif
