// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of store/part.h: rows that go in come out, and damage is noticed.
#include "test.h"

#include <unistd.h>

#include "store/block_cache.h"
#include "store/part.h"
#include "support/files.h"
#include "unit/store/gen.h"
#include "unit/store/memfs.h"

static char dir[] = "/tmp/sonde-test-part-XXXXXX";
static char path[64];

static unsigned version; // of the format to be written; 0: the newest

static void write_part_of_blocks(const struct rows *rows, int level, size_t block_rows)
{
    const struct part_writer_options options = {.fs = fs_real(),
                                                .path = path,
                                                .line = STR("shop"),
                                                .seq_first = 3,
                                                .seq_last = 9,
                                                .block_rows = block_rows,
                                                .zstd_level = level,
                                                .version = version};
    struct part_writer *w;
    assert_ok(part_writer_new(&options, &w));
    for (size_t i = 0; i < rows->count; i++) {
        assert_ok(part_writer_add(w, rows->rows[i]));
    }
    assert_ok(part_writer_finish(w));
    part_writer_free(w);
}

static void write_part(const struct rows *rows, int level)
{
    write_part_of_blocks(rows, level, 0);
}

static struct part *open_part(void)
{
    struct part *p;
    struct err_at at;
    assert_ok(part_open(fs_real(), path, &p, &at));
    return p;
}

static void assert_same_row(struct row a, struct row b)
{
    struct buf x, y;
    buf_init(&x, 1 << 28);
    buf_init(&y, 1 << 28);
    row_canonical(a, &x);
    row_canonical(b, &y);
    assert_int_equal(x.n, y.n);
    assert_memory_equal(x.p, y.p, x.n);
    buf_done(&x);
    buf_done(&y);
}

static struct batch *read_page(struct block *b, size_t page, const uint64_t *rows)
{
    const struct page_request all = {.fields = FIELD_ALL, .all_columns = true, .rows = rows};
    struct batch *out;
    assert_ok(block_read_page(b, page, &all, &out));
    return out;
}

// Every row of the part, page by page, equals `rows`.
static void assert_part_has(struct part *p, const struct rows *rows)
{
    size_t at = 0;
    assert_int_equal(part_meta(p)->rows, rows->count);
    for (size_t i = 0; i < part_meta(p)->blocks; i++) {
        struct block *b;
        assert_ok(block_open(p, i, &b));
        for (size_t page = 0; page < block_pages(b); page++) {
            struct batch *out = read_page(b, page, NULL);
            if (page + 1 == block_pages(b)) {
                block_free(b); // the batch must outlive its block
                b = NULL;
            }
            for (uint32_t k = 0; k < out->span_count; k++) {
                assert_true(at < rows->count);
                assert_same_row((struct row){out, k}, rows->rows[at++]);
            }
            batch_unref(out);
            if (b == NULL) {
                break;
            }
        }
        block_free(b);
    }
    assert_int_equal(at, rows->count);
}

// Stable order among equal keys: the writer keeps the order in which equal rows came.
static void build(struct rows *rows, struct batch **batches, size_t n, struct gen *g, size_t spans)
{
    *rows = (struct rows){0};
    for (size_t i = 0; i < n; i++) {
        batches[i] = gen_batch(g, STR("shop"), spans);
        rows_add(rows, batches[i]);
    }
    rows_sort(rows);
}

static void drop(struct rows *rows, struct batch **batches, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        batch_unref(batches[i]);
    }
    mem_free(rows->rows);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct batch *batches[12];
    struct rows rows;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct gen g = {.state = seed,
                        .traces = seed == 1 ? 1 : 900,
                        .attrs_max = seed * 3,
                        .text_max = seed == 2 ? 500 : 30,
                        .time_base = seed == 3 ? UINT64_MAX - 500000 : 1700000000000000000};
        build(&rows, batches, 12, &g, seed == 4 ? 1 : 900);
        write_part(&rows, 1);
        struct part *p = open_part();
        struct err_at at = {0};
        assert_part_has(p, &rows);
        assert_ok(part_verify(p, &at));
        assert_str(part_meta(p)->line, "shop");
        assert_int_equal(part_meta(p)->seq_first, 3);
        assert_int_equal(part_meta(p)->seq_last, 9);
        part_unref(p);
        drop(&rows, batches, 12);
    }
}

