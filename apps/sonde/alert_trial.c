// SPDX-License-Identifier: Apache-2.0
// Purpose: what POST /api/v1/alerts/test answers, for a terminal: the stretches in which each group
// would have fired, how many, and what limits the answer.
#include "alert_trial.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "core/clock.h"
#include "core/must.h"
#include "table.h"
#include "when.h"

#define GROUP_COLUMNS 32
#define TIME_COLUMNS  14 // 01-31 12:00:00, without the milliseconds
#define NOTE_COLUMNS  120

static void put_local(uint64_t ms)
{
    char text[WHEN_MAX];
    when_print_local(text, ms * NS_PER_MS);
    printf("%.*s", TIME_COLUMNS, text);
}

static void put_length(uint64_t ms)
{
    uint64_t s = ms / 1000;
    if (s < 60) {
        printf("%" PRIu64 "s", s);
    } else if (s < 3600) {
        printf("%" PRIu64 "m%02" PRIu64 "s", s / 60, s % 60);
    } else {
        printf("%" PRIu64 "h%02" PRIu64 "m", s / 3600, s / 60 % 60);
    }
}

static void put_values(const json_t *group)
{
    char text[512] = "";
    json_t *values = json_object_get(group, "values"), *v;
    size_t i;
    json_array_foreach(values, i, v)
    {
        size_t n = strlen(text);
        (void)snprintf(text + n, sizeof text - n, "%s%s", i > 0 ? " / " : "", json_string_value(v));
    }
    ASSERT(strlen(text) < sizeof text);
    table_put(json_array_size(values) > 0 ? text : "all", GROUP_COLUMNS, GROUP_COLUMNS);
}

// Durations as such, shares in percent, others as they are.
static void put_value(json_t *strategy, double v)
{
    const char *measure = ask_string(strategy, "measure"), *field = ask_string(strategy, "field");
    bool has_field = strcmp(measure, "count") != 0 && strcmp(measure, "rate") != 0 &&
                     strcmp(measure, "distinct") != 0 && strcmp(measure, "absence") != 0;
    char text[WHEN_MAX];
    ASSERT(strategy != NULL);
    if (strcmp(measure, "error_rate") == 0) {
        (void)snprintf(text, sizeof text, "%.1f %%", 100 * v);
    } else if (has_field && strcmp(field, "duration") == 0 && v >= 0 && v < 1e18) {
        when_print_duration(text, (uint64_t)v);
    } else {
        (void)snprintf(text, sizeof text, "%.6g", v);
    }
    printf("%12s", text);
}

static void print_stretch(json_t *root, json_t *group, json_t *s)
{
    json_t *strategies = json_object_get(json_object_get(root, "rule"), "strategies");
    uint64_t begin = ask_integer(s, "begin_unix_ms"), end = ask_integer(s, "end_unix_ms");
    bool is_over = json_is_integer(json_object_get(s, "end_unix_ms"));
    const json_t *trace = json_object_get(s, "trace_id");
    ASSERT(group != NULL);
    put_values(group);
    printf("  ");
    put_local(begin);
    printf("  ");
    if (is_over) {
        put_local(end);
    } else {
        printf("%-*s", TIME_COLUMNS, "still fires");
    }
    printf("  ");
    put_value(json_array_get(strategies, ask_integer(s, "strategy")),
              json_number_value(json_object_get(s, "worst")));
    printf("  %s\n", json_is_string(trace) ? json_string_value(trace) : "-");
}

static void print_remark(json_t *m)
{
    const char *kind = ask_string(m, "kind");
    uint64_t since = ask_integer(m, "since_unix_ms");
    char text[WHEN_MAX];
    ASSERT(kind != NULL);
    when_print_local(text, since * NS_PER_MS);
    text[TIME_COLUMNS] = 0;
    if (strcmp(kind, "sampled") == 0) {
        puts("note: only chosen traces are kept, so that counts are lower than they were");
    } else if (strcmp(kind, "stored_since") == 0) {
        printf("note: spans are stored since %s; the rule looks back further\n", text);
    } else if (strcmp(kind, "points_since") == 0) {
        printf("note: points of the metric are stored since %s; the rule looks back further\n",
               text);
    } else if (strcmp(kind, "season_short") == 0) {
        printf("note: what is usual takes two days to learn, and there is something since %s\n",
               text);
    } else if (strcmp(kind, "not_kept") == 0) {
        json_t *names = json_object_get(m, "names"), *v;
        size_t i;
        printf("note: points are stored without these attributes of their resources:");
        json_array_foreach(names, i, v)
        {
            putchar(' ');
            table_put(json_string_value(v), 0, NOTE_COLUMNS);
        }
        putchar('\n');
    } else if (strcmp(kind, "step") == 0) {
        printf("note: judged every %" PRIu64 " s only, since there is so much to judge\n",
               ask_integer(m, "step_ms") / 1000);
    } else if (strcmp(kind, "refused") == 0) {
        printf("note: %" PRIu64 " records are of groups beyond the limit and were left out\n",
               ask_integer(m, "records"));
    } else if (strcmp(kind, "unfit") == 0) {
        printf("note: %" PRIu64 " records have no value that could be measured\n",
               ask_integer(m, "records"));
    }
}

static void print_total(json_t *root)
{
    uint64_t fired = ask_integer(root, "fired"), groups = ask_integer(root, "groups_fired");
    json_t *stats = json_object_get(root, "stats");
    ASSERT(root != NULL);
    if (fired == 0) {
        printf("would not have fired");
    } else {
        printf("would have fired %" PRIu64 " time%s in %" PRIu64 " of %" PRIu64 " groups, for ",
               fired, fired == 1 ? "" : "s", groups, ask_integer(root, "groups_seen"));
        put_length(ask_integer(root, "firing_ms"));
        printf(" altogether");
    }
    printf("; %" PRIu64 " records of %" PRIu64 " spans in %.0f ms%s\n",
           ask_integer(root, "records"), ask_integer(stats, "scanned_spans"),
           json_number_value(json_object_get(stats, "elapsed_ms")),
           json_is_true(json_object_get(stats, "partial")) ? ", not all of them" : "");
}

void alert_trial_print(json_t *root)
{
    json_t *groups = json_object_get(root, "groups"), *g, *s, *m;
    size_t i, k;
    ASSERT(root != NULL);
    if (json_array_size(groups) > 0) {
        printf("%-*s  %-*s  %-*s  %12s  %s\n", GROUP_COLUMNS, "GROUP", TIME_COLUMNS, "FROM",
               TIME_COLUMNS, "TO", "WORST", "EXAMPLE TRACE");
    }
    json_array_foreach(groups, i, g)
    {
        json_t *stretches = json_object_get(g, "stretches");
        json_array_foreach(stretches, k, s)
        {
            print_stretch(root, g, s);
        }
        if (ask_integer(g, "fired") > json_array_size(stretches)) {
            printf("and %" PRIu64 " more\n", ask_integer(g, "fired") - json_array_size(stretches));
        }
    }
    if (ask_integer(root, "groups_fired") > json_array_size(groups)) {
        printf("and %" PRIu64 " more groups\n",
               ask_integer(root, "groups_fired") - json_array_size(groups));
    }
    print_total(root);
    json_array_foreach(json_object_get(root, "remarks"), i, m)
    {
        print_remark(m);
    }
}
