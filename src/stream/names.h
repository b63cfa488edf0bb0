// SPDX-License-Identifier: Apache-2.0
// Purpose: names as numbers. What a span is of (its service, its endpoint, the peer that it calls)
// is interned once, so that chains and metrics hold numbers alone. Numbers count from 1; 0 is none.
// A name lives until nothing refers to it and nobody asked for it for long: names_forget(). Then
// its number is free for another. Not thread-safe.
//
// Limits: bytes_max, STREAM_NAMES_MAX names in all, STREAM_ENDPOINTS_MAX endpoints of one service,
// NAMES_TEXT_MAX bytes of one text. A longer text is cut, at a whole character; a name too many
// becomes the "(other)" of its service and kind, for which there is always room.
#ifndef SONDE_STREAM_NAMES_H
#define SONDE_STREAM_NAMES_H

#include "core/hash_index.h"
#include "stream/stream.h"
#include "stream/used.h"

#define NAMES_TEXT_MAX ((size_t)256)
#define NAMES_OTHER    STR("(other)")

#define NAMES_CENTRES_MAX 255
#define NAMES_PLACE       NODE_KIND_COUNT // the kind of names that are places, and no nodes

struct name {
    struct stream_node node;
    uint8_t span_kind; // of endpoints
    uint32_t service;  // number of the name that is the service alone; of peers 0
    uint32_t children; // endpoints and instances of this service, or instances at this place
    uint32_t place;    // of instances: number of where it runs; 0: nothing is known
    uint32_t touched;  // the minute in which it was asked for last
    char *own;         // its texts, but those of its service; NULL: it is forgotten
    uint32_t own_bytes;
    uint32_t next_free; // number of the next one that is forgotten, where this one is
};

struct names_centre {
    struct str text;  // on the heap; empty: free
    uint32_t touched; // as of names
};

struct names {
    size_t bytes_max;   // 0: none
    uint32_t minute;    // now, of a clock that never goes back
    struct name *items; // by number - 1
    uint64_t *hashes;
    size_t count, capacity, hash_capacity; // count: those forgotten included
    size_t free_count, own_bytes;
    uint32_t first_free; // number of one that is forgotten; 0: none is
    struct hash_index index;
    uint64_t others; // asked for, and given as "(other)"
    struct names_centre centres[NAMES_CENTRES_MAX];
    size_t centre_count; // those forgotten included
};

void names_done(struct names *n);

uint32_t names_service(struct names *n, struct str line, struct str service);
// An endpoint of a service: a span name and its kind.
uint32_t names_below(struct names *n, uint32_t service, struct str text, uint8_t span_kind);
// An instance that runs at a place; the same instance at two places is two.
uint32_t names_instance(struct names *n, uint32_t service, struct str text, uint32_t place);
// A place; 0 where nothing of it is known.
uint32_t names_place(struct names *n, const struct stream_place *place);
struct stream_place names_place_at(const struct names *n, uint32_t number); // 0: nothing is known
// A database, cache, queue, or external service.
uint32_t names_peer(struct names *n, enum node_kind kind, struct str text);
// A data centre. Numbers of their own, up to NAMES_CENTRES_MAX; of one too many nothing is known:
// 0.
uint8_t names_centre(struct names *n, struct str text);

static inline const struct name *names_at(const struct names *n, uint32_t number)
{
    return &n->items[number - 1];
}

static inline bool names_is_free(const struct names *n, uint32_t number)
{
    return number > n->count || names_at(n, number)->own == NULL;
}

// Forgets the names and data centres that are not in use, and that were not asked for since
// `minutes`: their numbers will be those of others. A service and a place stay while there is a
// name that is of them.
void names_forget(struct names *n, const struct used *used, uint32_t minutes);

size_t names_bytes(const struct names *n); // heap bytes held

#endif
