// SPDX-License-Identifier: Apache-2.0
// Purpose: agents/jvm/reader: of a herd of threads that meet an interface at once one defines its
// class, and nobody waits for it; a class that throws again and again is given up, and counted.
#include "agents/jvm/reader.h"

#include <pthread.h>
#include <string.h>

#include "agents/jvm/shortfall.h"
#include "support/fake_jvm.h"
#include "test.h"

enum { HERD = 8 };

static struct fake_jvm jvm;
static struct _jobject {
    char unused;
} object, object_class, interface, reader_class;
static pthread_barrier_t all_come, all_others_have_read;
static atomic_uint defined;
static const struct reader_step step = {"shop/Request", "getPath", "()Ljava/lang/String;",
                                        .is_optional = true};
static struct reader reader = {.interface = "shop/Request", .steps = &step, .count = 1};

static jclass JNICALL get_superclass(JNIEnv *env, jclass of)
{
    (void)env, (void)of;
    return NULL;
}

static jvmtiError JNICALL get_interfaces(jvmtiEnv *ti, jclass of, jint *ret_n, jclass **ret)
{
    static jclass list[] = {&interface};
    (void)ti, (void)of;
    *ret_n = 1;
    *ret = list;
    return JVMTI_ERROR_NONE;
}

static jvmtiError JNICALL get_loader(jvmtiEnv *ti, jclass of, jobject *ret)
{
    (void)ti, (void)of;
    *ret = NULL;
    return JVMTI_ERROR_NONE;
}

static bool is_herd;
static __thread bool has_defined;

// Of a herd: it takes until all the others have read.
static jclass JNICALL define(JNIEnv *env, const char *name, jobject loader, const jbyte *bytes,
                             jsize n)
{
    (void)env, (void)loader, (void)bytes, (void)n;
    assert_memory_equal(name, "shop/SondeReader", 16);
    atomic_fetch_add(&defined, 1);
    has_defined = true;
    if (is_herd) {
        (void)pthread_barrier_wait(&all_others_have_read);
    }
    return &reader_class;
}

static jboolean JNICALL is_instance(JNIEnv *env, jobject a, jclass b)
{
    (void)env;
    return a == &object && b == &interface;
}

// The step by itself gives nothing: what is read comes from the class.
static jmethodID JNICALL get_no_method(JNIEnv *env, jclass of, const char *name, const char *type)
{
    (void)env, (void)of, (void)name, (void)type;
    return NULL;
}

static jsize JNICALL text_length(JNIEnv *env, jstring text)
{
    (void)env, (void)text;
    return 1;
}

static void JNICALL text_region(JNIEnv *env, jstring text, jsize from, jsize n, jchar *ret)
{
    (void)env, (void)text, (void)from, (void)n;
    *ret = READER_SEPARATOR; // behind an empty value
}

static bool throws;
static __thread bool has_thrown;
static atomic_uint calls;

static jobject JNICALL call(JNIEnv *env, jclass of, jmethodID id, ...)
{
    (void)env, (void)of, (void)id;
    has_thrown = throws;
    atomic_fetch_add(&calls, 1);
    return throws ? NULL : &object;
}

static jboolean JNICALL exception_check(JNIEnv *env)
{
    (void)env;
    return has_thrown;
}

static void JNICALL exception_clear(JNIEnv *env)
{
    (void)env;
    has_thrown = false;
}

static bool reads(void)
{
    char out[READER_ROOM(1)];
    struct str value[1];
    return reader_read(&jvm.env, &reader, &object, NULL, out, sizeof out, value) && value[0].n == 0;
}

static void *come_and_read(void *ctx)
{
    (void)pthread_barrier_wait(&all_come);
    bool ok = reads();
    if (!has_defined) {
        (void)pthread_barrier_wait(&all_others_have_read);
    }
    return ok ? ctx : NULL;
}

