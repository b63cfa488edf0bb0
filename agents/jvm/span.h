// SPDX-License-Identifier: Apache-2.0
// Purpose: spans in the making and the stack of them that each thread has.
//
// A probed method that opens a span pushes a frame; its exit pops it, writes the span as an OTLP
// Span message (protobuf, so that nobody has to take it apart again) and pushes that to the
// thread's ring. Attributes are written as KeyValue messages into the frame while the span is open;
// what does not fit any more is counted as dropped_attributes_count, as OTLP has it.
//
// The token that the bridge hands to Java names a frame by its depth and a serial number: an exit
// that comes twice, or from a thread whose frames are gone (detach, a fault), finds nothing. Serial
// numbers have 56 bits and begin at random: a call that began before a detach does not find what
// was opened after the next attach either.
#ifndef SONDE_JVM_SPAN_H
#define SONDE_JVM_SPAN_H

#include <sys/types.h>

#include "agents/jvm/context.h"

#define FRAMES_MAX         32 // deeper calls are not traced, counted
#define FRAME_GLOBALS      2
#define THREAD_CONNECTIONS 2
#define SPAN_BYTES         3072 // of one span's attributes and events
#define SPAN_NAME_MAX      128
#define TEXT_VALUE_MAX     512  // bytes of one text attribute; longer ones are cut at a character
#define LONG_VALUE_MAX     1536 // the same, of a statement's text

enum span_kind { SPAN_INTERNAL = 1, SPAN_SERVER, SPAN_CLIENT, SPAN_PRODUCER, SPAN_CONSUMER };

struct plugin_method;
struct inside_place;

struct frame {
    const struct plugin_method *method; // who opened it
    struct context context;             // of this span: what children continue
    struct context before;              // in force outside
    span_id parent;
    uint64_t serial;
    uint8_t kind;
    bool is_span; // false: only a change of context
    bool is_error;
    uint16_t name_n, bytes_n, dropped;
    uint64_t start_ns, start_mono_ns;
    uint64_t end_mono_ns;         // of the call, known before its exit is handled; 0: not yet
    uint64_t note;                // the plug-in's
    void *globals[FRAME_GLOBALS]; // JNI global references of the plug-in's, deleted by the bridge
    char name[SPAN_NAME_MAX];
    unsigned char bytes[SPAN_BYTES]; // encoded attributes (field 9) and events (11)
};

struct thread_state {
    struct context current;
    unsigned depth;
    unsigned life;     // of the agent, in which the frames were opened (thread.c)
    uint64_t serial;   // of the last frame; begins at random
    uint64_t message;  // handle (pending.h) of the span between calls that is in force; 0: none
    uint64_t watching; // handle of the span whose future is being watched (future.c); 0: none
    bool is_inside;    // in the agent's own code: probes hit now do nothing
    bool is_reading;   // inside, and between two natives of one probe (bridge.c)
    uint64_t reading_since_ns;  // since when
    bool has_task;              // a pool's worker: its next task's context was looked for already
    struct inside_place *place; // where it is counted meanwhile (inside.h)
    void *connections[THREAD_CONNECTIONS];  // JNI weak references: those that were asked last for
    uint32_t databases[THREAD_CONNECTIONS]; // their databases (jdbc.c), and which those are
    unsigned next_connection;               // the one to be replaced, modulo their number
    unsigned calls;                         // of probes, to measure one in so many
    uint64_t began_ns;                      // of the call that is being measured; 0: none is
    pthread_t began_on;                     // by whose clock
    struct frame *frames[FRAMES_MAX];       // allocated at their first use, kept
    struct thread_state *next, **link;      // in the list of all (thread.c)
};

// ---- Opening and closing ---------------------------------------------------------------------

