// SPDX-License-Identifier: Apache-2.0
// Purpose: native histograms of Prometheus.
#include "wire/prom_histogram.h"

#include <math.h>

#include "core/must.h"
#include "wire/otlp_point.h"
#include "wire/protobuf.h"

enum {
    COUNT_INT = 1,
    COUNT_FLOAT = 2,
    SUM = 3,
    SCHEMA = 4,
    ZERO_THRESHOLD = 5,
    ZERO_INT = 6,
    ZERO_FLOAT = 7,
    NEGATIVE_SPANS = 8,
    NEGATIVE_DELTAS = 9,
    NEGATIVE_COUNTS = 10,
    POSITIVE_SPANS = 11,
    POSITIVE_DELTAS = 12,
    POSITIVE_COUNTS = 13,
    RESET_HINT = 14,
    TIMESTAMP = 15,
    CUSTOM_VALUES = 16,
    START_TIMESTAMP = 17,
    FIELDS_END
};

#define RESET_GAUGE   3
#define SCHEMA_LEAST  (-4)
#define SCHEMA_MOST   8
#define SCHEMA_CUSTOM (-53)
#define TOO_MANY      "more than 1024 buckets"

// Whole counts of buckets, one index after the other.
struct buckets {
    uint64_t counts[POINT_BUCKETS_MAX + 1];
    size_t n;
    int64_t first; // index
};

struct reading {
    struct prom_histogram *h;
    struct str message;
    int64_t schema;
    double threshold;
    uint64_t zeros, reset_hint;
    double bounds[POINT_BUCKETS_MAX];
    size_t bound_count;
    struct buckets positive, negative;
    struct buf *body;
};

// A count that was told as a float.
static uint64_t whole(struct reading *r, double d)
{
    ASSERT(r->h != NULL);
    if (!(d >= 0) || d != floor(d) || d > 0x1p53) {
        r->h->wrong = "a float histogram whose counts are not whole";
        return 0;
    }
    return (uint64_t)d;
}

// ---- Buckets ------------------------------------------------------------------------------------

// Walks the numbers of repeated fields: packed or not, over all fields of that number.
struct numbers {
    struct pb_reader fields, packed;
    uint32_t number;
    enum pb_wire wire;
};

static struct numbers numbers_of(struct str message, uint32_t number, enum pb_wire wire)
{
    struct numbers n = {pb_reader(message), pb_reader(STR("")), number, wire};
    ASSERT(number > 0 && number < FIELDS_END);
    return n;
}

static bool next_number(struct numbers *n, uint64_t *ret_bits)
{
    struct pb_field f;
    for (;;) {
        if (n->packed.p < n->packed.end) {
            if (!pb_value(&n->packed, &f, n->wire)) {
                n->packed.p = n->packed.end;
                return false;
            }
            *ret_bits = f.value;
            return true;
        }
        do {
            if (n->fields.p >= n->fields.end || !pb_next(&n->fields, &f)) {
                return false;
            }
        } while (f.number != n->number);
        if (f.wire == n->wire) {
            *ret_bits = f.value;
            return true;
        }
        ASSERT(f.wire == PB_BYTES); // check_wire()
        n->packed = pb_reader(f.bytes);
    }
}

static void read_span(struct str bytes, int64_t *ret_offset, uint64_t *ret_length)
{
    struct pb_reader p = pb_reader(bytes);
    struct pb_field f;
    ASSERT(ret_offset != NULL && ret_length != NULL);
    *ret_offset = 0;
    *ret_length = 0;
    while (p.p < p.end && pb_next(&p, &f)) {
        if (f.number == 1 && f.wire == PB_VARINT) {
            *ret_offset = (int32_t)unzigzag(f.value);
        } else if (f.number == 2 && f.wire == PB_VARINT) {
            *ret_length = (uint32_t)f.value;
        }
    }
}

struct counts {
    struct numbers deltas, floats;
    bool is_float;
    int64_t last;
};

// The next bucket's count; false (and told) when there is none or it is no count.
static bool next_count(struct reading *r, struct counts *c, uint64_t *ret_count)
{
    uint64_t bits;
    if (!next_number(c->is_float ? &c->floats : &c->deltas, &bits)) {
        r->h->wrong = "fewer buckets than its spans say";
        return false;
    }
    if (c->is_float) {
        *ret_count = whole(r, pb_double(bits));
        return r->h->wrong == NULL;
    }
    ASSERT(c->last >= 0);
    if (__builtin_add_overflow(c->last, unzigzag(bits), &c->last) || c->last < 0) {
        r->h->wrong = "a bucket counts less than nothing";
        return false;
    }
    *ret_count = (uint64_t)c->last;
    return true;
}

