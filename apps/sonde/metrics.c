// SPDX-License-Identifier: Apache-2.0
// Purpose: `sonde metrics`: which metrics there are, and one of them over time.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "commands.h"
#include "core/clock.h"
#include "core/must.h"
#include "table.h"
#include "when.h"

#define NAME_MAX_COLUMNS 56
#define UNIT_MAX_COLUMNS 16
#define HELP_MAX_COLUMNS 200

static const char help[] =
    "Usage: sonde metrics [NAME] [--service S] [--namespace LINE]\n"
    "                     [--label LABEL=VALUE]... [--by LABEL]\n"
    "                     [--as value|rate] [--since 1h | --from T --to T]\n"
    "                     [--step 1m] [--json] [--server URL] [--token TOKEN]\n"
    "                     [--ca FILE]\n"
    "       sonde metrics --targets [--json] [--server URL] [--token TOKEN]\n"
    "                     [--ca FILE]\n"
    "\n"
    "Prints which metrics there are in the last hour: type, unit, number of series.\n"
    "With NAME that metric over time: values of a gauge; of all others what was\n"
    "counted, across restarts of the counter too (--as value: where it stands); of a\n"
    "histogram quantiles as well. --by splits it by the values of a label: an\n"
    "attribute, or service, instance, scope; --label takes only series whose label\n"
    "has this value, and may be given 8 times. What several series have is one line:\n"
    "`last`, `mean`, `min` and `max` of all their values, and `sum` adds up the mean\n"
    "of each. Prometheus' job is the service; of shop/node, LINE is shop and S node.\n"
    "Bytes are shown in KiB, MiB and so on; --json has all numbers as they are.\n"
    "T is as for `sonde trace search`.\n"
    "\n"
    "--targets lists what the server scrapes: whether it answers, when it was asked\n"
    "last, how long that took, and what was wrong.\n";

static void print_names(json_t *root)
{
    json_t *metrics = json_object_get(root, "metrics"), *m;
    size_t i;
    if (json_array_size(metrics) == 0) {
        fputs("sonde: no metrics in that range\n", stderr);
        return;
    }
    printf("%-9s  %8s  %-*s  %s\n", "TYPE", "SERIES", UNIT_MAX_COLUMNS, "UNIT", "NAME");
    json_array_foreach(metrics, i, m)
    {
        printf("%-9s  %8" PRIu64 "  ", ask_string(m, "type"), ask_integer(m, "series"));
        table_put(ask_string(m, "unit"), UNIT_MAX_COLUMNS, UNIT_MAX_COLUMNS);
        fputs("  ", stdout);
        table_put(ask_string(m, "name"), 0, NAME_MAX_COLUMNS);
        putchar('\n');
    }
    if (json_is_true(json_object_get(root, "more"))) {
        fputs("sonde: there are more: narrow them by --service or --namespace\n", stderr);
    }
    ASSERT(i > 0);
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

// By its unit or, where none was sent, by the end of its name, as Prometheus has it.
static bool counts_bytes(json_t *root)
{
    const char *unit = ask_string(root, "unit"), *name = ask_string(root, "name");
    ASSERT(root != NULL);
    return strcmp(unit, "By") == 0 || strcmp(unit, "bytes") == 0 ||
           (*unit == 0 && (ends_with(name, "_bytes") || ends_with(name, "_bytes_total")));
}

// Four digits at most, as the UI has them.
static void put_bytes(double v)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    char text[32];
    size_t unit = 0;
    ASSERT(isfinite(v));
    while (fabs(v) >= 1023.5 && unit + 1 < sizeof units / sizeof units[0]) {
        v /= 1024;
        unit++;
    }
    int decimals = unit == 0 || fabs(v) >= 99.95 ? 0 : fabs(v) >= 9.995 ? 1 : 2;
    (void)snprintf(text, sizeof text, "%.*f %s", decimals, v, units[unit]);
    printf("  %11s", text);
}

// A number in a column; what is null has none.
static void put_number(json_t *o, const char *key, bool is_bytes)
{
    json_t *v = json_object_get(o, key);
    ASSERT(o != NULL);
    if (json_is_number(v) && is_bytes) {
        put_bytes(json_number_value(v));
    } else if (json_is_number(v)) {
        printf("  %11.6g", json_number_value(v));
    } else {
        printf("  %11s", "-");
    }
}

