// SPDX-License-Identifier: Apache-2.0
// Purpose: stable codes for what the filter parser expected.
#include "filter/code.h"

#include "core/must.h"

#define EXPECTED STR("expected ")

// The first that fits counts: longer beginnings stand before their own beginnings.
static const struct {
    const char *code, *begins;
} codes[] = {
    {"start", "'{'"},
    {"field_of_tree", "a field that a span has without its trace"},
    {"field", "a field such as"},
    {"field", "a field: an intrinsic"},
    {"character", "a field, an operator or a bracket"},
    {"operator", "an operator: "},
    {"operator_or_end", "an operator, '&&'"},
    {"joint", "'&&', '||' or '}'"},
    {"bracket", "')', '&&' or '||'"},
    {"end", "the end of the filter"},
    {"status", "'=' or '!=' with error"},
    {"kind", "'=' or '!=' with server"},
    {"rpc_id", "'=', '!=', '=~' or '!~' with an RpcId"},
    {"duration_unit", "a duration with its unit"},
    {"duration", "a duration such as"},
    {"value", "a text in quotes, a number"},
    {"text", "a text in quotes"},
    {"regex_text", "a regular expression in quotes"},
    {"regex", "a regular expression: "},
    {"regex_memory", "regular expressions that need less memory together"},
    {"escape", "an escape: "},
    {"quote", "a text that is closed with"},
    {"limit", "at most "},
    {"utf8", "UTF-8 text"},
};

const char *filter_error_code(struct str text)
{
    ASSERT(text.n == 0 || text.p != NULL);
    if (str_starts(text, EXPECTED)) {
        struct str rest = str_skip(text, EXPECTED.n);
        for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
            if (str_starts(rest, str_of(codes[i].begins))) {
                return codes[i].code;
            }
        }
    }
    return "other";
}
