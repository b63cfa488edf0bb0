// SPDX-License-Identifier: Apache-2.0
// Purpose: the life of an API request: queued, run on a worker, answered on the loop.
#include "api/job.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"
#include "filter/code.h"

#define PROGRESS_MS   200
#define TURN_CHECK_MS 100

// An answer larger than PACE_WHOLE is sent in pieces, as fast as its reader takes them, so that it
// neither meets the server's bound on unread bytes nor stands in memory twice. Up to PACE_BYTES are
// on their way, while the memory budget has room for them; else one PACE_LEAST after the other.
#define PACE_WHOLE ((size_t)256 << 10)
#define PACE_BYTES ((size_t)512 << 10)
#define PACE_PIECE ((size_t)128 << 10)
#define PACE_LEAST ((size_t)16 << 10)
#define PACE_MS    2

#define SPANS_AHEAD_MS 60000

static void on_timer_closed(uv_handle_t *handle)
{
    mem_free(handle);
}

static void stop_timer(struct job *j)
{
    ASSERT(j->timer == NULL || j->timer->data == j);
    if (j->timer != NULL) {
        uv_close((uv_handle_t *)j->timer, on_timer_closed);
        j->timer = NULL;
    }
}

static void on_progress(uv_timer_t *timer)
{
    struct job *j = timer->data;
    char line[128];
    ASSERT(j->timer == timer && j->lines);
    if (j->request == NULL || j->control.total_spans == 0) {
        return;
    }
    int n = snprintf(line, sizeof line,
                     "{\"progress\":{\"scanned_spans\":%llu,\"total_spans\":%llu}}\n",
                     (unsigned long long)atomic_load(&j->control.scanned_spans),
                     (unsigned long long)atomic_load(&j->control.total_spans));
    http_stream_write(j->request, (struct str){line, (size_t)n});
}

static void run(uv_work_t *work)
{
    struct job *j = work->data;
    ASSERT(j->route->run != NULL && j->out.n == 0);
    if (j->route->light || job_memory(j, API_WORK_BYTES)) {
        j->route->run(j);
    }
    if (!j->route->light && j->meter.held_bytes >= j->out.capacity) {
        meter_give(&j->meter, j->meter.held_bytes - j->out.capacity); // the work is done
    }
}

static void job_free(struct job *j)
{
    ASSERT(j->timer == NULL);
    buf_done(&j->out);
    meter_done(&j->meter);
    arena_done(&j->arena);
    mem_free(j);
}

static void job_end(struct job *j)
{
    struct api *a = j->api;
    ASSERT(a->jobs > 0);
    stop_timer(j);
    a->jobs--;
    a->light_jobs -= j->route->light ? 1 : 0;
    job_free(j);
    if (a->stopping && a->jobs == 0) {
        loop_stop(a->loop);
    }
}

static uv_timer_t *new_timer(struct loop *loop, void *data, uv_timer_cb tick, uint64_t period_ms)
{
    uv_timer_t *timer = mem_new(1, sizeof *timer);
    ASSERT(period_ms > 0);
    MUST(uv_timer_init(loop_uv(loop), timer) == 0);
    timer->data = data;
    MUST(uv_timer_start(timer, tick, 0, period_ms) == 0);
    return timer;
}

static void start_timer(struct job *j, uv_timer_cb tick, uint64_t period_ms)
{
    ASSERT(j->timer == NULL);
    j->timer = new_timer(j->api->loop, j, tick, period_ms);
}

static void on_pace(uv_timer_t *timer)
{
    struct job *j = timer->data;
    ASSERT(j->pacing && j->sent <= j->out.n);
    // Writing may find the peer gone, which cancels the job.
    while (j->request != NULL && j->sent < j->out.n) {
        size_t pending = http_stream_pending(j->request), left = j->out.n - j->sent;
        bool room = http_stream_room(j->request, PACE_PIECE);
        if (pending >= PACE_BYTES || (pending > 0 && !room)) {
            break;
        }
        size_t n = room ? PACE_PIECE : PACE_LEAST;
        n = n < left ? n : left;
        struct str piece = {j->out.p + j->sent, n};
        j->sent += n;
        http_stream_write(j->request, piece);
    }
    if (j->request != NULL && j->sent < j->out.n) {
        return;
    }
    if (j->request != NULL) {
        http_set_user(j->request, NULL);
        http_stream_end(j->request, NULL, 0);
    }
    job_end(j);
}

