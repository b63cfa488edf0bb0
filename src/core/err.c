// SPDX-License-Identifier: Apache-2.0
// Purpose: names and sentences of error codes, and the making of parser errors.
#include "core/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/must.h"
#include "core/str.h"

static const char *const names[ERR_COUNT] = {
#define ERR_NAME(name, text) #name,
    ERR_LIST(ERR_NAME)
#undef ERR_NAME
};

static const char *const texts[ERR_COUNT] = {
#define ERR_TEXT(name, text) text,
    ERR_LIST(ERR_TEXT)
#undef ERR_TEXT
};

const char *err_name(enum err e)
{
    MUST((unsigned)e < ERR_COUNT);
    return names[e];
}

const char *err_text(enum err e)
{
    MUST((unsigned)e < ERR_COUNT);
    return texts[e];
}

enum err err_from_errno(int errno_value)
{
    ASSERT(errno_value != 0);
    switch (errno_value) {
    case ENOSPC:
    case EDQUOT:
        return ERR_FULL;
    case ENOENT:
        return ERR_NOT_FOUND;
    case EEXIST:
        return ERR_EXISTS;
    case EACCES:
    case EPERM:
        return ERR_DENIED;
    default:
        return ERR_IO;
    }
}

// What shows nothing at the start of a text that is valid UTF-8: a control (of one byte, or U+0080
// to U+009F), or what breaks or reorders the line around it (U+061C, U+200E, U+200F, U+2028 to
// U+202E, U+2066 to U+2069). The bytes of it, 0 where there is none.
static size_t hidden_bytes(const unsigned char *u)
{
    if (u[0] < 0x20 || u[0] == 0x7f) {
        return 1;
    }
    if ((u[0] == 0xc2 && u[1] <= 0x9f) || (u[0] == 0xd8 && u[1] == 0x9c)) {
        return 2;
    }
    bool is_mark = u[0] == 0xe2 && u[1] == 0x80 && (u[2] == 0x8e || u[2] == 0x8f);
    bool is_line = u[0] == 0xe2 && u[1] == 0x80 && u[2] >= 0xa8 && u[2] <= 0xae;
    bool is_isolate = u[0] == 0xe2 && u[1] == 0x81 && u[2] >= 0xa6 && u[2] <= 0xa9;
    return is_mark || is_line || is_isolate ? 3 : 0;
}

// Input may be quoted in the text: what a terminal or a JSON reader would trip over goes.
static void make_printable(char *text, size_t n)
{
    size_t bad = 0;
    ASSERT(text[n] == 0);
    for (struct str rest = {text, n}; !str_utf8_valid(rest, &bad); rest = str_skip(rest, bad + 1)) {
        text[(size_t)(rest.p - text) + bad] = '?';
    }
    for (size_t i = 0; i < n; i++) {
        size_t hidden = hidden_bytes((const unsigned char *)text + i);
        ASSERT(hidden <= n - i);
        memset(text + i, '?', hidden);
    }
}

enum err err_at_set(struct err_at *at, enum err e, uint64_t offset, const char *format, ...)
{
    ASSERT(e != ERR_OK);
    if (at != NULL) {
        va_list args;
        va_start(args, format);
        at->offset = offset;
        int wanted = vsnprintf(at->text, sizeof at->text, format, args);
        va_end(args);
        size_t n = strlen(at->text);
        n = wanted > 0 && (size_t)wanted > n ? str_cut(str_of(at->text), n).n : n;
        at->text[n] = 0;
        make_printable(at->text, n);
    }
    return e;
}
