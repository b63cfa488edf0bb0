// SPDX-License-Identifier: Apache-2.0
// Purpose: the natives of sonde.Trace.
#include "agents/jvm/api.h"

#include "agents/jvm/bridge.h"
#include "agents/jvm/emit.h"
#include "agents/jvm/log.h"

// A String's text if it is not longer than `max`; p == NULL otherwise. `out` has room for
// max + 4 bytes.
static struct str whole(JNIEnv *env, jstring s, char *out, size_t max)
{
    if (s == NULL || (size_t)(*env)->GetStringUTFLength(env, s) > max) {
        return STR_NONE;
    }
    return java_string(env, s, out, max + 4);
}

// Of the trace in force, or of its span.
static jstring id_text(JNIEnv *env, bool is_trace)
{
    char hex[TRACE_ID_HEX + 1];
    _Static_assert(SPAN_ID_HEX <= TRACE_ID_HEX, "there is room for both");
    struct thread_state *t = bridge_enter(env);
    jstring text = NULL;
    if (t == NULL) {
        return NULL;
    }
    if (context_is_set(&t->current)) {
        if (is_trace) {
            trace_id_hex(t->current.trace, hex);
        } else {
            span_id_hex(t->current.span, hex);
        }
        text = (*env)->NewStringUTF(env, hex);
    }
    bridge_leave(env, t);
    return text;
}

static jstring JNICALL trace_id_text(JNIEnv *env, jclass class)
{
    (void)class;
    return id_text(env, true);
}

static jstring JNICALL span_id_text(JNIEnv *env, jclass class)
{
    (void)class;
    return id_text(env, false);
}

static jstring JNICALL baggage(JNIEnv *env, jclass class, jstring key)
{
    char key_text[API_KEY_MAX + 4], value[JAVA_TEXT_MAX];
    struct thread_state *t = bridge_enter(env);
    jstring text = NULL;
    (void)class;
    if (t == NULL) {
        return NULL;
    }
    struct str k = whole(env, key, key_text, API_KEY_MAX);
    struct str v = context_baggage_get(&t->current, k, value, sizeof value);
    if (v.p != NULL) {
        text = java_new_string(env, v);
    }
    bridge_leave(env, t);
    return text;
}

static jboolean JNICALL set_baggage(JNIEnv *env, jclass class, jstring key, jstring value)
{
    char key_text[API_KEY_MAX + 4], value_text[API_BAGGAGE_MAX + 4];
    struct thread_state *t = bridge_enter(env);
    (void)class;
    if (t == NULL) {
        return JNI_FALSE;
    }
    struct str k = whole(env, key, key_text, API_KEY_MAX);
    struct str v = value != NULL ? whole(env, value, value_text, API_BAGGAGE_MAX) : STR("");
    bool ok = context_is_set(&t->current) && k.n > 0 && v.p != NULL &&
              context_baggage_set(&t->current, k, v);
    bridge_leave(env, t);
    return ok;
}

// The span to be told something under this key; NULL: nothing is said.
static struct frame *span_for(JNIEnv *env, struct thread_state *t, jstring key, char *out)
{
    struct str k = whole(env, key, out, API_KEY_MAX);
    if (k.n == 0) {
        return NULL;
    }
    out[k.n] = '\0';
    return span_current(t);
}

static jboolean JNICALL tag_text(JNIEnv *env, jclass class, jstring key, jstring value)
{
    char key_text[API_KEY_MAX + 4], text[TEXT_VALUE_MAX + 4];
    struct thread_state *t = bridge_enter(env);
    (void)class;
    if (t == NULL) {
        return JNI_FALSE;
    }
    struct frame *f = value != NULL ? span_for(env, t, key, key_text) : NULL;
    if (f != NULL) {
        span_text(f, key_text, java_string(env, value, text, sizeof text));
    }
    bridge_leave(env, t);
    return f != NULL;
}

static jboolean JNICALL tag_number(JNIEnv *env, jclass class, jstring key, jlong value)
{
    char key_text[API_KEY_MAX + 4];
    struct thread_state *t = bridge_enter(env);
    (void)class;
    if (t == NULL) {
        return JNI_FALSE;
    }
    struct frame *f = span_for(env, t, key, key_text);
    if (f != NULL) {
        span_int(f, key_text, value);
    }
    bridge_leave(env, t);
    return f != NULL;
}

static jboolean JNICALL event(JNIEnv *env, jclass class, jstring name)
{
    char text[TEXT_VALUE_MAX + 4];
    struct thread_state *t = bridge_enter(env);
    (void)class;
    if (t == NULL) {
        return JNI_FALSE;
    }
    struct str n = java_string(env, name, text, sizeof text);
    struct frame *f = n.n > 0 ? span_current(t) : NULL;
    if (f != NULL) {
        span_event(f, n);
    }
    bridge_leave(env, t);
    return f != NULL;
}

void api_bind(JNIEnv *env)
{
    static const JNINativeMethod natives[] = {
        {"traceId", "()Ljava/lang/String;", (void *)trace_id_text},
        {"spanId", "()Ljava/lang/String;", (void *)span_id_text},
        {"baggage", "(Ljava/lang/String;)Ljava/lang/String;", (void *)baggage},
        {"setBaggage", "(Ljava/lang/String;Ljava/lang/String;)Z", (void *)set_baggage},
        {"tag", "(Ljava/lang/String;Ljava/lang/String;)Z", (void *)tag_text},
        {"tag", "(Ljava/lang/String;J)Z", (void *)tag_number},
        {"event", "(Ljava/lang/String;)Z", (void *)event},
    };
    jclass class = bridge_define(env, TRACE_CLASS, emit_trace);
    if (class == NULL ||
        (*env)->RegisterNatives(env, class, natives, sizeof natives / sizeof *natives) != 0) {
        (void)java_clear(env);
        agent_log("the class sonde.Trace could not be defined: the application cannot call it");
    }
    (*env)->DeleteLocalRef(env, class);
}
