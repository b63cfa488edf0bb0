// SPDX-License-Identifier: Apache-2.0
// Purpose: where the agent tells less than it is meant to, or has to take a longer way, and goes
// on: each time is counted and sent as sonde.agent.shortfall, by sonde.reason. Any thread.
#ifndef SONDE_JVM_SHORTFALL_H
#define SONDE_JVM_SHORTFALL_H

#include <stdint.h>

#define SHORTFALL_LIST(X)                                                                          \
    X(DATABASES, "databases_full")           /* a connection beyond DATABASES_MAX databases */     \
    X(REDIS_COMMANDS, "redis_commands_full") /* a command beyond REDIS_COMMANDS_MAX names */       \
    X(READER, "reader_given_up")             /* an object's methods are called one by one */       \
    X(GRPC_METADATA, "grpc_metadata_closed") /* Metadata is read by its keys, one by one */

enum shortfall {
#define X(name, text) SHORTFALL_##name,
    SHORTFALL_LIST(X)
#undef X
        SHORTFALLS,
};

void shortfall_count(enum shortfall which);
uint64_t shortfall_counted(enum shortfall which);
const char *shortfall_name(enum shortfall which);

#endif
