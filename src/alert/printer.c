// SPDX-License-Identifier: Apache-2.0
// Purpose: values as a file of rules has them.
#include "alert/printer.h"

#include <ctype.h>
#include <inttypes.h>

#include "core/must.h"
#include "wire/json_writer.h"

// A text that YAML takes for itself: a word that means nothing else there.
static bool is_plain(struct str s)
{
    ASSERT(s.p != NULL || s.n == 0);
    static const char *const words[] = {"true", "false", "yes", "no", "on",
                                        "off",  "null",  "y",   "n"};
    if (s.n == 0 || s.n > 64 || !isalpha((unsigned char)s.p[0])) {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (!isalnum(c) && c != '_' && c != '-' && c != '.') {
            return false;
        }
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (str_eq_nocase(s, str_of(words[i]))) {
            return false;
        }
    }
    return true;
}

// What JSON quotes YAML reads as well.
void printer_text(struct buf *out, struct str s)
{
    ASSERT(out != NULL);
    if (is_plain(s)) {
        buf_add_str(out, s);
        return;
    }
    struct json_writer w;
    json_writer_init(&w, out);
    json_put_str(&w, s);
}

void printer_pair(struct buf *out, const char *indent, const char *key, struct str value)
{
    ASSERT(out != NULL);
    buf_printf(out, "%s%s: ", indent, key);
    printer_text(out, value);
    buf_add_str(out, STR("\n"));
}

void printer_list(struct buf *out, const char *indent, const char *key, const struct str *items,
                  size_t count)
{
    ASSERT(out != NULL);
    if (count == 0) {
        return;
    }
    buf_printf(out, "%s%s: [", indent, key);
    for (size_t i = 0; i < count; i++) {
        buf_add_str(out, i > 0 ? STR(", ") : STR(""));
        printer_text(out, items[i]);
    }
    buf_add_str(out, STR("]\n"));
}

void printer_duration(struct buf *out, const char *indent, const char *key, uint64_t ms)
{
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = {{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
    size_t u = 0;
    while (ms % units[u].ms != 0) {
        u++;
    }
    ASSERT(u < sizeof units / sizeof units[0]);
    buf_printf(out, "%s%s: %" PRIu64 "%s\n", indent, key, ms / units[u].ms, units[u].unit);
}
