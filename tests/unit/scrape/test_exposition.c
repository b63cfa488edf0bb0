// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of what an answer becomes: its samples with the target's labels, the ends of
// series that are gone, and nothing of an answer that fails.
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "scrape/internal.h"

#define TIME_MS 1700000000000

struct rig {
    struct budget budget;
    struct meter meter;
    struct ledger *ledger;
    struct seen seen;
    struct scrape_job job;
    struct prom_label items[3];
    struct target_labels labels;
    struct exposition out;
    char told[65536]; // "name{key=value} value|stale [counter] [from MS];" of each point
};

static void rig_open(struct rig *r)
{
    *r = (struct rig){.items = {{STR("job"), STR("shop/cart")},
                                {STR("instance"), STR("a:1")},
                                {STR("zone"), STR("z")}}};
    r->labels = (struct target_labels){r->items, 3};
    budget_init(&r->budget, (size_t)16 << 20);
    meter_init(&r->meter, &r->budget, ACCOUNT_BODIES);
    r->ledger = ledger_new();
    seen_init(&r->seen, &r->meter);
}

static void let_go(struct rig *r)
{
    batch_unref(r->out.batch);
    meter_give(&r->meter, r->out.charged);
    r->out = (struct exposition){.batch = NULL};
}

static void rig_done(struct rig *r)
{
    let_go(r);
    seen_done(&r->seen);
    assert_int_equal(atomic_load(&r->budget.total), 0);
    meter_done(&r->meter);
    ledger_free(r->ledger);
}

static void tell(struct rig *r)
{
    const struct batch *b = r->out.batch;
    size_t n = 0;
    r->told[0] = '\0';
    assert_non_null(b);
    assert_str(b->line, "shop");
    for (size_t i = 0; i < b->point_count; i++) {
        const struct point *x = &b->points[i];
        const struct metric *m = &b->metrics[x->metric];
        const struct attr *zone = batch_find_attr(b, x->attrs, STR("zone"));
        assert_non_null(zone);
        assert_str(batch_str(b, b->resources[x->resource].service), "cart");
        n += (size_t)snprintf(r->told + n, sizeof r->told - n, "%.*s",
                              STR_FMT(batch_str(b, m->name)));
        for (uint32_t k = 0; k < x->attrs.count; k++) {
            const struct attr *a = &b->attrs[x->attrs.first + k];
            if (a != zone) {
                n +=
                    (size_t)snprintf(r->told + n, sizeof r->told - n, "{%.*s=%.*s}",
                                     STR_FMT(batch_str(b, a->key)), STR_FMT(batch_str(b, a->code)));
            }
        }
        n += x->says & POINT_NO_VALUE
                 ? (size_t)snprintf(r->told + n, sizeof r->told - n, " stale")
                 : (size_t)snprintf(r->told + n, sizeof r->told - n, " %g", x->d);
        n +=
            (size_t)snprintf(r->told + n, sizeof r->told - n, "%s", m->monotonic ? " counter" : "");
        if (x->start_ns > 0) {
            n += (size_t)snprintf(r->told + n, sizeof r->told - n, " from %llu",
                                  (unsigned long long)(x->start_ns / 1000000));
        }
        n += (size_t)snprintf(r->told + n, sizeof r->told - n, ";");
    }
    assert_true(n < sizeof r->told);
}

static void scrape(struct rig *r, enum prom_format format, const char *text)
{
    const struct scraped x = {.job = &r->job,
                              .labels = &r->labels,
                              .format = format,
                              .text = text != NULL ? str_of(text) : STR_NONE,
                              .time_ms = TIME_MS,
                              .duration_s = 0.5,
                              .ledger = r->ledger,
                              .meter = &r->meter,
                              .seen = &r->seen};
    let_go(r);
    exposition_make(&x, &r->out);
    tell(r);
}

#define OWN(up, samples) "up " up ";scrape_duration_seconds 0.5;scrape_samples_scraped " samples ";"

static void test_samples_and_their_ends(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r);
    scrape(&r, PROM_TEXT, "# TYPE a counter\na 1\nb{x=\"1\"} 2\nb{x=\"2\"} 3\nc 4 1600000000000\n");
    assert_string_equal(r.told, "a 1 counter;b{x=1} 2;b{x=2} 3;c 4;" OWN("1", "4"));
    assert_false(r.out.failed);
    assert_true(r.out.batch->points[3].time_ns == 1600000000000000000);
    scrape(&r, PROM_TEXT, "b{x=\"1\"} 5\n# TYPE a counter\na 6\n"); // c ends by its own times
    assert_string_equal(r.told, "b{x=1} 5;a 6 counter;" OWN("1", "2") "b{x=2} stale;");
    scrape(&r, PROM_TEXT, "a 7\n"); // a has no type now, and is the same series
    assert_string_equal(r.told, "a 7;" OWN("1", "1") "b{x=1} stale;");
    scrape(&r, PROM_TEXT, NULL);
    assert_string_equal(r.told, OWN("0", "0") "a stale;");
    assert_int_equal(r.out.why, SCRAPE_FAILURE_FETCH);
    scrape(&r, PROM_TEXT, NULL);
    assert_string_equal(r.told, OWN("0", "0"));
    scrape(&r, PROM_TEXT, "");
    assert_string_equal(r.told, OWN("1", "0"));
    rig_done(&r);
}

