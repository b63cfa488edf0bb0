// SPDX-License-Identifier: Apache-2.0
// Purpose: the configuration: one table of settings with their defaults; a YAML file, the
// environment (SONDE_JOURNAL_SYNC for journal.sync) and flags override them in this order. Unknown
// keys, keys given twice and bad values are refused with file, line and column; unknown SONDE_
// names in the environment are reported (other programs may own them).
#ifndef SONDE_APPS_CONFIG_H
#define SONDE_APPS_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"
#include "scrape/scrape.h"
#include "store/store.h"

// name, key, kind, default, least, most, may be reloaded, help. The bounds are those of sizes in
// bytes, of durations in milliseconds, of numbers, and of the length of texts.
#define CONFIG_KIB       ((uint64_t)1 << 10)
#define CONFIG_MIB       ((uint64_t)1 << 20)
#define CONFIG_GIB       ((uint64_t)1 << 30)
#define CONFIG_TIB       ((uint64_t)1 << 40)
#define CONFIG_DAY       ((uint64_t)86400000)
#define CONFIG_TOKEN_MAX 256
#define SETTING_LIST(X)                                                                            \
    X(DATA, "data", TEXT, "sonde-data", 1, 3000, false, "folder of the journal and the store")     \
    X(HTTP_ADDRESS, "http.address", ADDRESS, "127.0.0.1:7070", 1, 300, false,                      \
      "address of the API and the UI")                                                             \
    X(HTTP_TOKEN, "http.token", SECRET, "", 0, CONFIG_TOKEN_MAX, false,                            \
      "token that queries must carry")                                                             \
    X(HTTP_URL, "http.url", TEXT, "", 0, 300, false,                                               \
      "under which people reach the UI, for links in alerts; empty: http.address")                 \
    X(HTTP_TLS_CERTIFICATE, "http.tls.certificate", TEXT, "", 0, 3000, false,                      \
      "PEM file; empty: plain HTTP")                                                               \
    X(HTTP_TLS_KEY, "http.tls.key", TEXT, "", 0, 3000, false, "PEM file of the private key")       \
    X(OTLP_GRPC, "otlp.grpc", ADDRESS_OR_OFF, "127.0.0.1:4317", 1, 300, false,                     \
      "address of OTLP/gRPC; off: none")                                                           \
    X(OTLP_HTTP, "otlp.http", ADDRESS_OR_OFF, "127.0.0.1:4318", 1, 300, false,                     \
      "address of OTLP/HTTP; off: none")                                                           \
    X(OTLP_TOKEN, "otlp.token", SECRET, "", 0, CONFIG_TOKEN_MAX, false,                            \
      "token that senders must carry")                                                             \
    X(OTLP_TLS_CERTIFICATE, "otlp.tls.certificate", TEXT, "", 0, 3000, false,                      \
      "PEM file; empty: plain text")                                                               \
    X(OTLP_TLS_KEY, "otlp.tls.key", TEXT, "", 0, 3000, false, "PEM file of the private key")       \
    X(OTLP_BODY_MAX, "otlp.body_max", SIZE, "64MiB", 64 * CONFIG_KIB, 4 * CONFIG_GIB, false,       \
      "largest request, decompressed")                                                             \
    X(OTLP_SHARDS, "otlp.shards", NUMBER, "0", 0, 8, false, "receiving threads; 0: one per core")  \
    X(MEMORY_LIMIT, "memory.limit", SIZE, "1GiB", 64 * CONFIG_MIB, 16 * CONFIG_TIB, false,         \
      "what the process may take; near it senders wait")                                           \
    X(OVERLOAD_SHED_AFTER, "overload.shed_after", DURATION, "2s", 100, 36500 * CONFIG_DAY, false,  \
      "memory short for so long: traces without errors that are not slow are shed")                \
    X(OVERLOAD_SLOW_TRACE, "overload.slow_trace", DURATION, "1s", 1, 365 * CONFIG_DAY, false,      \
      "a trace with a span of this duration is slow")                                              \
    X(JOURNAL_SYNC, "journal.sync", SYNC, "always", 0, 0, false,                                   \
      "always: acknowledge after the disk has it; interval: after the write")                      \
    X(JOURNAL_SYNC_INTERVAL, "journal.sync_interval", DURATION, "100ms", 1, 60000, false,          \
      "how often interval syncs")                                                                  \
    X(JOURNAL_SEGMENT, "journal.segment", SIZE, "64MiB", CONFIG_MIB, 4 * CONFIG_GIB, false,        \
      "size of a segment")                                                                         \
    X(JOURNAL_MAX, "journal.max", SIZE, "4GiB", 16 * CONFIG_MIB, 1024 * CONFIG_TIB, false,         \
      "largest size of the journal on disk")                                                       \
    X(STORE_FLUSH_ROWS, "store.flush_rows", NUMBER, "65536", 256, 16777216, false,                 \
      "spans of a first part")                                                                     \
    X(STORE_FLUSH_AGE, "store.flush_age", DURATION, "30s", 10, CONFIG_DAY, false,                  \
      "oldest span that is in no part")                                                            \
    X(STORE_FREE_MIN, "store.free_min", SIZE, "256MiB", 0, 1024 * CONFIG_TIB, false,               \
      "free disk below which requests are refused")                                                \
    X(RETENTION_AGE, "store.retention.age", DURATION, "7d", 0, 36500 * CONFIG_DAY, true,           \
      "older spans go; 0: never")                                                                  \
    X(RETENTION_ERRORS_AGE, "store.retention.errors_age", DURATION, "0", 0, 36500 * CONFIG_DAY,    \
      true, "age for traces with errors; 0: as for all")                                           \
    X(RETENTION_SIZE, "store.retention.size", SIZE, "0", 0, 1024 * CONFIG_TIB, true,               \
      "per business line, error-free traces go first; 0: no limit")                                \
    X(KEEP_TRACES, "store.keep.traces", KEEP, "all", 0, 0, true,                                   \
      "all; chosen: traces with errors, slow and rare ones, and a share of the others")            \
    X(KEEP_SHARE, "store.keep.share", SHARE, "1%", 0, 1000000, true,                               \
      "of the traces that nothing else keeps")                                                     \
    X(KEEP_SLOW, "store.keep.slow", SHARE, "1%", 0, 1000000, true,                                 \
      "of an entry's traces: the slowest are kept; 0%: none for that")                             \
    X(KEEP_RARE, "store.keep.rare", NUMBER, "10", 0, 1000000, true,                                \
      "traces of each shape that are kept in an hour; 0: none for that")                           \
    X(KEEP_WAIT, "store.keep.wait", DURATION, "60s", 6000, CONFIG_DAY, true,                       \
      "how long spans of a first part stay before those of other traces are left out")             \
    X(SERIES_FLUSH_AGE, "series.flush_age", DURATION, "30s", 10, CONFIG_DAY, false,                \
      "oldest number of calls that is in no part")                                                 \
    X(SCRAPE_INTERVAL, "scrape.interval", DURATION, "15s", 100, CONFIG_DAY, false,                 \
      "how often a target is asked for its metrics")                                               \
    X(SCRAPE_TIMEOUT, "scrape.timeout", DURATION, "10s", 10, CONFIG_DAY, false,                    \
      "how long it may take, with its answer")                                                     \
    X(SCRAPE_BODY_SIZE, "scrape.body_size_limit", SIZE, "16MiB", CONFIG_KIB, CONFIG_GIB, false,    \
      "largest answer of a target, decompressed")                                                  \
    X(SCRAPE_SAMPLES, "scrape.sample_limit", NUMBER, "0", 0, 1048576, false,                       \
      "samples of an answer, more and it fails; 0: no limit")                                      \
    X(SCRAPE_LABELS, "scrape.label_limit", NUMBER, "0", 0, 56, false,                              \
      "labels of a sample, more and the answer fails; 0: no limit")                                \
    X(HEALTH_CPU_WARN, "health.cpu_warn", SHARE, "80%", 0, 1000000, false,                         \
      "share of all CPUs, of a process or a host, that is a warning; 0%: none")                    \
    X(HEALTH_CPU_ERROR, "health.cpu_error", SHARE, "95%", 0, 1000000, false,                       \
      "the same, that is an error")                                                                \
    X(HEALTH_HEAP_WARN, "health.heap_warn", SHARE, "80%", 0, 1000000, false,                       \
      "share of a heap in use after garbage collection that is a warning; 0%: none")               \
    X(HEALTH_HEAP_ERROR, "health.heap_error", SHARE, "95%", 0, 1000000, false,                     \
      "the same, that is an error")                                                                \
    X(HEALTH_MEMORY_WARN, "health.memory_warn", SHARE, "90%", 0, 1000000, false,                   \
      "share of a host's memory in use that is a warning; 0%: none")                               \
    X(HEALTH_MEMORY_ERROR, "health.memory_error", SHARE, "97%", 0, 1000000, false,                 \
      "the same, that is an error")                                                                \
    X(HEALTH_DISK_WARN, "health.disk_warn", SHARE, "85%", 0, 1000000, false,                       \
      "share of a host's fullest file system that is a warning; 0%: none")                         \
    X(HEALTH_DISK_ERROR, "health.disk_error", SHARE, "95%", 0, 1000000, false,                     \
      "the same, that is an error")                                                                \
    X(ALERTS_CHANNELS, "alerts.received_channels", TEXT, "", 0, 2000, false,                       \
      "channels of alerts that others send here, commas between them")                             \
    X(ALERTS_RECEIVERS, "alerts.received_receivers", TEXT, "", 0, 2000, false,                     \
      "people, groups and addresses that are told of them, the same")                              \
    X(LOG_LEVEL, "log.level", LEVEL, "info", 0, 0, true, "debug, info, warn or error")

