// SPDX-License-Identifier: Apache-2.0
// Purpose: the journal encoding of a batch: its bytes, which batch_encode.c writes and
// batch_decode.c reads. Private to src/model.
//
// Format. `v` is a varint, `z` a zigzag varint; a code is the v index of a string.
//
//   byte     version: 1, or 2 where the batch has points
//   byte     bit 0: the strings are unique
//   v bytes  business line: length, text
//   v        received_ns
//   v v v v  count of strings (without the empty one, which is code 0), resources, scopes, spans
//   v v      version 2: count of metrics, points
//   v...     the length of each string
//   bytes    the strings, one after another
//   rows     resources, scopes, spans, metrics, points
//
//   list     v count, then per attribute: code of key, byte type, value
//   value    text types: code | BOOL: byte 0 or 1 | INT: z | DOUBLE: 8 bytes | EMPTY: byte 0
//   resource list, v dropped, code schema_url, code service
//   scope    list, v dropped, code name, code version, code schema_url
//   span     byte flags (SPAN_* below)
//            byte kind | status << 4
//            trace    nothing when it is the trace of the span before (SPAN_SAME_TRACE), else v:
//                     0 and 16 bytes for a new trace, else how many new traces back it came
//            8 bytes  span ID
//            parent   v: 0 none, 1 and 8 bytes, else 1 + how many spans back the parent stands
//            z        start, minus the start of the span before
//            v        duration
//            v v      resource, scope, unless SPAN_SAME_ROWS (as the span before)
//            code     name
//            shaped   attributes
//            SPAN_TEXTS: codes of status message, trace state, events, links
//            SPAN_NUMBERS: v dropped attributes, events, links, flags
//   shaped   v        shape: 0 and a list without values (v count, then code, byte each), else
//                     1 + index among the lists that came with a 0, of which the first SHAPES_MAX
//                     are counted
//            values   in the order of the list
//   metric   byte kind | temporality << 4 | monotonic << 7
//            codes of name, description, unit
//   point    byte what it says (POINT_* of model/batch.h) | POINT_SAME_ROWS | POINT_TEXTS
//            v v v    metric, resource, scope, unless POINT_SAME_ROWS (as the point before)
//            z        time, minus the time of the point before
//            z        start, minus that of the point before
//            value    z of POINT_INT; v count of histograms and summaries; else 8 bytes
//            8 bytes  each of sum, min, max that it says
//            shaped   attributes
//            POINT_TEXTS: codes of body, exemplars, v flags
//
// Only strings that rows use are written, in the order of first use. Every attribute costs at least
// one byte and every span or point several, so that broken counts cannot make the reader allocate
// far more than the bytes it has.
#ifndef SONDE_MODEL_BATCH_FORMAT_H
#define SONDE_MODEL_BATCH_FORMAT_H

#include "model/batch.h"

#define VERSION_SPANS  1
#define VERSION_POINTS 2
#define UNIQUE_STRINGS 1

#define SPAN_SAME_TRACE       1
#define SPAN_SAME_ROWS        2
#define SPAN_TEXTS            4
#define SPAN_NUMBERS          8
#define SPAN_END_BEFORE_START 16
#define SPAN_FLAGS            31

#define POINT_SAME_ROWS 64
#define POINT_TEXTS     128

#define SHAPES_MAX ((uint32_t)4096)

#define SPAN_BYTES_MIN   13
#define METRIC_BYTES_MIN 4
#define POINT_BYTES_MIN  5

#endif
