// SPDX-License-Identifier: Apache-2.0
// Purpose: opening a part, and finding a trace in it.
#include <stdio.h>

#include "codec/checksum.h"
#include "codec/zpack.h"
#include "core/logger.h"
#include "core/mem.h"
#include "core/must.h"
#include "core/varint.h"
#include "os/file_number.h"
#include "store/block.h"
#include "store/block_cache.h"
#include "store/bloom.h"

static enum err check_ends(struct file *f, uint64_t size, uint8_t *tail, struct err_at *at)
{
    ASSERT(f != NULL);
    ASSERT(tail != NULL);
    uint8_t head[PART_HEAD_BYTES];
    if (size < PART_HEAD_BYTES + PART_TAIL_BYTES) {
        return err_at_set(at, ERR_CORRUPT, size, "The file is too short for a part.");
    }
    enum err e = f->ops->read_at(f, head, sizeof head, 0);
    if (e == ERR_OK) {
        e = f->ops->read_at(f, tail, PART_TAIL_BYTES, size - PART_TAIL_BYTES);
    }
    if (e != ERR_OK) {
        return err_at_set(at, e, 0, "The file cannot be read.");
    }
    if (memcmp(head, PART_MAGIC, 8) != 0 || load_u32(head + 12) != 0) {
        return err_at_set(at, ERR_CORRUPT, 0, "The file does not begin as a part does.");
    }
    if (memcmp(tail + 16, PART_MAGIC, 8) != 0) {
        return err_at_set(at, ERR_CORRUPT, size - 8, "The file does not end as a part does.");
    }
    uint32_t version = load_u32(head + 8);
    if (load_u32(tail + 4) != version) {
        return err_at_set(at, ERR_CORRUPT, 8, "The file's two ends differ in the version.");
    }
    if (version < PART_VERSION_MIN || version > PART_VERSION) {
        return err_at_set(at, ERR_UNSUPPORTED, 8, "The part has format version %u, not %u to %u.",
                          version, PART_VERSION_MIN, PART_VERSION);
    }
    return ERR_OK;
}

static enum err read_footer(struct part *p, uint64_t size, struct err_at *at)
{
    ASSERT(p->path != NULL);
    ASSERT(p->file != NULL);
    uint8_t tail[PART_TAIL_BYTES];
    enum err e = check_ends(p->file, size, tail, at);
    if (e != ERR_OK) {
        return e;
    }
    uint64_t n = load_u32(tail);
    if (n > PART_FOOTER_MAX || n > size - PART_HEAD_BYTES - PART_TAIL_BYTES) {
        return err_at_set(at, ERR_CORRUPT, size - PART_TAIL_BYTES, "The footer has no room.");
    }
    uint64_t offset = size - PART_TAIL_BYTES - n;
    char *bytes = mem_alloc((size_t)n + REGION_PAD);
    e = p->file->ops->read_at(p->file, bytes, (size_t)n, offset);
    memset(bytes + n, 0, REGION_PAD);
    struct arena scratch = {0};
    struct str raw = STR_NONE;
    if (e == ERR_OK && !checksum_fits(bytes, (size_t)n, load_u64(tail + 8))) {
        e = ERR_CORRUPT;
    }
    if (e == ERR_OK) {
        struct cursor c = cursor_of((struct str){bytes, (size_t)n});
        e = zpack_get(&c, &scratch, &raw);
    }
    if (e == ERR_OK) {
        e = footer_decode(raw, load_u32(tail + 4), size, &p->arena, &p->footer);
        p->footer_bytes = n + PART_TAIL_BYTES;
    }
    arena_done(&scratch);
    mem_free(bytes);
    return e == ERR_OK ? ERR_OK : err_at_set(at, e, offset, "The footer is damaged.");
}

enum err part_open(struct fs *fs, const char *path, struct part **ret_part, struct err_at *ret_at)
{
    ASSERT(ret_part != NULL);
    ASSERT(fs != NULL && path != NULL);
    struct file *file;
    uint64_t size = 0;
    enum err e = fs->ops->open(fs, path, FS_READ, &file);
    if (e != ERR_OK) {
        return err_at_set(ret_at, e, 0,
                          e == ERR_UNSUPPORTED ? "This is no regular file."
                                               : "The file cannot be opened.");
    }
    struct part *p = mem_new(1, sizeof *p);
    atomic_init(&p->refs, 1);
    atomic_init(&p->fate, FILE_STAYS);
    atomic_init(&p->damaged, false);
    p->fs = fs;
    p->path = arena_str(&p->arena, str_of(path)).p;
    p->file = file;
    e = file->ops->size(file, &size);
    e = e == ERR_OK ? read_footer(p, size, ret_at) : err_at_set(ret_at, e, 0, "No file size.");
    if (e != ERR_OK) {
        part_unref(p);
        return e;
    }
    *ret_part = p;
    return ERR_OK;
}

