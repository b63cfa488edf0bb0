// SPDX-License-Identifier: Apache-2.0
// Purpose: agents/jvm/bridge: a reading that comes back touches no state that may be freed, and one
// that the agent waits for ends as ever; what it throws through a callback leaves nobody inside; an
// agent that leaves while a callback is at work leaves that what it uses.
#include "agents/jvm/bridge.h"

#include <pthread.h>
#include <string.h>

#include "agents/jvm/bridge_class.h"
#include "agents/jvm/effort.h"
#include "agents/jvm/identity.h"
#include "agents/jvm/inside.h"
#include "agents/jvm/memory.h"
#include "agents/jvm/reader.h"
#include "agents/jvm/sample.h"
#include "agents/jvm/thread.h"
#include "support/fake_jvm.h"
#include "test.h"

enum { NATIVES_MAX = 32 };

static struct fake_jvm jvm;
static JNIEnv *const env = (JNIEnv *)&jvm.env;
static struct _jobject {
    char unused;
} object;
static struct _jfieldID {
    char unused;
} field_id;

// ---- As much of Java as the bridge is bound with -----------------------------------------------

static JNINativeMethod natives[NATIVES_MAX];
static unsigned native_count;
static void *storage; // what JVMTI keeps for the thread
static bool is_virtual;
static unsigned storage_reads;

static void *native(const char *name)
{
    for (unsigned i = 0; i < native_count; i++) {
        if (strcmp(natives[i].name, name) == 0) {
            return natives[i].fnPtr;
        }
    }
    fail_msg("no native %s", name);
    return NULL;
}

static jint JNICALL register_natives(JNIEnv *e, jclass class, const JNINativeMethod *m, jint n)
{
    (void)e, (void)class;
    for (jint i = 0; i < n && native_count < NATIVES_MAX; i++) {
        natives[native_count++] = m[i];
    }
    return 0;
}

static jclass JNICALL find_class(JNIEnv *e, const char *name)
{
    (void)e, (void)name;
    return &object;
}

static jfieldID JNICALL get_field(JNIEnv *e, jclass class, const char *name, const char *type)
{
    (void)e, (void)name, (void)type;
    assert_non_null(class);
    return &field_id;
}

static jint JNICALL get_int(JNIEnv *e, jclass class, jfieldID field)
{
    (void)e, (void)class, (void)field;
    return 0;
}

static void JNICALL set_int(JNIEnv *e, jclass class, jfieldID field, jint value)
{
    (void)e, (void)class, (void)field, (void)value;
}

static jobject JNICALL get_object(JNIEnv *e, jclass class, jfieldID field)
{
    (void)e, (void)class, (void)field;
    return &object;
}

static void JNICALL set_object(JNIEnv *e, jclass class, jfieldID field, jobject value)
{
    (void)e, (void)class, (void)field, (void)value;
}

static jobject JNICALL new_object(JNIEnv *e, jclass class, jmethodID make, ...)
{
    (void)e, (void)class, (void)make;
    return &object;
}

static jobject JNICALL allocate(JNIEnv *e, jclass class)
{
    (void)e, (void)class;
    return &object;
}

static jobjectArray JNICALL new_array(JNIEnv *e, jsize n, jclass class, jobject value)
{
    (void)e, (void)n, (void)class, (void)value;
    return &object;
}

static void JNICALL set_element(JNIEnv *e, jobjectArray array, jsize i, jobject value)
{
    (void)e, (void)array, (void)i, (void)value;
}

// SondeBoot.run(), which calls init().
static void JNICALL call_static(JNIEnv *e, jclass class, jmethodID method, ...)
{
    (void)method;
    ((void(JNICALL *)(JNIEnv *, jclass))native("init"))(e, class);
}

static jint JNICALL ensure_capacity(JNIEnv *e, jint n)
{
    (void)e, (void)n;
    return 0;
}

// ---- A virtual thread ---------------------------------------------------------------------------

static jvmtiError JNICALL get_capabilities(jvmtiEnv *ti, jvmtiCapabilities *ret)
{
    (void)ti;
    memset(ret, is_virtual ? 0xFF : 0, sizeof *ret);
    return JVMTI_ERROR_NONE;
}

