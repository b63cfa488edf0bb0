// SPDX-License-Identifier: Apache-2.0
// Purpose: from a probe to its plug-in.
#include "agents/jvm/bridge.h"

#include <stdatomic.h>
#include <string.h>

#include "agents/jvm/emit.h"
#include "agents/jvm/log.h"
#include "agents/jvm/thread.h"
#include "core/must.h"

#define LOCAL_REFERENCES 32 // that a plug-in may make in one callback

static const struct plugin_method *probes[PROBES_MAX];
static unsigned probe_count = 1; // 0 is nobody's
static atomic_bool is_silent;
static jclass bridge_class; // global

bool bridge_add(struct plugin_method *m)
{
    if (probe_count == PROBES_MAX) {
        return false;
    }
    m->probe.id = (uint16_t)probe_count;
    probes[probe_count++] = m;
    ASSERT(m->name != NULL && m->class_name != NULL);
    return true;
}

void bridge_silence(void)
{
    atomic_store(&is_silent, true);
}

// ---- The natives -----------------------------------------------------------------------------

// The thread's state when a probe may act now: not inside another one, no exception pending, room
// for references. leave() follows.
static struct thread_state *come_in(JNIEnv *env)
{
    if (atomic_load_explicit(&is_silent, memory_order_relaxed)) {
        return NULL;
    }
    struct thread_state *t = thread_mine();
    if (t == NULL || t->is_inside || (*env)->PushLocalFrame(env, LOCAL_REFERENCES) != 0) {
        (void)(t != NULL && java_clear(env));
        return NULL;
    }
    t->is_inside = true;
    return t;
}

static void go_out(JNIEnv *env, struct thread_state *t)
{
    ASSERT(t->is_inside);
    t->is_inside = false;
    (void)java_clear(env);
    (void)(*env)->PopLocalFrame(env, NULL);
}

static const struct plugin_method *probe_of(jint id)
{
    return id > 0 && (unsigned)id < probe_count ? probes[id] : NULL;
}

static jlong JNICALL bridge_enter(JNIEnv *env, jclass class, jint id, jobject self, jobject a,
                                  jobject b, jobject c, jlong n)
{
    const struct plugin_method *m = probe_of(id);
    struct thread_state *t = m != NULL && m->enter != NULL ? come_in(env) : NULL;
    (void)class;
    if (t == NULL) {
        return 0;
    }
    unsigned depth = t->depth;
    struct call call = {env, t, m, self, a, b, c, n};
    struct frame *f = m->enter(&call);
    ASSERT((f != NULL) == (t->depth == depth + 1));
    (void)depth;
    jlong token = f != NULL ? frame_token(t) : 0;
    go_out(env, t);
    return token;
}

static void JNICALL bridge_note(JNIEnv *env, jclass class, jint id, jobject self, jobject a,
                                jobject b, jobject c, jlong n)
{
    const struct plugin_method *m = probe_of(id);
    struct thread_state *t = m != NULL && m->note != NULL ? come_in(env) : NULL;
    (void)class;
    if (t != NULL) {
        struct call call = {env, t, m, self, a, b, c, n};
        m->note(&call);
        go_out(env, t);
    }
}

static void note_exception(JNIEnv *env, struct frame *f, jthrowable thrown)
{
    static struct java_method get_class = {"getClass", "()Ljava/lang/Class;", {NULL}};
    static struct java_method get_name = {"getName", "()Ljava/lang/String;", {NULL}};
    static struct java_method get_message = {"getMessage", "()Ljava/lang/String;", {NULL}};
    char type[256], message[TEXT_VALUE_MAX + 4];
    jobject class = java_object(env, &get_class, thrown);
    struct str t = java_text(env, &get_name, class, type, sizeof type);
    struct str m = java_text(env, &get_message, thrown, message, sizeof message);
    span_exception(f, t, m, STR_NONE);
}

