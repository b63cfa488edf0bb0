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

// Its ID where it was met before; *ret_is_full: nothing more can be remembered.
static jmethodID recall(JNIEnv *env, struct java_method *m, jclass class, bool *ret_is_full)
{
    *ret_is_full = true;
    for (int i = 0; i < JAVA_OWNERS; i++) {
        struct java_owner *o = atomic_load_explicit(&m->owners[i], memory_order_acquire);
        *ret_is_full = *ret_is_full && o != NULL;
        if (o != NULL && (*env)->IsSameObject(env, o->class, class)) {
            return o->id;
        }
    }
    return NULL;
}

jmethodID java_find(JNIEnv *env, struct java_method *m, jobject object)
{
    bool is_full;
    if (object == NULL) {
        return NULL;
    }
    jclass class = (*env)->GetObjectClass(env, object);
    jmethodID id = recall(env, m, class, &is_full);
    if (id == NULL) {
        id = (*env)->GetMethodID(env, class, m->name, m->descriptor);
        id = java_clear(env) ? NULL : id;
        if (id != NULL && !is_full) {
            remember(env, m, class, id);
        }
    }
    (*env)->DeleteLocalRef(env, class);
    return id;
}

static unsigned unit(const char *p)
{
    return (unsigned)(p[0] & 0x0F) << 12 | (unsigned)(p[1] & 0x3F) << 6 | (unsigned)(p[2] & 0x3F);
}

static bool is_surrogate(const char *p, size_t left, unsigned first)
{
    return left >= 3 && (unsigned char)p[0] == 0xED && (unit(p) & 0xFC00) == first;
}

// Modified UTF-8 to UTF-8, in place, which never grows: pairs of surrogates become one character,
// a half and NUL become '?'.
static size_t to_utf8(char *text, size_t n)
{
    size_t to = 0;
    for (size_t i = 0; i < n;) {
        const char *p = text + i;
        if (is_surrogate(p, n - i, 0xD800) && is_surrogate(p + 3, n - i - 3, 0xDC00)) {
            unsigned c = 0x10000 + ((unit(p) & 0x3FF) << 10) + (unit(p + 3) & 0x3FF);
            text[to++] = (char)(0xF0 | c >> 18);
            text[to++] = (char)(0x80 | (c >> 12 & 0x3F));
            text[to++] = (char)(0x80 | (c >> 6 & 0x3F));
            text[to++] = (char)(0x80 | (c & 0x3F));
            i += 6;
        } else if (is_surrogate(p, n - i, 0xD800) || is_surrogate(p, n - i, 0xDC00)) {
            text[to++] = '?';
            i += 3;
        } else if ((unsigned char)p[0] == 0xC0) {
            text[to++] = '?';
            i += 2;
        } else {
            text[to++] = text[i++];
        }
    }
    return to;
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
    return (struct str){out, to_utf8(out, strlen(out))};
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
    if (type == NULL) {
        jclass local = (*env)->FindClass(env, "java/lang/String");
        type = keep(env, &string_class, local);
        type = type != NULL ? type : local; // the agent's own memory is out: it serves this call
    }
    return type;
}

