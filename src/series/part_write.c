// SPDX-License-Identifier: Apache-2.0
// Purpose: writing a part of the series store.
#include <string.h>

#include "codec/checksum.h"
#include "core/mem.h"
#include "core/must.h"
#include "series/chunk.h"
#include "series/part_format.h"

struct series_part_writer {
    struct file *file;
    struct zpack *z;
    struct arena arena; // the line
    struct series_part_meta meta;
    uint64_t offset;
    struct buf lengths, chunks; // of the block in the making
    uint64_t block_series;
    struct buf table;  // in the making
    struct buf tables; // those that are complete, as they will lie in the file
    uint64_t table_series;
    struct buf last_key;
    struct buf block_list, table_list; // entries of the footer
    uint64_t block_count, table_count;
    struct buf out;
};

enum err series_part_writer_new(const struct series_part_options *options,
                                struct series_part_writer **ret_writer)
{
    struct file *file;
    ASSERT(options->fs != NULL && options->path != NULL);
    enum err e = options->fs->ops->open(options->fs, options->path, FS_CREATE, &file);
    if (e != ERR_OK) {
        return e;
    }
    const uint32_t version = SERIES_PART_VERSION;
    uint8_t head[PART_HEAD_BYTES] = {0};
    memcpy(head, PART_MAGIC, 8);
    memcpy(head + 8, &version, sizeof version);
    e = file->ops->truncate(file, 0);
    e = e == ERR_OK ? file->ops->write_at(file, head, sizeof head, 0) : e;
    if (e != ERR_OK) {
        file->ops->close(file);
        return e;
    }
    struct series_part_writer *w = mem_new(1, sizeof *w);
    w->file = file;
    w->z = zpack_new(options->zstd_level);
    w->offset = sizeof head;
    w->meta = (struct series_part_meta){.tier = options->tier, .min_ms = UINT64_MAX};
    w->meta.line = arena_str(&w->arena, options->line);
    struct buf *const bufs[] = {&w->lengths,  &w->chunks,     &w->table,      &w->tables,
                                &w->last_key, &w->block_list, &w->table_list, &w->out};
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) {
        buf_init(bufs[i], REGION_MAX);
    }
    *ret_writer = w;
    return ERR_OK;
}

// Adds an entry of the footer for what was just packed into `bytes`.
static void list_section(struct buf *list, uint64_t series, struct str bytes)
{
    ASSERT(series > 0 && bytes.n > 0);
    buf_add_varint(list, series);
    buf_add_varint(list, bytes.n);
    buf_add_u64(list, checksum(bytes.p, bytes.n));
}

static enum err end_block(struct series_part_writer *w)
{
    if (w->block_series == 0) {
        return ERR_OK;
    }
    ASSERT(w->chunks.n > 0);
    buf_add_str(&w->lengths, buf_str(&w->chunks));
    buf_clear(&w->out);
    if (w->lengths.failed) {
        return ERR_LIMIT;
    }
    zpack_add(w->z, buf_str(&w->lengths), &w->out);
    list_section(&w->block_list, w->block_series, buf_str(&w->out));
    enum err e = w->file->ops->write_at(w->file, w->out.p, w->out.n, w->offset);
    w->offset += w->out.n;
    w->block_count++;
    w->block_series = 0;
    buf_clear(&w->lengths);
    buf_clear(&w->chunks);
    return e;
}

static void end_table(struct series_part_writer *w)
{
    if (w->table_series == 0) {
        return;
    }
    ASSERT(w->table.n > 0);
    size_t from = w->tables.n;
    zpack_add(w->z, buf_str(&w->table), &w->tables);
    list_section(&w->table_list, w->table_series, str_skip(buf_str(&w->tables), from));
    w->table_count++;
    w->table_series = 0;
    buf_clear(&w->table);
}

