// SPDX-License-Identifier: Apache-2.0
// Purpose: what a restart has to know of the chains that were open.
#include "core/mem.h"
#include "core/must.h"
#include "core/varint.h"
#include "stream/internal.h"

#define OPEN_MAX    ((uint64_t)1 << 22) // chains, so that a state stays below 64 MiB
#define ENTRY_BYTES 9

struct writing {
    const struct chains *chains;
    struct buf *out;
};

static void write_chain(void *ctx, const struct chain *chain)
{
    struct writing *w = ctx;
    ASSERT(chain->count > 0);
    buf_add_u64(w->out, chain->hash);
    buf_add_byte(w->out, chains_may_be_old(w->chains, chain) ? 1 : 0);
}

void state_write(const struct chains *c, uint64_t seq, struct buf *out)
{
    struct writing w = {c, out};
    uint64_t oldest = chains_oldest_seq(c, seq + 1);
    ASSERT(oldest > 0);
    buf_add_varint(out, oldest - 1);
    buf_add_varint(out, c->count);
    chains_each(c, write_chain, &w);
}

static uint64_t stored(uint64_t hash)
{
    return hash != 0 ? hash : 1;
}

static size_t slot_of(const struct open_set *s, uint64_t hash)
{
    size_t at = hash & (s->size - 1);
    ASSERT(s->count < s->size);
    while (s->hashes[at] != 0 && s->hashes[at] != hash) {
        at = (at + 1) & (s->size - 1);
    }
    return at;
}

static void fill(struct open_set *s, const uint8_t *p, uint64_t count)
{
    s->size = 16;
    while (s->size < count * 2) {
        s->size *= 2;
    }
    s->hashes = mem_new(s->size, sizeof *s->hashes);
    s->may_be_old = mem_new(s->size, sizeof *s->may_be_old);
    for (uint64_t i = 0; i < count; i++, p += ENTRY_BYTES) {
        uint64_t hash = stored(load_u64(p));
        size_t at = slot_of(s, hash);
        s->count += s->hashes[at] == 0 ? 1 : 0;
        s->hashes[at] = hash;
        s->may_be_old[at] = p[8] != 0;
    }
    ASSERT(s->count <= count);
}

enum err state_read(struct str bytes, uint64_t seq, uint64_t *ret_replay_after,
                    struct open_set *ret_open)
{
    const uint8_t *p = (const uint8_t *)bytes.p, *end = p + bytes.n;
    uint64_t after = seq, count = 0;
    if (bytes.n > 0) {
        p = varint_get(p, end, &after);
        p = p != NULL ? varint_get(p, end, &count) : NULL;
        if (p == NULL || after > seq || count > OPEN_MAX ||
            (uint64_t)(end - p) != count * ENTRY_BYTES) {
            return ERR_CORRUPT;
        }
    }
    *ret_open = (struct open_set){0};
    fill(ret_open, p, count);
    *ret_replay_after = after;
    return ERR_OK;
}

bool open_set_find(const struct open_set *s, uint64_t hash, bool *ret_may_be_old)
{
    ASSERT(s->size > 0);
    size_t at = slot_of(s, stored(hash));
    if (s->hashes[at] == 0) {
        return false;
    }
    *ret_may_be_old = s->may_be_old[at];
    return true;
}

void open_set_done(struct open_set *s)
{
    mem_free(s->hashes);
    mem_free(s->may_be_old);
    *s = (struct open_set){0};
}
