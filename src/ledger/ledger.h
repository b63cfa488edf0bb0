// SPDX-License-Identifier: Apache-2.0
// Purpose: the loss ledger. Every record that reaches the server is counted once as received and
// once by where it went, per service, so that at any moment
//     received = pending + stored + sampled + expired + dropped (by reason)
// where pending is what the journal holds and no part does yet. Durability: a count is saved in the
// same catalog transaction as the fact it counts. Records that the journal holds are counted again
// when it replays, so their `received` is saved only when their part is committed
// (ledger_save_later); what never reaches the journal (refused at the door) is counted on both
// sides at once, so losing the last unsaved counts in a crash keeps the balance. Any thread; one
// mutex, taken once per batch.
#ifndef SONDE_LEDGER_LEDGER_H
#define SONDE_LEDGER_LEDGER_H

#include <stdint.h>

#include "core/str.h"
#include "ledger/agents.h"

enum signal { SIGNAL_TRACES, SIGNAL_METRICS, SIGNAL_LOGS, SIGNAL_COUNT };

#define OUTCOME_LIST(X)                                                                            \
    X(RECEIVED, "received")                                                                        \
    X(STORED, "stored")                                                                            \
    X(SAMPLED, "sampled")                                                                          \
    X(EXPIRED, "expired")                                                                          \
    X(DROPPED, "dropped")
enum outcome {
#define OUTCOME_ENUM(name, text) OUTCOME_##name,
    OUTCOME_LIST(OUTCOME_ENUM)
#undef OUTCOME_ENUM
        OUTCOME_COUNT
};

// Why records were dropped; REASON_NONE for every other outcome.
#define REASON_LIST(X)                                                                             \
    X(NONE, "")                                                                                    \
    X(MALFORMED, "malformed")       /* the request could not be decoded; counts requests */        \
    X(INVALID, "invalid")           /* a record broke the specification (no trace ID, ...) */      \
    X(TOO_LARGE, "too_large")       /* over a size limit */                                        \
    X(UNSUPPORTED, "unsupported")   /* a signal that is not stored yet */                          \
    X(OVERLOAD, "overload")         /* refused to stay under memory.limit */                       \
    X(SHED, "shed")                 /* of a trace that matters less, under lasting overload */     \
    X(DISK_FULL, "disk_full")       /* refused because the disk is full */                         \
    X(UNAUTHORIZED, "unauthorized") /* no valid token */                                           \
    X(JOURNAL, "journal_failed")    /* the journal could not write */                              \
    X(DUPLICATE, "duplicate")       /* the same span again, dropped by compaction */               \
    X(CORRUPT, "corrupt")           /* lost to a part that fails its checksum */                   \
    X(CARDINALITY, "cardinality")   /* a point of a new series where there are too many */         \
    X(OUT_OF_RANGE, "out_of_range") /* a point of too long ago, or of more than a day ahead */
enum reason {
#define REASON_ENUM(name, text) REASON_##name,
    REASON_LIST(REASON_ENUM)
#undef REASON_ENUM
        REASON_COUNT
};

const char *signal_name(enum signal s);
const char *outcome_name(enum outcome o);
const char *reason_name(enum reason r);

// Distinct services counted apart; what comes later is counted as this one. Names count with so
// many bytes at most: senders choose them, and the ledger keeps them for good.
#define LEDGER_OTHER        STR("(other)")
#define LEDGER_SERVICES_MAX 4096
#define LEDGER_NAME_MAX     ((size_t)256)

struct ledger;

struct ledger_cell {
    enum signal signal;
    enum outcome outcome;
    enum reason reason;
    struct str service; // "" where the service is not known
    uint64_t count;
};

struct ledger *ledger_new(void);
void ledger_free(struct ledger *l);

// What agents tell of the spans that never came here; the ledger's.
struct agents *ledger_agents(struct ledger *l);

// The name that the service is counted under; lives as long as the ledger. What is saved beside the
// ledger (in a transaction that moves counts) goes by it, so that the saved names are as bounded.
struct str ledger_service(struct ledger *l, struct str service);

// Counts now and saves with the next checkpoint.
void ledger_add(struct ledger *l, enum signal s, enum outcome o, enum reason r, struct str service,
                uint64_t n);

// Counts now, saves nothing: for `received` of records that the journal would replay.
void ledger_add_volatile(struct ledger *l, enum signal s, enum outcome o, enum reason r,
                         struct str service, uint64_t n);

// Saves with the next checkpoint what ledger_add_volatile() counted before.
void ledger_save_later(struct ledger *l, enum signal s, enum outcome o, enum reason r,
                       struct str service, uint64_t n);

// At start: sets what the catalog had saved.
void ledger_restore(struct ledger *l, const struct ledger_cell *cell);

// Calls `each` with every cell whose unsaved count is not zero (count = the unsaved part) and
// zeroes it. When the transaction fails, give the cells back with ledger_save_later(). `each` must
// not call the ledger.
void ledger_take_unsaved(struct ledger *l, void (*each)(void *ctx, const struct ledger_cell *cell),
                         void *ctx);

// Every cell with its count, ordered by signal, service, outcome, reason.
void ledger_each(struct ledger *l, void (*each)(void *ctx, const struct ledger_cell *cell),
                 void *ctx);

#endif
