// SPDX-License-Identifier: Apache-2.0
// Purpose: the memory budget. Whatever can grow with load (connections, request bodies, batches,
// the hot store, merges, queries and their answers) takes its bytes here first and gives them back
// after. The door refuses new requests above the soft mark (HTTP 429, gRPC RESOURCE_EXHAUSTED with
// a retry time; receive/overload.h), so that what is already inside can always finish below the
// limit. A share is for queries alone: whoever looks into an overload gets an answer while it
// lasts. And they are given no more than half of it all, so that they do not shut the door on
// senders. Nor do peers that do not read what they asked for: what their answers hold is known, and
// is an eighth of it all at most (src/http). Any thread, lock-free.
//
// What the accounts hold is not what the process has: an allocator keeps pages of which a few bytes
// are in use, how many depends on who frees what when. So the resident bytes are looked at as well
// (budget_look()), and when these come close to the process's limit the door refuses (crowded), and
// the limit of the accounts falls to what they have and the process has room for (limit_now). But
// never below calm_bytes: when the accounts hold less, what is resident is free memory, which the
// next one to ask is given. An allocator gives memory back as it is asked for more, so that a door
// that waited for it to go would wait for ever.
#ifndef SONDE_LEDGER_BUDGET_H
#define SONDE_LEDGER_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/mem.h"

// What writing a stored span to a part takes, beside the span itself (measured: 200 on the middle
// shape of bench/gen.h). Taken with the span, so that what is in memory can always be written.
#define BUDGET_ROW_BYTES ((size_t)256)

enum account {
    ACCOUNT_BODIES,
    ACCOUNT_BATCHES,
    ACCOUNT_STORE,
    ACCOUNT_STREAM, // chains that are open, and batches on their way there
    ACCOUNT_CACHE,  // blocks of parts kept for the next query; given up as soon as memory is tight
    ACCOUNT_QUERY,
    ACCOUNT_SERIES, // heads and the index of the series store
    ACCOUNT_NOTIFY, // notices on their way
    ACCOUNT_COUNT
};

// What nobody takes: the program, stacks, SQLite's caches, and what the allocator has freed and not
// yet given back. Measured at limits from 64 MiB to 1 GiB (tests/e2e/test_overload, test_attack).
#define BUDGET_RESERVE_BYTES ((size_t)32 << 20)
#define BUDGET_RESERVE_SHARE 8 // and this part of the process's limit

// The process is crowded when less than this part of its limit is left, which is enough for the
// bodies that are coming in then; the accounts are to leave the second.
#define BUDGET_CROWDED_SHARE 16
#define BUDGET_SPARE_SHARE   32
#define BUDGET_LOOK_MS       ((uint64_t)20)

struct budget {
    size_t process_bytes;   // the whole process is to stay below
    size_t crowded_bytes;   // resident bytes from which on it is crowded; SIZE_MAX: nobody looks
    size_t limit_bytes;     // of all accounts together
    size_t flush_bytes;     // above it the store writes what it has early; half of the limit
    size_t calm_bytes;      // below it no process is crowded; 5/8, the low mark of the door
    size_t soft_bytes;      // above it the door refuses; three quarters of the limit
    size_t query_bytes;     // of the limit, for ACCOUNT_QUERY alone; a sixteenth
    size_t query_bytes_max; // that ACCOUNT_QUERY may have; half of the limit
    // What answers that peers do not take may hold, in whatever account, of all HTTP servers
    // together; an eighth of the limit. They keep to it (http/unread.c).
    size_t unread_bytes_max;
    atomic_size_t unread;
    atomic_uint http_servers;
    atomic_size_t used[ACCOUNT_COUNT];
    atomic_size_t total;
    atomic_size_t peak;
    atomic_size_t resident;        // at the last look
    atomic_size_t limit_now;       // limit_bytes, or what the last look left of them
    _Atomic uint64_t look_next_ms; // when the next is due
};

void budget_init(struct budget *b, size_t limit_bytes);
// For a process that may have so many bytes resident: the accounts get what the reserve leaves.
// At least twice BUDGET_RESERVE_BYTES.
void budget_init_process(struct budget *b, size_t process_bytes);

// Looks at the process's resident bytes when the last look is BUDGET_LOOK_MS ago; else, and where
// nobody is to look, it costs next to nothing. now_ms: of any clock that does not go back, the same
// for all callers.
void budget_look(struct budget *b, uint64_t now_ms);

// The judgement over a look: whether the process is crowded, and the accounts hold enough for that
// to pass when nothing more is let in.
bool budget_is_crowded(struct budget *b);

// False, and nothing taken, when the limit would be passed. Queries are given what their share
// still has even when others were forced above the limit.
bool budget_take(struct budget *b, enum account a, size_t bytes);

// Takes even above the limit: for what must happen so that memory is freed again.
void budget_force(struct budget *b, enum account a, size_t bytes);

void budget_give(struct budget *b, enum account a, size_t bytes);

// Whether what is in memory should go to the disk early.
bool budget_is_filling(struct budget *b);

// Whether the door should refuse new work: above the soft mark, or crowded.
bool budget_is_tight(struct budget *b);

const char *account_name(enum account a);

// What one owner (a job, a shard) holds of one account. It is a source of memory for buffers, whose
// growth is then refused at the limit.
struct meter {
    struct mem_source source;
    struct budget *budget;
    enum account account;
    bool forced; // never refused: for what must be answered, and is small
    atomic_size_t held_bytes;
};

void meter_init(struct meter *m, struct budget *b, enum account a);
MUST_CHECK bool meter_take(struct meter *m, size_t bytes);
void meter_force(struct meter *m, size_t bytes); // budget_force()
void meter_give(struct meter *m, size_t bytes);
void meter_done(struct meter *m); // gives back what is still held

#endif
