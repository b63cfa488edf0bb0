// SPDX-License-Identifier: Apache-2.0
// Purpose: the queue on a simulated disk: order, bounds, time, and power cuts at every write.
#include "notify/outbox.h"

#include <stdio.h>

#include "support/simfs.h"
#include "support/sqlite_fs.h"
#include "test.h"

#define NOW   ((uint64_t)1000000)
#define ROOM  8
#define DISK  "outbox"
#define STEPS 40

static struct simfs *disk;
static struct outbox *outbox;
static char dropped[512];

static int setup(void **state)
{
    (void)state;
    disk = simfs_new(1);
    sqlite_fs_register(DISK, simfs_fs(disk));
    dropped[0] = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    outbox_close(outbox);
    outbox = NULL;
    sqlite_fs_register(DISK, NULL);
    simfs_free(disk);
    return 0;
}

static void on_given_up(void *ctx, struct str channel, struct str key, struct str error)
{
    size_t n = strlen(dropped);
    (void)ctx;
    assert_str(error, "Too many deliveries wait.");
    (void)snprintf(dropped + n, sizeof dropped - n, "%.*s/%.*s ", STR_FMT(channel), STR_FMT(key));
}

static enum err open_at(uint64_t now_ms, size_t waiting_max)
{
    const struct outbox_options o = {"/notify.db", DISK, now_ms, waiting_max, on_given_up, NULL};
    struct err_at at;
    return outbox_open(&o, &outbox, &at);
}

static void add_channel(const char *name)
{
    const struct outbox_channel c = {str_of(name), STR("{}"), STR("")};
    assert_ok(outbox_set_channels(outbox, &c, 1));
}

static enum outbox_taken put_one(const char *key, const char *channel, const char *incident,
                                 bool ending)
{
    const struct outbox_item item = {str_of(key), str_of(channel), str_of(incident), ending,
                                     STR("{\"notice\":1}")};
    enum outbox_taken taken = OUTBOX_NO_CHANNEL;
    assert_ok(outbox_put(outbox, NOW, &item, 1, &taken));
    return taken;
}

struct turned {
    struct arena arena;
    struct outbox_delivery deliveries[ROOM];
    size_t count;
    uint64_t next_ms;
};

static enum err turn(uint64_t now_ms, const struct outbox_outcome *outcomes, size_t count,
                     const char *channel, size_t wanted, struct turned *ret)
{
    struct outbox_wish w = {.channel = str_of(channel), .count = wanted};
    enum err e = outbox_turn(outbox, now_ms, outcomes, count, &w, 1, &ret->arena, ret->deliveries,
                             &ret->count);
    ret->next_ms = w.ret_next_ms;
    return e;
}

// The keys that are claimed, each with a space behind it.
static void check_claimed(uint64_t now_ms, const char *channel, const char *expected,
                          uint64_t next_ms)
{
    struct turned t = {0};
    char keys[256] = "";
    size_t n = 0;
    assert_ok(turn(now_ms, NULL, 0, channel, ROOM, &t));
    for (size_t i = 0; i < t.count; i++) {
        n += (size_t)snprintf(keys + n, sizeof keys - n, "%.*s%s ", STR_FMT(t.deliveries[i].key),
                              t.deliveries[i].repeat ? "!" : "");
    }
    assert_string_equal(keys, expected);
    assert_int_equal(t.next_ms, next_ms);
    arena_done(&t.arena);
}

static struct outbox_outcome outcome(uint64_t id, const char *channel, enum outbox_result what)
{
    return (struct outbox_outcome){.id = id,
                                   .channel = str_of(channel),
                                   .key = STR("k"),
                                   .what = what,
                                   .failed = what == OUTBOX_AGAIN || what == OUTBOX_GIVEN_UP,
                                   .due_ms = NOW + 1000};
}

static void record(uint64_t now_ms, struct outbox_outcome x)
{
    struct turned t = {0};
    assert_ok(turn(now_ms, &x, 1, "c", 0, &t));
    arena_done(&t.arena);
}

