// SPDX-License-Identifier: Apache-2.0
// Purpose: the agent's life in a JVM: how it comes in, starts, leaves, and comes again.
//
//          Agent_OnLoad: prepare()                 VMInit: start()
//     AWAY ------------------------> STARTING --------------------> RUNNING
//      ^ \   Agent_OnAttach: prepare()  ^   \ a thread: start()         |
//      |  `-----------------------------'    `--> AWAY (failed)         | Agent_OnAttach "detach"
//      |                                                                v
//      `----------------------------- a thread: stop() ------------- STOPPING
//
//     any  --VMDeath-->  OVER
//
// Until RUNNING no class is touched: the bridge class is not there yet. Classes loaded before are
// retransformed then. stop() takes every change back; what stays is this library, which the JVM
// never unloads, with the bridge class and its natives bound to it: methods that were on a stack in
// changed code when the agent left still call them, and are told nothing; and one environment of
// JVMTI (keep_environment()). The next attach begins from the start, with other options if it
// likes; or another library's, of another path.
//
// Nothing here may end the JVM: what fails is logged, and the application runs without the agent.
// An attach while an agent is there is refused: two would trace everything twice.
#include <dlfcn.h>
#include <jvmti.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/jvm/bridge.h"
#include "agents/jvm/classes.h"
#include "agents/jvm/effort.h"
#include "agents/jvm/exhaustion.h"
#include "agents/jvm/identity.h"
#include "agents/jvm/inside.h"
#include "agents/jvm/log.h"
#include "agents/jvm/log_records.h"
#include "agents/jvm/match.h"
#include "agents/jvm/memory.h"
#include "agents/jvm/options.h"
#include "agents/jvm/pending.h"
#include "agents/jvm/reader.h"
#include "agents/jvm/red.h"
#include "agents/jvm/report.h"
#include "agents/jvm/sample.h"
#include "agents/jvm/sender.h"
#include "agents/jvm/state.h"
#include "agents/jvm/statements.h"
#include "agents/jvm/tags.h"
#include "agents/jvm/tasks.h"
#include "agents/jvm/thread.h"

#define FINAL_SEND_MS  500  // at the end of the JVM, which waits for it
#define DETACH_SEND_MS 3000 // when leaving, which makes nobody wait
#define QUIET_MS       5000 // for calls into the agent to come back

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; // of `life` and the sender's start
static enum life { AWAY, STARTING, RUNNING, STOPPING, OVER } life;
static JavaVM *java_vm;
static jvmtiEnv *jvmti;
static struct options options;

static const jvmtiEvent EVENTS[] = {JVMTI_EVENT_CLASS_FILE_LOAD_HOOK, JVMTI_EVENT_CLASS_PREPARE,
                                    JVMTI_EVENT_VM_INIT, JVMTI_EVENT_VM_DEATH,
                                    JVMTI_EVENT_RESOURCE_EXHAUSTED};

// Goes on to `to` if the agent is at `from`.
static bool move_on(enum life from, enum life to)
{
    pthread_mutex_lock(&lock);
    bool ok = life == from;
    life = ok ? to : life;
    pthread_mutex_unlock(&lock);
    return ok;
}

// The same, and tells it in the state file: who reads there may act on it at once.
static bool settle(enum life from, enum life to, const char *state, const char *service,
                   const char *endpoint, const char *reason)
{
    pthread_mutex_lock(&lock);
    bool ok = life == from;
    if (ok) {
        life = to;
        state_say(state, service, endpoint, reason);
    }
    pthread_mutex_unlock(&lock);
    return ok;
}

// ---- What Java knows -------------------------------------------------------------------------

// System.getProperty(name); empty when it has none.
static void property(JNIEnv *env, const char *name, char *out, size_t room)
{
    jclass system = (*env)->FindClass(env, "java/lang/System");
    jmethodID get = system != NULL
                        ? (*env)->GetStaticMethodID(env, system, "getProperty",
                                                    "(Ljava/lang/String;)Ljava/lang/String;")
                        : NULL;
    jstring key = get != NULL ? (*env)->NewStringUTF(env, name) : NULL;
    jobject value = key != NULL ? (*env)->CallStaticObjectMethod(env, system, get, key) : NULL;
    out[0] = '\0';
    if (!java_clear(env)) {
        (void)java_string(env, value, out, room);
    }
    (*env)->DeleteLocalRef(env, value);
    (*env)->DeleteLocalRef(env, key);
    (*env)->DeleteLocalRef(env, system);
}

