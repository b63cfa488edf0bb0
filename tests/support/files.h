// SPDX-License-Identifier: Apache-2.0
// Purpose: whole files for tests.
#ifndef SONDE_TESTS_SUPPORT_FILES_H
#define SONDE_TESTS_SUPPORT_FILES_H

#include "os/fs.h"

// Allocates (mem_free() it); refuses files larger than `max` with ERR_LIMIT.
MUST_CHECK enum err fs_read_all(struct fs *fs, const char *path, size_t max, char **ret_bytes,
                                size_t *ret_n);

#endif
