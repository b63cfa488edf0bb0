// SPDX-License-Identifier: Apache-2.0
// Purpose: the process's secret.
#include "core/secret.h"

#include <stdatomic.h>
#include <sys/random.h>

#include "core/must.h"

static _Atomic uint64_t secret; // 0: not drawn yet

uint64_t process_secret(void)
{
    uint64_t known = atomic_load_explicit(&secret, memory_order_relaxed), drawn = 0;
    if (known != 0) {
        return known;
    }
    ssize_t n = getrandom(&drawn, sizeof drawn, 0);
    MUST(n == (ssize_t)sizeof drawn);
    drawn |= 1;
    return atomic_compare_exchange_strong(&secret, &known, drawn) ? drawn : known;
}
