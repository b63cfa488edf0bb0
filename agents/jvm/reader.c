// SPDX-License-Identifier: Apache-2.0
// Purpose: defining readers' classes and calling them.
#include "agents/jvm/reader.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "agents/jvm/bridge.h"
#include "agents/jvm/memory.h"
#include "agents/jvm/plugin.h"
#include "agents/jvm/shortfall.h"
#include "core/must.h"

#define DEPTH_MAX    8  // of interfaces that extend one another
#define FAILURES_MAX 16 // in a row, after which a class is left alone
#define NAME_MAX_N   256
#define READER_SHAPE 2 // of the class beside its steps

// Never changed but for `failures`, and freed by readers_forget() alone.
struct reader_class {
    jweak interface, class;
    jmethodID read;
    _Atomic(struct reader_class *) *place;
    struct reader_class *next;
    struct reader *of;
    atomic_uint failures;
};

static jvmtiEnv *jvmti;
static _Atomic(struct reader_class *) all;

void readers_init(jvmtiEnv *env)
{
    ASSERT(env != NULL);
    jvmti = env;
}

// ---- Finding the interface -------------------------------------------------------------------

static bool has_name(jclass class, const char *name)
{
    char *signature = NULL; // "Ljava/lang/Object;"
    size_t n = strlen(name);
    if ((*jvmti)->GetClassSignature(jvmti, class, &signature, NULL) != JVMTI_ERROR_NONE) {
        return false;
    }
    bool same = strlen(signature) == n + 2 && memcmp(signature + 1, name, n) == 0;
    (void)(*jvmti)->Deallocate(jvmti, (unsigned char *)signature);
    return same;
}

// Among the interfaces of a class and those that they extend; a local reference.
static jclass find_among(JNIEnv *env, jclass class, const char *name, unsigned depth)
{
    jint n = 0;
    jclass *list = NULL, found = NULL;
    if (depth > DEPTH_MAX || (*jvmti)->GetImplementedInterfaces(jvmti, class, &n, &list) != 0) {
        return NULL;
    }
    for (jint i = 0; i < n; i++) {
        if (found == NULL) {
            found = has_name(list[i], name) ? (*env)->NewLocalRef(env, list[i])
                                            : find_among(env, list[i], name, depth + 1);
        }
        (*env)->DeleteLocalRef(env, list[i]);
    }
    (void)(*jvmti)->Deallocate(jvmti, (unsigned char *)list);
    return found;
}

static jclass find_interface(JNIEnv *env, jobject object, const char *name)
{
    jclass class = (*env)->GetObjectClass(env, object), found = NULL;
    while (class != NULL && found == NULL) {
        found = find_among(env, class, name, 0);
        jclass super = (*env)->GetSuperclass(env, class);
        (*env)->DeleteLocalRef(env, class);
        class = super;
    }
    (*env)->DeleteLocalRef(env, class); // NULL is fine
    return found;
}

// ---- Making a class --------------------------------------------------------------------------

// Steps that this version of the interface has not. Those of other owners are taken for there: if
// they are not, reading fails.
static uint32_t left_out(JNIEnv *env, const struct reader *r, jclass interface)
{
    uint32_t out = 0;
    for (unsigned i = 0; i < r->count; i++) {
        const struct reader_step *s = &r->steps[i];
        bool follows = s->of == READER_LINK && i > 0 && (out >> (i - 1) & 1) != 0;
        if (s->is_optional && s->of == READER_A) {
            (void)(*env)->GetMethodID(env, interface, s->method, s->descriptor);
            follows = java_clear(env);
        }
        out |= (uint32_t)follows << i;
    }
    return out;
}

// Another version of the agent may have left a reader of other steps: the name says which.
static void name_class(char out[NAME_MAX_N], const struct reader *r, uint32_t without)
{
    uint64_t hash = without + READER_SHAPE;
    int package = (int)(strrchr(r->interface, '/') - r->interface);
    for (unsigned i = 0; i < r->count; i++) {
        const struct reader_step *s = &r->steps[i];
        const char *parts[] = {s->owner, s->method, s->descriptor, s->argument, s->second};
        for (size_t k = 0; k < sizeof parts / sizeof *parts; k++) {
            hash = hash * 31 + (parts[k] != NULL ? str_hash_stable(str_of(parts[k])) : k);
        }
        hash = hash * 31 + s->of;
    }
    snprintf(out, NAME_MAX_N, "%.*s/SondeReader%016llx", package, r->interface,
             (unsigned long long)hash);
}

