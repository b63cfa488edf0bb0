// SPDX-License-Identifier: Apache-2.0
// Purpose: remote write requests -> rows of a batch. A series is walked twice, since its samples
// may stand before its labels.
#include "wire/prom_write.h"

#include "core/must.h"
#include "wire/exemplar.h"
#include "wire/prom_histogram.h"
#include "wire/prom_rows.h"
#include "wire/protobuf.h"

#define BODY_BYTES_MAX      ((size_t)64 << 10) // of a histogram of POINT_BUCKETS_MAX buckets
#define EXEMPLARS_BYTES_MAX ((size_t)64 << 10) // of one series; beyond it they are not counted

_Static_assert(BODY_BYTES_MAX > 2 * POINT_BUCKETS_MAX * 20 + 1024, "any histogram fits");

// The numbers of the fields that are not the same in both versions.
struct fields {
    uint32_t series, labels, histograms, exemplars;
};
static const struct fields FIELDS[] = {
    [PROM_WRITE_1] = {1, 1, 4, 3},
    [PROM_WRITE_2] = {5, 1, 3, 4},
};

enum { SAMPLES = 2, METADATA_1 = 3, SYMBOLS = 4, METADATA_2 = 5, CREATED = 6 };

struct writing {
    const struct fields *fields;
    enum prom_version version;
    struct str request;
    size_t index;        // of the series
    struct buf *symbols; // struct str
    struct prom_rows rows;
    struct prom_series series, exemplar_labels;
    int64_t created_ms;
    struct buf exemplars, body;
    uint64_t traced, exemplar_count; // exemplars of the series that name a trace, and of all kept
    struct err_at *at;
};

static uint64_t offset_of(const struct writing *w, const void *p)
{
    ASSERT((const char *)p >= w->request.p);
    return (uint64_t)((const char *)p - w->request.p);
}

static enum err broken(struct writing *w, const void *at, const char *field, const char *what)
{
    ASSERT(what != NULL);
    return err_at_set(w->at, ERR_INVALID, offset_of(w, at), "timeseries[%zu].%s: %s", w->index,
                      field, what);
}

#define CUT_SHORT "cut short, or of no known wire type"
#define BAD_WIRE  "of another wire type"

// ---- Labels -------------------------------------------------------------------------------------

static enum err label_1(struct writing *w, struct prom_series *s, struct str bytes)
{
    struct prom_label label = {{bytes.p, 0}, {bytes.p, 0}};
    struct pb_reader r = pb_reader(bytes);
    struct pb_field f;
    ASSERT(w->version == PROM_WRITE_1);
    while (r.p < r.end) {
        if (!pb_next(&r, &f)) {
            return broken(w, r.p, "labels", CUT_SHORT);
        }
        if (f.number <= 2 && f.wire != PB_BYTES) {
            return broken(w, f.at, "labels", BAD_WIRE);
        }
        if (f.number == 1) {
            label.name = f.bytes;
        } else if (f.number == 2) {
            label.value = f.bytes;
        }
    }
    prom_add_label(s, label.name, label.value);
    return ERR_OK;
}

static bool symbol(const struct writing *w, uint64_t ref, struct str *ret_text)
{
    size_t count = w->symbols->n / sizeof(struct str);
    if (ref >= count) {
        return false;
    }
    ASSERT(w->version == PROM_WRITE_2);
    memcpy(ret_text, w->symbols->p + ref * sizeof(struct str), sizeof *ret_text);
    return true;
}

// A run of references: names and values in turn.
static enum err labels_2(struct writing *w, struct prom_series *s, const struct pb_field *f)
{
    struct pb_reader r = pb_reader(f->bytes);
    struct pb_field one;
    struct str text[2];
    ASSERT(f->wire == PB_BYTES);
    while (r.p < r.end) {
        for (int i = 0; i < 2; i++) {
            const uint8_t *at = r.p;
            if (r.p >= r.end || !pb_value(&r, &one, PB_VARINT)) {
                return broken(w, at, "labels_refs", "not pairs of numbers");
            }
            if (!symbol(w, one.value, &text[i])) {
                return broken(w, at, "labels_refs", "no such symbol");
            }
        }
        prom_add_label(s, text[0], text[1]);
    }
    return ERR_OK;
}

