// SPDX-License-Identifier: Apache-2.0
// Purpose: the one thread that sends. Every 200 ms (at once when a ring gets half full) it
// empties the rings into a batch of spans, takes what log records there are as another, and posts
// them as OTLP/HTTP protobuf, packed (packer.h). While the server does not take a batch, it keeps
// that one and tries again when retry.h says; meanwhile the rings or the buffer of log records
// fill, and then drop with a count: memory stays what it is, and the application waits for nothing.
// Spans and log records do not wait for each other's next try. What is left when the thread ends is
// counted as unsent.
//
// What the server has taken but says it has not kept (partial success) is not sent again. It is
// said once, until all of a batch is kept again.
#ifndef SONDE_JVM_SENDER_H
#define SONDE_JVM_SENDER_H

#include "agents/jvm/resource.h"

#define SEND_INTERVAL_MS 200
#define BATCH_BYTES_MAX  ((size_t)1 << 20)

enum sent_signal { SENT_SPANS, SENT_LOGS, SENT_SIGNALS };

struct sent_counts {
    uint64_t taken, rejected; // by the server; it has said that it keeps none of these
    uint64_t refused;         // for good
    uint64_t unsent;          // left over
};

// Starts the thread; false when memory or threads are out. Copies. What lies in the rings from
// before is thrown away, and counted as unsent.
bool sender_start(const struct options *o, const struct java_facts *java);

// Sends what is there within `limit_ms`, then ends the thread. False when it has not ended a second
// after that, waiting for a server that does not answer; call again to wait on.
bool sender_stop(unsigned limit_ms);

// The headers of every request: the type, the token, what OTEL_EXPORTER_OTLP_HEADERS wants.
void sender_headers(char out[POST_HEADERS_MAX], const struct options *o);

void sender_counts(enum sent_signal signal, struct sent_counts *ret);

#endif
