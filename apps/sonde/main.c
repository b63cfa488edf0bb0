// SPDX-License-Identifier: Apache-2.0
// Purpose: the entry point of the one binary.
#include <stdio.h>

int main(void)
{
    puts("sonde");
    return 0;
}
