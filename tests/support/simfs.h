// SPDX-License-Identifier: Apache-2.0
// Purpose: a simulated disk behind os/fs.h for crash tests: files in memory, each with what the
// program sees and what would survive a power cut. A cut keeps a random choice of the unsynced
// 512-byte sectors (torn writes), now and then all of them, and a random prefix of the unsynced
// renames, creations and removals. Writes and syncs can fail by chance; a failed sync leaves a
// random part, or all, on the disk and the rest silently lost, as Linux does. Seeded: the same seed
// and calls give the same disk.
#ifndef SONDE_TESTS_SUPPORT_SIMFS_H
#define SONDE_TESTS_SUPPORT_SIMFS_H

#include <stdint.h>

#include "os/fs.h"

struct simfs;

struct simfs *simfs_new(uint64_t seed);
void simfs_free(struct simfs *s);
struct fs *simfs_fs(struct simfs *s);

// Chances in 1,000 that a write or a sync fails with ERR_IO.
void simfs_set_faults(struct simfs *s, unsigned write_permille, unsigned sync_permille);

// From the n-th disk operation on everything fails with ERR_IO, as if the power had gone; 0
// cancels.
void simfs_power_off_after(struct simfs *s, uint64_t operations);

// Whether writes that need new room fail with ERR_FULL.
void simfs_set_full(struct simfs *s, bool full);

// The disk becomes full at the n-th of such writes from here on, of which a part may be written; 0
// gives room again.
void simfs_fill_after(struct simfs *s, uint64_t writes);

// What the disk is after the power cut; the power is back. All files must be closed.
void simfs_crash(struct simfs *s);

// A seeded random number below n, from the disk's own generator.
uint64_t simfs_random(struct simfs *s, uint64_t n);

#endif
