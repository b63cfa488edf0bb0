// SPDX-License-Identifier: Apache-2.0
// Purpose: the API's server: its thread, its routes, who may call them.
#include "api/api.h"

#include <openssl/crypto.h>

#include "api/job.h"
#include "core/clock.h"
#include "core/logger.h"
#include "core/mem.h"
#include "core/must.h"
#include "http/host.h"

#define STOP_GRACE_MS 2000

#define P(param) PARAM_BIT(PARAM_##param)
#define RANGE    (P(FROM) | P(TO))
#define CALLED   (P(SERVICE) | P(NAMESPACE) | P(ENDPOINT))
#define POINTS   (P(SERVICE) | P(NAMESPACE) | P(LABEL))
#define STORES   (P(SERVICE) | P(NAMESPACE) | P(NODE) | P(KIND) | P(COMPARE))

#define GET    METHOD_GET
#define POST   METHOD_POST
#define DELETE METHOD_DELETE

// Longer prefixes before shorter ones.
static const struct route routes[] = {
    {"/api/v1/traces/", "/outline", api_trace_outline, false, false, PARAMS_NONE},
    {"/api/v1/traces/", "/raw", api_trace_raw, false, false, PARAMS_NONE},
    {"/api/v1/traces/", "", api_trace, false, false, PARAMS_NONE},
    {"/api/v1/traces", NULL, api_traces, false, false, RANGE | P(Q) | P(LIMIT) | P(ORDER)},
    {"/api/v1/services/", "/operations", api_operations, false, false, RANGE | P(NAMESPACE)},
    {"/api/v1/services", NULL, api_services, false, false, RANGE},
    {"/api/v1/attributes/", "/values", api_attribute_values, false, false,
     RANGE | P(SCOPE) | P(PREFIX) | P(LIMIT)},
    {"/api/v1/attributes", NULL, api_attributes, false, false, RANGE | P(PREFIX) | P(LIMIT)},
    {"/api/v1/red", NULL, api_red, false, false, RANGE | CALLED | P(INSTANCE) | P(BY) | P(STEP)},
    {"/api/v1/metrics/query", NULL, api_points, false, false,
     RANGE | POINTS | P(NAME) | P(STEP) | P(AS) | P(BY)},
    {"/api/v1/metrics/exemplars", NULL, api_exemplars, false, false,
     RANGE | POINTS | P(NAME) | P(LIMIT)},
    {"/api/v1/metrics/services", NULL, api_points_services, false, false, RANGE},
    {"/api/v1/metrics", NULL, api_points_names, false, false, RANGE | POINTS},
    {"/api/v1/topology/metrics", NULL, api_machine, false, false, RANGE | P(NODE)},
    {"/api/v1/topology", NULL, api_topology, false, false, RANGE | P(LEVEL)},
    {"/api/v1/entries/load", NULL, api_entries_load, false, false, RANGE | P(NODE)},
    {"/api/v1/entries", NULL, api_entries, false, false, RANGE | CALLED | P(TIMES)},
    {"/api/v1/findings", NULL, api_findings, false, false, RANGE},
    {"/api/v1/alerts/rules/", "/changes", api_alert_rule_changes, false, true, P(LIMIT), GET},
    {"/api/v1/alerts/rules/", "", api_alert_remove, false, true, PARAMS_NONE, DELETE},
    {"/api/v1/alerts/rules", NULL, api_alert_rules, false, true, PARAMS_NONE, GET},
    {"/api/v1/alerts/rules", NULL, api_alert_import, false, true, PARAMS_NONE, POST},
    {"/api/v1/alerts/roster", NULL, api_roster, false, true, PARAMS_NONE, GET},
    {"/api/v1/alerts/on-call", NULL, api_on_call, false, true, P(AT) | P(NAME), GET},
    {"/api/v1/alerts/people/", "", api_person_remove, false, true, PARAMS_NONE, DELETE},
    {"/api/v1/alerts/groups/", "", api_group_remove, false, true, PARAMS_NONE, DELETE},
    {"/api/v1/alerts/silences/", "", api_silence_remove, false, true, PARAMS_NONE, DELETE},
    {"/api/v1/alerts/test", NULL, api_alert_test, false, false, PARAMS_NONE, POST},
    {"/api/v1/alerts/export", NULL, api_alert_export, false, true, PARAMS_NONE, GET},
    {"/api/v1/alerts/channels/", "/test", api_channel_test, false, true, PARAMS_NONE, POST},
    {"/api/v1/alerts/channels/", "", api_channel_remove, false, true, PARAMS_NONE, DELETE},
    {"/api/v1/alerts/channels", NULL, api_channels, false, true, PARAMS_NONE, GET},
    {"/api/v1/incidents/", "/acknowledge", api_incident_acknowledge, false, true, PARAMS_NONE,
     POST},
    {"/api/v1/incidents/", "/comments", api_incident_comment, false, true, PARAMS_NONE, POST},
    {"/api/v1/incidents/", "", api_incident, false, true, PARAMS_NONE, GET},
    {"/api/v1/incidents", NULL, api_incidents, false, true, P(LIMIT) | P(STATE) | P(BEFORE), GET},
    {"/api/v1/stores/statements", NULL, api_stores_statements, false, false,
     RANGE | STORES | P(BY) | P(LIMIT)},
    {"/api/v1/stores", NULL, api_stores, false, false, RANGE | STORES},
    {"/api/v1/scatter", NULL, api_scatter, false, false, RANGE | P(Q) | P(COLUMNS) | P(ROWS)},
    {"/api/v1/filter", NULL, api_filter, false, true, P(Q)},
    {"/api/v1/trace-id/", "", api_trace_id, false, true, PARAMS_NONE},
    {"/api/v1/ledger", NULL, api_ledger, false, true, PARAMS_NONE},
    {"/api/v1/store", NULL, api_store, false, true, PARAMS_NONE},
    {"/api/v1/scrape/targets", NULL, api_scrape_targets, false, true, PARAMS_NONE},
    {"/api/v1/config", NULL, api_config, false, true, PARAMS_NONE},
    {"/api/v1/dead-letters", NULL, api_dead_letters, false, false, P(LIMIT)},
    {"/api/v1/openapi.json", NULL, NULL, true, true, PARAMS_NONE, .at_once = openapi_respond},
    {"/api/v2/alerts", NULL, api_received, false, true, PARAMS_IGNORED, GET},
    {"/api/v2/alerts", NULL, api_received_put, false, true, PARAMS_IGNORED, POST, true},
    {"/api/v2/status", NULL, api_received_status, false, true, PARAMS_IGNORED, GET},
    {"/api/status", NULL, api_status, false, true, PARAMS_NONE},
    {"/metrics", NULL, api_metrics, false, true, PARAMS_IGNORED},
    {"/healthz", NULL, NULL, true, true, PARAMS_IGNORED, .at_once = health_respond},
    {"/readyz", NULL, api_ready, true, true, PARAMS_IGNORED},
};

