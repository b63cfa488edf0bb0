// SPDX-License-Identifier: Apache-2.0
// Purpose: taking from a bucket of one second's worth.
#include "agents/jvm/rate.h"

#include "core/clock.h"
#include "core/must.h"

bool rate_take(struct rate *r, double per_second, uint64_t now_ns)
{
    ASSERT(per_second > 0);
    uint64_t each = (uint64_t)((double)NS_PER_S / per_second);
    uint64_t burst = each > NS_PER_S ? each : NS_PER_S;
    unsigned long long used = atomic_load(&r->used_until_ns), next;
    do {
        uint64_t from = used + burst > now_ns ? used : now_ns - burst;
        next = from + each;
        if (next > now_ns) {
            return false;
        }
    } while (!atomic_compare_exchange_weak(&r->used_until_ns, &used, next));
    return true;
}
