// SPDX-License-Identifier: Apache-2.0
// Purpose: a stored trace seen as the stream sees it: by the paths of its entry (stream/entries.h),
// with the statements that its spans sent. For whoever has numbers of paths and wants an example.
#ifndef SONDE_QUERY_SAMPLE_H
#define SONDE_QUERY_SAMPLE_H

#include "query/scan.h"
#include "query/serial.h"
#include "store/store.h"
#include "stream/entries.h"

#define SAMPLE_SPANS_MAX ((size_t)20000) // a trace of more is no example

// Makes samples one after the other, by one table of names. Not thread-safe.
struct sampler;
struct sampler *sampler_new(void);
void sampler_free(struct sampler *s);

struct sample_path {
    uint64_t id; // as in series: model/calls.h
    uint32_t calls;
    // Of what was called there with a statement (db.query.text, db.statement): the one that came
    // most often, numbers and quoted texts apart, and how often.
    struct str statement;
    uint32_t same_calls;
};

// Calls that wait for one another (query/serial.h), with the IDs of the paths.
struct sample_serial {
    uint64_t caller, saved_ns;
    uint64_t paths[SERIAL_PATHS_MAX];
    size_t count;
};

struct sample {
    trace_id trace;
    uint64_t duration_ns; // of its first root
    const struct sample_path *paths;
    size_t count;
    const struct sample_serial *serials;
    size_t serial_count;
};

// The trace's paths; they live until the next sample. ERR_NOT_FOUND where it has none, or is too
// large; ERR_MEMORY where `meter` (may be NULL) refuses what is read; else an error of the storage.
MUST_CHECK enum err sampler_take(struct sampler *s, const struct store_view *view, trace_id id,
                                 struct meter *meter, struct sample *ret_sample);

#endif
