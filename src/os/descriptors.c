// SPDX-License-Identifier: Apache-2.0
// Purpose: sharing out the file descriptors of the process.
#include "os/descriptors.h"

#include <stdint.h>
#include <sys/resource.h>

#include "core/must.h"

#define READING_SHARE 4 // one in so many

static struct rlimit current_limit(void)
{
    struct rlimit limit;
    MUST(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    ASSERT(limit.rlim_cur <= limit.rlim_max);
    return limit;
}

size_t descriptors_limit(void)
{
    rlim_t now = current_limit().rlim_cur;
    ASSERT(now > 0);
    return now < SIZE_MAX ? (size_t)now : SIZE_MAX;
}

size_t descriptors_raise(void)
{
    struct rlimit limit = current_limit(), raised = {limit.rlim_max, limit.rlim_max};
    (void)setrlimit(RLIMIT_NOFILE, &raised); // else it stays what it is
    ASSERT(current_limit().rlim_cur >= limit.rlim_cur);
    return descriptors_limit();
}

size_t descriptors_for_reading(size_t limit)
{
    size_t n = limit / READING_SHARE;
    ASSERT(n < limit || limit == 0);
    return n < DESCRIPTORS_READING_MAX ? n : DESCRIPTORS_READING_MAX;
}

// What all addresses together may have for their connections.
static size_t left_for_connections(size_t limit, size_t loops, size_t listeners)
{
    size_t others = descriptors_for_reading(limit) + DESCRIPTORS_FIXED +
                    DESCRIPTORS_PER_LOOP * loops + DESCRIPTORS_PER_LISTENER * listeners;
    return limit > others ? limit - others : 0;
}

size_t descriptors_least(size_t loops, size_t listeners, size_t addresses)
{
    size_t limit = DESCRIPTORS_MIN;
    ASSERT(addresses > 0 && listeners >= addresses);
    while (left_for_connections(limit, loops, listeners) < addresses * listeners) {
        limit++;
    }
    return limit;
}

size_t descriptors_for_connections(size_t limit, size_t loops, size_t listeners, size_t addresses)
{
    MUST(limit >= descriptors_least(loops, listeners, addresses));
    size_t each = left_for_connections(limit, loops, listeners) / addresses;
    ASSERT(each >= listeners);
    return each;
}
