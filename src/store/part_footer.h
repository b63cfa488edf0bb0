// SPDX-License-Identifier: Apache-2.0
// Purpose: what the end of a part says: the whole part, its services, its blocks and where they
// are. Kept in memory for every open part.
#ifndef SONDE_STORE_PART_FOOTER_H
#define SONDE_STORE_PART_FOOTER_H

#include "core/arena.h"
#include "core/buf.h"
#include "store/part_format.h"

struct block_place {
    uint64_t offset;          // in the file
    uint32_t region_bytes;    // all regions
    uint32_t directory_bytes; // right after them
    uint64_t directory_sum;
};

struct part_footer {
    struct part_meta meta;
    uint64_t bloom_offset;
    uint32_t bloom_blocks;
    struct block_meta *blocks;
    struct block_place *places;
    struct part_service *services; // what meta points to
};

// The footer's bytes in a version of the format, without the tail.
void footer_encode(const struct part_footer *f, unsigned version, struct buf *out);

// Checks every number against `file_bytes` (of the whole part), and that counts and ranges of part,
// services and blocks agree; lists and texts are put in `a`.
MUST_CHECK enum err footer_decode(struct str bytes, unsigned version, uint64_t file_bytes,
                                  struct arena *a, struct part_footer *ret_footer);

#endif
