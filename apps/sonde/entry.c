// SPDX-License-Identifier: Apache-2.0
// Purpose: `sonde entry`: the entries of a system, the tree of one, and what it would need.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "commands.h"
#include "core/clock.h"
#include "core/must.h"
#include "table.h"
#include "when.h"

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

struct entry_flags {
    struct ask_range_flags range;
    struct ask_flags server;
    const char *namespace, *times, *load;
    bool json, help;
};

static double number(json_t *o, const char *key)
{
    ASSERT(o != NULL);
    return json_number_value(json_object_get(o, key));
}

static void put_duration(json_t *o, const char *key, double per)
{
    char text[WHEN_MAX];
    ASSERT(per > 0);
    when_print_duration(text, (uint64_t)((double)ask_integer(o, key) / per));
    printf("  %9s", text);
}

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
        put_duration(e, "self_ns", 1);
        printf("  %4.1f %%  ", 100 * number(e, "share"));
        put_service(e);
        fputs("  ", stdout);
        table_put(ask_string(e, "name"), 0, NODE_MAX);
        putchar('\n');
    }
    ask_print_partial(root);
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
    printf("%9.2f  %5.1f %%  %4.1f %%", number(n, "calls_per_entry"), 100 * number(n, "presence"),
           100 * number(n, "share"));
    put_duration(n, "self_ns", calls);
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
        printf("%9.1f  %+9.1f  %9" PRIu64, number(n, "calls_per_s"), number(n, "added_per_s"),
               ask_integer(n, "instances"));
        if (needed > 0) {
            printf("  %7.1f/s  %6" PRIu64 "  ", number(n, "busiest_instance_per_s"), needed);
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
    double calls = number(root, "calls");
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
    ask_print_partial(root);
}

// ---- The command --------------------------------------------------------------------------------

// What is asked for, as a path with parameters; false after saying what is wrong.
static bool put_path(struct buf *path, const struct entry_flags *f, const char *entry)
{
    struct ask_range range;
    const char *slash = entry != NULL ? strchr(entry, '/') : NULL;
    if (!ask_range(&f->range, &range)) {
        return false;
    }
    if (entry != NULL && (slash == NULL || slash == entry || slash[1] == 0)) {
        fprintf(stderr, "sonde: '%s' names no entry, expected SERVICE/ENDPOINT\n", entry);
        return false;
    }
    if (f->load != NULL && (entry != NULL || f->times != NULL || f->namespace != NULL)) {
        fputs("sonde: --load lists entries; it goes with a range alone\n", stderr);
        return false;
    }
    buf_printf(path, "/api/v1/entries%s?from=%" PRIu64 "&to=%" PRIu64,
               f->load != NULL ? "/load" : "", range.from_ms, range.to_ms);
    ask_param(path, "node", f->load);
    ask_param(path, "namespace", f->namespace);
    ask_param(path, "times", f->times);
    if (entry != NULL) {
        char service[1024];
        size_t n = (size_t)(slash - entry);
        n = n < sizeof service ? n : sizeof service - 1;
        memcpy(service, entry, n);
        service[n] = 0;
        ask_param(path, "service", service);
        ask_param(path, "endpoint", slash + 1);
    }
    ASSERT(path->n > 0);
    return true;
}

int command_entry(int argc, char **argv)
{
    struct entry_flags f = {0};
    const char *entry = NULL;
    int count;
    const struct flag flags[] = {
        {"--namespace", &f.namespace, NULL},
        {"--times", &f.times, NULL},
        {"--load", &f.load, NULL},
        ASK_RANGE_FLAGS(f),
        ASK_SERVER_FLAGS(f),
        {NULL, NULL, NULL},
    };
    if (!flags_parse(argc, argv, flags, &entry, 1, &count)) {
        return EXIT_USAGE;
    }
    if (f.help) {
        fputs(help, stdout);
        return EXIT_DONE;
    }
    struct buf path;
    int code = EXIT_USAGE;
    buf_init(&path, (size_t)1 << 16);
    if (put_path(&path, &f, entry)) {
        void (*print)(json_t *) = entry != NULL ? print_tree : print_list;
        code = ask_and_print(&f.server, &path, wants_table(f.json) ? print : NULL,
                             entry != NULL ? "nodes" : NULL);
    }
    ASSERT(count <= 1);
    buf_done(&path);
    return code;
}
