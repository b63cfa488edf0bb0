// SPDX-License-Identifier: Apache-2.0
// Purpose: HotSpot's attach protocol.
#include "jvm_attach.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/must.h"
#include "core/str.h"

#define ANSWER_MAX 8192

// ---- Files in the JVM's root -----------------------------------------------------------------

static int jvm_root(pid_t pid)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/root", (int)pid);
    return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

// Opens a path as the JVM sees it: its links do not lead out of its root.
static int open_inside(int root, const char *path, uint64_t flags)
{
    struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};
    int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
    if (fd < 0 && errno == ENOSYS) { // before Linux 5.6
        while (*path == '/') {
            path++;
        }
        fd = openat(root, path, (int)flags | O_CLOEXEC | O_NOFOLLOW);
    }
    return fd;
}

// A child that removes a file once this process ends or lets go of *ret_hold.
struct guard {
    int hold;
    pid_t child;
};

static bool guard_begin(struct guard *g, int folder, const char *name)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return false;
    }
    g->child = fork();
    if (g->child == 0) {
        char byte;
        (void)setsid(); // a signal to the terminal's processes is not for this one
        (void)close(ends[1]);
        while (read(ends[0], &byte, 1) < 0 && errno == EINTR) {
        }
        (void)unlinkat(folder, name, 0);
        _exit(0);
    }
    (void)close(ends[0]);
    g->hold = ends[1];
    if (g->child < 0) {
        (void)close(ends[1]);
        return false;
    }
    return true;
}

static void guard_end(struct guard *g)
{
    if (g->child > 0) {
        (void)close(g->hold);
        while (waitpid(g->child, NULL, 0) < 0 && errno == EINTR) {
        }
        g->child = 0;
    }
}

// ---- Waking the listener ---------------------------------------------------------------------

struct attach {
    const struct jvm_process *p;
    int process; // a pidfd, so that no signal goes to another process of the same number; or -1
    int root, tmp, cwd;
    struct guard trigger, copy;
};

static void pause_ms(unsigned ms)
{
    const struct timespec t = {0, (long)ms * 1000000};
    ASSERT(ms < 1000);
    (void)nanosleep(&t, NULL);
}

// The listener's socket; -1 when there is none, or it is not the JVM's.
static int dial(const struct attach *a)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    struct stat st;
    char name[32];
    (void)snprintf(name, sizeof name, ".java_pid%d", (int)a->p->inner_pid);
    if (fstatat(a->tmp, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISSOCK(st.st_mode) ||
        st.st_uid != a->p->uid) {
        return -1;
    }
    (void)snprintf(to.sun_path, sizeof to.sun_path, "/proc/self/fd/%d/%s", a->tmp, name);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        (void)close(fd);
        fd = -1;
    }
    return fd;
}

static bool make_trigger(struct attach *a)
{
    const int folders[] = {a->tmp, a->cwd};
    char name[32];
    (void)snprintf(name, sizeof name, ".attach_pid%d", (int)a->p->inner_pid);
    for (size_t i = 0; i < 2; i++) {
        (void)unlinkat(folders[i], name, 0); // of a tool that was killed
        if (folders[i] < 0 || !guard_begin(&a->trigger, folders[i], name)) {
            continue;
        }
        int fd = openat(folders[i], name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
        if (fd >= 0) {
            (void)close(fd);
            return true;
        }
        guard_end(&a->trigger);
    }
    return false;
}

static bool has_ended(const struct attach *a)
{
    struct pollfd process = {.fd = a->process, .events = POLLIN};
    return a->process >= 0 ? poll(&process, 1, 0) == 1 : kill(a->p->pid, 0) != 0 && errno == ESRCH;
}

static bool send_quit(const struct attach *a)
{
    return a->process >= 0 ? syscall(SYS_pidfd_send_signal, a->process, SIGQUIT, NULL, 0) == 0
                           : kill(a->p->pid, SIGQUIT) == 0;
}

static enum err wake(struct attach *a, int *ret_fd, struct err_at *ret_at)
{
    int fd = dial(a);
    if (fd >= 0) {
        *ret_fd = fd;
        return ERR_OK;
    }
    if (!a->p->catches_quit) {
        return err_at_set(ret_at, ERR_UNSUPPORTED, 0,
                          "it does not catch SIGQUIT and would end: it is still starting, or was "
                          "started with -Xrs and has lost /tmp/.java_pid%d",
                          (int)a->p->inner_pid);
    }
    if (!make_trigger(a)) {
        return err_at_set(ret_at, ERR_DENIED, 0,
                          "neither its /tmp nor its working folder takes a file");
    }
    if (!send_quit(a)) {
        return err_at_set(ret_at, ERR_DENIED, 0, "it takes no signal: %s", strerror(errno));
    }
    uint64_t begin = clock_mono_ns(), until = begin + ATTACH_TIMEOUT_MS * NS_PER_MS;
    while ((fd = dial(a)) < 0 && clock_mono_ns() < until && !has_ended(a)) {
        pause_ms(clock_mono_ns() - begin < 200 * NS_PER_MS ? 1 : 20);
    }
    if (fd < 0) {
        return has_ended(a) ? err_at_set(ret_at, ERR_CLOSED, 0, "it has ended")
                            : err_at_set(ret_at, ERR_TIMEOUT, 0,
                                         "it has not answered in %d s: attaching is switched off "
                                         "(-XX:+DisableAttachMechanism), or it hangs",
                                         ATTACH_TIMEOUT_MS / 1000);
    }
    *ret_fd = fd;
    return ERR_OK;
}

// ---- The request -----------------------------------------------------------------------------

static bool send_load(int fd, const char *library, const char *options)
{
    const char *const words[] = {"1", "load", library, "true", options};
    char request[4 * ATTACH_TEXT_MAX];
    size_t n = 0;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t length = strlen(words[i]) + 1;
        ASSERT(n + length <= sizeof request);
        memcpy(request + n, words[i], length);
        n += length;
    }
    return send(fd, request, n, MSG_NOSIGNAL) == (ssize_t)n;
}