static bool add_span(struct reading *r, struct buckets *b, struct counts *c, struct str bytes)
{
    int64_t offset;
    uint64_t length, count;
    read_span(bytes, &offset, &length);
    if (b->n == 0) {
        b->first += offset;
    } else if (offset < 0) {
        r->h->wrong = "spans of buckets overlap";
        return false;
    }
    uint64_t gap = b->n == 0 ? 0 : (uint64_t)offset;
    if (gap + length > POINT_BUCKETS_MAX - b->n) {
        r->h->wrong = TOO_MANY;
        return false;
    }
    while (gap-- > 0) {
        b->counts[b->n++] = 0;
    }
    ASSERT(b->n + length <= POINT_BUCKETS_MAX);
    while (length-- > 0) {
        if (!next_count(r, c, &count)) {
            return false;
        }
        b->counts[b->n++] = count;
    }
    return true;
}

static void read_buckets(struct reading *r, struct buckets *b, uint32_t spans, bool is_float)
{
    struct counts c = {.deltas = numbers_of(r->message, spans + 1, PB_VARINT),
                       .floats = numbers_of(r->message, spans + 2, PB_FIXED64),
                       .is_float = is_float};
    struct pb_reader p = pb_reader(r->message);
    struct pb_field f;
    uint64_t bits;
    b->n = 0;
    b->first = 0;
    while (p.p < p.end && pb_next(&p, &f)) {
        if (f.number == spans && !add_span(r, b, &c, f.bytes)) {
            ASSERT(r->h->wrong != NULL);
            return;
        }
    }
    if (next_number(is_float ? &c.floats : &c.deltas, &bits)) {
        r->h->wrong = "more buckets than its spans say";
    }
}

// ---- OTLP's form --------------------------------------------------------------------------------

static void put_run(struct buf *out, uint32_t number, const struct buckets *b)
{
    if (b->n == 0) {
        return;
    }
    ASSERT(b->n <= POINT_BUCKETS_MAX);
    size_t run = pb_begin(out, number);
    pb_put_varint(out, 1, zigzag(b->first - 1));
    size_t counts = pb_begin(out, 2);
    for (size_t i = 0; i < b->n; i++) {
        buf_add_varint(out, b->counts[i]);
    }
    pb_end(out, counts);
    pb_end(out, run);
}

static void put_exponential(struct reading *r)
{
    struct buf *out = r->body;
    ASSERT(r->schema >= SCHEMA_LEAST && r->schema <= SCHEMA_MOST);
    pb_put_varint(out, 6, zigzag(r->schema));
    pb_put_fixed64(out, 7, r->zeros);
    put_run(out, 8, &r->positive);
    put_run(out, 9, &r->negative);
    pb_put_double(out, 14, r->threshold);
    r->h->kind = METRIC_EXPONENTIAL;
}

static void put_explicit(struct reading *r)
{
    struct buf *out = r->body;
    const struct buckets *b = &r->positive;
    size_t first = (size_t)b->first;
    if (b->n > 0 && (b->first < 0 || first + b->n > r->bound_count + 1)) {
        r->h->wrong = "buckets beyond its custom values";
        return;
    }
    ASSERT(r->bound_count <= POINT_BUCKETS_MAX);
    for (size_t i = 0; i <= r->bound_count; i++) {
        bool there = b->n > 0 && i >= first && i < first + b->n;
        pb_put_fixed64(out, 6, there ? b->counts[i - first] : 0);
    }
    for (size_t i = 0; i < r->bound_count; i++) {
        pb_put_double(out, 7, r->bounds[i]);
    }
    r->h->kind = METRIC_HISTOGRAM;
}

static void read_bounds(struct reading *r)
{
    struct numbers n = numbers_of(r->message, CUSTOM_VALUES, PB_FIXED64);
    uint64_t bits;
    r->bound_count = 0;
    while (next_number(&n, &bits)) {
        if (r->bound_count == POINT_BUCKETS_MAX) {
            r->h->wrong = TOO_MANY;
            return;
        }
        r->bounds[r->bound_count++] = pb_double(bits);
    }
    ASSERT(r->bound_count <= POINT_BUCKETS_MAX);
}

