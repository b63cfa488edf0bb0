// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of alert/roster.h: who is on call when, what is silenced when, files that are
// read, printed and read as the same, and those that are refused with their place.
#include <stdio.h>

#include "alert/rule.h"
#include "core/mem.h"
#include "support/random_batch.h"
#include "test.h"

#define HOUR_MS ((uint64_t)3600000)

static struct alert_file *read_ok(const char *text)
{
    struct alert_file *f = NULL;
    struct err_at at = {0};
    enum err e = alert_file_read(str_of(text), "f", &f, &at);
    if (e != ERR_OK) {
        print_error("%s\n%s\n", at.text, text);
    }
    assert_int_equal(e, ERR_OK);
    return f;
}

static uint64_t ms(const char *text)
{
    uint64_t v = 0;
    assert_true(roster_time(str_of(text), &v));
    return v;
}

static void test_times(void **state)
{
    static const char *const wrong[] = {
        "",
        "2026-12-01",
        "2026-12-01T22:00",
        "2026-12-01T22:00+1:00",
        "2026-12-01T22:00+01",
        "2026-12-01T22:00+15:00",
        "2026-13-01T22:00Z",
        "2026-02-29T22:00Z",
        "2026-12-01T24:00Z",
        "2026-12-01T22:60Z",
        "2026-12-01 22:00Z",
        "2026-12-01T22:00Zx",
        "1969-12-01T22:00Z",
        "1970-01-01T00:00+01:00",
        "2026-12-01T22:00:1Z",
    };
    uint64_t v = 7;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(roster_time(str_of(wrong[i]), &v));
        assert_int_equal(v, 7);
    }
    assert_int_equal(ms("1970-01-01T00:00Z"), 0);
    assert_int_equal(ms("2026-12-01T22:00:05Z"), 1796162405000);
    assert_int_equal(ms("2026-12-01T23:30+01:30"), 1796162400000);
    assert_int_equal(ms("2026-12-01T14:00-08:00"), 1796162400000);
    assert_int_equal(ms("2028-02-29T00:00Z"), 1835395200000);
}

static const char full[] =
    "people:\n"
    "  - {name: anna, mail: anna@example.org, phone: '+49 1', wecom: w, dingtalk: d, feishu: f,"
    " slack: s}\n"
    "  - {name: ben}\n"
    "  - {name: \"c: #\"}\n"
    "groups:\n"
    "  - name: payments\n"
    "    members: [anna, ben]\n"
    "    rotation: [anna, ben, 'c: #']\n"
    "    every: 168h\n"
    "    since: '2026-01-05T09:00+01:00'\n"
    "    overrides: [{who: ben, from: '2026-01-06T00:00Z', until: '2026-01-07T00:00Z'},\n"
    "                {who: 'c: #', from: '2026-01-06T12:00Z', until: '2026-01-06T13:00Z'}]\n"
    "  - {name: all, members: [anna]}\n"
    "silences:\n"
    "  - {name: night, rules: [slow], services: [cart, shop], from: '2026-12-01T22:00Z',\n"
    "     until: '2026-12-02T02:00Z', reason: 'out: it goes'}\n"
    "  - {name: weekends, days: [sat, sun], offset: '+08:00'}\n"
    "  - {name: nights, days: fri, between: '22:00-06:00', offset: '-05:30'}\n"
    "  - {name: noon, between: '12:00-13:00'}\n";

