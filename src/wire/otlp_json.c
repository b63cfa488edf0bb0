// SPDX-License-Identifier: Apache-2.0
// Purpose: OTLP/JSON -> protobuf of the same message, by the tables, in one pass without a tree.
// The mapping is protobuf's JSON mapping with OTLP's exceptions: IDs are hexadecimal, enums are
// numbers (names are taken too), names are lowerCamelCase (snake_case is taken too), unknown
// fields are passed over, null is absence.
#include <math.h>
#include <stdlib.h>

#include "core/must.h"
#include "wire/base64.h"
#include "wire/json_reader.h"
#include "wire/otlp.h"
#include "wire/otlp_check.h"
#include "wire/protobuf.h"

#define ANY_VALUE_DOUBLE 4 // the number of double_value

struct transcoder {
    struct json_reader in;
    struct buf *out;
    struct buf *offsets; // of the records, or NULL
    const char *start;   // of the text
    struct otlp_problem problem;
    struct buf number; // a number with a NUL behind it
};

// What the reader found wrong.
static bool fail_read(struct transcoder *t)
{
    ASSERT(t->in.what != NULL);
    return otlp_problem_set(&t->problem, ERR_INVALID, t->in.p, t->in.what);
}

static bool fail(struct transcoder *t, const char *at, const char *what)
{
    return otlp_problem_set(&t->problem, ERR_INVALID, at, what);
}

// A number as a double; false when it is too large.
static bool to_double(struct transcoder *t, struct str digits, double *ret_value)
{
    buf_clear(&t->number);
    buf_add_str(&t->number, digits);
    buf_add_byte(&t->number, 0);
    if (t->number.denied) {
        return false;
    }
    ASSERT(!t->number.failed);
    double v = strtod(t->number.p, NULL);
    if (!isfinite(v)) {
        return false;
    }
    *ret_value = v;
    return true;
}

struct integer {
    bool negative;
    uint64_t magnitude;
};

// A number without a fraction. Forms such as 1e3 and 2.0 count while a double holds them exactly.
static bool to_integer(struct transcoder *t, struct str digits, struct integer *ret_value)
{
    struct integer v = {.negative = digits.p[0] == '-'};
    double d = 0;
    ASSERT(digits.n > 0);
    if (str_to_u64(str_skip(digits, v.negative), &v.magnitude) != ERR_OK) {
        bool plain = memchr(digits.p, '.', digits.n) == NULL &&
                     memchr(digits.p, 'e', digits.n) == NULL &&
                     memchr(digits.p, 'E', digits.n) == NULL;
        if (plain || !to_double(t, digits, &d) || fabs(d) > 0x1p53 || trunc(d) != d) {
            return false;
        }
        v.magnitude = (uint64_t)fabs(d);
    }
    *ret_value = v;
    return true;
}

static bool read_integer(struct transcoder *t, int64_t min, uint64_t max, uint64_t *ret_value)
{
    struct str digits;
    struct integer v;
    (void)json_peek(&t->in);
    const char *at = t->in.p;
    ASSERT(min <= 0);
    if (!json_read_number(&t->in, &digits)) {
        return fail_read(t);
    }
    uint64_t below = 0 - (uint64_t)min; // the magnitude of the minimum
    if (!to_integer(t, digits, &v) || v.magnitude > (v.negative ? below : max)) {
        return fail(t, at, "not a whole number in the field's range");
    }
    *ret_value = v.negative ? 0 - v.magnitude : v.magnitude;
    return true;
}

static bool read_double(struct transcoder *t, uint64_t *ret_bits)
{
    double v = 0;
    struct str text;
    char c = json_peek(&t->in);
    const char *at = t->in.p;
    if (c == '"' ? !json_read_string(&t->in, &text) : !json_read_number(&t->in, &text)) {
        return fail_read(t);
    }
    if (c == '"' && str_eq(text, STR("NaN"))) {
        v = (double)NAN;
    } else if (c == '"' && str_eq(text, STR("Infinity"))) {
        v = (double)INFINITY;
    } else if (c == '"' && str_eq(text, STR("-Infinity"))) {
        v = -(double)INFINITY;
    } else if (!json_is_number(text) || !to_double(t, text, &v)) {
        return fail(t, at, "not a number that fits a double");
    }
    ASSERT(sizeof v == sizeof *ret_bits);
    memcpy(ret_bits, &v, sizeof v);
    return true;
}

static bool read_bool(struct transcoder *t, uint64_t *ret_value)
{
    char c = json_peek(&t->in);
    ASSERT(ret_value != NULL);
    if (c != 't' && c != 'f') {
        return fail(t, t->in.p, "true or false is expected");
    }
    if (!json_take_word(&t->in, c == 't' ? "true" : "false")) {
        return fail_read(t);
    }
    *ret_value = c == 't';
    return true;
}

