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
    mem_free(b->metrics);
    mem_free(b->points);
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
           b->scope_capacity * sizeof *b->scopes + b->span_capacity * sizeof *b->spans +
           b->metric_capacity * sizeof *b->metrics + b->point_capacity * sizeof *b->points;
}

#define ATTR_BYTES_MIN   ((size_t)4)  // of an attribute on the wire
#define STRING_BYTES_MIN ((size_t)3)  // of a text that is not empty
#define ROW_STRINGS_MAX  ((size_t)16) // of a row, besides two per attribute
#define ROW_EXTRA_BYTES  ((size_t)64) // texts that stand for absent ones

// What mem_grow() allocates.
static size_t grown(size_t need, size_t capacity, size_t size)
{
    ASSERT(size > 0);
    if (need <= capacity) {
        return 0;
    }
    size_t n = capacity < 16 ? 16 : capacity;
    while (n < need) {
        n *= 2;
    }
    return n * size;
}

// What any row takes beside its own place.
static size_t shared_growth(const struct batch *b, size_t bytes)
{
    ASSERT(!b->sealed);
    bytes += ROW_EXTRA_BYTES;
    size_t attrs =
        bytes / ATTR_BYTES_MIN < SPAN_ATTRS_MAX ? bytes / ATTR_BYTES_MIN : SPAN_ATTRS_MAX;
    size_t strings = 2 * attrs + ROW_STRINGS_MAX;
    strings = bytes / STRING_BYTES_MIN < strings ? bytes / STRING_BYTES_MIN : strings;
    size_t text = bytes + strings * sizeof(uint64_t); // each with a NUL, aligned
    size_t growth = grown(b->scope_count + 1, b->scope_capacity, sizeof *b->scopes) +
                    grown(b->resource_count + 1, b->resource_capacity, sizeof *b->resources) +
                    grown(b->attr_count + attrs, b->attr_capacity, sizeof *b->attrs) +
                    grown(b->string_count + strings, b->string_capacity,
                          sizeof *b->strings + sizeof *b->hashes) +
                    arena_growth(&b->arena, text);
    if ((b->string_count + strings) * 2 >= b->index_size) {
        growth += 2 * (b->index_size + 2 * strings) * sizeof *b->index;
    }
    return growth;
}

size_t batch_growth(const struct batch *b, size_t bytes)
{
    return grown(b->span_count + 1, b->span_capacity, sizeof *b->spans) + shared_growth(b, bytes);
}

size_t batch_growth_of_points(const struct batch *b, size_t bytes)
{
    return grown(b->metric_count + 1, b->metric_capacity, sizeof *b->metrics) +
           grown(b->point_count + 1, b->point_capacity, sizeof *b->points) +
           shared_growth(b, bytes);
}

static uint32_t append_string(struct batch *b, struct str s, uint64_t hash)
{
    MUST(!b->sealed && b->string_count < BATCH_STRINGS_MAX);
    if (b->string_count == b->string_capacity) {
        size_t capacity = b->string_capacity;
        b->strings = mem_grow(b->strings, &capacity, b->string_count + 1, sizeof *b->strings);
        b->hashes =
            mem_grow(b->hashes, &b->string_capacity, b->string_count + 1, sizeof *b->hashes);
        MUST(capacity == b->string_capacity);
    }
    b->strings[b->string_count] = s;
    b->hashes[b->string_count] = hash;
    return (uint32_t)b->string_count++;
}

// An entry of the index is, from the low end: 32 bits of code + 1 (0: free), 1 bit that says that
// the string is known to be UTF-8, and the 31 high bits of its hash, so that a probe rarely has to
// look at the string. The place comes from the hash's low bits.
#define ENTRY_TEXT      ((uint64_t)1 << 32)
#define ENTRY_HASH_MASK (~(uint64_t)0 << 33)

static uint32_t entry_code(uint64_t entry)
{
    ASSERT((uint32_t)entry > 0);
    return (uint32_t)entry - 1;
}

