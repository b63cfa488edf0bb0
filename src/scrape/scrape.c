// SPDX-License-Identifier: Apache-2.0
// Purpose: the scraper's thread: which targets are due, fetching them together (libcurl's multi
// interface), and what becomes of their answers.
//
//     WAITING --due--> FETCHING --answered, failed--> STORING --durable or lost--> WAITING
//        |                                               ^            |
//        '--gone: its series end ------------------------'            '--gone--> freed
#include "scrape/scrape.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/logger.h"
#include "core/mem.h"
#include "core/must.h"
#include "core/names.h"
#include "scrape/internal.h"

#define URL_MAX      ((size_t)8192)
#define CONNECTIONS  64L // idle ones that are kept
#define SLEEP_MS_MAX 1000
#define REASON_MAX   192   // as long as those of an err_at
#define LOOKUP_MS    30000 // until a name that was not found in time is looked up again
#define ACCEPT_FORMATS                                                                             \
    "Accept: application/openmetrics-text;version=1.0.0;q=0.75,text/plain;version=0.0.4;q=0.5,"    \
    "*/*;q=0.1"

enum target_state { TARGET_WAITING, TARGET_FETCHING, TARGET_STORING };

struct target {
    struct scrape *scrape;
    const struct scrape_job *job;
    char *texts;  // of the two below
    size_t bytes; // that it was charged for, itself included
    struct str address;
    struct target_labels labels;
    uint64_t hash;
    bool met;  // by the last look at what there is
    bool gone; // its series are being ended, or nothing is left to do
    bool ended;
    enum target_state state;
    uint64_t due_ns;           // monotonic
    int up;                    // as it was told last: -1 not yet
    struct scrape_target told; // changes under the lock
    char error[REASON_MAX];    // that it points to
    // While it is fetched.
    CURL *easy;
    struct curl_slist *headers;
    struct buf body;
    bool too_large, no_memory;
    int64_t began_ms; // wall clock
    uint64_t began_ns;
    // While it is stored.
    struct exposition made;
    enum err result;
    struct target *next_done;
    struct meter meter; // of the body, `seen` and the batch
    struct seen seen;
};

struct scrape {
    struct scrape_options options;
    struct discover *discover;
    struct target **targets;
    size_t count, capacity;
    size_t fetching, storing;
    size_t target_bytes; // of the budget, for all
    size_t turn;         // whose it is to be asked first, as far as it is due
    CURLM *multi;
    pthread_t thread;
    atomic_bool stop;
    uint64_t look_ns;
    // Of what follows, of what targets tell, and of the list of targets, which the thread alone
    // changes.
    pthread_mutex_t lock;
    struct target *done; // stored or lost
    struct scrape_stats stats;
};

NAMES_OF(scrape_failure_name, enum scrape_failure, SCRAPE_FAILURE_LIST)

static void lock(struct scrape *s)
{
    MUST(pthread_mutex_lock(&s->lock) == 0);
}

static void unlock(struct scrape *s)
{
    MUST(pthread_mutex_unlock(&s->lock) == 0);
}

static void count_lost(struct target *t)
{
    struct scrape *s = t->scrape;
    ASSERT(t->result != ERR_OK);
    lock(s);
    s->stats.failures[SCRAPE_FAILURE_LOST]++;
    t->told.failures += t->told.failed ? 0 : 1;
    t->told.failed = true;
    t->told.why = SCRAPE_FAILURE_LOST;
    (void)snprintf(t->error, sizeof t->error, "fetched, and then not taken: %s",
                   err_text(t->result));
    unlock(s);
}

// ---- Targets ------------------------------------------------------------------------------------

static size_t texts_bytes(const struct found_target *found)
{
    size_t bytes = found->address.n + found->labels.count * sizeof *found->labels.items;
    ASSERT(found->labels.count >= 2);
    for (size_t i = 0; i < found->labels.count; i++) {
        bytes += found->labels.items[i].name.n + found->labels.items[i].value.n;
    }
    return bytes;
}

