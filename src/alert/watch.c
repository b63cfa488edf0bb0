// SPDX-License-Identifier: Apache-2.0
// Purpose: alerts about channels that fail.
#include "alert/watch.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/logger.h"
#include "core/mem.h"
#include "core/must.h"

enum wish { WISH_NONE, WISH_FIRE, WISH_END };

struct watched {
    char name[CHANNEL_NAME_BYTES_MAX + 1];
    char error[OUTBOX_ERROR_BYTES_MAX];
    enum wish wish;
    bool fires;
    uint64_t fired_ns;
    bool is_there, works; // of this look
};

struct watch {
    pthread_mutex_t lock;
    struct watched *channels; // WATCH_CHANNELS_MAX
    size_t count;
};

struct watch *watch_new(void)
{
    struct watch *w = mem_new(1, sizeof *w);
    w->channels = mem_new(WATCH_CHANNELS_MAX, sizeof *w->channels);
    MUST(pthread_mutex_init(&w->lock, NULL) == 0);
    return w;
}

void watch_free(struct watch *w)
{
    if (w == NULL) {
        return;
    }
    ASSERT(w->count <= WATCH_CHANNELS_MAX);
    (void)pthread_mutex_destroy(&w->lock);
    mem_free(w->channels);
    mem_free(w);
}

// The lock is held. NULL where there are too many: one that neither fires nor is to makes room.
static struct watched *slot_of(struct watch *w, struct str name)
{
    struct watched *room = w->count < WATCH_CHANNELS_MAX ? &w->channels[w->count] : NULL;
    ASSERT(w->count <= WATCH_CHANNELS_MAX);
    for (size_t i = 0; i < w->count; i++) {
        struct watched *c = &w->channels[i];
        if (str_eq(str_of(c->name), name)) {
            return c;
        }
        room = !c->fires && c->wish == WISH_NONE ? c : room;
    }
    if (room != NULL) {
        w->count += room == &w->channels[w->count];
        *room = (struct watched){.wish = WISH_NONE};
        (void)snprintf(room->name, sizeof room->name, "%.*s", STR_FMT(name));
    }
    return room;
}

static void wish(struct watch *w, struct str channel, enum wish what, struct str error)
{
    pthread_mutex_lock(&w->lock);
    struct watched *c = slot_of(w, channel);
    ASSERT(what != WISH_NONE);
    if (c != NULL) {
        c->wish = what;
        (void)snprintf(c->error, sizeof c->error, "%.*s", STR_FMT(error));
    }
    pthread_mutex_unlock(&w->lock);
}

void watch_failing(struct watch *w, struct str channel, struct str error)
{
    ASSERT(channel.n > 0);
    wish(w, channel, WISH_FIRE, error);
}

void watch_recovered(struct watch *w, struct str channel)
{
    ASSERT(channel.n > 0);
    wish(w, channel, WISH_END, STR(""));
}

static void take_firing(void *ctx, const struct book_alert *a)
{
    struct watch *w = ctx;
    ASSERT(ctx != NULL);
    if (a->measure.n > 0 || a->group_count != 1 || !str_eq(a->fields[0], STR(WATCH_FIELD))) {
        return;
    }
    struct watched *c = slot_of(w, a->group[0]);
    if (c != NULL) {
        c->fires = true;
        c->fired_ns = a->fired_ns;
    }
}

enum err watch_load(struct watch *w, struct book *book)
{
    ASSERT(book != NULL);
    pthread_mutex_lock(&w->lock);
    enum err e = book_each_firing(book, take_firing, w);
    pthread_mutex_unlock(&w->lock);
    return e;
}

bool watch_is_due(struct watch *w)
{
    bool any = false;
    pthread_mutex_lock(&w->lock);
    ASSERT(w->count <= WATCH_CHANNELS_MAX);
    for (size_t i = 0; i < w->count && !any; i++) {
        any = w->channels[i].fires || w->channels[i].wish != WISH_NONE;
    }
    pthread_mutex_unlock(&w->lock);
    return any;
}

// ---- Telling ------------------------------------------------------------------------------------

static bool tells_over(const struct alert_rule *r, struct str channel)
{
    bool found = false;
    ASSERT(r->channel_count <= ALERT_NAMES_MAX);
    for (size_t i = 0; i < r->channel_count; i++) {
        found = found || str_eq(r->channels[i], channel);
    }
    return found;
}

static size_t add_names(const struct str *names, size_t count, struct str but, struct str *to,
                        size_t have)
{
    ASSERT(have <= ALERT_NAMES_MAX);
    for (size_t i = 0; i < count && have < ALERT_NAMES_MAX; i++) {
        bool is_new = !str_eq(names[i], but);
        for (size_t k = 0; k < have && is_new; k++) {
            is_new = !str_eq(to[k], names[i]);
        }
        to[have] = names[i];
        have += is_new;
    }
    return have;
}

