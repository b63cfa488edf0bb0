// SPDX-License-Identifier: Apache-2.0
// Purpose: from alerts to what people hear.
#include "alert/desk_state.h"

#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/logger.h"
#include "core/mem.h"
#include "core/must.h"

#define BODY_MAX  NOTICE_JSON_BYTES_MAX
#define FORGET_MS ((uint64_t)3600000)

// ---- Alerts that fire ---------------------------------------------------------------------------

static void put_part(struct buf *b, struct str s)
{
    ASSERT(b != NULL);
    buf_add_varint(b, s.n);
    buf_add_str(b, s);
}

static void key_of(struct str rule, const struct str *group, size_t count, bool outside,
                   struct buf *out)
{
    ASSERT(out != NULL);
    buf_add_byte(out, outside);
    put_part(out, rule);
    for (size_t i = 0; i < count; i++) {
        put_part(out, group[i]);
    }
}

static size_t place(const struct desk *d, struct str key, uint64_t hash)
{
    size_t at = hash & (d->size - 1);
    ASSERT(d->firing_count <= d->size);
    while (d->slots[at] != NULL &&
           (d->slots[at]->hash != hash ||
            !str_eq((struct str){d->slots[at]->key, d->slots[at]->key_n}, key))) {
        at = (at + 1) & (d->size - 1);
    }
    return at;
}

static void make_room(struct desk *d)
{
    struct firing **old = d->slots;
    size_t old_size = d->size;
    ASSERT(d->firing_count <= d->size);
    if ((d->firing_count + 1) * 2 <= d->size) {
        return;
    }
    d->size = old_size > 0 ? old_size * 2 : 16;
    d->slots = mem_new(d->size, sizeof(struct firing *));
    for (size_t i = 0; i < old_size; i++) {
        if (old[i] != NULL) {
            d->slots[place(d, (struct str){old[i]->key, old[i]->key_n}, old[i]->hash)] = old[i];
        }
    }
    mem_free(old);
}

static void add_firing(struct desk *d, struct str key, uint64_t id, uint64_t incident)
{
    ASSERT(d->firing_count <= d->size);
    make_room(d);
    uint64_t hash = str_hash(key);
    size_t at = place(d, key, hash);
    if (d->slots[at] == NULL) {
        struct firing *f = mem_new(1, sizeof *f);
        f->key = mem_alloc(key.n + 1);
        memcpy(f->key, key.p, key.n);
        f->key_n = key.n;
        f->hash = hash;
        d->slots[at] = f;
        d->firing_count++;
    }
    d->slots[at]->id = id;
    d->slots[at]->incident = incident;
}

static void remove_firing(struct desk *d, size_t at)
{
    ASSERT(d->firing_count <= d->size);
    mem_free(d->slots[at]->key);
    mem_free(d->slots[at]);
    d->slots[at] = NULL;
    d->firing_count--;
    for (size_t next = (at + 1) & (d->size - 1); d->slots[next] != NULL;
         next = (next + 1) & (d->size - 1)) {
        struct firing *f = d->slots[next];
        d->slots[next] = NULL;
        d->slots[place(d, (struct str){f->key, f->key_n}, f->hash)] = f;
    }
}

// ---- Life ---------------------------------------------------------------------------------------

static void load_incident(void *ctx, const struct book_incident *row)
{
    struct desk *d = ctx;
    ASSERT(ctx != NULL);
    d->open = mem_grow(d->open, &d->open_capacity, d->open_count + 1, sizeof *d->open);
    d->open[d->open_count++] = incident_read(row);
}

static void load_firing(void *ctx, const struct book_alert *a)
{
    struct desk *d = ctx;
    struct buf key;
    struct str rest = a->traces, text;
    ASSERT(ctx != NULL);
    buf_init(&key, (size_t)64 << 10);
    key_of(a->rule, a->group, a->group_count, a->measure.n == 0, &key);
    add_firing(d, buf_str(&key), a->id, a->incident);
    buf_done(&key);
    struct open_incident *i = incident_of(d, a->incident);
    if (i == NULL) {
        return;
    }
    (void)name_list_add(&i->rules, a->rule, DESK_LIST_MAX);
    while (name_list_next(&rest, &text)) {
        trace_id id;
        if (trace_id_parse(text, &id) == ERR_OK) {
            i->traces[i->trace_next++ % DESK_TRACES] = id;
        }
    }
}

