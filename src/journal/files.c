// SPDX-License-Identifier: Apache-2.0
// Purpose: the journal's files: segments and spares that come and go.
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"
#include "journal/journal_state.h"

#define SPARES_SHARE 8 // of the limit at most, one part in so many

// ---- Names --------------------------------------------------------------------------------------

static void journal_path(const struct journal *j, const char *name, char out[FS_PATH_MAX])
{
    ASSERT(name != NULL && name[0] != 0);
    int n = snprintf(out, FS_PATH_MAX, "%s/%s", j->dir, name);
    MUST(n > 0 && n < FS_PATH_MAX);
}

void journal_segment_path(const struct journal *j, uint64_t first_seq, char out[FS_PATH_MAX])
{
    ASSERT(first_seq > 0);
    char name[SEGMENT_NAME_BYTES];
    segment_name(first_seq, name);
    journal_path(j, name, out);
}

void journal_spare_path(const struct journal *j, unsigned number, char out[FS_PATH_MAX])
{
    char name[32];
    (void)snprintf(name, sizeof name, "spare-%u", number);
    journal_path(j, name, out);
}

void journal_remove_file(struct journal *j, const char *path)
{
    ASSERT(path[0] != 0);
    enum err e = j->o.fs->ops->remove(j->o.fs, path);
    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        log_write(LOG_WARN, "journal", "a file that is not needed cannot be removed",
                  "file=%s reason=%s", path, err_name(e));
    }
}

void journal_drop_segment(struct journal *j, uint64_t first_seq)
{
    ASSERT(first_seq > 0);
    char path[FS_PATH_MAX];
    journal_segment_path(j, first_seq, path);
    journal_remove_file(j, path);
}

size_t journal_spares_max(const struct journal *j)
{
    ASSERT(j->o.segment_bytes > 0);
    size_t n = j->o.disk_bytes_max / SPARES_SHARE / j->o.segment_bytes;
    return n < JOURNAL_SPARES_MAX ? n : JOURNAL_SPARES_MAX;
}

// ---- Segments that come and go ------------------------------------------------------------------

// Takes a spare off the list; false when there is none.
static bool take_spare(struct journal *j, char out[FS_PATH_MAX])
{
    ASSERT(out != NULL);
    pthread_mutex_lock(&j->lock);
    bool found = j->spare_count > 0;
    if (found) {
        const struct spare *spare = &j->spare[--j->spare_count];
        MUST(j->stats.disk_bytes >= spare->bytes);
        j->stats.disk_bytes -= spare->bytes;
        journal_spare_path(j, spare->number, out);
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

void journal_forget_file(struct journal *j)
{
    ASSERT(j->file != NULL || !j->unsynced);
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
        journal_remove_file(j, path);
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
    journal_segment_path(j, header->first_seq, path);
    e = make_file(j, path, spare, bytes);
    // The name is durable before the header: else a crash may bring a recycled file back under its
    // old name with the new header, which looks like damage amid the journal.
    e = e == ERR_OK ? j->o.fs->ops->sync_dir(j->o.fs, j->dir) : e;
    e = e == ERR_OK ? segment_header_write(j->file, header, bytes) : e;
    e = e == ERR_OK ? j->file->ops->sync(j->file) : e;
    if (e != ERR_OK) {
        journal_forget_file(j);
        journal_remove_file(j, path);
    }
    return e;
}

// Begins a segment with room for a group of `need` bytes.
enum err journal_begin_segment(struct journal *j, size_t need)
{
    struct segment_header header = {.first_seq = j->next_seq,
                                    .acked_seq = j->durable_seq,
                                    .seed = clock_wall_ns() ^ j->next_seq << 32};
    uint64_t bytes = need + SEGMENT_FRAME_BYTES;
    bytes = bytes > j->o.segment_bytes ? (bytes + 7) & ~(uint64_t)7 : j->o.segment_bytes;
    journal_forget_file(j);
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
    ASSERT(ret_segment != NULL);
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
    ASSERT(j->spare_count <= JOURNAL_SPARES_MAX);
    return j->spare_count < journal_spares_max(j) && bytes == j->o.segment_bytes &&
           j->stats.disk_bytes + bytes <= j->o.disk_bytes_max;
}

// Keeps the file of a released segment for later use; false when it is to be removed. Larger ones
// (of one large record) would take more room than a segment is counted with.
static bool make_spare(struct journal *j, const struct segment *s)
{
    ASSERT(s->first_seq > 0 && s->bytes > 0);
    struct fs *fs = j->o.fs;
    char path[FS_PATH_MAX], spare[FS_PATH_MAX];
    pthread_mutex_lock(&j->lock);
    bool wanted = wants_spare(j, s->bytes);
    unsigned number = j->next_spare;
    j->next_spare += wanted ? 1 : 0;
    pthread_mutex_unlock(&j->lock);
    journal_segment_path(j, s->first_seq, path);
    journal_spare_path(j, number, spare);
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
        journal_remove_file(j, spare);
    }
    return true;
}

void journal_release(struct journal *j, uint64_t seq)
{
    ASSERT(j != NULL);
    struct segment s;
    // Files change without the lock: an append waits for it.
    while (take_released(j, seq, &s)) {
        if (!make_spare(j, &s)) {
            journal_drop_segment(j, s.first_seq);
        }
    }
}
