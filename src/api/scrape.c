// SPDX-License-Identifier: Apache-2.0
// Purpose: the targets that are scraped, and how that went: /api/v1/scrape/targets.
#include "scrape/scrape.h"

#include "api/job.h"
#include "api/put.h"
#include "core/must.h"

static void put_target(void *ctx, const struct scrape_target *t)
{
    struct json_writer *w = ctx;
    const char *state = t->scrapes == 0 ? "unknown" : t->failed ? "down" : "up";
    ASSERT(t->address.n > 0);
    json_put_object(w);
    put_str(w, "job", t->job);
    put_str(w, "address", t->address);
    put_str(w, "scheme", t->https ? STR("https") : STR("http"));
    put_str(w, "path", t->path);
    put_u64(w, "interval_ms", t->interval_ms);
    put_str(w, "state", str_of(state));
    put_u64(w, "scrapes", t->scrapes);
    put_u64(w, "failures", t->failures);
    if (t->scrapes > 0) {
        put_i64(w, "last_unix_ms", t->began_ms);
        put_double(w, "duration_ms", t->duration_s * 1000);
        put_u64(w, "samples", t->samples);
    }
    if (t->failed) {
        put_str(w, "reason", str_of(scrape_failure_name(t->why)));
        put_str(w, "error", str_of(t->error));
    }
    json_put_object_end(w);
}

void api_scrape_targets(struct job *j)
{
    struct scrape_stats stats = {0};
    struct json_writer w;
    json_writer_init(&w, &j->out);
    json_put_object(&w);
    json_put_key(&w, "targets");
    json_put_array(&w);
    if (j->api->o.scrape_targets != NULL) {
        ASSERT(j->api->o.scrape_stats != NULL);
        j->api->o.scrape_targets(j->api->o.ctx, put_target, &w);
        j->api->o.scrape_stats(j->api->o.ctx, &stats);
    }
    json_put_array_end(&w);
    put_u64(&w, "left_out_targets", stats.targets_left_out);
    put_u64(&w, "files", stats.files);
    put_u64(&w, "bad_files", stats.bad_files);
    put_u64(&w, "left_out_files", stats.files_left_out);
    json_put_object_end(&w);
}
