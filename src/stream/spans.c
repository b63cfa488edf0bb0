// SPDX-License-Identifier: Apache-2.0
// Purpose: rows of batches become spans of chains. Most of a batch repeats: what a resource is
// called, an endpoint, a peer is looked up once and remembered by its codes.
#include "stream/spans.h"

#include <stdlib.h>

#include "core/mem.h"
#include "core/must.h"
#include "core/varint.h"
#include "model/semconv.h"

// Attributes that say whom a span calls. The order within a pair is what counts first.
#define PEER_KEY_LIST(X)                                                                           \
    X(DB_SYSTEM_NAME, "db.system.name")                                                            \
    X(DB_SYSTEM, "db.system")                                                                      \
    X(DB_NAMESPACE, "db.namespace")                                                                \
    X(DB_NAME, "db.name")                                                                          \
    X(MESSAGING_SYSTEM, "messaging.system")                                                        \
    X(MESSAGING_DESTINATION, "messaging.destination.name")                                         \
    X(PEER_SERVICE, "peer.service")                                                                \
    X(SERVER_ADDRESS, "server.address")                                                            \
    X(SERVER_PORT, "server.port")                                                                  \
    X(NET_PEER_NAME, "net.peer.name")                                                              \
    X(NET_PEER_PORT, "net.peer.port")                                                              \
    X(URL_FULL, "url.full")                                                                        \
    X(HTTP_URL, "http.url")
enum peer_key {
#define PEER_KEY_ENUM(name, text) PEER_##name,
    PEER_KEY_LIST(PEER_KEY_ENUM)
#undef PEER_KEY_ENUM
        PEER_KEY_COUNT
};
static const struct str peer_keys[] = {
#define PEER_KEY_TEXT(name, text) {text, sizeof text - 1},
    PEER_KEY_LIST(PEER_KEY_TEXT)
#undef PEER_KEY_TEXT
};

// What a string code of the batch is, as a key: not looked at yet, none of them, or 2 + peer_key.
enum { KEY_UNSEEN, KEY_OTHER, KEY_FIRST };

#define MEMO_SIZE 1024 // a power of two

// One answer that may be given again. `life` tells batches apart.
struct memo {
    uint64_t key, more;
    uint64_t life;
    uint32_t number;
};

struct span_reader {
    struct names *names;
    const struct batch *batch;
    uint64_t life;
    uint8_t *key_of; // by string code
    size_t key_capacity;
    struct {
        uint32_t service, instance;
        uint8_t centre;
    } * resources; // by index; service 0: not looked at yet
    size_t resource_capacity;
    struct memo endpoints[MEMO_SIZE], peers[MEMO_SIZE];
};

struct span_reader *span_reader_new(struct names *names)
{
    struct span_reader *r = mem_new(1, sizeof *r);
    ASSERT(names != NULL);
    r->names = names;
    return r;
}

void span_reader_free(struct span_reader *r)
{
    if (r != NULL) {
        mem_free(r->key_of);
        mem_free(r->resources);
        mem_free(r);
    }
}

void span_reader_begin(struct span_reader *r, const struct batch *b)
{
    ASSERT(b->sealed);
    r->batch = b;
    r->life++;
    r->key_of = mem_grow(r->key_of, &r->key_capacity, b->string_count + 1, sizeof *r->key_of);
    memset(r->key_of, KEY_UNSEEN, b->string_count);
    r->resources =
        mem_grow(r->resources, &r->resource_capacity, b->resource_count + 1, sizeof *r->resources);
    memset(r->resources, 0, b->resource_count * sizeof *r->resources);
}

static struct memo *memo_slot(struct memo *memos, uint64_t key, uint64_t more)
{
    uint64_t h = (key ^ more * 0xc2b2ae3d27d4eb4fu) * 0x9e3779b97f4a7c15u;
    return &memos[(h >> 40) & (MEMO_SIZE - 1)];
}

static bool memo_has(const struct span_reader *r, const struct memo *m, uint64_t key, uint64_t more)
{
    return m->life == r->life && m->key == key && m->more == more;
}

// ---- Whom it calls ------------------------------------------------------------------------------

// The values of the keys above that a span has; NULL where it has none.
struct peer_facts {
    const struct attr *of[PEER_KEY_COUNT];
};

static uint8_t classify(struct span_reader *r, uint32_t code)
{
    struct str key = batch_str(r->batch, code);
    uint8_t class = KEY_OTHER;
    for (unsigned k = 0; k < PEER_KEY_COUNT; k++) {
        class = str_eq(key, peer_keys[k]) ? (uint8_t)(KEY_FIRST + k) : class;
    }
    ASSERT(class != KEY_UNSEEN);
    r->key_of[code] = class;
    return class;
}

