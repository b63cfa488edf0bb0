// SPDX-License-Identifier: Apache-2.0
// Purpose: looking up headers in lines.
#include "support/header_lines.h"

#include <string.h>

struct str header_lines_get(void *lines, const char *name, char *out, size_t room)
{
    struct str rest = *(const struct str *)lines;
    size_t n = 0;
    while (rest.n > 0) {
        struct str line, key;
        rest = str_split(rest, '\n', &line);
        struct str value = str_trim(str_split(line, ':', &key));
        if (value.n > 0 && str_eq_nocase(key, str_of(name))) {
            if (n + value.n + 1 > room) {
                return STR_NONE;
            }
            if (n > 0) {
                out[n++] = ',';
            }
            memcpy(out + n, value.p, value.n);
            n += value.n;
        }
    }
    return (struct str){out, n};
}
