// SPDX-License-Identifier: Apache-2.0
// Purpose: nanoseconds per span of the JVM agent's own part, without a JVM: opening, attributes,
// closing, the metrics of requests and the ring. The spans are those of bench/JvmShop.java: a
// server's with ten attributes and, in it, two of prepared statements. One thread; the best of the
// rounds, and what emptying the ring costs the sender is not counted.
//
// A request of a real application finds little of this in the caches. "cold" is a span of a request
// before which other code has run and other memory was read, as much as a processor's own caches
// hold; the lower quartile, for what interrupts one request takes much longer. Prints one JSON
// line.
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "agents/jvm/effort.h"
#include "agents/jvm/identity.h"
#include "agents/jvm/ring.h"
#include "agents/jvm/sample.h"
#include "agents/jvm/span.h"
#include "agents/jvm/statements.h"
#include "core/clock.h"
#include "core/must.h"
#include "core/sort.h"

enum { ROUNDS = 200, REQUESTS = 1000, SPANS = 3, BETWEEN_DRAINS = 8, COLD_REQUESTS = 800 };
enum { LINE = 64, PAGE = 4096, OTHER_DATA = 8 << 20, OTHER_CODE = 16 << 20, RETURN = 0xC3 };

static struct thread_state thread;
static uint32_t database, statements[2];

static void tell(void *ctx, const struct statement *s)
{
    struct frame *f = ctx;
    span_name(f, (struct str){(const char *)s->bytes, s->name_n});
    span_encoded(f, s->bytes + s->name_n, s->encoded_n);
}

static void run_statement(uint32_t statement)
{
    const struct database *d = database_get(database);
    struct frame *f = span_open(&thread, NULL, SPAN_CLIENT);
    MUST(f != NULL && d != NULL);
    span_encoded(f, d->encoded, d->encoded_n);
    MUST(statement_tell(statement, tell, f));
    span_fetch(f);
    frame_close(&thread);
}

static void run_request(void)
{
    struct frame *f = span_open(&thread, NULL, SPAN_SERVER);
    MUST(f != NULL);
    span_text(f, "http.request.method", STR("GET"));
    span_text(f, "url.scheme", STR("http"));
    span_text(f, "url.path", STR("/cart"));
    span_text(f, "server.address", STR("127.0.0.1"));
    span_int(f, "server.port", 8080);
    span_text(f, "url.query", STR("item=17"));
    span_text(f, "client.address", STR("127.0.0.1"));
    span_text(f, "user_agent.original", STR("curl/7.88.1"));
    run_statement(statements[0]);
    run_statement(statements[1]);
    span_fetch(f);
    span_text(f, "http.route", STR("/cart"));
    span_int(f, "http.response.status_code", 200);
    span_name(f, STR("GET /cart"));
    frame_close(&thread);
}

static bool take(void *ctx, struct str record)
{
    *(uint64_t *)ctx += record.n;
    return true;
}

static uint64_t best_of_warm(uint64_t *bytes)
{
    uint64_t best = UINT64_MAX;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t spent = 0;
        for (int i = 0; i < REQUESTS; i += BETWEEN_DRAINS) {
            uint64_t begun = clock_mono_ns();
            for (int k = 0; k < BETWEEN_DRAINS; k++) {
                run_request();
            }
            spent += clock_mono_ns() - begun;
            (void)rings_drain(take, bytes);
        }
        best = spent < best ? spent : best;
    }
    return best / REQUESTS;
}

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

// x86-64's instruction; 0 elsewhere.
static uint64_t quartile_of_cold(uint64_t *bytes)
{
    static uint64_t took[COLD_REQUESTS];
    static unsigned char data[OTHER_DATA];
    (void)bytes;
#ifdef __x86_64__
    unsigned char *code = mmap(NULL, OTHER_CODE, PROT_READ | PROT_WRITE | PROT_EXEC,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MUST(code != MAP_FAILED);
    (void)madvise(code, OTHER_CODE, MADV_NOHUGEPAGE);
    memset(code, RETURN, OTHER_CODE);
    for (int i = 0; i < COLD_REQUESTS; i++) {
        for (size_t at = 0; at < OTHER_DATA; at += LINE) {
            ((volatile unsigned char *)data)[at]++;
        }
        for (size_t at = 0; at < OTHER_CODE; at += PAGE / 8 + LINE) {
            void (*other)(void);
            unsigned char *place = code + at;
            memcpy(&other, &place, sizeof other);
            other();
        }
        uint64_t begun = clock_mono_ns();
        run_request();
        took[i] = clock_mono_ns() - begun;
        if (i % BETWEEN_DRAINS == 0) {
            (void)rings_drain(take, bytes);
        }
    }
    (void)rings_drain(take, bytes);
    (void)munmap(code, OTHER_CODE);
#endif
    sort_array(took, COLD_REQUESTS, sizeof *took, ascending);
    return took[COLD_REQUESTS / 4];
}

int main(void)
{
    static const struct sample_settings everything = {.ratio = 1};
    uint64_t bytes = 0;
    effort_init(100);
    identity_init(0);
    sample_init(&everything);
    database = database_id(STR("jdbc:postgresql://127.0.0.1:5432/shop"));
    statements[0] = statement_id(STR("select amount from stock where item = ?"), SQL_STANDARD);
    statements[1] = statement_id(STR("select cents from prices where item = ?"), SQL_STANDARD);
    uint64_t warm = best_of_warm(&bytes), cold = quartile_of_cold(&bytes);
    struct ring_counts counts;
    rings_counts(&counts);
    MUST(counts.dropped_full == 0 && counts.dropped_busy == 0);
    printf("{\"ns_per_span\": %.0f, \"cold_ns_per_span\": %.0f, \"bytes_per_span\": %.0f}\n",
           (double)warm / SPANS, (double)cold / SPANS, (double)bytes / (double)counts.queued);
    return 0;
}
