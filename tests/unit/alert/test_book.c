// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of alert/book.h on a simulated disk: versions of rules, incidents and messages
// outlive closing; a power cut leaves all of a transaction or nothing; what is old goes with all
// that belongs to it.
#include <stdio.h>

#include "alert/book.h"
#include "support/simfs.h"
#include "support/sqlite_fs.h"
#include "world.h"

#define DISK "book"
#define NOW  ((uint64_t)1750000000000000000)

static struct simfs *disk;
static struct book book;

static void open_again(void)
{
    struct err_at at = {0};
    enum err e = book_open(&book, "/alerts.db", DISK, &at);
    if (e != ERR_OK) {
        print_error("%s\n", at.text);
    }
    assert_ok(e);
}

static int setup(void **state)
{
    (void)state;
    disk = simfs_new(7);
    sqlite_fs_register(DISK, simfs_fs(disk));
    open_again();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    book_close(&book);
    sqlite_fs_register(DISK, NULL);
    simfs_free(disk);
    return 0;
}

static void reopen(void)
{
    book_close(&book);
    open_again();
}

#define RULE(name, threshold)                                                                      \
    "{name: " name ", strategies: [{every: 1m, threshold: " #threshold "}]}"

static enum err put(const char *rules, const char *by, uint64_t now_ns)
{
    struct alert_set *set = rules_of(rules);
    enum err e = book_put_rules(&book, alert_set_file(set), str_of(by), now_ns);
    alert_set_unref(set);
    return e;
}

// What was heard of, a line each.
struct heard {
    char text[4000];
    size_t n;
};

__attribute__((format(printf, 2, 3))) static void hear(struct heard *h, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    h->n += (size_t)vsnprintf(h->text + h->n, sizeof h->text - h->n, format, args);
    va_end(args);
    assert_true(h->n < sizeof h->text);
}

static void hear_rule(void *ctx, const struct book_rule *r)
{
    hear(ctx, "%.*s %zu %.*s %zu\n", STR_FMT(r->name), (size_t)r->version, STR_FMT(r->by),
         (size_t)r->changed_ns);
}

static void hear_change(void *ctx, const struct book_change *c)
{
    hear(ctx, "%.*s %zu %.*s %.*s %zu\n", STR_FMT(c->rule), (size_t)c->version, STR_FMT(c->action),
         STR_FMT(c->by), (size_t)c->at_ns);
}

static void check_rules(const char *expected)
{
    struct heard h = {{0}, 0};
    assert_ok(book_each_rule(&book, hear_rule, &h));
    assert_string_equal(h.text, expected);
}

static void check_changes(struct str name, uint64_t max, const char *expected)
{
    struct heard h = {{0}, 0};
    assert_ok(book_each_change(&book, name, max, hear_change, &h));
    assert_string_equal(h.text, expected);
}

static void test_versions_and_changes_outlive_closing(void **state)
{
    (void)state;
    assert_ok(put("rules: [" RULE("a", 1) ", " RULE("b", 1) "]", "anna", 1));
    assert_ok(put("rules: [" RULE("a", 2) ", " RULE("b", 1) "]", "bob", 2)); // b stays
    reopen();
    check_rules("a 2 bob 2\nb 1 anna 1\n");
    assert_ok(book_remove_rule(&book, STR("a"), STR("carl"), 3));
    assert_err(book_remove_rule(&book, STR("a"), STR("carl"), 4), ERR_NOT_FOUND);
    check_rules("b 1 anna 1\n");
    assert_ok(put("rules: [" RULE("a", 2) "]", "dora", 5));
    reopen();
    check_rules("a 4 dora 5\nb 1 anna 1\n");
    check_changes(STR("a"), 10,
                  "a 4 made dora 5\na 3 removed carl 3\na 2 changed bob 2\na 1 made anna 1\n");
    check_changes((struct str){0}, 2, "a 4 made dora 5\na 3 removed carl 3\n");
}