static void test_an_answer_that_fails_leaves_no_sample(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r);
    scrape(&r, PROM_TEXT, "a 1\nb 2\n");
    scrape(&r, PROM_TEXT, "a 3\nb 4\nb{\n");
    assert_true(strncmp(r.told, OWN("0", "2"), strlen(OWN("0", "2"))) == 0);
    assert_non_null(strstr(r.told, ";a stale;"));
    assert_non_null(strstr(r.told, ";b stale;"));
    assert_int_equal(r.out.why, SCRAPE_FAILURE_FORMAT);
    assert_non_null(strstr(r.out.at.text, "line 3"));
    scrape(&r, PROM_OPENMETRICS, "a 3\n"); // cut short
    assert_string_equal(r.told, OWN("0", "1"));
    r.job.samples_max = 2;
    scrape(&r, PROM_TEXT, "a 1\nb 2\n");
    assert_false(r.out.failed);
    scrape(&r, PROM_TEXT, "a 1\nb 2\nc 3\n");
    assert_int_equal(r.out.why, SCRAPE_FAILURE_LIMIT);
    r.job.samples_max = 0;
    r.job.labels_max = 5;
    scrape(&r, PROM_TEXT, "a{x=\"1\"} 1\n"); // with the name, and three of the target
    assert_false(r.out.failed);
    scrape(&r, PROM_TEXT, "a{x=\"1\",y=\"2\"} 1\n");
    assert_int_equal(r.out.why, SCRAPE_FAILURE_LIMIT);
    rig_done(&r);
}

static void test_memory_that_is_short_fails_the_scrape(void **state)
{
    (void)state;
    struct rig r;
    char text[20000];
    size_t n = 0;
    rig_open(&r);
    for (int i = 0; n < sizeof text - 32; i++) {
        n += (size_t)snprintf(text + n, sizeof text - n, "m{n=\"%d\"} 1\n", i);
    }
    budget_force(&r.budget, ACCOUNT_STORE, ((size_t)16 << 20) - (100 << 10));
    scrape(&r, PROM_TEXT, text);
    assert_true(r.out.failed);
    assert_int_equal(r.out.why, SCRAPE_FAILURE_OVERLOAD);
    assert_null(strstr(r.told, "m{")); // there is room for what is told of the scrape at most
    budget_give(&r.budget, ACCOUNT_STORE, ((size_t)16 << 20) - (100 << 10));
    scrape(&r, PROM_TEXT, text);
    assert_false(r.out.failed);
    assert_true(batch_bytes(r.out.batch) <= r.out.charged); // and little more
    assert_true(r.out.charged <= batch_bytes(r.out.batch) + (64 << 10));
    rig_done(&r);
}

static void test_labels_of_the_target_come_first(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r);
    scrape(&r, PROM_TEXT, "a{job=\"mine\",zone=\"y\",w=\"1\"} 1\n");
    assert_string_equal(r.told, "a{exported_job=mine}{exported_zone=y}{w=1} 1;" OWN("1", "1"));
    rig_done(&r);
}

static void test_counters_begin_when_they_were_created(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r);
    scrape(&r, PROM_OPENMETRICS,
           "# TYPE a counter\na_total{x=\"1\"} 1\na_created{x=\"1\"} "
           "1699999990.5\na_total{x=\"2\"} 2\n"
           "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 3\nh_count 3\nh_sum 4\nh_created 1699999980\n"
           "# TYPE g gauge\ng_created 5\n# EOF\n");
    assert_string_equal(r.told, "a_total{x=1} 1 counter from 1699999990500;"
                                "a_created{x=1} 1.7e+09 from 1699999990500;a_total{x=2} 2 counter;"
                                "h_bucket{le=+Inf} 3 counter from 1699999980000;"
                                "h_count 3 counter from 1699999980000;"
                                "h_sum 4 counter from 1699999980000;"
                                "h_created 1.7e+09 from 1699999980000;g_created 5;" OWN("1", "8"));
    rig_done(&r);
}

static void test_what_cannot_be_kept_and_what_is_there_twice(void **state)
{
    (void)state;
    struct rig r;
    char text[1200] = "a 1\na 2\nb{x=\"";
    rig_open(&r);
    memset(text + strlen(text), 'v', 1001);
    strncat(text, "\"} 3\n", 6);
    scrape(&r, PROM_TEXT, text);
    assert_string_equal(r.told, "a 1;" OWN("1", "3"));
    assert_int_equal(r.out.samples, 1);
    assert_int_equal(r.out.repeated, 1);
    rig_done(&r);
}

static void test_a_target_that_leaves_ends_all_its_series(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r);
    scrape(&r, PROM_TEXT, "a 1\n");
    const struct scraped x = {.job = &r.job,
                              .labels = &r.labels,
                              .text = STR_NONE,
                              .time_ms = TIME_MS,
                              .ledger = r.ledger,
                              .meter = &r.meter,
                              .seen = &r.seen};
    let_go(&r);
    exposition_end(&x, &r.out);
    tell(&r);
    assert_string_equal(r.told, "a stale;up stale;scrape_duration_seconds stale;"
                                "scrape_samples_scraped stale;");
    rig_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples_and_their_ends),
        cmocka_unit_test(test_an_answer_that_fails_leaves_no_sample),
        cmocka_unit_test(test_memory_that_is_short_fails_the_scrape),
        cmocka_unit_test(test_labels_of_the_target_come_first),
        cmocka_unit_test(test_counters_begin_when_they_were_created),
        cmocka_unit_test(test_what_cannot_be_kept_and_what_is_there_twice),
        cmocka_unit_test(test_a_target_that_leaves_ends_all_its_series),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
