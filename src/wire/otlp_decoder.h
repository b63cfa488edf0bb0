// SPDX-License-Identifier: Apache-2.0
// Purpose: the state of the decoder, shared by its parts: otlp_decode.c walks requests, resources
// and scopes, otlp_span.c spans and attributes, otlp_point.c metrics. Private to src/wire.
//
// Functions return false with d->problem set; the callers add their part of the path.
#ifndef SONDE_WIRE_OTLP_DECODER_H
#define SONDE_WIRE_OTLP_DECODER_H

#include "wire/otlp.h"
#include "wire/otlp_check.h"
#include "wire/protobuf.h"

#define KEY_SLOTS      64
#define TEXT_SLOTS_MAX 1024
#define TEXT_SLOTS_MIN 32
#define BYTES_PER_TEXT 128 // of the request, for each slot
// What one row can add to the strings at most, besides two per attribute.
#define ROW_STRINGS 16

struct text_slot {
    const char *p; // in the batch's arena; NULL: free
    size_t n;
    uint32_t code;
};

struct key_slot {
    struct text_slot key;
    struct text_slot value; // the last one
    struct key_slot *next;  // the key that followed last time
};

struct decoder;

// What is not the same in trace and metrics requests: the names of the lists, for paths; what a
// batch may grow by; and what stands in a scope's list.
struct decoder_tree {
    const char *resources, *scopes, *records;
    size_t (*growth)(const struct batch *b, size_t bytes);
    bool (*record)(struct decoder *d, struct str bytes);
};

struct decoder {
    const struct decoder_tree *tree;
    const struct otlp_sink *sink;
    struct batch *batch;
    struct otlp_counts counts;
    struct str request;
    uint32_t resource, scope; // index in the batch
    struct key_slot *first;   // the key that the last span began with
    struct key_slot keys[KEY_SLOTS];
    struct text_slot texts[TEXT_SLOTS_MAX];
    size_t text_mask;
    struct buf scratch; // what is kept in wire form while it is put together
    struct otlp_problem problem;
};

bool decoder_fail(struct decoder *d, const void *at, const char *what);
bool decoder_fail_field(struct decoder *d, const struct pb_field *f, const char *name);
bool decoder_fail_broken(struct decoder *d, const struct pb_field *f);

// The value of one field; `name` is for the path.
bool decoder_text(struct decoder *d, const struct pb_field *f, const char *name,
                  uint32_t *ret_code);
bool decoder_u32(struct decoder *d, const struct pb_field *f, const char *name,
                 uint32_t *ret_value);

// Takes a KeyValue apart.
bool decoder_key_value(struct decoder *d, struct str s, struct str *ret_key, struct str *ret_value);

// Appends the attributes of a resource or scope (field `number` of the message).
bool decoder_attrs(struct decoder *d, struct str message, uint32_t number,
                   struct attr_run *ret_run);

// Whether one more row fits the batch; `bytes` is what it is made of.
bool decoder_has_room(struct decoder *d, struct str bytes);

// Where the span that the decoder stands at was in what the sender sent; `at` is where it is in the
// request.
uint64_t decoder_offset(const struct decoder *d, const char *at);

// Leaves the record that begins with attribute `first` out and tells the sink. True.
bool decoder_reject(struct decoder *d, uint32_t first, const char *message, struct str bytes);

// Appends one attribute of a record. `previous` begins as the address of d->first's, and moves on
// to where the next key is foretold.
bool decoder_attr(struct decoder *d, struct str bytes, struct key_slot ***previous);

// The code of the concatenated messages of field `number`, each with its length before it.
uint32_t decoder_collect(struct decoder *d, struct str record, uint32_t number);

// A 64-bit number of fixed size.
bool decoder_fixed64(struct decoder *d, const struct pb_field *f, const char *name,
                     uint64_t *ret_value);

// Whether the field is a well-formed message of this kind.
bool decoder_check(struct decoder *d, const struct pb_field *f, const struct otlp_message *m,
                   const char *name);

// Appends one span, or rejects it to the sink.
bool decoder_span(struct decoder *d, struct str bytes);

// Appends a metric and its points, or rejects some of them.
bool decoder_metric(struct decoder *d, struct str bytes);

#endif
