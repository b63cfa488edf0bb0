// SPDX-License-Identifier: Apache-2.0
// Purpose: the table of series and their histograms.
#include "agents/jvm/red.h"

#include <stdatomic.h>
#include <string.h>

#include "agents/jvm/memory.h"
#include "core/clock.h"
#include "core/must.h"

#define SLOTS  (2 * RED_SERIES_MAX) // at most half full
#define KINDS  6
#define OTHERS (4 * KINDS - 4) // series of RED_OTHER: two kinds are entries anyway

enum {
    SERVER = 2, // kinds of spans that are entries anyway
    CONSUMER = 5,
    PER_OCTAVE = 1 << RED_SCALE,
    METRIC_NAME = 1,
    METRIC_UNIT = 3,
    METRIC_EXPONENTIAL = 10,
    HISTOGRAM_POINTS = 1,
    HISTOGRAM_TEMPORALITY = 2,
    CUMULATIVE = 2,
    POINT_ATTRIBUTES = 1,
    POINT_START = 2,
    POINT_TIME = 3,
    POINT_COUNT = 4,
    POINT_SUM = 5,
    POINT_SCALE = 6,
    POINT_POSITIVE = 8,
    BUCKETS_OFFSET = 1,
    BUCKETS_COUNTS = 2,
    SCOPE_METRICS = 2,
};

// What a request touches stands together: each line of it may have to come from memory.
struct series {
    uint64_t hash;
    atomic_ullong sum_ns;
    uint64_t start_unix_ns;  // nothing was counted before
    atomic_uint first, last; // buckets that may hold something: last >= first once there is one
    uint8_t name_n, kind;
    bool is_entry, is_error; // is_entry: though its kind does not say so
    char name[RED_NAME_MAX];
    atomic_ullong buckets[RED_BUCKETS];
};

static _Atomic(struct series *) slots[SLOTS];
static atomic_uint series_count;

// 2^(k/64) as a fraction of 2^63, rounded up: where the buckets of an octave begin.
static const uint64_t BOUNDS[PER_OCTAVE] = {
    0x8000000000000000U, 0x8164D1F3BC030774U, 0x82CD8698AC2BA1D8U, 0x843A28C3ACDE4047U,
    0x85AAC367CC487B15U, 0x871F61969E8D1011U, 0x88980E8092DA8528U, 0x8A14D575496EFD9BU,
    0x8B95C1E3EA8BD6E7U, 0x8D1ADF5B7E5BA9E6U, 0x8EA4398B45CD53C1U, 0x9031DC431466B1DDU,
    0x91C3D373AB11C337U, 0x935A2B2F13E6E92CU, 0x94F4EFA8FEF70962U, 0x96942D3720185A01U,
    0x9837F0518DB8A970U, 0x99E0459320B7FA65U, 0x9B8D39B9D54E5539U, 0x9D3ED9A72CFFB751U,
    0x9EF5326091A111AEU, 0xA0B0510FB9714FC3U, 0xA27043030C496819U, 0xA43515AE09E6809FU,
    0xA5FED6A9B15138EBU, 0xA7CD93B4E965356AU, 0xA9A15AB4EA7C0EF9U, 0xAB7A39B5A93ED338U,
    0xAD583EEA42A14AC7U, 0xAF3B78AD690A4375U, 0xB123F581D2AC2590U, 0xB311C412A911248AU,
    0xB504F333F9DE6485U, 0xB6FD91E328D17792U, 0xB8FBAF4762FB9EEAU, 0xBAFF5AB2133E45FCU,
    0xBD08A39F580C36BFU, 0xBF1799B67A731083U, 0xC12C4CCA66709457U, 0xC346CCDA24976408U,
    0xC5672A115506DADEU, 0xC78D74C8ABB9B15DU, 0xC9B9BD866E2F27A3U, 0xCBEC14FEF2727C5DU,
    0xCE248C151F8480E4U, 0xD06333DAEF2B2595U, 0xD2A81D91F12AE45BU, 0xD4F35AABCFEDFA20U,
    0xD744FCCAD69D6AF5U, 0xD99D15C278AFD7B6U, 0xDBFBB797DAF23756U, 0xDE60F4825E0E9124U,
    0xE0CCDEEC2A94E112U, 0xE33F8972BE8A5A52U, 0xE5B906E77C8348A9U, 0xE8396A503C4BDC69U,
    0xEAC0C6E7DD24392FU, 0xED4F301ED9942B85U, 0xEFE4B99BDCDAF5CCU, 0xF281773C59FFB13AU,
    0xF5257D152486CC2DU, 0xF7D0DF730AD13BB9U, 0xFA83B2DB722A033BU, 0xFD3E0C0CF486C175U,
};

