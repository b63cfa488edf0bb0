// SPDX-License-Identifier: Apache-2.0
// Purpose: making the load.
#include "gen.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
#include "model/batch.h"
#include "wire/otlp.h"
#include "wire/protobuf.h"

#define SERVICES      12 // of the random graph
#define SERVICES_MAX  40
#define INSTANCES     4
#define REQUEST_BYTES ((size_t)16 << 20)

static const char *const services[SERVICES_MAX] = {
    "storefront", "cart",      "orders",    "stock",     "payment",   "recommendations",
    "users",      "shipping",  "pricing",   "search",    "reviews",   "notifications",
    "gateway",    "sessions",  "coupons",   "taxes",     "invoices",  "ledger",
    "fraud",      "wallet",    "suppliers", "warehouse", "picking",   "carriers",
    "tracking",   "returns",   "catalog",   "images",    "brands",    "categories",
    "ranking",    "campaigns", "loyalty",   "addresses", "geocoding", "messages",
    "mail",       "audit",     "settings",  "currencies"};

static const char *const shape_names[GEN_SHAPES] = {"small", "middle", "large"};

// A span before it is encoded.
struct draft {
    trace_id trace;
    span_id id, parent;
    uint64_t start_ns, end_ns, arrival_ns;
    uint8_t service, kind, error;
    bool sends_http;    // a client of a service, which sends no statement
    uint16_t operation; // of the names and statements
    uint16_t endpoint;  // of the system, beside it: number among all
    uint64_t values;    // random bits behind the attribute values
};

// What an endpoint of the system does, one step after the other or all at once.
#define SYSTEM_ENDPOINTS 400
#define SYSTEM_STEPS     4
struct step {
    bool is_call;    // of another endpoint, else of a database or a cache:
    uint16_t target; // the endpoint, or which statement
};
struct endpoint {
    struct step steps[SYSTEM_STEPS];
    unsigned step_count, spans; // spans: of all that it calls, itself included, without misses
    bool at_once;
};

struct maker {
    struct gen_options o;
    uint64_t random;
    struct endpoint endpoints[SYSTEM_ENDPOINTS];
    struct draft *drafts;
    size_t count;
};

const char *gen_shape_name(enum gen_shape shape)
{
    ASSERT((unsigned)shape < GEN_SHAPES);
    return shape_names[shape];
}

static uint64_t rnd(struct maker *m)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return m->random * 0x2545f4914f6cdd1dU;
}

static uint64_t below(struct maker *m, uint64_t n)
{
    return (rnd(m) >> 11) % n;
}

static double uniform(struct maker *m)
{
    return ((double)(rnd(m) >> 11) + 0.5) / 9007199254740992.0;
}

// Log-normal around 2 ms, as service times are.
static uint64_t duration_ns(struct maker *m)
{
    double normal = sqrt(-2 * log(uniform(m))) * cos(6.283185307179586 * uniform(m));
    return (uint64_t)(2e6 * exp(normal));
}

static void new_id(struct maker *m, uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i += 8) {
        uint64_t r = rnd(m) | 1; // never zero
        memcpy(bytes + i, &r, 8);
    }
}

// ---- Traces
// --------------------------------------------------------------------------------------

static struct draft *add_draft(struct maker *m, const struct draft *parent, trace_id trace,
                               uint64_t start, uint64_t duration, uint8_t service, uint8_t kind)
{
    MUST(m->count < m->o.spans);
    struct draft *d = &m->drafts[m->count++];
    *d = (struct draft){.trace = trace, .service = service, .kind = kind};
    new_id(m, d->id.b, sizeof d->id.b);
    d->parent = parent != NULL ? parent->id : (span_id){{0}};
    d->start_ns = start;
    d->end_ns = start + duration;
    d->error = below(m, 100) == 0;
    d->operation = (uint16_t)below(m, 8);
    d->values = rnd(m);
    d->arrival_ns = d->end_ns + (m->o.jitter_ns > 0 ? below(m, m->o.jitter_ns) : 0);
    return d;
}

