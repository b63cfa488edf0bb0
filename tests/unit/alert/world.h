// SPDX-License-Identifier: Apache-2.0
// Purpose: what tests of alerting share: rules from text, batches of a few spans, a clock that is
// set by hand.
#ifndef SONDE_TESTS_ALERT_WORLD_H
#define SONDE_TESTS_ALERT_WORLD_H

#include "test.h"

#include "alert/alert.h"
#include "core/clock.h"
#include "core/mem.h"
#include "model/semconv.h"

// One span of a test.
struct made {
    const char *service, *instance, *name;
    uint64_t end_ms, duration_ms;
    bool failed;
    const char *key, *value; // an attribute; NULL: none
    uint64_t trace;
};

static inline struct alert_set *rules_of(const char *text)
{
    struct alert_file *f;
    struct err_at at = {0};
    enum err e = alert_file_read(str_of(text), "rules.yaml", &f, &at);
    if (e != ERR_OK) {
        print_error("%s\n", at.text);
    }
    assert_int_equal(e, ERR_OK);
    return alert_set_new(f);
}

static inline void put_text_attr(struct batch *b, struct attr_run *run, struct str key,
                                 const char *value)
{
    if (value == NULL) {
        return;
    }
    struct attr *a = batch_add_attr(b);
    uint32_t k = batch_intern(b, key), v = batch_intern(b, str_of(value));
    *a = (struct attr){.key = k, .type = ATTR_STRING, .code = v};
    run->count++;
}

static inline void put_span(struct batch *b, const struct made *m)
{
    struct resource *r = batch_add_resource(b);
    uint32_t number = (uint32_t)b->resource_count - 1;
    r->attrs = (struct attr_run){(uint32_t)b->attr_count, 0};
    r->service = batch_intern(b, str_of(m->service));
    put_text_attr(b, &r->attrs, SEM_SERVICE_NAME, m->service);
    put_text_attr(b, &r->attrs, SEM_SERVICE_INSTANCE_ID, m->instance);
    struct span *s = batch_add_span(b);
    uint64_t trace = m->trace != 0 ? m->trace : b->span_count;
    memcpy(&s->trace, &trace, sizeof trace);
    memcpy(&s->id, &trace, sizeof s->id);
    s->start_ns = (m->end_ms - m->duration_ms) * NS_PER_MS;
    s->duration_ns = m->duration_ms * NS_PER_MS;
    s->resource = number;
    s->name = batch_intern(b, str_of(m->name));
    s->kind = KIND_SERVER;
    s->status = m->failed ? STATUS_ERROR : STATUS_UNSET;
    s->attrs = (struct attr_run){(uint32_t)b->attr_count, 0};
    if (m->key != NULL) {
        put_text_attr(b, &s->attrs, str_of(m->key), m->value);
    }
}

static inline struct batch *batch_of(const struct made *spans, size_t count, uint64_t seq)
{
    struct batch *b = batch_new(STR("shop"));
    (void)batch_add_scope(b);
    for (size_t i = 0; i < count; i++) {
        put_span(b, &spans[i]);
    }
    batch_seal(b);
    b->seq = seq;
    return b;
}

#endif