static const struct route span_route = {"/api/v1/traces/", "", api_trace_span, false, false,
                                        PARAMS_NONE};

static bool matches(const struct route *route, struct str path, struct str *ret_param)
{
    struct str prefix = str_of(route->prefix);
    ASSERT(prefix.n > 0 && prefix.p[0] == '/');
    if (route->suffix == NULL) {
        *ret_param = STR_NONE;
        return str_eq(path, prefix);
    }
    struct str suffix = str_of(route->suffix);
    if (!str_starts(path, prefix) || path.n <= prefix.n + suffix.n ||
        !str_eq(str_skip(path, path.n - suffix.n), suffix)) {
        return false;
    }
    *ret_param = (struct str){path.p + prefix.n, path.n - prefix.n - suffix.n};
    return true;
}

static struct str method_name(enum method m)
{
    static const struct str names[] = {
        {"GET, HEAD", 9},
        {"POST", 4},
        {"DELETE", 6},
    };
    ASSERT((size_t)m < sizeof names / sizeof names[0]);
    return names[m];
}

static bool is_method(enum method m, struct str given)
{
    return m == METHOD_GET ? str_eq(given, STR("GET")) || str_eq(given, STR("HEAD"))
                           : str_eq(given, method_name(m));
}

// NULL where there is no such path, or no such method of it: *ret_allowed has those that it has.
static const struct route *find_route(struct str path, struct str method, struct str *ret_param,
                                      struct buf *ret_allowed)
{
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (!matches(&routes[i], path, ret_param)) {
            continue;
        }
        if (is_method(routes[i].method, method)) {
            bool span = routes[i].run == api_trace && ret_param->p != NULL &&
                        memchr(ret_param->p, '/', ret_param->n) != NULL;
            return span ? &span_route : &routes[i];
        }
        buf_add_str(ret_allowed, ret_allowed->n > 0 ? STR(", ") : STR(""));
        buf_add_str(ret_allowed, method_name(routes[i].method));
    }
    return NULL;
}