static void answer(struct job *j)
{
    ASSERT(j->request != NULL && j->status >= 200 && j->content_type != NULL);
    struct http_header headers[4] = {
        {STR("content-type"), str_of(j->content_type)},
        {STR("cache-control"), STR("no-store")},
    };
    size_t count = 2;
    if (j->disposition != NULL) {
        headers[count++] = (struct http_header){STR("content-disposition"), str_of(j->disposition)};
    }
    if (j->status == 429) {
        headers[count++] = (struct http_header){STR("retry-after"), STR("1")};
    }
    if (!j->lines && j->out.n <= PACE_WHOLE) {
        http_set_user(j->request, NULL);
        http_respond(j->request, j->status, headers, count, buf_str(&j->out));
        job_end(j);
        return;
    }
    if (!j->lines) { // else it has begun already
        http_stream_begin(j->request, j->status, headers, count);
    }
    j->pacing = true;
    start_timer(j, on_pace, PACE_MS);
}

static void after(uv_work_t *work, int status);

// While queries wait, those that have had their turn end with what they have found.
static void on_turn(uv_timer_t *timer)
{
    struct api *a = timer->data;
    uint64_t now_ns = clock_mono_ns();
    ASSERT(a->turns == timer && a->working <= API_WORKING_MAX);
    for (unsigned i = 0; i < a->working; i++) {
        if (now_ns - a->at_work[i]->work_ns >= API_TURN_MS * NS_PER_MS) {
            atomic_store(&a->at_work[i]->control.out_of_turn, true);
        }
    }
}

static void watch_turns(struct api *a)
{
    ASSERT((a->first != NULL) == (a->last != NULL));
    if (a->first != NULL && a->turns == NULL) {
        a->turns = new_timer(a->loop, a, on_turn, TURN_CHECK_MS);
    } else if (a->first == NULL && a->turns != NULL) {
        uv_close((uv_handle_t *)a->turns, on_timer_closed);
        a->turns = NULL;
    }
}

// Gives waiting queries to workers, and leaves one worker to what is answered at once.
static void give_work(struct api *a)
{
    while (a->first != NULL && a->working < API_WORKING_MAX) {
        struct job *j = a->first;
        a->first = j->next;
        a->last = a->first == NULL ? NULL : a->last;
        j->work_ns = clock_mono_ns();
        a->at_work[a->working++] = j;
        MUST(uv_queue_work(loop_uv(a->loop), &j->work, run, after) == 0);
    }
    ASSERT(a->working <= API_WORKING_MAX && a->working <= a->jobs);
    watch_turns(a);
}

static void leave_work(struct api *a, const struct job *j)
{
    unsigned i = 0;
    while (a->at_work[i] != j) {
        i++;
        MUST(i < a->working);
    }
    a->at_work[i] = a->at_work[--a->working];
    give_work(a);
}

static void queue(struct job *j)
{
    struct api *a = j->api;
    if (j->route->light) {
        MUST(uv_queue_work(loop_uv(a->loop), &j->work, run, after) == 0);
        return;
    }
    ASSERT(j->next == NULL);
    if (a->first == NULL) {
        a->first = j;
    } else {
        *a->last = j;
    }
    a->last = &j->next;
    give_work(a);
}

static void after(uv_work_t *work, int status)
{
    struct job *j = work->data;
    struct api *a = j->api;
    ASSERT(a->jobs > 0);
    (void)status; // jobs are never taken back from the pool
    if (!j->route->light) {
        leave_work(a, j);
    }
    stop_timer(j);
    if (j->out.denied) {
        job_fail(j, ERR_MEMORY);
    } else if (j->out.failed) {
        job_error(j, 500, "the answer is larger than %zu MiB; ask for less", j->out.max >> 20);
    }
    ASSERT(!j->out.failed);
    atomic_fetch_add(&a->query_failures, j->status >= 500 ? 1 : 0);
    if (j->request != NULL) {
        answer(j);
    } else {
        job_end(j);
    }
}

static void begin_lines(struct job *j)
{
    ASSERT(j->lines && j->request != NULL);
    const struct http_header headers[] = {
        {STR("content-type"), STR("application/x-ndjson")},
        {STR("cache-control"), STR("no-store")},
    };
    http_stream_begin(j->request, 200, headers, 2);
    start_timer(j, on_progress, PROGRESS_MS);
}

