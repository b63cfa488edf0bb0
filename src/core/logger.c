// SPDX-License-Identifier: Apache-2.0
// Purpose: logfmt lines on standard error.
#include "core/logger.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/must.h"

static _Atomic int threshold = LOG_INFO;

void log_set_level(enum log_level level)
{
    ASSERT(level <= LOG_SILENT);
    atomic_store(&threshold, (int)level);
}

void log_write(enum log_level level, const char *component, const char *message, const char *format,
               ...)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    ASSERT(component != NULL && message != NULL && format != NULL);
    if ((int)level < atomic_load(&threshold)) {
        return;
    }
    char line[1024];
    uint64_t now = clock_wall_ns();
    time_t seconds = (time_t)(now / NS_PER_S);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    size_t n = strftime(line, sizeof line, "ts=%Y-%m-%dT%H:%M:%S", &utc);
    int head = snprintf(line + n, sizeof line - n, ".%03uZ level=%s component=%s msg=\"%s\"",
                        (unsigned)(now / NS_PER_MS % 1000), names[level], component, message);
    MUST(head > 0);
    n += (size_t)head < sizeof line - n ? (size_t)head : sizeof line - n - 1;
    if (format[0] != 0 && n + 2 < sizeof line) {
        line[n++] = ' ';
        va_list args;
        va_start(args, format);
        int rest = vsnprintf(line + n, sizeof line - n, format, args);
        va_end(args);
        MUST(rest >= 0);
        n += (size_t)rest < sizeof line - n ? (size_t)rest : sizeof line - n - 1;
        n -= rest == 0 ? 1 : 0; // the blank
    }
    line[n < sizeof line - 1 ? n : sizeof line - 2] = '\n';
    n = n < sizeof line - 1 ? n + 1 : sizeof line - 1;
    // One write per line keeps lines of several threads apart; a lost log line harms nothing.
    ssize_t ignored = write(STDERR_FILENO, line, n);
    (void)ignored;
}

uint64_t log_gate_pass(struct log_gate *gate, uint64_t period_ns)
{
    uint64_t now = clock_mono_ns(), next = atomic_load(&gate->next_ns);
    ASSERT(period_ns < UINT64_MAX - now);
    // Of threads that come at once the first one passes.
    if (now < next || !atomic_compare_exchange_strong(&gate->next_ns, &next, now + period_ns)) {
        atomic_fetch_add(&gate->held_back, 1);
        return 0;
    }
    return atomic_exchange(&gate->held_back, 0) + 1;
}
