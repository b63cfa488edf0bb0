// SPDX-License-Identifier: Apache-2.0
// Purpose: the class file of a reader (reader.h): straight-line code that calls methods of up to
// two objects and puts what they give into one text. Pure.
//
//   static String read(Object a, Object b) {
//       return new StringBuilder()
//           .append(Objects.toString(((Owner) a).getText(), "")).append('\u001f')
//           .append(((Other) b).getNumber()).append('\u001f') ... .toString();
//   }
//
//   String get(Object a, Object b) { return a instanceof Owner ? read(a, b) : null; }
//   static Object self;                // an instance, as long as there is the class
//
// It extends java/lang/SondeReading (bridge_class.h). get(), which is asked whatever comes by,
// knows an object of another loader's interface without an exception. What a method throws, its
// caller gets.
#ifndef SONDE_JVM_READER_CLASS_H
#define SONDE_JVM_READER_CLASS_H

#include "agents/jvm/bytes_out.h"

#define READER_METHOD     "read"
#define READER_DESCRIPTOR "(Ljava/lang/Object;Ljava/lang/Object;)Ljava/lang/String;"
#define READER_SELF       "self"
#define READER_SEPARATOR  '\x1f' // behind each value
#define READER_STEPS_MAX  32

// One call of an interface's method. It gives an object (told by its toString(), nothing for null),
// an int, a boolean ("true"), or nothing.
struct reader_step {
    const char *owner, *method, *descriptor;
    const char *argument, *second; // Strings that it takes; NULL: none
    uint8_t of;                    // enum reader_object
    bool is_optional; // older versions of the interface have it not: its value is empty then
};

// What the method is called on.
enum reader_object {
    READER_A,
    READER_B,
    READER_LINK, // what the step before gave, whose value is empty
};

// Appends the class file. Bit i of `left_out`: step i calls nothing and is empty, as must be one
// that is called on what it gives.
void emit_reader(struct bytes_out *o, struct str class_name, const struct reader_step *steps,
                 unsigned count, uint32_t left_out);

#endif
