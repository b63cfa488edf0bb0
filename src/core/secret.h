// SPDX-License-Identifier: Apache-2.0
// Purpose: a number that nobody outside of the process knows: the seed of hashes over bytes of
// peers, so that nobody can choose bytes that meet in one place. Not for what is stored.
#ifndef SONDE_CORE_SECRET_H
#define SONDE_CORE_SECRET_H

#include <stdint.h>

// Drawn when it is first asked for; the same, and not 0, for the life of the process. Any thread.
uint64_t process_secret(void);

#endif
