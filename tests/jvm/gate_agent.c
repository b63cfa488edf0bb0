// SPDX-License-Identifier: Apache-2.0
// Purpose: the verifier's gate for the rewriter: a JVM agent that probes every method of every
// class, with a bridge that does nothing. The JVM runs with its verifier on for all classes, so a
// wrong frame, jump or table shows as a VerifyError. At the end it prints one line of JSON.
// Options: span | enter | leave | made | gone | read | broken (a span whose frames are wrong by
// one, the negative control: the gate must fail).
#include <jvmti.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/jvm/bridge_class.h"
#include "agents/jvm/emit.h"
#include "agents/jvm/rewrite.h"

static jvmtiEnv *jvmti;
static struct probe probe = {.id = 7, .kind = PROBE_SPAN, .objects = {1, 2, 3}, .number = 1};
static bool is_broken, is_ready;
static atomic_uint classes, probed, declined, failed, declined_by[5];

static jlong JNICALL native_enter(JNIEnv *env, jclass c, jint id, jobject self, jobject a0,
                                  jobject a1, jobject a2, jlong n)
{
    (void)env, (void)c, (void)id, (void)self, (void)a0, (void)a1, (void)a2, (void)n;
    return 1;
}

static jlong JNICALL native_number(JNIEnv *env, jclass c, jint id, jobject self, jobject a0,
                                   jobject a1, jobject a2, jlong n)
{
    return native_enter(env, c, id, self, a0, a1, a2, n);
}

static void JNICALL native_note(JNIEnv *env, jclass c, jint id, jobject self, jobject a0,
                                jobject a1, jobject a2, jlong n)
{
    (void)env, (void)c, (void)id, (void)self, (void)a0, (void)a1, (void)a2, (void)n;
}

static void JNICALL native_ended(JNIEnv *env, jclass c, jobject result, jlong token)
{
    (void)env, (void)c, (void)result, (void)token;
}

static void JNICALL native_failed(JNIEnv *env, jclass c, jthrowable thrown, jlong token)
{
    (void)env, (void)c, (void)thrown, (void)token;
}

static void JNICALL native_keep(JNIEnv *env, jclass c, jobject object, jlong number)
{
    (void)env, (void)c, (void)object, (void)number;
}

static jint JNICALL native_begins(JNIEnv *env, jclass c, jint id)
{
    (void)env, (void)c, (void)id;
    return 0;
}

static jlong JNICALL native_entered(JNIEnv *env, jclass c, jint id, jobject self, jobject a0,
                                    jobject a1, jobject a2, jlong n)
{
    return native_enter(env, c, id, self, a0, a1, a2, n);
}

static jint JNICALL native_ending(JNIEnv *env, jclass c, jlong token)
{
    (void)env, (void)c, (void)token;
    return 0;
}

static void JNICALL native_endedRead(JNIEnv *env, jclass c, jstring text, jthrowable thrown,
                                     jobject a, jobject b, jlong token)
{
    (void)env, (void)c, (void)text, (void)thrown, (void)a, (void)b, (void)token;
}

static void JNICALL native_endedP(JNIEnv *env, jclass c, jlong result, jlong token)
{
    (void)env, (void)c, (void)result, (void)token;
}

static const struct probe *every(void *ctx, const struct class_file *c,
                                 const struct class_method *m)
{
    (void)ctx, (void)c, (void)m;
    return &probe;
}

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "gate: %s failed\n", what);
        abort();
    }
}

// Makes every stack map frame of the class wrong: one local more than there is.
static void break_frames(struct rewritten *r)
{
    for (size_t i = 0; i + 4 < r->n; i++) {
        // A full_frame's token: the tag of a long before a stack count of zero.
        if (r->bytes[i] == 4 && r->bytes[i + 1] == 0 && r->bytes[i + 2] == 0 &&
            r->bytes[i + 3] == 255) {
            r->bytes[i] = 1;
        }
    }
}