struct str java_to_text(JNIEnv *env, jobject value, char *out, size_t room)
{
    static struct java_method to_string = {"toString", "()Ljava/lang/String;", {NULL}};
    if (value == NULL) {
        return STR("");
    }
    jclass string = string_type(env);
    if (string == NULL) {
        return STR("");
    }
    if (!(*env)->IsInstanceOf(env, value, string)) {
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

jlong java_long(JNIEnv *env, struct java_method *m, jobject object, jlong otherwise)
{
    jmethodID id = java_find(env, m, object);
    jlong result = id != NULL ? (*env)->CallLongMethod(env, object, id) : otherwise;
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

jstring java_new_string(JNIEnv *env, struct str text)
{
    jchar units[JAVA_TEXT_MAX];
    jsize n = 0;
    if (text.n > JAVA_TEXT_MAX || !str_utf8_valid(text, NULL)) {
        return NULL;
    }
    for (size_t i = 0; i < text.n;) {
        unsigned char first = (unsigned char)text.p[i];
        size_t more = first < 0x80 ? 0 : first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
        uint32_t c = more == 0 ? first : first & (0x3FU >> more);
        for (size_t k = 1; k <= more; k++) {
            c = c << 6 | ((unsigned char)text.p[i + k] & 0x3F);
        }
        i += 1 + more;
        if (c >= 0x10000) {
            units[n++] = (jchar)(0xD800 | (c - 0x10000) >> 10);
            c = 0xDC00 | (c & 0x3FF);
        }
        units[n++] = (jchar)c;
    }
    jstring made = (*env)->NewString(env, units, n);
    return java_clear(env) ? NULL : made;
}

struct str java_bytes(JNIEnv *env, jbyteArray bytes, char *out, size_t room)
{
    jsize n = bytes != NULL ? (*env)->GetArrayLength(env, bytes) : 0;
    if ((size_t)n > room) {
        return STR("");
    }
    if (n > 0) {
        (*env)->GetByteArrayRegion(env, bytes, 0, n, (jbyte *)out);
    }
    return (struct str){out, (size_t)n};
}

bool java_join(JNIEnv *env, struct java_joining *j, jobject text)
{
    size_t comma = j->n > 0;
    size_t left = j->room - j->n;
    if (text == NULL || j->is_full) {
        return false;
    }
    size_t n = (size_t)(*env)->GetStringUTFLength(env, text);
    j->is_full = n + comma + 4 > left; // java_string() wants some room
    if (j->is_full) {
        j->n = 0;
    } else {
        if (comma != 0) {
            j->out[j->n++] = ',';
        }
        j->n += java_string(env, text, j->out + j->n, left - comma).n;
    }
    (*env)->DeleteLocalRef(env, text);
    return !j->is_full;
}

struct str java_joined(JNIEnv *env, jobject list, char *out, size_t room)
{
    static struct java_method size = {"size", "()I", {NULL}};
    static struct java_method get = {"get", "(I)Ljava/lang/Object;", {NULL}};
    struct java_joining j = {.out = out, .room = room};
    jint n = list != NULL ? java_int(env, &size, list, 0) : 0;
    jmethodID id = n > 0 ? java_find(env, &get, list) : NULL;
    for (jint i = 0; id != NULL && i < n; i++) {
        jobject text = (*env)->CallObjectMethod(env, list, id, i);
        if (java_clear(env) || !java_join(env, &j, text)) {
            break;
        }
    }
    return (struct str){out, j.n};
}

static jclass known_class(JNIEnv *env, struct java_class *k)
{
    jclass class = atomic_load_explicit(&k->found, memory_order_acquire);
    if (class == NULL) {
        jclass local = (*env)->FindClass(env, k->name);
        class = java_clear(env) ? NULL : keep(env, &k->found, local);
        (*env)->DeleteLocalRef(env, local);
    }
    return class;
}

jobject java_current_thread(JNIEnv *env)
{
    static struct java_class thread = {"java/lang/Thread", NULL};
    jclass class = known_class(env, &thread);
    jmethodID id = class != NULL ? (*env)->GetStaticMethodID(env, class, "currentThread",
                                                             "()Ljava/lang/Thread;")
                                 : NULL;
    jobject current = id != NULL ? (*env)->CallStaticObjectMethod(env, class, id) : NULL;
    return java_clear(env) ? NULL : current;
}

bool java_is(JNIEnv *env, struct java_class *k, jobject object)
{
    jclass class = object != NULL ? known_class(env, k) : NULL;
    return class != NULL && (*env)->IsInstanceOf(env, object, class);
}

jobject java_field(JNIEnv *env, jobject object, const char *name, const char *descriptor)
{
    if (object == NULL) {
        return NULL;
    }
    jclass class = (*env)->GetObjectClass(env, object);
    jfieldID id = (*env)->GetFieldID(env, class, name, descriptor);
    (*env)->DeleteLocalRef(env, class);
    return java_clear(env) ? NULL : (*env)->GetObjectField(env, object, id);
}

void java_set_field(JNIEnv *env, jobject object, const char *name, const char *descriptor,
                    jobject value)
{
    jclass class = (*env)->GetObjectClass(env, object);
    jfieldID id = (*env)->GetFieldID(env, class, name, descriptor);
    (*env)->DeleteLocalRef(env, class);
    if (!java_clear(env)) {
        (*env)->SetObjectField(env, object, id, value);
    }
}

jobject java_copied_map(JNIEnv *env, jobject map)
{
    static struct java_class hash_map = {"java/util/HashMap", NULL};
    static struct java_method put_all = {"putAll", "(Ljava/util/Map;)V", {NULL}};
    jclass class = known_class(env, &hash_map);
    jmethodID make = class != NULL ? (*env)->GetMethodID(env, class, "<init>", "()V") : NULL;
    jobject copy = make != NULL ? (*env)->NewObject(env, class, make) : NULL;
    jmethodID fill = map != NULL && copy != NULL ? java_find(env, &put_all, copy) : NULL;
    if (fill != NULL) {
        (*env)->CallVoidMethod(env, copy, fill, map);
    }
    return java_clear(env) ? NULL : copy;
}
