// SPDX-License-Identifier: Apache-2.0
// Purpose: the JVM's way in: loading, starting, class loading, the end.
//
//   Agent_OnLoad  --VMInit-->  RUNNING  --VMDeath-->  over
//
// Until RUNNING no class is touched: the bridge class is not there yet. Classes loaded before are
// retransformed then. Nothing here may end the JVM: what fails is logged, and the application runs
// without the agent.
#include <jvmti.h>
#include <string.h>

#include "agents/jvm/bridge.h"
#include "agents/jvm/classes.h"
#include "agents/jvm/identity.h"
#include "agents/jvm/log.h"
#include "agents/jvm/match.h"
#include "agents/jvm/options.h"
#include "agents/jvm/sender.h"
#include "agents/jvm/tags.h"
#include "agents/jvm/thread.h"

#define FINAL_SEND_MS 500

static jvmtiEnv *jvmti;
static struct options options;

// ---- Life ------------------------------------------------------------------------------------

static void property(const char *name, char *out, size_t room)
{
    char *value = NULL;
    out[0] = '\0';
    if ((*jvmti)->GetSystemProperty(jvmti, name, &value) == JVMTI_ERROR_NONE) {
        size_t n = strlen(value) < room ? strlen(value) : room - 1;
        memcpy(out, value, n);
        out[n] = '\0';
        (void)(*jvmti)->Deallocate(jvmti, (unsigned char *)value);
    }
}

// Without a name the service is called after what was started: "app.jar" or the main class.
static void name_service(void)
{
    char command[512];
    if (options.service[0] != '\0') {
        return;
    }
    property("sun.java.command", command, sizeof command);
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

static void start(JNIEnv *env)
{
    char runtime[128], version[64];
    property("java.runtime.name", runtime, sizeof runtime);
    property("java.runtime.version", version, sizeof version);
    name_service();
    identity_init(0);
    match_init(options.plugins);
    if (!bridge_bind(env)) {
        return;
    }
    if (!sender_start(&options, runtime, version)) {
        agent_log("the sending thread could not be started: nothing is traced");
        return;
    }
    classes_start(jvmti, env);
    agent_log("tracing service %s to http://%s:%s%s", options.service, options.target.host,
              options.target.port, options.target.prefix);
}

static void JNICALL on_init(jvmtiEnv *ti, JNIEnv *env, jthread thread)
{
    (void)ti, (void)thread;
    start(env);
}

static void JNICALL on_thread_end(jvmtiEnv *ti, JNIEnv *env, jthread thread)
{
    (void)ti, (void)env, (void)thread;
    thread_end();
}

static void JNICALL on_death(jvmtiEnv *ti, JNIEnv *env)
{
    (void)ti, (void)env;
    bridge_silence();
    sender_stop(FINAL_SEND_MS);
}

static bool prepare(JavaVM *vm, const char *text)
{
    jvmtiCapabilities can = {.can_retransform_classes = 1,
                             .can_retransform_any_class = 1,
                             .can_generate_all_class_hook_events = 1,
                             .can_tag_objects = 1};
    jvmtiEventCallbacks on = {.ClassFileLoadHook = classes_on_load,
                              .ClassPrepare = classes_on_prepare,
                              .VMInit = on_init,
                              .VMDeath = on_death,
                              .ThreadEnd = on_thread_end};
    static const jvmtiEvent events[] = {JVMTI_EVENT_CLASS_FILE_LOAD_HOOK, JVMTI_EVENT_CLASS_PREPARE,
                                        JVMTI_EVENT_VM_INIT, JVMTI_EVENT_VM_DEATH,
                                        JVMTI_EVENT_THREAD_END};
    options_parse(&options, text);
    agent_log_to(options.log);
    if ((*vm)->GetEnv(vm, (void **)&jvmti, JVMTI_VERSION_1_2) != JNI_OK ||
        (*jvmti)->AddCapabilities(jvmti, &can) != JVMTI_ERROR_NONE ||
        (*jvmti)->SetEventCallbacks(jvmti, &on, sizeof on) != JVMTI_ERROR_NONE) {
        agent_log("this JVM does not allow what the agent needs: nothing is traced");
        return false;
    }
    threads_init(jvmti, false);
    tags_init(jvmti);
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        (void)(*jvmti)->SetEventNotificationMode(jvmti, JVMTI_ENABLE, events[i], NULL);
    }
    return true;
}

JNIEXPORT jint JNICALL Agent_OnLoad(JavaVM *vm, char *text, void *reserved)
{
    (void)reserved;
    (void)prepare(vm, text);
    return JNI_OK; // whatever happened, the application starts
}
