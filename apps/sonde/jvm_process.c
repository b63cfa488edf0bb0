// SPDX-License-Identifier: Apache-2.0
// Purpose: reading /proc.
#include "jvm_process.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agents/jvm/state.h"
#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
#include "core/str.h"

#define COMMAND_MAX 131072 // bytes of a command line or environment that are looked at
#define FOLDERS_UP  5      // from libjvm.so to the JDK's home at most

static void set_text(char *to, size_t room, struct str from)
{
    size_t n = from.n < room ? from.n : room - 1;
    memcpy(to, from.p, n);
    to[n] = '\0';
}

// A small file, whole or its beginning. -1 when it cannot be read.
static ssize_t read_file(const char *path, char *out, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = 0, got = fd >= 0 ? 1 : -1;
    while (fd >= 0 && (size_t)n < room && (got = read(fd, out + n, room - (size_t)n)) > 0) {
        n += got;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return got < 0 ? -1 : n;
}

// ---- status ----------------------------------------------------------------------------------

// The number at a column (0 is the first behind the name) of a line; the last one for column -1.
static uint64_t number_of(struct str line, int column, int base)
{
    uint64_t value = 0;
    const char *p = line.p, *end = line.p + line.n;
    for (int i = 0; p < end && (column < 0 || i <= column); i++) {
        char word[32];
        while (p < end && (*p == ' ' || *p == '\t')) {
            p++;
        }
        size_t n = 0;
        while (p < end && *p != ' ' && *p != '\t' && n < sizeof word - 1) {
            word[n++] = *p++;
        }
        word[n] = '\0';
        value = n > 0 ? strtoull(word, NULL, base) : value;
    }
    return value;
}

static bool read_status(struct jvm_process *p)
{
    char path[64], text[8192];
    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)p->pid);
    ssize_t n = read_file(path, text, sizeof text);
    struct str rest = {text, n > 0 ? (size_t)n : 0}, line, key;
    pid_t group = 0;
    while (rest.n > 0) {
        rest = str_split(rest, '\n', &line);
        struct str value = str_trim(str_split(line, ':', &key));
        if (str_eq(key, STR("Tgid"))) {
            group = (pid_t)number_of(value, 0, 10);
        } else if (str_eq(key, STR("NSpid"))) {
            p->inner_pid = (pid_t)number_of(value, -1, 10);
        } else if (str_eq(key, STR("Uid"))) {
            p->uid = (uid_t)number_of(value, 1, 10);
        } else if (str_eq(key, STR("Gid"))) {
            p->gid = (gid_t)number_of(value, 1, 10);
        } else if (str_eq(key, STR("SigCgt"))) {
            p->catches_quit = (number_of(value, 0, 16) >> (SIGQUIT - 1) & 1) != 0;
        } else if (str_eq(key, STR("State"))) {
            p->is_stopped = value.n > 0 && (value.p[0] == 'T' || value.p[0] == 't');
        }
    }
    p->inner_pid = p->inner_pid > 0 ? p->inner_pid : p->pid;
    return group == p->pid;
}

static void name_user(struct jvm_process *p)
{
    struct passwd *user = getpwuid(p->uid);
    if (user != NULL) {
        set_text(p->user, sizeof p->user, str_of(user->pw_name));
    } else {
        (void)snprintf(p->user, sizeof p->user, "%u", (unsigned)p->uid);
    }
}

// ---- maps ------------------------------------------------------------------------------------

// Of a line "address perms offset dev inode path".
static ino_t inode_of(const char *line)
{
    for (int i = 0; i < 4; i++) {
        line += strcspn(line, " ");
        line += strspn(line, " ");
    }
    return (ino_t)strtoull(line, NULL, 10);
}

// Calls for each file mapped, until `each` says false. False when the map cannot be read.
static bool each_mapped(pid_t pid, bool (*each)(void *ctx, ino_t inode, struct str path), void *ctx)
{
    char path[64], *line = NULL;
    size_t room = 0;
    ssize_t n;
    bool more = true;
    (void)snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *f = fopen(path, "re");
    while (f != NULL && more && (n = getline(&line, &room, f)) > 0) {
        const char *file = strchr(line, '/');
        if (file != NULL) {
            struct str mapped = {file, (size_t)(line + n - file) - (line[n - 1] == '\n' ? 1 : 0)};
            more = each(ctx, inode_of(line), mapped);
        }
    }
    free(line);
    return f != NULL && fclose(f) == 0;
}

static struct str without_deleted(struct str path)
{
    struct str mark = STR(" (deleted)");
    bool has = path.n > mark.n && memcmp(path.p + path.n - mark.n, mark.p, mark.n) == 0;
    return has ? (struct str){path.p, path.n - mark.n} : path;
}

