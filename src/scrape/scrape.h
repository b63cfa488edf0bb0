// SPDX-License-Identifier: Apache-2.0
// Purpose: scraping: asking the targets of Prometheus for their metrics, each at its interval. What
// they answer becomes a batch of points (wire/prom_text.h, wire/prom_rows.h) that is given to
// `put`, which makes it durable like any other.
//
//     files, static targets -> targets -> due? -> fetch -> samples, and stale markers for series
//     that the target had and has no more -> put -> durable, or lost and counted
//
// Of each scrape there are, beside the samples, with the labels of the target: `up` (1, or 0 where
// it failed), scrape_duration_seconds, scrape_samples_scraped. A scrape that fails in any way (no
// answer in time, another status than 200, over a limit, not of the format) gives none of its
// samples; the series that the target had end, and so they do where the target goes away.
//
// Labels. `job` is the name of the job and `instance` the target's address, unless the target's own
// labels (of its file) say otherwise; those are on every sample. A sample that has a label of
// that name already keeps it as exported_NAME. What becomes of labels then: wire/prom_rows.h.
//
// Files (file_sd) are JSON or YAML, by their names' ends (.json, .yml, .yaml); the last part of a
// path may be a pattern (glob). Each is a list of
//     {targets: [HOST:PORT, ...], labels: {NAME: VALUE, ...}}
// Labels that begin with __ mean something to Prometheus' relabelling alone, and are left out.
// Files are looked at every SCRAPE_FILES_MS; one that changed is read anew, one that is bad leaves
// its targets as they were and is counted, one that is gone takes its targets along.
//
// Order and fairness. A target is asked at its own place in the interval, found by hashing, so that
// they are not all asked at once; the next scrape waits for the one before, and what was due
// meanwhile is left out and counted. All targets are waited for together by one thread; up to
// SCRAPE_AT_ONCE_MAX at once, in turn: where more are due, all are asked less often. Where a name
// was not found within the time of a scrape, the target is asked again half a minute later: what
// looks names up cannot be stopped.
//
// Memory. Bodies, what is remembered of a target's series, and the batch come from the budget
// (ACCOUNT_BODIES): where it refuses, the scrape fails. So do files of targets, and the targets
// themselves with their labels; those for which there is no room are left out and counted, and
// taken when there is some.
#ifndef SONDE_SCRAPE_SCRAPE_H
#define SONDE_SCRAPE_SCRAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/str.h"
#include "ledger/budget.h"
#include "ledger/ledger.h"
#include "model/batch.h"

#define SCRAPE_JOBS_MAX          ((size_t)64)
#define SCRAPE_TARGETS_MAX       ((size_t)4096) // of all jobs; further ones are left out and counted
#define SCRAPE_JOB_LIST_MAX      ((size_t)256)  // static targets, or files, of a job
#define SCRAPE_FILES_MAX         ((size_t)256) // of all jobs; further ones are left out and counted
#define SCRAPE_FILE_BYTES_MAX    ((size_t)4 << 20)
#define SCRAPE_AT_ONCE_MAX       ((size_t)256)
#define SCRAPE_ADDRESS_BYTES_MAX ((size_t)512)
#define SCRAPE_BUDGET_SHARE      8 // for what files say, and as much for targets
#define SCRAPE_FILES_MS          5000

struct scrape;

struct scrape_job {
    struct str name;
    uint64_t interval_ms, timeout_ms;
    bool https;
    struct str path;           // "/metrics", with its query
    const struct str *targets; // "host:port"
    size_t target_count;
    const struct str *files; // paths, or patterns
    size_t file_count;
    size_t body_bytes_max;
    size_t samples_max, labels_max; // of a scrape, of a series; 0: only those of points
};

struct scrape_options {
    const struct scrape_job *jobs; // outlives the scraper
    size_t job_count;
    const char *version; // of this server, for the user agent
    struct budget *budget;
    struct ledger *ledger; // single samples that cannot be kept are counted here
    // Takes the batch along; calls `done` once, on any thread, when it is durable or lost.
    void (*put)(void *ctx, struct batch *b, void (*done)(void *done_ctx, enum err result),
                void *done_ctx);
    void *ctx;
};

// Starts the thread. ERR_IO where libcurl cannot be had.
MUST_CHECK enum err scrape_start(const struct scrape_options *options, struct scrape **ret_scrape);

// Breaks off what is being fetched and waits for what was put. NULL is fine.
void scrape_stop(struct scrape *s);

// Why a scrape failed.
#define SCRAPE_FAILURE_LIST(X)                                                                     \
    X(FETCH, "fetch") /* no answer in time, or not status 200 */                                   \
    X(TOO_LARGE, "too_large")                                                                      \
    X(FORMAT, "format")                                                                            \
    X(LIMIT, "limit")       /* more samples or labels than the job allows */                       \
    X(OVERLOAD, "overload") /* memory was short */                                                 \
    X(LOST, "lost")         /* fetched, and then not taken: the ledger says why */
enum scrape_failure {
#define SCRAPE_FAILURE_ENUM(name, text) SCRAPE_FAILURE_##name,
    SCRAPE_FAILURE_LIST(SCRAPE_FAILURE_ENUM)
#undef SCRAPE_FAILURE_ENUM
        SCRAPE_FAILURE_COUNT
};
const char *scrape_failure_name(enum scrape_failure f);

// What is wrong with the address of a target, HOST:PORT, [IPv6]:PORT or without the port; NULL:
// nothing.
const char *scrape_address_wrong(struct str address);

struct scrape_stats {
    uint64_t targets, targets_up;
    uint64_t targets_left_out; // now: beyond SCRAPE_TARGETS_MAX, or the memory
    uint64_t scrapes;          // ended
    uint64_t failures[SCRAPE_FAILURE_COUNT];
    uint64_t samples;
    uint64_t repeated;         // samples of a series that the same answer had already
    uint64_t late;             // left out, as the one before was not through
    uint64_t files, bad_files; // now
    uint64_t files_left_out;   // now: beyond SCRAPE_FILES_MAX
    uint64_t file_errors;      // times that a changed file was bad
};
// A target, and its last scrape that ended.
struct scrape_target {
    struct str job, address, path;
    bool https;
    uint64_t interval_ms;
    uint64_t scrapes, failures; // since it is known
    bool failed;
    enum scrape_failure why; // where it failed
    const char *error;       // in words; "" where it did not
    int64_t began_ms;        // wall clock
    double duration_s;
    uint64_t samples;
};
// Calls `each` for every target, in no order; what it is given lives until it returns, and it must
// not call the scraper. Any thread; none for NULL.
void scrape_each_target(struct scrape *s,
                        void (*each)(void *ctx, const struct scrape_target *target), void *ctx);

// Any thread; all 0 for NULL.
void scrape_stats(struct scrape *s, struct scrape_stats *ret_stats);

#endif