char *desk_copy(struct str s)
{
    char *c = mem_alloc(s.n + 1);
    ASSERT(s.p != NULL || s.n == 0);
    memcpy(c, s.n > 0 ? s.p : "", s.n);
    c[s.n] = 0;
    return c;
}

// One that is damaged is as none.
static bool is_notice(struct str body)
{
    struct arena arena = {0};
    struct notice n;
    struct err_at at;
    ASSERT(body.p != NULL || body.n == 0);
    enum err e = notice_from_json(body, &arena, &n, &at);
    arena_done(&arena);
    return e == ERR_OK;
}

static void load_body(void *ctx, const struct book_message *m)
{
    struct open_incident *i = incident_of(ctx, m->incident);
    struct str rest = m->channels, name;
    ASSERT(ctx != NULL);
    while (i != NULL && name_list_next(&rest, &name)) {
        if (!name_list_have(&i->channels, name)) {
            (void)name_list_add(&i->withheld, name, DESK_LIST_MAX);
        }
    }
    if (i != NULL && is_notice(m->body)) {
        mem_free(i->body);
        i->body = desk_copy(m->body);
        i->body_n = m->body.n;
    }
}

static void clear(struct desk *d)
{
    ASSERT(d->firing_count <= d->size);
    for (size_t i = 0; i < d->open_count; i++) {
        incident_free(d->open[i]);
    }
    for (size_t i = 0; i < d->size; i++) {
        if (d->slots[i] != NULL) {
            mem_free(d->slots[i]->key);
            mem_free(d->slots[i]);
        }
    }
    mem_free(d->open);
    mem_free(d->slots);
    pending_clear(d);
    d->open = NULL;
    d->slots = NULL;
    d->open_count = d->open_capacity = d->size = d->firing_count = 0;
}

// As the book has it.
static enum err load(struct desk *d)
{
    ASSERT(d->firing_count <= d->size);
    clear(d);
    enum err e = book_each_incident(&d->book, true, 0, DESK_OPEN_MAX, load_incident, d);
    for (size_t i = 0; i * 2 + 1 < d->open_count; i++) { // the oldest first
        struct open_incident *other = d->open[i];
        d->open[i] = d->open[d->open_count - 1 - i];
        d->open[d->open_count - 1 - i] = other;
    }
    e = e == ERR_OK ? book_each_firing(&d->book, load_firing, d) : e;
    e = e == ERR_OK ? book_each_last_message(&d->book, load_body, d) : e;
    e = e == ERR_OK ? book_each_unput(&d->book, pending_add, d) : e;
    d->is_stale = e != ERR_OK;
    return e;
}

// Takes the lock, with what the book has; not where that cannot be read.
static enum err enter(struct desk *d)
{
    pthread_mutex_lock(&d->lock);
    enum err e = d->is_stale ? load(d) : ERR_OK;
    if (e != ERR_OK) {
        pthread_mutex_unlock(&d->lock);
    }
    return e;
}

enum err desk_open(const struct desk_options *o, struct desk **ret_desk, struct err_at *ret_at)
{
    struct desk *d = mem_new(1, sizeof *d);
    d->o = *o;
    enum err e = book_open(&d->book, o->path, o->vfs, ret_at);
    if (e != ERR_OK) {
        mem_free(d);
        return e;
    }
    MUST(pthread_mutex_init(&d->lock, NULL) == 0);
    e = load(d);
    if (e != ERR_OK) {
        desk_close(d);
        return err_at_set(ret_at, e, 0, "%s: %s", o->path, err_text(e));
    }
    *ret_desk = d;
    return ERR_OK;
}

