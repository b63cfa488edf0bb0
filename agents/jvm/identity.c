// SPDX-License-Identifier: Apache-2.0
// Purpose: making trace and span IDs.
#include "agents/jvm/identity.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/random.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/must.h"

static struct trace_id_parts parts;
static atomic_uint counter;
static atomic_ullong seed;

// The first address that is not loopback; a hash of an IPv6 one; the host name's hash without any.
static uint32_t host_address(void)
{
    struct ifaddrs *all = NULL;
    uint32_t found = 0;
    if (getifaddrs(&all) == 0) {
        for (struct ifaddrs *a = all; a != NULL; a = a->ifa_next) {
            if (a->ifa_addr == NULL || (a->ifa_flags & IFF_LOOPBACK) != 0) {
                continue;
            }
            if (a->ifa_addr->sa_family == AF_INET) {
                const struct sockaddr_in *v4 = (const void *)a->ifa_addr;
                found = ntohl(v4->sin_addr.s_addr);
                break;
            }
            if (a->ifa_addr->sa_family == AF_INET6 && found == 0) {
                const struct sockaddr_in6 *v6 = (const void *)a->ifa_addr;
                found = (uint32_t)str_hash_stable((struct str){(const char *)&v6->sin6_addr, 16});
            }
        }
        freeifaddrs(all);
    }
    char name[256] = "";
    if (found == 0 && gethostname(name, sizeof name - 1) == 0) {
        found = (uint32_t)str_hash_stable(str_of(name));
    }
    return found;
}

void identity_init(uint32_t environment)
{
    uint64_t random = 0;
    ASSERT(environment < 16);
    parts.ipv4 = host_address();
    parts.pid = (uint32_t)getpid() & ((1U << 22) - 1);
    parts.environment = environment;
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) != sizeof random) {
        random = clock_wall_ns() ^ ((uint64_t)getpid() << 40);
    }
    atomic_store(&seed, random);
}

trace_id identity_trace(void)
{
    struct trace_id_parts p = parts;
    p.unix_ms = clock_wall_ns() / NS_PER_MS;
    p.counter = atomic_fetch_add_explicit(&counter, 1, memory_order_relaxed) & ((1U << 22) - 1);
    return trace_id_make(&p);
}

// splitmix64 over a shared counter: each step of the counter gives another well-mixed number.
span_id identity_span(void)
{
    uint64_t z = atomic_fetch_add_explicit(&seed, 0x9E3779B97F4A7C15ULL, memory_order_relaxed);
    span_id id;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    z ^= z >> 31;
    z += z == 0;
    memcpy(id.b, &z, sizeof id.b);
    return id;
}