static struct job *job_new(struct api *a, const struct route *route, struct http_request *r)
{
    struct job *j = mem_new(1, sizeof *j);
    ASSERT(route->run != NULL);
    j->api = a;
    j->request = r;
    j->control.crew = a->crew;
    j->control.meter = &j->meter;
    j->route = route;
    j->begun_ns = clock_mono_ns();
    j->status = 200;
    j->content_type = "application/json";
    // One answer must not take the memory that everything else lives in.
    size_t share = a->o.budget->limit_bytes / API_ANSWER_SHARE;
    meter_init(&j->meter, a->o.budget, ACCOUNT_QUERY);
    j->meter.forced = route->light;
    buf_init_from(&j->out, share < API_ANSWER_MAX ? share : API_ANSWER_MAX, &j->meter.source);
    j->work.data = j;
    http_set_user(r, j);
    a->jobs++;
    a->light_jobs += route->light ? 1 : 0;
    atomic_fetch_add(&a->queries, 1);
    return j;
}

// Begins an answer in lines where the client takes it and the query can be read: a bad one is still
// answered 400, since parsing costs microseconds.
static void try_lines(struct job *j)
{
    struct str accept = http_header(j->request, STR("accept"));
    struct filter *f;
    struct search search;
    ASSERT(!j->lines && j->out.n == 0);
    if (j->route->run != api_traces || accept.p == NULL ||
        !str_starts(accept, STR("application/x-ndjson"))) {
        return;
    }
    if (job_filter_for(j, FILTER_OF_TREES, &f)) {
        filter_free(f);
        j->lines = job_search(j, &search);
    }
    if (j->lines) {
        begin_lines(j);
    }
    j->status = 200;
    buf_done(&j->out);
    j->meter.forced = false;
}

void job_start(struct api *a, const struct route *route, struct str path_param,
               struct http_request *r)
{
    struct params params;
    ASSERT((route->run == NULL) == (route->at_once != NULL));
    if (route->at_once != NULL) {
        if (params_read(r, route->params, &params)) {
            route->at_once(r);
        }
        return;
    }
    if ((route->light ? a->light_jobs : a->jobs - a->light_jobs) >= API_JOBS_MAX) {
        const struct http_header headers[] = {{STR("content-type"), STR("application/json")},
                                              {STR("retry-after"), STR("1")}};
        http_respond(r, 429, headers, 2, STR("{\"error\":\"too many queries at once\"}"));
        return;
    }
    if (!params_read(r, route->params, &params)) {
        return;
    }
    struct job *j = job_new(a, route, r);
    if (route->method != METHOD_GET) {
        struct str peer = http_peer(r);
        const char *port = peer.n > 0 ? memrchr(peer.p, ':', peer.n) : NULL;
        peer.n = port != NULL ? (size_t)(port - peer.p) : peer.n;
        j->by = arena_str(&j->arena, peer);
        j->body = arena_str(&j->arena, http_body(r));
    }
    j->path_param = arena_str(&j->arena, path_param);
    for (unsigned i = 0; i < PARAM_COUNT; i++) {
        bool is_given = params.values[i].p != NULL;
        j->params[i] = is_given ? arena_str(&j->arena, params.values[i]) : STR_NONE;
    }
    for (; j->label_count < params.label_count; j->label_count++) {
        const struct series_label *l = &params.labels[j->label_count];
        j->labels[j->label_count] =
            (struct series_label){arena_str(&j->arena, l->key), arena_str(&j->arena, l->value)};
    }
    try_lines(j);
    queue(j);
}

// Takes the job out of those that wait; false when it is not among them.
static bool stop_waiting(struct job *j)
{
    struct api *a = j->api;
    struct job **at = &a->first;
    while (*at != NULL && *at != j) {
        at = &(*at)->next;
    }
    if (*at == NULL) {
        return false;
    }
    *at = j->next;
    if (j->next == NULL) {
        a->last = a->first == NULL ? NULL : at;
    }
    watch_turns(a);
    return true;
}

void job_cancel(struct job *j)
{
    ASSERT(j->request != NULL);
    j->request = NULL;
    if (!j->pacing) { // else the timer ends the job
        stop_timer(j);
    }
    atomic_store(&j->control.cancelled, true);
    atomic_fetch_add(&j->api->query_cancels, 1);
    if (stop_waiting(j)) {
        job_end(j);
    }
}

