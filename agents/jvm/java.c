// SPDX-License-Identifier: Apache-2.0
// Purpose: calling Java from plug-ins without leaving an exception behind.
#include <stdatomic.h>

#include "agents/jvm/memory.h"
#include "agents/jvm/plugin.h"
#include "core/must.h"

bool java_clear(JNIEnv *env)
{
    if (!(*env)->ExceptionCheck(env)) {
        return false;
    }
    (*env)->ExceptionClear(env);
    return true;
}

// A class and the method found in it. Never changed once it is remembered, and freed by
// java_forget() alone.
struct java_owner {
    jweak class;
    jmethodID id;
    _Atomic(struct java_owner *) *place;
    struct java_owner *next; // of all
};

static _Atomic(struct java_owner *) all;

// A global reference that stays until java_forget(), and where it was put.
struct kept {
    _Atomic(jobject) *place;
    struct kept *next;
};
static _Atomic(struct kept *) all_kept;

// The object, or one that another thread has put there before, as a global reference; NULL when
// memory is out.
static jobject keep(JNIEnv *env, _Atomic(jobject) *place, jobject local)
{
    struct kept *k = local != NULL ? memory_get(sizeof *k) : NULL;
    jobject mine = k != NULL ? (*env)->NewGlobalRef(env, local) : NULL, there = NULL;
    (void)java_clear(env);
    if (mine == NULL || !atomic_compare_exchange_strong(place, &there, mine)) {
        (*env)->DeleteGlobalRef(env, mine); // NULL is fine
        memory_free(k);
        return there;
    }
    k->place = place;
    k->next = atomic_load(&all_kept);
    while (!atomic_compare_exchange_weak(&all_kept, &k->next, k)) {
    }
    return mine;
}

static void remember(JNIEnv *env, struct java_method *m, jclass class, jmethodID id)
{
    struct java_owner *mine = memory_get(sizeof *mine);
    if (mine == NULL) {
        return;
    }
    *mine = (struct java_owner){.class = (*env)->NewWeakGlobalRef(env, class), .id = id};
    for (int i = 0; i < JAVA_OWNERS && mine->class != NULL; i++) {
        struct java_owner *none = NULL;
        mine->place = &m->owners[i];
        if (atomic_compare_exchange_strong(mine->place, &none, mine)) {
            mine->next = atomic_load(&all);
            while (!atomic_compare_exchange_weak(&all, &mine->next, mine)) {
            }
            return;
        }
    }
    if (mine->class != NULL) {
        (*env)->DeleteWeakGlobalRef(env, mine->class);
    }
    memory_free(mine);
    (void)java_clear(env);
}

void java_forget(JNIEnv *env)
{
    struct java_owner *o = atomic_exchange(&all, NULL);
    while (o != NULL) {
        struct java_owner *next = o->next;
        ASSERT(atomic_load(o->place) == o);
        atomic_store(o->place, NULL);
        (*env)->DeleteWeakGlobalRef(env, o->class);
        memory_free(o);
        o = next;
    }
    struct kept *k = atomic_exchange(&all_kept, NULL);
    while (k != NULL) {
        struct kept *next = k->next;
        (*env)->DeleteGlobalRef(env, atomic_exchange(k->place, NULL));
        memory_free(k);
        k = next;
    }
}

jmethodID java_find(JNIEnv *env, struct java_method *m, jobject object)
{
    if (object == NULL) {
        return NULL;
    }
    jclass class = (*env)->GetObjectClass(env, object);
    bool is_full = true;
    for (int i = 0; i < JAVA_OWNERS; i++) {
        struct java_owner *o = atomic_load_explicit(&m->owners[i], memory_order_acquire);
        is_full = is_full && o != NULL;
        if (o != NULL && (*env)->IsSameObject(env, o->class, class)) {
            return o->id;
        }
    }
    jmethodID id = (*env)->GetMethodID(env, class, m->name, m->descriptor);
    if (java_clear(env)) {
        return NULL;
    }
    ASSERT(id != NULL);
    if (!is_full) {
        remember(env, m, class, id);
    }
    return id;
}

