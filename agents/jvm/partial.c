// SPDX-License-Identifier: Apache-2.0
// Purpose: reading partial success.
#include "agents/jvm/partial.h"

#include "wire/protobuf.h"

enum { PARTIAL_SUCCESS = 1, REJECTED = 1, ERROR_MESSAGE = 2 };

struct partial partial_success(struct str answer)
{
    struct pb_reader all = pb_reader(answer), r = pb_reader(STR(""));
    struct partial found = {0};
    struct pb_field f;
    while (all.p < all.end && pb_next(&all, &f)) {
        if (f.number == PARTIAL_SUCCESS && f.wire == PB_BYTES) {
            r = pb_reader(f.bytes);
        }
    }
    while (r.p < r.end && pb_next(&r, &f)) {
        if (f.number == REJECTED && f.wire == PB_VARINT) {
            found.rejected = f.value;
        } else if (f.number == ERROR_MESSAGE && f.wire == PB_BYTES) {
            found.message = f.bytes;
        }
    }
    return found;
}
