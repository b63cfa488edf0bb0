// SPDX-License-Identifier: Apache-2.0
// Purpose: the whole with its thread: many threads at once, memory that is short, limits.
#include "notify/notify.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/must.h"
#include "support/receiver.h"
#include "support/sample_notice.h"
#include "test.h"

#define THREADS     4
#define PUTS        50
#define SEEN_MAX    64
#define DEADLINE_NS (20 * NS_PER_S)

static char folder[32], db_path[64], key_path[64];
static struct budget budget;
static struct notify *notify;

static void open_notify(void)
{
    const struct notify_options o = {.db_path = db_path,
                                     .key_path = key_path,
                                     .version = "test",
                                     .budget = &budget,
                                     .failing_ms = NOTIFY_FAILING_MS};
    struct err_at at = {0};
    assert_ok(notify_open(&o, &notify, &at));
}

static int setup(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/sonde-notify-XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(db_path, sizeof db_path, "%s/notify.db", folder);
    (void)snprintf(key_path, sizeof key_path, "%s/notify.key", folder);
    budget_init(&budget, (size_t)16 << 20);
    open_notify();
    return 0;
}

static int teardown(void **state)
{
    char path[96];
    (void)state;
    notify_close(notify);
    for (int i = 0; i < 3; i++) {
        static const char *const ends[] = {"", "-wal", "-shm"};
        (void)snprintf(path, sizeof path, "%s%s", db_path, ends[i]);
        (void)unlink(path);
    }
    (void)unlink(key_path);
    assert_int_equal(atomic_load(&budget.total), 0);
    return rmdir(folder);
}

static void set_webhook(const char *name, unsigned port)
{
    char json[256];
    struct channel c;
    struct err_at at = {0};
    enum channel_key key;
    (void)snprintf(json, sizeof json,
                   "{\"name\":\"%s\",\"type\":\"webhook\",\"url\":\"http://127.0.0.1:%u/\","
                   "\"secret\":\"s\"}",
                   name, port);
    channel_init(&c);
    assert_ok(channel_from_json(&c, str_of(json), &at));
    assert_ok(notify_set_channels(notify, &c, 1, &key, &at));
    assert_int_equal(c.type, CHANNEL_TYPE_COUNT); // it was taken
}

// ---- Tests --------------------------------------------------------------------------------------

struct seen {
    size_t count;
    char names[SEEN_MAX];
    struct outbox_stats stats; // of all
};

static void see(void *ctx, const struct notify_channel *c)
{
    struct seen *s = ctx;
    s->names[s->count++] = c->name.p[0];
    s->stats.sent += c->stats.sent;
    s->stats.waiting += c->stats.waiting;
    assert_true(c->has_secret);
    assert_null(strstr(c->open.p, "\"s\""));
}

static struct seen all_seen(void)
{
    struct seen s = {0};
    notify_each_channel(notify, see, &s);
    return s;
}

static void put(const char *channel, unsigned a, unsigned b)
{
    char key[64];
    struct notice n;
    enum outbox_taken taken;
    sample_notice(&n);
    (void)snprintf(key, sizeof key, "%s-%u-%u", channel, a, b);
    const struct notify_item item = {str_of(key), str_of(channel), &n};
    MUST(notify_put(notify, &item, 1, &taken) == ERR_OK);
}

static void *put_many(void *ctx)
{
    unsigned which = *(const unsigned *)ctx;
    for (unsigned i = 0; i < PUTS; i++) {
        put(i % 2 == 0 ? "a" : "b", which, i);
    }
    return NULL;
}

static void *change_many(void *ctx)
{
    const struct receiver *r = ctx;
    for (unsigned i = 0; i < PUTS; i++) {
        set_webhook("c", r->port);
        put("c", 99, i);
        set_webhook("b", r->port);
        enum err e = notify_remove_channel(notify, STR("c"));
        MUST(e == ERR_OK);
    }
    return NULL;
}

static void *test_many(void *ctx)
{
    struct notify_answer a;
    (void)ctx;
    for (unsigned i = 0; i < PUTS; i++) {
        enum err e = notify_test(notify, STR("a"), NULL, &a);
        MUST(e == ERR_OK && a.taken && a.status == 200);
    }
    return NULL;
}