unsigned red_bucket(uint64_t v)
{
    if (v <= 1) {
        return 0;
    }
    unsigned octave = 63 - (unsigned)__builtin_clzll(v), low = 0;
    uint64_t mantissa = v << (63 - octave);
    for (unsigned step = PER_OCTAVE / 2; step > 0; step /= 2) {
        low += mantissa >= BOUNDS[low + step] ? step : 0;
    }
    // An upper bound belongs to its bucket. Only powers of two can be one: the others are no whole
    // numbers.
    bool is_bound = (v & (v - 1)) == 0;
    unsigned bucket = octave * PER_OCTAVE + low - is_bound;
    return bucket < RED_BUCKETS ? bucket : RED_BUCKETS - 1;
}

// ---- Series ----------------------------------------------------------------------------------

static bool is_series(const struct series *s, uint64_t hash, struct str name, unsigned kind,
                      bool is_entry, bool is_error)
{
    return s->hash == hash && s->kind == kind && s->is_entry == is_entry &&
           s->is_error == is_error && str_eq((struct str){s->name, s->name_n}, name);
}

static struct series *series_new(uint64_t hash, struct str name, unsigned kind, bool is_entry,
                                 bool is_error)
{
    struct series *s = memory_zeroed(sizeof *s);
    if (s != NULL) {
        s->hash = hash;
        memcpy(s->name, name.p, name.n);
        s->name_n = (uint8_t)name.n;
        s->kind = (uint8_t)kind;
        s->start_unix_ns = clock_wall_ns();
        s->is_entry = is_entry;
        s->is_error = is_error;
        atomic_init(&s->first, RED_BUCKETS);
    }
    return s;
}

// Finds or adds; NULL when there is no room for another (the last places are for RED_OTHER).
static struct series *series_of(struct str name, unsigned kind, bool is_entry, bool is_error,
                                unsigned limit)
{
    uint64_t hash = str_hash(name) + kind * 4 + is_entry * 2 + is_error;
    struct series *made = NULL;
    for (size_t i = hash % SLOTS;; i = (i + 1) % SLOTS) {
        struct series *s = atomic_load_explicit(&slots[i], memory_order_acquire);
        if (s == NULL) {
            if (made == NULL && atomic_fetch_add(&series_count, 1) >= limit) {
                atomic_fetch_sub(&series_count, 1);
                return NULL;
            }
            made = made != NULL ? made : series_new(hash, name, kind, is_entry, is_error);
            if (made == NULL) {
                atomic_fetch_sub(&series_count, 1);
                return NULL;
            }
            if (atomic_compare_exchange_strong(&slots[i], &s, made)) {
                return made;
            }
        }
        if (is_series(s, hash, name, kind, is_entry, is_error)) {
            if (made != NULL) { // another thread was first
                memory_free(made);
                atomic_fetch_sub(&series_count, 1);
            }
            return s;
        }
    }
}

static void widen(struct series *s, unsigned bucket)
{
    unsigned first = atomic_load_explicit(&s->first, memory_order_relaxed);
    while (bucket < first && !atomic_compare_exchange_weak(&s->first, &first, bucket)) {
    }
    unsigned last = atomic_load_explicit(&s->last, memory_order_relaxed);
    while (bucket > last && !atomic_compare_exchange_weak(&s->last, &last, bucket)) {
    }
}

