// SPDX-License-Identifier: Apache-2.0
// Purpose: `sonde topology` and `sonde red`: who calls whom, and calls over time.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "commands.h"
#include "core/clock.h"
#include "core/must.h"
#include "core/sort.h"
#include "places.h"
#include "table.h"
#include "when.h"

#define NODE_MAX  64 // columns of a node in a table
#define STEP_OF_S 10 // what steps of calls over time are multiples of

static const char topology_help[] =
    "Usage: sonde topology [--level line|service|endpoint|host|rack|dc]\n"
    "                      [--since 1h | --from T --to T] [--json]\n"
    "                      [--server URL] [--token TOKEN] [--ca FILE]\n"
    "\n"
    "Prints who called whom in the last hour, the most calls first: calls, failed\n"
    "calls, and how long they took, as the callee measured them; where it sends no\n"
    "spans (a database, a cache, a queue), as the caller did. Below, what is not\n"
    "well: nodes with many failed calls, or unlike the same time a day and a week\n"
    "before. The levels host, rack and dc show where services run instead: calls of\n"
    "their instances there, CPU, memory and load of the machines as metrics tell\n"
    "them, and the calls from one place to another: between hosts and racks, of the\n"
    "services whose instances all run in one. With --json the nodes and\n"
    "edges, with both sides of each; /api/v1/topology/metrics tells how the processes\n"
    "of a node are. A call between two services shows about 5 seconds after its last\n"
    "span came, once its chain is put together. T is as for `sonde trace search`.\n";

static const char red_help[] =
    "Usage: sonde red SERVICE [--endpoint NAME | --instance ID |\n"
    "                  --by endpoint|instance] [--namespace LINE]\n"
    "                 [--since 1h | --from T --to T] [--step DURATION] [--json]\n"
    "                 [--server URL] [--token TOKEN] [--ca FILE]\n"
    "\n"
    "Prints the calls of a service (in all business lines, or in one), of one of its\n"
    "endpoints or of one of its instances over time: rate, failed calls, durations;\n"
    "with --by, those of each of its endpoints or instances in all, the most calls\n"
    "first. Calls are the spans where it is called (of kind server and consumer) and\n"
    "those that begin a chain, such as jobs. Quantiles are off by at most 0.55 %, at\n"
    "any step and over any range. --step is a multiple of 10s; without it there are\n"
    "240 steps at most. T is as for `sonde trace search`.\n";

// Calls, errors and durations of a node, an edge or a step.
static void print_calls(json_t *o)
{
    static const char *const durations[] = {"mean_ns", "p50_ns", "p99_ns"};
    printf("%10" PRId64 "  %8" PRId64, (int64_t)ask_integer(o, "calls"),
           (int64_t)ask_integer(o, "errors"));
    for (size_t i = 0; i < sizeof durations / sizeof *durations; i++) {
        table_put_duration(ask_integer(o, durations[i]));
    }
    ASSERT(o != NULL);
}

// Where the numbers are not of the traces that are kept.
static void print_counted(json_t *root)
{
    ASSERT(root != NULL);
    if (json_is_true(json_object_get(root, "counted_before_sampling"))) {
        fputs("sonde: agents sampled; these are all calls, as they counted them before\n", stderr);
    }
}

// ---- topology -----------------------------------------------------------------------------------

static int by_calls(const void *a, const void *b)
{
    int64_t x = (int64_t)ask_integer(*(json_t *const *)a, "calls");
    int64_t y = (int64_t)ask_integer(*(json_t *const *)b, "calls");
    return x != y ? (x > y ? -1 : 1) : 0;
}

// What a node is called in a table: "shop/orders GET /", "postgresql/shop@db:5432".
static void put_node(json_t *n)
{
    static const char *const texts[] = {"namespace", "service", "name"};
    static const char *const before[] = {"", "/", " "};
    const char *kind = ask_string(n, "kind");
    bool any = false;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *text = ask_string(n, texts[i]);
        if (*text != 0) {
            fputs(any ? before[i] : "", stdout);
            table_put(text, 0, NODE_MAX);
            any = true;
        }
    }
    ASSERT(n != NULL);
    if (!any) {
        fputs(strcmp(kind, "client") == 0 ? "(client)"
              : strcmp(kind, "line") == 0 ? "(no line)"
                                          : "(unknown)",
              stdout);
    }
}

