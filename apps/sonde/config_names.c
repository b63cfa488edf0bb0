// SPDX-License-Identifier: Apache-2.0
// Purpose: the names of settings: in the environment, and the one that was probably meant by a name
// that is none.
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "core/must.h"

extern char **environ;

#define PREFIX   "SONDE_"
#define PREFIX_N (sizeof PREFIX - 1)

// Names that are no settings and have a meaning all the same, for the commands, the demo, the
// tests.
static const char *const others[] = {
    "SONDE_SERVER",           "SONDE_TOKEN",     "SONDE_CA",          "SONDE_DEMO_DIR",
    "SONDE_OVERLOAD_SECONDS", "SONDE_TEST_SEED", "SONDE_TEST_ROUNDS", "SONDE_BINARY"};

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

void config_environment_name(enum setting s, char out[CONFIG_KEY_MAX])
{
    int n = snprintf(out, CONFIG_KEY_MAX, PREFIX "%s", setting_info(s)->key);
    MUST(n > 0 && n < CONFIG_KEY_MAX);
    for (char *p = out; *p != 0; p++) {
        *p = *p == '.' ? '_' : upper(*p);
    }
}

// How many letters must be put in, taken out or changed to make one name of the other
// (Levenshtein); capitals count as small letters.
static size_t distance(const char *a, const char *b)
{
    size_t row[CONFIG_KEY_MAX + 1], n = strlen(b);
    if (strlen(a) >= CONFIG_KEY_MAX || n >= CONFIG_KEY_MAX) {
        return SIZE_MAX;
    }
    for (size_t j = 0; j <= n; j++) {
        row[j] = j;
    }
    for (size_t i = 0; a[i] != 0; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < n; j++) {
            size_t change = diagonal + (upper(a[i]) == upper(b[j]) ? 0 : 1);
            size_t add = (row[j] < row[j + 1] ? row[j] : row[j + 1]) + 1;
            diagonal = row[j + 1];
            row[j + 1] = change < add ? change : add;
        }
    }
    return row[n];
}

// A name that differs in more than a third of its letters was hardly meant.
static bool is_close(size_t d, const char *name)
{
    ASSERT(name != NULL);
    return d <= strlen(name) / 3;
}

const char *config_closest_key(const char *key)
{
    const char *best = NULL;
    size_t least = SIZE_MAX;
    for (unsigned i = 0; i < SETTING_COUNT; i++) {
        const char *candidate = setting_info((enum setting)i)->key;
        size_t d = distance(key, candidate);
        if (d < least) {
            least = d;
            best = candidate;
        }
    }
    ASSERT(best != NULL || strlen(key) >= CONFIG_KEY_MAX);
    return is_close(least, key) ? best : NULL;
}

static bool is_known(const char *name)
{
    ASSERT(strncmp(name, PREFIX, PREFIX_N) == 0);
    char setting[CONFIG_KEY_MAX];
    for (unsigned i = 0; i < SETTING_COUNT; i++) {
        config_environment_name((enum setting)i, setting);
        if (strcmp(name, setting) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (strcmp(name, others[i]) == 0) {
            return true;
        }
    }
    return false;
}

void config_each_unknown(config_unknown_fn *each, void *ctx)
{
    ASSERT(each != NULL);
    for (char **e = environ; *e != NULL; e++) {
        char name[CONFIG_KEY_MAX], candidate[CONFIG_KEY_MAX], best[CONFIG_KEY_MAX] = "";
        size_t n = strcspn(*e, "="), least = SIZE_MAX;
        if (strncmp(*e, PREFIX, PREFIX_N) != 0 || n >= CONFIG_KEY_MAX) {
            continue;
        }
        memcpy(name, *e, n);
        name[n] = 0;
        if (is_known(name)) {
            continue;
        }
        for (unsigned i = 0; i < SETTING_COUNT; i++) {
            config_environment_name((enum setting)i, candidate);
            size_t d = distance(name + PREFIX_N, candidate + PREFIX_N);
            if (d < least && is_close(d, name + PREFIX_N)) {
                least = d;
                memcpy(best, candidate, sizeof best);
            }
        }
        each(ctx, name, best[0] != 0 ? best : NULL);
    }
}
