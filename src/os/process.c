// SPDX-License-Identifier: Apache-2.0
// Purpose: reading /proc/self.
#include "os/process.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/must.h"

uint64_t process_resident_bytes(void)
{
    char line[128] = "", *end = line;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f == NULL) {
        return 0;
    }
    // The second number is the resident pages (proc(5)).
    bool read = fgets(line, sizeof line, f) != NULL;
    (void)fclose(f);
    (void)strtoull(line, &end, 10);
    uint64_t pages = strtoull(end, NULL, 10);
    long page_bytes = sysconf(_SC_PAGESIZE);
    ASSERT(page_bytes > 0);
    return read ? pages * (uint64_t)page_bytes : 0;
}
