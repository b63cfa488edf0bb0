// SPDX-License-Identifier: Apache-2.0
// Purpose: the agent's own memory: counted, and bounded by what it was promised to stay within.
// Everything the agent keeps comes from here, and every caller lives with a refusal: a span, a
// statement or a context less. Any thread.
#ifndef SONDE_JVM_MEMORY_H
#define SONDE_JVM_MEMORY_H

#include <stddef.h>
#include <stdint.h>

// At start.
void memory_init(size_t limit_bytes);
// For tests: from now on every so manieth allocation fails; 0: none does.
void memory_fail_every(unsigned n);

// As malloc and calloc; NULL also when the limit would be passed. Freed by memory_free() alone.
void *memory_get(size_t n);
void *memory_zeroed(size_t n);
void *memory_lines(size_t n); // at the beginning of a cache line; n is a multiple of 64
void memory_free(void *p);    // NULL is fine

struct memory_counts {
    uint64_t used, refused; // bytes now; how often there was none
};
void memory_counts(struct memory_counts *ret);

#endif