static const char *const *columns_of(json_t *root)
{
    static const char *const values[] = {"last", "mean", "min", "max", "sum", NULL};
    static const char *const rates[] = {"rate", "increase", NULL};
    static const char *const histograms[] = {"rate", "increase", "mean", "p50", "p99", NULL};
    ASSERT(root != NULL);
    return strcmp(ask_string(root, "as"), "value") == 0         ? values
           : strcmp(ask_string(root, "type"), "histogram") == 0 ? histograms
                                                                : rates;
}

// Of a histogram, `rate` and `increase` are of how many values there were.
static bool is_of_unit(json_t *root, const char *column)
{
    ASSERT(column != NULL);
    return strcmp(ask_string(root, "type"), "histogram") != 0 ||
           (strcmp(column, "rate") != 0 && strcmp(column, "increase") != 0);
}

static void print_group(json_t *root, json_t *group, const char *const *columns)
{
    bool is_bytes = counts_bytes(root);
    json_t *points = json_object_get(group, "points"), *p;
    size_t i;
    ASSERT(columns[0] != NULL);
    json_array_foreach(points, i, p)
    {
        char begin[WHEN_MAX];
        when_print_local(begin, ask_integer(p, "time_unix_ms") * NS_PER_MS);
        printf("%-18s", begin);
        for (size_t c = 0; columns[c] != NULL; c++) {
            put_number(p, columns[c], is_bytes && is_of_unit(root, columns[c]));
        }
        putchar('\n');
    }
}

// Where no series has the label to split by, there is one group: of series without it.
static bool has_label(json_t *root)
{
    json_t *groups = json_object_get(root, "groups"), *labels = json_object_get(root, "labels"), *l;
    const char *by = ask_string(root, "by");
    struct err_at room;
    size_t i;
    ASSERT(json_array_size(groups) > 0);
    if (*by == 0 || json_array_size(groups) > 1 ||
        *ask_string(json_array_get(groups, 0), "value") != 0) {
        return true;
    }
    fprintf(stderr, "sonde: no series in that range has the label '%s'; they have",
            ask_printable(by, &room));
    json_array_foreach(labels, i, l)
    {
        fprintf(stderr, "%s%s", i == 0 ? " " : ", ", ask_printable(json_string_value(l), &room));
    }
    fputs(json_array_size(labels) == 0 ? " none\n" : "\n", stderr);
    return false;
}

static void print_metric(json_t *root)
{
    json_t *groups = json_object_get(root, "groups"), *group;
    const char *by = ask_string(root, "by"), *const *columns = columns_of(root);
    size_t i;
    if (json_array_size(groups) == 0) {
        fputs(
            "sonde: no such metric, or none of what was asked for, in that range; `sonde metrics` "
            "shows which there are\n",
            stderr);
        ask_print_partial(root);
        return;
    }
    printf("%s, in ", ask_string(root, "type"));
    table_put(*ask_string(root, "unit") != 0 ? ask_string(root, "unit") : "1", 0, UNIT_MAX_COLUMNS);
    puts("; rates by second");
    if (*ask_string(root, "help") != 0) {
        table_put(ask_string(root, "help"), 0, HELP_MAX_COLUMNS);
        putchar('\n');
    }
    printf("%-18s", "BEGIN");
    for (size_t c = 0; columns[c] != NULL; c++) {
        printf("  %11s", columns[c]);
    }
    putchar('\n');
    json_array_foreach(groups, i, group)
    {
        if (*by != 0) {
            table_put(by, 0, NAME_MAX_COLUMNS);
            fputs(" = ", stdout);
            table_put(ask_string(group, "value"), 0, NAME_MAX_COLUMNS);
            putchar('\n');
        }
        print_group(root, group, columns);
    }
    ASSERT(i > 0);
    ask_print_partial(root);
}

// ---- Targets ------------------------------------------------------------------------------------

