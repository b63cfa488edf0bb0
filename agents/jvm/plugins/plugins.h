// SPDX-License-Identifier: Apache-2.0
// Purpose: names the plug-ins, one a file in this folder.
#ifndef SONDE_JVM_PLUGINS_PLUGINS_H
#define SONDE_JVM_PLUGINS_PLUGINS_H

#include "agents/jvm/plugin.h"

extern struct plugin plugin_jdk_http_server;
extern struct plugin plugin_http_url_connection;
extern struct plugin plugin_jdk_http_client;
extern struct plugin plugin_apache_http_client;
extern struct plugin plugin_okhttp;
extern struct plugin plugin_executors;
extern struct plugin plugin_fork_join;
extern struct plugin plugin_completable_future;
extern struct plugin plugin_threads;
extern struct plugin plugin_jdbc;
extern struct plugin plugin_jedis;
extern struct plugin plugin_lettuce;
extern struct plugin plugin_logback;
extern struct plugin plugin_log4j;
extern struct plugin plugin_java_util_logging;
extern struct plugin plugin_uncaught;
extern struct plugin plugin_rabbitmq;
extern struct plugin plugin_kafka;
extern struct plugin plugin_servlet;
extern struct plugin plugin_grpc;
extern struct plugin plugin_dubbo;

#endif
