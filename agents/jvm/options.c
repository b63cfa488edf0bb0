// SPDX-License-Identifier: Apache-2.0
// Purpose: reading the agent's options.
#include "agents/jvm/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/jvm/log.h"
#include "core/must.h"

static bool copy(char *to, size_t room, struct str value, const char *key)
{
    if (value.n >= room) {
        agent_log("option %s: longer than %zu bytes, ignored", key, room - 1);
        return false;
    }
    memcpy(to, value.p, value.n);
    to[value.n] = '\0';
    return true;
}

static void set_endpoint(struct options *o, struct str url)
{
    if (!post_target_parse(url, &o->target)) {
        agent_log("option endpoint: '%.*s' is not http://host[:port][/path], ignored",
                  STR_FMT(url));
    }
}

static void set(struct options *o, struct str key, struct str value)
{
    if (str_eq(key, STR("service"))) {
        (void)copy(o->service, sizeof o->service, value, "service");
    } else if (str_eq(key, STR("endpoint"))) {
        set_endpoint(o, value);
    } else if (str_eq(key, STR("token"))) {
        (void)copy(o->token, sizeof o->token, value, "token");
    } else if (str_eq(key, STR("plugins"))) {
        (void)copy(o->plugins, sizeof o->plugins, value, "plugins");
    } else if (str_eq(key, STR("log"))) {
        (void)copy(o->log, sizeof o->log, value, "log");
    } else if (str_eq(key, STR("attributes"))) {
        (void)copy(o->attributes, sizeof o->attributes, value, "attributes");
    } else {
        agent_log("option '%.*s' is not known; known: service endpoint token plugins log "
                  "attributes",
                  STR_FMT(key));
    }
}

static struct str environment(const char *name)
{
    const char *value = getenv(name);
    return value != NULL ? str_of(value) : STR_NONE;
}

static void from_environment(struct options *o)
{
    struct str service = environment("OTEL_SERVICE_NAME");
    struct str endpoint = environment("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
    struct str attributes = environment("OTEL_RESOURCE_ATTRIBUTES");
    if (service.n > 0) {
        (void)copy(o->service, sizeof o->service, service, "OTEL_SERVICE_NAME");
    }
    if (endpoint.n > 0) {
        // This one names the whole path; the sender adds /v1/traces itself.
        struct str tail = STR("/v1/traces");
        if (endpoint.n > tail.n && memcmp(endpoint.p + endpoint.n - tail.n, tail.p, tail.n) == 0) {
            endpoint.n -= tail.n;
        }
    } else {
        endpoint = environment("OTEL_EXPORTER_OTLP_ENDPOINT");
    }
    if (endpoint.n > 0) {
        set_endpoint(o, endpoint);
    }
    if (attributes.n > 0) {
        (void)copy(o->attributes, sizeof o->attributes, attributes, "OTEL_RESOURCE_ATTRIBUTES");
    }
}

void options_parse(struct options *o, const char *text)
{
    *o = (struct options){0};
    bool ok = post_target_parse(STR("http://127.0.0.1:4318"), &o->target);
    ASSERT(ok);
    (void)ok;
    from_environment(o);
    struct str rest = text != NULL ? str_of(text) : STR_NONE;
    while (rest.n > 0) {
        struct str pair, key;
        rest = str_split(rest, ',', &pair);
        struct str value = str_split(pair, '=', &key);
        if (pair.n > 0) {
            set(o, str_trim(key), str_trim(value));
        }
    }
}