// Classes of libraries, and what of the JDK the launcher does not need.
static bool is_to_break(const char *name)
{
    return strncmp(name, "javax/", 6) == 0 || strncmp(name, "org/", 4) == 0;
}

static void JNICALL on_load(jvmtiEnv *ti, JNIEnv *env, jclass redefined, jobject loader,
                            const char *name, jobject domain, jint n, const unsigned char *bytes,
                            jint *ret_n, unsigned char **ret_bytes)
{
    struct class_file c;
    struct rewritten r;
    (void)env, (void)redefined, (void)loader, (void)domain;
    if (!is_ready ||
        (name != NULL && (strcmp(name, BRIDGE_CLASS) == 0 || strcmp(name, HELD_CLASS) == 0 ||
                          strcmp(name, READING_CLASS) == 0 || strcmp(name, BOOT_CLASS) == 0))) {
        return;
    }
    classes++;
    if (class_parse(&c, bytes, (size_t)n) != CLASS_OK) {
        failed++;
        return;
    }
    enum class_result result = rewrite_class(&c, every, NULL, &r);
    class_done(&c);
    if (result != CLASS_OK) {
        fprintf(stderr, "gate: %s: result %d\n", name != NULL ? name : "?", (int)result);
        failed++;
        return;
    }
    probed += r.probed;
    declined += r.declined;
    declined_by[r.why_declined] += r.declined;
    if (r.bytes != NULL) {
        if (is_broken && name != NULL && is_to_break(name)) {
            break_frames(&r);
        }
        must((*ti)->Allocate(ti, (jlong)r.n, ret_bytes) == JVMTI_ERROR_NONE, "Allocate");
        memcpy(*ret_bytes, r.bytes, r.n);
        *ret_n = (jint)r.n;
        free(r.bytes);
    }
}

static jclass define(JNIEnv *env, const char *name, void (*emit)(struct bytes_out *))
{
    struct bytes_out o;
    out_init(&o, 65536);
    emit(&o);
    jclass c = (*env)->DefineClass(env, name, NULL, (const jbyte *)o.p, (jsize)o.n);
    must(c != NULL, "DefineClass");
    out_done(&o);
    return c;
}

static jclass bridge;

static void JNICALL boot_init(JNIEnv *env, jclass c)
{
#define NATIVE(name, descriptor) {#name, descriptor, (void *)native_##name},
    static const JNINativeMethod natives[] = {BRIDGE_NATIVE_LIST(NATIVE)};
#undef NATIVE
    (void)c;
    must((*env)->RegisterNatives(env, bridge, natives, sizeof natives / sizeof *natives) == 0,
         "RegisterNatives");
}

// Classes that were there before: in small lots, and one by one where a lot is refused.
static void retransform(JNIEnv *env)
{
    jint count;
    jclass *all;
    unsigned refused = 0;
    must((*jvmti)->GetLoadedClasses(jvmti, &count, &all) == JVMTI_ERROR_NONE, "GetLoadedClasses");
    for (jint i = 0; i < count; i++) {
        jboolean modifiable = JNI_FALSE;
        (void)(*jvmti)->IsModifiableClass(jvmti, all[i], &modifiable);
        if (modifiable && (*jvmti)->RetransformClasses(jvmti, 1, &all[i]) != JVMTI_ERROR_NONE) {
            char *signature = NULL;
            (void)(*jvmti)->GetClassSignature(jvmti, all[i], &signature, NULL);
            fprintf(stderr, "gate: %s cannot be retransformed\n", signature);
            refused++;
        }
        if ((*env)->ExceptionCheck(env)) {
            (*env)->ExceptionClear(env);
        }
    }
    fprintf(stderr, "gate: %d classes were loaded before, %u refused\n", count, refused);
    failed += refused;
}

