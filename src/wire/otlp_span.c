// SPDX-License-Identifier: Apache-2.0
// Purpose: OTLP spans and attributes -> rows of a batch. See otlp_decode.c for how it is quick.
#include "core/must.h"
#include "wire/otlp_decoder.h"

bool decoder_fail(struct decoder *d, const void *at, const char *what)
{
    ASSERT(what != NULL);
    return otlp_problem_set(&d->problem, ERR_INVALID, at, what);
}

bool decoder_fail_field(struct decoder *d, const struct pb_field *f, const char *name)
{
    ASSERT(name != NULL);
    (void)decoder_fail(d, f->at, "wrong wire type");
    return otlp_problem_in(&d->problem, name, -1);
}

bool decoder_fail_broken(struct decoder *d, const struct pb_field *f)
{
    ASSERT(f->at != NULL);
    return decoder_fail(d, f->at, "broken or cut short field");
}

// Both may be read up to the next multiple of 8.
static inline bool words_equal(const char *a, const char *b, size_t n)
{
    for (; n >= 8; n -= 8, a += 8, b += 8) {
        if (load_u64(a) != load_u64(b)) {
            return false;
        }
    }
    return n == 0 || (load_u64(a) ^ load_u64(b)) << (64 - 8 * n) == 0;
}

static inline bool slot_holds(const struct text_slot *slot, struct str s)
{
    ASSERT(s.p != NULL);
    return slot->n == s.n && slot->p != NULL && words_equal(slot->p, s.p, s.n);
}

// A cheap hash of a string that is not empty: its length, head and tail.
static inline size_t quick_hash(struct str s)
{
    uint64_t head = load_u64(s.p), tail;
    ASSERT(s.n > 0);
    if (s.n >= 8) {
        tail = load_u64(s.p + s.n - 8);
    } else {
        head <<= 64 - 8 * s.n;
        tail = 0;
    }
    uint64_t h = (head ^ (tail << 23 | tail >> 41) ^ s.n) * 0x9e3779b97f4a7c15U;
    return (size_t)(h >> 40);
}

static bool intern_new(struct decoder *d, struct str s, struct text_slot *slot)
{
    uint32_t code = 0;
    if (!batch_intern_text(d->batch, s, &code)) {
        size_t bad = 0;
        bool valid = str_utf8_valid(s, &bad);
        ASSERT(!valid);
        (void)valid;
        return decoder_fail(d, s.p + bad, "invalid UTF-8");
    }
    struct str kept = batch_str(d->batch, code);
    *slot = (struct text_slot){kept.p, kept.n, code};
    return true;
}

// The slot of a text, filled when it did not hold it. NULL: the problem is set.
static inline const struct text_slot *text_slot(struct decoder *d, struct str s)
{
    static const struct text_slot empty = {"", 0, 0};
    if (s.n == 0) {
        return &empty;
    }
    struct text_slot *slot = &d->texts[quick_hash(s) & d->text_mask];
    if (slot_holds(slot, s) || intern_new(d, s, slot)) {
        return slot;
    }
    return NULL;
}

bool decoder_text(struct decoder *d, const struct pb_field *f, const char *name, uint32_t *ret_code)
{
    ASSERT(ret_code != NULL);
    if (f->wire != PB_BYTES) {
        return decoder_fail_field(d, f, name);
    }
    const struct text_slot *slot = text_slot(d, f->bytes);
    if (slot == NULL) {
        return otlp_problem_in(&d->problem, name, -1);
    }
    *ret_code = slot->code;
    return true;
}

bool decoder_u32(struct decoder *d, const struct pb_field *f, const char *name, uint32_t *ret_value)
{
    ASSERT(ret_value != NULL);
    if (f->wire != PB_VARINT) {
        return decoder_fail_field(d, f, name);
    }
    *ret_value = (uint32_t)f->value;
    return true;
}

// ---- Attributes ---------------------------------------------------------------------------------

// The slot of a key. `previous` points at where the prediction lies, and learns.
static inline struct key_slot *key_slot(struct decoder *d, struct str key,
                                        struct key_slot **previous)
{
    struct key_slot *slot = *previous;
    ASSERT(previous != NULL);
    if (slot != NULL && slot_holds(&slot->key, key)) {
        return slot;
    }
    slot = key.n == 0 ? d->keys : &d->keys[quick_hash(key) % KEY_SLOTS];
    if (!slot_holds(&slot->key, key)) {
        struct text_slot fresh;
        if (!intern_new(d, key, &fresh)) {
            return NULL;
        }
        *slot = (struct key_slot){.key = fresh};
    }
    *previous = slot;
    return slot;
}

