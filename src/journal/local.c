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
// An idle journal looks once a second whether it could be written: while a group has failed last,
// by beginning a segment, so that it comes back by itself; else whether its folder is still there.
//
// Every start begins a new segment. Segments that nobody needs are renamed to spare-N and used
// again, so that in the long run writes go to blocks that are allocated already. Spares count as
// the journal's disk room like segments: there are the fewer the smaller the limit is, and none
// that would keep a new segment out.
#include "journal/journal_state.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"
#include "os/wake.h"

#define LOG_PERIOD_NS (10 * NS_PER_S)
#define PROBE_NS      NS_PER_S // of an idle journal

static void tell(struct journal *j, struct journal_entry *group, enum err result)
{
    ASSERT(result != ERR_AGAIN);
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

static void set_failing(struct journal *j, bool failing)
{
    pthread_mutex_lock(&j->lock);
    j->stats.failing = failing;
    j->stats.at_limit = j->stats.at_limit && failing;
    pthread_mutex_unlock(&j->lock);
}

static void count_failure(struct journal *j, const char *message, enum err e)
{
    ASSERT(e != ERR_OK);
    pthread_mutex_lock(&j->lock);
    j->stats.failures++;
    j->stats.failing = true;
    bool at_limit = j->stats.at_limit;
    pthread_mutex_unlock(&j->lock);
    if (e == ERR_FULL && at_limit) {
        message = "the journal is at its largest size (journal.max): nothing more is taken until "
                  "what it holds is committed elsewhere";
    }
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
        journal_forget_file(j);
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
    ASSERT(records > 0 && j->offset >= SEGMENT_HEADER_BYTES);
    MUST(j->file != NULL);
    enum err e = j->file->ops->write_at(j->file, j->group.p, j->group.n, j->offset);
    if (e != ERR_OK) {
        journal_forget_file(j);
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
    ASSERT(group != NULL && need > 0);
    if (room(j) < need) {
        // Interval mode may have left the old segment unsynced.
        enum err e = j->file != NULL && j->unsynced ? sync_file(j) : ERR_OK;
        e = e == ERR_OK ? journal_begin_segment(j, need) : e;
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
    ASSERT(*list != NULL && ret_need != NULL);
    struct journal_entry *group = *list, *last = NULL;
    size_t need = 0, most = j->o.segment_bytes - SEGMENT_FRAME_BYTES;
    most = most < JOURNAL_GROUP_MAX ? most : JOURNAL_GROUP_MAX;
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
        } else {
            set_failing(j, false);
        }
        tell(j, group, e);
    }
}

// Waits for entries, the end, or the time of the next interval sync or probe. Called with the lock
// held.
static void wait_for_work(struct journal *j)
{
    while (j->queue == NULL && !j->closing) {
        uint64_t until_ns = j->unsynced ? j->next_sync_ns : j->next_probe_ns;
        if (!wake_wait_until(&j->wake, &j->lock, until_ns)) {
            return;
        }
    }
}

static void probe(struct journal *j)
{
    struct fs *fs = j->o.fs;
    uint64_t now = clock_mono_ns();
    ASSERT(j->started);
    if (now < j->next_probe_ns || j->unsynced) {
        return;
    }
    j->next_probe_ns = now + PROBE_NS;
    bool failing = j->stats.failing; // written by this thread alone
    enum err e = failing ? journal_begin_segment(j, 0) : fs->ops->sync_dir(fs, j->dir);
    if (e != ERR_OK && !failing) {
        count_failure(j, "the journal's folder is gone or does not answer", e);
    } else if (e == ERR_OK && failing) {
        set_failing(j, false);
        log_write(LOG_INFO, "journal", "the journal can be written again", "%s", "");
    }
}

static void interval_sync(struct journal *j)
{
    ASSERT(j->next_seq > 0);
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
    ASSERT(arg != NULL);
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
        if (list == NULL && more) {
            probe(j);
        }
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
    j->next_probe_ns = clock_mono_ns() + PROBE_NS;
    MUST(pthread_create(&j->thread, NULL, run, j) == 0);
}

void journal_append(struct journal *j, struct journal_entry *entry)
{
    ASSERT(entry->payload.p != NULL || entry->payload.n == 0);
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
    ASSERT(ret_stats != NULL);
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
    journal_forget_file(j);
    buf_done(&j->group);
    pthread_cond_destroy(&j->wake);
    pthread_mutex_destroy(&j->lock);
    mem_free(j->segments);
    mem_free(j->dir);
    mem_free(j);
}
