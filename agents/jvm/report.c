// SPDX-License-Identifier: Apache-2.0
// Purpose: the reporting thread. The message: ExportMetricsServiceRequest of
// opentelemetry/proto/collector/metrics/v1, with one resource and one scope.
#include "agents/jvm/report.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "agents/jvm/effort.h"
#include "agents/jvm/jvm_metrics.h"
#include "agents/jvm/log.h"
#include "agents/jvm/log_records.h"
#include "agents/jvm/memory.h"
#include "agents/jvm/packer.h"
#include "agents/jvm/pending.h"
#include "agents/jvm/red.h"
#include "agents/jvm/ring.h"
#include "agents/jvm/shortfall.h"
#include "agents/jvm/thread.h"
#include "core/clock.h"
#include "core/must.h"

#define JUDGE_MS 1000 // how often the agent's effort is judged

static struct {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_running, is_stopping;
    JavaVM *vm;
    jvmtiEnv *jvmti;
    struct post_connection connection;
    char headers[POST_HEADERS_MAX];
    uint8_t resource[RESOURCE_MAX];
    size_t resource_n;
    uint8_t *message;
    struct packer packer;
    uint64_t start_unix_ns, interval_ns, pending_age_s;
    struct jvm_readings readings;
} r = {.lock = PTHREAD_MUTEX_INITIALIZER, .connection = {.fd = -1}};

// ---- The message -----------------------------------------------------------------------------

static void outcome(struct metric_writer *w, const char *key, const char *value, uint64_t count)
{
    const struct metric_attribute a = {key, str_of(value)};
    metric_int(w, (int64_t)count, &a, 1);
}

static void exported(struct metric_writer *w, const char *name, const char *unit,
                     const struct sent_counts *sent)
{
    metric_begin(w, name, unit, METRIC_COUNTER);
    outcome(w, "error.type", "", sent->taken);
    outcome(w, "error.type", "refused", sent->refused);
    outcome(w, "error.type", "rejected", sent->rejected);
    outcome(w, "error.type", "unsent", sent->unsent);
    metric_end(w);
}

static void log_flow(struct metric_writer *w)
{
    struct log_record_counts logs;
    struct sent_counts sent;
    const char *unit = "{log_record}", *error = "error.type";
    sender_counts(SENT_LOGS, &sent);
    log_records_counts(&logs);
    metric_one(w, "otel.sdk.log.created", unit, METRIC_COUNTER, (int64_t)logs.created);
    metric_begin(w, "otel.sdk.processor.log.processed", unit, METRIC_COUNTER);
    outcome(w, error, "", logs.queued);
    outcome(w, error, "rate_limited", logs.dropped_rate);
    outcome(w, error, "queue_full", logs.dropped_full);
    outcome(w, error, "no_memory", logs.dropped_memory);
    metric_end(w);
    exported(w, "otel.sdk.exporter.log.exported", unit, &sent);
}

static void span_flow(struct metric_writer *w)
{
    struct span_counts spans;
    struct ring_counts rings;
    struct pending_counts pending;
    struct sent_counts sent;
    const char *unit = "{span}", *error = "error.type";
    // In this order, so that nothing is counted as ended that is not counted as begun.
    sender_counts(SENT_SPANS, &sent);
    rings_counts(&rings);
    span_counts(&spans);
    pending_counts(&pending);
    metric_begin(w, "otel.sdk.span.started", unit, METRIC_COUNTER);
    outcome(w, "otel.span.sampling_result", "RECORD_AND_SAMPLE", spans.sampled);
    outcome(w, "otel.span.sampling_result", "DROP", spans.not_sampled);
    metric_end(w);
    metric_one(w, "otel.sdk.span.live", unit, METRIC_SUM, (int64_t)spans.live);
    metric_one(w, "sonde.agent.span.pending", unit, METRIC_SUM, (int64_t)pending.waiting);
    metric_one(w, "sonde.agent.span.ended_early", unit, METRIC_COUNTER,
               (int64_t)pending.ended_early);
    metric_begin(w, "otel.sdk.processor.span.processed", unit, METRIC_COUNTER);
    outcome(w, error, "", rings.queued);
    outcome(w, error, "queue_full", rings.dropped_full);
    outcome(w, error, "queue_busy", rings.dropped_busy);
    outcome(w, error, "no_memory", spans.no_ring);
    outcome(w, error, "abandoned", spans.abandoned);
    metric_end(w);
    exported(w, "otel.sdk.exporter.span.exported", unit, &sent);
    metric_begin(w, "sonde.agent.probe.skipped", "{call}", METRIC_COUNTER);
    outcome(w, "sonde.reason", "too_deep", spans.too_deep);
    outcome(w, "sonde.reason", "no_memory", spans.no_memory);
    metric_end(w);
}

