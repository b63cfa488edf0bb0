// SPDX-License-Identifier: Apache-2.0
// Purpose: the samples of one series as bytes.
#include "series/chunk.h"

#include "codec/cursor.h"
#include "core/hist.h"
#include "core/must.h"
#include "series/number_codec.h"

void chunk_encode(const struct samples *s, enum series_type type, uint64_t width_ms,
                  struct zpack *z, struct buf *out)
{
    ASSERT(s->count > 0 && width_ms > 0);
    if (type != SERIES_HIST) {
        numbers_encode(s->at, s->count, z, out);
        return;
    }
    uint64_t before = 0;
    buf_add_varint(out, s->count);
    for (size_t i = 0; i < s->count; i++) {
        uint64_t slot = s->at[i].time_ms / width_ms;
        MUST(s->at[i].time_ms % width_ms == 0 && (i == 0 || slot > before));
        buf_add_varint(out, slot - before);
        before = slot;
    }
    for (size_t i = 0; i < s->count; i++) {
        buf_add_str(out, s->at[i].hist);
    }
}

enum err chunk_decode(struct str bytes, enum series_type type, uint64_t width_ms,
                      struct samples *into)
{
    ASSERT(width_ms > 0);
    if (type != SERIES_HIST) {
        return numbers_decode(bytes, into);
    }
    struct cursor c = cursor_of(bytes);
    size_t n = (size_t)cursor_varint(&c), first = into->count;
    if (c.failed || n == 0 || n > bytes.n) {
        return ERR_CORRUPT;
    }
    uint64_t slot = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t distance = cursor_varint(&c);
        if (c.failed || (distance == 0 && i > 0) || distance >= SAMPLE_TIME_MAX / width_ms - slot) {
            return ERR_CORRUPT;
        }
        slot += distance;
        samples_add(into, (struct sample){.time_ms = slot * width_ms});
    }
    struct str rest = {(const char *)c.p, cursor_left(&c)};
    struct hist_head head;
    for (size_t i = 0; i < n; i++) {
        if (hist_cut(&rest, &into->at[first + i].hist, &head) != ERR_OK) {
            return ERR_CORRUPT;
        }
    }
    return rest.n == 0 ? ERR_OK : ERR_CORRUPT;
}
