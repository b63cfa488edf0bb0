// SPDX-License-Identifier: Apache-2.0
// Purpose: the way a bad request or record reaches the dead-letter table: a sink that the
// application wires to the store, so that the door knows nothing of the store.
#ifndef SONDE_LEDGER_DEAD_LETTER_H
#define SONDE_LEDGER_DEAD_LETTER_H

#include <stdint.h>

#include "core/str.h"
#include "ledger/ledger.h"

// Kept of the body at most.
#define DEAD_LETTER_BODY_MAX ((size_t)64 << 10)

struct dead_letter {
    uint64_t received_ns; // wall clock
    enum signal signal;
    enum reason reason;
    struct str protocol; // "otlp/grpc", "otlp/http+protobuf", "otlp/http+json"
    struct str peer;     // address of the sender
    struct str message;  // what was wrong, as told to the sender
    uint64_t offset;     // in the decoded body
    uint64_t records;    // how many were lost with it; 0 when that cannot be known
    struct str body;     // decoded body, or the bad record alone, cut at DEAD_LETTER_BODY_MAX
};

// Copies what it keeps; never blocks (a full queue drops the letter, and counts that). Any thread.
struct dead_letter_sink {
    void (*put)(void *ctx, const struct dead_letter *letter);
    void *ctx;
};

#endif
