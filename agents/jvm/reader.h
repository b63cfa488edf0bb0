// SPDX-License-Identifier: Apache-2.0
// Purpose: what many methods of an object give, read in one call of Java. Each call through JNI
// runs a lot of the JVM's code that a request finds cold; a reader is a class that calls all the
// methods from Java, where they are compiled into one another, and gives one text.
//
// A reader names an interface. Its class (reader_class.h) is defined beside the interface, by the
// same loader and in the same package, when an object is first met; several loaders may each have
// the interface. It stays there when the agent leaves, and does nothing by itself.
//
// Of many threads that meet an interface at once one makes the class; the others do not wait. Where
// it is not to be had (yet; or a method throws, there is no room), the methods are called one by
// one; what the first step gave is kept if all have been called already, so that it may ask for
// what the last one sets. A class that is given up or cannot be made is counted as a shortfall.
// Any thread that is inside (inside.h).
#ifndef SONDE_JVM_READER_H
#define SONDE_JVM_READER_H

#include <jvmti.h>

#include "agents/jvm/reader_class.h"

#define READER_CLASSES  4  // of one reader: loaders that have the interface
#define READER_ATTEMPTS 64 // to make a class; those that fail are not repeated for ever

struct reader {
    const char *interface; // the first object's, as in class files
    const struct reader_step *steps;
    unsigned count;
    _Atomic(struct reader_class *) classes[READER_CLASSES];
    _Atomic(bool) is_making; // by whoever sets it; the others leave `classes` as they are
    _Atomic(unsigned) attempts;
    unsigned place;             // in the bridge's readings, from 1; 0: it has none
    _Atomic(bool) is_published; // there
    _Atomic(unsigned) misses;   // in a row, of what the bridge has read
};

// Once, at start.
void readers_init(jvmtiEnv *jvmti);

// What every step's method gives, in the caller's buffer of READER_ROOM(count) bytes: empty where
// it throws or gives null. READER_VALUE_MAX bytes of each are there; more, if all fit. False: the
// first object has not a method that is not optional, so it is no such thing.
bool reader_read(JNIEnv *env, struct reader *r, jobject a, jobject b, char *out, size_t room,
                 struct str ret[]);

// The same when the bridge has read already, which is the quickest way (bridge_class.h): `text` is
// what that has given; NULL: nothing.
bool reader_take(JNIEnv *env, struct reader *r, jstring text, jobject a, jobject b, char *out,
                 size_t room, struct str ret[]);
// Where the bridge can read by itself: r->place; 0 when it cannot (yet; or has failed too often).
unsigned reader_place(const struct reader *r);
// The bridge could not read.
void reader_missed(struct reader *r);

#define READER_VALUE_MAX   512
#define READER_ROOM(count) ((count) * (READER_VALUE_MAX + 4))

// Lets go of every class. Nobody may be inside.
void readers_forget(JNIEnv *env);

#endif
