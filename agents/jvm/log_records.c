// SPDX-License-Identifier: Apache-2.0
// Purpose: taking log records and writing them. Source of the messages:
// opentelemetry/proto/logs/v1/logs.proto.
#include "agents/jvm/log_records.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "agents/jvm/effort.h"
#include "agents/jvm/memory.h"
#include "agents/jvm/otlp.h"
#include "agents/jvm/rate.h"
#include "agents/jvm/ring.h"
#include "core/clock.h"
#include "core/must.h"

static struct {
    char rules_text[LOG_RULES_TEXT_MAX];
    struct log_choice choice;
    double per_second;
} settings = {.choice = {.least = SEVERITY_NONE, .least_of_all = SEVERITY_NONE}};

static struct rate rate;
static atomic_ullong created, queued, dropped_rate, dropped_full, dropped_memory;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; // of the buffers
static struct {
    uint8_t *memory[2]; // both or none
    size_t room_before;
    unsigned filling; // the other one is the sender's, or empty
    size_t n;         // bytes and records of the one that fills
    uint64_t count;
} buffers;

static void count(atomic_ullong *what)
{
    atomic_fetch_add_explicit(what, 1, memory_order_relaxed);
}

void log_records_init(const struct log_settings *s)
{
    ASSERT(s->rules.n < sizeof settings.rules_text && s->rate > 0);
    if (s->rules.n > 0) {
        memcpy(settings.rules_text, s->rules.p, s->rules.n);
    }
    settings.per_second = s->rate;
    const char *wrong =
        log_choice_set(&settings.choice, s->least, (struct str){settings.rules_text, s->rules.n});
    ASSERT(wrong == NULL);
    (void)wrong;
}

bool log_records_are_wanted(void)
{
    return settings.choice.least_of_all < SEVERITY_NONE;
}

// ---- The application's threads ---------------------------------------------------------------

bool log_records_may_take(enum severity severity)
{
    return log_choice_may_take(&settings.choice, severity);
}

bool log_records_begin(enum severity severity, struct str logger)
{
    if (!log_choice_takes(&settings.choice, severity, logger)) {
        return false;
    }
    double share = (double)effort_keep_below() / (double)(1ULL << 32);
    count(&created);
    if (rate_take(&rate, settings.per_second * share, clock_mono_ns())) {
        return true;
    }
    count(&dropped_rate);
    return false;
}

enum field {
    SCOPE_LOGS = 2, // of ResourceLogs
    SCOPE = 1,      // of ScopeLogs
    LOG_RECORD = 2,
    SCOPE_NAME = 1,
    RECORD_TIME = 1,
    RECORD_SEVERITY = 2,
    RECORD_LEVEL = 3,
    RECORD_BODY = 5,
    RECORD_ATTRIBUTES = 6,
    RECORD_FLAGS = 8,
    RECORD_TRACE_ID = 9,
    RECORD_SPAN_ID = 10,
    RECORD_OBSERVED = 11,
    ANY_TEXT = 1, // of AnyValue
};

static void put_attribute(struct otlp *o, const char *key, struct str value, size_t max)
{
    if (value.n > 0) {
        otlp_text(o, RECORD_ATTRIBUTES, key, str_cut(value, max));
    }
}

static void put_record(struct otlp *o, const struct log_record *r)
{
    struct str level = str_cut(r->level, LOG_NAME_MAX), body = str_cut(r->body, LOG_BODY_MAX);
    otlp_fixed64(o, RECORD_TIME, r->time_ns);
    otlp_number(o, RECORD_SEVERITY, r->severity);
    otlp_bytes(o, RECORD_LEVEL, level.p, level.n);
    size_t any = otlp_begin(o, RECORD_BODY);
    otlp_bytes(o, ANY_TEXT, body.p, body.n);
    otlp_end(o, any);
    put_attribute(o, "thread.name", r->thread, LOG_NAME_MAX);
    put_attribute(o, "exception.type", r->exception_type, LOG_NAME_MAX);
    put_attribute(o, "exception.message", r->exception_message, LOG_MESSAGE_MAX);
    put_attribute(o, "exception.stacktrace", r->exception_stack, LOG_STACK_MAX);
    if (context_is_set(r->context)) {
        otlp_tag(o, RECORD_FLAGS, WIRE_FIXED32);
        otlp_raw(o, &(uint32_t){r->context->flags & CONTEXT_SAMPLED}, 4);
        otlp_bytes(o, RECORD_TRACE_ID, r->context->trace.b, sizeof r->context->trace.b);
        otlp_bytes(o, RECORD_SPAN_ID, r->context->span.b, sizeof r->context->span.b);
    }
    otlp_fixed64(o, RECORD_OBSERVED, r->observed_ns);
}