static struct str copy_text(char **at, struct str text)
{
    struct str copy = {*at, text.n};
    ASSERT(text.p != NULL || text.n == 0);
    if (text.n > 0) {
        memcpy(*at, text.p, text.n);
    }
    *at += text.n;
    return copy;
}

static void copy_texts(struct target *t, const struct found_target *found)
{
    size_t count = found->labels.count;
    t->texts = mem_alloc(texts_bytes(found));
    t->labels = (struct target_labels){(struct prom_label *)t->texts, count};
    char *at = t->texts + count * sizeof *t->labels.items;
    t->address = copy_text(&at, found->address);
    for (size_t i = 0; i < count; i++) {
        t->labels.items[i].name = copy_text(&at, found->labels.items[i].name);
        t->labels.items[i].value = copy_text(&at, found->labels.items[i].value);
    }
    ASSERT(at == t->texts + texts_bytes(found));
}

// NULL where there is no memory for it.
static struct target *target_new(struct scrape *s, const struct found_target *found)
{
    struct budget *budget = s->options.budget;
    size_t bytes = sizeof(struct target) + texts_bytes(found);
    if (s->target_bytes + bytes > budget->limit_bytes / SCRAPE_BUDGET_SHARE ||
        !budget_take(budget, ACCOUNT_BODIES, bytes)) {
        return NULL;
    }
    s->target_bytes += bytes;
    struct target *t = mem_new(1, sizeof *t);
    t->scrape = s;
    t->bytes = bytes;
    t->job = found->job;
    t->hash = found->hash;
    t->up = -1;
    copy_texts(t, found);
    t->told = (struct scrape_target){.job = t->job->name,
                                     .address = t->address,
                                     .path = t->job->path,
                                     .https = t->job->https,
                                     .interval_ms = t->job->interval_ms,
                                     .error = t->error};
    meter_init(&t->meter, budget, ACCOUNT_BODIES);
    seen_init(&t->seen, &t->meter);
    buf_init_from(&t->body, t->job->body_bytes_max, &t->meter.source);
    // Its place in the interval is the same after each start.
    uint64_t interval_ns = t->job->interval_ms * NS_PER_MS;
    uint64_t place_ns = str_hash_stable(t->address) % interval_ns;
    uint64_t now_ns = clock_wall_ns() % interval_ns;
    ASSERT(interval_ns > 0);
    t->due_ns = clock_mono_ns() + (place_ns + interval_ns - now_ns) % interval_ns;
    return t;
}

static void target_free(struct target *t)
{
    ASSERT(t->state == TARGET_WAITING && t->easy == NULL);
    seen_done(&t->seen);
    buf_done(&t->body);
    meter_done(&t->meter);
    ASSERT(t->scrape->target_bytes >= t->bytes);
    t->scrape->target_bytes -= t->bytes;
    budget_give(t->scrape->options.budget, ACCOUNT_BODIES, t->bytes);
    mem_free(t->texts);
    mem_free(t);
}

static void on_found(void *ctx, const struct found_target *found)
{
    struct scrape *s = ctx;
    for (size_t i = 0; i < s->count; i++) {
        if (s->targets[i]->hash == found->hash && !s->targets[i]->gone) {
            s->targets[i]->met = true;
            return;
        }
    }
    struct target *t = s->count < SCRAPE_TARGETS_MAX ? target_new(s, found) : NULL;
    if (t == NULL) {
        s->stats.targets_left_out++; // look() has the lock
        return;
    }
    s->targets = mem_grow(s->targets, &s->capacity, s->count + 1, sizeof *s->targets);
    s->targets[s->count++] = t;
    t->met = true;
    ASSERT(s->count <= SCRAPE_TARGETS_MAX);
}