// The node of an ID. They come in the order of their IDs.
static json_t *node_of(json_t *nodes, const char *id)
{
    size_t low = 0, high = json_array_size(nodes);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(ask_string(json_array_get(nodes, middle), "id"), id);
        if (order == 0) {
            return json_array_get(nodes, middle);
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    ASSERT(low == high);
    return NULL;
}

// "CPU of cart-1 is at 93 %, the limit is 80 %"
static void print_machine_reason(const char *measure, const char *instance, double value,
                                 double limit)
{
    static const char *const names[][2] = {{"cpu", "CPU"},
                                           {"heap_after_gc", "heap after garbage collection"},
                                           {"host_cpu", "CPU of the host"},
                                           {"host_memory", "memory of the host"},
                                           {"host_disk", "disk of the host"}};
    const char *name = measure;
    ASSERT(measure != NULL && instance != NULL);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        name = strcmp(names[i][0], measure) == 0 ? names[i][1] : name;
    }
    printf("%s of ", name);
    table_put(instance, 0, NODE_MAX);
    printf(" is at %.0f %%, the limit is %.0f %%", 100 * value, 100 * limit);
}

// Why a node is not well: "2.3 % of calls failed, 1 % is the limit".
static void print_reason(json_t *r)
{
    const char *measure = ask_string(r, "measure");
    double value = ask_number(r, "value");
    double limit = ask_number(r, "limit");
    ASSERT(r != NULL);
    if (json_object_get(r, "instance") != NULL) {
        print_machine_reason(measure, ask_string(r, "instance"), value, limit);
    } else if (strcmp(measure, "error_share") == 0) {
        printf("%.1f %% of the calls failed, the limit is %.0f %%", 100 * value, 100 * limit);
    } else if (strcmp(measure, "p99_ns") == 0) {
        char now[WHEN_MAX], most[WHEN_MAX];
        when_print_duration(now, (uint64_t)value);
        when_print_duration(most, (uint64_t)limit);
        printf("P99 is %s, usual at this time would be below %s", now, most);
    } else {
        printf("%.0f calls, usual at this time would be %.0f or more", value, limit);
    }
}

// The nodes that are not well, the worst first.
static void print_states(json_t *nodes)
{
    static const char *const states[] = {"error", "warn"};
    json_t *node, *reason;
    size_t i, k;
    ASSERT(json_is_array(nodes));
    for (size_t s = 0; s < sizeof states / sizeof *states; s++) {
        json_array_foreach(nodes, i, node)
        {
            if (strcmp(ask_string(node, "state"), states[s]) != 0) {
                continue;
            }
            printf("%-5s  ", states[s]);
            put_node(node);
            json_array_foreach(json_object_get(node, "state_reasons"), k, reason)
            {
                fputs(k == 0 ? ": " : "; ", stdout);
                print_reason(reason);
            }
            putchar('\n');
        }
    }
}

// Whether any of a list says so of itself.
static bool any_says(json_t *list, const char *key)
{
    json_t *o;
    size_t i;
    bool any = false;
    ASSERT(key != NULL);
    json_array_foreach(list, i, o)
    {
        any |= json_is_true(json_object_get(o, key));
    }
    return any;
}

static void print_edge(json_t *nodes, json_t *edge, bool all_cross)
{
    print_calls(edge);
    fputs("  ", stdout);
    put_node(node_of(nodes, ask_string(edge, "from")));
    fputs(" -> ", stdout);
    put_node(node_of(nodes, ask_string(edge, "to")));
    ASSERT(edge != NULL);
    if (!all_cross && ask_integer(edge, "cross_dc_calls") > 0) {
        printf("  (%" PRIu64 " between data centres)", ask_integer(edge, "cross_dc_calls"));
    }
    puts(json_is_true(json_object_get(edge, "sampled")) ? "  (a sample)" : "");
}

static void print_topology(json_t *root)
{
    json_t *edges = json_object_get(root, "edges"), *nodes = json_object_get(root, "nodes");
    size_t count = json_array_size(edges);
    bool has_places = json_object_get(json_array_get(nodes, 0), "place") != NULL;
    bool are_centres = strcmp(ask_string(json_array_get(nodes, 0), "kind"), "dc") == 0;
    uint64_t unplaced = ask_integer(root, "unplaced_calls");
    json_t **order = malloc((count + 1) * sizeof(json_t *));
    MUST(order != NULL);
    for (size_t i = 0; i < count; i++) {
        order[i] = json_array_get(edges, i);
    }
    sort_array(order, count, sizeof(json_t *), by_calls);
    if (has_places) {
        places_print(nodes);
    }
    if (count > 0) {
        printf("%s%10s  %8s  %9s  %9s  %9s  %s\n", has_places ? "\n" : "", "CALLS", "ERRORS",
               "MEAN", "P50", "P99", "FROM -> TO");
    } else if (!has_places) {
        fputs("sonde: no calls in that range; --since or --from choose another\n", stderr);
    }
    for (size_t i = 0; i < count; i++) {
        print_edge(nodes, order[i], are_centres);
    }
    free(order);
    if (unplaced > 0) {
        printf("%10" PRIu64 "  calls of services that run in several of these places\n", unplaced);
    }
    print_states(nodes);
    if (any_says(edges, "sampled")) {
        fputs("sonde: agents sampled; --json tells all calls of nodes, as agents counted them\n",
              stderr);
    }
    print_counted(root);
    ask_print_partial(root);
}

