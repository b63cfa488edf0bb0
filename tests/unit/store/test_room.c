// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of store/room.h: parts are merged and stripped with what memory there is, and what
// is put off for lack of it is counted, costs nothing, and is not said to be under way.
#include "test.h"

#include "store/room.h"
#include "unit/store/world.h"

static struct store_stats stats_of(struct world *w)
{
    struct store_stats s;
    store_stats(w->store, &s);
    return s;
}

// A budget of which the parts' writing may have so many bytes.
static void allow(struct world *w, size_t bytes)
{
    struct budget *b = &w->budget;
    assert_true(b->limit_bytes > bytes);
    size_t taken = b->limit_bytes - b->query_bytes - bytes - atomic_load(&b->total);
    assert_true(budget_take(b, ACCOUNT_STREAM, taken));
}

static void allow_all(struct world *w)
{
    budget_give(&w->budget, ACCOUNT_STREAM, atomic_load(&w->budget.used[ACCOUNT_STREAM]));
}

#define SMALL_BLOCK (PAGE_ROWS * 512)

static void test_fewer_parts_are_merged_where_memory_is_short(void **state)
{
    (void)state;
    struct world w;
    bool did = false;
    world_open(&w, false);
    add_parts(&w, 8, 60);
    allow(&w, SMALL_BLOCK + 3 * ROOM_INPUT_BYTES);
    assert_ok(maintain_step(w.store, true, &did));
    assert_true(did);
    assert_int_equal(stats_of(&w).merges, 1);
    assert_int_equal(stats_of(&w).parts, 6); // three of them are one
    assert_int_equal(stats_of(&w).put_off_merges, 0);
    allow_all(&w);
    assert_has(&w, w.all, w.count);
    world_done(&w);
}

static void test_what_is_put_off_is_counted(void **state)
{
    (void)state;
    struct world w;
    bool did = true;
    world_open(&w, false);
    add_parts(&w, 8, 60);
    uint64_t next_id = w.store->next_id;
    allow(&w, SMALL_BLOCK + 2 * ROOM_INPUT_BYTES - 1);
    for (uint64_t i = 1; i <= 3; i++) {
        assert_ok(maintain_step(w.store, true, &did));
        assert_false(did);
        assert_int_equal(stats_of(&w).put_off_merges, i);
        assert_false(stats_of(&w).merging);
    }
    assert_int_equal(w.store->next_id, next_id);
    assert_int_equal(stats_of(&w).merges + stats_of(&w).merge_failures, 0);
    allow_all(&w);
    assert_ok(maintain_step(w.store, true, &did));
    assert_true(did && stats_of(&w).merging);
    assert_int_equal(stats_of(&w).parts, 1);
    assert_has(&w, w.all, w.count);
    world_done(&w);
}

// Where the limit is small, whoever sends goes first: much of it is taken below half of it alone.
static void test_much_of_a_limit_is_left_to_senders(void **state)
{
    (void)state;
    struct world w;
    struct room r;
    world_open(&w, false);
    struct budget *b = &w.budget;
    size_t much = b->limit_bytes / ROOM_SHARE, before = atomic_load(&b->total);
    assert_true(room_take(w.store, much, true, &r));
    assert_int_equal(atomic_load(&b->total), before + r.bytes);
    room_give(w.store, &r);
    budget_force(b, ACCOUNT_STREAM, b->flush_bytes - before - much);
    assert_false(room_take(w.store, much, true, &r));
    assert_true(room_take(w.store, ROOM_INPUT_BYTES, true, &r)); // which is little
    room_give(w.store, &r);
    assert_true(room_take(w.store, much, false, &r));
    room_give(w.store, &r);
    allow_all(&w);
    world_done(&w);
}

// Small blocks are blocks like others, and a strip does with them too.
static void test_small_blocks_are_read_as_well(void **state)
{
    (void)state;
    struct world w;
    bool did = false;
    world_open(&w, false);
    w.gen.traces = 100000; // else each has an error
    add_parts(&w, 8, PAGE_ROWS / 4);
    allow(&w, SMALL_BLOCK + 7 * ROOM_INPUT_BYTES);
    assert_ok(maintain_step(w.store, true, &did));
    assert_int_equal(stats_of(&w).parts, 2);
    const struct part_entry *const *parts =
        (const struct part_entry *const *)w.store->lines[0].parts;
    const struct part_meta *m = part_meta(parts[0]->part), *other = part_meta(parts[1]->part);
    m = m->rows > other->rows ? m : other;
    assert_true(m->blocks > 1 && m->rows == 7 * PAGE_ROWS / 4);
    store_set_retention(w.store,
                        (struct store_retention){.age_ms = 1, .errors_age_ms = (uint64_t)1 << 45},
                        NULL, 0);
    assert_ok(maintain_step(w.store, true, &did));
    assert_true(did);
    assert_int_equal(stats_of(&w).stripped_parts, 1);
    allow_all(&w);
    world_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fewer_parts_are_merged_where_memory_is_short),
        cmocka_unit_test(test_what_is_put_off_is_counted),
        cmocka_unit_test(test_much_of_a_limit_is_left_to_senders),
        cmocka_unit_test(test_small_blocks_are_read_as_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
