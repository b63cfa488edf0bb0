// SPDX-License-Identifier: Apache-2.0
// Purpose: who is inside the agent at this moment. Before the agent leaves, what its callbacks use
// may go only once none of them runs; and none may begin any more.
//
// Counters are spread over SHARDS lines of memory by thread, so that threads do not wait for one
// another's cache line. Any thread.
#ifndef SONDE_JVM_INSIDE_H
#define SONDE_JVM_INSIDE_H

#include <stdbool.h>

void inside_open(void);
// From now on inside_begin() says false.
void inside_close(void);
// After inside_close(): waits until nobody is inside; false when somebody still is after so long.
bool inside_wait_empty(unsigned limit_ms);

// False: do nothing. True: inside_end() must follow, on the same thread.
bool inside_begin(void);
void inside_end(void);

// The same for whoever comes often: where the calling thread is counted, asked for once.
struct inside_place;
struct inside_place *inside_mine(void);
bool inside_begin_at(struct inside_place *p);
void inside_end_at(struct inside_place *p);

#endif