// False where it could not be written down: it is tried again.
static bool tell(const struct watched *c, struct desk *desk, const struct alert_file *file,
                 bool fires, uint64_t now_ns)
{
    char name[ALERT_NAME_MAX], remedy[OUTBOX_ERROR_BYTES_MAX + 2 * ALERT_NAME_MAX];
    struct str channels[ALERT_NAMES_MAX + 1], receivers[ALERT_NAMES_MAX + 1];
    struct alert_strategy strategy = {.group_by = {{.text = STR(WATCH_FIELD)}},
                                      .group_by_count = 1};
    struct alert_rule rule = {.level = LEVEL_ERROR,
                              .suppress_ms = NOTIFY_FAILING_MS,
                              .channels = channels,
                              .receivers = receivers,
                              .strategies = &strategy,
                              .strategy_count = 1};
    ASSERT(c->name[0] != 0);
    (void)snprintf(name, sizeof name, "sonde: channel %s fails", c->name);
    (void)snprintf(remedy, sizeof remedy, "%s%ssonde alert channels --test %s", c->error,
                   c->error[0] != 0 ? " - " : "", c->name);
    rule.name = str_of(name);
    rule.remedy = str_of(remedy);
    for (size_t i = 0; i < file->rule_count; i++) {
        const struct alert_rule *r = &file->rules[i];
        if (tells_over(r, str_of(c->name))) {
            rule.channel_count = add_names(r->channels, r->channel_count, str_of(c->name), channels,
                                           rule.channel_count);
            rule.receiver_count =
                add_names(r->receivers, r->receiver_count, STR(""), receivers, rule.receiver_count);
        }
    }
    const struct alert_event e = {.rule = &rule,
                                  .strategy = &strategy,
                                  .group = {str_of(c->name)},
                                  .fires = fires,
                                  .outside = true,
                                  .value = __builtin_nan(""),
                                  .limit = __builtin_nan(""),
                                  .event_ns = now_ns,
                                  .at_ns = now_ns,
                                  .origin = {.service = STR("sonde")}};
    enum err err = desk_tell(desk, &e, 1);
    if (err != ERR_OK) {
        log_write(LOG_ERROR, "alert", "an alert about a channel cannot be written",
                  "channel=%s reason=\"%s\"", c->name, err_text(err));
    }
    return err == ERR_OK;
}

static void look_at_channel(void *ctx, const struct notify_channel *seen)
{
    struct watch *w = ctx;
    ASSERT(ctx != NULL);
    for (size_t i = 0; i < w->count; i++) {
        struct watched *c = &w->channels[i];
        if (str_eq(str_of(c->name), seen->name)) {
            c->is_there = true;
            c->works = !seen->failing && seen->stats.last_success_ms > c->fired_ns / NS_PER_MS;
        }
    }
}

// What is to be told of a channel; the lock is held.
static enum wish next_of(const struct watched *c)
{
    bool is_over = !c->is_there || c->works || c->wish == WISH_END;
    ASSERT(c->name[0] != 0);
    if (c->fires) {
        return is_over ? WISH_END : WISH_NONE;
    }
    return c->wish == WISH_FIRE && c->is_there ? WISH_FIRE : WISH_NONE;
}

void watch_tick(struct watch *w, struct desk *desk, struct notify *notify,
                const struct alert_file *file, uint64_t now_ns)
{
    size_t count;
    pthread_mutex_lock(&w->lock);
    count = w->count;
    ASSERT(count <= WATCH_CHANNELS_MAX);
    for (size_t i = 0; i < count; i++) {
        w->channels[i].is_there = w->channels[i].works = false;
    }
    notify_each_channel(notify, look_at_channel, w);
    for (size_t i = 0; i < count; i++) {
        struct watched c = w->channels[i];
        enum wish what = next_of(&c);
        if (what == WISH_NONE) {
            w->channels[i].wish = WISH_NONE;
            continue;
        }
        pthread_mutex_unlock(&w->lock); // telling may put, and that be told of here
        bool done = tell(&c, desk, file, what == WISH_FIRE, now_ns);
        pthread_mutex_lock(&w->lock);
        struct watched *to = &w->channels[i];
        if (done) { // what was wished for meanwhile is for the next time
            to->fires = what == WISH_FIRE;
            to->fired_ns = now_ns;
            to->wish = to->wish == what ? WISH_NONE : to->wish;
        }
    }
    pthread_mutex_unlock(&w->lock);
}
