// SPDX-License-Identifier: Apache-2.0
// Purpose: writing the resource.
#include "agents/jvm/resource.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "core/must.h"
#include "core/varint.h"

#define VALUE_MAX        1024
#define KEY_MAX          128
#define CONTAINER_DIGITS 64

enum field { RESOURCE_ATTRIBUTES = 1, PAIR_KEY = 1, PAIR_VALUE = 2, ANY_TEXT = 1, ANY_INT = 3 };

struct writer {
    uint8_t *out;
    size_t n;
    struct option_pairs keys; // that were written (with empty values), to write none twice
};

static size_t put_bytes(uint8_t *to, unsigned field, struct str v)
{
    size_t n = varint_put(to, (uint64_t)field << 3 | 2);
    n += varint_put(to + n, v.n);
    memcpy(to + n, v.p, v.n);
    return n + v.n;
}

static bool is_written(const struct writer *w, struct str key)
{
    size_t at = 0;
    struct str k, v;
    while (option_pairs_next(&w->keys, &at, &k, &v)) {
        if (str_eq(k, key)) {
            return true;
        }
    }
    return false;
}

// Resource.attributes: { key, AnyValue }.
static void add(struct writer *w, struct str key, struct str any)
{
    uint8_t pair[KEY_MAX + VALUE_MAX + 4 * VARINT_MAX];
    struct option_pairs *keys = &w->keys;
    if (key.n == 0 || key.n > KEY_MAX || w->n + sizeof pair + 2 * VARINT_MAX > RESOURCE_MAX ||
        key.n + 2 > sizeof keys->text - keys->n || is_written(w, key)) {
        return;
    }
    memcpy(keys->text + keys->n, key.p, key.n);
    memset(keys->text + keys->n + key.n, 0, 2);
    keys->n += key.n + 2;
    size_t n = put_bytes(pair, PAIR_KEY, key);
    n += put_bytes(pair + n, PAIR_VALUE, any);
    w->n += put_bytes(w->out + w->n, RESOURCE_ATTRIBUTES, (struct str){(char *)pair, n});
    ASSERT(w->n <= RESOURCE_MAX);
}

static void add_text(struct writer *w, struct str key, struct str value)
{
    uint8_t any[VALUE_MAX + VARINT_MAX];
    if (value.n > 0 && value.n + VARINT_MAX + 1 <= sizeof any && str_utf8_valid(value, NULL)) {
        size_t n = put_bytes(any, ANY_TEXT, value);
        add(w, key, (struct str){(char *)any, n});
    }
}

static void add_int(struct writer *w, struct str key, uint64_t value)
{
    uint8_t any[2 * VARINT_MAX] = {ANY_INT << 3};
    size_t n = 1 + varint_put(any + 1, value);
    add(w, key, (struct str){(char *)any, n});
}

// ---- The container ---------------------------------------------------------------------------

// The last run of exactly 64 hexadecimal digits.
static struct str find_digits(struct str line)
{
    struct str found = STR_NONE;
    size_t run = 0;
    for (size_t i = 0; i <= line.n; i++) {
        char c = i < line.n ? line.p[i] : '/';
        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')) {
            run++;
            continue;
        }
        if (run == CONTAINER_DIGITS) {
            found = (struct str){line.p + i - CONTAINER_DIGITS, CONTAINER_DIGITS};
        }
        run = 0;
    }
    return found;
}

static bool has(struct str text, struct str part)
{
    return part.n <= text.n && memmem(text.p, text.n, part.p, part.n) != NULL;
}

struct str resource_container(struct str cgroup, struct str mountinfo)
{
    struct str line, found = STR_NONE;
    while (cgroup.n > 0 && found.n == 0) {
        cgroup = str_split(cgroup, '\n', &line);
        found = find_digits(line);
    }
    // Under cgroup v2 the former says "0::/"; engines mount these two out of a folder of this name.
    while (mountinfo.n > 0 && found.n == 0) {
        mountinfo = str_split(mountinfo, '\n', &line);
        if (has(line, STR("/etc/hostname")) || has(line, STR("/etc/resolv.conf"))) {
            found = find_digits(line);
        }
    }
    return found;
}

static struct str read_start(const char *path, char *out, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got, n = 0;
    while (fd >= 0 && (got = read(fd, out + n, room - (size_t)n)) > 0) {
        n += got;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return (struct str){out, (size_t)n};
}

// ---- All -------------------------------------------------------------------------------------

static void add_host(struct writer *w)
{
    struct utsname u;
    char cgroup[4096], mounts[32768], text[320];
    if (uname(&u) == 0) {
        struct str arch = str_of(u.machine);
        add_text(w, STR("host.name"), str_of(u.nodename));
        add_text(w, STR("host.arch"),
                 str_eq(arch, STR("x86_64"))    ? STR("amd64")
                 : str_eq(arch, STR("aarch64")) ? STR("arm64")
                                                : arch);
        add_text(w, STR("os.type"), STR("linux"));
        (void)snprintf(text, sizeof text, "%s:%d", u.nodename, (int)getpid());
        add_text(w, STR("service.instance.id"), str_of(text));
    }
    add_text(w, STR("container.id"),
             resource_container(read_start("/proc/self/cgroup", cgroup, sizeof cgroup),
                                read_start("/proc/self/mountinfo", mounts, sizeof mounts)));
}

static void add_process(struct writer *w, const struct java_facts *java)
{
    char text[VALUE_MAX];
    ssize_t n = readlink("/proc/self/exe", text, sizeof text);
    add_int(w, STR("process.pid"), (uint64_t)getpid());
    add_text(w, STR("process.executable.path"), (struct str){text, n > 0 ? (size_t)n : 0});
    add_text(w, STR("process.runtime.name"), str_of(java->runtime_name));
    add_text(w, STR("process.runtime.version"), str_of(java->runtime_version));
    if (java->vm_name[0] != '\0') {
        (void)snprintf(text, sizeof text, "%s %s %s", java->vm_vendor, java->vm_name,
                       java->vm_version);
        add_text(w, STR("process.runtime.description"), str_of(text));
    }
}

size_t resource_write(uint8_t out[RESOURCE_MAX], const struct options *o,
                      const struct java_facts *java)
{
    struct writer w = {.out = out};
    size_t at = 0;
    struct str key, value;
    add_text(&w, STR("service.name"), str_of(o->service));
    while (option_pairs_next(&o->attributes, &at, &key, &value)) {
        add_text(&w, key, value);
    }
    add_process(&w, java);
    add_host(&w);
    add_text(&w, STR("telemetry.sdk.name"), STR("sonde-jvm"));
    add_text(&w, STR("telemetry.sdk.language"), STR("java"));
    add_text(&w, STR("telemetry.sdk.version"), STR(SONDE_VERSION));
    return w.n;
}
