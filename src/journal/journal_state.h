// SPDX-License-Identifier: Apache-2.0
// Purpose: the local journal's state and who may change it; private to the journal.
//
//   open.c   opening: takes in what is on disk, replays it
//   files.c  segments and spare files that come and go
//   local.c  the queue and the thread that writes
//
// The lock covers the first half of struct journal and is never held over input or output: an
// append waits for it.
#ifndef SONDE_JOURNAL_JOURNAL_STATE_H
#define SONDE_JOURNAL_JOURNAL_STATE_H

#include <pthread.h>

#include "core/logger.h"
#include "journal/journal.h"
#include "journal/segment.h"

#define JOURNAL_SPARES_MAX 4
#define JOURNAL_GROUP_MAX  ((size_t)8 << 20) // one entry larger than this makes a group alone

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
    struct spare spare[JOURNAL_SPARES_MAX];
    size_t spare_count;
    unsigned next_spare;
    struct journal_stats stats;

    // Of the writing thread alone.
    struct file *file;
    uint64_t offset, seed, next_seq;
    uint64_t durable_seq;  // synced to disk up to here
    uint64_t next_sync_ns; // with JOURNAL_SYNC_INTERVAL
    uint64_t next_probe_ns;
    bool unsynced;
    struct buf group;
    struct log_gate gate;
};

// ---- files.c -----------------------------------------------------------------------------------

void journal_segment_path(const struct journal *j, uint64_t first_seq, char out[FS_PATH_MAX]);
void journal_spare_path(const struct journal *j, unsigned number, char out[FS_PATH_MAX]);
// Whether the file is surely gone; failing is logged.
bool journal_remove_file(struct journal *j, const char *path);
// The same of a file whose `bytes` are counted: they are taken off the count once it is gone.
void journal_discard_file(struct journal *j, const char *path, uint64_t bytes);
// How many spares the limit allows.
size_t journal_spares_max(const struct journal *j);
// Of the writing thread: begins a segment with room for a group of `need` bytes; closes the file.
MUST_CHECK enum err journal_begin_segment(struct journal *j, size_t need);
void journal_forget_file(struct journal *j);
// Says whether the journal is filling (journal.h).
void journal_note_filling(struct journal *j);

#endif
