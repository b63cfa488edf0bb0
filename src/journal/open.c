// SPDX-License-Identifier: Apache-2.0
// Purpose: opening the local journal: what is on disk is taken in, repaired where something is
// missing, and replayed.
#include <string.h>

#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
#include "journal/journal_state.h"
#include "journal/recover.h"
#include "os/wake.h"

#define SEGMENT_BYTES_DEFAULT ((size_t)64 << 20)
#define SEGMENT_BYTES_MIN     ((size_t)4096)
#define DISK_BYTES_DEFAULT    ((size_t)4 << 30)

struct listing {
    struct journal *j;
    uint64_t *first_seqs, *unfinished; // of segments, and of repairs that a crash interrupted
    size_t count, capacity, unfinished_count, unfinished_capacity;
    unsigned *spares;
    size_t spare_count, spare_capacity;
};

static void note_file(void *ctx, const char *name)
{
    struct listing *l = ctx;
    uint64_t number;
    ASSERT(name != NULL);
    if (segment_name_parse(name, &number) == ERR_OK) {
        l->first_seqs = mem_grow(l->first_seqs, &l->capacity, l->count + 1, sizeof *l->first_seqs);
        l->first_seqs[l->count++] = number;
    } else if (recover_is_new(name, &number)) {
        l->unfinished = mem_grow(l->unfinished, &l->unfinished_capacity, l->unfinished_count + 1,
                                 sizeof *l->unfinished);
        l->unfinished[l->unfinished_count++] = number;
    } else if (str_starts(str_of(name), STR("spare-")) &&
               str_to_u64(str_of(name + 6), &number) == ERR_OK && number < UINT32_MAX) {
        l->spares = mem_grow(l->spares, &l->spare_capacity, l->spare_count + 1, sizeof *l->spares);
        l->spares[l->spare_count++] = (unsigned)number;
    }
}

