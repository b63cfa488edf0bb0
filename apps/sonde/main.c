// SPDX-License-Identifier: Apache-2.0
// Purpose: the entry point of the one binary: finds the command, prints help.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "config.h"
#include "server.h"
#include "version.h"

static const char help[] =
    "sonde " SONDE_VERSION " - full-link monitoring in one binary\n"
    "\n"
    "Usage: sonde COMMAND [FLAGS]\n"
    "\n"
    "  server            take OTLP traces, keep them, search and show them\n"
    "  trace search      find traces: sonde trace search '{ status = error }' --since 1h\n"
    "  trace get         show one trace as a tree of calls\n"
    "  trace-id          decode a trace ID made by Sonde's agents\n"
    "  store stats       bytes by column of the parts on disk\n"
    "  store inspect     the parts on disk, one a line\n"
    "  store verify      read every part and check every checksum\n"
    "  config check      check a configuration file; prints what is in force\n"
    "  completion        print shell completion: sonde completion bash|zsh|fish\n"
    "  version           print the version\n"
    "\n"
    "`sonde COMMAND --help` explains a command. Tables are for terminals; with --json, or when "
    "the\n"
    "output is not a terminal, commands print JSON.\n"
    "\n"
    "Exit codes: 0 done, 1 failed, 2 wrong usage, filter or configuration, 3 not found,\n"
    "4 damage found by `store verify`, 5 the server cannot be reached.\n";

static const char server_help[] =
    "Usage: sonde server [--config FILE] [--data DIR] [--http ADDR] [--otlp-grpc ADDR]\n"
    "                    [--otlp-http ADDR]\n"
    "\n"
    "Takes OTLP traces on 127.0.0.1:4317 (gRPC) and 127.0.0.1:4318 (HTTP), keeps them in DIR\n"
    "(./sonde-data), and serves the UI and the API on http://127.0.0.1:7070. ADDR is HOST:PORT; "
    "port 0\n"
    "picks a free one, `off` switches a receiver off. Addresses are printed once they are ready.\n"
    "An address that other machines can reach needs a token (http.token, otlp.token).\n"
    "\n"
    "SIGTERM or Ctrl-C stops it in order, SIGHUP reads the configuration again. Every setting can\n"
    "stand in the file or in the environment (journal.sync is SONDE_JOURNAL_SYNC):\n"
    "\n";

static void print_settings(void)
{
    for (unsigned i = 0; i < SETTING_COUNT; i++) {
        const struct setting_info *s = setting_info((enum setting)i);
        printf("  %-26s %-16s %s\n", s->key, s->standard[0] != 0 ? s->standard : "-", s->help);
    }
    puts("  store.lines                -                list of {name, age, errors_age, size}: "
         "retention by "
         "business "
         "line");
}

static int command_server(int argc, char **argv)
{
    struct server_flags f = {0};
    bool want_help = false;
    int count;
    const struct flag flags[] = {
        {"--config", &f.config, NULL},
        {"--data", &f.data, NULL},
        {"--http", &f.http, NULL},
        {"--otlp-grpc", &f.otlp_grpc, NULL},
        {"--otlp-http", &f.otlp_http, NULL},
        {"--help", NULL, &want_help},
        {NULL, NULL, NULL},
    };
    if (!flags_parse(argc, argv, flags, NULL, 0, &count)) {
        return EXIT_USAGE;
    }
    if (want_help) {
        fputs(server_help, stdout);
        print_settings();
        return EXIT_DONE;
    }
    return server_run(&f);
}

static int command_version(int argc, char **argv)
{
    bool json = false, want_help = false;
    int count;
    const struct flag flags[] = {
        {"--json", NULL, &json}, {"--help", NULL, &want_help}, {NULL, NULL, NULL}};
    if (!flags_parse(argc, argv, flags, NULL, 0, &count)) {
        return EXIT_USAGE;
    }
    if (want_help) {
        puts("Usage: sonde version [--json]\n\nPrints the version and the commit it was built "
             "from.");
        return EXIT_DONE;
    }
    if (json) {
        printf("{\"version\":\"%s\",\"commit\":\"%s\"}\n", SONDE_VERSION, SONDE_COMMIT);
    } else {
        printf("sonde %s (%s)\n", SONDE_VERSION, SONDE_COMMIT);
    }
    return EXIT_DONE;
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"server", command_server},     {"trace", command_trace},
    {"trace-id", command_trace_id}, {"store", command_store},
    {"config", command_config},     {"completion", command_completion},
    {"version", command_version},   {"--version", command_version},
};

int main(int argc, char **argv)
{
    if (argc < 2) {
        fputs(help, stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0 ||
        strcmp(argv[1], "-h") == 0) {
        fputs(help, stdout);
        return EXIT_DONE;
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            return commands[i].run(argc - 2, argv + 2);
        }
    }
    fprintf(stderr, "sonde: there is no command '%s'; `sonde --help` lists them\n", argv[1]);
    return EXIT_USAGE;
}