// Changes that are cut off must neither keep a rule from being removed nor make versions begin
// anew.
static void test_rules_outlive_their_changes(void **state)
{
    (void)state;
    assert_ok(put("rules: [" RULE("a", 1) "]", "anna", 1));
    assert_ok(put("rules: [" RULE("a", 2) ", " RULE("b", 1) "]", "anna", 2));
    assert_int_equal(sqlite3_exec(book.sql.db, "DELETE FROM changes", NULL, NULL, NULL), SQLITE_OK);
    assert_ok(put("rules: [" RULE("a", 3) "]", "bob", 3));
    check_rules("a 3 bob 3\nb 1 anna 2\n");
    assert_int_equal(sqlite3_exec(book.sql.db, "DELETE FROM changes", NULL, NULL, NULL), SQLITE_OK);
    assert_ok(book_remove_rule(&book, STR("a"), STR("bob"), 4));
    assert_ok(book_remove_rule(&book, STR("b"), STR("bob"), 4));
    check_rules("");
    check_changes((struct str){0}, 9, "b 2 removed bob 4\na 4 removed bob 4\n");
}

static enum err try_rules(const char *rules)
{
    struct alert_set *set = rules_of(rules);
    enum err e = book_try_rules(&book, alert_set_file(set));
    alert_set_unref(set);
    return e;
}

static void test_a_try_changes_nothing(void **state)
{
    (void)state;
    assert_ok(put("rules: [" RULE("a", 1) "]", "anna", 1));
    assert_ok(try_rules("rules: [" RULE("a", 2) ", " RULE("b", 1) "]"));
    check_rules("a 1 anna 1\n");
    check_changes((struct str){0}, 9, "a 1 made anna 1\n");
    simfs_set_full(disk, true);
    assert_err(put("rules: [" RULE("a", 2) "]", "anna", 2), ERR_FULL);
    simfs_set_full(disk, false);
    assert_ok(put("rules: [" RULE("a", 2) "]", "anna", 3));
    check_rules("a 2 anna 3\n");
}

// What cannot be counted is not taken for few.
static void test_a_count_that_fails_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(sqlite3_exec(book.sql.db, "DROP TABLE roster", NULL, NULL, NULL), SQLITE_OK);
    assert_err(put("rules: [" RULE("a", 1) "]", "anna", 1), ERR_IO);
    check_rules("");
}

static void test_rules_are_one_file(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, (size_t)1 << 20);
    assert_ok(book_print_rules(&book, &b));
    assert_str(buf_str(&b), "rules: []\n");
    assert_ok(put("rules: [" RULE("b", 1) ", " RULE("a", 2) "]", "anna", 1));
    buf_clear(&b);
    assert_ok(book_print_rules(&book, &b));
    buf_add_byte(&b, 0);
    struct alert_set *set = rules_of(b.p);
    assert_int_equal(alert_set_file(set)->rule_count, 2);
    assert_str(alert_set_file(set)->rules[0].name, "a");
    alert_set_unref(set);
    buf_done(&b);
}

static void test_the_engines_state_is_kept(void **state)
{
    struct buf b;
    uint64_t seq = 5;
    (void)state;
    buf_init(&b, (size_t)1 << 20);
    assert_ok(book_state(&book, &seq, &b));
    assert_int_equal(seq + b.n, 0);
    assert_ok(book_put_state(&book, 7, STR("one")));
    assert_ok(book_put_state(&book, 8, STR("a\0b")));
    reopen();
    assert_ok(book_state(&book, &seq, &b));
    assert_int_equal(seq, 8);
    assert_str(buf_str(&b), "a\0b");
    buf_done(&b);
}

// ---- Incidents ----------------------------------------------------------------------------------

