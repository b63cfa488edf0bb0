// SPDX-License-Identifier: Apache-2.0
// Purpose: the agent's log.
#include "agents/jvm/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/must.h"
#include "core/str.h"

#define QUIET_NS  (120 * NS_PER_S)
#define KINDS_MAX 64 // formats told apart; later ones share the last place

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = STDERR_FILENO;
static struct {
    const char *format;
    uint64_t until_ns;
    unsigned held_back;
} kinds[KINDS_MAX];

void agent_log_to(const char *where)
{
    ASSERT(where != NULL);
    int fd = STDERR_FILENO;
    if (strcmp(where, "off") == 0) {
        fd = -1;
    } else if (where[0] != '\0') {
        fd = open(where, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
        fd = fd >= 0 ? fd : STDERR_FILENO;
    }
    pthread_mutex_lock(&lock);
    log_fd = fd;
    pthread_mutex_unlock(&lock);
}

// Whether a message with this format is due; *ret_held_back: how many were not.
static bool is_due(const char *format, unsigned *ret_held_back)
{
    unsigned i = 0;
    uint64_t now = clock_mono_ns();
    while (i < KINDS_MAX - 1 && kinds[i].format != NULL && kinds[i].format != format) {
        i++;
    }
    if (kinds[i].format != NULL && now < kinds[i].until_ns) {
        kinds[i].held_back++;
        return false;
    }
    *ret_held_back = kinds[i].held_back;
    kinds[i].format = format;
    kinds[i].held_back = 0;
    kinds[i].until_ns = now + QUIET_NS;
    return true;
}

void agent_log(const char *format, ...)
{
    char line[1024];
    unsigned held_back = 0;
    pthread_mutex_lock(&lock);
    if (log_fd >= 0 && is_due(format, &held_back)) {
        time_t now = time(NULL);
        struct tm utc;
        size_t n = strftime(line, 40, "%Y-%m-%dT%H:%M:%SZ sonde-jvm: ", gmtime_r(&now, &utc));
        va_list args;
        va_start(args, format);
        int added = vsnprintf(line + n, sizeof line - n - 48, format, args);
        va_end(args);
        n += added > 0 ? strlen(line + n) : 0;
        if (held_back > 0) {
            n += (size_t)snprintf(line + n, 48, " (and %u more like it)", held_back);
        }
        line[n++] = '\n';
        (void)!write(log_fd, line, n);
    }
    pthread_mutex_unlock(&lock);
}
