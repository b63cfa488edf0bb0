// SPDX-License-Identifier: Apache-2.0
// Purpose: what the operating system says of this process.
#ifndef SONDE_API_PROCESS_H
#define SONDE_API_PROCESS_H

#include <stdint.h>

// Resident bytes, or 0 where the system does not tell.
uint64_t process_rss_bytes(void);

#endif
