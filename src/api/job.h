// SPDX-License-Identifier: Apache-2.0
// Purpose: one API request on its way: parameters copied out of the request, a handler that runs on
// a worker thread and writes the answer, the answer sent by the loop. Internal to api/.
#ifndef SONDE_API_JOB_H
#define SONDE_API_JOB_H

#include <pthread.h>
#include <stdatomic.h>

#include <uv.h>

#include "api/api.h"
#include "api/params.h"
#include "core/arena.h"
#include "core/buf.h"
#include "filter/filter.h"
#include "ledger/budget.h"
#include "query/places.h"
#include "query/points.h"
#include "query/scan.h"
#include "query/search.h"
#include "wire/json_writer.h"

#define API_JOBS_MAX     64   // at once; more are answered 429
#define API_WORKING_MAX  3    // of them that workers have: one less than libuv has
#define API_TURN_MS      2000 // a worker each query has for itself, and longer while nobody waits
#define API_ANSWER_MAX   ((size_t)256 << 20) // bytes of one answer
#define API_BODY_MAX     ((size_t)16 << 20)  // of a request: a file of rules
#define API_ANSWER_SHARE 4                   // and at most this part of the budget
#define API_WORK_BYTES   ((size_t)1 << 20)   // what a query takes before any of its state grows

struct api {
    struct api_options o;
    struct loop *loop;
    struct http_server *server;
    uv_thread_t thread;
    pthread_rwlock_t
        receive_lock;        // held while `receive` is used, so that it is not stopped under us
    struct receive *receive; // NULL until it is there, and once it goes
    uint64_t started_ns;
    struct crew *crew; // threads that help the workers
    // Of the loop's thread alone. Queries wait here and not in libuv's queue, where /healthz and
    // /metrics would wait behind them.
    unsigned jobs;                        // that there are
    unsigned light_jobs;                  // those of light routes
    unsigned working;                     // those of other routes that a worker has
    struct job *at_work[API_WORKING_MAX]; // they, in any order
    struct job *first, **last;            // the others, which wait for one
    uv_timer_t *turns;                    // while there are any of those
    bool stopping;                        // the server is gone
    atomic_uint_fast64_t queries, query_failures, query_cancels;
};

struct job;

enum method { METHOD_GET, METHOD_POST, METHOD_DELETE }; // GET is HEAD as well

struct route {
    const char *prefix; // of the path
    const char *suffix; // "" or what must stand at the end, the parameter in between
    void (*run)(struct job *j);
    bool anonymous; // needs no token
    bool light;     // reads no spans: answered even where memory is short
    uint32_t params;
    enum method method;
    bool ingests; // what sends data may do it: the ingest token does as well
    // In place of `run`, for what is always the same: answers on the loop's thread, without a job,
    // so that no crowd of other requests is in its way.
    void (*at_once)(struct http_request *r);
};

struct job {
    uv_work_t work;
    struct job *next;  // that waits
    uv_timer_t *timer; // tells progress, or paces a large answer
    bool pacing;
    size_t sent;        // of a paced answer
    struct meter meter; // what the query and its answer hold
    struct api *api;
    struct http_request *request; // NULL once the client is gone
    const struct route *route;
    struct arena arena;
    struct str path_param; // between the route's prefix and suffix
    struct str body;       // of POST
    struct str by;         // who asks: the address, without a port
    struct str params[PARAM_COUNT];
    struct series_label labels[METRIC_LABELS_MAX]; // label.KEY=VALUE
    size_t label_count;
    bool lines;                 // the client accepts application/x-ndjson
    uint64_t begun_ns, work_ns; // asked; given to a worker
    struct query_control control;
    int status;
    const char *content_type;
    const char *disposition; // content-disposition, or NULL
    struct buf out;
};

// Called on the loop's thread: copies the parameters and queues the job.
void job_start(struct api *a, const struct route *route, struct str path_param,
               struct http_request *r);
// The client is gone.
void job_cancel(struct job *j);

// ---- For handlers, on a worker thread ---------------------------------------------------------