static void assert_trace(struct part *p, const struct rows *rows, size_t first, size_t end)
{
    struct batch *out;
    assert_ok(part_find_trace(p, row_span(rows->rows[first])->trace, TRACE_EVERY_ROW, &out));
    assert_int_equal(out->span_count, end - first);
    for (uint32_t i = 0; i < out->span_count; i++) {
        assert_same_row((struct row){out, i}, rows->rows[first + i]);
    }
    assert_true(out->unique_strings);
    batch_unref(out);
}

// Any run of the rows of a trace that lies in several blocks and pages, and when its rows start.
static void test_a_run_of_a_traces_rows(void **state)
{
    (void)state;
    struct batch *batches[6];
    struct rows rows;
    struct gen g = {.state = 9, .traces = 1, .attrs_max = 2, .text_max = 20};
    build(&rows, batches, 6, &g, 5000);
    write_part_of_blocks(&rows, 3, PAGE_ROWS + PAGE_ROWS / 2);
    struct part *p = open_part();
    trace_id id = row_span(rows.rows[0])->trace;
    assert_in_range(part_meta(p)->blocks, 2, 9);
    for (int i = 0; i < 60; i++) {
        struct trace_request want = *TRACE_EVERY_ROW;
        struct batch *out;
        want.skip = i == 0 ? 0 : (size_t)(gen_u64(&g) % rows.count);
        want.first =
            i == 1 ? SIZE_MAX : 1 + (size_t)(gen_u64(&g) % (rows.count / (i % 2 ? 1 : 99)));
        size_t left = rows.count - want.skip;
        assert_ok(part_find_trace(p, id, &want, &out));
        assert_int_equal(out->span_count, want.first < left ? want.first : left);
        for (uint32_t k = 0; k < out->span_count; k += k % 50 == 0 ? 1 : 7) {
            assert_same_row((struct row){out, k}, rows.rows[want.skip + k]);
        }
        batch_unref(out);
    }
    uint64_t *starts = mem_new(rows.count, sizeof *starts);
    for (size_t most = 1; most <= rows.count; most = most < 9 ? most + 1 : most * 3) {
        size_t count = 0;
        starts[most < rows.count ? most : 0] = 77;
        assert_ok(part_trace_starts(p, id, most, starts, &count));
        assert_int_equal(count, rows.count);
        assert_true(most == rows.count || starts[most] == 77);
        for (size_t k = 0; k < most; k++) {
            assert_int_equal(starts[k], row_span(rows.rows[k])->start_ns);
        }
    }
    id.b[15] ^= 1;
    size_t none;
    assert_err(part_trace_starts(p, id, 9, starts, &none), ERR_NOT_FOUND);
    mem_free(starts);
    part_unref(p);
    drop(&rows, batches, 6);
}

static void test_every_trace_is_found(void **state)
{
    (void)state;
    struct batch *batches[10];
    struct rows rows;
    struct gen g = {.state = 5, .traces = 1500, .attrs_max = 3, .text_max = 20};
    build(&rows, batches, 10, &g, 2000);
    write_part(&rows, 3);
    struct part *p = open_part();
    size_t first = 0;
    for (size_t i = 1; i <= rows.count; i++) {
        if (i == rows.count ||
            trace_id_cmp(&row_span(rows.rows[i])->trace, &row_span(rows.rows[first])->trace) != 0) {
            assert_trace(p, &rows, first, i);
            first = i;
        }
    }
    size_t through = 0;
    for (int i = 0; i < 1000; i++) {
        trace_id id = {{(uint8_t)gen_u64(&g), (uint8_t)gen_u64(&g), (uint8_t)gen_u64(&g)}};
        struct batch *out;
        through += part_find_trace(p, id, TRACE_EVERY_ROW, &out) != ERR_NOT_FOUND;
    }
    assert_int_equal(through, 0);
    part_unref(p);
    drop(&rows, batches, 10);
}

static void test_trace_larger_than_a_block(void **state)
{
    (void)state;
    enum { BATCHES = 100, SPANS = 1000 };
    static struct batch *batches[BATCHES];
    struct rows rows;
    struct gen g = {.state = 6, .traces = 1, .attrs_max = 1, .text_max = 8};
    build(&rows, batches, BATCHES, &g, SPANS);
    write_part(&rows, 1);
    struct part *p = open_part();
    struct err_at at = {0};
    assert_int_equal(part_meta(p)->blocks, 2);
    assert_int_equal(part_meta(p)->traces, 1);
    assert_trace(p, &rows, 0, rows.count);
    assert_ok(part_verify(p, &at));
    part_unref(p);
    drop(&rows, batches, BATCHES);
}

