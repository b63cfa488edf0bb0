// SPDX-License-Identifier: Apache-2.0
// Purpose: agents/jvm/agent: once the agent was there, the JVM is never without an environment of
// JVMTI.
#include <sched.h>
#include <string.h>

#include "agents/jvm/state.h"
#include "support/fake_jvm.h"
#include "test.h"

enum { ENVIRONMENTS_MAX = 16 };

static struct fake_jvm jvm;
static const struct jvmtiInterface_1_ *environments[ENVIRONMENTS_MAX]; // a jvmtiEnv is where one is
static unsigned made, disposed;
static jvmtiError capabilities_error;

static jvmtiError JNICALL dispose(jvmtiEnv *ti)
{
    (void)ti;
    disposed++;
    assert_true(made - disposed > 0);
    return JVMTI_ERROR_NONE;
}

static jvmtiError JNICALL add_capabilities(jvmtiEnv *ti, const jvmtiCapabilities *can)
{
    (void)ti, (void)can;
    return capabilities_error;
}

static jvmtiError JNICALL set_callbacks(jvmtiEnv *ti, const jvmtiEventCallbacks *on, jint n)
{
    (void)ti, (void)on, (void)n;
    return JVMTI_ERROR_NONE;
}

static jvmtiError JNICALL set_mode(jvmtiEnv *ti, jvmtiEventMode mode, jvmtiEvent event,
                                   jthread thread, ...)
{
    (void)ti, (void)mode, (void)event, (void)thread;
    return JVMTI_ERROR_NONE;
}

static jint JNICALL get_env(JavaVM *vm, void **ret, jint version)
{
    (void)vm, (void)version;
    assert_true(made < ENVIRONMENTS_MAX);
    environments[made] = &jvm.ti;
    *ret = &environments[made++];
    return JNI_OK;
}

// The agent gives up what it was about to begin.
static jint JNICALL attach_thread(JavaVM *vm, void **ret, void *args)
{
    (void)vm, (void)ret, (void)args;
    return JNI_ERR;
}

static const struct JNIInvokeInterface_ invoke = {.GetEnv = get_env,
                                                  .AttachCurrentThreadAsDaemon = attach_thread};
static const struct JNIInvokeInterface_ *vm = &invoke;

// As soon as the agent has given up what was begun before.
static jint attach(void)
{
    char options[] = "endpoint=http://127.0.0.1:1,log=off";
    jint answer;
    while ((answer = Agent_OnAttach(&vm, options, NULL)) == ATTACH_BUSY) {
        sched_yield();
    }
    return answer;
}

static void test_an_environment_is_always_there(void **state)
{
    (void)state;
    fake_jvm_init(&jvm);
    jvm.ti.DisposeEnvironment = dispose;
    jvm.ti.AddCapabilities = add_capabilities;
    jvm.ti.SetEventCallbacks = set_callbacks;
    jvm.ti.SetEventNotificationMode = set_mode;
    assert_int_equal(attach(), ATTACH_TAKEN);
    assert_int_equal(attach(), ATTACH_TAKEN);
    assert_true(disposed > 0);
    capabilities_error = JVMTI_ERROR_NOT_AVAILABLE;
    assert_int_equal(attach(), ATTACH_FAILED);
    assert_int_equal(made - disposed, 1); // and no more than one stays
    assert_int_equal(attach(), ATTACH_FAILED);
    assert_int_equal(made - disposed, 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_environment_is_always_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
