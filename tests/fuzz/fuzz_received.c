// SPDX-License-Identifier: Apache-2.0
// Purpose: fuzzes alerts that others send: what is read has texts within their limits, and what is
// kept of it is read as the same.
#include <jansson.h>

#include "alert/received.h"
#include "core/must.h"

#define NOW_NS ((uint64_t)1790000000000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct received_alert *a, struct arena *arena)
{
    struct alert_rule rule = {.level = LEVEL_WARNING};
    struct alert_origin origin;
    struct received_alert again = {.key = a->key, .annotations = a->annotations};
    MUST(a->rule.n > 0 && a->rule.n <= RECEIVED_NAME_MAX && a->group.n <= ALERT_VALUE_MAX);
    MUST(a->ends_ns > 0 && a->starts_ns > 0 && a->generator_url.n <= RECEIVED_URL_MAX);
    enum err e = received_expand(&again, arena);
    MUST(e == ERR_OK && again.fingerprint == a->fingerprint && str_eq(again.group, a->group));
    received_describe(a, arena, &rule, &origin);
    MUST(rule.remedy.n <= ALERT_TEXT_MAX && origin.line.n <= ALERT_VALUE_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *list = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    struct arena arena = {0};
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct received_alert a;
        struct err_at at = {0};
        enum err e = received_read(json_array_get(list, i), NOW_NS, &arena, &a, &at);
        if (e == ERR_OK) {
            check(&a, &arena);
        } else {
            MUST(e == ERR_INVALID && at.text[0] != 0);
        }
    }
    json_decref(list);
    arena_done(&arena);
    return 0;
}
