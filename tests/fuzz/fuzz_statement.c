// SPDX-License-Identifier: Apache-2.0
// Purpose: fuzzes the fingerprints of calls to stores: whatever a span says, they are valid UTF-8
// within their bounds, and the fingerprint of a text is its own.
//
// Input: the facts, each ended by byte 0xFF, which no UTF-8 has.
#include "core/must.h"
#include "model/statement.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct str cut(struct str *rest)
{
    struct str head;
    *rest = str_split(*rest, '\xFF', &head);
    return str_utf8_valid(head, NULL) ? head : STR("");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = {(const char *)data, size};
    struct statement_text once, twice;
    struct statement_facts f = {.system = cut(&rest)};
    f.operation = cut(&rest);
    f.collection = cut(&rest);
    f.summary = cut(&rest);
    f.name = cut(&rest);
    rest = cut(&rest);
    f.text = rest;
    for (enum statement_kind k = 0; k < STATEMENT_KINDS; k++) {
        f.kind = k;
        statement_fingerprint(&f, &once);
        MUST(once.n <= STATEMENT_MAX);
        MUST(str_utf8_valid((struct str){once.bytes, once.n}, NULL));
    }
    for (enum statement_kind k = STATEMENT_DATABASE; k <= STATEMENT_CACHE; k++) {
        struct statement_facts of_text = {.kind = k, .system = f.system, .text = rest};
        statement_fingerprint(&of_text, &once);
        of_text.text = (struct str){once.bytes, once.n};
        statement_fingerprint(&of_text, &twice);
        MUST(once.n == twice.n && memcmp(once.bytes, twice.bytes, once.n) == 0);
    }
    return 0;
}
