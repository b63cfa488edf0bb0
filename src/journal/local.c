// SPDX-License-Identifier: Apache-2.0
// Purpose: the journal on local disk: a list of segments, one writing thread, group commit.
//
// States of an entry: queued (journal_append) -> written -> durable (on_durable, done with ERR_OK),
// or failed (done with the error) from any of them. The thread takes everything that is queued,
// writes it with one call, syncs, and tells; what arrives meanwhile makes the next group, so groups
// grow with load by themselves.
//
// When a write or a sync fails, nobody knows which part of the group the disk holds (after a failed
// sync the kernel may even have dropped the pages): the segment is abandoned, the next group begins
// a new one, and the failed sequence numbers are never used again.
//
// Every start begins a new segment. Segments that nobody needs are renamed to spare-N and used
// again, so that in the long run writes go to blocks that are allocated already. Spares count as
// the journal's disk room like segments: there are the fewer the smaller the limit is, and none
// that would keep a new segment out.
#include "journal/journal.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/clock.h"
#include "core/logger.h"
#include "core/mem.h"
#include "core/must.h"
#include "journal/recover.h"
#include "journal/segment.h"

#define SEGMENT_BYTES_DEFAULT ((size_t)64 << 20)
#define SEGMENT_BYTES_MIN     ((size_t)4096)
#define DISK_BYTES_DEFAULT    ((size_t)4 << 30)
#define SPARES_MAX            4
#define SPARES_SHARE          8                 // of the limit at most, one part in so many
#define GROUP_BYTES_MAX       ((size_t)8 << 20) // one entry larger than this makes a group alone
#define LOG_PERIOD_NS         (10 * NS_PER_S)

struct segment {
    uint64_t first_seq;
    uint64_t last_seq; // first_seq - 1 while empty
    uint64_t bytes;    // size of the file
};

struct spare {
    unsigned number; // of the file spare-N
    uint64_t bytes;
};

struct journal {
    struct journal_options o;
    char *dir;
    pthread_t thread;
    bool started;

    pthread_mutex_t lock; // over everything up to the blank line
    pthread_cond_t wake;
    struct journal_entry *queue, **queue_end;
    bool closing;
    struct segment *segments; // oldest first
    size_t segment_count, segment_capacity;
    struct spare spare[SPARES_MAX];
    size_t spare_count;
    unsigned next_spare;
    struct journal_stats stats;

    // Of the writing thread alone.
    struct file *file;
    uint64_t offset, seed, next_seq;
    uint64_t durable_seq;  // synced to disk up to here
    uint64_t next_sync_ns; // with JOURNAL_SYNC_INTERVAL
    bool unsynced;
    struct buf group;
    struct log_gate gate;
};

static void path_of(const struct journal *j, const char *name, char out[FS_PATH_MAX])
{
    int n = snprintf(out, FS_PATH_MAX, "%s/%s", j->dir, name);
    MUST(n > 0 && n < FS_PATH_MAX);
}

static void segment_path(const struct journal *j, uint64_t first_seq, char out[FS_PATH_MAX])
{
    char name[SEGMENT_NAME_BYTES];
    segment_name(first_seq, name);
    path_of(j, name, out);
}

static void spare_path(const struct journal *j, unsigned number, char out[FS_PATH_MAX])
{
    char name[32];
    (void)snprintf(name, sizeof name, "spare-%u", number);
    path_of(j, name, out);
}

// ---- Opening ----------------------------------------------------------------------------------

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
    if (segment_name_parse(name, &number) == ERR_OK && number > 0) {
        l->first_seqs = mem_grow(l->first_seqs, &l->capacity, l->count + 1, sizeof *l->first_seqs);
        l->first_seqs[l->count++] = number;
    } else if (recover_is_new(name, &number) && number > 0) {
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

static void remove_file(struct journal *j, const char *path)
{
    ASSERT(path[0] != 0);
    enum err e = j->o.fs->ops->remove(j->o.fs, path);
    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        log_write(LOG_WARN, "journal", "a file that is not needed cannot be removed",
                  "file=%s reason=%s", path, err_name(e));
    }
}

static void drop_segment_file(struct journal *j, uint64_t first_seq)
{
    char path[FS_PATH_MAX];
    segment_path(j, first_seq, path);
    remove_file(j, path);
}

// How many spares the limit allows.
static size_t spares_max(const struct journal *j)
{
    ASSERT(j->o.segment_bytes > 0);
    size_t n = j->o.disk_bytes_max / SPARES_SHARE / j->o.segment_bytes;
    return n < SPARES_MAX ? n : SPARES_MAX;
}