// Answers with an error: {"error": text}.
void job_error(struct job *j, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// The same for an error of storage or query.
void job_fail(struct job *j, enum err e);

// The same for one of a sum of calls.
void job_fail_sum(struct job *j, enum err e);

// What is said of a metric of this name; texts are the job's.
struct metric_said;
struct metric_said job_metric_said(struct job *j, struct str name);

// Takes memory for the job until its end; false after answering 429.
bool job_memory(struct job *j, size_t bytes);

// from and to, with the last hour as the default; false after answering 400.
bool job_range(struct job *j, uint64_t *ret_from_ns, uint64_t *ret_to_ns);
// The same of spans: those of clocks that run a little ahead belong to "now" as well.
bool job_range_of_spans(struct job *j, uint64_t *ret_from_ns, uint64_t *ret_to_ns);
// A number between min and max; false after answering 400.
bool job_number(struct job *j, enum param p, uint64_t fallback, uint64_t min, uint64_t max,
                uint64_t *ret_value);
// Range, limit and order of a list of traces; false after answering 400.
bool job_search(struct job *j, struct search *ret_search);
// The filter in q; false after answering 400 with position and expectation. One that asks for
// places in trees is refused, unless it is asked for.
bool job_filter_for(struct job *j, enum filter_scope scope, struct filter **ret_filter);
bool job_filter(struct job *j, struct filter **ret_filter);

// Writes "partial", and "partial_reason" where it is. `lack`: why spans are missing; NULL: none is.
void job_partial(struct job *j, struct json_writer *w, const char *lack);

// Writes "stats": {...}; `view` is what was scanned.
void job_stats(struct job *j, struct json_writer *w, const struct store_view *view);

// ---- Handlers ---------------------------------------------------------------------------------

void api_traces(struct job *j);
void api_trace(struct job *j);
void api_trace_outline(struct job *j);
void api_trace_span(struct job *j);
void api_trace_raw(struct job *j);
void api_red(struct job *j);
void api_topology(struct job *j);
void api_machine(struct job *j);
void api_places(struct job *j, enum places_level level, uint64_t from_ms, uint64_t to_ms);
void api_entries(struct job *j);
void api_entries_load(struct job *j);
void api_findings(struct job *j);
void api_alert_rules(struct job *j);
void api_alert_rule_changes(struct job *j);
void api_alert_export(struct job *j);
void api_alert_import(struct job *j);
void api_alert_remove(struct job *j);
// Answers a change of alerts: nothing, or what went wrong with it; *at has the words.
void api_alert_changed(struct job *j, enum err e, const struct err_at *at);
void api_roster(struct job *j);
void api_on_call(struct job *j);
void api_person_remove(struct job *j);
void api_group_remove(struct job *j);
void api_silence_remove(struct job *j);
void api_alert_test(struct job *j);
void api_channels(struct job *j);
void api_channel_remove(struct job *j);
void api_channel_test(struct job *j);
void api_received(struct job *j);
void api_received_put(struct job *j);
void api_received_status(struct job *j);
void api_incidents(struct job *j);
void api_incident(struct job *j);
void api_incident_acknowledge(struct job *j);
void api_incident_comment(struct job *j);
void api_stores(struct job *j);
void api_stores_statements(struct job *j);
void api_points(struct job *j);
void api_points_names(struct job *j);
void api_exemplars(struct job *j);
void api_points_services(struct job *j);
void api_services(struct job *j);
void api_operations(struct job *j);
void api_attributes(struct job *j);
void api_attribute_values(struct job *j);
void api_scatter(struct job *j);
void api_filter(struct job *j);
void api_trace_id(struct job *j);
void api_status(struct job *j);
void api_ledger(struct job *j);
void api_store(struct job *j);
void api_scrape_targets(struct job *j);
void api_config(struct job *j);
void api_dead_letters(struct job *j);
void health_respond(struct http_request *r);
void api_ready(struct job *j);
void api_metrics(struct job *j);
void openapi_respond(struct http_request *r);

// Answers a path outside the API with a file of the UI, or with the UI's page. On the loop's
// thread.
void assets_respond(struct http_request *r);

#endif
