// SPDX-License-Identifier: Apache-2.0
// Purpose: what decides whether a trace matters (trace ID, status, duration) of each span of a
// request, without decoding the rest: for a door that must choose what it decodes.
#include "core/must.h"
#include "wire/otlp.h"
#include "wire/protobuf.h"

static bool says_error(struct str status)
{
    struct pb_reader r = pb_reader(status);
    struct pb_field f;
    bool error = false;
    ASSERT(status.p != NULL);
    while (r.p < r.end && pb_next(&r, &f)) {
        if (f.number == 3 && f.wire == PB_VARINT) {
            error = f.value == STATUS_ERROR;
        }
    }
    return error;
}

static struct otlp_head read_head(struct str span)
{
    struct pb_reader r = pb_reader(span);
    struct pb_field f;
    struct otlp_head head = {0};
    uint64_t start_ns = 0, end_ns = 0;
    ASSERT(span.p != NULL);
    while (r.p < r.end && pb_next(&r, &f)) {
        if (f.number == 1 && f.wire == PB_BYTES && f.bytes.n == sizeof head.trace.b) {
            memcpy(head.trace.b, f.bytes.p, sizeof head.trace.b);
        } else if (f.number == 7 && f.wire == PB_FIXED64) {
            start_ns = f.value;
        } else if (f.number == 8 && f.wire == PB_FIXED64) {
            end_ns = f.value;
        } else if (f.number == 15 && f.wire == PB_BYTES) {
            head.error = says_error(f.bytes);
        }
    }
    head.duration_ns = end_ns > start_ns ? end_ns - start_ns : 0;
    return head;
}

// The next field `number` of a message that is a message itself.
static bool next_message(struct pb_reader *r, uint32_t number, struct str *ret_bytes)
{
    struct pb_field f;
    ASSERT(ret_bytes != NULL);
    while (r->p < r->end && pb_next(r, &f)) {
        if (f.number == number && f.wire == PB_BYTES) {
            *ret_bytes = f.bytes;
            return true;
        }
    }
    return false;
}

void otlp_each_head(struct str request, void (*each)(void *ctx, const struct otlp_head *head),
                    void *ctx)
{
    struct pb_reader in_request = pb_reader(request);
    struct str resource_spans, scope_spans, span;
    ASSERT(each != NULL);
    while (next_message(&in_request, 1, &resource_spans)) {
        struct pb_reader in_resource = pb_reader(resource_spans);
        while (next_message(&in_resource, 2, &scope_spans)) {
            struct pb_reader in_scope = pb_reader(scope_spans);
            while (next_message(&in_scope, 2, &span)) {
                struct otlp_head head = read_head(span);
                each(ctx, &head);
            }
        }
    }
}
