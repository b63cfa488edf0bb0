// SPDX-License-Identifier: Apache-2.0
// Purpose: the durable queue between the door and everything else. A record is acknowledged once it
// is on disk; consumers keep offsets; a crash replays from the oldest offset that a consumer holds.
// This is the seam: journal/local.c keeps segments on local disk.
#ifndef SONDE_JOURNAL_JOURNAL_H
#define SONDE_JOURNAL_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/str.h"
#include "os/fs.h"

struct journal;

#define JOURNAL_RECORD_MAX ((size_t)128 << 20)

enum journal_sync {
    JOURNAL_SYNC_ALWAYS,  // acknowledge after fdatasync (the default)
    JOURNAL_SYNC_INTERVAL // acknowledge after write; fdatasync every interval: a crash of the
                          // machine may lose that much, a crash of the process loses nothing
};

// One record on its way. Embedded in what the caller owns; it belongs to the journal from
// journal_append() until `done` is called on the journal's thread. `done` must not block: it posts
// the result to its own thread. On ERR_OK, `seq` is set. `payload` must stay valid until then.
struct journal_entry {
    struct str payload;
    uint64_t seq;    // 1, 2, 3, ... in journal order, never reused, also not across restarts
    enum err result; // ERR_OK, ERR_FULL, ERR_IO, ERR_CLOSED
    void (*done)(struct journal_entry *entry);
    void *attachment; // for the consumer, see journal_options.on_durable
    struct journal_entry *next;
};

struct journal_stats {
    uint64_t records, bytes, syncs; // since the start
    uint64_t first_seq, last_seq;   // of what is on disk; first > last when it is empty
    uint64_t segments, disk_bytes;
    uint64_t torn_bytes; // cut at the last start
    uint64_t failures;   // writes or syncs that failed
    uint64_t disk_bytes_max;
};

struct journal_options {
    struct fs *fs;
    const char *dir; // made when absent
    enum journal_sync sync;
    uint32_t sync_interval_ms;
    size_t segment_bytes;  // 64 MiB when 0
    size_t disk_bytes_max; // 4 GiB when 0: append fails with ERR_FULL beyond it
    // New records get numbers above this even when the folder is empty: the newest offset that a
    // consumer has committed, so that a lost journal never reuses a number.
    uint64_t seq_floor;
    // Called on the journal's thread for every record, in order of seq, once it is durable and
    // before its entry's `done`. Must not block.
    void (*on_durable)(void *ctx, struct journal_entry *entry);
    void *ctx;
};

// Opens the journal and checks what it holds: a torn tail is cut at the last whole record.
// ERR_CORRUPT when a record that is not in the tail fails its checksum (the error names the segment
// and the last record that can be read).
MUST_CHECK enum err journal_open(const struct journal_options *options,
                                 struct journal **ret_journal, struct err_at *ret_at);

// Calls `each` for every record with seq > after, in order. Before journal_start() only. Stops at
// the first error that `each` returns, and returns it (ERR_END is the journal's own: never that).
MUST_CHECK enum err journal_replay(struct journal *j, uint64_t after,
                                   enum err (*each)(void *ctx, uint64_t seq, struct str payload),
                                   void *ctx);

// Starts the writing thread.
void journal_start(struct journal *j);

// Queues a record; any thread. Never blocks; `done` always follows. Groups form by themselves: what
// arrives while a sync runs is written by the next one.
void journal_append(struct journal *j, struct journal_entry *entry);

// Everything up to and including `seq` is no longer needed by any consumer: segments that hold
// nothing newer are recycled. Any thread.
void journal_release(struct journal *j, uint64_t seq);

void journal_stats(struct journal *j, struct journal_stats *ret_stats);

// Writes what is queued, stops the thread, closes the files and frees the journal; appends
// meanwhile get ERR_CLOSED. NULL is fine.
void journal_close(struct journal *j);

#endif