static void add_key(struct series_part_writer *w, struct str key, enum series_type type)
{
    size_t shared = 0;
    struct str last = w->table_series > 0 ? buf_str(&w->last_key) : STR_NONE;
    ASSERT(key.n > 0);
    while (shared < key.n && shared < last.n && key.p[shared] == last.p[shared]) {
        shared++;
    }
    buf_add_varint(&w->table, shared);
    buf_add_varint(&w->table, key.n - shared);
    buf_add(&w->table, key.p + shared, key.n - shared);
    buf_add_byte(&w->table, (uint8_t)type);
    buf_clear(&w->last_key);
    buf_add_str(&w->last_key, key);
    w->table_series++;
    if (w->table_series == TABLE_SERIES || w->table.n >= TABLE_BYTES) {
        end_table(w);
    }
}

enum err series_part_writer_add(struct series_part_writer *w, struct str key, enum series_type type,
                                const struct samples *samples)
{
    enum err e = ERR_OK;
    MUST(samples->count > 0 && str_cmp(buf_str(&w->last_key), key) < 0);
    size_t from = w->chunks.n;
    chunk_encode(samples, type, series_tier_ms(w->meta.tier), w->z, &w->chunks);
    if (w->chunks.failed) {
        return ERR_LIMIT;
    }
    buf_add_varint(&w->lengths, w->chunks.n - from);
    w->block_series++;
    add_key(w, key, type);
    uint64_t first = samples->at[0].time_ms, last = samples->at[samples->count - 1].time_ms;
    w->meta.min_ms = first < w->meta.min_ms ? first : w->meta.min_ms;
    w->meta.max_ms = last > w->meta.max_ms ? last : w->meta.max_ms;
    w->meta.samples += samples->count;
    w->meta.series++;
    if (w->chunks.n >= BLOCK_BYTES) {
        e = end_block(w);
    }
    return e;
}

uint64_t series_part_writer_count(const struct series_part_writer *w)
{
    ASSERT(w->file != NULL);
    return w->meta.series;
}

static void put_footer(const struct series_part_writer *w, struct buf *raw)
{
    const struct series_part_meta *m = &w->meta;
    ASSERT(m->series > 0 && m->min_ms <= m->max_ms);
    buf_add_varint(raw, m->line.n);
    buf_add_str(raw, m->line);
    buf_add_varint(raw, (uint64_t)m->tier);
    buf_add_varint(raw, m->series);
    buf_add_varint(raw, m->samples);
    buf_add_varint(raw, m->min_ms);
    buf_add_varint(raw, m->max_ms - m->min_ms);
    buf_add_varint(raw, w->block_count);
    buf_add_str(raw, buf_str(&w->block_list));
    buf_add_varint(raw, w->table_count);
    buf_add_str(raw, buf_str(&w->table_list));
}

enum err series_part_writer_finish(struct series_part_writer *w)
{
    MUST(w->meta.series > 0);
    enum err e = end_block(w);
    end_table(w);
    if (e != ERR_OK) {
        return e;
    }
    buf_clear(&w->lengths);
    put_footer(w, &w->lengths);
    buf_clear(&w->out);
    buf_add_str(&w->out, buf_str(&w->tables));
    size_t from = w->out.n;
    zpack_add(w->z, buf_str(&w->lengths), &w->out);
    size_t n = w->out.n - from;
    if (w->lengths.failed || w->tables.failed || w->out.failed || n > FOOTER_MAX) {
        return ERR_LIMIT;
    }
    uint64_t sum = checksum(w->out.p + from, n);
    buf_add_u32(&w->out, (uint32_t)n);
    buf_add_u32(&w->out, SERIES_PART_VERSION);
    buf_add_u64(&w->out, sum);
    buf_add(&w->out, PART_MAGIC, 8);
    e = w->file->ops->write_at(w->file, w->out.p, w->out.n, w->offset);
    return e == ERR_OK ? w->file->ops->sync(w->file) : e;
}

void series_part_writer_free(struct series_part_writer *w)
{
    ASSERT(w == NULL || w->file != NULL);
    if (w == NULL) {
        return;
    }
    struct buf *const bufs[] = {&w->lengths,  &w->chunks,     &w->table,      &w->tables,
                                &w->last_key, &w->block_list, &w->table_list, &w->out};
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) {
        buf_done(bufs[i]);
    }
    w->file->ops->close(w->file);
    zpack_free(w->z);
    arena_done(&w->arena);
    mem_free(w);
}
