// SPDX-License-Identifier: Apache-2.0
// Purpose: several parts into one.
#include "store/part_merge.h"

#include "core/must.h"
#include "store/part_rows.h"
#include "store/row_sort.h"

// The inputs with the least and the second least head; NULL where there is none.
static struct part_rows *least(struct part_rows *inputs, size_t n, struct part_rows **ret_second)
{
    ASSERT(ret_second != NULL);
    ASSERT(n > 0 && n <= MERGE_INPUTS_MAX);
    struct part_rows *first = NULL, *second = NULL;
    for (size_t i = 0; i < n; i++) {
        struct part_rows *in = &inputs[i];
        if (in->page == NULL) {
            continue;
        }
        if (first == NULL || row_cmp(part_rows_head(in), part_rows_head(first)) < 0) {
            second = first;
            first = in;
        } else if (second == NULL || row_cmp(part_rows_head(in), part_rows_head(second)) < 0) {
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
static enum err take_run(struct sink *s, struct part_rows *in, const struct part_rows *limit,
                         bool *ret_bad)
{
    ASSERT(ret_bad != NULL && in->at < in->page->span_count);
    ASSERT(in->page != NULL && in != limit);
    enum err e = ERR_OK;
    do {
        e = put(s, part_rows_head(in));
        *ret_bad = e == ERR_CORRUPT; // its rows are out of order
        if (e == ERR_OK) {
            e = part_rows_next(in);
            *ret_bad = e != ERR_OK;
        }
    } while (
        e == ERR_OK && in->page != NULL &&
        (limit == NULL ? in->at != 0 : row_cmp(part_rows_head(in), part_rows_head(limit)) <= 0));
    return e;
}

static enum err run(struct sink *s, struct part_rows *inputs, size_t n, size_t *ret_bad)
{
    ASSERT(n > 0 && n <= MERGE_INPUTS_MAX && ret_bad != NULL);
    ASSERT(s->writer != NULL);
    enum err e = ERR_OK;
    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        e = part_rows_next(&inputs[i]);
        if (e != ERR_OK) {
            *ret_bad = i;
        }
    }
    while (e == ERR_OK) {
        struct part_rows *second;
        struct part_rows *first = least(inputs, n, &second);
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
    static const struct page_request all = {.fields = FIELD_ALL, .all_columns = true};
    struct part_rows inputs[MERGE_INPUTS_MAX] = {0};
    struct sink s = {.m = m};
    *ret_bad = SIZE_MAX;
    enum err e = part_writer_new(&m->out, &s.writer);
    if (e != ERR_OK) {
        return e;
    }
    for (size_t i = 0; i < m->input_count; i++) {
        inputs[i] = (struct part_rows){.part = m->inputs[i], .request = &all};
    }
    e = run(&s, inputs, m->input_count, ret_bad);
    for (size_t i = 0; i < m->input_count; i++) {
        part_rows_done(&inputs[i]);
    }
    part_writer_free(s.writer);
    return e;
}