static void test_blocks_are_cut_between_traces(void **state)
{
    (void)state;
    enum { BATCHES = 70, SPANS = 1000 };
    static struct batch *batches[BATCHES];
    struct rows rows;
    struct gen g = {.state = 8, .traces = 700, .attrs_max = 0, .text_max = 8};
    build(&rows, batches, BATCHES, &g, SPANS);
    write_part(&rows, 1);
    struct part *p = open_part();
    assert_int_equal(part_meta(p)->blocks, 2);
    assert_true(
        trace_id_cmp(&part_block_meta(p, 0)->last_trace, &part_block_meta(p, 1)->first_trace) < 0);
    assert_true(part_block_meta(p, 0)->rows > BLOCK_ROWS - 1000);
    part_unref(p);
    drop(&rows, batches, BATCHES);
}

// Chosen rows and columns, and the scans without a batch, agree with the whole page.
static void test_partial_reads(void **state)
{
    (void)state;
    struct batch *batches[12];
    struct rows rows;
    struct gen g = {.state = 10, .traces = 300, .attrs_max = 6, .text_max = 20};
    build(&rows, batches, 12, &g, 1000);
    write_part(&rows, 1);
    struct part *p = open_part();
    struct block *b;
    assert_ok(block_open(p, 0, &b));
    static uint64_t numbers[PAGE_ROWS];
    static uint32_t shapes[PAGE_ROWS];
    size_t n, shape_count;
    const struct shape *shape = block_shapes(b, &shape_count);
    for (size_t page = 0, base = 0; page < block_pages(b); page++, base += PAGE_ROWS) {
        assert_ok(block_page_numbers(b, page, FIELD_START, numbers, &n));
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(numbers[i], row_span(rows.rows[base + i])->start_ns);
        }
        assert_ok(block_page_numbers(b, page, FIELD_DURATION, numbers, &n));
        assert_ok(block_page_shapes(b, page, shapes, &n));
        for (size_t i = 0; i < n; i++) {
            const struct span *s = row_span(rows.rows[base + i]);
            assert_int_equal(numbers[i], s->duration_ns);
            assert_true(
                str_eq(shape[shapes[i]].name, batch_str(rows.rows[base + i].batch, s->name)));
        }
        for (unsigned density = 1; density <= 60; density += 29) {
            uint64_t wanted[PAGE_ROWS / 64] = {0};
            uint32_t expect[PAGE_ROWS];
            size_t count = 0;
            for (uint32_t i = 0; i < n; i++) {
                if (gen_below(&g, density) == 0) {
                    wanted[i / 64] |= (uint64_t)1 << (i % 64);
                    expect[count++] = i;
                }
            }
            struct batch *out = read_page(b, page, wanted);
            assert_int_equal(out->span_count, count);
            for (uint32_t i = 0; i < count; i++) {
                assert_same_row((struct row){out, i}, rows.rows[base + expect[i]]);
            }
            batch_unref(out);
        }
    }
    block_free(b);
    part_unref(p);
    drop(&rows, batches, 12);
}

static void test_single_columns(void **state)
{
    (void)state;
    struct batch *batches[4];
    struct rows rows;
    struct gen g = {.state = 12, .traces = 30, .attrs_max = 6, .text_max = 20};
    build(&rows, batches, 4, &g, 500);
    write_part(&rows, 1);
    struct part *p = open_part();
    struct block *b;
    assert_ok(block_open(p, 0, &b));
    size_t count;
    const struct column *columns = block_columns(b, &count);
    uint64_t seen = 0, have = 0;
    for (uint32_t c = 0; c < count; c++) {
        const struct page_request one = {.columns = &c, .column_count = 1};
        struct batch *out;
        assert_ok(block_read_page(b, 0, &one, &out));
        assert_int_equal(out->attr_count >= columns[c].values, 1);
        for (size_t i = 0; i < out->span_count; i++) {
            const struct attr_run run = out->spans[i].attrs;
            for (uint32_t k = run.first; k < run.first + run.count; k++) {
                assert_int_equal(out->attrs[k].type, columns[c].type);
                assert_true(str_eq(batch_str(out, out->attrs[k].key), columns[c].key));
                seen++;
            }
        }
        batch_unref(out);
    }
    for (size_t i = 0; i < rows.count; i++) {
        have += row_span(rows.rows[i])->attrs.count;
    }
    assert_int_equal(seen, have);
    block_free(b);
    part_unref(p);
    drop(&rows, batches, 4);
}

