// SPDX-License-Identifier: Apache-2.0
// Purpose: time. Any thread.
#ifndef SONDE_CORE_CLOCK_H
#define SONDE_CORE_CLOCK_H

#include <stdint.h>

#define NS_PER_US ((uint64_t)1000)
#define NS_PER_MS ((uint64_t)1000000)
#define NS_PER_S  ((uint64_t)1000000000)

// Nanoseconds of a clock that never steps back; only differences mean something.
uint64_t clock_mono_ns(void);

// Nanoseconds since 1970-01-01 UTC, as the machine believes.
uint64_t clock_wall_ns(void);

// CPU nanoseconds that the whole process has used.
uint64_t clock_cpu_ns(void);

#endif