static void JNICALL on_init(jvmtiEnv *ti, JNIEnv *env, jthread thread)
{
    static const JNINativeMethod init = {"init", "()V", (void *)boot_init};
    (void)ti, (void)thread;
    (void)define(env, HELD_CLASS, emit_held);
    (void)define(env, READING_CLASS, emit_reading);
    bridge = define(env, BRIDGE_CLASS, emit_bridge);
    jclass boot = define(env, BOOT_CLASS, emit_boot);
    must((*env)->RegisterNatives(env, boot, &init, 1) == 0, "RegisterNatives");
    (*env)->CallStaticVoidMethod(env, boot, (*env)->GetStaticMethodID(env, boot, "run", "()V"));
    must(!(*env)->ExceptionCheck(env), "Boot.run");
    is_ready = true;
    if (!is_broken) {
        retransform(env);
    }
}

static void JNICALL on_death(jvmtiEnv *ti, JNIEnv *env)
{
    (void)ti, (void)env;
    is_ready = false;
    fprintf(stderr,
            "{\"classes\":%u,\"probed\":%u,\"declined\":%u,\"unsupported\":%u,\"too_large\":%u,"
            "\"malformed\":%u,\"failed\":%u}\n",
            classes, probed, declined, declined_by[CLASS_UNSUPPORTED], declined_by[CLASS_TOO_LARGE],
            declined_by[CLASS_MALFORMED], failed);
}

// Gate.isLinked(): the JVM looks for a native in the libraries of its agents too.
JNIEXPORT jboolean JNICALL Java_Gate_isLinked(JNIEnv *env, jclass gate, jclass c);
JNIEXPORT jboolean JNICALL Java_Gate_isLinked(JNIEnv *env, jclass gate, jclass c)
{
    jint status = 0;
    (void)env, (void)gate;
    return (*jvmti)->GetClassStatus(jvmti, c, &status) == JVMTI_ERROR_NONE &&
           (status & JVMTI_CLASS_STATUS_PREPARED) != 0;
}

JNIEXPORT jint JNICALL Agent_OnLoad(JavaVM *vm, char *options, void *reserved)
{
    jvmtiCapabilities can = {.can_retransform_classes = 1,
                             .can_retransform_any_class = 1,
                             .can_generate_all_class_hook_events = 1};
    jvmtiEventCallbacks on = {.ClassFileLoadHook = on_load, .VMInit = on_init, .VMDeath = on_death};
    (void)reserved;
    is_broken = options != NULL && strcmp(options, "broken") == 0;
    if (options != NULL && strcmp(options, "enter") == 0) {
        probe.kind = PROBE_ENTER;
    } else if (options != NULL && strcmp(options, "leave") == 0) {
        probe.kind = PROBE_LEAVE;
    } else if (options != NULL && strcmp(options, "made") == 0) {
        probe.kind = PROBE_MADE;
    } else if (options != NULL && strcmp(options, "read") == 0) {
        probe.is_read = true;
    } else if (options != NULL && strcmp(options, "gone") == 0) {
        probe.kind = PROBE_GONE;
    }
    must((*vm)->GetEnv(vm, (void **)&jvmti, JVMTI_VERSION_1_2) == JNI_OK, "GetEnv");
    must((*jvmti)->AddCapabilities(jvmti, &can) == JVMTI_ERROR_NONE, "AddCapabilities");
    must((*jvmti)->SetEventCallbacks(jvmti, &on, sizeof on) == JVMTI_ERROR_NONE, "callbacks");
    static const jvmtiEvent events[] = {JVMTI_EVENT_CLASS_FILE_LOAD_HOOK, JVMTI_EVENT_VM_INIT,
                                        JVMTI_EVENT_VM_DEATH};
    for (int i = 0; i < 3; i++) {
        must((*jvmti)->SetEventNotificationMode(jvmti, JVMTI_ENABLE, events[i], NULL) ==
                 JVMTI_ERROR_NONE,
             "events");
    }
    return 0;
}
