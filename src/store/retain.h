// SPDX-License-Identifier: Apache-2.0
// Purpose: retention: which parts of a business line go, and which are stripped: written anew
// without their error-free traces. Error-free data goes first.
//
//   age   a part older than the line's age is stripped; it goes whole at the age for errors, which
//         is the same unless set longer
//   size  while the line holds more than its size, the oldest part that is not stripped yet is
//         stripped. Stripped parts go whole, oldest first, when they alone hold more than half of
//         the size (what is new has the other half, however many errors the past had), or when
//         nothing else is left to strip.
//
// Ages are by the time that retain_clock.h believes. A part is stripped once: the catalog knows. A
// part without any error goes whole at once, and one whose traces all have errors is only marked.
// Spans that go are counted as expired, by service, in the transaction that makes them go. A part
// for whose remainder the disk has no room goes whole.
#ifndef SONDE_STORE_RETAIN_H
#define SONDE_STORE_RETAIN_H

#include "store/store_state.h"

#define RETAIN_STEP_MAX 64 // parts that one transaction expires

// One step; under `maintaining`, which keeps the entries in memory.
struct retain {
    struct store *s;
    size_t line;
    struct part_entry *entries[RETAIN_STEP_MAX];
    size_t count;
    bool strip; // the one entry is to be stripped; else all go
};

// Under `lock`: what is to be done next, if anything. Parts of any line that go whole go first,
// since that needs no room. Then, where `may_strip`, of those that are to be stripped the one that
// failed least often, and of these the one that was written first: a line's part for which there is
// no room holds no other back.
bool retain_choose(struct retain *r, uint64_t now_ns, bool may_strip);
// Under `lock`: whether what was chosen failed before, which by that each that is to be stripped
// has.
bool retain_failed_before(const struct retain *r);

// Whether what is flushed of a line is fresh: the line keeps chosen chains. Takes `lock`.
bool retain_chooses(struct store *s, struct str line);

// Does it. With `patient` it may be left for later where memory is short: *ret_did tells.
MUST_CHECK enum err retain_run(struct retain *r, bool patient, bool *ret_did);

#endif
