// SPDX-License-Identifier: Apache-2.0
// Purpose: what a part costs: bytes a span by column, and nanoseconds to write, merge, scan, read
// and look up. Usage: bench_part [millions of spans, 2] [folder, /tmp].
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
#include "store/part.h"
#include "store/part_merge.h"
#include "store/row_sort.h"

#define BATCH_SPANS  500u
#define FIRST_ROWS   65536u
#define PARTS_MAX    4096u
#define LOOKUPS      2000u
#define MERGED_PARTS 10u

static uint64_t random_state = 42;

static uint64_t rnd(void)
{
    random_state += 0x9E3779B97F4A7C15ULL;
    uint64_t z = random_state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
}

static uint64_t below(uint64_t n)
{
    return rnd() % n;
}

static void put_attr(struct batch *b, const char *key, const char *value)
{
    uint32_t k = batch_intern(b, str_of(key)), v = batch_intern(b, str_of(value));
    *batch_add_attr(b) = (struct attr){.key = k, .type = ATTR_STRING, .code = v};
}

static void put_int(struct batch *b, const char *key, int64_t value)
{
    uint32_t k = batch_intern(b, str_of(key));
    *batch_add_attr(b) = (struct attr){.key = k, .type = ATTR_INT, .i = value};
}

static const char *const services[12] = {"storefront", "orders",   "stock",     "payment",
                                         "cart",       "search",   "recommend", "user",
                                         "shipping",   "currency", "mail",      "gateway"};
static const char *const methods[4] = {"GET", "GET", "POST", "PUT"};

static void put_resources(struct batch *b)
{
    char text[64];
    for (uint32_t i = 0; i < 12; i++) {
        struct attr_run run = {(uint32_t)b->attr_count, 5};
        put_attr(b, "service.name", services[i]);
        (void)snprintf(text, sizeof text, "%s-7d9f8b6c5-%u", services[i], i * 7919u % 97);
        put_attr(b, "service.instance.id", text);
        put_attr(b, "telemetry.sdk.language", i % 3 ? "java" : "nodejs");
        put_attr(b, "telemetry.sdk.version", "1.30.1");
        put_attr(b, "deployment.environment.name", "production");
        uint32_t service = batch_intern(b, str_of(services[i]));
        struct resource *r = batch_add_resource(b);
        r->attrs = run;
        r->service = service;
    }
    uint32_t name = batch_intern(b, STR("io.opentelemetry.http")), v = batch_intern(b, STR("1.2"));
    struct scope *s = batch_add_scope(b);
    s->name = name;
    s->version = v;
}

// The attributes of a server or client span over HTTP: ten, a URL and a user among them.
static void http_attrs(struct batch *b, uint32_t service, uint64_t user, unsigned status)
{
    char text[128];
    unsigned route = (unsigned)below(8);
    put_attr(b, "http.request.method", methods[route % 4]);
    (void)snprintf(text, sizeof text, "/api/%s/op-%u/{id}", services[service], route);
    put_attr(b, "http.route", text);
    (void)snprintf(text, sizeof text, "/api/%s/op-%u/%" PRIu64 "?page=%u", services[service], route,
                   below(100000), (unsigned)below(20));
    put_attr(b, "url.path", text);
    put_attr(b, "url.scheme", "https");
    put_int(b, "http.response.status_code", status);
    (void)snprintf(text, sizeof text, "10.0.%u.%u", service, (unsigned)below(8));
    put_attr(b, "server.address", text);
    put_int(b, "server.port", 8080);
    put_attr(b, "network.protocol.version", "1.1");
    (void)snprintf(text, sizeof text, "user-%" PRIu64, user);
    put_attr(b, "enduser.id", text);
    (void)snprintf(text, sizeof text, "http-nio-8080-exec-%u", (unsigned)below(40));
    put_attr(b, "thread.name", text);
}

static void db_attrs(struct batch *b, uint32_t service, uint64_t user)
{
    char text[160];
    unsigned table = (unsigned)below(6);
    put_attr(b, "db.system.name", "postgresql");
    put_attr(b, "db.namespace", services[service]);
    (void)snprintf(text, sizeof text, "SELECT id, name, price FROM table_%u WHERE id = $1 LIMIT 20",
                   table);
    put_attr(b, "db.query.text", text);
    put_attr(b, "db.operation.name", "SELECT");
    (void)snprintf(text, sizeof text, "table_%u", table);
    put_attr(b, "db.collection.name", text);
    put_attr(b, "server.address", "10.1.0.5");
    put_int(b, "server.port", 5432);
    put_int(b, "db.response.returned_rows", (int64_t)below(20));
    (void)snprintf(text, sizeof text, "user-%" PRIu64, user);
    put_attr(b, "enduser.id", text);
    (void)snprintf(text, sizeof text, "http-nio-8080-exec-%u", (unsigned)below(40));
    put_attr(b, "thread.name", text);
}

static uint64_t log_normal_ns(void)
{
    // A sum of uniform bits is near enough to a bell; as an exponent it spreads over 10 us - 1 s.
    uint64_t sum = below(6) + below(6) + below(6);
    return (10000ULL << sum) + below(10000ULL << sum);
}

