// SPDX-License-Identifier: Apache-2.0
// Purpose: the series that are known.
#include "series/index.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/hash_index.h"
#include "core/mem.h"
#include "core/must.h"
#include "series/index_state.h"

struct series_index *series_index_new(struct budget *budget, size_t bytes_max)
{
    struct series_index *x = mem_new(1, sizeof *x);
    ASSERT(budget != NULL);
    MUST(pthread_rwlock_init(&x->lock, NULL) == 0);
    meter_init(&x->meter, budget, ACCOUNT_SERIES);
    x->bytes_max = bytes_max;
    return x;
}

void series_index_free(struct series_index *x)
{
    if (x == NULL) {
        return;
    }
    ASSERT(x->count <= x->capacity);
    for (size_t i = 0; i < x->posting_count; i++) {
        if (x->postings[i].count > 1) {
            mem_free(x->postings[i].series);
        }
    }
    for (size_t i = 0; i < x->line_count; i++) {
        mem_free(x->lines[i].name);
        mem_free(x->lines[i].series);
    }
    for (size_t i = 0; i < x->count; i++) {
        mem_free((void *)(uintptr_t)x->entries[i].key);
    }
    mem_free(x->postings);
    mem_free(x->posting_hashes);
    mem_free(x->entries);
    mem_free(x->hashes);
    mem_free(x->order);
    mem_free(x->ranks);
    mem_free(x->fresh);
    hash_index_done(&x->by_key);
    hash_index_done(&x->by_label);
    meter_done(&x->meter);
    (void)pthread_rwlock_destroy(&x->lock);
    mem_free(x);
}

// ---- Keys ---------------------------------------------------------------------------------------

static bool is_label_text(struct str s)
{
    ASSERT(s.p != NULL || s.n == 0);
    return s.n > 0 && s.n <= SERIES_LABEL_BYTES_MAX && memchr(s.p, 0, s.n) == NULL;
}

enum err series_key_of(const struct series_label *labels, size_t count, struct buf *out)
{
    ASSERT(labels != NULL || count == 0);
    if (count == 0 || count > SERIES_LABELS_MAX) {
        return ERR_INVALID;
    }
    for (size_t i = 0; i < count; i++) {
        const struct series_label *l = &labels[i];
        bool ascends = i == 0 || str_cmp(labels[i - 1].key, l->key) < 0;
        if (!ascends || !is_label_text(l->key) || !is_label_text(l->value)) {
            return ERR_INVALID;
        }
        buf_add_str(out, l->key);
        buf_add_byte(out, 0);
        buf_add_str(out, l->value);
        buf_add_byte(out, 0);
    }
    return ERR_OK;
}

// Cuts the string before the next NUL off.
static struct str cut_text(struct str *key)
{
    const char *end = memchr(key->p, 0, key->n);
    MUST(end != NULL);
    struct str text = {key->p, (size_t)(end - key->p)};
    *key = str_skip(*key, text.n + 1);
    return text;
}

size_t series_key_labels(struct str key, struct series_label *labels)
{
    size_t n = 0;
    ASSERT(key.n > 0);
    while (key.n > 0) {
        MUST(n < SERIES_LABELS_MAX);
        labels[n].key = cut_text(&key);
        labels[n++].value = cut_text(&key);
    }
    return n;
}

struct str series_key_cut(struct str *key)
{
    const char *from = key->p;
    ASSERT(key->n > 0);
    (void)cut_text(key);
    (void)cut_text(key);
    return (struct str){from, (size_t)(key->p - from)};
}

struct str series_key_value(struct str key, struct str label)
{
    ASSERT(key.n > 0);
    while (key.n > 0) {
        struct str name = cut_text(&key), value = cut_text(&key);
        if (str_eq(name, label)) {
            return value;
        }
    }
    return STR("");
}

// ---- Lines --------------------------------------------------------------------------------------

// A number for a new line: one that was never given, then one of a line that has nothing left;
// SERIES_LINES_MAX where there is none. The lock is held.
static uint32_t free_line(const struct series_index *x)
{
    uint32_t i = x->line_count < SERIES_LINES_MAX ? x->line_count : 0;
    while (i < x->line_count && x->lines[i].entries > 0) {
        i++;
    }
    ASSERT(i <= SERIES_LINES_MAX);
    return i;
}