// All that comes until the JVM closes; false when it does not within the time.
static bool receive(int fd, char out[ANSWER_MAX])
{
    size_t n = 0;
    ssize_t got = 1;
    uint64_t until = clock_mono_ns() + ATTACH_TIMEOUT_MS * NS_PER_MS;
    while (got != 0) {
        uint64_t now = clock_mono_ns();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (now >= until || poll(&p, 1, (int)((until - now) / NS_PER_MS) + 1) == 0) {
            return false;
        }
        // What passes ANSWER_MAX is read over.
        char over[512];
        size_t room = ANSWER_MAX - 1 - n;
        got = room > 0 ? recv(fd, out + n, room, 0) : recv(fd, over, sizeof over, 0);
        if (got < 0 && errno != EINTR) {
            return false;
        }
        n += room > 0 && got > 0 ? (size_t)got : 0;
    }
    out[n] = '\0';
    return n > 0;
}

// "0\nreturn code: 0\n"; JDK 8: "0\n0\n"; otherwise the JVM's words.
static enum err read_answer(struct str answer, int *ret_code, struct err_at *ret_at)
{
    struct str status, words, rest = str_split(answer, '\n', &status);
    (void)str_split(rest, '\n', &words);
    struct str head = STR("return code: ");
    struct str number = str_starts(words, head) ? str_skip(words, head.n) : words;
    uint64_t code;
    bool is_negative = number.n > 0 && number.p[0] == '-';
    if (str_eq(str_trim(status), STR("0")) &&
        str_to_u64(str_skip(number, is_negative ? 1 : 0), &code) == ERR_OK && code < INT_MAX) {
        *ret_code = is_negative ? -(int)code : (int)code;
        return ERR_OK;
    }
    char text[161];
    words = rest.n > 0 ? rest : answer;
    words.n = words.n < sizeof text ? words.n : sizeof text - 1;
    for (size_t i = 0; i < words.n; i++) {
        text[i] = words.p[i] == '\n' ? ' ' : words.p[i];
    }
    words = str_trim((struct str){text, words.n});
    return err_at_set(ret_at, ERR_INVALID, 0, "the JVM says: %.*s", STR_FMT(words));
}

// ---- The library -----------------------------------------------------------------------------

static bool copy_bytes(int from, int to)
{
    char bytes[65536];
    ssize_t n;
    while ((n = read(from, bytes, sizeof bytes)) > 0) {
        for (ssize_t at = 0, put; at < n; at += put) {
            put = write(to, bytes + at, (size_t)(n - at));
            if (put <= 0) {
                return false;
            }
        }
    }
    return n == 0;
}