// Brings the targets to what is there.
static void look(struct scrape *s)
{
    struct discover_stats found;
    bool changed = discover_look(s->discover);
    discover_stats(s->discover, &found);
    lock(s);
    s->stats.files = found.files;
    s->stats.bad_files = found.bad_files;
    s->stats.files_left_out = found.files_left_out;
    s->stats.file_errors = found.file_errors;
    // Those left out may have been so for others that have gone since.
    if (changed || (s->stats.targets_left_out > 0 && s->count < SCRAPE_TARGETS_MAX)) {
        for (size_t i = 0; i < s->count; i++) {
            s->targets[i]->met = false;
        }
        s->stats.targets_left_out = found.targets_left_out;
        discover_each(s->discover, on_found, s);
        for (size_t i = 0; i < s->count; i++) {
            s->targets[i]->gone = s->targets[i]->gone || !s->targets[i]->met;
        }
    }
    unlock(s);
    ASSERT(s->count <= SCRAPE_TARGETS_MAX);
}

// ---- Storing ------------------------------------------------------------------------------------

// On any thread.
static void on_stored(void *ctx, enum err result)
{
    struct target *t = ctx;
    struct scrape *s = t->scrape;
    ASSERT(t->state == TARGET_STORING);
    lock(s);
    t->result = result;
    t->next_done = s->done;
    s->done = t;
    // Under the lock: the scraper is freed only after it has taken the target from the list.
    (void)curl_multi_wakeup(s->multi);
    unlock(s);
}

static void store(struct target *t)
{
    struct scrape *s = t->scrape;
    struct exposition *made = &t->made;
    ASSERT(t->state != TARGET_STORING);
    if (made->batch == NULL || made->batch->point_count == 0) {
        batch_unref(made->batch);
        meter_give(&t->meter, made->charged);
        t->state = TARGET_WAITING;
        return;
    }
    t->state = TARGET_STORING;
    s->storing++;
    s->options.put(s->options.ctx, made->batch, on_stored, t);
}

static void take_stored(struct scrape *s)
{
    lock(s);
    struct target *t = s->done;
    s->done = NULL;
    unlock(s);
    while (t != NULL) {
        struct target *next = t->next_done;
        ASSERT(s->storing > 0);
        meter_give(&t->meter, t->made.charged);
        t->state = TARGET_WAITING;
        s->storing--;
        if (t->result != ERR_OK) {
            count_lost(t);
        }
        t = next;
    }
}

// ---- Fetching -----------------------------------------------------------------------------------

static size_t on_body(char *bytes, size_t size, size_t n, void *ctx)
{
    struct target *t = ctx;
    ASSERT(size == 1);
    buf_add(&t->body, bytes, size * n);
    t->no_memory = t->body.denied;
    t->too_large = t->body.failed && !t->body.denied;
    return t->body.failed ? 0 : n;
}

static void add_header(struct target *t, const char *text)
{
    struct curl_slist *longer = curl_slist_append(t->headers, text);
    MUST(longer != NULL);
    t->headers = longer;
}

// QUICK_EXIT: libcurl looks names up on a thread of its own, which nothing can stop; without it,
// whoever ends a fetch waits for that thread, and all targets with it.
static void set_options(struct target *t, const char *url)
{
    char line[128];
    long timeout_ms = (long)t->job->timeout_ms;
    (void)snprintf(line, sizeof line, "X-Prometheus-Scrape-Timeout-Seconds: %g",
                   (double)timeout_ms / 1000);
    add_header(t, ACCEPT_FORMATS);
    add_header(t, line);
    (void)snprintf(line, sizeof line, "sonde/%s", t->scrape->options.version);
    bool set = curl_easy_setopt(t->easy, CURLOPT_URL, url) == CURLE_OK &&
               curl_easy_setopt(t->easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
               curl_easy_setopt(t->easy, CURLOPT_PROXY, "") == CURLE_OK &&
               curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers) == CURLE_OK &&
               curl_easy_setopt(t->easy, CURLOPT_USERAGENT, line) == CURLE_OK &&
               curl_easy_setopt(t->easy, CURLOPT_ACCEPT_ENCODING, "gzip") == CURLE_OK &&
               curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, timeout_ms) == CURLE_OK &&
               curl_easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
               curl_easy_setopt(t->easy, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
               curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
               curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t) == CURLE_OK &&
               curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t) == CURLE_OK;
    MUST(set);
}