// Only the adder changes names and adds entries, so that a line without any stays so meanwhile.
static enum err add_line(struct series_index *x, struct str name, uint32_t *ret_line)
{
    enum err e = ERR_LIMIT;
    (void)pthread_rwlock_wrlock(&x->lock);
    uint32_t at = free_line(x);
    if (at < SERIES_LINES_MAX) {
        struct index_line *l = &x->lines[at];
        ASSERT(l->count == 0 && l->weight == 0);
        x->key_bytes += name.n;
        x->key_bytes -= l->name_n;
        mem_free(l->name);
        l->name = mem_alloc(name.n + 1);
        memcpy(l->name, name.n > 0 ? name.p : "", name.n);
        l->name_n = name.n;
        x->line_count += at == x->line_count ? 1 : 0;
        *ret_line = at;
        e = ERR_OK;
    }
    (void)pthread_rwlock_unlock(&x->lock);
    return e;
}

enum err series_index_line(struct series_index *x, struct str line, uint32_t *ret_line)
{
    ASSERT(x->line_count <= SERIES_LINES_MAX);
    for (uint32_t i = 0; i < x->line_count; i++) {
        if (str_eq(series_index_line_name(x, i), line)) {
            *ret_line = i;
            return ERR_OK;
        }
    }
    return add_line(x, line, ret_line);
}

struct str series_index_line_name(const struct series_index *x, uint32_t line)
{
    ASSERT(line < x->line_count);
    return (struct str){x->lines[line].name, x->lines[line].name_n};
}

// ---- Tables -------------------------------------------------------------------------------------

void *index_grow(void *p, size_t *capacity, size_t count, size_t size)
{
    ASSERT(count <= *capacity);
    if (count < *capacity) {
        return p;
    }
    *capacity += *capacity < INDEX_LEAST ? INDEX_LEAST / 8 + *capacity : *capacity / 8;
    return mem_resize(p, *capacity, size);
}

// ---- Adding -------------------------------------------------------------------------------------

static uint64_t hash_of(struct str bytes, uint32_t line)
{
    ASSERT(line < SERIES_LINES_MAX);
    return str_hash(bytes) + line * 0x9E3779B97F4A7C15u;
}

enum err series_index_find(const struct series_index *x, const struct series_id *id,
                           uint32_t *ret_series)
{
    uint64_t hash = hash_of(id->key, id->line);
    struct hash_walk w = hash_index_walk(&x->by_key, hash);
    uint32_t at;
    ASSERT(id->key.n > 0);
    while (hash_index_next(&w, &at)) {
        const struct index_entry *e = &x->entries[at];
        if (x->hashes[at] == hash && e->line == id->line &&
            str_eq((struct str){e->key, e->key_n}, id->key)) {
            *ret_series = at;
            return e->type == (uint8_t)id->type ? ERR_OK : ERR_INVALID;
        }
    }
    return ERR_NOT_FOUND;
}

// The posting of a label (key NUL value NUL) of a line; posting_count where there is none.
static size_t find_posting(const struct series_index *x, struct str label, uint32_t line)
{
    uint64_t hash = hash_of(label, line);
    struct hash_walk w = hash_index_walk(&x->by_label, hash);
    uint32_t at;
    ASSERT(label.n > 2);
    while (hash_index_next(&w, &at)) {
        const struct posting *p = &x->postings[at];
        if (x->posting_hashes[at] == hash && p->line == line &&
            str_eq((struct str){p->label, p->label_n}, label)) {
            return at;
        }
    }
    return x->posting_count;
}

// That of a label which `series` is the first to have.
static size_t make_posting(struct series_index *x, struct str label, uint32_t line, uint32_t series)
{
    size_t at = x->posting_count;
    ASSERT(at < UINT32_MAX / 2);
    hash_index_reserve(&x->by_label, x->posting_hashes, at, INDEX_LEAST);
    x->postings = index_grow(x->postings, &x->posting_capacity, at, sizeof *x->postings);
    x->posting_hashes =
        index_grow(x->posting_hashes, &x->posting_hash_capacity, at, sizeof *x->posting_hashes);
    x->postings[at] = (struct posting){
        .label = label.p, .label_n = (uint32_t)label.n, .line = line, .owner = series};
    x->posting_hashes[at] = hash_of(label, line);
    hash_index_put(&x->by_label, x->posting_hashes[at], (uint32_t)at);
    x->posting_count++;
    return at;
}

// One series stands in the posting itself; more are a list.
static void add_to_posting(struct series_index *x, struct posting *p, uint32_t series)
{
    ASSERT(p->count < UINT32_MAX);
    if (p->count == 0) {
        p->only = series;
    } else {
        if (p->count == 1) {
            uint32_t only = p->only;
            p->series = mem_alloc(2 * sizeof *p->series);
            p->series[0] = only;
            x->list_bytes += 2 * sizeof *p->series;
        } else if ((p->count & (p->count - 1)) == 0) {
            p->series = mem_resize(p->series, (size_t)2 * p->count, sizeof *p->series);
            x->list_bytes += p->count * sizeof *p->series;
        }
        p->series[p->count] = series;
    }
    p->count++;
}