// Pushes a frame whose span is a child of the context in force (or begins a trace). NULL when the
// thread is too deep or memory is out; counted.
struct frame *span_open(struct thread_state *t, const struct plugin_method *m, enum span_kind kind);
// The same, continuing a context that came from outside.
struct frame *span_open_remote(struct thread_state *t, const struct plugin_method *m,
                               enum span_kind kind, const struct context *remote);
// Puts a context (moved in) in force for good, on a thread that has no frame: a worker between its
// tasks. Dropped when there is one.
void context_replace(struct thread_state *t, struct context c);
// A frame that is no span: the plug-in wants to hear of the call's end. `in_force` is the context
// meanwhile; NULL leaves it as it is.
struct frame *frame_open(struct thread_state *t, const struct plugin_method *m,
                         const struct context *in_force);
// The same with a context of the caller's, which is moved in, or dropped when there is no frame.
struct frame *frame_open_in(struct thread_state *t, const struct plugin_method *m,
                            struct context in_force);
// The innermost frame; NULL when there is none.
static inline struct frame *frame_top(const struct thread_state *t)
{
    return t->depth > 0 ? t->frames[t->depth - 1] : NULL;
}
int64_t frame_token(const struct thread_state *t);
// How deep the token's frame is, 1 for the first; 0 when the token is stale. Frames above it have
// lost their ends: thread_drop_frames() is to follow.
unsigned frame_find(const struct thread_state *t, int64_t token);
// Has the CPU fetch where a span will be written, while its plug-in says the rest of it.
void span_fetch(const struct frame *f);
// Pops the top frame; a span is written and queued.
void frame_close(struct thread_state *t);
// Pops the top frame, a span, without ending the span: `to` has it now, all but its globals, and
// frame_end() is to follow, on any thread.
void frame_move(struct thread_state *t, struct frame *to);
// Writes and queues a span that was moved, and drops what it holds.
void frame_end(struct frame *f);
// The context that span_open() found in force, with its own reference: unset when a trace began.
struct context frame_outer(const struct frame *f);
// Pops the frames above `depth` without writing a span. What plug-ins hold with them is the
// caller's to let go of (thread.h).
void frames_drop(struct thread_state *t, unsigned depth);

struct span_counts {
    uint64_t sampled, not_sampled, live; // begun; sampled and not ended
    uint64_t abandoned;           // their end was not seen: their thread ended, or the agent left
    uint64_t no_ring;             // ended, and there was no memory for a queue
    uint64_t too_deep, no_memory; // calls that got no frame
};
void span_counts(struct span_counts *ret);
// The innermost open span, if it belongs to the context in force; NULL otherwise (a task of a trace
// whose spans are open on other threads).
struct frame *span_current(const struct thread_state *t);

// ---- What a span says ------------------------------------------------------------------------

// A span that is not sampled keeps its name and whether it failed, for the metrics, and nothing
// else. Whether there is a use in telling it more, and more than the essential:
bool span_is_kept(const struct frame *f);
bool span_has_details(const struct frame *f);

// Has the innermost span of the thread, just opened, recorded whatever was decided.
void span_keep(struct thread_state *t, struct frame *f);

// A trace that begins with this span, of a request of its own: per-entry sampling is decided here.
void span_entry(struct thread_state *t, struct frame *f, struct str method, struct str path);

void span_name(struct frame *f, struct str name);
void span_text(struct frame *f, const char *key, struct str value);
void span_long_text(struct frame *f, const char *key, struct str value);
// Attributes that were encoded before, as KeyValue messages in field SPAN_ATTRIBUTES.
enum { SPAN_ATTRIBUTES = 9 };
void span_encoded(struct frame *f, const uint8_t *bytes, size_t n);
void span_bool(struct frame *f, const char *key, bool value);
void span_int(struct frame *f, const char *key, int64_t value);
// An event with nothing but a name, now.
void span_event(struct frame *f, struct str name);
// Status error, and the exception as an event of the conventions.
void span_exception(struct frame *f, struct str type, struct str message, struct str stack);

#endif
