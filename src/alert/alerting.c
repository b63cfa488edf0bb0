// SPDX-License-Identifier: Apache-2.0
// Purpose: alerting as the server has it.
#include "alert/alerting.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "alert/capacity.h"
#include "alert/coordination.h"
#include "alert/inquiry.h"
#include "alert/load.h"
#include "alert/received.h"
#include "alert/watch.h"
#include "core/clock.h"
#include "core/logger.h"
#include "core/mem.h"
#include "core/must.h"
#include "os/fs.h"

#define WITHOUT       "without"          // which secrets of a channel a file leaves out
#define RULES_MAX     ((size_t)64 << 20) // bytes of all rules
#define STATE_MAX     ((size_t)1 << 30)
#define TOLD_SINCE_MS ((uint64_t)24 * 3600 * 1000)

struct alerting {
    struct alerting_options o;
    struct notify *notify;
    struct desk *desk;
    struct inquirer *inquirer;
    struct watch *watch;
    struct received *received;
    struct capacity *capacity;
    struct coordination *coordination;
    struct alert_engine *engine;
    pthread_mutex_t lock; // of changes
    struct alert_set *set;
};

// ---- Between the parts --------------------------------------------------------------------------

static enum err tell(void *ctx, const struct alert_event *events, size_t count)
{
    ASSERT(events != NULL);
    return desk_tell(((struct alerting *)ctx)->desk, events, count);
}

static void tick(void *ctx, uint64_t now_ns)
{
    struct alerting *a = ctx;
    ASSERT(ctx != NULL);
    if (watch_is_due(a->watch)) {
        struct alert_set *set = alerting_rules(a);
        watch_tick(a->watch, a->desk, a->notify, alert_set_file(set), now_ns);
        alert_set_unref(set);
    }
    received_tick(a->received, now_ns);
    desk_tick(a->desk, now_ns);
}

static void done(void *ctx, uint64_t seq)
{
    struct alerting *a = ctx;
    ASSERT(ctx != NULL);
    a->o.on_done(a->o.ctx, seq);
}

static void commit(void *ctx, uint64_t seq, struct str state)
{
    struct alerting *a = ctx;
    enum err e = book_put_state(desk_book(a->desk), seq, state);
    ASSERT(ctx != NULL);
    if (e == ERR_OK) {
        done(a, seq);
    } else { // the journal keeps what is not committed
        log_write(LOG_ERROR, "alert", "the windows of alerts cannot be written", "reason=\"%s\"",
                  err_text(e));
    }
}

static void inquire(void *ctx, const trace_id *traces, size_t count, struct inquiry *ret_inquiry)
{
    ASSERT(ctx != NULL);
    inquirer_inquire(((struct alerting *)ctx)->inquirer, traces, count, ret_inquiry);
}

static void measure(void *ctx, const struct alert_origin *origin, uint64_t at_ns,
                    struct inquiry *ret_inquiry)
{
    ASSERT(ctx != NULL);
    load_measure(((struct alerting *)ctx)->o.series, origin, at_ns, ret_inquiry);
}

static double carried(void *ctx, struct str line, struct str service)
{
    ASSERT(ctx != NULL);
    return capacity_of(ctx, line, service);
}

static bool are_neighbours(void *ctx, struct str line, struct str a, struct str b)
{
    ASSERT(ctx != NULL);
    return inquirer_are_neighbours(((struct alerting *)ctx)->inquirer, line, a, b);
}

// What a receiver said, so that it stays one value of one line of the log.
static struct str log_value(struct str text, char room[2 * OUTBOX_ERROR_BYTES_MAX])
{
    struct str cut = str_cut(text, OUTBOX_ERROR_BYTES_MAX);
    size_t n = 0;
    ASSERT(text.p != NULL || text.n == 0);
    for (size_t i = 0; i < cut.n; i++) {
        char c = cut.p[i];
        bool is_control = (unsigned char)c < ' ' || c == 0x7f;
        if (c == '"' || c == '\\') {
            room[n++] = '\\';
        }
        room[n++] = is_control ? ' ' : c;
    }
    return (struct str){room, n};
}