static bool note_jvm(void *ctx, ino_t inode, struct str path)
{
    struct jvm_process *p = ctx;
    struct str name = STR("/libjvm.so");
    (void)inode;
    path = without_deleted(path);
    if (path.n > name.n && memcmp(path.p + path.n - name.n, name.p, name.n) == 0) {
        set_text(p->jvm_library, sizeof p->jvm_library, path);
        return false;
    }
    return true;
}

struct wanted {
    struct str path;
    ino_t inode;
    bool is_other;
};

static bool note_other(void *ctx, ino_t inode, struct str path)
{
    struct wanted *w = ctx;
    w->is_other = w->is_other || (str_eq(without_deleted(path), w->path) && inode != w->inode);
    return !w->is_other;
}

bool jvm_has_mapped_other(pid_t pid, const char *path, ino_t inode)
{
    struct wanted w = {str_of(path), inode, false};
    return each_mapped(pid, note_other, &w) && w.is_other;
}

// ---- What it runs ----------------------------------------------------------------------------

// JAVA_VERSION of the file `release` in the JDK's home, some folders above libjvm.so.
static void read_version(struct jvm_process *p)
{
    char folder[512], path[640], text[4096];
    set_text(folder, sizeof folder, str_of(p->jvm_library));
    for (int i = 0; i < FOLDERS_UP && p->version[0] == '\0'; i++) {
        char *slash = strrchr(folder, '/');
        if (slash == NULL) {
            return;
        }
        *slash = '\0';
        (void)snprintf(path, sizeof path, "/proc/%d/root%s/release", (int)p->pid, folder);
        ssize_t n = read_file(path, text, sizeof text);
        struct str rest = {text, n > 0 ? (size_t)n : 0}, line, key, version;
        while (rest.n > 0) {
            rest = str_split(rest, '\n', &line);
            struct str value = str_split(line, '=', &key);
            if (str_eq(key, STR("JAVA_VERSION")) && value.n > 0) {
                (void)str_split(str_skip(value, 1), '"', &version);
                set_text(p->version, sizeof p->version, version);
            }
        }
    }
}

static struct str next_word(const char **at, const char *end)
{
    struct str word = {*at, strnlen(*at, (size_t)(end - *at))};
    *at = word.p + word.n < end ? word.p + word.n + 1 : end;
    return word;
}

// An option of the launcher whose value is the next word.
static bool takes_word(struct str option)
{
    static const char *const names[] = {"-cp",
                                        "-classpath",
                                        "--class-path",
                                        "-p",
                                        "--module-path",
                                        "--upgrade-module-path",
                                        "--add-modules",
                                        "--add-exports",
                                        "--add-opens",
                                        "--add-reads",
                                        "--patch-module",
                                        "--limit-modules",
                                        "--enable-native-access",
                                        "--source"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (str_eq(option, str_of(names[i]))) {
            return true;
        }
    }
    return false;
}

static struct str base_name(struct str path)
{
    const char *slash = path.n > 0 ? memrchr(path.p, '/', path.n) : NULL;
    return slash != NULL ? str_skip(path, (size_t)(slash + 1 - path.p)) : path;
}

// Main class, jar or module out of a command line; the program's name where it is no launcher's.
static struct str find_main(const char *text, size_t n, bool *ret_is_launcher)
{
    const char *at = text, *end = text + n;
    struct str program = n > 0 ? base_name(next_word(&at, end)) : STR("");
    *ret_is_launcher = str_eq(program, STR("java"));
    while (*ret_is_launcher && at < end) {
        struct str word = next_word(&at, end);
        if (str_eq(word, STR("-jar")) || str_eq(word, STR("-m")) || str_eq(word, STR("--module"))) {
            return at < end ? next_word(&at, end) : program;
        }
        if (takes_word(word)) {
            (void)(at < end ? next_word(&at, end) : word);
        } else if (word.n > 0 && word.p[0] != '-' && word.p[0] != '@') {
            return word;
        }
    }
    return program;
}

static void read_command(struct jvm_process *p)
{
    static const char *const files[] = {"cmdline", "environ"}; // JAVA_TOOL_OPTIONS and its kin
    static const char no[] = "-XX:+DisableAttachMechanism";
    char path[64], *text = mem_alloc(COMMAND_MAX);
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)p->pid, files[i]);
        ssize_t n = read_file(path, text, COMMAND_MAX);
        p->forbids_attach =
            p->forbids_attach || (n > 0 && memmem(text, (size_t)n, no, sizeof no - 1) != NULL);
        if (i == 0 && n > 0) {
            bool is_launcher;
            set_text(p->main, sizeof p->main, find_main(text, (size_t)n, &is_launcher));
            p->is_java = is_launcher;
        }
    }
    mem_free(text);
}

