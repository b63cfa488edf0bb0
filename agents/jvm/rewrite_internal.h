// SPDX-License-Identifier: Apache-2.0
// Purpose: what the parts of the rewriter share: the constants that a class gains (constants.c),
// the map from old to new places in a method's code (relocate.c), its frames (frames.c).
#ifndef SONDE_JVM_REWRITE_INTERNAL_H
#define SONDE_JVM_REWRITE_INTERNAL_H

#include "agents/jvm/bytes_out.h"
#include "agents/jvm/classfile.h"
#include "agents/jvm/rewrite.h"

// ---- Constants ----------------------------------------------------------------------------------

#define RECENT_CLASSES 64

// Constants appended behind those that the class has. Indices of the bridge's methods are the same
// for the whole class; classes named by frames come as they are needed.
struct constants {
    struct bytes_out out;
    unsigned next;                           // index of the next one; over 65,535 means too large
    uint16_t enter, note, exit, exitp, fail; // Methodref
    uint16_t enter_held, number, hold, gone, enter_read, exit_read, fail_read;
    uint16_t throwable, object; // Class
    uint16_t stack_map_table;   // Utf8
    struct {
        struct str name;
        uint16_t index;
    } recent[RECENT_CLASSES]; // of the classes added last, in a ring
    unsigned recent_count;
};

void constants_init(struct constants *k, const struct class_file *c);
void constants_done(struct constants *k);
// A Class constant for a name (for an array: its descriptor).
uint16_t constants_class(struct constants *k, struct str name);
bool constants_too_large(const struct constants *k);
// Other constants, each a new one; the class of a Methodref, InterfaceMethodref or Fieldref is
// one's index.
uint16_t constants_utf8(struct constants *k, struct str s);
uint16_t constants_string(struct constants *k, struct str text);
uint16_t constants_method(struct constants *k, enum cp_tag tag, uint16_t class_index,
                          struct str name, struct str descriptor);

// Why nothing more can be written.
static inline enum class_result why_failed(const struct bytes_out *o)
{
    return o->is_full ? CLASS_TOO_LARGE : CLASS_NO_MEMORY;
}

// ---- One method's code --------------------------------------------------------------------------

#define NO_PLACE UINT32_MAX

// A Code attribute taken apart; pointers into the class's bytes.
struct code {
    uint16_t max_stack, max_locals;
    const uint8_t *code;
    size_t n;
    const uint8_t *handlers; // exception_table entries, 8 bytes each
    uint16_t handler_count;
    const uint8_t *attributes;
    size_t attributes_n;
    uint16_t attribute_count;
};

// One probed method while it is written anew.
struct method_edit {
    const struct class_file *c;
    const struct class_method *m;
    const struct probe *probe;
    struct constants *constants;
    struct code old;
    uint32_t *place;       // new place of each old instruction, old.n + 1 of them; NO_PLACE between
    size_t body;           // new place of the first old instruction, behind the prologue
    size_t handler;        // new place of the catch-all handler: the end of the body
    struct bytes_out *out; // the new method_info
};

// Whether the method keeps a long, the token or number, behind its other locals; and behind that,
// where it is read from them, the two objects that it was called with.
static inline bool has_token(const struct probe *p)
{
    return p->kind == PROBE_SPAN || p->kind == PROBE_MADE;
}

enum { OBJECTS_READ = 2, LOCALS_MORE_MAX = 2 + OBJECTS_READ };

static inline bool is_read(const struct probe *p)
{
    return p->kind == PROBE_SPAN && p->is_read;
}

// How many words of locals more the method has.
static inline unsigned more_locals(const struct probe *p)
{
    return !has_token(p) ? 0 : is_read(p) ? LOCALS_MORE_MAX : 2;
}

static inline bool is_constructor(const struct class_method *m)
{
    return str_eq(m->name, STR("<init>"));
}

// Writes the new code (prologue, body, handler) without the Code attribute's frame around it. Fills
// `place`.
enum class_result relocate_code(struct method_edit *e);

// The new place of an old one; NO_PLACE when no instruction begins there.
static inline uint32_t new_place(const struct method_edit *e, size_t old)
{
    return old <= e->old.n ? e->place[old] : NO_PLACE;
}

// Writes a whole StackMapTable attribute for the new code. `table` holds the old entries, empty
// when the method had none.
enum class_result write_frames(struct method_edit *e, struct str table);

#endif
