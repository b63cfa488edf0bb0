// SPDX-License-Identifier: Apache-2.0
// Purpose: fuzzing the part reader over a file in memory: any bytes give rows or an error, never a
// crash. Checksums are passed over in this build, see store/checksum.h.
#include "core/must.h"
#include "store/part.h"
#include "unit/store/memfs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void count_bytes(void *ctx, const char *name, uint64_t bytes)
{
    MUST(name != NULL);
    *(uint64_t *)ctx += bytes;
}

static void read_some(struct block *b)
{
    static uint64_t numbers[PAGE_ROWS];
    static uint32_t shapes[PAGE_ROWS];
    const uint64_t rows[PAGE_ROWS / 64] = {0x5500110000000003ULL};
    const struct page_request some = {
        .fields = FIELD_PARENT | FIELD_EVENTS, .all_columns = true, .rows = rows};
    const struct str *texts;
    const struct batch *resources;
    size_t n, columns;
    (void)block_columns(b, &columns);
    for (size_t i = 0; i < columns; i++) {
        if (block_dictionary(b, i, &texts, &n) == ERR_OK) {
            MUST(n == 0 || texts != NULL);
        }
    }
    MUST(block_resources(b, &resources) == ERR_OK);
    for (size_t page = 0; page < block_pages(b); page++) {
        struct batch *out;
        enum err e = block_page_shapes(b, page, shapes, &n);
        MUST(e == ERR_OK || e == ERR_CORRUPT);
        e = block_page_numbers(b, page, FIELD_START, numbers, &n);
        MUST(e == ERR_OK || e == ERR_CORRUPT);
        if (block_read_page(b, page, &some, &out) == ERR_OK) {
            batch_unref(out);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct memfs fs;
    struct part *p;
    struct err_at at = {0};
    uint64_t bytes = 0;
    memfs_init(&fs, data, size);
    enum err e = part_open(&fs.base, "", &p, &at);
    if (e != ERR_OK) {
        MUST(e == ERR_CORRUPT || e == ERR_UNSUPPORTED);
        return 0;
    }
    for (size_t i = 0; i < part_meta(p)->blocks && i < 4; i++) {
        struct block *b;
        struct batch *out;
        if (part_find_trace(p, part_block_meta(p, i)->last_trace, FIELD_ALL, true, &out) ==
            ERR_OK) {
            batch_unref(out);
        }
        if (block_open(p, i, &b) == ERR_OK) {
            read_some(b);
            block_free(b);
        }
    }
    if (part_column_bytes(p, count_bytes, &bytes) == ERR_OK) {
        MUST(bytes > 0);
    }
    e = part_verify(p, &at);
    MUST(e == ERR_OK || e == ERR_CORRUPT);
    part_unref(p);
    return 0;
}