static uint32_t span_name(struct batch *b, bool db, uint32_t service, unsigned kind)
{
    char text[96];
    (void)snprintf(text, sizeof text, db ? "SELECT %s.table_%u" : "GET /api/%s/op-%u/{id}",
                   services[service], kind % 8);
    return batch_intern(b, str_of(text));
}

struct trace {
    trace_id id;
    span_id spans[40];
    uint64_t starts[40];
    unsigned size, at;
    uint64_t user;
};

static void put_span(struct batch *b, struct trace *t)
{
    bool db = t->at > 0 && below(3) == 0;
    uint32_t service = (uint32_t)below(12);
    bool error = below(100) == 0;
    struct attr_run run = {(uint32_t)b->attr_count, 10};
    if (db) {
        db_attrs(b, service, t->user);
    } else {
        http_attrs(b, service, t->user, error ? 500 : 200);
    }
    uint32_t name = span_name(b, db, service, (unsigned)below(8));
    struct span *s = batch_add_span(b);
    s->trace = t->id;
    uint64_t id = rnd();
    memcpy(s->id.b, &id, 8);
    s->start_ns = t->starts[0];
    if (t->at > 0) {
        unsigned parent = t->at - 1 - (unsigned)below(t->at < 3 ? t->at : 3);
        s->parent = t->spans[parent];
        s->start_ns = t->starts[parent] + log_normal_ns() / 4;
    }
    t->spans[t->at] = s->id;
    t->starts[t->at++] = s->start_ns;
    s->duration_ns = log_normal_ns();
    s->resource = service;
    s->name = name;
    s->attrs = run;
    s->kind = db ? KIND_CLIENT : KIND_SERVER;
    s->status = error ? STATUS_ERROR : STATUS_UNSET;
    s->flags = 257;
}

static struct batch *make_batch(struct trace *t, uint64_t *now_ns)
{
    struct batch *b = batch_new(STR("shop"));
    put_resources(b);
    for (uint32_t i = 0; i < BATCH_SPANS; i++) {
        if (t->at == t->size) {
            uint64_t id[2] = {rnd(), rnd()};
            memcpy(t->id.b, id, 16);
            *now_ns += below(400000);
            t->size = 5 + (unsigned)below(36);
            t->at = 0;
            t->starts[0] = *now_ns;
            t->user = below(20000);
        }
        put_span(b, t);
    }
    batch_seal(b);
    return b;
}

static void path_of(char *out, const char *dir, unsigned number)
{
    (void)snprintf(out, 256, "%s/bench-%u.part", dir, number);
}

static struct part *open_path(const char *path)
{
    struct part *p;
    struct err_at at;
    MUST(part_open(fs_real(), path, &p, &at) == ERR_OK);
    return p;
}

// One first part from generated batches; returns the nanoseconds of sorting and writing.
static uint64_t write_first(const char *path, struct trace *t, uint64_t *now_ns, trace_id *sample)
{
    enum { BATCHES = FIRST_ROWS / BATCH_SPANS };
    static struct batch *batches[BATCHES];
    static struct row rows[FIRST_ROWS];
    size_t n = 0;
    for (size_t i = 0; i < BATCHES; i++) {
        batches[i] = make_batch(t, now_ns);
        for (uint32_t k = 0; k < BATCH_SPANS; k++) {
            rows[n++] = (struct row){batches[i], k};
        }
    }
    *sample = batches[0]->spans[0].trace;
    uint64_t before = clock_cpu_ns();
    const struct part_writer_options options = {
        .fs = fs_real(), .path = path, .line = STR("shop"), .zstd_level = 1};
    struct part_writer *w;
    row_sort(rows, n);
    MUST(part_writer_new(&options, &w) == ERR_OK);
    for (size_t i = 0; i < n; i++) {
        MUST(part_writer_add(w, rows[i]) == ERR_OK);
    }
    MUST(part_writer_finish(w) == ERR_OK);
    uint64_t took = clock_cpu_ns() - before;
    part_writer_free(w);
    for (size_t i = 0; i < BATCHES; i++) {
        batch_unref(batches[i]);
    }
    return took;
}

static uint64_t rows_of(struct part **parts, size_t n)
{
    uint64_t rows = 0;
    for (size_t i = 0; i < n; i++) {
        rows += part_meta(parts[i])->rows;
    }
    return rows;
}

static struct part *merge(const char *path, struct part **inputs, size_t n)
{
    const struct part_merge m = {
        .inputs = inputs,
        .input_count = n,
        .out = {.fs = fs_real(), .path = path, .line = STR("shop"), .zstd_level = 3}};
    size_t bad;
    MUST(part_merge(&m, &bad) == ERR_OK);
    return open_path(path);
}

static void print_column(void *ctx, const char *name, uint64_t bytes)
{
    printf("  %-44s %7.3f\n", name, (double)bytes / *(double *)ctx);
}

