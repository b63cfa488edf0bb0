// SPDX-License-Identifier: Apache-2.0
// Purpose: from a probe to its plug-in.
#include "agents/jvm/bridge.h"

#include <string.h>

#include "agents/jvm/api.h"
#include "agents/jvm/effort.h"
#include "agents/jvm/emit.h"
#include "agents/jvm/future.h"
#include "agents/jvm/inside.h"
#include "agents/jvm/pending.h"
#include "agents/jvm/tasks.h"
#include "agents/jvm/thread.h"
#include "agents/jvm/thrown.h"
#include "core/clock.h"
#include "core/must.h"

#define LOCAL_REFERENCES 32 // that a plug-in may make in one callback

static const struct plugin_method *probes[PROBES_MAX];
static unsigned probe_count, probe_room;
static unsigned first_id;   // of this library's probes; 0: none yet, which is nobody's ID
static jclass bridge_class; // global

bool bridge_add(struct plugin_method *m)
{
    ASSERT(m->name != NULL && m->class_name != NULL && first_id != 0);
    if (m->probe.id != 0) {
        return true;
    }
    if (probe_count == probe_room) {
        return false;
    }
    m->probe.id = (uint16_t)(first_id + probe_count);
    probes[probe_count++] = m;
    return true;
}

// ---- The natives -----------------------------------------------------------------------------

struct thread_state *bridge_enter(JNIEnv *env)
{
    struct inside_place *place = inside_mine();
    if (!inside_begin_at(place)) {
        return NULL;
    }
    struct thread_state *t = thread_mine(env);
    if (t == NULL || t->is_inside || (*env)->EnsureLocalCapacity(env, LOCAL_REFERENCES) != 0) {
        (void)(t != NULL && java_clear(env));
        inside_end_at(place);
        return NULL;
    }
    t->is_inside = true;
    t->place = place;
    t->began_ns = ++t->calls % EFFORT_SAMPLE == 0 ? effort_clock_ns() : 0;
    return t;
}

void bridge_leave(JNIEnv *env, struct thread_state *t)
{
    ASSERT(t->is_inside);
    t->is_inside = false;
    (void)java_clear(env);
    if (t->began_ns != 0) {
        effort_probe(effort_clock_ns() - t->began_ns);
    }
    inside_end_at(t->place);
}

jobject bridge_ask_outside(struct call *c, struct java_method *m, jobject object)
{
    struct thread_state *t = c->thread;
    uint64_t began_ns = t->began_ns, asked_ns = began_ns != 0 ? effort_clock_ns() : 0;
    unsigned depth = t->depth;
    ASSERT(t->is_inside);
    t->is_inside = false;
    jobject result = java_object(c->env, m, object);
    ASSERT(!t->is_inside && t->depth >= depth);
    t->is_inside = true;
    thread_drop_frames(c->env, t, depth); // such as have lost their ends
    t->began_ns = began_ns != 0 ? began_ns + (effort_clock_ns() - asked_ns) : 0;
    return result;
}

// What is in force on a worker's thread or kept with a task must not be met by later work when the
// agent goes on after a rest.
static void forget(JNIEnv *env)
{
    if (inside_begin()) {
        struct thread_state *t = thread_mine(env);
        if (t != NULL && !t->is_inside) {
            context_replace(t, (struct context){0});
        }
        tasks_clear();
        inside_end();
    }
}

// Nothing begins while the agent rests, and nothing is carried; what has begun ends.
static struct thread_state *enter_anew(JNIEnv *env, const struct plugin_method *m)
{
    if (effort_rests() && !(m->ends && pending_is_any())) {
        forget(env);
        return NULL;
    }
    return bridge_enter(env);
}

static const struct plugin_method *probe_of(jint id)
{
    unsigned place = (unsigned)id - first_id;
    return id > 0 && place < probe_count ? probes[place] : NULL;
}

static jlong JNICALL native_enter(JNIEnv *env, jclass class, jint id, jobject self, jobject a,
                                  jobject b, jobject c, jlong n)
{
    const struct plugin_method *m = probe_of(id);
    struct thread_state *t = m != NULL && m->enter != NULL ? enter_anew(env, m) : NULL;
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
    bridge_leave(env, t);
    return token;
}

static void JNICALL native_note(JNIEnv *env, jclass class, jint id, jobject self, jobject a,
                                jobject b, jobject c, jlong n)
{
    const struct plugin_method *m = probe_of(id);
    struct thread_state *t = m != NULL && m->note != NULL ? enter_anew(env, m) : NULL;
    (void)class;
    if (t != NULL) {
        struct call call = {env, t, m, self, a, b, c, n};
        m->note(&call);
        bridge_leave(env, t);
    }
}

void bridge_exception(JNIEnv *env, struct frame *f, jthrowable thrown)
{
    char type[THROWN_TYPE_MAX], message[TEXT_VALUE_MAX + 4];
    struct str t = thrown_type(env, thrown, type, sizeof type);
    struct str m = thrown_message(env, thrown, message, sizeof message);
    span_exception(f, t, m, STR_NONE);
}

