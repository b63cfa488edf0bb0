// SPDX-License-Identifier: Apache-2.0
// Purpose: assertions about the program itself. MUST stays on in release builds and guards data
// (journal, parts, catalog); ASSERT is compiled out with NDEBUG. Neither is ever used on bytes that
// came from a peer or a disk: those get an `enum err`.
#ifndef SONDE_CORE_MUST_H
#define SONDE_CORE_MUST_H

#include <stdnoreturn.h>

// Prints the failed condition with its place to standard error and aborts.
noreturn void must_fail(const char *condition, const char *file, int line);

#define MUST(c) ((c) ? (void)0 : must_fail(#c, __FILE__, __LINE__))

#ifdef NDEBUG
#define ASSERT(c) ((void)sizeof(c))
#else
#define ASSERT(c) MUST(c)
#endif

#endif