static void add_postings(struct series_index *x, uint32_t series, struct str key, uint32_t line)
{
    ASSERT(key.n > 0);
    while (key.n > 0) {
        struct str label = series_key_cut(&key);
        size_t at = find_posting(x, label, line);
        at = at < x->posting_count ? at : make_posting(x, label, line, series);
        add_to_posting(x, &x->postings[at], series);
    }
}

static size_t held_bytes(const struct series_index *x)
{
    size_t lines = 0;
    ASSERT(x->count <= x->capacity);
    for (size_t i = 0; i < x->line_count; i++) {
        lines += x->lines[i].capacity * sizeof(uint32_t);
    }
    return lines + x->key_bytes + x->capacity * sizeof *x->entries +
           x->hash_capacity * sizeof *x->hashes +
           (x->rank_capacity + x->order_capacity + x->fresh_capacity) * sizeof(uint32_t) +
           x->posting_capacity * sizeof *x->postings +
           x->posting_hash_capacity * sizeof *x->posting_hashes + x->list_bytes +
           (x->by_key.size + x->by_label.size) * sizeof(uint32_t);
}

void series_index_charge(struct series_index *x)
{
    size_t bytes = held_bytes(x), charged = x->meter.held_bytes;
    ASSERT(x->meter.budget != NULL);
    if (bytes > charged) {
        meter_force(&x->meter, bytes - charged);
    } else {
        meter_give(&x->meter, charged - bytes);
    }
}

// Whether the line may have more.
static bool has_share(const struct series_index *x, uint32_t line)
{
    size_t held = x->meter.held_bytes, all = x->bytes_max + x->bytes_max / 4;
    ASSERT(x->lines[line].weight <= x->weight);
    if (held >= all || x->weight == 0) {
        return held < all;
    }
    double part = (double)x->lines[line].weight / (double)x->weight;
    return (double)held * part <= (double)SERIES_INDEX_SHARE * (double)(all - held);
}

// A free reference: the least one, so that tables can become smaller again.
static uint32_t take_reference(struct series_index *x)
{
    if (x->free_count == 0) {
        size_t at = x->count++;
        x->entries = index_grow(x->entries, &x->capacity, at, sizeof *x->entries);
        x->hashes = index_grow(x->hashes, &x->hash_capacity, at, sizeof *x->hashes);
        x->ranks = index_grow(x->ranks, &x->rank_capacity, at, sizeof *x->ranks);
        return (uint32_t)at;
    }
    while (x->entries[x->free_from].key != NULL) {
        x->free_from++;
        MUST(x->free_from < x->count);
    }
    x->free_count--;
    return (uint32_t)x->free_from++;
}

static void add_to_line(struct series_index *x, uint32_t series, size_t key_bytes, uint32_t line)
{
    struct index_line *l = &x->lines[line];
    ASSERT(l->count <= l->capacity);
    l->series = index_grow(l->series, &l->capacity, l->count, sizeof *l->series);
    l->series[l->count++] = series;
    l->entries++;
    l->weight += key_bytes + WEIGHT_BASE;
    x->weight += key_bytes + WEIGHT_BASE;
}

enum err series_index_add(struct series_index *x, const struct series_id *id, bool force,
                          uint32_t *ret_series)
{
    ASSERT(id->line < x->line_count && id->key.n > 0);
    if (x->count >= SERIES_INDEX_MAX || (!force && !has_share(x, id->line))) {
        return ERR_LIMIT;
    }
    char *key = mem_alloc(id->key.n);
    memcpy(key, id->key.p, id->key.n);
    (void)pthread_rwlock_wrlock(&x->lock);
    uint32_t at = take_reference(x);
    x->entries[at] = (struct index_entry){.key = key,
                                          .key_n = (uint32_t)id->key.n,
                                          .line = (uint16_t)id->line,
                                          .type = (uint8_t)id->type};
    x->key_bytes += id->key.n + KEY_OVERHEAD;
    x->hashes[at] = hash_of(id->key, id->line);
    if (x->count * 2 > x->by_key.size) { // those that are linked are no more than that
        hash_index_resize(&x->by_key, x->hashes, x->count > INDEX_LEAST ? x->count : INDEX_LEAST);
    }
    hash_index_put(&x->by_key, x->hashes[at], at);
    x->ranks[at] = UNRANKED;
    x->fresh = index_grow(x->fresh, &x->fresh_capacity, x->fresh_count, sizeof *x->fresh);
    x->fresh[x->fresh_count++] = at;
    add_to_line(x, at, id->key.n, id->line);
    add_postings(x, at, (struct str){key, id->key.n}, id->line);
    series_index_charge(x);
    (void)pthread_rwlock_unlock(&x->lock);
    *ret_series = at;
    return ERR_OK;
}

