// SPDX-License-Identifier: Apache-2.0
// Purpose: the pace of one entry.
#include "stream/pace.h"

#include "core/hist.h"
#include "core/must.h"
#include "model/keep.h"

static uint32_t bucket_of(uint64_t duration_ns)
{
    _Static_assert(HIST_BUCKETS / PACE_BUCKETS == 4, "four buckets of a histogram are one here");
    return hist_bucket(duration_ns) / (HIST_BUCKETS / PACE_BUCKETS);
}

bool pace_is_known(const struct pace *p)
{
    ASSERT(p->count <= PACE_CHAINS_MAX);
    return p->count >= PACE_LEAST;
}

bool pace_is_slow(const struct pace *p, uint64_t duration_ns)
{
    ASSERT(p->limit < PACE_BUCKETS);
    return pace_is_known(p) && bucket_of(duration_ns) > p->limit;
}

static void halve(struct pace *p)
{
    p->count = p->above = 0;
    for (uint32_t i = 0; i < PACE_BUCKETS; i++) {
        p->buckets[i] /= 2;
        p->count += p->buckets[i];
        p->above += i > p->limit ? p->buckets[i] : 0;
    }
    ASSERT(p->count <= PACE_CHAINS_MAX / 2);
}

void pace_add(struct pace *p, uint64_t duration_ns, uint32_t slow_ppm)
{
    uint32_t bucket = bucket_of(duration_ns);
    ASSERT(bucket < PACE_BUCKETS && slow_ppm <= KEEP_PPM);
    if (p->count == PACE_CHAINS_MAX) {
        halve(p);
    }
    p->buckets[bucket]++;
    p->count++;
    p->above += bucket > p->limit ? 1 : 0;
    uint32_t most = (uint32_t)((uint64_t)p->count * slow_ppm / KEEP_PPM);
    while (p->above > most) {
        p->above -= p->buckets[++p->limit];
    }
    while (p->limit > 0 && p->above + p->buckets[p->limit] <= most) {
        p->above += p->buckets[p->limit--];
    }
    ASSERT(p->above <= most && p->limit < PACE_BUCKETS);
}
