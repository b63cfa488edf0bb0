// SPDX-License-Identifier: Apache-2.0
// Purpose: names as numbers.
#include "stream/names.h"

#include <string.h>

#include "core/mem.h"
#include "core/must.h"

#define INDEX_LEAST 256

void names_done(struct names *n)
{
    ASSERT(n->count <= n->capacity);
    for (size_t i = 0; i < n->count; i++) {
        mem_free(n->items[i].own);
    }
    arena_done(&n->arena);
    mem_free(n->items);
    mem_free(n->hashes);
    hash_index_done(&n->index);
    *n = (struct names){0};
}

static uint64_t hash_of(const struct name *wanted)
{
    const struct stream_node *node = &wanted->node;
    uint64_t h = str_hash(node->name);
    h = (h ^ wanted->service) * 0x9e3779b97f4a7c15u;
    h ^= ((uint64_t)wanted->place << 16 | (uint64_t)node->kind << 8 | wanted->span_kind) *
         0xc2b2ae3d27d4eb4fu;
    if (wanted->service == 0) { // else it stands for both
        h ^= str_hash(node->line) * 3 + str_hash(node->service) * 5;
    }
    return h ^ (h >> 32);
}

static bool is_same(const struct name *a, const struct name *b)
{
    return a->node.kind == b->node.kind && a->span_kind == b->span_kind &&
           a->service == b->service && a->place == b->place && str_eq(a->node.name, b->node.name) &&
           str_eq(a->node.service, b->node.service) && str_eq(a->node.line, b->node.line);
}

static uint32_t find(struct names *n, const struct name *wanted, uint64_t hash)
{
    struct hash_walk walk = hash_index_walk(&n->index, hash);
    uint32_t at;
    while (hash_index_next(&walk, &at)) {
        ASSERT(at < n->count);
        if (n->hashes[at] == hash && is_same(&n->items[at], wanted)) {
            n->items[at].touched = n->minute;
            return at + 1;
        }
    }
    return 0;
}

static bool is_instance(const struct name *n)
{
    return n->service != 0 && n->span_kind == 0;
}

static void copy(struct str *text, char **to)
{
    memcpy(*to, text->n > 0 ? text->p : "", text->n);
    text->p = *to;
    *to += text->n;
}

// Texts of their own: of what may be forgotten.
static void own_texts(struct names *n, struct name *made)
{
    struct stream_node *node = &made->node;
    bool all = made->service == 0;
    size_t bytes = node->name.n + (all ? node->line.n + node->service.n : 0);
    char *to = made->own = mem_alloc(bytes + 1);
    ASSERT(bytes <= 3 * NAMES_TEXT_MAX);
    made->own_bytes = (uint32_t)bytes + 1;
    n->own_bytes += made->own_bytes;
    copy(&node->name, &to);
    if (all) {
        copy(&node->line, &to);
        copy(&node->service, &to);
    }
}

static void keep_texts(struct names *n, struct name *made)
{
    struct stream_node *node = &made->node;
    ASSERT(made->own == NULL);
    node->name = arena_str(&n->arena, node->name);
    if (made->service == 0) {
        node->line = arena_str(&n->arena, node->line);
        node->service = arena_str(&n->arena, node->service);
    }
}

// The number of a name that is forgotten, or one more.
static uint32_t new_number(struct names *n)
{
    uint32_t number = n->first_free;
    if (number != 0) {
        n->first_free = names_at(n, number)->next_free;
        n->free_count--;
        return number;
    }
    n->items = mem_grow(n->items, &n->capacity, n->count + 1, sizeof *n->items);
    n->hashes = mem_grow(n->hashes, &n->hash_capacity, n->count + 1, sizeof *n->hashes);
    hash_index_reserve(&n->index, n->hashes, n->count, INDEX_LEAST);
    ASSERT(n->count < UINT32_MAX);
    return (uint32_t)++n->count;
}

static uint32_t add(struct names *n, const struct name *wanted, uint64_t hash)
{
    const uint32_t number = new_number(n);
    struct name made = *wanted;
    made.children = 0;
    made.touched = n->minute;
    if (wanted->service != 0) { // the texts of its service are kept already
        struct name *service = &n->items[wanted->service - 1];
        made.node.line = service->node.line;
        made.node.service = service->node.service;
        service->children++;
    }
    if (wanted->place != 0) {
        n->items[wanted->place - 1].children++;
    }
    if (is_instance(&made) || made.node.kind == NAMES_PLACE) {
        own_texts(n, &made);
    } else {
        keep_texts(n, &made);
    }
    n->hashes[number - 1] = hash;
    n->items[number - 1] = made;
    hash_index_put(&n->index, hash, number - 1);
    ASSERT(n->free_count < n->count);
    return number;
}

// ---- Forgetting ---------------------------------------------------------------------------------

bool names_is_old(const struct names *n, uint32_t number, uint32_t minutes)
{
    const struct name *name = names_at(n, number);
    ASSERT(number > 0 && number <= n->count && name->touched <= n->minute);
    return name->own != NULL && name->children == 0 && n->minute - name->touched >= minutes;
}

