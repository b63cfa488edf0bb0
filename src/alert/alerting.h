// SPDX-License-Identifier: Apache-2.0
// Purpose: alerting as the server has it: the engine, the desk and src/notify put together, and the
// one way in which rules and channels change.
//
// A change is written down (alert/book.h), announced (alert/coordination.h), and taken over by the
// engine at its next turn, within TURN_MS. Rules and channels of one file are taken all or not at
// all: what is wrong in any of them, or more of them than there may be, refuses the file before
// anything is written. Channels are one transaction of notify.db, then the rules and the roster one
// of alerts.db: a disk that fails between the two leaves the channels changed and the rules as they
// were, and the error says that the rules cannot be written; the same file again puts that right.
//
// Secrets. An export has none; it says of each channel which it leaves out (`without: [token]`).
// Taken over where the channel is there, with the same type and address, it keeps its own;
// elsewhere the file is refused with the channel and the key, until somebody writes the secret in:
// a channel that signs nothing, or a server that was restored and tells nobody, must not come of it
// unseen.
//
// Threads: as the parts say; changes exclude one another.
#ifndef SONDE_ALERT_ALERTING_H
#define SONDE_ALERT_ALERTING_H

#include "alert/alert.h"
#include "alert/desk.h"
#include "alert/prom_rules.h"
#include "series/series.h"
#include "store/store.h"

struct alerting;

struct alerting_options {
    const char *dir; // of alerts.db, notify.db and notify.key; made when absent
    const char *version;
    struct budget *budget;
    struct store *store;
    struct series_store *series;
    struct str received_channels, received_receivers; // as in alert/received.h
    uint64_t failing_ms; // after which a channel that fails is an alert; NOTIFY_FAILING_MS when 0
    const atomic_bool *hurry; // of the journal: it is filling (journal/journal.h). May be NULL
    // The journal is no longer needed up to here.
    void (*on_done)(void *ctx, uint64_t seq);
    void *ctx;
};

MUST_CHECK enum err alerting_open(const struct alerting_options *options,
                                  struct alerting **ret_alerting, struct err_at *ret_at);
void alerting_close(struct alerting *a); // NULL is fine

// Under which people reach the pages of this server; before the first record, and before
// alerting_start().
void alerting_set_url(struct alerting *a, const char *url);

// See alert.h.
uint64_t alerting_replay_after(const struct alerting *a);
void alerting_replay(struct alerting *a, struct batch *const *batches, size_t count);
void alerting_start(struct alerting *a);
void alerting_add_record(struct alerting *a, struct batch *const *batches, size_t count);
void alerting_stats(struct alerting *a, struct alert_stats *ret_stats);

// ---- Changes ------------------------------------------------------------------------------------

struct alerting_taken {
    size_t rules, channels, people, groups, silences; // of the file
    // Where it was a rule file of Prometheus, what of it there is a counterpart for; else NULL.
    // prom_rules_free() it.
    struct prom_rules *prom;
};
// Takes a file of rules and channels over, or a rule file of Prometheus (prom_rules_are()) as far
// as there is a counterpart; `name` is what it is called in errors, `by` who changes.
// ERR_INVALID or ERR_LIMIT with the place; else an error of the disk.
MUST_CHECK enum err alerting_import(struct alerting *a, struct str text, const char *name,
                                    struct str by, struct alerting_taken *ret_taken,
                                    struct err_at *ret_at);
MUST_CHECK enum err alerting_remove_rule(struct alerting *a, struct str name, struct str by);
// kind: people, groups or silences. ERR_NOT_FOUND.
MUST_CHECK enum err alerting_remove_roster(struct alerting *a, struct str kind, struct str name,
                                           struct str by);
// ERR_BUSY with the rule's name in *ret_at where one tells over it.
MUST_CHECK enum err alerting_remove_channel(struct alerting *a, struct str name,
                                            struct err_at *ret_at);
// A file that alerting_import() takes: the rules, and the channels without their secrets.
MUST_CHECK enum err alerting_export(struct alerting *a, struct buf *out);

// ---- Asking -------------------------------------------------------------------------------------

// The rules in force; alert_set_unref() it.
struct alert_set *alerting_rules(struct alerting *a);
struct book *alerting_book(struct alerting *a);
struct desk *alerting_desk(struct alerting *a);
struct received *alerting_received(struct alerting *a); // alert/received.h
struct notify *alerting_notify(struct alerting *a);

#endif