static void index_grow(struct batch *b)
{
    size_t old_size = b->index_size;
    uint64_t *old = b->index;
    b->index_size = old_size == 0 ? INDEX_SIZE_MIN : old_size * 2;
    b->index = mem_new(b->index_size, sizeof *b->index);
    size_t mask = b->index_size - 1;
    for (size_t i = 0; i < old_size; i++) {
        if (old[i] != 0) {
            size_t at = b->hashes[entry_code(old[i])] & mask;
            while (b->index[at] != 0) {
                at = (at + 1) & mask;
            }
            b->index[at] = old[i];
        }
    }
    mem_free(old);
}

// The place of the string in the index: its entry, or a free one.
static uint64_t *index_find(struct batch *b, struct str s, uint64_t hash)
{
    MUST(b->unique_strings && !b->sealed);
    if (b->string_count * 2 >= b->index_size) {
        index_grow(b);
    }
    size_t mask = b->index_size - 1;
    size_t at = hash & mask;
    for (; b->index[at] != 0; at = (at + 1) & mask) {
        uint64_t entry = b->index[at];
        if (((entry ^ hash) & ENTRY_HASH_MASK) == 0 && str_eq(b->strings[entry_code(entry)], s)) {
            break;
        }
    }
    return &b->index[at];
}

uint32_t batch_intern(struct batch *b, struct str s)
{
    uint64_t hash = str_hash(s);
    uint64_t *entry = index_find(b, s, hash);
    if (*entry != 0) {
        return entry_code(*entry);
    }
    uint32_t code = append_string(b, arena_str(&b->arena, s), hash);
    *entry = (hash & ENTRY_HASH_MASK) | (code + 1);
    return code;
}

bool batch_intern_text(struct batch *b, struct str s, uint32_t *ret_code)
{
    uint64_t hash = str_hash(s);
    uint64_t *entry = index_find(b, s, hash);
    if ((*entry & ENTRY_TEXT) == 0) {
        if (!str_utf8_valid(s, NULL)) {
            return false;
        }
        if (*entry == 0) {
            uint32_t code = append_string(b, arena_str(&b->arena, s), hash);
            *entry = (hash & ENTRY_HASH_MASK) | (code + 1);
        }
        *entry |= ENTRY_TEXT;
    }
    *ret_code = entry_code(*entry);
    return true;
}

uint32_t batch_add_string(struct batch *b, struct str s, uint64_t hash)
{
    ASSERT(s.p != NULL || s.n == 0);
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

struct metric *batch_add_metric(struct batch *b)
{
    ADD_ROW(b, metrics, metric_count, metric_capacity);
}

struct point *batch_add_point(struct batch *b)
{
    ADD_ROW(b, points, point_count, point_capacity);
}

const char *span_kind_name(unsigned kind)
{
    static const char *const names[KIND_COUNT] = {"unspecified", "internal", "server",
                                                  "client",      "producer", "consumer"};
    ASSERT(kind < KIND_COUNT);
    return names[kind];
}

const char *span_status_name(unsigned status)
{
    static const char *const names[STATUS_COUNT] = {"unset", "ok", "error"};
    ASSERT(status < STATUS_COUNT);
    return names[status];
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
        .metrics = b->metric_count,
        .points = b->point_count,
    };
}

void batch_rollback(struct batch *b, struct batch_mark mark)
{
    MUST(!b->sealed && mark.attrs <= b->attr_count && mark.spans <= b->span_count);
    MUST(mark.resources <= b->resource_count && mark.scopes <= b->scope_count);
    MUST(mark.metrics <= b->metric_count && mark.points <= b->point_count);
    b->attr_count = mark.attrs;
    b->resource_count = mark.resources;
    b->scope_count = mark.scopes;
    b->span_count = mark.spans;
    b->metric_count = mark.metrics;
    b->point_count = mark.points;
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