static void test_huge_strings_and_many_keys(void **state)
{
    (void)state;
    struct batch *batches[1] = {batch_new(STR("shop"))};
    struct batch *b = batches[0];
    (void)batch_add_resource(b);
    (void)batch_add_scope(b);
    enum { HUGE = 3 << 20, SPANS = 40 };
    char *huge = mem_new(HUGE, 1);
    for (uint32_t i = 0; i < SPANS; i++) {
        struct attr_run run = {(uint32_t)b->attr_count, SPAN_ATTRS_MAX};
        for (uint32_t k = 0; k < run.count; k++) {
            char key[32];
            (void)snprintf(key, sizeof key, "key-%u-%u", i, k);
            uint32_t code = batch_intern(b, str_of(key));
            *batch_add_attr(b) = (struct attr){.key = code, .type = ATTR_STRING, .code = code};
        }
        memset(huge, 'a' + (int)i % 26, HUGE);
        huge[0] = (char)i;
        uint32_t message = batch_intern(b, (struct str){huge, HUGE});
        struct span *s = batch_add_span(b);
        s->trace.b[0] = 1;
        s->id.b[0] = (uint8_t)i;
        s->attrs = run;
        s->status_message = message;
    }
    mem_free(huge);
    batch_seal(b);
    struct rows rows = {0};
    rows_add(&rows, b);
    rows_sort(&rows);
    write_part(&rows, 1);
    struct part *p = open_part();
    assert_true(part_meta(p)->blocks > 1); // limits of a block, not of the part
    assert_part_has(p, &rows);
    assert_trace(p, &rows, 0, rows.count);
    part_unref(p);
    drop(&rows, batches, 1);
}

static void add_bytes(void *ctx, const char *name, uint64_t bytes)
{
    assert_non_null(name);
    *(uint64_t *)ctx += bytes;
}

static void test_sizes_add_up(void **state)
{
    (void)state;
    struct batch *batches[8];
    struct rows rows;
    struct gen g = {.state = 13, .traces = 100, .attrs_max = 5, .text_max = 20};
    build(&rows, batches, 8, &g, 1500);
    write_part(&rows, 1);
    struct part *p = open_part();
    uint64_t sum = 0, errors = 0, service_rows = 0, expect_errors = 0;
    assert_ok(part_column_bytes(p, add_bytes, &sum));
    assert_int_equal(sum, part_meta(p)->file_bytes);
    for (size_t i = 0; i < part_meta(p)->service_count; i++) {
        service_rows += part_meta(p)->services[i].rows;
        errors += part_meta(p)->services[i].errors;
    }
    for (size_t i = 0; i < rows.count; i++) {
        expect_errors += row_span(rows.rows[i])->status == STATUS_ERROR;
    }
    assert_int_equal(service_rows, rows.count);
    assert_int_equal(errors, expect_errors);
    part_unref(p);
    drop(&rows, batches, 8);
}

// Any byte that changes is noticed when everything is read, and nothing crashes.
static void test_every_flip_is_noticed(void **state)
{
    (void)state;
    struct batch *batches[2];
    struct rows rows;
    struct gen g = {.state = 14, .traces = 20, .attrs_max = 5, .text_max = 20};
    build(&rows, batches, 2, &g, 25);
    write_part(&rows, 1);
    char *bytes;
    size_t n, missed = 0;
    assert_ok(fs_read_all(fs_real(), path, 1 << 20, &bytes, &n));
    for (size_t i = 0; i < n; i++) {
        struct memfs fs;
        struct part *p;
        struct err_at at;
        bytes[i] = (char)(bytes[i] ^ (1 << (i % 8)));
        memfs_init(&fs, bytes, n);
        if (part_open(&fs.base, "", &p, &at) == ERR_OK) {
            struct batch *out;
            for (size_t k = 0; k < rows.count; k += 7) {
                if (part_find_trace(p, row_span(rows.rows[k])->trace, TRACE_EVERY_ROW, &out) ==
                    ERR_OK) {
                    batch_unref(out);
                }
            }
            missed += part_verify(p, &at) == ERR_OK;
            part_unref(p);
        }
        bytes[i] = (char)(bytes[i] ^ (1 << (i % 8)));
    }
    // Only spare room in the filter's last chunk may change unnoticed, and it has a checksum too.
    assert_int_equal(missed, 0);
    for (size_t cut = 0; cut < n; cut++) {
        struct memfs fs;
        struct part *p;
        memfs_init(&fs, bytes, cut);
        assert_int_not_equal(part_open(&fs.base, "", &p, NULL), ERR_OK);
    }
    mem_free(bytes);
    drop(&rows, batches, 2);
}