static enum err copy_library(struct attach *a, int from, char *out, size_t room,
                             struct err_at *ret_at)
{
    char name[96];
    (void)snprintf(name, sizeof name, ".sonde-jvm-%d-%llx.so", (int)a->p->inner_pid,
                   (unsigned long long)clock_mono_ns());
    if (!guard_begin(&a->copy, a->tmp, name)) {
        return err_at_set(ret_at, ERR_IO, 0, "no process could be started: %s", strerror(errno));
    }
    int to = openat(a->tmp, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool ok = to >= 0 && copy_bytes(from, to);
    if ((to >= 0 && close(to) != 0) || !ok) {
        return err_at_set(ret_at, ERR_DENIED, 0,
                          "it cannot read the library in its root, and its /tmp takes no copy: %s",
                          strerror(errno));
    }
    (void)snprintf(out, room, "/tmp/%s", name);
    return ERR_OK;
}

// A path under which the JVM can load the library.
static enum err place_library(struct attach *a, int library, const char *path, char *out,
                              size_t room, struct err_at *ret_at)
{
    struct stat mine, theirs;
    int fd = open_inside(a->root, path, O_RDONLY);
    bool is_same = fd >= 0 && fstat(fd, &theirs) == 0 && fstat(library, &mine) == 0 &&
                   mine.st_dev == theirs.st_dev && mine.st_ino == theirs.st_ino;
    if (fd >= 0) {
        (void)close(fd);
    }
    if (is_same && !jvm_has_mapped_other(a->p->pid, path, mine.st_ino)) {
        (void)snprintf(out, room, "%s", path);
        return ERR_OK;
    }
    return copy_library(a, library, out, room, ret_at);
}

// ---- All -------------------------------------------------------------------------------------

enum err jvm_check(const struct jvm_process *p, struct err_at *ret_at)
{
    if (geteuid() != 0 && geteuid() != p->uid) {
        return err_at_set(ret_at, ERR_DENIED, 0,
                          "it belongs to user %s; only that user and root may attach", p->user);
    }
    if (!p->is_java) {
        return err_at_set(ret_at, ERR_UNSUPPORTED, 0,
                          "it is no Java virtual machine of the HotSpot kind");
    }
    if (geteuid() != 0 && getegid() != p->gid) {
        return err_at_set(ret_at, ERR_DENIED, 0,
                          "its group is %u, and the JVM takes requests of its own group and of "
                          "root alone",
                          (unsigned)p->gid);
    }
    if (!p->is_visible) {
        return err_at_set(ret_at, ERR_DENIED, 0, "/proc/%d may not be looked at: try as root",
                          (int)p->pid);
    }
    if (p->forbids_attach) {
        return err_at_set(ret_at, ERR_UNSUPPORTED, 0,
                          "it was started with -XX:+DisableAttachMechanism; start it with "
                          "-agentpath instead");
    }
    if (p->is_stopped) {
        return err_at_set(ret_at, ERR_BUSY, 0, "it is stopped (SIGSTOP, or a debugger)");
    }
    return ERR_OK;
}

static bool become(uid_t uid, gid_t gid)
{
    return geteuid() == uid || (setegid(gid) == 0 && seteuid(uid) == 0);
}

static enum err exchange(struct attach *a, int library, const char *path, const char *options,
                         int *ret_code, struct err_at *ret_at)
{
    char place[PATH_MAX], answer[ANSWER_MAX];
    int fd = -1;
    enum err e = ERR_OK;
    if (library >= 0) {
        e = place_library(a, library, path, place, sizeof place, ret_at);
    } else {
        (void)snprintf(place, sizeof place, "%s", path);
    }
    e = e == ERR_OK ? wake(a, &fd, ret_at) : e;
    if (e != ERR_OK) {
        return e;
    }
    if (strlen(place) >= ATTACH_TEXT_MAX || strlen(options) >= ATTACH_TEXT_MAX) {
        e = err_at_set(ret_at, ERR_LIMIT, 0, "path or options pass %d bytes", ATTACH_TEXT_MAX - 1);
    } else if (!send_load(fd, place, options) || !receive(fd, answer)) {
        e = err_at_set(ret_at, ERR_TIMEOUT, 0, "the JVM's attach listener gives no answer");
    } else {
        e = read_answer(str_of(answer), ret_code, ret_at);
    }
    (void)close(fd);
    return e;
}

enum err jvm_load(const struct jvm_process *p, const char *library, bool is_there,
                  const char *options, int *ret_code, struct err_at *ret_at)
{
    char path[64];
    uid_t uid = geteuid();
    gid_t gid = getegid();
    int file = is_there ? -1 : open(library, O_RDONLY | O_CLOEXEC);
    if (!is_there && file < 0) {
        return err_at_set(ret_at, ERR_NOT_FOUND, 0, "%s: %s", library, strerror(errno));
    }
    struct attach a = {.p = p, .root = jvm_root(p->pid)};
    a.process = (int)syscall(SYS_pidfd_open, p->pid, 0);
    a.tmp = open_inside(a.root, "/tmp", O_PATH | O_DIRECTORY);
    (void)snprintf(path, sizeof path, "/proc/%d/cwd", (int)p->pid);
    a.cwd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    enum err e;
    if (a.tmp < 0) {
        e = err_at_set(ret_at, ERR_DENIED, 0, "its /tmp cannot be opened: %s", strerror(errno));
    } else if (!become(p->uid, p->gid)) {
        e = err_at_set(ret_at, ERR_DENIED, 0, "user %s cannot be acted for: %s", p->user,
                       strerror(errno));
    } else {
        e = exchange(&a, file, library, options, ret_code, ret_at);
        guard_end(&a.trigger);
        guard_end(&a.copy);
    }
    if (geteuid() != uid) {
        MUST(seteuid(uid) == 0 && setegid(gid) == 0);
    }
    const int fds[] = {file, a.process, a.root, a.tmp, a.cwd};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        if (fds[i] >= 0) {
            (void)close(fds[i]);
        }
    }
    return e;
}
