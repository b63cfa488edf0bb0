// SPDX-License-Identifier: Apache-2.0
// Purpose: fuzzes files of alert rules: whatever is read prints to a file that is read as the same
// rules.
#include "alert/rule.h"
#include "core/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print(const struct alert_file *f, struct buf *out)
{
    buf_add_str(out, f->rule_count > 0 ? STR("rules:\n") : STR(""));
    for (size_t i = 0; i < f->rule_count; i++) {
        alert_rule_print(&f->rules[i], out);
    }
    MUST(!out->failed);
}

static void check_again(const struct alert_file *f)
{
    struct buf once, twice;
    struct alert_file *again = NULL;
    struct err_at at = {0};
    buf_init(&once, ALERT_FILE_MAX);
    buf_init(&twice, ALERT_FILE_MAX);
    print(f, &once);
    enum err e = alert_file_read(buf_str(&once), "again", &again, &at);
    MUST(e == ERR_OK && again->rule_count == f->rule_count);
    for (size_t i = 0; i < f->rule_count; i++) {
        MUST(str_eq(f->rules[i].identity, again->rules[i].identity));
    }
    print(again, &twice);
    MUST(str_eq(buf_str(&once), buf_str(&twice)));
    buf_clear(&twice);
    for (size_t i = 0; i < f->rule_count; i++) {
        alert_rule_print_json(&f->rules[i], &twice);
    }
    alert_file_free(again);
    buf_done(&once);
    buf_done(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct alert_file *f = NULL;
    struct err_at at = {0};
    enum err e = alert_file_read((struct str){(const char *)data, size}, "fuzz", &f, &at);
    if (e != ERR_OK) {
        MUST(at.text[0] != 0 && f == NULL);
        return 0;
    }
    check_again(f);
    alert_file_free(f);
    return 0;
}
