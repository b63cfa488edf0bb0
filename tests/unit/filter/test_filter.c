// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of filter/filter.h: grammar, positions of errors, matching, verdicts.
#include "test.h"

#include "filter/code.h"
#include "filter/filter.h"

static void add_attr(struct batch *b, const char *key, enum attr_type type, uint64_t bits,
                     const char *text)
{
    uint32_t k = batch_intern(b, str_of(key));
    uint64_t v = text != NULL ? batch_intern(b, str_of(text)) : bits;
    struct attr *a = batch_add_attr(b);
    a->key = k;
    a->type = type;
    a->bits = v;
}

// One span of service "cart" with a bit of everything.
static struct batch *sample(void)
{
    struct batch *b = batch_new(STR(""));
    double ratio = 0.5;
    uint64_t ratio_bits;
    memcpy(&ratio_bits, &ratio, sizeof ratio);
    add_attr(b, "service.name", ATTR_STRING, 0, "cart");
    add_attr(b, "host.name", ATTR_STRING, 0, "h1");
    uint32_t service = batch_intern(b, STR("cart"));
    *batch_add_resource(b) = (struct resource){.attrs = {0, 2}, .service = service};
    *batch_add_scope(b) = (struct scope){.name = batch_intern(b, STR("lib"))};
    add_attr(b, "http.response.status_code", ATTR_INT, 503, NULL);
    add_attr(b, "http.route", ATTR_STRING, 0, "/cart/{id}");
    add_attr(b, "ratio", ATTR_DOUBLE, ratio_bits, NULL);
    add_attr(b, "cached", ATTR_BOOL, 1, NULL);
    add_attr(b, "host.name", ATTR_STRING, 0, "h2");
    add_attr(b, "odd", ATTR_STRING, 0, "a\b\"\\/\x7f\n\u00e9\U0001F600");
    // AnyValue { array_value { values: "red", "blue", 7, [ "deep" ] } }, and one without elements.
    add_attr(b, "tags", ATTR_ARRAY, 0,
             "\x2a\x1f\x0a\x05\x0a\x03red\x0a\x06\x0a\x04"
             "blue\x0a\x02\x18\x07\x0a\x0a\x2a\x08\x0a\x06\x0a\x04"
             "deep");
    add_attr(b, "empty", ATTR_ARRAY, 0, "\x2a\x02\x18\x07");
    uint32_t name = batch_intern(b, STR("GET /cart"));
    struct span *s = batch_add_span(b);
    s->name = name;
    s->attrs = (struct attr_run){2, 8};
    s->duration_ns = 150000000;
    s->kind = KIND_SERVER;
    s->status = STATUS_ERROR;
    s->trace.b[15] = 0xab;
    s->id.b[7] = 1;
    batch_seal(b);
    return b;
}

// A service without a name is found under the one that lists give it.
static void test_unknown_service(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool match;
    } cases[] = {
        {"{ resource.service.name = \"unknown_service\" }", true},
        {"{ .service.name =~ \"unknown.*\" }", true},
        {"{ resource.service.name != \"cart\" }", true},
        {"{ resource.service.name = \"cart\" }", false},
        {"{ resource.service.name = nil }", true},
        {"{ resource.service.name != nil }", false},
        {"{ resource.host.name != \"cart\" }", false},
    };
    struct batch *b = batch_new(STR(""));
    uint32_t service = batch_intern(b, STR("unknown_service"));
    *batch_add_resource(b) = (struct resource){.service = service};
    (void)batch_add_scope(b);
    (void)batch_add_span(b);
    batch_seal(b);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct filter *f;
        assert_ok(filter_parse(str_of(cases[i].text), &f, NULL));
        if (filter_match(f, (struct row){b, 0}) != cases[i].match) {
            fail_msg("%s: expected %d", cases[i].text, cases[i].match);
        }
        filter_free(f);
    }
    batch_unref(b);
}

