// SPDX-License-Identifier: Apache-2.0
// Purpose: signatures of requests.
#include "notify/sign.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "core/must.h"
#include "wire/base64.h"

#define SHA256_BYTES ((size_t)32)

static void hmac(struct str key, struct str bytes, unsigned char *ret_sum)
{
    unsigned n = 0;
    MUST(key.n <= INT32_MAX);
    const unsigned char *sum =
        HMAC(EVP_sha256(), key.n > 0 ? key.p : "", (int)key.n,
             (const unsigned char *)(bytes.n > 0 ? bytes.p : ""), bytes.n, ret_sum, &n);
    MUST(sum != NULL && n == SHA256_BYTES);
}

static struct str as_text(struct arena *a, struct str key, struct str bytes,
                          void (*encode)(struct str bytes, struct buf *out))
{
    unsigned char sum[SHA256_BYTES];
    struct buf out;
    hmac(key, bytes, sum);
    buf_init(&out, 2 * SHA256_BYTES);
    encode((struct str){(const char *)sum, sizeof sum}, &out);
    MUST(!out.failed);
    struct str text = arena_str(a, buf_str(&out));
    buf_done(&out);
    return text;
}

struct str sign_hex(struct arena *a, struct str key, struct str bytes)
{
    ASSERT(a != NULL);
    return as_text(a, key, bytes, hex_encode);
}

struct str sign_base64(struct arena *a, struct str key, struct str bytes)
{
    ASSERT(a != NULL);
    return as_text(a, key, bytes, base64_encode);
}

struct str sign_percent(struct arena *a, struct str text)
{
    static const char digits[] = "0123456789ABCDEF";
    char *p = arena_alloc(a, 3 * text.n + 1);
    size_t n = 0;
    ASSERT(text.p != NULL || text.n == 0);
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '.' || c == '_' || c == '~';
        if (plain) {
            p[n++] = (char)c;
        } else {
            p[n++] = '%';
            p[n++] = digits[c >> 4];
            p[n++] = digits[c & 15];
        }
    }
    p[n] = 0;
    return (struct str){p, n};
}
