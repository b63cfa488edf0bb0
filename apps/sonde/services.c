// SPDX-License-Identifier: Apache-2.0
// Purpose: `sonde services`: every service that called or was called, with its calls in all.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "commands.h"
#include "core/clock.h"
#include "core/must.h"
#include "core/sort.h"
#include "table.h"

#define NAME_COLUMNS 64

static const char help[] =
    "Usage: sonde services [--namespace LINE] [--since 1h | --from T --to T] [--json]\n"
    "                      [--server URL] [--token TOKEN] [--ca FILE]\n"
    "\n"
    "Prints the services of the last hour, of all business lines or of one, the most\n"
    "calls first: calls by second and in all, failed calls, how long they took, and\n"
    "whether the service is well, as `sonde topology` says it: ok, warn or error, or\n"
    "unknown where nobody called it. `sonde red SERVICE` shows one over time. T is as\n"
    "for `sonde trace search`.\n";

static int by_calls(const void *a, const void *b)
{
    uint64_t x = ask_integer(*(json_t *const *)a, "calls");
    uint64_t y = ask_integer(*(json_t *const *)b, "calls");
    return x != y ? (x > y ? -1 : 1) : 0;
}

// The services among the nodes of a topology, in the order of the list.
static json_t *services_of(json_t *nodes, const char *namespace)
{
    json_t *services = json_array(), *n;
    size_t i, count = 0;
    json_t **order = malloc((json_array_size(nodes) + 1) * sizeof(json_t *));
    MUST(order != NULL && services != NULL);
    json_array_foreach(nodes, i, n)
    {
        bool is_wanted = namespace == NULL || strcmp(ask_string(n, "namespace"), namespace) == 0;
        if (is_wanted && strcmp(ask_string(n, "kind"), "service") == 0) {
            order[count++] = n;
        }
    }
    sort_array(order, count, sizeof(json_t *), by_calls);
    for (i = 0; i < count; i++) {
        MUST(json_array_append(services, order[i]) == 0);
    }
    free(order);
    return services;
}

static void print_service(json_t *s, double seconds)
{
    static const char *const durations[] = {"mean_ns", "p50_ns", "p99_ns"};
    const char *line = ask_string(s, "namespace");
    uint64_t calls = ask_integer(s, "calls");
    ASSERT(seconds > 0);
    printf("%9.2f  %10" PRIu64 "  %8" PRIu64, (double)calls / seconds, calls,
           ask_integer(s, "errors"));
    for (size_t i = 0; i < sizeof durations / sizeof *durations; i++) {
        table_put_duration(ask_integer(s, durations[i]));
    }
    fputs("  ", stdout);
    table_put(ask_string(s, "state"), 7, 7);
    fputs("  ", stdout);
    if (*line != 0) {
        table_put(line, 0, NAME_COLUMNS);
        putchar('/');
    }
    table_put(ask_string(s, "service"), 0, NAME_COLUMNS);
    putchar('\n');
}

static void print_services(json_t *root)
{
    json_t *services = json_object_get(root, "services"), *s;
    uint64_t from_ms = ask_integer(root, "from_unix_ms"), to_ms = ask_integer(root, "to_unix_ms");
    uint64_t now_ms = clock_wall_ns() / NS_PER_MS;
    size_t i;
    to_ms = to_ms < now_ms ? to_ms : now_ms; // what comes after has no calls yet
    double seconds = to_ms > from_ms + 1000 ? (double)(to_ms - from_ms) / 1000 : 1;
    ASSERT(json_is_array(services));
    if (json_array_size(services) == 0) {
        fputs("sonde: no services in that range; --since 24h goes further back\n", stderr);
    } else {
        printf("%9s  %10s  %8s  %9s  %9s  %9s  %-7s  %s\n", "PER S", "CALLS", "ERRORS", "MEAN",
               "P50", "P99", "STATE", "SERVICE");
    }
    json_array_foreach(services, i, s)
    {
        print_service(s, seconds);
    }
    ask_print_partial(root);
}

// The range and the services alone, of an answer that has edges too.
static json_t *answer_of(json_t *topology, const char *namespace)
{
    static const char *const kept[] = {"from_unix_ms", "to_unix_ms", "partial"};
    json_t *root = json_object();
    MUST(root != NULL);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        (void)json_object_set(root, kept[i], json_object_get(topology, kept[i])); // where it is
    }
    (void)json_object_set_new(root, "services",
                              services_of(json_object_get(topology, "nodes"), namespace));
    return root;
}

int command_services(int argc, char **argv)
{
    struct ask a = {.help = help, .words = ASK_NO_WORD};
    const char *namespace = NULL;
    const struct flag flags[] = {
        {"--namespace", &namespace, NULL}, ASK_FLAGS(a), {NULL, NULL, NULL}};
    struct buf answer;
    json_t *topology = NULL;
    if (!ask_parse(&a, argc, argv, flags)) {
        return a.exit_code;
    }
    ask_begin(&a, "/api/v1/topology");
    ask_param(&a, "level", "service");
    const char *path = ask_path(&a);
    buf_init(&answer, ASK_ANSWER_MAX);
    if (path != NULL) {
        topology = ask_json(&a.server, path, NULL, &answer, &a.exit_code);
    }
    if (topology != NULL) {
        json_t *root = answer_of(topology, namespace);
        if (wants_table(a.json)) {
            print_services(root);
        } else {
            char *text = json_dumps(root, JSON_COMPACT | JSON_PRESERVE_ORDER);
            MUST(text != NULL);
            puts(text);
            free(text);
        }
        json_decref(root);
    }
    json_decref(topology);
    buf_done(&answer);
    buf_done(&a.path);
    return a.exit_code;
}
