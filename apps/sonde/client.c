// SPDX-License-Identifier: Apache-2.0
// Purpose: one request, by libcurl.
#include "client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/must.h"

#define URL_MAX 65536

void client_escape(struct buf *out, const char *text)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (const char *p = text; *p != 0; p++) {
        if (strchr(plain, *p) != NULL) {
            buf_add_byte(out, (uint8_t)*p);
        } else {
            buf_printf(out, "%%%02X", (unsigned)(unsigned char)*p);
        }
    }
}

static size_t take(char *bytes, size_t size, size_t count, void *ctx)
{
    struct buf *out = ctx;
    buf_add(out, bytes, size * count);
    return out->failed ? 0 : size * count;
}

// Whether a server that did not answer to plain HTTP does to TLS, whoever it is: it is sent
// nothing.
static bool speaks_tls(const char *server, int n)
{
    static const char plain[] = "http://";
    const char *host = strncmp(server, plain, sizeof plain - 1) == 0 ? server + sizeof plain - 1
                       : strstr(server, "://") == NULL               ? server
                                                                     : NULL;
    char url[URL_MAX];
    if (host == NULL || n <= host - server) {
        return false;
    }
    (void)snprintf(url, sizeof url, "https://%.*s", n - (int)(host - server), host);
    CURL *c = curl_easy_init();
    MUST(c != NULL);
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, 5L);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    bool speaks = curl_easy_perform(c) == CURLE_OK;
    curl_easy_cleanup(c);
    return speaks;
}

// What went wrong below HTTP; `detail` is curl's own sentence, where it has one.
static enum err explain(const struct client_options *o, int n, CURLcode code, const char *detail,
                        struct err_at *ret_at)
{
    ASSERT(code != CURLE_OK);
    detail = detail[0] != 0 ? detail : curl_easy_strerror(code);
    if (code == CURLE_SSL_CACERT_BADFILE) {
        return err_at_set(ret_at, ERR_DENIED, 0, "%s cannot be read as PEM certificates",
                          o->ca != NULL ? o->ca : "the system's list of authorities");
    }
    if (code == CURLE_PEER_FAILED_VERIFICATION) {
        return err_at_set(ret_at, ERR_DENIED, 0, "%.*s is not trusted: %s", n, o->server, detail);
    }
    bool is_there = code == CURLE_GOT_NOTHING || code == CURLE_RECV_ERROR ||
                    code == CURLE_SEND_ERROR || code == CURLE_UNSUPPORTED_PROTOCOL ||
                    code == CURLE_WEIRD_SERVER_REPLY;
    if (is_there && speaks_tls(o->server, n)) {
        return err_at_set(ret_at, ERR_UNSUPPORTED, 0,
                          "%.*s speaks TLS: ask for https:// in place of http://", n, o->server);
    }
    return err_at_set(ret_at, ERR_CLOSED, 0, "%.*s cannot be reached: %s", n, o->server, detail);
}

static void set_method(CURL *c, const struct client_request *r)
{
    ASSERT(r->method != NULL);
    if (strcmp(r->method, "GET") == 0) {
        return;
    }
    curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, r->method);
    if (strcmp(r->method, "POST") == 0) {
        curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.n);
        curl_easy_setopt(c, CURLOPT_POSTFIELDS, r->body.n > 0 ? r->body.p : "");
    }
}

enum err client_send(const struct client_options *o, const struct client_request *r,
                     struct buf *out, long *ret_status, struct err_at *ret_at)
{
    char url[URL_MAX], header[512], detail[CURL_ERROR_SIZE] = "";
    size_t n = strlen(o->server);
    while (n > 0 && o->server[n - 1] == '/') {
        n--;
    }
    int length = snprintf(url, sizeof url, "%.*s%s", (int)n, o->server, r->path);
    if (length < 0 || length >= URL_MAX) {
        return err_at_set(ret_at, ERR_LIMIT, 0, "the request is too long");
    }
    if (o->token != NULL && strpbrk(o->token, "\r\n") != NULL) {
        return err_at_set(ret_at, ERR_INVALID, 0, "the token has a line break in it");
    }
    CURL *c = curl_easy_init();
    MUST(c != NULL);
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/yaml");
    if (o->token != NULL) {
        (void)snprintf(header, sizeof header, "Authorization: Bearer %s", o->token);
        headers = curl_slist_append(headers, header);
    }
    curl_easy_setopt(c, CURLOPT_URL, url);
    set_method(c, r);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, out);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, 5L);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, detail);
    if (o->ca != NULL) { // these, and not those of the system as well
        curl_easy_setopt(c, CURLOPT_CAINFO, o->ca);
        curl_easy_setopt(c, CURLOPT_CAPATH, NULL);
    }
    CURLcode code = curl_easy_perform(c);
    long status = 0;
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(c);
    if (code != CURLE_OK) {
        return explain(o, (int)n, code, detail, ret_at);
    }
    *ret_status = status;
    return ERR_OK;
}