static inline bool text_value(struct decoder *d, struct str s, struct key_slot *key, struct attr *a)
{
    ASSERT(key->key.p != NULL);
    a->type = ATTR_STRING;
    if (!slot_holds(&key->value, s)) {
        const struct text_slot *slot = text_slot(d, s);
        if (slot == NULL) {
            return otlp_problem_in(&d->problem, "string_value", -1);
        }
        key->value = *slot;
    }
    a->code = key->value.code;
    return true;
}

// An array or list is checked as a whole and kept with the bytes of its AnyValue.
static bool nested_value(struct decoder *d, struct str any_value, uint32_t type, struct attr *a)
{
    uint64_t records = 0;
    if (!otlp_check(&otlp_any_value, any_value, 0, &records, &d->problem)) {
        return false;
    }
    ASSERT(attr_type_is_text(type));
    a->type = type;
    a->code = batch_intern(d->batch, any_value);
    return true;
}

// One field of an AnyValue.
static bool decode_any_field(struct decoder *d, const struct pb_field *f, struct key_slot *key,
                             struct str any_value, struct attr *a)
{
    static const enum pb_wire wires[] = {PB_BYTES,   PB_BYTES, PB_VARINT, PB_VARINT,
                                         PB_FIXED64, PB_BYTES, PB_BYTES,  PB_BYTES};
    if (f->number >= sizeof wires / sizeof wires[0]) {
        return true;
    }
    if (f->wire != wires[f->number]) {
        return decoder_fail_field(d, f, otlp_field_by_number(&otlp_any_value, f->number)->name);
    }
    a->type = f->number;
    switch (f->number) {
    case ATTR_STRING:
        return text_value(d, f->bytes, key, a);
    case ATTR_BOOL:
        a->bits = f->value != 0;
        return true;
    case ATTR_ARRAY:
    case ATTR_KVLIST:
        return nested_value(d, any_value, f->number, a);
    case ATTR_BYTES:
        a->code = batch_intern(d->batch, f->bytes);
        return true;
    default:
        ASSERT(f->number == ATTR_INT || f->number == ATTR_DOUBLE);
        a->bits = f->value;
        return true;
    }
}

static bool decode_any_value(struct decoder *d, struct str s, struct key_slot *key, struct attr *a)
{
    struct pb_reader r = pb_reader(s);
    struct pb_field f;
    ASSERT(key != NULL);
    while (r.p < r.end) {
        if (!pb_next(&r, &f)) {
            return decoder_fail_broken(d, &f);
        }
        if (!decode_any_field(d, &f, key, s, a)) {
            return false;
        }
    }
    return true;
}

// A KeyValue in the shape that every SDK writes: key, then value, each with a length of one byte.
// False when it has another shape.
static inline bool split_key_value(struct str s, struct str *ret_key, struct str *ret_value)
{
    const uint8_t *p = (const uint8_t *)s.p, *end = p + s.n;
    ASSERT(s.p != NULL);
    if (s.n < 4 || p[0] != 0x0a || p[1] >= 0x80) {
        return false;
    }
    const uint8_t *value = p + 2 + p[1];
    if (end - value < 2 || value[0] != 0x12 || value[1] >= 0x80 || value + 2 + value[1] != end) {
        return false;
    }
    *ret_key = (struct str){s.p + 2, p[1]};
    *ret_value = (struct str){(const char *)value + 2, value[1]};
    return true;
}

// Any other KeyValue.
bool decoder_key_value(struct decoder *d, struct str s, struct str *ret_key, struct str *ret_value)
{
    struct pb_reader r = pb_reader(s);
    struct pb_field f;
    ASSERT(s.p != NULL);
    *ret_key = *ret_value = STR("");
    while (r.p < r.end) {
        if (!pb_next(&r, &f)) {
            return decoder_fail_broken(d, &f);
        }
        if (f.number > 2) {
            continue;
        }
        if (f.wire != PB_BYTES) {
            return decoder_fail_field(d, &f, f.number == 1 ? "key" : "value");
        }
        *(f.number == 1 ? ret_key : ret_value) = f.bytes;
    }
    return true;
}

static inline struct attr *add_attr(struct batch *b)
{
    if (b->attr_count == b->attr_capacity) {
        return batch_add_attr(b);
    }
    ASSERT(!b->sealed);
    struct attr *a = &b->attrs[b->attr_count++];
    *a = (struct attr){0};
    return a;
}

