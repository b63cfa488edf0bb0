// SPDX-License-Identifier: Apache-2.0
// Purpose: scrape.jobs of the configuration, by the names that Prometheus has for most of it:
//
//     - name: node
//       targets: ["127.0.0.1:9100"]
//       file_sd: ["/etc/sonde/targets/*.yml"]
//       metrics_path: /metrics
//       scheme: http
//       scrape_interval, scrape_timeout, body_size_limit, sample_limit, label_limit: as scrape.*
#include <stdio.h>
#include <string.h>

#include "config_reader.h"
#include "core/must.h"

#define JOB_NAME_MAX 256
#define JOB_PATH_MAX 2048
#define JOB_FILE_MAX 4000

static struct str copy_text(struct config_reader *r, const char *text)
{
    ASSERT(text != NULL);
    return arena_str(&r->c->arena, str_of(text));
}

// A text without blanks and control characters, of `max` bytes at most.
static bool is_plain(const char *text, size_t max)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)text[i] <= 0x20 || text[i] == 0x7f) {
            return false;
        }
    }
    ASSERT(max > 0);
    return n > 0 && n <= max;
}

static enum err read_list(struct config_reader *r, const yaml_node_t *list, size_t max,
                          const char *what, const struct str **ret_items, size_t *ret_count)
{
    if (list->type != YAML_SEQUENCE_NODE) {
        return yaml_doc_wrong(&r->y, list, "expected a list of", what);
    }
    const yaml_node_item_t *from = list->data.sequence.items.start;
    size_t count = (size_t)(list->data.sequence.items.top - from);
    if (count > SCRAPE_JOB_LIST_MAX) {
        return yaml_doc_wrong(&r->y, list, "256 at most of", what);
    }
    struct str *items = arena_new(&r->c->arena, count + 1, sizeof *items);
    for (size_t i = 0; i < count; i++) {
        const yaml_node_t *item = yaml_doc_node(&r->y, from[i]);
        const char *text = yaml_doc_text(item);
        if (text == NULL || !is_plain(text, max)) {
            return yaml_doc_wrong(&r->y, item, "expected one of", what);
        }
        items[i] = copy_text(r, text);
    }
    *ret_items = items;
    *ret_count = count;
    return ERR_OK;
}

static enum err read_targets(struct config_reader *r, struct scrape_job *job,
                             const yaml_node_t *list)
{
    enum err e = read_list(r, list, SCRAPE_ADDRESS_BYTES_MAX, "targets, as HOST:PORT",
                           &job->targets, &job->target_count);
    for (size_t i = 0; i < job->target_count && e == ERR_OK; i++) {
        const char *wrong = scrape_address_wrong(job->targets[i]);
        if (wrong != NULL) {
            e = yaml_doc_wrong(&r->y, yaml_doc_node(&r->y, list->data.sequence.items.start[i]),
                               "a target is HOST:PORT, not", job->targets[i].p);
        }
    }
    return e;
}

// A value that stands in for a setting.
static enum err read_number(struct config_reader *r, const char *key, const char *text,
                            const yaml_node_t *value, enum setting bounds, uint64_t *to)
{
    char expected[CONFIG_EXPECTED_MAX];
    ASSERT(key[0] != 0);
    return config_parse(bounds, text, to, expected) == ERR_OK
               ? ERR_OK
               : yaml_doc_wrong(&r->y, value, "expected", expected);
}

// What a job gives for settings, until it is known which it leaves out.
struct given {
    uint64_t interval_ms, timeout_ms, body_bytes, samples, labels;
};

static enum err read_setting(struct config_reader *r, struct given *given, const char *key,
                             const yaml_node_t *key_node, const yaml_node_t *value)
{
    const struct {
        const char *key;
        enum setting bounds;
        uint64_t *to;
    } fields[] = {{"scrape_interval", SETTING_SCRAPE_INTERVAL, &given->interval_ms},
                  {"scrape_timeout", SETTING_SCRAPE_TIMEOUT, &given->timeout_ms},
                  {"body_size_limit", SETTING_SCRAPE_BODY_SIZE, &given->body_bytes},
                  {"sample_limit", SETTING_SCRAPE_SAMPLES, &given->samples},
                  {"label_limit", SETTING_SCRAPE_LABELS, &given->labels}};
    const char *text = yaml_doc_text(value);
    ASSERT(given != NULL);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (strcmp(key, fields[i].key) == 0) {
            return text != NULL ? read_number(r, key, text, value, fields[i].bounds, fields[i].to)
                                : yaml_doc_wrong(&r->y, value, "expected a single value for", key);
        }
    }
    return yaml_doc_wrong(
        &r->y, key_node,
        "a job has name, targets, file_sd, metrics_path, scheme, scrape_interval, "
        "scrape_timeout, body_size_limit, sample_limit, label_limit, not",
        key);
}

