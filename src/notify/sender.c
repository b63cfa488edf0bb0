// SPDX-License-Identifier: Apache-2.0
// Purpose: the sender's thread: claims what is due, sends it, writes down what came of it.
//
// A turn: what libcurl has finished becomes outcomes; outcomes are recorded and the next deliveries
// claimed, in one transaction; those are sent. Where the transaction fails, the outcomes stay and
// nothing new is sent until they are written down.
#include <stdio.h>

#include "core/clock.h"
#include "core/logger.h"
#include "core/mem.h"
#include "core/must.h"
#include "core/secret.h"
#include "notify/card.h"
#include "notify/internal.h"
#include "notify/schedule.h"

#define SLEEP_MS_MAX        1000
#define FORGET_EVERY_MS     ((uint64_t)60 * 1000)
#define UNRECORDED_RETRY_MS ((uint64_t)1000)
#define FAILING_IN_ROW      3                     // from here on one at a time
#define PACE_MS             ((uint64_t)61 * 1000) // a minute, and what a request may be under way
// What a transfer takes beside its buffers: libcurl's handle with its buffers, TLS, the arena.
#define TRANSFER_BYTES ((size_t)96 << 10)

struct sender {
    struct notify *n;
    size_t flying; // deliveries, not tests
    struct outbox_outcome outcomes[NOTIFY_FLYING_MAX];
    struct arena outcome_texts;
    struct lane *outcome_lanes[NOTIFY_FLYING_MAX];
    size_t outcome_count;
    uint64_t retry_ms; // when the outcomes are to be recorded, after it failed
    uint64_t forget_ms;
    size_t turn; // whose it is to be asked first
    struct transfer *transfers[NOTIFY_FLYING_MAX + NOTIFY_TESTS_MAX];
    size_t transfer_count;
};

// ---- Lanes --------------------------------------------------------------------------------------

static size_t per_minute(const struct lane *l)
{
    size_t most = channel_ops_of(l->held->channel.type)->per_minute_max;
    MUST(most <= MESSAGE_PER_MINUTE_MAX);
    return most;
}

// When the n-th from now on may begin, as far as the receiver's rate goes: so many in any minute.
static uint64_t pace_ms(const struct lane *l, size_t n)
{
    size_t most = per_minute(l);
    ASSERT(n < NOTIFY_FLYING_OF_ONE_MAX);
    uint64_t before_ms = most > 0 ? l->begun_ms[(l->oldest + n) % most] : 0;
    return before_ms > 0 ? before_ms + PACE_MS : 0;
}

static void note_begun(struct lane *l, uint64_t now_ms)
{
    size_t most = per_minute(l);
    ASSERT(now_ms > 0);
    if (most > 0) {
        l->oldest %= most; // the channel may have had another type
        l->begun_ms[l->oldest] = now_ms;
        l->oldest = (l->oldest + 1) % most;
    }
}

static size_t room_of(const struct lane *l, uint64_t now_ms)
{
    size_t most = l->failures_in_row >= FAILING_IN_ROW ? 1 : NOTIFY_FLYING_OF_ONE_MAX;
    size_t room = l->flying < most ? most - l->flying : 0;
    ASSERT(room <= NOTIFY_FLYING_OF_ONE_MAX);
    size_t n = 0;
    while (n < room && pace_ms(l, n) <= now_ms) {
        n++;
    }
    return n;
}

// When there is something to ask the outbox for, as far as one knows.
static uint64_t look_ms(const struct lane *l)
{
    uint64_t at = l->look_ms > l->paused_until_ms ? l->look_ms : l->paused_until_ms;
    size_t most = l->failures_in_row >= FAILING_IN_ROW ? 1 : NOTIFY_FLYING_OF_ONE_MAX;
    ASSERT(l->held != NULL);
    if (l->gone || l->flying >= most) {
        return UINT64_MAX; // what is flying will end
    }
    return at > pace_ms(l, 0) ? at : pace_ms(l, 0);
}

// Frees lanes of channels that were removed. With the lock.
static void sweep(struct notify *n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n->lane_count; i++) {
        struct lane *l = n->lanes[i];
        if (l->gone && l->flying == 0) {
            held_unref(l->held);
            mem_free(l);
        } else {
            n->lanes[kept++] = l;
        }
    }
    ASSERT(kept <= n->lane_count);
    n->lane_count = kept;
}

static void note_success(struct lane *l)
{
    ASSERT(l != NULL);
    l->hurry = l->hurry || l->failures_in_row >= FAILING_IN_ROW;
    l->failures_in_row = 0;
    l->failing_since_ms = 0;
}

