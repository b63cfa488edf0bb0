// SPDX-License-Identifier: Apache-2.0
// Purpose: the class files of the bridge, which rewritten code calls, and of what it holds with the
// application's objects. Pure. Both stand in java.lang because class loaders that do not delegate
// (OSGi, JBoss Modules) still delegate java.*.
//
// java/lang/SondeBridge2. What needs the agent is native; what needs nothing but Java is written in
// it, where it is compiled into the methods that call it: a native call has the JVM do a lot, and a
// call of the JVM from there still more. The JVM keeps it after a detach: one with other methods
// has another number, so that agents of two versions can follow one another.
//
//   static AtomicReferenceArray held;                 // of SondeHeld; null without an agent
//   static native long enter(...), number(...); static native void note(...);
//   static native void keep(Object, long), ended(Object, long), endedP(long, long),
//                      failed(Throwable, long);
//   static void exit(Object result, long token) { if (token != 0) ended(result, token); }
//   exitP() and fail() likewise
//   static long enterHeld(int id, Object self, Object a, Object b, Object c, long n) {
//       SondeHeld h = find(self);
//       return enter(id, self, a, b, c, h != null ? h.number : 0);
//   }
//   static void hold(Object made, long number) {
//       try {
//           AtomicReferenceArray t = held;
//           if (t == null || made == null || number == 0) return;
//           int place = System.identityHashCode(made) & (HELD_MAX - 1);
//           SondeHeld mine = new SondeHeld(made, number), before;
//           do { // what another thread executes meanwhile is in the table or among the tags
//               before = (SondeHeld) t.get(place);
//               if (before != null && !before.isGone) keep(before.get(), before.number);
//           } while (!t.compareAndSet(place, before, mine));
//       } catch (Throwable e) {}
//   }
//   static void gone(Object of) { SondeHeld h = find(of); if (h != null) h.isGone = true; }
//   static SondeHeld find(Object of) {
//       AtomicReferenceArray t = held;
//       if (t == null) return null;
//       SondeHeld h = (SondeHeld) t.get(System.identityHashCode(of) & (HELD_MAX - 1));
//       return h != null && h.get() == of ? h : null;
//   }
//
// Of a probe whose plug-in wants to read from objects (reader.h), this is done in Java between two
// natives; what is called there is not told by other probes meanwhile:
//
//   static WeakReference[] readings;                  // of SondeReading
//   static native int begins(int id);                 // the reading, from 1; 0: none; -1: no more
//   static native long entered(...);                  // as enter(), c is what was read
//   static native int ending(long token);             // as begins()
//   static native void endedRead(String text, Throwable t, Object a, Object b, long token);
//   static long enterRead(int id, Object self, Object a, Object b, Object c, long n) {
//       int reading = begins(id);
//       if (reading < 0) return 0;
//       if (reading == 0) return enter(id, self, a, b, c, n);
//       return entered(id, self, a, b, read(reading, a, b), n);
//   }
//   static void failRead(Throwable t, Object a, Object b, long token) {
//       if (token == 0) return;
//       int reading = ending(token);
//       if (reading < 0) return;
//       String text = null;
//       if (reading > 0) text = read(reading, a, b);
//       endedRead(text, t, a, b, token);
//   }
//   static void exitRead(Object a, Object b, long token) { failRead(null, a, b, token); }
//   static String read(int reading, Object a, Object b) {
//       try {
//           return ((SondeReading) readings[reading - 1].get()).get(a, b);
//       } catch (Throwable e) { return null; }
//   }
//
// java/lang/SondeReading: abstract class SondeReading { abstract String get(Object a, Object b); }
//
// java/lang/SondeHeld: a number that goes with an object, and whether that is over.
//
//   final class SondeHeld extends ref.WeakReference {
//       final long number; boolean isGone;
//       SondeHeld(Object of, long number) { this.number = number; super(of); }
//   }
//
// An object's place in the table is that of its hash. Who comes later takes it: what had it goes
// into the JVM's tags (keep() is the agent's), unless its object is gone or closed, as those are
// that are used once.
//
// Version 49 of the class file format: its verifier wants no stack maps.
#ifndef SONDE_JVM_BRIDGE_CLASS_H
#define SONDE_JVM_BRIDGE_CLASS_H

#include "agents/jvm/bytes_out.h"
#include "agents/jvm/rewrite.h"

#define READING_CLASS        "java/lang/SondeReading"
#define READING_METHOD       "get"
#define READINGS_MAX         4
#define BRIDGE_READINGS      "readings"
#define BRIDGE_READINGS_TYPE "[Ljava/lang/ref/WeakReference;"
#define HELD_CLASS           "java/lang/SondeHeld"
#define HELD_MAX             1024 // a power of two, at most 32,768
#define BRIDGE_HELD          "held"
#define HELD_TABLE_CLASS     "java/util/concurrent/atomic/AtomicReferenceArray"
#define BRIDGE_HELD_TYPE     "L" HELD_TABLE_CLASS ";"

#define BRIDGE_ENDED_READ_DESCRIPTOR                                                               \
    "(Ljava/lang/String;Ljava/lang/Throwable;Ljava/lang/Object;Ljava/lang/Object;J)V"

// Its natives: names and descriptors.
#define BRIDGE_NATIVE_LIST(X)                                                                      \
    X(enter, BRIDGE_ENTER_DESCRIPTOR)                                                              \
    X(number, BRIDGE_ENTER_DESCRIPTOR)                                                             \
    X(note, BRIDGE_NOTE_DESCRIPTOR)                                                                \
    X(ended, BRIDGE_EXIT_DESCRIPTOR)                                                               \
    X(endedP, BRIDGE_EXITP_DESCRIPTOR)                                                             \
    X(failed, BRIDGE_FAIL_DESCRIPTOR)                                                              \
    X(keep, BRIDGE_HOLD_DESCRIPTOR)                                                                \
    X(begins, "(I)I")                                                                              \
    X(entered, BRIDGE_ENTER_DESCRIPTOR)                                                            \
    X(ending, "(J)I")                                                                              \
    X(endedRead, BRIDGE_ENDED_READ_DESCRIPTOR)

// Append the class file; `failed` is set when memory ran out.
void emit_bridge(struct bytes_out *o);
void emit_held(struct bytes_out *o);
void emit_reading(struct bytes_out *o);

#endif