void desk_close(struct desk *d)
{
    if (d == NULL) {
        return;
    }
    clear(d);
    alert_set_unref(d->set);
    book_close(&d->book);
    (void)pthread_mutex_destroy(&d->lock);
    mem_free(d);
}

void desk_set_url(struct desk *d, const char *url)
{
    int n = snprintf(d->url, sizeof d->url, "%s", url);
    ASSERT(d != NULL);
    d->url[n < 0 || (size_t)n >= sizeof d->url ? 0 : n] = 0; // half an address is none
}

void desk_set_rules(struct desk *d, struct alert_set *set)
{
    ASSERT(set != NULL);
    pthread_mutex_lock(&d->lock);
    struct alert_set *before = d->set;
    d->set = alert_set_ref(set);
    pthread_mutex_unlock(&d->lock);
    alert_set_unref(before);
}

struct book *desk_book(struct desk *d)
{
    ASSERT(d != NULL);
    return &d->book;
}

// ---- Messages -----------------------------------------------------------------------------------

// One row, and the same for after the transaction.
static void add_message(struct desk *d, const struct open_incident *i, uint64_t at_ns,
                        struct str channels, struct str body, bool resolves)
{
    struct book_message m = {0, i->id, channels, body, resolves};
    ASSERT(i->firing <= i->alerts);
    if (channels.n == 0) {
        return;
    }
    m.id = book_add_message(&d->book, &m);
    pending_add(d, &m);
    const struct book_entry entry = {
        .incident = i->id, .at_ns = at_ns, .kind = STR("told"), .text = channels};
    book_add_entry(&d->book, &entry);
}

// Nothing leaves; the first time it is said why. What would have been told, and over what, is
// written down, for when it is.
static void withhold(struct desk *d, struct open_incident *i, const struct roster_silence *s,
                     const struct alert_event *e, struct str body)
{
    ASSERT(i->firing <= i->alerts);
    for (size_t k = 0; k < e->rule->channel_count; k++) {
        if (!name_list_have(&i->channels, e->rule->channels[k])) {
            (void)name_list_add(&i->withheld, e->rule->channels[k], DESK_LIST_MAX);
        }
    }
    const struct book_message m = {0, i->id, buf_str(&i->withheld.text), body, false};
    book_message_is_put(&d->book, book_add_message(&d->book, &m));
    i->silent++;
    if (!i->is_silenced) {
        const struct book_entry entry = {
            .incident = i->id, .at_ns = e->at_ns, .kind = STR("silenced"), .text = s->name};
        book_add_entry(&d->book, &entry);
        i->is_silenced = true;
    }
}

// To the channels of the rule that have not heard of the incident; to the others when it is time.
static void tell_of(struct desk *d, struct open_incident *i, const struct alert_event *e,
                    struct str body, bool is_worse)
{
    struct name_list fresh, known;
    ASSERT(i->firing <= i->alerts);
    const struct roster_silence *silence =
        d->set == NULL ? NULL
                       : roster_silenced(&alert_set_file(d->set)->roster, e->rule->name,
                                         e->origin.service, e->at_ns / NS_PER_MS);
    if (silence != NULL) {
        withhold(d, i, silence, e, body);
        return;
    }
    name_list_init(&fresh);
    name_list_init(&known);
    for (size_t k = 0; k < e->rule->channel_count; k++) {
        struct str name = e->rule->channels[k];
        (void)name_list_add(name_list_have(&i->channels, name) ? &known : &fresh, name,
                            DESK_LIST_MAX);
    }
    bool is_quiet = i->state == INCIDENT_ACKNOWLEDGED;
    bool is_time = e->at_ns >= i->messaged_ns + i->suppress_ms * NS_PER_MS || is_worse;
    add_message(d, i, e->at_ns, buf_str(&fresh.text), body, false);
    if (known.count > 0 && is_time && !is_quiet) {
        struct buf again;
        buf_init(&again, BODY_MAX);
        message_again(d, i, e->at_ns, NOTICE_FIRING, i->silent, &again);
        add_message(d, i, e->at_ns, buf_str(&known.text), buf_str(&again), false);
        buf_done(&again);
    }
    bool is_told = fresh.count > 0 || (known.count > 0 && is_time && !is_quiet);
    i->messaged_ns = is_told ? e->at_ns : i->messaged_ns;
    i->silent = is_told ? 0 : i->silent + 1;
    struct str rest = buf_str(&fresh.text), name;
    while (name_list_next(&rest, &name)) {
        (void)name_list_add(&i->channels, name, DESK_LIST_MAX);
    }
    name_list_done(&fresh);
    name_list_done(&known);
}

