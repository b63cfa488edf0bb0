// SPDX-License-Identifier: Apache-2.0
// Purpose: flags and words of a command line.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "core/must.h"

bool wants_table(bool json)
{
    return !json && isatty(STDOUT_FILENO) == 1;
}

static const struct flag *find(const struct flag *flags, const char *word, size_t n)
{
    for (; flags->name != NULL; flags++) {
        if (strlen(flags->name) == n && memcmp(flags->name, word, n) == 0) {
            return flags;
        }
    }
    return NULL;
}

// Of a flag that takes one. False after saying that it is one too many.
static bool take_value(const struct flag *f, const char *value)
{
    ASSERT(f->text != NULL || f->values != NULL);
    if (f->text != NULL) {
        *f->text = value;
        return true;
    }
    if (f->values->count == FLAG_VALUES_MAX) {
        fprintf(stderr, "sonde: %s can be given %d times at most\n", f->name, FLAG_VALUES_MAX);
        return false;
    }
    f->values->items[f->values->count++] = value;
    return true;
}

bool flags_parse(int argc, char **argv, const struct flag *flags, const char **words, int max_words,
                 int *ret_count)
{
    int count = 0;
    bool ended = false;
    ASSERT(ret_count != NULL);
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        if (!ended && strcmp(word, "--") == 0) {
            ended = true;
            continue;
        }
        if (ended || word[0] != '-' || word[1] == 0) {
            if (count == max_words) {
                fprintf(stderr, "sonde: '%s' is one word too many\n", word);
                return false;
            }
            words[count++] = word;
            continue;
        }
        const char *value = strchr(word, '=');
        size_t n = value != NULL ? (size_t)(value - word) : strlen(word);
        const struct flag *f = find(flags, word, n);
        if (f == NULL || (f->on != NULL && value != NULL)) {
            fprintf(stderr, "sonde: there is no flag '%s' here; --help lists them\n", word);
            return false;
        }
        if (f->on != NULL) {
            *f->on = true;
            continue;
        }
        if (value == NULL && i + 1 == argc) {
            fprintf(stderr, "sonde: %s needs a value\n", f->name);
            return false;
        }
        if (!take_value(f, value != NULL ? value + 1 : argv[++i])) {
            return false;
        }
    }
    *ret_count = count;
    return true;
}
