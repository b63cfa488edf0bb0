// SPDX-License-Identifier: Apache-2.0
// Purpose: the payload of a journal record: a group of batches.
//
//   record  = varint count, then `count` times: varint length, batch
//   batch   = `length` bytes as model/batch_encode.c writes them
//
// Nothing follows the last batch. The journal's own checksum covers all of it.
#include "core/mem.h"
#include "core/must.h"
#include "core/varint.h"
#include "model/batch_codec.h"
#include "receive/internal.h"

void group_encode(const struct receive_group *g, struct buf *out)
{
    ASSERT(g->count > 0 && g->count <= GROUP_LINES_MAX);
    buf_add_varint(out, g->count);
    for (size_t i = 0; i < g->count && !out->failed; i++) {
        // The length is known only after: write the batch, then move it behind its length.
        size_t begin = out->n;
        batch_encode(g->batches[i], out);
        uint8_t length[VARINT_MAX];
        size_t n = varint_put(length, out->n - begin);
        if (!buf_reserve(out, n)) {
            return;
        }
        memmove(out->p + begin + n, out->p + begin, out->n - begin);
        memcpy(out->p + begin, length, n);
        out->n += n;
    }
}

static void unref_all(struct batch **batches, size_t count)
{
    ASSERT(batches != NULL);
    for (size_t i = 0; i < count; i++) {
        batch_unref(batches[i]);
    }
    mem_free(batches);
}

static enum err decode_batches(struct str payload, uint64_t seq, struct batch **batches,
                               size_t count, size_t *ret_decoded, struct err_at *ret_at)
{
    const uint8_t *start = (const uint8_t *)payload.p, *p = start, *end = p + payload.n;
    uint64_t length = 0;
    p = varint_get(p, end, &length); // the count, read before
    MUST(p != NULL);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *bytes = varint_get(p, end, &length);
        if (bytes == NULL || length > (size_t)(end - bytes)) {
            return err_at_set(ret_at, ERR_CORRUPT, (uint64_t)(p - start),
                              "The length of batch %zu does not fit the record.", i);
        }
        struct err_at at = {0};
        enum err e = batch_decode((struct str){(const char *)bytes, length}, &batches[i], &at);
        if (e != ERR_OK) {
            return err_at_set(ret_at, e, (uint64_t)(bytes - start) + at.offset, "batch %zu: %s", i,
                              at.text);
        }
        batches[i]->seq = seq;
        *ret_decoded = i + 1;
        p = bytes + length;
    }
    if (p != end) {
        return err_at_set(ret_at, ERR_CORRUPT, (uint64_t)(p - start),
                          "Bytes follow the record's last batch.");
    }
    return ERR_OK;
}

enum err receive_decode_record(struct str payload, uint64_t seq, struct batch ***ret_batches,
                               size_t *ret_count, struct err_at *ret_at)
{
    const uint8_t *p = (const uint8_t *)payload.p;
    uint64_t count = 0;
    ASSERT(ret_batches != NULL && ret_count != NULL);
    if (varint_get(p, p + payload.n, &count) == NULL || count == 0 || count > GROUP_LINES_MAX) {
        return err_at_set(ret_at, ERR_CORRUPT, 0, "The record's number of batches is not valid.");
    }
    struct batch **batches = mem_new(count, sizeof(struct batch *));
    size_t decoded = 0;
    enum err e = decode_batches(payload, seq, batches, count, &decoded, ret_at);
    if (e != ERR_OK) {
        unref_all(batches, decoded);
        return e;
    }
    *ret_batches = batches;
    *ret_count = count;
    return ERR_OK;
}