static void end_message(struct desk *d, struct open_incident *i)
{
    struct buf body;
    ASSERT(i->firing <= i->alerts);
    if (i->channels.count == 0) {
        return;
    }
    buf_init(&body, BODY_MAX);
    message_again(d, i, i->last_ns, NOTICE_RESOLVED, i->silent, &body);
    add_message(d, i, i->last_ns, buf_str(&i->channels.text), buf_str(&body), true);
    buf_done(&body);
}

// ---- Events -------------------------------------------------------------------------------------

static struct book_alert alert_row(const struct alert_event *e, uint64_t incident,
                                   struct str traces)
{
    const struct alert_strategy *s = e->strategy;
    bool is_compared = !e->outside && s->measure != MEASURE_ABSENCE;
    ASSERT(e != NULL);
    struct book_alert a = {
        .incident = incident,
        .rule = e->rule->name,
        .group_count = s->group_by_count,
        .level = e->rule->level,
        .measure = e->outside ? STR("") : str_of(alert_measure_name(s->measure)),
        .op = is_compared ? str_of(alert_operator_name(s->op)) : STR(""),
        .line = e->origin.line,
        .environment = e->origin.environment,
        .service = e->origin.service,
        .instance = e->origin.instance,
        .address = e->origin.address,
        .traces = traces,
        .value = e->value,
        .limit = e->limit,
        .event_ns = e->event_ns,
        .fired_ns = e->at_ns,
        .told_ns = e->event_ns,
    };
    for (size_t i = 0; i < s->group_by_count; i++) {
        a.group[i] = e->group[i];
        a.fields[i] = s->group_by[i].text;
    }
    return a;
}

static void add_entry(struct desk *d, uint64_t incident, const struct alert_event *e,
                      const char *kind)
{
    ASSERT(d->firing_count <= d->size);
    char text[ALERT_NAME_MAX + ALERT_GROUP_BY_MAX * (ALERT_VALUE_MAX + 2) + 8];
    int n = snprintf(text, sizeof text, "%.*s", STR_FMT(e->rule->name));
    for (size_t i = 0; i < e->strategy->group_by_count && n > 0 && (size_t)n < sizeof text; i++) {
        n += snprintf(text + n, sizeof text - (size_t)n, " · %.*s", STR_FMT(e->group[i]));
    }
    const struct book_entry entry = {
        .incident = incident, .at_ns = e->at_ns, .kind = str_of(kind), .text = str_of(text)};
    book_add_entry(&d->book, &entry);
}

static void write_incident(struct desk *d, struct open_incident *i)
{
    struct book_incident row = incident_row(i);
    ASSERT(i->firing <= i->alerts);
    if (i->is_new) {
        i->id = book_add_incident(&d->book, &row);
        i->is_new = false;
    } else {
        book_set_incident(&d->book, &row);
    }
}

// What stands behind the first alerts of an incident; their traces are looked at again later.
static void inquire(struct desk *d, struct open_incident *i, const struct alert_event *e,
                    struct inquiry *inquiry)
{
    bool is_wanted = i->alerts < DESK_INQUIRED;
    ASSERT(e->trace_count <= ALERT_TRACES_MAX);
    if (d->o.inquire != NULL && e->trace_count > 0 && is_wanted) {
        d->o.inquire(d->o.ctx, e->traces,
                     e->trace_count < DESK_LOOKED_AT ? e->trace_count : DESK_LOOKED_AT, inquiry);
        i->look_ns = e->at_ns + DESK_LOOK_AGAIN_MS * NS_PER_MS;
    }
    if (d->o.measure != NULL && is_wanted) {
        d->o.measure(d->o.ctx, &e->origin, e->at_ns, inquiry);
    }
}

