// SPDX-License-Identifier: Apache-2.0
// Purpose: writing a part: rows gather until a block is full, the block is cut between traces where
// one fits, encoded and written; the end gets the bloom filter and the footer.
#include "codec/checksum.h"
#include "core/mem.h"
#include "core/must.h"
#include "store/block_build.h"
#include "store/bloom.h"
#include "store/part_footer.h"

#define BLOCK_BYTES_MAX ((size_t)1 << 30)

struct part_writer {
    struct fs *fs;
    struct file *file;
    struct zpack *zpack;
    struct block_builder builder;
    struct buf out;
    struct arena arena;           // line and service names
    struct row *rows;             // of the block in the making, each with a reference on its batch
    size_t row_count, block_rows; // at most
    uint64_t *trace_hashes;
    size_t trace_count, trace_capacity;
    trace_id last_trace;
    struct part_footer footer;
    size_t block_capacity, place_capacity;
    struct strtab service_names;
    size_t service_capacity;
    uint64_t offset; // end of what is written
    uint32_t version;
    bool finished;
};

enum err part_writer_new(const struct part_writer_options *options, struct part_writer **ret_writer)
{
    ASSERT(ret_writer != NULL);
    ASSERT(options->fs != NULL && options->path != NULL);
    struct file *file;
    enum err e = options->fs->ops->open(options->fs, options->path, FS_CREATE, &file);
    if (e != ERR_OK) {
        return e;
    }
    e = file->ops->truncate(file, 0);
    uint8_t head[PART_HEAD_BYTES] = {0};
    const uint32_t version = options->version > 0 ? options->version : PART_VERSION;
    MUST(version >= PART_VERSION_MIN && version <= PART_VERSION);
    memcpy(head, PART_MAGIC, 8);
    memcpy(head + 8, &version, sizeof version);
    if (e == ERR_OK) {
        e = file->ops->write_at(file, head, sizeof head, 0);
    }
    if (e != ERR_OK) {
        file->ops->close(file);
        return e;
    }
    struct part_writer *w = mem_new(1, sizeof *w);
    w->fs = options->fs;
    w->file = file;
    w->zpack = zpack_new(options->zstd_level);
    w->block_rows = options->block_rows > 0 ? options->block_rows : BLOCK_ROWS;
    MUST(w->block_rows <= BLOCK_ROWS);
    w->rows = mem_alloc(w->block_rows * sizeof *w->rows);
    w->offset = sizeof head;
    w->version = version;
    block_builder_init(&w->builder);
    buf_init(&w->out, BLOCK_BYTES_MAX);
    w->footer.meta.line = arena_str(&w->arena, options->line);
    w->footer.meta.seq_first = options->seq_first;
    w->footer.meta.seq_last = options->seq_last;
    w->footer.meta.min_start_ns = UINT64_MAX;
    w->footer.meta.min_duration_ns = UINT64_MAX;
    *ret_writer = w;
    return ERR_OK;
}

static struct batch *owned(struct row r)
{
    ASSERT(r.index < r.batch->span_count);
    ASSERT(r.batch != NULL);
    // The writer holds its own reference, which only changes the counter.
    return (struct batch *)(uintptr_t)r.batch;
}

static void count_services(struct part_writer *w)
{
    ASSERT(w->builder.shapes.count > 0);
    const struct block_builder *b = &w->builder;
    for (size_t i = 0; i < b->shapes.count; i++) {
        size_t n;
        const uint32_t *shape = tuples_get(&b->shapes, i, &n);
        const uint32_t *resource = tuples_get(&b->resources, shape[SHAPE_AT_RESOURCE], &n);
        uint32_t text = resource[RESOURCE_AT_SERVICE];
        struct strtab *names = &w->service_names;
        size_t known = names->count;
        uint32_t at = strtab_add(names, b->texts.strings[text], b->texts.hashes[text]);
        if (names->count > known) {
            names->strings[at] = arena_str(&w->arena, b->texts.strings[text]);
            w->footer.services = mem_grow(w->footer.services, &w->service_capacity, known + 1,
                                          sizeof *w->footer.services);
            w->footer.services[at] = (struct part_service){.name = names->strings[at]};
        }
        ASSERT(at < names->count);
        struct part_service *s = &w->footer.services[at];
        s->rows += b->shape_rows[i];
        if ((shape[SHAPE_AT_BITS] >> 3 & 3) == STATUS_ERROR) {
            s->errors += b->shape_rows[i];
        }
    }
}

static void add_block_meta(struct part_writer *w, struct block_place place)
{
    ASSERT(place.region_bytes > 0 && place.directory_bytes > 0);
    struct part_footer *f = &w->footer;
    const struct block_meta *m = &w->builder.meta;
    size_t n = (size_t)f->meta.blocks;
    MUST(n < PART_BLOCKS_MAX);
    f->blocks = mem_grow(f->blocks, &w->block_capacity, n + 1, sizeof *f->blocks);
    f->places = mem_grow(f->places, &w->place_capacity, n + 1, sizeof *f->places);
    f->blocks[n] = *m;
    struct page_meta *pages = arena_new(&w->arena, m->pages, sizeof *pages);
    memcpy(pages, w->builder.page_metas, m->pages * sizeof *pages);
    f->blocks[n].page = pages;
    f->places[n] = place;
    f->meta.blocks++;
    f->meta.rows += m->rows;
#define WIDEN(low, high)                                                                           \
    f->meta.low = m->low < f->meta.low ? m->low : f->meta.low;                                     \
    f->meta.high = m->high > f->meta.high ? m->high : f->meta.high
    WIDEN(min_start_ns, max_start_ns);
    WIDEN(min_duration_ns, max_duration_ns);
#undef WIDEN
}

