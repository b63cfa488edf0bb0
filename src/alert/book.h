// SPDX-License-Identifier: Apache-2.0
// Purpose: what alerting keeps: rules with their versions, alerts, incidents with their timeline,
// messages that are on their way to src/notify, and the windows. One SQLite file
// (alerts.db); what belongs together is one transaction.
//
//   rules      name, version (1 and on, over all changes of that name), body (a rule as a file has
//              it), when and by whom it was changed
//   roster     people, groups and silences (alert/roster.h), each as a file has it
//   changes    every version of every rule, with what was done: made, changed, removed (the audit);
//              of the roster under "people/anna" and the like
//   alerts     a rule that fired for a group: from `fired` to `ended`, in an incident
//   incidents  alerts of one cause (alert/desk.h): state, when, how many, whom it concerns
//   timeline   what happened to an incident, with the words of people among it
//   messages   what is to be told of an incident; `put` once src/notify has it
//   received   alerts that others raised and that are not over (alert/received.h)
//   windows    the state of the engine, with the journal number up to which it is
//
// Bounds. Silences that were over BOOK_SILENCE_MS ago go. Incidents that ended BOOK_KEEP_MS ago go
// with all that belongs to them, and the oldest beyond BOOK_INCIDENTS_MAX; of changes the last
// BOOK_CHANGES_MAX are kept.
//
// Any thread; transactions exclude one another (os/sql.h).
#ifndef SONDE_ALERT_BOOK_H
#define SONDE_ALERT_BOOK_H

#include "alert/alert.h"
#include "os/sql.h"

#define BOOK_KEEP_MS       ((uint64_t)90 * 24 * 3600 * 1000)
#define BOOK_INCIDENTS_MAX 20000u
#define BOOK_CHANGES_MAX   100000u
#define BOOK_MESSAGES_MAX  10000u // that were handed on; those of open incidents stay beside them
#define BOOK_SILENCE_MS    ((uint64_t)7 * 24 * 3600 * 1000)
#define BOOK_COMMENT_MAX   ((size_t)4000) // bytes
#define BOOK_COMMENTS_MAX  500u           // of an incident: half of the timeline that is shown

struct book {
    struct sql sql;
};

MUST_CHECK enum err book_open(struct book *b, const char *path, const char *vfs,
                              struct err_at *ret_at);
void book_close(struct book *b);

// ---- Rules --------------------------------------------------------------------------------------

// Adds and replaces rules, people, groups and silences by their names; those that stay as they are
// keep their version. ERR_LIMIT where there would be too many.
MUST_CHECK enum err book_put_rules(struct book *b, const struct alert_file *file, struct str by,
                                   uint64_t now_ns);
// Whether book_put_rules() would take the file; nothing is changed.
MUST_CHECK enum err book_try_rules(struct book *b, const struct alert_file *file);
// ERR_NOT_FOUND.
MUST_CHECK enum err book_remove_rule(struct book *b, struct str name, struct str by,
                                     uint64_t now_ns);
// kind: "people", "groups" or "silences". ERR_NOT_FOUND, also for another kind.
MUST_CHECK enum err book_remove_roster(struct book *b, struct str kind, struct str name,
                                       struct str by, uint64_t now_ns);
// The number of the last change of any rule, person, group or silence; 0 where there was none. It
// ascends.
MUST_CHECK enum err book_version(struct book *b, uint64_t *ret_version);
// All rules and the roster as one file, by name.
MUST_CHECK enum err book_print_rules(struct book *b, struct buf *out);

struct book_rule {
    struct str name, by;
    uint64_t version, changed_ns;
};
MUST_CHECK enum err book_each_rule(struct book *b,
                                   void (*each)(void *ctx, const struct book_rule *r), void *ctx);

struct book_change {
    struct str rule, action, body, by;
    uint64_t version, at_ns;
};
// Of one rule, or of all (name.p NULL), the newest first, `max` at most.
MUST_CHECK enum err book_each_change(struct book *b, struct str name, uint64_t max,
                                     void (*each)(void *ctx, const struct book_change *c),
                                     void *ctx);

// ---- The engine's state -------------------------------------------------------------------------

MUST_CHECK enum err book_put_state(struct book *b, uint64_t seq, struct str state);
// Appends the bytes; 0 and nothing where there are none.
MUST_CHECK enum err book_state(struct book *b, uint64_t *ret_seq, struct buf *out);
// What fires of the engine's, and what ended of it after since_ns.
MUST_CHECK enum err book_each_told(struct book *b, uint64_t since_ns,
                                   void (*each)(void *ctx, const struct alert_told *t), void *ctx);

