// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of store/part_footer.h: a footer whose checksum fits and whose contents do not is
// damage: found when the part is opened, or, where only its rows tell, when it is merged or
// stripped.
#include "test.h"

#include "codec/checksum.h"
#include "codec/zpack.h"
#include "store/block.h"
#include "store/part_footer.h"
#include "unit/store/world.h"

// Changes what the footer of a part on disk says, under a checksum that fits.
static void rewrite_footer(const char *path, void (*change)(struct part_footer *f))
{
    struct part *p;
    struct buf raw, out;
    struct file *f;
    assert_ok(part_open(fs_real(), path, &p, NULL));
    buf_init(&raw, 1 << 20);
    buf_init(&out, 1 << 20);
    change(&p->footer);
    footer_encode(&p->footer, PART_VERSION, &raw);
    uint64_t at = p->footer.meta.file_bytes - p->footer_bytes;
    part_unref(p);
    struct zpack *z = zpack_new(1);
    zpack_add(z, buf_str(&raw), &out);
    zpack_free(z);
    size_t n = out.n;
    buf_add_u32(&out, (uint32_t)n);
    buf_add_u32(&out, PART_VERSION);
    buf_add_u64(&out, checksum(out.p, n));
    buf_add(&out, PART_MAGIC, 8);
    assert_ok(fs_real()->ops->open(fs_real(), path, FS_WRITE, &f));
    assert_ok(f->ops->truncate(f, at));
    assert_ok(f->ops->write_at(f, out.p, out.n, at));
    f->ops->close(f);
    buf_done(&raw);
    buf_done(&out);
}

static void change_nothing(struct part_footer *f)
{
    (void)f;
}

static void more_rows_of_a_service(struct part_footer *f)
{
    f->services[0].rows++;
}

static void more_errors_of_a_service(struct part_footer *f)
{
    f->services[0].errors++;
}

static void one_service_twice(struct part_footer *f)
{
    f->services[1].name = f->services[0].name;
}

static void a_service_without_rows(struct part_footer *f)
{
    f->services[1].rows += f->services[0].rows;
    f->services[1].errors += f->services[0].errors;
    f->services[0].rows = f->services[0].errors = 0;
}

static void more_traces_than_rows(struct part_footer *f)
{
    f->meta.traces = f->meta.rows + 1;
}

static void numbers_in_the_wrong_order(struct part_footer *f)
{
    f->meta.seq_first = f->meta.seq_last + 1;
}

static void a_block_outside_of_the_part(struct part_footer *f)
{
    f->meta.max_start_ns--;
}

static void traces_in_the_wrong_order(struct part_footer *f)
{
    trace_id first = f->blocks[0].first_trace;
    f->blocks[0].first_trace = f->blocks[0].last_trace;
    f->blocks[0].last_trace = first;
}

// Services whose rows add up, and are not true.
static void swap_two_services(struct part_footer *f)
{
    struct str name = f->services[0].name;
    f->services[0].name = f->services[1].name;
    f->services[1].name = name;
}

static void open_with_parts(struct world *w, int parts)
{
    world_open(w, false);
    for (int i = 0; i < parts; i++) {
        add(w, STR("shop"), 100);
        for (size_t k = 0; k < 100; k++) {
            w->all[w->count - 1]->spans[k].status = k % 9 == 0 ? STATUS_ERROR : STATUS_OK;
        }
        assert_ok(store_flush(w->store));
    }
}

static void test_inconsistent_footers_are_damage(void **state)
{
    (void)state;
    static void (*const changes[])(struct part_footer *) = {
        more_rows_of_a_service,      more_errors_of_a_service, one_service_twice,
        a_service_without_rows,      more_traces_than_rows,    numbers_in_the_wrong_order,
        a_block_outside_of_the_part, traces_in_the_wrong_order};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        struct world w;
        char path[128];
        struct part *p;
        struct err_at at = {0};
        open_with_parts(&w, 2);
        close_store(&w);
        part_file(&w, 1, path);
        rewrite_footer(path, change_nothing);
        assert_ok(part_open(fs_real(), path, &p, &at));
        assert_ok(part_verify(p, &at));
        part_unref(p);
        rewrite_footer(path, changes[i]);
        assert_err(part_open(fs_real(), path, &p, &at), ERR_CORRUPT);
        open_store(&w);
        assert_int_equal(balance(&w).dropped, 100);
        assert_ok(store_quiesce(w.store));
        assert_has(&w, w.all + 1, 1);
        world_done(&w);
    }
}

// A file that is whole, and not the one that was committed.
static void test_another_file_than_the_catalog_knows(void **state)
{
    (void)state;
    struct world w;
    char path[128];
    open_with_parts(&w, 2);
    close_store(&w);
    part_file(&w, 1, path);
    rewrite_footer(path, swap_two_services);
    open_store(&w);
    assert_int_equal(balance(&w).dropped, 100);
    assert_has(&w, w.all + 1, 1);
    world_done(&w);
}

// The same with one service that has next to nothing.
static void move_rows_to_another_service(struct part_footer *f)
{
    f->services[1].rows += f->services[0].rows - 1;
    f->services[1].errors += f->services[0].errors;
    f->services[0].rows = 1;
    f->services[0].errors = 0;
}

// Which services the rows have shows when they are read: the part is set aside then, and the ledger
// balances as if its footer had told the truth.
static void test_untrue_services_are_found_by_merge_and_strip(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        struct world w;
        struct store_stats stats;
        open_with_parts(&w, kind == 0 ? 8 : 1);
        move_rows_to_another_service(&w.store->lines[0].parts[0]->part->footer);
        if (kind == 1) {
            const struct store_retention limit = {.age_ms = 1000, .errors_age_ms = UINT64_MAX};
            store_set_retention(w.store, limit, NULL, 0);
        }
        assert_ok(store_quiesce(w.store));
        store_stats(w.store, &stats);
        assert_int_equal(stats.damaged_parts, 1);
        assert_int_equal(balance(&w).dropped, 100);
        assert_has(&w, w.all + 1, w.count - 1);
        assert_ok(store_quiesce(w.store));
        world_done(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inconsistent_footers_are_damage),
        cmocka_unit_test(test_another_file_than_the_catalog_knows),
        cmocka_unit_test(test_untrue_services_are_found_by_merge_and_strip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