// The class that an earlier agent has left with a loader.
static jclass find_again(JNIEnv *env, jobject loader, const char *name)
{
    char dotted[NAME_MAX_N];
    jclass class = (*env)->FindClass(env, "java/lang/Class");
    jmethodID for_name = class != NULL ? (*env)->GetStaticMethodID(env, class, "forName",
                                                                   "(Ljava/lang/String;ZLjava/lang/"
                                                                   "ClassLoader;)Ljava/lang/Class;")
                                       : NULL;
    size_t n = strlen(name);
    for (size_t i = 0; i <= n; i++) {
        dotted[i] = name[i] == '/' ? '.' : name[i];
    }
    jstring text = for_name != NULL ? (*env)->NewStringUTF(env, dotted) : NULL;
    jclass found =
        text != NULL ? (*env)->CallStaticObjectMethod(env, class, for_name, text, JNI_FALSE, loader)
                     : NULL;
    return java_clear(env) ? NULL : found;
}

static jclass define(JNIEnv *env, const struct reader *r, jclass interface)
{
    char name[NAME_MAX_N];
    struct bytes_out o;
    jobject loader = NULL;
    uint32_t without = left_out(env, r, interface);
    if ((*jvmti)->GetClassLoader(jvmti, interface, &loader) != JVMTI_ERROR_NONE) {
        return NULL;
    }
    name_class(name, r, without);
    out_init(&o, 65536);
    emit_reader(&o, str_of(name), r->steps, r->count, without);
    jclass class =
        o.failed ? NULL : (*env)->DefineClass(env, name, loader, (const jbyte *)o.p, (jsize)o.n);
    out_done(&o);
    return java_clear(env) || class == NULL ? find_again(env, loader, name) : class;
}

// A place that is free, or whose interface was unloaded; NULL when there is none. Only the maker
// asks: nobody else takes one meanwhile.
static _Atomic(struct reader_class *) *free_place(JNIEnv *env, struct reader *r)
{
    for (unsigned i = 0; i < READER_CLASSES; i++) {
        struct reader_class *there = atomic_load(&r->classes[i]);
        if (there == NULL || (*env)->IsSameObject(env, there->interface, NULL)) {
            return &r->classes[i];
        }
    }
    return NULL;
}

static void release(JNIEnv *env, struct reader_class *c)
{
    if (c->interface != NULL) {
        (*env)->DeleteWeakGlobalRef(env, c->interface);
    }
    if (c->class != NULL) {
        (*env)->DeleteWeakGlobalRef(env, c->class);
    }
    memory_free(c);
}

// The class beside an interface, with no place yet; NULL when there is none to be had.
static struct reader_class *prepare(JNIEnv *env, struct reader *r, jclass interface)
{
    jclass class = interface != NULL ? define(env, r, interface) : NULL;
    jmethodID read = class != NULL
                         ? (*env)->GetStaticMethodID(env, class, READER_METHOD, READER_DESCRIPTOR)
                         : NULL;
    struct reader_class *c = java_clear(env) || read == NULL ? NULL : memory_zeroed(sizeof *c);
    if (c == NULL) {
        return NULL;
    }
    c->of = r;
    c->read = read;
    c->interface = (*env)->NewWeakGlobalRef(env, interface);
    c->class = (*env)->NewWeakGlobalRef(env, class);
    if (java_clear(env) || c->interface == NULL || c->class == NULL) {
        release(env, c);
        return NULL;
    }
    return c;
}

static bool publish(JNIEnv *env, const struct reader *r, const struct reader_class *c)
{
    jclass class = (*env)->NewLocalRef(env, c->class);
    bool ok = class != NULL && bridge_publish(env, r->place, class);
    (*env)->DeleteLocalRef(env, class);
    return ok;
}

