// SPDX-License-Identifier: Apache-2.0
// Purpose: the texts of an enum that is a list of X(NAME, text), such as ERR_LIST.
#ifndef SONDE_CORE_NAMES_H
#define SONDE_CORE_NAMES_H

#include <stddef.h>

#include "core/must.h"

#define NAMES_TEXT(name, text) text,

// Defines `const char *function(type value)`: the text of a value of the list. Static storage.
#define NAMES_OF(function, type, LIST)                                                             \
    const char *function(type value)                                                               \
    {                                                                                              \
        static const char *const texts[] = {LIST(NAMES_TEXT)};                                     \
        ASSERT((size_t)value < sizeof texts / sizeof texts[0]);                                    \
        return texts[value];                                                                       \
    }

#endif
