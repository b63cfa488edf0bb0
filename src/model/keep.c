// SPDX-License-Identifier: Apache-2.0
// Purpose: keeping: names, the hash, and the draw.
#include "model/keep.h"

#include <xxhash.h>

#include "core/must.h"

const char *keep_why_name(enum keep_why why)
{
    static const char *const names[KEEP_WHY_COUNT] = {
#define KEEP_WHY_NAME(name, text) text,
        KEEP_WHY_LIST(KEEP_WHY_NAME)
#undef KEEP_WHY_NAME
    };
    ASSERT((unsigned)why < KEEP_WHY_COUNT);
    return names[why];
}

bool keep_rules_choose(const struct keep_rules *r)
{
    bool chooses = r->is_chosen;
    ASSERT(r->line_count <= KEEP_LINES_MAX);
    for (size_t i = 0; i < r->line_count; i++) {
        chooses = chooses || r->lines[i].is_chosen;
    }
    return chooses;
}

uint64_t keep_hash(uint64_t key, trace_id id)
{
    ASSERT(key != 0);
    return XXH3_64bits_withSeed(id.b, sizeof id.b, key);
}

bool keep_is_drawn(uint64_t hash, uint32_t share_ppm)
{
    ASSERT(share_ppm <= KEEP_PPM);
    // The upper half, so that tables may use the lower one.
    return (hash >> 32) * KEEP_PPM >> 32 < share_ppm;
}
