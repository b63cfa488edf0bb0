// SPDX-License-Identifier: Apache-2.0
// Purpose: the footer of a part.
//
//   footer  = varint length, line; varint rows, traces, min start, max start, min duration, max
//             duration, first seq, last seq, bloom offset, bloom blocks;
//             varint services, each: varint length, name; varint rows, errors;
//             varint blocks, each: varint rows, pages, min start, max start, min duration, max
//             duration, errors, offset, region bytes, directory bytes; directory XXH3-64, first
//             and last trace ID as they are; since version 2 for each page: varint min start -
//             the block's, max start - min start, min duration - the block's, max duration - min
//             duration
#include "store/part_footer.h"

#include "codec/cursor.h"
#include "core/must.h"
#include "store/bloom.h"
#include "store/strtab.h"

static void put_text(struct buf *out, struct str s)
{
    ASSERT(out != NULL);
    ASSERT(s.p != NULL || s.n == 0);
    buf_add_varint(out, s.n);
    buf_add_str(out, s);
}

static void put_page_meta(const struct block_meta *m, const struct page_meta *p, struct buf *out)
{
    ASSERT(p->min_start_ns >= m->min_start_ns && p->max_start_ns >= p->min_start_ns);
    ASSERT(p->min_duration_ns >= m->min_duration_ns && p->max_duration_ns >= p->min_duration_ns);
    buf_add_varint(out, p->min_start_ns - m->min_start_ns);
    buf_add_varint(out, p->max_start_ns - p->min_start_ns);
    buf_add_varint(out, p->min_duration_ns - m->min_duration_ns);
    buf_add_varint(out, p->max_duration_ns - p->min_duration_ns);
}

static void put_block(const struct block_meta *m, const struct block_place *p, unsigned version,
                      struct buf *out)
{
    ASSERT(p != NULL && out != NULL);
    ASSERT(m->rows > 0 && m->rows <= BLOCK_ROWS);
    const uint64_t numbers[] = {m->rows,           m->pages,           m->min_start_ns,
                                m->max_start_ns,   m->min_duration_ns, m->max_duration_ns,
                                m->errors,         p->offset,          p->region_bytes,
                                p->directory_bytes};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        buf_add_varint(out, numbers[i]);
    }
    buf_add_u64(out, p->directory_sum);
    buf_add(out, m->first_trace.b, TRACE_BYTES);
    buf_add(out, m->last_trace.b, TRACE_BYTES);
    for (uint32_t i = 0; version >= 2 && i < m->pages; i++) {
        put_page_meta(m, &m->page[i], out);
    }
}

void footer_encode(const struct part_footer *f, unsigned version, struct buf *out)
{
    ASSERT(f->meta.rows > 0);
    const struct part_meta *m = &f->meta;
    ASSERT(m->blocks <= PART_BLOCKS_MAX);
    const uint64_t numbers[] = {m->rows,         m->traces,          m->min_start_ns,
                                m->max_start_ns, m->min_duration_ns, m->max_duration_ns,
                                m->seq_first,    m->seq_last,        f->bloom_offset,
                                f->bloom_blocks};
    put_text(out, m->line);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        buf_add_varint(out, numbers[i]);
    }
    buf_add_varint(out, m->service_count);
    for (size_t i = 0; i < m->service_count; i++) {
        put_text(out, m->services[i].name);
        buf_add_varint(out, m->services[i].rows);
        buf_add_varint(out, m->services[i].errors);
    }
    buf_add_varint(out, m->blocks);
    for (size_t i = 0; i < m->blocks; i++) {
        put_block(&f->blocks[i], &f->places[i], version, out);
    }
}

static struct str get_text(struct cursor *c, struct arena *a)
{
    ASSERT(c != NULL && a != NULL);
    size_t n = (size_t)cursor_varint(c);
    const char *p = (const char *)cursor_bytes(c, n);
    ASSERT(p == NULL || !c->failed);
    return p == NULL ? STR("") : arena_str(a, (struct str){p, n});
}