// What the footer says of pages holds, and parts from before it said so are read as well.
static void test_versions(void **state)
{
    (void)state;
    struct batch *batches[10];
    struct rows rows;
    struct err_at at = {0};
    struct gen g = {.state = 21, .traces = 1500, .attrs_max = 3, .text_max = 20};
    build(&rows, batches, 10, &g, 2000);
    for (version = 1; version <= 2; version++) {
        write_part(&rows, 1);
        struct part *p = open_part();
        const struct block_meta *m = part_block_meta(p, 0);
        assert_int_equal(m->page != NULL, version == 2);
        assert_part_has(p, &rows);
        assert_ok(part_verify(p, &at));
        uint64_t least = UINT64_MAX, most = 0;
        for (size_t i = 0; i < m->pages && m->page != NULL; i++) {
            assert_true(m->page[i].min_start_ns >= m->min_start_ns);
            assert_true(m->page[i].max_duration_ns <= m->max_duration_ns);
            least = m->page[i].min_duration_ns < least ? m->page[i].min_duration_ns : least;
            most = m->page[i].max_start_ns > most ? m->page[i].max_start_ns : most;
        }
        if (m->page != NULL) {
            assert_true(m->pages > 1);
            assert_int_equal(least, m->min_duration_ns);
            assert_int_equal(most, m->max_start_ns);
        }
        part_unref(p);
    }
    version = 0;
    // A newer version is refused, clearly.
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, 8, SEEK_SET), 0);
    assert_int_equal(fputc(9, f), 9);
    struct part *p;
    (void)fflush(f);
    assert_err(part_open(fs_real(), path, &p, &at), ERR_CORRUPT); // one end alone says so
    assert_int_equal(fseek(f, -20, SEEK_END), 0);                 // the tail has 24 bytes
    assert_int_equal(fputc(9, f), 9);
    assert_int_equal(fclose(f), 0);
    assert_err(part_open(fs_real(), path, &p, &at), ERR_UNSUPPORTED);
    assert_non_null(strstr(at.text, "version 9, not 1 to 2"));
    drop(&rows, batches, 10);
}

static struct block_cache_stats stats_of(struct block_cache *c)
{
    struct block_cache_stats s;
    block_cache_stats(c, &s);
    return s;
}