// Forgets what was written for an error in its place, which is small and has to be said.
static void restart_answer(struct job *j)
{
    ASSERT(j->out.max > 0);
    buf_done(&j->out);
    j->meter.forced = true;
}

void job_error(struct job *j, int status, const char *format, ...)
{
    char text[512];
    va_list args;
    struct json_writer w;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ASSERT(status >= 400);
    j->status = status;
    restart_answer(j);
    json_writer_init(&w, &j->out);
    json_put_object(&w);
    json_put_key(&w, "error");
    json_put_str(&w, str_of(text));
    json_put_object_end(&w);
    if (j->lines) {
        buf_add_byte(&j->out, '\n');
    }
}

void job_fail(struct job *j, enum err e)
{
    ASSERT(e != ERR_OK);
    if (e == ERR_NOT_FOUND) {
        job_error(j, 404, "no such trace is stored");
    } else if (e == ERR_LEFT_OUT) {
        job_error(j, 404,
                  "this trace was not kept: its business line keeps errors, slow and rare traces, "
                  "and a share of the others (store.keep)");
    } else if (e == ERR_CANCELLED) {
        // Who was cancelled is gone, and hears of none of this.
        job_error(j, 429,
                  "the turn of this query was over before it had an answer, since others "
                  "wait; ask again");
    } else if (e == ERR_MEMORY) {
        job_error(j, 429, "the server is short of memory for this answer; ask again, or for less");
    } else if (e == ERR_FULL) {
        job_error(j, 503, "the disk is full: nothing was changed");
    } else {
        job_error(j, 500, "the query failed: %s (%s)", err_text(e), err_name(e));
    }
}

void job_fail_sum(struct job *j, enum err e)
{
    ASSERT(e != ERR_OK);
    if (e == ERR_LIMIT) {
        job_error(j, 400,
                  "that is more than one answer shows (2,000 steps, 20,000 nodes or 50,000 "
                  "edges): ask for a shorter range, a longer step or a higher level");
    } else {
        job_fail(j, e);
    }
}

bool job_memory(struct job *j, size_t bytes)
{
    ASSERT(bytes > 0);
    if (meter_take(&j->meter, bytes)) {
        return true;
    }
    job_fail(j, ERR_MEMORY);
    return false;
}

bool job_number(struct job *j, enum param p, uint64_t fallback, uint64_t min, uint64_t max,
                uint64_t *ret_value)
{
    uint64_t v = fallback;
    ASSERT(p < PARAM_COUNT && min <= max && fallback >= min && fallback <= max);
    if (j->params[p].p != NULL && j->params[p].n > 0 &&
        (str_to_u64(j->params[p], &v) != ERR_OK || v < min || v > max)) {
        job_error(j, 400, "%s must be a whole number from %llu to %llu", param_name(p),
                  (unsigned long long)min, (unsigned long long)max);
        return false;
    }
    *ret_value = v;
    return true;
}

// A range that ends `ahead_ms` in the future where nothing is said.
static bool read_range(struct job *j, uint64_t ahead_ms, uint64_t *ret_from_ns, uint64_t *ret_to_ns)
{
    const uint64_t latest_ms = UINT64_MAX / NS_PER_MS, hour_ms = 3600000;
    ASSERT(ret_from_ns != ret_to_ns);
    uint64_t now_ms = clock_wall_ns() / NS_PER_MS, from, to;
    if (!job_number(j, PARAM_TO, now_ms + ahead_ms, 0, latest_ms, &to) ||
        !job_number(j, PARAM_FROM, to > hour_ms ? to - hour_ms : 0, 0, latest_ms, &from)) {
        return false;
    }
    if (from > to) {
        job_error(j, 400, "from must not lie after to");
        return false;
    }
    *ret_from_ns = from * NS_PER_MS;
    *ret_to_ns = to * NS_PER_MS;
    return true;
}

bool job_range(struct job *j, uint64_t *ret_from_ns, uint64_t *ret_to_ns)
{
    ASSERT(ret_from_ns != NULL);
    return read_range(j, 0, ret_from_ns, ret_to_ns);
}

bool job_range_of_spans(struct job *j, uint64_t *ret_from_ns, uint64_t *ret_to_ns)
{
    ASSERT(ret_from_ns != NULL);
    return read_range(j, SPANS_AHEAD_MS, ret_from_ns, ret_to_ns);
}