struct part *part_ref(struct part *p)
{
    ASSERT(p != NULL);
    int before = atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    MUST(before > 0);
    return p;
}

uint64_t part_number(const struct part *p)
{
    ASSERT(p->path != NULL);
    uint64_t number = 0;
    const char *slash = strrchr(p->path, '/');
    const char *name = slash != NULL ? slash + 1 : p->path;
    ASSERT(name != NULL);
    return file_number_parse(name, ".part", &number) == ERR_OK ? number : 0;
}

void part_note_damage(struct part *p)
{
    ASSERT(atomic_load(&p->refs) > 0);
    ASSERT(p->file != NULL);
    atomic_store_explicit(&p->damaged, true, memory_order_relaxed);
}

bool part_is_damaged(const struct part *p)
{
    ASSERT(atomic_load(&p->refs) > 0);
    ASSERT(p->file != NULL);
    return atomic_load_explicit(&p->damaged, memory_order_relaxed);
}

void part_clear_damage(struct part *p)
{
    ASSERT(atomic_load(&p->refs) > 0);
    ASSERT(p->file != NULL);
    atomic_store_explicit(&p->damaged, false, memory_order_relaxed);
}

void part_retire(struct part *p, enum file_fate fate)
{
    ASSERT(atomic_load(&p->refs) > 0);
    ASSERT(fate <= FILE_IS_SET_ASIDE);
    int before = atomic_exchange(&p->fate, (int)fate);
    MUST(before == FILE_STAYS && fate != FILE_STAYS);
}

void part_unref(struct part *p)
{
    ASSERT(p == NULL || p->file != NULL);
    if (p == NULL) {
        return;
    }
    int before = atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel);
    MUST(before > 0);
    if (before == 1) {
        ASSERT(atomic_load(&p->fate) <= FILE_IS_SET_ASIDE);
        block_cache_forget(p);
        p->file->ops->close(p->file);
        file_meet_fate(p->fs, p->path, (enum file_fate)atomic_load(&p->fate), "store");
        arena_done(&p->arena);
        mem_free(p);
    }
}

const struct part_meta *part_meta(const struct part *p)
{
    ASSERT(atomic_load_explicit(&p->refs, memory_order_relaxed) > 0);
    ASSERT(p->footer.meta.blocks == 0 || p->footer.blocks != NULL);
    return &p->footer.meta;
}

const struct block_meta *part_block_meta(const struct part *p, size_t block)
{
    ASSERT(p->footer.blocks != NULL);
    MUST(block < p->footer.meta.blocks);
    return &p->footer.blocks[block];
}

// ---- Trace by ID -----------------------------------------------------------------------------

