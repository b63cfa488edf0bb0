// SPDX-License-Identifier: Apache-2.0
// Purpose: reading an event's texts.
#include "agents/jvm/log_event.h"

#include "agents/jvm/effort.h"
#include "agents/jvm/thrown.h"
#include "core/clock.h"

#define SAME_MS 2 // what a clock of milliseconds tells of now

// A text has room for three bytes a character, so that it is cut where log_records_add() does it.
struct texts {
    char body[3 * LOG_BODY_MAX + 1], level[LOG_NAME_MAX], thread[3 * LOG_NAME_MAX + 1];
    char type[THROWN_TYPE_MAX], message[LOG_MESSAGE_MAX], stack[LOG_STACK_MAX];
};

static void read_thrown(JNIEnv *env, struct texts *t, struct log_record *r, jthrowable thrown)
{
    struct str place;
    r->exception_type = thrown_type(env, thrown, t->type, sizeof t->type);
    r->exception_message = thrown_message(env, thrown, t->message, sizeof t->message);
    if (effort_has_details()) {
        r->exception_stack = thrown_stack(env, thrown, t->stack, sizeof t->stack, &place);
    }
}

bool log_event_begin(struct call *c, struct log_library *l, jobject event, struct log_event *ret)
{
    struct log_event *e = ret;
    e->level = java_object(c->env, &l->level, event);
    if (e->level == NULL) {
        return false;
    }
    e->severity = l->severity_of(java_int(c->env, &l->number, e->level, 0));
    if (!log_records_may_take(e->severity)) {
        return false;
    }
    e->logger = java_text(c->env, &l->logger, event, e->logger_text, sizeof e->logger_text);
    if (!log_records_begin(e->severity, e->logger)) {
        return false;
    }
    e->time_ms = java_long(c->env, &l->time, event, 0);
    e->message = e->thread = e->thrown = NULL;
    return true;
}

void log_event_add(struct call *c, const struct log_event *e)
{
    struct texts t;
    uint64_t now = clock_wall_ns(), then = (uint64_t)e->time_ms * NS_PER_MS;
    struct log_record r = {.observed_ns = now,
                           .severity = e->severity,
                           .logger = e->logger,
                           .context = &c->thread->current};
    // Finer than the event's own time, and not before the span in which it is logged.
    r.time_ns = then <= now && now - then < SAME_MS * NS_PER_MS ? now : then;
    r.level = java_to_text(c->env, e->level, t.level, sizeof t.level);
    r.body = java_string(c->env, e->message, t.body, sizeof t.body);
    r.thread = java_string(c->env, e->thread, t.thread, sizeof t.thread);
    if (e->thrown != NULL) {
        read_thrown(c->env, &t, &r, e->thrown);
    }
    log_records_add(&r);
}
