// SPDX-License-Identifier: Apache-2.0
// Purpose: reading the agent's options.
#include "agents/jvm/options.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agents/jvm/log.h"
#include "core/must.h"

#define PAIR_TEXT_MAX 1024 // of one key or value

// Says what is wrong in the log, and keeps it.
static void complain(struct options *o, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void complain(struct options *o, const char *format, ...)
{
    char text[sizeof o->complaint];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ASSERT(text[0] != '\0');
    agent_log("%s", text);
    memcpy(o->complaint, text, sizeof text);
}

// `name`, where it appears in a complaint, is the key or the variable that the value came by.

static bool copy(struct options *o, char *to, size_t room, struct str value, const char *name)
{
    if (value.n >= room) {
        complain(o, "option %s: longer than %zu bytes, ignored", name, room - 1);
        return false;
    }
    memcpy(to, value.p, value.n);
    to[value.n] = '\0';
    return true;
}

// ---- Pairs -----------------------------------------------------------------------------------

bool option_pairs_next(const struct option_pairs *p, size_t *at, struct str *ret_key,
                       struct str *ret_value)
{
    if (*at >= p->n) {
        return false;
    }
    *ret_key = str_of(p->text + *at);
    *ret_value = str_of(p->text + *at + ret_key->n + 1);
    *at += ret_key->n + ret_value->n + 2;
    ASSERT(*at <= p->n);
    return true;
}

static void remove_pair(struct option_pairs *p, struct str key)
{
    size_t at = 0, begin = 0;
    struct str k, v;
    while (option_pairs_next(p, &at, &k, &v)) {
        if (str_eq(k, key)) {
            memmove(p->text + begin, p->text + at, p->n - at);
            p->n -= at - begin;
            return;
        }
        begin = at;
    }
}

static bool add_pair(struct option_pairs *p, struct str key, struct str value)
{
    remove_pair(p, key);
    if (key.n + value.n + 2 > sizeof p->text - p->n) {
        return false;
    }
    memcpy(p->text + p->n, key.p, key.n);
    p->text[p->n + key.n] = '\0';
    memcpy(p->text + p->n + key.n + 1, value.p, value.n);
    p->n += key.n + value.n + 2;
    p->text[p->n - 1] = '\0';
    return true;
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

// Percent-decoded; false for a bad escape, a control character, or what is too long.
static bool decode(struct str from, char out[PAIR_TEXT_MAX], struct str *ret)
{
    size_t n = 0;
    for (size_t i = 0; i < from.n; i++) {
        char c = from.p[i];
        if (c == '%') {
            int high = i + 2 < from.n ? hex_value(from.p[i + 1]) : -1;
            int low = high >= 0 ? hex_value(from.p[i + 2]) : -1;
            if (low < 0) {
                return false;
            }
            c = (char)(high << 4 | low);
            i += 2;
        }
        if ((unsigned char)c < 0x20 || c == 0x7F || n == PAIR_TEXT_MAX) {
            return false;
        }
        out[n++] = c;
    }
    *ret = (struct str){out, n};
    return true;
}

// A list of pairs; one that is wrong makes the whole list void, as the specification wants it.
static void set_pairs(struct options *o, struct option_pairs *p, struct str list, char between,
                      char equals, const char *name)
{
    struct option_pairs all = *p;
    struct str rest = list;
    while (rest.n > 0) {
        char key_text[PAIR_TEXT_MAX], value_text[PAIR_TEXT_MAX];
        struct str pair, key, value;
        rest = str_split(rest, between, &pair);
        value = str_split(pair, equals, &key);
        if (str_trim(pair).n == 0) {
            continue;
        }
        if (value.p == NULL || !decode(str_trim(key), key_text, &key) || key.n == 0 ||
            !decode(str_trim(value), value_text, &value) || !add_pair(&all, key, value)) {
            complain(o,
                     "option %s: '%.*s' is not a list of key%cvalue with '%c' between them "
                     "(percent-encoded, %d bytes in all), ignored",
                     name, STR_FMT(list), equals, between, OPTION_PAIRS_MAX);
            return;
        }
    }
    *p = all;
}

// ---- Values ----------------------------------------------------------------------------------

static void set_endpoint(struct options *o, struct str url, const char *name)
{
    if (!post_target_parse(url, &o->target)) {
        complain(o, "option %s: '%.*s' is not http://host[:port][/path], ignored", name,
                 STR_FMT(url));
    }
}

static void set_number(struct options *o, double *to, struct str value, double most,
                       const char *name)
{
    if (!sample_number(value, most, to)) {
        complain(o, "option %s: '%.*s' is not a number from 0 to %.0f, ignored", name,
                 STR_FMT(value), most);
    }
}

static void set_rules(struct options *o, struct str value)
{
    struct sample_rule rules[SAMPLE_RULES_MAX];
    unsigned n;
    const char *wrong = sample_rules_parse(value, rules, &n);
    if (wrong != NULL) {
        complain(o, "option sample_entries: %s; it is ignored", wrong);
    } else if (copy(o, o->sample_rules, sizeof o->sample_rules, value, "sample_entries")) {
        o->sample.rules = (struct str){o->sample_rules, value.n};
    }
}

static void set_log_rules(struct options *o, struct str value)
{
    struct log_choice choice;
    const char *wrong = log_choice_set(&choice, SEVERITY_NONE, value);
    if (wrong != NULL) {
        complain(o, "option logs_classes: %s; it is ignored", wrong);
    } else if (copy(o, o->log_rules, sizeof o->log_rules, value, "logs_classes")) {
        o->logs.rules = (struct str){o->log_rules, value.n};
    }
}

static void set_log_level(struct options *o, struct str value)
{
    if (!log_level_parse(value, &o->logs.least)) {
        complain(o,
                 "option logs: '%.*s' is not trace, debug, info, warn, error, fatal or off, "
                 "ignored",
                 STR_FMT(value));
    }
}

static void set_log_rate(struct options *o, struct str value)
{
    double rate = 0;
    if (!sample_number(value, 1e6, &rate) || rate <= 0) {
        complain(o, "option logs_rate: '%.*s' is not a number above 0, up to 1000000, ignored",
                 STR_FMT(value));
        return;
    }
    o->logs.rate = rate;
}

// Options that are numbers, and their greatest values.
static bool set_as_number(struct options *o, struct str key, struct str value)
{
    const struct {
        const char *name;
        double *to, most;
    } numbers[] = {
        {"sample", &o->sample.ratio, 1},
        {"sample_rate", &o->sample.rate, 1e6},
        {"max_cpu_percent", &o->max_cpu_percent, 1e5},
        {"max_memory_mb", &o->max_memory_mb, 1e5},
        {"slow_sql_ms", &o->slow_sql_ms, 1e8},
        {"fail_every", &o->fail_every, 1e9},
        {"report_s", &o->report_s, 1e9},
        {"pending_age_s", &o->pending_age_s, 1e9},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (str_eq(key, str_of(numbers[i].name))) {
            set_number(o, numbers[i].to, value, numbers[i].most, numbers[i].name);
            return true;
        }
    }
    return false;
}

static void set_token(struct options *o, struct str value)
{
    char text[sizeof o->token];
    if (!copy(o, text, sizeof text, value, "token")) {
        return;
    }
    for (size_t i = 0; i < value.n; i++) {
        if ((unsigned char)value.p[i] <= ' ' || value.p[i] == 0x7F) {
            complain(o, "option token: it has blanks or control characters, ignored");
            return;
        }
    }
    memcpy(o->token, text, sizeof text);
}

static void set(struct options *o, struct str key, struct str value)
{
    if (str_eq(key, STR("service"))) {
        (void)copy(o, o->service, sizeof o->service, value, "service");
    } else if (str_eq(key, STR("endpoint"))) {
        set_endpoint(o, value, "endpoint");
    } else if (str_eq(key, STR("token"))) {
        set_token(o, value);
    } else if (str_eq(key, STR("attributes"))) {
        set_pairs(o, &o->attributes, value, ';', ':', "attributes");
    } else if (str_eq(key, STR("sample_entries"))) {
        set_rules(o, value);
    } else if (str_eq(key, STR("logs"))) {
        set_log_level(o, value);
    } else if (str_eq(key, STR("logs_classes"))) {
        set_log_rules(o, value);
    } else if (str_eq(key, STR("logs_rate"))) {
        set_log_rate(o, value);
    } else if (str_eq(key, STR("plugins"))) {
        (void)copy(o, o->plugins, sizeof o->plugins, value, "plugins");
    } else if (!str_eq(key, STR("log")) && !set_as_number(o, key, value)) { // log: heeded first
        complain(o, "option '%.*s' is not known; known: " OPTION_NAMES, STR_FMT(key));
    }
}

// ---- The environment -------------------------------------------------------------------------

// Empty is as good as absent, says the specification.
static struct str environment(const char *name)
{
    const char *value = getenv(name);
    return value != NULL ? str_trim(str_of(value)) : STR_NONE;
}

static void endpoint_from_environment(struct options *o)
{
    static const char traces[] = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    static const char all[] = "OTEL_EXPORTER_OTLP_ENDPOINT";
    struct str tail = STR("/v1/traces"); // the sender adds it itself
    struct str url = environment(traces);
    if (url.n == 0) {
        url = environment(all);
        if (url.n > 0) {
            set_endpoint(o, url, all);
        }
        return;
    }
    if (url.n > tail.n && memcmp(url.p + url.n - tail.n, tail.p, tail.n) == 0) {
        url.n -= tail.n;
    }
    set_endpoint(o, url, traces);
}

static void sampler_from_environment(struct options *o)
{
    static const char name[] = "OTEL_TRACES_SAMPLER", arg_name[] = "OTEL_TRACES_SAMPLER_ARG";
    struct str sampler = environment(name), arg = environment(arg_name), kind = sampler;
    struct str parent = STR("parentbased_");
    if (sampler.n == 0) {
        return;
    }
    bool by_parent = str_starts(sampler, parent);
    kind = by_parent ? str_skip(sampler, parent.n) : kind;
    if (str_eq(kind, STR("always_on"))) {
        o->sample.ratio = 1;
    } else if (str_eq(kind, STR("always_off"))) {
        o->sample.ratio = 0;
    } else if (str_eq(kind, STR("traceidratio"))) {
        if (arg.n > 0) {
            set_number(o, &o->sample.ratio, arg, 1, arg_name);
        }
    } else {
        complain(o,
                 "option %s: '%.*s' is not always_on, always_off, traceidratio or one of these "
                 "behind parentbased_, ignored",
                 name, STR_FMT(sampler));
        return;
    }
    o->sample.by_parent = by_parent;
}

// Says what is asked for and not done.
static void say_unsupported(struct options *o, const char *name, const char *does)
{
    struct str list = environment(name), rest = list;
    while (rest.n > 0) {
        struct str one, known, does_rest = str_of(does);
        bool is_known = false;
        rest = str_split(rest, ',', &one);
        while (does_rest.n > 0) {
            does_rest = str_split(does_rest, ' ', &known);
            is_known = is_known || str_eq(str_trim(one), known);
        }
        if (!is_known) {
            complain(o, "option %s: '%.*s' is not supported, ignored; supported: %s", name,
                     STR_FMT(one), does);
        }
    }
}

static bool is_disabled(struct options *o)
{
    struct str disabled = environment("OTEL_SDK_DISABLED");
    if (disabled.n > 0 && !str_eq_nocase(disabled, STR("true")) &&
        !str_eq_nocase(disabled, STR("false"))) {
        complain(o, "option OTEL_SDK_DISABLED: '%.*s' is not true or false: taken for false",
                 STR_FMT(disabled));
    }
    return str_eq_nocase(disabled, STR("true")) ||
           str_eq(environment("OTEL_TRACES_EXPORTER"), STR("none"));
}

static void from_environment(struct options *o)
{
    static const char headers[] = "OTEL_EXPORTER_OTLP_HEADERS";
    static const char trace_headers[] = "OTEL_EXPORTER_OTLP_TRACES_HEADERS";
    static const char attributes[] = "OTEL_RESOURCE_ATTRIBUTES";
    size_t at = 0;
    struct str key, value, service = environment("OTEL_SERVICE_NAME");
    o->is_disabled = is_disabled(o);
    set_pairs(o, &o->attributes, environment(attributes), ',', '=', attributes);
    while (option_pairs_next(&o->attributes, &at, &key, &value)) {
        if (str_eq(key, STR("service.name"))) {
            (void)copy(o, o->service, sizeof o->service, value, attributes);
        }
    }
    if (service.n > 0) {
        (void)copy(o, o->service, sizeof o->service, service, "OTEL_SERVICE_NAME");
    }
    set_pairs(o, &o->headers, environment(headers), ',', '=', headers);
    set_pairs(o, &o->headers, environment(trace_headers), ',', '=', trace_headers);
    endpoint_from_environment(o);
    sampler_from_environment(o);
    say_unsupported(o, "OTEL_PROPAGATORS", "tracecontext baggage");
    say_unsupported(o, "OTEL_TRACES_EXPORTER", "otlp none");
    say_unsupported(o, "OTEL_LOGS_EXPORTER", "otlp none");
    o->logs.least =
        str_eq(environment("OTEL_LOGS_EXPORTER"), STR("otlp")) ? SEVERITY_TRACE : SEVERITY_NONE;
    say_unsupported(o, "OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf");
}

// ---- All -------------------------------------------------------------------------------------

// Calls for each key and value of the text.
static void each(const char *text, void (*take)(struct options *o, struct str key, struct str v),
                 struct options *o)
{
    struct str rest = text != NULL ? str_of(text) : STR_NONE;
    while (rest.n > 0) {
        struct str pair, key;
        rest = str_split(rest, ',', &pair);
        struct str value = str_split(pair, '=', &key);
        if (str_trim(pair).n > 0) {
            take(o, str_trim(key), str_trim(value));
        }
    }
}

static void set_log(struct options *o, struct str key, struct str value)
{
    char where[512];
    if (str_eq(key, STR("log")) && copy(o, where, sizeof where, value, "log")) {
        agent_log_to(where);
    }
}

void options_parse(struct options *o, const char *text)
{
    *o = (struct options){.sample = {.ratio = 1, .by_parent = true},
                          .logs = {.least = SEVERITY_NONE, .rate = LOG_RATE},
                          .max_cpu_percent = 10,
                          .max_memory_mb = 30,
                          .slow_sql_ms = 500,
                          .report_s = REPORT_S,
                          .pending_age_s = PENDING_AGE_S};
    bool ok = post_target_parse(STR("http://127.0.0.1:4318"), &o->target);
    ASSERT(ok);
    (void)ok;
    agent_log_to("");
    each(text, set_log, o);
    from_environment(o);
    each(text, set, o);
}