static void trouble(void *ctx, enum notify_trouble what, struct str channel, struct str key,
                    struct str error)
{
    static const char *const texts[] = {
        "a delivery is given up", "a channel has not worked for minutes", "a channel works again"};
    struct watch *watch = ((struct alerting *)ctx)->watch;
    char room[2 * OUTBOX_ERROR_BYTES_MAX];
    ASSERT((size_t)what < sizeof texts / sizeof texts[0]);
    if (what == NOTIFY_FAILING) {
        watch_failing(watch, channel, error);
    } else if (what == NOTIFY_RECOVERED) {
        watch_recovered(watch, channel);
    }
    log_write(what == NOTIFY_RECOVERED ? LOG_INFO : LOG_ERROR, "notify", texts[what],
              "channel=%.*s message=%.*s reason=\"%.*s\"", STR_FMT(channel), STR_FMT(key),
              STR_FMT(log_value(error, room)));
}

// ---- Life ---------------------------------------------------------------------------------------

// The rules as the book has them.
static enum err read_rules(void *ctx, struct alert_set **ret_set, struct err_at *ret_at)
{
    struct alerting *a = ctx;
    struct buf text;
    struct alert_file *file = NULL;
    ASSERT(a->inquirer != NULL);
    buf_init(&text, RULES_MAX);
    enum err e = book_print_rules(desk_book(a->desk), &text);
    if (e != ERR_OK) {
        (void)err_at_set(ret_at, e, 0, "the rules of alerts cannot be read: %s", err_text(e));
    } else {
        e = alert_file_read(buf_str(&text), "alerts.db", &file, ret_at);
    }
    buf_done(&text);
    if (file != NULL) {
        *ret_set = alert_set_new(file);
    }
    return e;
}

struct told_list {
    struct arena arena;
    struct alert_told *items;
    size_t count, capacity;
};

static void take_told(void *ctx, const struct alert_told *t)
{
    struct told_list *l = ctx;
    struct alert_told kept = *t;
    ASSERT(ctx != NULL);
    kept.rule = arena_str(&l->arena, t->rule);
    for (size_t i = 0; i < ALERT_GROUP_BY_MAX; i++) {
        kept.group[i] = arena_str(&l->arena, t->group[i]);
    }
    l->items = mem_grow(l->items, &l->capacity, l->count + 1, sizeof *l->items);
    l->items[l->count++] = kept;
}

static enum err open_engine(struct alerting *a, struct err_at *ret_at)
{
    struct told_list told = {0};
    struct buf state;
    uint64_t seq = 0, now = clock_wall_ns(), since = TOLD_SINCE_MS * NS_PER_MS;
    ASSERT(a->inquirer != NULL);
    buf_init(&state, STATE_MAX);
    enum err e = book_state(desk_book(a->desk), &seq, &state);
    e = e == ERR_OK
            ? book_each_told(desk_book(a->desk), now > since ? now - since : 0, take_told, &told)
            : e;
    if (e == ERR_OK) {
        const struct alert_options o = {.budget = a->o.budget,
                                        .sink = {tell, tick, commit, done, a},
                                        .set = a->set,
                                        .hurry = a->o.hurry,
                                        .carried = {carried, a->capacity},
                                        .seq = seq,
                                        .state = state.n > 0 ? buf_str(&state) : STR(""),
                                        .told = told.items,
                                        .told_count = told.count};
        a->engine = alert_new(&o);
    } else {
        (void)err_at_set(ret_at, e, 0, "the state of alerts cannot be read: %s", err_text(e));
    }
    buf_done(&state);
    mem_free(told.items);
    arena_done(&told.arena);
    return e;
}