// Takes in the spares that are worth keeping and removes the others.
static void take_spares(struct journal *j, const struct listing *l)
{
    ASSERT(j->spare_count == 0);
    for (size_t i = 0; i < l->spare_count; i++) {
        char path[FS_PATH_MAX];
        struct file *f;
        uint64_t bytes = 0;
        spare_path(j, l->spares[i], path);
        if (j->o.fs->ops->open(j->o.fs, path, FS_READ, &f) == ERR_OK) {
            bytes = f->ops->size(f, &bytes) == ERR_OK ? bytes : 0;
            f->ops->close(f);
        }
        j->next_spare = l->spares[i] >= j->next_spare ? l->spares[i] + 1 : j->next_spare;
        if (bytes == j->o.segment_bytes && j->spare_count < spares_max(j) &&
            j->stats.disk_bytes + bytes <= j->o.disk_bytes_max) {
            j->spare[j->spare_count++] = (struct spare){l->spares[i], bytes};
            j->stats.disk_bytes += bytes;
        } else {
            remove_file(j, path);
        }
    }
}

// What was read may be in the cache of the machine alone, after a crash of the process amid a group
// or in interval mode: the next segment will say that it is durable, so it is made so.
static enum err sync_newest(struct journal *j)
{
    char path[FS_PATH_MAX];
    struct file *f;
    if (j->segment_count == 0) {
        return ERR_OK;
    }
    segment_path(j, j->segments[j->segment_count - 1].first_seq, path);
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
    if (l->count > 0) {
        qsort(l->first_seqs, l->count, sizeof *l->first_seqs, by_number);
    }
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
    if (!got.begun) {
        drop_segment_file(j, first); // it was being begun when the machine stopped
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
    const struct recover r = {.fs = j->o.fs, .dir = j->dir, .on_missing = on_missing, .ctx = j};
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
    buf_init(&j->group, JOURNAL_RECORD_MAX + GROUP_BYTES_MAX);
    MUST(pthread_mutex_init(&j->lock, NULL) == 0);
    pthread_condattr_t monotonic;
    MUST(pthread_condattr_init(&monotonic) == 0);
    MUST(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
    MUST(pthread_cond_init(&j->wake, &monotonic) == 0);
    (void)pthread_condattr_destroy(&monotonic);

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
    *ret_journal = j;
    return ERR_OK;
}

// Hands out the records of one segment with seq > after.
static enum err replay_segment(struct journal *j, const struct segment *s, uint64_t after,
                               enum err (*each)(void *ctx, uint64_t seq, struct str payload),
                               void *ctx)
{
    char path[FS_PATH_MAX];
    struct file *f;
    struct segment_scan scan;
    struct segment_header header;
    struct segment_found found;
    segment_path(j, s->first_seq, path);
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

// ---- Segments that come and go ------------------------------------------------------------------

// Takes a spare off the list; false when there is none.
static bool take_spare(struct journal *j, char out[FS_PATH_MAX])
{
    pthread_mutex_lock(&j->lock);
    bool found = j->spare_count > 0;
    if (found) {
        const struct spare *spare = &j->spare[--j->spare_count];
        MUST(j->stats.disk_bytes >= spare->bytes);
        j->stats.disk_bytes -= spare->bytes;
        spare_path(j, spare->number, out);
    }
    pthread_mutex_unlock(&j->lock);
    return found;
}

// Gives the next segment's file its name: a spare one renamed, or a new one. Called without the
// lock. The file has `bytes` bytes then: the trailer stands at its end.
static enum err make_file(struct journal *j, const char *path, const char *spare, uint64_t bytes)
{
    struct fs *fs = j->o.fs;
    uint64_t size = 0;
    ASSERT(j->file == NULL && bytes >= SEGMENT_FRAME_BYTES);
    bool renamed = spare[0] != 0 && fs->ops->rename(fs, spare, path) == ERR_OK;
    enum err e = fs->ops->open(fs, path, renamed ? FS_WRITE : FS_WRITE | FS_CREATE, &j->file);
    e = e == ERR_OK ? j->file->ops->size(j->file, &size) : e;
    if (e == ERR_OK && size > bytes) {
        e = j->file->ops->truncate(j->file, bytes);
    }
    return e == ERR_OK && size < bytes ? j->file->ops->allocate(j->file, bytes) : e;
}

static void forget_file(struct journal *j)
{
    if (j->file != NULL) {
        j->file->ops->close(j->file);
        j->file = NULL;
        j->unsynced = false;
    }
}

// Finds room for a segment of `bytes`: a spare's, when there is one of that size; else spares make
// way. ERR_FULL when the limit does not allow it.
static enum err find_room(struct journal *j, uint64_t bytes, char spare[FS_PATH_MAX])
{
    ASSERT(bytes >= j->o.segment_bytes);
    spare[0] = 0;
    // A segment that was begun before a crash and never got a record has this name already.
    pthread_mutex_lock(&j->lock);
    if (j->segment_count > 0 && j->segments[j->segment_count - 1].first_seq == j->next_seq) {
        j->stats.disk_bytes -= j->segments[--j->segment_count].bytes;
    }
    pthread_mutex_unlock(&j->lock);
    if (bytes == j->o.segment_bytes && take_spare(j, spare)) {
        return ERR_OK; // its room was counted already
    }
    for (;;) {
        char path[FS_PATH_MAX];
        pthread_mutex_lock(&j->lock);
        bool fits = j->stats.disk_bytes + bytes <= j->o.disk_bytes_max;
        pthread_mutex_unlock(&j->lock);
        if (fits) {
            return ERR_OK;
        }
        if (!take_spare(j, path)) {
            return ERR_FULL;
        }
        remove_file(j, path);
    }
}

// Makes the file of a segment, durable with its name and header.
static enum err make_segment(struct journal *j, const struct segment_header *header, uint64_t bytes)
{
    char path[FS_PATH_MAX], spare[FS_PATH_MAX];
    ASSERT(j->file == NULL);
    enum err e = find_room(j, bytes, spare);
    if (e != ERR_OK) {
        return e;
    }
    segment_path(j, header->first_seq, path);
    e = make_file(j, path, spare, bytes);
    // The name is durable before the header: else a crash may bring a recycled file back under its
    // old name with the new header, which looks like damage amid the journal.
    e = e == ERR_OK ? j->o.fs->ops->sync_dir(j->o.fs, j->dir) : e;
    e = e == ERR_OK ? segment_header_write(j->file, header, bytes) : e;
    e = e == ERR_OK ? j->file->ops->sync(j->file) : e;
    if (e != ERR_OK) {
        forget_file(j);
        remove_file(j, path);
    }
    return e;
}

// Begins a segment with room for a group of `need` bytes.
static enum err begin_segment(struct journal *j, size_t need)
{
    struct segment_header header = {.first_seq = j->next_seq,
                                    .acked_seq = j->durable_seq,
                                    .seed = clock_wall_ns() ^ j->next_seq << 32};
    uint64_t bytes = need + SEGMENT_FRAME_BYTES;
    bytes = bytes > j->o.segment_bytes ? (bytes + 7) & ~(uint64_t)7 : j->o.segment_bytes;
    forget_file(j);
    enum err e = make_segment(j, &header, bytes);
    if (e != ERR_OK) {
        return e;
    }
    j->offset = SEGMENT_HEADER_BYTES;
    j->seed = header.seed;
    pthread_mutex_lock(&j->lock);
    j->segments =
        mem_grow(j->segments, &j->segment_capacity, j->segment_count + 1, sizeof *j->segments);
    j->segments[j->segment_count++] =
        (struct segment){header.first_seq, header.first_seq - 1, bytes};
    j->stats.disk_bytes += bytes;
    pthread_mutex_unlock(&j->lock);
    return ERR_OK;
}

// Takes the oldest segment off the list when nothing in it is newer than `seq`.
static bool take_released(struct journal *j, uint64_t seq, struct segment *ret_segment)
{
    pthread_mutex_lock(&j->lock);
    // The newest segment is being written (or, before the start, kept as the end of the sequence).
    bool found = j->segment_count > 1 && j->segments[0].last_seq <= seq;
    if (found) {
        *ret_segment = j->segments[0];
        j->stats.disk_bytes -= j->segments[0].bytes;
        j->segment_count--;
        memmove(j->segments, j->segments + 1, j->segment_count * sizeof *j->segments);
    }
    pthread_mutex_unlock(&j->lock);
    return found;
}

// Under the lock: whether a segment of this size may be kept as one more spare.
static bool wants_spare(const struct journal *j, uint64_t bytes)
{
    ASSERT(j->spare_count <= SPARES_MAX);
    return j->spare_count < spares_max(j) && bytes == j->o.segment_bytes &&
           j->stats.disk_bytes + bytes <= j->o.disk_bytes_max;
}

// Keeps the file of a released segment for later use; false when it is to be removed. Larger ones
// (of one large record) would take more room than a segment is counted with.
static bool make_spare(struct journal *j, const struct segment *s)
{
    struct fs *fs = j->o.fs;
    char path[FS_PATH_MAX], spare[FS_PATH_MAX];
    pthread_mutex_lock(&j->lock);
    bool wanted = wants_spare(j, s->bytes);
    unsigned number = j->next_spare;
    j->next_spare += wanted ? 1 : 0;
    pthread_mutex_unlock(&j->lock);
    segment_path(j, s->first_seq, path);
    spare_path(j, number, spare);
    if (!wanted || fs->ops->rename(fs, path, spare) != ERR_OK) {
        return false;
    }
    pthread_mutex_lock(&j->lock);
    bool kept = wants_spare(j, s->bytes); // another thread may have released as well
    if (kept) {
        j->spare[j->spare_count++] = (struct spare){number, s->bytes};
        j->stats.disk_bytes += s->bytes;
    }
    pthread_mutex_unlock(&j->lock);
    if (!kept) {
        remove_file(j, spare);
    }
    return true;
}

void journal_release(struct journal *j, uint64_t seq)
{
    struct segment s;
    // Files change without the lock: an append waits for it.
    while (take_released(j, seq, &s)) {
        if (!make_spare(j, &s)) {
            drop_segment_file(j, s.first_seq);
        }
    }
}

// ---- Writing -----------------------------------------------------------------------------------

static void tell(struct journal *j, struct journal_entry *group, enum err result)
{
    while (group != NULL) {
        struct journal_entry *entry = group;
        group = entry->next; // `done` may free the entry
        entry->result = result;
        if (result == ERR_OK && j->o.on_durable != NULL) {
            j->o.on_durable(j->o.ctx, entry);
        }
        entry->done(entry);
    }
}

static void count_failure(struct journal *j, const char *message, enum err e)
{
    ASSERT(e != ERR_OK);
    pthread_mutex_lock(&j->lock);
    j->stats.failures++;
    pthread_mutex_unlock(&j->lock);
    uint64_t times = log_gate_pass(&j->gate, LOG_PERIOD_NS);
    if (times > 0) {
        log_write(LOG_ERROR, "journal", message, "reason=%s times=%llu", err_name(e),
                  (unsigned long long)times);
    }
}

static enum err sync_file(struct journal *j)
{
    MUST(j->file != NULL);
    enum err e = j->file->ops->sync(j->file);
    if (e != ERR_OK) {
        forget_file(j);
        return e;
    }
    j->unsynced = false;
    j->durable_seq = j->next_seq - 1;
    pthread_mutex_lock(&j->lock);
    j->stats.syncs++;
    pthread_mutex_unlock(&j->lock);
    return ERR_OK;
}

// Writes the records in j->group behind the end of the segment.
static enum err write_group(struct journal *j, uint64_t records)
{
    MUST(j->file != NULL);
    enum err e = j->file->ops->write_at(j->file, j->group.p, j->group.n, j->offset);
    if (e != ERR_OK) {
        forget_file(j);
        return e;
    }
    j->unsynced = true;
    if (j->o.sync == JOURNAL_SYNC_ALWAYS) {
        e = sync_file(j);
        if (e != ERR_OK) {
            return e;
        }
    }
    j->offset += j->group.n;
    pthread_mutex_lock(&j->lock);
    j->segments[j->segment_count - 1].last_seq = j->next_seq - 1;
    j->stats.records += records;
    j->stats.bytes += j->group.n;
    pthread_mutex_unlock(&j->lock);
    return ERR_OK;
}

static size_t room(const struct journal *j)
{
    size_t end = j->o.segment_bytes - SEGMENT_HEADER_BYTES;
    ASSERT(j->o.segment_bytes > SEGMENT_FRAME_BYTES);
    return j->file == NULL || j->offset >= end ? 0 : end - (size_t)j->offset;
}

// Makes the records of a group and writes them; every entry of the group gets its seq.
static enum err commit_group(struct journal *j, struct journal_entry *group, size_t need)
{
    if (room(j) < need) {
        // Interval mode may have left the old segment unsynced.
        enum err e = j->file != NULL && j->unsynced ? sync_file(j) : ERR_OK;
        e = e == ERR_OK ? begin_segment(j, need) : e;
        if (e != ERR_OK) {
            return e;
        }
    }
    uint64_t records = 0;
    buf_clear(&j->group);
    for (struct journal_entry *entry = group; entry != NULL; entry = entry->next, records++) {
        entry->seq = j->next_seq++;
        segment_record_add(&j->group, j->seed, entry->seq, j->durable_seq, entry->payload);
    }
    MUST(!j->group.failed && j->group.n == need);
    return write_group(j, records);
}

// Cuts off the head of a list of entries: as many as one group may have.
static struct journal_entry *cut_group(const struct journal *j, struct journal_entry **list,
                                       size_t *ret_need)
{
    struct journal_entry *group = *list, *last = NULL;
    size_t need = 0, most = j->o.segment_bytes - SEGMENT_FRAME_BYTES;
    most = most < GROUP_BYTES_MAX ? most : GROUP_BYTES_MAX;
    while (*list != NULL) {
        size_t bytes = segment_record_bytes((*list)->payload.n);
        if (last != NULL && need + bytes > most) {
            break;
        }
        need += bytes;
        last = *list;
        *list = last->next;
    }
    ASSERT(last != NULL);
    last->next = NULL;
    *ret_need = need;
    return group;
}

static void run_groups(struct journal *j, struct journal_entry *list)
{
    while (list != NULL) {
        size_t need;
        struct journal_entry *group = cut_group(j, &list, &need);
        enum err e = commit_group(j, group, need);
        if (e != ERR_OK) {
            count_failure(j, "a group could not be made durable", e);
        }
        tell(j, group, e);
    }
}

// Waits for entries, the end, or the time of the next interval sync. Called with the lock held.
static void wait_for_work(struct journal *j)
{
    while (j->queue == NULL && !j->closing) {
        if (!j->unsynced) {
            pthread_cond_wait(&j->wake, &j->lock);
            continue;
        }
        struct timespec until = {.tv_sec = (time_t)(j->next_sync_ns / NS_PER_S),
                                 .tv_nsec = (long)(j->next_sync_ns % NS_PER_S)};
        if (pthread_cond_timedwait(&j->wake, &j->lock, &until) == ETIMEDOUT) {
            return;
        }
    }
}

static void interval_sync(struct journal *j)
{
    uint64_t now = clock_mono_ns();
    if (j->o.sync != JOURNAL_SYNC_INTERVAL || !j->unsynced || now < j->next_sync_ns) {
        return;
    }
    enum err e = sync_file(j);
    if (e != ERR_OK) {
        count_failure(j, "an interval sync failed", e);
    }
    j->next_sync_ns = now + (uint64_t)j->o.sync_interval_ms * NS_PER_MS;
}

static void *run(void *arg)
{
    struct journal *j = arg;
    bool more = true;
    while (more) {
        pthread_mutex_lock(&j->lock);
        wait_for_work(j);
        struct journal_entry *list = j->queue;
        j->queue = NULL;
        j->queue_end = &j->queue;
        more = list != NULL || !j->closing;
        pthread_mutex_unlock(&j->lock);
        run_groups(j, list);
        interval_sync(j);
    }
    if (j->file != NULL && j->unsynced) { // the last chance of interval mode
        enum err e = sync_file(j);
        if (e != ERR_OK) {
            count_failure(j, "the last interval sync failed", e);
        }
    }
    return NULL;
}

void journal_start(struct journal *j)
{
    MUST(!j->started);
    j->started = true;
    MUST(pthread_create(&j->thread, NULL, run, j) == 0);
}

void journal_append(struct journal *j, struct journal_entry *entry)
{
    MUST(entry->payload.n <= JOURNAL_RECORD_MAX && entry->done != NULL);
    entry->next = NULL;
    pthread_mutex_lock(&j->lock);
    bool closed = j->closing || !j->started;
    if (!closed) {
        *j->queue_end = entry;
        j->queue_end = &entry->next;
        pthread_cond_signal(&j->wake);
    }
    pthread_mutex_unlock(&j->lock);
    if (closed) {
        entry->result = ERR_CLOSED;
        entry->done(entry);
    }
}

void journal_stats(struct journal *j, struct journal_stats *ret_stats)
{
    pthread_mutex_lock(&j->lock);
    *ret_stats = j->stats;
    ret_stats->segments = j->segment_count;
    ret_stats->disk_bytes_max = j->o.disk_bytes_max;
    ret_stats->first_seq = j->segment_count > 0 ? j->segments[0].first_seq : 1;
    ret_stats->last_seq = j->segment_count > 0 ? j->segments[j->segment_count - 1].last_seq : 0;
    pthread_mutex_unlock(&j->lock);
}

void journal_close(struct journal *j)
{
    if (j == NULL) {
        return;
    }
    pthread_mutex_lock(&j->lock);
    j->closing = true;
    pthread_cond_signal(&j->wake);
    pthread_mutex_unlock(&j->lock);
    if (j->started) {
        MUST(pthread_join(j->thread, NULL) == 0);
    }
    forget_file(j);
    buf_done(&j->group);
    pthread_cond_destroy(&j->wake);
    pthread_mutex_destroy(&j->lock);
    mem_free(j->segments);
    mem_free(j->dir);
    mem_free(j);
}