// ---- The message --------------------------------------------------------------------------------

static bool check_wire(const struct pb_field *f)
{
    ASSERT(f->number > 0);
    switch (f->number) {
    case COUNT_INT:
    case SCHEMA:
    case ZERO_INT:
    case RESET_HINT:
    case TIMESTAMP:
    case START_TIMESTAMP:
        return f->wire == PB_VARINT;
    case COUNT_FLOAT:
    case SUM:
    case ZERO_THRESHOLD:
    case ZERO_FLOAT:
        return f->wire == PB_FIXED64;
    case NEGATIVE_SPANS:
    case POSITIVE_SPANS:
        return f->wire == PB_BYTES;
    case NEGATIVE_DELTAS:
    case POSITIVE_DELTAS:
        return f->wire == PB_VARINT || f->wire == PB_BYTES;
    case NEGATIVE_COUNTS:
    case POSITIVE_COUNTS:
    case CUSTOM_VALUES:
        return f->wire == PB_FIXED64 || f->wire == PB_BYTES;
    default:
        return true;
    }
}

static void read_field(struct reading *r, const struct pb_field *f, bool *is_float)
{
    ASSERT(r->h != NULL);
    switch (f->number) {
    case COUNT_INT:
        r->h->count = f->value;
        break;
    case COUNT_FLOAT:
        *is_float = true;
        r->h->count = whole(r, pb_double(f->value));
        break;
    case SUM:
        r->h->sum = pb_double(f->value);
        r->h->stale = point_is_stale(r->h->sum);
        break;
    case SCHEMA:
        r->schema = (int32_t)unzigzag(f->value);
        break;
    case ZERO_THRESHOLD:
        r->threshold = pb_double(f->value);
        break;
    case ZERO_INT:
        r->zeros = f->value;
        break;
    case ZERO_FLOAT:
        r->zeros = whole(r, pb_double(f->value));
        break;
    case RESET_HINT:
        r->reset_hint = f->value;
        break;
    case TIMESTAMP:
        r->h->time_ms = (int64_t)f->value;
        break;
    case START_TIMESTAMP:
        r->h->start_ms = (int64_t)f->value;
        break;
    default:
        break;
    }
}

static void finish(struct reading *r, bool is_float)
{
    struct prom_histogram *h = r->h;
    bool custom = r->schema == SCHEMA_CUSTOM;
    ASSERT(!h->stale);
    if (r->reset_hint == RESET_GAUGE) {
        h->wrong = "a gauge histogram: what it counts may become less";
    } else if (!custom && (r->schema < SCHEMA_LEAST || r->schema > SCHEMA_MOST)) {
        h->wrong = "a histogram of an unknown schema";
    }
    if (h->wrong == NULL) {
        read_buckets(r, &r->positive, POSITIVE_SPANS, is_float);
    }
    if (h->wrong == NULL) {
        read_buckets(r, &r->negative, NEGATIVE_SPANS, is_float);
    }
    if (h->wrong == NULL && custom) {
        read_bounds(r);
    }
    if (h->wrong == NULL && custom) {
        put_explicit(r);
    } else if (h->wrong == NULL) {
        put_exponential(r);
    }
    if (h->wrong == NULL) {
        h->body = buf_str(r->body);
        h->wrong = otlp_point_check(h->kind, h->body);
    }
}

bool prom_histogram_read(struct str message, struct buf *body, struct prom_histogram *ret)
{
    struct pb_reader p = pb_reader(message);
    struct pb_field f;
    struct reading r;
    bool is_float = false;
    r.h = ret;
    r.message = message;
    r.schema = 0;
    r.threshold = 0;
    r.zeros = r.reset_hint = 0;
    r.bound_count = 0;
    r.body = body;
    *ret = (struct prom_histogram){.kind = METRIC_EXPONENTIAL};
    buf_clear(body);
    while (p.p < p.end) {
        if (!pb_next(&p, &f) || !check_wire(&f)) {
            return false;
        }
        read_field(&r, &f, &is_float);
    }
    if (ret->stale) {
        ret->wrong = NULL;
    } else {
        finish(&r, is_float);
    }
    ASSERT(!body->failed);
    return true;
}
