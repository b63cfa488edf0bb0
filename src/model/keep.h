// SPDX-License-Identifier: Apache-2.0
// Purpose: keeping: which chains stay in the store for long. The words that the stream, which
// judges chains, and the store, which leaves spans out, share; and how the whole works.
//
// A business line keeps all of its chains, or chosen ones: those with an error, slow ones (against
// the quantile of their own entry, and all of an entry until that is known), those of a rare shape,
// and a share of the others that is drawn by a hash of the trace ID. What is counted (calls, edges,
// statements, trees of entries) is counted of all spans, before anything is left out.
//
//     spans -> journal -> store: searchable at once, flushed as *fresh* parts
//                      -> stream: chain closes -> judge -> verdict -> store: fate of the trace
//     wait (store.keep.wait) after its flush: the fresh part is sifted: written anew without the
//     traces that are going; what is left is a part like others
//
// A chain is kept or left out whole, in all lines that it touches: where one of them keeps all, it
// is kept.
//
// Fates of a trace (store/fates.h):
//
//     (none) --judge: keep--> KEPT                    stays; later verdicts change nothing
//     (none) --judge: no----> GOING --judge: keep--> KEPT
//     (none), OPEN --sift---> KEPT                    it was not judged: nothing is lost for that
//     GOING  --late span----> OPEN --judge--> KEPT or GOING
//     GOING  --sift---------> GONE                    spans of it are left out from here on
//     GONE   --judge: error or slow--> PARTIAL        what comes from now on stays
//
// Invariants.
//  1. A trace is GONE before the first of its spans leaves, and readers show no span of a trace
//     that is GONE. So it is seen whole or not at all, although its spans lie in several parts,
//     which are sifted one after the other, and late ones are still in memory.
//  2. The IDs (as hashes) of the traces that a sift left out are saved in the transaction in which
//     the sifted part takes the place of the fresh one, and in which the ledger moves their spans
//     from `stored` to `sampled`. After a crash either all of that happened or nothing.
//  3. What is not known is kept. Verdicts that no sift has carried out are forgotten when the
//     server stops or crashes, and by a full memory; then the spans stay. The chains that a restart
//     takes again from the journal are kept, too: a verdict before may have been another.
//
// Late spans. A span that comes after its chain was judged opens the chain again; it is judged
// again, with all that is known of it. A sift that comes meanwhile keeps all of the chain, and so
// does an error that comes before it. After it, late spans of a trace that is gone are left out
// like the others, unless they have an error or are slow: then these, and what comes after them,
// stay, and the trace says that it is partial. Fates are remembered for as many traces as 1/64 of
// the memory limit holds, those that are gone for half of that through restarts; a span that comes
// later than that makes a chain of its own.
//
// Verdicts need no clock and no order: error and share depend on the chain alone. Slow and rare
// depend on what came before; nothing depends on their being the same again (3).
#ifndef SONDE_MODEL_KEEP_H
#define SONDE_MODEL_KEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/str.h"
#include "model/ids.h"

// Why a chain is kept, the first that holds; KEEP_NOT: it is not.
#define KEEP_WHY_LIST(X)                                                                           \
    X(NOT, "not")                                                                                  \
    X(LINE, "line")       /* a line that it touches keeps all */                                   \
    X(ERROR, "error")     /* a span has the status error */                                        \
    X(SLOW, "slow")       /* longer than the quantile of its entry */                              \
    X(NEW, "new")         /* too few of its entry were seen to know which are slow */              \
    X(RARE, "rare")       /* one of the first of its shape in this hour */                         \
    X(SHARE, "share")     /* drawn */                                                              \
    X(RESTART, "restart") /* taken again from the journal after a crash */
enum keep_why {
#define KEEP_WHY_ENUM(name, text) KEEP_##name,
    KEEP_WHY_LIST(KEEP_WHY_ENUM)
#undef KEEP_WHY_ENUM
        KEEP_WHY_COUNT
};
const char *keep_why_name(enum keep_why why); // static

#define KEEP_LINES_MAX 64
#define KEEP_PPM       1000000u

// What a line of this name does, over the default.
struct keep_line {
    struct str line;
    bool is_chosen; // keeps chosen chains; else all
};

struct keep_rules {
    bool is_chosen;     // lines that are not named
    uint32_t share_ppm; // of the chains that nothing else keeps
    uint32_t slow_ppm;  // of an entry's chains are slow; 0: none
    uint32_t rare;      // chains of a shape that are kept in an hour; 0: none
    const struct keep_line *lines;
    size_t line_count; // KEEP_LINES_MAX at most
};

// A copy in one piece of memory: mem_free() it.
struct keep_rules *keep_rules_copy(const struct keep_rules *r);

// Whether the line of this name keeps chosen chains.
bool keep_rules_choose_in(const struct keep_rules *r, struct str line);

// Whether any line keeps chosen chains.
bool keep_rules_choose(const struct keep_rules *r);

// The hash that keeping knows a trace by: uniform, the same as long as the key is, and nothing that
// a sender could aim at without the key.
uint64_t keep_hash(uint64_t key, trace_id id);

// Whether the share takes the trace of this hash.
bool keep_is_drawn(uint64_t hash, uint32_t share_ppm);

#endif