static enum err open_notify(struct alerting *a, struct err_at *ret_at)
{
    char db[FS_PATH_MAX], key[FS_PATH_MAX];
    ASSERT(a->inquirer != NULL);
    (void)snprintf(db, sizeof db, "%s/notify.db", a->o.dir);
    (void)snprintf(key, sizeof key, "%s/notify.key", a->o.dir);
    const struct notify_options o = {.db_path = db,
                                     .key_path = key,
                                     .version = a->o.version,
                                     .budget = a->o.budget,
                                     .failing_ms =
                                         a->o.failing_ms > 0 ? a->o.failing_ms : NOTIFY_FAILING_MS,
                                     .trouble = trouble,
                                     .ctx = a};
    return notify_open(&o, &a->notify, ret_at);
}

static enum err open_desk(struct alerting *a, struct err_at *ret_at)
{
    char path[FS_PATH_MAX];
    ASSERT(a->inquirer != NULL);
    (void)snprintf(path, sizeof path, "%s/alerts.db", a->o.dir);
    const struct desk_options o = {.path = path,
                                   .notify = a->notify,
                                   .inquire = inquire,
                                   .measure = measure,
                                   .are_neighbours = are_neighbours,
                                   .ctx = a};
    return desk_open(&o, &a->desk, ret_at);
}

// What fires that is not the engine's.
static enum err load_outside(struct alerting *a, struct err_at *ret_at)
{
    const struct received_options o = {.book = desk_book(a->desk),
                                       .desk = a->desk,
                                       .budget = a->o.budget,
                                       .channels = a->o.received_channels,
                                       .receivers = a->o.received_receivers,
                                       .mark = notify_mark(a->notify)};
    enum err e = watch_load(a->watch, o.book);
    ASSERT(a->desk != NULL);
    return e == ERR_OK
               ? received_open(&o, &a->received, ret_at)
               : err_at_set(ret_at, e, 0, "alerts of channels cannot be read: %s", err_text(e));
}

// The lock is held, or nobody else is there yet.
static void take_rules(void *ctx, struct alert_set *set)
{
    struct alerting *a = ctx;
    ASSERT(ctx != NULL);
    alert_set_unref(a->set);
    a->set = alert_set_ref(set);
}

static void tell_desk(void *ctx, struct alert_set *set)
{
    ASSERT(ctx != NULL);
    desk_set_rules(ctx, set);
}

static void tell_engine(void *ctx, struct alert_set *set)
{
    ASSERT(ctx != NULL);
    alert_set_rules(ctx, set);
}

// What the book has comes into force. The lock is held, or nobody else is there yet.
static enum err take_over(struct alerting *a, struct err_at *ret_at)
{
    uint64_t version = 0;
    enum err e = book_version(desk_book(a->desk), &version);
    ASSERT(a->coordination != NULL);
    return e == ERR_OK
               ? coordination_announce(a->coordination, version, ret_at)
               : err_at_set(ret_at, e, 0, "the rules of alerts cannot be read: %s", err_text(e));
}

// Where the store has parts there was a start before: whoever took the file away should know.
static void warn_of_missing(const struct alerting_options *o)
{
    static const char *const names[] = {"alerts.db", "notify.db"};
    static const char *const lost[] = {"rules, people, silences and incidents",
                                       "channels, their secrets and messages on their way"};
    struct store_stats stats;
    ASSERT(o->store != NULL);
    store_stats(o->store, &stats);
    for (size_t i = 0; i < sizeof names / sizeof names[0] && stats.parts > 0; i++) {
        char path[FS_PATH_MAX];
        (void)snprintf(path, sizeof path, "%s/%s", o->dir, names[i]);
        if (access(path, F_OK) != 0 && errno == ENOENT) {
            log_write(LOG_WARN, "alert", "a file is not there: what was in it is gone, if it was",
                      "path=%s lost=\"%s\"", path, lost[i]);
        }
    }
}

