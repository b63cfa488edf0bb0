// SPDX-License-Identifier: Apache-2.0
// Purpose: how a span says what HTTP request it is about: the attributes of OpenTelemetry's
// semantic conventions for HTTP spans (1.27 and later), for every plug-in that has to do with HTTP.
#ifndef SONDE_JVM_HTTP_SPAN_H
#define SONDE_JVM_HTTP_SPAN_H

#include "agents/jvm/plugin.h"

// What a plug-in knows of a request. Empty texts and a port of 0 are left out.
struct http_request {
    struct str method;
    // A server's span: url.scheme, url.path, url.query; the route as the framework has it.
    struct str scheme, path, query, route;
    struct str user_agent, client;
    // A client's span: the whole URL. Credentials in it are cut out.
    struct str url;
    // server.address and server.port; for a server's span what the Host header says.
    struct str host;
    int port;
};

// Attributes and the name: "GET /cart/{id}", or "GET" without a route.
void http_span_describe(struct frame *f, const struct http_request *r);

// The route when it is learned late: http.route and the name.
void http_span_route(struct frame *f, struct str method, struct str route);

// ---- Clients ---------------------------------------------------------------------------------

// A client's span: attributes and name from the method and the whole URL, whose host and port are
// the server's. The URL may be empty when the span is not kept.
void http_span_call(struct frame *f, struct str method, struct str url);

// Sends the span's context: `set` is a method of the request's of two Strings, or a String and an
// Object, whatever it gives.
void http_span_send(JNIEnv *env, const struct frame *f, struct java_method *set, jobject request);

// How the call ended: the status of its answer, or 0 and (not NULL) what was thrown.
void http_span_end_call(JNIEnv *env, struct frame *f, int code, jthrowable thrown);

// ---- Both ------------------------------------------------------------------------------------

// http.response.status_code; an error for a server from 500, for a client from 400 on, with the
// code as error.type.
void http_span_status(struct frame *f, int code);

#endif
