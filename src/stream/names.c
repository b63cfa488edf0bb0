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
    for (size_t i = 0; i < n->centre_count; i++) {
        mem_free((char *)n->centres[i].text.p);
    }
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

static void copy(struct str *text, char **to)
{
    memcpy(*to, text->n > 0 ? text->p : "", text->n);
    text->p = *to;
    *to += text->n;
}

// The texts of its service are kept already.
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
    if (wanted->service != 0) {
        struct name *service = &n->items[wanted->service - 1];
        made.node.line = service->node.line;
        made.node.service = service->node.service;
        service->children++;
    }
    if (wanted->place != 0) {
        n->items[wanted->place - 1].children++;
    }
    own_texts(n, &made);
    n->hashes[number - 1] = hash;
    n->items[number - 1] = made;
    hash_index_put(&n->index, hash, number - 1);
    ASSERT(n->free_count < n->count);
    return number;
}

// ---- Forgetting ---------------------------------------------------------------------------------

static void forget(struct names *n, uint32_t number)
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

static void forget_centres(struct names *n, const struct used *used, uint32_t minutes)
{
    for (uint32_t i = 0; i < n->centre_count; i++) {
        struct names_centre *c = &n->centres[i];
        if (c->text.n > 0 && n->minute - c->touched >= minutes &&
            !marks_has(&used->centres, i + 1)) {
            n->own_bytes -= c->text.n;
            mem_free((char *)c->text.p);
            *c = (struct names_centre){0};
        }
    }
    ASSERT(n->centre_count <= NAMES_CENTRES_MAX);
}

// From the newest number on, so that most names go before what they are of.
void names_forget(struct names *n, const struct used *used, uint32_t minutes)
{
    ASSERT(used->names.count == n->count);
    for (uint32_t number = (uint32_t)n->count; number > 0; number--) {
        const struct name *name = names_at(n, number);
        if (name->own != NULL && name->children == 0 && n->minute - name->touched >= minutes &&
            !marks_has(&used->names, number)) {
            forget(n, number);
        }
    }
    forget_centres(n, used, minutes);
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
    size_t i = 0, at = n->centre_count;
    text = str_cut(text, NAMES_TEXT_MAX);
    if (text.n == 0) {
        return 0;
    }
    while (i < n->centre_count && !str_eq(n->centres[i].text, text)) {
        at = n->centres[i].text.n == 0 ? i : at;
        i++;
    }
    if (i == n->centre_count && at == NAMES_CENTRES_MAX) {
        n->others++;
        return 0;
    }
    if (i == n->centre_count) {
        char *own = mem_alloc(text.n);
        memcpy(own, text.p, text.n);
        n->centres[at].text = (struct str){own, text.n};
        n->own_bytes += text.n;
        n->centre_count += at == n->centre_count ? 1 : 0;
        i = at;
    }
    n->centres[i].touched = n->minute;
    ASSERT(i < n->centre_count);
    return (uint8_t)(i + 1);
}

size_t names_bytes(const struct names *n)
{
    return n->own_bytes + n->capacity * sizeof *n->items + n->hash_capacity * sizeof *n->hashes +
           n->index.size * sizeof *n->index.slots;
}
