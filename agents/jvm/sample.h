// SPDX-License-Identifier: Apache-2.0
// Purpose: which traces are recorded, decided where they begin. The decision is a hash of the trace
// ID, so that every process with the same ratio decides alike (the ID is not random by itself).
// Any thread.
#ifndef SONDE_JVM_SAMPLE_H
#define SONDE_JVM_SAMPLE_H

#include <stdbool.h>

#include "model/ids.h"

// `ratio` is 0 to 1; `by_parent`: what comes with a decision of its caller's keeps that one.
void sample_init(double ratio, bool by_parent);

// For a trace that begins here.
bool sample_new(trace_id trace);
// For one that came from outside, where its caller said `sampled`.
bool sample_remote(trace_id trace, bool sampled);

#endif
