// SPDX-License-Identifier: Apache-2.0
// Purpose: a channel that keeps failing is an alert of its own: "sonde: channel NAME fails", of the
// level error, told over the other channels of those rules that tell over it. It ends when the
// channel delivers again, or is removed.
//
// src/notify says which channels have been failing for NOTIFY_FAILING_MS (it says so once, and anew
// after a start). What fires is kept in the book like any alert, so that one of before a start
// still ends: when the channel has delivered since it fired.
//
// Threads: watch_failing() and watch_recovered() from any, in no order to the rest; watch_tick() on
// the engine's. WATCH_CHANNELS_MAX names wait at most: src/notify has no more channels.
#ifndef SONDE_ALERT_WATCH_H
#define SONDE_ALERT_WATCH_H

#include "alert/alert.h"
#include "alert/desk.h"
#include "notify/notify.h"

#define WATCH_CHANNELS_MAX OUTBOX_CHANNELS_MAX
#define WATCH_FIELD        "channel" // that such an alert is grouped by

struct watch;
struct watch *watch_new(void);
void watch_free(struct watch *w); // NULL is fine

// What fires, as the book has it; before the first tick.
MUST_CHECK enum err watch_load(struct watch *w, struct book *book);

void watch_failing(struct watch *w, struct str channel, struct str error);
void watch_recovered(struct watch *w, struct str channel);

// Whether a tick has anything to do; then it needs the rules in force.
bool watch_is_due(struct watch *w);
void watch_tick(struct watch *w, struct desk *desk, struct notify *notify,
                const struct alert_file *file, uint64_t now_ns);

#endif