static struct str copy_string(JNIEnv *env, jstring s, char *out, size_t room)
{
    jsize n = (*env)->GetStringLength(env, s);
    // A long text is cut where it surely fits: modified UTF-8 takes up to three bytes a unit, and
    // GetStringUTFRegion writes a NUL.
    jsize most = (jsize)((room - 1) / 3);
    if (n > most && (size_t)(*env)->GetStringUTFLength(env, s) >= room) {
        n = most;
    }
    (*env)->GetStringUTFRegion(env, s, 0, n, out);
    if (java_clear(env)) {
        return STR("");
    }
    return str_of(out);
}

struct str java_string(JNIEnv *env, jstring s, char *out, size_t room)
{
    ASSERT(room > 3);
    return s != NULL ? copy_string(env, s, out, room) : STR("");
}

jstring java_constant(JNIEnv *env, struct java_constant *c)
{
    jobject made = atomic_load_explicit(&c->object, memory_order_acquire);
    return made != NULL ? made : keep(env, &c->object, (*env)->NewStringUTF(env, c->text));
}

jobject java_object(JNIEnv *env, struct java_method *m, jobject object)
{
    jmethodID id = java_find(env, m, object);
    if (id == NULL) {
        return NULL;
    }
    jobject result = (*env)->CallObjectMethod(env, object, id);
    return java_clear(env) ? NULL : result;
}

// java.lang.String; NULL when the JVM is out of memory.
static jclass string_type(JNIEnv *env)
{
    static _Atomic(jobject) string_class;
    jclass type = atomic_load_explicit(&string_class, memory_order_acquire);
    return type != NULL ? type
                        : keep(env, &string_class, (*env)->FindClass(env, "java/lang/String"));
}

struct str java_to_text(JNIEnv *env, jobject value, char *out, size_t room)
{
    static struct java_method to_string = {"toString", "()Ljava/lang/String;", {NULL}};
    if (value == NULL) {
        return STR("");
    }
    jclass string = string_type(env);
    if (string != NULL && !(*env)->IsInstanceOf(env, value, string)) {
        value = java_object(env, &to_string, value);
    }
    return java_string(env, value, out, room);
}

struct str java_text(JNIEnv *env, struct java_method *m, jobject object, char *out, size_t room)
{
    return java_to_text(env, java_object(env, m, object), out, room);
}

jint java_int(JNIEnv *env, struct java_method *m, jobject object, jint otherwise)
{
    jmethodID id = java_find(env, m, object);
    if (id == NULL) {
        return otherwise;
    }
    jint result = (*env)->CallIntMethod(env, object, id);
    return java_clear(env) ? otherwise : result;
}

struct str java_text_of(JNIEnv *env, struct java_method *m, jobject object, const char *argument,
                        char *out, size_t room)
{
    jmethodID id = java_find(env, m, object);
    if (id == NULL) {
        return STR("");
    }
    jstring text = (*env)->NewStringUTF(env, argument);
    if (java_clear(env) || text == NULL) {
        return STR("");
    }
    jobject result = (*env)->CallObjectMethod(env, object, id, text);
    return java_clear(env) ? STR("") : java_to_text(env, result, out, room);
}

bool java_bool(JNIEnv *env, struct java_method *m, jobject object)
{
    jmethodID id = java_find(env, m, object);
    jboolean result = id != NULL && (*env)->CallBooleanMethod(env, object, id);
    return !java_clear(env) && result;
}

jobject java_object_of(JNIEnv *env, struct java_method *m, jobject object, jobject argument)
{
    jmethodID id = java_find(env, m, object);
    jobject result = id != NULL ? (*env)->CallObjectMethod(env, object, id, argument) : NULL;
    return java_clear(env) ? NULL : result;
}

bool java_bool_of(JNIEnv *env, struct java_method *m, jobject object, jobject argument)
{
    jmethodID id = java_find(env, m, object);
    jboolean result = id != NULL && (*env)->CallBooleanMethod(env, object, id, argument);
    return !java_clear(env) && result;
}

void java_void_of(JNIEnv *env, struct java_method *m, jobject object, jobject a, jobject b)
{
    jmethodID id = java_find(env, m, object);
    if (id != NULL) {
        (*env)->CallVoidMethod(env, object, id, a, b);
    }
    (void)java_clear(env);
}
