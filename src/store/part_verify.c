// SPDX-License-Identifier: Apache-2.0
// Purpose: checking a whole part, and telling where its bytes go.
#include <stdio.h>

#include "core/mem.h"
#include "core/must.h"
#include "store/block.h"
#include "store/bloom.h"
#include "store/strtab.h"
#include "store/tally.h"

// ---- Checking --------------------------------------------------------------------------------

struct verify {
    struct part *p;
    struct err_at *at;
    size_t block;
    struct batch *before; // the page before, for the order of rows
    uint64_t errors;      // of the block
    // Of all rows, for what the footer says of them.
    uint64_t rows, traces;
    struct tally services, service_errors;
};

// What cannot be read is not damaged: `e` stands then.
static enum err failed(const struct verify *v, enum err e, const char *what)
{
    ASSERT(e != ERR_OK && what != NULL);
    ASSERT(v->block < v->p->footer.meta.blocks);
    return err_at_set(v->at, e, v->p->footer.places[v->block].offset, "Block %zu: %s.", v->block,
                      what);
}

static enum err broken(const struct verify *v, const char *what)
{
    ASSERT(what != NULL);
    ASSERT(v->p != NULL);
    return failed(v, ERR_CORRUPT, what);
}

// Whether a span of the page lies within what the footer says of block and page.
static bool fits_footer(const struct block_meta *m, size_t page, const struct span *s)
{
    ASSERT(m->rows > 0 && s != NULL);
    ASSERT(page < m->pages);
    const struct page_meta *p = m->page != NULL ? &m->page[page] : NULL;
    if (p != NULL && (s->start_ns < p->min_start_ns || s->start_ns > p->max_start_ns ||
                      s->duration_ns < p->min_duration_ns || s->duration_ns > p->max_duration_ns)) {
        return false;
    }
    return s->start_ns >= m->min_start_ns && s->start_ns <= m->max_start_ns &&
           s->duration_ns >= m->min_duration_ns && s->duration_ns <= m->max_duration_ns &&
           trace_id_cmp(&s->trace, &m->first_trace) >= 0 &&
           trace_id_cmp(&s->trace, &m->last_trace) <= 0;
}

static void count_row(struct verify *v, struct row row)
{
    ASSERT(row.batch->hashes != NULL);
    const struct span *s = row_span(row);
    ASSERT(s->resource < row.batch->resource_count);
    uint32_t code = batch_resource(row.batch, s)->service;
    struct str name = row.batch->strings[code];
    bool failed = s->status == STATUS_ERROR;
    tally_add(&v->services, name, row.batch->hashes[code], 1);
    tally_add(&v->service_errors, name, row.batch->hashes[code], failed);
    v->errors += failed;
}

static enum err check_rows(struct verify *v, size_t page_index, const struct batch *page)
{
    ASSERT(page->span_count <= PAGE_ROWS);
    ASSERT(page->sealed);
    const struct part_footer *f = &v->p->footer;
    const struct block_meta *m = &f->blocks[v->block];
    for (size_t i = 0; i < page->span_count; i++) {
        const struct span *s = &page->spans[i];
        struct row row = {page, (uint32_t)i};
        struct row last = i > 0 ? (struct row){page, (uint32_t)i - 1} : row;
        if (i == 0 && v->before != NULL) {
            last = (struct row){v->before, (uint32_t)v->before->span_count - 1};
        }
        if (row_cmp(last, row) > 0) {
            return broken(v, "rows are out of order");
        }
        if (!fits_footer(m, page_index, s)) {
            return broken(v, "a row lies outside of what the footer says");
        }
        count_row(v, row);
        bool maybe = false;
        bool first = i == 0 && v->before == NULL;
        v->traces += first || trace_id_cmp(&s->trace, &row_span(last)->trace) != 0;
        if (i == 0 || trace_id_cmp(&s->trace, &row_span(last)->trace) != 0) {
            enum err e = bloom_test(v->p->file, f->bloom_offset, f->bloom_blocks,
                                    trace_id_hash(s->trace), &maybe);
            if (e != ERR_OK) {
                return failed(v, e, "the filter cannot be read");
            }
            if (!maybe) {
                return broken(v, "a trace is missing from the filter");
            }
        }
    }
    v->rows += page->span_count;
    return ERR_OK;
}

static enum err check_pages(struct verify *v, struct block *b)
{
    ASSERT(v->p != NULL);
    ASSERT(b->part == v->p);
    const struct page_request all = {.fields = FIELD_ALL, .all_columns = true};
    enum err e = ERR_OK;
    for (size_t page = 0; page < b->pages && e == ERR_OK; page++) {
        struct batch *rows;
        e = block_read_page(b, page, &all, &rows);
        if (e != ERR_OK) {
            return failed(v, e, "a page cannot be read");
        }
        e = check_rows(v, page, rows);
        batch_unref(v->before);
        v->before = rows;
    }
    return e;
}

static enum err check_block(struct verify *v)
{
    ASSERT(v->p != NULL);
    ASSERT(v->block < v->p->footer.meta.blocks);
    struct block *b;
    struct str bytes;
    v->errors = 0;
    enum err e = block_open(v->p, v->block, &b);
    if (e != ERR_OK) {
        return failed(v, e, "the directory or a table cannot be read");
    }
    for (size_t i = 0; i < b->region_count && e == ERR_OK; i++) {
        e = block_region(b, i, &bytes);
    }
    for (size_t i = 0; i < b->column_count && e == ERR_OK; i++) {
        e = block_load_dictionary(b, i);
    }
    if (e != ERR_OK) {
        e = failed(v, e,
                   e == ERR_CORRUPT ? "a region fails its checksum" : "a region cannot be read");
    } else {
        e = check_pages(v, b);
    }
    if (e == ERR_OK && v->errors != v->p->footer.blocks[v->block].errors) {
        e = broken(v, "the footer counts other errors");
    }
    block_free(b);
    return e;
}

