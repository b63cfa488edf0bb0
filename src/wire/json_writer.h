// SPDX-License-Identifier: Apache-2.0
// Purpose: writing JSON text into a buffer, commas and escapes taken care of. For answers that may
// be large (a trace of 100,000 spans), where a tree in memory would cost more than the text.
#ifndef SONDE_WIRE_JSON_WRITER_H
#define SONDE_WIRE_JSON_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/str.h"

#define JSON_DEPTH_MAX 160 // OTLP/JSON needs four levels for each of OTLP_DEPTH_MAX

struct json_writer {
    struct buf *out;
    unsigned depth;
    bool first; // nothing stands in the innermost container yet
    bool after_key;
};

void json_writer_init(struct json_writer *w, struct buf *out);
void json_put_object(struct json_writer *w);
void json_put_object_end(struct json_writer *w);
void json_put_array(struct json_writer *w);
void json_put_array_end(struct json_writer *w);
void json_put_key(struct json_writer *w, const char *key);
void json_put_key_str(struct json_writer *w, struct str key);
void json_put_str(struct json_writer *w, struct str s); // bytes that are not UTF-8 become U+FFFD
void json_put_u64(struct json_writer *w, uint64_t v);
void json_put_i64(struct json_writer *w, int64_t v);
void json_put_double(struct json_writer *w, double v); // NaN and infinities as strings
void json_put_bool(struct json_writer *w, bool v);
void json_put_null(struct json_writer *w);
// A value that is JSON already; call json_put_raw() and append exactly one value to w->out.
struct buf *json_put_raw(struct json_writer *w);

#endif
