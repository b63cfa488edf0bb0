// SPDX-License-Identifier: Apache-2.0
// Purpose: telling people: what others call. The thread is in sender.c.
#include "notify/notify.h"

#include <openssl/crypto.h>

#include "core/clock.h"
#include "core/logger.h"
#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
#include "notify/internal.h"

#define SECRETS_BYTES_MAX ((size_t)64 << 10)

// ---- Shared by the files ------------------------------------------------------------------------

struct held *held_ref(struct held *h)
{
    size_t before = atomic_fetch_add(&h->refs, 1);
    MUST(before > 0);
    return h;
}

void held_unref(struct held *h)
{
    if (h == NULL) {
        return;
    }
    size_t before = atomic_fetch_sub(&h->refs, 1);
    MUST(before > 0);
    if (before == 1) {
        channel_done(&h->channel);
        mem_free(h);
    }
}

uint64_t notify_now_ms(const struct notify *n)
{
    ASSERT(n->base_ms > 0);
    return n->base_ms + (clock_mono_ns() - n->base_ns) / NS_PER_MS;
}

void notify_lock(struct notify *n)
{
    MUST(pthread_mutex_lock(&n->lock) == 0);
}

void notify_unlock(struct notify *n)
{
    MUST(pthread_mutex_unlock(&n->lock) == 0);
}

struct lane *notify_lane(struct notify *n, struct str name)
{
    ASSERT(n->lane_count <= sizeof n->lanes / sizeof *n->lanes);
    for (size_t i = 0; i < n->lane_count; i++) {
        if (!n->lanes[i]->gone && str_eq(str_of(n->lanes[i]->name), name)) {
            return n->lanes[i];
        }
    }
    return NULL;
}

void notify_tell(struct notify *n, enum notify_trouble what, struct str channel, struct str key,
                 struct str error)
{
    ASSERT(channel.n > 0);
    if (n->options.trouble != NULL) {
        n->options.trouble(n->options.ctx, what, channel, key, error);
    }
}

static void wake(struct notify *n)
{
    ASSERT(n->multi != NULL);
    (void)curl_multi_wakeup(n->multi);
}

// ---- Channels -----------------------------------------------------------------------------------

// With the lock. ERR_LIMIT where as many are still on their way out.
static enum err set_lane(struct notify *n, struct held *h)
{
    struct str name = channel_text(&h->channel, KEY_NAME);
    struct lane *l = notify_lane(n, name);
    if (l != NULL) {
        held_unref(l->held);
        l->held = h;
        l->look_ms = l->paused_until_ms = 0;
        return ERR_OK;
    }
    if (n->lane_count == sizeof n->lanes / sizeof *n->lanes) {
        return ERR_LIMIT;
    }
    l = mem_new(1, sizeof *l);
    MUST(name.n > 0 && name.n < sizeof l->name);
    memcpy(l->name, name.p, name.n);
    l->held = h;
    n->lanes[n->lane_count++] = l;
    return ERR_OK;
}

static struct held *held_new(void)
{
    struct held *h = mem_new(1, sizeof *h);
    atomic_init(&h->refs, 1);
    channel_init(&h->channel);
    ASSERT(h->channel.type == CHANNEL_TYPE_COUNT);
    return h;
}

static void wipe(struct buf *b)
{
    ASSERT(b != NULL);
    if (b->n > 0) {
        OPENSSL_cleanse(b->p, b->n);
    }
    buf_done(b);
}

struct loading {
    struct notify *n;
    enum err result;
};

static void load_channel(void *ctx, struct str name, struct str open, struct str sealed)
{
    struct loading *l = ctx;
    struct notify *n = l->n;
    struct held *h = held_new();
    struct err_at at = {0};
    struct buf secrets;
    enum channel_key key;
    buf_init(&secrets, SECRETS_BYTES_MAX);
    enum err e = channel_set(&h->channel, STR("name"), &name, 1, &at);
    e = e == ERR_OK ? channel_from_json(&h->channel, open, &at) : e;
    if (e == ERR_OK && sealed.n > 0) {
        h->channel.needs_secrets = vault_unseal(&n->vault, name, sealed, &secrets) != ERR_OK;
        if (h->channel.needs_secrets) {
            log_write(LOG_ERROR, "notify",
                      "the key that sealed a channel's secrets is lost: give them anew",
                      "channel=%.*s", STR_FMT(name));
        } else {
            e = channel_from_json(&h->channel, buf_str(&secrets), &at);
        }
    }
    wipe(&secrets);
    e = e == ERR_OK ? channel_check(&h->channel, &key, &at) : e;
    // No other thread is there yet. The lock comes before the one of the database, held here.
    e = e == ERR_OK ? set_lane(n, h) : e;
    if (e != ERR_OK) {
        log_write(LOG_ERROR, "notify", "a channel cannot be read", "channel=%.*s error=\"%s\"",
                  STR_FMT(name), at.text);
        l->result = ERR_CORRUPT;
        held_unref(h);
    }
}