// Opened blocks are found again, within bounds, and given back when memory is short.
static void test_cache(void **state)
{
    (void)state;
    struct batch *batches[10];
    struct rows rows;
    struct budget budget;
    struct gen g = {.state = 22, .traces = 1500, .attrs_max = 3, .text_max = 20};
    build(&rows, batches, 10, &g, 8000);
    write_part(&rows, 1);
    budget_init(&budget, (size_t)1 << 30);
    struct block_cache *c = block_cache_new(&budget, (size_t)256 << 20);
    struct part *p = open_part();
    assert_true(part_meta(p)->blocks > 1);
    part_use_cache(p, c);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < rows.count; i += 1000) {
            size_t first = i, end = i;
            const trace_id *id = &row_span(rows.rows[i])->trace;
            while (first > 0 && trace_id_cmp(&row_span(rows.rows[first - 1])->trace, id) == 0) {
                first--;
            }
            while (end < rows.count && trace_id_cmp(&row_span(rows.rows[end])->trace, id) == 0) {
                end++;
            }
            assert_trace(p, &rows, first, end);
        }
    }
    struct block_cache_stats s = stats_of(c);
    assert_int_equal(s.blocks, part_meta(p)->blocks);
    assert_int_equal(s.misses, part_meta(p)->blocks);
    assert_true(s.hits > 100 && s.bytes > 0);
    assert_int_equal(atomic_load(&budget.used[ACCOUNT_CACHE]), s.bytes);
    // The same block twice at once: one of them is kept.
    struct block *a, *b;
    assert_ok(block_borrow(p, 0, &a));
    assert_ok(block_borrow(p, 0, &b));
    assert_true(a != b);
    struct batch *page = read_page(a, 0, NULL); // holds the block
    block_free(a);
    block_free(b);
    assert_int_equal(stats_of(c).blocks, part_meta(p)->blocks);
    assert_true(budget_take(&budget, ACCOUNT_STORE, budget.soft_bytes));
    block_cache_relieve(c);
    assert_int_equal(stats_of(c).bytes, 0);
    assert_int_equal(atomic_load(&budget.used[ACCOUNT_CACHE]), 0);
    assert_same_row((struct row){page, 0}, rows.rows[0]);
    batch_unref(page);
    // While it is tight nothing is kept.
    assert_true(budget_take(&budget, ACCOUNT_STORE, 1));
    assert_ok(block_borrow(p, 0, &a));
    block_free(a);
    assert_int_equal(stats_of(c).blocks, 0);
    budget_give(&budget, ACCOUNT_STORE, budget.soft_bytes + 1);
    assert_ok(block_borrow(p, 0, &a));
    block_free(a);
    assert_int_equal(stats_of(c).blocks, 1);
    part_unref(p); // takes its blocks along
    assert_int_equal(atomic_load(&budget.total), 0);
    block_cache_unref(c);
    drop(&rows, batches, 10);
}

// The one unused for longest goes first.
static void test_cache_is_bounded(void **state)
{
    (void)state;
    struct batch *batches[10];
    struct rows rows;
    struct budget budget;
    struct gen g = {.state = 23, .traces = 30000, .attrs_max = 2, .text_max = 8};
    build(&rows, batches, 10, &g, 30000);
    write_part(&rows, 1);
    struct part *p = open_part();
    size_t blocks = (size_t)part_meta(p)->blocks;
    assert_true(blocks > 4);
    for (int round = 0; round < 2; round++) {
        size_t max = (size_t)1 << 30, one = 0;
        budget_init(&budget, (size_t)1 << 31);
        struct part *q = open_part();
        if (round == 1) {
            struct block *b;
            struct block_cache *wide = block_cache_new(&budget, max);
            part_use_cache(p, wide);
            assert_ok(block_borrow(p, 0, &b));
            block_free(b);
            one = stats_of(wide).bytes;
            max = one * 9 / 2; // four fit, but one may take a quarter at most
            block_cache_unref(wide);
        }
        struct block_cache *c = block_cache_new(&budget, max);
        part_use_cache(q, c);
        for (size_t i = 0; i < blocks; i++) {
            struct block *b;
            assert_ok(block_borrow(q, i, &b));
            block_free(b);
            assert_true(stats_of(c).bytes <= max);
        }
        assert_true(round == 0 ? stats_of(c).blocks == blocks : stats_of(c).blocks < blocks);
        struct block *newest;
        assert_ok(block_borrow(q, blocks - 1, &newest));
        assert_int_equal(stats_of(c).hits, 1);
        block_free(newest);
        part_unref(q);
        block_cache_unref(c);
    }
    part_unref(p);
    assert_int_equal(atomic_load(&budget.total), 0);
    drop(&rows, batches, 10);
}

static int setup(void **state)
{
    (void)state;
    if (mkdtemp(dir) == NULL) {
        return -1;
    }
    (void)snprintf(path, sizeof path, "%s/part", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return unlink(path) == 0 && rmdir(dir) == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_every_trace_is_found),
        cmocka_unit_test(test_a_run_of_a_traces_rows),
        cmocka_unit_test(test_trace_larger_than_a_block),
        cmocka_unit_test(test_blocks_are_cut_between_traces),
        cmocka_unit_test(test_partial_reads),
        cmocka_unit_test(test_single_columns),
        cmocka_unit_test(test_huge_strings_and_many_keys),
        cmocka_unit_test(test_sizes_add_up),
        cmocka_unit_test(test_every_flip_is_noticed),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_cache),
        cmocka_unit_test(test_cache_is_bounded),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