static enum err read_field(struct config_reader *r, struct scrape_job *job, struct given *given,
                           const char *key, const yaml_node_t *key_node, const yaml_node_t *value)
{
    const char *text = yaml_doc_text(value);
    ASSERT(job != NULL);
    if (strcmp(key, "targets") == 0) {
        return read_targets(r, job, value);
    }
    if (strcmp(key, "file_sd") == 0) {
        return read_list(r, value, JOB_FILE_MAX, "files of targets", &job->files, &job->file_count);
    }
    if (strcmp(key, "name") == 0) {
        if (text == NULL || !is_plain(text, JOB_NAME_MAX)) {
            return yaml_doc_wrong(&r->y, value,
                                  "expected a name without blanks, of 256 bytes at most", NULL);
        }
        job->name = copy_text(r, text);
        return ERR_OK;
    }
    if (strcmp(key, "metrics_path") == 0) {
        if (text == NULL || text[0] != '/' || !is_plain(text, JOB_PATH_MAX)) {
            return yaml_doc_wrong(&r->y, value, "expected a path, such as /metrics", NULL);
        }
        job->path = copy_text(r, text);
        return ERR_OK;
    }
    if (strcmp(key, "scheme") == 0) {
        job->https = text != NULL && strcmp(text, "https") == 0;
        return job->https || (text != NULL && strcmp(text, "http") == 0)
                   ? ERR_OK
                   : yaml_doc_wrong(&r->y, value, "expected http or https", NULL);
    }
    return read_setting(r, given, key, key_node, value);
}

static enum err read_job(struct config_reader *r, const yaml_node_t *item, struct scrape_job *job)
{
    struct given given = {CONFIG_NOT_GIVEN, CONFIG_NOT_GIVEN, CONFIG_NOT_GIVEN, CONFIG_NOT_GIVEN,
                          CONFIG_NOT_GIVEN};
    *job = (struct scrape_job){.path = STR("/metrics")};
    ASSERT(item->type == YAML_MAPPING_NODE);
    for (yaml_node_pair_t *p = item->data.mapping.pairs.start; p < item->data.mapping.pairs.top;
         p++) {
        const yaml_node_t *key = yaml_doc_node(&r->y, p->key);
        const char *name = yaml_doc_text(key);
        if (name == NULL) {
            return yaml_doc_wrong(&r->y, key, "expected a name", NULL);
        }
        enum err e = yaml_doc_check_twice(&r->y, item, p, name);
        if (e == ERR_OK) {
            e = read_field(r, job, &given, name, key, yaml_doc_node(&r->y, p->value));
        }
        if (e != ERR_OK) {
            return e;
        }
    }
    job->interval_ms = given.interval_ms;
    job->timeout_ms = given.timeout_ms;
    job->body_bytes_max = (size_t)given.body_bytes;
    job->samples_max = (size_t)given.samples;
    job->labels_max = (size_t)given.labels;
    if (job->name.n == 0) {
        return yaml_doc_wrong(&r->y, item, "expected a name for this job", NULL);
    }
    return job->targets != NULL || job->files != NULL
               ? ERR_OK
               : yaml_doc_wrong(&r->y, item, "expected targets or file_sd for this job", NULL);
}