static inline bool decode_attr(struct decoder *d, struct str s, struct key_slot ***previous)
{
    struct str key, value;
    ASSERT(*previous != NULL);
    if (!split_key_value(s, &key, &value) && !decoder_key_value(d, s, &key, &value)) {
        return false;
    }
    struct key_slot *slot = key_slot(d, key, *previous);
    if (slot == NULL) {
        return otlp_problem_in(&d->problem, "key", -1);
    }
    struct attr *a = add_attr(d->batch);
    a->key = slot->key.code;
    const uint8_t *v = (const uint8_t *)value.p;
    bool good;
    if (value.n >= 2 && v[0] == 0x0a && v[1] + (size_t)2 == value.n && v[1] < 0x80) {
        good = text_value(d, str_skip(value, 2), slot, a);
    } else {
        good = decode_any_value(d, value, slot, a);
    }
    *previous = &slot->next;
    return good || otlp_problem_in(&d->problem, "value", -1);
}

bool decoder_attr(struct decoder *d, struct str bytes, struct key_slot ***previous)
{
    return decode_attr(d, bytes, previous);
}

bool decoder_attrs(struct decoder *d, struct str message, uint32_t number, struct attr_run *ret_run)
{
    struct pb_reader r = pb_reader(message);
    struct pb_field f;
    struct key_slot *start = NULL, **previous = &start;
    struct attr_run run = {(uint32_t)d->batch->attr_count, 0};
    while (r.p < r.end) {
        if (!pb_next(&r, &f)) {
            return decoder_fail_broken(d, &f);
        }
        if (f.number != number) {
            continue;
        }
        if (f.wire != PB_BYTES) {
            return decoder_fail_field(d, &f, "attributes");
        }
        if (run.count == SPAN_ATTRS_MAX) {
            return otlp_problem_set(&d->problem, ERR_LIMIT, f.at, "too many attributes");
        }
        if (!decode_attr(d, f.bytes, &previous)) {
            return otlp_problem_in_repeated(&d->problem, "attributes", number, message, f.at);
        }
        run.count++;
    }
    ASSERT(run.first + run.count == d->batch->attr_count);
    *ret_run = run;
    return true;
}

// ---- Spans --------------------------------------------------------------------------------------

struct span_state {
    struct span span;
    uint64_t end_ns;
    const char *reject;         // why the span is left out, or NULL
    struct key_slot **previous; // see key_slot()
    uint32_t events, links;     // how many
};

static bool decode_id(struct decoder *d, struct span_state *st, const struct pb_field *f,
                      const char *name, uint8_t *to, size_t size)
{
    static const uint8_t zero[16];
    ASSERT(size == sizeof(trace_id) || size == sizeof(span_id));
    if (f->wire != PB_BYTES) {
        return decoder_fail_field(d, f, name);
    }
    bool is_parent = to == st->span.parent.b;
    if (f->bytes.n == size) {
        memcpy(to, f->bytes.p, size);
    } else if (is_parent && f->bytes.n == 0) {
        memcpy(to, zero, size);
    } else {
        st->reject = is_parent    ? "parent_span_id is not 8 bytes long"
                     : size == 16 ? "trace_id is not 16 bytes long"
                                  : "span_id is not 8 bytes long";
    }
    return true;
}

static bool decode_status(struct decoder *d, struct span_state *st, struct str bytes)
{
    struct pb_reader r = pb_reader(bytes);
    struct pb_field f;
    ASSERT(bytes.p != NULL);
    while (r.p < r.end) {
        if (!pb_next(&r, &f)) {
            return decoder_fail_broken(d, &f);
        }
        if (f.number == 2 && !decoder_text(d, &f, "message", &st->span.status_message)) {
            return false;
        }
        if (f.number == 3) {
            if (f.wire != PB_VARINT) {
                return decoder_fail_field(d, &f, "code");
            }
            st->span.status = f.value < STATUS_COUNT ? (uint8_t)f.value : STATUS_UNSET;
        }
    }
    return true;
}

bool decoder_check(struct decoder *d, const struct pb_field *f, const struct otlp_message *m,
                   const char *name)
{
    uint64_t records = 0;
    ASSERT(m != NULL);
    if (f->wire != PB_BYTES) {
        return decoder_fail_field(d, f, name);
    }
    return otlp_check(m, f->bytes, 0, &records, &d->problem);
}

// Events and links are checked here and collected at the span's end.
static bool decode_nested(struct decoder *d, struct span_state *st, const struct pb_field *f)
{
    switch (f->number) {
    case 11:
        st->events++;
        return decoder_check(d, f, &otlp_span_event, "events");
    case 13:
        st->links++;
        return decoder_check(d, f, &otlp_span_link, "links");
    default:
        ASSERT(f->number == 15);
        if (f->wire != PB_BYTES) {
            return decoder_fail_field(d, f, "status");
        }
        return decode_status(d, st, f->bytes) || otlp_problem_in(&d->problem, "status", -1);
    }
}

