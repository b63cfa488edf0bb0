// SPDX-License-Identifier: Apache-2.0
// Purpose: agents/jvm/headers: every format is read, what is malformed is not, what is sent is read
// back, and the same foreign trace gives the same ID.
#include "agents/jvm/headers.h"

#include <stdio.h>
#include <stdlib.h>

#include "support/header_lines.h"
#include "test.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN  "00f067aa0ba902b7"

static void put(void *ctx, const char *name, const char *value)
{
    char *to = ctx;
    size_t n = strlen(to);
    (void)snprintf(to + n, 32768 - n, "%s: %s\n", name, value);
}

// "traceparent|tracestate|baggage|origin" of what the headers say; "-" for no trace.
static const char *extract(const char *headers)
{
    static char text[32768];
    char origin[ORIGIN_MAX + 1], parent[TRACEPARENT_SIZE] = "-";
    struct str lines = str_of(headers);
    struct context c;
    if (context_extract(header_lines_get, &lines, &c, origin)) {
        context_traceparent(&c, parent);
        assert_true((c.flags & CONTEXT_REMOTE) != 0);
    }
    (void)snprintf(text, sizeof text, "%s|%.*s|%.*s|%s", parent, STR_FMT(context_tracestate(&c)),
                   STR_FMT(context_baggage(&c)), origin);
    context_drop(&c);
    return text;
}

static void test_w3c(void **state)
{
    (void)state;
    assert_string_equal(extract("traceparent: 00-" TRACE "-" SPAN "-01\n"),
                        "00-" TRACE "-" SPAN "-01|||");
    assert_string_equal(extract("Traceparent:  00-" TRACE "-" SPAN "-00 \ntracestate: a=1\n"
                                "tracestate: b@x=2, c=3\nbaggage: k = v\nbaggage: l=%20;p\n"),
                        "00-" TRACE "-" SPAN "-00|a=1,b@x=2,c=3|k = v,l=%20;p|");
    // A later version may have more; version 0 may not, and ff is none.
    assert_string_equal(extract("traceparent: 01-" TRACE "-" SPAN "-01-more\n"),
                        "00-" TRACE "-" SPAN "-01|||");
    static const char *const bad[] = {
        "",
        "traceparent: 00-" TRACE "-" SPAN "-01-more\n",
        "traceparent: ff-" TRACE "-" SPAN "-01\n",
        "traceparent: 00-00000000000000000000000000000000-" SPAN "-01\n",
        "traceparent: 00-" TRACE "-0000000000000000-01\n",
        "traceparent: 00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01\n",
        "traceparent: 00-" TRACE "-" SPAN "-1\n",
        "traceparent: 00-" TRACE "-" SPAN "\n",
        "traceparent: 00-" TRACE "0-" SPAN "-01\n",
        "traceparent: 00-" TRACE "-" SPAN "-01\ntraceparent: 00-" TRACE "-" SPAN "-01\n",
        "tracestate: a=1\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_string_equal(extract(bad[i]), "-|||");
    }
    // Baggage goes on without a trace; a malformed tracestate is left out whole.
    assert_string_equal(extract("baggage: user=7\n"), "-||user=7|");
    assert_string_equal(extract("traceparent: 00-" TRACE "-" SPAN "-01\ntracestate: a=1,B=2\n"),
                        "00-" TRACE "-" SPAN "-01|||");
}