// One call chain of `spans` spans, beginning at `start`: every call below a random server span made
// before, so that depth and fan-out vary.
static void add_trace(struct maker *m, uint64_t start, size_t spans)
{
    trace_id trace;
    size_t first = m->count, servers[40], server_count = 0;
    new_id(m, trace.b, sizeof trace.b);
    (void)add_draft(m, NULL, trace, start, 4 * duration_ns(m), 0, KIND_SERVER);
    servers[server_count++] = first;
    while (m->count - first < spans) {
        struct draft *caller = &m->drafts[servers[below(m, server_count)]];
        uint64_t window = caller->end_ns - caller->start_ns;
        uint64_t begin = caller->start_ns + below(m, window / 2 + 1);
        uint64_t length = 1 + below(m, caller->end_ns - begin + 1);
        struct draft *call =
            add_draft(m, caller, trace, begin, length, caller->service, KIND_CLIENT);
        call->operation = (uint16_t)(8 + below(m, 6));
        if (below(m, 2) == 0 && m->count - first < spans) { // a service; else a database or a cache
            uint64_t gap = length / 10;
            (void)add_draft(m, call, trace, begin + gap / 2, length - gap,
                            (uint8_t)below(m, SERVICES), KIND_SERVER);
            call->operation = 14;
            servers[server_count++] = m->count - 1;
        }
    }
}

// ---- A system -----------------------------------------------------------------------------------

#define SYSTEM_SPANS_MAX (60u - 8) // of a trace, without what caches lack
#define SYSTEM_ENTRIES   40
#define GET_STATEMENT    4
_Static_assert(SYSTEM_ENDPOINTS % SERVICES_MAX == 0, "as many for each service");

static uint8_t service_of(uint16_t endpoint)
{
    return (uint8_t)(endpoint * SERVICES_MAX / SYSTEM_ENDPOINTS);
}

// From the last endpoint on: each one calls those of services behind its own.
static void make_system(struct maker *m)
{
    const unsigned each = SYSTEM_ENDPOINTS / SERVICES_MAX;
    for (unsigned i = SYSTEM_ENDPOINTS; i-- > 0;) {
        struct endpoint *e = &m->endpoints[i];
        unsigned behind = (i / each + 1) * each, wanted = 1 + (unsigned)below(m, SYSTEM_STEPS);
        *e = (struct endpoint){.spans = 1, .at_once = below(m, 3) == 0};
        unsigned most = 5 + (unsigned)below(m, SYSTEM_SPANS_MAX - 4);
        wanted = i < SYSTEM_ENTRIES ? SYSTEM_STEPS : wanted;
        for (unsigned k = 0; k < wanted; k++) {
            struct step *s = &e->steps[e->step_count++];
            *s = (struct step){.target = (uint16_t)below(m, 6)};
            if (behind < SYSTEM_ENDPOINTS && (i < SYSTEM_ENTRIES || below(m, 2) == 0)) {
                unsigned to = behind + (unsigned)below(m, SYSTEM_ENDPOINTS - behind);
                bool fits = e->spans + 1 + m->endpoints[to].spans <= most;
                *s = fits ? (struct step){true, (uint16_t)to} : *s;
            }
            e->spans += s->is_call ? 1 + m->endpoints[s->target].spans : 1;
        }
    }
}

static struct draft *add_step(struct maker *m, const struct draft *above, uint64_t start)
{
    return add_draft(m, above, above->trace, start, 0, above->service, KIND_CLIENT);
}

static uint64_t serve(struct maker *m, size_t at);

