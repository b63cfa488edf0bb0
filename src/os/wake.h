// SPDX-License-Identifier: Apache-2.0
// Purpose: a condition that a thread waits for until a moment of the monotonic clock
// (core/clock.h), which no change of the wall clock moves.
#ifndef SONDE_OS_WAKE_H
#define SONDE_OS_WAKE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

// A condition for the waits below; pthread's own functions signal and destroy it.
void wake_init(pthread_cond_t *c);

// Both wait with `lock` held, which is let go meanwhile, and may return early without a reason.
// False when the time is over.
bool wake_wait_until(pthread_cond_t *c, pthread_mutex_t *lock, uint64_t mono_ns);
bool wake_wait_for(pthread_cond_t *c, pthread_mutex_t *lock, uint64_t ns);

#endif
