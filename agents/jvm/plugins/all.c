// SPDX-License-Identifier: Apache-2.0
// Purpose: the plug-ins that there are.
#include "agents/jvm/plugins/plugins.h"

#include "core/clock.h"

struct plugin *const PLUGINS[] = {
    &plugin_servlet,
    &plugin_jdk_http_server,
    &plugin_http_url_connection,
    &plugin_jdk_http_client,
    &plugin_apache_http_client,
    &plugin_okhttp,
    &plugin_jdbc,
    &plugin_executors,
    &plugin_fork_join,
    &plugin_completable_future,
    &plugin_threads,
    &plugin_jedis,
    &plugin_lettuce,
    &plugin_logback,
    &plugin_log4j,
    &plugin_java_util_logging,
    &plugin_uncaught,
    &plugin_rabbitmq,
    &plugin_kafka,
    &plugin_grpc,
    &plugin_dubbo,
};
const size_t PLUGIN_COUNT = sizeof PLUGINS / sizeof *PLUGINS;

static uint64_t slow_ns;

void plugin_set_slow_ms(uint64_t ms)
{
    slow_ns = ms * NS_PER_MS;
}

uint64_t plugin_slow_ns(void)
{
    return slow_ns;
}
