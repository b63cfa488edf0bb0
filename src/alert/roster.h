// SPDX-License-Identifier: Apache-2.0
// Purpose: who is told, and when nobody is: people, groups of them with who is on call, silences.
// Lists of the file of rules (alert/rule.h):
//
//   people:
//     - {name: anna, mail: anna@example.org, phone: "+49 30 1", wecom: anna, slack: U012}
//   groups:
//     - name: payments
//       members: [anna, ben]                 # told all, where nobody is on call
//       rotation: [anna, ben]                # who is on call, one after the other
//       every: 168h                          # how long a turn is
//       since: "2026-01-05T09:00+01:00"      # when the first began; an hour of the week with it
//       overrides:
//         - {who: ben, from: "2026-12-24T00:00+01:00", until: "2026-12-27T00:00+01:00"}
//   silences:
//     - name: release night
//       rules: [slow checkout]               # absent: all
//       services: [checkout]                 # absent: all
//       from: "2026-12-01T22:00Z"            # absent: at once
//       until: "2026-12-02T02:00Z"           # absent: for good
//       days: [sat, sun]                     # absent: every day
//       between: "22:00-06:00"               # absent: all day; over midnight it is of the day
//       before offset: "+01:00"                     # of `days` and `between` from UTC; +00:00
//       reason: the new release goes out
//
// A rule's `receivers` may name people and groups beside addresses. Times are exact moments with
// their distance from UTC, so that no table of time zones is needed: where clocks are set for the
// summer, a turn begins an hour off until `since` and `offset` are set as well.
//
// Who is on call of a group: whoever an override names that holds then (the last such), else the
// one whose turn it is: turns of `every` follow one another from `since` on, and before it is the
// first one's turn.
//
// A silence holds from `from` until `until`, on its days between its hours. What it covers still
// fires, becomes an incident and is shown; no message leaves. When it is over and the incident is
// not, the messages leave then.
//
// All of it lives in the arena of its file and is immutable once read. Any thread.
#ifndef SONDE_ALERT_ROSTER_H
#define SONDE_ALERT_ROSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/str.h"

#define ROSTER_PEOPLE_MAX   ((size_t)2000)
#define ROSTER_TEAMS_MAX    ((size_t)500)
#define ROSTER_SILENCES_MAX ((size_t)1000)
#define ROSTER_MEMBERS_MAX  64 // of a group; also overrides
#define ROSTER_EVERY_MAX_MS ((uint64_t)366 * 24 * 3600 * 1000)
#define ROSTER_MATCH_MAX    64 // rules, or services, of a silence

#define ROSTER_DAYS 7
extern const char *const roster_days[ROSTER_DAYS]; // "mon" to "sun"

// Where something stands in a file, from 1.
struct alert_place {
    size_t line, column;
};

struct roster_person {
    struct str name, mail, phone, wecom, dingtalk, feishu, slack; // "" where there is none
};

struct roster_override {
    struct str who;
    uint64_t from_ms, until_ms;
};

// `groups` of the file; a group elsewhere in alert/ is one of a rule's.
struct roster_team {
    struct str name;
    struct str *members, *rotation;
    size_t member_count, rotation_count;
    uint64_t every_ms, since_ms;
    struct roster_override *overrides;
    size_t override_count;
    struct alert_place place;
};

struct roster_silence {
    struct str name, reason;
    struct str *rules, *services;
    size_t rule_count, service_count; // 0: all
    uint64_t from_ms, until_ms;       // 0 and UINT64_MAX: no such end
    unsigned days;                    // bit 0: Monday; 0: every day
    bool has_hours;
    int begin_minute, end_minute; // of the day, from 0; the end may be below the begin
    int offset_minutes;           // east of UTC
};

struct roster {
    struct roster_person *people;
    struct roster_team *teams;
    struct roster_silence *silences;
    size_t person_count, team_count, silence_count;
};

// ISO 8601: "2026-12-01T22:00+01:00", seconds where they are, Z for +00:00. False for anything
// else.
bool roster_time(struct str text, uint64_t *ret_ms);

const struct roster_person *roster_person(const struct roster *r, struct str name); // NULL: none
const struct roster_team *roster_team(const struct roster *r, struct str name);

// Who is on call; "" where the group has neither turns nor an override that holds.
struct str roster_on_call(const struct roster_team *t, uint64_t at_ms);
// When it is somebody else: as of the end of a turn or an override, or where one begins; 0: never.
uint64_t roster_on_call_until(const struct roster_team *t, uint64_t at_ms);

bool roster_silence_holds(const struct roster_silence *s, uint64_t at_ms);
// The first silence that holds then and covers the rule and the service; NULL: none.
const struct roster_silence *roster_silenced(const struct roster *r, struct str rule,
                                             struct str service, uint64_t at_ms);

// One of each as an item of its list in a file.
void roster_print_person(const struct roster_person *p, struct buf *out);
void roster_print_team(const struct roster_team *t, struct buf *out);
void roster_print_silence(const struct roster_silence *s, struct buf *out);

#endif
