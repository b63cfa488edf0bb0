// SPDX-License-Identifier: Apache-2.0
// Purpose: the state file.
#include "agents/jvm/state.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/must.h"
#include "core/str.h"

static int state_fd = -1;
static char library_path[512];

void state_open(const char *library)
{
    if (state_fd < 0) {
        state_fd = memfd_create(STATE_NAME, MFD_CLOEXEC);
        (void)snprintf(library_path, sizeof library_path, "%s", library);
    }
}

// Whether an open file is the state of an agent that is there.
static bool is_active(int folder, const char *name)
{
    char link[sizeof STATE_LINK + 1], text[64] = "";
    ssize_t n = readlinkat(folder, name, link, sizeof link);
    if (n != (ssize_t)sizeof STATE_LINK - 1 || memcmp(link, STATE_LINK, (size_t)n) != 0) {
        return false;
    }
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? pread(fd, text, sizeof text - 1, 0) : 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    struct str state, all = {text, got > 0 ? (size_t)got : 0};
    (void)str_split(all, '\n', &state);
    return all.n > 0 && !str_eq(state, STR("state=stopped")) && !str_eq(state, STR("state=failed"));
}

bool state_is_other_active(void)
{
    DIR *d = opendir("/proc/self/fd");
    bool found = false;
    struct dirent *e;
    while (d != NULL && !found && (e = readdir(d)) != NULL) {
        char *end;
        long fd = strtol(e->d_name, &end, 10);
        found = *end == '\0' && fd != state_fd && is_active(dirfd(d), e->d_name);
    }
    if (d != NULL) {
        (void)closedir(d);
    }
    return found;
}

void state_say(const char *state, const char *service, const char *endpoint, const char *reason)
{
    char text[STATE_BYTES_MAX] = "";
    if (state_fd < 0) {
        return;
    }
    int n = snprintf(text, sizeof text,
                     "state=%s\nchanged=%llu\nlibrary=%s\nversion=%s\nservice=%s\nendpoint=%s\n"
                     "reason=%s\n",
                     state, (unsigned long long)clock_mono_ns(), library_path, SONDE_VERSION,
                     service, endpoint, reason);
    ASSERT(n > 0 && n < (int)sizeof text);
    (void)n;
    for (char *p = text; *p != '\0'; p++) {
        *p = (unsigned char)*p < 0x20 && *p != '\n' ? '?' : *p;
    }
    // One page, written at once.
    (void)!pwrite(state_fd, text, sizeof text, 0);
}