static int by_number(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

// Takes in the spares that are worth keeping and removes the others.
static void take_spares(struct journal *j, const struct listing *l)
{
    ASSERT(j->spare_count == 0);
    for (size_t i = 0; i < l->spare_count; i++) {
        char path[FS_PATH_MAX];
        struct file *f;
        uint64_t bytes = 0;
        journal_spare_path(j, l->spares[i], path);
        if (j->o.fs->ops->open(j->o.fs, path, FS_READ, &f) == ERR_OK) {
            bytes = f->ops->size(f, &bytes) == ERR_OK ? bytes : 0;
            f->ops->close(f);
        }
        j->next_spare = l->spares[i] >= j->next_spare ? l->spares[i] + 1 : j->next_spare;
        if (bytes == j->o.segment_bytes && j->spare_count < journal_spares_max(j) &&
            j->stats.disk_bytes + bytes <= j->o.disk_bytes_max) {
            j->spare[j->spare_count++] = (struct spare){l->spares[i], bytes};
            j->stats.disk_bytes += bytes;
        } else {
            j->stats.disk_bytes += bytes;
            journal_discard_file(j, path, bytes);
        }
    }
}

// What was read may be in the cache of the machine alone, after a crash of the process amid a group
// or in interval mode: the next segment will say that it is durable, so it is made so.
static enum err sync_newest(struct journal *j)
{
    ASSERT(!j->started);
    char path[FS_PATH_MAX];
    struct file *f;
    if (j->segment_count == 0) {
        return ERR_OK;
    }
    journal_segment_path(j, j->segments[j->segment_count - 1].first_seq, path);
    enum err e = j->o.fs->ops->open(j->o.fs, path, FS_WRITE, &f);
    if (e == ERR_OK) {
        e = f->ops->sync(f);
        f->ops->close(f);
    }
    return e;
}

static void on_missing(void *ctx, const struct journal_missing *m)
{
    struct journal *j = ctx;
    uint64_t records = m->last_seq - m->first_seq + 1;
    ASSERT(m->first_seq > 0 && m->first_seq <= m->last_seq);
    if (m->acknowledged) {
        j->stats.lost_records += records;
    } else {
        j->stats.doubtful_records += records;
    }
    log_write(m->acknowledged ? LOG_ERROR : LOG_WARN, "journal",
              m->acknowledged
                  ? "acknowledged records are lost to damage; what can be read is kept"
                  : "records are missing: a crash amid a write leaves this, and so does damage",
              "segment=%016llx.seg offset=%llu first=%llu last=%llu kept=%016llx.seg.bad",
              (unsigned long long)m->segment, (unsigned long long)m->offset,
              (unsigned long long)m->first_seq, (unsigned long long)m->last_seq,
              (unsigned long long)m->segment);
    if (j->o.on_missing != NULL) {
        j->o.on_missing(j->o.ctx, m);
    }
}

static void on_unreadable(void *ctx, uint64_t first_seq, uint64_t bytes)
{
    const struct journal *j = ctx;
    ASSERT(!j->started && first_seq > 0);
    log_write(LOG_ERROR, "journal",
              "nothing of a segment can be read, nor how many records it held; it is kept",
              "kept=%s/%016llx.seg.bad bytes=%llu", j->dir, (unsigned long long)first_seq,
              (unsigned long long)bytes);
}

// Puts the listing in order, and the folder where a crash interrupted a repair.
static enum err settle(const struct recover *r, struct listing *l)
{
    enum err e = ERR_OK;
    ASSERT(l->first_seqs != NULL || l->count == 0);
    for (size_t i = 0; i < l->unfinished_count && e == ERR_OK; i++) {
        bool has_segment = false;
        for (size_t k = 0; k < l->count; k++) {
            has_segment = has_segment || l->first_seqs[k] == l->unfinished[i];
        }
        e = recover_finish(r, l->unfinished[i], has_segment);
        if (e == ERR_OK && !has_segment) {
            l->first_seqs =
                mem_grow(l->first_seqs, &l->capacity, l->count + 1, sizeof *l->first_seqs);
            l->first_seqs[l->count++] = l->unfinished[i];
        }
    }
    sort_array(l->first_seqs, l->count, sizeof *l->first_seqs, by_number);
    return e;
}

// The greatest number below the end of segment i that a later header says was durable.
static enum err acked_behind(const struct recover *r, const struct listing *l, size_t i,
                             uint64_t *ret_acked_seq)
{
    uint64_t most = 0;
    ASSERT(i < l->count);
    // A header that cannot be read says nothing; the one after it then does.
    for (size_t k = i + 1; k < l->count && most == 0; k++) {
        enum err e = recover_acked(r, l->first_seqs[k], &most);
        if (e != ERR_OK) {
            return e;
        }
    }
    if (i + 1 < l->count && most >= l->first_seqs[i + 1]) {
        most = l->first_seqs[i + 1] - 1;
    }
    *ret_acked_seq = most;
    return ERR_OK;
}

// Takes in one segment found on disk.
static enum err take_segment(struct journal *j, const struct recover *r, const struct listing *l,
                             size_t i)
{
    struct recovered got;
    uint64_t first = l->first_seqs[i], acked = 0;
    uint64_t end = i + 1 < l->count ? l->first_seqs[i + 1] : UINT64_MAX;
    MUST(first < end);
    enum err e = acked_behind(r, l, i, &acked);
    e = e == ERR_OK ? recover_segment(r, first, end, acked, &got) : e;
    if (e != ERR_OK) {
        return e;
    }
    if (got.set_aside) {
        j->stats.damaged_segments++;
        return ERR_OK;
    }
    j->segments =
        mem_grow(j->segments, &j->segment_capacity, j->segment_count + 1, sizeof *j->segments);
    j->segments[j->segment_count++] = (struct segment){first, got.last_seq, got.bytes};
    j->stats.torn_bytes += got.torn_bytes;
    j->stats.damaged_segments += got.repaired ? 1 : 0;
    j->stats.disk_bytes += got.bytes;
    j->next_seq = got.last_seq + 1;
    j->durable_seq = got.last_seq >= first ? got.last_seq : got.acked_seq;
    return ERR_OK;
}

// Takes in the segments found on disk, and tells of everything that is missing from them.
static enum err take_in(struct journal *j, struct listing *l, struct err_at *ret_at)
{
    ASSERT(j->segment_count == 0 && !j->started);
    const struct recover r = {.fs = j->o.fs,
                              .dir = j->dir,
                              .on_missing = on_missing,
                              .on_unreadable = on_unreadable,
                              .ctx = j};
    enum err e = settle(&r, l);
    for (size_t i = 0; i < l->count && e == ERR_OK; i++) {
        e = take_segment(j, &r, l, i);
        if (e == ERR_UNSUPPORTED) {
            return err_at_set(ret_at, e, 0,
                              "journal segment %016llx.seg has another version: stop the server "
                              "that wrote it in order, then move the folder journal away",
                              (unsigned long long)l->first_seqs[i]);
        }
        if (e != ERR_OK) {
            return err_at_set(ret_at, e, 0, "journal segment %016llx.seg: %s",
                              (unsigned long long)l->first_seqs[i], err_text(e));
        }
    }
    e = e == ERR_OK ? sync_newest(j) : e;
    take_spares(j, l);
    return e == ERR_OK ? e : err_at_set(ret_at, e, 0, "journal folder %s: %s", j->dir, err_text(e));
}

enum err journal_open(const struct journal_options *options, struct journal **ret_journal,
                      struct err_at *ret_at)
{
    ASSERT(options->fs != NULL && options->dir != NULL);
    struct fs *fs = options->fs;
    struct journal *j = mem_new(1, sizeof *j);
    struct listing l = {.j = j};
    j->o = *options;
    j->o.segment_bytes =
        options->segment_bytes > 0 ? options->segment_bytes : SEGMENT_BYTES_DEFAULT;
    j->o.segment_bytes = j->o.segment_bytes > SEGMENT_BYTES_MIN ? j->o.segment_bytes & ~(size_t)7
                                                                : SEGMENT_BYTES_MIN;
    j->o.disk_bytes_max =
        options->disk_bytes_max > 0 ? options->disk_bytes_max : DISK_BYTES_DEFAULT;
    j->dir = mem_alloc(strlen(options->dir) + 1);
    memcpy(j->dir, options->dir, strlen(options->dir) + 1);
    j->queue_end = &j->queue;
    j->next_seq = 1;
    buf_init(&j->group, JOURNAL_RECORD_MAX + JOURNAL_GROUP_MAX);
    MUST(pthread_mutex_init(&j->lock, NULL) == 0);
    wake_init(&j->wake);

    enum err e = fs->ops->make_dir(fs, j->dir);
    e = e == ERR_OK ? fs->ops->list(fs, j->dir, note_file, &l) : e;
    if (e != ERR_OK) {
        (void)err_at_set(ret_at, e, 0, "journal folder %s: %s", j->dir, err_text(e));
    } else {
        e = take_in(j, &l, ret_at);
    }
    mem_free(l.first_seqs);
    mem_free(l.unfinished);
    mem_free(l.spares);
    if (e != ERR_OK) {
        journal_close(j);
        return e;
    }
    if (j->next_seq <= options->seq_floor) {
        j->next_seq = options->seq_floor + 1;
    }
    journal_note_filling(j);
    *ret_journal = j;
    return ERR_OK;
}

// Hands out the records of one segment with seq > after.
static enum err replay_segment(struct journal *j, const struct segment *s, uint64_t after,
                               enum err (*each)(void *ctx, uint64_t seq, struct str payload),
                               void *ctx)
{
    ASSERT(each != NULL && s->last_seq >= s->first_seq);
    char path[FS_PATH_MAX];
    struct file *f;
    struct segment_scan scan;
    struct segment_header header;
    struct segment_found found;
    journal_segment_path(j, s->first_seq, path);
    enum err e = j->o.fs->ops->open(j->o.fs, path, FS_READ, &f);
    if (e != ERR_OK) {
        return e;
    }
    e = segment_scan_init(&scan, f, s->first_seq, s->last_seq + 1, &header);
    while (e == ERR_OK && scan.next_seq <= s->last_seq) {
        e = segment_scan_next(&scan, &found);
        if (e == ERR_END || (e == ERR_OK && found.item == SEGMENT_GAP)) {
            e = ERR_CORRUPT; // journal_open() read it a moment ago
        } else if (e == ERR_OK && found.item == SEGMENT_RECORD && found.first_seq > after) {
            e = each(ctx, found.first_seq, found.payload);
        }
    }
    segment_scan_done(&scan);
    f->ops->close(f);
    return e;
}

enum err journal_replay(struct journal *j, uint64_t after,
                        enum err (*each)(void *ctx, uint64_t seq, struct str payload), void *ctx)
{
    ASSERT(each != NULL);
    MUST(!j->started);
    for (size_t i = 0; i < j->segment_count; i++) {
        const struct segment *s = &j->segments[i];
        if (s->last_seq <= after || s->last_seq < s->first_seq) {
            continue;
        }
        enum err e = replay_segment(j, s, after, each, ctx);
        if (e != ERR_OK) {
            return e;
        }
    }
    return ERR_OK;
}