static void fires(struct desk *d, const struct alert_event *e)
{
    struct inquiry inquiry = {.suspect = STR("")};
    struct buf body, key;
    struct name_list traces;
    struct open_incident *i = incident_for(d, e);
    ASSERT(d->firing_count <= d->size);
    inquire(d, i, e, &inquiry);
    bool is_first = i->is_new, is_worse = !is_first && e->rule->level > i->level;
    incident_join(i, e, &inquiry);
    write_incident(d, i); // a message names its number
    buf_init(&body, BODY_MAX);
    message_of(d, i, e, &inquiry, &body);
    mem_free(i->body);
    i->body = desk_copy(buf_str(&body));
    i->body_n = body.n;
    name_list_init(&traces);
    for (size_t t = 0; t < e->trace_count; t++) {
        char text[TRACE_ID_HEX + 1];
        trace_id_hex(e->traces[t], text);
        (void)name_list_add(&traces, (struct str){text, TRACE_ID_HEX}, ALERT_TRACES_MAX);
    }
    const struct book_alert row = alert_row(e, i->id, buf_str(&traces.text));
    uint64_t id = book_add_alert(&d->book, &row);
    add_entry(d, i->id, e, is_first ? "fired" : "joined");
    tell_of(d, i, e, buf_str(&body), is_worse);
    write_incident(d, i);
    buf_init(&key, (size_t)64 << 10);
    key_of(e->rule->name, e->group, e->strategy->group_by_count, e->outside, &key);
    add_firing(d, buf_str(&key), id, i->id);
    buf_done(&key);
    name_list_done(&traces);
    buf_done(&body);
    arena_done(&inquiry.arena);
}

static void ends(struct desk *d, const struct alert_event *e)
{
    struct buf key;
    ASSERT(d->firing_count <= d->size);
    buf_init(&key, (size_t)64 << 10);
    key_of(e->rule->name, e->group, e->strategy->group_by_count, e->outside, &key);
    make_room(d);
    size_t at = place(d, buf_str(&key), str_hash(buf_str(&key)));
    buf_done(&key);
    if (d->slots[at] == NULL) {
        return; // it is over already
    }
    book_end_alert(&d->book, d->slots[at]->id, e->at_ns, e->event_ns);
    struct open_incident *i = incident_of(d, d->slots[at]->incident);
    remove_firing(d, at);
    if (i == NULL) {
        return;
    }
    add_entry(d, i->id, e, "ended");
    i->firing -= i->firing > 0;
    if (i->firing == 0) {
        i->state = INCIDENT_RESOLVED;
        i->last_ns = e->at_ns;
        end_message(d, i);
        const struct book_entry entry = {
            .incident = i->id, .at_ns = e->at_ns, .kind = STR("resolved")};
        book_add_entry(&d->book, &entry);
    }
    write_incident(d, i);
}

// Those that are over go, once that is written down.
static void drop_resolved(struct desk *d)
{
    size_t kept = 0;
    ASSERT(d->firing_count <= d->size);
    for (size_t i = 0; i < d->open_count; i++) {
        if (d->open[i]->state == INCIDENT_RESOLVED) {
            incident_free(d->open[i]);
        } else {
            d->open[kept++] = d->open[i];
        }
    }
    d->open_count = kept;
}

// ---- What the engine tells ----------------------------------------------------------------------

