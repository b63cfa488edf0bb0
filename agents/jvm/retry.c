// SPDX-License-Identifier: Apache-2.0
// Purpose: the pauses between tries.
#include "agents/jvm/retry.h"

#include "core/must.h"

static uint32_t at_most(uint32_t ms, uint32_t most)
{
    return ms < most ? ms : most;
}

void retry_failed(struct retry *r, uint32_t asked_s)
{
    if (asked_s > 0) {
        r->wait_ms = at_most(asked_s, RETRY_ASKED_MS / 1000) * 1000;
    } else {
        r->wait_ms = r->wait_ms == 0 ? RETRY_MIN_MS : at_most(r->wait_ms * 2, RETRY_MAX_MS);
    }
    ASSERT(r->wait_ms >= RETRY_MIN_MS && r->wait_ms <= RETRY_ASKED_MS);
}