static void test_matching(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool match;
    } cases[] = {
        {"{}", true},
        {"{ }", true},
        {"{ resource.service.name = \"cart\" && duration > 100ms && "
         "span.http.response.status_code >= 500 }",
         true},
        {"{resource.service.name=\"cart\"&&duration>0.2s}", false},
        {"{ span.http.response.status_code = 503 }", true},
        {"{ span.http.response.status_code = 503.0 }", true},
        {"{ span.http.response.status_code < 503.5 }", true},
        {"{ span.http.response.status_code = \"503\" }", false},
        {"{ span.http.response.status_code != \"503\" }", false}, // other type: no comparison holds
        {"{ span.http.response.status_code != 500 }", true},
        {"{ span.missing != 500 }", false},
        {"{ !(span.missing = 500) }", true},
        {"{ span.missing = nil }", true},
        {"{ span.ratio != nil }", true},
        {"{ span.ratio }", true},
        {"{ span.ratio = 0.5 && span.ratio < 1 }", true},
        {"{ span.cached = true }", true},
        {"{ span.cached != true }", false},
        {"{ .host.name = \"h2\" }", true}, // the span's own wins
        {"{ resource.host.name = \"h1\" }", true},
        {"{ .service.name = \"cart\" }", true},
        {"{ span.service.name = \"cart\" }", false},
        {"{ status = error && kind = server }", true},
        {"{ status != ok }", true},
        {"{ kind = client || name = \"GET /cart\" }", true},
        {"{ name =~ \"GET .*\" }", true},
        {"{ name =~ \"GET\" }", false}, // the whole value
        {"{ name !~ \"POST.*\" }", true},
        {"{ span.http.route =~ `/cart/\\{\\w+\\}` }", true},
        {"{ span.\"http.route\" = \"/cart/{id}\" }", true},
        {"{ instrumentation:name = \"lib\" }", true},
        {"{ trace:id = \"000000000000000000000000000000ab\" }", true},
        {"{ span:id = \"0000000000000002\" }", false},
        {"{ duration >= 150ms && duration <= 150000us && duration = 150000000ns }", true},
        {"{ duration > 1m30s || duration < 1h }", true},
        {"{ (status = ok || kind = server) && !(name = \"x\") }", true},
        {"{ status = ok || kind = server && name = \"x\" }", false}, // && binds tighter
        {"{ event:name = \"exception\" }", false},
        {"{ event.exception.type = nil }", true},
        {"{ event:name = nil }", true},
        {"{ span:parentID = nil }", true},
        {"{ parentID != nil }", false},
        // Escapes; in a regular expression the unknown ones stay.
        {"{ span.odd = \"a\\b\\\"\\\\\\/\\u007F\\n\\u00e9\\uD83D\\uDE00\" }", true},
        {"{ span.odd =~ \"a\\x08.*\\n\\u00e9\\W\" }", true},
        {"{ span.\"\\u006fdd\" != nil }", true},
        {"{ name =~ \"\\w+\\b /cart\" }", true},
        {"{ name =~ \"GET \\/cart\" }", true},
        {"{ name == \"GET /cart\" }", true},
        // Shortcuts around the regex engine.
        {"{ name =~ \".*\" && name =~ \".*GET.*\" && name =~ \".*cart\" }", true},
        {"{ name =~ \".*POST.*\" || name =~ \".*GET\" || name =~ \"/cart.*\" }", false},
        {"{ name =~ \"x|GET /cart\" && name =~ \"GET /cartx?\" && name =~ \"GET /c[a]rt\" }", true},
        {"{ name =~ \"GET /cart.*?\" && name =~ \".*?rt\" && name =~ \"(?i)get.*\" }", true},
        {"{ span.http.route =~ `/cart/\\{id\\}` && span.http.route =~ `/cart/\\{.*` }", true},
        {"{ span.odd =~ `.*\\n\u00e9?\\W` && span.odd =~ `a.*` }", true},
        // Arrays by their elements.
        {"{ span.tags = \"blue\" }", true},
        {"{ span.tags = \"deep\" }", false},
        {"{ span.tags = 7 && span.tags > 6 && span.tags < 8 }", true},
        {"{ span.tags =~ \"r.*\" && span.tags !~ \"g.*\" }", true},
        {"{ span.tags != \"green\" && span.tags != 8 }", true},
        {"{ span.tags != \"red\" || span.tags != 7 || span.tags !~ \"r.*\" }", false},
        {"{ span.tags = true || span.tags != true }", false}, // no boolean in it
        {"{ span.empty = \"\" || span.empty != \"\" }", false},
        {"{ span.empty != nil && .tags = \"red\" }", true},
        {"{ statusMessage = nil && name != nil && instrumentation:name != nil }", true},
    };
    struct batch *b = sample();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct filter *f = NULL;
        struct err_at at = {0};
        enum err e = filter_parse(str_of(cases[i].text), &f, &at);
        if (e != ERR_OK || filter_match(f, (struct row){b, 0}) != cases[i].match) {
            fail_msg("%s: %s", cases[i].text, e == ERR_OK ? "wrong match" : at.text);
        }
        // The printed form means the same and prints as itself.
        struct buf once, twice;
        struct filter *again = NULL;
        buf_init(&once, 1 << 16);
        buf_init(&twice, 1 << 16);
        filter_print(f, &once);
        assert_ok(filter_parse(buf_str(&once), &again, &at));
        assert_int_equal(filter_match(again, (struct row){b, 0}), cases[i].match);
        filter_print(again, &twice);
        assert_true(str_eq(buf_str(&once), buf_str(&twice)));
        buf_done(&once);
        buf_done(&twice);
        filter_free(again);
        filter_free(f);
    }
    batch_unref(b);
}

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t position;
        const char *part;
    } cases[] = {
        {"", 0, "expected '{'"},
        {"service = 1", 0, "expected '{'"},
        {"{ service.name = \"x\" }", 2, "expected a field"},
        {"{ duration > }", 13, "a duration such as"},
        {"{ status = eror }", 11, "error, ok or unset"},
        {"{ duration > 1m3 }", 13, "a duration such as"},
        {"{ kind = nil }", 9, "server, client"},
        {"{ span.a = }", 11, "expected a text in quotes, a number"},
        {"{ duration > 100ms parsecs }", 19, "'&&', '||' or '}'"},
        {"{ duration > \"x\" }", 13, "a duration such as"},
        {"{ duration }", 11, "an operator"},
        {"{ span.a = 1", 12, "the filter ends here"},
        {"{ span.a = \"x }", 11, "closed with"},
        {"{ (span.a = 1 }", 14, "')'"},
        {"{ status = 500 }", 11, "error, ok or unset"},
        {"{ status > error }", 11, "'=' or '!='"},
        {"{ name =~ \"(\" }", 10, "regular expression"},
        {"{ name =~ `(*NO_JIT)(a|b)*z` }", 10, "settings and verbs of the engine"},
        {"{ name =~ `(a)\\1` }", 10, "reference to non-existent"},
        {"{ name =~ `((a?){100}){100}` }", 10, "too large"},
        {"{ span.a =~ 5 }", 12, "regular expression in quotes"},
        {"{ span.a = 1 } x", 15, "the end of the filter"},
        {"{ span.a = 1 && }", 16, "a field"},
        {"{ span.a = server }", 11, "a text in quotes, a number"},
        {"{ duration > 100 }", 13, "a duration with its unit"},
        {"{ duration = 0 }", 13, "a duration with its unit"},
        {"{ name = \"a\\qb\" }", 11, "an escape"},
        {"{ name = \"\\u12g4\" }", 10, "an escape"},
        {"{ name = \"\\ud83dx\" }", 10, "an escape"},
        {"{ name = \"\\udc00\" }", 10, "an escape"},
        {"{ span.\"\\q\" = 1 }", 8, "an escape"},
        {"{ name = \"x\\", 11, "an escape"},
        {"{ span.a == 1 & span.b }", 14, "a field, an operator or a bracket"},
        {"{ name = \"x\" && rpcID = \"0\" }", 16, "a field that a span has without its trace"},
        {"{ !(span:rpcID !~ \"0\") }", 4, "found 'span:rpcID'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct filter *f = NULL;
        struct err_at at = {0};
        assert_err(filter_parse(str_of(cases[i].text), &f, &at), ERR_INVALID);
        if (at.offset != cases[i].position || strstr(at.text, cases[i].part) == NULL) {
            fail_msg("%s: at %d: %s", cases[i].text, (int)at.offset, at.text);
        }
        if (strcmp(filter_error_code(str_of(at.text)), "other") == 0) {
            fail_msg("no code for: %s", at.text);
        }
        assert_null(f);
    }
}