// A step that begins at `start`; when it ends. Drafts are told by their places.
static uint64_t take_step(struct maker *m, size_t above, const struct step *s, uint64_t start)
{
    struct draft *d = add_step(m, &m->drafts[above], start);
    size_t at = m->count - 1;
    d->operation = (uint16_t)(s->is_call ? 14 : 8 + s->target);
    d->sends_http = s->is_call;
    d->endpoint = s->is_call ? s->target : 0;
    uint64_t end = start + duration_ns(m) / 4 + 1;
    if (s->is_call && m->count < m->o.spans) {
        struct draft *callee =
            add_draft(m, d, d->trace, start + 200000, 0, service_of(s->target), KIND_SERVER);
        callee->endpoint = s->target;
        callee->operation = s->target % 8;
        end = serve(m, m->count - 1) + 200000;
    }
    m->drafts[at].end_ns = end;
    if (!s->is_call && s->target >= GET_STATEMENT && below(m, 10) == 0 && m->count < m->o.spans) {
        const struct step read = {.target = s->target % GET_STATEMENT};
        return take_step(m, above, &read, end + 20000);
    }
    return end;
}

// Makes the calls of the endpoint whose draft is at this place; when it ends.
static uint64_t serve(struct maker *m, size_t at)
{
    const struct endpoint *e = &m->endpoints[m->drafts[at].endpoint];
    const uint64_t start = m->drafts[at].start_ns;
    uint64_t now = start + duration_ns(m) / 8 + 1, last = now;
    for (unsigned k = 0; k < e->step_count && m->count < m->o.spans; k++) {
        uint64_t begin = e->at_once ? now + below(m, 50000) : last + 50000;
        uint64_t end = take_step(m, at, &e->steps[k], begin);
        last = end > last ? end : last;
    }
    m->drafts[at].end_ns = last + duration_ns(m) / 8;
    return m->drafts[at].end_ns;
}

// A call of the trace that begins at `first` fails, and what called it, as often as not.
static void fail_one(struct maker *m, size_t first)
{
    size_t at = first + below(m, m->count - first);
    while (true) {
        m->drafts[at].error = 1;
        size_t above = first;
        while (above < at && memcmp(&m->drafts[above].id, &m->drafts[at].parent, 8) != 0) {
            above++;
        }
        if (above == at || below(m, 2) == 0) {
            return;
        }
        at = above;
    }
}

static void add_system_trace(struct maker *m, uint64_t start)
{
    trace_id trace;
    size_t first = m->count;
    new_id(m, trace.b, sizeof trace.b);
    uint16_t entry = (uint16_t)below(m, SYSTEM_ENTRIES);
    struct draft *root = add_draft(m, NULL, trace, start, 0, service_of(entry), KIND_SERVER);
    root->endpoint = entry;
    root->operation = entry % 8;
    (void)serve(m, first);
    for (size_t i = first; i < m->count; i++) {
        struct draft *d = &m->drafts[i];
        d->error = 0;
        d->arrival_ns = d->end_ns + (m->o.jitter_ns > 0 ? below(m, m->o.jitter_ns) : 0);
    }
    if (below(m, 100) == 0) {
        fail_one(m, first);
    }
}

// ---- In order of arrival ------------------------------------------------------------------------

static int by_arrival(const void *a, const void *b)
{
    const struct draft *x = a, *y = b;
    return x->arrival_ns < y->arrival_ns ? -1 : x->arrival_ns > y->arrival_ns;
}

static uint64_t make_traces(struct maker *m)
{
    uint64_t now = 0;
    if (m->o.graph == GEN_SYSTEM) {
        make_system(m);
    }
    m->drafts = mem_new(m->o.spans, sizeof *m->drafts);
    while (m->o.graph == GEN_SYSTEM && m->count < m->o.spans) {
        size_t before = m->count;
        add_system_trace(m, now);
        now += (m->count - before) * NS_PER_S / m->o.spans_per_second;
    }
    while (m->count < m->o.spans) {
        size_t spans = 5 + below(m, 36), left = m->o.spans - m->count;
        spans = spans < left ? spans : left;
        add_trace(m, now, spans);
        now += spans * NS_PER_S / m->o.spans_per_second;
    }
    sort_array(m->drafts, m->count, sizeof *m->drafts, by_arrival);
    return now;
}

// ---- Attributes ---------------------------------------------------------------------------------

static void text(struct batch *b, const char *key, const char *value)
{
    uint32_t k = batch_intern(b, str_of(key)), v = batch_intern(b, str_of(value));
    *batch_add_attr(b) = (struct attr){.key = k, .type = ATTR_STRING, .code = v};
}

