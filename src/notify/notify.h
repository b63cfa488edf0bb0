// SPDX-License-Identifier: Apache-2.0
// Purpose: telling people: channels, and the deliveries over them. Whoever raises alerts puts
// notices here; each is durable when notify_put() returns, and is sent at once by a thread of its
// own, at least once, until the receiver has taken it or it is given up (schedule.h).
//
//     notify_put() -> outbox (disk) -> [sender: claim, render, transfer] -> outcome -> outbox
//
// What was sent, or may have been, before the process was killed or the connection broke is sent
// again with `repeat` set. Order: of one incident on one channel, its end is never told before its
// beginning. A receiver that is slow or down holds nobody else up: NOTIFY_FLYING_MAX transfers at
// once, NOTIFY_FLYING_OF_ONE_MAX of a channel, one where it keeps failing; each has
// NOTIFY_TIMEOUT_MS. When such a channel works again, all that waits for it is sent. Robots that
// take only so many a minute are sent no more.
//
// Secrets are sealed (vault.h), and never given out. Redirects are not followed, answers are read
// up to NOTIFY_ANSWER_BYTES_MAX, and each transfer has a connection of its own: libcurl would send
// again, by itself and unmarked, what was cut off on one that was used before.
//
// Time. Due times follow the monotonic clock while it runs: a wall clock that jumps delays nothing.
//
// Memory: what a transfer takes comes from the budget (ACCOUNT_NOTIFY); where there is none, it
// begins later. Any thread.
#ifndef SONDE_NOTIFY_NOTIFY_H
#define SONDE_NOTIFY_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/str.h"
#include "ledger/budget.h"
#include "notify/channel.h"
#include "notify/notice.h"
#include "notify/outbox.h"

#define NOTIFY_FLYING_MAX        ((size_t)64)
#define NOTIFY_FLYING_OF_ONE_MAX ((size_t)4)
#define NOTIFY_TESTS_MAX         ((size_t)1) // at once, beside those: who asks waits
#define NOTIFY_TIMEOUT_MS        10000L
#define NOTIFY_FAILING_MS        ((uint64_t)5 * 60 * 1000)
#define NOTIFY_ANSWER_BYTES_MAX  ((size_t)64 << 10)
#define NOTIFY_MARK              "sonde_server" // names the mark where a message has one
#define NOTIFY_PUT_MAX           ((size_t)10000)

struct notify;

enum notify_trouble {
    NOTIFY_GIVEN_UP, // a delivery
    NOTIFY_FAILING,  // a channel, for NOTIFY_FAILING_MS; told once
    NOTIFY_RECOVERED // a channel that was told to be failing
};

struct notify_options {
    const char *db_path, *key_path; // notify.db, notify.key
    const char *version;            // of this server, for the user agent
    struct budget *budget;
    uint64_t failing_ms; // NOTIFY_FAILING_MS; less in tests
    // Called on the sender's thread, or that which puts, in no lock; it may put. `key` is of the
    // delivery, "" otherwise; `error` may quote the receiver. Nothing of this is logged here: that
    // is for who is called. May be NULL.
    void (*trouble)(void *ctx, enum notify_trouble what, struct str channel, struct str key,
                    struct str error);
    void *ctx;
};

// Starts the thread.
MUST_CHECK enum err notify_open(const struct notify_options *options, struct notify **ret_notify,
                                struct err_at *ret_at);
// Breaks off what is being sent: it is sent again after the next start. NULL is fine.
void notify_close(struct notify *n);

// ---- Channels -----------------------------------------------------------------------------------

// Adds or replaces the channels that have these names, all or none, and takes what is in them (they
// are empty then, also on failure). Secrets that one lacks stay those that the channel has already,
// if its type, and the address that it sends them to, stay what they are. On failure *ret_key is
// the key to blame, of the first that is wrong. ERR_LIMIT where there would be too many.
MUST_CHECK enum err notify_set_channels(struct notify *n, struct channel *channels, size_t count,
                                        enum channel_key *ret_key, struct err_at *ret_at);
// Adds the secrets to a channel that it would keep so. An error as of channel_set().
MUST_CHECK enum err notify_keep_secrets(struct notify *n, struct channel *c, struct err_at *ret_at);
// What waits for it is given up. ERR_NOT_FOUND.
MUST_CHECK enum err notify_remove_channel(struct notify *n, struct str name);

struct notify_channel {
    struct str name;
    enum channel_type type;
    struct str open;    // JSON of what is no secret (channel_to_json())
    uint32_t secrets;   // KEY_BIT() of those that are set
    bool has_secret;    // any of them
    bool needs_secrets; // their key is lost: they must be given anew
    bool failing;       // for NOTIFY_FAILING_MS
    size_t flying;
    struct outbox_stats stats;
};
// In order of name; what `each` is given lives until it returns. It must not call back.
void notify_each_channel(struct notify *n, void (*each)(void *ctx, const struct notify_channel *c),
                         void *ctx);

// ---- Deliveries ---------------------------------------------------------------------------------

struct notify_item {
    struct str key; // of the delivery: what alert, which transition, over which channel
    struct str channel;
    const struct notice *notice;
};

// Takes all, each once by its key, and returns when they are durable. ERR_LIMIT for more than
// NOTIFY_PUT_MAX, ERR_MEMORY, ERR_FULL, ERR_IO: then none was taken.
MUST_CHECK enum err notify_put(struct notify *n, const struct notify_item *items, size_t count,
                               enum outbox_taken *ret_taken);

struct notify_answer {
    bool taken;
    long status; // of HTTP or SMTP; 0: there was none
    uint64_t duration_ms;
    char error[OUTBOX_ERROR_BYTES_MAX]; // "" where it was taken
    char body[1024];                    // what the receiver said, its beginning, printable
};
// Sends one test notice over a channel, to the person too (may be NULL), and waits for the answer.
// ERR_NOT_FOUND, ERR_BUSY where as many as NOTIFY_TESTS_MAX are being sent, ERR_CLOSED.
MUST_CHECK enum err notify_test(struct notify *n, struct str channel,
                                const struct notice_person *person, struct notify_answer *ret);

// The latest that were given up, the newest first.
MUST_CHECK enum err notify_each_failure(struct notify *n, size_t count,
                                        void (*each)(void *ctx, const struct outbox_failure *f),
                                        void *ctx);

// Those of an incident, as outbox_each_of_incident() has them.
MUST_CHECK enum err
notify_each_of_incident(struct notify *n, struct str incident,
                        void (*each)(void *ctx, const struct outbox_of_incident *d), void *ctx);

// What this server is known by in what it sends (vault_mark()).
struct str notify_mark(const struct notify *n);

struct notify_stats {
    size_t waiting, flying;
    uint64_t overflowed;      // given up as too many waited
    uint64_t short_of_memory; // times that a transfer had to begin later
    uint64_t unrecorded;      // times that an outcome could not be written down at once
};
void notify_stats(struct notify *n, struct notify_stats *ret_stats);

#endif
