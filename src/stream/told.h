// SPDX-License-Identifier: Apache-2.0
// Purpose: which spans of a trace were told of before it opened again. The store drops copies: a
// span that it has once, and that came again since, may have been told of or not. Of what was told
// of a closed trace 64 bits are remembered, the marks of its spans XORed; among spans in doubt,
// those are looked for whose marks make up what is missing.
//
// Marks are as good as random, so that a wrong answer for TOLD_DOUBTFUL_MAX spans in doubt is as
// likely as 1 in 2^32.
#ifndef SONDE_STREAM_TOLD_H
#define SONDE_STREAM_TOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

#define TOLD_DOUBTFUL_MAX 32u // unless all or none of them were told of

// Which of the marks, XORed, are `wanted`. False, and nothing set, where none are or they are too
// many to tell.
MUST_CHECK bool told_find(const uint64_t *marks, size_t count, uint64_t wanted, bool *ret_told);

#endif