static void integer(struct batch *b, const char *key, int64_t value)
{
    uint32_t k = batch_intern(b, str_of(key));
    *batch_add_attr(b) = (struct attr){.key = k, .type = ATTR_INT, .i = value};
}

static void server_attributes(struct batch *b, const struct draft *d, bool small)
{
    static const char *const routes[8] = {
        "/api/cart",       "/api/orders/{id}", "/api/products/{id}", "/api/checkout",
        "/api/users/{id}", "/api/search",      "/api/products/list", "/api/reviews/{id}"};
    static const char *const methods[8] = {"GET", "GET", "GET", "POST", "GET", "GET", "GET", "PUT"};
    char value[128];
    text(b, "http.request.method", methods[d->operation & 7]);
    text(b, "http.route", routes[d->operation & 7]);
    integer(b, "http.response.status_code", d->error ? 500 : 200);
    if (small) {
        return;
    }
    // One path in twenty of a hundred thousand; the rest of a few thousand popular ones.
    unsigned id = (unsigned)(d->values % 20 == 0 ? d->values / 20 % 100000 : d->values / 20 % 2000);
    (void)snprintf(value, sizeof value, "%s/%u", routes[d->operation & 7], id);
    text(b, "url.path", value);
    text(b, "url.scheme", "http");
    (void)snprintf(value, sizeof value, "%s.shop.svc.cluster.local", services[d->service]);
    text(b, "server.address", value);
    integer(b, "server.port", 8080);
    (void)snprintf(value, sizeof value, "10.1.%u.%u", (unsigned)(d->values >> 20 & 3),
                   (unsigned)(d->values >> 24 & 31));
    text(b, "network.peer.address", value);
    text(b, "network.protocol.version", "1.1");
    text(b, "user_agent.original", "okhttp/4.12.0");
}

// Of the call of an endpoint of the system.
static void http_attributes(struct batch *b, const struct draft *d, bool small)
{
    char value[128];
    text(b, "http.request.method", "GET");
    (void)snprintf(value, sizeof value, "%s.shop.svc.cluster.local",
                   services[service_of(d->endpoint)]);
    text(b, "server.address", value);
    integer(b, "http.response.status_code", d->error ? 500 : 200);
    if (small) {
        return;
    }
    integer(b, "server.port", 8080);
    (void)snprintf(value, sizeof value, "http://%s.shop.svc.cluster.local:8080/api/%u/%u",
                   services[service_of(d->endpoint)], d->endpoint,
                   (unsigned)(d->values >> 20 & 2047));
    text(b, "url.full", value);
    text(b, "network.protocol.version", "1.1");
    text(b, "network.transport", "tcp");
    text(b, "user_agent.original", "okhttp/4.12.0");
    integer(b, "thread.id", (int64_t)(d->values >> 34 & 31));
    text(b, "thread.name", "http-worker");
}

static void client_attributes(struct batch *b, const struct draft *d, bool small)
{
    static const char *const statements[6] = {
        "SELECT id, name, price FROM products WHERE id = $1",
        "UPDATE stock SET left = left - $1 WHERE product = $2 AND left >= $1",
        "INSERT INTO orders (customer, total, state) VALUES ($1, $2, $3) RETURNING id",
        "SELECT * FROM carts WHERE customer = $1",
        "GET cart:{customer}",
        "SETEX session:{id} 3600 ?"};
    unsigned s = d->operation % 6U;
    bool cache = s >= 4;
    text(b, "db.system", cache ? "redis" : "postgresql");
    text(b, "db.operation.name", cache ? "GET" : "SELECT");
    integer(b, "db.response.returned_rows", (int64_t)(d->values >> 30 & 7));
    if (small) {
        return;
    }
    text(b, "db.query.text", statements[s]);
    text(b, "db.namespace", services[d->service]);
    text(b, "server.address",
         cache ? "redis.shop.svc.cluster.local" : "pg-0.shop.svc.cluster.local");
    integer(b, "server.port", cache ? 6379 : 5432);
    text(b, "network.transport", "tcp");
    integer(b, "thread.id", (int64_t)(d->values >> 34 & 31));
    text(b, "db.user", "shop");
}

