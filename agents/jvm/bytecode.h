// SPDX-License-Identifier: Apache-2.0
// Purpose: the instructions of the JVM: how long each is and which of them hold places in the code.
// Source: The Java Virtual Machine Specification, Java SE 25, chapter 6.
#ifndef SONDE_JVM_BYTECODE_H
#define SONDE_JVM_BYTECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum opcode {
    OP_ACONST_NULL = 1,
    OP_ICONST_0 = 3,
    OP_ICONST_1 = 4,
    OP_LCONST_0 = 9,
    OP_SIPUSH = 17,
    OP_LDC_W = 19,
    OP_ILOAD = 21,
    OP_LLOAD = 22,
    OP_ALOAD = 25,
    OP_ALOAD_0 = 42,
    OP_ALOAD_1 = 43,
    OP_AALOAD = 50,
    OP_LSTORE = 55,
    OP_ISTORE = 54,
    OP_ASTORE = 58,
    OP_ISTORE_0 = 59,
    OP_LSTORE_0 = 63,
    OP_FSTORE_0 = 67,
    OP_DSTORE_0 = 71,
    OP_ASTORE_0 = 75,
    OP_POP = 87,
    OP_DUP = 89,
    OP_DUP2 = 92,
    OP_SWAP = 95,
    OP_ISUB = 100,
    OP_IAND = 126,
    OP_I2L = 133,
    OP_LCMP = 148,
    OP_IFEQ = 153,
    OP_IFNE = 154,
    OP_IFLT = 155,
    OP_IFGE = 156,
    OP_IF_ACMPNE = 166,
    OP_GOTO = 167,
    OP_JSR = 168,
    OP_RET = 169,
    OP_TABLESWITCH = 170,
    OP_LOOKUPSWITCH = 171,
    OP_IRETURN = 172,
    OP_LRETURN = 173,
    OP_ARETURN = 176,
    OP_RETURN = 177,
    OP_GETSTATIC = 178,
    OP_GETFIELD = 180,
    OP_PUTFIELD = 181,
    OP_INVOKEVIRTUAL = 182,
    OP_INVOKESPECIAL = 183,
    OP_INVOKESTATIC = 184,
    OP_INVOKEINTERFACE = 185,
    OP_NEW = 187,
    OP_ATHROW = 191,
    OP_CHECKCAST = 192,
    OP_INSTANCEOF = 193,
    OP_WIDE = 196,
    OP_IFNULL = 198,
    OP_IFNONNULL = 199,
    OP_GOTO_W = 200,
    OP_JSR_W = 201,
};

// Bytes of the instruction at code[pc], its padding included; 0 when it is unknown or cut short.
size_t instruction_size(const uint8_t *code, size_t n, size_t pc);

// Zeros that a switch at this place has behind its opcode.
static inline size_t switch_padding(size_t pc)
{
    return 3 - (pc & 3);
}

static inline bool is_return(uint8_t op)
{
    return op >= OP_IRETURN && op <= OP_RETURN;
}

// Jumps whose offset has two bytes.
static inline bool is_branch(uint8_t op)
{
    return (op >= OP_IFEQ && op <= OP_GOTO) || op == OP_IFNULL || op == OP_IFNONNULL;
}

// Subroutines of class files before Java 6, which no stack map can describe.
static inline bool is_subroutine(uint8_t op)
{
    return op == OP_JSR || op == OP_RET || op == OP_JSR_W;
}

// Whether the instruction at code[pc] (whole, by instruction_size) stores into local variable 0.
bool stores_local_0(const uint8_t *code, size_t pc);

#endif