static struct book_incident incident(enum incident_state s, uint64_t ended_ns)
{
    return (struct book_incident){.state = s,
                                  .level = LEVEL_ERROR,
                                  .title = STR("title"),
                                  .line = STR("shop"),
                                  .suspect = STR("pay -> db"),
                                  .remedy = STR("roll back"),
                                  .services = STR("a\nb"),
                                  .entries = STR("e"),
                                  .users = STR("u"),
                                  .channels = STR("c"),
                                  .receivers = STR("r"),
                                  .suppress_ms = 1,
                                  .opened_ns = 2,
                                  .last_ns = 3,
                                  .ended_ns = ended_ns,
                                  .alerts = 5,
                                  .firing = 6,
                                  .messaged_ns = 7,
                                  .silent = 8};
}

static struct book_alert alert(uint64_t of, uint64_t ended_ns)
{
    return (struct book_alert){.incident = of,
                               .rule = STR("a"),
                               .group = {STR("v0"), STR("v\n1")},
                               .fields = {STR("service"), STR("span.k")},
                               .group_count = 2,
                               .level = LEVEL_CRITICAL,
                               .measure = STR("count"),
                               .op = STR(">"),
                               .line = STR("shop"),
                               .environment = STR("prod"),
                               .service = STR("s"),
                               .instance = STR("i"),
                               .address = STR("10.0.0.1"),
                               .traces = STR("t1\nt2"),
                               .value = 1.5,
                               .limit = __builtin_nan(""),
                               .event_ns = 11,
                               .fired_ns = 12,
                               .ended_ns = ended_ns,
                               .told_ns = 14};
}

static void hear_incident(void *ctx, const struct book_incident *i)
{
    hear(ctx,
         "%zu %s %s %.*s/%.*s/%.*s/%.*s/%.*s/%.*s/%.*s/%.*s/%.*s %zu %zu %zu %zu %zu %zu %zu %zu\n",
         (size_t)i->id, incident_state_name(i->state), alert_level_name(i->level),
         STR_FMT(i->title), STR_FMT(i->line), STR_FMT(i->suspect), STR_FMT(i->remedy),
         STR_FMT(i->services), STR_FMT(i->entries), STR_FMT(i->users), STR_FMT(i->channels),
         STR_FMT(i->receivers), (size_t)i->suppress_ms, (size_t)i->opened_ns, (size_t)i->last_ns,
         (size_t)i->ended_ns, (size_t)i->alerts, (size_t)i->firing, (size_t)i->messaged_ns,
         (size_t)i->silent);
}

static void hear_alert(void *ctx, const struct book_alert *a)
{
    hear(ctx,
         "%zu %zu %.*s %zu %.*s=%.*s %.*s=%.*s %s %.*s%.*s %.*s/%.*s/%.*s/%.*s/%.*s %.*s %g %g %zu "
         "%zu %zu %zu\n",
         (size_t)a->id, (size_t)a->incident, STR_FMT(a->rule), a->group_count,
         STR_FMT(a->fields[0]), STR_FMT(a->group[0]), STR_FMT(a->fields[1]), STR_FMT(a->group[1]),
         alert_level_name(a->level), STR_FMT(a->measure), STR_FMT(a->op), STR_FMT(a->line),
         STR_FMT(a->environment), STR_FMT(a->service), STR_FMT(a->instance), STR_FMT(a->address),
         STR_FMT(a->traces), a->value, a->limit, (size_t)a->event_ns, (size_t)a->fired_ns,
         (size_t)a->ended_ns, (size_t)a->told_ns);
}

static void hear_entry(void *ctx, const struct book_entry *e)
{
    hear(ctx, "%zu %zu %.*s %.*s %.*s\n", (size_t)e->incident, (size_t)e->at_ns, STR_FMT(e->kind),
         STR_FMT(e->text), STR_FMT(e->by));
}

static void hear_message(void *ctx, const struct book_message *m)
{
    hear(ctx, "%zu %zu %.*s %.*s %d\n", (size_t)m->id, (size_t)m->incident, STR_FMT(m->channels),
         STR_FMT(m->body), m->resolves);
}

