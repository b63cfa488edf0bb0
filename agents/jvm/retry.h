// SPDX-License-Identifier: Apache-2.0
// Purpose: when to try again what a server has not taken: after 1, 2, 4 ... 30 s, or when the
// server has asked for another time (Retry-After), then, but never more than a minute from now.
// However long it is away, its return is noticed within that. Pure.
#ifndef SONDE_JVM_RETRY_H
#define SONDE_JVM_RETRY_H

#include <stdint.h>

#define RETRY_MIN_MS   1000
#define RETRY_MAX_MS   30000
#define RETRY_ASKED_MS 60000 // of what a server may ask for

struct retry {
    uint32_t wait_ms; // from the failure on; 0: nothing has failed
};

// A try has failed; `asked_s` is what the server asked for, 0: nothing.
void retry_failed(struct retry *r, uint32_t asked_s);

#endif
