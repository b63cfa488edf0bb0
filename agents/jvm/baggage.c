// SPDX-License-Identifier: Apache-2.0
// Purpose: reading, checking and changing baggage.
#include "agents/jvm/baggage.h"

static bool is_alphanumeric(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_token(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!is_alphanumeric(s.p[i]) && memchr("!#$%&'*+-.^_`|~", s.p[i], 15) == NULL) {
            return false;
        }
    }
    return s.n > 0;
}

// baggage-octet: printable ASCII without blank, '"', ',', ';' and '\'.
static bool is_octet(char c)
{
    return c > ' ' && c < 0x7F && c != '"' && c != ',' && c != ';' && c != '\\';
}

static bool is_value(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!is_octet(s.p[i])) {
            return false;
        }
    }
    return true;
}

// key [ "=" value ] of a property.
static bool is_property(struct str s)
{
    struct str key;
    struct str value = str_split(s, '=', &key);
    return is_token(str_trim(key)) && is_value(str_trim(value));
}

static bool is_member(struct str member)
{
    struct str pair, key;
    struct str properties = str_split(member, ';', &pair);
    struct str value = str_split(pair, '=', &key);
    if (value.p == NULL || !is_token(str_trim(key)) || !is_value(str_trim(value))) {
        return false;
    }
    while (properties.p != NULL) {
        struct str one;
        properties = str_split(properties, ';', &one);
        if (!is_property(str_trim(one))) {
            return false;
        }
    }
    return true;
}

static bool append(char out[BAGGAGE_MAX], size_t *n, struct str member)
{
    size_t comma = *n > 0;
    if (member.n + comma > BAGGAGE_MAX - *n) {
        return false;
    }
    if (comma != 0) {
        out[(*n)++] = ',';
    }
    memcpy(out + *n, member.p, member.n);
    *n += member.n;
    return true;
}

size_t baggage_clean(struct str raw, char out[BAGGAGE_MAX])
{
    size_t n = 0;
    while (raw.n > 0) {
        struct str member;
        raw = str_split(raw, ',', &member);
        member = str_trim(member);
        if (is_member(member) && !append(out, &n, member)) {
            break;
        }
    }
    return n;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

// A '%' that no two digits follow stands for itself.
static struct str decode(struct str s, char *out, size_t room)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++, n++) {
        int high = s.p[i] == '%' && s.n - i > 2 ? hex_digit(s.p[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(s.p[i + 2]) : -1;
        if (n == room) {
            return STR_NONE;
        }
        out[n] = low >= 0 ? (char)(high << 4 | low) : s.p[i];
        i += low >= 0 ? 2 : 0;
    }
    return (struct str){out, n};
}

static struct str key_of(struct str member, struct str *ret_value)
{
    struct str pair, key;
    (void)str_split(member, ';', &pair);
    *ret_value = str_trim(str_split(pair, '=', &key));
    return str_trim(key);
}

struct str baggage_get(struct str baggage, struct str key, char *out, size_t room)
{
    while (baggage.n > 0) {
        struct str member, value;
        baggage = str_split(baggage, ',', &member);
        if (str_eq(key_of(member, &value), key)) {
            return decode(value, out, room);
        }
    }
    return STR_NONE;
}

static bool put(char out[BAGGAGE_MAX], size_t *n, char c)
{
    if (*n == BAGGAGE_MAX) {
        return false;
    }
    out[(*n)++] = c;
    return true;
}

static bool encode(struct str value, char out[BAGGAGE_MAX], size_t *n)
{
    static const char digits[] = "0123456789ABCDEF";
    bool ok = true;
    for (size_t i = 0; i < value.n && ok; i++) {
        unsigned char c = (unsigned char)value.p[i];
        if (is_octet(value.p[i]) && c != '%') {
            ok = put(out, n, value.p[i]);
        } else {
            ok = put(out, n, '%') && put(out, n, digits[c >> 4]) && put(out, n, digits[c & 15]);
        }
    }
    return ok;
}

bool baggage_set(struct str baggage, struct str key, struct str value, char out[BAGGAGE_MAX],
                 size_t *ret_n)
{
    size_t n = 0;
    if (!is_token(key) || !str_utf8_valid(value, NULL)) {
        return false;
    }
    while (baggage.n > 0) {
        struct str member, ignored;
        baggage = str_split(baggage, ',', &member);
        if (!str_eq(key_of(member, &ignored), key) && !append(out, &n, member)) {
            return false;
        }
    }
    if (value.n > 0 && !(append(out, &n, key) && put(out, &n, '=') && encode(value, out, &n))) {
        return false;
    }
    *ret_n = n;
    return true;
}