// Without a name the service is called after what was started: "app.jar" or the main class.
static void name_service(JNIEnv *env)
{
    char command[512];
    if (options.service[0] != '\0') {
        return;
    }
    property(env, "sun.java.command", command, sizeof command);
    struct str first;
    (void)str_split(str_of(command), ' ', &first);
    struct str rest = first;
    while (rest.n > 0) { // behind the last slash
        struct str part;
        rest = str_split(rest, '/', &part);
        first = part.n > 0 ? part : first;
    }
    first = first.n > 0 ? first : STR("java");
    size_t n = first.n < sizeof options.service ? first.n : sizeof options.service - 1;
    memcpy(options.service, first.p, n);
    options.service[n] = '\0';
}

static void java_facts(JNIEnv *env, struct java_facts *f)
{
    property(env, "java.runtime.name", f->runtime_name, sizeof f->runtime_name);
    property(env, "java.runtime.version", f->runtime_version, sizeof f->runtime_version);
    property(env, "java.vm.name", f->vm_name, sizeof f->vm_name);
    property(env, "java.vm.vendor", f->vm_vendor, sizeof f->vm_vendor);
    property(env, "java.vm.version", f->vm_version, sizeof f->vm_version);
}

// ---- Stopping --------------------------------------------------------------------------------

// On a thread of the JVM's: no other may.
static void dispose(void)
{
    if (jvmti != NULL) {
        tags_done();
        (void)(*jvmti)->DisposeEnvironment(jvmti);
        jvmti = NULL;
    }
}

// Lets go of the JVM. `is_quiet`: nobody is inside; otherwise what they may be using stays where it
// is, once.
static void let_go(JNIEnv *env, bool is_quiet)
{
    for (size_t i = 0; i < sizeof EVENTS / sizeof *EVENTS; i++) {
        (void)(*jvmti)->SetEventNotificationMode(jvmti, JVMTI_DISABLE, EVENTS[i], NULL);
    }
    threads_events(jvmti, false);
    bridge_unbind(env, is_quiet);
    if (is_quiet) {
        red_done();
        statements_done();
        threads_done(env);
        java_forget(env);
        readers_forget(env);
        dispose();
    }
    jvmti = NULL;
}

// Probes fall silent before their methods are changed back, so that no class that is being loaded
// meanwhile gets new ones. One whose bytes have just left the load hook may keep its silent probes.
static void stop(JNIEnv *env)
{
    char reason[96] = "";
    inside_close();
    bool is_quiet = inside_wait_empty(QUIET_MS);
    unsigned kept = classes_stop(jvmti, env);
    if (is_quiet) {
        pending_done(DETACH_SEND_MS); // which queues its spans
    }
    while (!sender_stop(DETACH_SEND_MS)) {
    }
    while (!report_stop(DETACH_SEND_MS)) {
    }
    let_go(env, is_quiet);
    if (kept > 0) {
        (void)snprintf(reason, sizeof reason, "%u classes could not be changed back: see the log",
                       kept);
    } else if (!is_quiet) {
        (void)snprintf(reason, sizeof reason, "a call into the agent has not come back");
    }
    agent_note("has left this JVM%s%s", reason[0] != '\0' ? ": " : "", reason);
    agent_log_to("");
    (void)settle(STOPPING, AWAY, "stopped", "", "", reason);
}

// ---- Starting --------------------------------------------------------------------------------

static bool start_sender(JNIEnv *env)
{
    struct java_facts facts;
    java_facts(env, &facts);
    pthread_mutex_lock(&lock);
    bool ok = life == STARTING && sender_start(&options, &facts);
    if (ok && !report_start(java_vm, jvmti, &options, &facts)) {
        agent_log("the reporting thread could not be started: no metrics are sent");
    }
    pthread_mutex_unlock(&lock);
    return ok;
}

