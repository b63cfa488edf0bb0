// SPDX-License-Identifier: Apache-2.0
// Purpose: a part is written anew with some of its traces.
#include "store/rewrite.h"

#include "core/logger.h"
#include "core/mem.h"
#include "core/must.h"

#define TRACE_BYTES_MAX ((size_t)24) // of each trace of the part

struct run {
    const struct rewrite *r;
    uint64_t id; // of the part to be written
    struct room room;
    struct part *fresh;
    struct arena arena;
    struct str path;
    struct tally gone;
};

static void begin_commit(struct run *x, struct commit *c)
{
    ASSERT(x->r->old != NULL);
    commit_begin(c, x->r->s);
    if (x->r->commit_too != NULL) {
        x->r->commit_too(x->r->ctx, x->r->s->catalog);
    }
    ASSERT(c->store == x->r->s);
}

// Nothing goes: the part stays as it is, and its state is known.
static enum err mark(struct run *x)
{
    ASSERT(x->fresh == NULL);
    struct store *s = x->r->s;
    struct commit c;
    ASSERT(x->r->old->state != x->r->becomes);
    begin_commit(x, &c);
    catalog_set_state(s->catalog, x->r->old->id, x->r->becomes);
    enum err e = commit_end(&c);
    if (e == ERR_OK) {
        (void)pthread_mutex_lock(&s->lock);
        store_mark_part(s, x->r->old, x->r->becomes);
        (void)pthread_mutex_unlock(&s->lock);
    }
    return e;
}

static enum err remove_whole(struct run *x)
{
    ASSERT(x->fresh == NULL);
    struct store *s = x->r->s;
    struct commit c;
    ASSERT(x->r->line < STORE_LINES_MAX);
    begin_commit(x, &c);
    catalog_remove_part(s->catalog, x->r->old->id);
    parts_count_gone(&c, part_meta(x->r->old->part), x->r->outcome, REASON_NONE);
    enum err e = commit_end(&c);
    if (e == ERR_OK) {
        parts_drop(s, x->r->line, x->r->old, FILE_IS_REMOVED);
    }
    return e;
}

static enum err commit_rest(struct run *x, const struct part_entry *fresh)
{
    ASSERT(x->fresh != NULL && x->path.n > 0);
    struct store *s = x->r->s;
    struct commit c;
    ASSERT(fresh->id > x->r->old->id && fresh->id == x->id);
    MUST(part_meta(x->fresh)->rows + tally_total(&x->gone) == part_meta(x->r->old->part)->rows);
    begin_commit(x, &c);
    catalog_remove_part(s->catalog, x->r->old->id);
    commit_add_part(&c, fresh);
    commit_move(&c, &x->gone, x->r->outcome, REASON_NONE);
    return commit_end(&c);
}

static enum err write_rest(struct run *x, enum part_strip_result *ret_result)
{
    ASSERT(x->path.n > 0);
    struct store *s = x->r->s;
    struct part *old = x->r->old->part;
    const struct part_meta *m = part_meta(old);
    const struct part_strip work = {.input = old,
                                    .keeps = x->r->keeps,
                                    .ctx = x->r->ctx,
                                    .out = {.fs = s->fs,
                                            .path = x->path.p,
                                            .line = m->line,
                                            .seq_first = m->seq_first,
                                            .seq_last = m->seq_last,
                                            .block_rows = x->room.block_rows,
                                            .zstd_level = STORE_REWRITE_LEVEL},
                                    .stop = &s->stop};
    ASSERT(x->fresh == NULL);
    enum err e = part_strip(&work, ret_result), reading = e;
    if (e == ERR_OK && *ret_result == STRIP_WRITTEN) {
        e = s->fs->ops->sync_dir(s->fs, s->parts_dir);
        e = e == ERR_OK ? part_open(s->part_fs, x->path.p, &x->fresh, NULL) : e;
        if (e == ERR_OK) {
            e = reading = tally_missing(&old, 1, part_meta(x->fresh), &x->gone);
        }
    }
    if (reading == ERR_CORRUPT) { // and not of what was written, nor of the catalog
        part_note_damage(old);
    }
    return e;
}

