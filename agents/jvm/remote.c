// SPDX-License-Identifier: Apache-2.0
// Purpose: opening the span that headers ask for.
#include "agents/jvm/remote.h"

static struct frame *open_from(struct thread_state *t, const struct plugin_method *m,
                               enum span_kind kind, header_get *get, void *ctx)
{
    char origin[ORIGIN_MAX + 1];
    struct context remote;
    struct frame *f = context_extract(get, ctx, &remote, origin)
                          ? span_open_remote(t, m, kind, &remote)
                          : span_open(t, m, kind);
    if (f != NULL && !context_is_set(&remote) && remote.luggage != NULL) {
        context_set_luggage(&f->context, STR_NONE, context_baggage(&remote));
        context_set_luggage(&t->current, STR_NONE, context_baggage(&remote));
    }
    if (f != NULL && origin[0] != '\0') {
        span_text(f, "skywalking.trace_id", str_of(origin));
    }
    context_drop(&remote);
    return f;
}

struct frame *span_open_entry(struct thread_state *t, const struct plugin_method *m,
                              enum span_kind kind, header_get *get, void *ctx)
{
    struct context kept = t->current;
    t->current = (struct context){0};
    struct frame *f = get != NULL ? open_from(t, m, kind, get, ctx) : span_open(t, m, kind);
    if (f != NULL) {
        f->before = kept;
    } else {
        t->current = kept;
    }
    return f;
}
