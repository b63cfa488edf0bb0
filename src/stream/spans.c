// SPDX-License-Identifier: Apache-2.0
// Purpose: rows of batches become spans of chains. Most of a batch repeats: what a resource is
// called, an endpoint, a peer is looked up once and remembered by its codes.
#include "stream/spans.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/mem.h"
#include "core/must.h"
#include "core/secret.h"
#include "core/sort.h"
#include "core/varint.h"
#include "model/semconv.h"

// Attributes that say whom a span calls, and what it sends. The order within a pair is what counts
// first.
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
#define SENT_KEY_LIST(X)                                                                           \
    X(RPC_SYSTEM, "rpc.system")                                                                    \
    X(QUERY_TEXT, "db.query.text")                                                                 \
    X(STATEMENT, "db.statement")                                                                   \
    X(QUERY_SUMMARY, "db.query.summary")                                                           \
    X(DB_OPERATION_NAME, "db.operation.name")                                                      \
    X(DB_OPERATION, "db.operation")                                                                \
    X(COLLECTION_NAME, "db.collection.name")                                                       \
    X(SQL_TABLE, "db.sql.table")                                                                   \
    X(MONGODB_COLLECTION, "db.mongodb.collection")                                                 \
    X(MESSAGING_OPERATION_NAME, "messaging.operation.name")                                        \
    X(MESSAGING_OPERATION_TYPE, "messaging.operation.type")                                        \
    X(MESSAGING_OPERATION, "messaging.operation")                                                  \
    X(MESSAGING_TEMPLATE, "messaging.destination.template")                                        \
    X(RPC_SERVICE, "rpc.service")                                                                  \
    X(RPC_METHOD, "rpc.method")
enum peer_key {
#define KEY_ENUM(name, text) PEER_##name,
    PEER_KEY_LIST(KEY_ENUM) PEER_KEY_COUNT,
    PEER_LAST = PEER_KEY_COUNT - 1, // the next one is PEER_KEY_COUNT
    SENT_KEY_LIST(KEY_ENUM)
#undef KEY_ENUM
        KEY_COUNT
};
static const struct str peer_keys[] = {
#define KEY_TEXT(name, text) {text, sizeof text - 1},
    PEER_KEY_LIST(KEY_TEXT) SENT_KEY_LIST(KEY_TEXT)
#undef KEY_TEXT
};
_Static_assert(sizeof peer_keys / sizeof peer_keys[0] == KEY_COUNT, "a text for each key");

// What a string code of the batch is, as a key: not looked at yet, none of them, or 2 + peer_key.
enum { KEY_UNSEEN, KEY_OTHER, KEY_FIRST };

#define MEMO_SIZE  1024 // a power of two
#define KEY_PLACES 64u

// One answer that may be given again. `life` tells batches apart.
struct memo {
    uint64_t key;
    uint64_t life;
    uint32_t number;
};

// Of a span that calls.
struct call_memo {
    uint64_t key;
    uint64_t life;
    uint32_t peer, statement;
};

struct span_reader {
    struct names *names;
    const struct batch *batch;
    uint64_t life;
    uint8_t first_key[KEY_PLACES], next_key[KEY_COUNT]; // that lie at a place: key + 1; 0: none
    uint8_t *key_of;                                    // by string code
    size_t key_capacity;
    struct {
        uint32_t service, instance;
        uint8_t centre;
        bool counted;
    } * resources; // by index; service 0: not looked at yet
    size_t resource_capacity;
    struct statements *statements;              // or NULL
    uint64_t salts[KEY_COUNT][ATTR_TYPE_COUNT]; // secret numbers
    struct memo endpoints[MEMO_SIZE], peers[MEMO_SIZE];
    struct call_memo calls[MEMO_SIZE];
};

static void place_keys(struct span_reader *r);

