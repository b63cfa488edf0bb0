// SPDX-License-Identifier: Apache-2.0
// Purpose: which spans of a trace were told of before: linear equations over bits.
#include "stream/told.h"

#include "core/must.h"

// A sum of marks, and of which: bit i is mark i.
struct sum {
    uint64_t bits;
    uint32_t of;
};

static struct sum sum_xor(struct sum a, struct sum b)
{
    return (struct sum){a.bits ^ b.bits, a.of ^ b.of};
}

// Takes from `s` what the basis has: what is left has none of the basis's leading bits.
static struct sum reduce(const struct sum basis[64], struct sum s)
{
    for (unsigned bit = 64; bit-- > 0;) {
        if ((s.bits >> bit & 1) != 0 && basis[bit].bits != 0) {
            s = sum_xor(s, basis[bit]);
        }
    }
    return s;
}

static bool solve(const uint64_t *marks, size_t count, uint64_t wanted, uint32_t *ret_of)
{
    struct sum basis[64] = {0}; // by leading bit
    ASSERT(count <= TOLD_DOUBTFUL_MAX);
    for (size_t i = 0; i < count; i++) {
        struct sum left = reduce(basis, (struct sum){marks[i], (uint32_t)1 << i});
        if (left.bits != 0) {
            basis[63 - __builtin_clzll(left.bits)] = left;
        }
    }
    struct sum left = reduce(basis, (struct sum){wanted, 0});
    if (left.bits != 0) {
        return false;
    }
    *ret_of = left.of;
    return true;
}

bool told_find(const uint64_t *marks, size_t count, uint64_t wanted, bool *ret_told)
{
    uint64_t all = 0;
    uint32_t of = 0;
    for (size_t i = 0; i < count; i++) {
        all ^= marks[i];
    }
    bool is_plain = wanted == 0 || wanted == all;
    ASSERT(ret_told != NULL || count == 0);
    if (!is_plain && (count > TOLD_DOUBTFUL_MAX || !solve(marks, count, wanted, &of))) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        ret_told[i] = is_plain ? wanted != 0 : (of >> i & 1) != 0;
    }
    return true;
}