static void respond_error(struct http_request *r, int status, struct str body,
                          struct http_header extra)
{
    const struct http_header headers[] = {{STR("content-type"), STR("application/json")}, extra};
    http_respond(r, status, headers, extra.name.n > 0 ? 2 : 1, body);
}

static bool is_token(struct str token, struct str given)
{
    ASSERT(token.n == 0 || token.p != NULL);
    return token.n > 0 && given.n == token.n && CRYPTO_memcmp(given.p, token.p, token.n) == 0;
}

static bool is_allowed(const struct api *a, const struct route *route, const struct http_request *r)
{
    struct str given = http_header(r, STR("authorization"));
    if (a->o.token.n == 0) {
        return true;
    }
    ASSERT(a->o.token.p != NULL);
    if (given.n < 7 || !str_eq_nocase((struct str){given.p, 7}, STR("Bearer "))) {
        return false;
    }
    given = str_trim(str_skip(given, 7));
    return is_token(a->o.token, given) || (route->ingests && is_token(a->o.ingest_token, given));
}

// Where no token is demanded a web page must not pass for one of this machine (http/host.h).
static bool is_for_here(const struct api *a, const struct http_request *r)
{
    struct str host = http_header(r, STR("host"));
    ASSERT(a->o.address != NULL);
    return a->o.token.n > 0 || host.p == NULL || host_is_local(host, a->o.address);
}

// A page of another site can make a browser send here what a form could send, and no more: a type
// of content that no form has makes the browser ask first, and it is told no.
static bool is_own_doing(struct http_request *r)
{
    struct str given = http_header(r, STR("content-type")), type;
    (void)str_split(given.p != NULL ? given : STR(""), ';', &type);
    type = str_trim(type);
    if (str_eq_nocase(type, STR("application/json")) ||
        str_eq_nocase(type, STR("application/yaml"))) {
        return true;
    }
    respond_error(r, 415,
                  STR("{\"error\":\"expected content-type: application/json or "
                      "application/yaml\"}"),
                  (struct http_header){0});
    return false;
}

// False after answering.
static bool may_ask(const struct api *a, const struct route *route, struct http_request *r)
{
    if (!route->anonymous && !is_for_here(a, r)) {
        respond_error(r, 421,
                      STR("{\"error\":\"without http.token only requests to an address or to "
                          "localhost are answered; this one names another host\"}"),
                      (struct http_header){0});
        return false;
    }
    if (!route->anonymous && !is_allowed(a, route, r)) {
        respond_error(r, 401,
                      STR("{\"error\":\"a query token is needed: authorization: Bearer ...\"}"),
                      (struct http_header){STR("www-authenticate"), STR("Bearer")});
        return false;
    }
    return route->method != METHOD_POST || is_own_doing(r);
}

static void no_route(struct http_request *r, struct str allowed)
{
    struct str path = http_path(r), method = http_method(r);
    bool is_page = !str_starts(path, STR("/api/")) && allowed.n == 0;
    if (is_page && is_method(METHOD_GET, method)) {
        assets_respond(r);
    } else if (is_page || allowed.n > 0) {
        respond_error(r, 405, STR("{\"error\":\"this method is not allowed here\"}"),
                      (struct http_header){STR("allow"), is_page ? STR("GET, HEAD") : allowed});
    } else {
        respond_error(r, 404, STR("{\"error\":\"no such path; see /api/v1/openapi.json\"}"),
                      (struct http_header){0});
    }
}

