// SPDX-License-Identifier: Apache-2.0
// Purpose: the sampling decision.
#include "agents/jvm/sample.h"

#include <stdatomic.h>

#include "core/must.h"

static atomic_ullong keep_below; // of 2^32
static atomic_bool follow_parent = true;

void sample_init(double ratio, bool by_parent)
{
    ASSERT(ratio >= 0 && ratio <= 1);
    atomic_store(&keep_below, (unsigned long long)(ratio * 4294967296.0));
    atomic_store(&follow_parent, by_parent);
}

bool sample_new(trace_id trace)
{
    uint64_t hash = str_hash((struct str){(const char *)trace.b, sizeof trace.b});
    return hash >> 32 < atomic_load_explicit(&keep_below, memory_order_relaxed);
}

bool sample_remote(trace_id trace, bool sampled)
{
    return atomic_load_explicit(&follow_parent, memory_order_relaxed) ? sampled : sample_new(trace);
}