// NULL, or why not.
static const char *begin(JNIEnv *env, bool is_late)
{
    if (options.is_disabled) {
        return "OTEL_SDK_DISABLED or OTEL_TRACES_EXPORTER of the JVM's environment forbid it";
    }
    name_service(env);
    identity_init(0);
    sample_init(&options.sample);
    log_records_init(&options.logs);
    effort_init(options.max_cpu_percent > 0 ? options.max_cpu_percent : 0.001);
    memory_init((size_t)(options.max_memory_mb * (1 << 20)));
    plugin_set_slow_ms((uint64_t)options.slow_sql_ms);
    const char *reason = bridge_bind(env);
    if (reason != NULL) {
        return reason;
    }
    match_init(options.plugins, is_late);
    if (!start_sender(env)) {
        return "the sending thread could not be started";
    }
    memory_fail_every((unsigned)options.fail_every);
    inside_open();
    classes_start(jvmti, env);
    return NULL;
}

static void start(JNIEnv *env, bool is_late)
{
    char endpoint[sizeof options.target + 16];
    const char *reason = begin(env, is_late);
    if (reason != NULL) {
        let_go(env, true);
        agent_log("nothing is traced: %s", reason);
        (void)settle(STARTING, AWAY, "failed", "", "", reason);
        return;
    }
    (void)snprintf(endpoint, sizeof endpoint, "http://%s:%s%s", options.target.host,
                   options.target.port, options.target.prefix);
    if (settle(STARTING, RUNNING, "running", options.service, endpoint, options.complaint)) {
        agent_note("tracing service %s to %s", options.service, endpoint);
    }
}

// ---- Events ----------------------------------------------------------------------------------

static void JNICALL on_init(jvmtiEnv *ti, JNIEnv *env, jthread thread)
{
    (void)ti, (void)thread;
    start(env, false);
}

static void JNICALL on_class_load(jvmtiEnv *ti, JNIEnv *env, jclass redefined, jobject loader,
                                  const char *name, jobject domain, jint n,
                                  const unsigned char *bytes, jint *ret_n, unsigned char **ret)
{
    if (inside_begin()) {
        classes_on_load(ti, env, redefined, loader, name, domain, n, bytes, ret_n, ret);
        inside_end();
    }
}

static void JNICALL on_class_prepare(jvmtiEnv *ti, JNIEnv *env, jthread thread, jclass class)
{
    if (inside_begin()) {
        classes_on_prepare(ti, env, thread, class);
        inside_end();
    }
}

static void JNICALL on_death(jvmtiEnv *ti, JNIEnv *env)
{
    (void)ti, (void)env;
    bool was_running = move_on(RUNNING, OVER);
    pthread_mutex_lock(&lock);
    life = OVER;
    pthread_mutex_unlock(&lock);
    inside_close();
    if (was_running) {
        (void)sender_stop(FINAL_SEND_MS);
        (void)report_stop(FINAL_SEND_MS);
        tasks_report();
    }
}

// ---- The ways in -----------------------------------------------------------------------------

// One environment more, in which nothing acts, made once and never disposed of. What HotSpot keeps
// of a thread for JVMTI goes with the thread only if there is an environment at that moment
// (JavaThread::exit(), JvmtiEnvBase::environments_might_exist()). Else it stays and points to freed
// memory, into which HotSpot writes at each change of events in the environments to come.
static bool keep_environment(JavaVM *vm)
{
    static jvmtiEnv *kept;
    return kept != NULL || (*vm)->GetEnv(vm, (void **)&kept, JVMTI_VERSION_1_2) == JNI_OK;
}

static bool prepare(JavaVM *vm)
{
    jvmtiCapabilities can = {.can_retransform_classes = 1,
                             .can_retransform_any_class = 1,
                             .can_generate_all_class_hook_events = 1,
                             .can_tag_objects = 1};
    jvmtiEventCallbacks on = {.ClassFileLoadHook = on_class_load,
                              .ClassPrepare = on_class_prepare,
                              .ResourceExhausted = exhaustion_on_event,
                              .VMInit = on_init,
                              .VMDeath = on_death};
    java_vm = vm;
    bool is_kept = keep_environment(vm);
    dispose(); // what an attach has left that was given up
    if (!is_kept || (*vm)->GetEnv(vm, (void **)&jvmti, JVMTI_VERSION_1_2) != JNI_OK) {
        return false;
    }
    threads_capabilities(jvmti, &can);
    exhaustion_capabilities(jvmti, &can);
    if ((*jvmti)->AddCapabilities(jvmti, &can) != JVMTI_ERROR_NONE ||
        threads_callbacks(jvmti, &on) != JVMTI_ERROR_NONE) {
        (void)(*jvmti)->DisposeEnvironment(jvmti);
        jvmti = NULL;
        return false;
    }
    tags_init(vm, jvmti);
    readers_init(jvmti);
    threads_init(jvmti);
    threads_events(jvmti, true);
    for (size_t i = 0; i < sizeof EVENTS / sizeof *EVENTS; i++) {
        (void)(*jvmti)->SetEventNotificationMode(jvmti, JVMTI_ENABLE, EVENTS[i], NULL);
    }
    return true;
}

