// SPDX-License-Identifier: Apache-2.0
// Purpose: gRPC's message frames.
//
//   frame = 1 byte: 1 when compressed; 4 bytes big-endian: length; the message
#include "core/must.h"
#include "receive/internal.h"

#define FRAME_BYTES ((size_t)5)

static bool refuse_frame(struct door *d, const char *why)
{
    struct failure f = {400, GRPC_INTERNAL, false, str_of(why), NULL};
    ASSERT(d->kind == DOOR_GRPC);
    answer_failure(d, &f);
    return false;
}

bool grpc_unwrap(struct door *d, struct str body, struct str *ret_message, bool *ret_compressed)
{
    ASSERT(d->kind == DOOR_GRPC);
    if (body.n < FRAME_BYTES) {
        return refuse_frame(d, "The call carries no whole message.");
    }
    const uint8_t *p = (const uint8_t *)body.p;
    size_t length = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
    if (p[0] > 1) {
        return refuse_frame(d, "The message's compressed flag is neither 0 nor 1.");
    }
    if (p[0] == 1 && d->compression == COMPRESSION_NONE) {
        return refuse_frame(d, "The message is compressed, but grpc-encoding does not say how.");
    }
    if (length != body.n - FRAME_BYTES) {
        return refuse_frame(d, "The call must carry exactly one whole message.");
    }
    *ret_message = str_skip(body, FRAME_BYTES);
    *ret_compressed = p[0] == 1;
    return true;
}

void grpc_frame(struct buf *out, struct str message)
{
    ASSERT(message.n <= UINT32_MAX);
    uint8_t head[FRAME_BYTES] = {0, (uint8_t)(message.n >> 24), (uint8_t)(message.n >> 16),
                                 (uint8_t)(message.n >> 8), (uint8_t)message.n};
    buf_add(out, head, sizeof head);
    buf_add_str(out, message);
}