static void scan(struct part **parts, size_t n)
{
    static uint32_t shapes[PAGE_ROWS];
    static uint64_t durations[PAGE_ROWS];
    uint64_t slow = 0, rows = 0, before = clock_mono_ns();
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < part_meta(parts[i])->blocks; k++) {
            struct block *b;
            MUST(block_open(parts[i], k, &b) == ERR_OK);
            for (size_t page = 0; page < block_pages(b); page++) {
                size_t count;
                MUST(block_page_shapes(b, page, shapes, &count) == ERR_OK);
                MUST(block_page_numbers(b, page, FIELD_DURATION, durations, &count) == ERR_OK);
                for (size_t r = 0; r < count; r++) {
                    slow += shapes[r] == 3 && durations[r] > 1000000;
                }
                rows += count;
            }
            block_free(b);
        }
    }
    double ns = (double)(clock_mono_ns() - before) / (double)rows;
    printf("scan shape + duration: %.2f ns a row (%" PRIu64 " found), 10 M rows: %.1f ms\n", ns,
           slow, ns * 10);
}

static void read_all(struct part **parts, size_t n)
{
    const struct page_request all = {.fields = FIELD_ALL, .all_columns = true};
    uint64_t rows = 0, before = clock_mono_ns();
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < part_meta(parts[i])->blocks; k++) {
            struct block *b;
            MUST(block_open(parts[i], k, &b) == ERR_OK);
            for (size_t page = 0; page < block_pages(b); page++) {
                struct batch *out;
                MUST(block_read_page(b, page, &all, &out) == ERR_OK);
                rows += out->span_count;
                batch_unref(out);
            }
            block_free(b);
        }
    }
    printf("read pages into batches: %.0f ns a row\n",
           (double)(clock_mono_ns() - before) / (double)rows);
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void look_up(struct part **parts, size_t n, const trace_id *samples, size_t sample_count)
{
    static uint64_t took[LOOKUPS];
    for (size_t i = 0; i < LOOKUPS; i++) {
        uint64_t before = clock_mono_ns();
        size_t found = 0;
        trace_id id = samples[below(sample_count)];
        for (size_t k = 0; k < n; k++) {
            struct batch *out;
            if (part_find_trace(parts[k], id, TRACE_EVERY_ROW, &out) == ERR_OK) {
                found += out->span_count;
                batch_unref(out);
            }
        }
        took[i] = clock_mono_ns() - before;
        MUST(found > 0);
    }
    sort_array(took, LOOKUPS, sizeof *took, compare_u64);
    printf("trace by ID over %zu parts: p50 %.3f ms, p99 %.3f ms\n", n,
           (double)took[LOOKUPS / 2] / 1e6, (double)took[LOOKUPS * 99 / 100] / 1e6);
}

int main(int argc, char **argv)
{
    static struct part *first[PARTS_MAX], *merged[MERGED_PARTS];
    static trace_id samples[PARTS_MAX];
    char path[256];
    const char *dir = argc > 2 ? argv[2] : "/tmp";
    uint64_t rows = (uint64_t)(argc > 1 ? strtod(argv[1], NULL) * 1e6 : 2e6);
    size_t parts = (size_t)(rows / FIRST_ROWS) + 1;
    MUST(parts <= PARTS_MAX);
    struct trace t = {0};
    uint64_t now_ns = 1700000000000000000ULL, write_ns = 0;
    for (unsigned i = 0; i < parts; i++) {
        path_of(path, dir, i);
        write_ns += write_first(path, &t, &now_ns, &samples[i]);
        first[i] = open_path(path);
        (void)unlink(path);
    }
    rows = rows_of(first, parts);
    uint64_t bytes = 0;
    for (size_t i = 0; i < parts; i++) {
        bytes += part_meta(first[i])->file_bytes;
    }
    printf("first parts: %" PRIu64 " rows, %.2f B a span, sort + write %.0f ns a span\n", rows,
           (double)bytes / (double)rows, (double)write_ns / (double)rows);
    uint64_t before = clock_cpu_ns();
    size_t groups = 0;
    for (size_t i = 0; i < parts && groups < MERGED_PARTS; i += 8, groups++) {
        path_of(path, dir, 10000 + (unsigned)i);
        merged[groups] = merge(path, first + i, parts - i < 8 ? parts - i : 8);
        (void)unlink(path);
    }
    double total = (double)rows_of(merged, groups);
    bytes = 0;
    for (size_t i = 0; i < groups; i++) {
        bytes += part_meta(merged[i])->file_bytes;
    }
    printf("merged parts: %.2f B a span, merge %.0f ns a span; of the first of %zu:\n",
           (double)bytes / total, (double)(clock_cpu_ns() - before) / total, groups);
    double one = (double)part_meta(merged[0])->rows;
    MUST(part_column_bytes(merged[0], print_column, &one) == ERR_OK);
    scan(merged, groups);
    read_all(merged, groups);
    look_up(merged, groups, samples, groups * 8 < parts ? groups * 8 : parts);
    for (size_t i = 0; i < parts; i++) {
        part_unref(first[i]);
    }
    for (size_t i = 0; i < groups; i++) {
        part_unref(merged[i]);
    }
    return 0;
}