// Adds the secrets that `c` lacks of those that the channel had, if they go where they went.
static enum err keep_secrets(struct channel *c, const struct channel *old, struct err_at *at)
{
    uint32_t secret = channel_keys_secret(c->type);
    bool same_place = (secret & KEY_BIT(KEY_URL)) != 0
                          ? !channel_has(c, KEY_URL)
                          : str_eq(channel_text(c, KEY_URL), channel_text(old, KEY_URL));
    ASSERT(c->type < CHANNEL_TYPE_COUNT);
    if (c->type != old->type || old->needs_secrets || !same_place) {
        return ERR_OK;
    }
    bool has_user = channel_has(c, KEY_USER);
    for (unsigned i = 0; i < KEY_COUNT; i++) {
        enum channel_key key = (enum channel_key)i;
        bool other_way = (key == KEY_TOKEN && has_user) || (key == KEY_PASSWORD && !has_user);
        if ((secret & KEY_BIT(i)) == 0 || channel_has(c, key) || !channel_has(old, key) ||
            other_way) {
            continue;
        }
        struct str v = channel_text(old, key);
        enum err e = channel_set(c, str_of(channel_key_name(key)), &v, 1, at);
        if (e != ERR_OK) {
            return e;
        }
    }
    return ERR_OK;
}

// A channel as the outbox has it.
struct stored {
    struct buf open, sealed;
};

static enum err store_one(struct notify *n, const struct channel *c, struct stored *to,
                          struct outbox_channel *row, struct err_at *at)
{
    struct buf plain;
    bool has_secret = false;
    row->name = channel_text(c, KEY_NAME);
    for (unsigned i = 0; i < KEY_COUNT; i++) {
        bool secret = (channel_keys_secret(c->type) & KEY_BIT(i)) != 0;
        has_secret = has_secret || (secret && channel_has(c, (enum channel_key)i));
    }
    ASSERT(!c->needs_secrets);
    buf_init(&plain, SECRETS_BYTES_MAX);
    (void)buf_reserve(&plain, SECRETS_BYTES_MAX); // so that it does not leave a copy as it grows
    channel_to_json(c, false, &to->open);
    if (has_secret) {
        channel_to_json(c, true, &plain);
        vault_seal(&n->vault, row->name, buf_str(&plain), &to->sealed);
    }
    bool fits = !to->open.failed && !plain.failed && !to->sealed.failed;
    row->open = buf_str(&to->open);
    row->sealed = buf_str(&to->sealed);
    wipe(&plain);
    return fits ? ERR_OK
                : err_at_set(at, ERR_LIMIT, 0, "Channel %.*s is too large.", STR_FMT(row->name));
}

static enum err store(struct notify *n, struct held *const *held, size_t count, struct err_at *at)
{
    struct stored *stored = mem_new(count + 1, sizeof *stored);
    struct outbox_channel *rows = mem_new(count + 1, sizeof *rows);
    enum err e = ERR_OK;
    ASSERT(held != NULL);
    for (size_t i = 0; i < count; i++) {
        buf_init(&stored[i].open, CHANNEL_JSON_BYTES_MAX);
        buf_init(&stored[i].sealed, SECRETS_BYTES_MAX + VAULT_OVERHEAD_BYTES);
        e = e == ERR_OK ? store_one(n, &held[i]->channel, &stored[i], &rows[i], at) : e;
    }
    if (e == ERR_OK) {
        e = outbox_set_channels(n->outbox, rows, count);
        if (e == ERR_LIMIT) {
            (void)err_at_set(at, e, 0, "There would be more than %zu channels.",
                             OUTBOX_CHANNELS_MAX);
        } else if (e != ERR_OK) {
            (void)err_at_set(at, e, 0, "The channels cannot be written: %s.", err_text(e));
        }
    }
    for (size_t i = 0; i < count; i++) {
        buf_done(&stored[i].open);
        buf_done(&stored[i].sealed);
    }
    mem_free(stored);
    mem_free(rows);
    return e;
}