// Ends the frame on top, by return or, with `thrown`, by an exception.
static void close_top(JNIEnv *env, struct thread_state *t, jobject result, jlong number,
                      jthrowable thrown)
{
    unsigned depth = t->depth;
    struct frame *f = t->frames[depth - 1];
    struct call call = {.env = env, .thread = t, .method = f->method, .thrown = thrown};
    jobject globals[FRAME_GLOBALS];
    memcpy(globals, f->globals, sizeof globals);
    if (f->is_span) {
        f->end_mono_ns = clock_mono_ns();
        span_fetch(f);
    }
    if (thrown != NULL && f->is_span) {
        bridge_exception(env, f, thrown);
    }
    if (f->method->exit != NULL) {
        f->method->exit(&call, f, result, number);
    }
    if (t->depth == depth) { // else the plug-in has moved it
        frame_close(t);
    }
    ASSERT(t->depth == depth - 1);
    for (int i = 0; i < FRAME_GLOBALS; i++) {
        if (globals[i] != NULL) { // even a call for nothing costs
            (*env)->DeleteGlobalRef(env, globals[i]);
        }
    }
}

// The end of a call that opened a frame.
static void close_call(JNIEnv *env, jlong token, jobject result, jlong number, jthrowable thrown)
{
    struct thread_state *t = token != 0 ? bridge_enter(env) : NULL;
    if (t == NULL) {
        return;
    }
    unsigned depth = frame_find(t, token);
    if (depth > 0) {
        thread_drop_frames(env, t, depth);
        close_top(env, t, result, number, thrown);
    }
    bridge_leave(env, t);
}

static void JNICALL native_exit(JNIEnv *env, jclass class, jobject result, jlong token)
{
    (void)class;
    close_call(env, token, result, 0, NULL);
}

static void JNICALL native_exit_number(JNIEnv *env, jclass class, jlong number, jlong token)
{
    (void)class;
    close_call(env, token, NULL, number, NULL);
}

static void JNICALL native_fail(JNIEnv *env, jclass class, jthrowable thrown, jlong token)
{
    (void)class;
    close_call(env, token, NULL, 0, thrown);
}

// ---- Defining --------------------------------------------------------------------------------

static void JNICALL boot_init(JNIEnv *env, jclass class)
{
    static const JNINativeMethod natives[] = {
        {"enter", BRIDGE_ENTER_DESCRIPTOR, (void *)native_enter},
        {"note", BRIDGE_NOTE_DESCRIPTOR, (void *)native_note},
        {"exit", BRIDGE_EXIT_DESCRIPTOR, (void *)native_exit},
        {"exitP", BRIDGE_EXITP_DESCRIPTOR, (void *)native_exit_number},
        {"fail", BRIDGE_FAIL_DESCRIPTOR, (void *)native_fail},
    };
    (void)class;
    (void)(*env)->RegisterNatives(env, bridge_class, natives, sizeof natives / sizeof *natives);
    api_bind(env);
    future_bind(env);
}

jclass bridge_define(JNIEnv *env, const char *name, void (*emit)(struct bytes_out *))
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

// Takes as many IDs as there are methods in plug-ins, behind those that other libraries' agents
// have taken in this JVM: the next free one stands in a field of the boot class.
static bool take_ids(JNIEnv *env, jclass boot)
{
    unsigned room = 0;
    jfieldID next = (*env)->GetStaticFieldID(env, boot, BOOT_NEXT_ID, "I");
    if (first_id != 0) {
        return true;
    }
    if (java_clear(env) || next == NULL) {
        return false;
    }
    for (size_t i = 0; i < PLUGIN_COUNT; i++) {
        room += (unsigned)PLUGINS[i]->method_count;
    }
    room = room < PROBES_MAX ? room : PROBES_MAX;
    jint begin = (*env)->GetStaticIntField(env, boot, next);
    begin = begin > 0 ? begin : 1;
    if (begin > PROBE_ID_MAX - (jint)room) {
        return false;
    }
    (*env)->SetStaticIntField(env, boot, next, begin + (jint)room);
    first_id = (unsigned)begin;
    probe_room = room;
    return true;
}

const char *bridge_bind(JNIEnv *env)
{
    static const JNINativeMethod init = {"init", "()V", (void *)boot_init};
    jclass bridge = bridge_define(env, BRIDGE_CLASS, emit_bridge);
    jclass boot = bridge != NULL ? bridge_define(env, BOOT_CLASS, emit_boot) : NULL;
    ASSERT(bridge_class == NULL);
    bridge_class = boot != NULL ? (*env)->NewGlobalRef(env, bridge) : NULL;
    if (bridge_class == NULL || (*env)->RegisterNatives(env, boot, &init, 1) != 0) {
        (void)java_clear(env);
        return "the bridge class could not be defined";
    }
    if (!take_ids(env, boot)) {
        return "no probe IDs are left after so many upgrades of the agent; restart the JVM";
    }
    jmethodID run = (*env)->GetStaticMethodID(env, boot, "run", "()V");
    if (run != NULL) {
        (*env)->CallStaticVoidMethod(env, boot, run);
    }
    return java_clear(env) || run == NULL ? "the bridge's natives could not be registered" : NULL;
}

void bridge_unbind(JNIEnv *env, bool is_quiet)
{
    if (is_quiet) {
        future_unbind(env);
    }
    if (bridge_class != NULL) {
        (*env)->DeleteGlobalRef(env, bridge_class);
        bridge_class = NULL;
    }
}
