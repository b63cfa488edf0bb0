// SPDX-License-Identifier: Apache-2.0
// Purpose: the constants that the writer and the reader of a part share; part.h has the format.
#ifndef SONDE_SERIES_PART_FORMAT_H
#define SONDE_SERIES_PART_FORMAT_H

#include "series/part.h"

#define PART_MAGIC      "SONDESER"
#define PART_HEAD_BYTES 16u
#define PART_TAIL_BYTES 24u
#define BLOCK_BYTES     ((size_t)64 << 10) // of chunks; then the block ends
#define TABLE_SERIES    4096u
#define TABLE_BYTES     ((size_t)1 << 20)
#define FOOTER_MAX      ((size_t)64 << 20)
#define KEY_BYTES_MAX   (2 * SERIES_LABELS_MAX * (SERIES_LABEL_BYTES_MAX + 1))

#endif
