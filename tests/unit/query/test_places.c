// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of query/places.h: where services run is what their instances tell, at each level;
// and what metrics say of a machine goes to the host that it is of, or to none.
#include "test.h"

#include <math.h>

#include "unit/series/world.h"

#include "model/calls.h"
#include "model/point.h"
#include "query/places.h"

#define BEGIN_MS (T0_MS + 1200000)
#define RANGE_MS ((uint64_t)600000)

static void add_series(struct world *w, const char *line, enum series_type type,
                       struct series_label *labels, size_t count, uint32_t *ret_series)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) { // in order of their keys; none without a value
        struct series_label l = labels[i];
        size_t at = n;
        if (l.value.n == 0) {
            continue;
        }
        for (; at > 0 && str_cmp(labels[at - 1].key, l.key) > 0; at--) {
            labels[at] = labels[at - 1];
        }
        labels[at] = l;
        n++;
    }
    assert_ok(series_find(w->store, str_of(line), type, labels, n, ret_series));
}

static void count_calls(struct world *w, uint32_t series, int32_t times)
{
    add_duration(w->store, series, times, BEGIN_MS, NS_PER_MS);
}

struct instance {
    const char *service, *name, *centre, *rack, *host;
};

static void answer(struct world *w, struct instance x, int32_t times, bool error)
{
    struct series_label labels[] = {
        {CALLS_LABEL_NAME, CALLS_NAME},     {CALLS_OF, CALLS_INSTANCE},
        {CALLS_SERVICE, str_of(x.service)}, {CALLS_INSTANCE, str_of(x.name)},
        {CALLS_DC, str_of(x.centre)},       {CALLS_RACK, str_of(x.rack)},
        {CALLS_HOST, str_of(x.host)},       {CALLS_ERROR, error ? CALLS_TRUE : STR("")},
    };
    uint32_t series;
    add_series(w, "shop", SERIES_HIST, labels, sizeof labels / sizeof *labels, &series);
    count_calls(w, series, times);
}

static void cross(struct world *w, const char *from, const char *to, bool at_client, int32_t times)
{
    struct series_label labels[] = {
        {CALLS_LABEL_NAME, CALLS_NAME},
        {CALLS_OF, CALLS_DC},
        {CALLS_FROM_DC, str_of(from)},
        {CALLS_TO_DC, str_of(to)},
        {CALLS_SIDE, at_client ? CALLS_CLIENT : CALLS_SERVER},
    };
    uint32_t series;
    add_series(w, "", SERIES_HIST, labels, sizeof labels / sizeof *labels, &series);
    count_calls(w, series, times);
}

static void call(struct world *w, const char *from, const char *to, bool at_client, int32_t times)
{
    struct series_label labels[] = {
        {CALLS_LABEL_NAME, CALLS_NAME},  {CALLS_FROM_KIND, STR("service")},
        {CALLS_FROM_LINE, STR("shop")},  {CALLS_FROM_SERVICE, str_of(from)},
        {CALLS_OF, CALLS_EDGE},          {CALLS_SIDE, at_client ? CALLS_CLIENT : CALLS_SERVER},
        {CALLS_TO_KIND, STR("service")}, {CALLS_TO_LINE, STR("shop")},
        {CALLS_TO_SERVICE, str_of(to)},
    };
    uint32_t series;
    add_series(w, "shop", SERIES_HIST, labels, sizeof labels / sizeof *labels, &series);
    count_calls(w, series, times);
}

// A gauge that has one value all the time.
static void measure(struct world *w, const char *instance, const char *name, double value)
{
    struct series_label labels[] = {{POINT_NAME, str_of(name)}, {POINT_INSTANCE, str_of(instance)}};
    uint32_t series;
    add_series(w, "", SERIES_GAUGE, labels, 2, &series);
    for (uint64_t at = 0; at < RANGE_MS; at += 10000) {
        series_add_number(w->store, series, BEGIN_MS + at, value);
    }
}

static struct places *ask(struct world *w, enum places_level level)
{
    struct places *p;
    const struct places_query q = {
        .store = w->store, .level = level, .from_ms = BEGIN_MS, .to_ms = BEGIN_MS + RANGE_MS};
    assert_ok(places_run(&q, &p));
    return p;
}

static const struct places_node *node_of(const struct places *p, const char *id)
{
    for (size_t i = 0; i < p->node_count; i++) {
        if (str_eq(p->nodes[i].id, str_of(id))) {
            return &p->nodes[i];
        }
    }
    fail_msg("there is no %s", id);
    return NULL;
}

// Of its load; NAN: nobody told it.
static double load_of(const struct places *p, const char *id)
{
    const struct places_node *n = node_of(p, id);
    assert_true(n->number_count <= 1);
    assert_true(n->number_count == 0 || n->numbers[0].measure == MACHINE_HOST_LOAD);
    return n->number_count > 0 ? n->numbers[0].mean : NAN;
}

static const struct instance web = {"front", "f-1", "west", "r1", "web-1"};
static const struct instance app = {"cart", "c-1", "west", "r1", "app-1"};
static const struct instance far = {"front", "f-2", "east", "", "web-1"};
static const struct instance nowhere = {"cart", "c-2", "", "", ""};

