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

// A trace while its rows are gathered.
struct find {
    const struct trace_request *want;
    trace_id id;
    size_t seen;  // rows of it, in the blocks up to here
    size_t taken; // of the source
    struct batch *out;
};

static bool admit_page(struct find *f)
{
    ASSERT(!f->out->sealed);
    struct mem_source *source = f->want->source;
    if (source == NULL) {
        return true;
    }
    size_t held = batch_bytes(f->out), need = held + held / 2 + PAGE_ASK_BYTES;
    if (need > f->taken && !source->take(source, need - f->taken)) {
        return false;
    }
    f->taken = need > f->taken ? need : f->taken;
    ASSERT(f->taken >= held);
    return true;
}

// Appends rows [first, end) of the block: what is wanted of them.
static enum err append_rows(struct block *b, size_t first, size_t end, struct find *f)
{
    ASSERT(!f->out->sealed);
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
        const struct page_request request = {
            .fields = f->want->fields, .all_columns = f->want->attributes, .rows = rows};
        e = admit_page(f) ? block_append_page(b, page, &request, true, f->out) : ERR_MEMORY;
    }
    return e;
}

// The place, among all rows of the trace, behind the last one that is wanted.
static size_t wanted_end(const struct trace_request *want)
{
    ASSERT(want->first > 0);
    ASSERT(want->attributes || want->fields != 0);
    return want->first <= SIZE_MAX - want->skip ? want->skip + want->first : SIZE_MAX;
}

// Where the wanted ones of the block's rows [*first, *end) of a trace begin and end. `seen` rows of
// it were in the blocks before.
static bool clip(const struct trace_request *want, size_t seen, size_t *first, size_t *end)
{
    ASSERT(*first < *end);
    size_t n = *end - *first, skip = want->skip > seen ? want->skip - seen : 0;
    size_t last = wanted_end(want);
    size_t most = last > seen ? last - seen : 0;
    *end = most < n ? *first + most : *end;
    *first = skip < n ? *first + skip : *first + n;
    ASSERT(skip <= most || most == 0);
    return *first < *end;
}

static enum err append_block(struct find *f, struct part *p, size_t index)
{
    ASSERT(f->out != NULL && !f->out->sealed);
    ASSERT(index < p->footer.meta.blocks);
    struct block *b;
    size_t trace;
    enum err e = block_borrow(p, index, &b);
    if (e != ERR_OK) {
        return e;
    }
    e = block_load_traces(b);
    if (e == ERR_OK && find_in_table(b, &f->id, &trace)) {
        size_t first = b->trace_first[trace], end = b->trace_first[trace + 1], n = end - first;
        if (n > f->want->rows_max - f->seen) {
            e = ERR_LIMIT;
        } else if (clip(f->want, f->seen, &first, &end)) {
            e = append_rows(b, first, end, f);
        }
        f->seen += n;
        ASSERT(f->seen >= n);
    }
    block_free(b);
    return e;
}

// Brings what was taken from the source to what the caller gets.
static enum err settle(const struct find *f, enum err e)
{
    struct mem_source *source = f->want->source;
    size_t taken = f->taken, held = e == ERR_OK ? batch_bytes(f->out) : 0;
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

// The first block that may have the trace; ERR_NOT_FOUND where none does.
static enum err look_for(struct part *p, const trace_id *id, size_t *ret_block)
{
    const struct part_footer *f = &p->footer;
    ASSERT(p->file != NULL && f->meta.blocks > 0);
    bool maybe = false;
    size_t i = first_block(p, id);
    ASSERT(i <= f->meta.blocks);
    if (i == f->meta.blocks || trace_id_cmp(&f->blocks[i].first_trace, id) > 0) {
        return ERR_NOT_FOUND;
    }
    enum err e = bloom_test(p->file, f->bloom_offset, f->bloom_blocks, trace_id_hash(*id), &maybe);
    if (e == ERR_CORRUPT) {
        part_note_damage(p);
    }
    if (e != ERR_OK || !maybe) {
        return e != ERR_OK ? e : ERR_NOT_FOUND;
    }
    *ret_block = i;
    return ERR_OK;
}

static bool may_have(const struct part *p, size_t block, const trace_id *id)
{
    ASSERT(p->footer.blocks != NULL);
    ASSERT(id != NULL);
    return block < p->footer.meta.blocks &&
           trace_id_cmp(&p->footer.blocks[block].first_trace, id) <= 0;
}

enum err part_find_trace(struct part *p, trace_id id, const struct trace_request *request,
                         struct batch **ret_batch)
{
    struct find f = {.want = request, .id = id};
    size_t i = 0;
    ASSERT(request != NULL);
    ASSERT(ret_batch != NULL);
    enum err e = look_for(p, &id, &i);
    if (e != ERR_OK) {
        return e;
    }
    f.out = batch_new(p->footer.meta.line);
    size_t last = wanted_end(request);
    for (; e == ERR_OK && f.seen < last && may_have(p, i, &id); i++) {
        e = append_block(&f, p, i);
    }
    if (e == ERR_OK && f.out->span_count == 0) {
        e = ERR_NOT_FOUND;
    }
    if (e == ERR_OK) {
        batch_seal(f.out);
    }
    if (e == ERR_CORRUPT) {
        part_note_damage(p);
    }
    e = settle(&f, e);
    if (e != ERR_OK) {
        batch_unref(f.out);
        return e;
    }
    *ret_batch = f.out;
    return ERR_OK;
}

// Reads the starts of rows [first, end) of the block, `most` at most.
static enum err read_starts(struct block *b, size_t first, size_t end, size_t most, uint64_t *out)
{
    ASSERT(first < end && end <= b->rows);
    ASSERT(most > 0);
    enum err e = ERR_OK;
    uint64_t *starts = mem_new(PAGE_ROWS, sizeof *starts);
    end = end - first > most ? first + most : end;
    for (size_t page = first / PAGE_ROWS; e == ERR_OK && page * PAGE_ROWS < end; page++) {
        size_t base = page * PAGE_ROWS, from = first > base ? first - base : 0, n = 0;
        e = block_page_numbers(b, page, FIELD_START, starts, &n);
        n = end - base < n ? end - base : n;
        ASSERT(e != ERR_OK || from < n);
        if (e == ERR_OK) {
            memcpy(out, starts + from, (n - from) * sizeof *out);
            out += n - from;
        }
    }
    mem_free(starts);
    return e;
}

enum err part_trace_starts(struct part *p, trace_id id, size_t most, uint64_t *ret_starts,
                           size_t *ret_rows)
{
    size_t i = 0, rows = 0, trace;
    ASSERT(ret_starts != NULL);
    ASSERT(ret_rows != NULL);
    enum err e = look_for(p, &id, &i);
    for (; e == ERR_OK && may_have(p, i, &id); i++) {
        struct block *b;
        e = block_borrow(p, i, &b);
        if (e != ERR_OK) {
            break;
        }
        e = block_load_traces(b);
        if (e == ERR_OK && find_in_table(b, &id, &trace)) {
            size_t first = b->trace_first[trace], end = b->trace_first[trace + 1];
            if (rows < most && first < end) {
                e = read_starts(b, first, end, most - rows, ret_starts + rows);
            }
            rows += end - first;
        }
        block_free(b);
    }
    if (e == ERR_CORRUPT) {
        part_note_damage(p);
    }
    if (e == ERR_OK && rows == 0) {
        e = ERR_NOT_FOUND;
    }
    if (e == ERR_OK) {
        *ret_rows = rows;
    }
    return e;
}