static void print_target(json_t *t)
{
    const char *error = ask_string(t, "error");
    ASSERT(t != NULL);
    printf("%-7s  %7" PRIu64 "  %8" PRIu64, ask_string(t, "state"), ask_integer(t, "scrapes"),
           ask_integer(t, "failures"));
    if (json_object_get(t, "last_unix_ms") != NULL) {
        char last[WHEN_MAX];
        when_print_local(last, ask_integer(t, "last_unix_ms") * NS_PER_MS);
        printf("  %-18s  %6.0f ms  %8" PRIu64 "  ", last, ask_number(t, "duration_ms"),
               ask_integer(t, "samples"));
    } else {
        printf("  %-18s  %9s  %8s  ", "-", "-", "-");
    }
    table_put(ask_string(t, "job"), 0, NAME_MAX_COLUMNS);
    fputs("  ", stdout);
    table_put(ask_string(t, "address"), 0, NAME_MAX_COLUMNS);
    if (*error != 0) {
        fputs("  ", stdout);
        table_put(error, 0, HELP_MAX_COLUMNS);
    }
    putchar('\n');
}

static void print_targets(json_t *root)
{
    static const char *const states[] = {"down", "unknown", "up"};
    json_t *targets = json_object_get(root, "targets"), *t;
    size_t i;
    if (json_array_size(targets) == 0) {
        fputs("sonde: nothing is scraped; scrape.jobs in the configuration says what is\n", stderr);
        return;
    }
    printf("%-7s  %7s  %8s  %-18s  %9s  %8s  %s\n", "STATE", "SCRAPES", "FAILURES", "LAST", "TOOK",
           "SAMPLES", "JOB  TARGET");
    for (size_t s = 0; s < sizeof states / sizeof states[0]; s++) {
        json_array_foreach(targets, i, t)
        {
            if (strcmp(ask_string(t, "state"), states[s]) == 0) {
                print_target(t);
            }
        }
    }
    if (ask_integer(root, "left_out_targets") > 0) {
        fprintf(stderr, "sonde: %" PRIu64 " more targets are left out\n",
                ask_integer(root, "left_out_targets"));
    }
    if (ask_integer(root, "bad_files") > 0) {
        fprintf(stderr, "sonde: %" PRIu64 " files of targets cannot be read\n",
                ask_integer(root, "bad_files"));
    }
    ASSERT(json_is_array(targets));
}

int command_metrics(int argc, char **argv)
{
    struct ask a = {.help = help, .words = ASK_MAY_WORD};
    struct flag_values labels = {.count = 0};
    const char *service = NULL, *namespace = NULL, *by = NULL, *as = NULL, *step = NULL;
    bool targets = false;
    const struct flag flags[] = {
        {"--service", &service, NULL},
        {"--namespace", &namespace, NULL},
        {"--label", NULL, NULL, &labels},
        {"--by", &by, NULL},
        {"--as", &as, NULL},
        {"--step", &step, NULL},
        {"--targets", NULL, &targets},
        ASK_FLAGS(a),
        {NULL, NULL, NULL},
    };
    if (!ask_parse(&a, argc, argv, flags)) {
        return a.exit_code;
    }
    if (targets && (a.word != NULL || service != NULL || namespace != NULL || labels.count > 0 ||
                    by != NULL || as != NULL || step != NULL)) {
        fputs("sonde: --targets lists what is scraped, and goes with nothing else\n", stderr);
        return EXIT_USAGE;
    }
    if (targets) {
        ask_begin_now(&a, "/api/v1/scrape/targets");
        return ask_end(&a, print_targets, NULL);
    }
    if (a.word == NULL && (by != NULL || as != NULL || step != NULL)) {
        fputs("sonde: --by, --as and --step need the name of a metric\n", stderr);
        return EXIT_USAGE;
    }
    ask_begin(&a, a.word != NULL ? "/api/v1/metrics/query" : "/api/v1/metrics");
    ask_param(&a, "name", a.word);
    ask_param(&a, "service", service);
    ask_param(&a, "namespace", namespace);
    ask_param_labels(&a, &labels);
    ask_param(&a, "by", by);
    ask_param(&a, "as", as);
    ask_param_duration(&a, "step", step, 0);
    a.holds = a.word != NULL ? has_label : NULL;
    return a.word != NULL ? ask_end(&a, print_metric, "groups") : ask_end(&a, print_names, NULL);
}
