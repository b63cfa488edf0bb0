// SPDX-License-Identifier: Apache-2.0
// Purpose: keeping: names, the hash, and the draw.
#include "model/keep.h"

#include <xxhash.h>

#include "core/mem.h"
#include "core/must.h"
#include "core/names.h"

NAMES_OF(keep_why_name, enum keep_why, KEEP_WHY_LIST)

struct keep_rules *keep_rules_copy(const struct keep_rules *r)
{
    size_t bytes = sizeof *r + r->line_count * sizeof *r->lines;
    ASSERT(r->line_count <= KEEP_LINES_MAX);
    for (size_t i = 0; i < r->line_count; i++) {
        bytes += r->lines[i].line.n;
    }
    struct keep_rules *copy = mem_alloc(bytes);
    struct keep_line *lines = (struct keep_line *)(copy + 1);
    char *text = (char *)(lines + r->line_count);
    for (size_t i = 0; i < r->line_count; i++) {
        size_t n = r->lines[i].line.n;
        lines[i] = (struct keep_line){{text, n}, r->lines[i].is_chosen};
        memcpy(text, n > 0 ? r->lines[i].line.p : "", n);
        text += n;
    }
    *copy = *r;
    copy->lines = lines;
    return copy;
}

bool keep_rules_choose_in(const struct keep_rules *r, struct str line)
{
    ASSERT(r->line_count <= KEEP_LINES_MAX);
    for (size_t i = 0; i < r->line_count; i++) {
        if (str_eq(r->lines[i].line, line)) {
            return r->lines[i].is_chosen;
        }
    }
    return r->is_chosen;
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
