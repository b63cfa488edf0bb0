// SPDX-License-Identifier: Apache-2.0
// Purpose: the cells of a table on a terminal.
#include "table.h"

#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "core/must.h"
#include "when.h"

#define DOTS "..."

struct glyph {
    size_t bytes;
    int columns;
    bool harmless; // can be printed as it is
};

// Characters that show nothing and reorder what stands around them: a name that holds one would
// change how the rest of the line reads.
static bool is_bidi_control(wchar_t c)
{
    return c == 0x061C || c == 0x200E || c == 0x200F || (c >= 0x202A && c <= 0x202E) ||
           (c >= 0x2066 && c <= 0x2069);
}

// The character at the start of a text of n > 0 bytes; a bad byte is a glyph of its own.
static struct glyph glyph_at(const char *text, size_t n)
{
    wchar_t c;
    mbstate_t state = {0};
    ASSERT(n > 0);
    size_t bytes = mbrtowc(&c, text, n, &state);
    if (bytes == 0 || bytes > n) {
        return (struct glyph){1, 1, false};
    }
    int columns = is_bidi_control(c) ? -1 : wcwidth(c);
    return columns < 0 ? (struct glyph){bytes, 1, false} : (struct glyph){bytes, columns, true};
}

// Names are UTF-8 whatever the locale says.
static void use_utf8(void)
{
    (void)setlocale(LC_CTYPE, "C.UTF-8");
}

int table_columns(const char *text, size_t n)
{
    int columns = 0;
    size_t length = strlen(text);
    use_utf8();
    for (size_t at = 0; at < n && at < length;) {
        struct glyph g = glyph_at(text + at, length - at);
        columns += g.columns;
        at += g.bytes;
    }
    ASSERT(columns >= 0);
    return columns;
}

void table_put(const char *text, int width, int most)
{
    size_t length = strlen(text);
    int columns = table_columns(text, length), printed = 0;
    int room = columns <= most ? most : most - (int)strlen(DOTS);
    ASSERT(width <= most && most >= 0);
    for (size_t at = 0; at < length;) {
        struct glyph g = glyph_at(text + at, length - at);
        if (printed + g.columns > room) {
            break;
        }
        if (g.harmless) {
            fwrite(text + at, 1, g.bytes, stdout);
        } else {
            putchar('?');
        }
        printed += g.columns;
        at += g.bytes;
    }
    if (columns > most && room >= 0) {
        fputs(DOTS, stdout);
        printed += (int)strlen(DOTS);
    }
    printf("%*s", width > printed ? width - printed : 0, "");
}

void table_put_duration(uint64_t ns)
{
    char text[WHEN_MAX];
    when_print_duration(text, ns);
    ASSERT(text[0] != 0);
    printf("  %9s", text);
}
