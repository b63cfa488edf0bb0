// SPDX-License-Identifier: Apache-2.0
// Purpose: what the files of the façade and of the sender share.
#ifndef SONDE_NOTIFY_INTERNAL_H
#define SONDE_NOTIFY_INTERNAL_H

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "core/arena.h"
#include "core/buf.h"
#include "notify/message.h"
#include "notify/notify.h"
#include "notify/vault.h"

// ---- Channels in use ----------------------------------------------------------------------------

// A channel as it was set last; a transfer keeps the one that it began with.
struct held {
    atomic_size_t refs;
    struct channel channel;
};
struct held *held_ref(struct held *h);
void held_unref(struct held *h);

// What the sender knows of a channel. In the list of struct notify, under its lock; those marked
// `gone` are freed by the sender's thread once nothing flies.
struct lane {
    struct held *held;
    char name[CHANNEL_NAME_BYTES_MAX + 1];
    bool gone;
    size_t flying;
    uint64_t look_ms;         // when there may be something to claim
    uint64_t paused_until_ms; // the receiver said so
    uint64_t failures_in_row;
    uint64_t failing_since_ms; // 0: the last attempt went well, or there was none
    bool told;                 // of NOTIFY_FAILING
    bool hurry;                // it works again
    // Of a channel that takes only so many a minute: when the last of them began, a ring.
    uint64_t begun_ms[MESSAGE_PER_MINUTE_MAX];
    size_t oldest;
};

// ---- transfer.c: one request --------------------------------------------------------------------

#define CA_FILE_BYTES_MAX ((off_t)4 << 20)

struct transfer {
    struct held *channel;
    struct lane *lane; // NULL of a test
    struct test *test; // or NULL
    struct arena arena;
    struct outbox_delivery delivery;
    struct notice *notice; // in the arena
    uint64_t steps;
    struct message message;
    struct buf answer;
    bool answer_cut;
    char refused[OUTBOX_ERROR_BYTES_MAX]; // by a mail server: the last line that says so
    size_t uploaded;                      // of the body, of mail
    CURL *easy;
    struct curl_slist *headers, *receivers;
    char error[CURL_ERROR_SIZE];
    uint64_t began_ns;
};

// What came of it.
struct result {
    enum verdict verdict;
    bool may_be_delivered;
    uint64_t retry_after_ms;
    long status;
    struct str error; // in the transfer's arena
};

// Renders the message and readies the handle. On failure *ret has what to say of it.
MUST_CHECK enum err transfer_prepare(struct transfer *t, const char *version, const char *mark,
                                     uint64_t now_unix_nano, struct result *ret_failure);
void transfer_result(struct transfer *t, CURLcode code, struct result *ret_result);
void transfer_free(struct transfer *t);

// ---- sender.c: the thread -----------------------------------------------------------------------

struct test {
    struct held *channel;
    const struct notice_person *person;
    struct notify_answer answer;
    enum err result;
    bool begun, done;
    struct test *next;
};

struct notify {
    struct notify_options options;
    struct vault vault;
    char mark[VAULT_MARK_CHARS + 1];
    struct outbox *outbox;
    struct meter meter;
    CURLM *multi;
    pthread_t thread;
    atomic_bool stop;
    uint64_t base_ms, base_ns; // wall clock and monotonic clock at the start
    pthread_mutex_t lock;      // of what follows
    pthread_cond_t tested;
    struct lane
        *lanes[2 * OUTBOX_CHANNELS_MAX]; // the first half of them in use, others on their way
    size_t lane_count;
    struct test *tests;
    size_t test_count;
    struct notify_stats stats; // flying, short_of_memory, unrecorded
    pthread_mutex_t setting;   // one channel is set or removed at a time
};

// Time of the outbox, now.
uint64_t notify_now_ms(const struct notify *n);
void notify_lock(struct notify *n);
void notify_unlock(struct notify *n);
struct lane *notify_lane(struct notify *n, struct str name); // with the lock; NULL
void notify_tell(struct notify *n, enum notify_trouble what, struct str channel, struct str key,
                 struct str error);

void *sender_run(void *notify);

#endif
