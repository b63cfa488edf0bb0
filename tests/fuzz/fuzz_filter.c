// SPDX-License-Identifier: Apache-2.0
// Purpose: fuzzes the filter language: whatever parses prints to a text that parses to the same
// text, and what it says of single spans asks for no place in a tree.
#include <stdlib.h>

#include "core/must.h"
#include "filter/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void see_test(void *ctx, const struct filter_node *test)
{
    (void)ctx;
    MUST(test->field != ON_RPC_ID);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct filter *f = NULL, *again = NULL;
    struct err_at at = {0};
    struct str text = {(const char *)data, size};
    enum err e = filter_parse_for(FILTER_OF_TREES, text, &f, &at);
    if (e != ERR_OK) {
        MUST(at.offset <= size && at.text[0] != 0);
        return 0;
    }
    struct buf once, twice;
    filter_each_test(f, see_test, NULL);
    buf_init(&once, (size_t)1 << 20);
    buf_init(&twice, (size_t)1 << 20);
    filter_print(f, &once);
    e = filter_parse_for(FILTER_OF_TREES, buf_str(&once), &again, &at);
    if (e == ERR_OK) {
        filter_print(again, &twice);
        MUST(str_eq(buf_str(&once), buf_str(&twice)));
        filter_free(again);
    } else {
        MUST(e == ERR_LIMIT); // quotes and brackets may push a filter at a limit over it
    }
    buf_done(&once);
    buf_done(&twice);
    filter_free(f);
    return 0;
}