static void test_each_level_has_its_places_with_what_runs_there(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, 0);
    answer(&w, web, 5, false);
    answer(&w, web, 2, true);
    answer(&w, app, 10, false);
    answer(&w, far, 20, false);
    answer(&w, nowhere, 1, false);
    struct places *p = ask(&w, PLACES_HOST);
    assert_int_equal(p->node_count, 4); // two hosts of one name are two
    assert_int_equal(node_of(p, "host///")->calls.calls, 1);
    assert_int_equal(node_of(p, "host/east//web-1")->calls.calls, 20);
    const struct places_node *n = node_of(p, "host/west/r1/web-1");
    assert_int_equal(n->calls.calls, 7);
    assert_int_equal(n->calls.errors, 2);
    assert_int_equal(n->instances, 1); // though failed calls are a series of their own
    assert_int_equal(n->service_count, 1);
    assert_int_equal(p->edge_count, 0);
    places_free(p);
    p = ask(&w, PLACES_RACK);
    assert_int_equal(p->node_count, 3);
    n = node_of(p, "rack/west/r1");
    assert_int_equal(n->hosts, 2);
    assert_str(n->services[0].service, "cart"); // the most calls first
    assert_int_equal(n->services[1].calls.errors, 2);
    places_free(p);
    p = ask(&w, PLACES_CENTRE);
    assert_int_equal(node_of(p, "dc/west")->calls.calls, 17);
    assert_int_equal(node_of(p, "dc/west")->instances, 2);
    places_free(p);
    world_done(&w);
}

static void test_data_centres_have_the_calls_between_them(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, 0);
    answer(&w, web, 5, false);
    cross(&w, "west", "east", true, 4);
    cross(&w, "west", "east", false, 3);
    cross(&w, "south/1", "west", false, 2);
    struct places *p = ask(&w, PLACES_CENTRE);
    assert_int_equal(p->node_count, 3); // one that only calls, and one that is only called
    assert_int_equal(p->edge_count, 2);
    const struct places_edge *e = &p->edges[0];
    assert_str(p->nodes[e->from].id, "dc/south%2F1");
    assert_str(p->nodes[e->to].id, "dc/west");
    assert_int_equal(e->server.calls, 2);
    e = &p->edges[1];
    assert_str(p->nodes[e->to].id, "dc/east");
    assert_int_equal(e->client.calls, 4);
    assert_int_equal(e->server.calls, 3);
    places_free(p);
    p = ask(&w, PLACES_HOST);
    assert_int_equal(p->edge_count, 0);
    places_free(p);
    world_done(&w);
}

static void test_services_with_one_home_have_their_calls_there(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, 0);
    answer(&w, (struct instance){"cart", "c-1", "west", "r1", "a"}, 5, false);
    answer(&w, (struct instance){"cart", "c-2", "west", "r1", "a"}, 5, false);
    answer(&w, (struct instance){"stock", "s-1", "east", "r9", "b"}, 5, false);
    answer(&w, (struct instance){"pay", "p-1", "west", "r1", "a"}, 5, false);
    answer(&w, (struct instance){"pay", "p-2", "west", "r1", "c"}, 5, false); // one rack
    answer(&w, (struct instance){"lost", "l-1", "", "", ""}, 5, false);
    call(&w, "cart", "stock", true, 4);
    call(&w, "cart", "stock", false, 3);
    call(&w, "pay", "stock", false, 10);
    call(&w, "cart", "pay", false, 100); // within a rack
    call(&w, "cart", "lost", false, 1000);
    struct places *p = ask(&w, PLACES_HOST);
    assert_int_equal(p->edge_count, 1);
    const struct places_edge *e = &p->edges[0];
    assert_str(p->nodes[e->from].id, "host/west/r1/a");
    assert_str(p->nodes[e->to].id, "host/east/r9/b");
    assert_int_equal(e->client.calls, 4);
    assert_int_equal(e->server.calls, 3);
    assert_true(e->cross_dc);
    assert_int_equal(p->unplaced_calls, 1110);
    places_free(p);
    p = ask(&w, PLACES_RACK);
    assert_int_equal(p->edge_count, 1);
    assert_str(p->nodes[p->edges[0].from].id, "rack/west/r1");
    assert_int_equal(p->edges[0].server.calls, 13);
    assert_int_equal(p->unplaced_calls, 1000);
    places_free(p);
    world_done(&w);
}

static void test_metrics_of_a_machine_find_its_host(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, 0);
    answer(&w, web, 1, false);
    answer(&w, app, 1, false);
    answer(&w, far, 1, false);
    answer(&w, nowhere, 1, false);
    measure(&w, "app-1:9100", "node_load1", 3);            // by the name of the host
    measure(&w, "c-1", "jvm.system.cpu.load_1m", 7);       // which has it already
    measure(&w, "f-2", "jvm.system.cpu.load_1m", 5);       // by an instance on it
    measure(&w, "web-1", "system.cpu.load_average.1m", 9); // of which host of the two?
    measure(&w, "c-2", "jvm.system.cpu.load_1m", 8);       // it does not say where it runs
    measure(&w, "elsewhere", "node_load1", 4);
    struct places *p = ask(&w, PLACES_HOST);
    assert_true(load_of(p, "host/west/r1/app-1") == 3);
    assert_true(load_of(p, "host/east//web-1") == 5);
    assert_true(isnan(load_of(p, "host/west/r1/web-1")));
    assert_true(isnan(load_of(p, "host///")));
    places_free(p);
    measure(&w, "f-1", "jvm.system.cpu.load_1m", 1);
    p = ask(&w, PLACES_RACK);
    assert_true(load_of(p, "rack/west/r1") == 2); // 3 and 1
    assert_str(node_of(p, "rack/west/r1")->numbers[0].worst, "app-1");
    places_free(p);
    world_done(&w);
}

int main(void)
{
    log_set_level(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_level_has_its_places_with_what_runs_there),
        cmocka_unit_test(test_data_centres_have_the_calls_between_them),
        cmocka_unit_test(test_services_with_one_home_have_their_calls_there),
        cmocka_unit_test(test_metrics_of_a_machine_find_its_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
