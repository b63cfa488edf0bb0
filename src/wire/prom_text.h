// SPDX-License-Identifier: Apache-2.0
// Purpose: what targets of Prometheus expose -> samples. Pure. Sources: Prometheus' text format
// 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats) and OpenMetrics 1.0.
//
//     # TYPE name type     counter, gauge, histogram, summary, untyped; of OpenMetrics also
//                          gaugehistogram, stateset, info, unknown
//     # HELP name text     with \\ and \n, of OpenMetrics also \" as escapes
//     # UNIT name unit     OpenMetrics alone; the name ends in it
//     name{label="value",...} number [timestamp] [# {label="value",...} number [timestamp]]
//     # EOF                of OpenMetrics: the last line, which must be there
// Names that hold more than [a-zA-Z0-9_:] stand in quotes, the metric's as the first of the labels.
// Of the text format a timestamp is whole milliseconds, and what else begins with # is a comment;
// blanks may stand anywhere between words. Of OpenMetrics it is seconds, exemplars may follow, and
// nothing may stand but what the format says. What numbers mean (a counter that falls, buckets that
// do not add up) is not looked at.
//
// A sample has the type, unit and help of the family whose lines stand before it, if its name is
// the family's with one of the suffixes of the type.
#ifndef SONDE_WIRE_PROM_TEXT_H
#define SONDE_WIRE_PROM_TEXT_H

#include "wire/prom_rows.h"

enum prom_format { PROM_TEXT, PROM_OPENMETRICS };

// The format that a content-type names; what is neither is taken for the text format.
enum prom_format prom_format_of(struct str content_type);

// All of it lives until `each` returns.
struct prom_text_sample {
    const struct prom_series *series; // __name__ among its labels
    struct str family;                // empty: of none
    double value;
    bool has_time;
    int64_t time_ms;
    struct str exemplars; // at most one message (model/point.h)
};

// Calls `each` for every sample in order, until it returns something else than ERR_OK, which is
// then the answer. ERR_INVALID with line and offset in *ret_at for a text that is not of the
// format: the samples before it were told already.
MUST_CHECK enum err prom_text_parse(enum prom_format format, struct str text,
                                    enum err (*each)(void *ctx,
                                                     const struct prom_text_sample *sample),
                                    void *ctx, struct err_at *ret_at);

#endif