// This library's path, absolute, as far as it can be learned.
static const char *own_path(char out[PATH_MAX])
{
    Dl_info info;
    if (dladdr((void *)own_path, &info) == 0 || info.dli_fname == NULL) {
        return "";
    }
    return realpath(info.dli_fname, out) != NULL ? out : info.dli_fname;
}

// From AWAY to STARTING with what is told in `text`.
static enum attach_answer come(JavaVM *vm, const char *text)
{
    static const char no_way[] = "this JVM does not allow what the agent needs";
    char path[PATH_MAX];
    state_open(own_path(path));
    if (state_is_other_active() || !settle(AWAY, STARTING, "starting", "", "", "")) {
        agent_log("an agent is in this JVM already: nothing is changed");
        return ATTACH_BUSY;
    }
    options_parse(&options, text);
    if (!prepare(vm)) {
        agent_log("nothing is traced: %s", no_way);
        (void)settle(STARTING, AWAY, "failed", "", "", no_way);
        return ATTACH_FAILED;
    }
    return ATTACH_TAKEN;
}

// Neither start() nor stop() can run: everything is as it was before, but for an environment in
// which nothing acts, where this thread is not the JVM's: the next attach disposes of it.
static void give_up(bool is_start, const char *reason)
{
    agent_log("%s: nothing is changed", reason);
    if (is_start) {
        (void)settle(STARTING, AWAY, "failed", "", "", reason);
    } else {
        (void)settle(STOPPING, RUNNING, "running", options.service, "", reason);
    }
}

static void *run_attached(void *ctx)
{
    JNIEnv *env = NULL;
    JavaVMAttachArgs who = {.version = JNI_VERSION_1_6, .name = (char *)"sonde-life"};
    bool is_start = ctx != NULL;
    if ((*java_vm)->AttachCurrentThreadAsDaemon(java_vm, (void **)&env, &who) != JNI_OK) {
        give_up(is_start, "the JVM takes no thread of the agent: it ends, or memory is out");
        return NULL;
    }
    if (is_start) {
        start(env, true);
    } else {
        stop(env);
    }
    (void)(*java_vm)->DetachCurrentThread(java_vm);
    return NULL;
}

// start() or stop() in a thread of its own.
static enum attach_answer run_aside(bool is_start)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, run_attached, is_start ? &life : NULL) != 0) {
        if (is_start) {
            dispose();
        }
        give_up(is_start, "no thread could be started");
        return ATTACH_FAILED;
    }
    (void)pthread_detach(thread);
    return ATTACH_TAKEN;
}

static enum attach_answer leave(void)
{
    if (settle(RUNNING, STOPPING, "stopping", options.service, "", "")) {
        return run_aside(false);
    }
    return state_is_other_active() ? ATTACH_OTHER_LIBRARY
           : life == AWAY          ? ATTACH_NOBODY
                                   : ATTACH_BUSY;
}

JNIEXPORT jint JNICALL Agent_OnLoad(JavaVM *vm, char *text, void *reserved)
{
    (void)reserved;
    (void)come(vm, text);
    return JNI_OK; // whatever happened, the application starts
}

JNIEXPORT jint JNICALL Agent_OnAttach(JavaVM *vm, char *text, void *reserved)
{
    (void)reserved;
    if (text != NULL && strcmp(text, DETACH_OPTION) == 0) {
        return (jint)leave();
    }
    enum attach_answer answer = come(vm, text);
    return (jint)(answer == ATTACH_TAKEN ? run_aside(true) : answer);
}