// The end of a call that opened a frame, by return or, with `thrown`, by an exception.
static void close_call(JNIEnv *env, jlong token, jobject result, jlong number, jthrowable thrown)
{
    struct thread_state *t = token != 0 ? come_in(env) : NULL;
    struct frame *f = t != NULL ? frame_find(t, token) : NULL;
    if (f != NULL) {
        struct call call = {.env = env, .thread = t, .method = f->method, .thrown = thrown};
        jobject globals[FRAME_GLOBALS];
        unsigned depth = t->depth;
        memcpy(globals, f->globals, sizeof globals);
        if (thrown != NULL && f->is_span) {
            note_exception(env, f, thrown);
        }
        if (f->method->exit != NULL) {
            f->method->exit(&call, f, result, number);
        }
        if (t->depth == depth) { // else the plug-in has moved it
            frame_close(t);
        }
        for (int i = 0; i < FRAME_GLOBALS; i++) {
            (*env)->DeleteGlobalRef(env, globals[i]); // NULL is fine
        }
    }
    if (t != NULL) {
        go_out(env, t);
    }
}

static void JNICALL bridge_exit(JNIEnv *env, jclass class, jobject result, jlong token)
{
    (void)class;
    close_call(env, token, result, 0, NULL);
}

static void JNICALL bridge_exit_number(JNIEnv *env, jclass class, jlong number, jlong token)
{
    (void)class;
    close_call(env, token, NULL, number, NULL);
}

static void JNICALL bridge_fail(JNIEnv *env, jclass class, jthrowable thrown, jlong token)
{
    (void)class;
    close_call(env, token, NULL, 0, thrown);
}

// ---- Defining --------------------------------------------------------------------------------

static void JNICALL boot_init(JNIEnv *env, jclass class)
{
    static const JNINativeMethod natives[] = {
        {"enter", BRIDGE_ENTER_DESCRIPTOR, (void *)bridge_enter},
        {"note", BRIDGE_NOTE_DESCRIPTOR, (void *)bridge_note},
        {"exit", BRIDGE_EXIT_DESCRIPTOR, (void *)bridge_exit},
        {"exitP", BRIDGE_EXITP_DESCRIPTOR, (void *)bridge_exit_number},
        {"fail", BRIDGE_FAIL_DESCRIPTOR, (void *)bridge_fail},
    };
    (void)class;
    (void)(*env)->RegisterNatives(env, bridge_class, natives, sizeof natives / sizeof *natives);
}

static jclass define(JNIEnv *env, const char *name, void (*emit)(struct bytes_out *))
{
    struct bytes_out o;
    jclass class = (*env)->FindClass(env, name); // an agent that was here before has left it
    if (!java_clear(env) && class != NULL) {
        return class;
    }
    out_init(&o, 65536);
    emit(&o);
    class = o.failed ? NULL : (*env)->DefineClass(env, name, NULL, (const jbyte *)o.p, (jsize)o.n);
    (void)java_clear(env);
    out_done(&o);
    return class;
}

bool bridge_bind(JNIEnv *env)
{
    static const JNINativeMethod init = {"init", "()V", (void *)boot_init};
    jclass bridge = define(env, BRIDGE_CLASS, emit_bridge);
    jclass boot = bridge != NULL ? define(env, BOOT_CLASS, emit_boot) : NULL;
    bridge_class = boot != NULL ? (*env)->NewGlobalRef(env, bridge) : NULL;
    if (bridge_class == NULL || (*env)->RegisterNatives(env, boot, &init, 1) != 0) {
        (void)java_clear(env);
        agent_log("the bridge class could not be defined: nothing is traced");
        return false;
    }
    jmethodID run = (*env)->GetStaticMethodID(env, boot, "run", "()V");
    if (run != NULL) {
        (*env)->CallStaticVoidMethod(env, boot, run);
    }
    if (java_clear(env) || run == NULL) {
        agent_log("the bridge's natives could not be registered: nothing is traced");
        return false;
    }
    return true;
}