// Twenty more for the large shape: business tags, some of them of high cardinality.
static void more_attributes(struct batch *b, const struct draft *d)
{
    char key[48], value[96];
    for (unsigned i = 0; i < 20; i++) {
        (void)snprintf(key, sizeof key, "app.business.tag%02u", i);
        uint64_t v = d->values >> i;
        if (i == 0) {
            (void)snprintf(value, sizeof value, "customer-%08llx",
                           (unsigned long long)(v & 0xfffff));
            text(b, key, value);
        } else if (i % 4 == 1) {
            integer(b, key, (int64_t)(v & 1023));
        } else {
            (void)snprintf(value, sizeof value, "a value of the business, kind %u of %u",
                           (unsigned)(v & 15), i);
            text(b, key, value);
        }
    }
}

// One event: an exception with its stack, as concatenated OTLP messages (model/batch.h).
static uint32_t event_code(struct batch *b, const struct draft *d)
{
    static const char message[] = "java.lang.IllegalStateException: the cart is being checked out\n"
                                  "\tat shop.cart.CartService.checkout(CartService.java:118)\n"
                                  "\tat shop.cart.CartController.post(CartController.java:57)\n";
    uint8_t bytes[512];
    struct buf out;
    buf_init(&out, 4096);
    buf_add_varint(&out, 1 << 3 | 1);
    buf_add_u64(&out, d->end_ns);
    buf_add_varint(&out, 2 << 3 | 2);
    buf_add_varint(&out, 9);
    buf_add_str(&out, STR("exception"));
    size_t value = sizeof message - 1, any = value + 1 + 2, key = sizeof "exception.stacktrace" - 1;
    size_t pair = 2 + key + 1 + 2 + any;
    buf_add_varint(&out, 3 << 3 | 2);
    buf_add_varint(&out, pair);
    buf_add_varint(&out, 1 << 3 | 2);
    buf_add_varint(&out, key);
    buf_add_str(&out, STR("exception.stacktrace"));
    buf_add_varint(&out, 2 << 3 | 2);
    buf_add_varint(&out, any);
    buf_add_varint(&out, 1 << 3 | 2);
    buf_add_varint(&out, value);
    buf_add_str(&out, str_of(message));
    struct buf whole;
    buf_init(&whole, 4096);
    buf_add_varint(&whole, out.n);
    buf_add_str(&whole, buf_str(&out));
    MUST(!whole.failed && whole.n <= sizeof bytes);
    uint32_t code = batch_intern(b, buf_str(&whole));
    buf_done(&whole);
    buf_done(&out);
    return code;
}

static uint32_t name_code(struct batch *b, const struct draft *d)
{
    static const char *const names[15] = {"GET /api/cart",
                                          "GET /api/orders/{id}",
                                          "GET /api/products/{id}",
                                          "POST /api/checkout",
                                          "GET /api/users/{id}",
                                          "GET /api/search",
                                          "GET /api/products/list",
                                          "PUT /api/reviews/{id}",
                                          "SELECT products",
                                          "UPDATE stock",
                                          "INSERT orders",
                                          "SELECT carts",
                                          "GET",
                                          "SETEX",
                                          "GET"};
    const char *name = names[d->operation < 15 ? d->operation : 14];
    if (d->endpoint == 0 || d->kind != KIND_SERVER) {
        return batch_intern(b, str_of(name));
    }
    char text[64];
    (void)snprintf(text, sizeof text, "%s/%u", name, d->endpoint);
    return batch_intern(b, str_of(text));
}

