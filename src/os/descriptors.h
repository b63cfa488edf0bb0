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
#define DESCRIPTORS_MIN          ((size_t)256) // of the process; see descriptors_least()

// What the process may have now.
size_t descriptors_limit(void);

// Raises that as far as the system lets it, and returns it. At the start, before other threads.
size_t descriptors_raise(void);

// Of `limit`, those for files that are open for reading.
size_t descriptors_for_reading(size_t limit);

// The least that the process may have with `addresses` that it listens on, by `listeners` in all,
// on `loops` event loops: DESCRIPTORS_MIN, or more where the shares of so many listeners would add
// up to more than that. With it each address has a connection for each of its listeners.
size_t descriptors_least(size_t loops, size_t listeners, size_t addresses);

// Of `limit`, which is the least at least, those for the connections of each address. All addresses
// together have what the other shares leave of the process's, and no more: there is no floor for
// one address that would come out of another's share.
size_t descriptors_for_connections(size_t limit, size_t loops, size_t listeners, size_t addresses);

#endif
