// SPDX-License-Identifier: Apache-2.0
// Purpose: the keys that a JSON object has had while it is written, so that none stands in it
// twice. Senders' lists of keys and values may repeat a key, although OpenTelemetry says that keys
// are unique; of those the first counts, as for filters (docs/protocols.md). One thread.
#ifndef SONDE_WIRE_JSON_KEYS_H
#define SONDE_WIRE_JSON_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/hash_index.h"
#include "core/str.h"

#define JSON_KEYS_FEW 16 // are compared one by one; more are found by their hashes

struct json_keys {
    struct buf *out;
    size_t count, capacity; // capacity of the next two, 0 while there are few
    struct str *keys;
    uint64_t *hashes;
    struct hash_index index;
    struct str few[JSON_KEYS_FEW];
};

// `out` is what the object is written to: what many keys take is asked of its source.
void json_keys_init(struct json_keys *k, struct buf *out);
void json_keys_done(struct json_keys *k);

// Whether the key is new; its bytes must stay until json_keys_done(). False too where the source of
// `out` refuses: `out` is then denied, like for bytes of its own.
bool json_keys_add(struct json_keys *k, struct str key);

#endif
