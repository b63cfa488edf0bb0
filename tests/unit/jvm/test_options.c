// SPDX-License-Identifier: Apache-2.0
// Purpose: the agent's options and OpenTelemetry's environment variables, what is said of bad ones,
// the limits of its log, and the container's ID.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "agents/jvm/log.h"
#include "agents/jvm/options.h"
#include "agents/jvm/resource.h"
#include "agents/jvm/throttle.h"
#include "core/clock.h"
#include "test.h"

static char path[64];
static char logged[65536];

// What the log has now, as one text.
static const char *log_text(void)
{
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, logged, sizeof logged - 1);
    (void)close(fd);
    logged[n > 0 ? n : 0] = '\0';
    return logged;
}

// Each test has a log of its own.
static int setup(void **state)
{
    (void)state;
    (void)snprintf(path, sizeof path, "/tmp/sonde-test-log-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    return close(fd);
}

static int teardown(void **state)
{
    (void)state;
    agent_log_to("off");
    return unlink(path);
}

static void parse(struct options *o, const char *text)
{
    char all[1024];
    (void)snprintf(all, sizeof all, "log=%s%s%s", path, text[0] != '\0' ? "," : "", text);
    options_parse(o, all);
}

static const char *value_of(const struct option_pairs *p, const char *key)
{
    size_t at = 0;
    struct str k, v;
    while (option_pairs_next(p, &at, &k, &v)) {
        if (strcmp(k.p, key) == 0) {
            return v.p;
        }
    }
    return "(none)";
}

static void set_environment(const char *const *pairs)
{
    for (; pairs[0] != NULL; pairs += 2) {
        assert_int_equal(setenv(pairs[0], pairs[1], 1), 0);
    }
}

static void clear_environment(const char *const *pairs)
{
    for (; pairs[0] != NULL; pairs += 2) {
        assert_int_equal(unsetenv(pairs[0]), 0);
    }
}

static void test_keys(void **state)
{
    struct options o;
    (void)state;
    parse(&o, "service = cart ,endpoint=http://h:9/p/,token=t,sample=0.25,"
              "attributes=a:1;b:x%3By;a:2,plugins=-jdbc,sample_entries=GET /a=0;*=1,"
              "sample_rate=100,max_cpu_percent=2.5,max_memory_mb=8,slow_sql_ms=20,logs=warn,"
              "logs_classes=a.*=debug;b,logs_rate=7");
    assert_string_equal(o.service, "cart");
    assert_string_equal(o.target.host, "h");
    assert_string_equal(o.target.port, "9");
    assert_string_equal(o.target.prefix, "/p");
    assert_string_equal(o.token, "t");
    assert_string_equal(o.plugins, "-jdbc");
    assert_true(o.sample.ratio == 0.25 && o.sample.by_parent && !o.is_disabled);
    assert_true(str_eq(o.sample.rules, STR("GET /a=0;*=1")) && o.sample.rate == 100);
    assert_true(o.max_cpu_percent == 2.5 && o.max_memory_mb == 8 && o.slow_sql_ms == 20);
    assert_true(o.logs.least == SEVERITY_WARN && o.logs.rate == 7);
    assert_true(str_eq(o.logs.rules, STR("a.*=debug;b")));
    assert_string_equal(value_of(&o.attributes, "a"), "2");
    assert_string_equal(value_of(&o.attributes, "b"), "x;y");
    assert_string_equal(log_text(), "");
}

static void test_environment(void **state)
{
    static const char *const variables[] = {"OTEL_RESOURCE_ATTRIBUTES",
                                            "service.name=x, k = a%2Cb ,team=%E8%8C%B6", //
                                            "OTEL_EXPORTER_OTLP_ENDPOINT",
                                            "http://a:1",
                                            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
                                            "http://b:2/v1/traces",
                                            "OTEL_EXPORTER_OTLP_HEADERS",
                                            "authorization=Bearer%20t,x=1",
                                            "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
                                            "x=2",
                                            "OTEL_TRACES_SAMPLER",
                                            "traceidratio",
                                            "OTEL_TRACES_SAMPLER_ARG",
                                            "0.5",
                                            "OTEL_PROPAGATORS",
                                            "tracecontext,baggage",
                                            "OTEL_EXPORTER_OTLP_PROTOCOL",
                                            "http/protobuf",
                                            "OTEL_LOGS_EXPORTER",
                                            "otlp",
                                            NULL};
    struct options o;
    (void)state;
    set_environment(variables);
    parse(&o, "attributes=team:b");
    assert_string_equal(o.service, "x");
    assert_string_equal(value_of(&o.attributes, "k"), "a,b");
    assert_string_equal(value_of(&o.attributes, "team"), "b");
    assert_string_equal(o.target.host, "b");
    assert_string_equal(o.target.prefix, "");
    assert_string_equal(value_of(&o.headers, "authorization"), "Bearer t");
    assert_string_equal(value_of(&o.headers, "x"), "2");
    assert_true(o.sample.ratio == 0.5 && !o.sample.by_parent);
    assert_int_equal(o.logs.least, SEVERITY_TRACE);
    assert_string_equal(log_text(), "");
    parse(&o, "sample=1,service=y,endpoint=http://c:3,logs=error");
    assert_int_equal(o.logs.least, SEVERITY_ERROR);
    assert_string_equal(o.service, "y");
    assert_string_equal(o.target.host, "c");
    assert_true(o.sample.ratio == 1);
    clear_environment(variables);
}

static void test_bad_values(void **state)
{
    static const char *const variables[] = {"OTEL_RESOURCE_ATTRIBUTES",
                                            "good=1,bad=%4",
                                            "OTEL_TRACES_SAMPLER",
                                            "sometimes",
                                            "OTEL_PROPAGATORS",
                                            "tracecontext,b3",
                                            "OTEL_EXPORTER_OTLP_PROTOCOL",
                                            "grpc",
                                            "OTEL_SDK_DISABLED",
                                            "maybe",
                                            "OTEL_EXPORTER_OTLP_HEADERS",
                                            "a=b%0D%0Ac:d",
                                            "OTEL_LOGS_EXPORTER",
                                            "console",
                                            NULL};
    static const char *const said[] = {
        "option OTEL_RESOURCE_ATTRIBUTES: 'good=1,bad=%4' is not a list",
        "option OTEL_TRACES_SAMPLER: 'sometimes' is not always_on",
        "option OTEL_PROPAGATORS: 'b3' is not supported, ignored; supported: tracecontext baggage",
        "option OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' is not supported",
        "option OTEL_SDK_DISABLED: 'maybe' is not true or false",
        "option OTEL_EXPORTER_OTLP_HEADERS: ",
        "option sample: '1.5' is not a number from 0 to 1",
        "option endpoint: 'https://x' is not http://",
        "option 'colour' is not known; known: service",
        "option token: it has blanks or control characters",
        "option OTEL_LOGS_EXPORTER: 'console' is not supported, ignored; supported: otlp none",
        "option logs: 'loud' is not trace, debug",
        "option logs_classes: a rule is not LOGGER or LOGGER=LEVEL",
        "option logs_rate: '0' is not a number above 0"};
    struct options o;
    (void)state;
    set_environment(variables);
    parse(&o, "sample=1.5,endpoint=https://x,colour=red,token=a\rb,=,,attributes=,"
              "logs=loud,logs_classes=a=loud,logs_rate=0");
    clear_environment(variables);
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        if (strstr(log_text(), said[i]) == NULL) {
            fail_msg("not said: %s", said[i]);
        }
    }
    assert_int_equal(o.attributes.n, 0);
    assert_int_equal(o.headers.n, 0);
    assert_string_equal(o.token, "");
    assert_true(o.logs.least == SEVERITY_NONE && o.logs.rules.n == 0 && o.logs.rate == LOG_RATE);
    assert_string_equal(o.target.port, "4318");
    assert_true(o.sample.ratio == 1 && o.sample.by_parent && !o.is_disabled);
    assert_non_null(strstr(o.complaint, "option logs_rate: '0'")); // the last of them
    parse(&o, "sample=1");
    assert_string_equal(o.complaint, "");
}