static void begin_fetch(struct target *t)
{
    struct scrape *s = t->scrape;
    char url[URL_MAX];
    (void)snprintf(url, sizeof url, "http%s://%.*s%.*s", t->job->https ? "s" : "",
                   STR_FMT(t->address), STR_FMT(t->job->path));
    ASSERT(t->state == TARGET_WAITING && t->easy == NULL);
    t->easy = curl_easy_init();
    MUST(t->easy != NULL);
    set_options(t, url);
    t->too_large = t->no_memory = false;
    t->began_ms = (int64_t)(clock_wall_ns() / NS_PER_MS);
    t->began_ns = clock_mono_ns();
    MUST(curl_multi_add_handle(s->multi, t->easy) == CURLM_OK);
    t->state = TARGET_FETCHING;
    s->fetching++;
}

static void end_fetch(struct target *t)
{
    struct scrape *s = t->scrape;
    ASSERT(t->state == TARGET_FETCHING && s->fetching > 0);
    (void)curl_multi_remove_handle(s->multi, t->easy);
    curl_easy_cleanup(t->easy);
    curl_slist_free_all(t->headers);
    t->easy = NULL;
    t->headers = NULL;
    t->state = TARGET_WAITING;
    s->fetching--;
}

// Tells when a target has gone up or down, not how it goes on.
static void note_up(struct target *t, const char *reason)
{
    int up = t->made.failed ? 0 : 1;
    if (t->up == up) {
        return;
    }
    ASSERT(reason != NULL);
    if (up == 0) {
        log_write(LOG_WARN, "scrape", "a target is down", "job=%.*s target=%.*s reason=\"%s\"",
                  STR_FMT(t->job->name), STR_FMT(t->address), reason);
    } else if (t->up == 0) {
        log_write(LOG_INFO, "scrape", "a target is up again", "job=%.*s target=%.*s",
                  STR_FMT(t->job->name), STR_FMT(t->address));
    }
    lock(t->scrape);
    t->scrape->stats.targets_up += up == 1 ? 1 : t->up == 1 ? (uint64_t)-1 : 0;
    unlock(t->scrape);
    t->up = up;
}

// Under the lock.
static void tell_scrape(struct target *t, double duration_s, const char *reason)
{
    struct scrape_target *told = &t->told;
    const struct exposition *made = &t->made;
    ASSERT(reason != NULL);
    told->scrapes++;
    told->failures += made->failed ? 1 : 0;
    told->failed = made->failed;
    told->why = made->why;
    told->began_ms = t->began_ms;
    told->duration_s = duration_s;
    told->samples = made->samples;
    (void)snprintf(t->error, sizeof t->error, "%s", made->failed ? reason : "");
}

static void count_scrape(struct target *t, double duration_s, const char *reason)
{
    struct scrape *s = t->scrape;
    const struct exposition *made = &t->made;
    ASSERT(made->why < SCRAPE_FAILURE_COUNT);
    lock(s);
    s->stats.scrapes++;
    s->stats.samples += made->samples;
    s->stats.repeated += made->repeated;
    s->stats.failures[made->why] += made->failed;
    tell_scrape(t, duration_s, reason);
    unlock(s);
}

static struct scraped scraped_of(struct target *t)
{
    ASSERT(t->labels.count >= 2);
    return (struct scraped){.job = t->job,
                            .labels = &t->labels,
                            .text = STR_NONE,
                            .time_ms = t->began_ms,
                            .ledger = t->scrape->options.ledger,
                            .meter = &t->meter,
                            .seen = &t->seen};
}

// The name of the target was still being looked up. The thread that does so goes on until the
// system gives up: it is not joined by another one soon.
static void put_off_lookup(struct target *t, CURLcode result)
{
    curl_off_t found_us = 0;
    uint64_t until_ns = clock_mono_ns() + LOOKUP_MS * NS_PER_MS;
    ASSERT(t->easy != NULL);
    (void)curl_easy_getinfo(t->easy, CURLINFO_NAMELOOKUP_TIME_T, &found_us);
    if (result == CURLE_OPERATION_TIMEDOUT && found_us == 0 && t->due_ns < until_ns) {
        t->due_ns = until_ns;
    }
}