static void get_services(struct cursor *c, struct arena *a, struct part_footer *f)
{
    ASSERT(a != NULL && f != NULL);
    ASSERT(f->services == NULL);
    // Each takes three bytes at least, which bounds the list before room is made.
    size_t n = cursor_below(c, cursor_left(c) / 3 + 1);
    f->services = arena_new(a, n + 1, sizeof *f->services);
    for (size_t i = 0; i < n && !c->failed; i++) {
        f->services[i].name = get_text(c, a);
        f->services[i].rows = cursor_varint(c);
        f->services[i].errors = cursor_varint(c);
    }
    f->meta.services = f->services;
    f->meta.service_count = n;
}

static bool block_is_sane(const struct block_meta *m, const struct block_place *p,
                          uint64_t file_bytes)
{
    _Static_assert(BLOCK_ROWS % PAGE_ROWS == 0, "the last page of a full block is full");
    ASSERT(m != NULL && p != NULL);
    uint64_t bytes = (uint64_t)p->region_bytes + p->directory_bytes;
    return m->rows >= 1 && m->rows <= BLOCK_ROWS &&
           m->pages == (m->rows + PAGE_ROWS - 1) / PAGE_ROWS && p->offset <= file_bytes &&
           bytes <= file_bytes - p->offset;
}

static void get_block(struct cursor *c, uint64_t file_bytes, struct block_meta *m,
                      struct block_place *p)
{
    ASSERT(file_bytes >= PART_HEAD_BYTES + PART_TAIL_BYTES);
    ASSERT(m != NULL && p != NULL);
    m->rows = cursor_below(c, BLOCK_ROWS + 1);
    m->pages = cursor_below(c, BLOCK_PAGES + 1);
    m->min_start_ns = cursor_varint(c);
    m->max_start_ns = cursor_varint(c);
    m->min_duration_ns = cursor_varint(c);
    m->max_duration_ns = cursor_varint(c);
    m->errors = cursor_varint(c);
    p->offset = cursor_varint(c);
    p->region_bytes = cursor_below(c, UINT32_MAX);
    p->directory_bytes = cursor_below(c, UINT32_MAX);
    p->directory_sum = cursor_u64(c);
    const uint8_t *ids = cursor_bytes(c, 2 * TRACE_BYTES);
    if (ids == NULL || !block_is_sane(m, p, file_bytes)) {
        c->failed = true;
        return;
    }
    memcpy(m->first_trace.b, ids, TRACE_BYTES);
    memcpy(m->last_trace.b, ids + TRACE_BYTES, TRACE_BYTES);
}

// Reads [least + varint, that + varint]; it must lie within [least, most].
static void get_range(struct cursor *c, uint64_t least, uint64_t most, uint64_t *ret_min,
                      uint64_t *ret_max)
{
    uint64_t low = cursor_varint(c), width = cursor_varint(c);
    ASSERT(ret_min != ret_max);
    if (most < least || low > most - least || width > most - least - low) {
        c->failed = true;
        return;
    }
    *ret_min = least + low;
    *ret_max = least + low + width;
}

static void get_pages(struct cursor *c, struct arena *a, struct block_meta *m)
{
    ASSERT(m->page == NULL);
    if (c->failed) {
        return;
    }
    ASSERT(m->pages <= BLOCK_PAGES);
    struct page_meta *pages = arena_new(a, m->pages, sizeof *pages);
    for (uint32_t i = 0; i < m->pages && !c->failed; i++) {
        struct page_meta *p = &pages[i];
        get_range(c, m->min_start_ns, m->max_start_ns, &p->min_start_ns, &p->max_start_ns);
        get_range(c, m->min_duration_ns, m->max_duration_ns, &p->min_duration_ns,
                  &p->max_duration_ns);
    }
    m->page = pages;
}

static void get_blocks(struct cursor *c, struct arena *a, unsigned version, uint64_t file_bytes,
                       struct part_footer *f)
{
    ASSERT(f->blocks == NULL);
    enum { BLOCK_BYTES_MIN = 10 + 8 + 32 };
    size_t n = cursor_below(c, cursor_left(c) / BLOCK_BYTES_MIN + 1);
    ASSERT(n <= PART_FOOTER_MAX);
    uint64_t rows = 0;
    f->blocks = arena_new(a, n + 1, sizeof *f->blocks);
    f->places = arena_new(a, n + 1, sizeof *f->places);
    for (size_t i = 0; i < n && !c->failed; i++) {
        get_block(c, file_bytes, &f->blocks[i], &f->places[i]);
        if (version >= 2) {
            get_pages(c, a, &f->blocks[i]);
        }
        rows += f->blocks[i].rows;
    }
    f->meta.blocks = n;
    c->failed = c->failed || rows != f->meta.rows || n == 0;
}

