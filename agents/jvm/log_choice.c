// SPDX-License-Identifier: Apache-2.0
// Purpose: choosing log records.
#include "agents/jvm/log_choice.h"

#include "core/must.h"

bool log_level_parse(struct str name, enum severity *ret)
{
    static const struct {
        const char *name;
        enum severity severity;
    } levels[] = {
        {"trace", SEVERITY_TRACE}, {"debug", SEVERITY_DEBUG}, {"info", SEVERITY_INFO},
        {"warn", SEVERITY_WARN},   {"error", SEVERITY_ERROR}, {"fatal", SEVERITY_FATAL},
        {"off", SEVERITY_NONE},
    };
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        if (str_eq_nocase(name, str_of(levels[i].name))) {
            *ret = levels[i].severity;
            return true;
        }
    }
    return false;
}

static bool parse_rule(struct str text, struct log_rule *ret)
{
    struct str level = str_split(text, '=', &ret->logger);
    ret->logger = str_trim(ret->logger);
    ret->least = SEVERITY_TRACE;
    if (ret->logger.n == 0 || (level.p != NULL && !log_level_parse(str_trim(level), &ret->least))) {
        return false;
    }
    ret->any_rest = ret->logger.p[ret->logger.n - 1] == '*';
    ret->logger.n -= ret->any_rest;
    return true;
}

const char *log_choice_set(struct log_choice *c, enum severity least, struct str rules)
{
    *c = (struct log_choice){.least = least, .least_of_all = least};
    while (rules.n > 0) {
        struct str rule;
        rules = str_split(rules, ';', &rule);
        if (str_trim(rule).n == 0) {
            continue;
        }
        if (c->rule_count == LOG_RULES_MAX) {
            return "there are more than 32 rules";
        }
        struct log_rule *r = &c->rules[c->rule_count];
        if (!parse_rule(rule, r)) {
            return "a rule is not LOGGER or LOGGER=LEVEL such as com.shop.pay.*=debug "
                   "(trace, debug, info, warn, error, fatal, off)";
        }
        c->least_of_all = r->least < c->least_of_all ? r->least : c->least_of_all;
        c->rule_count++;
    }
    return NULL;
}

static bool fits(const struct log_rule *r, struct str logger)
{
    return r->any_rest ? str_starts(logger, r->logger) : str_eq(logger, r->logger);
}

bool log_choice_takes(const struct log_choice *c, enum severity severity, struct str logger)
{
    ASSERT(c->rule_count <= LOG_RULES_MAX);
    for (unsigned i = 0; i < c->rule_count; i++) {
        if (fits(&c->rules[i], logger)) {
            return severity >= c->rules[i].least;
        }
    }
    return severity >= c->least;
}