enum setting {
#define SETTING_ENUM(name, key, kind, standard, least, most, reload, help) SETTING_##name,
    SETTING_LIST(SETTING_ENUM)
#undef SETTING_ENUM
        SETTING_COUNT
};

enum setting_kind {
    KIND_OF_TEXT,
    KIND_OF_SECRET,
    KIND_OF_ADDRESS,
    KIND_OF_ADDRESS_OR_OFF,
    KIND_OF_SIZE,
    KIND_OF_NUMBER,
    KIND_OF_DURATION,
    KIND_OF_SHARE, // in millionths
    KIND_OF_SYNC,
    KIND_OF_KEEP,
    KIND_OF_LEVEL
};

struct setting_info {
    const char *key;
    enum setting_kind kind;
    const char *standard;
    uint64_t least, most;
    bool reloadable;
    const char *help;
};
const struct setting_info *setting_info(enum setting s);

#define CONFIG_KEY_MAX   128
#define CONFIG_PLACE_MAX 128
#define CONFIG_NOT_GIVEN UINT64_MAX // in a line of store.lines, or a job, while the file is read

enum setting_source { SOURCE_DEFAULT, SOURCE_FILE, SOURCE_ENVIRONMENT, SOURCE_FLAG };

struct config {
    struct arena arena;
    const char *file; // "" without one
    const char *text[SETTING_COUNT];
    const char *where[SETTING_COUNT]; // "sonde.yaml:3:5", "SONDE_DATA", "--data"; "": default
    uint64_t number[SETTING_COUNT];   // sizes in bytes, durations in milliseconds, choices counted
    enum setting_source source[SETTING_COUNT];
    struct store_retention lines[STORE_LINES_MAX]; // store.lines
    size_t line_count;
    struct scrape_job jobs[SCRAPE_JOBS_MAX]; // scrape.jobs
    size_t job_count;
};

