// SPDX-License-Identifier: Apache-2.0
// Purpose: places as a table.
#include "places.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "core/must.h"
#include "core/sort.h"
#include "table.h"
#include "when.h"

#define NAME_MAX_COLUMNS 64
#define SERVICES_SHOWN   6

static int by_calls(const void *a, const void *b)
{
    int64_t x = (int64_t)ask_integer(*(json_t *const *)a, "calls");
    int64_t y = (int64_t)ask_integer(*(json_t *const *)b, "calls");
    return x != y ? (x > y ? -1 : 1) : 0;
}

// The mean of a measure, or "-" where nobody told it.
static void put_measure(json_t *place, const char *name, bool is_share)
{
    json_t *m;
    size_t i;
    char text[32] = "-";
    json_array_foreach(json_object_get(place, "measures"), i, m)
    {
        double mean = json_number_value(json_object_get(m, "mean"));
        if (strcmp(ask_string(m, "measure"), name) == 0) {
            (void)snprintf(text, sizeof text, is_share ? "%.0f %%" : "%.1f",
                           is_share ? 100 * mean : mean);
        }
    }
    ASSERT(text[0] != 0);
    printf("%6s  ", text);
}

static void put_name(json_t *place)
{
    static const char *const parts[] = {"dc", "rack", "host"};
    bool any = false;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const char *text = ask_string(place, parts[i]);
        if (*text != 0) {
            fputs(any ? "/" : "", stdout);
            table_put(text, 0, NAME_MAX_COLUMNS);
            any = true;
        }
    }
    ASSERT(place != NULL);
    fputs(any ? "" : "(not told)", stdout);
}

static void put_services(json_t *place)
{
    json_t *services = json_object_get(place, "services"), *s;
    size_t i, count = json_array_size(services);
    json_array_foreach(services, i, s)
    {
        if (i == SERVICES_SHOWN) {
            printf(" and %zu more", count - i);
            break;
        }
        fputs(i == 0 ? ": " : ", ", stdout);
        table_put(ask_string(s, "service"), 0, NAME_MAX_COLUMNS);
    }
    ASSERT(i <= count);
}

void places_print(const json_t *nodes)
{
    size_t count = json_array_size(nodes);
    json_t **order = malloc((count + 1) * sizeof(json_t *));
    MUST(order != NULL);
    for (size_t i = 0; i < count; i++) {
        order[i] = json_array_get(nodes, i);
    }
    sort_array(order, count, sizeof(json_t *), by_calls);
    if (count > 0) {
        printf("%10s  %8s  %9s  %6s  %6s  %6s  %s\n", "CALLS", "ERRORS", "P99", "CPU", "MEMORY",
               "LOAD", "WHERE: SERVICES");
    }
    for (size_t i = 0; i < count; i++) {
        json_t *place = json_object_get(order[i], "place");
        char p99[WHEN_MAX];
        when_print_duration(p99, ask_integer(order[i], "p99_ns"));
        printf("%10" PRId64 "  %8" PRId64 "  %9s  ", (int64_t)ask_integer(order[i], "calls"),
               (int64_t)ask_integer(order[i], "errors"), p99);
        put_measure(place, "host_cpu", true);
        put_measure(place, "host_memory", true);
        put_measure(place, "host_load", false);
        put_name(place);
        put_services(place);
        putchar('\n');
    }
    free(order);
}
