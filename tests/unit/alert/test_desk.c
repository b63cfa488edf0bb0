// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of alert/desk.h: what is lost or damaged of an incident's messages keeps nobody
// from hearing of its end, and comments are bounded.
#include "alert/desk.h"

#include <sqlite3.h>
#include <string.h>

#include "core/clock.h"
#include "test.h"
#include "unit/alert/desk_folder.h"
#include "unit/alert/world.h"

#define T0_NS ((uint64_t)1790000000 * NS_PER_S)

static const char rules[] = "rules: [{name: errors, channels: [ops], strategies: [{measure: count,"
                            " every: 10s, threshold: 1, group_by: [service]}]}]\n"
                            "channels: [{name: ops, type: webhook, url: 'http://127.0.0.1:9/'}]";

struct rig {
    char folder[DESK_FOLDER_MAX];
    struct budget budget;
    struct notify *notify;
    struct desk *desk;
    struct alert_set *set;
};

static void rig_open(struct rig *r)
{
    desk_folder_open(r->folder, (struct notify_options){.budget = &r->budget}, &r->notify,
                     &r->desk);
    desk_set_rules(r->desk, r->set);
}

static void rig_close(struct rig *r)
{
    desk_close(r->desk);
    notify_close(r->notify);
}

static void rig_begin(struct rig *r)
{
    budget_init(&r->budget, (size_t)64 << 20);
    desk_folder_make(r->folder);
    r->set = rules_of(rules);
    rig_open(r);
}

static void rig_end(struct rig *r)
{
    rig_close(r);
    alert_set_unref(r->set);
    assert_int_equal(desk_folder_remove(r->folder), 0);
}

static enum err tell(struct rig *r, bool fires, uint64_t at_ns)
{
    const struct alert_rule *rule = &alert_set_file(r->set)->rules[0];
    const struct alert_event e = {.rule = rule,
                                  .strategy = &rule->strategies[0],
                                  .group = {STR("cart")},
                                  .fires = fires,
                                  .value = fires ? 5 : 0,
                                  .limit = 1,
                                  .event_ns = at_ns,
                                  .at_ns = at_ns,
                                  .origin = {.service = STR("cart"), .line = STR("shop")},
                                  .traces = {{{1}}},
                                  .trace_count = 1};
    return desk_tell(r->desk, &e, 1);
}

// With the file of the desk as nobody else opens it.
static void sql(struct rig *r, const char *text, char ret_value[2000])
{
    char path[64];
    sqlite3 *db;
    sqlite3_stmt *s;
    (void)snprintf(path, sizeof path, "%s/alerts.db", r->folder);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, text, -1, &s, NULL), SQLITE_OK);
    int code = sqlite3_step(s);
    if (ret_value != NULL) {
        assert_int_equal(code, SQLITE_ROW);
        (void)snprintf(ret_value, 2000, "%s", (const char *)sqlite3_column_text(s, 0));
    } else {
        assert_int_equal(code, SQLITE_DONE);
    }
    assert_int_equal(sqlite3_finalize(s), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

// What was told of it is gone, in one way or another, while the server was away.
static void check_end_is_told_without(const char *loss)
{
    struct rig r;
    char last[2000];
    rig_begin(&r);
    assert_ok(tell(&r, true, T0_NS));
    rig_close(&r);
    sql(&r, loss, NULL);
    rig_open(&r);
    desk_tick(r.desk, T0_NS + NS_PER_S);
    assert_ok(tell(&r, false, T0_NS + 30 * NS_PER_S));
    rig_close(&r);
    sql(&r, "SELECT body FROM messages ORDER BY id DESC", last);
    assert_non_null(strstr(last, "\"status\":\"resolved\""));
    assert_non_null(strstr(last, "\"rule\":\"errors\""));
    sql(&r, "SELECT count(*) FROM messages WHERE resolves AND CAST(channels AS TEXT) LIKE 'ops%'",
        last);
    assert_string_equal(last, "1");
    rig_open(&r);
    rig_end(&r);
}

static void test_a_damaged_message_keeps_nobody_from_the_end(void **state)
{
    (void)state;
    check_end_is_told_without("UPDATE messages SET body = '{\"status\":'");
    check_end_is_told_without("UPDATE messages SET body = x'00ff', put = 0");
    check_end_is_told_without("DELETE FROM messages");
}

static void test_messages_of_open_incidents_are_not_forgotten(void **state)
{
    struct rig r;
    char count[2000];
    (void)state;
    rig_begin(&r);
    assert_ok(tell(&r, true, T0_NS));
    rig_close(&r);
    sql(&r,
        "INSERT INTO messages(incident, channels, body, resolves, put) WITH RECURSIVE n(i) AS"
        " (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000)"
        " SELECT 1000 + i, 'ops', '{}', 0, 1 FROM n",
        NULL);
    rig_open(&r);
    desk_tick(r.desk, T0_NS + NS_PER_S); // it forgets
    rig_close(&r);
    sql(&r, "SELECT count(*) FROM messages WHERE incident = 1", count);
    assert_string_equal(count, "1");
    sql(&r, "SELECT count(*) FROM messages", count);
    assert_string_equal(count, "10001");
    rig_open(&r);
    rig_end(&r);
}

static void test_comments_are_bounded(void **state)
{
    static char text[BOOK_COMMENT_MAX + 1];
    struct rig r;
    (void)state;
    rig_begin(&r);
    assert_err(desk_comment(r.desk, 1, STR("x"), STR(""), T0_NS), ERR_NOT_FOUND);
    assert_ok(tell(&r, true, T0_NS));
    memset(text, 'x', sizeof text);
    assert_err(desk_comment(r.desk, 1, (struct str){text, sizeof text}, STR(""), T0_NS), ERR_LIMIT);
    for (unsigned i = 0; i < BOOK_COMMENTS_MAX; i++) {
        assert_ok(desk_comment(r.desk, 1, STR("x"), STR("anna"), T0_NS + i));
    }
    assert_err(desk_comment(r.desk, 1, STR("x"), STR("anna"), T0_NS), ERR_LIMIT);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_damaged_message_keeps_nobody_from_the_end),
        cmocka_unit_test(test_messages_of_open_incidents_are_not_forgotten),
        cmocka_unit_test(test_comments_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
