// SPDX-License-Identifier: Apache-2.0
// Purpose: the seam through which whoever goes by the rules learns that they changed. The book has
// the rules; what is announced is that it has others now, by the number of its last change.
//
// This is the seam: coordination_local.c is for one server, whose own parts subscribe. Servers that
// share a book would announce the number to one another, and each read the book anew and hand the
// rules to its own subscribers, as this one does at once.
//
// Order. Versions that subscribers get ascend. What is in force already is not handed out again, so
// that a file that is taken over once more, and changes nothing, costs nobody anything. Rules that
// cannot be read leave those in force where they are; the next announcement tries anew.
//
// What is not here: windows, groups and incidents. One server's engine counts all that it is sent,
// and one desk tells of it, so that nothing is counted together and nobody need hold a lease.
//
// Threads: announcements exclude one another (alerting.h); subscribers are called on the thread
// that announces, in the order in which they subscribed.
#ifndef SONDE_ALERT_COORDINATION_H
#define SONDE_ALERT_COORDINATION_H

#include "alert/alert.h"

#define COORDINATION_SUBSCRIBERS_MAX 8

struct coordination;

struct coordination_options {
    // The rules as the book has them; the caller's.
    enum err (*read)(void *ctx, struct alert_set **ret_set, struct err_at *ret_at);
    void *ctx;
};
struct coordination *coordination_new(const struct coordination_options *options);
void coordination_free(struct coordination *c); // NULL is fine

// Calls `take` with each set that comes into force from now on; it takes a reference.
void coordination_subscribe(struct coordination *c, void (*take)(void *ctx, struct alert_set *set),
                            void *ctx);

// The book's last change is this one, and durable. When it returns ERR_OK each subscriber of this
// server has the rules with it; otherwise, with why in *ret_at, they have those of before.
MUST_CHECK enum err coordination_announce(struct coordination *c, uint64_t version,
                                          struct err_at *ret_at);

#endif
