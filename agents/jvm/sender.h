// SPDX-License-Identifier: Apache-2.0
// Purpose: the one thread that sends. Every 200 ms (at once when a ring is more than half full) it
// empties the rings into a batch and posts it as OTLP/HTTP protobuf, gzip'd. While the server does
// not take a batch, it keeps that one and tries again after 1, 2, 4 ... 30 s or what Retry-After
// says; meanwhile the rings fill, and then drop with a count: memory stays what it is, and the
// application waits for nothing.
#ifndef SONDE_JVM_SENDER_H
#define SONDE_JVM_SENDER_H

#include "agents/jvm/options.h"

#define SEND_INTERVAL_MS 200
#define BATCH_BYTES_MAX  ((size_t)1 << 20)

struct sender_counts {
    uint64_t sent, refused; // spans: taken by the server, refused for good
    uint64_t posts, failures;
};

// Starts the thread; false when memory or threads are out. `runtime` describes the JVM
// ("OpenJDK Runtime Environment", "17.0.15"). Copies.
bool sender_start(const struct options *o, const char *runtime_name, const char *runtime_version);

// Sends what is there within `limit_ms`, then ends the thread.
void sender_stop(unsigned limit_ms);

void sender_counts(struct sender_counts *ret);

#endif