// An attribute that decoder_span() does not take itself: the span has too many. It is still
// checked.
static bool decode_span_attr(struct decoder *d, struct span_state *st, const struct pb_field *f)
{
    uint64_t records = 0;
    if (f->wire != PB_BYTES) {
        return decoder_fail_field(d, f, "attributes");
    }
    ASSERT(st->span.attrs.count == SPAN_ATTRS_MAX);
    st->reject = "too many attributes";
    return otlp_check(&otlp_key_value, f->bytes, 0, &records, &d->problem);
}

bool decoder_fixed64(struct decoder *d, const struct pb_field *f, const char *name,
                     uint64_t *ret_value)
{
    ASSERT(ret_value != NULL);
    if (f->wire != PB_FIXED64) {
        return decoder_fail_field(d, f, name);
    }
    *ret_value = f->value;
    return true;
}

static bool decode_span_field(struct decoder *d, struct span_state *st, const struct pb_field *f)
{
    struct span *s = &st->span;
    uint32_t kind = 0;
    ASSERT(s == &st->span);
    switch (f->number) {
    case 1:
        return decode_id(d, st, f, "trace_id", s->trace.b, sizeof s->trace.b);
    case 2:
        return decode_id(d, st, f, "span_id", s->id.b, sizeof s->id.b);
    case 3:
        return decoder_text(d, f, "trace_state", &s->trace_state);
    case 4:
        return decode_id(d, st, f, "parent_span_id", s->parent.b, sizeof s->parent.b);
    case 5:
        return decoder_text(d, f, "name", &s->name);
    case 6:
        if (!decoder_u32(d, f, "kind", &kind)) {
            return false;
        }
        s->kind = f->value < KIND_COUNT ? (uint8_t)f->value : KIND_UNSPECIFIED;
        return true;
    case 7:
        return decoder_fixed64(d, f, "start_time_unix_nano", &s->start_ns);
    case 8:
        return decoder_fixed64(d, f, "end_time_unix_nano", &st->end_ns);
    case 9:
        return decode_span_attr(d, st, f);
    case 10:
        return decoder_u32(d, f, "dropped_attributes_count", &s->dropped_attrs);
    case 12:
        return decoder_u32(d, f, "dropped_events_count", &s->dropped_events);
    case 14:
        return decoder_u32(d, f, "dropped_links_count", &s->dropped_links);
    case 11:
    case 13:
    case 15:
        return decode_nested(d, st, f);
    case 16:
        if (f->wire != PB_FIXED32) {
            return decoder_fail_field(d, f, "flags");
        }
        s->flags = (uint32_t)f->value;
        return true;
    default:
        return true;
    }
}

uint32_t decoder_collect(struct decoder *d, struct str record, uint32_t number)
{
    struct pb_reader r = pb_reader(record);
    struct pb_field f;
    buf_clear(&d->scratch);
    while (r.p < r.end && pb_next(&r, &f)) {
        if (f.number == number) {
            buf_add_varint(&d->scratch, f.bytes.n);
            buf_add_str(&d->scratch, f.bytes);
        }
    }
    ASSERT(r.p == r.end && !d->scratch.failed);
    return batch_intern(d->batch, buf_str(&d->scratch));
}

bool decoder_reject(struct decoder *d, uint32_t first, const char *message, struct str bytes)
{
    struct batch *b = d->batch;
    ASSERT(first <= b->attr_count && message != NULL);
    b->attr_count = first;
    d->sink->reject(d->sink->ctx, batch_str(b, b->resources[d->resource].service),
                    decoder_offset(d, bytes.p), message, bytes);
    d->counts.rejected++;
    return true;
}

static bool finish_span(struct decoder *d, struct span_state *st, struct str bytes)
{
    struct span *s = &st->span;
    if (st->reject == NULL && trace_id_is_zero(s->trace)) {
        st->reject = "trace_id is missing or all zero";
    } else if (st->reject == NULL && span_id_is_zero(s->id)) {
        st->reject = "span_id is missing or all zero";
    } else if (st->reject == NULL && s->start_ns == 0) {
        st->reject = "start_time_unix_nano is missing or zero";
    }
    if (st->reject != NULL) {
        return decoder_reject(d, s->attrs.first, st->reject, bytes);
    }
    s->end_before_start = st->end_ns < s->start_ns;
    s->duration_ns = s->end_before_start ? 0 : st->end_ns - s->start_ns;
    s->resource = d->resource;
    s->scope = d->scope;
    s->events = st->events > 0 ? decoder_collect(d, bytes, 11) : 0;
    s->links = st->links > 0 ? decoder_collect(d, bytes, 13) : 0;
    ASSERT(s->attrs.first + s->attrs.count == d->batch->attr_count);
    *batch_add_span(d->batch) = *s;
    d->counts.accepted++;
    return true;
}

