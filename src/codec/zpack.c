// SPDX-License-Identifier: Apache-2.0
// Purpose: zstd for what is stored.
#include "codec/zpack.h"

#include <pthread.h>
#include <zstd.h>

#include "core/mem.h"
#include "core/must.h"

#define POOL_MAX  16
#define FRAME_MIN 48 // shorter inputs do not repay a frame

struct zpack *zpack_new(int level)
{
    ASSERT(level >= 0 && level <= 19);
    struct zpack *z = mem_new(1, sizeof *z);
    z->context = ZSTD_createCCtx();
    MUST(z->context != NULL);
    z->level = level;
    buf_init(&z->frame, ZSTD_compressBound(REGION_MAX));
    buf_init(&z->planes, ZSTD_compressBound(REGION_MAX));
    buf_init(&z->bytes, REGION_MAX);
    return z;
}

void zpack_free(struct zpack *z)
{
    ASSERT(z == NULL || z->context != NULL);
    if (z != NULL) {
        (void)ZSTD_freeCCtx(z->context);
        buf_done(&z->frame);
        buf_done(&z->planes);
        buf_done(&z->bytes);
        mem_free(z);
    }
}

bool zpack_frame(struct zpack *z, const void *bytes, size_t n, struct buf *out)
{
    ASSERT(n == 0 || bytes != NULL);
    if (n < FRAME_MIN || z->level == 0) {
        return false;
    }
    MUST(buf_reserve(out, ZSTD_compressBound(n)));
    size_t put =
        ZSTD_compressCCtx(z->context, out->p + out->n, ZSTD_compressBound(n), bytes, n, z->level);
    MUST(!ZSTD_isError(put));
    if (put >= n - n / 16) {
        return false;
    }
    out->n += put;
    return true;
}

void zpack_add(struct zpack *z, struct str bytes, struct buf *out)
{
    ASSERT(bytes.p != NULL || bytes.n == 0);
    ASSERT(bytes.n <= REGION_MAX);
    buf_clear(&z->frame);
    bool smaller = zpack_frame(z, bytes.p, bytes.n, &z->frame);
    buf_add_varint(out, (uint64_t)bytes.n << 1 | (smaller ? 1 : 0));
    if (smaller) {
        buf_add_varint(out, z->frame.n);
    }
    buf_add_str(out, smaller ? buf_str(&z->frame) : bytes);
}

// Decompressors are 100 KB each and worth keeping; at most POOL_MAX wait here.
static pthread_mutex_t pool_mutex = PTHREAD_MUTEX_INITIALIZER;
static ZSTD_DCtx *pool[POOL_MAX];
static size_t pool_count;

static ZSTD_DCtx *pool_get(void)
{
    ZSTD_DCtx *d = NULL;
    (void)pthread_mutex_lock(&pool_mutex);
    ASSERT(pool_count <= POOL_MAX);
    if (pool_count > 0) {
        d = pool[--pool_count];
    }
    (void)pthread_mutex_unlock(&pool_mutex);
    if (d == NULL) {
        d = ZSTD_createDCtx();
        MUST(d != NULL);
    }
    return d;
}

static void pool_put(ZSTD_DCtx *d)
{
    ASSERT(d != NULL);
    (void)pthread_mutex_lock(&pool_mutex);
    if (pool_count < POOL_MAX) {
        pool[pool_count++] = d;
        d = NULL;
    }
    ASSERT(pool_count <= POOL_MAX);
    (void)pthread_mutex_unlock(&pool_mutex);
    (void)ZSTD_freeDCtx(d);
}

enum err zpack_decode(const void *frame, size_t frame_n, void *out, size_t n)
{
    ASSERT(frame != NULL);
    ASSERT(out != NULL || n == 0);
    ZSTD_DCtx *d = pool_get();
    size_t got = ZSTD_decompressDCtx(d, out, n, frame, frame_n);
    pool_put(d);
    return got == n ? ERR_OK : ERR_CORRUPT;
}

enum err zpack_get(struct cursor *c, struct arena *a, struct str *ret_bytes)
{
    ASSERT(c != NULL && ret_bytes != NULL);
    ASSERT(a != NULL);
    uint64_t head = cursor_varint(c);
    size_t n = (size_t)(head >> 1);
    size_t stored = head & 1 ? (size_t)cursor_varint(c) : n;
    const uint8_t *from = cursor_bytes(c, stored);
    if (from == NULL || n > REGION_MAX) {
        return ERR_CORRUPT;
    }
    // What the frame itself says must agree, before room is made for it.
    if ((head & 1) != 0 && ZSTD_getFrameContentSize(from, stored) != n) {
        return ERR_CORRUPT;
    }
    char *to = arena_alloc(a, n + REGION_PAD);
    memset(to + n, 0, REGION_PAD);
    if ((head & 1) == 0) {
        memcpy(to, from, n);
    } else if (zpack_decode(from, stored, to, n) != ERR_OK) {
        return ERR_CORRUPT;
    }
    *ret_bytes = (struct str){to, n};
    return ERR_OK;
}
