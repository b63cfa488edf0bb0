// SPDX-License-Identifier: Apache-2.0
// Purpose: for fuzzers of what decodes into metric points: what was taken in can be read, and goes
// through the journal as it is.
#ifndef SONDE_TESTS_SUPPORT_READ_POINTS_H
#define SONDE_TESTS_SUPPORT_READ_POINTS_H

#include "model/batch.h"

// Aborts where that is not so.
void read_points(const struct batch *b);

#endif