uint64_t decoder_offset(const struct decoder *d, const char *at)
{
    const struct buf *offsets = d->sink->offsets;
    uint64_t index = d->counts.accepted + d->counts.rejected + d->counts.shed;
    if (offsets == NULL) {
        ASSERT(at >= d->request.p && at <= d->request.p + d->request.n);
        return (uint64_t)(at - d->request.p);
    }
    size_t count = offsets->n / sizeof index;
    index = index < count ? index : count - 1; // between two spans: the last one
    return count == 0 ? 0 : load_u64(offsets->p + index * sizeof index);
}

// Events and links are put together in a buffer that grows to twice their size.
#define SCRATCH_UNASKED ((size_t)4096)

// Whether one more row fits the batch, and the sink has the memory for it.
bool decoder_has_room(struct decoder *d, struct str bytes)
{
    const struct otlp_sink *sink = d->sink;
    if (d->batch->span_count >= BATCH_SPANS_MAX || d->batch->point_count >= BATCH_POINTS_MAX ||
        d->batch->string_count + 2 * SPAN_ATTRS_MAX + ROW_STRINGS > BATCH_STRINGS_MAX) {
        return otlp_problem_set(&d->problem, ERR_LIMIT, bytes.p, "the batch is full");
    }
    ASSERT(!d->batch->sealed);
    if (sink->admit == NULL) {
        return true;
    }
    size_t growth = d->tree->growth(d->batch, bytes.n);
    growth += bytes.n > SCRATCH_UNASKED ? 3 * bytes.n : 0;
    if (growth > 0 && !sink->admit(sink->ctx, d->batch, growth)) {
        return otlp_problem_set(&d->problem, ERR_MEMORY, bytes.p, "there is no memory for it");
    }
    return true;
}

// Whether nobody wants the span. Its trace ID is what encoders write first, so this reads one
// field.
static bool is_unwanted(struct decoder *d, struct str bytes)
{
    const struct otlp_sink *sink = d->sink;
    struct pb_reader r = pb_reader(bytes);
    struct pb_field f;
    trace_id id;
    ASSERT(sink->wants != NULL);
    while (r.p < r.end && pb_next(&r, &f)) {
        if (f.number == 1) {
            if (f.wire != PB_BYTES || f.bytes.n != sizeof id.b) {
                return false; // rejected or malformed: the decoder says so
            }
            memcpy(id.b, f.bytes.p, sizeof id.b);
            return !trace_id_is_zero(id) && !sink->wants(sink->ctx, id);
        }
    }
    return false;
}

bool decoder_span(struct decoder *d, struct str bytes)
{
    struct span_state st;
    struct pb_reader r = pb_reader(bytes);
    struct pb_field f;
    ASSERT(bytes.p >= d->request.p && bytes.p <= d->request.p + d->request.n);
    memset(&st, 0, sizeof st);
    st.span.attrs.first = (uint32_t)d->batch->attr_count;
    st.previous = &d->first;
    if (d->sink->wants != NULL && is_unwanted(d, bytes)) {
        const struct batch *b = d->batch;
        d->sink->shed(d->sink->ctx, batch_str(b, b->resources[d->resource].service));
        d->counts.shed++;
        return true;
    }
    if (!decoder_has_room(d, bytes)) {
        return false;
    }
    while (r.p < r.end) {
        if (!pb_next(&r, &f)) {
            return decoder_fail_broken(d, &f);
        }
        if (f.number == 9 && f.wire == PB_BYTES && st.span.attrs.count < SPAN_ATTRS_MAX) {
            st.span.attrs.count++;
            if (decode_attr(d, f.bytes, &st.previous)) {
                continue;
            }
        } else if (decode_span_field(d, &st, &f)) {
            continue;
        }
        // Errors of attributes, events and links still miss the name of their list.
        const char *list = f.number == 9    ? "attributes"
                           : f.number == 11 ? "events"
                           : f.number == 13 ? "links"
                                            : NULL;
        return list != NULL && f.wire == PB_BYTES
                   ? otlp_problem_in_repeated(&d->problem, list, f.number, bytes, f.at)
                   : false;
    }
    return finish_span(d, &st, bytes);
}
