// SPDX-License-Identifier: Apache-2.0
// Purpose: drawing the secret of the process.
#include "core/secret.h"

#include <sys/random.h>

#include "core/must.h"

_Atomic uint64_t secret_words[2];

uint64_t secret_fresh(void)
{
    uint64_t drawn = 0;
    ssize_t n = getrandom(&drawn, sizeof drawn, 0);
    MUST(n == (ssize_t)sizeof drawn);
    return drawn;
}

void secret_draw(void)
{
    uint64_t drawn[2] = {0, 0};
    ssize_t n = getrandom(drawn, sizeof drawn, 0);
    MUST(n == (ssize_t)sizeof drawn);
    for (int i = 1; i >= 0; i--) { // of threads that draw at once, one wins each word
        uint64_t none = 0;
        (void)atomic_compare_exchange_strong(&secret_words[i], &none, drawn[i] | 1);
    }
    ASSERT(secret_words[0] != 0);
}
