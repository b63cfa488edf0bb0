// SPDX-License-Identifier: Apache-2.0
// Purpose: moments and durations as the command line reads and writes them.
#ifndef SONDE_APPS_WHEN_H
#define SONDE_APPS_WHEN_H

#include <stdint.h>

#include "core/err.h"

#define WHEN_MAX   32
#define WHEN_FORMS "now, now-15m, 2026-01-31T12:00:00Z, '2026-01-31 12:00' (local) or epoch ms"

// A moment: `now`, `now-DURATION`, a date with or without a time (of the local zone, of UTC with a
// Z at its end), or epoch milliseconds. ERR_LIMIT for a day that its month does not have,
// ERR_INVALID for anything else.
MUST_CHECK enum err when_parse(const char *text, uint64_t now_ms, uint64_t *ret_ms);

void when_print_duration(char out[WHEN_MAX], uint64_t ns); // 1.5 ms
void when_print_local(char out[WHEN_MAX], uint64_t ns);    // 01-31 12:00:00.000
void when_print_second(char out[WHEN_MAX], uint64_t ms);   // 2026-01-31 12:00:00, local

#endif