// ---- Alerts of others ---------------------------------------------------------------------------

struct book_received {
    struct str labels, annotations, generator_url; // the first two JSON; by the labels one is known
    uint64_t starts_ns, ends_ns, updated_ns;
};
// In a transaction; adds it, or replaces the one of the same labels.
void book_put_received(struct book *b, const struct book_received *r);
void book_remove_received(struct book *b, struct str labels);
MUST_CHECK enum err book_each_received(struct book *b,
                                       void (*each)(void *ctx, const struct book_received *r),
                                       void *ctx);

// ---- Incidents ----------------------------------------------------------------------------------

enum incident_state { INCIDENT_FIRING, INCIDENT_ACKNOWLEDGED, INCIDENT_RESOLVED, INCIDENT_STATES };
const char *incident_state_name(enum incident_state s); // "firing"; static

struct book_alert {
    uint64_t id, incident;
    struct str rule, group[ALERT_GROUP_BY_MAX], fields[ALERT_GROUP_BY_MAX]; // values of fields
    size_t group_count;
    enum alert_level level;
    struct str measure, op, line, environment, service, instance, address; // measure "": outside
    struct str traces; // IDs as text, a line break between them
    double value, limit;
    uint64_t event_ns, fired_ns, ended_ns; // ended 0: it fires
    uint64_t told_ns;                      // the event of the last thing that was told
};

struct book_incident {
    uint64_t id;
    enum incident_state state;
    enum alert_level level; // the worst
    struct str title, line, suspect, remedy;
    struct str services, entries, users, channels, receivers; // lists: a line break between
    uint64_t suppress_ms;
    uint64_t opened_ns, last_ns, ended_ns;
    uint64_t alerts, firing;      // all; that still fire
    uint64_t messaged_ns, silent; // the last message; alerts since
};

struct book_entry {
    uint64_t incident, at_ns;
    // kind: fired, ended, joined, acknowledged, comment, resolved, told, silenced
    struct str kind, text, by;
};

struct book_message {
    uint64_t id, incident;
    struct str channels, body; // a line break between channels; JSON of the notice
    bool resolves;
};

// In a transaction, between book_begin() and book_end(). Numbers of new rows are given back.
void book_begin(struct book *b);
MUST_CHECK enum err book_end(struct book *b);
uint64_t book_add_alert(struct book *b, const struct book_alert *a);
void book_end_alert(struct book *b, uint64_t id, uint64_t ended_ns, uint64_t told_ns);
uint64_t book_add_incident(struct book *b, const struct book_incident *i);
void book_set_incident(struct book *b, const struct book_incident *i);
void book_add_entry(struct book *b, const struct book_entry *e);
uint64_t book_add_message(struct book *b, const struct book_message *m);
void book_message_is_put(struct book *b, uint64_t id);
void book_forget(struct book *b, uint64_t now_ns);

// `open`: that are not resolved. Newest first, `max` at most, with ids below `before` (0: any).
MUST_CHECK enum err book_each_incident(struct book *b, bool open, uint64_t before, uint64_t max,
                                       void (*each)(void *ctx, const struct book_incident *i),
                                       void *ctx);
// One; ERR_NOT_FOUND.
MUST_CHECK enum err book_incident(struct book *b, uint64_t id,
                                  void (*each)(void *ctx, const struct book_incident *i),
                                  void *ctx);
// The last BOOK_LIST_MAX, the oldest first; so the timeline.
#define BOOK_LIST_MAX 1000
MUST_CHECK enum err book_each_alert(struct book *b, uint64_t incident,
                                    void (*each)(void *ctx, const struct book_alert *a), void *ctx);
// Those that fire, of all incidents.
MUST_CHECK enum err
book_each_firing(struct book *b, void (*each)(void *ctx, const struct book_alert *a), void *ctx);
MUST_CHECK enum err book_each_entry(struct book *b, uint64_t incident,
                                    void (*each)(void *ctx, const struct book_entry *e), void *ctx);
MUST_CHECK enum err book_count_comments(struct book *b, uint64_t incident, uint64_t *ret_count);
MUST_CHECK enum err
book_each_unput(struct book *b, void (*each)(void *ctx, const struct book_message *m), void *ctx);
// The last message of each incident that is open; `channels` are those of all its messages, also of
// what silences withheld.
MUST_CHECK enum err book_each_last_message(struct book *b,
                                           void (*each)(void *ctx, const struct book_message *m),
                                           void *ctx);

#endif
