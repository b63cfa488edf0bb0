// SPDX-License-Identifier: Apache-2.0
// Purpose: a rule file of Prometheus (groups of rules, the alerting ones among them) as a file of
// rules of ours; and of what has no counterpart, where it stands and why.
//
//   groups: [{name, rules: [{alert, expr, for, labels, annotations}, {record, expr}]}]
//
// A rule is taken over whole (prom_map.h), or left out whole. labels.severity becomes the level;
// description, summary and runbook_url the remedy, with $labels.x and $value as <x> and <value>. Of
// several alerts of one name the further ones get their severity, or a number, behind it.
//
// Bounds: PROM_FILE_MAX bytes, and of our file ALERT_FILE_MAX; PROM_NOTES_MAX notes, of which
// further ones are counted.
#ifndef SONDE_ALERT_PROM_RULES_H
#define SONDE_ALERT_PROM_RULES_H

#include "alert/rule.h"

#define PROM_FILE_MAX  ((size_t)4 << 20)
#define PROM_NOTES_MAX ((size_t)20000)

struct prom_note {
    size_t line, column; // from 1
    struct str rule;     // "": of the file
    bool leaves_out;     // the rule; else something of it is only close, or not taken over
    struct str text;
};

struct prom_rules {
    struct arena arena;
    struct buf out; // the file
    size_t taken, left_out;
    struct prom_note *notes; // in order of the file
    size_t note_count, note_capacity, more_notes;
};

// Whether the text looks like one: a mapping with `groups`, some of which have `rules`, and no
// rules beside them. (`groups` of our files are of people, and have none.)
bool prom_rules_are(struct str text);

// `channel` is who is told by each rule; n 0: nobody. ERR_INVALID or ERR_LIMIT with the place, for
// what is no such file at all.
MUST_CHECK enum err prom_rules_read(struct str text, const char *name, struct str channel,
                                    struct prom_rules **ret_rules, struct err_at *ret_at);
void prom_rules_free(struct prom_rules *r); // NULL is fine

#endif
