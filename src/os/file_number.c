// SPDX-License-Identifier: Apache-2.0
// Purpose: the number in the name of a file.
#include "os/file_number.h"

#include <string.h>

#include "core/must.h"

enum err file_number_parse(const char *name, const char *suffix, uint64_t *ret_number)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t number = 0;
    ASSERT(name != NULL && suffix != NULL);
    for (int i = 0; i < FILE_NUMBER_DIGITS; i++) {
        const char *at = name[i] != 0 ? strchr(digits, name[i]) : NULL;
        if (at == NULL) {
            return ERR_INVALID;
        }
        number = number << 4 | (uint64_t)(at - digits);
    }
    if (strcmp(name + FILE_NUMBER_DIGITS, suffix) != 0 || number == 0 || number == UINT64_MAX) {
        return ERR_INVALID;
    }
    *ret_number = number;
    return ERR_OK;
}
