// SPDX-License-Identifier: Apache-2.0
// Purpose: sizes of instructions.
#include "agents/jvm/bytecode.h"

#include "agents/jvm/classfile.h"
#include "core/must.h"

// Sizes by opcode, as runs: { first, last, bytes }. Switches and wide are worked out.
static const struct {
    uint8_t first, last, size;
} RUNS[] = {
    {0, 15, 1},    {16, 16, 2},   {17, 17, 3},   {18, 18, 2},   {19, 20, 3},
    {21, 25, 2},   {26, 53, 1},   {54, 58, 2},   {59, 131, 1},  {132, 132, 3},
    {133, 152, 1}, {153, 168, 3}, {169, 169, 2}, {172, 177, 1}, {178, 184, 3},
    {185, 186, 5}, {187, 187, 3}, {188, 188, 2}, {189, 189, 3}, {190, 191, 1},
    {192, 193, 3}, {194, 195, 1}, {197, 197, 4}, {198, 199, 3}, {200, 201, 5},
};

static size_t plain_size(uint8_t op)
{
    ASSERT(op != OP_WIDE);
    for (size_t i = 0; i < sizeof RUNS / sizeof *RUNS; i++) {
        if (op >= RUNS[i].first && op <= RUNS[i].last) {
            return RUNS[i].size;
        }
    }
    return 0;
}

static size_t switch_size(const uint8_t *code, size_t n, size_t pc)
{
    size_t head = 1 + switch_padding(pc);
    ASSERT(code[pc] == OP_TABLESWITCH || code[pc] == OP_LOOKUPSWITCH);
    if (n - pc < head) {
        return 0;
    }
    struct class_cursor at = class_cursor(code + pc + head, n - pc - head);
    (void)read_u4(&at); // the default
    uint64_t entries;
    if (code[pc] == OP_TABLESWITCH) {
        int64_t low = (int32_t)read_u4(&at);
        int64_t high = (int32_t)read_u4(&at);
        if (high < low) {
            return 0;
        }
        entries = (uint64_t)(high - low + 1);
    } else {
        entries = 2 * (uint64_t)read_u4(&at);
    }
    if (at.bad || entries > (size_t)(at.end - at.p) / 4) {
        return 0;
    }
    return (size_t)(at.p - (code + pc)) + 4 * (size_t)entries;
}

size_t instruction_size(const uint8_t *code, size_t n, size_t pc)
{
    ASSERT(pc < n);
    uint8_t op = code[pc];
    size_t size;
    if (op == OP_TABLESWITCH || op == OP_LOOKUPSWITCH) {
        size = switch_size(code, n, pc);
    } else if (op == OP_WIDE) {
        enum { IINC = 132 };
        size = n - pc < 2 ? 0 : code[pc + 1] == IINC ? 6 : 4;
    } else {
        size = plain_size(op);
    }
    return size <= n - pc ? size : 0;
}

bool stores_local_0(const uint8_t *code, size_t pc)
{
    uint8_t op = code[pc];
    ASSERT(op <= OP_JSR_W);
    if (op == OP_WIDE) {
        return code[pc + 1] >= OP_ISTORE && code[pc + 1] <= OP_ASTORE && code[pc + 2] == 0 &&
               code[pc + 3] == 0;
    }
    return (op >= OP_ISTORE && op <= OP_ASTORE && code[pc + 1] == 0) || op == OP_ISTORE_0 ||
           op == OP_LSTORE_0 || op == OP_FSTORE_0 || op == OP_DSTORE_0 || op == OP_ASTORE_0;
}