static void test_a_key_is_taken_once(void **state)
{
    (void)state;
    assert_ok(open_at(NOW, OUTBOX_WAITING_MAX));
    assert_int_equal(put_one("k", "c", "", false), OUTBOX_NO_CHANNEL);
    add_channel("c");
    assert_int_equal(put_one("k", "c", "", false), OUTBOX_TAKEN);
    assert_int_equal(put_one("k", "c", "", false), OUTBOX_KNOWN);
    check_claimed(NOW, "c", "k ", UINT64_MAX);
    check_claimed(NOW, "c", "", UINT64_MAX);
    record(NOW, outcome(1, "c", OUTBOX_SENT));
    assert_int_equal(put_one("k", "c", "", false), OUTBOX_KNOWN);
    assert_ok(outbox_forget(outbox, NOW + OUTBOX_KEPT_MS));
    assert_int_equal(put_one("k", "c", "", false), OUTBOX_KNOWN);
    assert_ok(outbox_forget(outbox, NOW + OUTBOX_KEPT_MS + 1));
    assert_int_equal(put_one("k", "c", "", false), OUTBOX_TAKEN);
    assert_int_equal(outbox_waiting(outbox), 1);
}

static void test_what_fails_is_due_again_and_counted(void **state)
{
    struct outbox_stats s;
    struct turned t = {0};
    (void)state;
    assert_ok(open_at(NOW, OUTBOX_WAITING_MAX));
    add_channel("c");
    (void)put_one("k", "c", "", false);
    check_claimed(NOW, "c", "k ", UINT64_MAX);
    struct outbox_outcome x = outcome(1, "c", OUTBOX_AGAIN);
    x.repeat = x.refused = true;
    (void)snprintf(x.error, sizeof x.error, "HTTP 500");
    record(NOW + 5, x);
    check_claimed(NOW + 999, "c", "", NOW + 1000);
    assert_ok(turn(NOW + 1000, NULL, 0, "c", ROOM, &t));
    assert_int_equal(t.count, 1);
    assert_int_equal(t.deliveries[0].attempts, 2);
    assert_int_equal(t.deliveries[0].refusals, 1);
    assert_true(t.deliveries[0].repeat);
    assert_str(t.deliveries[0].notice, "{\"notice\":1}");
    arena_done(&t.arena);
    assert_true(outbox_channel_stats(outbox, STR("c"), &s));
    assert_int_equal(s.waiting, 1);
    assert_int_equal(s.failed, 1);
    assert_int_equal(s.last_error_ms, NOW + 5);
    assert_string_equal(s.last_error, "HTTP 500");
    record(NOW + 1001, outcome(1, "c", OUTBOX_GIVEN_UP));
    outbox_close(outbox);
    assert_ok(open_at(NOW, OUTBOX_WAITING_MAX)); // the counts are on the disk
    assert_true(outbox_channel_stats(outbox, STR("c"), &s));
    assert_int_equal(s.given_up, 1);
    assert_int_equal(s.failed, 2);
    assert_int_equal(s.waiting, 0);
    assert_false(outbox_channel_stats(outbox, STR("d"), &s));
}

static void test_steps_and_postponing(void **state)
{
    struct turned t = {0};
    (void)state;
    assert_ok(open_at(NOW, OUTBOX_WAITING_MAX));
    add_channel("c");
    (void)put_one("k", "c", "", false);
    check_claimed(NOW, "c", "k ", UINT64_MAX);
    record(NOW, outcome(1, "c", OUTBOX_POSTPONED));
    check_claimed(NOW, "c", "", NOW + 1000);
    check_claimed(NOW + 1000, "c", "k ", UINT64_MAX);
    struct outbox_outcome x = outcome(1, "c", OUTBOX_NEXT);
    x.lost = true;
    record(NOW + 1000, x);
    assert_ok(turn(NOW + 1000, NULL, 0, "c", ROOM, &t));
    assert_int_equal(t.count, 1);
    assert_int_equal(t.deliveries[0].step, 1);
    assert_int_equal(t.deliveries[0].lost, 1);
    assert_int_equal(t.deliveries[0].attempts, 1);
    arena_done(&t.arena);
}

static void test_the_end_waits_for_the_beginning(void **state)
{
    (void)state;
    assert_ok(open_at(NOW, OUTBOX_WAITING_MAX));
    add_channel("c");
    add_channel("d");
    (void)put_one("fire", "c", "i", false);
    (void)put_one("fire2", "c", "i", false);
    (void)put_one("end", "c", "i", true);
    (void)put_one("again", "c", "i", false);
    (void)put_one("other", "c", "j", true);
    (void)put_one("none", "c", "", true);
    (void)put_one("elsewhere", "d", "i", true);
    check_claimed(NOW, "d", "elsewhere ", UINT64_MAX);
    check_claimed(NOW, "c", "fire fire2 other none ", UINT64_MAX);
    record(NOW, outcome(1, "c", OUTBOX_SENT));
    check_claimed(NOW, "c", "", UINT64_MAX); // the second still flies
    record(NOW, outcome(2, "c", OUTBOX_GIVEN_UP));
    check_claimed(NOW, "c", "end ", UINT64_MAX);
    record(NOW, outcome(3, "c", OUTBOX_AGAIN));
    check_claimed(NOW, "c", "", NOW + 1000);
    check_claimed(NOW + 1000, "c", "end ", UINT64_MAX);
    record(NOW, outcome(3, "c", OUTBOX_SENT));
    check_claimed(NOW, "c", "again ", UINT64_MAX);
}

