// SPDX-License-Identifier: Apache-2.0
// Purpose: reading a part of the series store.
#include <stdio.h>
#include <string.h>

#include "codec/checksum.h"
#include "core/logger.h"
#include "core/mem.h"
#include "core/must.h"
#include "series/chunk.h"
#include "series/part_format.h"

// ---- Opening ------------------------------------------------------------------------------------

// Reads a list of sections that lie back to back from *offset on and hold all series.
static bool get_sections(struct cursor *c, struct series_part *p, uint64_t *offset, uint64_t end,
                         struct part_section **ret_list, size_t *ret_count)
{
    size_t n = (size_t)cursor_varint(c);
    uint64_t first = 0;
    ASSERT(*offset <= end);
    if (c->failed || n == 0 || n > cursor_left(c)) {
        return false;
    }
    struct part_section *list = arena_new(&p->arena, n + 1, sizeof *list);
    for (size_t i = 0; i < n; i++) {
        uint64_t series = cursor_varint(c), bytes = cursor_varint(c);
        list[i] = (struct part_section){*offset, first, (uint32_t)bytes, cursor_u64(c)};
        if (c->failed || series == 0 || series > p->meta.series - first || bytes > REGION_MAX ||
            bytes > end - *offset) {
            return false;
        }
        first += series;
        *offset += bytes;
    }
    list[n] = (struct part_section){.offset = *offset, .first = first};
    *ret_list = list;
    *ret_count = n;
    return first == p->meta.series;
}

static bool get_footer(struct cursor *c, struct series_part *p, uint64_t end)
{
    struct series_part_meta *m = &p->meta;
    size_t line_bytes = (size_t)cursor_varint(c);
    const char *line = (const char *)cursor_bytes(c, line_bytes);
    ASSERT(end >= PART_HEAD_BYTES);
    if (line == NULL) {
        return false;
    }
    m->line = arena_str(&p->arena, (struct str){line, line_bytes});
    m->tier = (enum series_tier)cursor_below(c, TIER_COUNT);
    m->series = cursor_varint(c);
    m->samples = cursor_varint(c);
    m->min_ms = cursor_varint(c);
    uint64_t span = cursor_varint(c), offset = PART_HEAD_BYTES;
    if (c->failed || m->series == 0 || m->series > UINT32_MAX / 2 || m->min_ms >= SAMPLE_TIME_MAX ||
        span >= SAMPLE_TIME_MAX) {
        return false;
    }
    m->max_ms = m->min_ms + span;
    return get_sections(c, p, &offset, end, &p->blocks, &p->block_count) &&
           get_sections(c, p, &offset, end, &p->tables, &p->table_count) && offset == end &&
           cursor_left(c) == 0;
}

static enum err read_ends(struct file *f, uint64_t size, uint8_t *tail, struct err_at *at)
{
    uint8_t head[PART_HEAD_BYTES];
    ASSERT(tail != NULL);
    if (size < PART_HEAD_BYTES + PART_TAIL_BYTES) {
        return err_at_set(at, ERR_CORRUPT, size, "The file is too short for a part.");
    }
    enum err e = f->ops->read_at(f, head, sizeof head, 0);
    e = e == ERR_OK ? f->ops->read_at(f, tail, PART_TAIL_BYTES, size - PART_TAIL_BYTES) : e;
    if (e != ERR_OK) {
        return err_at_set(at, e, 0, "The file cannot be read.");
    }
    if (memcmp(head, PART_MAGIC, 8) != 0 || memcmp(tail + 16, PART_MAGIC, 8) != 0 ||
        load_u32(head + 8) != load_u32(tail + 4) || load_u32(head + 12) != 0) {
        return err_at_set(at, ERR_CORRUPT, 0, "The file's ends are not those of a part.");
    }
    if (load_u32(head + 8) != SERIES_PART_VERSION) {
        return err_at_set(at, ERR_UNSUPPORTED, 8, "The part has format version %u, not %u.",
                          load_u32(head + 8), SERIES_PART_VERSION);
    }
    return ERR_OK;
}

// Reads bytes of the file, checked and unpacked.
static enum err read_packed(struct series_part *p, uint64_t offset, size_t n, uint64_t sum,
                            struct arena *a, struct str *ret_raw)
{
    char *bytes = mem_alloc(n + REGION_PAD);
    ASSERT(n <= REGION_MAX);
    enum err e = p->file->ops->read_at(p->file, bytes, n, offset);
    memset(bytes + n, 0, REGION_PAD);
    if (e == ERR_END || (e == ERR_OK && !checksum_fits(bytes, n, sum))) {
        e = ERR_CORRUPT;
    }
    struct cursor c = cursor_of((struct str){bytes, n});
    if (e == ERR_OK) {
        e = zpack_get(&c, a, ret_raw);
    }
    if (e == ERR_OK && cursor_left(&c) > 0) {
        e = ERR_CORRUPT;
    }
    mem_free(bytes);
    return e;
}

