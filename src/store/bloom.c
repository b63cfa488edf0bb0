// SPDX-License-Identifier: Apache-2.0
// Purpose: the trace filter of a part.
#include "store/bloom.h"

#include "codec/checksum.h"
#include "core/mem.h"
#include "core/must.h"
#include "core/varint.h"

#define WORDS 8u

uint32_t bloom_blocks(uint64_t n)
{
    ASSERT(n <= UINT64_MAX / BLOOM_BITS_PER_TRACE - 255);
    uint64_t blocks = (n * BLOOM_BITS_PER_TRACE + 255) / 256;
    MUST(blocks <= UINT32_MAX / 2);
    return blocks > 0 ? (uint32_t)blocks : 1;
}

uint64_t bloom_bytes(uint32_t blocks)
{
    ASSERT(blocks <= UINT32_MAX - BLOOM_CHUNK_BLOCKS);
    ASSERT(blocks > 0);
    uint64_t chunks = (blocks + BLOOM_CHUNK_BLOCKS - 1) / BLOOM_CHUNK_BLOCKS;
    return chunks * BLOOM_STRIDE;
}

static uint32_t block_of(uint64_t hash, uint32_t blocks)
{
    ASSERT(blocks <= UINT32_MAX / 2);
    ASSERT(blocks > 0);
    return (uint32_t)(((hash >> 32) * blocks) >> 32);
}

// The bit of each word, from the low half of the hash; the odd constants are those of the Parquet
// specification's filter.
static void masks_of(uint64_t hash, uint32_t *ret_masks)
{
    _Static_assert(WORDS * sizeof(uint32_t) == BLOOM_BLOCK_BYTES,
                   "a mask for each word of a block");
    ASSERT(ret_masks != NULL);
    static const uint32_t salt[WORDS] = {0x47b6137bU, 0x44974d91U, 0x8824ad5bU, 0xa2b7289dU,
                                         0x705495c7U, 0x2df1424bU, 0x9efc4947U, 0x5c6bfb31U};
    uint32_t low = (uint32_t)hash;
    for (unsigned i = 0; i < WORDS; i++) {
        ret_masks[i] = (uint32_t)1 << (low * salt[i] >> 27);
    }
}

void bloom_build(const uint64_t *hashes, size_t n, uint32_t blocks, struct buf *out)
{
    ASSERT(hashes != NULL || n == 0);
    size_t chunks = (size_t)(bloom_bytes(blocks) / BLOOM_STRIDE);
    uint32_t *words = mem_new(chunks * BLOOM_CHUNK_BLOCKS * WORDS, sizeof *words);
    for (size_t i = 0; i < n; i++) {
        uint32_t masks[WORDS];
        masks_of(hashes[i], masks);
        uint32_t *block = words + (size_t)block_of(hashes[i], blocks) * WORDS;
        for (unsigned k = 0; k < WORDS; k++) {
            block[k] |= masks[k];
        }
    }
    for (size_t i = 0; i < chunks; i++) {
        const uint8_t *chunk = (const uint8_t *)words + i * BLOOM_CHUNK_BYTES;
        buf_add(out, chunk, BLOOM_CHUNK_BYTES);
        buf_add_u64(out, checksum(chunk, BLOOM_CHUNK_BYTES));
    }
    MUST(!out->failed);
    mem_free(words);
}

enum err bloom_test(struct file *f, uint64_t offset, uint32_t blocks, uint64_t hash,
                    bool *ret_maybe)
{
    ASSERT(ret_maybe != NULL);
    ASSERT(blocks > 0);
    uint8_t chunk[BLOOM_STRIDE];
    uint32_t masks[WORDS];
    uint32_t block = block_of(hash, blocks);
    uint64_t at = offset + (uint64_t)(block / BLOOM_CHUNK_BLOCKS) * BLOOM_STRIDE;
    enum err e = f->ops->read_at(f, chunk, sizeof chunk, at);
    if (e != ERR_OK) {
        return e == ERR_END ? ERR_CORRUPT : e;
    }
    if (!checksum_fits(chunk, BLOOM_CHUNK_BYTES, load_u64(chunk + BLOOM_CHUNK_BYTES))) {
        return ERR_CORRUPT;
    }
    masks_of(hash, masks);
    bool maybe = true;
    for (unsigned k = 0; k < WORDS; k++) {
        uint32_t word = load_u32(chunk + (block % BLOOM_CHUNK_BLOCKS) * BLOOM_BLOCK_BYTES + 4 * k);
        maybe = maybe && (word & masks[k]) != 0;
    }
    *ret_maybe = maybe;
    return ERR_OK;
}