// ---- Places in trees ----------------------------------------------------------------------------

static struct str print(const struct filter *f, struct buf *out)
{
    buf_clear(out);
    filter_print(f, out);
    return buf_str(out);
}

// What a filter says of a span at "0.1.2", of another one there, and of spans whatever their place.
static void test_places_in_trees(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool in_tree, may;
        const char *of_spans;
    } cases[] = {
        {"{ rpcID = \"0.1.2\" }", true, true, "{ }"},
        {"{ rpcID = \"0.1\" }", false, true, "{ }"},
        {"{ span:rpcID != \"0.1\" }", true, true, "{ }"},
        {"{ rpcID =~ `0\\.1\\.\\d` }", true, true, "{ }"},
        {"{ rpcID !~ \"0.1.*\" }", false, true, "{ }"},
        {"{ !(rpcID = \"0.1.2\") }", false, true, "{ }"},
        {"{ rpcID = \"0.1.2\" && name = \"GET /cart\" }", true, true, "{ name = \"GET /cart\" }"},
        {"{ rpcID = \"0.1.2\" && name = \"x\" }", false, false, "{ name = \"x\" }"},
        {"{ rpcID = \"0\" || name = \"GET /cart\" }", true, true, "{ }"},
        {"{ rpcID = \"0\" || name = \"x\" }", false, true, "{ }"},
        {"{ !(rpcID = \"0\" || name = \"x\") }", true, true, "{ !(name = \"x\") }"},
        {"{ !(rpcID = \"0\" && name = \"GET /cart\") }", true, true, "{ }"},
        {"{ !(!(rpcID = \"0.1.2\" && status = error)) }", true, true, "{ !(!(status = error)) }"},
        {"{ !(rpcID = \"0\" && name = \"a\" || kind = client) }", true, true,
         "{ !(kind = client) }"},
        {"{ (rpcID = \"0\" || kind = server) && duration > 1ms && rpcID != \"1\" }", true, true,
         "{ duration > 1ms }"},
    };
    struct batch *b = sample();
    struct buf out;
    buf_init(&out, 1 << 16);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct filter *f, *again;
        assert_ok(filter_parse_for(FILTER_OF_TREES, str_of(cases[i].text), &f, NULL));
        assert_non_null(f->tree);
        assert_ok(filter_parse_for(FILTER_OF_TREES, print(f, &out), &again, NULL));
        struct filter of_spans = *again;
        of_spans.tree = NULL;
        struct str rest = print(&of_spans, &out);
        if (filter_match_in_tree(f, (struct row){b, 0}, STR("0.1.2")) != cases[i].in_tree ||
            filter_match_in_tree(again, (struct row){b, 0}, STR("0.1.2")) != cases[i].in_tree ||
            filter_match(f, (struct row){b, 0}) != cases[i].may ||
            !str_eq(rest, str_of(cases[i].of_spans))) {
            fail_msg("%s, of spans %.*s", cases[i].text, STR_FMT(rest));
        }
        filter_free(f);
        filter_free(again);
    }
    buf_done(&out);
    batch_unref(b);
}

