// SPDX-License-Identifier: Apache-2.0
// Purpose: putting probes into the methods of a class file. Pure like classfile.h: bytes in, bytes
// out, verified by the JVM's own verifier over every class of each JDK (tests/jvm/gate).
//
// A probed method tells the bridge class, whose methods are native and bound to the agent, what it
// does. For a PROBE_SPAN, with the token in two new local slots behind all others:
//
//     token = Bridge.enter(id, this, a, b, c, n)      // before the first instruction
//     ... the body, and before each return:
//             Bridge.exit(result, token)              // exitP(long, token) for a primitive result
//     catch (any Throwable t):
//             Bridge.fail(t, token); throw t
//
// The token's slots must be known to the verifier as a long wherever the handler can be reached
// from, so every stack map frame is written anew as a full_frame that ends in it; the handler's own
// frame has nothing but the token. Everything that names a place in the code moves with it: jumps,
// switches and their padding, exception handlers, line numbers, local variables, frames and their
// `new` addresses. Type annotations of the code and attributes that are not known are dropped: they
// hold places too, and nothing at run time needs them.
//
// With `is_held` it begins with Bridge.enterHeld(...), which says in n what is held of `this`. With
// `is_read` its calls are enterRead(), exitRead() and failRead(), of methods whose result is no
// number; the last two are given a and b, which the method keeps behind the token for it: its own
// locals may be others by then.
//
// PROBE_MADE, of methods that make an object, asks for a number and has it held with that object
// (bridge_class.h); a method that does nothing but call another one of the same name, in the same
// class, that is probed so too, is left alone:
//
//     number = Bridge.number(id, this, a, b, c, n)    // before the first instruction
//     ... the body, and before each return of an object:
//             Bridge.hold(result, number)
//
// PROBE_GONE tells Bridge.gone(this) at the beginning: what is held of it may go.
//
// PROBE_ENTER tells Bridge.note(id, this, a, b, c, n) at the beginning, PROBE_LEAVE tells
// Bridge.note(id, this, result, null, null, 0) at each return. They suit constructors, whose `this`
// may not be touched before the super constructor returns.
//
// Declined (CLASS_UNSUPPORTED, the method is left as it was and counted): jsr and ret, branches
// that would pass 32 KB, PROBE_SPAN on a constructor, PROBE_LEAVE where local 0 is assigned,
// methods without code. CLASS_TOO_LARGE: code over 65,535 bytes, a constant pool, exception table
// or attributes of a code of as many entries, or methods that grow beyond methods_max()
// (rewrite.c): a frame of one byte that becomes a full one must not make a class of megabytes.
#ifndef SONDE_JVM_REWRITE_H
#define SONDE_JVM_REWRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agents/jvm/classfile.h"

enum probe_kind { PROBE_SPAN, PROBE_ENTER, PROBE_LEAVE, PROBE_MADE, PROBE_GONE };

#define PROBE_OBJECTS 3
#define PROBE_ID_MAX  32767 // what one sipush can say

// Which of a method's arguments are told. Arguments count from 1 as they stand in the descriptor,
// whatever their width; 0 means none.
struct probe {
    uint16_t id;                    // given back to the agent by each call
    uint8_t kind;                   // enum probe_kind
    uint8_t objects[PROBE_OBJECTS]; // for a, b, c: null where the argument is not an object
    uint8_t number; // for n: an int, long, short, char, byte or boolean; 0 where it is another
    bool is_held;   // PROBE_SPAN: n is what is held of `this`, 0 where nothing is
    bool is_read;   // PROBE_SPAN: at both ends something is read from a and b (bridge_class.h)
};

// Asked for each method that has code; NULL leaves the method alone. The probe must live until
// rewrite_class() returns.
typedef const struct probe *probe_for(void *ctx, const struct class_file *c,
                                      const struct class_method *m);

struct rewritten {
    uint8_t *bytes; // malloc'd; NULL when nothing was probed
    size_t n;
    unsigned probed, declined;
    enum class_result why_declined; // of the last one declined
};

// The bridge's name as in a class file, and the descriptors of its methods.
#define BRIDGE_CLASS "java/lang/SondeBridge2" // its number: bridge_class.h
#define BRIDGE_ENTER_DESCRIPTOR                                                                    \
    "(ILjava/lang/Object;Ljava/lang/Object;Ljava/lang/Object;Ljava/lang/Object;J)J"
#define BRIDGE_NOTE_DESCRIPTOR                                                                     \
    "(ILjava/lang/Object;Ljava/lang/Object;Ljava/lang/Object;Ljava/lang/Object;J)V"
#define BRIDGE_EXIT_DESCRIPTOR      "(Ljava/lang/Object;J)V"
#define BRIDGE_EXITP_DESCRIPTOR     "(JJ)V"
#define BRIDGE_FAIL_DESCRIPTOR      "(Ljava/lang/Throwable;J)V"
#define BRIDGE_HOLD_DESCRIPTOR      "(Ljava/lang/Object;J)V"
#define BRIDGE_GONE_DESCRIPTOR      "(Ljava/lang/Object;)V"
#define BRIDGE_EXIT_READ_DESCRIPTOR "(Ljava/lang/Object;Ljava/lang/Object;J)V"
#define BRIDGE_FAIL_READ_DESCRIPTOR "(Ljava/lang/Throwable;Ljava/lang/Object;Ljava/lang/Object;J)V"

// CLASS_OK also when nothing was probed. Any other result: nothing is held, the class stays as it
// was.
enum class_result rewrite_class(const struct class_file *c, probe_for *which, void *ctx,
                                struct rewritten *ret);

#endif
