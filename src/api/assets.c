// SPDX-License-Identifier: Apache-2.0
// Purpose: serving the embedded UI: hashed names are immutable, everything else is validated by
// ETag, and paths of the single-page application get its page.
#include "api/assets.h"

#include "api/job.h"
#include "core/must.h"
#include "wire/compress.h"

// Nothing from elsewhere, no inline script or style: what the UI needs is in its own files.
#define CONTENT_SECURITY_POLICY                                                                    \
    "default-src 'self'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src "  \
    "'self'; worker-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "          \
    "frame-ancestors 'none'"

#define ASSET_BYTES_MAX ((size_t)16 << 20)

static const struct asset *find(struct str path)
{
    for (size_t i = 0; i < asset_count; i++) {
        if (str_eq(str_of(assets[i].path), path)) {
            return &assets[i];
        }
    }
    return NULL;
}

static bool accepts_gzip(struct http_request *r)
{
    struct str accepted = http_header(r, STR("accept-encoding")), one;
    while (accepted.p != NULL) {
        accepted = str_split(accepted, ',', &one);
        if (str_starts(str_trim(one), STR("gzip"))) {
            return true;
        }
    }
    return false;
}

static void send_asset(struct http_request *r, const struct asset *a, int status)
{
    bool plain = a->gzip && !accepts_gzip(r);
    const struct http_header headers[] = {
        {STR("content-type"), str_of(a->content_type)},
        {STR("etag"), str_of(a->etag)},
        {STR("cache-control"),
         a->hashed ? STR("public, max-age=31536000, immutable") : STR("no-cache")},
        {STR("content-security-policy"), STR(CONTENT_SECURITY_POLICY)},
        {STR("x-content-type-options"), STR("nosniff")},
        {STR("referrer-policy"), STR("no-referrer")},
        {STR("vary"), STR("accept-encoding")},
        {STR("content-encoding"), STR("gzip")},
    };
    size_t count = sizeof headers / sizeof headers[0] - (a->gzip && !plain ? 0 : 1);
    struct str body = {a->bytes, a->size};
    struct str known = http_header(r, STR("if-none-match"));
    if (status == 200 && known.p != NULL && str_eq(known, str_of(a->etag))) {
        http_respond(r, 304, headers, count, STR(""));
        return;
    }
    if (!plain) {
        http_respond_lent(r, status, headers, count, body);
        return;
    }
    struct buf out;
    buf_init(&out, ASSET_BYTES_MAX);
    enum err e = decompress(COMPRESSION_GZIP, body, &out, NULL);
    MUST(e == ERR_OK); // our own bytes
    http_respond(r, status, headers, count, buf_str(&out));
    buf_done(&out);
}

void assets_respond(struct http_request *r)
{
    struct str path = http_path(r);
    const struct asset *a = find(path);
    if (a != NULL) {
        send_asset(r, a, 200);
        return;
    }
    // A file that is missing is missing; any other path belongs to the application's router. Files
    // are in /assets/ or in the root; deeper paths may have the name of a service in them.
    bool in_root = path.n > 0 && memchr(path.p + 1, '/', path.n - 1) == NULL;
    bool file =
        str_starts(path, STR("/assets/")) || (in_root && memchr(path.p, '.', path.n) != NULL);
    a = find(STR("/index.html"));
    if (file || a == NULL) {
        const struct http_header headers[] = {{STR("content-type"), STR("text/plain")}};
        http_respond(
            r, 404, headers, 1,
            file ? STR("no such file\n")
                 : STR("this binary was built without the web UI; the API is under /api/v1\n"));
        return;
    }
    send_asset(r, a, 200);
}

void openapi_respond(struct http_request *r)
{
    const struct http_header headers[] = {
        {STR("content-type"), STR("application/json")},
        {STR("cache-control"), STR("no-store")},
    };
    ASSERT(openapi_json_size > 0);
    http_respond_lent(r, 200, headers, 2, (struct str){openapi_json, openapi_json_size});
}