enum err desk_tell(struct desk *d, const struct alert_event *events, size_t count)
{
    ASSERT(d != NULL);
    enum err entered = enter(d);
    if (entered != ERR_OK) {
        return entered;
    }
    uint64_t crowded = d->crowded;
    book_begin(&d->book);
    for (size_t i = 0; i < count; i++) {
        if (events[i].fires) {
            fires(d, &events[i]);
        } else {
            ends(d, &events[i]);
        }
    }
    enum err e = book_end(&d->book);
    if (e == ERR_OK) {
        drop_resolved(d);
        pending_hand_on(d);
    } else {
        (void)load(d);        // what cannot be read is read again at the next call
        d->crowded = crowded; // they are told again
    }
    pthread_mutex_unlock(&d->lock);
    return e;
}

static void add_all(struct name_list *to, const struct name_list *from)
{
    struct str rest = buf_str(&from->text), name;
    ASSERT(to != from);
    while (name_list_next(&rest, &name)) {
        (void)name_list_add(to, name, DESK_LIST_MAX);
    }
}

// Of an incident that went on in silence: once it is time again to the channels that know of it,
// and as soon as no silence is over it to those that do not.
static void tell_more(struct desk *d, struct open_incident *i, uint64_t now_ns)
{
    bool repeats = i->silent > 0 && now_ns >= i->messaged_ns + i->suppress_ms * NS_PER_MS;
    bool is_open = i->state == INCIDENT_FIRING;
    bool has_heard = i->channels.count > 0;
    struct name_list to;
    ASSERT(i->firing <= i->alerts);
    if (!is_open || !(repeats || i->withheld.count > 0)) {
        return;
    }
    const struct incident_silence silence = incident_silenced(d, i, now_ns);
    repeats = repeats && !silence.all;
    i->is_silenced = i->is_silenced && silence.some;
    name_list_init(&to);
    if (!silence.some) {
        add_all(&to, &i->withheld);
        add_all(&i->channels, &i->withheld);
        name_list_done(&i->withheld);
        name_list_init(&i->withheld);
    }
    if (repeats) {
        add_all(&to, &i->channels);
    }
    if (to.count > 0) {
        struct buf body;
        buf_init(&body, BODY_MAX);
        message_again(d, i, now_ns, NOTICE_FIRING, i->silent > 0 ? i->silent - 1 : 0, &body);
        add_message(d, i, now_ns, buf_str(&to.text), buf_str(&body), false);
        buf_done(&body);
        i->silent = repeats || !has_heard ? 0 : i->silent;
        i->messaged_ns = now_ns;
        write_incident(d, i);
    }
    name_list_done(&to);
}

// The first incident whose traces are to be looked at again; one at each tick is enough.
static struct open_incident *to_look_at(const struct desk *d, uint64_t now_ns)
{
    ASSERT(d->open_count <= DESK_OPEN_MAX);
    for (size_t i = 0; i < d->open_count && d->o.inquire != NULL; i++) {
        if (d->open[i]->look_ns > 0 && now_ns >= d->open[i]->look_ns) {
            return d->open[i];
        }
    }
    return NULL;
}

// Once the spans of all who were called should be there: of all of the ring alike.
static void look_again(struct desk *d, const struct open_incident *i, struct inquiry *inquiry)
{
    trace_id traces[DESK_AGAIN];
    size_t have = i->trace_next < DESK_TRACES ? i->trace_next : DESK_TRACES;
    size_t count = have < DESK_AGAIN ? have : DESK_AGAIN;
    ASSERT(i->firing <= i->alerts && d->o.inquire != NULL);
    for (size_t k = 0; k < count; k++) {
        traces[k] = i->traces[k * have / count];
    }
    d->o.inquire(d->o.ctx, traces, count, inquiry);
}

static void learn(struct desk *d, struct open_incident *i, uint64_t now_ns,
                  const struct inquiry *inquiry)
{
    i->look_ns = 0;
    ASSERT(i->firing <= i->alerts);
    if (incident_learn(i, inquiry)) {
        const struct book_entry entry = {
            .incident = i->id, .at_ns = now_ns, .kind = STR("suspect"), .text = str_of(i->suspect)};
        book_add_entry(&d->book, &entry);
    }
    write_incident(d, i);
}

