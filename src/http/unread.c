// SPDX-License-Identifier: Apache-2.0
// Purpose: the bound on answers that their peers do not read, so that nobody takes the memory of
// others by asking and not listening.
//
// An answered request is kept until its answer has left: what it holds is charged to the budget,
// and its peer decides how long. Unread is what is still there after a flush, when the peer could
// have taken it: on HTTP/2 whatever flow control keeps back, on both protocols whatever waits
// behind a full socket. (Pipelined answers behind one that is still being made are not: the peer
// can do nothing about them.) Three bounds hold:
//
//   of a connection  Behind a full socket the protocols read no more than HTTP_OUT_HIGH of answers
//                    ahead (h1.c, h2.c), as HTTP/1.1 does always. An HTTP/2 connection must be read
//                    on, since the frames that open its windows come among others; with
//                    HTTP_UNREAD_MAX unread its new streams are refused.
//   in time          An answer of which no byte is taken for HTTP_STALL_FACTOR request timeouts
//                    ends its connection (unread_is_late(); a write, is_stalled() in conn.c), but
//                    not one that waits for its turn behind others.
//   of the budget    All servers together note in the budget what is unread. Above its share each
//                    server with more than its own part of it ends the connections that are the
//                    worst, by what they hold times how long nothing was taken: many peers that
//                    hold little each for long do not last longer than one that holds much.
//
// Since the share is small beside the room that the door leaves (receive/overload.h), senders are
// not refused for what others do not read.
#include "core/must.h"
#include "http/internal.h"

static size_t unread_of(const struct conn *c)
{
    bool is_h2 = c->proto == &http_h2_ops;
    ASSERT(c->phase == CONN_CLOSING || c->writing || c->sending.n == 0);
    if (c->phase == CONN_CLOSING || (!c->writing && !is_h2)) {
        return 0;
    }
    return c->answered_bytes + c->pending_bytes + (c->writing ? c->sending.capacity : 0);
}

static void set_unread(struct conn *c, size_t n)
{
    struct http_server *s = c->server;
    struct budget *b = s->options.budget;
    ASSERT(s->unread >= c->unread_bytes);
    if (n == c->unread_bytes) {
        return;
    }
    if (c->unread_bytes == 0) {
        c->moved_ms = loop_now_ms(s->loop); // nothing was to be taken before
    }
    s->unread += n - c->unread_bytes;
    if (b != NULL) { // modulo 2^N, as above
        (void)atomic_fetch_add_explicit(&b->unread, n - c->unread_bytes, memory_order_relaxed);
    }
    c->unread_bytes = n;
}

void unread_forget(struct conn *c)
{
    ASSERT(c->phase == CONN_CLOSING);
    set_unread(c, 0);
}

// This server is to have less.
static bool is_too_much(const struct http_server *s)
{
    const struct budget *b = s->options.budget;
    if (b == NULL || s->unread == 0) {
        return false;
    }
    unsigned servers = atomic_load_explicit(&b->http_servers, memory_order_relaxed);
    ASSERT(servers > 0);
    return atomic_load_explicit(&b->unread, memory_order_relaxed) > b->unread_bytes_max &&
           s->unread > b->unread_bytes_max / servers;
}

static uint64_t badness(const struct conn *c, uint64_t now_ms)
{
    ASSERT(now_ms >= c->moved_ms);
    return c->unread_bytes * ((now_ms - c->moved_ms) / 1000 + 1);
}

void unread_limit(struct http_server *s)
{
    uint64_t now_ms = loop_now_ms(s->loop);
    while (is_too_much(s)) {
        struct conn *worst = NULL;
        for (struct conn *c = s->conns; c != NULL; c = c->next) {
            if (c->unread_bytes > 0 &&
                (worst == NULL || badness(c, now_ms) > badness(worst, now_ms))) {
                worst = c;
            }
        }
        MUST(worst != NULL); // s->unread is the sum of theirs
        stat_add(&s->stats.unread_cut, 1);
        conn_close(worst);
    }
}

void unread_note(struct conn *c)
{
    size_t before = c->unread_bytes;
    set_unread(c, unread_of(c));
    ASSERT(c->phase != CONN_CLOSING || c->unread_bytes == 0);
    if (c->unread_bytes > before) {
        unread_limit(c->server);
    }
}

bool unread_is_late(const struct conn *c, uint64_t now_ms)
{
    uint64_t stall_ms = c->server->options.request_timeout_ms * HTTP_STALL_FACTOR;
    ASSERT(stall_ms > 0 && now_ms >= c->moved_ms);
    bool stalled = now_ms - c->moved_ms > stall_ms;
    const struct http_request *r = c->unread_bytes > 0 ? c->first : NULL;
    for (; r != NULL; r = r->next) {
        bool waits = (r->ended && r->received) || r->out.n > 0;
        if (waits && now_ms - r->moved_ms > stall_ms && (stalled || c->proto->is_shut(r))) {
            return true; // else its turn has not come
        }
    }
    return false;
}

bool unread_has_room(const struct http_server *s, size_t n)
{
    const struct budget *b = s->options.budget;
    if (b == NULL) {
        return true;
    }
    size_t unread = atomic_load_explicit(&b->unread, memory_order_relaxed);
    ASSERT(n <= SIZE_MAX / 2);
    return unread <= b->unread_bytes_max && b->unread_bytes_max - unread >= n;
}
