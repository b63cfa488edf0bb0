// SPDX-License-Identifier: Apache-2.0
// Purpose: request and answer bodies in gzip, zstd and snappy (libdeflate, libzstd, libsnappy).
// Pure.
#ifndef SONDE_WIRE_COMPRESS_H
#define SONDE_WIRE_COMPRESS_H

#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"

enum compression {
    COMPRESSION_NONE,
    COMPRESSION_GZIP,
    COMPRESSION_DEFLATE,
    COMPRESSION_ZSTD,
    // Snappy's block format, which Prometheus' remote write means by "snappy" (what else is called
    // so is the framed format, so compression_from_name() does not know it). Read alone.
    COMPRESSION_SNAPPY
};

// From a content-encoding or grpc-encoding value ("" and "identity" are NONE). ERR_UNSUPPORTED.
MUST_CHECK enum err compression_from_name(struct str name, enum compression *ret_compression);

// Appends the decompressed body to `out`, whose maximum is the limit on the decompressed size:
// ERR_LIMIT beyond it (a bomb costs no more than that), ERR_INVALID for broken input, ERR_MEMORY
// when the buffer's source refuses (zstd's window is asked for there too). Several
// concatenated gzip members are one body. What `out` gets is followed by BUF_PAD zero bytes.
MUST_CHECK enum err decompress(enum compression c, struct str body, struct buf *out,
                               struct err_at *ret_at);

// Appends the compressed body.
MUST_CHECK enum err compress(enum compression c, struct str body, struct buf *out);

#endif
