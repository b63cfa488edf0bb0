// SPDX-License-Identifier: Apache-2.0
// Purpose: a part with some of its traces.
#include "store/part_strip.h"

#include "core/mem.h"
#include "core/must.h"
#include "store/block.h"

// Traces that stay, in the order of the part.
struct strip {
    const struct part_strip *s;
    struct part_writer *writer;
    trace_id *traces;
    size_t count, capacity;
    size_t at;      // the first that the pass has not gone by
    trace_id asked; // the last that was asked for
    bool is_asked;
    uint64_t rows;
};

static bool is_stopped(const struct strip *x)
{
    ASSERT(x->at <= x->count);
    ASSERT(x->s != NULL);
    return x->s->stop != NULL && atomic_load_explicit(x->s->stop, memory_order_relaxed);
}

// ---- Which traces -------------------------------------------------------------------------------

static bool stays(struct strip *x, const struct span *s)
{
    ASSERT(x->writer == NULL);
    if (x->s->keeps == NULL) {
        return s->status == STATUS_ERROR;
    }
    if (x->is_asked && trace_id_cmp(&x->asked, &s->trace) == 0) {
        return false; // it was added then, or goes
    }
    x->asked = s->trace;
    x->is_asked = true;
    return x->s->keeps(x->s->ctx, &s->trace);
}

static void note_traces(struct strip *x, const struct batch *page)
{
    ASSERT(x->at == 0);
    ASSERT(page->sealed);
    for (size_t i = 0; i < page->span_count; i++) {
        const struct span *s = &page->spans[i];
        bool known = x->count > 0 && trace_id_cmp(&x->traces[x->count - 1], &s->trace) == 0;
        if (!known && stays(x, s)) {
            x->traces = mem_grow(x->traces, &x->capacity, x->count + 1, sizeof *x->traces);
            x->traces[x->count++] = s->trace;
        }
    }
}

static enum err find_in_block(struct strip *x, size_t index)
{
    ASSERT(x->writer == NULL);
    static const struct page_request ids = {.fields = 0};
    struct block *b;
    ASSERT(x->s->keeps != NULL || part_block_meta(x->s->input, index)->errors > 0);
    enum err e = block_open(x->s->input, index, &b);
    if (e != ERR_OK) {
        return e;
    }
    for (size_t page = 0; page < block_pages(b) && e == ERR_OK; page++) {
        struct batch *rows;
        e = is_stopped(x) ? ERR_CANCELLED : block_read_page(b, page, &ids, &rows);
        if (e == ERR_OK) {
            note_traces(x, rows);
            batch_unref(rows);
        }
    }
    block_free(b);
    return e;
}

// ---- Their rows ---------------------------------------------------------------------------------

// Whether the trace is one to keep; they are asked for in order.
static bool is_kept(struct strip *x, const trace_id *trace)
{
    ASSERT(trace != NULL);
    ASSERT(x->at <= x->count);
    while (x->at < x->count && trace_id_cmp(&x->traces[x->at], trace) < 0) {
        x->at++;
    }
    return x->at < x->count && trace_id_cmp(&x->traces[x->at], trace) == 0;
}

static enum err copy_page(struct strip *x, struct block *b, size_t page)
{
    ASSERT(x->writer != NULL && page < block_pages(b));
    static const struct page_request ids = {.fields = 0};
    uint64_t bitmap[PAGE_ROWS / 64] = {0};
    struct page_request kept = {.fields = FIELD_ALL, .all_columns = true, .rows = bitmap};
    struct batch *rows;
    size_t count = 0;
    enum err e = block_read_page(b, page, &ids, &rows);
    if (e != ERR_OK) {
        return e;
    }
    ASSERT(rows->span_count <= PAGE_ROWS);
    for (size_t i = 0; i < rows->span_count; i++) {
        uint64_t yes = is_kept(x, &rows->spans[i].trace);
        bitmap[i / 64] |= yes << i % 64;
        count += yes;
    }
    batch_unref(rows);
    x->rows += count;
    if (count == 0) {
        return ERR_OK;
    }
    e = block_read_page(b, page, &kept, &rows);
    for (size_t i = 0; e == ERR_OK && i < count; i++) {
        e = part_writer_add(x->writer, (struct row){rows, (uint32_t)i});
        if (i + 1 == count || e != ERR_OK) {
            batch_unref(rows);
        }
    }
    return e;
}

static enum err copy_block(struct strip *x, size_t index)
{
    ASSERT(index < part_meta(x->s->input)->blocks);
    ASSERT(x->writer != NULL);
    const struct block_meta *m = part_block_meta(x->s->input, index);
    struct block *b;
    (void)is_kept(x, &m->first_trace); // goes by those before the block
    if (x->at == x->count || trace_id_cmp(&x->traces[x->at], &m->last_trace) > 0) {
        return ERR_OK;
    }
    enum err e = block_open(x->s->input, index, &b);
    if (e != ERR_OK) {
        return e;
    }
    for (size_t page = 0; page < block_pages(b) && e == ERR_OK; page++) {
        e = is_stopped(x) ? ERR_CANCELLED : copy_page(x, b, page);
    }
    block_free(b);
    return e;
}

static enum err copy(struct strip *x)
{
    ASSERT(x->count > 0 && x->at == 0);
    ASSERT(x->writer == NULL);
    size_t blocks = (size_t)part_meta(x->s->input)->blocks;
    enum err e = part_writer_new(&x->s->out, &x->writer);
    if (e != ERR_OK) {
        return e;
    }
    for (size_t i = 0; i < blocks && e == ERR_OK; i++) {
        e = copy_block(x, i);
    }
    if (e == ERR_OK) { // traces that stay, but no rows of theirs where they belong: out of order
        e = x->rows > 0 ? part_writer_finish(x->writer) : ERR_CORRUPT;
    }
    part_writer_free(x->writer);
    return e;
}

enum err part_strip(const struct part_strip *s, enum part_strip_result *ret_result)
{
    ASSERT(s->out.fs != NULL && s->out.path != NULL);
    struct strip x = {.s = s};
    const struct part_meta *m = part_meta(s->input);
    enum part_strip_result result = STRIP_WRITTEN;
    enum err e = ERR_OK;
    ASSERT(ret_result != NULL && m->rows > 0);
    for (size_t i = 0; i < m->blocks && e == ERR_OK; i++) {
        if (s->keeps != NULL || part_block_meta(s->input, i)->errors > 0) {
            e = find_in_block(&x, i);
        }
    }
    if (e == ERR_OK && (x.count == 0 || x.count == m->traces)) {
        result = x.count == 0 ? STRIP_NONE_KEPT : STRIP_ALL_KEPT;
    } else if (e == ERR_OK) {
        e = copy(&x);
    }
    mem_free(x.traces);
    if (e == ERR_OK) {
        *ret_result = result;
    }
    return e;
}
