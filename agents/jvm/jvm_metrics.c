// SPDX-License-Identifier: Apache-2.0
// Purpose: reading the MXBeans, JVMTI and /proc.
#include "agents/jvm/jvm_metrics.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agents/jvm/plugin.h"
#include "core/clock.h"
#include "core/must.h"

#define FACTORY       "java/lang/management/ManagementFactory"
#define BEANS_MAX     64 // pools, collectors of one JVM: more are left out
#define BEAN_NAME_MAX 128

static struct java_method get_name = {"getName", "()Ljava/lang/String;", {NULL}};
static struct java_method list_size = {"size", "()I", {NULL}};

// A bean or a list of beans that the factory gives; NULL when it cannot be had.
static jobject from_factory(JNIEnv *env, const char *method, const char *descriptor)
{
    jclass factory = (*env)->FindClass(env, FACTORY);
    jmethodID id =
        factory != NULL ? (*env)->GetStaticMethodID(env, factory, method, descriptor) : NULL;
    jobject bean = id != NULL ? (*env)->CallStaticObjectMethod(env, factory, id) : NULL;
    return java_clear(env) ? NULL : bean;
}

static jobject list_at(JNIEnv *env, jobject list, jint i)
{
    static struct java_method get = {"get", "(I)Ljava/lang/Object;", {NULL}};
    jmethodID id = java_find(env, &get, list);
    jobject found = id != NULL ? (*env)->CallObjectMethod(env, list, id, i) : NULL;
    return java_clear(env) ? NULL : found;
}

static jlong read_long(JNIEnv *env, struct java_method *m, jobject object, jlong otherwise)
{
    jmethodID id = java_find(env, m, object);
    jlong value = id != NULL ? (*env)->CallLongMethod(env, object, id) : otherwise;
    return java_clear(env) ? otherwise : value;
}

// ---- Memory ----------------------------------------------------------------------------------

enum usage { USED, COMMITTED, LIMIT, AFTER_GC, USAGES };

struct pool {
    char name[BEAN_NAME_MAX];
    bool is_heap;
    jlong usage[USAGES]; // -1: not known
};

static void read_usage(JNIEnv *env, jobject usage, jlong *used, jlong *committed, jlong *limit)
{
    static struct java_method get_used = {"getUsed", "()J", {NULL}};
    static struct java_method get_committed = {"getCommitted", "()J", {NULL}};
    static struct java_method get_max = {"getMax", "()J", {NULL}};
    *used = read_long(env, &get_used, usage, -1);
    *committed = read_long(env, &get_committed, usage, -1);
    *limit = read_long(env, &get_max, usage, -1);
}

static void read_pool(JNIEnv *env, jobject bean, struct pool *p)
{
    static struct java_method get_type = {"getType", "()Ljava/lang/management/MemoryType;", {NULL}};
    static struct java_method get_usage = {
        "getUsage", "()Ljava/lang/management/MemoryUsage;", {NULL}};
    static struct java_method get_after = {
        "getCollectionUsage", "()Ljava/lang/management/MemoryUsage;", {NULL}};
    char type[64];
    jlong ignored;
    (void)java_text(env, &get_name, bean, p->name, sizeof p->name);
    struct str t = java_text(env, &get_type, bean, type, sizeof type);
    p->is_heap = str_eq(t, STR("Heap memory")) || str_eq(t, STR("HEAP"));
    read_usage(env, java_object(env, &get_usage, bean), &p->usage[USED], &p->usage[COMMITTED],
               &p->usage[LIMIT]);
    read_usage(env, java_object(env, &get_after, bean), &p->usage[AFTER_GC], &ignored, &ignored);
}

static void write_pools(struct metric_writer *w, const struct pool *pools, unsigned n)
{
    static const char *const names[USAGES] = {"jvm.memory.used", "jvm.memory.committed",
                                              "jvm.memory.limit", "jvm.memory.used_after_last_gc"};
    for (int u = 0; u < USAGES; u++) {
        metric_begin(w, names[u], "By", METRIC_SUM);
        for (unsigned i = 0; i < n; i++) {
            const struct metric_attribute a[] = {
                {"jvm.memory.type", pools[i].is_heap ? STR("heap") : STR("non_heap")},
                {"jvm.memory.pool.name", str_of(pools[i].name)}};
            if (pools[i].usage[u] >= 0) {
                metric_int(w, pools[i].usage[u], a, 2);
            }
        }
        metric_end(w);
    }
}