int command_topology(int argc, char **argv)
{
    struct ask a = {.help = topology_help, .words = ASK_NO_WORD};
    const char *level = NULL;
    const struct flag flags[] = {{"--level", &level, NULL}, ASK_FLAGS(a), {NULL, NULL, NULL}};
    if (!ask_parse(&a, argc, argv, flags)) {
        return a.exit_code;
    }
    ask_begin(&a, "/api/v1/topology");
    ask_param(&a, "level", level);
    return ask_end(&a, print_topology, NULL);
}

// ---- red ----------------------------------------------------------------------------------------

// Whether there is anything to print; else says so.
static bool has_calls(json_t *root, const char *key)
{
    bool some = json_array_size(json_object_get(root, key)) > 0;
    ASSERT(key[0] != 0);
    if (!some) {
        fputs(
            "sonde: no calls of that name in that range; `sonde topology --level endpoint` shows\n"
            "which there are. Of one service 2,000 endpoints are told apart, others count as\n"
            "(other)\n",
            stderr);
        ask_print_partial(root);
    }
    return some;
}

static void print_groups(json_t *root)
{
    json_t *g;
    size_t i;
    int64_t left_out = (int64_t)ask_integer(root, "left_out_groups");
    if (!has_calls(root, "groups")) {
        return;
    }
    printf("%10s  %8s  %9s  %9s  %9s  %s\n", "CALLS", "ERRORS", "MEAN", "P50", "P99", "NAME");
    json_array_foreach(json_object_get(root, "groups"), i, g)
    {
        print_calls(g);
        fputs("  ", stdout);
        table_put(ask_string(g, "name"), 0, NODE_MAX);
        putchar('\n');
    }
    if (left_out > 0) {
        fprintf(stderr, "sonde: %" PRId64 " more are left out\n", left_out);
    }
    ASSERT(i > 0);
    print_counted(root);
    ask_print_partial(root);
}

static void print_red(json_t *root)
{
    json_t *points = json_object_get(root, "points"), *p;
    double seconds = (double)ask_integer(root, "step_ms") / 1000;
    size_t i;
    if (!has_calls(root, "points")) {
        return;
    }
    printf("%-18s  %9s  %10s  %8s  %9s  %9s  %9s\n", "BEGIN", "PER S", "CALLS", "ERRORS", "MEAN",
           "P50", "P99");
    json_array_foreach(points, i, p)
    {
        char begin[WHEN_MAX];
        when_print_local(begin, ask_integer(p, "time_unix_ms") * NS_PER_MS);
        printf("%-18s  %9.1f  ", begin, (double)ask_integer(p, "calls") / seconds);
        print_calls(p);
        putchar('\n');
    }
    printf("%-18s  %9s  ", "all", "");
    print_calls(json_object_get(root, "total"));
    putchar('\n');
    print_counted(root);
    ask_print_partial(root);
}

int command_red(int argc, char **argv)
{
    struct ask a = {.help = red_help, .words = ASK_ONE_WORD};
    const char *endpoint = NULL, *instance = NULL, *namespace = NULL, *step = NULL, *by = NULL;
    const struct flag flags[] = {
        {"--endpoint", &endpoint, NULL},
        {"--instance", &instance, NULL},
        {"--namespace", &namespace, NULL},
        {"--step", &step, NULL},
        {"--by", &by, NULL},
        ASK_FLAGS(a),
        {NULL, NULL, NULL},
    };
    if (!ask_parse(&a, argc, argv, flags)) {
        return a.exit_code;
    }
    ask_begin(&a, "/api/v1/red");
    ask_param(&a, "service", a.word);
    ask_param(&a, "endpoint", endpoint);
    ask_param(&a, "instance", instance);
    ask_param(&a, "namespace", namespace);
    ask_param(&a, "by", by);
    ask_param_duration(&a, "step", step, STEP_OF_S);
    return by != NULL ? ask_end(&a, print_groups, "groups") : ask_end(&a, print_red, "points");
}