static void test_many_threads_at_once(void **state)
{
    struct receiver r;
    pthread_t threads[THREADS + 2];
    unsigned which[THREADS];
    uint64_t until_ns = clock_mono_ns() + DEADLINE_NS;
    struct seen s;
    (void)state;
    receiver_start(&r);
    set_webhook("b", r.port);
    set_webhook("a", r.port);
    for (unsigned i = 0; i < THREADS; i++) {
        which[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, put_many, &which[i]), 0);
    }
    assert_int_equal(pthread_create(&threads[THREADS], NULL, change_many, &r), 0);
    assert_int_equal(pthread_create(&threads[THREADS + 1], NULL, test_many, NULL), 0);
    for (size_t i = 0; i < THREADS + 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    do {
        s = all_seen();
    } while (s.stats.waiting > 0 && clock_mono_ns() < until_ns);
    assert_int_equal(s.count, 2);
    assert_memory_equal(s.names, "ab", 2);
    assert_int_equal(s.stats.sent, THREADS * PUTS);
    receiver_stop(&r);
}

static void test_without_memory_it_begins_later(void **state)
{
    struct receiver r;
    struct notify_stats stats;
    struct notice n;
    enum outbox_taken taken = OUTBOX_KNOWN;
    uint64_t until_ns = clock_mono_ns() + DEADLINE_NS;
    (void)state;
    receiver_start(&r);
    set_webhook("a", r.port);
    sample_notice(&n);
    const struct notify_item item = {STR("k"), STR("a"), &n};
    // Not even enough to write it down: nothing is taken.
    assert_true(budget_take(&budget, ACCOUNT_BODIES, budget.limit_bytes - budget.query_bytes));
    assert_err(notify_put(notify, &item, 1, &taken), ERR_MEMORY);
    assert_int_equal(taken, OUTBOX_KNOWN);
    // Enough for that, and not for a transfer.
    budget_give(&budget, ACCOUNT_BODIES, (size_t)64 << 10);
    assert_ok(notify_put(notify, &item, 1, &taken));
    do {
        notify_stats(notify, &stats);
    } while (stats.short_of_memory == 0 && clock_mono_ns() < until_ns);
    assert_true(stats.short_of_memory > 0);
    assert_int_equal(stats.waiting, 1);
    budget_give(&budget, ACCOUNT_BODIES,
                budget.limit_bytes - budget.query_bytes - ((size_t)64 << 10));
    do {
        notify_stats(notify, &stats);
    } while (stats.waiting > 0 && clock_mono_ns() < until_ns);
    assert_int_equal(stats.waiting, 0);
    receiver_stop(&r);
}

static void count_webhook(void *ctx, const struct notify_channel *c)
{
    *(size_t *)ctx += c->type == CHANNEL_WEBHOOK;
}

static void test_limits_and_what_is_not_there(void **state)
{
    struct notify_answer a;
    (void)state;
    assert_err(notify_test(notify, STR("x"), NULL, &a), ERR_NOT_FOUND);
    assert_err(notify_remove_channel(notify, STR("x")), ERR_NOT_FOUND);
    assert_err(notify_put(notify, NULL, NOTIFY_PUT_MAX + 1, NULL), ERR_LIMIT);
    struct channel c, both[2];
    for (unsigned i = 0; i < OUTBOX_CHANNELS_MAX; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "n%u", i);
        set_webhook(name, 9);
    }
    struct err_at at = {0};
    enum channel_key key;
    channel_init(&c);
    assert_ok(channel_from_json(&c, STR("{\"name\":\"z\",\"type\":\"slack\",\"url\":\"http://x\"}"),
                                &at));
    assert_err(notify_set_channels(notify, &c, 1, &key, &at), ERR_LIMIT);
    assert_int_equal(key, KEY_NAME);
    // The one that would fit stays as it was.
    for (int i = 0; i < 2; i++) {
        channel_init(&both[i]);
        assert_ok(
            channel_from_json(&both[i], STR("{\"type\":\"slack\",\"url\":\"http://x\"}"), &at));
        const struct str name = i == 0 ? STR("n7") : STR("z");
        assert_ok(channel_set(&both[i], STR("name"), &name, 1, &at));
    }
    assert_err(notify_set_channels(notify, both, 2, &key, &at), ERR_LIMIT);
    assert_int_equal(both[1].type, CHANNEL_TYPE_COUNT); // taken all the same
    for (int i = 0; i < 2; i++) {
        size_t webhooks = 0;
        notify_each_channel(notify, count_webhook, &webhooks);
        assert_int_equal(webhooks, OUTBOX_CHANNELS_MAX);
        notify_close(notify);
        open_notify(); // with as many
    }
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(test_many_threads_at_once),
        WITH_FOLDER(test_without_memory_it_begins_later),
        WITH_FOLDER(test_limits_and_what_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
