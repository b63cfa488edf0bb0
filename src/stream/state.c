// SPDX-License-Identifier: Apache-2.0
// Purpose: what a restart has to know of the chains that were open.
#include "core/mem.h"
#include "core/must.h"
#include "core/varint.h"
#include "stream/internal.h"

#define OPEN_MAX    ((uint64_t)1 << 22) // chains, so that a state stays below 64 MiB
#define ENTRY_BYTES 13

struct writing {
    const struct chains *chains;
    struct buf *out;
    uint64_t after;
};

static void write_chain(void *ctx, const struct chain *chain)
{
    struct writing *w = ctx;
    uint64_t behind = chain->first_seq - w->after;
    ASSERT(chain->count > 0 && chain->first_seq > w->after);
    buf_add_u64(w->out, trace_id_hash(chain->id)); // that of the chain is this process's own
    buf_add_u32(w->out, behind < UINT32_MAX ? (uint32_t)behind : UINT32_MAX);
    buf_add_byte(w->out, chains_may_be_old(w->chains, chain) ? 1 : 0);
}

void state_write(const struct chains *c, uint64_t seq, struct buf *out)
{
    uint64_t oldest = chains_oldest_seq(c, seq + 1);
    ASSERT(oldest > 0);
    struct writing w = {c, out, oldest - 1};
    buf_add_varint(out, oldest - 1);
    buf_add_varint(out, c->count);
    chains_each(c, write_chain, &w);
}

static uint64_t stored(uint64_t hash)
{
    return hash != 0 ? hash : 1;
}

static struct open_chain *slot_of(const struct open_set *s, uint64_t hash)
{
    size_t at = hash & (s->size - 1);
    ASSERT(s->count < s->size);
    while (s->slots[at].hash != 0 && s->slots[at].hash != hash) {
        at = (at + 1) & (s->size - 1);
    }
    return &s->slots[at];
}

static void fill(struct open_set *s, const uint8_t *p, uint64_t count, uint64_t after)
{
    s->size = 16;
    while (s->size < count * 2) {
        s->size *= 2;
    }
    s->slots = mem_new(s->size, sizeof *s->slots);
    for (uint64_t i = 0; i < count; i++, p += ENTRY_BYTES) {
        uint64_t hash = stored(load_u64(p));
        struct open_chain *slot = slot_of(s, hash);
        s->count += slot->hash == 0 ? 1 : 0;
        *slot = (struct open_chain){hash, after + load_u32(p + 8), p[12] != 0};
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
    fill(ret_open, p, count, after);
    *ret_replay_after = after;
    return ERR_OK;
}

const struct open_chain *open_set_find(const struct open_set *s, uint64_t hash)
{
    ASSERT(s->size > 0);
    const struct open_chain *slot = slot_of(s, stored(hash));
    return slot->hash != 0 ? slot : NULL;
}

void open_set_done(struct open_set *s)
{
    ASSERT(s->count <= s->size);
    mem_free(s->slots);
    *s = (struct open_set){0};
}