static void test_who_is_on_call(void **state)
{
    struct alert_file *f = read_ok(full);
    const struct roster_team *t = roster_team(&f->roster, STR("payments"));
    (void)state;
    assert_non_null(t);
    assert_str(roster_on_call(t, ms("2025-01-01T00:00Z")), "anna"); // before the first turn
    assert_str(roster_on_call(t, ms("2026-01-05T08:00Z")), "anna");
    assert_str(roster_on_call(t, ms("2026-01-12T07:59:59Z")), "anna");
    assert_str(roster_on_call(t, ms("2026-01-12T08:00Z")), "ben");
    assert_str(roster_on_call(t, ms("2026-01-19T08:00Z")), "c: #");
    assert_str(roster_on_call(t, ms("2026-01-26T08:00Z")), "anna");
    assert_str(roster_on_call(t, ms("2026-01-05T23:59:59Z")), "anna");
    assert_str(roster_on_call(t, ms("2026-01-06T00:00Z")), "ben");
    assert_str(roster_on_call(t, ms("2026-01-06T12:30Z")), "c: #"); // the last override
    assert_str(roster_on_call(t, ms("2026-01-06T13:00Z")), "ben");
    assert_str(roster_on_call(t, ms("2026-01-07T00:00Z")), "anna");
    assert_str(roster_on_call(roster_team(&f->roster, STR("all")), 1), "");
    assert_null(roster_team(&f->roster, STR("anna")));
    assert_str(roster_person(&f->roster, STR("anna"))->slack, "s");
    assert_null(roster_person(&f->roster, STR("payments")));
    alert_file_free(f);
}

static void check_until(const struct roster_team *t, const char *at, const char *until)
{
    uint64_t says_ms = roster_on_call_until(t, ms(at));
    if (says_ms != (until != NULL ? ms(until) : 0)) {
        print_error("%.*s at %s: %llu\n", STR_FMT(t->name), at, (unsigned long long)says_ms);
        fail();
    }
}

static void test_until_when_somebody_is_on_call(void **state)
{
    struct alert_file *f = read_ok(full);
    const struct roster_team *t = roster_team(&f->roster, STR("payments"));
    (void)state;
    check_until(t, "2025-01-01T00:00Z", "2026-01-06T00:00Z"); // the first override
    check_until(t, "2026-01-05T23:59:59Z", "2026-01-06T00:00Z");
    check_until(t, "2026-01-06T00:00Z", "2026-01-06T12:00Z"); // another, within it
    check_until(t, "2026-01-06T12:30Z", "2026-01-06T13:00Z");
    check_until(t, "2026-01-06T13:00Z", "2026-01-07T00:00Z");
    check_until(t, "2026-01-12T07:59:59Z", "2026-01-12T08:00Z"); // the end of a turn
    check_until(t, "2026-01-12T08:00Z", "2026-01-19T08:00Z");
    check_until(roster_team(&f->roster, STR("all")), "2026-01-12T08:00Z", NULL);
    alert_file_free(f);
}

// What changes nobody is no change: turns of the same person, overrides that name them, turns
// that an override hides.
static void test_until_when_the_same_is_on_call(void **state)
{
    struct alert_file *f = read_ok(
        "groups:\n"
        "  - {name: alone, rotation: [anna], every: 24h, since: '2026-01-05T00:00Z'}\n"
        "  - {name: twice, rotation: [anna, anna, ben], every: 24h, since: '2026-01-05T00:00Z',\n"
        "     overrides: [{who: ben, from: '2026-01-06T12:00Z', until: '2026-01-07T12:00Z'}]}\n"
        "  - name: hidden\n"
        "    rotation: [anna, ben]\n"
        "    every: 24h\n"
        "    since: '2026-01-05T00:00Z'\n"
        "    overrides: [{who: anna, from: '2026-01-05T01:00Z', until: '2026-01-09T02:00Z'},\n"
        "                {who: anna, from: '2026-01-05T02:00Z', until: '2026-01-07T00:00Z'}]\n"
        "  - name: seldom\n"
        "    members: [anna, ben]\n"
        "    overrides: [{who: ben, from: '2026-01-06T00:00Z', until: '2026-01-07T00:00Z'},\n"
        "                {who: ben, from: '2026-01-07T00:00Z', until: '2026-01-08T00:00Z'}]\n"
        "  - {name: same, rotation: [anna, anna], every: 24h, since: '2026-01-05T00:00Z'}\n");
    const struct roster_team *teams = f->roster.teams;
    (void)state;
    assert_int_equal(f->roster.team_count, 5);
    check_until(&teams[0], "2026-01-05T12:00Z", NULL);
    check_until(&teams[1], "2026-01-05T12:00Z", "2026-01-06T12:00Z");
    check_until(&teams[1], "2026-01-06T12:00Z", "2026-01-08T00:00Z"); // goes on as a turn
    check_until(&teams[1], "2026-01-08T00:00Z", "2026-01-10T00:00Z");
    check_until(&teams[2], "2026-01-05T00:30Z", "2026-01-10T00:00Z");
    check_until(&teams[2], "2026-01-08T00:00Z", "2026-01-10T00:00Z");
    check_until(&teams[3], "2026-01-05T00:00Z", "2026-01-06T00:00Z");
    check_until(&teams[3], "2026-01-06T00:00Z", "2026-01-08T00:00Z");
    check_until(&teams[3], "2026-01-08T00:00Z", NULL);
    check_until(&teams[4], "2026-01-05T12:00Z", NULL);
    alert_file_free(f);
}