static void test_disabled(void **state)
{
    static const char *const disabled[] = {"OTEL_SDK_DISABLED", "True", NULL};
    static const char *const none[] = {"OTEL_TRACES_EXPORTER", "none", NULL};
    struct options o;
    (void)state;
    set_environment(disabled);
    parse(&o, "");
    assert_true(o.is_disabled);
    clear_environment(disabled);
    set_environment(none);
    parse(&o, "");
    assert_true(o.is_disabled);
    clear_environment(none);
}

static unsigned lines(const char *text)
{
    unsigned n = 0;
    for (; *text != '\0'; text++) {
        n += *text == '\n';
    }
    return n;
}

static void test_log_limits(void **state)
{
    (void)state;
    agent_log_to(path);
    for (int i = 0; i < 1000; i++) {
        agent_log("the same, %s", "again");
    }
    agent_log("another\nof two lines");
    assert_int_equal(lines(log_text()), 2);
    // This build is quiet for LOG_QUIET_MS only; then the same message says what was missed.
    uint64_t until = clock_mono_ns() + 30 * NS_PER_S;
    while (lines(log_text()) < 3) {
        assert_true(clock_mono_ns() < until);
        (void)usleep(1000);
        agent_log("the same, %s", "again");
    }
    unsigned missed = 0;
    const char *count = strrchr(log_text(), '(');
    assert_non_null(count);
    assert_int_equal(sscanf(count, "(%u messages were left out)", &missed), 1);
    assert_true(missed >= 999);
    for (int i = 0; i < 10 * THROTTLE_KINDS_MAX; i++) {
        agent_log("number %d", i);
    }
    assert_true(lines(log_text()) <= 3 + THROTTLE_KINDS_MAX);
}

static void test_container(void **state)
{
    static const char id[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    char text[512];
    (void)state;
    (void)snprintf(text, sizeof text, "12:cpu:/\n5:pids:/kubepods/besteffort/pod1/cri-%s.scope\n",
                   id);
    struct str found = resource_container(str_of(text), STR(""));
    assert_true(str_eq(found, str_of(id)));
    (void)snprintf(text, sizeof text,
                   "1 2 0:1 / / rw - overlay o rw\n"
                   "3 1 8:1 /var/lib/docker/containers/%s/hostname /etc/hostname rw - ext4 d rw\n",
                   id);
    found = resource_container(STR("0::/\n"), str_of(text));
    assert_true(str_eq(found, str_of(id)));
    (void)snprintf(text, sizeof text, "0::/user.slice/%s0\n", id); // one digit too many
    assert_int_equal(resource_container(str_of(text), STR("")).n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_environment, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_values, setup, teardown),
        cmocka_unit_test_setup_teardown(test_disabled, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log_limits, setup, teardown),
        cmocka_unit_test(test_container),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
