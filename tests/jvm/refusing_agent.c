// SPDX-License-Identifier: Apache-2.0
// Purpose: an agent that passes an attach on to another library's, with a JVM that refuses threads
// and tells what becomes of the environments of JVMTI that it gives: a line "environments made N"
// or "environments left N" for each.
// Options: refuse | allow PATH OPTIONS
#include <dlfcn.h>
#include <jvmti.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static JavaVM *real;
static struct JNIInvokeInterface_ table;
static JavaVM passed_on = &table;
static struct jvmtiInterface_1_ environment_table;
static const struct jvmtiInterface_1_ *real_environment;
static atomic_bool refuses;
static atomic_int environments;

static void tell(const char *what, int n)
{
    printf("environments %s %d\n", what, n);
    (void)fflush(stdout);
}

static jvmtiError JNICALL dispose(jvmtiEnv *env)
{
    jvmtiError e = real_environment->DisposeEnvironment(env);
    if (e == JVMTI_ERROR_NONE) {
        tell("left", atomic_fetch_sub(&environments, 1) - 1);
    }
    return e;
}

static jint JNICALL get_env(JavaVM *vm, void **ret, jint version)
{
    (void)vm;
    jint result = (*real)->GetEnv(real, ret, version);
    if (result == JNI_OK && version == JVMTI_VERSION_1_2) {
        jvmtiEnv *env = *ret;
        real_environment = *env;
        environment_table = **env;
        environment_table.DisposeEnvironment = dispose;
        *env = &environment_table;
        tell("made", atomic_fetch_add(&environments, 1) + 1);
    }
    return result;
}

static jint JNICALL attach_thread(JavaVM *vm, void **ret, void *arguments)
{
    (void)vm;
    return atomic_load(&refuses) ? JNI_ERR
                                 : (*real)->AttachCurrentThreadAsDaemon(real, ret, arguments);
}

JNIEXPORT jint JNICALL Agent_OnAttach(JavaVM *vm, char *text, void *reserved)
{
    char *path = strchr(text, ' '), *options = path != NULL ? strchr(path + 1, ' ') : NULL;
    if (options == NULL) {
        return JNI_ERR;
    }
    *path++ = *options++ = '\0';
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    void *symbol = library != NULL ? dlsym(library, "Agent_OnAttach") : NULL;
    jint(JNICALL * attach)(JavaVM *, char *, void *);
    if (symbol == NULL) {
        return JNI_ERR;
    }
    memcpy(&attach, &symbol, sizeof attach);
    real = vm;
    table = **vm;
    table.GetEnv = get_env;
    table.AttachCurrentThreadAsDaemon = attach_thread;
    atomic_store(&refuses, strcmp(text, "refuse") == 0);
    return attach(&passed_on, options, reserved);
}
