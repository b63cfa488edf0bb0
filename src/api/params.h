// SPDX-License-Identifier: Apache-2.0
// Purpose: the parameters of the API's routes, as they stand behind the `?`. A route says which
// ones it has: any other is refused by its name, since a filter that is misspelt and ignored gives
// an answer that looks right. Internal to api/.
#ifndef SONDE_API_PARAMS_H
#define SONDE_API_PARAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "http/server.h"
#include "query/points.h"

enum param {
    PARAM_Q,
    PARAM_FROM,
    PARAM_TO,
    PARAM_LIMIT,
    PARAM_PREFIX,
    PARAM_SCOPE,
    PARAM_NAMESPACE,
    PARAM_COLUMNS,
    PARAM_ROWS,
    PARAM_ORDER,
    PARAM_SERVICE,
    PARAM_ENDPOINT,
    PARAM_INSTANCE,
    PARAM_STEP,
    PARAM_BY,
    PARAM_LEVEL,
    PARAM_NODE,
    PARAM_TIMES,
    PARAM_NAME,
    PARAM_AS,
    PARAM_KIND,
    PARAM_COMPARE,
    PARAM_STATE,
    PARAM_BEFORE,
    PARAM_AT,
    PARAM_ACTIVE,
    PARAM_SILENCED,
    PARAM_FILTER, // may stand there several times: each is among the labels, as "filter"
    PARAM_LABEL,  // label.KEY, the same
    PARAM_COUNT
};

const char *param_name(enum param p); // "from"; static

// Sets of them. Paths outside /api/, which tools of others ask, take what they do not know.
#define PARAM_BIT(param) ((uint32_t)1 << (param))
#define PARAMS_NONE      ((uint32_t)0)
#define PARAMS_IGNORED   UINT32_MAX

struct params {
    struct str values[PARAM_COUNT]; // p == NULL when absent
    struct series_label labels[METRIC_LABELS_MAX];
    size_t label_count;
};

// Reads those of a request; texts live as long as it. False after answering 400: one that is not in
// the set, one given twice, too many labels, wrong percent escapes.
MUST_CHECK bool params_read(struct http_request *r, uint32_t set, struct params *ret_params);

#endif