static void swap_in(struct run *x, const struct part_entry *fresh)
{
    ASSERT(x->fresh != NULL);
    struct part_entry *old = x->r->old, *entry = mem_new(1, sizeof *entry);
    ASSERT(fresh->part == x->fresh);
    *entry = *fresh;
    parts_swap(x->r->s, x->r->line, &old, 1, entry);
}

// The disk or the catalog is in the way: not again for a while. That the catalog has no room says
// nothing of what is left, for which there may be.
static enum err hold_off(struct store *s, enum err e)
{
    ASSERT(s->catalog != NULL);
    ASSERT(e != ERR_OK);
    (void)pthread_mutex_lock(&s->lock);
    maintain_hold_off(s);
    (void)pthread_mutex_unlock(&s->lock);
    return e == ERR_FULL ? ERR_IO : e;
}

// What could not be written. `doubtful`: the transaction failed, and may turn out to have
// happened.
static enum err give_up(struct run *x, enum err e, bool doubtful)
{
    ASSERT(x->r->old != NULL);
    struct store *s = x->r->s;
    ASSERT(e != ERR_OK);
    part_unref(x->fresh);
    if (doubtful) {
        commit_doubt(s, x->path);
    } else {
        (void)s->fs->ops->remove(s->fs, x->path.p); // it may not exist; the next start looks again
    }
    if (e == ERR_CANCELLED) {
        return e;
    }
    log_write(LOG_ERROR, "store", "a part could not be written anew with some of its traces",
              "part=%016llx error=%s", (unsigned long long)x->r->old->id, err_name(e));
    if (e == ERR_FULL && !doubtful) {
        return e;
    }
    e = hold_off(s, e);
    return e == ERR_CORRUPT && part_is_damaged(x->r->old->part) ? ERR_AGAIN : e;
}

static enum err finish(struct run *x, enum part_strip_result result)
{
    struct store *s = x->r->s;
    enum err e;
    ASSERT(x->id > 0);
    if (result != STRIP_WRITTEN) {
        e = result == STRIP_ALL_KEPT ? mark(x) : remove_whole(x);
        return e == ERR_OK ? e : hold_off(s, e);
    }
    const struct part_entry fresh = {.id = x->id,
                                     .level = x->r->old->level,
                                     .committed_ns = x->r->old->committed_ns,
                                     .part = x->fresh,
                                     .state = x->r->becomes};
    e = commit_rest(x, &fresh);
    if (e != ERR_OK) {
        return give_up(x, e, true);
    }
    swap_in(x, &fresh);
    ASSERT(e == ERR_OK);
    return e;
}

enum err rewrite_run(const struct rewrite *r, bool patient, enum part_strip_result *ret_result)
{
    struct run x = {.r = r};
    enum part_strip_result result = STRIP_WRITTEN;
    ASSERT(r->old != NULL);
    size_t traces = (size_t)part_meta(r->old->part)->rows;
    if (!room_take(r->s, ROOM_INPUT_BYTES + traces * TRACE_BYTES_MAX, patient, &x.room)) {
        room_put_off(r->s);
        return ERR_MEMORY;
    }
    x.id = store_new_part_id(r->s);
    x.path = store_part_path(r->s, x.id, &x.arena);
    enum err e = commit_settle(r->s);
    if (e != ERR_OK) { // nothing was written yet
        e = hold_off(r->s, e);
    } else {
        e = write_rest(&x, &result);
        e = e == ERR_OK ? finish(&x, result) : give_up(&x, e, false);
    }
    room_give(r->s, &x.room);
    tally_done(&x.gone);
    arena_done(&x.arena);
    ASSERT(ret_result != NULL);
    if (e == ERR_OK) {
        *ret_result = result;
    }
    return e;
}
