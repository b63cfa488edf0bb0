// SPDX-License-Identifier: Apache-2.0
// Purpose: new trace and span IDs. Trace IDs are those of model/ids.h: time, address, process,
// environment and a counter, unique on the host without asking anybody. Any thread, lock-free.
#ifndef SONDE_JVM_IDENTITY_H
#define SONDE_JVM_IDENTITY_H

#include "model/ids.h"

// Once, before the others: learns the address and the process ID. `environment` is 0 to 15.
void identity_init(uint32_t environment);

trace_id identity_trace(void);
// Never zero.
span_id identity_span(void);

#endif
