// SPDX-License-Identifier: Apache-2.0
// Purpose: how many file descriptors the process may have and who gets how many of them. A process
// without a free one can neither write nor take connections nor notice that some have gone, so
// everything that grows with load has a share, and together the shares leave enough for what must
// always be able to open a file:
//
//   a quarter       files that are open for reading (os/fs_pool.h)
//   fixed           lock, catalog, the segments of the journal, parts that are being written
//   a few a loop    of the event loop itself, a few a listener
//   the rest        connections, the same for each address that is listened on
#ifndef SONDE_OS_DESCRIPTORS_H
#define SONDE_OS_DESCRIPTORS_H

#include <stddef.h>

#define DESCRIPTORS_READING_MAX  ((size_t)8192)
#define DESCRIPTORS_FIXED        ((size_t)48)
#define DESCRIPTORS_PER_LOOP     ((size_t)6)
#define DESCRIPTORS_PER_LISTENER ((size_t)2) // itself, and a connection that is about to be refused
#define DESCRIPTORS_MIN          ((size_t)256) // with fewer there would be none for connections

// What the process may have now.
size_t descriptors_limit(void);

// Raises that as far as the system lets it, and returns it. At the start, before other threads.
size_t descriptors_raise(void);

// Of `limit`, those for files that are open for reading.
size_t descriptors_for_reading(size_t limit);

// Of `limit`, those for the connections of each of `addresses`, which have `listeners` in all, on
// `loops` event loops. At least one a listener.
size_t descriptors_for_connections(size_t limit, size_t loops, size_t listeners, size_t addresses);

#endif
