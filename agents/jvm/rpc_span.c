// SPDX-License-Identifier: Apache-2.0
// Purpose: RPC calls in spans.
#include "agents/jvm/rpc_span.h"

#include "agents/jvm/authority.h"
#include "core/must.h"

void rpc_span_describe(struct frame *f, const char *system, struct str full)
{
    size_t slash = full.n;
    ASSERT(f->is_span);
    span_name(f, full.n > 0 ? full : str_of(system));
    if (!span_is_kept(f)) {
        return;
    }
    while (slash > 0 && full.p[slash - 1] != '/') {
        slash--;
    }
    span_text(f, "rpc.system", str_of(system));
    if (slash > 1) {
        span_text(f, "rpc.service", (struct str){full.p, slash - 1});
    }
    if (slash < full.n) {
        span_text(f, "rpc.method", str_skip(full, slash));
    }
}

void rpc_span_server(struct frame *f, struct str authority)
{
    int port;
    struct str host = authority_split(authority, &port);
    if (host.n > 0) {
        span_text(f, "server.address", host);
    }
    if (port > 0) {
        span_int(f, "server.port", port);
    }
}
