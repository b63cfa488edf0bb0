// SPDX-License-Identifier: Apache-2.0
// Purpose: the ledger's other half, the spans that never came here: what agents and SDKs tell of
// those they made, by service and instance. The newest word of each counts, of each of its parts
// where a message holds only some (SDKs tell of processors and exporters apart); it is a total
// since the agent's start, so nothing is saved: after a restart each tells again within its
// interval.
//
// AGENTS_MAX are remembered; another one takes the place of the one that was heard longest ago.
// Any thread; one mutex.
#ifndef SONDE_LEDGER_AGENTS_H
#define SONDE_LEDGER_AGENTS_H

#include "wire/otlp_flow.h"

#define AGENTS_MAX     4096
#define AGENT_NAME_MAX ((size_t)128) // of service, instance and SDK; longer ones are cut

struct agents;

struct agents *agents_new(void);
void agents_free(struct agents *a);

// Copies.
void agents_tell(struct agents *a, const struct span_flow *flow, uint64_t now_unix_ns);

// In no order; what the flow's texts point to lasts for the call. Of reasons of one name, told of
// the processor and of the exporter, the sum.
void agents_each(struct agents *a,
                 void (*each)(void *ctx, const struct span_flow *flow, uint64_t heard_unix_ns),
                 void *ctx);

// How many were forgotten for another one.
uint64_t agents_forgotten(struct agents *a);

#endif
