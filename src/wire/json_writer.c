// SPDX-License-Identifier: Apache-2.0
// Purpose: JSON text into a buffer. One bit of state decides about the comma: whether something
// stands in the innermost container. After a container closes its parent holds something, so no
// stack is needed.
#include "wire/json_writer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/must.h"

void json_writer_init(struct json_writer *w, struct buf *out)
{
    ASSERT(out != NULL);
    *w = (struct json_writer){.out = out, .first = true};
}

// What must stand before the next value.
static void before_value(struct json_writer *w)
{
    // A key stands inside an object alone; json_put_i64() sets both for the digits of a number.
    ASSERT(!w->after_key || w->depth > 0 || w->first);
    if (w->after_key) {
        w->after_key = false;
    } else if (!w->first) {
        buf_add_byte(w->out, ',');
    }
    w->first = false;
}

static void open_container(struct json_writer *w, char bracket)
{
    before_value(w);
    MUST(w->depth < JSON_DEPTH_MAX);
    buf_add_byte(w->out, (uint8_t)bracket);
    w->depth++;
    w->first = true;
}

static void close_container(struct json_writer *w, char bracket)
{
    MUST(w->depth > 0 && !w->after_key);
    buf_add_byte(w->out, (uint8_t)bracket);
    w->depth--;
    w->first = false;
}

void json_put_object(struct json_writer *w)
{
    ASSERT(w->out != NULL);
    open_container(w, '{');
}

void json_put_object_end(struct json_writer *w)
{
    ASSERT(w->out != NULL);
    close_container(w, '}');
}

void json_put_array(struct json_writer *w)
{
    ASSERT(w->out != NULL);
    open_container(w, '[');
}

void json_put_array_end(struct json_writer *w)
{
    ASSERT(w->out != NULL);
    close_container(w, ']');
}

static void add_escape(struct buf *out, unsigned char c)
{
    static const char *const digits = "0123456789abcdef";
    char text[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
    const char *brief = NULL;
    ASSERT(c < 0x80);
    switch (c) {
    case '"':
        brief = "\\\"";
        break;
    case '\\':
        brief = "\\\\";
        break;
    case '\n':
        brief = "\\n";
        break;
    case '\r':
        brief = "\\r";
        break;
    case '\t':
        brief = "\\t";
        break;
    default:
        break;
    }
    buf_add(out, brief != NULL ? brief : text, brief != NULL ? 2 : sizeof text);
}

static void add_escaped(struct buf *out, struct str s)
{
    size_t from = 0;
    ASSERT(s.p != NULL);
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x20 || c == '"' || c == '\\' || c == 0x7f) {
            buf_add(out, s.p + from, i - from);
            add_escape(out, c);
            from = i + 1;
        }
    }
    buf_add(out, s.p + from, s.n - from);
}

// Whether the text stands for itself between quotes: ASCII, and nothing to escape.
static bool is_plain(struct str s)
{
    unsigned others = 0;
    ASSERT(s.p != NULL || s.n == 0);
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        others |= (unsigned)(c < 0x20) | (unsigned)(c >= 0x7f) | (unsigned)(c == '"') |
                  (unsigned)(c == '\\');
    }
    return others == 0;
}

// Most texts, and all keys of answers, are short and plain: those are added at once.
static void add_plain(struct buf *out, struct str s)
{
    if (buf_reserve(out, s.n + 2)) {
        char *p = out->p + out->n;
        p[0] = '"';
        memcpy(p + 1, s.p, s.n);
        p[s.n + 1] = '"';
        out->n += s.n + 2;
    }
}

static void add_quoted(struct buf *out, struct str s)
{
    size_t good = 0;
    ASSERT(s.p != NULL || s.n == 0);
    s = s.n > 0 ? s : STR("");
    if (is_plain(s)) {
        add_plain(out, s);
        return;
    }
    buf_add_byte(out, '"');
    while (!str_utf8_valid(s, &good)) {
        add_escaped(out, (struct str){s.p, good});
        buf_add_str(out, STR("\xef\xbf\xbd"));
        s = str_skip(s, good + 1);
    }
    add_escaped(out, s);
    buf_add_byte(out, '"');
}

void json_put_key_str(struct json_writer *w, struct str key)
{
    MUST(w->depth > 0 && !w->after_key);
    before_value(w);
    add_quoted(w->out, key);
    buf_add_byte(w->out, ':');
    w->after_key = true;
}

void json_put_key(struct json_writer *w, const char *key)
{
    ASSERT(key != NULL);
    json_put_key_str(w, str_of(key));
}

void json_put_str(struct json_writer *w, struct str s)
{
    ASSERT(w->out != NULL);
    before_value(w);
    add_quoted(w->out, s);
}

void json_put_u64(struct json_writer *w, uint64_t v)
{
    before_value(w);
    char text[20];
    size_t at = sizeof text;
    do {
        text[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    buf_add(w->out, text + at, sizeof text - at);
}

void json_put_i64(struct json_writer *w, int64_t v)
{
    if (v >= 0) {
        json_put_u64(w, (uint64_t)v);
        return;
    }
    before_value(w);
    buf_add_byte(w->out, '-');
    w->first = w->after_key = true; // the digits belong to the same value
    json_put_u64(w, 0 - (uint64_t)v);
}

void json_put_double(struct json_writer *w, double v)
{
    if (isnan(v)) {
        json_put_str(w, STR("NaN"));
        return;
    }
    if (isinf(v)) {
        json_put_str(w, v > 0 ? STR("Infinity") : STR("-Infinity"));
        return;
    }
    before_value(w);
    char text[40];
    // The shortest of the usual precisions that reads back as the same number.
    int n = 0;
    for (int precision = 15; precision <= 17; precision++) {
        n = snprintf(text, sizeof text, "%.*g", precision, v);
        MUST(n > 0 && (size_t)n < sizeof text);
        double back = strtod(text, NULL);
        if (memcmp(&back, &v, sizeof v) == 0) {
            break;
        }
    }
    buf_add(w->out, text, (size_t)n);
}

void json_put_bool(struct json_writer *w, bool v)
{
    ASSERT(w->out != NULL);
    before_value(w);
    buf_add_str(w->out, v ? STR("true") : STR("false"));
}

void json_put_null(struct json_writer *w)
{
    ASSERT(w->out != NULL);
    before_value(w);
    buf_add_str(w->out, STR("null"));
}

struct buf *json_put_raw(struct json_writer *w)
{
    ASSERT(w->out != NULL);
    before_value(w);
    return w->out;
}