static void on_request(void *ctx, struct http_request *r)
{
    struct api *a = ctx;
    struct str param;
    struct buf allowed;
    buf_init(&allowed, 256);
    const struct route *route = find_route(http_path(r), http_method(r), &param, &allowed);
    if (route == NULL) {
        no_route(r, buf_str(&allowed));
    } else if (may_ask(a, route, r)) {
        job_start(a, route, param, r);
    }
    buf_done(&allowed);
}

static void on_cancel(void *ctx, struct http_request *r)
{
    (void)ctx;
    struct job *j = http_user(r);
    if (j != NULL) {
        ASSERT(j->request == r);
        job_cancel(j);
    }
}

// A query is nothing to go on with for who may be gone: others wait for its worker.
static bool is_given_up(void *ctx, struct http_request *r)
{
    const struct job *j = http_user(r);
    ASSERT(ctx != NULL);
    return j != NULL && !j->route->light;
}

static void run(void *arg)
{
    struct api *a = arg;
    loop_run(a->loop);
}

static void api_free(struct api *a)
{
    ASSERT(a->loop != NULL);
    loop_free(a->loop);
    crew_free(a->crew);
    MUST(pthread_rwlock_destroy(&a->receive_lock) == 0);
    mem_free(a);
}

enum err api_start(const struct api_options *options, struct api **ret_api, struct err_at *ret_at)
{
    ASSERT(options->store != NULL && options->address != NULL);
    struct api *a = mem_new(1, sizeof *a);
    a->o = *options;
    a->started_ns = clock_wall_ns();
    MUST(pthread_rwlock_init(&a->receive_lock, NULL) == 0);
    a->loop = loop_new();
    // The worker that runs a query counts for one core.
    size_t helpers = uv_available_parallelism() - 1;
    a->crew = crew_new(helpers < CREW_HELPERS_MAX ? helpers : CREW_HELPERS_MAX);
    const struct http_server_options server = {
        .loop = a->loop,
        .address = options->address,
        .tls = options->tls,
        .handler = {.on_request = on_request,
                    .on_cancel = on_cancel,
                    .is_given_up = is_given_up,
                    .ctx = a},
        .budget = options->budget,
        .account = ACCOUNT_BODIES, // idle connections must not eat the queries' share
        .body_bytes_max = API_BODY_MAX,
        .connections_max = options->connections_max,
    };
    enum err e = http_server_new(&server, &a->server, ret_at);
    if (e != ERR_OK) {
        api_free(a);
        return e;
    }
    MUST(uv_thread_create(&a->thread, run, a) == 0);
    *ret_api = a;
    return ERR_OK;
}

const char *api_address(const struct api *a)
{
    return http_server_address(a->server);
}

void api_set_ready(struct api *a, struct receive *receive)
{
    MUST(pthread_rwlock_wrlock(&a->receive_lock) == 0);
    a->receive = receive;
    MUST(pthread_rwlock_unlock(&a->receive_lock) == 0);
}

struct stopping {
    struct loop_task task;
    struct api *api;
};

static void on_stopped(void *ctx)
{
    struct api *a = ctx;
    ASSERT(!a->stopping);
    a->stopping = true;
    if (a->jobs == 0) {
        loop_stop(a->loop);
    } // else the last job does it
}

static void stop_on_loop(struct loop_task *task)
{
    struct api *a = ((struct stopping *)task)->api;
    http_server_stop(a->server, STOP_GRACE_MS, on_stopped, a);
}

void api_stop(struct api *a)
{
    if (a == NULL) {
        return;
    }
    struct stopping s = {.task = {.run = stop_on_loop}, .api = a};
    loop_post(a->loop, &s.task);
    MUST(uv_thread_join(&a->thread) == 0);
    ASSERT(a->jobs == 0);
    http_server_free(a->server);
    api_free(a);
}