// Defaults, then the file (NULL: none), then the environment. ERR_INVALID with "FILE:LINE:COLUMN:
// what is wrong and what is expected" in the text. config_done() afterwards in every case. A file
// larger than CONFIG_FILE_MAX or nested deeper than CONFIG_DEPTH_MAX is refused where it is.
#define CONFIG_FILE_MAX  ((size_t)1 << 20)
#define CONFIG_DEPTH_MAX 16
MUST_CHECK enum err config_load(struct config *c, const char *file, struct err_at *ret_at);
void config_done(struct config *c);

// Overrides one setting; `where` names the origin in errors ("--http").
MUST_CHECK enum err config_set(struct config *c, enum setting s, const char *text,
                               enum setting_source source, const char *where,
                               struct err_at *ret_at);

// What no single value shows: addresses beyond loopback need tokens, a certificate needs its key.
MUST_CHECK enum err config_check(const struct config *c, struct err_at *ret_at);

// store.lines as the file could have it: {name: shop, age: 14d, size: 200GiB}, ...
void config_print_lines(const struct config *c, struct buf *out);

// scrape.jobs likewise.
void config_print_jobs(const struct config *c, struct buf *out);

// What jobs leave out they take from the settings; ERR_INVALID for one whose timeout is longer than
// its interval.
void config_complete_jobs(struct config *c);
MUST_CHECK enum err config_check_jobs(const struct config *c, struct err_at *ret_at);

// Reads the file over what c holds. Part of config_load().
MUST_CHECK enum err config_read_file(struct config *c, const char *file, struct err_at *ret_at);

// "SONDE_JOURNAL_SYNC" of journal.sync.
void config_environment_name(enum setting s, char out[CONFIG_KEY_MAX]);

// The key that was probably meant; NULL when none is close.
const char *config_closest_key(const char *key);

// Every SONDE_ name of the environment that means nothing; `meant` may be NULL.
typedef void config_unknown_fn(void *ctx, const char *name, const char *meant);
void config_each_unknown(config_unknown_fn *each, void *ctx);

// The number behind a setting's text, or ERR_INVALID with what is expected, its bounds included.
#define CONFIG_EXPECTED_MAX 128
MUST_CHECK enum err config_parse(enum setting s, const char *text, uint64_t *ret_number,
                                 char ret_expected[CONFIG_EXPECTED_MAX]);

// A size or a duration with the largest unit that divides it, so that it reads as it was probably
// written.
void config_print_size(struct buf *out, uint64_t bytes);
void config_print_duration(struct buf *out, uint64_t ms);

// The rules of keeping that are in force; `lines` has room for STORE_LINES_MAX, and is part of
// them.
struct keep_rules config_keep_rules(const struct config *c, struct keep_line *lines);

// "256MiB", "10GB", "4096" to bytes; "30s", "100ms", "7d" to milliseconds.
MUST_CHECK enum err config_parse_size(const char *text, uint64_t *ret_bytes);
MUST_CHECK enum err config_parse_duration(const char *text, uint64_t *ret_ms);
// "1%", "0.25%" to millionths.
MUST_CHECK enum err config_parse_share(const char *text, uint64_t *ret_ppm);

#endif
