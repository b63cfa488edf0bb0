// SPDX-License-Identifier: Apache-2.0
// Purpose: a disk whose syncs can be held back: a gate over another struct fs. For tests of what
// must not happen before data is durable.
#ifndef SONDE_TESTS_SUPPORT_GATEFS_H
#define SONDE_TESTS_SUPPORT_GATEFS_H

#include "os/fs.h"

struct gatefs;

struct gatefs *gatefs_new(struct fs *inner);
void gatefs_free(struct gatefs *g);
struct fs *gatefs_fs(struct gatefs *g);

void gatefs_shut(struct gatefs *g); // later syncs wait
void gatefs_open(struct gatefs *g);
void gatefs_await(struct gatefs *g); // returns once a sync waits at the shut gate

#endif
