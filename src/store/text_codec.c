// SPDX-License-Identifier: Apache-2.0
// Purpose: runs of strings as bytes.
#include "store/text_codec.h"

#include "core/mem.h"
#include "core/must.h"
#include "store/part_format.h"

void texts_encode(struct zpack *z, const struct str *texts, size_t n, struct buf *out)
{
    ASSERT(texts != NULL || n == 0);
    if (n > 0) {
        uint64_t *lengths = mem_alloc(n * sizeof *lengths);
        for (size_t i = 0; i < n; i++) {
            lengths[i] = texts[i].n;
        }
        ints_encode(z, lengths, n, INTS_COLD, out);
        mem_free(lengths);
    }
    buf_clear(&z->bytes);
    for (size_t i = 0; i < n; i++) {
        buf_add_str(&z->bytes, texts[i]);
    }
    MUST(!z->bytes.failed);
    zpack_add(z, buf_str(&z->bytes), out);
}

enum err texts_decode_some(struct cursor *c, size_t n, size_t first, size_t count, struct arena *a,
                           struct str *out)
{
    ASSERT(out != NULL || count == 0);
    ASSERT(a != NULL && first <= n && count <= n - first);
    struct str bytes;
    uint64_t *lengths = mem_alloc(n * sizeof *lengths);
    enum err e = n > 0 ? ints_decode(c, n, lengths) : ERR_OK;
    if (e == ERR_OK) {
        e = zpack_get(c, a, &bytes);
    }
    if (e == ERR_OK) {
        size_t at = 0;
        for (size_t i = 0; i < first + count && e == ERR_OK; i++) {
            if (lengths[i] > bytes.n - at) {
                e = ERR_CORRUPT;
                break;
            }
            if (i >= first) {
                out[i - first] = (struct str){bytes.p + at, (size_t)lengths[i]};
            }
            at += (size_t)lengths[i];
        }
    }
    mem_free(lengths);
    return e;
}

enum err texts_decode(struct cursor *c, size_t n, struct arena *a, struct str *out)
{
    ASSERT(out != NULL || n == 0);
    ASSERT(c != NULL);
    return texts_decode_some(c, n, 0, n, a, out);
}

void dictionary_encode(struct zpack *z, const struct str *texts, size_t n, struct buf *out)
{
    ASSERT(out != NULL);
    ASSERT(n <= UINT32_MAX);
    buf_add_varint(out, n);
    texts_encode(z, texts, n, out);
}

enum err dictionary_decode(struct cursor *c, size_t max, struct arena *a,
                           const struct str **ret_texts, size_t *ret_n)
{
    ASSERT(ret_texts != NULL && ret_n != NULL);
    ASSERT(max <= UINT32_MAX);
    size_t n = cursor_below(c, max + 1);
    if (c->failed) {
        return ERR_CORRUPT;
    }
    struct str *texts = arena_new(a, n > 0 ? n : 1, sizeof *texts);
    enum err e = texts_decode(c, n, a, texts);
    if (e == ERR_OK) {
        *ret_texts = texts;
        *ret_n = n;
    }
    return e;
}