static bool read_facts(struct span_reader *r, const struct span *s, struct peer_facts *out)
{
    const struct attr *attrs = r->batch->attrs + s->attrs.first;
    bool any = false;
    *out = (struct peer_facts){0};
    for (uint32_t i = 0; i < s->attrs.count; i++) {
        ASSERT(attrs[i].key < r->batch->string_count);
        uint8_t class = r->key_of[attrs[i].key];
        class = class == KEY_UNSEEN ? classify(r, attrs[i].key) : class;
        if (class >= KEY_FIRST && out->of[class - KEY_FIRST] == NULL) {
            out->of[class - KEY_FIRST] = &attrs[i];
            any = true;
        }
    }
    return any;
}

static struct str text_of(const struct span_reader *r, const struct attr *a)
{
    return a != NULL && a->type == ATTR_STRING ? batch_str(r->batch, a->code) : STR("");
}

static struct str text_of_either(const struct span_reader *r, const struct attr *a,
                                 const struct attr *b)
{
    struct str text = text_of(r, a);
    return text.n > 0 ? text : text_of(r, b);
}

// "https://user@host:port/path" -> "host:port"
static struct str authority_of(struct str url)
{
    struct str authority, user;
    size_t at = 0;
    while (at + 3 <= url.n && memcmp(url.p + at, "://", 3) != 0) {
        at++;
    }
    if (at + 3 > url.n) {
        return STR("");
    }
    (void)str_split(str_skip(url, at + 3), '/', &authority);
    struct str host = str_split(authority, '@', &user);
    ASSERT(user.n <= authority.n);
    return host.p != NULL ? host : authority;
}

struct address {
    struct str host;
    uint64_t port; // 0: not known
};

static struct address address_of(const struct span_reader *r, const struct peer_facts *f)
{
    struct address a = {
        .host = text_of_either(r, f->of[PEER_SERVER_ADDRESS], f->of[PEER_NET_PEER_NAME])};
    const struct attr *port =
        f->of[PEER_SERVER_PORT] != NULL ? f->of[PEER_SERVER_PORT] : f->of[PEER_NET_PEER_PORT];
    a.port = port != NULL && port->type == ATTR_INT && port->i > 0 && port->i < 65536
                 ? (uint64_t)port->i
                 : 0;
    return a;
}

static bool is_cache(struct str system)
{
    static const struct str caches[] = {
        {"redis", 5}, {"memcached", 9}, {"valkey", 6}, {"aws.dynamodb.dax", 16}, {"hazelcast", 9}};
    for (size_t i = 0; i < sizeof caches / sizeof caches[0]; i++) {
        if (str_eq(system, caches[i])) {
            return true;
        }
    }
    return false;
}

struct peer_text {
    char room[NAMES_TEXT_MAX];
    size_t n;
};

static void put(struct peer_text *t, struct str s)
{
    size_t n = s.n < sizeof t->room - t->n ? s.n : sizeof t->room - t->n;
    ASSERT(t->n <= sizeof t->room);
    memcpy(t->room + t->n, n > 0 ? s.p : "", n);
    t->n += n;
}

static void put_address(struct peer_text *t, struct address a)
{
    char digits[8], *at = digits + sizeof digits;
    if (a.host.n == 0) {
        return;
    }
    put(t, t->n > 0 ? STR("@") : STR(""));
    put(t, a.host);
    for (uint64_t port = a.port; port > 0; port /= 10) {
        *--at = (char)('0' + port % 10);
    }
    if (a.port > 0) {
        ASSERT(at >= digits + 3);
        put(t, STR(":"));
        put(t, (struct str){at, (size_t)(digits + sizeof digits - at)});
    }
}

static uint32_t name_peer(struct span_reader *r, const struct peer_facts *f)
{
    struct peer_text t = {.n = 0};
    enum node_kind kind = NODE_EXTERNAL;
    struct str system = text_of_either(r, f->of[PEER_DB_SYSTEM_NAME], f->of[PEER_DB_SYSTEM]);
    struct str inner = text_of_either(r, f->of[PEER_DB_NAMESPACE], f->of[PEER_DB_NAME]);
    struct address address = address_of(r, f);
    if (system.n > 0) {
        kind = is_cache(system) ? NODE_CACHE : NODE_DATABASE;
        inner = kind == NODE_CACHE ? STR("") : inner; // a number, which tells nobody anything
    } else if ((system = text_of(r, f->of[PEER_MESSAGING_SYSTEM])).n > 0) {
        kind = NODE_QUEUE;
        inner = text_of(r, f->of[PEER_MESSAGING_DESTINATION]);
        address.host = STR(""); // a queue is the same on each broker
    }
    if (kind != NODE_EXTERNAL) {
        put(&t, system);
        put(&t, inner.n > 0 ? STR("/") : STR(""));
        put(&t, inner);
        put_address(&t, address);
    } else if (text_of(r, f->of[PEER_PEER_SERVICE]).n > 0) {
        put(&t, text_of(r, f->of[PEER_PEER_SERVICE]));
    } else if (address.host.n > 0) {
        put_address(&t, address);
    } else {
        put(&t, authority_of(text_of_either(r, f->of[PEER_URL_FULL], f->of[PEER_HTTP_URL])));
    }
    put(&t, t.n == 0 ? STR("(unknown)") : STR(""));
    return names_peer(r->names, kind, (struct str){t.room, t.n});
}

