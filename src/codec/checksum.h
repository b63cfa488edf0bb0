// SPDX-License-Identifier: Apache-2.0
// Purpose: the checksum of stored regions: XXH3-64. Fuzzers are built to pass over it, since they
// could not guess sums and the parsers behind must stand on their own.
#ifndef SONDE_CODEC_CHECKSUM_H
#define SONDE_CODEC_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xxhash.h>

static inline uint64_t checksum(const void *bytes, size_t n)
{
    return XXH3_64bits(bytes, n);
}

static inline bool checksum_fits(const void *bytes, size_t n, uint64_t sum)
{
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
    (void)bytes;
    (void)n;
    (void)sum;
    return true;
#else
    return XXH3_64bits(bytes, n) == sum;
#endif
}

#endif
