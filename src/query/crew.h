// SPDX-License-Identifier: Apache-2.0
// Purpose: a few helper threads, shared by all queries. A query does its work itself, piece by
// piece; whichever helpers are idle when it begins take pieces too. So one query uses the whole
// machine, and many at once share it without more threads than cores.
#ifndef SONDE_QUERY_CREW_H
#define SONDE_QUERY_CREW_H

#include <stddef.h>

#define CREW_HELPERS_MAX 15

struct crew;

// With no helpers at all crew_run() still works.
struct crew *crew_new(size_t helpers);

// No run is under way.
void crew_free(struct crew *c);

// Calls work(ctx, 0) on this thread and, on up to `most` idle helpers at the same time, work(ctx,
// 1) and so on, each number once. `work` returns when no piece is left to begin: once one has, no
// helper joins any more. Returns when all of them have returned. `c` may be NULL. Any thread.
void crew_run(struct crew *c, size_t most, void (*work)(void *ctx, size_t who), void *ctx);

#endif