// By the codes of the values alone: those of one batch are the same where the texts are.
static uint32_t peer_of(struct span_reader *r, const struct span *s)
{
    struct peer_facts f;
    uint64_t key = 14695981039346656037u, more = 0;
    bool any = read_facts(r, s, &f);
    if (f.of[PEER_PEER_SERVICE] != NULL || f.of[PEER_SERVER_ADDRESS] != NULL ||
        f.of[PEER_NET_PEER_NAME] != NULL) {
        f.of[PEER_URL_FULL] = f.of[PEER_HTTP_URL] = NULL; // which differ from call to call
    }
    for (unsigned k = 0; any && k < PEER_KEY_COUNT; k++) {
        uint64_t v = f.of[k] != NULL ? (f.of[k]->bits << 4 | f.of[k]->type) + k + 1 : 0;
        key = (key ^ v) * 1099511628211u;
        more = (more << 5 | more >> 59) + v * 0x9e3779b97f4a7c15u;
    }
    struct memo *m = memo_slot(r->peers, key, more);
    if (!memo_has(r, m, key, more)) {
        *m = (struct memo){key, more, r->life, name_peer(r, &f)};
    }
    ASSERT(m->number > 0);
    return m->number;
}

// ---- Spans --------------------------------------------------------------------------------------

static void name_resource(struct span_reader *r, uint32_t index)
{
    const struct batch *b = r->batch;
    const struct resource *resource = &b->resources[index];
    const struct attr *instance = batch_find_attr(b, resource->attrs, SEM_SERVICE_INSTANCE_ID);
    const struct attr *zone = batch_find_attr(b, resource->attrs, SEM_AVAILABILITY_ZONE);
    const struct attr *region = batch_find_attr(b, resource->attrs, SEM_REGION);
    uint32_t service = names_service(r->names, b->line, batch_str(b, resource->service));
    struct str text = text_of(r, instance);
    ASSERT(service > 0);
    r->resources[index].service = service;
    r->resources[index].instance =
        text.n > 0 ? names_below(r->names, service, text, KIND_UNSPECIFIED) : 0;
    r->resources[index].centre = names_centre(r->names, text_of_either(r, zone, region));
}

static uint32_t endpoint_of(struct span_reader *r, const struct span *s, uint32_t service)
{
    uint64_t key = (uint64_t)s->name << 8 | s->kind;
    ASSERT(s->kind < KIND_COUNT);
    struct memo *m = memo_slot(r->endpoints, key, service);
    if (!memo_has(r, m, key, service)) {
        // An instance is what has no kind: a span without one is one's own work.
        uint8_t kind = s->kind == KIND_UNSPECIFIED ? KIND_INTERNAL : s->kind;
        uint32_t number = names_below(r->names, service, batch_str(r->batch, s->name), kind);
        *m = (struct memo){key, service, r->life, number};
    }
    return m->number;
}

struct chain_span span_reader_get(struct span_reader *r, uint32_t row, uint32_t *ret_instance)
{
    ASSERT(row < r->batch->span_count);
    const struct span *s = &r->batch->spans[row];
    if (r->resources[s->resource].service == 0) {
        name_resource(r, s->resource);
    }
    struct chain_span c = {.id = load_u64(s->id.b),
                           .parent = load_u64(s->parent.b),
                           .start_ns = s->start_ns,
                           .duration_ns = s->duration_ns,
                           .service = r->resources[s->resource].service,
                           .kind = s->kind,
                           .error = s->status == STATUS_ERROR,
                           .copies = 1,
                           .centre = r->resources[s->resource].centre};
    *ret_instance = r->resources[s->resource].instance;
    if (c.parent == 0 || chain_span_is_callee(&c)) {
        c.endpoint = endpoint_of(r, s, c.service);
    }
    if (chain_span_is_caller(&c) || c.kind == KIND_CONSUMER) {
        c.peer = peer_of(r, s);
    }
    return c;
}

// ---- Order --------------------------------------------------------------------------------------

int spans_cmp(const struct chain_span *x, const struct chain_span *y)
{
    if (x->start_ns != y->start_ns) {
        return x->start_ns < y->start_ns ? -1 : 1;
    }
    if (x->duration_ns != y->duration_ns) {
        return x->duration_ns > y->duration_ns ? -1 : 1; // the longer one is the outer one
    }
    if (x->id != y->id) {
        return x->id < y->id ? -1 : 1;
    }
    if (x->kind != y->kind) {
        return x->kind < y->kind ? -1 : 1;
    }
    return x->service == y->service ? 0 : x->service < y->service ? -1 : 1;
}

static int by_order(const void *a, const void *b)
{
    return spans_cmp(a, b);
}

void spans_sort(void *spans, size_t count, size_t size)
{
    ASSERT(size >= sizeof(struct chain_span));
    if (count > 1) {
        qsort(spans, count, size, by_order);
    }
}