static enum err read_footer(struct series_part *p, struct err_at *at)
{
    uint8_t tail[PART_TAIL_BYTES];
    struct arena scratch = {0};
    struct str raw = STR("");
    uint64_t size = p->meta.file_bytes;
    ASSERT(p->file != NULL);
    enum err e = read_ends(p->file, size, tail, at);
    if (e != ERR_OK) {
        return e;
    }
    uint64_t n = load_u32(tail);
    if (n > FOOTER_MAX || n > size - PART_HEAD_BYTES - PART_TAIL_BYTES) {
        return err_at_set(at, ERR_CORRUPT, size - PART_TAIL_BYTES, "The footer has no room.");
    }
    uint64_t offset = size - PART_TAIL_BYTES - n;
    e = read_packed(p, offset, (size_t)n, load_u64(tail + 8), &scratch, &raw);
    struct cursor c = cursor_of(raw);
    if (e == ERR_OK && !get_footer(&c, p, offset)) {
        e = ERR_CORRUPT;
    }
    arena_done(&scratch);
    return e == ERR_OK ? ERR_OK : err_at_set(at, e, offset, "The footer is damaged.");
}

enum err series_part_open(struct fs *fs, const char *path, struct series_part **ret_part,
                          struct err_at *ret_at)
{
    struct file *file;
    ASSERT(fs != NULL && path != NULL);
    enum err e = fs->ops->open(fs, path, FS_READ, &file);
    if (e != ERR_OK) {
        return err_at_set(ret_at, e, 0, "The file cannot be opened.");
    }
    struct series_part *p = mem_new(1, sizeof *p);
    atomic_init(&p->refs, 1);
    atomic_init(&p->fate, FILE_STAYS);
    atomic_init(&p->damaged, false);
    p->fs = fs;
    p->file = file;
    p->path = arena_str(&p->arena, str_of(path)).p;
    e = file->ops->size(file, &p->meta.file_bytes);
    e = e == ERR_OK ? read_footer(p, ret_at) : err_at_set(ret_at, e, 0, "No file size.");
    if (e != ERR_OK) {
        series_part_unref(p);
        return e;
    }
    *ret_part = p;
    return ERR_OK;
}

struct series_part *series_part_ref(struct series_part *p)
{
    int before = atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    MUST(before > 0);
    return p;
}

void series_part_unref(struct series_part *p)
{
    ASSERT(p == NULL || p->file != NULL);
    if (p == NULL) {
        return;
    }
    int before = atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel);
    MUST(before > 0);
    if (before == 1) {
        p->file->ops->close(p->file);
        file_meet_fate(p->fs, p->path, (enum file_fate)atomic_load(&p->fate), "series");
        mem_free(p->series);
        if (p->meter != NULL) {
            meter_give(p->meter, p->meta.series * sizeof *p->series);
        }
        arena_done(&p->arena);
        mem_free(p);
    }
}

// ---- The series ---------------------------------------------------------------------------------

// Reads one entry of a table: the key is put together in `key`.
static bool get_key(struct cursor *c, struct buf *key, enum series_type *ret_type)
{
    size_t shared = (size_t)cursor_varint(c), n = (size_t)cursor_varint(c);
    const uint8_t *rest = cursor_bytes(c, n);
    unsigned type = cursor_byte(c);
    ASSERT(!key->failed);
    if (c->failed || shared > key->n || n == 0 || n > KEY_BYTES_MAX - shared ||
        type < SERIES_GAUGE || type >= SERIES_TYPE_END) {
        return false;
    }
    // Keys ascend: the first byte that differs is greater.
    if (key->n > shared && rest[0] <= (uint8_t)key->p[shared]) {
        return false;
    }
    key->n = shared;
    buf_add(key, rest, n);
    *ret_type = (enum series_type)type;
    return true;
}

// A canonical key is made of non-empty strings that each end in NUL, two for each label.
static bool is_key(struct str key)
{
    size_t strings = 0, from = 0;
    ASSERT(key.p != NULL);
    for (size_t i = 0; i < key.n; i++) {
        if (key.p[i] == 0) {
            if (i == from || i - from > SERIES_LABEL_BYTES_MAX) {
                return false;
            }
            strings++;
            from = i + 1;
        }
    }
    return from == key.n && strings > 0 && strings % 2 == 0 && strings <= 2 * SERIES_LABELS_MAX;
}