static void one_double(struct metric_writer *w, const char *name, const char *unit,
                       enum metric_kind kind, double value)
{
    metric_begin(w, name, unit, kind);
    metric_double(w, value, NULL, 0);
    metric_end(w);
}

static void own_effort(struct metric_writer *w)
{
    struct memory_counts memory;
    memory_counts(&memory);
    metric_begin(w, "sonde.agent.shortfall", "{time}", METRIC_COUNTER);
    for (enum shortfall i = 0; i < SHORTFALLS; i++) {
        outcome(w, "sonde.reason", shortfall_name(i), shortfall_counted(i));
    }
    metric_end(w);
    metric_one(w, "sonde.agent.effort", "1", METRIC_GAUGE, (int64_t)effort_now());
    one_double(w, "sonde.agent.cpu.time", "s", METRIC_COUNTER, effort_spent_s());
    one_double(w, "sonde.agent.cpu.utilization", "1", METRIC_GAUGE, effort_percent() / 100);
    metric_one(w, "sonde.agent.memory.used", "By", METRIC_SUM, (int64_t)memory.used);
    metric_one(w, "sonde.agent.memory.refused", "{allocation}", METRIC_COUNTER,
               (int64_t)memory.refused);
}

static struct str compose(JNIEnv *env)
{
    enum { RESOURCE_METRICS = 1, RESOURCE = 1, SCOPE_METRICS = 2, SCOPE = 1, SCOPE_NAME = 1 };
    struct otlp o = {.p = r.message, .capacity = REPORT_BYTES_MAX};
    struct metric_writer w = {.o = &o, .start_unix_ns = r.start_unix_ns};
    w.now_unix_ns = clock_wall_ns();
    size_t all = otlp_begin_large(&o, RESOURCE_METRICS);
    otlp_bytes(&o, RESOURCE, r.resource, r.resource_n);
    size_t scoped = otlp_begin_large(&o, SCOPE_METRICS);
    size_t scope = otlp_begin(&o, SCOPE);
    otlp_bytes(&o, SCOPE_NAME, "sonde-jvm", 9);
    otlp_end(&o, scope);
    span_flow(&w);
    if (log_records_are_wanted()) {
        log_flow(&w);
    }
    own_effort(&w);
    jvm_metrics_write(&w, r.jvmti, env, &r.readings);
    red_write(&o, w.now_unix_ns);
    otlp_end_large(&o, scoped);
    otlp_end_large(&o, all);
    ASSERT(!o.full);
    if (w.left_out > 0) {
        agent_log("%u metrics are left out of a report: it would be too large", w.left_out);
    }
    return (struct str){(const char *)r.message, o.n};
}

static void report(JNIEnv *env)
{
    struct post_answer a;
    struct str message = compose(env);
    ASSERT(message.n > 0);
    post(&r.connection, "/v1/metrics", r.headers, packer_pack(&r.packer, message), &a);
    if (a.status < 200 || a.status >= 300) {
        agent_log("%s:%s has not taken metrics: %d %s", r.connection.target.host,
                  r.connection.target.port, a.status, a.error);
    }
}