static void note_failure(struct lane *l, const struct result *r, uint64_t now_ms)
{
    bool slower = r->verdict == VERDICT_SLOWER;
    uint64_t wait_ms = r->retry_after_ms > 0 ? r->retry_after_ms : slower ? SCHEDULE_SLOWER_MS : 0;
    ASSERT(r->verdict != VERDICT_TAKEN);
    l->failures_in_row++;
    l->failing_since_ms = l->failing_since_ms > 0 ? l->failing_since_ms : now_ms;
    wait_ms = wait_ms < OUTBOX_DUE_MS_MAX ? wait_ms : OUTBOX_DUE_MS_MAX;
    if (wait_ms > 0 && now_ms + wait_ms > l->paused_until_ms) {
        l->paused_until_ms = now_ms + wait_ms;
    }
}

// Tells of channels that have been failing for long, or do so no more.
static void tell_failing(struct notify *n, uint64_t now_ms)
{
    for (size_t i = 0; i < 2 * OUTBOX_CHANNELS_MAX; i++) {
        struct outbox_stats stats = {0};
        char name[CHANNEL_NAME_BYTES_MAX + 1];
        notify_lock(n);
        struct lane *l = i < n->lane_count ? n->lanes[i] : NULL;
        bool failing = l != NULL && !l->gone && l->failing_since_ms > 0 &&
                       now_ms - l->failing_since_ms >= n->options.failing_ms;
        bool changed =
            l != NULL && !l->gone && failing != l->told && (failing || l->failing_since_ms == 0);
        if (changed) {
            l->told = failing;
            memcpy(name, l->name, sizeof name);
        }
        notify_unlock(n);
        if (l == NULL) {
            return;
        }
        if (changed) {
            (void)outbox_channel_stats(n->outbox, str_of(name), &stats);
            ASSERT(n->options.failing_ms > 0);
            notify_tell(n, failing ? NOTIFY_FAILING : NOTIFY_RECOVERED, str_of(name), STR(""),
                        failing ? str_of(stats.last_error) : STR(""));
        }
    }
}

// ---- Transfers ----------------------------------------------------------------------------------

static struct transfer *transfer_new(struct sender *s, struct held *channel)
{
    struct transfer *t = mem_new(1, sizeof *t);
    t->channel = held_ref(channel);
    buf_init_from(&t->message.body, MESSAGE_BODY_BYTES_MAX, &s->n->meter.source);
    buf_init_from(&t->answer, NOTIFY_ANSWER_BYTES_MAX, &s->n->meter.source);
    MUST(s->transfer_count < sizeof s->transfers / sizeof *s->transfers);
    return t;
}

static void fly(struct sender *s, struct transfer *t)
{
    MUST(curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t) == CURLE_OK);
    MUST(curl_multi_add_handle(s->n->multi, t->easy) == CURLM_OK);
    s->transfers[s->transfer_count++] = t;
}

static void land(struct sender *s, struct transfer *t)
{
    size_t i = 0;
    while (i < s->transfer_count && s->transfers[i] != t) {
        i++;
    }
    MUST(i < s->transfer_count);
    s->transfers[i] = s->transfers[--s->transfer_count];
    (void)curl_multi_remove_handle(s->n->multi, t->easy);
}

static void end_delivery(struct sender *s, struct transfer *t, const struct result *r)
{
    struct notify *n = s->n;
    uint64_t now_ms = notify_now_ms(n);
    const struct attempt a = {r->verdict, r->may_be_delivered, r->retry_after_ms, t->steps,
                              r->error};
    MUST(s->outcome_count < NOTIFY_FLYING_MAX);
    s->outcome_lanes[s->outcome_count] = t->lane;
    struct outbox_outcome *x = &s->outcomes[s->outcome_count++];
    schedule_outcome(&t->delivery, &a, now_ms, secret_fresh(), x);
    x->channel = arena_str(&s->outcome_texts, x->channel);
    x->key = arena_str(&s->outcome_texts, x->key);
    notify_lock(n);
    if (r->verdict == VERDICT_TAKEN) {
        note_success(t->lane);
    } else {
        note_failure(t->lane, r, now_ms);
    }
    notify_unlock(n);
    meter_give(&n->meter, TRANSFER_BYTES);
    transfer_free(t);
}

