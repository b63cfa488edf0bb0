// SPDX-License-Identifier: Apache-2.0
// Purpose: the JSON pull reader.
#include "wire/json_reader.h"

#include "core/must.h"
#include "core/varint.h"
#include "wire/json_writer.h"

#define REPLACEMENT 0xfffd // stands for what is no character

void json_reader_init(struct json_reader *j, struct str text, struct mem_source *source)
{
    ASSERT(text.p != NULL);
    *j = (struct json_reader){.p = text.p, .end = text.p + text.n};
    buf_init_from(&j->scratch, text.n + 1, source);
}

void json_reader_done(struct json_reader *j)
{
    ASSERT(j->p <= j->end);
    buf_done(&j->scratch);
}

static bool wrong(struct json_reader *j, const char *at, const char *what)
{
    ASSERT(at <= j->end);
    if (j->what == NULL) {
        j->what = what;
        j->p = at;
    }
    return false;
}

char json_peek(struct json_reader *j)
{
    ASSERT(j->p <= j->end);
    while (j->p < j->end && (*j->p == ' ' || *j->p == '\n' || *j->p == '\t' || *j->p == '\r')) {
        j->p++;
    }
    return j->p < j->end ? *j->p : 0;
}

bool json_take(struct json_reader *j, char c)
{
    ASSERT(c != 0);
    if (json_peek(j) != c) {
        return wrong(j, j->p,
                     j->p == j->end ? "the text ends too early"
                     : c == '{'     ? "an object is expected"
                     : c == '['     ? "an array is expected"
                     : c == ':'     ? "a colon is expected"
                     : c == '"'     ? "a string is expected"
                                    : "another character is expected");
    }
    j->p++;
    return true;
}

bool json_take_word(struct json_reader *j, const char *word)
{
    struct str rest = {j->p, (size_t)(j->end - j->p)}, expected = str_of(word);
    ASSERT(expected.n > 0);
    if (!str_starts(rest, expected)) {
        return wrong(j, j->p, "no such literal");
    }
    j->p += expected.n;
    return true;
}

// The four hexadecimal digits of \u.
static bool read_unit(struct json_reader *j, const char *p, uint32_t *ret_unit)
{
    uint32_t unit = 0;
    ASSERT(p <= j->end);
    if (j->end - p < 4) {
        return wrong(j, j->end, "the text ends too early");
    }
    for (int i = 0; i < 4; i++) {
        char c = p[i], lower = (char)(c | 0x20);
        if (c >= '0' && c <= '9') {
            unit = unit << 4 | (uint32_t)(c - '0');
        } else if (lower >= 'a' && lower <= 'f') {
            unit = unit << 4 | (uint32_t)(lower - 'a' + 10);
        } else {
            return wrong(j, p + i, "not a hexadecimal digit");
        }
    }
    *ret_unit = unit;
    return true;
}

static void add_utf8(struct buf *out, uint32_t c)
{
    ASSERT(c <= 0x10ffff && (c < 0xd800 || c > 0xdfff));
    if (c < 0x80) {
        buf_add_byte(out, (uint8_t)c);
    } else if (c < 0x800) {
        buf_add_byte(out, (uint8_t)(0xc0 | c >> 6));
        buf_add_byte(out, (uint8_t)(0x80 | (c & 63)));
    } else if (c < 0x10000) {
        buf_add_byte(out, (uint8_t)(0xe0 | c >> 12));
        buf_add_byte(out, (uint8_t)(0x80 | (c >> 6 & 63)));
        buf_add_byte(out, (uint8_t)(0x80 | (c & 63)));
    } else {
        buf_add_byte(out, (uint8_t)(0xf0 | c >> 18));
        buf_add_byte(out, (uint8_t)(0x80 | (c >> 12 & 63)));
        buf_add_byte(out, (uint8_t)(0x80 | (c >> 6 & 63)));
        buf_add_byte(out, (uint8_t)(0x80 | (c & 63)));
    }
}

// A \u escape, j->p at its first digit. A surrogate without its partner, as SDKs leave it when they
// cut a text to a length, becomes U+FFFD: it is valid JSON, and no reason to lose a request.
static bool read_unicode_escape(struct json_reader *j)
{
    uint32_t unit = 0, low = 0;
    if (!read_unit(j, j->p, &unit)) {
        return false;
    }
    const char *next = j->p + 4;
    if (unit >= 0xd800 && unit <= 0xdfff) {
        bool paired = unit < 0xdc00 && j->end - next >= 2 && next[0] == '\\' && next[1] == 'u';
        if (paired && !read_unit(j, next + 2, &low)) {
            return false;
        }
        if (paired && low >= 0xdc00 && low <= 0xdfff) {
            unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
            next += 6;
        } else {
            unit = REPLACEMENT;
        }
    }
    ASSERT(next <= j->end);
    add_utf8(&j->scratch, unit);
    j->p = next;
    return true;
}

// An escape, j->p behind the backslash.
static bool read_escape(struct json_reader *j)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    ASSERT(j->p <= j->end);
    if (j->p == j->end) {
        return wrong(j, j->p, "the text ends too early");
    }
    char c = *j->p++;
    if (c == 'u') {
        return read_unicode_escape(j);
    }
    const char *at = c != 0 ? strchr(from, c) : NULL;
    if (at == NULL) {
        return wrong(j, j->p - 1, "no such escape");
    }
    ASSERT(at >= from);
    buf_add_byte(&j->scratch, (uint8_t)to[at - from]);
    return true;
}

#define BYTES(b) ((uint64_t)(b)*0x0101010101010101U)

