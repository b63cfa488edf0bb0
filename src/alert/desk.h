// SPDX-License-Identifier: Apache-2.0
// Purpose: from alerts to what people hear: the desk writes down what the engine tells, folds
// alerts of one cause into an incident, and hands messages to src/notify.
//
// Incidents. An alert joins an open incident that got its last one DESK_FOLD_MS ago at most, of the
// same business line, where it is of the same rule, the same service, a service that calls or is
// called by one of the incident's, or has a trace in common with it; else it opens one. An incident
// is resolved when none of its alerts fires any more. A person may acknowledge it (what joins then
// is not told to those who know of it, unless it is worse), and add words to its timeline.
//
// Messages. Each channel of the rules hears of an incident at once, the first time; after that once
// for each `suppress` of them at most, with how many alerts came since ("and 214 more"), and when
// it is over. An incident that was not told to a channel is not told to be over there.
//
// Silences (alert/roster.h). What one covers is not told (but its end is, to those who heard of
// it); the timeline says so. Channels that did not hear of the incident for that hear of it, if it
// still fires, once no silence is over any of its rules; those that know of it are told again
// unless silences cover all of it.
//
// People. A rule's receivers that are people or groups become who they stand for when a message is
// made: of a group who is on call then, or all members where nobody is.
//
// First suspect: the service of the deepest failed span of the alert's traces, and whom it called.
// The spans of those who were called come later than those of who called, often by seconds: so the
// traces of an incident are looked at again DESK_LOOK_AGAIN_MS after the latest of its first
// alerts, and what most of them say counts; the timeline says it when that is another.
//
// Messages that src/notify cannot take now are tried again; what it never will (a damaged one) is
// given up, and logged.
//
// Crashes. What the engine tells is one transaction with all that follows from it, the messages
// included; these go to src/notify afterwards under a key of their own, and again after a crash,
// where they count once. So nothing is lost and nothing is told twice.
//
// Threads: the engine's thread tells; any other may ask, acknowledge and comment.
#ifndef SONDE_ALERT_DESK_H
#define SONDE_ALERT_DESK_H

#include "alert/alert.h"
#include "alert/book.h"
#include "notify/notify.h"

#define DESK_FOLD_MS   ((uint64_t)60000)
#define DESK_OPEN_MAX  1000 // incidents; beyond it: the newest of the line, else the newest
#define DESK_LIST_MAX  64   // services, entries, users of an incident that are named
#define DESK_TRACES    50   // of an incident that are compared
#define DESK_LOOKED_AT 3    // traces of an alert that are opened
#define DESK_AGAIN     8    // traces of an incident that are opened later
#define DESK_PENDING_MAX                                                                           \
    ((size_t)10000) // messages on their way to src/notify; the book has the others
#define DESK_LOOK_AGAIN_MS ((uint64_t)10000)
#define DESK_INQUIRED      8 // alerts of an incident whose traces are, and whose instances are measured

// What an alert's traces say.
struct inquiry {
    bool is_late; // asked: whether all spans should be there, so that one without its parent is an
                  // entry
    struct arena arena;
    struct str suspect;             // "payment -> postgresql"; "" where nothing is known
    struct str entries[DESK_AGAIN]; // "shop POST /orders"
    struct str users[DESK_AGAIN];
    size_t entry_count, user_count;
    struct notice_number process_cpu, host_cpu; // of its instance
};

struct desk_options {
    const char *path; // of alerts.db
    const char *vfs;  // as in store/store.h
    struct notify *notify;
    // Looks traces up, DESK_AGAIN at most; texts in the arena. May be NULL.
    void (*inquire)(void *ctx, const trace_id *traces, size_t count, struct inquiry *ret_inquiry);
    // How busy an alert's instance and its host are, into process_cpu and host_cpu. May be NULL.
    void (*measure)(void *ctx, const struct alert_origin *origin, uint64_t at_ns,
                    struct inquiry *ret_inquiry);
    // Whether one service calls the other. May be NULL.
    bool (*are_neighbours)(void *ctx, struct str line, struct str a, struct str b);
    void *ctx;
};

struct desk;
MUST_CHECK enum err desk_open(const struct desk_options *options, struct desk **ret_desk,
                              struct err_at *ret_at);
void desk_close(struct desk *d); // NULL is fine

// Of this server's pages, for links; none until it is set. Before anything is told.
#define DESK_URL_MAX 512
void desk_set_url(struct desk *d, const char *url);

// The rules, people and silences there are from now on; a reference is taken.
void desk_set_rules(struct desk *d, struct alert_set *set);

// The book, for rules and for asking.
struct book *desk_book(struct desk *d);

// What the engine's sink needs; see alert.h.
MUST_CHECK enum err desk_tell(struct desk *d, const struct alert_event *events, size_t count);
void desk_tick(struct desk *d, uint64_t now_ns);

struct desk_stats {
    uint64_t open;    // incidents that are not resolved
    uint64_t crowded; // alerts that joined one for want of room: DESK_OPEN_MAX
};
void desk_stats(struct desk *d, struct desk_stats *ret_stats);

// An incident that is not resolved and that silences cover: all of it, or some of its rules and
// services.
struct desk_silenced {
    uint64_t incident;
    struct str by; // the first of them; lives until `each` returns
    bool all;
};
// `each` must not call back.
void desk_each_silenced(struct desk *d, uint64_t now_ns,
                        void (*each)(void *ctx, const struct desk_silenced *s), void *ctx);

// ERR_NOT_FOUND; ERR_INVALID for one that is resolved.
MUST_CHECK enum err desk_acknowledge(struct desk *d, uint64_t incident, struct str by,
                                     uint64_t now_ns);
// ERR_NOT_FOUND; ERR_LIMIT for more than BOOK_COMMENT_MAX bytes, or BOOK_COMMENTS_MAX comments.
MUST_CHECK enum err desk_comment(struct desk *d, uint64_t incident, struct str text, struct str by,
                                 uint64_t now_ns);

#endif
