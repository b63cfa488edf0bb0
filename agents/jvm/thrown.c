// SPDX-License-Identifier: Apache-2.0
// Purpose: reading Throwables.
#include "agents/jvm/thrown.h"

#include <stdio.h>
#include <string.h>

#include "agents/jvm/plugin.h"
#include "core/must.h"

struct str thrown_type(JNIEnv *env, jthrowable thrown, char *out, size_t room)
{
    static struct java_method get_class = {"getClass", "()Ljava/lang/Class;", {NULL}};
    static struct java_method get_name = {"getName", "()Ljava/lang/String;", {NULL}};
    return java_text(env, &get_name, java_object(env, &get_class, thrown), out, room);
}

struct str thrown_message(JNIEnv *env, jthrowable thrown, char *out, size_t room)
{
    static struct java_method get_message = {"getMessage", "()Ljava/lang/String;", {NULL}};
    return java_text(env, &get_message, thrown, out, room);
}

// Text that is being put together in `room` bytes.
struct stack {
    char *out;
    size_t room, n;
};

// Both, or nothing and false when there is no room for both.
static bool add(struct stack *s, struct str before, struct str text)
{
    if (before.n + text.n > s->room - s->n) {
        return false;
    }
    memcpy(s->out + s->n, before.p, before.n);
    if (text.n > 0) {
        memcpy(s->out + s->n + before.n, text.p, text.n);
    }
    s->n += before.n + text.n;
    return true;
}

// The object's toString(), behind `before`.
static bool add_text(JNIEnv *env, struct stack *s, struct str before, jobject object)
{
    static struct java_method to_string = {"toString", "()Ljava/lang/String;", {NULL}};
    char text[1024];
    jobject string = java_object(env, &to_string, object);
    bool ok = add(s, before, java_string(env, string, text, sizeof text));
    (*env)->DeleteLocalRef(env, string);
    return ok;
}

static bool add_places(JNIEnv *env, struct stack *s, jthrowable thrown, jsize most)
{
    static struct java_method get_stack = {
        "getStackTrace", "()[Ljava/lang/StackTraceElement;", {NULL}};
    struct str at = STR("\n\tat ");
    jobjectArray places = java_object(env, &get_stack, thrown);
    jsize n = places != NULL ? (*env)->GetArrayLength(env, places) : 0, i = 0;
    bool ok = true;
    for (; ok && i < n && i < most; i++) {
        jobject place = (*env)->GetObjectArrayElement(env, places, i);
        ok = add_text(env, s, at, place);
        (*env)->DeleteLocalRef(env, place);
    }
    (*env)->DeleteLocalRef(env, places);
    char more[32];
    int more_n = snprintf(more, sizeof more, "\n\t... %d more", (int)(n - i));
    return ok && (i == n || add(s, (struct str){more, (size_t)more_n}, STR("")));
}

struct str thrown_stack(JNIEnv *env, jthrowable thrown, char *out, size_t room,
                        struct str *ret_place)
{
    static struct java_method get_cause = {"getCause", "()Ljava/lang/Throwable;", {NULL}};
    struct stack s = {.out = out, .room = room};
    struct str before = STR("");
    size_t first = 0;
    bool more = true;
    for (unsigned causes = 0; more && causes <= THROWN_CAUSES_MAX && thrown != NULL; causes++) {
        jthrowable cause = java_object(env, &get_cause, thrown);
        more = add_text(env, &s, before, thrown);
        first = causes == 0 ? s.n : first;
        more = more &&
               add_places(env, &s, thrown, cause != NULL ? THROWN_LINES_FEW : THROWN_LINES_MAX);
        before = STR("\nCaused by: ");
        thrown = cause;
    }
    ASSERT(s.n <= room);
    struct str place = str_skip((struct str){out, s.n}, first), at = STR("\n\tat ");
    place = str_starts(place, at) ? str_skip(place, at.n) : STR("");
    (void)str_split(place, '\n', ret_place);
    return (struct str){out, s.n};
}
