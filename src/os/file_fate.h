// SPDX-License-Identifier: Apache-2.0
// Purpose: what becomes of a file once nobody reads it any more. Who takes it out of use says it
// while others still read; the last of them lets it happen.
#ifndef SONDE_OS_FILE_FATE_H
#define SONDE_OS_FILE_FATE_H

#include "os/fs.h"

enum file_fate { FILE_STAYS, FILE_IS_REMOVED, FILE_IS_SET_ASIDE /* renamed to <path>.bad */ };

// Lets it happen. A failure is logged for `component` and otherwise passed over: the file is not
// used any more, and who opens the folder next finds it.
void file_meet_fate(struct fs *fs, const char *path, enum file_fate fate, const char *component);

#endif
