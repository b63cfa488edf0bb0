// SPDX-License-Identifier: Apache-2.0
// Purpose: building, sharing and freeing span batches.
#include "model/batch.h"

#include "core/mem.h"
#include "core/must.h"

#define INDEX_SIZE_MIN ((size_t)256)

struct batch *batch_new(struct str line)
{
    struct batch *b = mem_new(1, sizeof *b);
    atomic_init(&b->refs, 1);
    b->unique_strings = true;
    b->line = arena_str(&b->arena, line);
    uint32_t empty = batch_intern(b, STR(""));
    MUST(empty == 0);
    return b;
}

struct batch *batch_ref(struct batch *b)
{
    ASSERT(b != NULL);
    int before = atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    MUST(before > 0);
    return b;
}

void batch_unref(struct batch *b)
{
    if (b == NULL) {
        return;
    }
    int before = atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel);
    MUST(before > 0);
    if (before > 1) {
        return;
    }
    if (b->keep_release != NULL) {
        b->keep_release(b->keep);
    }
    mem_free(b->strings);
    mem_free(b->hashes);
    mem_free(b->index);
    mem_free(b->attrs);
    mem_free(b->resources);
    mem_free(b->scopes);
    mem_free(b->spans);
    arena_done(&b->arena);
    mem_free(b);
}

void batch_seal(struct batch *b)
{
    MUST(!b->sealed);
    b->sealed = true;
    mem_free(b->index);
    b->index = NULL;
    b->index_size = 0;
    b->min_start_ns = UINT64_MAX;
    for (size_t i = 0; i < b->span_count; i++) {
        uint64_t start = b->spans[i].start_ns;
        b->min_start_ns = start < b->min_start_ns ? start : b->min_start_ns;
        b->max_start_ns = start > b->max_start_ns ? start : b->max_start_ns;
    }
}

size_t batch_bytes(const struct batch *b)
{
    ASSERT(b != NULL);
    return sizeof *b + b->arena.held_bytes + b->index_size * sizeof *b->index +
           b->string_capacity * (sizeof *b->strings + sizeof *b->hashes) +
           b->attr_capacity * sizeof *b->attrs + b->resource_capacity * sizeof *b->resources +
           b->scope_capacity * sizeof *b->scopes + b->span_capacity * sizeof *b->spans;
}

static uint32_t append_string(struct batch *b, struct str s, uint64_t hash)
{
    MUST(!b->sealed && b->string_count < BATCH_STRINGS_MAX);
    size_t capacity = b->string_capacity;
    b->strings = mem_grow(b->strings, &capacity, b->string_count + 1, sizeof *b->strings);
    b->hashes = mem_grow(b->hashes, &b->string_capacity, b->string_count + 1, sizeof *b->hashes);
    MUST(capacity == b->string_capacity);
    b->strings[b->string_count] = s;
    b->hashes[b->string_count] = hash;
    return (uint32_t)b->string_count++;
}

static void index_insert(struct batch *b, uint32_t code)
{
    size_t mask = b->index_size - 1;
    size_t at = b->hashes[code] & mask;
    while (b->index[at] != 0) {
        at = (at + 1) & mask;
    }
    b->index[at] = code + 1;
}

static void index_grow(struct batch *b)
{
    b->index_size = b->index_size == 0 ? INDEX_SIZE_MIN : b->index_size * 2;
    mem_free(b->index);
    b->index = mem_new(b->index_size, sizeof *b->index);
    for (size_t i = 0; i < b->string_count; i++) {
        index_insert(b, (uint32_t)i);
    }
}

uint32_t batch_intern(struct batch *b, struct str s)
{
    MUST(b->unique_strings && !b->sealed);
    if (b->string_count * 2 >= b->index_size) {
        index_grow(b);
    }
    uint64_t hash = str_hash(s);
    size_t mask = b->index_size - 1;
    for (size_t at = hash & mask; b->index[at] != 0; at = (at + 1) & mask) {
        uint32_t code = b->index[at] - 1;
        if (b->hashes[code] == hash && str_eq(b->strings[code], s)) {
            return code;
        }
    }
    uint32_t code = append_string(b, arena_str(&b->arena, s), hash);
    index_insert(b, code);
    return code;
}

uint32_t batch_add_string(struct batch *b, struct str s, uint64_t hash)
{
    b->unique_strings = false;
    return append_string(b, s, hash);
}

// One zeroed row more in a growable array of the batch.
#define ADD_ROW(b, array, count, capacity)                                                         \
    do {                                                                                           \
        MUST(!(b)->sealed && (b)->count < UINT32_MAX);                                             \
        (b)->array = mem_grow((b)->array, &(b)->capacity, (b)->count + 1, sizeof *(b)->array);     \
        memset(&(b)->array[(b)->count], 0, sizeof *(b)->array);                                    \
        return &(b)->array[(b)->count++];                                                          \
    } while (0)

struct attr *batch_add_attr(struct batch *b)
{
    ADD_ROW(b, attrs, attr_count, attr_capacity);
}

struct resource *batch_add_resource(struct batch *b)
{
    ADD_ROW(b, resources, resource_count, resource_capacity);
}

struct scope *batch_add_scope(struct batch *b)
{
    ADD_ROW(b, scopes, scope_count, scope_capacity);
}

struct span *batch_add_span(struct batch *b)
{
    ADD_ROW(b, spans, span_count, span_capacity);
}

const struct attr *batch_find_attr(const struct batch *b, struct attr_run run, struct str key)
{
    ASSERT((size_t)run.first + run.count <= b->attr_count);
    for (uint32_t i = run.first; i < run.first + run.count; i++) {
        if (str_eq(batch_str(b, b->attrs[i].key), key)) {
            return &b->attrs[i];
        }
    }
    return NULL;
}

struct batch_mark batch_mark(const struct batch *b)
{
    ASSERT(!b->sealed);
    return (struct batch_mark){
        .attrs = b->attr_count,
        .resources = b->resource_count,
        .scopes = b->scope_count,
        .spans = b->span_count,
    };
}

void batch_rollback(struct batch *b, struct batch_mark mark)
{
    MUST(!b->sealed && mark.attrs <= b->attr_count && mark.spans <= b->span_count);
    MUST(mark.resources <= b->resource_count && mark.scopes <= b->scope_count);
    b->attr_count = mark.attrs;
    b->resource_count = mark.resources;
    b->scope_count = mark.scopes;
    b->span_count = mark.spans;
}

int row_cmp(struct row a, struct row b)
{
    const struct span *x = row_span(a), *y = row_span(b);
    int c = trace_id_cmp(&x->trace, &y->trace);
    if (c != 0) {
        return c;
    }
    if (x->start_ns != y->start_ns) {
        return x->start_ns < y->start_ns ? -1 : 1;
    }
    return memcmp(x->id.b, y->id.b, sizeof x->id.b);
}
