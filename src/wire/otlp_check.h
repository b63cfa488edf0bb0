// SPDX-License-Identifier: Apache-2.0
// Purpose: checking protobuf bytes against OTLP's tables, and saying where they break them.
// Private to src/wire.
//
// A path such as "resource_spans[0].scope_spans[1].spans[3].name" is put together only once
// something is wrong, from the inside out while the calls return; good input pays nothing for it.
#ifndef SONDE_WIRE_OTLP_CHECK_H
#define SONDE_WIRE_OTLP_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "core/str.h"
#include "wire/otlp_schema.h"

#define OTLP_PATH_MAX ((size_t)128)

struct otlp_problem {
    enum err code;
    const uint8_t *at; // the offending byte
    const char *what;
    char path[OTLP_PATH_MAX];
    size_t path_at; // the path stands in [path_at, OTLP_PATH_MAX)
    bool path_cut;  // it begins with "...": what is outside of that did not fit
};

// Starts a problem without a path. Always false, so that a check can `return` it.
bool otlp_problem_set(struct otlp_problem *pr, enum err code, const void *at, const char *what);

// Puts `name` (and "[index]" unless index is negative) before the path. Always false.
bool otlp_problem_in(struct otlp_problem *pr, const char *name, int64_t index);

// The same for field `number` of the message that starts at `message`: the index is the number of
// such fields before `at`.
bool otlp_problem_in_repeated(struct otlp_problem *pr, const char *name, uint32_t number,
                              struct str message, const uint8_t *at);

// Says it: fills *ret_at and returns the code.
enum err otlp_problem_report(const struct otlp_problem *pr, struct str input,
                             struct err_at *ret_at);

// Whether the bytes are a well-formed message of this kind: wire types, lengths, UTF-8, nesting.
// `depth` is how many AnyValues lie around it. Adds to *records what the message and those in it
// count.
bool otlp_check(const struct otlp_message *m, struct str bytes, unsigned depth, uint64_t *records,
                struct otlp_problem *pr);

#endif
