// SPDX-License-Identifier: Apache-2.0
// Purpose: from a probe to its plug-in.
#include "agents/jvm/bridge.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "agents/jvm/api.h"
#include "agents/jvm/bridge_class.h"
#include "agents/jvm/effort.h"
#include "agents/jvm/emit.h"
#include "agents/jvm/future.h"
#include "agents/jvm/inside.h"
#include "agents/jvm/pending.h"
#include "agents/jvm/reader.h"
#include "agents/jvm/tags.h"
#include "agents/jvm/tasks.h"
#include "agents/jvm/thread.h"
#include "agents/jvm/thrown.h"
#include "core/clock.h"
#include "core/must.h"

#define LOCAL_REFERENCES 32       // that a plug-in may make in one callback
#define READING_MAX_NS   NS_PER_S // what takes longer may be cut off by an exception from outside

// To some milliseconds, without asking the CPU's counter.
static uint64_t about_now_ns(void)
{
    struct timespec t = {0};
    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

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

// The thread's state when a native may act now.
static struct thread_state *begin(JNIEnv *env)
{
    struct inside_place *place = inside_mine();
    if (!inside_begin_at(place)) {
        return NULL;
    }
    struct thread_state *t = thread_mine(env);
    if (t != NULL && t->is_reading && about_now_ns() - t->reading_since_ns > READING_MAX_NS) {
        thread_stop_reading(t);
    }
    if (t == NULL || t->is_inside) {
        inside_end_at(place);
        return NULL;
    }
    t->is_inside = true;
    t->place = place;
    t->began_ns = 0;
    if (++t->calls % EFFORT_SAMPLE == 0) {
        t->began_ns = effort_clock_ns();
        t->began_on = pthread_self();
    }
    return t;
}

static void end(struct thread_state *t)
{
    ASSERT(t->is_inside);
    t->is_inside = false;
    // A virtual thread may have gone to another carrier while it was reading.
    if (t->began_ns != 0 && pthread_equal(t->began_on, pthread_self())) {
        effort_probe(effort_clock_ns() - t->began_ns);
    }
    inside_end_at(t->place);
}

static bool has_room(JNIEnv *env)
{
    return (*env)->EnsureLocalCapacity(env, LOCAL_REFERENCES) == 0;
}

struct thread_state *bridge_enter(JNIEnv *env)
{
    struct thread_state *t = begin(env);
    if (t != NULL && !has_room(env)) {
        bridge_leave(env, t);
        return NULL;
    }
    return t;
}

void bridge_leave(JNIEnv *env, struct thread_state *t)
{
    (void)java_clear(env);
    end(t);
}

jobject bridge_ask_outside(struct call *c, struct java_method *m, jobject object)
{
    struct thread_state *t = c->thread;
    uint64_t began_ns = t->began_ns, asked_ns = began_ns != 0 ? effort_clock_ns() : 0;
    unsigned depth = t->depth;
    ASSERT(t->is_inside);
    t->is_inside = false;
    jobject result = java_object(c->env, m, object);
    if (t->is_reading) { // what it threw has cut it off
        thread_stop_reading(t);
    }
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
    return m->is_light ? begin(env) : bridge_enter(env);
}

static void leave(JNIEnv *env, const struct plugin_method *m, struct thread_state *t)
{
    ASSERT(!m->is_light || !(*env)->ExceptionCheck(env));
    if (m->is_light) {
        end(t);
    } else {
        bridge_leave(env, t);
    }
}

static const struct plugin_method *probe_of(jint id)
{
    unsigned place = (unsigned)id - first_id;
    return id > 0 && place < probe_count ? probes[place] : NULL;
}

static jlong open_frame(JNIEnv *env, const struct plugin_method *m, struct call *c)
{
    struct thread_state *t = c->thread;
    unsigned depth = t->depth;
    struct frame *f = m->enter(c);
    ASSERT((f != NULL) == (t->depth == depth + 1));
    (void)depth;
    jlong token = f != NULL ? frame_token(t) : 0;
    leave(env, m, t);
    return token;
}

static jlong JNICALL native_enter(JNIEnv *env, jclass class, jint id, jobject self, jobject a,
                                  jobject b, jobject c, jlong n)
{
    const struct plugin_method *m = probe_of(id);
    struct thread_state *t = m != NULL && m->enter != NULL ? enter_anew(env, m) : NULL;
    struct call call = {env, t, m, self, a, b, c, n};
    (void)class;
    return t != NULL ? open_frame(env, m, &call) : 0;
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
        leave(env, m, t);
    }
}

