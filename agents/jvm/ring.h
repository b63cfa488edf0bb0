// SPDX-License-Identifier: Apache-2.0
// Purpose: the bounded way from application threads to the sender: one ring of bytes a thread, one
// producer, one consumer, no lock. A record that does not fit is dropped and counted: the
// application never waits.
//
// A ring belongs to an operating-system thread (the carrier, where threads are virtual: pushing a
// record never leaves the native method). Rings are kept in a table of RINGS_MAX; a thread that
// ends gives its ring back once the sender has emptied it. With all of them taken, threads share
// the last one under a try-lock: who does not get it drops, counted.
//
//   record: u32 length (0: the rest of the ring is unused, go on at the front), bytes, padding to 8
#ifndef SONDE_JVM_RING_H
#define SONDE_JVM_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/str.h"

#define RING_BYTES 32768 // a power of two
#define RINGS_MAX  256
#define RECORD_MAX (RING_BYTES / 4)

struct ring {
    _Alignas(64) atomic_size_t head; // the producer's: bytes ever written
    atomic_ullong queued;            // and records
    _Alignas(64) atomic_size_t tail; // the consumer's: bytes ever read
    atomic_bool is_taken, is_over;   // a thread has it; that thread is gone
    atomic_flag is_busy;             // the shared one: somebody writes
    unsigned char bytes[RING_BYTES];
};

struct ring_counts {
    uint64_t queued, dropped_full, dropped_busy;
};

// The calling thread's ring, made at its first use; NULL when memory is out.
struct ring *ring_mine(void);

// Has the CPU fetch where the next record will be, while its writer does something else: the sender
// has read there last, or nobody for a while.
void ring_fetch(const struct ring *r);

// Copies a record of up to RECORD_MAX bytes made of two pieces. False when it was dropped.
bool ring_push(struct ring *r, struct str head, struct str body);

// For a thread of the agent's own, which may wait: until the ring has room for any record. False
// when it still has none after so long.
bool ring_wait_room(struct ring *r, unsigned limit_ms);

// The sender: calls `each` with the records of every ring until it returns false, which leaves that
// record where it is. True when it did so or a ring was more than half full: come again at once.
bool rings_drain(bool (*each)(void *ctx, struct str record), void *ctx);

// The sender sleeps here until a ring gets half full, rings_wake() is called, or the time is over.
void rings_wait(unsigned limit_ms);
void rings_wake(void);

void rings_counts(struct ring_counts *ret);

#endif
