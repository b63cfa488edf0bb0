// SPDX-License-Identifier: Apache-2.0
// Purpose: a program around src/notify for end-to-end tests: one command of JSON a line from
// standard input, one answer a line to standard output; what goes wrong meanwhile is a line of its
// own.
//
//     notify-drive FOLDER [FAILING_MS [BUDGET_BYTES]]
//     {"op": "set", "channel": {"name": ..., ...}}      {"ok": true} or {"error": ..., "key": ...}
//     {"op": "remove", "name": ...}
//     {"op": "put", "items": [{"key", "channel", "notice"}], "times": N}
//                                                        {"taken": [0, ...], "us": ...}
//                                                        with times: the first item N times, its
//                                                        key with a number behind; {"taken": how
//                                                        many}
//     {"op": "test", "name": ..., "mail": ..., "phone": ...}   {"taken", "status", "error", "body"}
//     {"op": "list"} {"op": "stats"} {"op": "failures"}
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/logger.h"
#include "core/mem.h"
#include "core/must.h"
#include "notify/notify.h"

#define TIMES_MAX 5000

static pthread_mutex_t output = PTHREAD_MUTEX_INITIALIZER;

static void say(json_t *answer)
{
    char *text = json_dumps(answer, JSON_COMPACT | JSON_SORT_KEYS);
    MUST(text != NULL && pthread_mutex_lock(&output) == 0);
    puts(text);
    (void)fflush(stdout);
    MUST(pthread_mutex_unlock(&output) == 0);
    free(text); // of jansson
    json_decref(answer);
}

static json_t *text_of(struct str s)
{
    return json_stringn(s.n > 0 ? s.p : "", s.n);
}

static struct str str_in(json_t *command, const char *key)
{
    const char *text = json_string_value(json_object_get(command, key));
    return text != NULL ? str_of(text) : STR("");
}

static void on_trouble(void *ctx, enum notify_trouble what, struct str channel, struct str key,
                       struct str error)
{
    static const char *const names[] = {"given_up", "failing", "recovered"};
    (void)ctx;
    say(json_pack("{s:s, s:o, s:o, s:o}", "trouble", names[what], "channel", text_of(channel),
                  "key", text_of(key), "error", text_of(error)));
}

static json_t *result(enum err e, const char *why)
{
    return e == ERR_OK ? json_pack("{s:b}", "ok", 1)
                       : json_pack("{s:s, s:s}", "error", err_name(e), "why", why);
}

static json_t *set(struct notify *n, json_t *command)
{
    struct channel c;
    struct err_at at = {0};
    enum channel_key key = KEY_NAME;
    char *text = json_dumps(json_object_get(command, "channel"), 0);
    channel_init(&c);
    enum err e = channel_from_json(&c, str_of(text), &at);
    e = e == ERR_OK ? notify_set_channels(n, &c, 1, &key, &at) : e;
    channel_done(&c);
    free(text); // of jansson
    json_t *answer = result(e, at.text);
    json_object_set_new(answer, "key", json_string(channel_key_name(key)));
    return answer;
}

static void read_notice(json_t *item, struct arena *a, struct notice *n)
{
    struct err_at at = {0};
    char *text = json_dumps(json_object_get(item, "notice"), 0);
    MUST(text != NULL);
    enum err e = notice_from_json(str_of(text), a, n, &at);
    if (e != ERR_OK) {
        fprintf(stderr, "%s\n", at.text);
    }
    MUST(e == ERR_OK);
    free(text); // of jansson
}

static json_t *put(struct notify *n, json_t *command)
{
    json_t *list = json_object_get(command, "items"), *taken = json_array();
    size_t times = (size_t)json_integer_value(json_object_get(command, "times"));
    size_t count = times > 0 ? times : json_array_size(list), added = 0;
    struct arena a = {0};
    MUST(count <= TIMES_MAX);
    struct notify_item *items = mem_new(count + 1, sizeof *items);
    enum outbox_taken *results = mem_new(count + 1, sizeof *results);
    for (size_t i = 0; i < count; i++) {
        json_t *item = json_array_get(list, times > 0 ? 0 : i);
        struct notice *notice = times > 0 && i > 0 ? NULL : arena_new(&a, 1, sizeof *notice);
        if (notice != NULL) {
            read_notice(item, &a, notice);
        }
        struct str key = str_in(item, "key");
        items[i] = (struct notify_item){
            times > 0 ? arena_printf(&a, "%.*s-%zu", STR_FMT(key), i) : key,
            str_in(item, "channel"), notice != NULL ? notice : items[0].notice};
    }
    uint64_t from_ns = clock_mono_ns();
    enum err e = notify_put(n, items, count, results);
    uint64_t us = (clock_mono_ns() - from_ns) / NS_PER_US;
    for (size_t i = 0; i < count && e == ERR_OK; i++) {
        added += results[i] == OUTBOX_TAKEN;
        if (times == 0) {
            json_array_append_new(taken, json_integer(results[i]));
        }
    }
    mem_free(items);
    mem_free(results);
    arena_done(&a);
    if (e != ERR_OK) {
        json_decref(taken);
        return result(e, "");
    }
    return json_pack("{s:o, s:I, s:I}", "taken", taken, "added", (json_int_t)added, "us",
                     (json_int_t)us);
}