enum err alerting_open(const struct alerting_options *o, struct alerting **ret_alerting,
                       struct err_at *ret_at)
{
    struct alerting *a = mem_new(1, sizeof *a);
    a->o = *o;
    MUST(pthread_mutex_init(&a->lock, NULL) == 0);
    a->inquirer = inquirer_new(o->store, o->series, o->budget);
    a->watch = watch_new();
    a->capacity = capacity_new(o->series, o->budget);
    a->coordination = coordination_new(&(struct coordination_options){read_rules, a});
    coordination_subscribe(a->coordination, take_rules, a);
    enum err e = fs_real()->ops->make_dir(fs_real(), o->dir);
    if (e == ERR_OK) {
        warn_of_missing(o);
        e = open_notify(a, ret_at);
    } else {
        e = err_at_set(ret_at, e, 0, "%s: %s", o->dir, err_text(e));
    }
    e = e == ERR_OK ? open_desk(a, ret_at) : e;
    e = e == ERR_OK ? load_outside(a, ret_at) : e;
    if (e == ERR_OK) {
        coordination_subscribe(a->coordination, tell_desk, a->desk);
        e = take_over(a, ret_at);
    }
    e = e == ERR_OK ? open_engine(a, ret_at) : e;
    if (e != ERR_OK) {
        alerting_close(a);
        return e;
    }
    coordination_subscribe(a->coordination, tell_engine, a->engine);
    *ret_alerting = a;
    return ERR_OK;
}

void alerting_close(struct alerting *a)
{
    if (a == NULL) {
        return;
    }
    alert_close(a->engine);
    received_close(a->received);
    desk_close(a->desk);
    notify_close(a->notify);
    inquirer_free(a->inquirer);
    watch_free(a->watch);
    capacity_free(a->capacity);
    coordination_free(a->coordination);
    alert_set_unref(a->set);
    (void)pthread_mutex_destroy(&a->lock);
    mem_free(a);
}

void alerting_set_url(struct alerting *a, const char *url)
{
    ASSERT(a->inquirer != NULL);
    desk_set_url(a->desk, url);
}

uint64_t alerting_replay_after(const struct alerting *a)
{
    ASSERT(a->inquirer != NULL);
    return alert_replay_after(a->engine);
}

void alerting_replay(struct alerting *a, struct batch *const *batches, size_t count)
{
    ASSERT(a->inquirer != NULL);
    alert_replay(a->engine, batches, count);
}

void alerting_start(struct alerting *a)
{
    ASSERT(a->inquirer != NULL);
    alert_start(a->engine);
}

void alerting_add_record(struct alerting *a, struct batch *const *batches, size_t count)
{
    ASSERT(a->inquirer != NULL);
    alert_add_record(a->engine, batches, count);
}

void alerting_stats(struct alerting *a, struct alert_stats *ret_stats)
{
    ASSERT(a->inquirer != NULL);
    alert_stats(a->engine, ret_stats);
}

// ---- Changes ------------------------------------------------------------------------------------

static enum err wrong_at(const char *name, struct alert_place place, const struct err_at *at,
                         struct err_at *ret_at)
{
    ASSERT(at != NULL);
    return err_at_set(ret_at, ERR_INVALID, at->offset, "%s:%zu:%zu: channel: %s", name, place.line,
                      place.column, at->text);
}

// Whether it has every secret that the file says it is without.
static enum err check_secrets(const struct channel *c, const struct alert_pair *without,
                              struct err_at *at)
{
    ASSERT(without->count <= CHANNEL_LIST_MAX || without->values != NULL);
    for (size_t i = 0; i < without->count; i++) {
        bool has = false;
        for (unsigned k = 0; k < KEY_COUNT; k++) {
            bool is_it = str_eq(without->values[i], str_of(channel_key_name((enum channel_key)k)));
            has = has || (is_it && channel_has(c, (enum channel_key)k));
        }
        if (!has) {
            return err_at_set(at, ERR_INVALID, 0,
                              "%.*s: its secret '%.*s' is not in the file: write it there. A "
                              "channel of this name, type and address would keep its own.",
                              STR_FMT(channel_text(c, KEY_NAME)),
                              STR_FMT(str_cut(without->values[i], 64)));
        }
    }
    return ERR_OK;
}

