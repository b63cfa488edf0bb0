// SPDX-License-Identifier: Apache-2.0
// Purpose: which series match a query.
#include "core/mem.h"
#include "core/must.h"
#include "series/index_state.h"

static bool fits(const struct series_matcher *m, struct str value)
{
    switch (m->how) {
    case MATCH_EQUAL:
        return str_eq(value, m->value);
    case MATCH_NOT_EQUAL:
        return !str_eq(value, m->value);
    case MATCH_PREFIX:
        return str_starts(value, m->value);
    case MATCH_ANY:
        return value.n > 0;
    }
    ASSERT(false);
    return false;
}

static bool matches(const struct series_query *q, struct str key)
{
    ASSERT(q->matchers != NULL || q->matcher_count == 0);
    for (size_t i = 0; i < q->matcher_count; i++) {
        if (!fits(&q->matchers[i], series_key_value(key, q->matchers[i].key))) {
            return false;
        }
    }
    return true;
}

// The fewest series of a line that hold all that match: those with a label that a matcher asks for.
static const uint32_t *candidates(const struct series_index *x, const struct series_query *q,
                                  uint32_t line, struct buf *label, size_t *ret_count)
{
    const uint32_t *best = x->lines[line].series;
    size_t least = x->lines[line].count;
    ASSERT(line < x->line_count);
    for (size_t i = 0; i < q->matcher_count; i++) {
        const struct series_matcher *m = &q->matchers[i];
        if (m->how != MATCH_EQUAL || m->value.n == 0) {
            continue;
        }
        size_t n;
        buf_clear(label);
        buf_add_str(label, m->key);
        buf_add_byte(label, 0);
        buf_add_str(label, m->value);
        buf_add_byte(label, 0);
        const uint32_t *list = label->failed || m->key.n == 0
                                   ? (n = 0, NULL)
                                   : series_index_posting(x, buf_str(label), line, &n);
        if (n <= least) {
            least = n;
            best = list;
        }
    }
    *ret_count = least;
    return best;
}

struct matched {
    uint32_t *list;
    size_t count, capacity, charged;
};

static enum err add_matched(struct matched *m, struct meter *meter, uint32_t series)
{
    ASSERT(m->count <= m->capacity);
    if (m->count == m->capacity) {
        size_t more = (m->capacity > 0 ? m->capacity : 16) * sizeof *m->list;
        if (meter != NULL && !meter_take(meter, more)) {
            return ERR_MEMORY;
        }
        m->charged += meter != NULL ? more : 0;
    }
    m->list = mem_grow(m->list, &m->capacity, m->count + 1, sizeof *m->list);
    m->list[m->count++] = series;
    return ERR_OK;
}

static enum err match_line(const struct series_index *x, const struct series_query *q,
                           uint32_t line, struct buf *label, struct matched *m)
{
    size_t n;
    enum err e = ERR_OK;
    ASSERT(line < x->line_count);
    const uint32_t *list = candidates(x, q, line, label, &n);
    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        const struct index_entry *entry = &x->entries[list[i]];
        if (matches(q, (struct str){entry->key, entry->key_n})) {
            e = add_matched(m, q->meter, list[i]);
        }
        if (i % 65536 == 0 && q->cancelled != NULL && atomic_load(q->cancelled)) {
            e = ERR_CANCELLED;
        }
    }
    return e;
}

enum err series_index_match(struct series_index *x, const struct series_query *q,
                            uint32_t **ret_list, size_t *ret_count, size_t *ret_charged)
{
    struct matched m = {0};
    struct buf label;
    enum err e = ERR_OK;
    ASSERT(ret_list != NULL && ret_count != NULL);
    buf_init(&label, 2 * SERIES_LABEL_BYTES_MAX + 2);
    series_index_open(x);
    for (uint32_t i = 0; i < x->line_count && e == ERR_OK; i++) {
        if (q->any_line || str_eq(series_index_line_name(x, i), q->line)) {
            e = match_line(x, q, i, &label, &m);
        }
    }
    if (e == ERR_OK) {
        series_index_sort(x, m.list, m.count);
    }
    series_index_close(x);
    buf_done(&label);
    if (e != ERR_OK) {
        mem_free(m.list);
        if (q->meter != NULL) {
            meter_give(q->meter, m.charged);
        }
        return e;
    }
    *ret_list = m.list;
    *ret_count = m.count;
    *ret_charged = m.charged;
    return ERR_OK;
}