static void test_operators_of_places(void **state)
{
    (void)state;
    static const char *const texts[] = {"{ rpcID < \"0\" }", "{ rpcID = nil }", "{ rpcID = 0.1 }",
                                        "{ span:rpcID = 0 }"};
    struct filter *f = NULL;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct err_at at = {0};
        assert_err(filter_parse_for(FILTER_OF_TREES, str_of(texts[i]), &f, &at), ERR_INVALID);
        assert_string_equal(filter_error_code(str_of(at.text)), "rpc_id");
        assert_non_null(strstr(at.text, "found '"));
    }
    assert_null(f);
}

static void test_error_codes(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"x", "start"},
        {"{ duration > }", "duration"},
        {"{ span.a = }", "value"},
        {"{ name = 5 }", "text"},
        {"{ name =~ \"(\" }", "regex"},
        {"{ span.a =~ 5 }", "regex_text"},
        {"{ status = 500 }", "status"},
        {"{ kind = nil }", "kind"},
        {"{ (span.a = 1 }", "bracket"},
        {"{ span.a = 1", "joint"},
        {"{ span.a = \"x }", "quote"},
        {"{ span.a = 1 & span.b }", "character"},
        {"{ \xff }", "utf8"},
        {"{ rpcID = \"0\" }", "field_of_tree"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct filter *f = NULL;
        struct err_at at = {0};
        assert_err(filter_parse(str_of(cases[i][0]), &f, &at), ERR_INVALID);
        assert_string_equal(filter_error_code(str_of(at.text)), cases[i][1]);
    }
    assert_string_equal(filter_error_code(STR("something else")), "other");
    assert_string_equal(filter_error_code(STR("expected at most 3 bytes")), "limit");
}

static void test_limits(void **state)
{
    (void)state;
    struct filter *f = NULL;
    struct err_at at = {0};
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_add_byte(&b, '{');
    for (int i = 0; i < 1000; i++) {
        buf_add_byte(&b, '(');
    }
    assert_err(filter_parse(buf_str(&b), &f, &at), ERR_LIMIT);
    buf_clear(&b);
    buf_add_str(&b, STR("{ span.a"));
    for (int i = 0; i < 300; i++) {
        buf_add_str(&b, STR(" || span.a"));
    }
    buf_add_byte(&b, '}');
    assert_err(filter_parse(buf_str(&b), &f, &at), ERR_LIMIT);
    assert_err(filter_parse(STR("{ name = \"\xff\" }"), &f, &at), ERR_INVALID);
    assert_int_equal(at.offset, 10);
    buf_done(&b);
}