static enum err read_channel(struct alerting *a, const struct alert_channel_text *text,
                             const char *name, struct channel *to, struct err_at *ret_at)
{
    struct err_at at = {0};
    enum channel_key key = KEY_TYPE;
    const struct alert_pair *without = NULL;
    ASSERT(text != NULL);
    for (size_t i = 0; i < text->count; i++) {
        const struct alert_pair *p = &text->pairs[i];
        if (str_eq(p->key, STR(WITHOUT))) {
            without = p;
        } else if (channel_set(to, p->key, p->values, p->count, &at) != ERR_OK) {
            return wrong_at(name, p->place, &at, ret_at);
        }
    }
    enum err e = notify_keep_secrets(a->notify, to, &at);
    e = e == ERR_OK && without != NULL ? check_secrets(to, without, &at) : e;
    e = e == ERR_OK ? channel_check(to, &key, &at) : e;
    return e == ERR_OK ? ERR_OK : wrong_at(name, text->place, &at, ret_at);
}

struct name_search {
    struct str name;
    bool found;
};

static void compare_name(void *ctx, const struct notify_channel *c)
{
    struct name_search *s = ctx;
    ASSERT(ctx != NULL);
    s->found = s->found || str_eq(c->name, s->name);
}

static bool is_channel(struct alerting *a, const struct channel *fresh, size_t count,
                       struct str name)
{
    struct name_search s = {.name = name};
    ASSERT(a->inquirer != NULL);
    for (size_t i = 0; i < count; i++) {
        if (str_eq(channel_text(&fresh[i], KEY_NAME), name)) {
            return true;
        }
    }
    notify_each_channel(a->notify, compare_name, &s);
    return s.found;
}

// A rule that nobody would hear of is a mistake.
static enum err check_channels(struct alerting *a, const struct alert_file *f, const char *name,
                               const struct channel *fresh, size_t count, struct err_at *ret_at)
{
    ASSERT(a->inquirer != NULL);
    for (size_t i = 0; i < f->rule_count; i++) {
        const struct alert_rule *r = &f->rules[i];
        for (size_t k = 0; k < r->channel_count; k++) {
            if (!is_channel(a, fresh, count, r->channels[k])) {
                const struct alert_place *p = &r->channel_places[k];
                return err_at_set(ret_at, ERR_INVALID, 0,
                                  "%s:%zu:%zu: rule %.*s: there is no channel %.*s", name, p->line,
                                  p->column, STR_FMT(r->name), STR_FMT(r->channels[k]));
            }
        }
    }
    return ERR_OK;
}

static bool is_person(const struct alerting *a, const struct alert_file *f, struct str name)
{
    ASSERT(a->set != NULL);
    return roster_person(&f->roster, name) != NULL ||
           roster_person(&alert_set_file(a->set)->roster, name) != NULL;
}

// Whom a group names has to be somebody.
static enum err check_people(const struct alerting *a, const struct alert_file *f, const char *name,
                             struct err_at *ret_at)
{
    ASSERT(a->inquirer != NULL);
    for (size_t i = 0; i < f->roster.team_count; i++) {
        const struct roster_team *t = &f->roster.teams[i];
        struct str unknown = STR("");
        for (size_t k = 0; k < t->member_count; k++) {
            unknown = is_person(a, f, t->members[k]) ? unknown : t->members[k];
        }
        for (size_t k = 0; k < t->rotation_count; k++) {
            unknown = is_person(a, f, t->rotation[k]) ? unknown : t->rotation[k];
        }
        for (size_t k = 0; k < t->override_count; k++) {
            unknown = is_person(a, f, t->overrides[k].who) ? unknown : t->overrides[k].who;
        }
        if (unknown.n > 0) {
            return err_at_set(ret_at, ERR_INVALID, 0,
                              "%s:%zu:%zu: group %.*s: there is no person %.*s", name,
                              t->place.line, t->place.column, STR_FMT(t->name), STR_FMT(unknown));
        }
    }
    return ERR_OK;
}

// While they are taken over, the old ones are there as well.
static enum err check_room(const struct alerting *a, const struct alert_file *f,
                           struct err_at *ret_at)
{
    size_t bytes = alert_set_bytes(a->set) + alert_file_bytes(f);
    size_t most = a->o.budget->limit_bytes / ALERT_RULES_SHARE;
    ASSERT(a->inquirer != NULL);
    return bytes <= most || f->rule_count == 0
               ? ERR_OK
               : err_at_set(
                     ret_at, ERR_LIMIT, 0,
                     "the rules would need %zu MiB together with those there are, of %zu MiB "
                     "that memory.limit has for them",
                     (bytes >> 20) + 1, most >> 20);
}