static void test_too_many_push_the_oldest_out(void **state)
{
    struct outbox_stats s;
    (void)state;
    assert_ok(open_at(NOW, 3));
    add_channel("c");
    add_channel("d");
    (void)put_one("1", "c", "", false);
    check_claimed(NOW, "c", "1 ", UINT64_MAX); // it flies, and stays
    (void)put_one("2", "c", "", false);
    (void)put_one("3", "c", "", false);
    (void)put_one("4", "c", "", false);
    assert_string_equal(dropped, "c/2 ");
    (void)put_one("5", "d", "", false); // has none itself
    assert_string_equal(dropped, "c/2 c/3 ");
    (void)put_one("6", "d", "", false);
    assert_string_equal(dropped, "c/2 c/3 d/5 ");
    assert_int_equal(outbox_waiting(outbox), 3);
    assert_int_equal(outbox_overflowed(outbox), 3);
    assert_true(outbox_channel_stats(outbox, STR("c"), &s));
    assert_int_equal(s.given_up, 2);
    assert_int_equal(s.waiting, 2);
    check_claimed(NOW, "d", "6 ", UINT64_MAX);
}

static void test_a_channel_that_goes_takes_what_waits_along(void **state)
{
    struct outbox_stats s;
    (void)state;
    assert_ok(open_at(NOW, OUTBOX_WAITING_MAX));
    add_channel("c");
    (void)put_one("1", "c", "", false);
    check_claimed(NOW, "c", "1 ", UINT64_MAX);
    (void)put_one("2", "c", "", false);
    assert_ok(outbox_remove_channel(outbox, STR("c"), NOW));
    assert_err(outbox_remove_channel(outbox, STR("c"), NOW), ERR_NOT_FOUND);
    assert_int_equal(outbox_waiting(outbox), 0);
    add_channel("c");
    record(NOW, outcome(1, "c", OUTBOX_SENT)); // of the one that flew when it went
    assert_true(outbox_channel_stats(outbox, STR("c"), &s));
    assert_int_equal(s.sent, 0);
    check_claimed(NOW, "c", "", UINT64_MAX);
}

static void test_a_clock_that_went_back_stalls_nothing(void **state)
{
    (void)state;
    assert_ok(open_at(NOW * 100, OUTBOX_WAITING_MAX));
    add_channel("c");
    const struct outbox_item item = {STR("k"), STR("c"), STR(""), false, STR("{}")};
    enum outbox_taken taken;
    assert_ok(outbox_put(outbox, NOW * 100, &item, 1, &taken));
    outbox_close(outbox);
    assert_ok(open_at(NOW, OUTBOX_WAITING_MAX));
    check_claimed(NOW, "c", "k ", UINT64_MAX);
}

static void test_what_works_again_is_hurried(void **state)
{
    struct outbox_wish w = {.channel = STR("c"), .count = ROOM, .hurry = true};
    struct turned t = {0};
    (void)state;
    assert_ok(open_at(NOW, OUTBOX_WAITING_MAX));
    add_channel("c");
    (void)put_one("k", "c", "", false);
    check_claimed(NOW, "c", "k ", UINT64_MAX);
    record(NOW, outcome(1, "c", OUTBOX_AGAIN));
    assert_ok(outbox_turn(outbox, NOW + 1, NULL, 0, &w, 1, &t.arena, t.deliveries, &t.count));
    assert_int_equal(t.count, 1);
    arena_done(&t.arena);
}

// ---- Power cuts ---------------------------------------------------------------------------------

// What the test believes of a delivery.
struct belief {
    bool taken, sent; // acknowledged
    bool maybe_taken; // the call failed
    unsigned times;   // that it was claimed: each may have been delivered
};
static struct belief beliefs[STEPS];

