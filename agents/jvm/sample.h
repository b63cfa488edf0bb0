// SPDX-License-Identifier: Apache-2.0
// Purpose: which traces are recorded, decided where they begin; what comes with a decision of its
// caller's keeps that one, so that no chain is recorded in part. The ratio's decision is a hash of
// the trace ID, so that every process with the same ratio decides alike (the ID is not random by
// itself). Any thread.
#ifndef SONDE_JVM_SAMPLE_H
#define SONDE_JVM_SAMPLE_H

#include <stdbool.h>

#include "model/ids.h"

#define SAMPLE_RULES_MAX 32

struct sample_rule {
    struct str entry; // "GET /health", "GET /api/*", "*": a star at the end means any rest
    double ratio;
};

struct sample_settings {
    double ratio;     // 0 to 1: of traces that begin here
    bool by_parent;   // a caller's decision is followed
    double rate;      // at most so many new traces a second are kept; 0: no limit
    struct str rules; // "GET /health=0;GET /api/*=0.5": for entries, the first that fits
};

// How the rules read; what is wrong with them, or NULL. `ret` has room for SAMPLE_RULES_MAX.
const char *sample_rules_parse(struct str text, struct sample_rule *ret, unsigned *ret_n);

// At start. The text of the rules is copied; it must be right, and have less than 1024 bytes.
void sample_init(const struct sample_settings *s);

// For a trace that begins here.
bool sample_new(trace_id trace);
// For one that came from outside, where its caller said `sampled`.
bool sample_remote(trace_id trace, bool sampled);
// For one that begins with this request: whether a rule is for it, and what it says.
bool sample_entry(trace_id trace, struct str method, struct str path, bool *ret_keep);

// A decimal number from 0 to `most`, such as 0.25. By hand: the JVM's locale may have another
// decimal point.
bool sample_number(struct str text, double most, double *ret);

#endif