static bool read_enum(struct transcoder *t, const struct otlp_enum *names, uint64_t *ret_value)
{
    struct str text;
    ASSERT(names != NULL);
    if (json_peek(&t->in) != '"') {
        return read_integer(t, INT32_MIN, INT32_MAX, ret_value);
    }
    const char *at = t->in.p;
    if (!json_read_string(&t->in, &text)) {
        return fail_read(t);
    }
    struct str prefix = str_of(names->prefix);
    for (size_t i = 0; i < names->count && str_starts(text, prefix); i++) {
        if (str_eq(str_skip(text, prefix.n), str_of(names->names[i]))) {
            *ret_value = i;
            return true;
        }
    }
    return fail(t, at, "no such name");
}

// String, bytes and IDs.
static bool write_text(struct transcoder *t, const struct otlp_field *field)
{
    struct str text;
    (void)json_peek(&t->in);
    const char *at = t->in.p;
    if (!json_read_string(&t->in, &text)) {
        return fail_read(t);
    }
    if (field->type == OTLP_STRING) {
        pb_put_bytes(t->out, field->number, text);
        return true;
    }
    size_t begin = pb_begin(t->out, field->number);
    bool is_id = field->type == OTLP_ID;
    ASSERT(is_id || field->type == OTLP_BYTES);
    if (is_id ? !hex_decode(text, t->out) : !base64_decode(text, t->out)) {
        return fail(t, at, is_id ? "not hexadecimal" : "not base64");
    }
    pb_end(t->out, begin);
    return true;
}

static bool write_number(struct transcoder *t, const struct otlp_field *field)
{
    uint64_t v = 0;
    bool good = false;
    switch ((enum otlp_type)field->type) {
    case OTLP_BOOL:
        good = read_bool(t, &v);
        break;
    case OTLP_SFIXED64:
        good = read_integer(t, INT64_MIN, INT64_MAX, &v);
        break;
    case OTLP_UINT64:
    case OTLP_FIXED64:
        good = read_integer(t, 0, UINT64_MAX, &v);
        break;
    case OTLP_UINT32:
    case OTLP_FIXED32:
        good = read_integer(t, 0, UINT32_MAX, &v);
        break;
    case OTLP_SINT32:
        good = read_integer(t, INT32_MIN, INT32_MAX, &v);
        v = zigzag((int64_t)v);
        break;
    case OTLP_DOUBLE:
        good = read_double(t, &v);
        break;
    default:
        ASSERT(field->type == OTLP_ENUM);
        good = read_enum(t, field->names, &v);
        break;
    }
    if (!good) {
        return false;
    }
    if (field->type == OTLP_FIXED32) {
        pb_put_fixed32(t->out, field->number, (uint32_t)v);
    } else if (field->type == OTLP_DOUBLE || field->type == OTLP_FIXED64 ||
               field->type == OTLP_SFIXED64) {
        pb_put_fixed64(t->out, field->number, v);
    } else {
        pb_put_varint(t->out, field->number, v);
    }
    return true;
}

// The integer of an AnyValue. OpenTelemetry JS writes every number without a fraction as intValue,
// 1e20 too, as a bare number: such a one that is no 64-bit integer becomes the AnyValue's double,
// which is what its sender had. Who writes a string, as the mapping asks for, says that it is an
// integer to the last digit: it must be one.
static bool write_int_value(struct transcoder *t, const struct otlp_field *field)
{
    struct str digits;
    struct integer v;
    double d = 0;
    bool bare = json_peek(&t->in) != '"';
    const char *at = t->in.p;
    ASSERT(field->type == OTLP_INT64);
    if (!json_read_number(&t->in, &digits)) {
        return fail_read(t);
    }
    if (to_integer(t, digits, &v) && v.magnitude <= (uint64_t)INT64_MAX + v.negative) {
        pb_put_varint(t->out, field->number, v.negative ? 0 - v.magnitude : v.magnitude);
        return true;
    }
    if (!bare) {
        return fail(t, at, "not a whole number in the field's range");
    }
    if (!to_double(t, digits, &d)) {
        return fail(t, at, "not a number that fits a double");
    }
    pb_put_double(t->out, ANY_VALUE_DOUBLE, d);
    return true;
}

static bool write_message(struct transcoder *t, const struct otlp_message *m, unsigned depth);

static bool write_value(struct transcoder *t, const struct otlp_field *field, unsigned depth)
{
    ASSERT(t->in.what == NULL);
    if (field->type == OTLP_MESSAGE) {
        size_t begin = pb_begin(t->out, field->number);
        bool good = write_message(t, field->of, depth);
        pb_end(t->out, begin);
        return good;
    }
    if (field->type == OTLP_INT64) {
        return write_int_value(t, field);
    }
    bool is_text =
        field->type == OTLP_STRING || field->type == OTLP_BYTES || field->type == OTLP_ID;
    return is_text ? write_text(t, field) : write_number(t, field);
}

