// SPDX-License-Identifier: Apache-2.0
// Purpose: sifting, and what the store is told of keeping.
#include "store/sift.h"

#include "core/buf.h"
#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"
#include "core/secret.h"
#include "core/varint.h"
#include "store/rewrite.h"

#define KEEP_WAIT_NS   (60 * NS_PER_S)
#define FATES_SHARE    64 // of the memory limit
#define FATE_BYTES     24 // of each trace
#define FATES_MIN      ((size_t)1 << 12)
#define LEFT_OUT_SHARE 2 // of the fates that are remembered, one in so many through restarts
#define HASHES_MAX     ((size_t)STORE_FLUSH_ROWS_MAX * 2 * sizeof(uint64_t))

// ---- Choosing -----------------------------------------------------------------------------------

// One for which there was no room lets those go first that may need less, or give some back.
static bool is_before(const struct part_entry *a, const struct part_entry *b)
{
    ASSERT(a != b && a->id != b->id);
    ASSERT(a->state == PART_FRESH && b->state == PART_FRESH);
    return a->rewrite_failures != b->rewrite_failures ? a->rewrite_failures < b->rewrite_failures
                                                      : a->id < b->id;
}

bool sift_choose(struct sift *x, uint64_t mono_ns, bool patient)
{
    ASSERT(x->entry == NULL);
    struct store *s = x->s;
    ASSERT(s->line_count <= STORE_LINES_MAX);
    uint64_t judged_seq = atomic_load(&s->judged_seq);
    uint64_t wait_ns = atomic_load(&s->keep_wait_ns);
    for (size_t i = 0; i < s->line_count; i++) {
        const struct store_line *line = &s->lines[i];
        for (size_t k = 0; k < line->part_count; k++) {
            struct part_entry *p = line->parts[k];
            bool is_due = p->state == PART_FRESH && part_meta(p->part)->seq_last <= judged_seq &&
                          (!patient || mono_ns - p->fresh_ns >= wait_ns);
            if (is_due && (x->entry == NULL || is_before(p, x->entry))) {
                x->entry = p;
                x->line = i;
            }
        }
    }
    return x->entry != NULL;
}

bool sift_failed_before(const struct sift *x)
{
    ASSERT(x->entry != NULL);
    ASSERT(x->entry->state == PART_FRESH);
    return x->entry->rewrite_failures > 0;
}

// ---- Sifting ------------------------------------------------------------------------------------

// What a pass over the part found.
struct found {
    struct store *s;
    struct buf gone, partial; // hashes
};

static void note(struct buf *out, uint64_t hash)
{
    ASSERT(!out->failed);
    buf_add(out, &hash, sizeof hash);
    ASSERT(out->n % sizeof hash == 0);
}

static bool keeps(void *ctx, const trace_id *trace)
{
    struct found *x = ctx;
    uint64_t hash = keep_hash(x->s->keep_key, *trace);
    enum fate fate = fates_sift(x->s->fates, hash);
    ASSERT(fate != FATE_NONE && fate != FATE_GOING);
    if (fate == FATE_GONE) {
        note(&x->gone, hash);
    } else if (fate == FATE_PARTIAL) {
        note(&x->partial, hash);
    }
    ASSERT(x->s->keep_key != 0);
    return fate != FATE_GONE;
}

static size_t fates_max(const struct store *s)
{
    size_t max = s->budget->limit_bytes / FATES_SHARE / FATE_BYTES;
    ASSERT(max < UINT32_MAX || s->budget->limit_bytes > UINT32_MAX);
    return max < FATES_MIN ? FATES_MIN : max < UINT32_MAX / 4 ? max : UINT32_MAX / 4;
}

static void commit_fates(void *ctx, struct catalog *c)
{
    struct found *x = ctx;
    uint64_t bytes = fates_max(x->s) / LEFT_OUT_SHARE * sizeof(uint64_t);
    ASSERT(!x->gone.failed && !x->partial.failed);
    if (x->gone.n > 0) {
        catalog_add_left_out(c, buf_str(&x->gone), false, bytes);
    }
    if (x->partial.n > 0) {
        catalog_add_left_out(c, buf_str(&x->partial), true, bytes);
    }
    ASSERT(x->gone.n % sizeof(uint64_t) == 0);
}