// An answer is there, or none is to be had.
static void take_answer(struct target *t, CURLcode result)
{
    char reason[REASON_MAX];
    long status = 0;
    char *type = NULL;
    struct scraped x = scraped_of(t);
    (void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(t->easy, CURLINFO_CONTENT_TYPE, &type);
    x.format = prom_format_of(type != NULL ? str_of(type) : STR(""));
    x.duration_s = (double)(clock_mono_ns() - t->began_ns) / (double)NS_PER_S;
    if (result != CURLE_OK) {
        (void)snprintf(reason, sizeof reason, "%s",
                       t->no_memory   ? "memory is short"
                       : t->too_large ? "the answer is larger than the job allows"
                                      : curl_easy_strerror(result));
    } else if (status != 200) {
        (void)snprintf(reason, sizeof reason, "the status is %ld", status);
    } else {
        x.text = t->body.n > 0 ? buf_str(&t->body) : STR("");
    }
    put_off_lookup(t, result);
    end_fetch(t);
    exposition_make(&x, &t->made);
    if (x.text.p == NULL && t->made.failed) {
        t->made.why = t->no_memory   ? SCRAPE_FAILURE_OVERLOAD
                      : t->too_large ? SCRAPE_FAILURE_TOO_LARGE
                                     : SCRAPE_FAILURE_FETCH;
    }
    buf_done(&t->body);
    const char *why = x.text.p != NULL ? t->made.at.text : reason;
    note_up(t, why);
    count_scrape(t, x.duration_s, why);
    store(t);
}

static void take_answers(struct scrape *s)
{
    int running = 0, left = 0;
    CURLMsg *message;
    MUST(curl_multi_perform(s->multi, &running) == CURLM_OK);
    while ((message = curl_multi_info_read(s->multi, &left)) != NULL) {
        struct target *t = NULL;
        if (message->msg == CURLMSG_DONE) {
            (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &t);
            MUST(t != NULL && t->state == TARGET_FETCHING);
            take_answer(t, message->data.result);
        }
    }
    ASSERT(running >= 0);
}

// ---- The thread ---------------------------------------------------------------------------------

// When it is due next: what was missed is left out.
static void plan_next(struct target *t, uint64_t now_ns)
{
    uint64_t interval_ns = t->job->interval_ms * NS_PER_MS;
    uint64_t missed = (now_ns - t->due_ns) / interval_ns;
    ASSERT(now_ns >= t->due_ns);
    t->due_ns += (missed + 1) * interval_ns;
    if (missed > 0) {
        lock(t->scrape);
        t->scrape->stats.late += missed;
        unlock(t->scrape);
    }
}

// In turn: where more are due than are asked at once, each waits equally long.
static void begin_due(struct scrape *s, uint64_t now_ns)
{
    size_t first = s->turn;
    for (size_t i = 0; i < s->count && s->fetching < SCRAPE_AT_ONCE_MAX; i++) {
        size_t at = (first + i) % s->count;
        struct target *t = s->targets[at];
        if (!t->gone && t->state == TARGET_WAITING && t->due_ns <= now_ns) {
            plan_next(t, now_ns);
            begin_fetch(t);
            s->turn = at + 1;
        }
    }
    ASSERT(s->fetching <= SCRAPE_AT_ONCE_MAX);
}

// Ends the series of a target that went away, as soon as nothing else is to be done for it.
static void end_target(struct target *t)
{
    struct scrape *s = t->scrape;
    ASSERT(t->gone);
    if (t->state == TARGET_FETCHING) {
        end_fetch(t);
        buf_done(&t->body);
    }
    if (t->ended || t->state != TARGET_WAITING) {
        return;
    }
    t->ended = true;
    t->began_ms = (int64_t)(clock_wall_ns() / NS_PER_MS);
    struct scraped x = scraped_of(t);
    exposition_end(&x, &t->made);
    if (t->up == 1) {
        lock(s);
        s->stats.targets_up--;
        unlock(s);
    }
    store(t);
}

// And forgets those that are through with it.
static void take_leave(struct scrape *s)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->count; i++) {
        if (s->targets[i]->gone) {
            end_target(s->targets[i]);
        }
    }
    lock(s);
    for (size_t i = 0; i < s->count; i++) {
        struct target *t = s->targets[i];
        if (t->ended && t->state == TARGET_WAITING) {
            target_free(t);
        } else {
            s->targets[kept++] = t;
        }
    }
    ASSERT(kept <= s->count);
    s->count = kept;
    s->stats.targets = kept;
    unlock(s);
}