static void end_test(struct sender *s, struct transfer *t, const struct result *r)
{
    struct test *test = t->test;
    struct notify_answer *a = &test->answer;
    struct str body =
        card_flat(&t->arena, t->answer.n > 0 ? buf_str(&t->answer) : STR(""), sizeof a->body - 1);
    struct str error = str_cut(r->error, sizeof a->error - 1);
    notify_lock(s->n);
    a->taken = r->verdict == VERDICT_TAKEN;
    a->status = r->status;
    a->duration_ms = t->began_ns > 0 ? (clock_mono_ns() - t->began_ns) / NS_PER_MS : 0;
    memcpy(a->body, body.p, body.n + 1);
    memcpy(a->error, error.n > 0 ? error.p : "", error.n);
    a->error[error.n] = 0;
    test->done = true;
    MUST(pthread_cond_broadcast(&s->n->tested) == 0);
    notify_unlock(s->n);
    transfer_free(t);
}

static void end_transfer(struct sender *s, struct transfer *t, const struct result *r)
{
    ASSERT(t->test == NULL || t->lane == NULL);
    if (t->test != NULL) {
        end_test(s, t, r);
    } else {
        end_delivery(s, t, r);
    }
}

static void begin(struct sender *s, struct transfer *t)
{
    struct result failure;
    ASSERT(t->channel != NULL);
    if (transfer_prepare(t, s->n->options.version, s->n->mark, clock_wall_ns(), &failure) ==
        ERR_OK) {
        fly(s, t);
    } else {
        end_transfer(s, t, &failure);
    }
}

static void take_finished(struct sender *s)
{
    int running = 0, left = 0;
    CURLMsg *message;
    MUST(curl_multi_perform(s->n->multi, &running) == CURLM_OK);
    while ((message = curl_multi_info_read(s->n->multi, &left)) != NULL) {
        struct transfer *t = NULL;
        struct result r;
        if (message->msg != CURLMSG_DONE) {
            continue;
        }
        CURLcode code = message->data.result;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &t);
        MUST(t != NULL);
        transfer_result(t, code, &r);
        land(s, t);
        end_transfer(s, t, &r);
    }
    ASSERT(running >= 0);
}

// ---- Turns --------------------------------------------------------------------------------------

// What may be claimed now, and the memory for it. With the lock.
static size_t make_wishes(struct sender *s, uint64_t now_ms, struct outbox_wish *wishes,
                          struct arena *a)
{
    struct notify *n = s->n;
    size_t count = 0, free = NOTIFY_FLYING_MAX - s->flying, asked = 0;
    ASSERT(s->flying <= NOTIFY_FLYING_MAX);
    for (size_t i = 0; i < n->lane_count && asked < free; i++) {
        struct lane *l = n->lanes[(s->turn + i) % n->lane_count];
        if (look_ms(l) > now_ms) {
            continue;
        }
        size_t room = room_of(l, now_ms), granted = 0;
        room = room < free - asked ? room : free - asked;
        while (granted < room && meter_take(&n->meter, TRANSFER_BYTES)) {
            granted++;
        }
        if (granted < room) {
            n->stats.short_of_memory++;
            l->look_ms = now_ms + SLEEP_MS_MAX;
        }
        if (granted > 0) {
            l->look_ms = granted < room ? l->look_ms : UINT64_MAX;
            wishes[count++] = (struct outbox_wish){
                .channel = arena_str(a, str_of(l->name)), .count = granted, .hurry = l->hurry};
            asked += granted;
        }
    }
    s->turn = n->lane_count > 0 ? (s->turn + 1) % n->lane_count : 0;
    return count;
}

static size_t claimed_of(struct str channel, const struct outbox_delivery *claimed, size_t count)
{
    size_t of = 0;
    ASSERT(count <= NOTIFY_FLYING_MAX);
    for (size_t i = 0; i < count; i++) {
        of += str_eq(claimed[i].channel, channel) ? 1 : 0;
    }
    return of;
}

// What was put meanwhile has set look_ms to 0: it stays.
static void note_wishes(struct sender *s, uint64_t now_ms, const struct outbox_wish *wishes,
                        size_t wish_count, const struct outbox_delivery *claimed, size_t count)
{
    ASSERT(wish_count <= NOTIFY_FLYING_MAX);
    for (size_t i = 0; i < wish_count; i++) {
        struct lane *l = notify_lane(s->n, wishes[i].channel);
        size_t of = claimed_of(wishes[i].channel, claimed, count);
        uint64_t next_ms = of == wishes[i].count ? now_ms : wishes[i].ret_next_ms;
        if (l != NULL) {
            l->hurry = l->hurry && !wishes[i].hurry;
            l->look_ms = l->look_ms < next_ms ? l->look_ms : next_ms;
        }
        meter_give(&s->n->meter, (wishes[i].count - of) * TRANSFER_BYTES);
    }
}

