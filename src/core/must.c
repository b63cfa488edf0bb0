// SPDX-License-Identifier: Apache-2.0
// Purpose: what happens when an assertion fails.
#include "core/must.h"

#include <stdio.h>
#include <stdlib.h>

noreturn void must_fail(const char *condition, const char *file, int line)
{
    fprintf(stderr, "sonde: assertion failed: %s, at %s:%d\n", condition, file, line);
    abort();
}
