// SPDX-License-Identifier: Apache-2.0
// Purpose: a notice: what is told of an alert, whoever is told it by whatever means.
//
// Its canonical form is a JSON object, which the queue keeps and a webhook is sent:
//
//     status      "firing" | "resolved" | "test"
//     rule        the name of the rule
//     level       "info" | "warning" | "error" | "critical"
//     line, environment, service, instance, address     "" where it concerns none; the address is
//                 that of the instance's container or host
//     group       {field: value}, up to NOTICE_GROUP_MAX: what the rule groups by
//     measure, operator, unit                            "" where there is none
//     value, threshold, process_cpu, host_cpu            numbers, or null where there is none; CPU
//                 as a share of the host, 0 to 1
//     event_unix_nano, fired_unix_nano                   integers
//     incident, incident_url, snapshot_url, remedy       "" where there is none
//     suspect     whom to look at first, "" as long as nothing is known: "cart -> redis"
//     trace_ids   [text], up to NOTICE_TRACES_MAX
//     entries     [text], up to NOTICE_ENTRIES_MAX: entries that are affected
//     more        how many alerts of the incident it stands for beyond the first
//     repeat      whether it may have been delivered before
//     people      [{name, mail, phone, wecom, dingtalk, feishu, slack}], up to NOTICE_PEOPLE_MAX;
//                 only in the queue, never sent on by a webhook
//
// All keys are there when it is written. When it is read each may be absent, but for status, rule
// and level; others than these are refused. Texts that are too long are cut at their limit when
// they are written (an alert is never lost for the length of a text), and refused when they are
// read. Bytes that are no UTF-8 become U+FFFD.
//
// A notice borrows all of its texts. No state, any thread.
#ifndef SONDE_NOTIFY_NOTICE_H
#define SONDE_NOTIFY_NOTICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"

#define NOTICE_GROUP_MAX      ((size_t)3)
#define NOTICE_TRACES_MAX     ((size_t)10)
#define NOTICE_ENTRIES_MAX    ((size_t)5)
#define NOTICE_PEOPLE_MAX     ((size_t)64)
#define NOTICE_TEXT_BYTES_MAX ((size_t)1024)
#define NOTICE_LONG_BYTES_MAX ((size_t)4096)    // the remedy, and addresses of pages
#define NOTICE_ID_BYTES_MAX   ((size_t)256)     // what a person goes by
#define NOTICE_JSON_BYTES_MAX ((size_t)1 << 20) // escaped six bytes for each one, at the worst

#define NOTICE_STATUS_LIST(X)                                                                      \
    X(FIRING, "firing")                                                                            \
    X(RESOLVED, "resolved")                                                                        \
    X(TEST, "test")
enum notice_status {
#define NOTICE_STATUS_ENUM(name, text) NOTICE_##name,
    NOTICE_STATUS_LIST(NOTICE_STATUS_ENUM)
#undef NOTICE_STATUS_ENUM
        NOTICE_STATUS_COUNT
};

#define NOTICE_LEVEL_LIST(X)                                                                       \
    X(INFO, "info")                                                                                \
    X(WARNING, "warning")                                                                          \
    X(ERROR, "error")                                                                              \
    X(CRITICAL, "critical")
enum notice_level {
#define NOTICE_LEVEL_ENUM(name, text) NOTICE_##name,
    NOTICE_LEVEL_LIST(NOTICE_LEVEL_ENUM)
#undef NOTICE_LEVEL_ENUM
        NOTICE_LEVEL_COUNT
};

// Whom a card names; "" where the person is not known there.
struct notice_person {
    struct str name, mail, phone, wecom, dingtalk, feishu, slack;
};

struct notice_number {
    bool is_there;
    double value; // finite; one that is not counts as absent
};

struct notice_pair {
    struct str field, value;
};

struct notice {
    enum notice_status status;
    enum notice_level level;
    struct str rule, line, environment, service, instance, address;
    struct notice_pair group[NOTICE_GROUP_MAX];
    size_t group_count;
    struct str measure, operator, unit;
    struct notice_number value, threshold, process_cpu, host_cpu;
    uint64_t event_unix_nano, fired_unix_nano; // below 2^63
    struct str incident, incident_url, snapshot_url, remedy, suspect;
    struct str trace_ids[NOTICE_TRACES_MAX];
    size_t trace_count;
    struct str entries[NOTICE_ENTRIES_MAX];
    size_t entry_count;
    uint64_t more; // below 2^63
    bool repeat;
    struct notice_person people[NOTICE_PEOPLE_MAX];
    size_t people_count;
};

const char *notice_status_name(enum notice_status s);
const char *notice_level_name(enum notice_level l);

// Takes the characters that turn the order of text around them (U+202A to U+202E, U+2066 to U+2069)
// out of all texts: with them a name can make a message read as another. Texts that have some are
// copied into the arena.
void notice_clean(struct notice *n, struct arena *a);

// Adds the canonical form.
void notice_to_json(const struct notice *n, bool with_people, struct buf *out);

// Texts are copied into the arena. ERR_INVALID with the place where it is no JSON, else with what
// is wrong; ERR_LIMIT where something is longer or more than it may be.
MUST_CHECK enum err notice_from_json(struct str json, struct arena *a, struct notice *ret_notice,
                                     struct err_at *ret_at);

// Takes up no more than a made-up notice that says that it is a test.
void notice_make_test(struct notice *ret_notice, uint64_t now_unix_nano);

#endif