static jvmtiError JNICALL current_thread(jvmtiEnv *ti, jthread *ret)
{
    (void)ti;
    *ret = &object;
    return JVMTI_ERROR_NONE;
}

static jvmtiError JNICALL get_storage(jvmtiEnv *ti, jthread thread, void **ret)
{
    (void)ti, (void)thread;
    storage_reads++;
    *ret = storage;
    return JVMTI_ERROR_NONE;
}

static jvmtiError JNICALL set_storage(jvmtiEnv *ti, jthread thread, const void *value)
{
    (void)ti, (void)thread;
    storage = (void *)value;
    return JVMTI_ERROR_NONE;
}

// ---- A probe that reads -------------------------------------------------------------------------

static unsigned entered, noted;

static struct frame *enter(struct call *c)
{
    entered++;
    return frame_open(c->thread, c->method, NULL);
}

static void note(struct call *c)
{
    (void)c;
    noted++;
}

static struct reader reader = {.interface = "shop/Request", .place = 1};
static struct plugin_method reads = {.class_name = "shop/Filter",
                                     .name = "filter",
                                     .first = &reader,
                                     .enter = enter,
                                     .is_light = true};
static struct plugin_method tells = {
    .class_name = "shop/Request", .name = "getPath", .note = note, .is_light = true};

static jint begins(void)
{
    return ((jint(JNICALL *)(JNIEnv *, jclass, jint))native("begins"))(env, &object,
                                                                       reads.probe.id);
}

static jlong comes_back(void)
{
    return ((jlong(JNICALL *)(JNIEnv *, jclass, jint, jobject, jobject, jobject, jobject,
                              jlong))native("entered"))(env, &object, reads.probe.id, NULL, NULL,
                                                        NULL, &object, 0);
}

// A probe within the reading.
static void is_told(void)
{
    ((void(JNICALL *)(JNIEnv *, jclass, jint, jobject, jobject, jobject, jobject, jlong))native(
        "note"))(env, &object, tells.probe.id, NULL, NULL, NULL, NULL, 0);
}

static void begin_life(void)
{
    threads_init(&jvm.jvmti);
    assert_null(bridge_bind(env));
    assert_true(bridge_add(&reads) && bridge_add(&tells));
    inside_open();
    entered = noted = 0;
}

static void end_life(void)
{
    bridge_unbind(env, true);
    threads_done(env);
}

static int begin(void **state)
{
    (void)state;
    fake_jvm_init(&jvm);
    jvm.jni.RegisterNatives = register_natives;
    jvm.jni.FindClass = find_class;
    jvm.class = &object;
    jvm.signature = "Ljava/lang/VirtualThread;";
    jvm.jni.GetFieldID = jvm.jni.GetStaticFieldID = get_field;
    jvm.jni.GetStaticIntField = get_int;
    jvm.jni.SetStaticIntField = set_int;
    jvm.jni.GetStaticObjectField = get_object;
    jvm.jni.SetStaticObjectField = set_object;
    jvm.jni.NewObject = new_object;
    jvm.jni.AllocObject = allocate;
    jvm.jni.NewObjectArray = new_array;
    jvm.jni.SetObjectArrayElement = set_element;
    jvm.jni.CallStaticVoidMethod = call_static;
    jvm.jni.EnsureLocalCapacity = ensure_capacity;
    jvm.ti.GetCapabilities = get_capabilities;
    jvm.ti.GetCurrentThread = current_thread;
    jvm.ti.GetThreadLocalStorage = get_storage;
    jvm.ti.SetThreadLocalStorage = set_storage;
    effort_init(100);
    identity_init(0);
    sample_init(&(struct sample_settings){.ratio = 1});
    native_count = 0;
    atomic_store(&reader.is_published, true);
    begin_life();
    return 0;
}

static size_t memory_used(void)
{
    struct memory_counts counts;
    memory_counts(&counts);
    return counts.used;
}

// What takes longer than a reading may is given up when the thread meets the next probe.
static void give_up(void)
{
    assert_int_equal(begins(), 1);
    is_told();
    assert_int_equal(noted, 0);
    thread_mine(env)->reading_since_ns = 0;
    is_told();
    assert_int_equal(noted, 1);
}

