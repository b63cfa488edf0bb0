// SPDX-License-Identifier: Apache-2.0
// Purpose: a part is written anew with some of its traces: stripping, by retention, and sifting.
// What is left out moves in the ledger in the transaction that makes it go. A part of which nothing
// is left goes whole; one that loses nothing stays as it is, and only its state changes.
#ifndef SONDE_STORE_REWRITE_H
#define SONDE_STORE_REWRITE_H

#include "store/part_strip.h"
#include "store/room.h"
#include "store/store_state.h"

// Under `maintaining`, which keeps the entry in memory.
struct rewrite {
    struct store *s;
    size_t line;
    struct part_entry *old;
    // Which traces stay; NULL: those with errors.
    bool (*keeps)(void *ctx, const trace_id *trace);
    void *ctx;
    enum part_state becomes; // what the rest is then
    enum outcome outcome;    // of what goes
    // What the transaction has beside it; may be NULL.
    void (*commit_too)(void *ctx, struct catalog *c);
};

// *ret_result as part_strip() has it, when ERR_OK. ERR_MEMORY: with `patient`, where memory is
// short: it is put off. ERR_FULL: nothing was done, the disk has no room
// for what is left. ERR_AGAIN: the part turned out to be damaged, the next step looks for itself.
// After other errors but ERR_CANCELLED the store waits a while before it tries again.
MUST_CHECK enum err rewrite_run(const struct rewrite *r, bool patient,
                                enum part_strip_result *ret_result);

#endif