// A pattern that explodes is given up, says so, and does not take for ever over many values.
static void test_patterns_give_up(void **state)
{
    (void)state;
    struct filter *f;
    struct batch *b = batch_new(STR(""));
    *batch_add_resource(b) = (struct resource){.service = 0};
    (void)batch_add_scope(b);
    uint32_t name = batch_intern(b, STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"));
    batch_add_span(b)->name = name;
    batch_seal(b);
    assert_ok(
        filter_parse(STR("{ name =~ \"(a|aa)+[cd]\" || name !~ \"(a|aa)+[cd]\" }"), &f, NULL));
    assert_int_equal(filter_given_up(f), 0);
    for (int i = 0; i < 200000; i++) {
        assert_false(filter_match(f, (struct row){b, 0})); // neither a match nor none
    }
    assert_int_equal(filter_given_up(f), 400000);
    filter_free(f);
    // With groups that still capture: backtracking meets the bound of its memory.
    struct buf text;
    buf_init(&text, FILTER_TEXT_MAX);
    buf_add_str(&text, STR("{ name =~ `"));
    for (int i = 0; i < 500; i++) {
        buf_printf(&text, "(?<n%d>)", i);
    }
    buf_add_str(&text, STR("(?>(a|b)*?)*(a|aa)+[cd]` }"));
    assert_ok(filter_parse(buf_str(&text), &f, NULL));
    assert_false(filter_match(f, (struct row){b, 0}));
    filter_free(f);
    // Each of them is small enough, all together are not.
    buf_clear(&text);
    buf_add_str(&text, STR("{ name = `a`"));
    for (int i = 0; i < 100; i++) {
        buf_add_str(&text, STR(" || name =~ `x([a-y]{1,40}z){200}`"));
    }
    buf_add_str(&text, STR(" }"));
    struct err_at at;
    assert_int_equal(filter_parse(buf_str(&text), &f, &at), ERR_INVALID);
    assert_non_null(strstr(at.text, "less memory together"));
    buf_done(&text);
    assert_ok(filter_parse(STR("{ name =~ \"a+b\" }"), &f, NULL));
    assert_true(filter_match(f, (struct row){b, 0}));
    assert_int_equal(filter_given_up(f), 0);
    filter_free(f);
    batch_unref(b);
}

static enum verdict attr_maybe(void *ctx, const struct filter_node *test)
{
    (void)ctx;
    bool has = str_eq(test->key, STR("a"));
    if (test->op == OP_EXISTS || test->op == OP_ABSENT) {
        return (test->op == OP_EXISTS) == has ? VERDICT_YES : VERDICT_NO;
    }
    return has ? VERDICT_MAYBE : VERDICT_NO;
}

static void test_verdicts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum verdict verdict;
    } cases[] = {
        {"{}", VERDICT_YES},
        {"{ resource.service.name = \"cart\" }", VERDICT_YES},
        {"{ resource.service.name = \"x\" && span.a = 1 }", VERDICT_NO},
        {"{ resource.service.name = \"cart\" && span.a = 1 }", VERDICT_MAYBE},
        {"{ resource.service.name = \"cart\" || span.a = 1 }", VERDICT_YES},
        {"{ span.b = 1 }", VERDICT_NO},
        {"{ !(span.b = 1) }", VERDICT_YES},
        {"{ !(span.a = 1) }", VERDICT_MAYBE},
        {"{ .service.name = \"cart\" }", VERDICT_YES},
        {"{ .a = 3 }", VERDICT_MAYBE},
        {"{ duration > 1s }", VERDICT_NO},
        {"{ duration > 5ns }", VERDICT_YES},
        {"{ duration > 50ns }", VERDICT_MAYBE},
        {"{ duration < 10ns }", VERDICT_NO},
        {"{ duration = 200ns }", VERDICT_NO},
        {"{ kind = server && status = error && name = \"op\" }", VERDICT_YES},
    };
    struct batch *b = sample();
    const struct filter_known known = {.batch = b,
                                       .name = STR("op"),
                                       .kind = KIND_SERVER,
                                       .status = STATUS_ERROR,
                                       .attr = attr_maybe,
                                       .min_duration_ns = 10,
                                       .max_duration_ns = 100};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct filter *f = NULL;
        assert_ok(filter_parse(str_of(cases[i].text), &f, NULL));
        if (filter_verdict(f, &known) != cases[i].verdict) {
            fail_msg("%s", cases[i].text);
        }
        filter_free(f);
    }
    batch_unref(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matching),
        cmocka_unit_test(test_unknown_service),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_places_in_trees),
        cmocka_unit_test(test_operators_of_places),
        cmocka_unit_test(test_error_codes),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_patterns_give_up),
        cmocka_unit_test(test_verdicts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
