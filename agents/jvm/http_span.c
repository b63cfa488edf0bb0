// SPDX-License-Identifier: Apache-2.0
// Purpose: spans of HTTP requests.
#include "agents/jvm/http_span.h"

#include <stdio.h>
#include <string.h>

#include "core/must.h"

static void put(struct frame *f, const char *key, struct str value)
{
    if (value.n > 0) {
        span_text(f, key, value);
    }
}

// "https://user:secret@host/" -> "https://host/"
static void put_url(struct frame *f, struct str url)
{
    char clean[TEXT_VALUE_MAX];
    size_t at = 0;
    while (at + 2 < url.n && memcmp(url.p + at, "://", 3) != 0) {
        at++;
    }
    size_t host = at + 3, end = host, sign = 0;
    while (end < url.n && memchr("/?#", url.p[end], 3) == NULL) {
        sign = url.p[end] == '@' ? end : sign;
        end++;
    }
    if (at + 2 >= url.n || sign == 0) {
        put(f, "url.full", url);
        return;
    }
    size_t tail = url.n - sign - 1;
    tail = host + tail <= sizeof clean ? tail : sizeof clean - host;
    if (host < sizeof clean) {
        memcpy(clean, url.p, host);
        memcpy(clean + host, url.p + sign + 1, tail);
        put(f, "url.full", (struct str){clean, host + tail});
    }
}

void http_span_route(struct frame *f, struct str method, struct str route)
{
    char name[SPAN_NAME_MAX + 8]; // span_name() cuts it at a character
    int n = snprintf(name, sizeof name, "%.*s %.*s", STR_FMT(method), STR_FMT(route));
    ASSERT(method.n > 0);
    put(f, "http.route", route);
    span_name(f, route.n == 0 || n <= 0 ? method : (struct str){name, strlen(name)});
}

void http_span_describe(struct frame *f, const struct http_request *r)
{
    struct str method = r->method.n > 0 ? r->method : STR("HTTP");
    put(f, "http.request.method", r->method);
    put(f, "url.scheme", r->scheme);
    put(f, "url.path", r->path);
    put_url(f, r->url);
    put(f, "server.address", r->host);
    if (r->port > 0) {
        span_int(f, "server.port", r->port);
    }
    if (span_has_details(f)) {
        put(f, "url.query", r->query);
        put(f, "client.address", r->client);
        put(f, "user_agent.original", r->user_agent);
    }
    http_span_route(f, method, r->route);
}

void http_span_status(struct frame *f, int code)
{
    int error_from = f->kind == SPAN_SERVER ? 500 : 400;
    if (code < 100 || code > 999) {
        return;
    }
    span_int(f, "http.response.status_code", code);
    if (code >= error_from) {
        char text[4];
        snprintf(text, sizeof text, "%d", code);
        span_text(f, "error.type", str_of(text));
        f->is_error = true;
    }
}
