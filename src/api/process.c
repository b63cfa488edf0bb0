// SPDX-License-Identifier: Apache-2.0
// Purpose: reading /proc/self.
#include "api/process.h"

#include <stdio.h>
#include <unistd.h>

#include "core/must.h"

uint64_t process_rss_bytes(void)
{
    unsigned long long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f == NULL) {
        return 0;
    }
    int found = fscanf(f, "%*u %llu", &pages);
    (void)fclose(f);
    long page_bytes = sysconf(_SC_PAGESIZE);
    ASSERT(page_bytes > 0);
    return found == 1 ? pages * (uint64_t)page_bytes : 0;
}
