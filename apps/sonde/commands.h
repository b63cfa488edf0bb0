// SPDX-License-Identifier: Apache-2.0
// Purpose: what the commands of the command line share: exit codes, flags, output.
#ifndef SONDE_APPS_COMMANDS_H
#define SONDE_APPS_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>

// Exit codes, as `sonde --help` says them.
enum exit_code {
    EXIT_DONE = 0,      // done
    EXIT_FAILED = 1,    // the server, the disk or a JVM failed or refused
    EXIT_USAGE = 2,     // wrong flags, a wrong filter, a wrong configuration
    EXIT_NOT_FOUND = 3, // what was named (a trace, service, entry, node, metric, process or file)
                        // is not there; a search or a list without a result is EXIT_DONE
    EXIT_DAMAGED = 4,   // `sonde store` found damage
    EXIT_NO_SERVER = 5, // the server cannot be reached
};

#define FLAG_VALUES_MAX 8

// Of a flag that may be given several times, in the order of the command line.
struct flag_values {
    const char *items[FLAG_VALUES_MAX];
    size_t count;
};

// One flag of a command: with a value (text != NULL), with several (values != NULL) or without (on
// != NULL).
struct flag {
    const char *name; // "--server"
    const char **text;
    bool *on;
    struct flag_values *values;
};

// Takes the flags out of argv and leaves the other words, in order, in words[0..*ret_count). A
// flag's value follows it or an '='. `--` ends the flags. False after saying what is wrong.
bool flags_parse(int argc, char **argv, const struct flag *flags, const char **words, int max_words,
                 int *ret_count);

// Whether to write tables for people: standard output is a terminal and --json was not given.
bool wants_table(bool json);

int command_trace(int argc, char **argv);
int command_services(int argc, char **argv);
int command_topology(int argc, char **argv);
int command_red(int argc, char **argv);
int command_metrics(int argc, char **argv);
int command_entry(int argc, char **argv);
int command_findings(int argc, char **argv);
int command_top(int argc, char **argv);
int command_alert(int argc, char **argv);
int command_trace_id(int argc, char **argv);
int command_store(int argc, char **argv);
int store_rebuild_run(const char *data, bool json); // of command_store()
int command_config(int argc, char **argv);
int command_completion(int argc, char **argv);
int command_attach(int argc, char **argv);
int command_detach(int argc, char **argv);
int command_jvm(int argc, char **argv);

#endif