static struct reader_class *make(JNIEnv *env, struct reader *r, jobject object)
{
    atomic_fetch_add_explicit(&r->attempts, 1, memory_order_relaxed);
    _Atomic(struct reader_class *) *place = free_place(env, r);
    jclass interface = place != NULL ? find_interface(env, object, r->interface) : NULL;
    struct reader_class *c = prepare(env, r, interface);
    if (c == NULL) {
        shortfall_count(SHORTFALL_READER);
        return NULL;
    }
    c->place = place;
    c->next = atomic_load(&all);
    while (!atomic_compare_exchange_weak(&all, &c->next, c)) {
    }
    atomic_store(place, c);
    if (r->place > 0 && !atomic_load(&r->is_published)) { // of several loaders the first's
        atomic_store(&r->is_published, publish(env, r, c));
    }
    return c;
}

void readers_forget(JNIEnv *env)
{
    struct reader_class *c = atomic_exchange(&all, NULL);
    while (c != NULL) {
        struct reader_class *next = c->next;
        if (atomic_load(c->place) == c) { // else another has its place
            atomic_store(c->place, NULL);
        }
        atomic_store(&c->of->attempts, 0);
        atomic_store(&c->of->is_published, false);
        atomic_store(&c->of->misses, 0);
        release(env, c);
        c = next;
    }
}

// ---- Reading ---------------------------------------------------------------------------------

// The class for an object: while that is there, so are its interface, that one's loader and the
// class. NULL when it is not made yet.
static struct reader_class *made_for(JNIEnv *env, struct reader *r, jobject object)
{
    for (unsigned i = 0; i < READER_CLASSES; i++) {
        struct reader_class *c = atomic_load_explicit(&r->classes[i], memory_order_acquire);
        jclass interface = c != NULL ? (*env)->NewLocalRef(env, c->interface) : NULL;
        if (interface != NULL && (*env)->IsInstanceOf(env, object, interface)) {
            return c;
        }
        if (interface != NULL) {
            (*env)->DeleteLocalRef(env, interface);
        }
    }
    return NULL;
}

// The same, and it is made when it is not there. NULL as well while another thread makes one: to
// wait for it, in a native call, might be to wait for a loader's lock that this very thread holds.
static struct reader_class *class_of(JNIEnv *env, struct reader *r, jobject object)
{
    struct reader_class *c = made_for(env, r, object);
    if (c != NULL || atomic_load_explicit(&r->attempts, memory_order_relaxed) >= READER_ATTEMPTS ||
        atomic_exchange_explicit(&r->is_making, true, memory_order_acquire)) {
        return c;
    }
    c = made_for(env, r, object); // another may have come first
    c = c != NULL ? c : make(env, r, object);
    atomic_store_explicit(&r->is_making, false, memory_order_release);
    return c;
}

// How many values are known: all, or the first where another one holds the separator or the text
// was cut. Values are short, and calls of memchr() more than what they look at.
static unsigned split(struct str text, unsigned count, struct str ret[])
{
    unsigned n = 0;
    size_t from = 0;
    for (size_t i = 0; i < text.n && n < count; i++) {
        if (text.p[i] == READER_SEPARATOR) {
            ret[n++] = (struct str){text.p + from, i - from};
            from = i + 1;
        }
    }
    return n == count && from == text.n ? count : n > 0 && ret[0].n <= READER_VALUE_MAX;
}

// How many values are known by a text.
static unsigned take_apart(JNIEnv *env, jstring text, unsigned count, char *out, size_t room,
                           struct str ret[])
{
    return split(java_string(env, text, out, room), count, ret);
}

// How many values are known then.
static unsigned read_at_once(JNIEnv *env, struct reader *r, jobject a, jobject b, char *out,
                             size_t room, struct str ret[])
{
    struct reader_class *c = class_of(env, r, a);
    if (c == NULL || atomic_load_explicit(&c->failures, memory_order_relaxed) >= FAILURES_MAX) {
        return 0;
    }
    jstring text = (*env)->CallStaticObjectMethod(env, c->class, c->read, a, b);
    if (java_clear(env)) {
        unsigned before = atomic_fetch_add_explicit(&c->failures, 1, memory_order_relaxed);
        if (before == FAILURES_MAX - 1) {
            shortfall_count(SHORTFALL_READER);
        }
        return 0;
    }
    if (atomic_load_explicit(&c->failures, memory_order_relaxed) > 0) {
        atomic_store_explicit(&c->failures, 0, memory_order_relaxed);
    }
    return take_apart(env, text, r->count, out, room, ret);
}

// ---- One by one ------------------------------------------------------------------------------

