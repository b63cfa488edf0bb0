// SPDX-License-Identifier: Apache-2.0
// Purpose: what the commands share that ask a running server: its flags, fetching and reading an
// answer; and all that is around the question in those which ask for a range of time. What goes
// wrong is said on standard error.
#ifndef SONDE_APPS_ASK_H
#define SONDE_APPS_ASK_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "client.h"
#include "commands.h"

#define ASK_ANSWER_MAX ((size_t)512 << 20)

// --server, --token, --ca; NULL: those of the environment, else the defaults.
struct ask_flags {
    const char *server, *token, *ca;
};

// Fetches a path, whose `filter` an error may point into (NULL: none). Gives the exit code:
// EXIT_DONE with the answer, another after saying what is wrong.
int ask_text(const struct ask_flags *flags, const char *path, const char *filter,
             struct buf *answer);
// The same of any request.
int ask_send(const struct ask_flags *flags, const struct client_request *request,
             const char *filter, struct buf *answer);
// Fetches, and parses the answer; *ret_exit is set when NULL is returned. The caller gives the
// object back.
json_t *ask_json(const struct ask_flags *flags, const char *path, const char *filter,
                 struct buf *answer, int *ret_exit);

// A number of an object, whole or not, 0 where it has none; a text, "" where it has none.
uint64_t ask_integer(json_t *object, const char *key);
double ask_number(json_t *object, const char *key);
const char *ask_string(json_t *object, const char *key);

// A text of a server as a terminal may have it, in `room`: whoever the server is.
const char *ask_printable(const char *text, struct err_at *room);

// Says where an answer lacks damaged parts.
void ask_print_partial(json_t *root);

// ---- Commands that ask for a range of time ------------------------------------------------------
//
//     ask_parse()   the command line, --help
//     ask_begin()   the path, with the range
//     ask_param()   what else is asked for
//     ask_end()     the answer, printed
// Each says what is wrong; after that the others do nothing, and ask_end() gives the exit code.

enum ask_words { ASK_NO_WORD, ASK_MAY_WORD, ASK_ONE_WORD };

struct ask {
    // The command's.
    const char *help;
    enum ask_words words; // that stand beside the flags
    // Whether an answer is one to what was asked; says on standard error why it is not. Then no
    // table is printed, and the exit code is EXIT_NOT_FOUND. NULL: all are.
    bool (*holds)(json_t *root);
    // What is a little in the future belongs to a range that ends now as well: of spans, clocks run
    // ahead.
    uint64_t ahead_ms;
    // Of the command line.
    const char *word; // NULL: none
    struct ask_flags server;
    const char *since, *from, *to;
    bool json, wants_help;

    uint64_t from_ms, to_ms; // the last hour where nothing is said; since ask_begin()
    struct buf path;
    int exit_code; // EXIT_DONE: nothing was wrong so far
};

// The flags of all these commands, for a list of struct flag.
// clang-format off
#define ASK_FLAGS(a)                                                                               \
    {"--since", &(a).since, NULL},                                                                 \
    {"--from", &(a).from, NULL},                                                                   \
    {"--to", &(a).to, NULL},                                                                       \
    {"--server", &(a).server.server, NULL},                                                        \
    {"--token", &(a).server.token, NULL},                                                          \
    {"--ca", &(a).server.ca, NULL},                                                                \
    {"--json", NULL, &(a).json},                                                                   \
    {"--help", NULL, &(a).wants_help}
// clang-format on

// False where there is nothing to be asked: a->exit_code is the exit code.
MUST_CHECK bool ask_parse(struct ask *a, int argc, char **argv, const struct flag *flags);

void ask_begin(struct ask *a, const char *path);
// Of what is now: without the range, and nothing else is asked for.
void ask_begin_now(struct ask *a, const char *path);

// Adds a parameter; nothing where it has no value.
void ask_param(struct ask *a, const char *name, const char *value);
// Adds label.NAME of each NAME=VALUE.
void ask_param_labels(struct ask *a, const struct flag_values *labels);
// The same of the flag of this name, a duration that is a multiple of whole seconds (0: of any
// length): in milliseconds.
void ask_param_duration(struct ask *a, const char *name, const char *value, uint64_t of_s);

// The whole path; NULL where something was wrong. It lives as long as a->path, which is the
// caller's to give back, unless ask_end() does.
const char *ask_path(struct ask *a);

// Fetches, and prints JSON as it came or, on a terminal, what `print` makes of it. Gives the exit
// code. `found` names the list that is empty where what was asked for by its name is not there
// (EXIT_NOT_FOUND); NULL: nothing was.
int ask_end(struct ask *a, void (*print)(json_t *root), const char *found);

#endif
