// SPDX-License-Identifier: Apache-2.0
// Purpose: commands of Redis in spans.
#include "agents/jvm/redis_span.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "agents/jvm/shortfall.h"
#include "core/clock.h"
#include "core/must.h"

#define MARKS_MAX 16 // arguments that are shown, as marks; more are dots

// Names are only added, and never change.
static struct {
    size_t n;
    char text[REDIS_COMMAND_MAX];
} commands[REDIS_COMMANDS_MAX];
static atomic_uint command_count;
static pthread_mutex_t adding = PTHREAD_MUTEX_INITIALIZER;

static uint32_t find_command(struct str name)
{
    unsigned count = atomic_load_explicit(&command_count, memory_order_acquire);
    for (unsigned i = 0; i < count; i++) {
        if (str_eq((struct str){commands[i].text, commands[i].n}, name)) {
            return i + 1;
        }
    }
    return 0;
}

uint32_t redis_command_id(struct str name)
{
    ASSERT(name.n <= REDIS_COMMAND_MAX);
    uint32_t id = name.n > 0 ? find_command(name) : 0;
    if (id != 0 || name.n == 0) {
        return id;
    }
    pthread_mutex_lock(&adding);
    unsigned count = atomic_load(&command_count);
    id = find_command(name);
    if (id == 0 && count < REDIS_COMMANDS_MAX) {
        memcpy(commands[count].text, name.p, name.n);
        commands[count].n = name.n;
        atomic_store_explicit(&command_count, count + 1, memory_order_release);
        id = count + 1;
    }
    pthread_mutex_unlock(&adding);
    if (id == 0) {
        shortfall_count(SHORTFALL_REDIS_COMMANDS);
    }
    return id;
}

struct str redis_command_get(uint32_t id)
{
    return id > 0 && id <= atomic_load_explicit(&command_count, memory_order_acquire)
               ? (struct str){commands[id - 1].text, commands[id - 1].n}
               : STR("");
}

static void describe_text(struct frame *f, struct str name, jint arguments)
{
    char text[REDIS_COMMAND_MAX + 2 * MARKS_MAX + 4];
    size_t n = name.n;
    memcpy(text, name.p, n);
    for (jint i = 0; i < arguments && i < MARKS_MAX; i++, n += 2) {
        memcpy(text + n, " ?", 2);
    }
    if (arguments > MARKS_MAX) {
        memcpy(text + n, " ...", 4);
        n += 4;
    }
    span_text(f, "db.query.text", (struct str){text, n});
}

// A command's name: letters, and what modules have between theirs (JSON.SET). What else an
// application has sent as one is not shown.
struct str redis_command_name(JNIEnv *env, jbyteArray raw, char out[REDIS_COMMAND_MAX])
{
    struct str s = java_bytes(env, raw, out, REDIS_COMMAND_MAX);
    for (size_t i = 0; i < s.n; i++) {
        char c = out[i];
        out[i] = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
        if (!(out[i] >= 'A' && out[i] <= 'Z') &&
            (c == '\0' || strchr("._-0123456789", c) == NULL)) {
            return STR_NONE;
        }
    }
    return s;
}

void redis_span_command(struct frame *f, struct str name, jint arguments)
{
    span_name(f, name.n > 0 ? name : STR("redis"));
    if (span_is_kept(f)) {
        span_text(f, "db.system.name", STR("redis"));
        if (name.n > 0) {
            span_text(f, "db.operation.name", name);
        }
    }
    if (span_has_details(f) && name.n > 0) {
        describe_text(f, name, arguments);
    }
}

// Redis begins the text of an error with its kind: "WRONGTYPE Operation against ...".
void redis_span_error(JNIEnv *env, struct frame *f, jthrowable failure)
{
    static struct java_method get_message = {"getMessage", "()Ljava/lang/String;", {NULL}};
    char message[128];
    struct str kind, m = java_text(env, &get_message, failure, message, sizeof message);
    (void)str_split(m, ' ', &kind);
    for (size_t i = 0; i < kind.n; i++) {
        if (kind.p[i] < 'A' || kind.p[i] > 'Z') {
            return; // of the client's own
        }
    }
    if (kind.n > 0) {
        span_text(f, "db.response.status_code", kind);
    }
}

void redis_span_end(struct frame *f)
{
    if (clock_mono_ns() - f->start_mono_ns >= plugin_slow_ns()) {
        span_bool(f, "sonde.slow", true);
    }
}
