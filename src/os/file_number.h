// SPDX-License-Identifier: Apache-2.0
// Purpose: files that are named by a number: 16 lower-case hexadecimal digits, then a suffix, such
// as "00000000000000ff.part". Segments of the journal and the parts of both stores are.
//
// Numbers count from 1, and the greatest that 64 bits hold names none: so the number after that of
// any file is one too. Every other name is another's file, which nobody may read, number or remove.
#ifndef SONDE_OS_FILE_NUMBER_H
#define SONDE_OS_FILE_NUMBER_H

#include <stdint.h>

#include "core/err.h"

#define FILE_NUMBER_DIGITS 16

// Of a name without a path. ERR_INVALID for what is no such name.
MUST_CHECK enum err file_number_parse(const char *name, const char *suffix, uint64_t *ret_number);

#endif