static enum err metadata_2(struct writing *w, struct str bytes)
{
    struct pb_reader r = pb_reader(bytes);
    struct pb_field f;
    ASSERT(w->version == PROM_WRITE_2);
    while (r.p < r.end) {
        if (!pb_next(&r, &f)) {
            return broken(w, r.p, "metadata", CUT_SHORT);
        }
        if (f.number <= 4 && f.wire != PB_VARINT) {
            return broken(w, f.at, "metadata", BAD_WIRE);
        }
        if (f.number == 1) {
            w->series.type = f.value < PROM_TYPE_COUNT ? (enum prom_type)f.value : PROM_UNKNOWN;
        } else if ((f.number == 3 && !symbol(w, f.value, &w->series.help)) ||
                   (f.number == 4 && !symbol(w, f.value, &w->series.unit))) {
            return broken(w, f.at, "metadata", "no such symbol");
        }
    }
    return ERR_OK;
}

// ---- Samples, exemplars -------------------------------------------------------------------------

// A message of a value and a time, whose fields have these numbers; other fields are passed over.
static bool read_sample(struct str bytes, uint32_t value, uint32_t time, uint32_t start,
                        struct prom_sample *ret)
{
    struct pb_reader r = pb_reader(bytes);
    struct pb_field f;
    *ret = (struct prom_sample){.value = 0};
    ASSERT(value != time);
    while (r.p < r.end) {
        if (!pb_next(&r, &f)) {
            return false;
        }
        if (f.number == value) {
            ret->value = pb_double(f.value);
        } else if (f.number == time) {
            ret->time_ms = (int64_t)f.value;
        } else if (f.number == start) {
            ret->start_ms = (int64_t)f.value;
        }
        if ((f.number == value && f.wire != PB_FIXED64) ||
            ((f.number == time || f.number == start) && f.wire != PB_VARINT)) {
            return false;
        }
    }
    return true;
}

// The labels of an exemplar: its first field, many times.
static enum err read_exemplar_labels(struct writing *w, struct str bytes, struct wire_exemplar *e)
{
    struct prom_series *s = &w->exemplar_labels;
    struct pb_reader r = pb_reader(bytes);
    struct pb_field f;
    enum err err = ERR_OK;
    s->label_count = 0;
    while (r.p < r.end && pb_next(&r, &f) && err == ERR_OK) {
        if (f.number != 1) {
            continue;
        }
        if (f.wire != PB_BYTES) {
            return broken(w, f.at, "exemplars", BAD_WIRE);
        }
        err = w->version == PROM_WRITE_1 ? label_1(w, s, f.bytes) : labels_2(w, s, &f);
    }
    for (size_t i = 0; i < s->label_count; i++) {
        exemplar_take_label(e, s->labels[i].name, s->labels[i].value);
    }
    ASSERT(s->label_count <= PROM_LABELS_MAX);
    return err;
}

static enum err add_exemplar(struct writing *w, struct str bytes)
{
    struct prom_sample x;
    struct wire_exemplar e = {0};
    if (!read_sample(bytes, 2, 3, 0, &x)) {
        return broken(w, bytes.p, "exemplars", "not a message of this kind");
    }
    enum err err = read_exemplar_labels(w, bytes, &e);
    if (err == ERR_OK && w->exemplars.n + EXEMPLAR_BYTES_MAX <= EXEMPLARS_BYTES_MAX) {
        e.time_ns = (uint64_t)x.time_ms * 1000000;
        e.value = x.value;
        exemplar_put(&w->exemplars, &e);
        w->traced += trace_id_is_zero(e.trace) ? 0 : 1;
    }
    ASSERT(!w->exemplars.failed);
    return err;
}

// They go with the first point of the series that is kept.
static struct str take_exemplars(struct writing *w, uint64_t kept)
{
    ASSERT(w->exemplars.n <= EXEMPLARS_BYTES_MAX);
    return kept == w->rows.samples + w->rows.histograms ? buf_str(&w->exemplars) : STR("");
}

