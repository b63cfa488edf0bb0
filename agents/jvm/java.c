// SPDX-License-Identifier: Apache-2.0
// Purpose: calling Java from plug-ins without leaving an exception behind.
#include <stdatomic.h>
#include <string.h>

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
// java_forget() alone: who reads a slot may do so while it is being given to another class.
struct java_owner {
    jweak class;
    jmethodID id; // NULL: the class has no such method
    _Atomic(struct java_owner *) *place;
    struct java_owner *next; // of all
};

#define RETIRED_MAX 4096 // owners that have lost their slot

static _Atomic(struct java_owner *) all;
static atomic_uint retired;

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

static bool is_gone(JNIEnv *env, const struct java_owner *o)
{
    return (*env)->IsSameObject(env, o->class, NULL);
}

// Into a free slot, or that of a class which was unloaded. False: there is none.
static bool take_slot(JNIEnv *env, struct java_method *m, struct java_owner *mine)
{
    for (int i = 0; i < JAVA_OWNERS; i++) {
        struct java_owner *there = atomic_load(&m->owners[i]);
        bool is_free =
            there == NULL || (is_gone(env, there) && atomic_fetch_add(&retired, 1) < RETIRED_MAX);
        mine->place = &m->owners[i];
        if (is_free && atomic_compare_exchange_strong(mine->place, &there, mine)) {
            return true;
        }
    }
    return false;
}

static void remember(JNIEnv *env, struct java_method *m, jclass class, jmethodID id)
{
    struct java_owner *mine = memory_get(sizeof *mine);
    if (mine == NULL) {
        return;
    }
    *mine = (struct java_owner){.class = (*env)->NewWeakGlobalRef(env, class), .id = id};
    if (mine->class != NULL && take_slot(env, m, mine)) {
        mine->next = atomic_load(&all);
        while (!atomic_compare_exchange_weak(&all, &mine->next, mine)) {
        }
        return;
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
        if (atomic_load(o->place) == o) { // else it has lost its slot
            atomic_store(o->place, NULL);
        }
        (*env)->DeleteWeakGlobalRef(env, o->class);
        memory_free(o);
        o = next;
    }
    atomic_store(&retired, 0);
    struct kept *k = atomic_exchange(&all_kept, NULL);
    while (k != NULL) {
        struct kept *next = k->next;
        (*env)->DeleteGlobalRef(env, atomic_exchange(k->place, NULL));
        memory_free(k);
        k = next;
    }
}

// What is known of the class: its ID, NULL when it has no such method. False: nothing is known.
static bool recall(JNIEnv *env, struct java_method *m, jclass class, jmethodID *ret)
{
    for (int i = 0; i < JAVA_OWNERS; i++) {
        struct java_owner *o = atomic_load_explicit(&m->owners[i], memory_order_acquire);
        if (o != NULL && (*env)->IsSameObject(env, o->class, class)) {
            *ret = o->id;
            return true;
        }
    }
    return false;
}

// Whether the pending exception, which is cleared, says that there is no such method; it may also
// be that memory or the stack is short.
static bool is_missing(JNIEnv *env)
{
    static struct java_class no_such_method = {"java/lang/NoSuchMethodError", NULL};
    jthrowable thrown = (*env)->ExceptionOccurred(env);
    (*env)->ExceptionClear(env);
    bool missing = java_is(env, &no_such_method, thrown);
    (*env)->DeleteLocalRef(env, thrown);
    return missing;
}

static jmethodID look_up(JNIEnv *env, struct java_method *m, jclass class)
{
    jmethodID id = (*env)->GetMethodID(env, class, m->name, m->descriptor);
    if (!(*env)->ExceptionCheck(env)) {
        remember(env, m, class, id);
        return id;
    }
    if (is_missing(env)) {
        remember(env, m, class, NULL);
    }
    return NULL;
}

jmethodID java_find(JNIEnv *env, struct java_method *m, jobject object)
{
    jmethodID id = NULL;
    if (object == NULL) {
        return NULL;
    }
    jclass class = (*env)->GetObjectClass(env, object);
    if (!recall(env, m, class, &id)) {
        id = look_up(env, m, class);
    }
    (*env)->DeleteLocalRef(env, class);
    return id;
}

// ---- Text ------------------------------------------------------------------------------------

#define UNITS 256 // of UTF-16, taken at once

static bool is_high(jchar u)
{
    return (u & 0xFC00) == 0xD800;
}

static bool is_low(jchar u)
{
    return (u & 0xFC00) == 0xDC00;
}

// One character, which may take two units, to UTF-8: NUL and halves of pairs become '?'. Returns
// the bytes; 0 when there is no room.
static size_t put_character(char *out, size_t room, uint32_t c)
{
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char firsts[] = {0, 0, 0xC0, 0xE0, 0xF0};
    if (n > room) {
        return 0;
    }
    for (size_t i = n - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (c & 0x3F));
        c >>= 6;
    }
    out[0] = (char)(firsts[n] | c);
    return n;
}

// Nearly every text is ASCII; these loops are made into vector instructions.
static bool is_ascii(const jchar *units, size_t n)
{
    jchar others = 0;
    for (size_t i = 0; i < n; i++) {
        others |= (jchar)(units[i] | (units[i] - 1)); // of NUL, all bits
    }
    return others < 0x80;
}

// Appends units until there is no more room; false then.
static bool put_units(const jchar *units, size_t n, char *out, size_t room, size_t *at)
{
    if (n <= room - *at && is_ascii(units, n)) {
        for (size_t i = 0; i < n; i++) {
            out[*at + i] = (char)units[i];
        }
        *at += n;
        return true;
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t c = units[i];
        if (is_high(units[i]) && i + 1 < n && is_low(units[i + 1])) {
            c = 0x10000 + ((c & 0x3FF) << 10) + (units[++i] & 0x3FF);
        } else if (c == 0 || is_high(units[i]) || is_low(units[i])) {
            c = '?';
        }
        size_t put = put_character(out + *at, room - *at, c);
        *at += put;
        if (put == 0) {
            return false;
        }
    }
    return true;
}

struct str java_string(JNIEnv *env, jstring s, char *out, size_t room)
{
    jchar units[UNITS];
    size_t to = 0;
    ASSERT(room > 0);
    jsize n = s != NULL ? (*env)->GetStringLength(env, s) : 0;
    for (jsize from = 0, count; from < n; from += count) {
        count = n - from < UNITS ? n - from : UNITS;
        (*env)->GetStringRegion(env, s, from, count, units);
        // A pair is not taken apart.
        count -= from + count < n && is_high(units[count - 1]);
        if (!put_units(units, (size_t)count, out, room - 1, &to)) {
            break;
        }
    }
    out[to] = '\0';
    return (struct str){out, to};
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
    if (string == NULL || !(*env)->IsInstanceOf(env, value, string)) { // a String gives itself
        value = java_object(env, &to_string, value);
    }
    return java_string(env, value, out, room);
}

static bool gives_string(const struct java_method *m)
{
    const char *result = strchr(m->descriptor, ')') + 1;
    return strcmp(result, "Ljava/lang/String;") == 0;
}

struct str java_text(JNIEnv *env, struct java_method *m, jobject object, char *out, size_t room)
{
    jobject value = java_object(env, m, object);
    return gives_string(m) ? java_string(env, value, out, room)
                           : java_to_text(env, value, out, room);
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
    jclass string = string_type(env);
    if (text == NULL || j->is_full || string == NULL ||
        !(*env)->IsInstanceOf(env, text, string)) { // whoever made the list may have put anything
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