static int begin(void **state)
{
    (void)state;
    fake_jvm_init(&jvm);
    jvm.class = &object_class;
    jvm.signature = "Lshop/Request;";
    jvm.jni.GetSuperclass = get_superclass;
    jvm.jni.DefineClass = define;
    jvm.jni.GetMethodID = get_no_method;
    jvm.jni.GetStringLength = text_length;
    jvm.jni.GetStringRegion = text_region;
    jvm.jni.IsInstanceOf = is_instance;
    jvm.jni.CallStaticObjectMethod = call;
    jvm.jni.ExceptionCheck = exception_check;
    jvm.jni.ExceptionClear = exception_clear;
    jvm.ti.GetImplementedInterfaces = get_interfaces;
    jvm.ti.GetClassLoader = get_loader;
    readers_init(&jvm.jvmti);
    return 0;
}

static void run_herd(void)
{
    pthread_t threads[HERD];
    assert_int_equal(pthread_barrier_init(&all_come, NULL, HERD), 0);
    assert_int_equal(pthread_barrier_init(&all_others_have_read, NULL, HERD), 0);
    is_herd = true;
    for (int i = 0; i < HERD; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_read, &jvm), 0);
    }
    for (int i = 0; i < HERD; i++) {
        void *ok = NULL;
        assert_int_equal(pthread_join(threads[i], &ok), 0);
        assert_non_null(ok);
    }
    is_herd = false;
    (void)pthread_barrier_destroy(&all_come);
    (void)pthread_barrier_destroy(&all_others_have_read);
}

static void test_one_of_a_herd_defines_and_nobody_waits(void **state)
{
    unsigned places = 0;
    (void)state;
    run_herd();
    assert_int_equal(defined, 1);
    assert_int_equal(calls, 1); // the others have not read by the class
    assert_true(reads());
    assert_int_equal(defined, 1);
    assert_int_equal(calls, 2);
    for (unsigned i = 0; i < READER_CLASSES; i++) {
        places += reader.classes[i] != NULL;
    }
    assert_int_equal(places, 1);
    assert_int_equal(reader.attempts, 1);
    assert_int_equal(fake_references, 2); // of its interface and its class
    readers_forget(&jvm.env);
    assert_int_equal(fake_references, 0);
}

static void test_what_throws_is_given_up(void **state)
{
    uint64_t before = shortfall_counted(SHORTFALL_READER);
    (void)state;
    assert_true(reads());
    throws = true;
    for (int i = 0; i < 100; i++) {
        assert_true(reads());
    }
    throws = false;
    unsigned made = calls;
    assert_true(reads());
    assert_int_equal(calls, made);
    assert_int_equal(shortfall_counted(SHORTFALL_READER), before + 1);
    readers_forget(&jvm.env);
}

static bool takes(jstring text)
{
    char out[READER_ROOM(1)];
    struct str value[1];
    return reader_take(&jvm.env, &reader, text, &object, NULL, out, sizeof out, value) &&
           value[0].n == 0;
}

static void miss(unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        reader_missed(&reader);
    }
}

static void test_what_the_bridge_cannot_read_is_not_asked_of_it_for_ever(void **state)
{
    enum { MISSES = 16, PLACE = 3 };
    (void)state;
    reader.place = PLACE;
    assert_int_equal(reader_place(&reader), 0); // not there yet
    atomic_store(&reader.is_published, true);
    miss(MISSES - 1);
    assert_int_equal(reader_place(&reader), PLACE);
    unsigned made = calls;
    assert_true(takes(&object)); // what it has read: nothing else is asked
    assert_int_equal(calls, made);
    miss(MISSES - 1);
    assert_int_equal(reader_place(&reader), PLACE);
    miss(1);
    assert_int_equal(reader_place(&reader), 0);
    reader.place = 0;
    assert_true(takes(NULL)); // the agent reads by itself
    assert_int_equal(calls, made + 1);
    readers_forget(&jvm.env);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_one_of_a_herd_defines_and_nobody_waits, begin),
        cmocka_unit_test_setup(test_what_throws_is_given_up, begin),
        cmocka_unit_test_setup(test_what_the_bridge_cannot_read_is_not_asked_of_it_for_ever, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
