// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of alert/coordination.h: whoever subscribed gets each change once and in order,
// and keeps what was in force where the rules cannot be read.
#include "alert/coordination.h"

#include "world.h"

struct reading {
    const char *text;
    enum err result;
    size_t times;
};

static enum err read_rules(void *ctx, struct alert_set **ret_set, struct err_at *ret_at)
{
    struct reading *r = ctx;
    r->times++;
    if (r->result != ERR_OK) {
        return err_at_set(ret_at, r->result, 0, "not now");
    }
    *ret_set = rules_of(r->text);
    return ERR_OK;
}

// What a subscriber has.
struct part {
    struct alert_set *set;
    size_t taken;
};

static void take(void *ctx, struct alert_set *set)
{
    struct part *p = ctx;
    alert_set_unref(p->set);
    p->set = alert_set_ref(set);
    p->taken++;
}

static size_t rules(const struct part *p)
{
    return alert_set_file(p->set)->rule_count;
}

static void test_subscribers_have_what_is_in_force(void **state)
{
    struct reading r = {.text = "rules: []"};
    struct part desk = {.set = NULL}, engine = {.set = NULL};
    struct err_at at = {0};
    const struct coordination_options o = {read_rules, &r};
    struct coordination *c = coordination_new(&o);
    (void)state;
    coordination_subscribe(c, take, &desk);
    assert_ok(coordination_announce(c, 0, &at));
    assert_int_equal(rules(&desk), 0);
    coordination_subscribe(c, take, &engine); // from now on
    assert_int_equal(engine.taken, 0);
    r.text = "rules: [{name: a, strategies: [{measure: absence, every: 1m}]}]";
    assert_ok(coordination_announce(c, 3, &at));
    assert_true(rules(&desk) == 1 && rules(&engine) == 1 && desk.set == engine.set);
    assert_ok(coordination_announce(c, 3, &at)); // nothing has changed
    assert_true(r.times == 2 && desk.taken == 2 && engine.taken == 1);
    r.result = ERR_IO;
    assert_err(coordination_announce(c, 4, &at), ERR_IO);
    assert_string_equal(at.text, "not now");
    assert_true(rules(&desk) == 1 && desk.taken == 2);
    r.result = ERR_OK;
    r.text = "rules: []";
    assert_ok(coordination_announce(c, 4, &at)); // it is tried anew
    assert_true(rules(&desk) == 0 && rules(&engine) == 0 && engine.taken == 2);
    alert_set_unref(desk.set);
    alert_set_unref(engine.set);
    coordination_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_subscribers_have_what_is_in_force)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
