// SPDX-License-Identifier: Apache-2.0
// Purpose: the words of a rule become values, and what a rule watches becomes one filter for each
// of its strategies. Internal to alert/.
#ifndef SONDE_ALERT_RULE_COMPILE_H
#define SONDE_ALERT_RULE_COMPILE_H

#include "alert/rule.h"

// False, and nothing set, for a text that is none.
bool rule_duration(struct str text, double *ret_ns); // 1m30s
bool rule_number(struct str text, double *ret_number);
// A field of the filter language, or service, instance, host, endpoint for what these are there.
bool rule_field(struct arena *arena, struct str text, struct alert_field *ret_field);
// Sets measure, and of p99 the quantile. False as well where another quantile was given.
bool rule_measure(struct str text, struct alert_strategy *s);

// Checks what the keys of a strategy say together and works the threshold out. What is wrong, for
// people; NULL: nothing.
const char *rule_complete_strategy(struct alert_strategy *s);

// Makes the filters and the identity, which lives in the arena. ERR_INVALID with what was wrong.
MUST_CHECK enum err rule_compile(struct alert_rule *r, struct arena *arena, struct err_at *ret_at);

// The first rule whose name another has before it, and in *ret_places (mem_free() it) for that rule
// which; `count` when there is none.
size_t rule_named_twice(const struct alert_rule *rules, size_t count, size_t **ret_places);

#endif
