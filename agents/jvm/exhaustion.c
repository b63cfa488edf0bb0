// SPDX-License-Identifier: Apache-2.0
// Purpose: the span of a JVM that runs out. Nothing is asked of Java here: there is no room for it.
#include "agents/jvm/exhaustion.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "agents/jvm/inside.h"
#include "agents/jvm/log.h"
#include "agents/jvm/plugin.h"
#include "agents/jvm/thread.h"
#include "core/clock.h"
#include "core/must.h"

static struct plugin_method opener = {.class_name = "java/lang/OutOfMemoryError", .name = "<init>"};
static atomic_ullong quiet_until_ns;
static atomic_uint left_out;

void exhaustion_capabilities(jvmtiEnv *ti, jvmtiCapabilities *can)
{
    jvmtiCapabilities potential = {0};
    if ((*ti)->GetPotentialCapabilities(ti, &potential) == JVMTI_ERROR_NONE) {
        can->can_generate_resource_exhaustion_heap_events =
            potential.can_generate_resource_exhaustion_heap_events;
        can->can_generate_resource_exhaustion_threads_events =
            potential.can_generate_resource_exhaustion_threads_events;
        can->can_get_line_numbers = potential.can_get_line_numbers;
    }
}

static int line_of(jvmtiEnv *ti, const jvmtiFrameInfo *f)
{
    jint n = 0, line = 0;
    jvmtiLineNumberEntry *table = NULL;
    if ((*ti)->GetLineNumberTable(ti, f->method, &n, &table) != JVMTI_ERROR_NONE) {
        return 0; // native, or compiled without lines
    }
    for (jint i = 0; i < n && table[i].start_location <= f->location; i++) {
        line = table[i].line_number;
    }
    (void)(*ti)->Deallocate(ti, (unsigned char *)table);
    return line;
}

// "\tat java.util.Arrays.copyOf:3236\n"; the new length of the text.
static size_t add_frame(jvmtiEnv *ti, const jvmtiFrameInfo *f, char *out, size_t n, size_t room)
{
    jclass class = NULL;
    char *signature = NULL, *name = NULL;
    if ((*ti)->GetMethodDeclaringClass(ti, f->method, &class) != JVMTI_ERROR_NONE ||
        (*ti)->GetClassSignature(ti, class, &signature, NULL) != JVMTI_ERROR_NONE) {
        return n;
    }
    if ((*ti)->GetMethodName(ti, f->method, &name, NULL, NULL) == JVMTI_ERROR_NONE) {
        for (char *c = signature; *c != '\0'; c++) {
            *c = *c == '/' ? '.' : *c == ';' ? '\0' : *c;
        }
        int line = line_of(ti, f);
        int added = snprintf(out + n, room - n, "\tat %s.%s:%d\n", signature + 1, name, line);
        n = added > 0 && n + (size_t)added < room ? n + (size_t)added : n; // whole lines alone
        (void)(*ti)->Deallocate(ti, (unsigned char *)name);
    }
    (void)(*ti)->Deallocate(ti, (unsigned char *)signature);
    return n;
}

static struct str stack_of(jvmtiEnv *ti, JNIEnv *env, char out[EXHAUSTION_STACK_MAX])
{
    jvmtiFrameInfo frames[EXHAUSTION_FRAMES_MAX];
    jint count = 0;
    size_t n = 0;
    if ((*env)->PushLocalFrame(env, EXHAUSTION_FRAMES_MAX) != 0) {
        (void)java_clear(env);
        return STR_NONE;
    }
    if ((*ti)->GetStackTrace(ti, NULL, 0, EXHAUSTION_FRAMES_MAX, frames, &count) ==
        JVMTI_ERROR_NONE) {
        for (jint i = 0; i < count; i++) {
            n = add_frame(ti, &frames[i], out, n, EXHAUSTION_STACK_MAX);
        }
    }
    (*env)->PopLocalFrame(env, NULL);
    return (struct str){out, n};
}

static bool is_first_in_a_while(void)
{
    uint64_t now = clock_mono_ns();
    unsigned long long until = atomic_load(&quiet_until_ns);
    return now >= until && atomic_compare_exchange_strong(&quiet_until_ns, &until,
                                                          now + EXHAUSTION_QUIET_S * NS_PER_S);
}

static void keep(jvmtiEnv *ti, JNIEnv *env, struct thread_state *t, struct str description)
{
    char stack[EXHAUSTION_STACK_MAX];
    struct frame *f = span_open(t, &opener, SPAN_INTERNAL);
    if (f == NULL) {
        return;
    }
    span_keep(t, f);
    span_name(f, STR("OutOfMemoryError"));
    unsigned others = atomic_exchange(&left_out, 0);
    if (others > 0) {
        span_int(f, "sonde.left_out", others);
    }
    span_exception(f, STR("java.lang.OutOfMemoryError"), description, stack_of(ti, env, stack));
    frame_close(t);
}

void JNICALL exhaustion_on_event(jvmtiEnv *ti, JNIEnv *env, jint flags, const void *reserved,
                                 const char *description)
{
    (void)flags, (void)reserved;
    if (!inside_begin()) {
        return;
    }
    struct thread_state *t = thread_mine(env);
    if (t != NULL && !t->is_inside) {
        t->is_inside = true;
        if (is_first_in_a_while()) {
            keep(ti, env, t, str_of(description));
            agent_log("the JVM has run out: %s", description);
        } else {
            atomic_fetch_add(&left_out, 1);
        }
        t->is_inside = false;
    }
    inside_end();
}
