// SPDX-License-Identifier: Apache-2.0
// Purpose: the trace filter of a part: a split-block bloom filter. A trace sets one bit in each of
// the eight words of one 32-byte block, so a look-up reads one block; blocks are stored in chunks
// with a checksum each, so that it is one small checked read. 12 bits a trace: about one miss in
// 150 gets through.
#ifndef SONDE_STORE_BLOOM_H
#define SONDE_STORE_BLOOM_H

#include <stdbool.h>

#include "core/buf.h"
#include "core/err.h"
#include "os/fs.h"

#define BLOOM_BITS_PER_TRACE 12u
#define BLOOM_BLOCK_BYTES    32u
#define BLOOM_CHUNK_BLOCKS   16u
#define BLOOM_CHUNK_BYTES    (BLOOM_BLOCK_BYTES * BLOOM_CHUNK_BLOCKS)
#define BLOOM_STRIDE         (BLOOM_CHUNK_BYTES + 8u)

// How many blocks hold `n` traces.
uint32_t bloom_blocks(uint64_t n);

// Bytes on disk of so many blocks.
uint64_t bloom_bytes(uint32_t blocks);

// Appends the filter over the hashes (trace_id_hash()) in its stored form.
void bloom_build(const uint64_t *hashes, size_t n, uint32_t blocks, struct buf *out);

// Whether the filter at `offset` of the file may hold the hash.
MUST_CHECK enum err bloom_test(struct file *f, uint64_t offset, uint32_t blocks, uint64_t hash,
                               bool *ret_maybe);

#endif
