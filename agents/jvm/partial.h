// SPDX-License-Identifier: Apache-2.0
// Purpose: what a server says of records that it has not kept though it has taken the request.
// Source: Export*PartialSuccess of opentelemetry/proto/collector, alike for every signal.
#ifndef SONDE_JVM_PARTIAL_H
#define SONDE_JVM_PARTIAL_H

#include <stdint.h>

#include "core/str.h"

struct partial {
    uint64_t rejected;
    struct str message; // within the answer
};

// All zero when the answer says nothing of it or is none that can be read: the request was taken.
struct partial partial_success(struct str answer);

#endif