enum err notify_keep_secrets(struct notify *n, struct channel *c, struct err_at *ret_at)
{
    ASSERT(c != NULL);
    notify_lock(n);
    struct lane *l = notify_lane(n, channel_text(c, KEY_NAME));
    struct held *old = l != NULL ? held_ref(l->held) : NULL;
    notify_unlock(n);
    enum err e = old != NULL && c->type < CHANNEL_TYPE_COUNT
                     ? keep_secrets(c, &old->channel, ret_at)
                     : ERR_OK;
    held_unref(old);
    return e;
}

// The secrets that it keeps; then whether it is right.
static enum err complete(struct notify *n, struct held *h, enum channel_key *ret_key,
                         struct err_at *at)
{
    *ret_key = KEY_NAME;
    enum err e = notify_keep_secrets(n, &h->channel, at);
    e = e == ERR_OK ? channel_check(&h->channel, ret_key, at) : e;
    ASSERT(e != ERR_OK || channel_has(&h->channel, KEY_NAME));
    return e;
}

// Whether each has a lane, or room for one. Only who holds `setting` adds any, so it stays true.
static enum err check_lanes(struct notify *n, struct held *const *held, size_t count,
                            struct err_at *at)
{
    size_t fresh = 0;
    ASSERT(held != NULL);
    notify_lock(n);
    for (size_t i = 0; i < count; i++) {
        fresh += notify_lane(n, channel_text(&held[i]->channel, KEY_NAME)) == NULL;
    }
    bool fits = fresh <= sizeof n->lanes / sizeof *n->lanes - n->lane_count;
    notify_unlock(n);
    return fits ? ERR_OK
                : err_at_set(at, ERR_LIMIT, 0, "Too many channels that were removed still send.");
}

static enum err set_held(struct notify *n, struct held *const *held, size_t count,
                         enum channel_key *ret_key, struct err_at *at)
{
    enum err e = ERR_OK;
    ASSERT(held != NULL);
    *ret_key = KEY_NAME;
    for (size_t i = 0; i < count && e == ERR_OK; i++) {
        e = complete(n, held[i], ret_key, at);
    }
    if (e != ERR_OK) {
        return e;
    }
    *ret_key = KEY_NAME;
    e = check_lanes(n, held, count, at);
    e = e == ERR_OK ? store(n, held, count, at) : e;
    if (e == ERR_OK) {
        notify_lock(n);
        for (size_t i = 0; i < count; i++) {
            enum err set = set_lane(n, held_ref(held[i]));
            MUST(set == ERR_OK);
        }
        notify_unlock(n);
    }
    return e;
}

enum err notify_set_channels(struct notify *n, struct channel *channels, size_t count,
                             enum channel_key *ret_key, struct err_at *ret_at)
{
    struct held **held = mem_new(count + 1, sizeof *held);
    ASSERT(ret_key != NULL);
    for (size_t i = 0; i < count; i++) {
        held[i] = held_new();
        held[i]->channel = channels[i]; // with its arena
        channel_init(&channels[i]);
    }
    MUST(pthread_mutex_lock(&n->setting) == 0);
    enum err e = set_held(n, held, count, ret_key, ret_at);
    MUST(pthread_mutex_unlock(&n->setting) == 0);
    for (size_t i = 0; i < count; i++) {
        held_unref(held[i]);
    }
    mem_free(held);
    if (e == ERR_OK) {
        wake(n);
    }
    return e;
}

enum err notify_remove_channel(struct notify *n, struct str name)
{
    MUST(pthread_mutex_lock(&n->setting) == 0);
    enum err e = outbox_remove_channel(n->outbox, name, notify_now_ms(n));
    if (e == ERR_OK) {
        notify_lock(n);
        struct lane *l = notify_lane(n, name);
        ASSERT(l != NULL);
        if (l != NULL) {
            l->gone = true;
        }
        notify_unlock(n);
    }
    MUST(pthread_mutex_unlock(&n->setting) == 0);
    return e;
}

