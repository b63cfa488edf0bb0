// SPDX-License-Identifier: Apache-2.0
// Purpose: the desk as its own files see it.
#ifndef SONDE_ALERT_DESK_STATE_H
#define SONDE_ALERT_DESK_STATE_H

#include <pthread.h>

#include "alert/desk.h"
#include "core/logger.h"

// Texts, each once, a line break between them; bounded.
struct name_list {
    struct buf text;
    size_t count;
};
void name_list_init(struct name_list *n);
void name_list_done(struct name_list *n);
void name_list_read(struct name_list *n, struct str text);
bool name_list_have(const struct name_list *n, struct str name);
// False where it was there; also where there are `max`, and it is left out.
bool name_list_add(struct name_list *n, struct str name, size_t max);
// Cuts the first off *rest; false at the end.
bool name_list_next(struct str *rest, struct str *ret_name);

// An incident that is not resolved.
struct open_incident {
    uint64_t id;
    enum incident_state state;
    enum alert_level level;
    char title[ALERT_NAME_MAX + 1], line[ALERT_VALUE_MAX + 1], suspect[512];
    char remedy[ALERT_TEXT_MAX + 1];
    struct name_list services, entries, users, channels, receivers, rules;
    uint64_t opened_ns, last_ns, alerts, firing, messaged_ns, silent, suppress_ms;
    trace_id traces[DESK_TRACES]; // a ring
    size_t trace_next;
    uint64_t look_ns;          // when they are looked at again; 0: they are not
    bool is_new;               // has no row yet
    bool is_silenced;          // its timeline says so
    struct name_list withheld; // channels that a silence keeps from hearing of it
    // What a message of it would say: the latest alert, as a notice.
    char *body;
    size_t body_n;
};

// An alert that fires.
struct firing {
    char *key; // whether from outside, rule, values of its group, each behind its length
    size_t key_n;
    uint64_t hash, id, incident;
};

// A message that is written down and not handed on yet.
struct pending {
    uint64_t id, incident;
    char *channels, *body;
    bool resolves;
};

struct desk {
    struct desk_options o;
    struct book book;
    char url[DESK_URL_MAX];
    pthread_mutex_t lock;  // of the rest
    struct alert_set *set; // NULL: none yet
    struct open_incident **open;
    size_t open_count, open_capacity;
    struct firing **slots; // open addressing
    size_t size, firing_count;
    struct pending *pending; // the oldest DESK_PENDING_MAX
    size_t pending_count, pending_capacity;
    bool has_more; // the book has more of them
    bool is_stale; // what the book has could not be read again
    struct log_gate gate;
    uint64_t forgot_ns;
    uint64_t crowded; // alerts that joined one that they do not belong to, for want of room
};

char *desk_copy(struct str s); // with a zero behind it; mem_free()

// incident.c: which incident an alert belongs to, and what becomes of it. No row is written.
struct open_incident *incident_for(struct desk *d, const struct alert_event *e);
void incident_join(struct open_incident *i, const struct alert_event *e,
                   const struct inquiry *inquiry);
// What its traces say when they are looked at later. True where the suspect is another.
bool incident_learn(struct open_incident *i, const struct inquiry *inquiry);
void incident_free(struct open_incident *i);
struct open_incident *incident_of(const struct desk *d, uint64_t id); // NULL: it is not open
// As a row of the book; texts are the incident's.
struct book_incident incident_row(const struct open_incident *i);
struct open_incident *incident_read(const struct book_incident *row);

// pending.c: messages on their way. pending_add() is for a row that is not handed on yet; it takes
// the desk as its ctx.
void pending_add(void *ctx, const struct book_message *m);
void pending_hand_on(struct desk *d);
void pending_clear(struct desk *d);

// silence.c: which of its rules silences cover then: of some of its services, and all of all.
struct incident_silence {
    bool some, all;
    struct str by; // the first; "" where there is none; the set's
};
struct incident_silence incident_silenced(const struct desk *d, const struct open_incident *i,
                                          uint64_t now_ns);

// message.c: the notice of an alert as JSON.
void message_of(const struct desk *d, const struct open_incident *i, const struct alert_event *e,
                const struct inquiry *inquiry, struct buf *out);
// The same body with another status, how many alerts more, and who is to hear of it then.
void message_again(const struct desk *d, const struct open_incident *i, uint64_t now_ns,
                   enum notice_status status, uint64_t more, struct buf *out);

#endif
