// SPDX-License-Identifier: Apache-2.0
// Purpose: the queue on disk, notify.db: the channels with their sealed secrets, and what is to be
// delivered over each.
//
//     channels     name, open (JSON without secrets), sealed (see vault.h), and what is
//                  counted of it
//     deliveries   id (in order of putting), key (unique), channel, incident, ending,
//                  notice (JSON), state, and what follows
//
// The way of a delivery:
//
//     WAITING --outbox_turn() claims it--> WAITING, flying --outcome--> SENT
//        ^  ^                                   |      |------outcome--> GIVEN_UP
//        |  '-- outcome: again, when it is due--'      |
//        '----- outbox_open(): was flying, so that it may have been delivered: repeat
//
// Invariants.
//   - Nothing is sent that was not claimed, and a claim is durable before outbox_turn()
//     returns: what may have been delivered before a crash is known, and goes again marked as
//     a repeat.
//   - What outbox_put() took is durable when it returns.
//   - A key is taken once, also after its delivery has ended, for OUTBOX_KEPT_MS.
//   - Of one incident on one channel, what ends it (ending) is not claimed before what did not,
//     where that was put earlier, nor the other way round.
//
// Bounds. OUTBOX_WAITING_MAX wait: when one more is put, the oldest of the same channel (that does
// not fly; of all, where the channel has none) is given up. OUTBOX_ENDED_MAX that have ended are
// kept.
//
// Time is what the caller says it is, in milliseconds: it must not go back while the outbox is
// open. Where it has gone back since the last time, what is due later than OUTBOX_DUE_MS_MAX from
// now is due now.
//
// Any thread; calls exclude one another. `given_up` is called on the thread that calls, in no lock.
#ifndef SONDE_NOTIFY_OUTBOX_H
#define SONDE_NOTIFY_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/err.h"
#include "core/str.h"
#include "notify/channel.h"

#define OUTBOX_VERSION         1
#define OUTBOX_CHANNELS_MAX    ((size_t)256)
#define OUTBOX_WAITING_MAX     ((size_t)100000)
#define OUTBOX_ENDED_MAX       ((size_t)200000)
#define OUTBOX_OF_INCIDENT_MAX ((size_t)256)
#define OUTBOX_KEPT_MS         ((uint64_t)7 * 24 * 3600 * 1000)
#define OUTBOX_DUE_MS_MAX      ((uint64_t)3600 * 1000)
#define OUTBOX_KEY_BYTES_MAX   ((size_t)512)
#define OUTBOX_ERROR_BYTES_MAX ((size_t)256)

struct outbox;

struct outbox_options {
    const char *path;
    const char *vfs; // os/sql.h
    uint64_t now_ms;
    size_t waiting_max; // OUTBOX_WAITING_MAX; fewer in tests
    void (*given_up)(void *ctx, struct str channel, struct str key, struct str error);
    void *ctx;
};

MUST_CHECK enum err outbox_open(const struct outbox_options *options, struct outbox **ret_outbox,
                                struct err_at *ret_at);
void outbox_close(struct outbox *o); // NULL is fine

// ---- Channels -----------------------------------------------------------------------------------

struct outbox_channel {
    struct str name, open, sealed;
};
// Adds them, or replaces those of their names, in one transaction: on failure none is changed.
// ERR_LIMIT where there would be too many.
MUST_CHECK enum err outbox_set_channels(struct outbox *o, const struct outbox_channel *channels,
                                        size_t count);
// What waits for it is given up. ERR_NOT_FOUND.
MUST_CHECK enum err outbox_remove_channel(struct outbox *o, struct str name, uint64_t now_ms);
MUST_CHECK enum err outbox_each_channel(struct outbox *o,
                                        void (*each)(void *ctx, struct str name, struct str open,
                                                     struct str sealed),
                                        void *ctx);

