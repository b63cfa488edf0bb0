// SPDX-License-Identifier: Apache-2.0
// Purpose: several parts into one.
#include "store/part_merge.h"

#include "core/must.h"
#include "store/row_sort.h"

// Where the merge stands in one input; `rows` is NULL at its end.
struct input {
    struct part *part;
    size_t next_block, next_page;
    struct block *block;
    struct batch *rows;
    uint32_t at;
};

static void input_done(struct input *in)
{
    ASSERT(in != NULL);
    ASSERT(in->part != NULL);
    block_free(in->block);
    batch_unref(in->rows);
    in->block = NULL;
    in->rows = NULL;
}

static enum err next_page(struct input *in)
{
    ASSERT(in->next_block <= part_meta(in->part)->blocks);
    ASSERT(in->part != NULL);
    static const struct page_request all = {.fields = FIELD_ALL, .all_columns = true};
    enum err e = ERR_OK;
    batch_unref(in->rows);
    in->rows = NULL;
    in->at = 0;
    if (in->block != NULL && in->next_page == block_pages(in->block)) {
        block_free(in->block);
        in->block = NULL;
    }
    if (in->block == NULL) {
        if (in->next_block == part_meta(in->part)->blocks) {
            return ERR_OK;
        }
        e = block_open(in->part, in->next_block++, &in->block);
        in->next_page = 0;
    }
    if (e == ERR_OK) {
        e = block_read_page(in->block, in->next_page++, &all, &in->rows);
    }
    return e;
}

static struct row head(const struct input *in)
{
    ASSERT(in->rows != NULL && in->at < in->rows->span_count);
    return (struct row){in->rows, in->at};
}

// The inputs with the least and the second least head; NULL where there is none.
static struct input *least(struct input *inputs, size_t n, struct input **ret_second)
{
    ASSERT(ret_second != NULL);
    ASSERT(n > 0 && n <= MERGE_INPUTS_MAX);
    struct input *first = NULL, *second = NULL;
    for (size_t i = 0; i < n; i++) {
        struct input *in = &inputs[i];
        if (in->rows == NULL) {
            continue;
        }
        if (first == NULL || row_cmp(head(in), head(first)) < 0) {
            second = first;
            first = in;
        } else if (second == NULL || row_cmp(head(in), head(second)) < 0) {
            second = in;
        }
    }
    *ret_second = second;
    return first;
}

struct sink {
    const struct part_merge *m;
    struct part_writer *writer;
    struct dedupe dedupe;
};

static enum err put(struct sink *s, struct row row)
{
    ASSERT(row.index < row.batch->span_count);
    ASSERT(s->writer != NULL);
    return dedupe_is_copy(&s->dedupe, row) ? ERR_OK : part_writer_add(s->writer, row);
}

// Takes rows from `in` while they come before `limit`'s head.
static enum err take_run(struct sink *s, struct input *in, const struct input *limit, bool *ret_bad)
{
    ASSERT(ret_bad != NULL && in->at < in->rows->span_count);
    ASSERT(in->rows != NULL && in != limit);
    enum err e = ERR_OK;
    do {
        e = put(s, head(in));
        *ret_bad = e == ERR_CORRUPT; // its rows are out of order
        in->at++;
        if (e == ERR_OK && in->at == in->rows->span_count) {
            e = next_page(in);
            *ret_bad = e != ERR_OK;
        }
    } while (e == ERR_OK && in->rows != NULL &&
             (limit == NULL ? in->at != 0 : row_cmp(head(in), head(limit)) <= 0));
    return e;
}

static enum err run(struct sink *s, struct input *inputs, size_t n, size_t *ret_bad)
{
    ASSERT(n > 0 && n <= MERGE_INPUTS_MAX && ret_bad != NULL);
    ASSERT(s->writer != NULL);
    enum err e = ERR_OK;
    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        e = next_page(&inputs[i]);
        if (e != ERR_OK) {
            *ret_bad = i;
        }
    }
    while (e == ERR_OK) {
        struct input *second;
        struct input *first = least(inputs, n, &second);
        bool bad = false;
        if (first == NULL) {
            return part_writer_finish(s->writer);
        }
        if (s->m->stop != NULL && atomic_load_explicit(s->m->stop, memory_order_relaxed)) {
            return ERR_CANCELLED;
        }
        e = take_run(s, first, second, &bad);
        if (bad) {
            *ret_bad = (size_t)(first - inputs);
        }
    }
    return e;
}

enum err part_merge(const struct part_merge *m, size_t *ret_bad)
{
    ASSERT(ret_bad != NULL);
    MUST(m->input_count > 0 && m->input_count <= MERGE_INPUTS_MAX);
    struct input inputs[MERGE_INPUTS_MAX] = {0};
    struct sink s = {.m = m};
    *ret_bad = SIZE_MAX;
    enum err e = part_writer_new(&m->out, &s.writer);
    if (e != ERR_OK) {
        return e;
    }
    for (size_t i = 0; i < m->input_count; i++) {
        inputs[i].part = m->inputs[i];
    }
    e = run(&s, inputs, m->input_count, ret_bad);
    for (size_t i = 0; i < m->input_count; i++) {
        input_done(&inputs[i]);
    }
    part_writer_free(s.writer);
    return e;
}
