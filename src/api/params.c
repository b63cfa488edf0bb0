// SPDX-License-Identifier: Apache-2.0
// Purpose: reading the parameters of a request.
#include "api/params.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/must.h"
#include "wire/json_writer.h"

#define REFUSAL_BYTES_MAX 2048
#define NAME_SHOWN_MAX    64 // bytes of an unknown name

_Static_assert(PARAM_COUNT < 32, "sets of parameters are 32 bits");

const char *param_name(enum param p)
{
    static const char *const names[PARAM_COUNT] = {
        [PARAM_Q] = "q",
        [PARAM_FROM] = "from",
        [PARAM_TO] = "to",
        [PARAM_LIMIT] = "limit",
        [PARAM_PREFIX] = "prefix",
        [PARAM_SCOPE] = "scope",
        [PARAM_COLUMNS] = "columns",
        [PARAM_NAMESPACE] = "namespace",
        [PARAM_ROWS] = "rows",
        [PARAM_ORDER] = "order",
        [PARAM_SERVICE] = "service",
        [PARAM_ENDPOINT] = "endpoint",
        [PARAM_INSTANCE] = "instance",
        [PARAM_STEP] = "step",
        [PARAM_BY] = "by",
        [PARAM_LEVEL] = "level",
        [PARAM_NODE] = "node",
        [PARAM_TIMES] = "times",
        [PARAM_NAME] = "name",
        [PARAM_AS] = "as",
        [PARAM_KIND] = "kind",
        [PARAM_COMPARE] = "compare",
        [PARAM_STATE] = "state",
        [PARAM_BEFORE] = "before",
        [PARAM_AT] = "at",
        [PARAM_ACTIVE] = "active",
        [PARAM_SILENCED] = "silenced",
        [PARAM_FILTER] = "filter",
        [PARAM_LABEL] = "label.KEY",
    };
    ASSERT((unsigned)p < PARAM_COUNT);
    return names[p];
}

static void refuse(struct http_request *r, struct str name, struct str error)
{
    const struct http_header headers[] = {{STR("content-type"), STR("application/json")}};
    struct json_writer w;
    struct buf body;
    ASSERT(error.n > 0);
    buf_init(&body, REFUSAL_BYTES_MAX);
    json_writer_init(&w, &body);
    json_put_object(&w);
    json_put_key(&w, "error");
    json_put_str(&w, error);
    json_put_key(&w, "parameter");
    json_put_str(&w, name);
    json_put_object_end(&w);
    MUST(!body.failed);
    http_respond(r, 400, headers, 1, buf_str(&body));
    buf_done(&body);
}

static void refuse_unknown(struct http_request *r, struct str name, uint32_t set)
{
    struct buf known;
    name = str_cut(name, NAME_SHOWN_MAX);
    ASSERT(set != PARAMS_IGNORED);
    buf_init(&known, REFUSAL_BYTES_MAX);
    for (enum param i = 0; i < PARAM_COUNT; i++) {
        if (set & PARAM_BIT(i)) {
            buf_add_str(&known, known.n > 0 ? STR(", ") : STR(""));
            buf_add_str(&known, str_of(param_name(i)));
        }
    }
    struct str has = known.n > 0 ? buf_str(&known) : STR("none");
    refuse(r, name,
           arena_printf(http_arena(r), "%.*s is no parameter of this path, which has: %.*s",
                        (int)name.n, name.p, (int)has.n, has.p));
    buf_done(&known);
}

// PARAM_COUNT for one that is not in the set.
static enum param find(struct str name, uint32_t set)
{
    enum param i = 0;
    ASSERT(name.p != NULL || name.n == 0);
    while (i < PARAM_LABEL && !((set & PARAM_BIT(i)) && str_eq(name, str_of(param_name(i))))) {
        i++;
    }
    bool is_label = i < PARAM_LABEL || ((set & PARAM_BIT(i)) && str_starts(name, STR("label.")));
    return is_label ? i : PARAM_COUNT;
}

// False where it is one too many.
static bool put(struct params *p, enum param i, struct http_param param)
{
    ASSERT(i < PARAM_COUNT);
    if (i == PARAM_LABEL || i == PARAM_FILTER) {
        struct str key = i == PARAM_FILTER ? param.name : str_skip(param.name, STR("label.").n);
        if (p->label_count == METRIC_LABELS_MAX) {
            return false;
        }
        p->labels[p->label_count++] = (struct series_label){key, param.value};
        return true;
    }
    bool is_first = p->values[i].p == NULL;
    p->values[i] = param.value;
    return is_first;
}

bool params_read(struct http_request *r, uint32_t set, struct params *ret_params)
{
    struct str rest = http_query(r);
    struct http_param param;
    enum err e;
    *ret_params = (struct params){.label_count = 0};
    while ((e = http_next_param(r, &rest, &param)) == ERR_OK) {
        enum param i = find(param.name, set);
        if (i == PARAM_COUNT && set != PARAMS_IGNORED) {
            refuse_unknown(r, param.name, set);
            return false;
        }
        if (i < PARAM_COUNT && !put(ret_params, i, param)) {
            refuse(r, str_cut(param.name, NAME_SHOWN_MAX),
                   STR("this parameter is given too often"));
            return false;
        }
    }
    ASSERT(e == ERR_NOT_FOUND || e == ERR_INVALID);
    if (e == ERR_INVALID && set != PARAMS_IGNORED) {
        refuse(r, str_cut(param.name, NAME_SHOWN_MAX),
               STR("the percent escapes of this parameter are wrong"));
    }
    return e == ERR_NOT_FOUND || set == PARAMS_IGNORED;
}