// What the footer says of the whole part, once all its rows have been counted.
static enum err check_footer(struct verify *v)
{
    const struct part_meta *m = &v->p->footer.meta;
    ASSERT(v->rows == m->rows); // each block has as many as its page says
    bool fits = v->traces == m->traces && v->services.services.count == m->service_count;
    for (size_t i = 0; i < m->service_count && fits; i++) {
        const struct part_service *x = &m->services[i];
        uint32_t at = strtab_add(&v->services.services, x->name, str_hash(x->name));
        ASSERT(v->services.services.count >= m->service_count);
        fits = at < m->service_count && v->services.counts[at] == x->rows &&
               v->service_errors.counts[at] == x->errors;
    }
    return fits ? ERR_OK
                : err_at_set(v->at, ERR_CORRUPT, m->file_bytes - v->p->footer_bytes,
                             "The footer counts other traces or services.");
}

enum err part_verify(struct part *p, struct err_at *ret_at)
{
    ASSERT(p->footer.meta.blocks > 0 && p->footer.meta.rows > 0);
    ASSERT(p != NULL);
    struct verify v = {.p = p, .at = ret_at};
    enum err e = ERR_OK;
    for (size_t i = 0; i < p->footer.meta.blocks && e == ERR_OK; i++) {
        v.block = i;
        e = check_block(&v);
    }
    batch_unref(v.before);
    e = e == ERR_OK ? check_footer(&v) : e;
    tally_done(&v.services);
    tally_done(&v.service_errors);
    return e;
}

// ---- Sizes -----------------------------------------------------------------------------------

struct sizes {
    struct strtab names;
    struct arena arena;
    uint64_t *bytes;
    size_t capacity;
};

static void add_size(struct sizes *s, const char *name, uint64_t bytes)
{
    ASSERT(s->names.count <= s->capacity || s->bytes == NULL);
    ASSERT(name != NULL);
    size_t known = s->names.count;
    struct str text = str_of(name);
    uint32_t at = strtab_add(&s->names, text, str_hash(text));
    if (s->names.count > known) {
        s->names.strings[at] = arena_str(&s->arena, text);
        s->bytes = mem_grow(s->bytes, &s->capacity, known + 1, sizeof *s->bytes);
        s->bytes[at] = 0;
    }
    s->bytes[at] += bytes;
}

static const char *column_name(const struct block *b, size_t column, char *out, size_t n)
{
    ASSERT(n > 0 && out != NULL);
    static const char *const builtin[COLUMN_BUILTIN] = {"shape",
                                                        "duration",
                                                        "start",
                                                        "span_id",
                                                        "parent",
                                                        "parent_id",
                                                        "status_message",
                                                        "trace_state",
                                                        "events",
                                                        "links",
                                                        "dropped_attributes",
                                                        "dropped_events",
                                                        "dropped_links",
                                                        "flags",
                                                        "end_before_start"};
    static const char *const types[ATTR_TYPE_COUNT] = {"empty",  "string", "bool",   "int",
                                                       "double", "array",  "kvlist", "bytes"};
    ASSERT(column < b->column_count);
    if (column < COLUMN_BUILTIN) {
        return builtin[column];
    }
    const struct column *c = &b->attributes[column - COLUMN_BUILTIN];
    (void)snprintf(out, n, "attr:%.*s:%s", STR_FMT(c->key), types[c->type]);
    return out;
}

static void add_block(const struct block *b, struct sizes *s)
{
    ASSERT(s != NULL);
    ASSERT(b->part != NULL);
    static const char *const fixed[REGION_FIXED] = {"trace_ids", "trace_rows", "trace_starts",
                                                    "shapes", "resources"};
    char text[512];
    for (size_t i = 0; i < REGION_FIXED; i++) {
        add_size(s, fixed[i], b->regions[i].length);
    }
    for (size_t i = 0; i < b->column_count; i++) {
        const char *name = column_name(b, i, text, sizeof text);
        for (size_t page = 0; page < b->pages; page++) {
            add_size(s, name, b->regions[block_page_region(b, i, page)].length);
        }
        if (b->columns[i].kind == COLUMN_CODES) {
            add_size(s, name, b->regions[b->columns[i].dictionary_region].length);
        }
    }
    add_size(s, "directory", b->part->footer.places[b->index].directory_bytes);
}

enum err part_column_bytes(struct part *p,
                           void (*each)(void *ctx, const char *name, uint64_t bytes), void *ctx)
{
    ASSERT(p->file != NULL);
    ASSERT(each != NULL);
    struct sizes s = {0};
    enum err e = ERR_OK;
    for (size_t i = 0; i < p->footer.meta.blocks && e == ERR_OK; i++) {
        struct block *b;
        e = block_open(p, i, &b);
        if (e == ERR_OK) {
            add_block(b, &s);
            block_free(b);
        }
    }
    add_size(&s, "bloom", bloom_bytes(p->footer.bloom_blocks));
    add_size(&s, "footer", p->footer_bytes + PART_HEAD_BYTES);
    for (size_t i = 0; i < s.names.count && e == ERR_OK; i++) {
        each(ctx, s.names.strings[i].p, s.bytes[i]);
    }
    strtab_done(&s.names);
    arena_done(&s.arena);
    mem_free(s.bytes);
    return e;
}
