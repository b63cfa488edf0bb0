// SPDX-License-Identifier: Apache-2.0
// Purpose: a batch as bytes, for the journal (and later Kafka): compact enough that the disk is not
// the limit, quick enough that the codec is not either. Format in batch_format.h. Checks
// everything: bytes from a disk may be anything.
#ifndef SONDE_MODEL_BATCH_CODEC_H
#define SONDE_MODEL_BATCH_CODEC_H

#include "core/buf.h"
#include "core/err.h"
#include "model/batch.h"

// Appends the encoding of a batch, sealed or not, to `out` (check out->failed after).
void batch_encode(const struct batch *b, struct buf *out);

// A sealed batch equal to the one encoded, with `seq` set by the caller afterwards. ERR_CORRUPT
// with the offset otherwise.
MUST_CHECK enum err batch_decode(struct str bytes, struct batch **ret_batch, struct err_at *ret_at);

#endif
