// SPDX-License-Identifier: Apache-2.0
// Purpose: a regular expression of a filter, matched against whole values. Most that people write
// are a fixed text with ".*" before or behind it: those are compared without the regex engine, and
// others with a fixed beginning look at it first.
//
// Steps are bounded: a value on which the engine backtracks more than PATTERN_STEPS_MAX times is
// given up, which is neither a match nor none, and counted. A pattern that has given up on
// PATTERN_GIVE_UPS_MAX values gets PATTERN_STEPS_FEW for each further one, so that a pattern which
// explodes on every value of a large dictionary costs little more than one that does not.
//
// Memory is bounded too. What a pattern compiles to has PATTERN_BYTES_MAX, and backtracking has
// PATTERN_HEAP_BYTES, beyond which a value is given up; nothing of the latter is kept for the next
// value.
//
// Of what PCRE2 knows, refused are:
//   \1 \g{-1} \k<name> (?P=name)    references back to what a group has caught, and
//   (?(1)...) (?(<name>)...)        conditions on it
//   (*...)                          settings of the engine and verbs, anywhere: some change what
//                                   its limits are, some end a match before the value does
//   \C                              half a character
// Plain parentheses group and do not capture. Named groups do, though nothing asks what they
// caught; so do plain ones behind (?-n) or (?^). Recursion, as in (?R) (?1) (?&name) \g<name>,
// stays within steps and memory like any other way to take long: the value is given up.
#ifndef SONDE_FILTER_PATTERN_H
#define SONDE_FILTER_PATTERN_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/str.h"

#define PATTERN_STEPS_MAX    100000
#define PATTERN_STEPS_FEW    250
#define PATTERN_GIVE_UPS_MAX 64
#define PATTERN_BYTES_MAX    ((size_t)128 << 10) // with its machine code
#define PATTERN_HEAP_BYTES   ((size_t)1 << 20)   // of each match that is under way

struct pattern;

enum pattern_result { PATTERN_NO, PATTERN_YES, PATTERN_GAVE_UP };

// ERR_INVALID with what is wrong and the byte of the pattern at which.
MUST_CHECK enum err pattern_new(struct str text, struct pattern **ret_pattern,
                                struct err_at *ret_at);
void pattern_free(struct pattern *p);

// What it holds between two matches, at most.
size_t pattern_bytes(const struct pattern *p);

// Any thread.
enum pattern_result pattern_match(struct pattern *p, struct str text);

// How many values it has given up on so far.
uint64_t pattern_given_up(const struct pattern *p);

#endif