static enum err put_error(enum err e, struct err_at *ret_at)
{
    ASSERT(ret_at != NULL);
    return e == ERR_OK ? ERR_OK
                       : err_at_set(ret_at, e, 0, "the rules cannot be written: %s",
                                    e == ERR_LIMIT ? "there would be too many" : err_text(e));
}

static enum err put_all(struct alerting *a, const struct alert_file *f, struct channel *channels,
                        struct str by, struct err_at *ret_at)
{
    enum channel_key key;
    bool has_any =
        f->rule_count + f->roster.person_count + f->roster.team_count + f->roster.silence_count > 0;
    bool has_both = has_any && f->channel_count > 0; // two files: what one refuses the other lacks
    ASSERT(a->inquirer != NULL);
    enum err e = has_both ? put_error(book_try_rules(desk_book(a->desk), f), ret_at) : ERR_OK;
    if (e == ERR_OK && f->channel_count > 0) {
        e = notify_set_channels(a->notify, channels, f->channel_count, &key, ret_at);
    }
    if (e == ERR_OK && has_any) {
        e = put_error(book_put_rules(desk_book(a->desk), f, by, clock_wall_ns()), ret_at);
        e = e == ERR_OK ? take_over(a, ret_at) : e;
    }
    return e;
}

static enum err import(struct alerting *a, const struct alert_file *f, const char *name,
                       struct str by, struct err_at *ret_at)
{
    struct channel *channels = mem_new(f->channel_count + 1, sizeof *channels);
    enum err e = ERR_OK;
    size_t count = 0;
    ASSERT(a->inquirer != NULL);
    for (; count < f->channel_count && e == ERR_OK; count++) {
        channel_init(&channels[count]);
        e = read_channel(a, &f->channels[count], name, &channels[count], ret_at);
    }
    e = e == ERR_OK ? check_channels(a, f, name, channels, count, ret_at) : e;
    e = e == ERR_OK ? check_people(a, f, name, ret_at) : e;
    e = e == ERR_OK ? check_room(a, f, ret_at) : e;
    e = e == ERR_OK ? put_all(a, f, channels, by, ret_at) : e;
    for (size_t i = 0; i < count; i++) {
        channel_done(&channels[i]);
    }
    mem_free(channels);
    return e;
}

static enum err import_text(struct alerting *a, struct str text, const char *name, struct str by,
                            struct alerting_taken *ret_taken, struct err_at *ret_at)
{
    struct alert_file *f;
    enum err e = alert_file_read(text, name, &f, ret_at);
    ASSERT(a->inquirer != NULL);
    if (e != ERR_OK) {
        return e;
    }
    pthread_mutex_lock(&a->lock);
    e = import(a, f, name, by, ret_at);
    pthread_mutex_unlock(&a->lock);
    if (e == ERR_OK) {
        *ret_taken = (struct alerting_taken){.rules = f->rule_count,
                                             .channels = f->channel_count,
                                             .people = f->roster.person_count,
                                             .groups = f->roster.team_count,
                                             .silences = f->roster.silence_count};
    }
    alert_file_free(f);
    return e;
}

enum err alerting_import(struct alerting *a, struct str text, const char *name, struct str by,
                         struct alerting_taken *ret_taken, struct err_at *ret_at)
{
    struct prom_rules *prom = NULL;
    enum err e = ERR_OK;
    ASSERT(a->inquirer != NULL);
    if (prom_rules_are(text)) {
        e = prom_rules_read(text, name, STR(""), &prom, ret_at);
        text = e == ERR_OK ? buf_str(&prom->out) : text;
        name = "rules"; // whose places are no longer those of the file
    }
    e = e == ERR_OK ? import_text(a, text, name, by, ret_taken, ret_at) : e;
    if (e == ERR_OK) {
        ret_taken->prom = prom;
    } else {
        prom_rules_free(prom);
    }
    return e;
}

