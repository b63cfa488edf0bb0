// SPDX-License-Identifier: Apache-2.0
// Purpose: base64 and hexadecimal.
#include "wire/base64.h"

#include "core/must.h"

void base64_encode(struct str bytes, struct buf *out)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *p = (const uint8_t *)bytes.p;
    ASSERT(p != NULL || bytes.n == 0);
    for (size_t i = 0; i < bytes.n; i += 3) {
        size_t left = bytes.n - i;
        uint32_t v = (uint32_t)p[i] << 16;
        v |= left > 1 ? (uint32_t)p[i + 1] << 8 : 0;
        v |= left > 2 ? p[i + 2] : 0;
        char four[4] = {alphabet[v >> 18], alphabet[v >> 12 & 63],
                        left > 1 ? alphabet[v >> 6 & 63] : '=', left > 2 ? alphabet[v & 63] : '='};
        buf_add(out, four, sizeof four);
    }
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    if (c == '+' || c == '-') {
        return 62;
    }
    return c == '/' || c == '_' ? 63 : -1;
}

bool base64_decode(struct str text, struct buf *out)
{
    size_t n = text.n;
    for (int pads = 0; pads < 2 && n > 0 && text.n % 4 == 0 && text.p[n - 1] == '='; pads++) {
        n--;
    }
    if (n % 4 == 1) {
        return false;
    }
    uint32_t v = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < n; i++) {
        int digit = base64_digit(text.p[i]);
        if (digit < 0) {
            return false;
        }
        v = (v << 6 | (uint32_t)digit) & 0xffff;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            buf_add_byte(out, (uint8_t)(v >> bits));
        }
    }
    ASSERT(bits < 8);
    return true;
}

void hex_encode(struct str bytes, struct buf *out)
{
    static const char digits[] = "0123456789abcdef";
    ASSERT(bytes.p != NULL || bytes.n == 0);
    for (size_t i = 0; i < bytes.n; i++) {
        uint8_t b = (uint8_t)bytes.p[i];
        char two[2] = {digits[b >> 4], digits[b & 15]};
        buf_add(out, two, sizeof two);
    }
}

bool hex_decode(struct str text, struct buf *out)
{
    if (text.n % 2 != 0) {
        return false;
    }
    for (size_t i = 0; i < text.n; i += 2) {
        int high = str_hex_digit(text.p[i]), low = str_hex_digit(text.p[i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        ASSERT(high < 16 && low < 16);
        buf_add_byte(out, (uint8_t)(high << 4 | low));
    }
    return true;
}