struct span_reader *span_reader_new(struct names *names, struct statements *statements)
{
    struct span_reader *r = mem_new(1, sizeof *r);
    ASSERT(names != NULL);
    r->names = names;
    r->statements = statements;
    place_keys(r);
    for (unsigned k = 0; k < KEY_COUNT; k++) {
        for (unsigned type = 0; type < ATTR_TYPE_COUNT; type++) {
            r->salts[k][type] = secret_mix((uint64_t)k << 8 | type);
        }
    }
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

static size_t memo_place(uint64_t key)
{
    return key * 0x9e3779b97f4a7c15u >> 40 & (MEMO_SIZE - 1);
}

static struct memo *memo_slot(struct memo *memos, uint64_t key)
{
    return &memos[memo_place(key)];
}

static bool memo_has(const struct span_reader *r, const struct memo *m, uint64_t key)
{
    return m->life == r->life && m->key == key;
}

// ---- What it says -------------------------------------------------------------------------------

// The values of the keys above that a span has; NULL where it has none.
struct peer_facts {
    const struct attr *of[KEY_COUNT];
};

// Of keys that are looked for, no more than a few have the same.
static size_t key_place(struct str key)
{
    return key.n > 0 ? (key.n * 7 + (uint8_t)key.p[key.n - 1] + (uint8_t)key.p[key.n / 2] * 5u) %
                           KEY_PLACES
                     : 0;
}

static void place_keys(struct span_reader *r)
{
    for (unsigned k = 0; k < KEY_COUNT; k++) {
        uint8_t *first = &r->first_key[key_place(peer_keys[k])];
        r->next_key[k] = *first;
        *first = (uint8_t)(k + 1);
    }
    ASSERT(KEY_COUNT < UINT8_MAX);
}

// A batch may have one span alone, and many keys.
static uint8_t classify(struct span_reader *r, uint32_t code)
{
    struct str key = batch_str(r->batch, code);
    unsigned k = r->first_key[key_place(key)];
    while (k > 0 && !str_eq(key, peer_keys[k - 1])) {
        k = r->next_key[k - 1];
    }
    uint8_t class = k > 0 ? (uint8_t)(KEY_FIRST + k - 1) : KEY_OTHER;
    ASSERT(class != KEY_UNSEEN);
    r->key_of[code] = class;
    return class;
}

static void read_facts(const struct span_reader *r, const struct span *s, struct peer_facts *out)
{
    const struct attr *attrs = r->batch->attrs + s->attrs.first;
    *out = (struct peer_facts){0};
    for (uint32_t i = 0; i < s->attrs.count; i++) {
        uint8_t class = r->key_of[attrs[i].key];
        ASSERT(class != KEY_UNSEEN);
        if (class >= KEY_FIRST && out->of[class - KEY_FIRST] == NULL) {
            out->of[class - KEY_FIRST] = &attrs[i];
        }
    }
}

// What the values of a span are known by: sums over the codes of those that count, since those of
// one batch are the same where the texts are. They are mixed with a secret: no sender can make
// different values whose sums are the same.
struct fact_sums {
    uint64_t peer, sent;
    bool is_named; // the peer, otherwise than by a URL
    bool is_sent;  // something may be
};

#define BIT(key)    ((uint64_t)1 << PEER_##key)
#define URL_BITS    (BIT(URL_FULL) | BIT(HTTP_URL))
#define NAMED_BITS  (BIT(PEER_SERVICE) | BIT(SERVER_ADDRESS) | BIT(NET_PEER_NAME))
#define SYSTEM_BITS (BIT(DB_SYSTEM_NAME) | BIT(DB_SYSTEM) | BIT(MESSAGING_SYSTEM) | BIT(RPC_SYSTEM))
_Static_assert(KEY_COUNT < 64, "a bit for each");

// A URL, which differs from call to call, is passed over where something else names the peer.
static struct fact_sums sum_facts(struct span_reader *r, const struct span *s)
{
    const struct attr *attrs = r->batch->attrs + s->attrs.first;
    uint64_t has = 0, url = 0;
    struct fact_sums sums = {0};
    for (uint32_t i = 0; i < s->attrs.count; i++) {
        ASSERT(attrs[i].key < r->batch->string_count && attrs[i].type < ATTR_TYPE_COUNT);
        uint8_t class = r->key_of[attrs[i].key];
        class = class == KEY_UNSEEN ? classify(r, attrs[i].key) : class;
        if (class < KEY_FIRST) {
            continue;
        }
        const unsigned key = class - KEY_FIRST;
        const uint64_t bit = (uint64_t)1 << key;
        if ((has & bit) == 0) {
            uint64_t v = secret_fold(attrs[i].bits, r->salts[key][attrs[i].type]);
            *((bit & URL_BITS) != 0 ? &url : key < PEER_KEY_COUNT ? &sums.peer : &sums.sent) += v;
            has |= bit;
        }
    }
    sums.is_named = (has & NAMED_BITS) != 0;
    sums.is_sent = (has & SYSTEM_BITS) != 0;
    sums.peer += sums.is_named ? 0 : url;
    return sums;
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

// ---- Whom it calls ------------------------------------------------------------------------------

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
        kind = statement_is_cache(system) ? NODE_CACHE : NODE_DATABASE;
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

static uint32_t peer_of(struct span_reader *r, const struct span *s, struct fact_sums sums)
{
    struct memo *m = memo_slot(r->peers, sums.peer);
    if (!memo_has(r, m, sums.peer)) {
        struct peer_facts f;
        read_facts(r, s, &f);
        if (sums.is_named) {
            f.of[PEER_URL_FULL] = f.of[PEER_HTTP_URL] = NULL;
        }
        *m = (struct memo){sums.peer, r->life, name_peer(r, &f)};
    }
    ASSERT(m->number > 0);
    return m->number;
}

// ---- What it sends ------------------------------------------------------------------------------

static struct str first_text(const struct span_reader *r, const struct peer_facts *f,
                             const enum peer_key *keys, size_t count)
{
    struct str text = STR("");
    ASSERT(count > 0);
    for (size_t i = 0; i < count && text.n == 0; i++) {
        text = text_of(r, f->of[keys[i]]);
    }
    return text;
}
#define FIRST_TEXT(r, f, ...)                                                                      \
    first_text(r, f, (const enum peer_key[]){__VA_ARGS__},                                         \
               sizeof((const enum peer_key[]){__VA_ARGS__}) / sizeof(enum peer_key))

static void read_query(const struct span_reader *r, const struct peer_facts *f,
                       struct statement_facts *out)
{
    out->text = FIRST_TEXT(r, f, PEER_QUERY_TEXT, PEER_STATEMENT);
    out->summary = text_of(r, f->of[PEER_QUERY_SUMMARY]);
    out->operation = FIRST_TEXT(r, f, PEER_DB_OPERATION_NAME, PEER_DB_OPERATION);
    out->collection =
        FIRST_TEXT(r, f, PEER_COLLECTION_NAME, PEER_SQL_TABLE, PEER_MONGODB_COLLECTION);
    out->kind = statement_is_cache(out->system) ? STATEMENT_CACHE : STATEMENT_DATABASE;
}

static void read_message(const struct span_reader *r, const struct peer_facts *f, uint8_t span_kind,
                         struct statement_facts *out)
{
    out->kind = STATEMENT_QUEUE;
    out->operation = FIRST_TEXT(r, f, PEER_MESSAGING_OPERATION_NAME, PEER_MESSAGING_OPERATION_TYPE,
                                PEER_MESSAGING_OPERATION);
    out->collection = FIRST_TEXT(r, f, PEER_MESSAGING_TEMPLATE, PEER_MESSAGING_DESTINATION);
    if (out->operation.n == 0 && out->collection.n > 0) {
        out->operation = span_kind == KIND_CONSUMER   ? STR("process")
                         : span_kind == KIND_PRODUCER ? STR("publish")
                                                      : STR("");
    }
}

// False where it sends none.
static bool read_sent(const struct span_reader *r, const struct span *s, const struct peer_facts *f,
                      struct statement_facts *out)
{
    *out = (struct statement_facts){.name = batch_str(r->batch, s->name)};
    if ((out->system = FIRST_TEXT(r, f, PEER_DB_SYSTEM_NAME, PEER_DB_SYSTEM)).n > 0) {
        read_query(r, f, out);
    } else if ((out->system = text_of(r, f->of[PEER_MESSAGING_SYSTEM])).n > 0) {
        read_message(r, f, s->kind, out);
    } else if ((out->system = text_of(r, f->of[PEER_RPC_SYSTEM])).n > 0) {
        out->kind = STATEMENT_RPC;
        out->operation = text_of(r, f->of[PEER_RPC_METHOD]);
        bool names_all =
            out->operation.n > 0 && memchr(out->operation.p, '/', out->operation.n) != NULL;
        out->collection = names_all ? STR("") : text_of(r, f->of[PEER_RPC_SERVICE]);
    }
    ASSERT(out->kind < STATEMENT_KINDS);
    return out->system.n > 0;
}

static uint32_t statement_of(struct span_reader *r, const struct span *s, uint32_t service,
                             uint32_t peer)
{
    struct peer_facts f;
    struct statement_facts facts;
    ASSERT(service > 0 && peer > 0);
    read_facts(r, s, &f);
    return read_sent(r, s, &f, &facts) ? statements_number(r->statements, service, peer, &facts)
                                       : 0;
}

// A statement's text says all; of a call without one the other facts count, and the span's name and
// kind.
static const struct call_memo *call_of(struct span_reader *r, const struct span *s,
                                       uint32_t service)
{
    const struct fact_sums sums = sum_facts(r, s);
    const uint64_t by = (uint64_t)service << 32 | (uint64_t)s->name << 8 | s->kind;
    const uint64_t key = sums.peer + sums.sent + secret_mix(by);
    struct call_memo *m = &r->calls[memo_place(key)];
    if (m->life != r->life || m->key != key) {
        const uint32_t peer = peer_of(r, s, sums);
        bool sends = r->statements != NULL && sums.is_sent;
        *m = (struct call_memo){key, r->life, peer, sends ? statement_of(r, s, service, peer) : 0};
    }
    ASSERT(m->peer > 0);
    return m;
}

// ---- Spans --------------------------------------------------------------------------------------

static struct str resource_text(const struct span_reader *r, const struct resource *resource,
                                struct str key)
{
    return text_of(r, batch_find_attr(r->batch, resource->attrs, key));
}

static uint32_t instance_of(struct span_reader *r, const struct resource *resource,
                            uint32_t service, uint32_t place)
{
    struct peer_text t = {.n = 0};
    char digits[24] = "";
    put(&t, resource_text(r, resource, SEM_SERVICE_INSTANCE_ID));
    if (t.n == 0) {
        const struct attr *pid = batch_find_attr(r->batch, resource->attrs, SEM_PROCESS_PID);
        bool numbered = pid != NULL && pid->type == ATTR_INT;
        (void)snprintf(digits, sizeof digits, "%" PRId64, numbered ? (int64_t)pid->i : 0);
        struct str process = numbered ? str_of(digits) : text_of(r, pid);
        put(&t, resource_text(r, resource, SEM_HOST_NAME));
        put(&t, t.n > 0 && process.n > 0 ? STR(":") : STR(""));
        put(&t, process);
    }
    ASSERT(service > 0);
    return t.n > 0 ? names_instance(r->names, service, (struct str){t.room, t.n}, place) : 0;
}

static void name_resource(struct span_reader *r, uint32_t index)
{
    const struct batch *b = r->batch;
    const struct resource *resource = &b->resources[index];
    const struct attr *name = batch_find_attr(b, resource->attrs, SEM_HOST_NAME);
    const struct attr *zone = batch_find_attr(b, resource->attrs, SEM_AVAILABILITY_ZONE);
    const struct attr *region = batch_find_attr(b, resource->attrs, SEM_REGION);
    const struct stream_place place = {
        .centre = text_of_either(r, zone, region),
        .rack = resource_text(r, resource, SEM_HOST_RACK),
        .host = text_of_either(r, name, batch_find_attr(b, resource->attrs, SEM_HOST_ID))};
    uint32_t service = names_service(r->names, b->line, batch_str(b, resource->service));
    ASSERT(service > 0);
    r->resources[index].service = service;
    r->resources[index].instance = instance_of(r, resource, service, names_place(r->names, &place));
    r->resources[index].counted = str_eq(resource_text(r, resource, SEM_SDK_NAME), SEM_SDK_COUNTS);
    r->resources[index].centre = names_centre(r->names, place.centre);
}

static uint32_t endpoint_of(struct span_reader *r, const struct span *s, uint32_t service)
{
    _Static_assert((BATCH_STRINGS_MAX - 1) >> 24 == 0, "all of it in one number");
    uint64_t key = (uint64_t)service << 32 | (uint64_t)s->name << 8 | s->kind;
    ASSERT(s->kind < KIND_COUNT);
    struct memo *m = memo_slot(r->endpoints, key);
    if (!memo_has(r, m, key)) {
        // An instance is what has no kind: a span without one is one's own work.
        uint8_t kind = s->kind == KIND_UNSPECIFIED ? KIND_INTERNAL : s->kind;
        uint32_t number = names_below(r->names, service, batch_str(r->batch, s->name), kind);
        *m = (struct memo){key, r->life, number};
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
    const uint32_t service = r->resources[s->resource].service;
    struct chain_span c = {.id = load_u64(s->id.b),
                           .parent = load_u64(s->parent.b),
                           .start_ns = s->start_ns,
                           .duration_ns = s->duration_ns,
                           .service = SPAN_NAME(service),
                           .kind = (uint32_t)s->kind & 127u,
                           .counted = r->resources[s->resource].counted,
                           .error = s->status == STATUS_ERROR,
                           .copies = 1,
                           .centre = r->resources[s->resource].centre};
    *ret_instance = r->resources[s->resource].instance;
    if (c.parent == 0 || chain_span_is_callee(&c)) {
        c.endpoint = SPAN_NAME(endpoint_of(r, s, service));
    }
    if (chain_span_is_caller(&c) || c.kind == KIND_CONSUMER) {
        const struct call_memo *call = call_of(r, s, service);
        c.peer = SPAN_NAME(call->peer);
        c.statement = call->statement & INT32_MAX;
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
    sort_array(spans, count, size, by_order);
}
