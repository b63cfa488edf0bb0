// SPDX-License-Identifier: Apache-2.0
// Purpose: the entry point of the one binary: finds the command, prints help.
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "config.h"
#include "core/must.h"
#include "server.h"
#include "version.h"

#define WIDTH_MAX 80 // of a terminal

static const char help[] =
    "sonde " SONDE_VERSION " - distributed tracing, metrics and alerts in one binary\n"
    "\n"
    "Usage: sonde COMMAND [FLAGS]\n"
    "\n"
    "  server            take traces and metrics, keep, search and show them\n"
    "  trace search      find traces, as in sonde trace search '{ status = error }'\n"
    "  trace get         show one trace as a tree of calls\n"
    "  services          every service: calls by second, errors, durations\n"
    "  topology          who calls whom: services, databases, caches, queues\n"
    "  red               calls, errors and durations of a service over time\n"
    "  metrics           what senders measure: which metrics there are, one over time\n"
    "  entry             the tree of calls of an entry; what N times as many would need\n"
    "  top               what databases, caches, RPC and queues are sent, the most first\n"
    "  findings          repeated calls, unusual chains, dead endpoints, with examples\n"
    "  alert             rules that watch what comes: import, export, list, remove\n"
    "  alert incidents   what fires, and what has\n"
    "  trace-id          decode a trace ID made by Sonde's agents\n"
    "  store stats       bytes by column of the parts on disk\n"
    "  store inspect     the parts on disk, one a line\n"
    "  store verify      read every part and check every checksum\n"
    "  store rebuild     make a new catalog from the parts where it is lost or damaged\n"
    "  config check      check a configuration file; prints what is in force\n"
    "  attach            put the JVM agent into a Java process that runs\n"
    "  detach            take it out again\n"
    "  jvm list          the Java processes of this machine, and which are traced\n"
    "  completion        print shell completion: sonde completion bash|zsh|fish\n"
    "  version           print the version\n"
    "\n"
    "`sonde COMMAND --help` explains a command. Tables are for terminals; with\n"
    "--json, or when the output is not a terminal, commands print JSON.\n"
    "\n"
    "Exit codes: 0 done, also where a search or a list has no result, 1 failed,\n"
    "2 wrong usage, filter or configuration, 3 what was named is not there,\n"
    "4 damage found by `sonde store`, 5 the server cannot be reached.\n";

static const char server_help[] =
    "Usage: sonde server [--config FILE] [--data DIR] [--http ADDR]\n"
    "                    [--otlp-grpc ADDR] [--otlp-http ADDR]\n"
    "\n"
    "Takes traces and metrics by OTLP on 127.0.0.1:4317 (gRPC) and 127.0.0.1:4318\n"
    "(HTTP), there by Prometheus' remote write too (/api/v1/write), asks the targets\n"
    "of scrape.jobs for theirs, keeps all in DIR (./sonde-data), and serves the UI\n"
    "and the API on http://127.0.0.1:7070. ADDR is HOST:PORT; port 0 picks a free\n"
    "one, `off` switches a receiver off. Addresses are printed once they are ready.\n"
    "An address that other machines can reach needs a token (http.token, otlp.token).\n"
    "\n"
    "SIGTERM or Ctrl-C stops it in order, SIGHUP reads the configuration again. Every\n"
    "setting can stand in the file or in the environment (journal.sync is\n"
    "SONDE_JOURNAL_SYNC):\n"
    "\n";

// A text in words of a column that begins at `indent`, over as many lines as it takes.
static void print_wrapped(const char *text, int indent)
{
    int column = indent;
    ASSERT(text != NULL && indent < WIDTH_MAX);
    while (*text != 0) {
        int n = (int)strcspn(text, " ");
        if (column > indent && column + 1 + n > WIDTH_MAX) {
            printf("\n%*s", indent, "");
            column = indent;
        }
        column += printf("%s%.*s", column > indent ? " " : "", n, text);
        text += n + (text[n] == ' ' ? 1 : 0);
    }
    putchar('\n');
}

static void print_setting(const char *key, const char *standard, const char *text)
{
    int indent = printf("  %-26s %-14s ", key, standard[0] != 0 ? standard : "-");
    ASSERT(indent > 0);
    print_wrapped(text, indent);
}

static void print_settings(void)
{
    for (unsigned i = 0; i < SETTING_COUNT; i++) {
        const struct setting_info *s = setting_info((enum setting)i);
        print_setting(s->key, s->standard, s->help);
    }
    print_setting("store.lines", "",
                  "list of {name, age, errors_age, size, keep}: rules by business line");
    print_setting("scrape.jobs", "",
                  "list of {name, targets, file_sd, ...}: what is asked for its metrics");
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
    {"services", command_services}, {"topology", command_topology},
    {"red", command_red},           {"entry", command_entry},
    {"findings", command_findings}, {"metrics", command_metrics},
    {"trace-id", command_trace_id}, {"store", command_store},
    {"config", command_config},     {"completion", command_completion},
    {"version", command_version},   {"--version", command_version},
    {"attach", command_attach},     {"detach", command_detach},
    {"jvm", command_jvm},           {"top", command_top},
    {"alert", command_alert},
};

// Without this a file of the data folder would be opened as a closed standard output or error, and
// written to.
static void open_standard_files(void)
{
    int fd;
    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0) {
        (void)close(fd);
    }
}

static int run(int argc, char **argv)
{
    static char flag[] = "--help";
    if (argc < 2) {
        fputs(help, stderr);
        return EXIT_USAGE;
    }
    bool asks = strcmp(argv[1], "help") == 0;
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || (asks && argc == 2)) {
        fputs(help, stdout);
        return EXIT_DONE;
    }
    if (asks) { // `sonde help trace get` is `sonde trace get --help`
        char *words[] = {argv[1], argv[2], argc > 3 ? argv[3] : flag, flag, NULL};
        return run(argc > 3 ? 4 : 3, words);
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            return commands[i].run(argc - 2, argv + 2);
        }
    }
    fprintf(stderr, "sonde: there is no command '%s'; `sonde --help` lists them\n", argv[1]);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    open_standard_files();
    int code = run(argc, argv);
    if ((fflush(stdout) != 0 || ferror(stdout)) && code == EXIT_DONE) {
        fputs("sonde: the output could not be written\n", stderr);
        code = EXIT_FAILED;
    }
    return code;
}
