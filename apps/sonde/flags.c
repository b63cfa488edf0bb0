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
        if (f == NULL || (f->text == NULL && value != NULL)) {
            fprintf(stderr, "sonde: there is no flag '%s' here; --help lists them\n", word);
            return false;
        }
        if (f->text == NULL) {
            *f->on = true;
        } else if (value != NULL) {
            *f->text = value + 1;
        } else if (i + 1 < argc) {
            *f->text = argv[++i];
        } else {
            fprintf(stderr, "sonde: %s needs a value\n", f->name);
            return false;
        }
    }
    *ret_count = count;
    return true;
}
