// SPDX-License-Identifier: Apache-2.0
// Purpose: the sampling decision.
#include "agents/jvm/sample.h"

#include "agents/jvm/effort.h"
#include "agents/jvm/rate.h"
#include "core/clock.h"
#include "core/must.h"

#define WHOLE 4294967296.0 // 2^32

static struct {
    uint64_t keep_below; // of 2^32
    bool by_parent;
    double rate;
    char text[1024];
    struct sample_rule rules[SAMPLE_RULES_MAX];
    unsigned rule_count;
} settings = {.by_parent = true};

// ---- Settings --------------------------------------------------------------------------------

bool sample_number(struct str s, double most, double *ret)
{
    double value = 0, unit = 1;
    bool has_point = false, has_digit = false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '.' && !has_point) {
            has_point = true;
        } else if (s.p[i] >= '0' && s.p[i] <= '9') {
            has_digit = true;
            unit = has_point ? unit / 10 : unit;
            value = has_point ? value + unit * (s.p[i] - '0') : value * 10 + (s.p[i] - '0');
        } else {
            return false;
        }
    }
    if (!has_digit || value > most) {
        return false;
    }
    *ret = value;
    return true;
}

const char *sample_rules_parse(struct str text, struct sample_rule *ret, unsigned *ret_n)
{
    unsigned n = 0;
    while (text.n > 0) {
        struct str rule;
        text = str_split(text, ';', &rule);
        size_t equals = rule.n;
        while (equals > 0 && rule.p[equals - 1] != '=') {
            equals--;
        }
        if (n == SAMPLE_RULES_MAX) {
            return "there are more than 32 rules";
        }
        if (equals < 2 || !sample_number(str_trim(str_skip(rule, equals)), 1, &ret[n].ratio)) {
            return "a rule is not ENTRY=RATIO such as GET /health=0";
        }
        ret[n++].entry = str_trim((struct str){rule.p, equals - 1});
    }
    *ret_n = n;
    return NULL;
}

static uint64_t below(double ratio)
{
    return (uint64_t)(ratio * WHOLE);
}

void sample_init(const struct sample_settings *s)
{
    ASSERT(s->ratio >= 0 && s->ratio <= 1 && s->rules.n < sizeof settings.text);
    settings.keep_below = below(s->ratio);
    settings.by_parent = s->by_parent;
    settings.rate = s->rate;
    if (s->rules.n > 0) {
        memcpy(settings.text, s->rules.p, s->rules.n);
    }
    const char *wrong = sample_rules_parse((struct str){settings.text, s->rules.n}, settings.rules,
                                           &settings.rule_count);
    ASSERT(wrong == NULL);
    (void)wrong;
}

// ---- Decisions -------------------------------------------------------------------------------

static bool is_within_rate(void)
{
    static struct rate new_traces;
    return settings.rate <= 0 || rate_take(&new_traces, settings.rate, clock_mono_ns());
}

static bool is_kept(trace_id trace, uint64_t keep_below)
{
    uint64_t hash = str_hash_stable((struct str){(const char *)trace.b, sizeof trace.b}) >> 32;
    uint64_t share = effort_keep_below();
    keep_below = share == 1ULL << 32 ? keep_below : keep_below * (share >> 8) >> 24;
    return hash < keep_below && is_within_rate();
}

bool sample_new(trace_id trace)
{
    return is_kept(trace, settings.keep_below);
}

bool sample_remote(trace_id trace, bool sampled)
{
    return settings.by_parent ? sampled : sample_new(trace);
}

// "GET /api/*" fits "GET" and "/api/x"; "*" fits everything.
static bool fits(struct str entry, struct str method, struct str path)
{
    bool any_rest = entry.n > 0 && entry.p[entry.n - 1] == '*';
    size_t n = any_rest ? entry.n - 1 : entry.n, whole = method.n + 1 + path.n;
    if (any_rest ? n > whole : n != whole) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        char c = i < method.n ? method.p[i] : i == method.n ? ' ' : path.p[i - method.n - 1];
        if (entry.p[i] != c) {
            return false;
        }
    }
    return true;
}

bool sample_entry(trace_id trace, struct str method, struct str path, bool *ret_keep)
{
    for (unsigned i = 0; i < settings.rule_count; i++) {
        if (fits(settings.rules[i].entry, method, path)) {
            *ret_keep = is_kept(trace, below(settings.rules[i].ratio));
            return true;
        }
    }
    return false;
}
