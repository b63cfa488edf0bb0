// SPDX-License-Identifier: Apache-2.0
// Purpose: packing what is posted: gzip on the way to another machine, nothing on the way to this
// one, where there is no network to spare and packing took the most of what the sender's thread
// costs. One thread at a time.
#ifndef SONDE_JVM_PACKER_H
#define SONDE_JVM_PACKER_H

#include <stddef.h>
#include <stdint.h>

#include "agents/jvm/http_post.h"

struct libdeflate_compressor;

struct packer {
    struct libdeflate_compressor *gzip; // NULL: nothing is packed
    uint8_t *out;
    size_t out_max;
};

// Whether what goes there is packed. Its requests have the header Content-Encoding: gzip then.
bool packer_is_needed(const struct post_target *to);

// For bodies of up to so many bytes. False when memory is out; packer_done() is fine then too.
bool packer_init(struct packer *p, const struct post_target *to, size_t body_max);
void packer_done(struct packer *p);

// What to post: valid until the next call, and no longer than the body is.
struct str packer_pack(struct packer *p, struct str body);

#endif