struct outbox_stats {
    uint64_t waiting;
    uint64_t sent, failed, given_up;         // deliveries, attempts, deliveries; ever
    uint64_t last_success_ms, last_error_ms; // 0: never
    char last_error[OUTBOX_ERROR_BYTES_MAX];
};
// False where there is no such channel.
bool outbox_channel_stats(struct outbox *o, struct str name, struct outbox_stats *ret_stats);

// ---- Deliveries ---------------------------------------------------------------------------------

struct outbox_item {
    struct str key, channel, incident;
    bool ending; // it says that the incident, or a part of it, is over
    struct str notice;
};
enum outbox_taken { OUTBOX_TAKEN, OUTBOX_KNOWN, OUTBOX_NO_CHANNEL };

// All in one transaction: on failure none is taken. *ret_taken has as many as there are items.
MUST_CHECK enum err outbox_put(struct outbox *o, uint64_t now_ms, const struct outbox_item *items,
                               size_t count, enum outbox_taken *ret_taken);

struct outbox_delivery {
    uint64_t id;
    struct str channel, key, notice;
    uint64_t attempts; // this one included
    uint64_t refusals;
    uint64_t step, lost; // which request of several; how many before could not be delivered
    bool repeat;
    uint64_t created_ms;
};

enum outbox_result {
    OUTBOX_SENT,
    OUTBOX_NEXT,      // this step is through, there is another
    OUTBOX_AGAIN,     // when it is due
    OUTBOX_POSTPONED, // nothing was tried
    OUTBOX_GIVEN_UP
};
struct outbox_outcome {
    uint64_t id;
    struct str channel, key;
    enum outbox_result what;
    bool failed;  // an attempt: it is counted, with the error
    bool refused; // an attempt that will hardly do better
    bool lost;    // the step that is through was not delivered
    bool repeat;  // it may have been delivered
    uint64_t due_ms;
    char error[OUTBOX_ERROR_BYTES_MAX]; // "": none; one that was sent may have some too
};

// Where the next are to be claimed from.
struct outbox_wish {
    struct str channel;
    size_t count;
    bool hurry;           // what waits is due now: the channel works again
    uint64_t ret_next_ms; // when the next will be due, UINT64_MAX: none is waiting
};

// Records outcomes and claims what is due, oldest first, in one transaction; on failure neither has
// happened. Texts of what is claimed live in the arena; *ret_deliveries has room for all wishes.
MUST_CHECK enum err outbox_turn(struct outbox *o, uint64_t now_ms,
                                const struct outbox_outcome *outcomes, size_t outcome_count,
                                struct outbox_wish *wishes, size_t wish_count, struct arena *a,
                                struct outbox_delivery *ret_deliveries, size_t *ret_count);

// Forgets what has ended long ago; now and then.
MUST_CHECK enum err outbox_forget(struct outbox *o, uint64_t now_ms);

// The latest deliveries that were given up, the newest first, for people.
struct outbox_failure {
    struct str channel, key, error;
    uint64_t attempts, created_ms, ended_ms;
};
MUST_CHECK enum err outbox_each_failure(struct outbox *o, size_t count,
                                        void (*each)(void *ctx, const struct outbox_failure *f),
                                        void *ctx);

// Those of an incident, the first OUTBOX_OF_INCIDENT_MAX, in order of putting.
enum outbox_state { OUTBOX_IS_WAITING, OUTBOX_IS_SENT, OUTBOX_IS_GIVEN_UP };
struct outbox_of_incident {
    struct str channel, error; // of the last attempt that failed, else ""
    bool ending;
    enum outbox_state state;
    uint64_t attempts, created_ms;
    uint64_t ended_ms; // 0: it waits
};
MUST_CHECK enum err
outbox_each_of_incident(struct outbox *o, struct str incident,
                        void (*each)(void *ctx, const struct outbox_of_incident *d), void *ctx);

// Deliveries that wait, and those given up as there were too many.
size_t outbox_waiting(struct outbox *o);
uint64_t outbox_overflowed(struct outbox *o);

#endif