enum err alerting_remove_rule(struct alerting *a, struct str name, struct str by)
{
    struct err_at at;
    ASSERT(a->inquirer != NULL);
    pthread_mutex_lock(&a->lock);
    enum err e = book_remove_rule(desk_book(a->desk), name, by, clock_wall_ns());
    e = e == ERR_OK ? take_over(a, &at) : e;
    pthread_mutex_unlock(&a->lock);
    return e;
}

enum err alerting_remove_roster(struct alerting *a, struct str kind, struct str name, struct str by)
{
    struct err_at at;
    ASSERT(a->inquirer != NULL);
    pthread_mutex_lock(&a->lock);
    enum err e = book_remove_roster(desk_book(a->desk), kind, name, by, clock_wall_ns());
    e = e == ERR_OK ? take_over(a, &at) : e;
    pthread_mutex_unlock(&a->lock);
    return e;
}

enum err alerting_remove_channel(struct alerting *a, struct str name, struct err_at *ret_at)
{
    enum err e = ERR_OK;
    ASSERT(a->inquirer != NULL);
    pthread_mutex_lock(&a->lock);
    const struct alert_file *f = alert_set_file(a->set);
    for (size_t i = 0; i < f->rule_count && e == ERR_OK; i++) {
        for (size_t k = 0; k < f->rules[i].channel_count && e == ERR_OK; k++) {
            if (str_eq(f->rules[i].channels[k], name)) {
                e = err_at_set(ret_at, ERR_BUSY, 0, "rule %.*s tells over this channel",
                               STR_FMT(f->rules[i].name));
            }
        }
    }
    e = e == ERR_OK ? notify_remove_channel(a->notify, name) : e;
    pthread_mutex_unlock(&a->lock);
    return e;
}

static void print_channel(void *ctx, const struct notify_channel *c)
{
    struct buf *out = ctx;
    ASSERT(ctx != NULL);
    // JSON is YAML: {"type": ...} with the name before.
    buf_printf(out, "  - {\"name\":\"%.*s\",", STR_FMT(c->name));
    buf_add_str(out, str_skip((struct str){c->open.p, c->open.n - 1}, 1));
    for (unsigned k = 0, n = 0; k < KEY_COUNT; k++) {
        if ((c->secrets & KEY_BIT(k)) != 0) {
            buf_printf(out, "%s\"%s\"", n++ == 0 ? ",\"" WITHOUT "\":[" : ",",
                       channel_key_name((enum channel_key)k));
        }
    }
    buf_add_str(out, c->has_secret ? STR("]}\n") : STR("}\n"));
}

enum err alerting_export(struct alerting *a, struct buf *out)
{
    enum err e = book_print_rules(desk_book(a->desk), out);
    size_t before = out->n;
    ASSERT(a->inquirer != NULL);
    buf_add_str(out, STR("channels:\n"));
    size_t empty = out->n;
    notify_each_channel(a->notify, print_channel, out);
    out->n = out->n == empty ? before : out->n;
    return e == ERR_OK && out->failed ? ERR_LIMIT : e;
}

// ---- Asking -------------------------------------------------------------------------------------

struct alert_set *alerting_rules(struct alerting *a)
{
    ASSERT(a->inquirer != NULL);
    pthread_mutex_lock(&a->lock);
    struct alert_set *set = alert_set_ref(a->set);
    pthread_mutex_unlock(&a->lock);
    return set;
}

struct book *alerting_book(struct alerting *a)
{
    ASSERT(a->inquirer != NULL);
    return desk_book(a->desk);
}

struct desk *alerting_desk(struct alerting *a)
{
    ASSERT(a->inquirer != NULL);
    return a->desk;
}

struct received *alerting_received(struct alerting *a)
{
    ASSERT(a->inquirer != NULL);
    return a->received;
}

struct notify *alerting_notify(struct alerting *a)
{
    ASSERT(a->inquirer != NULL);
    return a->notify;
}
