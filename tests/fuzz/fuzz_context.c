// SPDX-License-Identifier: Apache-2.0
// Purpose: fuzzes the headers that carry contexts. The input is lines "name: value". Whatever is
// extracted is injected as headers that say the same.
#include <stdio.h>
#include <stdlib.h>

#include "agents/jvm/headers.h"
#include "core/must.h"
#include "support/header_lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SENT_MAX (3 * HEADER_MAX)

static void put(void *ctx, const char *name, const char *value)
{
    char *to = ctx;
    size_t n = strlen(to);
    int added = snprintf(to + n, SENT_MAX - n, "%s: %s\n", name, value);
    MUST(added > 0 && (size_t)added < SENT_MAX - n);
    MUST(strchr(value, '\n') == NULL && strlen(value) <= HEADER_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char once[SENT_MAX], twice[SENT_MAX];
    char origin[ORIGIN_MAX + 1];
    struct context c, again;
    struct str in = {(const char *)data, size};
    once[0] = twice[0] = '\0';
    bool found = context_extract(header_lines_get, &in, &c, origin);
    MUST(found == context_is_set(&c) && found == !span_id_is_zero(c.span));
    MUST(found || origin[0] == '\0');
    context_inject(&c, put, once);
    struct str sent = str_of(once);
    MUST(context_extract(header_lines_get, &sent, &again, origin) == found);
    context_inject(&again, put, twice);
    MUST(strcmp(once, twice) == 0);
    context_drop(&again);
    if (size >= 8) { // an arbitrary pair: what was set is what is got
        char value[BAGGAGE_MAX];
        struct str key = {(const char *)data, size % 8}, text = {(const char *)data + 8, size - 8};
        if (text.n > 0 && context_baggage_set(&c, key, text)) {
            MUST(str_eq(context_baggage_get(&c, key, value, sizeof value), text));
        }
    }
    context_drop(&c);
    return 0;
}
