// SPDX-License-Identifier: Apache-2.0
// Purpose: what the operating system says of this process.
#ifndef SONDE_OS_PROCESS_H
#define SONDE_OS_PROCESS_H

#include <stdint.h>

// Resident bytes, or 0 where the system does not tell.
uint64_t process_resident_bytes(void);

#endif
