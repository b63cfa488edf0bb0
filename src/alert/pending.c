// SPDX-License-Identifier: Apache-2.0
// Purpose: messages of the desk on their way to src/notify: written down in the book first, handed
// on in order, and tried again until they are taken or known never to be.
#include <stdio.h>
#include <string.h>

#include "alert/desk_state.h"
#include "core/clock.h"
#include "core/logger.h"
#include "core/mem.h"
#include "core/must.h"

#define PUT_AT_ONCE   ((size_t)64)
#define DELIVERY_KEY  160
#define LOG_PERIOD_NS (10 * NS_PER_S)

void pending_add(void *ctx, const struct book_message *m)
{
    struct desk *d = ctx;
    ASSERT(ctx != NULL);
    if (d->has_more || d->pending_count == DESK_PENDING_MAX) { // in order: behind those
        d->has_more = true;
        return;
    }
    d->pending =
        mem_grow(d->pending, &d->pending_capacity, d->pending_count + 1, sizeof *d->pending);
    d->pending[d->pending_count++] = (struct pending){m->id, m->incident, desk_copy(m->channels),
                                                      desk_copy(m->body), m->resolves};
}

void pending_clear(struct desk *d)
{
    ASSERT(d->pending_count <= DESK_PENDING_MAX);
    for (size_t i = 0; i < d->pending_count; i++) {
        mem_free(d->pending[i].channels);
        mem_free(d->pending[i].body);
    }
    mem_free(d->pending);
    d->pending = NULL;
    d->pending_count = d->pending_capacity = 0;
    d->has_more = false;
}

static enum err put_one(struct desk *d, const struct pending *p)
{
    struct arena arena = {0};
    struct notice *n = mem_new(1, sizeof *n);
    struct err_at at;
    struct notify_item items[PUT_AT_ONCE];
    char keys[PUT_AT_ONCE][DELIVERY_KEY];
    struct str rest = str_of(p->channels), name;
    enum outbox_taken taken[PUT_AT_ONCE];
    size_t count = 0;
    enum err e = notice_from_json(str_of(p->body), &arena, n, &at);
    ASSERT(d->firing_count <= d->size);
    while (e == ERR_OK && count < PUT_AT_ONCE && name_list_next(&rest, &name)) {
        (void)snprintf(keys[count], DELIVERY_KEY, "message-%llu-%.*s", (unsigned long long)p->id,
                       STR_FMT(str_cut(name, CHANNEL_NAME_BYTES_MAX)));
        items[count] = (struct notify_item){str_of(keys[count]), name, n};
        count++;
    }
    e = e == ERR_OK ? notify_put(d->o.notify, items, count, taken) : e;
    mem_free(n);
    arena_done(&arena);
    return e;
}

static bool is_final(enum err e)
{
    return e == ERR_INVALID || e == ERR_LIMIT || e == ERR_CORRUPT;
}

// How many of those that wait are handed on, or will never be; the first that is to be tried again
// holds up those behind it.
static size_t put_pending(struct desk *d)
{
    size_t done = 0;
    ASSERT(d->pending_count <= DESK_PENDING_MAX);
    for (; done < d->pending_count; done++) {
        enum err e = put_one(d, &d->pending[done]);
        if (e == ERR_OK) {
            continue;
        }
        uint64_t times = log_gate_pass(&d->gate, LOG_PERIOD_NS);
        if (times > 0) {
            log_write(LOG_ERROR, "alert",
                      is_final(e) ? "a message is given up" : "a message waits to be handed on",
                      "message=%llu incident=%llu times=%llu reason=\"%s\"",
                      (unsigned long long)d->pending[done].id,
                      (unsigned long long)d->pending[done].incident, (unsigned long long)times,
                      err_text(e));
        }
        if (!is_final(e)) {
            break;
        }
    }
    return done;
}

// What src/notify cannot take now waits; it stays written down.
void pending_hand_on(struct desk *d)
{
    size_t done = put_pending(d);
    ASSERT(done <= d->pending_count);
    if (done == 0) {
        return;
    }
    book_begin(&d->book);
    for (size_t i = 0; i < done; i++) {
        book_message_is_put(&d->book, d->pending[i].id);
    }
    enum err e = book_end(&d->book);
    if (e != ERR_OK) { // it is put again after a start, and counts once
        log_write(LOG_WARN, "alert", "it cannot be noted that messages were handed on",
                  "reason=\"%s\"", err_text(e));
    }
    for (size_t i = 0; i < done; i++) {
        mem_free(d->pending[i].channels);
        mem_free(d->pending[i].body);
    }
    d->pending_count -= done;
    memmove(d->pending, d->pending + done, d->pending_count * sizeof *d->pending);
    if (d->has_more && d->pending_count == 0 && e == ERR_OK) {
        d->has_more = false;
        d->is_stale = book_each_unput(&d->book, pending_add, d) != ERR_OK;
    }
}