// What was recorded flies no more, and may have made way for what waited for it.
static void note_recorded(struct sender *s)
{
    ASSERT(s->flying >= s->outcome_count);
    for (size_t i = 0; i < s->outcome_count; i++) {
        MUST(s->outcome_lanes[i]->flying > 0);
        s->outcome_lanes[i]->flying--;
        s->outcome_lanes[i]->look_ms = 0;
    }
    s->flying -= s->outcome_count;
    s->n->stats.flying = s->flying;
}

// Tells of what was given up, once that is written down.
static void tell_given_up(struct sender *s)
{
    for (size_t i = 0; i < s->outcome_count; i++) {
        struct outbox_outcome *x = &s->outcomes[i];
        if (x->what == OUTBOX_GIVEN_UP) {
            ASSERT(x->key.n > 0);
            notify_tell(s->n, NOTIFY_GIVEN_UP, x->channel, x->key, str_of(x->error));
        }
    }
}

static void forget_outcomes(struct sender *s)
{
    ASSERT(s->outcome_count <= NOTIFY_FLYING_MAX);
    s->outcome_count = 0;
    arena_clear(&s->outcome_texts);
}

// A transfer for what was claimed; NULL where its channel has been removed since, which gave it up.
static struct transfer *transfer_of(struct sender *s, const struct outbox_delivery *d)
{
    struct notify *n = s->n;
    struct transfer *t = NULL;
    ASSERT(d->attempts > 0);
    notify_lock(n);
    struct lane *l = notify_lane(n, d->channel);
    if (l != NULL) {
        t = transfer_new(s, l->held);
        t->lane = l;
        l->flying++;
        note_begun(l, notify_now_ms(n));
        s->flying++;
        n->stats.flying = s->flying;
    }
    notify_unlock(n);
    if (t != NULL) {
        t->delivery = *d;
        t->delivery.channel = arena_str(&t->arena, d->channel);
        t->delivery.key = arena_str(&t->arena, d->key);
        t->delivery.notice = arena_str(&t->arena, d->notice);
    }
    return t;
}

static void not_recorded(struct sender *s, enum err e, const struct outbox_wish *wishes,
                         size_t count, uint64_t now_ms)
{
    static struct log_gate gate;
    uint64_t times = log_gate_pass(&gate, 10 * NS_PER_S);
    if (times > 0) {
        log_write(LOG_ERROR, "notify", "deliveries cannot be written down", "error=%s times=%llu",
                  err_name(e), (unsigned long long)times);
    }
    notify_lock(s->n);
    s->n->stats.unrecorded++;
    for (size_t i = 0; i < count; i++) {
        struct lane *l = notify_lane(s->n, wishes[i].channel);
        if (l != NULL) {
            l->look_ms = now_ms + UNRECORDED_RETRY_MS;
        }
        meter_give(&s->n->meter, wishes[i].count * TRANSFER_BYTES);
    }
    notify_unlock(s->n);
    ASSERT(e != ERR_OK);
    s->retry_ms = now_ms + UNRECORDED_RETRY_MS;
}

// Records and claims, and begins what was claimed.
static void turn(struct sender *s, bool may_claim)
{
    struct outbox_wish wishes[NOTIFY_FLYING_MAX];
    struct outbox_delivery claimed[NOTIFY_FLYING_MAX];
    struct arena a = {0};
    size_t count = 0;
    uint64_t now_ms = notify_now_ms(s->n);
    if (now_ms < s->retry_ms) {
        return;
    }
    notify_lock(s->n);
    size_t wish_count = may_claim ? make_wishes(s, now_ms, wishes, &a) : 0;
    notify_unlock(s->n);
    if (wish_count == 0 && s->outcome_count == 0) {
        return;
    }
    enum err e = outbox_turn(s->n->outbox, now_ms, s->outcomes, s->outcome_count, wishes,
                             wish_count, &a, claimed, &count);
    if (e != ERR_OK) {
        not_recorded(s, e, wishes, wish_count, now_ms);
        arena_done(&a);
        return;
    }
    notify_lock(s->n);
    note_recorded(s);
    note_wishes(s, now_ms, wishes, wish_count, claimed, count);
    notify_unlock(s->n);
    tell_given_up(s);
    forget_outcomes(s);
    ASSERT(s->flying + count <= NOTIFY_FLYING_MAX);
    for (size_t i = 0; i < count; i++) {
        struct transfer *t = transfer_of(s, &claimed[i]);
        if (t != NULL) {
            begin(s, t);
        } else {
            meter_give(&s->n->meter, TRANSFER_BYTES);
        }
    }
    arena_done(&a);
}

