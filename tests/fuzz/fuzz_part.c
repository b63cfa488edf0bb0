// SPDX-License-Identifier: Apache-2.0
// Purpose: fuzzing the part reader over a file in memory: any bytes give rows or an error, never a
// crash, nor when retention and merging make another part of them. Checksums are passed over in
// this build, see codec/checksum.h.
#include "core/must.h"
#include "query/scan.h"
#include "store/part.h"
#include "store/part_merge.h"
#include "store/part_strip.h"
#include "store/tally.h"
#include "support/simfs.h"
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
        e = block_pick_shapes(b, page, rows, shapes);
        MUST(e == ERR_OK || e == ERR_CORRUPT);
        if (block_read_page(b, page, &some, &out) == ERR_OK) {
            batch_unref(out);
        }
    }
}

static void see_row(void *ctx, const struct scan_row *row)
{
    uint64_t *sum = ctx;
    *sum += row->start_ns + row->name.n + row->service.n + row->trace.b[0];
}

// Scans the part by two of its attributes and by all that a page is pruned by.
static void scan(struct part *p, struct block *b)
{
    struct store_view view = {.parts = &p, .part_count = 1};
    struct query_control control = {0};
    struct filter *f = NULL;
    struct buf text;
    size_t columns;
    uint64_t sum = 0;
    const struct column *c = block_columns(b, &columns);
    buf_init(&text, FILTER_TEXT_MAX);
    buf_add_str(&text, STR("{ duration > 3ns && duration < 1h || kind = server"));
    for (size_t i = 0; i < columns && i < 2; i++) {
        const char *format = i == 0 ? " || span." : " && !(.";
        buf_add_str(&text, str_of(format));
        filter_print_text(c[i].key, &text);
        buf_add_str(&text, i == 0 ? STR(" >= 3") : STR(" =~ \"[a-f]+.*\")"));
    }
    buf_add_str(&text, STR(" }"));
    if (!text.failed && filter_parse(buf_str(&text), &f, NULL) == ERR_OK) {
        const struct scan scan = {.view = &view,
                                  .filter = f,
                                  .from_ns = 5,
                                  .to_ns = UINT64_MAX - 5,
                                  .control = &control,
                                  .visit = see_row,
                                  .ctx = &sum};
        enum err e = scan_run(&scan);
        MUST(e == ERR_OK);
    }
    filter_free(f);
    buf_done(&text);
}

// What was made of the part has what the part had, less what is gone, or the part is damaged.
static void check_made(struct fs *disk, struct part *p)
{
    struct part *made;
    struct tally gone = {0};
    MUST(part_open(disk, "made", &made, NULL) == ERR_OK);
    if (tally_missing(&p, 1, part_meta(made), &gone) == ERR_OK) {
        MUST(part_meta(made)->rows + tally_total(&gone) == part_meta(p)->rows);
    }
    MUST(part_verify(made, NULL) == ERR_OK);
    tally_done(&gone);
    part_unref(made);
}

// What retention and merging do with it.
static void rewrite(struct part *p)
{
    struct simfs *disk = simfs_new(1);
    const struct part_writer_options out = {.fs = simfs_fs(disk), .path = "made"};
    const struct part_strip strip = {.input = p, .out = out};
    const struct part_merge merge = {.inputs = &p, .input_count = 1, .out = out};
    enum part_strip_result result;
    size_t bad;
    enum err e = part_strip(&strip, &result);
    MUST(e == ERR_OK || e == ERR_CORRUPT);
    if (e == ERR_OK && result == STRIP_WRITTEN) {
        check_made(out.fs, p);
    }
    e = part_merge(&merge, &bad);
    MUST(e == ERR_OK || (e == ERR_CORRUPT && bad == 0));
    if (e == ERR_OK) {
        check_made(out.fs, p);
    }
    simfs_free(disk);
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
        if (part_find_trace(p, part_block_meta(p, i)->last_trace, TRACE_EVERY_ROW, &out) ==
            ERR_OK) {
            batch_unref(out);
        }
        if (block_open(p, i, &b) == ERR_OK) {
            read_some(b);
            if (i == 0) {
                scan(p, b);
            }
            block_free(b);
        }
    }
    if (part_column_bytes(p, count_bytes, &bytes) == ERR_OK) {
        MUST(bytes > 0);
    }
    e = part_verify(p, &at);
    MUST(e == ERR_OK || e == ERR_CORRUPT);
    rewrite(p);
    part_unref(p);
    return 0;
}
