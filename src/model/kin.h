// SPDX-License-Identifier: Apache-2.0
// Purpose: who is whose parent among the spans of one trace: one rule for everybody who puts traces
// together.
//
// A span's parent is the span with its parent ID. Where two spans share an ID (tracers that give
// the client and the server half of a call one ID), the server half is the child of the client half
// and callees hang below the server half. A span whose parent is absent, or that is its own
// ancestor, has none. Of spans that share one ID only the first KIN_EQUAL_MAX can be parents, so
// that looking one up stays cheap.
#ifndef SONDE_MODEL_KIN_H
#define SONDE_MODEL_KIN_H

#include <stdbool.h>
#include <stdint.h>

#define KIN_NONE      UINT32_MAX
#define KIN_EQUAL_MAX 8

struct kin {
    uint64_t id, parent; // as they lie in memory; 0: none
    bool callee;         // of kind server or consumer
};

// The parent of each span, by index, or KIN_NONE. Where spans share an ID, or a circle has to be
// cut, their order decides, and true is returned: it is to be the order of start. Any thread.
bool kin_link(const struct kin *spans, uint32_t count, uint32_t *ret_parents);

#endif
