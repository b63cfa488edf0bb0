// SPDX-License-Identifier: Apache-2.0
// Purpose: the agent's log.
#include "agents/jvm/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "agents/jvm/throttle.h"
#include "core/clock.h"
#include "core/must.h"
#include "core/str.h"

#define LINE_MAX_BYTES 1024

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = STDERR_FILENO;
static bool want_notes = true;

// Messages told apart by the hash of their text.
static struct throttle messages;

static atomic_uint unwritten; // found no room, or another thread at it

// Whether the lock was got; else the message is lost. Nobody has it for long, unless the one race
// that write_now() cannot win is lost.
static bool begin(void)
{
    for (unsigned ms = 0; pthread_mutex_trylock(&lock) != 0; ms++) {
        if (ms == LOG_WAIT_MS) {
            atomic_fetch_add(&unwritten, 1);
            return false;
        }
        (void)usleep(1000);
    }
    return true;
}

// Writes a line if that can be done at once: standard error is the application's too, and must stay
// blocking for it. A pipe that is ready takes PIPE_BUF bytes; where the kernel can, it is told not
// to wait for what another thread has taken meanwhile.
static bool write_now(const char *line, size_t n)
{
    struct pollfd p = {.fd = log_fd, .events = POLLOUT};
    struct iovec part = {(void *)line, n};
    if (poll(&p, 1, 0) != 1 || (p.revents & POLLOUT) == 0) {
        return false;
    }
    ssize_t written = pwritev2(log_fd, &part, 1, -1, RWF_NOWAIT);
    if (written < 0 && errno != EAGAIN) { // not known to this kernel, or for files of this kind
        written = write(log_fd, line, n);
    }
    return written > 0;
}

void agent_log_to(const char *where)
{
    ASSERT(where != NULL);
    int fd = STDERR_FILENO, error = 0;
    bool notes = strcmp(where, "warn") != 0;
    if (strcmp(where, "off") == 0) {
        fd = -1;
    } else if (where[0] != '\0' && strcmp(where, "info") != 0 && notes) {
        fd = open(where, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
        error = fd < 0 ? errno : 0;
        fd = fd >= 0 ? fd : STDERR_FILENO;
    }
    pthread_mutex_lock(&lock);
    int before = log_fd;
    log_fd = fd;
    want_notes = notes;
    if (before > STDERR_FILENO) {
        (void)close(before);
    }
    pthread_mutex_unlock(&lock);
    if (error != 0) {
        agent_log("option log: '%s' cannot be opened: %s; standard error is used", where,
                  strerror(error));
    }
}

static void put_line(const char *format, va_list args)
{
    char line[LINE_MAX_BYTES];
    unsigned missing = 0;
    time_t now = time(NULL);
    struct tm utc;
    size_t head = strftime(line, 40, "%Y-%m-%dT%H:%M:%SZ sonde-jvm: ", gmtime_r(&now, &utc));
    size_t n = head;
    if (vsnprintf(line + n, sizeof line - n - 48, format, args) > 0) {
        n += strlen(line + n);
    }
    for (size_t i = head; i < n; i++) { // one message, one line, whatever it quotes
        line[i] = (unsigned char)line[i] < 0x20 ? '?' : line[i];
    }
    uint64_t text = str_hash((struct str){line + head, n - head});
    if (!throttle_is_due(&messages, text, clock_mono_ns(), LOG_QUIET_MS * NS_PER_MS, &missing)) {
        return;
    }
    unsigned lost = atomic_exchange(&unwritten, 0);
    if (missing + lost > 0) {
        n += (size_t)snprintf(line + n, 48, " (%u messages were left out)", missing + lost);
    }
    line[n++] = '\n';
    if (!write_now(line, n)) {
        atomic_fetch_add(&unwritten, lost + 1);
    }
}

void agent_log(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (begin()) {
        if (log_fd >= 0) {
            put_line(format, args);
        }
        pthread_mutex_unlock(&lock);
    }
    va_end(args);
}

void agent_note(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (begin()) {
        if (log_fd >= 0 && want_notes) {
            put_line(format, args);
        }
        pthread_mutex_unlock(&lock);
    }
    va_end(args);
}
