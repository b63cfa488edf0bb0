// SPDX-License-Identifier: Apache-2.0
// Purpose: taking in one segment after a stop or a crash: what it holds, what is missing from it,
// and writing it anew where something is. What counts as torn and what as damage is told atop
// segment.h.
//
// A segment <name> in which something is missing is written as <name>.new; once that is durable,
// <name> becomes <name>.bad and <name>.new becomes <name>. A crash in between leaves <name>.new
// alone, which recover_finish() puts in its place, or beside <name>, where it is worth nothing.
//
// A file without a header in which nothing can be found either becomes <name>.bad, also where it
// has nothing but zeros: a file has its header before it gets the name of a segment (files.c), so
// no crash leaves this.
#ifndef SONDE_JOURNAL_RECOVER_H
#define SONDE_JOURNAL_RECOVER_H

#include <stdbool.h>

#include "journal/journal.h"
#include "journal/segment.h"

struct recover {
    struct fs *fs;
    const char *dir;
    // Told of what is missing, once per run of numbers, when the repaired segment is durable and
    // before it takes its place: a crash right then makes the next start tell again, never nobody.
    void (*on_missing)(void *ctx, const struct journal_missing *missing);
    // Told of a file of which nothing can be read, not even what is missing, before it becomes
    // <name>.bad.
    void (*on_unreadable)(void *ctx, uint64_t first_seq, uint64_t bytes);
    void *ctx;
};

struct recovered {
    bool set_aside; // nothing of it can be read: there is no such segment any more
    uint64_t last_seq, acked_seq, bytes, torn_bytes;
    bool repaired;
};

// Reads a segment through. Its numbers end before `end_seq`, where the next one begins
// (UINT64_MAX: none does); `acked_behind` is the greatest number that a later header says was
// durable then. ERR_IO and ERR_FULL: nothing was changed that the next start would not find.
MUST_CHECK enum err recover_segment(const struct recover *r, uint64_t first_seq, uint64_t end_seq,
                                    uint64_t acked_behind, struct recovered *ret_recovered);

// The header's acked_seq, 0 when the segment has none that can be read.
MUST_CHECK enum err recover_acked(const struct recover *r, uint64_t first_seq,
                                  uint64_t *ret_acked_seq);

// Whether the name is that of a <name>.new, and of which segment.
bool recover_is_new(const char *name, uint64_t *ret_first_seq);

// Ends what a crash interrupted: `has_segment` says whether <name> is there.
MUST_CHECK enum err recover_finish(const struct recover *r, uint64_t first_seq, bool has_segment);

#endif
