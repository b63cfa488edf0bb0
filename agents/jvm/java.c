// SPDX-License-Identifier: Apache-2.0
// Purpose: calling Java from plug-ins without leaving an exception behind.
#include <stdatomic.h>
#include <stdlib.h>

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

// A class and the method found in it. Never changed and never freed once it is remembered.
struct java_owner {
    jweak class;
    jmethodID id;
};

static void remember(JNIEnv *env, struct java_method *m, jclass class, jmethodID id)
{
    struct java_owner *mine = malloc(sizeof *mine);
    if (mine == NULL) {
        return;
    }
    *mine = (struct java_owner){(*env)->NewWeakGlobalRef(env, class), id};
    for (int i = 0; i < JAVA_OWNERS && mine->class != NULL; i++) {
        struct java_owner *none = NULL;
        if (atomic_compare_exchange_strong(&m->owners[i], &none, mine)) {
            return;
        }
    }
    if (mine->class != NULL) {
        (*env)->DeleteWeakGlobalRef(env, mine->class);
    }
    free(mine);
    (void)java_clear(env);
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
    if (made != NULL) {
        return made;
    }
    jstring text = (*env)->NewStringUTF(env, c->text);
    jobject mine = text != NULL ? (*env)->NewGlobalRef(env, text) : NULL;
    (void)java_clear(env);
    if (mine != NULL && !atomic_compare_exchange_strong(&c->object, &made, mine)) {
        (*env)->DeleteGlobalRef(env, mine);
        return made;
    }
    return mine;
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

struct str java_to_text(JNIEnv *env, jobject value, char *out, size_t room)
{
    static struct java_method to_string = {"toString", "()Ljava/lang/String;", {NULL}};
    static jclass string_class;
    if (value == NULL) {
        return STR("");
    }
    if (string_class == NULL) {
        jclass found = (*env)->FindClass(env, "java/lang/String");
        string_class = found != NULL ? (*env)->NewGlobalRef(env, found) : NULL;
        (void)java_clear(env);
    }
    if (string_class != NULL && !(*env)->IsInstanceOf(env, value, string_class)) {
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