static void memory(struct metric_writer *w, JNIEnv *env)
{
    struct pool pools[BEANS_MAX];
    jobject list = from_factory(env, "getMemoryPoolMXBeans", "()Ljava/util/List;");
    jint n = java_int(env, &list_size, list, 0);
    n = n < BEANS_MAX ? n : BEANS_MAX;
    for (jint i = 0; i < n; i++) {
        read_pool(env, list_at(env, list, i), &pools[i]);
    }
    if (n > 0) {
        write_pools(w, pools, (unsigned)n);
    }
}

// ---- Collections -----------------------------------------------------------------------------

// As the collectors call what they do (GarbageCollectionNotificationInfo.getGcAction()), told from
// the names that HotSpot's collectors have.
static struct str gc_action(struct str name)
{
    static const char *const young[] = {"G1 Young Generation", "PS Scavenge",     "Copy", "ParNew",
                                        "ZGC Minor Cycles",    "ZGC Minor Pauses"};
    for (size_t i = 0; i < sizeof young / sizeof *young; i++) {
        if (str_eq(name, str_of(young[i]))) {
            return STR("end of minor GC");
        }
    }
    return STR("end of major GC");
}

static void collections(struct metric_writer *w, JNIEnv *env)
{
    static struct java_method get_count = {"getCollectionCount", "()J", {NULL}};
    static struct java_method get_time = {"getCollectionTime", "()J", {NULL}};
    jobject list = from_factory(env, "getGarbageCollectorMXBeans", "()Ljava/util/List;");
    jint n = java_int(env, &list_size, list, 0);
    char text[BEAN_NAME_MAX];
    metric_begin(w, "jvm.gc.duration", "s", METRIC_SUMMED);
    for (jint i = 0; i < n && i < BEANS_MAX; i++) {
        jobject bean = list_at(env, list, i);
        jlong count = read_long(env, &get_count, bean, -1);
        jlong ms = read_long(env, &get_time, bean, -1);
        struct str name = java_text(env, &get_name, bean, text, sizeof text);
        const struct metric_attribute a[] = {{"jvm.gc.name", name},
                                             {"jvm.gc.action", gc_action(name)}};
        if (count >= 0 && ms >= 0) {
            metric_summed(w, (uint64_t)count, (double)ms / 1000, a, 2);
        }
    }
    metric_end(w);
}

// ---- Threads ---------------------------------------------------------------------------------

enum { NEW, RUNNABLE, BLOCKED, WAITING, TIMED_WAITING, TERMINATED, STATES };

// As java.lang.Thread.State has them. Source: JVMTI's GetThreadState.
static int thread_state_of(jint s)
{
    if ((s & JVMTI_THREAD_STATE_ALIVE) == 0) {
        return (s & JVMTI_THREAD_STATE_TERMINATED) != 0 ? TERMINATED : NEW;
    }
    return (s & JVMTI_THREAD_STATE_BLOCKED_ON_MONITOR_ENTER) != 0 ? BLOCKED
           : (s & JVMTI_THREAD_STATE_WAITING_WITH_TIMEOUT) != 0   ? TIMED_WAITING
           : (s & JVMTI_THREAD_STATE_WAITING) != 0                ? WAITING
                                                                  : RUNNABLE;
}

static void count_thread(jvmtiEnv *ti, JNIEnv *env, jthread thread, int64_t counts[2][STATES])
{
    jvmtiThreadInfo info = {0};
    jint state = 0;
    if ((*ti)->GetThreadState(ti, thread, &state) == JVMTI_ERROR_NONE &&
        (*ti)->GetThreadInfo(ti, thread, &info) == JVMTI_ERROR_NONE) {
        counts[info.is_daemon ? 1 : 0][thread_state_of(state)]++;
        (void)(*ti)->Deallocate(ti, (unsigned char *)info.name);
        (*env)->DeleteLocalRef(env, info.thread_group);
        (*env)->DeleteLocalRef(env, info.context_class_loader);
    }
}