void red_add(struct str name, unsigned kind, bool is_root, bool is_error, uint64_t duration_ns)
{
    name = str_cut(name, RED_NAME_MAX);
    kind = kind < KINDS ? kind : 0;
    bool is_entry = is_root && kind != SERVER && kind != CONSUMER;
    struct series *s = series_of(name, kind, is_entry, is_error, RED_SERIES_MAX - OTHERS);
    if (s == NULL) {
        s = series_of(STR(RED_OTHER), kind, is_entry, is_error, RED_SERIES_MAX);
    }
    if (s == NULL) {
        return; // memory is out
    }
    unsigned bucket = red_bucket(duration_ns);
    widen(s, bucket);
    atomic_fetch_add_explicit(&s->buckets[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->sum_ns, duration_ns, memory_order_relaxed);
}

// ---- Writing ---------------------------------------------------------------------------------

static const char *const KIND_NAMES[KINDS] = {"SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL",
                                              "SPAN_KIND_SERVER",      "SPAN_KIND_CLIENT",
                                              "SPAN_KIND_PRODUCER",    "SPAN_KIND_CONSUMER"};

// The count is that of the buckets written, so that the point adds up whatever comes meanwhile.
static void write_point(struct otlp *o, const struct series *s, uint64_t now)
{
    unsigned first = atomic_load(&s->first), last = atomic_load(&s->last);
    uint64_t count = 0, sum = atomic_load(&s->sum_ns);
    size_t point = otlp_begin(o, HISTOGRAM_POINTS);
    otlp_text(o, POINT_ATTRIBUTES, "span.name", (struct str){s->name, s->name_n});
    otlp_text(o, POINT_ATTRIBUTES, "span.kind", str_of(KIND_NAMES[s->kind]));
    otlp_text(o, POINT_ATTRIBUTES, "status.code",
              s->is_error ? STR("STATUS_CODE_ERROR") : STR("STATUS_CODE_UNSET"));
    if (s->is_entry) {
        otlp_text(o, POINT_ATTRIBUTES, "sonde.span.entry", STR("true"));
    }
    otlp_fixed64(o, POINT_START, s->start_unix_ns);
    otlp_fixed64(o, POINT_TIME, now);
    otlp_sint(o, POINT_SCALE, RED_SCALE);
    size_t buckets = otlp_begin(o, POINT_POSITIVE);
    otlp_sint(o, BUCKETS_OFFSET, first);
    size_t counts = otlp_begin(o, BUCKETS_COUNTS);
    for (unsigned i = first; i <= last; i++) {
        uint64_t n = atomic_load_explicit(&s->buckets[i], memory_order_relaxed);
        otlp_varint(o, n);
        count += n;
    }
    otlp_end(o, counts);
    otlp_end(o, buckets);
    otlp_fixed64(o, POINT_COUNT, count);
    otlp_double(o, POINT_SUM, (double)sum);
    otlp_end(o, point);
}

void red_write(struct otlp *o, uint64_t now_unix_ns)
{
    size_t begin = o->n;
    size_t metric = otlp_begin_large(o, SCOPE_METRICS);
    otlp_bytes(o, METRIC_NAME, "traces.span.metrics.duration", 28);
    otlp_bytes(o, METRIC_UNIT, "ns", 2);
    size_t histogram = otlp_begin_large(o, METRIC_EXPONENTIAL);
    otlp_number(o, HISTOGRAM_TEMPORALITY, CUMULATIVE);
    if (o->full) {
        o->n = begin;
        return;
    }
    for (size_t i = 0; i < SLOTS; i++) {
        struct series *s = atomic_load_explicit(&slots[i], memory_order_acquire);
        size_t before = o->n;
        if (s != NULL && atomic_load(&s->first) <= atomic_load(&s->last)) {
            write_point(o, s, now_unix_ns);
        }
        if (o->full) {
            o->n = before;
            o->full = false;
            break;
        }
    }
    otlp_end_large(o, histogram);
    otlp_end_large(o, metric);
}

void red_done(void)
{
    for (size_t i = 0; i < SLOTS; i++) {
        memory_free(atomic_exchange(&slots[i], NULL));
    }
    atomic_store(&series_count, 0);
}