// A word with the high bit set in the first byte of `w` that ends a run of plain characters, and
// perhaps in bytes after it; 0 when there is none.
static uint64_t ends_in_word(uint64_t w)
{
    uint64_t quote = w ^ BYTES('"'), backslash = w ^ BYTES('\\');
    return ((quote - BYTES(1)) & ~quote & BYTES(0x80)) |
           ((backslash - BYTES(1)) & ~backslash & BYTES(0x80)) |
           ((w - BYTES(0x20)) & ~w & BYTES(0x80));
}

// The end of the run of plain characters at p: a quote, a backslash, a control character or the
// end of the text.
static const char *plain_end(const char *p, const char *end)
{
    ASSERT(p <= end);
    for (; end - p >= 8; p += 8) {
        uint64_t ends = ends_in_word(load_u64(p));
        if (ends != 0) {
            return p + (__builtin_ctzll(ends) >> 3);
        }
    }
    while (p < end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20) {
        p++;
    }
    return p;
}

bool json_read_string(struct json_reader *j, struct str *ret_text)
{
    size_t bad = 0;
    if (!json_take(j, '"')) {
        return false;
    }
    if (j->scratch.denied) {
        return false; // said before
    }
    buf_clear(&j->scratch);
    const char *from = j->p;
    bool escaped = false;
    for (;;) {
        const char *stop = plain_end(from, j->end);
        if (stop == j->end) {
            return wrong(j, stop, "the text ends too early");
        }
        if ((unsigned char)*stop < 0x20) {
            return wrong(j, stop, "a control character in a string");
        }
        struct str run = {from, (size_t)(stop - from)};
        if (!str_utf8_valid(run, &bad)) {
            return wrong(j, from + bad, "invalid UTF-8");
        }
        j->p = stop + 1;
        if (*stop == '"' && !escaped) {
            *ret_text = run;
            return true;
        }
        buf_add_str(&j->scratch, run);
        if (*stop == '"') {
            break;
        }
        escaped = true;
        if (!read_escape(j)) {
            return false;
        }
        from = j->p;
    }
    if (j->scratch.denied) {
        return wrong(j, j->p, "there is no memory for this text");
    }
    ASSERT(!j->scratch.failed); // an escape is longer than what it stands for
    *ret_text = buf_str(&j->scratch);
    return true;
}

static const char *digits_end(const char *p, const char *end)
{
    ASSERT(p <= end);
    while (p < end && *p >= '0' && *p <= '9') {
        p++;
    }
    return p;
}

// The end of the number at p; p itself when there is none.
static const char *number_end(const char *p, const char *end)
{
    const char *start = p;
    p += p < end && *p == '-';
    const char *whole = digits_end(p, end);
    if (whole == p || (*p == '0' && whole > p + 1)) {
        return start;
    }
    p = whole;
    if (p < end && *p == '.') {
        const char *fraction = digits_end(p + 1, end);
        if (fraction == p + 1) {
            return start;
        }
        p = fraction;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        const char *digits = p + 1;
        digits += digits < end && (*digits == '+' || *digits == '-');
        const char *exponent = digits_end(digits, end);
        if (exponent == digits) {
            return start;
        }
        p = exponent;
    }
    ASSERT(p > start && p <= end);
    return p;
}

bool json_is_number(struct str text)
{
    ASSERT(text.p != NULL);
    return text.n > 0 && number_end(text.p, text.p + text.n) == text.p + text.n;
}

bool json_read_number(struct json_reader *j, struct str *ret_digits)
{
    if (json_peek(j) == '"') {
        const char *at = j->p;
        struct str text;
        if (!json_read_string(j, &text)) {
            return false;
        }
        if (!json_is_number(text)) {
            return wrong(j, at, "a number is expected");
        }
        *ret_digits = text;
        return true;
    }
    const char *end = number_end(j->p, j->end);
    if (end == j->p) {
        return wrong(j, j->p, "a number is expected");
    }
    ASSERT(end <= j->end);
    *ret_digits = (struct str){j->p, (size_t)(end - j->p)};
    j->p = end;
    return true;
}

bool json_more(struct json_reader *j, char close, bool *first)
{
    char c = json_peek(j);
    ASSERT(close == '}' || close == ']');
    if (c == close) {
        j->p++;
        return false;
    }
    if (!*first) {
        if (c != ',') {
            return wrong(j, j->p,
                         j->p == j->end ? "the text ends too early" : "a comma is expected");
        }
        j->p++;
    }
    *first = false;
    return true;
}

static bool skip_container(struct json_reader *j, char close, unsigned depth)
{
    bool first = true;
    struct str key;
    ASSERT(depth <= JSON_DEPTH_MAX);
    j->p++;
    while (json_more(j, close, &first)) {
        if (close == '}' && (!json_read_string(j, &key) || !json_take(j, ':'))) {
            return false;
        }
        if (!json_skip(j, depth + 1)) {
            return false;
        }
    }
    return j->what == NULL;
}

bool json_skip(struct json_reader *j, unsigned depth)
{
    struct str text;
    char c = json_peek(j);
    if (depth > JSON_DEPTH_MAX) {
        return wrong(j, j->p, "nested too deeply");
    }
    ASSERT(j->what == NULL);
    switch (c) {
    case '{':
        return skip_container(j, '}', depth);
    case '[':
        return skip_container(j, ']', depth);
    case '"':
        return json_read_string(j, &text);
    case 't':
        return json_take_word(j, "true");
    case 'f':
        return json_take_word(j, "false");
    case 'n':
        return json_take_word(j, "null");
    default:
        return json_read_number(j, &text);
    }
}