static void threads(struct metric_writer *w, jvmtiEnv *ti, JNIEnv *env)
{
    static const char *const names[STATES] = {"new",     "runnable",      "blocked",
                                              "waiting", "timed_waiting", "terminated"};
    int64_t counts[2][STATES] = {{0}};
    jint n = 0;
    jthread *all = NULL;
    if ((*env)->PushLocalFrame(env, THREADS_MAX + 64) != 0) {
        (void)java_clear(env);
        return;
    }
    if ((*ti)->GetAllThreads(ti, &n, &all) != JVMTI_ERROR_NONE) {
        (*env)->PopLocalFrame(env, NULL);
        return;
    }
    for (jint i = 0; i < n; i++) {
        if (n <= THREADS_MAX) {
            count_thread(ti, env, all[i], counts);
        }
    }
    (void)(*ti)->Deallocate(ti, (unsigned char *)all);
    (*env)->PopLocalFrame(env, NULL);
    metric_begin(w, "jvm.thread.count", "{thread}", METRIC_SUM);
    if (n > THREADS_MAX) {
        metric_int(w, n, NULL, 0);
    }
    for (int daemon = 0; daemon < 2; daemon++) {
        for (int s = 0; s < STATES; s++) {
            const struct metric_attribute a[] = {
                {"jvm.thread.daemon", daemon ? STR("true") : STR("false")},
                {"jvm.thread.state", str_of(names[s])}};
            if (counts[daemon][s] > 0) {
                metric_int(w, counts[daemon][s], a, 2);
            }
        }
    }
    metric_end(w);
}

// ---- Classes, buffers ------------------------------------------------------------------------

static void classes(struct metric_writer *w, JNIEnv *env)
{
    static struct java_method get_total = {"getTotalLoadedClassCount", "()J", {NULL}};
    static struct java_method get_unloaded = {"getUnloadedClassCount", "()J", {NULL}};
    static struct java_method get_now = {"getLoadedClassCount", "()I", {NULL}};
    jobject bean =
        from_factory(env, "getClassLoadingMXBean", "()Ljava/lang/management/ClassLoadingMXBean;");
    if (bean != NULL) {
        metric_one(w, "jvm.class.loaded", "{class}", METRIC_COUNTER,
                   read_long(env, &get_total, bean, 0));
        metric_one(w, "jvm.class.unloaded", "{class}", METRIC_COUNTER,
                   read_long(env, &get_unloaded, bean, 0));
        metric_one(w, "jvm.class.count", "{class}", METRIC_SUM, java_int(env, &get_now, bean, 0));
    }
}

static jobject buffer_pools(JNIEnv *env)
{
    jclass factory = (*env)->FindClass(env, FACTORY);
    jclass type =
        factory != NULL ? (*env)->FindClass(env, "java/lang/management/BufferPoolMXBean") : NULL;
    jmethodID id = type != NULL ? (*env)->GetStaticMethodID(env, factory, "getPlatformMXBeans",
                                                            "(Ljava/lang/Class;)Ljava/util/List;")
                                : NULL;
    jobject list = id != NULL ? (*env)->CallStaticObjectMethod(env, factory, id, type) : NULL;
    return java_clear(env) ? NULL : list;
}

static void buffers(struct metric_writer *w, JNIEnv *env)
{
    static struct java_method methods[] = {{"getMemoryUsed", "()J", {NULL}},
                                           {"getTotalCapacity", "()J", {NULL}},
                                           {"getCount", "()J", {NULL}}};
    static const char *const names[] = {"jvm.buffer.memory.used", "jvm.buffer.memory.limit",
                                        "jvm.buffer.count"};
    jobject list = buffer_pools(env);
    jint n = java_int(env, &list_size, list, 0);
    char text[BEAN_NAME_MAX];
    for (int m = 0; m < 3 && n > 0; m++) {
        metric_begin(w, names[m], m < 2 ? "By" : "{buffer}", METRIC_SUM);
        for (jint i = 0; i < n && i < BEANS_MAX; i++) {
            jobject bean = list_at(env, list, i);
            const struct metric_attribute a = {"jvm.buffer.pool.name",
                                               java_text(env, &get_name, bean, text, sizeof text)};
            metric_int(w, read_long(env, &methods[m], bean, 0), &a, 1);
        }
        metric_end(w);
    }
}

