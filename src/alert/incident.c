// SPDX-License-Identifier: Apache-2.0
// Purpose: which incident an alert belongs to, and what becomes of it.
#include <stdio.h>
#include <string.h>

#include "alert/desk_state.h"
#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"

static void set_text(char *room, size_t size, struct str text)
{
    struct str t = str_cut(text, size - 1);
    ASSERT(size > 0);
    memcpy(room, t.n > 0 ? t.p : "", t.n);
    room[t.n] = 0;
}

static struct open_incident *make(void)
{
    struct open_incident *i = mem_new(1, sizeof *i);
    struct name_list *const lists[] = {&i->services,  &i->entries, &i->users,   &i->channels,
                                       &i->receivers, &i->rules,   &i->withheld};
    for (size_t k = 0; k < sizeof lists / sizeof lists[0]; k++) {
        name_list_init(lists[k]);
    }
    return i;
}

void incident_free(struct open_incident *i)
{
    ASSERT(i->firing <= i->alerts);
    struct name_list *const lists[] = {&i->services,  &i->entries, &i->users,   &i->channels,
                                       &i->receivers, &i->rules,   &i->withheld};
    for (size_t k = 0; k < sizeof lists / sizeof lists[0]; k++) {
        name_list_done(lists[k]);
    }
    mem_free(i->body);
    mem_free(i);
}

struct open_incident *incident_of(const struct desk *d, uint64_t id)
{
    ASSERT(d->firing_count <= d->size);
    for (size_t k = d->open_count; k > 0; k--) {
        if (d->open[k - 1]->id == id) {
            return d->open[k - 1];
        }
    }
    return NULL;
}

// ---- Which one ----------------------------------------------------------------------------------

static bool shares_trace(const struct open_incident *i, const struct alert_event *e)
{
    size_t count = i->trace_next < DESK_TRACES ? i->trace_next : DESK_TRACES;
    ASSERT(i->firing <= i->alerts);
    for (size_t k = 0; k < count; k++) {
        for (size_t t = 0; t < e->trace_count; t++) {
            if (memcmp(&i->traces[k], &e->traces[t], sizeof(trace_id)) == 0) {
                return true;
            }
        }
    }
    return false;
}

static bool is_near(const struct desk *d, const struct open_incident *i,
                    const struct alert_event *e)
{
    struct str rest = buf_str(&i->services.text), service;
    ASSERT(i->firing <= i->alerts);
    if (name_list_have(&i->services, e->origin.service)) {
        return true;
    }
    while (d->o.are_neighbours != NULL && name_list_next(&rest, &service)) {
        if (d->o.are_neighbours(d->o.ctx, e->origin.line, service, e->origin.service)) {
            return true;
        }
    }
    return false;
}

// One that got its end in this turn is still in the list, and takes nothing more.
static bool is_over(const struct open_incident *i)
{
    ASSERT(i->firing <= i->alerts);
    return i->state == INCIDENT_RESOLVED;
}

static bool belongs(const struct desk *d, const struct open_incident *i,
                    const struct alert_event *e)
{
    bool is_late = e->at_ns > i->last_ns + DESK_FOLD_MS * NS_PER_MS;
    ASSERT(i->firing <= i->alerts);
    if (is_late || is_over(i) || !str_eq(str_of(i->line), e->origin.line)) {
        return false;
    }
    return name_list_have(&i->rules, e->rule->name) || shares_trace(i, e) || is_near(d, i, e);
}

// Whether there are as many as may be; then *ret_newest is the newest of the line, else of all.
static bool is_full(const struct desk *d, struct str line, struct open_incident **ret_newest)
{
    struct open_incident *newest = NULL, *of_line = NULL;
    size_t count = 0;
    ASSERT(d->firing_count <= d->size);
    for (size_t k = d->open_count; k > 0 && d->open_count >= DESK_OPEN_MAX; k--) {
        struct open_incident *i = d->open[k - 1];
        if (!is_over(i)) {
            count++;
            newest = newest != NULL ? newest : i;
            of_line = of_line == NULL && str_eq(str_of(i->line), line) ? i : of_line;
        }
    }
    if (count < DESK_OPEN_MAX) {
        return false;
    }
    *ret_newest = of_line != NULL ? of_line : newest;
    return true;
}

struct open_incident *incident_for(struct desk *d, const struct alert_event *e)
{
    ASSERT(d->firing_count <= d->size);
    for (size_t k = d->open_count; k > 0; k--) {
        if (belongs(d, d->open[k - 1], e)) {
            return d->open[k - 1];
        }
    }
    struct open_incident *i = NULL;
    if (is_full(d, e->origin.line, &i)) {
        d->crowded++;
        return i;
    }
    i = make();
    d->open = mem_grow(d->open, &d->open_capacity, d->open_count + 1, sizeof *d->open);
    d->open[d->open_count++] = i;
    i->is_new = true;
    i->opened_ns = e->at_ns;
    set_text(i->title, sizeof i->title, e->rule->name);
    set_text(i->line, sizeof i->line, e->origin.line);
    return i;
}

