// SPDX-License-Identifier: Apache-2.0
// Purpose: `sonde entry`: the entries of a system, the tree of one, and what it would need.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "commands.h"
#include "core/must.h"
#include "table.h"

#define NODE_MAX  64 // columns of a node in a table
#define DEPTH_MAX 40 // that a tree is indented by

static const char help[] =
    "Usage: sonde entry [SERVICE/ENDPOINT] [--namespace LINE] [--times N]\n"
    "                   [--load NODE] [--since 1h | --from T --to T] [--json]\n"
    "                   [--server URL] [--token TOKEN] [--ca FILE]\n"
    "\n"
    "Prints the entries of the last hour: endpoints that chains of calls begin with,\n"
    "those that most time was spent for first. With SERVICE/ENDPOINT all chains of\n"
    "that entry merged into a tree: how often each node is called for one call of the\n"
    "entry, in how many of its chains, and what share of all time was spent there and\n"
    "nowhere below. --times N tells what each service would need if the entry were\n"
    "called N times as often. --load NODE lists the entries that load a node, whose\n"
    "ID `sonde topology --json` tells, such as database//postgresql/shop. T is as for\n"
    "`sonde trace search`.\n";

// "shop/orders", "orders"
static void put_service(json_t *o)
{
    const char *line = ask_string(o, "namespace");
    ASSERT(o != NULL);
    if (*line != 0) {
        table_put(line, 0, NODE_MAX);
        putchar('/');
    }
    table_put(ask_string(o, "service"), 0, NODE_MAX);
}

// ---- Entries ------------------------------------------------------------------------------------

// Of a sample, how many calls there were in all, where agents counted them.
static void put_sampled(json_t *o)
{
    ASSERT(o != NULL);
    if (json_object_get(o, "all_calls") != NULL) {
        printf("  (a sample; %" PRIu64 " calls in all)", ask_integer(o, "all_calls"));
    } else if (json_is_true(json_object_get(o, "sampled"))) {
        fputs("  (a sample)", stdout);
    }
}

static void print_list(json_t *root)
{
    json_t *entries = json_object_get(root, "entries"), *e;
    size_t i;
    if (json_array_size(entries) == 0) {
        fputs("sonde: no entries in that range; --since 24h goes further back\n", stderr);
        ask_print_partial(root);
        return;
    }
    printf("%10s  %8s  %9s  %6s  %s\n", "CALLS", "ERRORS", "TIME", "SHARE", "ENTRY");
    json_array_foreach(entries, i, e)
    {
        printf("%10" PRIu64 "  %8" PRIu64, ask_integer(e, "calls"), ask_integer(e, "errors"));
        table_put_duration(ask_integer(e, "self_ns"));
        printf("  %4.1f %%  ", 100 * ask_number(e, "share"));
        put_service(e);
        fputs("  ", stdout);
        table_put(ask_string(e, "name"), 0, NODE_MAX);
        put_sampled(e);
        putchar('\n');
    }
    ask_print_partial(root);
}

// Whether the node of --load is there at all.
static bool has_calls_of_node(json_t *root)
{
    bool any = json_array_size(json_object_get(root, "entries")) > 0;
    ASSERT(root != NULL);
    if (!any) {
        fputs("sonde: no node of that ID was called in that range; `sonde topology --json` tells\n"
              "  the IDs of those that were, --since 24h goes further back\n",
              stderr);
        ask_print_partial(root);
    }
    return any;
}

// ---- The tree of one ----------------------------------------------------------------------------

// How deep a node lies: its parents stand before it.
static int depth_of(json_t *nodes, size_t at)
{
    int depth = 0;
    const char *parent = ask_string(json_array_get(nodes, at), "parent");
    for (size_t i = at; i > 0 && *parent != 0 && depth < DEPTH_MAX; i--) {
        json_t *n = json_array_get(nodes, i - 1);
        if (strcmp(ask_string(n, "path"), parent) == 0) {
            parent = ask_string(n, "parent");
            depth++;
        }
    }
    ASSERT(depth <= DEPTH_MAX);
    return depth;
}

