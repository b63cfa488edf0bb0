// SPDX-License-Identifier: Apache-2.0
// Purpose: `sonde top`: what databases, caches, RPC and queues are sent, the most first.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "commands.h"
#include "core/clock.h"
#include "core/must.h"
#include "table.h"
#include "when.h"

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

struct top_flags {
    struct ask_range_flags range;
    struct ask_flags server;
    const char *namespace, *node, *service, *by, *compare, *limit;
    bool json, help;
};

static void put_duration(json_t *o, const char *key)
{
    char text[WHEN_MAX];
    when_print_duration(text, ask_integer(o, key));
    ASSERT(key != NULL);
    printf("  %9s", text);
}

// By how much a number grew: "+25 %"; "new" where there was none.
static void put_growth(json_t *statement, const char *key)
{
    json_t *before = json_object_get(statement, "before");
    double now = json_number_value(json_object_get(statement, key));
    double then = json_number_value(json_object_get(before, key));
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
        printf(" %.0f %%", 100 * json_number_value(json_object_get(c, "share")));
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
    put_duration(s, "total_ns");
    put_growth(s, "total_ns");
    put_duration(s, "mean_ns");
    put_growth(s, "mean_ns");
    put_duration(s, "p99_ns");
    printf("  %9.1f  ", json_number_value(json_object_get(s, "calls_per_chain")));
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
    ask_print_partial(root);
}

int command_top(int argc, char **argv)
{
    struct top_flags f = {.limit = "20"};
    struct ask_range range;
    const char *kind = NULL;
    int count;
    const struct flag flags[] = {
        {"--namespace", &f.namespace, NULL},
        {"--node", &f.node, NULL},
        {"--service", &f.service, NULL},
        {"--by", &f.by, NULL},
        {"--compare", &f.compare, NULL},
        {"--limit", &f.limit, NULL},
        ASK_RANGE_FLAGS(f),
        ASK_SERVER_FLAGS(f),
        {NULL, NULL, NULL},
    };
    if (!flags_parse(argc, argv, flags, &kind, 1, &count)) {
        return EXIT_USAGE;
    }
    if (f.help) {
        fputs(help, stdout);
        return EXIT_DONE;
    }
    if (!ask_range(&f.range, &range)) {
        return EXIT_USAGE;
    }
    struct buf path;
    buf_init(&path, (size_t)1 << 16);
    buf_printf(&path, "/api/v1/stores/statements?from=%" PRIu64 "&to=%" PRIu64, range.from_ms,
               range.to_ms);
    ask_param(&path, "kind", kind);
    ask_param(&path, "namespace", f.namespace);
    ask_param(&path, "node", f.node);
    ask_param(&path, "service", f.service);
    ask_param(&path, "by", f.by);
    ask_param(&path, "compare", f.compare);
    ask_param(&path, "limit", f.limit);
    bool is_named = f.node != NULL || f.service != NULL;
    int code = ask_and_print(&f.server, &path, wants_table(f.json) ? print_statements : NULL,
                             is_named ? "statements" : NULL);
    ASSERT(count <= 1);
    buf_done(&path);
    return code;
}