// ---- What becomes of it -------------------------------------------------------------------------

static void add_all(struct name_list *to, const struct str *items, size_t count, size_t max)
{
    ASSERT(to->count <= to->text.n);
    for (size_t k = 0; k < count; k++) {
        (void)name_list_add(to, items[k], max);
    }
}

void incident_join(struct open_incident *i, const struct alert_event *e,
                   const struct inquiry *inquiry)
{
    const struct alert_rule *r = e->rule;
    bool is_worse = i->alerts == 0 || r->level > i->level;
    ASSERT(i->firing <= i->alerts);
    i->level = is_worse ? r->level : i->level;
    i->state = is_worse ? INCIDENT_FIRING : i->state;
    (void)name_list_add(&i->rules, r->name, DESK_LIST_MAX);
    (void)name_list_add(&i->services, e->origin.service, DESK_LIST_MAX);
    add_all(&i->entries, inquiry->entries, inquiry->entry_count, DESK_LIST_MAX);
    add_all(&i->users, inquiry->users, inquiry->user_count, DESK_LIST_MAX);
    add_all(&i->receivers, r->receivers, r->receiver_count, DESK_LIST_MAX);
    if (i->suspect[0] == 0) {
        set_text(i->suspect, sizeof i->suspect, inquiry->suspect);
    }
    if (i->remedy[0] == 0) {
        set_text(i->remedy, sizeof i->remedy, r->remedy);
    }
    for (size_t t = 0; t < e->trace_count; t++) {
        i->traces[i->trace_next++ % DESK_TRACES] = e->traces[t];
    }
    i->suppress_ms = r->suppress_ms;
    i->last_ns = e->at_ns > i->last_ns ? e->at_ns : i->last_ns;
    i->alerts++;
    i->firing++;
}

bool incident_learn(struct open_incident *i, const struct inquiry *inquiry)
{
    char before[sizeof i->suspect];
    ASSERT(i->firing <= i->alerts);
    memcpy(before, i->suspect, sizeof before);
    add_all(&i->entries, inquiry->entries, inquiry->entry_count, DESK_LIST_MAX);
    add_all(&i->users, inquiry->users, inquiry->user_count, DESK_LIST_MAX);
    if (inquiry->suspect.n > 0) {
        set_text(i->suspect, sizeof i->suspect, inquiry->suspect);
    }
    return strcmp(before, i->suspect) != 0;
}

struct book_incident incident_row(const struct open_incident *i)
{
    ASSERT(i->firing <= i->alerts);
    return (struct book_incident){
        .id = i->id,
        .state = i->state,
        .level = i->level,
        .title = str_of(i->title),
        .line = str_of(i->line),
        .suspect = str_of(i->suspect),
        .remedy = str_of(i->remedy),
        .services = buf_str(&i->services.text),
        .entries = buf_str(&i->entries.text),
        .users = buf_str(&i->users.text),
        .channels = buf_str(&i->channels.text),
        .receivers = buf_str(&i->receivers.text),
        .suppress_ms = i->suppress_ms,
        .opened_ns = i->opened_ns,
        .last_ns = i->last_ns,
        .ended_ns = i->state == INCIDENT_RESOLVED ? i->last_ns : 0,
        .alerts = i->alerts,
        .firing = i->firing,
        .messaged_ns = i->messaged_ns,
        .silent = i->silent,
    };
}

struct open_incident *incident_read(const struct book_incident *row)
{
    struct open_incident *i = make();
    ASSERT(row != NULL);
    i->id = row->id;
    i->state = row->state;
    i->level = row->level;
    set_text(i->title, sizeof i->title, row->title);
    set_text(i->line, sizeof i->line, row->line);
    set_text(i->suspect, sizeof i->suspect, row->suspect);
    set_text(i->remedy, sizeof i->remedy, row->remedy);
    name_list_read(&i->services, row->services);
    name_list_read(&i->entries, row->entries);
    name_list_read(&i->users, row->users);
    name_list_read(&i->channels, row->channels);
    name_list_read(&i->receivers, row->receivers);
    i->suppress_ms = row->suppress_ms;
    i->opened_ns = row->opened_ns;
    i->last_ns = row->last_ns;
    i->alerts = row->alerts;
    i->firing = row->firing;
    i->messaged_ns = row->messaged_ns;
    i->silent = row->silent;
    return i;
}