void names_forget(struct names *n, uint32_t number)
{
    struct name *name = &n->items[number - 1];
    MUST(name->own != NULL && name->children == 0);
    hash_index_remove(&n->index, n->hashes, number - 1);
    if (name->service != 0) {
        n->items[name->service - 1].children--;
    }
    if (name->place != 0) {
        n->items[name->place - 1].children--;
    }
    n->own_bytes -= name->own_bytes;
    mem_free(name->own);
    *name = (struct name){.next_free = n->first_free};
    n->first_free = number;
    n->free_count++;
}

// ---- Looking ------------------------------------------------------------------------------------

static bool is_full(const struct names *n, const struct name *wanted)
{
    return n->count - n->free_count >= STREAM_NAMES_MAX ||
           (n->bytes_max > 0 && names_bytes(n) >= n->bytes_max) ||
           (wanted->service != 0 && names_at(n, wanted->service)->children >= STREAM_ENDPOINTS_MAX);
}

// The number of a name; of its "(other)" when it is one too many.
static uint32_t intern(struct names *n, struct name *wanted)
{
    uint64_t hash = hash_of(wanted);
    uint32_t found = find(n, wanted, hash);
    if (found != 0 || !is_full(n, wanted)) {
        return found != 0 ? found : add(n, wanted, hash);
    }
    n->others++;
    if (wanted->service != 0 || wanted->node.kind != NODE_SERVICE) {
        wanted->node.name = NAMES_OTHER;
    } else {
        wanted->node.line = STR("");
        wanted->node.service = NAMES_OTHER;
    }
    wanted->place = 0;
    hash = hash_of(wanted);
    found = find(n, wanted, hash);
    ASSERT(n->count <= 2 * STREAM_NAMES_MAX);
    return found != 0 ? found : add(n, wanted, hash);
}

uint32_t names_service(struct names *n, struct str line, struct str service)
{
    struct name wanted = {.node = {.kind = NODE_SERVICE,
                                   .line = str_cut(line, NAMES_TEXT_MAX),
                                   .service = str_cut(service, NAMES_TEXT_MAX)}};
    return intern(n, &wanted);
}

uint32_t names_below(struct names *n, uint32_t service, struct str text, uint8_t span_kind)
{
    ASSERT(service > 0 && service <= n->count);
    struct name wanted = {
        .node = names_at(n, service)->node, .span_kind = span_kind, .service = service};
    wanted.node.name = str_cut(text, NAMES_TEXT_MAX);
    return intern(n, &wanted);
}

uint32_t names_instance(struct names *n, uint32_t service, struct str text, uint32_t place)
{
    ASSERT(service > 0 && service <= n->count && place <= n->count);
    struct name wanted = {.node = names_at(n, service)->node, .service = service, .place = place};
    wanted.node.name = str_cut(text, NAMES_TEXT_MAX);
    return intern(n, &wanted);
}

// Kept as a node: its line is the data centre, its service the rack. Of one too many nothing is
// known.
uint32_t names_place(struct names *n, const struct stream_place *place)
{
    struct name wanted = {.node = {.kind = NAMES_PLACE,
                                   .line = str_cut(place->centre, NAMES_TEXT_MAX),
                                   .service = str_cut(place->rack, NAMES_TEXT_MAX),
                                   .name = str_cut(place->host, NAMES_TEXT_MAX)}};
    if (wanted.node.line.n + wanted.node.service.n + wanted.node.name.n == 0) {
        return 0;
    }
    uint64_t hash = hash_of(&wanted);
    uint32_t found = find(n, &wanted, hash);
    if (found == 0 && is_full(n, &wanted)) {
        n->others++;
        return 0;
    }
    ASSERT(found <= n->count);
    return found != 0 ? found : add(n, &wanted, hash);
}

struct stream_place names_place_at(const struct names *n, uint32_t number)
{
    if (number == 0) {
        return (struct stream_place){STR(""), STR(""), STR("")};
    }
    const struct stream_node *node = &names_at(n, number)->node;
    ASSERT(node->kind == NAMES_PLACE);
    return (struct stream_place){node->line, node->service, node->name};
}

uint32_t names_peer(struct names *n, enum node_kind kind, struct str text)
{
    ASSERT(kind > NODE_CLIENT && kind < NODE_KIND_COUNT);
    struct name wanted = {.node = {.kind = kind, .name = str_cut(text, NAMES_TEXT_MAX)}};
    return intern(n, &wanted);
}

uint8_t names_centre(struct names *n, struct str text)
{
    size_t i = 0;
    text = str_cut(text, NAMES_TEXT_MAX);
    while (i < n->centre_count && !str_eq(n->centres[i], text)) {
        i++;
    }
    if (text.n == 0 || i == NAMES_CENTRES_MAX) {
        n->others += text.n > 0 ? 1 : 0;
        return 0;
    }
    if (i == n->centre_count) {
        n->centres[n->centre_count++] = arena_str(&n->arena, text);
    }
    ASSERT(i < NAMES_CENTRES_MAX);
    return (uint8_t)(i + 1);
}

size_t names_bytes(const struct names *n)
{
    return n->arena.held_bytes + n->own_bytes + n->capacity * sizeof *n->items +
           n->hash_capacity * sizeof *n->hashes + n->index.size * sizeof *n->index.slots;
}