// ---- The agent -------------------------------------------------------------------------------

static void parse_state(struct str text, struct agent_state *ret)
{
    struct str line, key;
    *ret = (struct agent_state){0};
    while (text.n > 0) {
        text = str_split(text, '\n', &line);
        struct str v = str_split(line, '=', &key);
        uint64_t number;
        if (str_eq(key, STR("state"))) {
            set_text(ret->state, sizeof ret->state, v);
        } else if (str_eq(key, STR("library"))) {
            set_text(ret->library, sizeof ret->library, v);
        } else if (str_eq(key, STR("version"))) {
            set_text(ret->version, sizeof ret->version, v);
        } else if (str_eq(key, STR("service"))) {
            set_text(ret->service, sizeof ret->service, v);
        } else if (str_eq(key, STR("endpoint"))) {
            set_text(ret->endpoint, sizeof ret->endpoint, v);
        } else if (str_eq(key, STR("reason"))) {
            set_text(ret->reason, sizeof ret->reason, v);
        } else if (str_eq(key, STR("changed")) && str_to_u64(v, &number) == ERR_OK) {
            ret->changed = number;
        }
    }
}

// One state file, read until two readings are the same.
static bool read_state(int folder, const char *name, struct agent_state *ret)
{
    char text[2][STATE_BYTES_MAX] = {{0}, {0}};
    ssize_t n = 0, before = -1;
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    for (int i = 0; i < 16; i++) {
        n = pread(fd, text[i % 2], STATE_BYTES_MAX, 0);
        if (n == before && memcmp(text[0], text[1], STATE_BYTES_MAX) == 0) {
            break;
        }
        before = n;
    }
    (void)close(fd);
    parse_state((struct str){text[0], n > 0 ? strnlen(text[0], (size_t)n) : 0}, ret);
    return ret->state[0] != '\0';
}

void jvm_agent_read(pid_t pid, struct agent_state *ret)
{
    char path[64], link[sizeof STATE_LINK + 1];
    struct dirent *e;
    struct agent_state one, newest = {0};
    (void)snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *d = opendir(path);
    while (d != NULL && (e = readdir(d)) != NULL) {
        ssize_t n = readlinkat(dirfd(d), e->d_name, link, sizeof link);
        if (n == (ssize_t)sizeof STATE_LINK - 1 && memcmp(link, STATE_LINK, (size_t)n) == 0 &&
            read_state(dirfd(d), e->d_name, &one) && one.changed >= newest.changed) {
            newest = one;
        }
    }
    if (d == NULL) {
        set_text(newest.state, sizeof newest.state, STR("unknown"));
    } else {
        (void)closedir(d);
    }
    *ret = newest;
}

// ---- All -------------------------------------------------------------------------------------

enum err jvm_process_read(pid_t pid, struct jvm_process *ret)
{
    struct jvm_process p = {.pid = pid};
    if (pid <= 0 || !read_status(&p)) {
        return ERR_NOT_FOUND;
    }
    name_user(&p);
    read_command(&p);
    p.is_visible = each_mapped(pid, note_jvm, &p);
    if (p.is_visible) {
        p.is_java = p.jvm_library[0] != '\0';
    }
    if (p.is_java) {
        read_version(&p);
        jvm_agent_read(pid, &p.agent);
    }
    *ret = p;
    return ERR_OK;
}

static int by_number(const void *a, const void *b)
{
    pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;
    return x < y ? -1 : x > y;
}

void jvm_process_each(void (*each)(void *ctx, const struct jvm_process *p), void *ctx)
{
    pid_t *pids = NULL;
    size_t count = 0, capacity = 0;
    struct dirent *e;
    DIR *d = opendir("/proc");
    while (d != NULL && count < PROCESSES_MAX && (e = readdir(d)) != NULL) {
        uint64_t pid;
        if (str_to_u64(str_of(e->d_name), &pid) == ERR_OK && pid < INT_MAX) {
            pids = mem_grow(pids, &capacity, count + 1, sizeof *pids);
            pids[count++] = (pid_t)pid;
        }
    }
    if (d != NULL) {
        (void)closedir(d);
    }
    sort_array(pids, count, sizeof *pids, by_number);
    for (size_t i = 0; i < count; i++) {
        struct jvm_process p;
        if (jvm_process_read(pids[i], &p) == ERR_OK && p.is_java) {
            each(ctx, &p);
        }
    }
    mem_free(pids);
}