// ---- The thread ------------------------------------------------------------------------------

static bool pause_until(uint64_t mono_ns)
{
    struct timespec until = {(time_t)(mono_ns / NS_PER_S), (long)(mono_ns % NS_PER_S)};
    pthread_mutex_lock(&r.lock);
    while (!r.is_stopping && pthread_cond_timedwait(&r.changed, &r.lock, &until) != ETIMEDOUT) {
    }
    bool stopping = r.is_stopping;
    pthread_mutex_unlock(&r.lock);
    return stopping;
}

static void work(JNIEnv *env)
{
    uint64_t next = clock_mono_ns(), next_report = next + r.interval_ns;
    bool stopping = false;
    while (!stopping) {
        next += JUDGE_MS * NS_PER_MS;
        stopping = pause_until(next);
        effort_judge(clock_mono_ns());
        if (stopping || next >= next_report) {
            report(env);
            pending_sweep(r.pending_age_s);
            next_report += r.interval_ns;
            uint64_t now = clock_mono_ns();
            next = next > now ? next : now; // a slow server is not caught up with
            next_report = next_report > now ? next_report : now;
        }
        effort_thread();
    }
}

// What this thread runs of Java is not looked at by the probes.
static void *run(void *ctx)
{
    JNIEnv *env = NULL;
    JavaVMAttachArgs args = {JNI_VERSION_1_8, (char *)"sonde-report", NULL};
    if ((*r.vm)->AttachCurrentThreadAsDaemon(r.vm, (void **)&env, &args) != JNI_OK) {
        agent_log("the reporting thread cannot be attached to the JVM: no metrics are sent");
        return ctx;
    }
    struct thread_state *mine = thread_mine(env);
    if (mine != NULL) {
        mine->is_inside = true;
        work(env);
    }
    post_close(&r.connection);
    (void)(*r.vm)->DetachCurrentThread(r.vm);
    return ctx;
}

static void release(void)
{
    packer_done(&r.packer);
    memory_free(r.message);
    r.message = NULL;
}

static bool allocate(void)
{
    r.message = memory_get(REPORT_BYTES_MAX);
    return packer_init(&r.packer, &r.connection.target, REPORT_BYTES_MAX) && r.message != NULL;
}

static bool start_thread(void)
{
    pthread_condattr_t monotonic;
    sigset_t all, before;
    if (pthread_condattr_init(&monotonic) != 0) {
        return false;
    }
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&r.changed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    sigfillset(&all); // the JVM's signals are for its own threads
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    bool ok = pthread_create(&r.thread, NULL, run, NULL) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return ok;
}

bool report_start(JavaVM *vm, jvmtiEnv *jvmti, const struct options *o,
                  const struct java_facts *java)
{
    ASSERT(!r.is_running);
    r.vm = vm;
    r.jvmti = jvmti;
    r.connection.target = o->target;
    r.resource_n = resource_write(r.resource, o, java);
    sender_headers(r.headers, o);
    r.start_unix_ns = clock_wall_ns();
    r.interval_ns = (uint64_t)(o->report_s * (double)NS_PER_S);
    r.pending_age_s = (uint64_t)o->pending_age_s;
    r.readings = (struct jvm_readings){0};
    r.is_stopping = false;
    r.is_running = allocate() && start_thread();
    if (!r.is_running) {
        release();
    }
    return r.is_running;
}

bool report_stop(unsigned limit_ms)
{
    if (!r.is_running) {
        return true;
    }
    pthread_mutex_lock(&r.lock);
    r.is_stopping = true;
    pthread_cond_signal(&r.changed);
    pthread_mutex_unlock(&r.lock);
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)(limit_ms / 1000 + 1);
    if (pthread_timedjoin_np(r.thread, NULL, &until) != 0) {
        return false;
    }
    r.is_running = false;
    (void)pthread_cond_destroy(&r.changed);
    release();
    return true;
}
