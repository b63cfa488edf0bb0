// SPDX-License-Identifier: Apache-2.0
// Purpose: templates of an SMS gateway's requests: a URL and a body in which {phone} and others
// stand for what they say. A brace that is not followed by lower-case letters or _ and the other
// brace is itself, so that JSON can be written as it is; in such a pair there must be a name that
// there is.
//
//     {phone}                      the number; without it in either template, one request is made
//     {phones}                     all numbers, with commas between
//     {text}                       one line that says it all
//     {secret}                     the channel's
//     {status} {level} {rule} {line} {environment} {service} {instance} {address} {measure} {value}
//     {threshold} {unit} {incident} {incident_url} {snapshot_url} {time}
//
// What is put in is encoded by its place: percent-encoded in the URL and in a form, as the inside
// of a JSON string in a body that begins with { or [. It can never be more than a value there. Any
// thread.
#ifndef SONDE_NOTIFY_TEMPLATE_H
#define SONDE_NOTIFY_TEMPLATE_H

#include <stdbool.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"

enum template_place { TEMPLATE_QUERY, TEMPLATE_JSON };

// X-macro: the names, in the order of the values.
#define TEMPLATE_LIST(X)                                                                           \
    X(PHONE, "phone")                                                                              \
    X(PHONES, "phones")                                                                            \
    X(TEXT, "text")                                                                                \
    X(SECRET, "secret")                                                                            \
    X(STATUS, "status")                                                                            \
    X(LEVEL, "level")                                                                              \
    X(RULE, "rule")                                                                                \
    X(LINE, "line")                                                                                \
    X(ENVIRONMENT, "environment")                                                                  \
    X(SERVICE, "service")                                                                          \
    X(INSTANCE, "instance")                                                                        \
    X(ADDRESS, "address")                                                                          \
    X(MEASURE, "measure")                                                                          \
    X(VALUE, "value")                                                                              \
    X(THRESHOLD, "threshold")                                                                      \
    X(UNIT, "unit")                                                                                \
    X(INCIDENT, "incident")                                                                        \
    X(INCIDENT_URL, "incident_url")                                                                \
    X(SNAPSHOT_URL, "snapshot_url")                                                                \
    X(TIME, "time")
enum template_name {
#define TEMPLATE_ENUM(name, text) TEMPLATE_##name,
    TEMPLATE_LIST(TEMPLATE_ENUM)
#undef TEMPLATE_ENUM
        TEMPLATE_NAME_COUNT
};

// ERR_INVALID, with the place of the brace, where there is a name that there is not.
MUST_CHECK enum err template_check(struct str text, struct err_at *ret_at);

bool template_has(struct str text, enum template_name name);

// Adds the template with its values to `out`, whose maximum bounds it.
void template_fill(struct str text, enum template_place place,
                   const struct str values[TEMPLATE_NAME_COUNT], struct buf *out);

#endif
