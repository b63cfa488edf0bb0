// SPDX-License-Identifier: Apache-2.0
// Purpose: `sonde alert templates`: rules for the usual, to be taken over as they are or changed
// first. Their windows are short where something breaks (half a minute, so that a breach shows
// within ten seconds), and longer where it wears out.
#include "alert_templates.h"

#include <stdio.h>
#include <string.h>

#include "core/must.h"

static const struct {
    const char *name, *text;
} templates[] = {
    {"error-spike",
     "  # One call in ten fails.\n"
     "  - name: error spike\n"
     "    level: error\n"
     "    remedy: \"Open a failing trace: its deepest failed span names the cause.\"\n"
     "    strategies:\n"
     "      - filter: '{ kind = server || kind = consumer }'\n"
     "        measure: error_rate\n"
     "        every: 30s\n"
     "        operator: \">\"\n"
     "        threshold: 10%\n"
     "        at_least: 20\n"
     "        group_by: [service]\n"},
    {"slow-entry", "  # One call in twenty of an endpoint takes more than a second; two at least.\n"
                   "  - name: slow entry\n"
                   "    level: warning\n"
                   "    remedy: \"Compare with the hour before on the service's page; the critical "
                   "path of a slow trace shows where.\"\n"
                   "    strategies:\n"
                   "      - filter: '{ kind = server }'\n"
                   "        measure: p95\n"
                   "        every: 30s\n"
                   "        operator: \">\"\n"
                   "        threshold: 1s\n"
                   "        at_least: 20\n"
                   "        group_by: [service, endpoint]\n"},
    {"slows-down",
     "  # One call in twenty of an endpoint takes three times as long as half a minute ago, and "
     "more "
     "than 100 ms.\n"
     "  - name: slows down\n"
     "    level: warning\n"
     "    remedy: \"Compare a slow trace with one of a minute before: what is new on its critical "
     "path?\"\n"
     "    match: all\n"
     "    strategies:\n"
     "      - filter: '{ kind = server }'\n"
     "        measure: p95\n"
     "        every: 30s\n"
     "        operator: rise\n"
     "        threshold: 200%\n"
     "        at_least: 50\n"
     "        group_by: [service, endpoint]\n"
     "      - filter: '{ kind = server }'\n"
     "        measure: p95\n"
     "        every: 30s\n"
     "        operator: \">\"\n"
     "        threshold: 100ms\n"
     "        at_least: 50\n"
     "        group_by: [service, endpoint]\n"},
    {"slow-sql", "  # One statement in twenty takes more than a fifth of a second; two at least.\n"
                 "  - name: slow SQL\n"
                 "    level: warning\n"
                 "    remedy: \"Look at the statement on the board of databases: a missing index, "
                 "a lock, a scan?\"\n"
                 "    strategies:\n"
                 "      - filter: '{ kind = client && (span.db.system.name != nil || "
                 "span.db.system != nil) }'\n"
                 "        measure: p95\n"
                 "        every: 30s\n"
                 "        operator: \">\"\n"
                 "        threshold: 200ms\n"
                 "        at_least: 20\n"
                 "        group_by: [service, endpoint]\n"},
    {"dead-dependency",
     "  # Half of the calls that a service makes to one address fail: another service, a database, "
     "a cache.\n"
     "  - name: dead dependency\n"
     "    level: critical\n"
     "    remedy: \"Is what is called there up, and does it take connections?\"\n"
     "    strategies:\n"
     "      - filter: '{ kind = client }'\n"
     "        measure: error_rate\n"
     "        every: 10s\n"
     "        operator: \">=\"\n"
     "        threshold: 50%\n"
     "        at_least: 5\n"
     "        group_by: [service, span.server.address, span.server.port]\n"},
    {"calls-rise",
     "  # Twice as many calls of a statement as in the quarter of a minute before: a cache that is "
     "gone, N+1.\n"
     "  - name: calls rise\n"
     "    level: info\n"
     "    remedy: \"A chain among the examples shows who repeats the statement.\"\n"
     "    strategies:\n"
     "      - filter: '{ kind = client && (span.db.system.name != nil || span.db.system != nil) "
     "}'\n"
     "        measure: count\n"
     "        every: 15s\n"
     "        operator: rise\n"
     "        threshold: 100%\n"
     "        at_least: 100\n"
     "        group_by: [service, endpoint]\n"},
    {"jvm-cpu", "  - name: JVM takes all of its processors\n"
                "    level: warning\n"
                "    remedy: \"Thread stacks of the hottest threads tell which code runs.\"\n"
                "    strategies:\n"
                "      - metric: jvm.cpu.recent_utilization\n"
                "        measure: average\n"
                "        every: 1m\n"
                "        operator: \">\"\n"
                "        threshold: 0.9\n"
                "        group_by: [service, instance]\n"},
    {"jvm-heap",
     "  # What is left after garbage collection; the threshold is in bytes: three quarters of "
     "-Xmx.\n"
     "  - name: JVM heap fills\n"
     "    level: warning\n"
     "    remedy: \"Look for what is kept: caches without a bound, sessions, listeners.\"\n"
     "    strategies:\n"
     "      - metric: jvm.memory.used_after_last_gc\n"
     "        measure: max\n"
     "        every: 5m\n"
     "        operator: \">\"\n"
     "        threshold: 1500000000\n"
     "        group_by: [service, instance]\n"},
    {"jvm-gc", "  # More than six seconds of a minute.\n"
               "  - name: JVM collects garbage\n"
               "    level: warning\n"
               "    strategies:\n"
               "      - metric: jvm.gc.duration\n"
               "        measure: sum\n"
               "        every: 1m\n"
               "        operator: \">\"\n"
               "        threshold: 6\n"
               "        group_by: [service, instance]\n"},
    {"jvm-threads", "  - name: JVM has many threads\n"
                    "    level: warning\n"
                    "    strategies:\n"
                    "      - metric: jvm.thread.count\n"
                    "        measure: max\n"
                    "        every: 1m\n"
                    "        operator: \">\"\n"
                    "        threshold: 1000\n"
                    "        group_by: [service, instance]\n"},
    {"unusual-traffic", "  # A service gets half as many calls again, or half of those, that are "
                        "usual at this time of "
                        "the day.\n"
                        "  - name: unusual traffic\n"
                        "    level: info\n"
                        "    strategies:\n"
                        "      - filter: '{ kind = server || kind = consumer }'\n"
                        "        measure: rate\n"
                        "        every: 5m\n"
                        "        operator: off_baseline\n"
                        "        threshold: 50%\n"
                        "        group_by: [service]\n"},
    {"slower-than-usual",
     "  # An endpoint is half as slow again as it is at this time of the day.\n"
     "  - name: slower than usual\n"
     "    level: warning\n"
     "    strategies:\n"
     "      - filter: '{ kind = server }'\n"
     "        measure: p95\n"
     "        every: 5m\n"
     "        operator: above_baseline\n"
     "        threshold: 50%\n"
     "        at_least: 50\n"
     "        group_by: [service, endpoint]\n"},
    {"disk-fills", "  # By the trend of the last ten hours.\n"
                   "  - name: disk will be full tomorrow\n"
                   "    level: warning\n"
                   "    strategies:\n"
                   "      - metric: system.filesystem.utilization\n"
                   "        measure: average\n"
                   "        every: 10m\n"
                   "        operator: will_exceed\n"
                   "        threshold: 0.95\n"
                   "        within: 24h\n"
                   "        group_by: [host, .system.filesystem.mountpoint]\n"},
    {"capacity",
     "  # An instance will need more than four fifths of its processors within two hours.\n"
     "  - name: capacity runs out\n"
     "    level: warning\n"
     "    remedy: \"Add instances: the capacity page of the entry says how many it needs.\"\n"
     "    strategies:\n"
     "      - metric: jvm.cpu.recent_utilization\n"
     "        measure: average\n"
     "        every: 2m\n"
     "        operator: will_exceed\n"
     "        threshold: 0.8\n"
     "        within: 2h\n"
     "        group_by: [service, instance]\n"},
    {"capacity-calls",
     "  # The instances of a service get a tenth more calls than any of them was seen to carry.\n"
     "  - name: more calls than ever\n"
     "    level: warning\n"
     "    remedy: \"Add instances before more comes: the capacity page of the entry says how "
     "many.\"\n"
     "    strategies:\n"
     "      - measure: capacity\n"
     "        every: 1m\n"
     "        operator: \">\"\n"
     "        threshold: 110%\n"
     "        at_least: 60\n"
     "        group_by: [service]\n"},
    {"instance-gone", "  # An instance that sent spans sends none any more.\n"
                      "  - name: instance gone\n"
                      "    level: error\n"
                      "    strategies:\n"
                      "      - measure: absence\n"
                      "        every: 5m\n"
                      "        group_by: [service, instance]\n"},
};

#define COUNT (sizeof templates / sizeof templates[0])

bool alert_templates_print(const char *name, const char *channel)
{
    bool is_found = name == NULL;
    for (size_t i = 0; i < COUNT && !is_found; i++) {
        is_found = strcmp(templates[i].name, name) == 0;
    }
    if (!is_found) {
        return false;
    }
    puts("rules:");
    for (size_t i = 0; i < COUNT; i++) {
        ASSERT(templates[i].text[0] == ' ');
        if (name == NULL || strcmp(templates[i].name, name) == 0) {
            fputs(templates[i].text, stdout);
            if (channel != NULL) {
                printf("    channels: [\"%s\"]\n", channel);
            }
        }
    }
    return true;
}

void alert_templates_list(void)
{
    for (size_t i = 0; i < COUNT; i++) {
        ASSERT(templates[i].name != NULL);
        fprintf(stderr, "%s%s", i > 0 ? ", " : "", templates[i].name);
    }
    fputc('\n', stderr);
}