static int sleep_ms(const struct scrape *s, uint64_t now_ns)
{
    uint64_t until_ns = now_ns + SLEEP_MS_MAX * NS_PER_MS;
    for (size_t i = 0; i < s->count; i++) {
        const struct target *t = s->targets[i];
        if (t->state == TARGET_WAITING && !t->gone && t->due_ns < until_ns) {
            until_ns = t->due_ns > now_ns ? t->due_ns : now_ns;
        }
    }
    ASSERT(until_ns >= now_ns);
    return (int)((until_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS);
}

static void finish(struct scrape *s)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->targets[i]->state == TARGET_FETCHING) {
            end_fetch(s->targets[i]);
        }
    }
    while (s->storing > 0) {
        (void)curl_multi_poll(s->multi, NULL, 0, SLEEP_MS_MAX, NULL);
        take_stored(s);
    }
    ASSERT(s->fetching == 0);
}

static void *run(void *ctx)
{
    struct scrape *s = ctx;
    ASSERT(s->multi != NULL);
    while (!atomic_load(&s->stop)) {
        uint64_t now_ns = clock_mono_ns();
        if (now_ns >= s->look_ns) {
            look(s);
            s->look_ns = now_ns + SCRAPE_FILES_MS * NS_PER_MS;
        }
        take_stored(s);
        take_leave(s);
        begin_due(s, clock_mono_ns());
        take_answers(s);
        (void)curl_multi_poll(s->multi, NULL, 0, sleep_ms(s, clock_mono_ns()), NULL);
    }
    finish(s);
    return NULL;
}

enum err scrape_start(const struct scrape_options *options, struct scrape **ret_scrape)
{
    struct scrape *s = mem_new(1, sizeof *s);
    MUST(options->put != NULL && options->budget != NULL && options->ledger != NULL);
    s->options = *options;
    s->multi = curl_multi_init();
    if (s->multi == NULL || curl_multi_setopt(s->multi, CURLMOPT_MAXCONNECTS, CONNECTIONS) != 0) {
        (void)curl_multi_cleanup(s->multi);
        mem_free(s);
        return ERR_IO;
    }
    s->discover = discover_new(options->jobs, options->job_count, options->budget);
    MUST(pthread_mutex_init(&s->lock, NULL) == 0);
    MUST(pthread_create(&s->thread, NULL, run, s) == 0);
    *ret_scrape = s;
    return ERR_OK;
}

void scrape_stop(struct scrape *s)
{
    if (s == NULL) {
        return;
    }
    atomic_store(&s->stop, true);
    (void)curl_multi_wakeup(s->multi);
    MUST(pthread_join(s->thread, NULL) == 0);
    for (size_t i = 0; i < s->count; i++) {
        target_free(s->targets[i]);
    }
    ASSERT(s->done == NULL);
    mem_free(s->targets);
    discover_free(s->discover);
    (void)curl_multi_cleanup(s->multi);
    MUST(pthread_mutex_destroy(&s->lock) == 0);
    mem_free(s);
}

void scrape_stats(struct scrape *s, struct scrape_stats *ret_stats)
{
    ASSERT(ret_stats != NULL);
    if (s == NULL) {
        *ret_stats = (struct scrape_stats){0};
        return;
    }
    lock(s);
    *ret_stats = s->stats;
    unlock(s);
}

void scrape_each_target(struct scrape *s,
                        void (*each)(void *ctx, const struct scrape_target *target), void *ctx)
{
    ASSERT(each != NULL);
    if (s == NULL) {
        return;
    }
    lock(s);
    for (size_t i = 0; i < s->count; i++) {
        if (!s->targets[i]->gone) {
            each(ctx, &s->targets[i]->told);
        }
    }
    unlock(s);
}
