// SPDX-License-Identifier: Apache-2.0
// Purpose: what of Prometheus' remote write is not as in OTLP: headers and answers.
//
//   request   content-encoding: snappy; content-type: application/x-protobuf, with
//             proto=prometheus.WriteRequest (1.0, and where there is no proto) or
//             proto=io.prometheus.write.v2.Request (2.0). Anything else is 415.
//   success   204. To 2.0 with X-Prometheus-Remote-Write-{Samples,Histograms,Exemplars}-Written.
//   partial   400 with the reason in plain text, and those headers: what is not at fault is kept
//             and durable by then. Senders do not try again after 400.
//   failure   as of OTLP, in plain text; with retry-after where the sender should try again.
#include "core/must.h"
#include "receive/internal.h"

#define RETRY_AFTER STR("1")

static bool proto_kind(struct str proto, enum door_kind *ret_kind)
{
    ASSERT(ret_kind != NULL);
    if (proto.n == 0 || str_eq(proto, STR("prometheus.WriteRequest"))) {
        *ret_kind = DOOR_WRITE_1;
    } else if (str_eq(proto, STR("io.prometheus.write.v2.Request"))) {
        *ret_kind = DOOR_WRITE_2;
    } else {
        return false;
    }
    return true;
}

// The value of a parameter of a media type, without quotes; empty where it is absent.
static struct str parameter(struct str parameters, struct str name)
{
    while (parameters.n > 0) {
        struct str one, key;
        parameters = str_split(parameters, ';', &one);
        struct str value = str_trim(str_split(one, '=', &key));
        if (str_eq_nocase(str_trim(key), name)) {
            bool quoted = value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"';
            ASSERT(!quoted || value.n >= 2);
            return quoted ? (struct str){value.p + 1, value.n - 2} : value;
        }
    }
    return STR("");
}

bool write_headers(struct http_request *r, struct str content_type, enum door_kind *ret_kind)
{
    struct str media;
    struct str parameters = str_split(content_type, ';', &media);
    ASSERT(ret_kind != NULL);
    if (!str_eq_nocase(str_trim(media), STR("application/x-protobuf")) ||
        !proto_kind(parameter(parameters, STR("proto")), ret_kind)) {
        answer_plain_error(r, 415,
                           "The content-type must be application/x-protobuf, with proto="
                           "prometheus.WriteRequest or proto=io.prometheus.write.v2.Request.");
        return false;
    }
    if (!str_eq_nocase(str_trim(http_header(r, STR("content-encoding"))), STR("snappy"))) {
        answer_plain_error(r, 415, "The content-encoding must be snappy.");
        return false;
    }
    return true;
}

// How much was written, for 2.0; exemplars without a trace are not.
static size_t put_written(struct door *d, struct http_header *headers)
{
    struct arena *a = http_arena(d->request);
    ASSERT(door_is_write(d->kind));
    if (d->kind != DOOR_WRITE_2) {
        return 0;
    }
    headers[0] = (struct http_header){STR("x-prometheus-remote-write-samples-written"),
                                      arena_printf(a, "%llu", (unsigned long long)d->samples)};
    headers[1] = (struct http_header){STR("x-prometheus-remote-write-histograms-written"),
                                      arena_printf(a, "%llu", (unsigned long long)d->histograms)};
    headers[2] = (struct http_header){STR("x-prometheus-remote-write-exemplars-written"),
                                      arena_printf(a, "%llu", (unsigned long long)d->exemplars)};
    return 3;
}

void write_success(struct door *d)
{
    struct http_header headers[4];
    size_t n = put_written(d, headers);
    ASSERT(n < sizeof headers / sizeof headers[0]);
    if (d->message.n == 0) {
        http_respond(d->request, 204, headers, n, STR(""));
        return;
    }
    headers[n++] = (struct http_header){STR("content-type"), STR("text/plain; charset=utf-8")};
    http_respond(d->request, 400, headers, n, d->message);
}

void write_failure(struct door *d, const struct failure *f, struct str message)
{
    struct http_header headers[6];
    d->samples = d->histograms = d->exemplars = 0; // nothing of it is kept
    size_t n = put_written(d, headers);
    headers[n++] = (struct http_header){STR("content-type"), STR("text/plain; charset=utf-8")};
    if (f->retry) {
        headers[n++] = (struct http_header){STR("retry-after"), RETRY_AFTER};
    }
    if (f->http_status == 401) {
        headers[n++] = (struct http_header){STR("www-authenticate"), STR("Bearer")};
    }
    ASSERT(n <= sizeof headers / sizeof headers[0]);
    http_respond(d->request, f->http_status, headers, n, message);
}