// ---- Order --------------------------------------------------------------------------------------

int series_index_cmp(const struct series_index *x, uint32_t a, uint32_t b)
{
    ASSERT(a < x->count && b < x->count);
    uint32_t m = x->ranks[a], n = x->ranks[b];
    if (m != UNRANKED && n != UNRANKED) {
        return m < n ? -1 : m > n;
    }
    const struct index_entry *p = &x->entries[a], *q = &x->entries[b];
    if (p->line != q->line) {
        return p->line < q->line ? -1 : 1;
    }
    return str_cmp((struct str){p->key, p->key_n}, (struct str){q->key, q->key_n});
}

static int compare(const void *a, const void *b, void *index)
{
    ASSERT(index != NULL);
    return series_index_cmp(index, *(const uint32_t *)a, *(const uint32_t *)b);
}

void series_index_sort(const struct series_index *x, uint32_t *list, size_t count)
{
    ASSERT(list != NULL || count == 0);
    if (count > 1) {
        qsort_r(list, count, sizeof *list, compare, (void *)(uintptr_t)x);
    }
}

// Leaves only those in the order that have the rank of their place.
static void drop_freed(struct series_index *x)
{
    size_t kept = 0;
    ASSERT(x->ranked <= x->order_capacity);
    for (size_t i = 0; i < x->ranked; i++) {
        uint32_t series = x->order[i];
        if (series < x->count && x->ranks[series] == i) {
            x->order[kept++] = series;
        }
    }
    x->ranked = kept;
}

void series_index_rank(struct series_index *x)
{
    (void)pthread_rwlock_wrlock(&x->lock);
    if (x->fresh_count > 0) {
        drop_freed(x);
        size_t old = x->ranked, fresh = x->fresh_count, n = old + fresh;
        ASSERT(n <= x->count);
        series_index_sort(x, x->fresh, fresh);
        if (n > x->order_capacity) {
            x->order_capacity = n + n / 8;
            x->order = mem_resize(x->order, x->order_capacity, sizeof *x->order);
        }
        // From the end, so that the old ones make room as they move.
        for (size_t i = n, k = fresh, j = old; k > 0; i--) {
            bool take = j == 0 || series_index_cmp(x, x->order[j - 1], x->fresh[k - 1]) < 0;
            x->order[i - 1] = take ? x->fresh[--k] : x->order[--j];
        }
        for (size_t i = 0; i < n; i++) {
            x->ranks[x->order[i]] = (uint32_t)i;
        }
        x->ranked = n;
        mem_free(x->fresh);
        x->fresh = NULL;
        x->fresh_count = x->fresh_capacity = 0;
        series_index_charge(x);
    }
    (void)pthread_rwlock_unlock(&x->lock);
}

// ---- Reading ------------------------------------------------------------------------------------

void series_index_open(struct series_index *x)
{
    int code = pthread_rwlock_rdlock(&x->lock);
    MUST(code == 0);
}

void series_index_close(struct series_index *x)
{
    int code = pthread_rwlock_unlock(&x->lock);
    MUST(code == 0);
}

size_t series_index_count(const struct series_index *x)
{
    ASSERT(x->free_count <= x->count);
    return x->count - x->free_count;
}

size_t series_index_end(const struct series_index *x)
{
    ASSERT(x->count <= x->capacity);
    return x->count;
}

size_t series_index_bytes(const struct series_index *x)
{
    ASSERT(x->meter.budget != NULL);
    return x->meter.held_bytes;
}

struct series_id series_index_get(const struct series_index *x, uint32_t series)
{
    MUST(series < x->count && x->entries[series].key != NULL);
    const struct index_entry *e = &x->entries[series];
    return (struct series_id){{e->key, e->key_n}, e->line, (enum series_type)e->type};
}

size_t series_index_search(const struct series_index *x, const uint32_t *list, size_t from,
                           size_t count, uint32_t series)
{
    size_t low = from, step = 1;
    ASSERT(from <= count);
    // Widening steps first: what is looked for in order is near.
    while (low + step < count && series_index_cmp(x, list[low + step], series) < 0) {
        low += step;
        step *= 2;
    }
    size_t high = low + step < count ? low + step + 1 : count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = series_index_cmp(x, list[middle], series);
        if (order == 0) {
            return middle;
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return count;
}

const uint32_t *series_index_posting(const struct series_index *x, struct str label, uint32_t line,
                                     size_t *ret_count)
{
    size_t at = find_posting(x, label, line);
    ASSERT(ret_count != NULL);
    if (at == x->posting_count) {
        *ret_count = 0;
        return NULL;
    }
    *ret_count = x->postings[at].count;
    return *ret_count == 1 ? &x->postings[at].only : x->postings[at].series;
}
