// SPDX-License-Identifier: Apache-2.0
// Purpose: one request to a sonde server, for the command line.
#ifndef SONDE_APPS_CLIENT_H
#define SONDE_APPS_CLIENT_H

#include "core/buf.h"
#include "core/err.h"

struct client_options {
    const char *server; // "http://127.0.0.1:7070"
    const char *token;  // NULL: none
    const char *ca;     // PEM file of the authorities to trust; NULL: those of the system
};

// Appends `text`, percent-encoded for a query parameter.
void client_escape(struct buf *out, const char *text);

struct client_request {
    const char *method; // "GET"
    const char *path;
    struct str body;  // JSON or YAML; of POST
    const char *file; // what the body is the text of, in what is said of it; NULL: nothing
};

// Sends it to the server. ERR_CLOSED with a sentence when the server cannot be reached, ERR_DENIED
// when it does not prove to be the one that was asked for, ERR_UNSUPPORTED when it speaks TLS and
// was asked in plain text, ERR_INVALID and ERR_LIMIT for what cannot be asked; any HTTP status is
// ERR_OK with *ret_status.
MUST_CHECK enum err client_send(const struct client_options *o, const struct client_request *r,
                                struct buf *out, long *ret_status, struct err_at *ret_at);

#endif
