// SPDX-License-Identifier: Apache-2.0
// Purpose: the memory budget. Whatever can grow with load (request bodies, batches, the hot store,
// merges, queries) takes its bytes here first and gives them back after. The door refuses new
// requests above the soft mark (HTTP 429, gRPC RESOURCE_EXHAUSTED with a retry time), so that what
// is already inside can always finish below the limit. Any thread, lock-free.
#ifndef SONDE_LEDGER_BUDGET_H
#define SONDE_LEDGER_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum account { ACCOUNT_BODIES, ACCOUNT_BATCHES, ACCOUNT_STORE, ACCOUNT_QUERY, ACCOUNT_COUNT };

struct budget {
    size_t limit_bytes; // of all accounts together
    size_t soft_bytes;  // above it the door refuses; three quarters of the limit
    atomic_size_t used[ACCOUNT_COUNT];
    atomic_size_t total;
    atomic_size_t peak;
};

void budget_init(struct budget *b, size_t limit_bytes);

// False, and nothing taken, when the limit would be passed.
bool budget_take(struct budget *b, enum account a, size_t bytes);

// Takes even above the limit: for what must happen so that memory is freed again.
void budget_force(struct budget *b, enum account a, size_t bytes);

void budget_give(struct budget *b, enum account a, size_t bytes);

// Whether the door should refuse new work.
bool budget_is_tight(struct budget *b);

const char *account_name(enum account a);

#endif