static enum err sift(struct sift *x, bool patient)
{
    struct found found = {.s = x->s};
    const struct rewrite work = {.s = x->s,
                                 .line = x->line,
                                 .old = x->entry,
                                 .keeps = keeps,
                                 .ctx = &found,
                                 .becomes = PART_LIVE,
                                 .outcome = OUTCOME_SAMPLED,
                                 .commit_too = commit_fates};
    enum part_strip_result result;
    uint64_t rows = part_meta(x->entry->part)->rows;
    ASSERT(x->entry->state == PART_FRESH);
    buf_init(&found.gone, HASHES_MAX);
    buf_init(&found.partial, HASHES_MAX);
    enum err e = rewrite_run(&work, patient, &result);
    (void)pthread_mutex_lock(&x->s->lock);
    if (e == ERR_OK) {
        x->s->stats.sifted_parts++;
        x->s->stats.sifted_rows += rows;
        x->s->stats.left_out_traces += found.gone.n / sizeof(uint64_t);
    } else if (e == ERR_FULL) { // it stays whole, until there is room for what is left
        maintain_hold_off(x->s);
    }
    if (e != ERR_OK && e != ERR_CANCELLED) {
        x->entry->rewrite_failures++;
        x->s->strips_again = true;
    }
    (void)pthread_mutex_unlock(&x->s->lock);
    buf_done(&found.gone);
    buf_done(&found.partial);
    ASSERT(e != ERR_MEMORY || patient);
    return e == ERR_AGAIN ? ERR_OK : e;
}

enum err sift_run(struct sift *x, bool patient, bool *ret_did)
{
    ASSERT(x->entry != NULL && ret_did != NULL);
    enum err e = sift(x, patient);
    ASSERT(x->line < STORE_LINES_MAX);
    *ret_did = e == ERR_OK;
    return e == ERR_MEMORY ? ERR_OK : e; // it can wait
}

// ---- What is known ------------------------------------------------------------------------------

static void restore(void *ctx, struct str hashes, bool is_partial)
{
    struct store *s = ctx;
    ASSERT(s->fates != NULL);
    ASSERT(hashes.n == 0 || hashes.p != NULL);
    for (size_t at = 0; at + sizeof(uint64_t) <= hashes.n; at += sizeof(uint64_t)) {
        fates_restore(s->fates, load_u64((const uint8_t *)hashes.p + at), is_partial);
    }
}

enum err sift_load(struct store *s)
{
    struct commit c;
    ASSERT(s->fates == NULL && s->catalog != NULL);
    s->fates = fates_new(s->budget, fates_max(s));
    enum err e = catalog_fact(s->catalog, FACT_KEEP_KEY, &s->keep_key);
    if (e == ERR_OK && s->keep_key == 0) {
        s->keep_key = secret_fresh() >> 1 | 1; // a signed number in the catalog
        commit_begin(&c, s);
        catalog_set_fact(s->catalog, FACT_KEEP_KEY, s->keep_key);
        e = commit_end(&c);
    }
    ASSERT(e != ERR_OK || s->keep_key != 0);
    return e == ERR_OK ? catalog_each_left_out(s->catalog, restore, s) : e;
}

uint64_t store_keep_key(const struct store *s)
{
    ASSERT(s->fates != NULL);
    ASSERT(s->keep_key != 0);
    return s->keep_key;
}

void store_judge(struct store *s, trace_id id, enum keep_why why)
{
    ASSERT(s->fates != NULL);
    ASSERT(s->keep_key != 0);
    fates_judge(s->fates, keep_hash(s->keep_key, id), why);
}

void store_judge_again(struct store *s, trace_id id)
{
    ASSERT(s->fates != NULL);
    ASSERT(s->keep_key != 0);
    fates_reopen(s->fates, keep_hash(s->keep_key, id));
}

void store_judged_up_to(struct store *s, uint64_t seq)
{
    ASSERT(s->fates != NULL);
    ASSERT(seq >= atomic_load(&s->judged_seq));
    atomic_store(&s->judged_seq, seq);
}

void store_set_keep_wait(struct store *s, uint64_t wait_ms)
{
    ASSERT(wait_ms <= UINT64_MAX / NS_PER_MS);
    atomic_store(&s->keep_wait_ns, wait_ms > 0 ? wait_ms * NS_PER_MS : KEEP_WAIT_NS);
    ASSERT(atomic_load(&s->keep_wait_ns) > 0);
}

enum trace_fate store_view_fate(const struct store_view *v, trace_id id)
{
    ASSERT(v->fates == NULL || v->keep_key != 0);
    if (v->fates == NULL || !fates_any_gone(v->fates)) {
        return TRACE_IS_WHOLE;
    }
    enum fate fate = fates_of(v->fates, keep_hash(v->keep_key, id));
    ASSERT(v->keep_key != 0);
    return fate == FATE_GONE      ? TRACE_IS_LEFT_OUT
           : fate == FATE_PARTIAL ? TRACE_IS_PARTIAL
                                  : TRACE_IS_WHOLE;
}