static bool job_order(struct job *j, enum search_order *ret_order)
{
    static const struct str names[SEARCH_ORDER_COUNT] = {
        [BY_NEWEST] = {"newest", 6}, [BY_SLOWEST] = {"slowest", 7}, [BY_ERRORS] = {"errors", 6}};
    struct str wanted = j->params[PARAM_ORDER].n > 0 ? j->params[PARAM_ORDER] : names[BY_NEWEST];
    for (unsigned i = 0; i < SEARCH_ORDER_COUNT; i++) {
        ASSERT(names[i].n > 0);
        if (str_eq(wanted, names[i])) {
            *ret_order = (enum search_order)i;
            return true;
        }
    }
    job_error(j, 400, "order must be newest, slowest or errors");
    return false;
}

bool job_search(struct job *j, struct search *ret_search)
{
    struct search s = {.control = &j->control};
    uint64_t limit;
    if (!job_range_of_spans(j, &s.from_ns, &s.to_ns) || !job_order(j, &s.order) ||
        !job_number(j, PARAM_LIMIT, 20, 1, SEARCH_LIMIT_MAX, &limit)) {
        return false;
    }
    ASSERT(limit > 0);
    s.limit = (size_t)limit;
    *ret_search = s;
    return true;
}

bool job_filter_for(struct job *j, enum filter_scope scope, struct filter **ret_filter)
{
    struct str text = j->params[PARAM_Q].n > 0 ? j->params[PARAM_Q] : STR("{}");
    struct err_at at = {0};
    struct json_writer w;
    ASSERT(ret_filter != NULL);
    if (filter_parse_for(scope, text, ret_filter, &at) == ERR_OK) {
        return true;
    }
    struct str expected = str_of(at.text);
    if (str_starts(expected, STR("expected "))) {
        expected = str_skip(expected, 9);
    }
    j->status = 400;
    restart_answer(j);
    json_writer_init(&w, &j->out);
    json_put_object(&w);
    json_put_key(&w, "error");
    json_put_str(&w, str_of(at.text));
    json_put_key(&w, "position");
    json_put_u64(&w, at.offset);
    json_put_key(&w, "expected");
    json_put_str(&w, expected);
    json_put_key(&w, "code");
    json_put_str(&w, str_of(filter_error_code(str_of(at.text))));
    json_put_key(&w, "parameter");
    json_put_str(&w, STR("q"));
    json_put_object_end(&w);
    return false;
}

bool job_filter(struct job *j, struct filter **ret_filter)
{
    return job_filter_for(j, FILTER_OF_SPANS, ret_filter);
}

void job_partial(struct job *j, struct json_writer *w, const char *lack)
{
    bool given_up = atomic_load(&j->control.given_up_values) > 0;
    bool unsure = atomic_load(&j->control.unsure_order);
    bool cut_short = atomic_load(&j->control.cut_short);
    bool unlooked = atomic_load(&j->control.unsure_candidates);
    bool too_large = atomic_load(&j->control.left_for_memory);
    bool partial = lack != NULL || cut_short || too_large || given_up || unsure || unlooked;
    ASSERT(w->depth > 0);
    json_put_key(w, "partial");
    json_put_bool(w, partial);
    if (partial) {
        json_put_key(w, "partial_reason");
        json_put_str(w, lack != NULL ? str_of(lack)
                        : cut_short  ? STR("time_limit")
                        : too_large  ? STR("memory_limit")
                        : given_up   ? STR("regex_limit")
                        : unlooked   ? STR("candidate_limit")
                                     : STR("order_limit"));
    }
}

void job_stats(struct job *j, struct json_writer *w, const struct store_view *view)
{
    json_put_key(w, "stats");
    json_put_object(w);
    json_put_key(w, "scanned_spans");
    json_put_u64(w, atomic_load(&j->control.scanned_spans));
    json_put_key(w, "total_spans");
    json_put_u64(w, atomic_load(&j->control.total_spans));
    json_put_key(w, "elapsed_ms");
    json_put_double(w, (double)(clock_mono_ns() - j->begun_ns) / (double)NS_PER_MS);
    job_partial(j, w, atomic_load(&j->control.damaged_blocks) > 0 ? "unreadable_part" : NULL);
    json_put_key(w, "sampled");
    json_put_bool(w, view->is_sampled);
    json_put_key(w, "parts");
    json_put_u64(w, view->part_count);
    json_put_key(w, "hot_batches");
    json_put_u64(w, view->hot_count);
    json_put_object_end(w);
}