// The first block whose last trace is not below the ID.
static size_t first_block(const struct part *p, const trace_id *id)
{
    ASSERT(id != NULL);
    size_t low = 0, high = (size_t)p->footer.meta.blocks;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (trace_id_cmp(&p->footer.blocks[middle].last_trace, id) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    ASSERT(low <= p->footer.meta.blocks);
    return low;
}

static bool find_in_table(const struct block *b, const trace_id *id, size_t *ret_trace)
{
    ASSERT(id != NULL && ret_trace != NULL);
    ASSERT(b->trace_ids != NULL);
    size_t low = 0, high = b->traces;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = memcmp(b->trace_ids + middle * TRACE_BYTES, id->b, TRACE_BYTES);
        if (c == 0) {
            *ret_trace = middle;
            return true;
        }
        if (c < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return false;
}

// A page's rows may add so much to a batch beside the arrays that grow by doubling.
#define PAGE_ASK_BYTES ((size_t)256 << 10)

static bool admit_page(const struct page_request *want, const struct batch *out)
{
    ASSERT(!out->sealed);
    if (want->source == NULL) {
        return true;
    }
    ASSERT(want->taken != NULL);
    size_t held = batch_bytes(out), need = held + held / 2 + PAGE_ASK_BYTES;
    if (need > *want->taken && !want->source->take(want->source, need - *want->taken)) {
        return false;
    }
    *want->taken = need > *want->taken ? need : *want->taken;
    return true;
}

// Appends rows [first, end) of the block: what `want` asks for of them.
static enum err append_rows(struct block *b, size_t first, size_t end,
                            const struct page_request *want, struct batch *out)
{
    ASSERT(!out->sealed);
    ASSERT(first < end && end <= b->rows);
    enum err e = ERR_OK;
    for (size_t page = first / PAGE_ROWS; e == ERR_OK && page * PAGE_ROWS < end; page++) {
        uint64_t rows[PAGE_ROWS / 64] = {0};
        size_t base = page * PAGE_ROWS, n = block_page_rows(b, page);
        size_t from = first > base ? first - base : 0;
        size_t to = end - base < n ? end - base : n;
        for (size_t i = from; i < to; i++) {
            rows[i / 64] |= (uint64_t)1 << (i % 64);
        }
        struct page_request request = *want;
        request.rows = rows;
        e = admit_page(want, out) ? block_append_page(b, page, &request, true, out) : ERR_MEMORY;
    }
    return e;
}

static enum err append_trace(struct part *p, size_t index, const trace_id *id,
                             const struct page_request *want, struct batch *out)
{
    ASSERT(want != NULL && out != NULL && !out->sealed);
    ASSERT(index < p->footer.meta.blocks);
    struct block *b;
    size_t trace;
    enum err e = block_borrow(p, index, &b);
    if (e != ERR_OK) {
        return e;
    }
    e = block_load_traces(b);
    if (e == ERR_OK && find_in_table(b, id, &trace)) {
        size_t first = b->trace_first[trace], end = b->trace_first[trace + 1];
        e = end - first > want->rows_max - out->span_count ? ERR_LIMIT
                                                           : append_rows(b, first, end, want, out);
    }
    block_free(b);
    return e;
}

// Brings what was taken from the source to what the caller gets.
static enum err settle(const struct page_request *want, enum err e, const struct batch *out)
{
    struct mem_source *source = want->source;
    size_t taken = *want->taken, held = e == ERR_OK ? batch_bytes(out) : 0;
    ASSERT(source != NULL || taken == 0);
    if (source == NULL) {
        return e;
    }
    ASSERT(taken <= held || e != ERR_OK || taken > 0);
    if (held > taken && !source->take(source, held - taken)) {
        e = ERR_MEMORY;
        held = 0;
    }
    if (taken > held) {
        source->give(source, taken - held);
    }
    return e;
}

enum err part_find_trace(struct part *p, trace_id id, size_t rows_max, unsigned fields,
                         bool attributes, struct mem_source *source, struct batch **ret_batch)
{
    ASSERT(p->file != NULL && p->footer.meta.blocks > 0);
    size_t taken = 0;
    const struct page_request want = {.fields = fields,
                                      .all_columns = attributes,
                                      .source = source,
                                      .taken = &taken,
                                      .rows_max = rows_max};
    ASSERT(ret_batch != NULL);
    bool maybe = false;
    const struct part_footer *f = &p->footer;
    size_t i = first_block(p, &id);
    if (i == f->meta.blocks || trace_id_cmp(&f->blocks[i].first_trace, &id) > 0) {
        return ERR_NOT_FOUND;
    }
    enum err e = bloom_test(p->file, f->bloom_offset, f->bloom_blocks, trace_id_hash(id), &maybe);
    if (e == ERR_CORRUPT) {
        part_note_damage(p);
    }
    if (e != ERR_OK || !maybe) {
        return e != ERR_OK ? e : ERR_NOT_FOUND;
    }
    struct batch *out = batch_new(f->meta.line);
    for (; e == ERR_OK && i < f->meta.blocks && trace_id_cmp(&f->blocks[i].first_trace, &id) <= 0;
         i++) {
        e = append_trace(p, i, &id, &want, out);
    }
    if (e == ERR_OK && out->span_count == 0) {
        e = ERR_NOT_FOUND;
    }
    if (e == ERR_OK) {
        batch_seal(out);
    }
    if (e == ERR_CORRUPT) {
        part_note_damage(p);
    }
    e = settle(&want, e, out);
    if (e != ERR_OK) {
        batch_unref(out);
        return e;
    }
    *ret_batch = out;
    return ERR_OK;
}