// ---- Tests --------------------------------------------------------------------------------------

static void begin_tests(struct sender *s)
{
    struct test *test;
    do {
        notify_lock(s->n);
        test = s->n->tests;
        while (test != NULL && test->begun) {
            test = test->next;
        }
        if (test != NULL) {
            test->begun = true;
        }
        notify_unlock(s->n);
        if (test != NULL) {
            struct transfer *t = transfer_new(s, test->channel);
            uint64_t now_ns = clock_wall_ns();
            t->test = test;
            t->notice = arena_new(&t->arena, 1, sizeof *t->notice);
            notice_make_test(t->notice, now_ns);
            if (test->person != NULL) {
                t->notice->people[t->notice->people_count++] = *test->person;
            }
            t->delivery.key = arena_printf(&t->arena, "test %llu", (unsigned long long)now_ns);
            begin(s, t);
        }
    } while (test != NULL);
    ASSERT(s->transfer_count <= NOTIFY_FLYING_MAX + NOTIFY_TESTS_MAX);
}

// Who still waits for one hears that there will be no answer.
static void cancel_tests(struct notify *n)
{
    notify_lock(n);
    ASSERT(atomic_load(&n->stop));
    for (struct test *t = n->tests; t != NULL; t = t->next) {
        if (!t->done) {
            t->result = ERR_CLOSED;
            t->done = true;
        }
    }
    MUST(pthread_cond_broadcast(&n->tested) == 0);
    notify_unlock(n);
}

// ---- The thread ---------------------------------------------------------------------------------

static int sleep_ms(struct sender *s)
{
    struct notify *n = s->n;
    uint64_t now_ms = notify_now_ms(n), until_ms = now_ms + SLEEP_MS_MAX;
    notify_lock(n);
    for (size_t i = 0; i < n->lane_count && s->flying < NOTIFY_FLYING_MAX; i++) {
        uint64_t at_ms = look_ms(n->lanes[i]);
        at_ms = at_ms > s->retry_ms ? at_ms : s->retry_ms;
        until_ms = at_ms < until_ms ? at_ms : until_ms;
    }
    notify_unlock(n);
    if (s->outcome_count > 0) {
        until_ms = s->retry_ms < until_ms ? s->retry_ms : until_ms;
    }
    ASSERT(s->flying <= NOTIFY_FLYING_MAX);
    return until_ms > now_ms ? (int)(until_ms - now_ms) : 0;
}

static void keep_house(struct sender *s)
{
    uint64_t now_ms = notify_now_ms(s->n);
    tell_failing(s->n, now_ms);
    notify_lock(s->n);
    sweep(s->n);
    notify_unlock(s->n);
    if (now_ms >= s->forget_ms) {
        enum err e = outbox_forget(s->n->outbox, now_ms);
        if (e != ERR_OK) {
            log_write(LOG_WARN, "notify", "old deliveries cannot be forgotten", "error=%s",
                      err_name(e));
        }
        s->forget_ms = now_ms + FORGET_EVERY_MS;
    }
    ASSERT(s->forget_ms > 0);
}

static void break_off(struct sender *s)
{
    struct notify *n = s->n;
    turn(s, false);
    while (s->transfer_count > 0) {
        struct transfer *t = s->transfers[0];
        land(s, t);
        if (t->test == NULL) {
            meter_give(&n->meter, TRANSFER_BYTES);
        }
        transfer_free(t);
    }
    cancel_tests(n);
    ASSERT(s->transfer_count == 0);
    arena_done(&s->outcome_texts);
}

void *sender_run(void *notify)
{
    struct notify *n = notify;
    struct sender *s = mem_new(1, sizeof *s);
    ASSERT(n->multi != NULL);
    s->n = n;
    while (!atomic_load(&n->stop)) {
        begin_tests(s);
        take_finished(s);
        turn(s, true);
        keep_house(s);
        (void)curl_multi_poll(n->multi, NULL, 0, sleep_ms(s), NULL);
    }
    break_off(s);
    mem_free(s);
    return NULL;
}