static void check_silence(const struct roster *r, size_t which, const char *at, bool holds)
{
    if (roster_silence_holds(&r->silences[which], ms(at)) != holds) {
        print_error("%.*s at %s\n", STR_FMT(r->silences[which].name), at);
        fail();
    }
}

static void test_when_silences_hold(void **state)
{
    struct alert_file *f = read_ok(full);
    const struct roster *r = &f->roster;
    (void)state;
    check_silence(r, 0, "2026-12-01T21:59:59Z", false);
    check_silence(r, 0, "2026-12-01T22:00Z", true);
    check_silence(r, 0, "2026-12-02T01:59:59Z", true);
    check_silence(r, 0, "2026-12-02T02:00Z", false);
    check_silence(r, 1, "2026-12-04T15:59Z", false); // a Friday; eight hours on it is Saturday
    check_silence(r, 1, "2026-12-04T16:00Z", true);
    check_silence(r, 1, "2026-12-06T15:59Z", true);
    check_silence(r, 1, "2026-12-06T16:00Z", false);
    check_silence(r, 2, "2026-12-04T22:00-05:30", true); // Friday night, until Saturday morning
    check_silence(r, 2, "2026-12-04T21:59-05:30", false);
    check_silence(r, 2, "2026-12-05T05:59-05:30", true);
    check_silence(r, 2, "2026-12-05T06:00-05:30", false);
    check_silence(r, 2, "2026-12-05T22:00-05:30", false);
    check_silence(r, 2, "2026-12-04T05:59-05:30", false); // Thursday's night
    check_silence(r, 3, "2026-12-04T12:00Z", true);
    check_silence(r, 3, "2026-12-04T13:00Z", false);
    uint64_t night = ms("2026-12-01T23:00Z"); // a Tuesday
    assert_str(roster_silenced(r, STR("slow"), STR("cart"), night)->name, "night");
    assert_null(roster_silenced(r, STR("slow"), STR("pay"), night));
    assert_null(roster_silenced(r, STR("fast"), STR("cart"), night));
    uint64_t noon = ms("2026-12-01T12:00Z");
    assert_str(roster_silenced(r, STR("any"), STR(""), noon)->name, "noon");
    alert_file_free(f);
}

static void print(const struct roster *r, struct buf *out)
{
    buf_init(out, (size_t)1 << 20);
    buf_add_str(out, STR("people:\n"));
    for (size_t i = 0; i < r->person_count; i++) {
        roster_print_person(&r->people[i], out);
    }
    buf_add_str(out, STR("groups:\n"));
    for (size_t i = 0; i < r->team_count; i++) {
        roster_print_team(&r->teams[i], out);
    }
    buf_add_str(out, STR("silences:\n"));
    for (size_t i = 0; i < r->silence_count; i++) {
        roster_print_silence(&r->silences[i], out);
    }
    buf_add_byte(out, 0);
}