static void hear_told(void *ctx, const struct alert_told *t)
{
    hear(ctx, "%.*s %.*s/%.*s/%.*s %d %zu\n", STR_FMT(t->rule), STR_FMT(t->group[0]),
         STR_FMT(t->group[1]), STR_FMT(t->group[2]), t->fires, (size_t)t->event_ns);
}

// An incident with one of everything; its number.
static uint64_t add_all(enum incident_state s, uint64_t ended_ns)
{
    const struct book_incident i = incident(s, ended_ns);
    uint64_t id = book_add_incident(&book, &i);
    const struct book_alert a = alert(id, ended_ns);
    const struct book_entry e = {id, 21, STR("fired"), STR("text"), STR("anna")};
    const struct book_message m = {0, id, STR("c"), STR("{}"), true};
    (void)book_add_alert(&book, &a);
    book_add_entry(&book, &e);
    (void)book_add_message(&book, &m);
    return id;
}

#define INCIDENT_TEXT "title/shop/pay -> db/roll back/a\nb/e/u/c/r 1 2 3 0 5 6 7 8\n"
#define ALERT_TEXT                                                                                 \
    "a 2 service=v0 span.k=v\n1 critical count> shop/prod/s/i/10.0.0.1 t1\nt2 1.5 nan 11 12 0 "    \
    "14\n"

static void test_all_of_an_incident_is_read_as_written(void **state)
{
    struct heard h = {{0}, 0};
    (void)state;
    book_begin(&book);
    assert_int_equal(add_all(INCIDENT_FIRING, 0), 1);
    assert_ok(book_end(&book));
    reopen();
    assert_ok(book_incident(&book, 1, hear_incident, &h));
    assert_ok(book_each_alert(&book, 1, hear_alert, &h));
    assert_ok(book_each_firing(&book, hear_alert, &h));
    assert_ok(book_each_entry(&book, 1, hear_entry, &h));
    assert_ok(book_each_unput(&book, hear_message, &h));
    assert_ok(book_each_last_message(&book, hear_message, &h));
    assert_ok(book_each_told(&book, UINT64_MAX >> 1, hear_told, &h));
    assert_string_equal(h.text, "1 firing error " INCIDENT_TEXT "1 1 " ALERT_TEXT "1 1 " ALERT_TEXT
                                "1 21 fired text anna\n1 1 c {} 1\n1 1 c {} 1\na v0/v\n1/ 1 14\n");
    assert_err(book_incident(&book, 2, hear_incident, &h), ERR_NOT_FOUND);
}

static void test_what_changes_is_read_as_changed(void **state)
{
    struct heard h = {{0}, 0};
    (void)state;
    book_begin(&book);
    (void)add_all(INCIDENT_FIRING, 0);
    (void)add_all(INCIDENT_FIRING, 0);
    struct book_incident i = incident(INCIDENT_ACKNOWLEDGED, 0);
    i.id = 1;
    i.title = STR("another");
    book_set_incident(&book, &i);
    i.id = 2;
    i.state = INCIDENT_RESOLVED;
    book_set_incident(&book, &i);
    book_end_alert(&book, 2, 31, 32);
    book_message_is_put(&book, 1);
    assert_ok(book_end(&book));
    reopen();
    assert_ok(book_each_incident(&book, true, 0, 9, hear_incident, &h));
    assert_string_equal(h.text, "1 acknowledged error another/shop/pay -> db/roll back/a\nb/e/u/c/r"
                                " 1 2 3 0 5 6 7 8\n");
    h = (struct heard){{0}, 0};
    assert_ok(book_each_incident(&book, false, 2, 9, hear_incident, &h));
    assert_int_equal(h.text[0], '1');
    h = (struct heard){{0}, 0};
    assert_ok(book_each_unput(&book, hear_message, &h));
    assert_ok(book_each_last_message(&book, hear_message, &h));
    assert_ok(book_each_told(&book, 31, hear_told, &h));
    assert_ok(book_each_told(&book, 32, hear_told, &h));
    assert_string_equal(h.text, "2 2 c {} 1\n1 1 c {} 1\na v0/v\n1/ 1 14\na v0/v\n1/ 0 32\n"
                                "a v0/v\n1/ 1 14\n");
}