static void add_span(struct batch *b, const struct maker *m, const struct draft *d)
{
    bool small = m->o.shape == GEN_SMALL;
    uint32_t first = (uint32_t)b->attr_count;
    if (d->kind == KIND_SERVER) {
        server_attributes(b, d, small);
    } else if (d->sends_http) {
        http_attributes(b, d, small);
    } else {
        client_attributes(b, d, small);
    }
    if (m->o.shape == GEN_LARGE) {
        more_attributes(b, d);
    }
    uint32_t name = name_code(b, d);
    uint32_t events = m->o.shape == GEN_LARGE && d->values % 8 == 0 ? event_code(b, d) : 0;
    *batch_add_span(b) = (struct span){
        .trace = d->trace,
        .id = d->id,
        .parent = d->parent,
        .start_ns = d->start_ns + 1,
        .duration_ns = d->end_ns - d->start_ns,
        .name = name,
        .events = events,
        .attrs = {first, (uint32_t)b->attr_count - first},
        .flags = 257,
        .kind = d->kind,
        .status = d->error ? STATUS_ERROR : STATUS_UNSET,
    };
}

static struct batch *new_batch(unsigned service, unsigned instance)
{
    struct batch *b = batch_new(STR("shop"));
    char pod[64];
    uint32_t code = batch_intern(b, str_of(services[service]));
    (void)snprintf(pod, sizeof pod, "%s-7d9f8b6c5-%05u", services[service],
                   instance * 7919 % 99999);
    text(b, "service.name", services[service]);
    text(b, "service.namespace", "shop");
    text(b, "service.version", "2.14.3");
    text(b, "service.instance.id", pod);
    text(b, "deployment.environment.name", "prod");
    text(b, "k8s.pod.name", pod);
    text(b, "telemetry.sdk.language", "java");
    text(b, "telemetry.sdk.name", "opentelemetry");
    text(b, "telemetry.sdk.version", "1.45.0");
    *batch_add_resource(b) = (struct resource){.attrs = {0, 9}, .service = code};
    uint32_t scope = batch_intern(b, STR("io.opentelemetry.netty-4.1"));
    uint32_t version = batch_intern(b, STR("2.11.0-alpha"));
    *batch_add_scope(b) = (struct scope){.name = scope, .version = version};
    return b;
}

// ---- Requests -----------------------------------------------------------------------------------

// Finds what gen_stamp() patches: walks ResourceSpans > ScopeSpans > Span in our own encoding.
static void find_stamps(struct gen_request *r)
{
    size_t found = 0;
    const uint8_t *base = (const uint8_t *)r->bytes, *end = base + r->size;
    struct pb_reader stack[4] = {{base, end}};
    int depth = 0;
    // The fields that lead from the request down to a span: resource_spans, scope_spans, spans.
    static const unsigned path[3] = {1, 2, 2};
    while (depth >= 0) {
        struct pb_reader *f = &stack[depth];
        uint64_t tag, n = 0;
        if (f->p >= f->end) {
            depth--;
            found += depth == 2 ? 1 : 0;
            continue;
        }
        f->p = varint_get(f->p, f->end, &tag);
        MUST(f->p != NULL);
        const uint8_t *at = f->p;
        unsigned field = (unsigned)(tag >> 3), wire = (unsigned)(tag & 7);
        if (wire == 0) {
            f->p = varint_get(f->p, f->end, &n);
        } else if (wire == 2) {
            at = f->p = varint_get(f->p, f->end, &n);
            f->p += n;
        } else {
            f->p += wire == 1 ? 8 : 4;
        }
        MUST(f->p != NULL && f->p <= f->end);
        uint32_t offset = (uint32_t)(at - base);
        if (depth < 3 && wire == 2 && field == path[depth]) {
            stack[++depth] = (struct pb_reader){at, at + n};
        } else if (depth == 3) {
            struct gen_stamp *s = &r->stamps[found];
            MUST(found < r->spans);
            s->trace = field == 1 ? offset : s->trace;
            s->span = field == 2 ? offset : s->span;
            s->parent = field == 4 && n == 8 ? offset : s->parent;
            s->start = field == 7 ? offset : s->start;
            s->end = field == 8 ? offset : s->end;
        }
    }
    MUST(found == r->spans);
}