static enum err add_sample(struct writing *w, struct str bytes, uint64_t kept)
{
    struct prom_sample x;
    if (!read_sample(bytes, 1, 2, w->version == PROM_WRITE_2 ? 3 : 0, &x)) {
        return broken(w, bytes.p, "samples", "not a message of this kind");
    }
    x.start_ms = x.start_ms != 0 ? x.start_ms : w->created_ms;
    x.exemplars = take_exemplars(w, kept);
    return prom_rows_sample(&w->rows, &x, w->at);
}

static enum err add_histogram(struct writing *w, struct str bytes, uint64_t kept)
{
    struct prom_histogram h;
    if (!prom_histogram_read(bytes, &w->body, &h)) {
        return broken(w, bytes.p, "histograms", "not a message of this kind");
    }
    ASSERT(h.wrong != NULL || h.stale || h.body.n > 0);
    h.start_ms = h.start_ms != 0 ? h.start_ms : w->created_ms;
    h.exemplars = take_exemplars(w, kept);
    return prom_rows_histogram(&w->rows, &h, w->at);
}

// ---- A series -----------------------------------------------------------------------------------

static enum err head_field(struct writing *w, const struct pb_field *f)
{
    const struct fields *n = w->fields;
    bool is_message = f->number <= 5 && (w->version == PROM_WRITE_2 || f->number <= 4);
    ASSERT(f->number > 0);
    if (is_message && f->wire != PB_BYTES) {
        return broken(w, f->at, "a field", BAD_WIRE);
    }
    if (f->number == n->labels) {
        return w->version == PROM_WRITE_1 ? label_1(w, &w->series, f->bytes)
                                          : labels_2(w, &w->series, f);
    }
    if (f->number == n->exemplars) {
        return add_exemplar(w, f->bytes);
    }
    if (w->version == PROM_WRITE_2 && f->number == METADATA_2) {
        return metadata_2(w, f->bytes);
    }
    if (w->version == PROM_WRITE_2 && f->number == CREATED) {
        w->created_ms = (int64_t)f->value;
        return f->wire == PB_VARINT ? ERR_OK : broken(w, f->at, "created_timestamp", BAD_WIRE);
    }
    return ERR_OK;
}

static enum err add_series(struct writing *w, struct str bytes)
{
    struct pb_reader r = pb_reader(bytes);
    struct pb_field f;
    enum err e = ERR_OK;
    w->series.label_count = 0;
    w->series.too_many = false;
    w->series.type = PROM_UNKNOWN;
    w->series.unit = w->series.help = STR("");
    w->series.offset = offset_of(w, bytes.p);
    w->series.bytes = bytes;
    w->created_ms = 0;
    buf_clear(&w->exemplars);
    w->traced = 0;
    while (r.p < r.end && e == ERR_OK) {
        e = pb_next(&r, &f) ? head_field(w, &f) : broken(w, r.p, "a field", CUT_SHORT);
    }
    if (e == ERR_OK) {
        e = prom_rows_series(&w->rows, &w->series, w->at);
    }
    uint64_t kept = w->rows.samples + w->rows.histograms;
    r = pb_reader(bytes);
    while (r.p < r.end && e == ERR_OK && pb_next(&r, &f)) {
        ASSERT(f.number > 0);
        if (f.number == SAMPLES) {
            e = add_sample(w, f.bytes, kept);
        } else if (f.number == w->fields->histograms) {
            e = add_histogram(w, f.bytes, kept);
        }
    }
    w->exemplar_count += kept < w->rows.samples + w->rows.histograms ? w->traced : 0;
    return e;
}

// ---- The request --------------------------------------------------------------------------------

static enum err broken_request(struct writing *w, const void *at, const char *what)
{
    ASSERT(what != NULL);
    return err_at_set(w->at, ERR_INVALID, offset_of(w, at), "%s", what);
}