static void test_limits(void **state)
{
    static char headers[32768], expected[32768];
    (void)state;
    // Members over 128 bytes go first: 4 * 100 bytes and one of 200.
    (void)snprintf(headers, sizeof headers, "traceparent: 00-" TRACE "-" SPAN "-01\ntracestate: ");
    for (int i = 0; i < 5; i++) {
        size_t n = strlen(headers);
        (void)snprintf(headers + n, sizeof headers - n, "%sk%d=%0*d", i > 0 ? "," : "", i,
                       i == 1 ? 200 : 100, 7);
    }
    const char *got = extract(headers);
    assert_non_null(strstr(got, "k0="));
    assert_null(strstr(got, "k1="));
    assert_non_null(strstr(got, "k4="));
    // Baggage is cut at whole members.
    (void)snprintf(headers, sizeof headers, "baggage: a=%05000d,b=%02000d,c=%02000d,d=1\n", 1, 2,
                   3);
    (void)snprintf(expected, sizeof expected, "-||a=%05000d,b=%02000d|", 1, 2);
    assert_int_equal(strlen(headers) > HEADER_MAX, 1);
    assert_string_equal(extract(headers), "-|||"); // longer than any header may be
    (void)snprintf(headers, sizeof headers, "baggage: a=%05000d,b=%02000d,bad\n", 1, 2);
    assert_string_equal(extract(headers), expected);
}

static void test_b3(void **state)
{
    (void)state;
    assert_string_equal(extract("b3: " TRACE "-" SPAN "-1-05e3ac9a4f6e3b90\n"),
                        "00-" TRACE "-" SPAN "-01|||");
    assert_string_equal(extract("b3: a3ce929d0e0e4736-" SPAN "-0\nbaggage: a=b\n"),
                        "00-0000000000000000a3ce929d0e0e4736-" SPAN "-00||a=b|");
    assert_string_equal(extract("b3: " TRACE "-" SPAN "-d\n"), "00-" TRACE "-" SPAN "-01|||");
    assert_string_equal(extract("b3: " TRACE "-" SPAN "\n"), "00-" TRACE "-" SPAN "-01|||");
    assert_string_equal(
        extract("x-b3-traceid: " TRACE "\nX-B3-SpanId: " SPAN "\nX-B3-Sampled: 0\n"),
        "00-" TRACE "-" SPAN "-00|||");
    assert_string_equal(extract("X-B3-TraceId: a3ce929d0e0e4736\nX-B3-SpanId: " SPAN
                                "\nX-B3-Sampled: 0\nX-B3-Flags: 1\ntracestate: a=1\n"),
                        "00-0000000000000000a3ce929d0e0e4736-" SPAN "-01|||");
    static const char *const bad[] = {
        "b3: 0\n",
        "b3: " TRACE "\n",
        "b3: " TRACE "-" SPAN "0-1\n",
        "b3: a3ce929d0e0e473-" SPAN "-1\n",
        "b3: 0000000000000000-" SPAN "-1\n",
        "X-B3-TraceId: " TRACE "\n",
        "X-B3-TraceId: " TRACE "\nX-B3-SpanId: nonsense\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_string_equal(extract(bad[i]), "-|||");
    }
}

// sw8 of trace "abc.1.2", segment "seg.1.2", span 3.
#define SW8 "1-YWJjLjEuMg==-c2VnLjEuMg==-3-c2hvcA==-aW5zdA==-L2E=-MTI3LjAuMC4xOjgw"

