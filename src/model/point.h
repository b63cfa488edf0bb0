// SPDX-License-Identifier: Apache-2.0
// Purpose: metric points as rows of a batch (model/batch.h), and how they are kept as series
// (series/series.h). Whoever writes those series (the server's sink of points) and whoever reads
// them (query/points.h) go by this page.
//
// Rows
//   metric   what points have in common: name, unit, kind, temporality
//   point    one data point. Numbers are columns. Of a histogram or summary count, sum, min and max
//            are columns as well; the rest is `body`: the bytes of OTLP's own data point message
//            with only those of its fields that no column has (buckets and bounds, quantiles). The
//            wire form is the canonical form, as it is of events and links; wire/otlp_point.h reads
//            it. `exemplars` are concatenated length-delimited OTLP Exemplar messages.
//
// Series. A series belongs to the business line of the point's resource. Its labels are
//     __name__   the metric's name as sent, with a suffix where the table below says so
//     the point's attributes, by their keys, as text: numbers and booleans as JSON writes them,
//                arrays and lists as JSON. One without a value is absent. Keys that are labels of
//                this page already get POINT_ATTRIBUTE_PREFIX before them.
//     service    service.name
//     instance   service.instance.id; where there is none, host.name and process.pid ("host:pid"),
//                so that counters of two processes do not mix
//     scope      the name of the instrumentation scope, for the same reason
//     unit       of the metric, as sent
//     le         of a bucket: its upper bound, "+Inf" for the last. Buckets are cumulative: each
//                counts what is at or below its bound
//     quantile   of a summary
//     bucket.scale, bucket.zero, bucket.index
//                of a bucket of an exponential histogram: the scale, the zero threshold (absent
//                where that is 0), and which bucket it is (exponential_text())
//
//     sent                              series                                      kept as
//     gauge                             NAME                                        gauge
//     sum, cumulative, monotonic        NAME                                        counter
//     sum, cumulative, not monotonic    NAME                                        gauge
//     sum, delta                        NAME                                        delta
//     histogram, cumulative             NAME_bucket{le}, NAME_count, NAME_sum       counter
//     histogram, delta                  the same                                    delta
//       where sent                      NAME_min, NAME_max                          gauge
//     exponential histogram             NAME_bucket{bucket.*}; the others as a histogram
//     summary                           NAME{quantile}                              gauge
//                                       NAME_count, NAME_sum                        counter
//     series, monotonic                 NAME                                        counter
//     series, not monotonic             NAME                                        gauge
//
// What the last two rows call a series comes from Prometheus (wire/prom_rows.h), where a histogram
// is many series that need not come together: each bucket, NAME_count and NAME_sum by itself. So
// `le` and `quantile` are the labels of this page there, and both ways give the same series. Their
// numbers are written as ours are ("1", not "1.0"). Whether such a number counts is not always told
// and may be a guess, so a series stays what it was when it was first heard of.
//
// The time of a number is the point's. A cumulative monotonic point whose start lies before its
// time, but no more than POINT_YOUNG_MS, also says that there was a 0 at its start (it is kept a
// millisecond before that, where it takes no sample's place): without it what
// a process counts before it is first heard of would be missing from rates.
//
// Exponential histograms. Each bucket has what lies in it alone, not what lies below: a bucket
// whose neighbours a sender tells of for the first time stays what it was. Buckets that are empty
// are left out. The bucket "all", with the point's count, is the last that is written: it says that
// the point was there, and in which shape, so that a bucket without a number at that time was
// empty. Zeros at a start are written to "all" alone. What grew in each bucket from one point to
// the next can be told from both, across changes of the shape too (query/exponential.h).
// Folders written before this was so have such histograms by cumulative buckets with `le`; they are
// read as the histograms of explicit bounds that they look like.
//
// "No recorded value" (a flag of a point) is kept as POINT_STALE_BITS, Prometheus' own mark: the
// series ends there. For a histogram NAME_count and NAME_sum have it. Any other NaN is kept as it
// is, and left out of what is reckoned.
//
// A point that comes twice counts once: two numbers of one series at one time are one number.
#ifndef SONDE_MODEL_POINT_H
#define SONDE_MODEL_POINT_H

#include <string.h>

#include "model/batch.h"

// What does not fit the limits of labels (series/series.h) is refused, never cut.
#define POINT_ATTRS_MAX      ((size_t)56)   // of one point
#define POINT_KEY_BYTES_MAX  ((size_t)1000) // leaves room for the prefix
#define POINT_TEXT_BYTES_MAX ((size_t)1000)
#define POINT_BUCKETS_MAX    ((size_t)1024) // of one histogram point
#define POINT_YOUNG_MS       ((uint64_t)5 * 60 * 1000)
#define POINT_STALE_BITS     ((uint64_t)0x7ff0000000000002)

#define POINT_NAME     STR("__name__")
#define POINT_SERVICE  STR("service")
#define POINT_INSTANCE STR("instance")
#define POINT_SCOPE    STR("scope")
#define POINT_UNIT     STR("unit")
#define POINT_LE       STR("le")
#define POINT_QUANTILE STR("quantile")

#define POINT_BUCKET_SCALE STR("bucket.scale")
#define POINT_BUCKET_ZERO  STR("bucket.zero")
#define POINT_BUCKET_INDEX STR("bucket.index")

#define POINT_ATTRIBUTE_PREFIX STR("attr.")

#define POINT_SUFFIX_BUCKET STR("_bucket")
#define POINT_SUFFIX_COUNT  STR("_count")
#define POINT_SUFFIX_SUM    STR("_sum")
#define POINT_SUFFIX_MIN    STR("_min")
#define POINT_SUFFIX_MAX    STR("_max")

static inline bool point_is_stale(double value)
{
    const uint64_t stale = POINT_STALE_BITS;
    return memcmp(&value, &stale, sizeof value) == 0;
}

static inline double point_stale(void)
{
    const uint64_t stale = POINT_STALE_BITS;
    double value;
    memcpy(&value, &stale, sizeof value);
    return value;
}

// What is wrong with the attributes of a point as labels (too long, no key, one twice, a NUL), for
// people; NULL when nothing is. Of text alone: what other values are as text is seen later.
const char *point_check_attrs(const struct batch *b, struct attr_run run);

// Whether a text is short enough for a label, and has no NUL.
bool point_text_fits(struct str text);

// Whether an attribute of this key gets POINT_ATTRIBUTE_PREFIX.
static inline bool point_key_is_taken(struct str key)
{
    return str_eq(key, POINT_NAME) || str_eq(key, POINT_SERVICE) || str_eq(key, POINT_INSTANCE) ||
           str_eq(key, POINT_SCOPE) || str_eq(key, POINT_UNIT) || str_eq(key, POINT_LE) ||
           str_eq(key, POINT_QUANTILE) || str_eq(key, POINT_BUCKET_SCALE) ||
           str_eq(key, POINT_BUCKET_ZERO) || str_eq(key, POINT_BUCKET_INDEX);
}

#endif
