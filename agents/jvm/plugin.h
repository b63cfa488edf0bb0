// SPDX-License-Identifier: Apache-2.0
// Purpose: what a plug-in is: a table of methods to probe and what to do when they are called. One
// library, one file in plugins/, one line in plugins/all.c, one case in tests/jvm/faults.
//
// Callbacks run on the application's thread inside a native call. They may call Java (the probes of
// what they call are silent meanwhile), must not block, and need not clean up: local references
// end with the native call (loops delete theirs), and the bridge clears what exception they leave
// and closes the frame that `enter` returned. A callback that meets anything odd returns NULL or
// nothing.
#ifndef SONDE_JVM_PLUGIN_H
#define SONDE_JVM_PLUGIN_H

#include <jni.h>

#include "agents/jvm/rewrite.h"
#include "agents/jvm/span.h"

struct reader;

// One call of a probed method. Object references are local.
struct call {
    JNIEnv *env;
    struct thread_state *thread;
    const struct plugin_method *method;
    jobject self, a, b, c;
    jlong n;
    jthrowable thrown; // exit only
};

struct plugin_method {
    const char *class_name; // as in class files; with `is_interface`, of what implements it
    bool is_interface;
    bool late_only; // probed only when the agent came to a JVM that ran already
    const char *name;
    const char *descriptor;  // NULL: any
    struct probe probe;      // its id is given at start
    bool (*is_wanted)(void); // whether it is probed, by what the options say; NULL: always
    // PROBE_SPAN: NULL when this call is of no interest.
    struct frame *(*enter)(struct call *c);
    // Before the span is closed; may be NULL. `result` is set for object results, `number` for
    // int, long, short, char, byte and boolean ones, `thrown` when it ended so. It may take the
    // frame off the stack by pending_put().
    void (*exit)(struct call *c, struct frame *f, jobject result, jlong number);
    // A future that future_watch() was given has ended, with `thrown` when it failed. Before the
    // span is written.
    void (*ended)(struct call *c, struct frame *f, jobject result);
    // PROBE_ENTER and PROBE_LEAVE.
    void (*note)(struct call *c);
    // With probe.is_read: what is read of a and b before `enter`, which finds it in c, and
    // before `exit`, which finds a and b again, and whose result it is. NULL there: it is to be
    // read yet. Within frames that `enter` has opened it is not called.
    struct reader *first, *last;
    // PROBE_MADE: what is to be held with the object (bridge_class.h); 0: nothing.
    uint64_t (*number)(struct call *c);
    // Its callbacks need no more than the 16 local references that every native call has, and leave
    // no exception: java_ functions (below) do not. The JVM need not be asked for either then,
    // which each takes as long as much of what they do. (An exit with `thrown` is not counted.)
    bool is_light;
    // Whether it is called while the agent rests too (effort.h), as long as spans wait for their
    // end: it ends what has begun before, and begins nothing then.
    bool ends;
};

// Whether the innermost open call is one that the same function opened: wrappers and delegates
// each come by, and the outermost is the span.
static inline bool is_within(const struct call *c)
{
    const struct frame *top = frame_top(c->thread);
    return top != NULL && top->method->enter == c->method->enter;
}

struct plugin {
    const char *name; // as the option plugins= has it
    struct plugin_method *methods;
    size_t method_count;
};

// From how long on a statement or call counts as slow (option slow_sql_ms).
void plugin_set_slow_ms(uint64_t ms);
uint64_t plugin_slow_ns(void);

extern struct plugin *const PLUGINS[];
extern const size_t PLUGIN_COUNT;

// ---- Calling Java ----------------------------------------------------------------------------

#define JAVA_OWNERS 8

// A Java method that a plug-in calls, looked up in the class of the receiver at hand. The classes
// met first are remembered with their IDs, or that they have no such method (several class loaders
// may each have their own); what comes beyond is looked up each time, unless a class has been
// unloaded, whose place is taken.
struct java_method {
    const char *name, *descriptor;
    _Atomic(struct java_owner *) owners[JAVA_OWNERS];
};

// The method's ID for this object; NULL, and no exception pending, when it has no such method.
jmethodID java_find(JNIEnv *env, struct java_method *m, jobject object);

// The object's method without arguments, as text in the caller's buffer; empty when there is none,
// it gives null, or it throws. For a result that is no String, its toString() is asked.
struct str java_text(JNIEnv *env, struct java_method *m, jobject object, char *out, size_t room);
// The same of a String, in UTF-8: as many whole characters as fit. NUL and halves of pairs become
// '?'. A NUL stands behind it.
struct str java_string(JNIEnv *env, jstring s, char *out, size_t room);
// The same for any object: its toString() when it is no String.
struct str java_to_text(JNIEnv *env, jobject value, char *out, size_t room);
// A String constant, made at its first use and kept; NULL when memory is out.
struct java_constant {
    const char *text;
    _Atomic(jobject) object;
};
jstring java_constant(JNIEnv *env, struct java_constant *c);
jint java_int(JNIEnv *env, struct java_method *m, jobject object, jint otherwise);
jlong java_long(JNIEnv *env, struct java_method *m, jobject object, jlong otherwise);
bool java_bool(JNIEnv *env, struct java_method *m, jobject object);
jobject java_object(JNIEnv *env, struct java_method *m, jobject object);
// method(Object) of the object; and a method of two objects that gives nothing.
jobject java_object_of(JNIEnv *env, struct java_method *m, jobject object, jobject argument);
bool java_bool_of(JNIEnv *env, struct java_method *m, jobject object, jobject argument);
void java_void_of(JNIEnv *env, struct java_method *m, jobject object, jobject a, jobject b);
// method(String) of the object, giving text.
struct str java_text_of(JNIEnv *env, struct java_method *m, jobject object, const char *argument,
                        char *out, size_t room);
// Texts put together with commas between them, as the lines of a header are. What does not fit
// makes the whole empty.
struct java_joining {
    char *out;
    size_t room, n;
    bool is_full;
};
// Adds a text, and lets go of the reference. False: there is none, or no room.
bool java_join(JNIEnv *env, struct java_joining *j, jobject text);
// All of a java.util.List; empty when that is null.
struct str java_joined(JNIEnv *env, jobject list, char *out, size_t room);
// A String of UTF-8 text of up to JAVA_TEXT_MAX bytes; NULL when it is longer, not UTF-8, or memory
// is out.
#define JAVA_TEXT_MAX 8192
jstring java_new_string(JNIEnv *env, struct str text);
// What a byte[] holds; empty when it is null or longer than `room`.
struct str java_bytes(JNIEnv *env, jbyteArray bytes, char *out, size_t room);
// Clears what is pending; whether there was something.
bool java_clear(JNIEnv *env);
// Lets go of every class that was remembered and every constant that was made. Nobody may be inside
// (inside.h).
void java_forget(JNIEnv *env);

// A class of the JDK's own, looked up once.
struct java_class {
    const char *name;
    _Atomic(jclass) found; // global
};
// Whether the object is one of these; false when it is null or there is no such class.
bool java_is(JNIEnv *env, struct java_class *k, jobject object);

// Thread.currentThread().
jobject java_current_thread(JNIEnv *env);

// An object's field of a reference type; NULL when it has none, or null in it.
jobject java_field(JNIEnv *env, jobject object, const char *name, const char *descriptor);
// Nothing when it has no such field.
void java_set_field(JNIEnv *env, jobject object, const char *name, const char *descriptor,
                    jobject value);
// A new java.util.HashMap with what the map holds, empty for null; NULL when memory is out.
jobject java_copied_map(JNIEnv *env, jobject map);

#endif