static void put_scope(struct otlp *o, const struct log_record *r)
{
    struct str logger = str_cut(r->logger, LOG_NAME_MAX);
    size_t all = otlp_begin(o, SCOPE_LOGS);
    size_t scope = otlp_begin(o, SCOPE);
    otlp_bytes(o, SCOPE_NAME, logger.p, logger.n);
    otlp_end(o, scope);
    size_t record = otlp_begin(o, LOG_RECORD);
    put_record(o, r);
    otlp_end(o, record);
    otlp_end(o, all);
}

// Under the lock. What became of the record.
static atomic_ullong *add(const struct log_record *r)
{
    uint8_t *memory = buffers.memory[buffers.filling];
    if (memory == NULL) {
        return &dropped_memory;
    }
    struct otlp o = {memory + buffers.room_before, buffers.n, LOG_BUFFER_BYTES, false};
    put_scope(&o, r);
    if (o.full) {
        return &dropped_full;
    }
    buffers.n = o.n;
    buffers.count++;
    return &queued;
}

void log_records_add(const struct log_record *r)
{
    _Static_assert(LOG_BODY_MAX + LOG_STACK_MAX + LOG_MESSAGE_MAX + 4 * LOG_NAME_MAX + 512 <
                       1 << 14,
                   "a record is a small message of OTLP");
    pthread_mutex_lock(&lock);
    size_t before = buffers.n;
    count(add(r));
    bool is_half_full = before < LOG_BUFFER_BYTES / 2 && buffers.n >= LOG_BUFFER_BYTES / 2;
    pthread_mutex_unlock(&lock);
    if (is_half_full) {
        rings_wake();
    }
}

// ---- The sender ------------------------------------------------------------------------------

bool log_records_open(size_t room_before)
{
    bool ok = true;
    ASSERT(buffers.memory[0] == NULL);
    if (!log_records_are_wanted()) {
        return true;
    }
    uint8_t *a = memory_get(room_before + LOG_BUFFER_BYTES);
    uint8_t *b = memory_get(room_before + LOG_BUFFER_BYTES);
    if (a == NULL || b == NULL) {
        memory_free(a);
        memory_free(b);
        a = b = NULL;
        ok = false;
    }
    pthread_mutex_lock(&lock);
    buffers.memory[0] = a;
    buffers.memory[1] = b;
    buffers.room_before = room_before;
    buffers.n = 0;
    buffers.count = 0;
    pthread_mutex_unlock(&lock);
    return ok;
}

void log_records_close(void)
{
    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < 2; i++) {
        memory_free(buffers.memory[i]);
        buffers.memory[i] = NULL;
    }
    buffers.n = 0;
    buffers.count = 0;
    pthread_mutex_unlock(&lock);
}

uint8_t *log_records_take(size_t *ret_n, uint64_t *ret_count)
{
    uint8_t *taken = NULL;
    pthread_mutex_lock(&lock);
    if (buffers.count > 0) {
        taken = buffers.memory[buffers.filling] + buffers.room_before;
        *ret_n = buffers.n;
        *ret_count = buffers.count;
        buffers.filling ^= 1;
        buffers.n = 0;
        buffers.count = 0;
    }
    pthread_mutex_unlock(&lock);
    return taken;
}

void log_records_counts(struct log_record_counts *ret)
{
    *ret = (struct log_record_counts){.queued = atomic_load(&queued),
                                      .dropped_rate = atomic_load(&dropped_rate),
                                      .dropped_full = atomic_load(&dropped_full),
                                      .dropped_memory = atomic_load(&dropped_memory)};
    ret->created = atomic_load(&created); // last: nothing becomes of what is not counted here
}
