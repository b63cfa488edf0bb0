// SPDX-License-Identifier: Apache-2.0
// Purpose: the names of settings: in the environment, and the one that was probably meant by a name
// that is none.
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "core/likely.h"
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

const char *config_closest_key(const char *key)
{
    struct likely l = {.name = key};
    for (unsigned i = 0; i < SETTING_COUNT; i++) {
        (void)likely_try(&l, setting_info((enum setting)i)->key);
    }
    ASSERT(l.best == NULL || l.best[0] != 0);
    return l.best;
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
        size_t n = strcspn(*e, "=");
        if (strncmp(*e, PREFIX, PREFIX_N) != 0 || n >= CONFIG_KEY_MAX) {
            continue;
        }
        memcpy(name, *e, n);
        name[n] = 0;
        if (is_known(name)) {
            continue;
        }
        struct likely l = {.name = name + PREFIX_N};
        for (unsigned i = 0; i < SETTING_COUNT; i++) {
            config_environment_name((enum setting)i, candidate);
            if (likely_try(&l, candidate + PREFIX_N)) {
                memcpy(best, candidate, sizeof best);
            }
        }
        each(ctx, name, best[0] != 0 ? best : NULL);
    }
}