static jmethodID method_of(JNIEnv *env, jobject object, const struct reader_step *s)
{
    if (object == NULL) {
        return NULL;
    }
    jclass class = (*env)->GetObjectClass(env, object);
    jmethodID id = (*env)->GetMethodID(env, class, s->method, s->descriptor);
    (*env)->DeleteLocalRef(env, class);
    return java_clear(env) ? NULL : id;
}

static jstring new_argument(JNIEnv *env, const char *text)
{
    return text != NULL ? (*env)->NewStringUTF(env, text) : NULL;
}

// Calls the step's method: its value as text and, when it is an object, *ret_object.
static struct str call_one(JNIEnv *env, const struct reader_step *s, jobject object, jmethodID id,
                           char *out, jobject *ret_object)
{
    char type = strchr(s->descriptor, ')')[1];
    jstring argument = new_argument(env, s->argument), second = new_argument(env, s->second);
    jobject value = NULL;
    int n = 0;
    if (type == 'I') {
        n = snprintf(out, READER_VALUE_MAX, "%d", (int)(*env)->CallIntMethod(env, object, id));
    } else if (type == 'Z') {
        bool is = (*env)->CallBooleanMethod(env, object, id);
        n = snprintf(out, READER_VALUE_MAX, "%s", is ? "true" : "false");
    } else if (type == 'V') {
        (*env)->CallVoidMethod(env, object, id, argument, second);
    } else {
        value = (*env)->CallObjectMethod(env, object, id, argument);
    }
    bool threw = java_clear(env);
    *ret_object = threw ? NULL : value;
    (*env)->DeleteLocalRef(env, argument); // NULL is fine
    (*env)->DeleteLocalRef(env, second);
    return *ret_object != NULL ? java_to_text(env, value, out, READER_VALUE_MAX + 4)
                               : (struct str){out, threw || n < 0 ? 0 : (size_t)n};
}

// The values behind the first `known` ones.
static bool read_one_by_one(JNIEnv *env, const struct reader *r, const jobject objects[2],
                            unsigned known, char *out, struct str ret[])
{
    jobject last = NULL;
    ASSERT(known <= 1);
    out += known > 0 ? ret[0].n + 1 : 0;
    for (unsigned i = known; i < r->count; i++) {
        const struct reader_step *s = &r->steps[i];
        jobject object = s->of == READER_LINK ? last : objects[s->of], given = NULL;
        jmethodID id = method_of(env, object, s);
        if (id == NULL && s->of == READER_A && !s->is_optional) {
            return false;
        }
        ret[i] = id != NULL ? call_one(env, s, object, id, out, &given) : STR("");
        out += ret[i].n + 1;
        (*env)->DeleteLocalRef(env, last);
        last = given;
    }
    return true;
}

// All values, of which so many are known.
static bool complete(JNIEnv *env, const struct reader *r, const jobject objects[2], unsigned known,
                     char *out, struct str ret[])
{
    return known == r->count ||
           (objects[0] != NULL && read_one_by_one(env, r, objects, known, out, ret));
}

bool reader_read(JNIEnv *env, struct reader *r, jobject a, jobject b, char *out, size_t room,
                 struct str ret[])
{
    ASSERT(room >= READER_ROOM(r->count));
    unsigned known = a != NULL ? read_at_once(env, r, a, b, out, room, ret) : 0;
    return complete(env, r, (const jobject[]){a, b}, known, out, ret);
}

bool reader_take(JNIEnv *env, struct reader *r, jstring text, jobject a, jobject b, char *out,
                 size_t room, struct str ret[])
{
    ASSERT(room >= READER_ROOM(r->count));
    if (text == NULL) {
        return reader_read(env, r, a, b, out, room, ret);
    }
    if (atomic_load_explicit(&r->misses, memory_order_relaxed) > 0) {
        atomic_store_explicit(&r->misses, 0, memory_order_relaxed);
    }
    unsigned known = take_apart(env, text, r->count, out, room, ret);
    return complete(env, r, (const jobject[]){a, b}, known, out, ret);
}

unsigned reader_place(const struct reader *r)
{
    return atomic_load_explicit(&r->is_published, memory_order_acquire) ? r->place : 0;
}

void reader_missed(struct reader *r)
{
    if (atomic_fetch_add_explicit(&r->misses, 1, memory_order_relaxed) == FAILURES_MAX - 1) {
        atomic_store(&r->is_published, false);
    }
}
