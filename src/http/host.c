// SPDX-License-Identifier: Apache-2.0
// Purpose: telling the names of this machine from those of web pages.
#include "http/host.h"

#include <arpa/inet.h>
#include <string.h>

#include "core/must.h"

#define NAME_MAX_BYTES 253 // RFC 1035

// The host of "host:port" or "[v6]:port", without brackets; "" where it is neither.
static struct str name_of(struct str host)
{
    ASSERT(host.p != NULL || host.n == 0);
    if (host.n > 0 && host.p[0] == '[') {
        const char *end = memchr(host.p, ']', host.n);
        size_t n = end == NULL ? 0 : (size_t)(end - host.p);
        bool whole = n > 0 && (n + 1 == host.n || end[1] == ':'); // not "[::1].evil.example"
        return whole ? (struct str){host.p + 1, n - 1} : STR("");
    }
    struct str name;
    (void)str_split(host, ':', &name);
    return name;
}

static bool is_address(struct str name)
{
    char text[NAME_MAX_BYTES + 1];
    unsigned char bytes[sizeof(struct in6_addr)];
    ASSERT(name.n <= NAME_MAX_BYTES);
    memcpy(text, name.p, name.n);
    text[name.n] = '\0';
    return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

bool host_is_local(struct str host, const char *address)
{
    struct str name = name_of(host), parent = STR(".localhost");
    ASSERT(address != NULL);
    if (name.n == 0 || name.n > NAME_MAX_BYTES) {
        return false;
    }
    bool below = name.n > parent.n && str_eq_nocase(str_skip(name, name.n - parent.n), parent);
    return below || str_eq_nocase(name, STR("localhost")) || is_address(name) ||
           str_eq_nocase(name, name_of(str_of(address)));
}

bool origin_is_local(struct str origin, const char *address)
{
    const char *at = memmem(origin.p, origin.n, "://", 3);
    ASSERT(address != NULL);
    return at != NULL && host_is_local(str_skip(origin, (size_t)(at - origin.p) + 3), address);
}
