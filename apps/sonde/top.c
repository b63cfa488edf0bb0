// SPDX-License-Identifier: Apache-2.0
// Purpose: `sonde top`: what databases, caches, RPC and queues are sent, the most first.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "commands.h"
#include "core/must.h"
#include "table.h"

#define TEXT_MAX  100 // columns of a statement
#define STORE_MAX 40  // of a store or a caller

static const char help[] =
    "Usage: sonde top [db|cache|rpc|mq] [--node ID] [--service S] [--namespace LINE]\n"
    "                 [--by total|mean|calls|errors|p99] [--compare 1h] [--limit 20]\n"
    "                 [--since 1h | --from T --to T] [--json]\n"
    "                 [--server URL] [--token TOKEN] [--ca FILE]\n"
    "\n"
    "Prints what databases, caches, RPC and queues were sent in the last hour, with ?\n"
    "for values: first what took most time in all, or on average, was called or\n"
    "failed most often, or has the longest P99. PER CHAIN is how often a chain of\n"
    "calls has a statement that has it at all: many are an N+1. --node is the ID of a\n"
    "store, which --json tells, --service who sends it. --compare 1h sets the same\n"
    "numbers of an hour earlier beside (1d: a day). T is as for `sonde trace search`.\n";

// By how much a number grew: "+25 %"; "new" where there was none.
static void put_growth(json_t *statement, const char *key)
{
    json_t *before = json_object_get(statement, "before");
    double now = ask_number(statement, key);
    double then = ask_number(before, key);
    ASSERT(key != NULL);
    if (before == NULL) {
        return;
    }
    if (then <= 0) {
        printf("  %8s", now > 0 ? "new" : "-");
    } else {
        printf("  %+6.0f %%", 100 * (now - then) / then);
    }
}

// Who sends it, with their shares of its time.
static void put_callers(json_t *statement)
{
    json_t *callers = json_object_get(statement, "callers"), *c;
    uint64_t left_out = ask_integer(statement, "left_out_callers");
    size_t i;
    fputs("    ", stdout);
    table_put(ask_string(json_object_get(statement, "node"), "service"), 0, STORE_MAX);
    table_put(ask_string(json_object_get(statement, "node"), "name"), 0, STORE_MAX);
    fputs(" from", stdout);
    ASSERT(json_array_size(callers) < 1000);
    json_array_foreach(callers, i, c)
    {
        fputs(i == 0 ? " " : ", ", stdout);
        table_put(ask_string(c, "service"), 0, STORE_MAX);
        printf(" %.0f %%", 100 * ask_number(c, "share"));
    }
    if (left_out > 0) {
        printf(", and %" PRIu64 " more", left_out);
    }
    putchar('\n');
}

static void print_statement(json_t *s)
{
    printf("%10" PRIu64, ask_integer(s, "calls"));
    put_growth(s, "calls");
    printf("  %8" PRIu64, ask_integer(s, "errors"));
    table_put_duration(ask_integer(s, "total_ns"));
    put_growth(s, "total_ns");
    table_put_duration(ask_integer(s, "mean_ns"));
    put_growth(s, "mean_ns");
    table_put_duration(ask_integer(s, "p99_ns"));
    printf("  %9.1f  ", ask_number(s, "calls_per_chain"));
    ASSERT(s != NULL);
    table_put(ask_string(s, "statement"), 0, TEXT_MAX);
    putchar('\n');
    put_callers(s);
}

// False only where the list is whole.
static bool is_before_known(json_t *root)
{
    json_t *statements = json_object_get(root, "statements"), *s;
    bool some = ask_integer(root, "gone") > 0 || ask_integer(root, "left_out") > 0;
    size_t i;
    ASSERT(root != NULL);
    json_array_foreach(statements, i, s)
    {
        some = some || ask_integer(json_object_get(s, "before"), "calls") > 0;
    }
    return some;
}

static void print_statements(json_t *root)
{
    json_t *statements = json_object_get(root, "statements"), *s;
    bool compares = ask_integer(root, "compare_ms") > 0;
    const char *growth = compares ? "    CHANGE" : "";
    size_t i;
    ASSERT(root != NULL);
    if (json_array_size(statements) == 0) {
        fputs("sonde: nothing was sent in that range; --since 24h goes further back\n", stderr);
        ask_print_partial(root);
        return;
    }
    printf("%10s%s  %8s  %9s%s  %9s%s  %9s  %9s  %s\n", "CALLS", growth, "ERRORS", "TIME", growth,
           "MEAN", growth, "P99", "PER CHAIN", "STATEMENT");
    json_array_foreach(statements, i, s)
    {
        print_statement(s);
    }
    if (compares && !is_before_known(root)) {
        fputs("sonde: nothing is known of the time compared with: all is new\n", stderr);
    }
    if (ask_integer(root, "left_out") > 0) {
        fprintf(stderr, "sonde: %" PRIu64 " more statements; --limit shows more\n",
                ask_integer(root, "left_out"));
    }
    if (json_is_true(json_object_get(root, "sampled"))) {
        fputs("sonde: agents sampled; these are the calls of kept traces\n", stderr);
    }
    ask_print_partial(root);
}

int command_top(int argc, char **argv)
{
    struct ask a = {.help = help, .words = ASK_MAY_WORD};
    const char *namespace = NULL, *node = NULL, *service = NULL, *by = NULL, *compare = NULL;
    const char *limit = "20";
    const struct flag flags[] = {
        {"--namespace", &namespace, NULL},
        {"--node", &node, NULL},
        {"--service", &service, NULL},
        {"--by", &by, NULL},
        {"--compare", &compare, NULL},
        {"--limit", &limit, NULL},
        ASK_FLAGS(a),
        {NULL, NULL, NULL},
    };
    if (!ask_parse(&a, argc, argv, flags)) {
        return a.exit_code;
    }
    ask_begin(&a, "/api/v1/stores/statements");
    ask_param(&a, "kind", a.word);
    ask_param(&a, "namespace", namespace);
    ask_param(&a, "node", node);
    ask_param(&a, "service", service);
    ask_param(&a, "by", by);
    ask_param(&a, "compare", compare);
    ask_param(&a, "limit", limit);
    bool is_named = node != NULL || service != NULL;
    return ask_end(&a, print_statements, is_named ? "statements" : NULL);
}