enum err config_read_jobs(struct config_reader *r, const yaml_node_t *list)
{
    ASSERT(r->c->job_count == 0); // there is one list
    if (list->type != YAML_SEQUENCE_NODE) {
        return yaml_doc_wrong(&r->y, list, "expected a list of jobs: - name: node", NULL);
    }
    const yaml_node_item_t *items = list->data.sequence.items.start;
    for (const yaml_node_item_t *i = items; i < list->data.sequence.items.top; i++) {
        const yaml_node_t *item = yaml_doc_node(&r->y, *i);
        if (item->type != YAML_MAPPING_NODE || r->c->job_count == SCRAPE_JOBS_MAX) {
            return yaml_doc_wrong(&r->y, item, "expected a job with a name (64 jobs at most)",
                                  NULL);
        }
        struct scrape_job *job = &r->c->jobs[r->c->job_count];
        enum err e = read_job(r, item, job);
        if (e != ERR_OK) {
            return e;
        }
        for (size_t k = 0; k < r->c->job_count; k++) {
            if (str_eq(r->c->jobs[k].name, job->name)) {
                return yaml_doc_wrong_twice(&r->y, item, job->name.p,
                                            yaml_doc_node(&r->y, items[k]));
            }
        }
        r->c->job_count++;
    }
    return ERR_OK;
}

static uint64_t given_or(uint64_t given, const struct config *c, enum setting s)
{
    ASSERT((unsigned)s < SETTING_COUNT);
    return given != CONFIG_NOT_GIVEN ? given : c->number[s];
}

void config_complete_jobs(struct config *c)
{
    ASSERT(c->job_count <= SCRAPE_JOBS_MAX);
    for (size_t i = 0; i < c->job_count; i++) {
        struct scrape_job *job = &c->jobs[i];
        bool own_timeout = job->timeout_ms != CONFIG_NOT_GIVEN;
        job->interval_ms = given_or(job->interval_ms, c, SETTING_SCRAPE_INTERVAL);
        job->timeout_ms = given_or(job->timeout_ms, c, SETTING_SCRAPE_TIMEOUT);
        if (!own_timeout && job->timeout_ms > job->interval_ms) {
            job->timeout_ms = job->interval_ms; // a short interval alone need not say so twice
        }
        job->body_bytes_max = (size_t)given_or(job->body_bytes_max, c, SETTING_SCRAPE_BODY_SIZE);
        job->samples_max = (size_t)given_or(job->samples_max, c, SETTING_SCRAPE_SAMPLES);
        job->labels_max = (size_t)given_or(job->labels_max, c, SETTING_SCRAPE_LABELS);
    }
}

enum err config_check_jobs(const struct config *c, struct err_at *ret_at)
{
    ASSERT(c->job_count <= SCRAPE_JOBS_MAX);
    for (size_t i = 0; i < c->job_count; i++) {
        const struct scrape_job *job = &c->jobs[i];
        if (job->timeout_ms > job->interval_ms) {
            return err_at_set(ret_at, ERR_INVALID, 0,
                              "%s: scrape.jobs: the scrape_timeout of %.*s is longer than its "
                              "scrape_interval",
                              c->file, STR_FMT(job->name));
        }
    }
    return ERR_OK;
}

static void print_list(struct buf *out, const char *key, const struct str *items, size_t count)
{
    ASSERT(items != NULL || count == 0);
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "%s\"%.*s\"", i > 0 ? ", " : key, STR_FMT(items[i]));
    }
    buf_printf(out, count > 0 ? "]" : "");
}

void config_print_jobs(const struct config *c, struct buf *out)
{
    ASSERT(c->job_count <= SCRAPE_JOBS_MAX);
    for (size_t i = 0; i < c->job_count; i++) {
        const struct scrape_job *job = &c->jobs[i];
        buf_printf(out, "%s{name: %.*s", i > 0 ? ", " : "", STR_FMT(job->name));
        print_list(out, ", targets: [", job->targets, job->target_count);
        print_list(out, ", file_sd: [", job->files, job->file_count);
        buf_printf(out, ", scheme: %s, metrics_path: \"%.*s\", scrape_interval: ",
                   job->https ? "https" : "http", STR_FMT(job->path));
        config_print_duration(out, job->interval_ms);
        buf_printf(out, ", scrape_timeout: ");
        config_print_duration(out, job->timeout_ms);
        buf_printf(out, ", body_size_limit: ");
        config_print_size(out, job->body_bytes_max);
        buf_printf(out, ", sample_limit: %zu, label_limit: %zu}", job->samples_max,
                   job->labels_max);
    }
}