// ---- Reading: the thread stays inside between two natives ------------------------------------
//
// One that was given up (READING_MAX_NS), and ends all the same, loses nothing: its second native
// begins anew. Until it is known which it is, the thread may not be inside, and its state be freed.

static jint begin_reading(struct thread_state *t, const struct reader *r)
{
    t->is_reading = true;
    t->reading_since_ns = about_now_ns();
    return r != NULL ? (jint)reader_place(r) : 0;
}

// The thread's state after a reading; NULL when that was given up.
static struct thread_state *end_reading(JNIEnv *env)
{
    struct inside_place *place = inside_mine();
    bool is_open = inside_begin_at(place);
    struct thread_state *t = is_open ? thread_mine(env) : thread_reading(env);
    bool is_reading = t != NULL && t->is_reading; // then it is counted at its own place too
    if (is_open) {
        inside_end_at(place);
    }
    if (!is_reading) {
        return NULL;
    }
    ASSERT(t->is_inside);
    t->is_reading = false;
    return t;
}

static jint JNICALL native_begins(JNIEnv *env, jclass class, jint id)
{
    const struct plugin_method *m = probe_of(id);
    (void)class;
    if (m == NULL || m->enter == NULL) {
        return -1;
    }
    if (effort_rests() || reader_place(m->first) == 0) {
        return 0;
    }
    struct thread_state *t = begin(env);
    struct frame *top = t != NULL ? frame_top(t) : NULL;
    if (top != NULL && top->method->enter == m->enter) {
        end(t);
        return -1;
    }
    return t != NULL ? begin_reading(t, m->first) : -1;
}

static jlong JNICALL native_entered(JNIEnv *env, jclass class, jint id, jobject self, jobject a,
                                    jobject b, jobject c, jlong n)
{
    const struct plugin_method *m = probe_of(id);
    struct thread_state *t = end_reading(env);
    (void)class;
    if (t == NULL) {
        t = m != NULL && m->enter != NULL ? enter_anew(env, m) : NULL;
    }
    struct call call = {env, t, m, self, a, b, c, n};
    if (t == NULL) {
        return 0;
    }
    ASSERT(m != NULL && m->first != NULL);
    if (c == NULL) {
        reader_missed(m->first);
    }
    return open_frame(env, m, &call);
}

static jlong JNICALL native_number(JNIEnv *env, jclass class, jint id, jobject self, jobject a,
                                   jobject b, jobject c, jlong n)
{
    const struct plugin_method *m = probe_of(id);
    struct thread_state *t = m != NULL && m->number != NULL ? enter_anew(env, m) : NULL;
    (void)class;
    if (t == NULL) {
        return 0;
    }
    struct call call = {env, t, m, self, a, b, c, n};
    uint64_t number = m->number(&call);
    leave(env, m, t);
    return (jlong)number;
}

static void JNICALL native_keep(JNIEnv *env, jclass class, jobject object, jlong number)
{
    (void)env, (void)class;
    if (inside_begin()) {
        tag_set(object, TAG_HELD, (uint64_t)number);
        inside_end();
    }
}

void bridge_exception(JNIEnv *env, struct frame *f, jthrowable thrown)
{
    char type[THROWN_TYPE_MAX], message[TEXT_VALUE_MAX + 4];
    struct str t = thrown_type(env, thrown, type, sizeof type);
    struct str m = thrown_message(env, thrown, message, sizeof message);
    span_exception(f, t, m, STR_NONE);
}