// What time alone brings.
static void pass_time(struct desk *d, uint64_t now_ns)
{
    struct inquiry inquiry = {.is_late = true};
    struct open_incident *looked_at = to_look_at(d, now_ns);
    bool is_due = now_ns >= d->forgot_ns + FORGET_MS * NS_PER_MS;
    bool any = looked_at != NULL || is_due;
    ASSERT(!d->is_stale);
    for (size_t i = 0; i < d->open_count && !any; i++) {
        any = d->open[i]->silent > 0 || d->open[i]->withheld.count > 0;
    }
    if (!any) {
        return;
    }
    if (looked_at != NULL) { // before the transaction, which others wait for
        look_again(d, looked_at, &inquiry);
    }
    book_begin(&d->book);
    if (looked_at != NULL) {
        learn(d, looked_at, now_ns, &inquiry);
    }
    for (size_t i = 0; i < d->open_count; i++) {
        tell_more(d, d->open[i], now_ns);
    }
    if (is_due) {
        book_forget(&d->book, now_ns);
        d->forgot_ns = now_ns;
    }
    if (book_end(&d->book) != ERR_OK) {
        (void)load(d);
    }
    arena_done(&inquiry.arena);
}

void desk_tick(struct desk *d, uint64_t now_ns)
{
    ASSERT(d != NULL);
    if (enter(d) != ERR_OK) {
        return;
    }
    pass_time(d, now_ns);
    pending_hand_on(d);
    pthread_mutex_unlock(&d->lock);
}

void desk_stats(struct desk *d, struct desk_stats *ret_stats)
{
    ASSERT(ret_stats != NULL);
    pthread_mutex_lock(&d->lock);
    *ret_stats = (struct desk_stats){d->open_count, d->crowded};
    pthread_mutex_unlock(&d->lock);
}

// ---- People -------------------------------------------------------------------------------------

// That it is there is all that is asked.
static void pass_over(void *ctx, const struct book_incident *i)
{
    ASSERT(i->id > 0);
    (void)ctx;
}

enum err desk_acknowledge(struct desk *d, uint64_t incident, struct str by, uint64_t now_ns)
{
    ASSERT(d != NULL);
    enum err e = enter(d);
    if (e != ERR_OK) {
        return e;
    }
    struct open_incident *i = incident_of(d, incident);
    e = i != NULL ? ERR_OK : book_incident(&d->book, incident, pass_over, NULL);
    if (i == NULL) {
        e = e == ERR_OK ? ERR_INVALID : e;
    } else if (i->state == INCIDENT_FIRING) {
        book_begin(&d->book);
        i->state = INCIDENT_ACKNOWLEDGED;
        write_incident(d, i);
        const struct book_entry entry = {
            .incident = incident, .at_ns = now_ns, .kind = STR("acknowledged"), .by = by};
        book_add_entry(&d->book, &entry);
        e = book_end(&d->book);
        if (e != ERR_OK) {
            (void)load(d);
        }
    }
    pthread_mutex_unlock(&d->lock);
    return e;
}

enum err desk_comment(struct desk *d, uint64_t incident, struct str text, struct str by,
                      uint64_t now_ns)
{
    uint64_t count = 0;
    ASSERT(d != NULL);
    if (text.n > BOOK_COMMENT_MAX) {
        return ERR_LIMIT;
    }
    pthread_mutex_lock(&d->lock); // so that nobody adds one between counting and adding
    enum err e = book_incident(&d->book, incident, pass_over, NULL);
    e = e == ERR_OK ? book_count_comments(&d->book, incident, &count) : e;
    e = e == ERR_OK && count >= BOOK_COMMENTS_MAX ? ERR_LIMIT : e;
    if (e == ERR_OK) {
        const struct book_entry entry = {incident, now_ns, STR("comment"), text, by};
        book_begin(&d->book);
        book_add_entry(&d->book, &entry);
        e = book_end(&d->book);
    }
    pthread_mutex_unlock(&d->lock);
    return e;
}
