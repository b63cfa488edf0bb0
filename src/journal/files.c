// SPDX-License-Identifier: Apache-2.0
// Purpose: the journal's files: segments and spares that come and go.
//
// A file counts before it is made, and until it is surely gone: one that cannot be removed, or
// whose renaming failed so that it may have either name, counts until the next start, which looks
// what is there. So the folder never takes more than disk_bytes_max, whatever fails.
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

bool journal_remove_file(struct journal *j, const char *path)
{
    ASSERT(path[0] != 0);
    enum err e = j->o.fs->ops->remove(j->o.fs, path);
    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        log_write(LOG_WARN, "journal", "a file that is not needed cannot be removed",
                  "file=%s reason=%s", path, err_name(e));
        return false;
    }
    return true;
}

static void uncount(struct journal *j, uint64_t bytes)
{
    pthread_mutex_lock(&j->lock);
    MUST(j->stats.disk_bytes >= bytes);
    j->stats.disk_bytes -= bytes;
    pthread_mutex_unlock(&j->lock);
}

void journal_discard_file(struct journal *j, const char *path, uint64_t bytes)
{
    ASSERT(path != NULL);
    if (journal_remove_file(j, path)) {
        uncount(j, bytes);
    }
}

void journal_note_filling(struct journal *j)
{
    if (j->o.filling == NULL) {
        return;
    }
    pthread_mutex_lock(&j->lock);
    uint64_t bytes = j->stats.disk_bytes; // spares are free to be used again
    for (size_t i = 0; i < j->spare_count; i++) {
        ASSERT(bytes >= j->spare[i].bytes);
        bytes -= j->spare[i].bytes;
    }
    atomic_store(j->o.filling, bytes > j->o.disk_bytes_max / JOURNAL_FILLING_SHARE);
    pthread_mutex_unlock(&j->lock);
}

size_t journal_spares_max(const struct journal *j)
{
    ASSERT(j->o.segment_bytes > 0);
    size_t n = j->o.disk_bytes_max / SPARES_SHARE / j->o.segment_bytes;
    return n < JOURNAL_SPARES_MAX ? n : JOURNAL_SPARES_MAX;
}

// ---- Segments that come and go ------------------------------------------------------------------

// Takes a spare off the list, which stays counted; false when there is none.
static bool take_spare(struct journal *j, char out[FS_PATH_MAX], uint64_t *ret_bytes)
{
    ASSERT(out != NULL);
    pthread_mutex_lock(&j->lock);
    bool found = j->spare_count > 0;
    if (found) {
        const struct spare *spare = &j->spare[--j->spare_count];
        *ret_bytes = spare->bytes;
        journal_spare_path(j, spare->number, out);
    }
    pthread_mutex_unlock(&j->lock);
    return found;
}

// Counts room for a file before it is made; false where the limit does not allow it.
static bool reserve(struct journal *j, uint64_t bytes)
{
    ASSERT(bytes > 0);
    pthread_mutex_lock(&j->lock);
    bool fits = j->stats.disk_bytes + bytes <= j->o.disk_bytes_max;
    j->stats.at_limit = !fits;
    j->stats.disk_bytes += fits ? bytes : 0;
    pthread_mutex_unlock(&j->lock);
    return fits;
}

