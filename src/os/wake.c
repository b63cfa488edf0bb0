// SPDX-License-Identifier: Apache-2.0
// Purpose: conditions by the monotonic clock.
#include "os/wake.h"

#include <errno.h>
#include <time.h>

#include "core/clock.h"
#include "core/must.h"

void wake_init(pthread_cond_t *c)
{
    pthread_condattr_t monotonic;
    ASSERT(c != NULL);
    MUST(pthread_condattr_init(&monotonic) == 0);
    MUST(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
    MUST(pthread_cond_init(c, &monotonic) == 0);
    (void)pthread_condattr_destroy(&monotonic);
}

bool wake_wait_until(pthread_cond_t *c, pthread_mutex_t *lock, uint64_t mono_ns)
{
    const struct timespec until = {.tv_sec = (time_t)(mono_ns / NS_PER_S),
                                   .tv_nsec = (long)(mono_ns % NS_PER_S)};
    ASSERT(lock != NULL);
    int code = pthread_cond_timedwait(c, lock, &until);
    MUST(code == 0 || code == ETIMEDOUT);
    return code == 0;
}

bool wake_wait_for(pthread_cond_t *c, pthread_mutex_t *lock, uint64_t ns)
{
    ASSERT(ns <= 3600 * NS_PER_S);
    return wake_wait_until(c, lock, clock_mono_ns() + ns);
}
