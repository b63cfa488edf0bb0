// SPDX-License-Identifier: Apache-2.0
// Purpose: `sonde findings`: what is wrong with how calls are made.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "commands.h"
#include "core/must.h"
#include "table.h"

#define NODE_MAX 80 // columns

static const char help[] =
    "Usage: sonde findings [--since 1h | --from T --to T] [--json]\n"
    "                      [--server URL] [--token TOKEN] [--ca FILE]\n"
    "\n"
    "Prints what is wrong with how calls were made in the last hour, each with the\n"
    "number that proves it and traces that show it: one statement or call again and\n"
    "again (n_plus_one, repeated_calls), calls one after the other that could be made\n"
    "at the same time (serial_calls), chains that call a node far more often than\n"
    "others (fan_out), unusual chains (rare_path, missing_path), and endpoints that\n"
    "nobody calls any more (dead_endpoint). T is as for `sonde trace search`.\n";

static void put_names(json_t *n)
{
    const char *service = ask_string(n, "service"), *name = ask_string(n, "name");
    ASSERT(n != NULL);
    table_put(*service != 0 ? service : name, 0, NODE_MAX);
    if (*service != 0 && *name != 0) {
        putchar(' ');
        table_put(name, 0, NODE_MAX);
    }
}

static void put_node(json_t *finding, const char *key)
{
    ASSERT(finding != NULL);
    put_names(json_object_get(finding, key));
}

// The number that proves it, in words.
static void put_proof(json_t *f, const char *kind)
{
    double value = ask_number(f, "value");
    uint64_t chains = ask_integer(f, "chains");
    ASSERT(kind != NULL);
    if (strcmp(kind, "dead_endpoint") == 0) {
        printf(": no calls, where %.0f were to be expected", value);
    } else if (strcmp(kind, "serial_calls") == 0) {
        printf(
            " and others one after the other: at the same time they would save %.0f %%, in %" PRIu64
            " chains",
            100 * value, chains);
    } else if (strcmp(kind, "fan_out") == 0) {
        printf(": 1 in 100 chains calls it %.0f times or more", value);
    } else if (strcmp(kind, "rare_path") == 0) {
        printf(": in %" PRIu64 " chains, %.2f %% of all", chains, 100 * value);
    } else if (strcmp(kind, "missing_path") == 0) {
        printf(": not in %" PRIu64 " chains, in %.2f %% of all", chains, 100 * value);
    } else {
        printf(": %.1f calls for one of the caller, in %" PRIu64 " chains", value, chains);
    }
}

static void print_calls(json_t *f)
{
    json_t *calls = json_object_get(f, "calls"), *n;
    size_t i;
    ASSERT(json_array_size(calls) <= 100);
    json_array_foreach(calls, i, n)
    {
        printf("    %zu. ", i + 1);
        put_names(n);
        putchar('\n');
    }
}

static void print_finding(json_t *f)
{
    const char *kind = ask_string(f, "kind"), *statement = ask_string(f, "statement");
    json_t *traces = json_object_get(f, "trace_ids"), *t;
    size_t i;
    printf("%-15s ", kind);
    if (json_object_get(f, "entry") != NULL) {
        put_node(f, "caller");
        fputs(" -> ", stdout);
    }
    put_node(f, "node");
    put_proof(f, kind);
    puts(json_is_true(json_object_get(f, "sampled")) ? "  (of a sample)" : "");
    if (*statement != 0) {
        fputs("    ", stdout);
        table_put(statement, 0, 2 * NODE_MAX);
        putchar('\n');
    }
    print_calls(f);
    if (json_object_get(f, "entry") != NULL) {
        fputs("    of entry ", stdout);
        put_node(f, "entry");
        putchar('\n');
    }
    ASSERT(json_array_size(traces) <= 100);
    json_array_foreach(traces, i, t)
    {
        fputs("    trace ", stdout);
        table_put(json_string_value(t), 0, NODE_MAX);
        putchar('\n');
    }
}

static void print_findings(json_t *root)
{
    json_t *findings = json_object_get(root, "findings"), *f;
    size_t i;
    ASSERT(root != NULL);
    if (json_array_size(findings) == 0) {
        fputs("sonde: nothing found in that range\n", stderr);
    }
    json_array_foreach(findings, i, f)
    {
        print_finding(f);
    }
    ask_print_partial(root);
}

int command_findings(int argc, char **argv)
{
    struct ask a = {.help = help, .words = ASK_NO_WORD};
    const struct flag flags[] = {ASK_FLAGS(a), {NULL, NULL, NULL}};
    if (!ask_parse(&a, argc, argv, flags)) {
        return a.exit_code;
    }
    ask_begin(&a, "/api/v1/findings");
    return ask_end(&a, print_findings, NULL);
}