static enum err metadata_1(struct writing *w, struct str bytes)
{
    struct prom_family family = {PROM_UNKNOWN, STR(""), STR(""), STR("")};
    struct str *const texts[] = {NULL, NULL, &family.name, NULL, &family.help, &family.unit};
    struct pb_reader r = pb_reader(bytes);
    struct pb_field f;
    ASSERT(w->version == PROM_WRITE_1);
    while (r.p < r.end) {
        if (!pb_next(&r, &f)) {
            return broken_request(w, r.p, "metadata: " CUT_SHORT);
        }
        bool is_text = f.number < sizeof texts / sizeof texts[0] && texts[f.number] != NULL;
        if ((is_text && f.wire != PB_BYTES) || (f.number == 1 && f.wire != PB_VARINT)) {
            return broken_request(w, f.at, "metadata: " BAD_WIRE);
        }
        if (is_text) {
            *texts[f.number] = f.bytes;
        } else if (f.number == 1 && f.value < PROM_TYPE_COUNT) {
            family.type = (enum prom_type)f.value;
        }
    }
    if (w->rows.sink->family != NULL && family.name.n > 0) {
        w->rows.sink->family(w->rows.sink->ctx, &family);
    }
    return ERR_OK;
}

static enum err add_symbol(struct writing *w, struct str text)
{
    size_t count = w->symbols->n / sizeof text;
    if (count == 0 && text.n > 0) {
        return broken_request(w, text.p, "symbols: the first is not empty");
    }
    buf_add(w->symbols, &text, sizeof text);
    if (w->symbols->failed) {
        return err_at_set(w->at, w->symbols->denied ? ERR_MEMORY : ERR_LIMIT, offset_of(w, text.p),
                          "symbols: there is no room for so many");
    }
    ASSERT(w->symbols->n % sizeof text == 0);
    return ERR_OK;
}

// Symbols may stand behind the series.
static enum err read_symbols(struct writing *w)
{
    struct pb_reader r = pb_reader(w->request);
    struct pb_field f;
    enum err e = ERR_OK;
    ASSERT(w->version == PROM_WRITE_2);
    while (r.p < r.end && e == ERR_OK && pb_next(&r, &f)) {
        if (f.number == SYMBOLS) {
            e = f.wire == PB_BYTES ? add_symbol(w, f.bytes)
                                   : broken_request(w, f.at, "symbols: " BAD_WIRE);
        }
    }
    return e;
}

static enum err read_request(struct writing *w)
{
    struct pb_reader r = pb_reader(w->request);
    struct pb_field f;
    enum err e = w->version == PROM_WRITE_2 ? read_symbols(w) : ERR_OK;
    while (r.p < r.end && e == ERR_OK) {
        if (!pb_next(&r, &f)) {
            return broken_request(w, r.p, "the request is " CUT_SHORT);
        }
        bool is_series = f.number == w->fields->series;
        bool is_metadata = w->version == PROM_WRITE_1 && f.number == METADATA_1;
        if ((is_series || is_metadata) && f.wire != PB_BYTES) {
            return broken_request(w, f.at, "timeseries or metadata: " BAD_WIRE);
        }
        if (is_series) {
            e = add_series(w, f.bytes);
            w->index++;
        } else if (is_metadata) {
            e = metadata_1(w, f.bytes);
        }
    }
    return e;
}

enum err prom_write_decode(enum prom_version version, struct str request,
                           const struct otlp_sink *sink, struct buf *symbols,
                           struct prom_write_counts *ret_counts, struct err_at *ret_at)
{
    struct writing w;
    ASSERT(version == PROM_WRITE_1 || version == PROM_WRITE_2);
    w.fields = &FIELDS[version];
    w.version = version;
    w.request = request;
    w.index = 0;
    w.symbols = symbols;
    w.created_ms = 0;
    w.traced = w.exemplar_count = 0;
    w.at = ret_at;
    prom_rows_init(&w.rows, sink);
    buf_clear(symbols);
    buf_init(&w.exemplars, EXEMPLARS_BYTES_MAX);
    buf_init(&w.body, BODY_BYTES_MAX);
    enum err e = read_request(&w);
    buf_done(&w.exemplars);
    buf_done(&w.body);
    buf_clear(symbols);
    if (e == ERR_OK) {
        *ret_counts = (struct prom_write_counts){w.rows.samples, w.rows.histograms, w.rows.rejected,
                                                 w.exemplar_count};
    }
    return e;
}