// Opens the file that becomes the next segment, made where it is not there. It has `bytes` bytes
// then: the trailer stands at its end. Called without the lock.
static enum err make_file(struct journal *j, const char *path, uint64_t bytes)
{
    struct fs *fs = j->o.fs;
    uint64_t size = 0;
    ASSERT(j->file == NULL && bytes >= SEGMENT_FRAME_BYTES);
    enum err e = fs->ops->open(fs, path, FS_WRITE | FS_CREATE, &j->file);
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

// A segment that was begun before a crash and never got a record has the next one's name already.
static void discard_empty(struct journal *j)
{
    char path[FS_PATH_MAX];
    uint64_t bytes = 0;
    ASSERT(j->file == NULL);
    pthread_mutex_lock(&j->lock);
    if (j->segment_count > 0 && j->segments[j->segment_count - 1].first_seq == j->next_seq) {
        bytes = j->segments[--j->segment_count].bytes;
    }
    pthread_mutex_unlock(&j->lock);
    if (bytes > 0) {
        journal_segment_path(j, j->next_seq, path);
        journal_discard_file(j, path, bytes);
    }
}

// Counts room for a segment of `bytes`: a spare's, when there is one of that size; else spares make
// way. ERR_FULL when the limit does not allow it. `spare` is the name of the file, which is there
// only if it was a spare.
static enum err find_room(struct journal *j, uint64_t bytes, char spare[FS_PATH_MAX])
{
    ASSERT(bytes >= j->o.segment_bytes);
    uint64_t spare_bytes = 0;
    pthread_mutex_lock(&j->lock);
    j->stats.at_limit = false;
    pthread_mutex_unlock(&j->lock);
    if (bytes == j->o.segment_bytes && take_spare(j, spare, &spare_bytes)) {
        ASSERT(spare_bytes == bytes);
        return ERR_OK; // counted already
    }
    while (!reserve(j, bytes)) {
        char path[FS_PATH_MAX];
        if (!take_spare(j, path, &spare_bytes)) {
            return ERR_FULL;
        }
        journal_discard_file(j, path, spare_bytes);
    }
    pthread_mutex_lock(&j->lock);
    unsigned number = j->next_spare++;
    pthread_mutex_unlock(&j->lock);
    journal_spare_path(j, number, spare);
    return ERR_OK;
}

// Makes the file of a segment, durable with its header and then with its name, so that under the
// name of a segment there is never a file without its header: such a one is damaged. Its bytes are
// counted then.
static enum err make_segment(struct journal *j, const struct segment_header *header, uint64_t bytes)
{
    char path[FS_PATH_MAX], spare[FS_PATH_MAX];
    const struct fs_ops *ops = j->o.fs->ops;
    ASSERT(j->file == NULL);
    discard_empty(j);
    enum err e = find_room(j, bytes, spare);
    if (e != ERR_OK) {
        return e;
    }
    journal_segment_path(j, header->first_seq, path);
    e = make_file(j, spare, bytes);
    // The spare's name is durable before the header: else a crash may bring a recycled file back
    // under its old name with the new header, which looks like damage amid the journal.
    e = e == ERR_OK ? ops->sync_dir(j->o.fs, j->dir) : e;
    e = e == ERR_OK ? segment_header_write(j->file, header, bytes) : e;
    e = e == ERR_OK ? j->file->ops->sync(j->file) : e;
    e = e == ERR_OK ? ops->rename(j->o.fs, spare, path) : e;
    e = e == ERR_OK ? ops->sync_dir(j->o.fs, j->dir) : e;
    if (e != ERR_OK) {
        journal_forget_file(j);
        // Where renaming failed nobody knows which of the two names the file has.
        bool gone = journal_remove_file(j, spare);
        if (journal_remove_file(j, path) && gone) {
            uncount(j, bytes);
        }
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
    pthread_mutex_unlock(&j->lock);
    journal_note_filling(j);
    return ERR_OK;
}

// Takes the oldest segment, which stays counted, off the list when nothing in it is newer than
// `seq`.
static bool take_released(struct journal *j, uint64_t seq, struct segment *ret_segment)
{
    ASSERT(ret_segment != NULL);
    pthread_mutex_lock(&j->lock);
    // The newest segment is being written (or, before the start, kept as the end of the sequence).
    bool found = j->segment_count > 1 && j->segments[0].last_seq <= seq;
    if (found) {
        *ret_segment = j->segments[0];
        j->segment_count--;
        memmove(j->segments, j->segments + 1, j->segment_count * sizeof *j->segments);
    }
    pthread_mutex_unlock(&j->lock);
    return found;
}

// Under the lock: whether a released segment of this size, still counted, may be kept as one more
// spare. Larger ones (of one large record) would take more room than a segment is counted with.
static bool wants_spare(const struct journal *j, uint64_t bytes)
{
    ASSERT(j->spare_count <= JOURNAL_SPARES_MAX);
    return j->spare_count < journal_spares_max(j) && bytes == j->o.segment_bytes &&
           j->stats.disk_bytes <= j->o.disk_bytes_max;
}

static bool spare_number(struct journal *j, uint64_t bytes, unsigned *ret_number)
{
    ASSERT(ret_number != NULL);
    pthread_mutex_lock(&j->lock);
    bool wanted = wants_spare(j, bytes);
    if (wanted) {
        *ret_number = j->next_spare++;
    }
    pthread_mutex_unlock(&j->lock);
    return wanted;
}

// The segment's file is a spare now.
static void keep_spare(struct journal *j, const char *path, struct spare spare)
{
    pthread_mutex_lock(&j->lock);
    bool kept = wants_spare(j, spare.bytes); // another thread may have released as well
    if (kept) {
        j->spare[j->spare_count++] = spare;
    }
    pthread_mutex_unlock(&j->lock);
    ASSERT(j->spare_count <= JOURNAL_SPARES_MAX);
    if (!kept) {
        journal_discard_file(j, path, spare.bytes);
    }
}

// Recycles or removes a released segment; false where its file is still there under its name.
static bool retire(struct journal *j, const struct segment *s)
{
    char path[FS_PATH_MAX], spare[FS_PATH_MAX];
    unsigned number = 0;
    bool one_name = true;
    ASSERT(s->first_seq > 0 && s->bytes > 0);
    journal_segment_path(j, s->first_seq, path);
    if (spare_number(j, s->bytes, &number)) {
        journal_spare_path(j, number, spare);
        if (j->o.fs->ops->rename(j->o.fs, path, spare) == ERR_OK) {
            keep_spare(j, spare, (struct spare){number, s->bytes});
            return true;
        }
        one_name = journal_remove_file(j, spare); // nobody knows which of the two it has
    }
    bool gone = journal_remove_file(j, path);
    if (gone && one_name) {
        uncount(j, s->bytes);
    }
    return gone || !one_name; // with two names in doubt it counts, and the next start looks
}

// Removing it is tried again with the next release. Later segments wait: without this one before
// them the next start would take what is missing in between for lost.
static void put_back(struct journal *j, const struct segment *s)
{
    pthread_mutex_lock(&j->lock);
    ASSERT(j->segment_count == 0 || j->segments[0].first_seq > s->first_seq);
    j->segments =
        mem_grow(j->segments, &j->segment_capacity, j->segment_count + 1, sizeof *j->segments);
    memmove(j->segments + 1, j->segments, j->segment_count * sizeof *j->segments);
    j->segments[0] = *s;
    j->segment_count++;
    pthread_mutex_unlock(&j->lock);
}

void journal_release(struct journal *j, uint64_t seq)
{
    ASSERT(j != NULL);
    struct segment s;
    // Files change without the lock: an append waits for it.
    while (take_released(j, seq, &s)) {
        if (!retire(j, &s)) {
            put_back(j, &s);
            break;
        }
    }
    journal_note_filling(j);
}
