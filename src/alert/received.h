// SPDX-License-Identifier: Apache-2.0
// Purpose: alerts that others raise: a Prometheus, or amtool, sends them as to an Alertmanager (its
// API v2), and they become alerts and incidents like those of rules.
//
// One alert is one set of labels, whoever sends it and however often. It fires from startsAt until
// endsAt; one that is sent again moves its end. Without endsAt it ends RECEIVED_HOLD_MS after it
// was sent last, so that a sender that is gone leaves nothing behind. Then it is forgotten.
//
// What becomes of it. The rule is the label alertname, the group all other labels, as `labels`:
// the desk and the book know an alert by these two, so nothing may be left out. The level comes
// from severity (warning where that says nothing known); business line, service, environment and
// instance from the labels that stand for them; the remedy is the annotations summary, description,
// message and runbook_url. It is told over the channels, and to the receivers, that the options
// name.
//
//     POST -> [received_read.c] -> book, durable -> received_tick() -> desk
//
// Not in a circle. A channel of this server may lead to its own receiver: what has its mark in the
// annotation NOTIFY_MARK is passed over, and counted as taken, so that the channel does not fail.
//
// Crashes. What was taken is in the book. Whether it fires is what the book's alerts say, so what
// was told before is not told again, and what ended meanwhile ends; so does, at the first tick,
// what fires there and belongs to nothing that was taken.
//
// Bounds. RECEIVED_MAX alerts, and RECEIVED_SHARE of the budget: more are refused and counted. Of
// one, RECEIVED_LABELS_MAX labels, texts as below. One that is wrong is refused with what is wrong
// there; the others of its request are taken.
//
// Threads: received_tick() on the engine's; the rest from any.
#ifndef SONDE_ALERT_RECEIVED_H
#define SONDE_ALERT_RECEIVED_H

#include "alert/alert.h"
#include "alert/desk.h"
#include "ledger/budget.h"

#define RECEIVED_MAX            ((size_t)10000)
#define RECEIVED_SHARE          64 // of the budget, one part in so many
#define RECEIVED_HOLD_MS        ((uint64_t)300000)
#define RECEIVED_LABELS_MAX     64
#define RECEIVED_NAME_MAX       ((size_t)200)  // bytes of a label's name, and of alertname
#define RECEIVED_VALUE_MAX      ((size_t)1024) // of a label's value
#define RECEIVED_ANNOTATION_MAX ((size_t)4000) // of one; RECEIVED_LABELS_MAX of them
#define RECEIVED_URL_MAX        ((size_t)2048)
#define RECEIVED_FIELD          "labels" // that such an alert is grouped by
#define RECEIVED_SUPPRESS_MS    ((uint64_t)600000)

struct received;

struct received_options {
    struct book *book;
    struct desk *desk;
    struct budget *budget;
    struct str channels, receivers; // names, a comma between them
    struct str mark;                // of this server, in what it sends (notify_mark())
};

MUST_CHECK enum err received_open(const struct received_options *options,
                                  struct received **ret_received, struct err_at *ret_at);
void received_close(struct received *r); // NULL is fine

struct received_taken {
    size_t taken, refused;
};
// Takes a list of alerts (JSON) and returns when they are durable. ERR_INVALID where it is no list:
// then none is taken. *ret_at says what is wrong there, or with the first that was refused.
MUST_CHECK enum err received_put(struct received *r, struct str json, uint64_t now_ns,
                                 struct received_taken *ret_taken, struct err_at *ret_at);

// One as it is kept. `key` is the labels as JSON, sorted; so are the annotations.
struct received_alert {
    struct str key, annotations, generator_url;
    struct str rule, group, service; // that it becomes
    uint64_t starts_ns, ends_ns, updated_ns;
    uint64_t fingerprint; // of the labels, as Prometheus has it
    bool fires;
};
// In no order; texts live until `each` returns. It must not call back.
void received_each(struct received *r, void (*each)(void *ctx, const struct received_alert *a),
                   void *ctx);

struct received_stats {
    uint64_t alerts, bytes, taken, refused, own;
};
void received_stats(struct received *r, struct received_stats *ret_stats);

void received_tick(struct received *r, uint64_t now_ns);

// ---- received_read.c ----------------------------------------------------------------------------

// An alert of a request, which lives in the arena. ERR_INVALID with what is wrong.
struct json_t;
MUST_CHECK enum err received_read(const struct json_t *object, uint64_t now_ns, struct arena *a,
                                  struct received_alert *ret_alert, struct err_at *ret_at);
// Whether the server of this mark sent it.
bool received_is_of(const struct json_t *object, struct str mark);
// What of the key stands in received_alert: rule, group, service, fingerprint. ERR_CORRUPT.
MUST_CHECK enum err received_expand(struct received_alert *alert, struct arena *a);
// What of its labels and annotations a rule and an origin have.
void received_describe(const struct received_alert *alert, struct arena *a,
                       struct alert_rule *ret_rule, struct alert_origin *ret_origin);

#endif
