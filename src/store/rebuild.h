// SPDX-License-Identifier: Apache-2.0
// Purpose: a new catalog from the parts, where the old one is lost or damaged. Nobody else may use
// the folder meanwhile.
//
// What comes back: every part whose checksums hold, with the business line and the journal range
// that its footer says. A line's offset is the greatest number in its parts: a flush takes the
// oldest batches of a line, so all up to it are in parts, and nothing behind it is. Lines without
// parts have no offset: the next start replays the whole journal (FACT_REPLAY_ALL).
//
// A crash leaves parts beside those that were made from them (a merge and its inputs). A part all
// of whose rows are in another one is left out, and the next start removes its file. Parts that
// share only some rows stay, and the next merge drops the copies.
//
// What does not: the ledger beyond what the parts hold (it begins anew, balanced), dead letters,
// which parts were stripped (retention looks again), when parts were written, and which business
// lines shared a storage because there were over STORE_LINES_MAX (some of their newest rows may be
// there twice until a merge).
#ifndef SONDE_STORE_REBUILD_H
#define SONDE_STORE_REBUILD_H

#include "store/store.h"

enum rebuild_fate {
    REBUILD_DAMAGED, // renamed to <path>.bad
    REBUILD_COVERED  // all its rows are in another part
};

struct rebuild_options {
    struct fs *fs;
    const char *dir;         // of the store
    const char *catalog_vfs; // as in store_options
    // Told of each part that is left out, before anything is changed.
    void (*on_left_out)(void *ctx, const char *path, enum rebuild_fate fate, const char *why);
    void *ctx;
};

struct rebuilt {
    uint64_t parts, rows, bytes, lines; // in the new catalog
    uint64_t damaged, covered;          // parts that are not
    char kept_as[32];                   // name of the old catalog; "" where there was none
};

// Reads all parts, writes the new catalog beside the old one and puts it in its place; the old one
// stays as catalog.db.bad (or .bad2, ...). ERR_EXISTS where the catalog is whole, ERR_NOT_FOUND
// without parts. After any error nothing is lost, and it can be done again.
MUST_CHECK enum err store_rebuild(const struct rebuild_options *options,
                                  struct rebuilt *ret_rebuilt, struct err_at *ret_at);

#endif
