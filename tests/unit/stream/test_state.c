// SPDX-License-Identifier: Apache-2.0
// Purpose: a restart while a chain is open that had been closed before: what was told when it
// closed is told once.
#include "test.h"

#include "core/mem.h"
#include "stream/internal.h"

static int64_t counted[3]; // calls by subject kind: endpoints, instances, edges

static enum err find(void *ctx, const struct stream_subject *subject, uint32_t *ret_number)
{
    (void)ctx;
    *ret_number = subject->kind;
    return ERR_OK;
}

static void count(void *ctx, const struct stream_count *counts, size_t n)
{
    (void)ctx;
    for (size_t i = 0; i < n; i++) {
        if (counts[i].number < 3) {
            counted[counts[i].number] += counts[i].times * (int)counts[i].count;
        }
    }
}

// Two services: a root with a child in the other, and later work of the first.
static struct batch *batches[3];
static size_t batch_count; // that the store has

static enum err load(void *ctx, trace_id id, size_t rows_max, struct meter *meter,
                     void (*each)(void *rows_ctx, const struct row *rows, size_t count),
                     void *rows_ctx)
{
    (void)ctx;
    (void)rows_max;
    (void)meter;
    for (size_t i = 0; i < batch_count; i++) {
        for (uint32_t k = 0; k < batches[i]->span_count; k++) {
            struct row row = {batches[i], k};
            if (trace_id_cmp(&batches[i]->spans[k].trace, &id) == 0) {
                each(rows_ctx, &row, 1);
            }
        }
    }
    return ERR_OK;
}

static void add_span(struct batch *b, uint8_t trace, uint8_t id, uint8_t parent,
                     const char *service, uint8_t kind)
{
    struct resource *r = batch_add_resource(b);
    *r = (struct resource){.service = batch_intern(b, str_of(service))};
    uint32_t name = batch_intern(b, STR("work"));
    struct span *s = batch_add_span(b);
    *s = (struct span){.trace = {{trace}},
                       .id = {{id}},
                       .parent = {{parent}},
                       .start_ns = (uint64_t)1700000000 * 1000000000,
                       .duration_ns = 1000,
                       .resource = (uint32_t)b->resource_count - 1,
                       .name = name,
                       .kind = kind};
}

static struct batch *batch_begin(uint64_t seq)
{
    struct batch *b = batch_new(STR("shop"));
    (void)batch_add_scope(b);
    b->seq = seq;
    return b;
}

static void init(struct analysis *a)
{
    const struct stream_sink sink = {.find = find, .count = count};
    const struct stream_history history = {load, NULL};
    analysis_init(a, &sink, &history, 1000, 64, 1 << 24);
}

static struct chain *chain_of(struct analysis *a, uint8_t trace)
{
    struct chain *chain;
    while ((chain = chains_due(&a->chains, 1, true)) != NULL && chain->id.b[0] != trace) {
    }
    assert_non_null(chain);
    return chain;
}

static void test_closed_before_is_not_told_again(void **state)
{
    (void)state;
    static struct analysis a, b;
    struct buf bytes;
    struct open_set open;
    uint64_t after;
    buf_init(&bytes, 1 << 16);
    batches[0] = batch_begin(1); // a chain that stays open, and one that closes
    add_span(batches[0], 1, 1, 0, "long", KIND_SERVER);
    add_span(batches[0], 2, 1, 0, "front", KIND_SERVER);
    add_span(batches[0], 2, 2, 1, "back", KIND_SERVER);
    batches[1] = batch_begin(2);
    add_span(batches[1], 2, 3, 2, "back", KIND_INTERNAL);
    batch_seal(batches[0]);
    batch_seal(batches[1]);
    batch_count = 1;
    init(&a);
    analysis_take(&a, batches[0], NULL, 1);
    analysis_close(&a, chain_of(&a, 2));
    analysis_take(&a, batches[1], NULL, 2);
    red_flush(&a.red);
    state_write(&a.chains, 2, &bytes);
    assert_int_equal(counted[SUBJECT_EDGE], 2); // client to front, front to back
    analysis_done(&a);

    batch_count = 2;
    assert_ok(state_read(buf_str(&bytes), 2, &after, &open));
    assert_int_equal(after, 0);
    init(&b);
    analysis_take(&b, batches[0], &open, 3);
    analysis_take(&b, batches[1], &open, 3);
    open_set_done(&open);
    struct chain *chain;
    while ((chain = chains_due(&b.chains, 1000000, true)) != NULL) {
        analysis_close(&b, chain);
    }
    red_flush(&b.red);
    assert_int_equal(counted[SUBJECT_ENDPOINT], 3);
    assert_int_equal(counted[SUBJECT_EDGE], 3); // the client to "long" as well, and nothing twice
    analysis_done(&b);
    batch_unref(batches[0]);
    batch_unref(batches[1]);
    buf_done(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_closed_before_is_not_told_again)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
