// SPDX-License-Identifier: Apache-2.0
// Purpose: probing classes as they come, and those that are there.
#include "agents/jvm/classes.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "agents/jvm/log.h"
#include "agents/jvm/match.h"
#include "core/must.h"

#define LOCAL_CAPACITY 65536 // the most local references HotSpot can be asked to have room for
#define SUPERTYPES_MAX 512   // of one class, that are looked at
#define INTERFACES_MAX 256   // probed ones that are loaded; classes of more are not found late
#define LOT            64    // classes retransformed in one pause
#define MAYBE_BITS     65536 // a power of two

static atomic_bool is_on;

// Classes that were loaded with a method of a probed interface's and are not prepared yet: a bit
// for each name's hash. A bit that two names share costs one look at a class in vain.
static atomic_uchar maybe[MAYBE_BITS / 8];

static size_t maybe_bit(struct str name)
{
    return (size_t)str_hash(name) & (MAYBE_BITS - 1);
}

static void set_maybe(struct str name)
{
    size_t bit = maybe_bit(name);
    atomic_fetch_or_explicit(&maybe[bit / 8], (unsigned char)(1U << bit % 8), memory_order_relaxed);
}

static bool is_maybe(struct str name)
{
    size_t bit = maybe_bit(name);
    return (atomic_load_explicit(&maybe[bit / 8], memory_order_relaxed) >> bit % 8 & 1) != 0;
}

// ---- Supertypes ------------------------------------------------------------------------------

// "Ljava/lang/String;" -> "java/lang/String"; empty for arrays and primitive types.
static struct str name_of(const char *signature)
{
    struct str s = str_of(signature);
    return s.n > 2 && s.p[0] == 'L' ? (struct str){s.p + 1, s.n - 2} : STR_NONE;
}

static void add_name(jvmtiEnv *ti, jclass class, struct match_context *x)
{
    char *signature = NULL;
    if ((*ti)->GetClassSignature(ti, class, &signature, NULL) == JVMTI_ERROR_NONE) {
        match_add_interface(x, name_of(signature));
        (void)(*ti)->Deallocate(ti, (unsigned char *)signature);
    }
}

// The probed ones among the interfaces of a class or interface, at any depth.
static void add_interfaces(jvmtiEnv *ti, JNIEnv *env, jclass class, struct match_context *x,
                           unsigned *left)
{
    jint n = 0;
    jclass *interfaces = NULL;
    if ((*ti)->GetImplementedInterfaces(ti, class, &n, &interfaces) != JVMTI_ERROR_NONE) {
        return;
    }
    for (jint i = 0; i < n; i++) {
        if (*left > 0) {
            (*left)--;
            add_name(ti, interfaces[i], x);
            add_interfaces(ti, env, interfaces[i], x, left);
        }
        (*env)->DeleteLocalRef(env, interfaces[i]);
    }
    (void)(*ti)->Deallocate(ti, (unsigned char *)interfaces);
}

static struct match_context supertypes(jvmtiEnv *ti, JNIEnv *env, jclass class)
{
    struct match_context x = {.count = 0};
    unsigned left = SUPERTYPES_MAX;
    jclass at = (*env)->NewLocalRef(env, class);
    while (at != NULL && left > 0) {
        left--;
        add_interfaces(ti, env, at, &x, &left);
        jclass super = (*env)->GetSuperclass(env, at);
        (*env)->DeleteLocalRef(env, at);
        at = super;
    }
    (*env)->DeleteLocalRef(env, at);
    return x;
}

// ---- One class -------------------------------------------------------------------------------

static void rewrite(jvmtiEnv *ti, const struct class_file *c, struct match_context *x, jint *ret_n,
                    unsigned char **ret_bytes)
{
    struct rewritten r;
    enum class_result result = rewrite_class(c, match_method, x, &r);
    if (result != CLASS_OK) {
        agent_log("class %.*s is left alone: reason %d", STR_FMT(c->name), (int)result);
        return;
    }
    if (r.declined > 0) {
        agent_log("%u methods of %.*s are left alone: reason %d", r.declined, STR_FMT(c->name),
                  (int)r.why_declined);
    }
    if (r.bytes != NULL) {
        unsigned char *to = NULL;
        if ((*ti)->Allocate(ti, (jlong)r.n, &to) == JVMTI_ERROR_NONE) {
            memcpy(to, r.bytes, r.n);
            *ret_n = (jint)r.n;
            *ret_bytes = to;
        }
        free(r.bytes);
    }
}

void JNICALL classes_on_load(jvmtiEnv *ti, JNIEnv *env, jclass redefined, jobject loader,
                             const char *name, jobject domain, jint n, const unsigned char *bytes,
                             jint *ret_n, unsigned char **ret_bytes)
{
    struct class_file c;
    (void)loader, (void)domain;
    if (!atomic_load(&is_on) || name == NULL || class_parse(&c, bytes, (size_t)n) != CLASS_OK) {
        return;
    }
    enum match_interest interest = match_class(&c);
    struct match_context x = {.count = 0};
    if ((interest & MATCH_MAYBE) != 0) {
        if (redefined != NULL) {
            // -Xcheck:jni counts the references that retransform_all() holds outside of this event.
            (void)(*env)->EnsureLocalCapacity(env, LOCAL_CAPACITY);
            x = supertypes(ti, env, redefined);
        } else {
            set_maybe(c.name);
        }
    }
    if ((interest & MATCH_NAME) != 0 || x.count > 0) {
        rewrite(ti, &c, &x, ret_n, ret_bytes);
    }
    class_done(&c);
}

