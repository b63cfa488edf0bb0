// SPDX-License-Identifier: Apache-2.0
// Purpose: names and sentences of error codes, and the making of parser errors.
#include "core/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/must.h"

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

enum err err_at_set(struct err_at *at, enum err e, uint64_t offset, const char *format, ...)
{
    ASSERT(e != ERR_OK);
    if (at != NULL) {
        va_list args;
        va_start(args, format);
        at->offset = offset;
        (void)vsnprintf(at->text, sizeof at->text, format, args);
        va_end(args);
        // Input may be quoted in the text: what a terminal or a JSON reader would trip over goes.
        for (unsigned char *c = (unsigned char *)at->text; *c != 0; c++) {
            if (*c < 0x20 || *c >= 0x7f) {
                *c = '?';
            }
        }
    }
    return e;
}
