// SPDX-License-Identifier: Apache-2.0
// Purpose: reading a Java class file within bounds. Pure: no JVM, no I/O, nothing global, so it
// runs under a fuzzer. Source of the format: The Java Virtual Machine Specification, Java SE 25,
// chapter
// 4. A class file is big-endian:
//
//   u4 magic 0xCAFEBABE; u2 minor, major; u2 constant_pool_count; cp_info[count - 1]
//   u2 access_flags, this_class, super_class; u2 interfaces_count; u2[] interfaces
//   u2 fields_count; field_info[]; u2 methods_count; method_info[]; u2 attributes_count;
//   attribute_info[]
//   field_info and method_info: u2 access_flags, name_index, descriptor_index, attributes_count;
//   attribute_info[].   attribute_info: u2 name_index; u4 length; u1[length]
//
// The bytes come from whatever loads classes (other agents, generators, attackers): every offset is
// checked, and bad input gets CLASS_MALFORMED, never a read outside.
#ifndef SONDE_JVM_CLASSFILE_H
#define SONDE_JVM_CLASSFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/str.h"

#define CLASS_BYTES_MAX ((size_t)16 << 20) // larger classes are left alone

enum class_result {
    CLASS_OK,
    CLASS_MALFORMED,   // not a class file, or cut short
    CLASS_TOO_LARGE,   // over CLASS_BYTES_MAX, or over a limit of the format after the change
    CLASS_UNSUPPORTED, // valid, but holds what the rewriter declines (see rewrite.h)
    CLASS_NO_MEMORY,
};

enum cp_tag {
    CP_UTF8 = 1,
    CP_INTEGER = 3,
    CP_FLOAT = 4,
    CP_LONG = 5,
    CP_DOUBLE = 6,
    CP_CLASS = 7,
    CP_STRING = 8,
    CP_FIELDREF = 9,
    CP_METHODREF = 10,
    CP_INTERFACE_METHODREF = 11,
    CP_NAME_AND_TYPE = 12,
    CP_METHOD_HANDLE = 15,
    CP_METHOD_TYPE = 16,
    CP_DYNAMIC = 17,
    CP_INVOKE_DYNAMIC = 18,
    CP_MODULE = 19,
    CP_PACKAGE = 20,
};

enum class_access {
    ACC_STATIC = 0x0008,
    ACC_BRIDGE = 0x0040,
    ACC_NATIVE = 0x0100,
    ACC_INTERFACE = 0x0200,
    ACC_ABSTRACT = 0x0400,
    ACC_SYNTHETIC = 0x1000,
};

// ---- Reading big-endian bytes within bounds -----------------------------------------------------

// A place in a run of bytes. A read past the end sets `bad`, gives 0 and moves no further, so that
// a parser checks once at its end.
struct class_cursor {
    const uint8_t *p, *end;
    bool bad;
};

struct class_cursor class_cursor(const uint8_t *p, size_t n);
uint8_t read_u1(struct class_cursor *c);
uint16_t read_u2(struct class_cursor *c);
uint32_t read_u4(struct class_cursor *c);
// NULL, and bad, when fewer than n bytes are left.
const uint8_t *read_bytes(struct class_cursor *c, size_t n);

// ---- The class ----------------------------------------------------------------------------------

// A parsed class: offsets into the caller's bytes, which must outlive it.
struct class_file {
    const uint8_t *bytes;
    size_t n;
    uint16_t major;
    uint16_t cp_count;
    uint32_t *cp;  // offset of the tag of each constant; 0 for index 0 and unused halves
    size_t cp_end; // offset behind the constant pool: of access_flags
    uint16_t access, this_index;
    struct str name, super; // as in the file: java/lang/String; super is empty for Object
    size_t interfaces;      // offset of the first interface index
    uint16_t interface_count;
    size_t methods; // offset of methods_count
    uint16_t method_count;
    size_t methods_end; // offset behind the last method
};

// One method while a class's methods are walked.
struct class_method {
    uint16_t index, access;
    struct str name, descriptor;
    size_t begin, end;           // offsets of the method_info
    size_t code_begin, code_end; // of the Code attribute, its header included; both 0 without one
    uint16_t attribute_count;
};

// Parses and checks the structure down to the method_infos. On CLASS_OK the caller frees with
// class_done(); otherwise nothing is held.
enum class_result class_parse(struct class_file *ret_class, const uint8_t *bytes, size_t n);
void class_done(struct class_file *c);

// The constant's text; an empty str with p == NULL when the index is not that of a CP_UTF8.
struct str class_utf8(const struct class_file *c, uint16_t index);
// The name that a CP_CLASS refers to; likewise.
struct str class_name_at(const struct class_file *c, uint16_t index);
// Of a CP_METHODREF: whose method it names. False when it is none.
bool class_method_at(const struct class_file *c, uint16_t index, struct str *ret_class,
                     struct str *ret_name, struct str *ret_descriptor);
// The name of the i-th direct interface.
struct str class_interface(const struct class_file *c, uint16_t i);

// The method that begins at *at, which moves behind it; start with *at = c->methods + 2 and index
// 0. False when it is malformed.
bool class_next_method(const struct class_file *c, size_t *at, uint16_t index,
                       struct class_method *ret_method);

// ---- Descriptors --------------------------------------------------------------------------------

// The type that starts at *at in a descriptor: its first letter (B C D F I J S Z V L [), moving *at
// behind it; 0 when malformed. *ret_class gets the name for L.
char descriptor_next(struct str descriptor, size_t *at, struct str *ret_class);

// Local-variable slots of the arguments without `this`; -1 when the descriptor is malformed.
int descriptor_slots(struct str descriptor);

#endif