// The call is over, if that was not noted yet.
static void note_end(struct frame *f)
{
    if (f->is_span && f->end_mono_ns == 0) {
        f->end_mono_ns = clock_mono_ns();
        span_fetch(f);
    }
}

// How a call has ended: by return or, with `thrown`, by an exception.
struct ending {
    jobject result;
    jlong number;
    jthrowable thrown;
    jobject a, b; // with probe.is_read
};

// Ends the frame on top.
static void close_top(JNIEnv *env, struct thread_state *t, const struct ending *e)
{
    unsigned depth = t->depth;
    struct frame *f = t->frames[depth - 1];
    struct call call = {env, t, f->method, .a = e->a, .b = e->b, .thrown = e->thrown};
    jobject globals[FRAME_GLOBALS];
    memcpy(globals, f->globals, sizeof globals);
    note_end(f);
    if (e->thrown != NULL && f->is_span) {
        bridge_exception(env, f, e->thrown);
    }
    if (f->method->exit != NULL) {
        f->method->exit(&call, f, e->result, e->number);
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
static void close_found(JNIEnv *env, struct thread_state *t, jlong token, const struct ending *e)
{
    unsigned depth = frame_find(t, token);
    bool is_light = depth > 0 && e->thrown == NULL && t->frames[depth - 1]->method->is_light;
    if (depth > 0 && (is_light || has_room(env))) {
        thread_drop_frames(env, t, depth);
        close_top(env, t, e);
    }
    ASSERT(!is_light || !(*env)->ExceptionCheck(env));
    if (is_light) {
        end(t);
    } else {
        bridge_leave(env, t);
    }
}

static void close_call(JNIEnv *env, jlong token, const struct ending *e)
{
    struct thread_state *t = token != 0 ? begin(env) : NULL;
    if (t != NULL) {
        close_found(env, t, token, e);
    }
}

static jint JNICALL native_ending(JNIEnv *env, jclass class, jlong token)
{
    struct thread_state *t = begin(env);
    unsigned depth = t != NULL ? frame_find(t, token) : 0;
    (void)class;
    if (depth > 0) {
        thread_drop_frames(env, t, depth);
        note_end(t->frames[depth - 1]);
        return begin_reading(t, t->frames[depth - 1]->method->last);
    }
    if (t != NULL) {
        end(t);
    }
    return -1;
}

static void JNICALL native_endedRead(JNIEnv *env, jclass class, jstring text, jthrowable thrown,
                                     jobject a, jobject b, jlong token)
{
    const struct ending e = {.result = text, .thrown = thrown, .a = a, .b = b};
    struct thread_state *t = end_reading(env);
    struct frame *top = t != NULL ? frame_top(t) : NULL;
    (void)class;
    if (text == NULL && top != NULL && top->method->last != NULL &&
        reader_place(top->method->last) > 0) {
        reader_missed(top->method->last);
    }
    if (t != NULL) {
        close_found(env, t, token, &e);
    } else {
        close_call(env, token, &e);
    }
}

static void JNICALL native_ended(JNIEnv *env, jclass class, jobject result, jlong token)
{
    (void)class;
    close_call(env, token, &(struct ending){.result = result});
}

static void JNICALL native_endedP(JNIEnv *env, jclass class, jlong number, jlong token)
{
    (void)class;
    close_call(env, token, &(struct ending){.number = number});
}

static void JNICALL native_failed(JNIEnv *env, jclass class, jthrowable thrown, jlong token)
{
    (void)class;
    close_call(env, token, &(struct ending){.thrown = thrown});
}

// ---- Defining --------------------------------------------------------------------------------

static void JNICALL boot_init(JNIEnv *env, jclass class)
{
#define NATIVE(name, descriptor) {#name, descriptor, (void *)native_##name},
    static const JNINativeMethod natives[] = {BRIDGE_NATIVE_LIST(NATIVE)};
#undef NATIVE
    (void)class;
    const jint count = sizeof natives / sizeof *natives;
    if ((*env)->RegisterNatives(env, bridge_class, natives, count) != 0) {
        return; // bridge_bind() finds the exception
    }
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

static void set_field(JNIEnv *env, const char *name, const char *type, jobject value)
{
    jfieldID field =
        java_clear(env) ? NULL : (*env)->GetStaticFieldID(env, bridge_class, name, type);
    if (!java_clear(env) && field != NULL) {
        (*env)->SetStaticObjectField(env, bridge_class, field, value);
    }
    (*env)->DeleteLocalRef(env, value); // NULL is fine
}

static jobject new_held(JNIEnv *env)
{
    jclass held = bridge_define(env, HELD_CLASS, emit_held);
    jclass table = held != NULL ? (*env)->FindClass(env, HELD_TABLE_CLASS) : NULL;
    jmethodID make = table != NULL ? (*env)->GetMethodID(env, table, "<init>", "(I)V") : NULL;
    return make != NULL ? (*env)->NewObject(env, table, make, HELD_MAX) : NULL;
}

// Without them nothing is held, and nothing read by the bridge itself.
static void set_tables(JNIEnv *env)
{
    set_field(env, BRIDGE_HELD, BRIDGE_HELD_TYPE, new_held(env));
    jclass weak = (*env)->FindClass(env, "java/lang/ref/WeakReference");
    jobject readings = java_clear(env) || weak == NULL
                           ? NULL
                           : (*env)->NewObjectArray(env, READINGS_MAX, weak, NULL);
    set_field(env, BRIDGE_READINGS, BRIDGE_READINGS_TYPE, readings);
}

static void clear_tables(JNIEnv *env)
{
    set_field(env, BRIDGE_HELD, BRIDGE_HELD_TYPE, NULL);
    set_field(env, BRIDGE_READINGS, BRIDGE_READINGS_TYPE, NULL);
}

// A new instance of the class, kept by that, in a new weak reference.
static jobject new_reading(JNIEnv *env, jclass class)
{
    jfieldID self = (*env)->GetStaticFieldID(env, class, READER_SELF, "Ljava/lang/Object;");
    jclass weak = self != NULL ? (*env)->FindClass(env, "java/lang/ref/WeakReference") : NULL;
    jmethodID make =
        weak != NULL ? (*env)->GetMethodID(env, weak, "<init>", "(Ljava/lang/Object;)V") : NULL;
    jobject reading = make != NULL ? (*env)->AllocObject(env, class) : NULL;
    if (reading == NULL) {
        return NULL;
    }
    (*env)->SetStaticObjectField(env, class, self, reading);
    return (*env)->NewObject(env, weak, make, reading);
}

bool bridge_publish(JNIEnv *env, unsigned place, jclass reader_class)
{
    ASSERT(place > 0 && place <= READINGS_MAX);
    jobject reading = new_reading(env, reader_class);
    jfieldID field =
        java_clear(env) || reading == NULL
            ? NULL
            : (*env)->GetStaticFieldID(env, bridge_class, BRIDGE_READINGS, BRIDGE_READINGS_TYPE);
    jobject all = field != NULL ? (*env)->GetStaticObjectField(env, bridge_class, field) : NULL;
    if (all != NULL) {
        (*env)->SetObjectArrayElement(env, all, (jsize)place - 1, reading);
    }
    return !java_clear(env) && all != NULL;
}

const char *bridge_bind(JNIEnv *env)
{
    static const JNINativeMethod init = {"init", "()V", (void *)boot_init};
    (void)bridge_define(env, READING_CLASS, emit_reading);
    jclass bridge = bridge_define(env, BRIDGE_CLASS, emit_bridge);
    jclass boot = bridge != NULL ? bridge_define(env, BOOT_CLASS, emit_boot) : NULL;
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
    if (java_clear(env) || run == NULL) {
        return "the bridge's natives could not be registered";
    }
    set_tables(env);
    return NULL;
}

void bridge_unbind(JNIEnv *env, bool is_quiet)
{
    if (bridge_class != NULL) {
        clear_tables(env);
    }
    if (is_quiet) {
        future_unbind(env);
        (*env)->DeleteGlobalRef(env, bridge_class); // NULL is fine
        bridge_class = NULL;
    }
}