static void leave_while_a_reading_was_given_up(void)
{
    give_up();
    inside_close();
    assert_true(inside_wait_empty(0));
    end_life();
    unsigned reads_before = storage_reads;
    assert_int_equal(memory_used(), 0);
    assert_int_equal(comes_back(), 0);
    assert_int_equal(memory_used(), 0); // no state was made where nobody may be
    assert_int_equal(entered, 0);
    assert_int_equal(storage_reads, reads_before); // of a JVMTI environment that is disposed of
}

static void test_a_reading_that_was_given_up_comes_back_to_nothing(void **state)
{
    (void)state;
    leave_while_a_reading_was_given_up();
    begin_life();
    give_up();
    assert_int_not_equal(comes_back(), 0); // and loses nothing while the agent is there
    assert_int_equal(entered, 1);
    inside_close();
    assert_true(inside_wait_empty(0));
    end_life();
}

static void test_the_agent_waits_for_a_reading(void **state)
{
    (void)state;
    assert_int_equal(begins(), 1);
    inside_close();
    assert_false(inside_wait_empty(0));
    assert_int_not_equal(comes_back(), 0);
    assert_int_equal(entered, 1);
    assert_true(inside_wait_empty(0));
    end_life();
}

static void test_a_reading_of_an_earlier_life_ends_with_nothing(void **state)
{
    (void)state;
    assert_int_equal(begins(), 1);
    inside_close();
    bridge_unbind(env, false);
    threads_init(&jvm.jvmti); // the next life is about to begin
    assert_int_equal(comes_back(), 0);
    assert_int_equal(entered, 0);
    assert_true(inside_wait_empty(0));
    end_life();
}

// ---- A callback that asks outside ---------------------------------------------------------------

// A filter is met, and its reading cut off by an exception from outside.
static jobject JNICALL call_object(JNIEnv *e, jobject of, jmethodID method, ...)
{
    (void)e, (void)of, (void)method;
    assert_int_equal(begins(), 1);
    return NULL;
}

static void ask(struct call *c)
{
    static struct java_method get_message = {"getMessage", "()Ljava/lang/String;", {NULL}};
    assert_null(bridge_ask_outside(c, &get_message, &object));
    noted++;
}

static void test_a_reading_that_is_cut_off_in_a_callback_leaves_nobody_inside(void **state)
{
    (void)state;
    jvm.jni.CallObjectMethod = call_object;
    tells.note = ask;
    is_told();
    tells.note = note;
    assert_int_equal(noted, 1);
    is_told();
    assert_int_equal(noted, 2);
    inside_close();
    assert_true(inside_wait_empty(0));
    java_forget(env);
    end_life();
}

static void test_what_a_callback_uses_stays(void **state)
{
    (void)state;
    inside_close();
    bridge_unbind(env, false);
    assert_true(bridge_publish(env, 1, &object)); // by a callback that has not come back
    assert_null(bridge_bind(env));
    end_life();
}

// The last: for what a thread is, it is looked at once.
static void *run_virtual(void *ctx)
{
    leave_while_a_reading_was_given_up();
    return ctx;
}

static void test_a_virtual_threads_reading_that_was_given_up_comes_back_to_nothing(void **state)
{
    pthread_t carrier;
    (void)state;
    is_virtual = true;
    inside_close();
    end_life();
    begin_life();
    assert_int_equal(pthread_create(&carrier, NULL, run_virtual, NULL), 0);
    assert_int_equal(pthread_join(carrier, NULL), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_reading_that_was_given_up_comes_back_to_nothing, begin),
        cmocka_unit_test_setup(test_the_agent_waits_for_a_reading, begin),
        cmocka_unit_test_setup(test_a_reading_of_an_earlier_life_ends_with_nothing, begin),
        cmocka_unit_test_setup(test_a_reading_that_is_cut_off_in_a_callback_leaves_nobody_inside,
                               begin),
        cmocka_unit_test_setup(test_what_a_callback_uses_stays, begin),
        cmocka_unit_test_setup(
            test_a_virtual_threads_reading_that_was_given_up_comes_back_to_nothing, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