static void test_sw8(void **state)
{
    char first[128], segment[128];
    (void)state;
    (void)snprintf(first, sizeof first, "%s", extract("sw8: " SW8 "\n"));
    // The rule of headers.h, written down here once more.
    (void)snprintf(segment, sizeof segment, "00-%016llx%016llx-%016llx-01|||abc.1.2",
                   (unsigned long long)str_hash_stable(STR("abc.1.2")),
                   (unsigned long long)str_hash_stable(STR("sw8abc.1.2")),
                   (unsigned long long)str_hash_stable(STR("seg.1.2-3")));
    assert_string_equal(first, segment);
    // Another span of another segment, the same trace.
    const char *other = extract("sw8: 0-YWJjLjEuMg==-b3RoZXI=-0-c2hvcA==-aQ==-Lw==-YQ==\n");
    assert_memory_equal(other, first, 3 + 32);
    assert_true(memcmp(other + 36, first + 36, 16) != 0);
    assert_non_null(strstr(other, "-00|"));
    // 32 hexadecimal digits stay what they are.
    assert_memory_equal(
        extract("sw8: 1-NGJmOTJmMzU3N2IzNGRhNmEzY2U5MjlkMGUwZTQ3MzY=-c2Vn-0-a-a-a-a\n"),
        "00-" TRACE "-", 36);
    // The correlation context joins the baggage, which has precedence.
    assert_non_null(strstr(extract("sw8: " SW8 "\nbaggage: user=9\n"
                                   "sw8-correlation: dXNlcg==:Nw==,cmVnaW9u:6YOR5bee\n"),
                           "|user=9,region=%E9%83%91%E5%B7%9E|"));
    static const char *const bad[] = {
        "sw8: 1-YWJjLjEuMg==-c2VnLjEuMg==-3\n",
        "sw8: 2-YWJjLjEuMg==-c2VnLjEuMg==-3-a-a-a-a\n",
        "sw8: 1--c2VnLjEuMg==-3-a-a-a-a\n",
        "sw8: 1-YW?j-c2VnLjEuMg==-3-a-a-a-a\n",
        "sw8: 1-YWJjLjEuMg==-c2VnLjEuMg==-x-a-a-a-a\n",
        "sw8-correlation: dXNlcg==:Nw==\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_string_equal(extract(bad[i]), "-|||");
    }
}

static void test_precedence(void **state)
{
    (void)state;
    assert_memory_equal(extract("sw8: " SW8 "\nb3: a3ce929d0e0e4736-" SPAN "-1\n"
                                "traceparent: 00-" TRACE "-" SPAN "-00\n"),
                        "00-" TRACE "-" SPAN "-00", 55);
    assert_memory_equal(extract("sw8: " SW8 "\nb3: a3ce929d0e0e4736-" SPAN "-1\n"
                                "traceparent: nonsense\n"),
                        "00-0000000000000000a3ce929d0e0e4736-" SPAN "-01", 55);
}

static void test_there_and_back(void **state)
{
    static char sent[32768];
    static const char in[] = "traceparent: 00-" TRACE "-" SPAN "-01\ntracestate: a=1\n"
                             "baggage: k=v\n";
    char origin[ORIGIN_MAX + 1];
    struct str lines = str_of(in);
    struct context c;
    (void)state;
    assert_true(context_extract(header_lines_get, &lines, &c, origin));
    context_inject(&c, put, sent);
    context_drop(&c);
    assert_string_equal(sent, in);
}

static void test_baggage(void **state)
{
    struct context c = {.span = {{1}}}, child;
    char out[64], small[2];
    (void)state;
    assert_null(context_baggage_get(&c, STR("user"), out, sizeof out).p);
    assert_true(context_baggage_set(&c, STR("user"), STR("a b,\xE9\x83\x91%")));
    assert_str(context_baggage(&c), "user=a%20b%2C%E9%83%91%25");
    child = context_copy(&c);
    assert_true(context_baggage_set(&child, STR("order"), STR("7")));
    assert_true(context_baggage_set(&child, STR("user"), STR("x")));
    assert_str(context_baggage(&child), "order=7,user=x");
    assert_str(context_baggage_get(&c, STR("user"), out, sizeof out), "a b,\xE9\x83\x91%");
    assert_null(context_baggage_get(&c, STR("user"), small, sizeof small).p);
    assert_true(context_baggage_set(&child, STR("user"), STR("")));
    assert_str(context_baggage(&child), "order=7");
    assert_false(context_baggage_set(&child, STR("no key"), STR("1")));
    assert_false(context_baggage_set(&child, STR(""), STR("1")));
    assert_false(context_baggage_set(&child, STR("k"), STR("\xFF")));
    static char large[BAGGAGE_MAX];
    memset(large, 'x', sizeof large);
    assert_false(context_baggage_set(&child, STR("k"), (struct str){large, sizeof large}));
    assert_str(context_baggage(&child), "order=7");
    context_drop(&child);
    context_drop(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_w3c),        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_b3),         cmocka_unit_test(test_sw8),
        cmocka_unit_test(test_precedence), cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_baggage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