static void test_what_is_printed_is_read_as_the_same(void **state)
{
    struct alert_file *f = read_ok(full), *again;
    struct buf once, twice;
    (void)state;
    print(&f->roster, &once);
    again = read_ok(once.p);
    print(&again->roster, &twice);
    assert_true(str_eq(buf_str(&once), buf_str(&twice)));
    assert_int_equal(again->roster.silence_count, 4);
    for (size_t i = 0; i < 4; i++) {
        const struct roster_silence *a = &f->roster.silences[i], *b = &again->roster.silences[i];
        assert_true(a->from_ms == b->from_ms && a->until_ms == b->until_ms && a->days == b->days &&
                    a->offset_minutes == b->offset_minutes && a->has_hours == b->has_hours &&
                    a->begin_minute == b->begin_minute && a->end_minute == b->end_minute &&
                    str_eq(a->reason, b->reason) && a->service_count == b->service_count);
    }
    const struct roster_team *t = &f->roster.teams[0], *u = &again->roster.teams[0];
    assert_true(t->every_ms == u->every_ms && t->since_ms == u->since_ms);
    assert_true(u->override_count == 2 && u->overrides[1].until_ms == t->overrides[1].until_ms);
    buf_done(&once);
    buf_done(&twice);
    alert_file_free(f);
    alert_file_free(again);
}

static void test_what_is_wrong_is_told_with_its_place(void **state)
{
    static const struct {
        const char *text, *says;
    } wrongs[] = {
        {"people: 7", "f:1:9: expected a list"},
        {"people: [{mail: a}]", "f:1:10: expected a name"},
        {"people: [{name: a}, {name: a}]", "f:1:21: named twice: a"},
        {"people: [{name: a, fax: b}]", "f:1:20: unknown key fax; there are name, mail"},
        {"groups: [{name: g}]", "f:1:10: expected members"},
        {"groups: [{name: g, members: [a], rotation: [a]}]", "f:1:10: rotation, every and since"},
        {"groups: [{name: g, rotation: [a], every: 1s, since: '2026-01-01T00:00Z'}]",
         "f:1:42: expected a duration"},
        {"groups: [{name: g, rotation: [a], every: 1h, since: yesterday}]",
         "f:1:53: expected a time"},
        {"groups: [{name: g, members: a, overrides: [{who: a, from: '2026-01-02T00:00Z', until: "
         "'2026-01-01T00:00Z'}]}]",
         "f:1:44: expected who"},
        {"groups: [{name: g, members: a, overrides: {}}]", "f:1:43: expected a list"},
        {"silences: [{name: s, days: [monday]}]", "f:1:28: expected mon"},
        {"silences: [{name: s, between: 22-06}]", "f:1:31: expected hours"},
        {"silences: [{name: s, between: '22:00-24:00'}]", "f:1:31: expected hours"},
        {"silences: [{name: s, offset: '+15:00'}]", "f:1:30: expected a distance"},
        {"silences: [{name: s, offset: '8'}]", "f:1:30: expected a distance"},
        {"silences: [{name: s, from: '2026-01-02T00:00Z', until: '2026-01-02T00:00Z'}]",
         "f:1:12: expected an until after"},
        {"silences: [{rules: a}]", "f:1:12: expected a name"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
        struct alert_file *f;
        struct err_at at = {0};
        assert_int_equal(alert_file_read(str_of(wrongs[i].text), "f", &f, &at), ERR_INVALID);
        if (strncmp(at.text, wrongs[i].says, strlen(wrongs[i].says)) != 0) {
            print_error("%s\nsays %s\nnot %s\n", wrongs[i].text, at.text, wrongs[i].says);
            fail();
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_who_is_on_call),
        cmocka_unit_test(test_until_when_somebody_is_on_call),
        cmocka_unit_test(test_until_when_the_same_is_on_call),
        cmocka_unit_test(test_when_silences_hold),
        cmocka_unit_test(test_what_is_printed_is_read_as_the_same),
        cmocka_unit_test(test_what_is_wrong_is_told_with_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
