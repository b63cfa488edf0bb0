// SPDX-License-Identifier: Apache-2.0
// Purpose: fuzzes rule files of Prometheus, and, of what is none, expressions: whatever is taken
// over is a file of rules that is read, and whatever is not is told with a place in the file.
#include "alert/prom_map.h"
#include "alert/prom_rules.h"
#include "core/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct prom_rules *r)
{
    struct alert_file *f = NULL;
    struct err_at at = {0};
    enum err e = alert_file_read(buf_str(&r->out), "out", &f, &at);
    MUST(e == ERR_OK && f->rule_count == r->taken);
    size_t left_out = 0;
    for (size_t i = 0; i < r->note_count; i++) {
        MUST(r->notes[i].line > 0 && r->notes[i].column > 0 && r->notes[i].text.n > 0);
        left_out += r->notes[i].leaves_out;
    }
    MUST(left_out + r->more_notes >= r->left_out);
    alert_file_free(f);
}

static void try_expression(struct str text)
{
    const struct prom_asked asked = {.for_ms = 60000};
    struct prom_mapping m;
    struct arena arena = {0};
    struct promql_node *n = NULL;
    struct err_at at = {0};
    enum err e = promql_parse(text, &arena, &n, &at);
    if (e == ERR_OK) {
        e = prom_map(n, &asked, &arena, &m, &at);
        MUST(e != ERR_OK || m.count > 0);
    }
    MUST(e == ERR_OK || at.text[0] != 0);
    arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct prom_rules *r = NULL;
    struct err_at at = {0};
    (void)prom_rules_are(text);
    if (prom_rules_read(text, "fuzz", STR("ops"), &r, &at) == ERR_OK) {
        check(r);
        prom_rules_free(r);
    } else {
        MUST(at.text[0] != 0 && r == NULL);
        try_expression(text);
    }
    return 0;
}