void JNICALL classes_on_prepare(jvmtiEnv *ti, JNIEnv *env, jthread thread, jclass class)
{
    char *signature = NULL;
    (void)thread;
    if (!atomic_load(&is_on) ||
        (*ti)->GetClassSignature(ti, class, &signature, NULL) != JVMTI_ERROR_NONE) {
        return;
    }
    if (is_maybe(name_of(signature)) && supertypes(ti, env, class).count > 0) {
        jvmtiError e = (*ti)->RetransformClasses(ti, 1, &class);
        if (e != JVMTI_ERROR_NONE) {
            agent_log("%s cannot be changed: JVMTI error %d", signature, (int)e);
        }
        (void)java_clear(env);
    }
    (void)(*ti)->Deallocate(ti, (unsigned char *)signature);
}

// ---- All classes -----------------------------------------------------------------------------

// The probed interfaces that are loaded, once for each class loader that has its own. Where none
// is, no class implements one; asking every class for all its supertypes costs many times more.
struct interfaces {
    jclass all[INTERFACES_MAX];
    unsigned count;
};

static void find_interfaces(jvmtiEnv *ti, const jclass *classes, jint n, struct interfaces *ret)
{
    ret->count = 0;
    for (jint i = 0; i < n && ret->count < INTERFACES_MAX; i++) {
        struct match_context x = {.count = 0};
        add_name(ti, classes[i], &x);
        if (x.count > 0) {
            ret->all[ret->count++] = classes[i];
        }
    }
}

static bool implements_one(JNIEnv *env, jclass class, const struct interfaces *probed)
{
    for (unsigned i = 0; i < probed->count; i++) {
        if ((*env)->IsAssignableFrom(env, class, probed->all[i])) {
            return true;
        }
    }
    return false;
}

// Whether a class that is there has probes, or would have.
static bool is_wanted(jvmtiEnv *ti, JNIEnv *env, jclass class, const struct interfaces *probed)
{
    char *signature = NULL;
    jboolean can = JNI_FALSE;
    if ((*ti)->GetClassSignature(ti, class, &signature, NULL) != JVMTI_ERROR_NONE) {
        return false;
    }
    bool wanted = signature[0] == 'L' &&
                  (match_is_class(name_of(signature)) || implements_one(env, class, probed));
    (void)(*ti)->Deallocate(ti, (unsigned char *)signature);
    return wanted && (*ti)->IsModifiableClass(ti, class, &can) == JVMTI_ERROR_NONE && can;
}

static unsigned retransform_one(jvmtiEnv *ti, JNIEnv *env, jclass class)
{
    char *signature = NULL;
    jvmtiError e = (*ti)->RetransformClasses(ti, 1, &class);
    (void)java_clear(env);
    if (e == JVMTI_ERROR_NONE) {
        return 0;
    }
    (void)(*ti)->GetClassSignature(ti, class, &signature, NULL);
    agent_log("%s cannot be changed: JVMTI error %d", signature != NULL ? signature : "a class",
              (int)e);
    (void)(*ti)->Deallocate(ti, (unsigned char *)signature);
    return 1;
}

// Many in one pause; one by one where the JVM refuses the lot. How many were refused.
static unsigned retransform(jvmtiEnv *ti, JNIEnv *env, jclass *classes, jint n)
{
    unsigned refused = 0;
    if (n == 0 || (*ti)->RetransformClasses(ti, n, classes) == JVMTI_ERROR_NONE) {
        return 0;
    }
    (void)java_clear(env);
    for (jint i = 0; i < n; i++) {
        refused += retransform_one(ti, env, classes[i]);
    }
    return refused;
}

static unsigned retransform_all(jvmtiEnv *ti, JNIEnv *env)
{
    jint count = 0, kept = 0;
    jclass *all = NULL;
    unsigned refused = 0;
    struct interfaces probed;
    // With more classes HotSpot goes on all the same, and -Xcheck:jni says so.
    (void)(*env)->EnsureLocalCapacity(env, LOCAL_CAPACITY);
    (void)java_clear(env);
    if ((*ti)->GetLoadedClasses(ti, &count, &all) != JVMTI_ERROR_NONE) {
        agent_log("the JVM does not tell which classes are loaded: those are not traced");
        return 0;
    }
    find_interfaces(ti, all, count, &probed);
    for (jint i = 0; i < count; i++) {
        if (is_wanted(ti, env, all[i], &probed)) {
            jclass wanted = all[i];
            all[i] = all[kept]; // all stay to the end: they may be what others are compared with
            all[kept++] = wanted;
        }
    }
    for (jint i = 0; i < kept; i += LOT) {
        jint n = kept - i < LOT ? kept - i : LOT;
        refused += retransform(ti, env, all + i, n);
    }
    for (jint i = 0; i < count; i++) {
        (*env)->DeleteLocalRef(env, all[i]);
    }
    (void)(*ti)->Deallocate(ti, (unsigned char *)all);
    return refused;
}

void classes_start(jvmtiEnv *ti, JNIEnv *env)
{
    ASSERT(!atomic_load(&is_on));
    atomic_store(&is_on, true);
    (void)retransform_all(ti, env);
}

unsigned classes_stop(jvmtiEnv *ti, JNIEnv *env)
{
    atomic_store(&is_on, false);
    return retransform_all(ti, env);
}
