// SPDX-License-Identifier: Apache-2.0
// Purpose: the durable queue between the door and everything else. A record is acknowledged once it
// is on disk; consumers keep offsets; a crash replays from the oldest offset that a consumer holds.
// This is the seam: journal/local.c keeps segments on local disk.
#ifndef SONDE_JOURNAL_JOURNAL_H
#define SONDE_JOURNAL_JOURNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/str.h"
#include "os/fs.h"

struct journal;

// Above this part of its largest size the journal is filling: it says so in
// journal_options.filling, and whoever holds its segments (store, series, open chains, windows of
// alerts) then commits what it has JOURNAL_HURRY_MS after it last did, however young that is.
// Without that, what commits by age alone would keep a small journal full until that age.
#define JOURNAL_FILLING_SHARE 2
#define JOURNAL_HURRY_MS      500

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
    bool failing;        // the last one did: what is appended now would most likely fail too
    bool at_limit;       // and that was since disk_bytes_max is reached, not the disk's end
    uint64_t disk_bytes_max;
    // Found at the last start: segments that were written anew since something was missing, or of
    // which nothing can be read (how many records those held nobody knows), records
    // that had been acknowledged and are lost, and missing ones that may never have been
    // (segment.h).
    uint64_t damaged_segments, lost_records, doubtful_records;
};

// Records that are missing amid the journal.
struct journal_missing {
    uint64_t segment, offset;     // where: the segment's first number, and a byte in it
    uint64_t first_seq, last_seq; // the numbers that are missing
    bool acknowledged;            // certainly; else a crash may have left this as well
};

struct journal_options {
    struct fs *fs;
    const char *dir; // made when absent
    enum journal_sync sync;
    uint32_t sync_interval_ms;
    size_t segment_bytes; // 64 MiB when 0
    // 4 GiB when 0, spare segments included: append fails with ERR_FULL beyond it. Segments kept as
    // .bad are not counted.
    size_t disk_bytes_max;
    // Set while segments take more than 1 / JOURNAL_FILLING_SHARE of that. May be NULL.
    atomic_bool *filling;
    // New records get numbers above this even when the folder is empty: the newest offset that a
    // consumer has committed, so that a lost journal never reuses a number.
    uint64_t seq_floor;
    // Called by journal_open() for what it finds missing: the next start does not tell again,
    // unless a crash came before the repair was done. May be NULL.
    void (*on_missing)(void *ctx, const struct journal_missing *missing);
    // Called on the journal's thread for every record, in order of seq, once it is durable and
    // before its entry's `done`. Must not block.
    void (*on_durable)(void *ctx, struct journal_entry *entry);
    void *ctx;
};

// Opens the journal and checks what it holds. A torn tail is cut at the last whole record. Where
// records are missing that have others behind them, or that were acknowledged, everything that can
// be read is kept, what is missing is told and logged, and the damaged segment stays in the folder
// as <name>.bad. ERR_IO when a file cannot be read (nothing is changed: it may be read tomorrow),
// ERR_FULL when there is no room to write a damaged segment anew, ERR_UNSUPPORTED for a segment of
// another version.
MUST_CHECK enum err journal_open(const struct journal_options *options,
                                 struct journal **ret_journal, struct err_at *ret_at);

// Calls `each` for every record with seq > after, in order; numbers that are lost are passed over.
// Before journal_start() only. Stops at the first error that `each` returns, and returns it
// (ERR_END is the journal's own: never that).
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