static size_t count_of(const char *table)
{
    char text[80];
    sqlite3_stmt *s = NULL;
    (void)snprintf(text, sizeof text, "SELECT count(*) FROM %s", table);
    assert_int_equal(sqlite3_prepare_v2(book.sql.db, text, -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    size_t n = (size_t)sqlite3_column_int64(s, 0);
    (void)sqlite3_finalize(s);
    return n;
}

// Also of incidents that are newer than one that is still open.
static void test_what_is_old_goes_with_all_of_it(void **state)
{
    uint64_t old = NOW - (BOOK_KEEP_MS + 1) * NS_PER_MS;
    (void)state;
    book_begin(&book);
    (void)add_all(INCIDENT_FIRING, 0);
    for (size_t i = 0; i < 5; i++) {
        (void)add_all(INCIDENT_RESOLVED, old);
    }
    (void)add_all(INCIDENT_RESOLVED, old + 2 * NS_PER_MS);
    book_forget(&book, NOW);
    assert_ok(book_end(&book));
    assert_int_equal(count_of("incidents"), 2);
    assert_int_equal(count_of("alerts"), 2);
    assert_int_equal(count_of("timeline"), 2);
}

// ---- Power cuts ---------------------------------------------------------------------------------

static size_t change_all(void)
{
    bool ok = put("rules: [" RULE("a", 2) ", " RULE("b", 2) "]", "bob", 2) == ERR_OK;
    book_begin(&book);
    (void)add_all(INCIDENT_FIRING, 0);
    bool ok_too = book_end(&book) == ERR_OK;
    return (size_t)ok + 2 * (size_t)ok_too;
}

static void test_a_power_cut_leaves_all_or_nothing(void **state)
{
    size_t seen[2] = {0, 0};
    (void)state;
    for (uint64_t after = 1; after < 40; after++) {
        (void)teardown(NULL);
        disk = simfs_new(after);
        sqlite_fs_register(DISK, simfs_fs(disk));
        open_again();
        assert_ok(put("rules: [" RULE("a", 1) ", " RULE("b", 1) "]", "anna", 1));
        simfs_power_off_after(disk, after);
        size_t said = change_all();
        book_close(&book);
        simfs_crash(disk);
        open_again();
        struct heard h = {{0}, 0};
        assert_ok(book_each_rule(&book, hear_rule, &h));
        bool is_new = strcmp(h.text, "a 2 bob 2\nb 2 bob 2\n") == 0;
        assert_true(is_new || strcmp(h.text, "a 1 anna 1\nb 1 anna 1\n") == 0);
        assert_true(is_new || (said & 1) == 0); // what was said to be durable is
        size_t n = count_of("incidents");
        assert_true(n <= 1 && count_of("alerts") == n && count_of("timeline") == n &&
                    count_of("messages") == n);
        assert_true(n == 1 || (said & 2) == 0);
        assert_int_equal(count_of("changes"), is_new ? 4 : 2);
        seen[is_new]++;
    }
    assert_true(seen[0] > 2 && seen[1] > 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_versions_and_changes_outlive_closing),
        TEST(test_rules_outlive_their_changes),
        TEST(test_a_try_changes_nothing),
        TEST(test_a_count_that_fails_is_an_error),
        TEST(test_rules_are_one_file),
        TEST(test_the_engines_state_is_kept),
        TEST(test_all_of_an_incident_is_read_as_written),
        TEST(test_what_changes_is_read_as_changed),
        TEST(test_what_is_old_goes_with_all_of_it),
        TEST(test_a_power_cut_leaves_all_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