// Writes one block from the first `n` rows at hand and drops what it took.
static enum err write_block(struct part_writer *w, size_t n)
{
    ASSERT(w->row_count <= w->block_rows);
    MUST(n > 0 && n <= w->row_count);
    size_t took = block_build(&w->builder, w->rows, n);
    buf_clear(&w->out);
    size_t directory = block_encode(&w->builder, w->zpack, &w->out);
    enum err e = w->file->ops->write_at(w->file, w->out.p, w->out.n, w->offset);
    if (e == ERR_OK) {
        struct block_place place = {
            .offset = w->offset,
            .region_bytes = (uint32_t)(w->out.n - directory),
            .directory_bytes = (uint32_t)directory,
            .directory_sum = checksum(w->out.p + w->out.n - directory, directory),
        };
        add_block_meta(w, place);
        count_services(w);
        w->offset += w->out.n;
    }
    block_builder_clear(&w->builder);
    for (size_t i = 0; i < took; i++) {
        batch_unref(owned(w->rows[i]));
    }
    w->row_count -= took;
    memmove(w->rows, w->rows + took, w->row_count * sizeof *w->rows);
    return e;
}

// How many of a full load of rows end with a whole trace; all of them when one trace fills it.
static size_t cut_at(const struct part_writer *w)
{
    ASSERT(w->row_count <= w->block_rows);
    ASSERT(w->row_count > 0);
    size_t n = w->row_count;
    const trace_id *last = &row_span(w->rows[n - 1])->trace;
    while (n > 0 && trace_id_cmp(&row_span(w->rows[n - 1])->trace, last) == 0) {
        n--;
    }
    return n > 0 ? n : w->row_count;
}

enum err part_writer_add(struct part_writer *w, struct row row)
{
    ASSERT(w->row_count <= w->block_rows && row.index < row.batch->span_count);
    MUST(!w->finished);
    const struct span *s = row_span(row);
    if (w->row_count > 0 && row_cmp(w->rows[w->row_count - 1], row) > 0) {
        return ERR_CORRUPT;
    }
    if (w->row_count == w->block_rows) {
        // The last trace is whole when another follows; else it moves to the next block.
        bool whole = trace_id_cmp(&s->trace, &w->last_trace) != 0;
        enum err e = write_block(w, whole ? w->row_count : cut_at(w));
        if (e != ERR_OK) {
            return e;
        }
    }
    if (w->trace_count == 0 || trace_id_cmp(&s->trace, &w->last_trace) != 0) {
        w->trace_hashes =
            mem_grow(w->trace_hashes, &w->trace_capacity, w->trace_count + 1, sizeof(uint64_t));
        w->trace_hashes[w->trace_count++] = trace_id_hash(s->trace);
        w->last_trace = s->trace;
    }
    (void)batch_ref(owned(row));
    w->rows[w->row_count++] = row;
    return ERR_OK;
}

static enum err write_end(struct part_writer *w)
{
    ASSERT(w->file != NULL);
    ASSERT(w->row_count == 0 && w->finished);
    struct part_footer *f = &w->footer;
    f->bloom_offset = w->offset;
    f->bloom_blocks = bloom_blocks(w->trace_count);
    f->meta.traces = w->trace_count;
    f->meta.services = f->services;
    f->meta.service_count = w->service_names.count;
    struct buf raw;
    buf_init(&raw, PART_FOOTER_MAX);
    footer_encode(f, w->version, &raw);
    buf_clear(&w->out);
    bloom_build(w->trace_hashes, w->trace_count, f->bloom_blocks, &w->out);
    size_t first = w->out.n;
    zpack_add(w->zpack, buf_str(&raw), &w->out);
    size_t n = w->out.n - first;
    bool fits = !raw.failed && n <= PART_FOOTER_MAX;
    buf_done(&raw);
    uint64_t sum = checksum(w->out.p + first, n);
    buf_add_u32(&w->out, (uint32_t)n);
    buf_add_u32(&w->out, w->version);
    buf_add_u64(&w->out, sum);
    buf_add(&w->out, PART_MAGIC, 8);
    if (!fits || w->out.failed) {
        return ERR_LIMIT;
    }
    return w->file->ops->write_at(w->file, w->out.p, w->out.n, w->offset);
}

enum err part_writer_finish(struct part_writer *w)
{
    ASSERT(w->file != NULL);
    MUST(!w->finished && w->trace_count > 0);
    w->finished = true;
    enum err e = ERR_OK;
    while (e == ERR_OK && w->row_count > 0) {
        e = write_block(w, w->row_count);
    }
    if (e == ERR_OK) {
        e = write_end(w);
    }
    if (e == ERR_OK) {
        e = w->file->ops->sync(w->file);
    }
    return e;
}

void part_writer_free(struct part_writer *w)
{
    ASSERT(w == NULL || w->row_count <= w->block_rows);
    if (w == NULL) {
        return;
    }
    ASSERT(w->file != NULL);
    for (size_t i = 0; i < w->row_count; i++) {
        batch_unref(owned(w->rows[i]));
    }
    w->file->ops->close(w->file);
    zpack_free(w->zpack);
    block_builder_done(&w->builder);
    buf_done(&w->out);
    strtab_done(&w->service_names);
    mem_free(w->rows);
    mem_free(w->trace_hashes);
    mem_free(w->footer.blocks);
    mem_free(w->footer.places);
    mem_free(w->footer.services);
    arena_done(&w->arena);
    mem_free(w);
}
