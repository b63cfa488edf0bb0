// SPDX-License-Identifier: Apache-2.0
// Purpose: one kept-alive HTTP/1.1 connection that posts bodies: all that the agent says to a
// server. Blocking, with time limits; used by the sender's thread alone, never by the
// application's.
#ifndef SONDE_JVM_HTTP_POST_H
#define SONDE_JVM_HTTP_POST_H

#include <stdbool.h>
#include <stdint.h>

#include "core/str.h"

#define POST_CONNECT_MS  2000
#define POST_ANSWER_MS   10000 // from the last byte sent to the answer
#define POST_ERROR_MAX   160
#define POST_BODY_MAX    512
#define POST_HEADERS_MAX 4096 // of one request's, with their line ends

struct post_target {
    char host[256];
    char port[8];
    char prefix[256]; // of the path, without a slash at its end
};

struct post_connection {
    struct post_target target;
    int fd; // -1: not connected
};

struct post_answer {
    int status;             // of HTTP; 0 when there was none, see `error`
    uint32_t retry_after_s; // 0: not said
    int error_number;       // errno of it
    char error[POST_ERROR_MAX];
    uint8_t body[POST_BODY_MAX]; // what it begins with
    size_t body_n;
};

// Takes "http://host[:port][/prefix]" apart; false when it is anything else.
bool post_target_parse(struct str url, struct post_target *ret);

// Posts a body with headers (POST_HEADERS_MAX - 1 bytes at most, each line ended by \r\n); connects
// when needed, and once more when a kept connection turns out to be dead (not when the server is
// slow: it has the body, and would get it twice).
void post(struct post_connection *c, const char *path, const char *headers, struct str body,
          struct post_answer *ret);

void post_close(struct post_connection *c);

#endif
