// SPDX-License-Identifier: Apache-2.0
// Purpose: `sonde server`.
#ifndef SONDE_APPS_SERVER_H
#define SONDE_APPS_SERVER_H

// Values of flags, NULL where not given.
struct server_flags {
    const char *config, *data, *http, *otlp_grpc, *otlp_http;
};

// Runs until SIGINT or SIGTERM; the exit code of the process.
int server_run(const struct server_flags *flags);

#endif