static void finish_request(struct gen *g, struct batch *b)
{
    struct buf out;
    struct gen_request *r = &g->requests[g->count++];
    struct row *rows = mem_new(b->span_count, sizeof *rows);
    for (size_t i = 0; i < b->span_count; i++) {
        rows[i] = (struct row){b, (uint32_t)i};
    }
    batch_seal(b);
    buf_init(&out, REQUEST_BYTES);
    otlp_encode_traces(rows, b->span_count, &out);
    MUST(!out.failed);
    *r = (struct gen_request){.size = out.n, .spans = b->span_count};
    r->bytes = mem_new(out.n + BUF_PAD, 1);
    memcpy(r->bytes, out.p, out.n);
    r->stamps = mem_new(r->spans, sizeof *r->stamps);
    find_stamps(r);
    g->bytes += out.n;
    mem_free(rows);
    buf_done(&out);
    batch_unref(b);
}

struct gen *gen_new(const struct gen_options *options)
{
    struct maker m = {.o = *options,
                      .random = options->seed * 0x9e3779b97f4a7c15U + 88172645463325252U};
    struct gen *g = mem_new(1, sizeof *g);
    struct batch *open[SERVICES_MAX] = {0};
    unsigned next_instance = 0;
    g->period_ns = make_traces(&m);
    g->requests = mem_new(m.count / m.o.spans_per_request + SERVICES_MAX + 1, sizeof *g->requests);
    for (size_t i = 0; i < m.count; i++) {
        const struct draft *d = &m.drafts[i];
        struct batch **b = &open[d->service];
        if (*b == NULL) {
            *b = new_batch(d->service, next_instance++ % INSTANCES);
        }
        add_span(*b, &m, d);
        if ((*b)->span_count == m.o.spans_per_request) {
            finish_request(g, *b);
            *b = NULL;
        }
    }
    for (unsigned i = 0; i < SERVICES_MAX; i++) {
        if (open[i] != NULL) {
            finish_request(g, open[i]);
        }
    }
    mem_free(m.drafts);
    return g;
}

void gen_free(struct gen *g)
{
    for (size_t i = 0; i < g->count; i++) {
        mem_free(g->requests[i].bytes);
        mem_free(g->requests[i].stamps);
    }
    mem_free(g->requests);
    mem_free(g);
}

// The IDs of a round are those of round 0 XORed with the key of the round, so going on from one
// round to the next XORs with the keys of both.
static uint64_t key_of(uint64_t round)
{
    uint64_t x = round * 0x9e3779b97f4a7c15U;
    return round > 0 ? (x ^ x >> 31) << 8 : 0; // the lowest byte stays: no ID becomes zero
}

static void flip(char *at, uint64_t key)
{
    uint64_t v = load_u64(at) ^ key;
    memcpy(at, &v, 8);
}

void gen_stamp(struct gen *g, size_t i, uint64_t round, uint64_t base_ns)
{
    struct gen_request *r = &g->requests[i];
    uint64_t key = key_of(round) ^ (round > 0 ? key_of(round - 1) : 0);
    uint64_t shift = round > 0 ? g->period_ns : base_ns;
    ASSERT(i < g->count);
    for (size_t k = 0; k < r->spans; k++) {
        const struct gen_stamp *s = &r->stamps[k];
        uint64_t start = load_u64(r->bytes + s->start), end = load_u64(r->bytes + s->end);
        // Other microseconds each round, or the repetition would compress as no real load does.
        uint64_t noise = (key ^ load_u64(r->bytes + s->span)) * 0x9e3779b97f4a7c15U >> 32;
        uint64_t duration = (end - start) ^ (noise >> 10 & 0x3fff);
        start = (start ^ (noise & 0x3ff)) + shift;
        end = start + duration;
        flip(r->bytes + s->trace, key);
        flip(r->bytes + s->span, key);
        if (s->parent != 0) {
            flip(r->bytes + s->parent, key);
        }
        memcpy(r->bytes + s->start, &start, 8);
        memcpy(r->bytes + s->end, &end, 8);
    }
}
