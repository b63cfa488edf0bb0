// SPDX-License-Identifier: Apache-2.0
// Purpose: nodes by their series and by their IDs.
#include "query/node.h"

#include <string.h>

#include "core/must.h"
#include "model/calls.h"
#include "query/calls.h"

struct node node_of_series(const struct series_found *found, bool from)
{
    struct node n = {.kind = series_label(found, from ? CALLS_FROM_KIND : CALLS_TO_KIND),
                     .line = series_label(found, from ? CALLS_FROM_LINE : CALLS_TO_LINE),
                     .service = series_label(found, from ? CALLS_FROM_SERVICE : CALLS_TO_SERVICE),
                     .name = series_label(found, from ? CALLS_FROM_ENDPOINT : CALLS_TO_ENDPOINT)};
    struct str peer = series_label(found, from ? CALLS_FROM_NAME : CALLS_TO_NAME);
    n.name = peer.n > 0 ? peer : n.name;
    return n;
}

struct node node_copy(struct arena *arena, const struct node *n)
{
    ASSERT(arena != NULL);
    return (struct node){.kind = arena_str(arena, n->kind),
                         .line = arena_str(arena, n->line),
                         .service = arena_str(arena, n->service),
                         .name = arena_str(arena, n->name)};
}

uint64_t node_hash(const struct node *n)
{
    const struct str texts[] = {n->kind, n->line, n->service, n->name};
    uint64_t h = 0;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        h = (h ^ str_hash(texts[i])) * 0x9e3779b97f4a7c15u;
        h ^= h >> 32;
    }
    return h;
}

int node_cmp(const struct node *a, const struct node *b)
{
    const struct str x[] = {a->kind, a->line, a->service, a->name};
    const struct str y[] = {b->kind, b->line, b->service, b->name};
    int order = 0;
    for (size_t i = 0; i < sizeof x / sizeof x[0] && order == 0; i++) {
        order = str_cmp(x[i], y[i]);
    }
    return order;
}

// ---- IDs ----------------------------------------------------------------------------------------

// Without slashes of its own.
struct str node_id_part(struct arena *arena, struct str text)
{
    char *out = arena_alloc(arena, text.n * 3 + 1);
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        bool escaped = text.p[i] == '/' || text.p[i] == '%';
        memcpy(out + n, text.p[i] == '/' ? "%2F" : escaped ? "%25" : &text.p[i], escaped ? 3 : 1);
        n += escaped ? 3 : 1;
    }
    ASSERT(n <= text.n * 3);
    return (struct str){out, n};
}

struct str node_id(struct arena *arena, const struct node *n)
{
    struct str line = node_id_part(arena, n->line), service = node_id_part(arena, n->service);
    struct str id = arena_printf(arena, "%.*s/%.*s", STR_FMT(n->kind), STR_FMT(line));
    ASSERT(n->kind.n > 0);
    if (service.n > 0) {
        id = arena_printf(arena, "%.*s/%.*s", STR_FMT(id), STR_FMT(service));
    }
    if (n->name.n > 0) {
        id = arena_printf(arena, "%.*s/%.*s", STR_FMT(id), STR_FMT(n->name));
    }
    return id;
}

static bool text_of_part(struct arena *arena, struct str part, struct str *ret_text)
{
    char *out = arena_alloc(arena, part.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < part.n; i++) {
        struct str rest = str_skip(part, i);
        bool slash = str_starts(rest, STR("%2F"));
        if (part.p[i] == '%' && !slash && !str_starts(rest, STR("%25"))) {
            return false;
        }
        out[n++] = slash ? '/' : part.p[i];
        i += part.p[i] == '%' ? 2 : 0;
    }
    ASSERT(n <= part.n);
    *ret_text = (struct str){out, n};
    return true;
}

bool node_parse(struct arena *arena, struct str id, struct node *ret_node)
{
    struct node n = {.service = STR("")};
    struct str line, service = STR(""), rest = str_split(id, '/', &n.kind);
    if (n.kind.n == 0 || rest.p == NULL) {
        return false;
    }
    rest = str_split(rest, '/', &line);
    if (str_eq(n.kind, STR("service"))) {
        rest = str_split(rest, '/', &service);
    }
    n.name = rest;
    bool good = text_of_part(arena, line, &n.line) && text_of_part(arena, service, &n.service);
    ASSERT(arena != NULL);
    *ret_node = n;
    return good;
}