static bool write_values(struct transcoder *t, const struct otlp_field *field, unsigned depth)
{
    bool first = true;
    ASSERT(field->repeated);
    if (!json_take(&t->in, '[')) {
        (void)fail_read(t);
        return otlp_problem_in(&t->problem, field->json_name, -1);
    }
    for (int64_t i = 0; json_more(&t->in, ']', &first); i++) {
        if (!write_value(t, field, depth)) {
            return otlp_problem_in(&t->problem, field->json_name, i);
        }
    }
    if (t->in.what != NULL) {
        (void)fail_read(t);
        return otlp_problem_in(&t->problem, field->json_name, -1);
    }
    return true;
}

static bool is_named(const struct otlp_field *field, struct str name)
{
    ASSERT(field->name != NULL && field->json_name[0] == field->name[0]);
    if (name.n == 0 || name.p[0] != field->name[0]) {
        return false;
    }
    return str_eq(name, str_of(field->json_name)) || str_eq(name, str_of(field->name));
}

// `*hint` is where the search starts: writers keep to one order.
static const struct otlp_field *field_by_name(const struct otlp_message *m, struct str name,
                                              size_t *hint)
{
    ASSERT(*hint < m->field_count);
    for (size_t i = 0; i < m->field_count; i++) {
        const struct otlp_field *field = &m->fields[*hint];
        *hint = *hint + 1 < m->field_count ? *hint + 1 : 0;
        if (is_named(field, name)) {
            return field;
        }
    }
    return NULL;
}

static bool write_field(struct transcoder *t, const struct otlp_field *field, unsigned depth)
{
    if (json_peek(&t->in) == 'n') {
        if (!json_take_word(&t->in, "null")) {
            (void)fail_read(t);
            return otlp_problem_in(&t->problem, field->json_name, -1);
        }
        return true;
    }
    if (field->repeated) {
        return write_values(t, field, depth);
    }
    ASSERT(field->number > 0);
    return write_value(t, field, depth) || otlp_problem_in(&t->problem, field->json_name, -1);
}

// The recursion ends: only AnyValue contains itself, and `depth` bounds it.
static bool write_message(struct transcoder *t, const struct otlp_message *m, unsigned depth)
{
    bool first = true;
    size_t hint = 0;
    struct str name;
    depth += m->nests;
    ASSERT(depth <= OTLP_DEPTH_MAX + 1);
    if (depth > OTLP_DEPTH_MAX) {
        return fail(t, t->in.p, "nested too deeply");
    }
    if (!json_take(&t->in, '{')) {
        return fail_read(t);
    }
    if (m->counts && t->offsets != NULL) {
        buf_add_u64(t->offsets, (uint64_t)(t->in.p - 1 - t->start));
    }
    while (json_more(&t->in, '}', &first)) {
        if (!json_read_string(&t->in, &name)) {
            return fail_read(t);
        }
        const struct otlp_field *field = field_by_name(m, name, &hint);
        if (!json_take(&t->in, ':') || (field == NULL && !json_skip(&t->in, 1))) {
            return fail_read(t);
        }
        if (field != NULL && !write_field(t, field, depth)) {
            return false;
        }
    }
    return t->in.what == NULL || fail_read(t);
}

enum err otlp_json_to_protobuf(enum otlp_signal signal, struct str json, struct buf *out,
                               struct buf *offsets, struct err_at *ret_at)
{
    ASSERT(out != NULL && out != offsets);
    json = json.p != NULL ? json : STR("");
    struct transcoder t = {.out = out, .offsets = offsets, .start = json.p};
    json_reader_init(&t.in, json, out->source);
    buf_init_from(&t.number, json.n + 1, out->source);
    bool good = write_message(&t, otlp_request(signal), 0);
    if (good && json_peek(&t.in) != 0) {
        good = fail(&t, t.in.p, "something follows the request");
    } else if (good && t.in.p != t.in.end) {
        good = fail(&t, t.in.p, "a NUL byte follows the request");
    }
    bool denied = t.in.scratch.denied || t.number.denied || out->denied ||
                  (offsets != NULL && offsets->failed);
    json_reader_done(&t.in);
    buf_done(&t.number);
    if (denied) {
        return err_at_set(ret_at, ERR_MEMORY, 0, "there is no memory to read the JSON");
    }
    if (out->failed) {
        return err_at_set(ret_at, ERR_LIMIT, 0, "the request is over %zu bytes", out->max);
    }
    if (!good) {
        return otlp_problem_report(&t.problem, json, ret_at);
    }
    if (!buf_reserve(out, 0)) { // its first bytes, of an empty request
        return err_at_set(ret_at, ERR_MEMORY, 0, "there is no memory to read the JSON");
    }
    memset(out->p + out->n, 0, BUF_PAD); // the decoder may read beyond the end
    return ERR_OK;
}
