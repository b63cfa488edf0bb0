// SPDX-License-Identifier: Apache-2.0
// Purpose: asking for the series of metrics.
#include "query/metric.h"

#include "core/must.h"
#include "model/calls.h"
#include "model/exponential.h"
#include "model/point.h"

// A query of the series store with all that it points to.
struct asking {
    struct series_query query;
    struct series_matcher matchers[METRIC_LABELS_MAX + 3];
    char whole[EXPONENTIAL_TEXT_MAX];
};

static void put_matchers(struct asking *a, const struct metric_query *q)
{
    const struct exponential_bucket whole = {EXPONENTIAL_ALL, 0};
    struct series_matcher *m = a->matchers;
    size_t n = 0;
    m[n++] = q->name.p != NULL ? (struct series_matcher){POINT_NAME, MATCH_EQUAL, q->name}
                               : (struct series_matcher){POINT_NAME, MATCH_NOT_EQUAL, CALLS_NAME};
    if (q->service.p != NULL) {
        m[n++] = (struct series_matcher){POINT_SERVICE, MATCH_EQUAL, q->service};
    }
    for (size_t i = 0; i < q->label_count; i++) {
        m[n++] = (struct series_matcher){q->labels[i].key, MATCH_EQUAL, q->labels[i].value};
    }
    if (q->wholes) {
        m[n++] = (struct series_matcher){POINT_BUCKET_INDEX, MATCH_EQUAL,
                                         exponential_text(whole, a->whole)};
    }
    ASSERT(n <= sizeof a->matchers / sizeof a->matchers[0]);
    a->query.matchers = m;
    a->query.matcher_count = n;
}

static void ask(struct asking *a, const struct metric_query *q)
{
    struct query_control *control = q->control;
    ASSERT(q->label_count <= METRIC_LABELS_MAX);
    a->query = (struct series_query){
        .any_line = q->any_line,
        .line = q->line,
        .from_ms = q->from_ms > q->look_ms ? q->from_ms - q->look_ms : 0,
        .to_ms = q->to_ms + q->look_ms,
        .step_ms = SERIES_SLOT_MS,
        .meter = control != NULL ? control->meter : NULL,
        .cancelled = control != NULL ? &control->cancelled : NULL,
    };
    put_matchers(a, q);
}

enum err metric_run(const struct metric_query *query,
                    enum err (*each)(void *ctx, const struct series_found *found), void *ctx,
                    struct series_answer *ret_answer)
{
    struct asking a;
    ASSERT(each != NULL);
    ask(&a, query);
    return series_run(query->store, &a.query, each, ctx, ret_answer);
}

enum err metric_list(const struct metric_query *query,
                     void (*each)(void *ctx, const struct series_found *found), void *ctx)
{
    struct asking a;
    ASSERT(each != NULL);
    ask(&a, query);
    return series_list(query->store, &a.query, each, ctx);
}
