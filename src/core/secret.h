// SPDX-License-Identifier: Apache-2.0
// Purpose: 128 bits that the process drew and tells nobody, for hashes of bytes that peers choose:
// who does not know them cannot make bytes whose hashes meet. They are others in each process, so
// nothing that is made with them may be stored or sent.
//
// Any thread. The first use draws them from the system, and aborts where that fails.
#ifndef SONDE_CORE_SECRET_H
#define SONDE_CORE_SECRET_H

#include <stdatomic.h>
#include <stdint.h>

// 0 until they are drawn; the first is drawn last. For the functions here alone.
extern _Atomic uint64_t secret_words[2];

void secret_draw(void);

// 64 bits drawn anew, for a secret that is to be stored. Aborts where the system has none.
uint64_t secret_fresh(void);

// The first 64 bits of them, never 0.
static inline uint64_t secret_word(void)
{
    uint64_t word = atomic_load_explicit(&secret_words[0], memory_order_acquire);
    if (__builtin_expect(word == 0, 0)) {
        secret_draw();
        word = atomic_load_explicit(&secret_words[0], memory_order_relaxed);
    }
    return word;
}

// Where a number is to lie in a table: a permutation of the numbers, all of whose bits are good.
static inline uint64_t secret_mix(uint64_t v)
{
    uint64_t h = v ^ secret_word();
    h = (h ^ h >> 32) * (atomic_load_explicit(&secret_words[1], memory_order_relaxed) | 1);
    h = (h ^ h >> 29) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 32;
}

// A hash of two numbers: the halves of their product, once each was hidden by a secret. What is to
// be as good as random is folded again.
static inline uint64_t secret_fold(uint64_t a, uint64_t b)
{
    uint64_t x = a ^ secret_word();
    uint64_t y = b ^ atomic_load_explicit(&secret_words[1], memory_order_relaxed);
    unsigned __int128 both = (unsigned __int128)x * y;
    return (uint64_t)both ^ (uint64_t)(both >> 64);
}

#endif