// ---- What must agree ----------------------------------------------------------------------------
// A checksum that fits says that the bytes are as they were written, not that they are true. What
// retention and merging count by is checked here, once, so that they need not.

static bool services_agree(const struct part_footer *f, uint64_t block_errors)
{
    struct strtab names = {0};
    uint64_t rows = 0, errors = 0;
    bool sane = true;
    ASSERT(f->services != NULL);
    for (size_t i = 0; i < f->meta.service_count && sane; i++) {
        const struct part_service *x = &f->services[i];
        sane = x->rows >= 1 && x->rows <= f->meta.rows && x->errors <= x->rows &&
               strtab_add(&names, x->name, str_hash(x->name)) == i; // no name twice
        rows += x->rows;
        errors += x->errors;
    }
    ASSERT(names.count <= f->meta.service_count);
    strtab_done(&names);
    return sane && rows == f->meta.rows && errors == block_errors;
}

static bool block_fits(const struct block_meta *b, const struct part_meta *m)
{
    ASSERT(m->blocks > 0);
    ASSERT(b->rows > 0);
    return b->errors <= b->rows && b->min_start_ns <= b->max_start_ns &&
           b->min_duration_ns <= b->max_duration_ns && b->min_start_ns >= m->min_start_ns &&
           b->max_start_ns <= m->max_start_ns && b->min_duration_ns >= m->min_duration_ns &&
           b->max_duration_ns <= m->max_duration_ns &&
           trace_id_cmp(&b->first_trace, &b->last_trace) <= 0;
}

static bool is_consistent(const struct part_footer *f)
{
    ASSERT(f->places != NULL);
    const struct part_meta *m = &f->meta;
    uint64_t errors = 0;
    ASSERT(m->blocks > 0 && f->blocks != NULL);
    if (m->traces == 0 || m->traces > m->rows || m->seq_first > m->seq_last) {
        return false;
    }
    for (size_t i = 0; i < m->blocks; i++) {
        const struct block_meta *b = &f->blocks[i];
        if (!block_fits(b, m) ||
            (i > 0 && trace_id_cmp(&f->blocks[i - 1].last_trace, &b->first_trace) > 0)) {
            return false;
        }
        errors += b->errors;
    }
    return services_agree(f, errors);
}

enum err footer_decode(struct str bytes, unsigned version, uint64_t file_bytes, struct arena *a,
                       struct part_footer *ret_footer)
{
    ASSERT(a != NULL && ret_footer != NULL);
    ASSERT(a != NULL);
    struct part_footer f = {0};
    struct cursor c = cursor_of(bytes);
    struct part_meta *m = &f.meta;
    m->line = get_text(&c, a);
    m->rows = cursor_varint(&c);
    m->traces = cursor_varint(&c);
    m->min_start_ns = cursor_varint(&c);
    m->max_start_ns = cursor_varint(&c);
    m->min_duration_ns = cursor_varint(&c);
    m->max_duration_ns = cursor_varint(&c);
    m->seq_first = cursor_varint(&c);
    m->seq_last = cursor_varint(&c);
    f.bloom_offset = cursor_varint(&c);
    f.bloom_blocks = cursor_below(&c, UINT32_MAX / 2);
    m->file_bytes = file_bytes;
    if (c.failed || f.bloom_blocks == 0 || f.bloom_offset > file_bytes ||
        bloom_bytes(f.bloom_blocks) > file_bytes - f.bloom_offset) {
        return ERR_CORRUPT;
    }
    get_services(&c, a, &f);
    get_blocks(&c, a, version, file_bytes, &f);
    if (c.failed || cursor_left(&c) != 0 || !is_consistent(&f)) {
        return ERR_CORRUPT;
    }
    *ret_footer = f;
    return ERR_OK;
}
