// SPDX-License-Identifier: Apache-2.0
// Purpose: zstd for what is stored: one compressor per writer, and a small shared pool of
// decompressors.
//   packed = varint (raw length << 1 | compressed), then either the raw bytes, or varint length and
//            one zstd frame
#ifndef SONDE_CODEC_ZPACK_H
#define SONDE_CODEC_ZPACK_H

#include <stdbool.h>

#include "codec/cursor.h"
#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"

#define REGION_MAX ((size_t)512 << 20) // unpacked
#define REGION_PAD ((size_t)16)        // readable bytes after what is unpacked in memory

struct zpack {
    void *context; // ZSTD_CCtx
    int level;
    struct buf frame;         // for zpack_add()
    struct buf planes, bytes; // for ints_encode() and texts_encode(), kept from call to call
};

struct zpack *zpack_new(int level);
void zpack_free(struct zpack *z);

// Appends one bare frame of the bytes to `out` when it is smaller by a sixteenth; false, and
// nothing appended, otherwise.
bool zpack_frame(struct zpack *z, const void *bytes, size_t n, struct buf *out);

// Appends the packed form.
void zpack_add(struct zpack *z, struct str bytes, struct buf *out);

// Decompresses one frame that must give exactly `n` bytes. ERR_CORRUPT otherwise. Any thread.
MUST_CHECK enum err zpack_decode(const void *frame, size_t frame_n, void *out, size_t n);

// Reads the packed form into `a`; the result has REGION_PAD bytes after it.
MUST_CHECK enum err zpack_get(struct cursor *c, struct arena *a, struct str *ret_bytes);

#endif
