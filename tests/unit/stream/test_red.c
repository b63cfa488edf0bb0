// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of stream/red.h: whatever lines calls go through, the sink has what a recount has.
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/hist.h"
#include "core/mem.h"
#include "stream/red.h"

#define ENDPOINTS 400 // more subjects than there are lines
#define SUBJECTS  (2 * ENDPOINTS)
#define SLOTS     4
#define CALLS     30000
#define LAST      390 // endpoints from here on are refused

static uint64_t draw(uint64_t *seed, uint64_t n)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (*seed >> 33) % n;
}

struct cells {
    struct hist of[SUBJECTS][SLOTS];
};

struct rig {
    struct cells got, wanted;
    uint64_t refused;
};

// By the number in the endpoint's name.
static enum err find(void *ctx, const struct stream_subject *subject, uint32_t *ret_number)
{
    (void)ctx;
    char name[16];
    (void)snprintf(name, sizeof name, "%.*s", STR_FMT(subject->to.name)); // which no zero ends
    unsigned n = (unsigned)strtoul(name + 2, NULL, 10);
    assert_true(subject->kind == SUBJECT_ENDPOINT && n < ENDPOINTS);
    *ret_number = n * 2 + (subject->error ? 1 : 0);
    return n < LAST ? ERR_OK : ERR_LIMIT;
}

static void count(void *ctx, const struct stream_count *counts, size_t n)
{
    struct rig *rig = ctx;
    for (size_t i = 0; i < n; i++) {
        const struct stream_count *c = &counts[i];
        assert_true(c->number < 2 * LAST && c->slot_ms % STREAM_SLOT_MS == 0 && c->count > 0);
        hist_add_run(&rig->got.of[c->number][c->slot_ms / STREAM_SLOT_MS], c->buckets, c->count,
                     c->sum_ns, c->times);
    }
}

static void assert_same(const struct hist *got, const struct hist *wanted)
{
    struct hist_total *totals = mem_new(2, sizeof *totals);
    const struct hist *both[] = {got, wanted};
    for (unsigned i = 0; i < 2; i++) {
        struct buf bytes;
        buf_init(&bytes, HIST_BYTES_MAX);
        hist_encode(both[i], &bytes);
        hist_total_add(&totals[i], buf_str(&bytes));
        buf_done(&bytes);
    }
    assert_int_equal(totals[0].count, totals[1].count);
    assert_int_equal(totals[0].sum_ns, totals[1].sum_ns);
    assert_memory_equal(totals[0].buckets, totals[1].buckets, sizeof totals[0].buckets);
    mem_free(totals);
}

static void count_one(struct rig *rig, struct red *r, const struct chain_span *s, unsigned endpoint,
                      int32_t times)
{
    red_count_span(r, s, 0, times);
    if (endpoint < LAST) {
        uint64_t slot = s->start_ns / (STREAM_SLOT_MS * NS_PER_MS);
        struct hist *h = &rig->wanted.of[endpoint * 2 + s->error][slot];
        hist_add(h, s->duration_ns, times);
    } else {
        rig->refused++;
    }
}

static void test_what_goes_through_lines_is_what_came(void **state)
{
    (void)state;
    struct rig *rig = mem_new(1, sizeof *rig);
    struct names names = {0};
    struct paths paths;
    struct statements statements;
    struct red r;
    uint64_t seed = 7;
    const struct stream_sink sink = {.find = find, .count = count, .ctx = rig};
    paths_init(&paths, &names, SIZE_MAX);
    statements_init(&statements, 1 << 20);
    red_init(&r, &names, &paths, &statements, &sink, 1 << 16); // the fewest lines
    uint32_t service = names_service(&names, STR("shop"), STR("web")), endpoints[ENDPOINTS];
    for (unsigned i = 0; i < ENDPOINTS; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "op%u", i);
        endpoints[i] = names_below(&names, service, str_of(name), KIND_SERVER);
    }
    for (unsigned i = 0; i < CALLS; i++) {
        // Some are called often, most seldom.
        unsigned endpoint = (unsigned)draw(&seed, 1 + draw(&seed, ENDPOINTS));
        const struct chain_span s = {.service = SPAN_NAME(service),
                                     .endpoint = SPAN_NAME(endpoints[endpoint]),
                                     .error = draw(&seed, 5) == 0,
                                     .start_ns = draw(&seed, SLOTS * STREAM_SLOT_MS * NS_PER_MS),
                                     .duration_ns = draw(&seed, 50) == 0 ? UINT64_MAX - i
                                                                         : draw(&seed, 1000000000)};
        count_one(rig, &r, &s, endpoint, 1);
        if (draw(&seed, 9) == 0) {
            count_one(rig, &r, &s, endpoint, -1);
        }
        if (draw(&seed, 5000) == 0) {
            red_flush(&r);
        }
    }
    assert_true(r.line_count < ENDPOINTS && red_bytes(&r) > 0);
    red_flush(&r);
    assert_int_equal(r.refused_calls, rig->refused);
    for (unsigned i = 0; i < SUBJECTS * SLOTS; i++) {
        assert_same(&rig->got.of[0][0] + i, &rig->wanted.of[0][0] + i);
        hist_clear(&rig->got.of[0][0] + i);
        hist_clear(&rig->wanted.of[0][0] + i);
    }
    red_done(&r);
    statements_done(&statements);
    paths_done(&paths);
    names_done(&names);
    mem_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_goes_through_lines_is_what_came)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
