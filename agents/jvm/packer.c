// SPDX-License-Identifier: Apache-2.0
// Purpose: packing what is posted.
#include "agents/jvm/packer.h"

#include <libdeflate.h>
#include <string.h>

#include "agents/jvm/memory.h"
#include "core/must.h"

#define GZIP_LEVEL 1
#define GZIP_MORE  4096 // that a body which cannot be packed grows by, at the most

bool packer_is_needed(const struct post_target *to)
{
    struct str host = str_of(to->host);
    bool is_loopback = host.n >= 4 && memcmp(host.p, "127.", 4) == 0;
    return !is_loopback && !str_eq(host, STR("localhost")) && !str_eq(host, STR("::1"));
}

bool packer_init(struct packer *p, const struct post_target *to, size_t body_max)
{
    *p = (struct packer){.out_max = body_max + GZIP_MORE};
    if (!packer_is_needed(to)) {
        return true;
    }
    p->gzip = libdeflate_alloc_compressor(GZIP_LEVEL);
    p->out = memory_get(p->out_max);
    return p->gzip != NULL && p->out != NULL;
}

void packer_done(struct packer *p)
{
    libdeflate_free_compressor(p->gzip); // NULL is fine
    memory_free(p->out);
    *p = (struct packer){0};
}

struct str packer_pack(struct packer *p, struct str body)
{
    if (p->gzip == NULL) {
        return body;
    }
    size_t n = libdeflate_gzip_compress(p->gzip, body.p, body.n, p->out, p->out_max);
    ASSERT(n > 0);
    return (struct str){(char *)p->out, n};
}
