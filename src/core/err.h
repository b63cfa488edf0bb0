// SPDX-License-Identifier: Apache-2.0
// Purpose: the one error type of the project: a code with a name and a sentence, and, for parsers,
// a place with a reason. Functions that can fail return `enum err`; their outputs are named ret_x
// and are untouched on failure. Whoever can act on an error logs it; libraries return it.
#ifndef SONDE_CORE_ERR_H
#define SONDE_CORE_ERR_H

#include <stdint.h>

#define ERR_LIST(X)                                                                                \
    X(OK, "no error")                                                                              \
    X(AGAIN, "nothing to do now, call again later")                                                \
    X(IO, "an input or output operation failed")                                                   \
    X(FULL, "the disk is full")                                                                    \
    X(CORRUPT, "stored bytes fail their checksum or break the format")                             \
    X(INVALID, "the input is not valid")                                                           \
    X(LIMIT, "a configured limit is reached")                                                      \
    X(MEMORY, "the memory budget is exhausted")                                                    \
    X(NOT_FOUND, "no such thing")                                                                  \
    X(LEFT_OUT, "it is not kept")                                                                  \
    X(EXISTS, "it exists already")                                                                 \
    X(BUSY, "it is in use")                                                                        \
    X(DENIED, "permission denied")                                                                 \
    X(UNSUPPORTED, "this is not supported")                                                        \
    X(CANCELLED, "the operation was cancelled")                                                    \
    X(TIMEOUT, "the time allowed ran out")                                                         \
    X(CLOSED, "the peer or the component is closed")                                               \
    X(END, "the end of the data is reached")

enum err {
#define ERR_ENUM(name, text) ERR_##name,
    ERR_LIST(ERR_ENUM)
#undef ERR_ENUM
        ERR_COUNT
};

#define MUST_CHECK __attribute__((warn_unused_result))

// The short name ("CORRUPT") and the sentence of a code. Static storage; any thread.
const char *err_name(enum err e);
const char *err_text(enum err e);

// The code for an errno value of a file or socket call: ENOSPC and EDQUOT are ERR_FULL, ENOENT is
// ERR_NOT_FOUND, EACCES and EPERM are ERR_DENIED, everything else ERR_IO.
enum err err_from_errno(int errno_value);

// Where a parser stopped and why. `offset` counts bytes from the start of the input. `text` is a
// whole sentence for a person in UTF-8, cut at its size between characters; it may quote input,
// of which a '?' stands for each byte that is not valid or shows nothing.
struct err_at {
    uint64_t offset;
    char text[192];
};

// Fills *at (which may be NULL) and returns `e`, so that a parser can `return err_at_set(...)`.
enum err err_at_set(struct err_at *at, enum err e, uint64_t offset, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