// ---- Process and host ------------------------------------------------------------------------

// Of all processors together, in clock ticks since the host's start: the first line is "cpu" and
// user, nice, system, idle, iowait, irq, softirq, steal ... Source: proc(5), /proc/stat.
static bool read_host(uint64_t *busy, uint64_t *total)
{
    enum { IDLE = 3, IOWAIT = 4, FIELDS = 8 };
    char line[512] = "";
    FILE *f = fopen("/proc/stat", "re");
    bool ok = f != NULL && fgets(line, sizeof line, f) != NULL && strncmp(line, "cpu ", 4) == 0;
    if (f != NULL) {
        (void)fclose(f);
    }
    char *at = line + 4;
    *total = *busy = 0;
    for (int i = 0; ok && i < FIELDS; i++) {
        char *end = at;
        uint64_t ticks = strtoull(at, &end, 10);
        ok = end != at;
        at = end;
        *total += ticks;
        *busy += i == IDLE || i == IOWAIT ? 0 : ticks;
    }
    return ok;
}

static uint64_t process_cpu(void)
{
    struct timespec t;
    return clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0
               ? (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec
               : 0;
}

static void one_double(struct metric_writer *w, const char *name, const char *unit,
                       enum metric_kind kind, double value)
{
    metric_begin(w, name, unit, kind);
    metric_double(w, value, NULL, 0);
    metric_end(w);
}

static void cpu(struct metric_writer *w, struct jvm_readings *last)
{
    struct jvm_readings now = {.process_cpu_ns = process_cpu(), .at_ns = clock_mono_ns()};
    bool has_host = read_host(&now.host_busy, &now.host_total);
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    double load = 0;
    one_double(w, "jvm.cpu.time", "s", METRIC_COUNTER, (double)now.process_cpu_ns / NS_PER_S);
    metric_one(w, "jvm.cpu.count", "{cpu}", METRIC_SUM, processors);
    if (last->at_ns != 0 && processors > 0) {
        one_double(w, "jvm.cpu.recent_utilization", "1", METRIC_GAUGE,
                   (double)(now.process_cpu_ns - last->process_cpu_ns) /
                       (double)(now.at_ns - last->at_ns) / (double)processors);
    }
    if (has_host && last->at_ns != 0 && now.host_total > last->host_total) {
        one_double(w, "jvm.system.cpu.utilization", "1", METRIC_GAUGE,
                   (double)(now.host_busy - last->host_busy) /
                       (double)(now.host_total - last->host_total));
    }
    if (getloadavg(&load, 1) == 1) {
        one_double(w, "jvm.system.cpu.load_1m", "{run_queue_item}", METRIC_GAUGE, load);
    }
    *last = now;
}

static void descriptors(struct metric_writer *w)
{
    DIR *d = opendir("/proc/self/fd");
    int64_t n = -1; // the folder itself is one
    if (d == NULL) {
        return;
    }
    for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        n += e->d_name[0] != '.';
    }
    (void)closedir(d);
    metric_one(w, "jvm.file_descriptor.count", "{file_descriptor}", METRIC_SUM, n);
}

void jvm_metrics_write(struct metric_writer *w, jvmtiEnv *jvmti, JNIEnv *env,
                       struct jvm_readings *last)
{
    static void (*const readers[])(struct metric_writer *, JNIEnv *) = {memory, collections,
                                                                        classes, buffers};
    ASSERT(last != NULL);
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++) {
        if ((*env)->PushLocalFrame(env, 8 * BEANS_MAX) == 0) {
            readers[i](w, env);
            (*env)->PopLocalFrame(env, NULL);
        }
        (void)java_clear(env);
    }
    threads(w, jvmti, env);
    cpu(w, last);
    descriptors(w);
}
