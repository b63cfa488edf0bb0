// SPDX-License-Identifier: Apache-2.0
// Purpose: the arena's chunks.
#include "core/arena.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/mem.h"
#include "core/must.h"

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif

#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n)   ASAN_POISON_MEMORY_REGION(p, n)
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define POISON(p, n)   ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

struct arena_chunk {
    struct arena_chunk *older;
    size_t size; // of the whole chunk, this header included
};

static void chunk_free(struct arena *a, struct arena_chunk *c)
{
    ASSERT(a->held_bytes >= c->size);
    a->held_bytes -= c->size;
    UNPOISON(c, c->size);
    mem_free(c);
}

void arena_done(struct arena *a)
{
    ASSERT(a != NULL);
    for (struct arena_chunk *c = a->chunks; c != NULL;) {
        struct arena_chunk *older = c->older;
        chunk_free(a, c);
        c = older;
    }
    *a = (struct arena){0};
}

void arena_clear(struct arena *a)
{
    ASSERT((a->chunks == NULL) == (a->held_bytes == 0));
    struct arena_chunk *keep = a->chunks;
    if (keep == NULL) {
        return;
    }
    for (struct arena_chunk *c = keep->older; c != NULL;) {
        struct arena_chunk *older = c->older;
        chunk_free(a, c);
        c = older;
    }
    keep->older = NULL;
    a->at = (char *)(keep + 1);
    a->end = (char *)keep + keep->size;
    POISON(a->at, (size_t)(a->end - a->at));
}

// The size of a new chunk that has room for `need` bytes.
static size_t chunk_bytes(const struct arena *a, size_t need)
{
    size_t size = a->next_chunk_bytes == 0 ? ARENA_CHUNK_MIN : a->next_chunk_bytes;
    ASSERT(need <= SIZE_MAX / 2);
    need += sizeof(struct arena_chunk);
    return size < need ? need : size;
}

size_t arena_growth(const struct arena *a, size_t size)
{
    ASSERT(size <= SIZE_MAX / 4);
    size = (size + 7) & ~(size_t)7;
    return a->at != NULL && (size_t)(a->end - a->at) >= size ? 0 : chunk_bytes(a, size);
}

static void chunk_new(struct arena *a, size_t need)
{
    size_t size = chunk_bytes(a, need);
    struct arena_chunk *c = mem_alloc(size);
    c->older = a->chunks;
    c->size = size;
    a->chunks = c;
    a->at = (char *)(c + 1);
    a->end = (char *)c + size;
    a->held_bytes += size;
    a->next_chunk_bytes = size * 2 < ARENA_CHUNK_MAX ? size * 2 : ARENA_CHUNK_MAX;
    POISON(a->at, (size_t)(a->end - a->at));
}

void *arena_alloc(struct arena *a, size_t size)
{
    MUST(size <= SIZE_MAX / 4);
    size = (size + 7) & ~(size_t)7;
    if ((size_t)(a->end - a->at) < size || a->at == NULL) {
        chunk_new(a, size);
    }
    void *p = a->at;
    a->at += size;
    UNPOISON(p, size);
    return p;
}

void *arena_new(struct arena *a, size_t count, size_t size)
{
    MUST(size > 0 && count <= SIZE_MAX / 4 / size);
    return memset(arena_alloc(a, count * size), 0, count * size);
}

struct str arena_str(struct arena *a, struct str s)
{
    ASSERT(s.n == 0 || s.p != NULL);
    char *p = arena_alloc(a, s.n + 1);
    if (s.n > 0) {
        memcpy(p, s.p, s.n);
    }
    p[s.n] = 0;
    return (struct str){p, s.n};
}

struct str arena_printf(struct arena *a, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    MUST(n >= 0);
    char *p = arena_alloc(a, (size_t)n + 1);
    (void)vsnprintf(p, (size_t)n + 1, format, again);
    va_end(again);
    return (struct str){p, (size_t)n};
}