enum err series_part_each(struct series_part *p,
                          enum err (*each)(void *ctx, struct str key, enum series_type type),
                          void *ctx)
{
    struct arena a = {0};
    struct buf key, last;
    enum series_type type;
    enum err e = ERR_OK;
    ASSERT(each != NULL);
    buf_init(&key, KEY_BYTES_MAX);
    buf_init(&last, KEY_BYTES_MAX);
    for (size_t i = 0; i < p->table_count && e == ERR_OK; i++) {
        const struct part_section *t = &p->tables[i];
        struct str raw = STR("");
        arena_clear(&a);
        e = read_packed(p, t->offset, t->bytes, t->sum, &a, &raw);
        struct cursor c = cursor_of(raw);
        buf_clear(&last);
        buf_add_str(&last, buf_str(&key));
        buf_clear(&key); // a table begins with a whole key
        for (uint64_t k = t->first; k < t[1].first && e == ERR_OK; k++) {
            bool fits = get_key(&c, &key, &type) && is_key(buf_str(&key)) &&
                        (k > t->first || str_cmp(buf_str(&last), buf_str(&key)) < 0);
            e = fits ? each(ctx, buf_str(&key), type) : ERR_CORRUPT;
        }
        e = e == ERR_OK && cursor_left(&c) > 0 ? ERR_CORRUPT : e;
    }
    arena_done(&a);
    buf_done(&key);
    buf_done(&last);
    return e;
}

// ---- Chunks -------------------------------------------------------------------------------------

void part_cursor_init(struct part_cursor *c, struct series_part *p)
{
    ASSERT(p->block_count > 0);
    *c = (struct part_cursor){.part = p, .block = p->block_count};
}

void part_cursor_done(struct part_cursor *c)
{
    ASSERT(c->part != NULL || c->arena.chunks == NULL);
    arena_done(&c->arena);
}

// The block that has the position.
static size_t find_block(const struct series_part *p, uint64_t position)
{
    size_t low = 0, high = p->block_count;
    ASSERT(position < p->meta.series);
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (p->blocks[middle].first <= position) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

static enum err load_block(struct part_cursor *c, size_t block)
{
    const struct part_section *b = &c->part->blocks[block];
    ASSERT(block < c->part->block_count);
    c->block = c->part->block_count;
    arena_clear(&c->arena);
    enum err e = read_packed(c->part, b->offset, b->bytes, b->sum, &c->arena, &c->bytes);
    if (e != ERR_OK) {
        return e;
    }
    struct cursor all = cursor_of(c->bytes);
    c->lengths = all;
    uint64_t total = 0;
    for (uint64_t i = b->first; i < b[1].first; i++) {
        uint64_t n = cursor_varint(&all);
        if (all.failed || n == 0 || n > REGION_MAX) {
            return ERR_CORRUPT;
        }
        total += n;
    }
    if (total != cursor_left(&all)) {
        return ERR_CORRUPT;
    }
    c->at = c->bytes.n - (size_t)total;
    c->position = b->first;
    c->block = block;
    return ERR_OK;
}

static enum err note(struct part_cursor *c, enum err e)
{
    ASSERT(c->part != NULL);
    if (e == ERR_CORRUPT) {
        atomic_store_explicit(&c->part->damaged, true, memory_order_relaxed);
    }
    return e;
}

enum err part_cursor_get(struct part_cursor *c, uint64_t position, struct str *ret_chunk)
{
    size_t block = find_block(c->part, position);
    if (block != c->block || position < c->position) {
        enum err e = load_block(c, block);
        if (e != ERR_OK) {
            return note(c, e);
        }
    }
    for (; c->position < position; c->position++) {
        c->at += (size_t)cursor_varint(&c->lengths);
    }
    struct cursor ahead = c->lengths;
    size_t n = (size_t)cursor_varint(&ahead);
    ASSERT(n <= c->bytes.n - c->at);
    *ret_chunk = (struct str){c->bytes.p + c->at, n};
    return ERR_OK;
}

enum err part_cursor_samples(struct part_cursor *c, uint64_t position, enum series_type type,
                             struct samples *into)
{
    struct str chunk;
    size_t before = into->count;
    enum err e = part_cursor_get(c, position, &chunk);
    if (e == ERR_OK) {
        e = note(c, chunk_decode(chunk, type, series_tier_ms(c->part->meta.tier), into));
    }
    if (e != ERR_OK) {
        into->count = before;
    }
    return e;
}

enum err part_cursor_sums(struct part_cursor *c, uint64_t position, const struct chunk_steps *steps,
                          struct samples *into)
{
    struct str chunk;
    enum err e = part_cursor_get(c, position, &chunk);
    ASSERT(steps->sums != NULL);
    return e == ERR_OK ? note(c, chunk_sum(chunk, series_tier_ms(c->part->meta.tier), steps, into))
                       : e;
}
