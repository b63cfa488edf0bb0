// SPDX-License-Identifier: Apache-2.0
// Purpose: counting what falls short.
#include "agents/jvm/shortfall.h"

#include <stdatomic.h>

#include "core/must.h"
#include "core/names.h"

static atomic_ullong counted[SHORTFALLS];

void shortfall_count(enum shortfall which)
{
    ASSERT(which < SHORTFALLS);
    atomic_fetch_add_explicit(&counted[which], 1, memory_order_relaxed);
}

uint64_t shortfall_counted(enum shortfall which)
{
    ASSERT(which < SHORTFALLS);
    return atomic_load_explicit(&counted[which], memory_order_relaxed);
}

NAMES_OF(shortfall_name, enum shortfall, SHORTFALL_LIST)
