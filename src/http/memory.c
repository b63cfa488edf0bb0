// SPDX-License-Identifier: Apache-2.0
// Purpose: the server's share of the memory budget. It is taken in steps, so that small requests
// do not touch shared counters, and never falls below HTTP_SURE_BYTES, so that small requests and
// refusals are answered however short memory is.
#include "core/must.h"
#include "http/internal.h"

// Takes `n`, leaving `floor` of the credit alone.
static bool take_above(struct http_server *s, size_t n, size_t floor)
{
    struct budget *budget = s->options.budget;
    if (budget == NULL) {
        return true;
    }
    enum account a = s->options.account;
    size_t usable = s->credit > floor ? s->credit - floor : 0, more = 0;
    if (usable < n && budget_take(budget, a, n + HTTP_BODY_CREDIT_STEP)) {
        more = n + HTTP_BODY_CREDIT_STEP;
    } else if (usable < n && budget_take(budget, a, n - usable)) {
        more = n - usable;
    }
    s->credit += more;
    if (usable + more < n) {
        return false;
    }
    ASSERT(s->credit >= n);
    s->credit -= n;
    return true;
}

// What is sure is for what is small.
bool memory_take(struct http_server *s, size_t n)
{
    ASSERT(s != NULL);
    return take_above(s, n, n <= HTTP_SMALL_BYTES ? 0 : s->sure_bytes);
}

void memory_force(struct http_server *s, size_t n)
{
    ASSERT(n <= SIZE_MAX / 2);
    if (!memory_take(s, n)) {
        budget_force(s->options.budget, s->options.account, n);
    }
}

void memory_give(struct http_server *s, size_t n)
{
    if (s->options.budget == NULL) {
        return;
    }
    s->credit += n;
    ASSERT(s->credit >= n);
    size_t kept = s->sure_bytes;
    if (s->credit > kept + (memory_is_tight(s) ? 0 : HTTP_BODY_CREDIT_STEP)) {
        budget_give(s->options.budget, s->options.account, s->credit - kept);
        s->credit = kept;
    }
}

bool memory_is_tight(const struct http_server *s)
{
    ASSERT(s != NULL);
    return s->options.budget != NULL && budget_is_tight(s->options.budget);
}

bool memory_conn(struct conn *c, size_t n)
{
    struct http_server *s = c->server;
    ASSERT(s->conn_count > 0);
    if (s->conn_count <= HTTP_CONNS_SURE) {
        memory_force(s, n);
    } else if (!take_above(s, n, s->sure_bytes)) {
        return false;
    }
    c->charged += n;
    return true;
}

static bool take_inbound(struct mem_source *source, size_t n)
{
    ASSERT(source != NULL);
    return memory_take(
        (struct http_server *)((char *)source - offsetof(struct http_server, inbound)), n);
}

static void give_inbound(struct mem_source *source, size_t n)
{
    ASSERT(source != NULL);
    memory_give((struct http_server *)((char *)source - offsetof(struct http_server, inbound)), n);
}

static bool take_outbound(struct mem_source *source, size_t n)
{
    struct http_server *s =
        (struct http_server *)((char *)source - offsetof(struct http_server, outbound));
    ASSERT(source->take == take_outbound);
    memory_force(s, n);
    return true;
}

static void give_outbound(struct mem_source *source, size_t n)
{
    ASSERT(source != NULL);
    memory_give((struct http_server *)((char *)source - offsetof(struct http_server, outbound)), n);
}

void memory_init(struct http_server *s)
{
    ASSERT(s->credit == 0);
    if (s->options.budget != NULL) {
        size_t share = s->options.budget->limit_bytes / HTTP_SURE_SHARE;
        s->sure_bytes = s->credit = share < HTTP_SURE_BYTES ? share : HTTP_SURE_BYTES;
        budget_force(s->options.budget, s->options.account, s->sure_bytes);
        (void)atomic_fetch_add(&s->options.budget->http_servers, 1);
    }
    s->inbound = (struct mem_source){take_inbound, give_inbound};
    s->outbound = (struct mem_source){take_outbound, give_outbound};
}

void memory_done(struct http_server *s)
{
    ASSERT(s->conns == NULL && s->pool == NULL);
    if (s->options.budget != NULL) {
        budget_give(s->options.budget, s->options.account, s->credit);
        (void)atomic_fetch_sub(&s->options.budget->http_servers, 1);
    }
    s->credit = 0;
}
