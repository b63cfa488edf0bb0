// SPDX-License-Identifier: Apache-2.0
// Purpose: the words of cards and messages.
#include "notify/words.h"

#include "core/must.h"

static const char *const words[WORD_COUNT][LANGUAGE_COUNT] = {
#define WORD_TEXT(name, en, zh) [WORD_##name] = {en, zh},
    WORD_LIST(WORD_TEXT)
#undef WORD_TEXT
};

struct str word_of(enum word w, enum language l)
{
    ASSERT(w < WORD_COUNT && l < LANGUAGE_COUNT);
    return str_of(words[w][l]);
}