static void print_node(json_t *nodes, size_t at, double calls)
{
    json_t *n = json_array_get(nodes, at);
    const char *name = ask_string(n, "name");
    printf("%9.2f  %5.1f %%  %4.1f %%", ask_number(n, "calls_per_entry"),
           100 * ask_number(n, "presence"), 100 * ask_number(n, "share"));
    table_put_duration((uint64_t)((double)ask_integer(n, "self_ns") / calls));
    printf("  %8" PRIu64 "  %*s", ask_integer(n, "errors"), 2 * depth_of(nodes, at), "");
    ASSERT(n != NULL);
    table_put(name, 0, NODE_MAX);
    if (*name == 0) {
        put_service(n);
    } else if (*ask_string(n, "service") != 0) {
        fputs("  (", stdout);
        put_service(n);
        putchar(')');
    }
    putchar('\n');
}

static void print_needs(json_t *root)
{
    json_t *needs = json_object_get(root, "needs"), *n;
    size_t i;
    ASSERT(root != NULL);
    printf("\n%" PRIu64 " times as often\n%9s  %9s  %9s  %9s  %6s  %s\n",
           ask_integer(root, "times"), "PER S", "ADDED", "INSTANCES", "CARRIES", "NEEDED",
           "SERVICE");
    json_array_foreach(needs, i, n)
    {
        uint64_t needed = ask_integer(n, "instances_needed");
        printf("%9.1f  %+9.1f  %9" PRIu64, ask_number(n, "calls_per_s"),
               ask_number(n, "added_per_s"), ask_integer(n, "instances"));
        if (needed > 0) {
            printf("  %7.1f/s  %6" PRIu64 "  ", ask_number(n, "busiest_instance_per_s"), needed);
        } else {
            printf("  %9s  %6s  ", "?", "?");
        }
        put_service(n);
        putchar('\n');
    }
    puts("CARRIES is the most that one instance was seen to carry in a minute; it may carry more.");
}

static void print_tree(json_t *root)
{
    json_t *nodes = json_object_get(root, "nodes");
    double calls = ask_number(root, "calls");
    if (json_array_size(nodes) == 0) {
        fputs("sonde: no such entry in that range; `sonde entry` lists them\n", stderr);
        ask_print_partial(root);
        return;
    }
    printf("%9s  %7s  %6s  %9s  %8s  %s\n", "PER CALL", "PRESENT", "SHARE", "OWN TIME", "ERRORS",
           "CALLED");
    for (size_t i = 0; i < json_array_size(nodes); i++) {
        print_node(nodes, i, calls > 0 ? calls : 1);
    }
    if (ask_integer(root, "times") > 1) {
        print_needs(root);
    }
    if (json_is_true(json_object_get(root, "sampled"))) {
        fputs("sonde: agents sampled; chains and times are those of a sample\n", stderr);
    }
    ask_print_partial(root);
}

// ---- The command --------------------------------------------------------------------------------

// SERVICE/ENDPOINT.
static void put_entry(struct ask *a, const char *entry, const char *slash)
{
    char service[1024];
    size_t n = (size_t)(slash - entry);
    ASSERT(slash > entry && *slash == '/');
    n = n < sizeof service ? n : sizeof service - 1;
    memcpy(service, entry, n);
    service[n] = 0;
    ask_param(a, "service", service);
    ask_param(a, "endpoint", slash + 1);
}

int command_entry(int argc, char **argv)
{
    struct ask a = {.help = help, .words = ASK_MAY_WORD};
    const char *namespace = NULL, *times = NULL, *load = NULL;
    const struct flag flags[] = {
        {"--namespace", &namespace, NULL},
        {"--times", &times, NULL},
        {"--load", &load, NULL},
        ASK_FLAGS(a),
        {NULL, NULL, NULL},
    };
    if (!ask_parse(&a, argc, argv, flags)) {
        return a.exit_code;
    }
    const char *entry = a.word, *slash = entry != NULL ? strchr(entry, '/') : NULL;
    if (entry != NULL && (slash == NULL || slash == entry || slash[1] == 0)) {
        fprintf(stderr, "sonde: '%s' names no entry, expected SERVICE/ENDPOINT\n", entry);
        return EXIT_USAGE;
    }
    if (load != NULL && (entry != NULL || times != NULL || namespace != NULL)) {
        fputs("sonde: --load lists entries; it goes with a range alone\n", stderr);
        return EXIT_USAGE;
    }
    ask_begin(&a, load != NULL ? "/api/v1/entries/load" : "/api/v1/entries");
    ask_param(&a, "node", load);
    ask_param(&a, "namespace", namespace);
    ask_param(&a, "times", times);
    if (entry == NULL) {
        a.holds = load != NULL ? has_calls_of_node : NULL;
        return ask_end(&a, print_list, NULL);
    }
    put_entry(&a, entry, slash);
    return ask_end(&a, print_tree, "nodes");
}