static void try_put(unsigned i)
{
    char key[16];
    (void)snprintf(key, sizeof key, "%u", i);
    const struct outbox_item item = {str_of(key), STR("c"), STR(""), false, STR("{}")};
    enum outbox_taken taken;
    enum err e = outbox_put(outbox, NOW, &item, 1, &taken);
    beliefs[i].taken = beliefs[i].taken || e == ERR_OK;
    beliefs[i].maybe_taken = true;
}

static void try_send(void)
{
    struct turned t = {0};
    if (turn(NOW, NULL, 0, "c", 2, &t) == ERR_OK) {
        for (size_t i = 0; i < t.count; i++) {
            uint64_t which = 0;
            assert_ok(str_to_u64(t.deliveries[i].key, &which));
            struct belief *b = &beliefs[which];
            assert_true(b->maybe_taken && !b->sent);
            // Whoever is told twice is told that it is a repeat.
            assert_true(b->times == 0 || t.deliveries[i].repeat);
            b->times++;
            struct outbox_outcome x = outcome(t.deliveries[i].id, "c", OUTBOX_SENT);
            struct turned none = {0};
            b->sent = turn(NOW, &x, 1, "c", 0, &none) == ERR_OK;
            arena_done(&none.arena);
        }
    }
    arena_done(&t.arena);
}

static void run_until_the_cut(void)
{
    if (open_at(NOW, OUTBOX_WAITING_MAX) != ERR_OK) {
        return;
    }
    const struct outbox_channel c = {STR("c"), STR("{}"), STR("x")};
    enum err e = outbox_set_channels(outbox, &c, 1);
    for (unsigned i = 0; i < STEPS && e == ERR_OK; i++) {
        try_put(i);
        if (i % 3 == 2) {
            try_send();
        }
    }
    outbox_close(outbox);
    outbox = NULL;
}

static void test_power_cuts_at_every_write(void **state)
{
    unsigned cuts = 0;
    (void)state;
    for (uint64_t at = 1; at < 600; at += 1 + at / 40) {
        memset(beliefs, 0, sizeof beliefs);
        simfs_free(disk);
        disk = simfs_new(at);
        sqlite_fs_register(DISK, simfs_fs(disk));
        simfs_power_off_after(disk, at);
        run_until_the_cut();
        simfs_crash(disk);
        // With the power back everything that was taken is told in the end.
        assert_ok(open_at(NOW, OUTBOX_WAITING_MAX));
        add_channel("c");
        for (unsigned i = 0; i < STEPS; i++) {
            try_send();
        }
        for (unsigned i = 0; i < STEPS; i++) {
            // An outcome that was being written when the power went may have been, and is final.
            assert_true(!beliefs[i].taken || beliefs[i].times > 0);
            cuts += beliefs[i].times > 1;
        }
        assert_int_equal(outbox_waiting(outbox), 0);
        outbox_close(outbox);
        outbox = NULL;
    }
    assert_true(cuts > 0); // some were between the claim and the outcome
}

static void test_a_full_disk_takes_nothing_and_loses_nothing(void **state)
{
    struct turned t = {0};
    enum outbox_taken taken;
    static char big[100000];
    (void)state;
    assert_ok(open_at(NOW, OUTBOX_WAITING_MAX));
    add_channel("c");
    (void)put_one("k", "c", "", false);
    simfs_set_full(disk, true);
    memset(big, 'x', sizeof big);
    const struct outbox_item item = {STR("big"), STR("c"), STR(""), false, {big, sizeof big}};
    assert_err(outbox_put(outbox, NOW, &item, 1, &taken), ERR_FULL);
    assert_int_equal(outbox_waiting(outbox), 1);
    simfs_set_full(disk, false);
    assert_ok(turn(NOW, NULL, 0, "c", ROOM, &t));
    assert_int_equal(t.count, 1);
    assert_ok(outbox_put(outbox, NOW, &item, 1, &taken));
    assert_int_equal(taken, OUTBOX_TAKEN);
    arena_done(&t.arena);
}

#define WITH_DISK(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DISK(test_a_key_is_taken_once),
        WITH_DISK(test_what_fails_is_due_again_and_counted),
        WITH_DISK(test_steps_and_postponing),
        WITH_DISK(test_the_end_waits_for_the_beginning),
        WITH_DISK(test_too_many_push_the_oldest_out),
        WITH_DISK(test_a_channel_that_goes_takes_what_waits_along),
        WITH_DISK(test_a_clock_that_went_back_stalls_nothing),
        WITH_DISK(test_what_works_again_is_hurried),
        WITH_DISK(test_power_cuts_at_every_write),
        WITH_DISK(test_a_full_disk_takes_nothing_and_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
