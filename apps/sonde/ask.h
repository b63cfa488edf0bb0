// SPDX-License-Identifier: Apache-2.0
// Purpose: what the commands share that ask a running server: its flags, fetching and reading an
// answer, and the range of time that is asked for. What goes wrong is said on standard error.
#ifndef SONDE_APPS_ASK_H
#define SONDE_APPS_ASK_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "client.h"

#define ASK_ANSWER_MAX ((size_t)512 << 20)

// --server, --token, --ca; NULL: those of the environment, else the defaults.
struct ask_flags {
    const char *server, *token, *ca;
};

// Fetches a path, whose `filter` an error may point into (NULL: none). Gives the exit code:
// EXIT_DONE with the answer, another after saying what is wrong.
int ask_text(const struct ask_flags *flags, const char *path, const char *filter,
             struct buf *answer);
// The same, and parses the answer; *ret_exit is set when NULL is returned. The caller gives the
// object back.
json_t *ask_json(const struct ask_flags *flags, const char *path, const char *filter,
                 struct buf *answer, int *ret_exit);

// A number of an object, 0 where it has none; a text, "" where it has none.
uint64_t ask_integer(json_t *object, const char *key);
const char *ask_string(json_t *object, const char *key);

// A text of a server as a terminal may have it, in `room`: whoever the server is.
const char *ask_printable(const char *text, struct err_at *room);

// --since, or --from and --to.
struct ask_range_flags {
    const char *since, *from, *to;
};
struct ask_range {
    uint64_t from_ms, to_ms;
};

// Those of a command's struct `f` with the members range, server, json and help, for a list of
// struct flag.
// clang-format off
#define ASK_RANGE_FLAGS(f)                                                                         \
    {"--since", &(f).range.since, NULL},                                                           \
    {"--from", &(f).range.from, NULL},                                                             \
    {"--to", &(f).range.to, NULL}
#define ASK_SERVER_FLAGS(f)                                                                        \
    {"--server", &(f).server.server, NULL},                                                        \
    {"--token", &(f).server.token, NULL},                                                          \
    {"--ca", &(f).server.ca, NULL},                                                                \
    {"--json", NULL, &(f).json},                                                                   \
    {"--help", NULL, &(f).help}
// clang-format on

// The last hour where nothing is said. False after saying what is wrong.
bool ask_range(const struct ask_range_flags *f, struct ask_range *ret_range);

// Adds a parameter to a path that has some; nothing where it has no value.
void ask_param(struct buf *path, const char *name, const char *value);

// Adds --step, a duration; nothing where it is NULL. False after saying what is wrong.
MUST_CHECK bool ask_step(struct buf *path, const char *step);

// Fetches, and prints JSON as it came or, where `print` is not NULL, what that makes of it. Gives
// the exit code. `found` names the list that is empty where what was asked for by its name is not
// there (EXIT_NOT_FOUND); NULL: nothing was.
int ask_and_print(const struct ask_flags *flags, struct buf *path, void (*print)(json_t *root),
                  const char *found);

// Says where an answer lacks damaged parts.
void ask_print_partial(json_t *root);

#endif
