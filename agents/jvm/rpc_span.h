// SPDX-License-Identifier: Apache-2.0
// Purpose: what every RPC library's plug-in says of a call in its span, by the conventions: the
// name "package.Service/Method", rpc.system, rpc.service, rpc.method, and the server.
#ifndef SONDE_JVM_RPC_SPAN_H
#define SONDE_JVM_RPC_SPAN_H

#include "agents/jvm/span.h"

// `full` is "package.Service/Method"; it is the method alone where there is no '/'.
void rpc_span_describe(struct frame *f, const char *system, struct str full);

// server.address and server.port of "host:port", "[v6]:port" or "host". Nothing for empty.
void rpc_span_server(struct frame *f, struct str authority);

#endif
