// SPDX-License-Identifier: Apache-2.0
// Purpose: writing OTLP's protobuf messages into a space of fixed size. What does not fit sets
// `full` and is left out by whoever looks; nothing is allocated.
#ifndef SONDE_JVM_OTLP_H
#define SONDE_JVM_OTLP_H

#include <stdbool.h>
#include <stdint.h>

#include "core/str.h"

struct otlp {
    uint8_t *p;
    size_t n, capacity;
    bool full;
};

enum otlp_wire { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

void otlp_raw(struct otlp *o, const void *p, size_t n);
void otlp_varint(struct otlp *o, uint64_t v); // bare, without a tag
void otlp_tag(struct otlp *o, unsigned number, enum otlp_wire wire);
void otlp_number(struct otlp *o, unsigned number, uint64_t v); // a varint field
void otlp_sint(struct otlp *o, unsigned number, int64_t v);    // a zigzag field
void otlp_bytes(struct otlp *o, unsigned number, const void *p, size_t n);
void otlp_fixed64(struct otlp *o, unsigned number, uint64_t v);
void otlp_double(struct otlp *o, unsigned number, double v);

// A message inside: begin gives a place, end takes it and writes the length before it, in as many
// bytes as were kept for it. `small` ones have less than 16 KiB, others less than 256 MiB.
size_t otlp_begin(struct otlp *o, unsigned number);
void otlp_end(struct otlp *o, size_t begin);
size_t otlp_begin_large(struct otlp *o, unsigned number);
void otlp_end_large(struct otlp *o, size_t begin);

// KeyValue messages, as `field` of what is being written.
void otlp_text(struct otlp *o, unsigned field, const char *key, struct str value);
void otlp_int(struct otlp *o, unsigned field, const char *key, int64_t value);
void otlp_bool(struct otlp *o, unsigned field, const char *key, bool value);

#endif
