// SPDX-License-Identifier: Apache-2.0
// Purpose: the plug-ins that there are.
#include "agents/jvm/plugins/plugins.h"

struct plugin *const PLUGINS[] = {
    &plugin_servlet,
    &plugin_jdk_http_server,
    &plugin_http_url_connection,
    &plugin_jdbc,
};
const size_t PLUGIN_COUNT = sizeof PLUGINS / sizeof *PLUGINS;