static json_t *test(struct notify *n, json_t *command)
{
    struct notify_answer a;
    const struct notice_person person = {
        .name = STR("Tester"), .mail = str_in(command, "mail"), .phone = str_in(command, "phone")};
    enum err e = notify_test(n, str_in(command, "name"), &person, &a);
    return e != ERR_OK ? result(e, "")
                       : json_pack("{s:b, s:I, s:s, s:s}", "taken", a.taken, "status",
                                   (json_int_t)a.status, "error", a.error, "body", a.body);
}

static void add_channel(void *ctx, const struct notify_channel *c)
{
    json_array_append_new(
        ctx,
        json_pack("{s:o, s:o, s:b, s:b, s:b, s:I, s:I, s:I, s:I, s:s}", "name", text_of(c->name),
                  "open", text_of(c->open), "has_secret", c->has_secret, "needs_secrets",
                  c->needs_secrets, "failing", c->failing, "waiting", (json_int_t)c->stats.waiting,
                  "sent", (json_int_t)c->stats.sent, "failed", (json_int_t)c->stats.failed,
                  "given_up", (json_int_t)c->stats.given_up, "last_error", c->stats.last_error));
}

static void add_failure(void *ctx, const struct outbox_failure *f)
{
    json_array_append_new(ctx, json_pack("{s:o, s:o, s:o, s:I}", "channel", text_of(f->channel),
                                         "key", text_of(f->key), "error", text_of(f->error),
                                         "attempts", (json_int_t)f->attempts));
}

static json_t *answer_to(struct notify *n, json_t *command)
{
    struct str op = str_in(command, "op");
    if (str_eq(op, STR("set"))) {
        return set(n, command);
    }
    if (str_eq(op, STR("remove"))) {
        return result(notify_remove_channel(n, str_in(command, "name")), "");
    }
    if (str_eq(op, STR("put"))) {
        return put(n, command);
    }
    if (str_eq(op, STR("test"))) {
        return test(n, command);
    }
    if (str_eq(op, STR("list"))) {
        json_t *list = json_array();
        notify_each_channel(n, add_channel, list);
        return json_pack("{s:o}", "channels", list);
    }
    if (str_eq(op, STR("failures"))) {
        json_t *list = json_array();
        enum err e = notify_each_failure(n, 100, add_failure, list);
        MUST(e == ERR_OK);
        return json_pack("{s:o}", "failures", list);
    }
    struct notify_stats s;
    notify_stats(n, &s);
    return json_pack("{s:I, s:I, s:I}", "waiting", (json_int_t)s.waiting, "flying",
                     (json_int_t)s.flying, "short_of_memory", (json_int_t)s.short_of_memory);
}

int main(int argc, char **argv)
{
    char db[512], key[512];
    struct err_at at = {0};
    static struct budget budget;
    struct notify *n;
    char *line = NULL;
    size_t capacity = 0;
    MUST(argc >= 2);
    (void)snprintf(db, sizeof db, "%s/notify.db", argv[1]);
    (void)snprintf(key, sizeof key, "%s/notify.key", argv[1]);
    budget_init(&budget, argc >= 4 ? strtoul(argv[3], NULL, 10) : (size_t)64 << 20);
    const struct notify_options o = {
        .db_path = db,
        .key_path = key,
        .version = "test",
        .budget = &budget,
        .failing_ms = argc >= 3 ? strtoul(argv[2], NULL, 10) : NOTIFY_FAILING_MS,
        .trouble = on_trouble,
    };
    enum err e = notify_open(&o, &n, &at);
    if (e != ERR_OK) {
        say(json_pack("{s:s, s:s}", "error", err_name(e), "why", at.text));
        return 1;
    }
    say(json_pack("{s:b}", "ready", 1));
    while (getline(&line, &capacity, stdin) > 0) {
        json_t *command = json_loads(line, 0, NULL);
        MUST(command != NULL);
        say(answer_to(n, command));
        json_decref(command);
    }
    free(line); // of getline()
    notify_close(n);
    size_t left = atomic_load(&budget.total);
    say(json_pack("{s:I, s:I}", "left_bytes", (json_int_t)left, "peak_bytes",
                  (json_int_t)atomic_load(&budget.peak)));
    return left == 0 ? 0 : 1;
}