static int by_name(const void *a, const void *b)
{
    const struct lane *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

void notify_each_channel(struct notify *n, void (*each)(void *ctx, const struct notify_channel *c),
                         void *ctx)
{
    struct lane *lanes[2 * OUTBOX_CHANNELS_MAX];
    size_t count = 0;
    ASSERT(each != NULL);
    notify_lock(n);
    for (size_t i = 0; i < n->lane_count; i++) {
        if (!n->lanes[i]->gone) {
            lanes[count++] = n->lanes[i];
        }
    }
    sort_array(lanes, count, sizeof *lanes, by_name);
    for (size_t i = 0; i < count; i++) {
        const struct channel *c = &lanes[i]->held->channel;
        struct buf open;
        struct notify_channel x = {.name = str_of(lanes[i]->name), .type = c->type};
        buf_init(&open, CHANNEL_JSON_BYTES_MAX);
        channel_to_json(c, false, &open);
        x.open = buf_str(&open);
        for (unsigned k = 0; k < KEY_COUNT; k++) {
            bool secret = (channel_keys_secret(c->type) & KEY_BIT(k)) != 0;
            x.secrets |= secret && channel_has(c, (enum channel_key)k) ? KEY_BIT(k) : 0;
        }
        x.has_secret = x.secrets != 0;
        x.needs_secrets = c->needs_secrets;
        x.failing = lanes[i]->told;
        x.flying = lanes[i]->flying;
        (void)outbox_channel_stats(n->outbox, x.name, &x.stats);
        each(ctx, &x);
        buf_done(&open);
    }
    notify_unlock(n);
}

// ---- Deliveries ---------------------------------------------------------------------------------

// The notices of all items as JSON, one after the other, and where each ends.
static enum err write_notices(const struct notify_item *items, size_t count, struct buf *json,
                              size_t *ends)
{
    ASSERT(count <= NOTIFY_PUT_MAX);
    for (size_t i = 0; i < count; i++) {
        notice_to_json(items[i].notice, true, json);
        ends[i] = json->n;
    }
    return !json->failed ? ERR_OK : json->denied ? ERR_MEMORY : ERR_LIMIT;
}

enum err notify_put(struct notify *n, const struct notify_item *items, size_t count,
                    enum outbox_taken *ret_taken)
{
    if (count > NOTIFY_PUT_MAX) {
        return ERR_LIMIT;
    }
    struct buf json;
    struct outbox_item *rows = mem_new(count + 1, sizeof *rows);
    size_t *ends = mem_new(count + 1, sizeof *ends);
    ASSERT(items != NULL || count == 0);
    buf_init_from(&json, (count + 1) * NOTICE_JSON_BYTES_MAX, &n->meter.source);
    enum err e = write_notices(items, count, &json, ends);
    for (size_t i = 0; i < count && e == ERR_OK; i++) {
        size_t from = i > 0 ? ends[i - 1] : 0;
        rows[i] = (struct outbox_item){items[i].key,
                                       items[i].channel,
                                       items[i].notice->incident,
                                       items[i].notice->status == NOTICE_RESOLVED,
                                       {json.p + from, ends[i] - from}};
    }
    e = e == ERR_OK ? outbox_put(n->outbox, notify_now_ms(n), rows, count, ret_taken) : e;
    if (e == ERR_OK) {
        notify_lock(n);
        for (size_t i = 0; i < count; i++) {
            struct lane *l = notify_lane(n, items[i].channel);
            if (l != NULL) {
                l->look_ms = 0;
            }
        }
        notify_unlock(n);
        wake(n);
    }
    buf_done(&json);
    mem_free(rows);
    mem_free(ends);
    return e;
}

static void unlink_test(struct notify *n, const struct test *t)
{
    struct test **at = &n->tests;
    while (*at != t) {
        at = &(*at)->next;
    }
    *at = t->next;
    ASSERT(n->test_count > 0);
    n->test_count--;
    MUST(pthread_cond_broadcast(&n->tested) == 0);
}

enum err notify_test(struct notify *n, struct str channel, const struct notice_person *person,
                     struct notify_answer *ret)
{
    struct test t = {.person = person};
    ASSERT(ret != NULL);
    notify_lock(n);
    struct lane *l = notify_lane(n, channel);
    enum err e = atomic_load(&n->stop)               ? ERR_CLOSED
                 : l == NULL                         ? ERR_NOT_FOUND
                 : n->test_count >= NOTIFY_TESTS_MAX ? ERR_BUSY
                                                     : ERR_OK;
    if (e != ERR_OK) {
        notify_unlock(n);
        return e;
    }
    t.channel = held_ref(l->held);
    t.next = n->tests;
    n->tests = &t;
    n->test_count++;
    wake(n);
    while (!t.done) {
        MUST(pthread_cond_wait(&n->tested, &n->lock) == 0);
    }
    unlink_test(n, &t);
    notify_unlock(n);
    held_unref(t.channel);
    if (t.result == ERR_OK) {
        *ret = t.answer;
    }
    return t.result;
}

enum err notify_each_failure(struct notify *n, size_t count,
                             void (*each)(void *ctx, const struct outbox_failure *f), void *ctx)
{
    ASSERT(each != NULL);
    return outbox_each_failure(n->outbox, count, each, ctx);
}

enum err notify_each_of_incident(struct notify *n, struct str incident,
                                 void (*each)(void *ctx, const struct outbox_of_incident *d),
                                 void *ctx)
{
    ASSERT(each != NULL);
    return outbox_each_of_incident(n->outbox, incident, each, ctx);
}

struct str notify_mark(const struct notify *n)
{
    ASSERT(n->mark[0] != 0);
    return str_of(n->mark);
}

void notify_stats(struct notify *n, struct notify_stats *ret_stats)
{
    ASSERT(ret_stats != NULL);
    notify_lock(n);
    *ret_stats = n->stats;
    notify_unlock(n);
    ret_stats->waiting = outbox_waiting(n->outbox);
    ret_stats->overflowed = outbox_overflowed(n->outbox);
}

// ---- Opening ------------------------------------------------------------------------------------

static void on_given_up(void *ctx, struct str channel, struct str key, struct str error)
{
    struct notify *n = ctx;
    ASSERT(key.n > 0);
    notify_tell(n, NOTIFY_GIVEN_UP, channel, key, error);
}

static void free_all(struct notify *n)
{
    for (size_t i = 0; i < n->lane_count; i++) {
        held_unref(n->lanes[i]->held);
        mem_free(n->lanes[i]);
    }
    ASSERT(n->tests == NULL);
    outbox_close(n->outbox);
    vault_done(&n->vault);
    if (n->multi != NULL) {
        (void)curl_multi_cleanup(n->multi);
    }
    meter_done(&n->meter);
    MUST(pthread_mutex_destroy(&n->lock) == 0 && pthread_mutex_destroy(&n->setting) == 0 &&
         pthread_cond_destroy(&n->tested) == 0);
    mem_free(n);
}

static enum err open_all(struct notify *n, struct err_at *at)
{
    const struct outbox_options o = {.path = n->options.db_path,
                                     .now_ms = n->base_ms,
                                     .waiting_max = OUTBOX_WAITING_MAX,
                                     .given_up = on_given_up,
                                     .ctx = n};
    struct loading l = {n, ERR_OK};
    enum err e = vault_open(&n->vault, n->options.key_path, at);
    if (e == ERR_OK) {
        vault_mark(&n->vault, n->mark);
    }
    e = e == ERR_OK ? outbox_open(&o, &n->outbox, at) : e;
    e = e == ERR_OK ? outbox_each_channel(n->outbox, load_channel, &l) : e;
    if (e == ERR_OK && l.result != ERR_OK) {
        e = err_at_set(at, l.result, 0, "A channel cannot be read; the log says which.");
    }
    ASSERT(n->lane_count <= OUTBOX_CHANNELS_MAX || e != ERR_OK);
    n->multi = curl_multi_init();
    return e == ERR_OK && n->multi == NULL ? ERR_IO : e;
}

enum err notify_open(const struct notify_options *options, struct notify **ret_notify,
                     struct err_at *ret_at)
{
    struct notify *n = mem_new(1, sizeof *n);
    MUST(options->db_path != NULL && options->key_path != NULL && options->budget != NULL);
    n->options = *options;
    n->base_ms = clock_wall_ns() / NS_PER_MS;
    n->base_ns = clock_mono_ns();
    meter_init(&n->meter, options->budget, ACCOUNT_NOTIFY);
    MUST(pthread_mutex_init(&n->lock, NULL) == 0 && pthread_mutex_init(&n->setting, NULL) == 0 &&
         pthread_cond_init(&n->tested, NULL) == 0);
    enum err e = open_all(n, ret_at);
    if (e != ERR_OK) {
        free_all(n);
        return e;
    }
    MUST(pthread_create(&n->thread, NULL, sender_run, n) == 0);
    *ret_notify = n;
    return ERR_OK;
}

void notify_close(struct notify *n)
{
    if (n == NULL) {
        return;
    }
    notify_lock(n);
    atomic_store(&n->stop, true);
    notify_unlock(n);
    wake(n);
    MUST(pthread_join(n->thread, NULL) == 0);
    notify_lock(n);
    while (n->test_count > 0) { // who waits for a test leaves
        MUST(pthread_cond_wait(&n->tested, &n->lock) == 0);
    }
    notify_unlock(n);
    free_all(n);
}
