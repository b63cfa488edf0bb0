// SPDX-License-Identifier: Apache-2.0
// Purpose: the checker of OTLP messages, and counting the records of a request.
#include "wire/otlp_check.h"

#include <stdio.h>

#include "core/must.h"
#include "wire/protobuf.h"

bool otlp_problem_set(struct otlp_problem *pr, enum err code, const void *at, const char *what)
{
    ASSERT(code != ERR_OK && what != NULL);
    pr->code = code;
    pr->at = at;
    pr->what = what;
    pr->path_at = sizeof pr->path;
    pr->path_cut = false;
    return false;
}

bool otlp_problem_in(struct otlp_problem *pr, const char *name, int64_t index)
{
    char text[64];
    ASSERT(pr->path_at <= sizeof pr->path);
    if (pr->path_cut) {
        return false;
    }
    const char *dot = pr->path_at < sizeof pr->path ? "." : "";
    int n = index >= 0 ? snprintf(text, sizeof text, "%s[%lld]%s", name, (long long)index, dot)
                       : snprintf(text, sizeof text, "%s%s", name, dot);
    MUST(n > 0 && (size_t)n < sizeof text);
    if ((size_t)n > pr->path_at) {
        // Too long: the inner end matters more, so the outer one goes.
        pr->path_cut = true;
        pr->path_at = pr->path_at > 3 ? pr->path_at - 3 : 0;
        memcpy(pr->path + pr->path_at, "...", 3);
        return false;
    }
    pr->path_at -= (size_t)n;
    memcpy(pr->path + pr->path_at, text, (size_t)n);
    return false;
}

bool otlp_problem_in_repeated(struct otlp_problem *pr, const char *name, uint32_t number,
                              struct str message, const uint8_t *at)
{
    struct pb_reader r = pb_reader(message);
    struct pb_field f;
    int64_t index = 0;
    while (r.p < at && pb_next(&r, &f) && f.at < at) {
        index += f.number == number;
    }
    ASSERT(at >= (const uint8_t *)message.p);
    return otlp_problem_in(pr, name, index);
}

enum err otlp_problem_report(const struct otlp_problem *pr, struct str input, struct err_at *ret_at)
{
    ASSERT(pr->at >= (const uint8_t *)input.p && pr->at <= (const uint8_t *)input.p + input.n);
    size_t n = sizeof pr->path - pr->path_at;
    return err_at_set(ret_at, pr->code, (uint64_t)(pr->at - (const uint8_t *)input.p), "%.*s%s%s",
                      (int)n, pr->path + pr->path_at, n > 0 ? ": " : "", pr->what);
}

static enum pb_wire wire_of(uint8_t type)
{
    switch (type) {
    case OTLP_STRING:
    case OTLP_BYTES:
    case OTLP_ID:
    case OTLP_MESSAGE:
        return PB_BYTES;
    case OTLP_FIXED64:
    case OTLP_SFIXED64:
    case OTLP_DOUBLE:
        return PB_FIXED64;
    case OTLP_FIXED32:
        return PB_FIXED32;
    default:
        return PB_VARINT;
    }
}

// Numbers that stand one after another in one length-delimited field.
static bool check_packed(enum pb_wire wire, struct str bytes, struct otlp_problem *pr)
{
    struct pb_reader r = pb_reader(bytes);
    struct pb_field f;
    ASSERT(wire != PB_BYTES);
    while (r.p < r.end) {
        if (!pb_value(&r, &f, wire)) {
            return otlp_problem_set(pr, ERR_INVALID, r.p, "cut short");
        }
    }
    return true;
}

static bool check_field(const struct otlp_field *known, const struct pb_field *f, unsigned depth,
                        uint64_t *records, struct otlp_problem *pr)
{
    enum pb_wire wire = wire_of(known->type);
    size_t bad = 0;
    ASSERT(known->number == f->number);
    if (f->wire != wire) {
        if (known->repeated && f->wire == PB_BYTES) {
            return check_packed(wire, f->bytes, pr);
        }
        return otlp_problem_set(pr, ERR_INVALID, f->at, "wrong wire type");
    }
    if (known->type == OTLP_STRING && !str_utf8_valid(f->bytes, &bad)) {
        return otlp_problem_set(pr, ERR_INVALID, f->bytes.p + bad, "invalid UTF-8");
    }
    return known->type != OTLP_MESSAGE || otlp_check(known->of, f->bytes, depth, records, pr);
}

// The recursion ends: only AnyValue contains itself, and `depth` bounds it.
bool otlp_check(const struct otlp_message *m, struct str bytes, unsigned depth, uint64_t *records,
                struct otlp_problem *pr)
{
    struct pb_reader r = pb_reader(bytes);
    struct pb_field f;
    depth += m->nests;
    ASSERT(depth <= OTLP_DEPTH_MAX + 1);
    if (depth > OTLP_DEPTH_MAX) {
        return otlp_problem_set(pr, ERR_INVALID, bytes.p, "nested too deeply");
    }
    *records += m->counts;
    while (r.p < r.end) {
        if (!pb_next(&r, &f)) {
            return otlp_problem_set(pr, ERR_INVALID, f.at, "broken or cut short field");
        }
        const struct otlp_field *known = otlp_field_by_number(m, f.number);
        if (known == NULL || check_field(known, &f, depth, records, pr)) {
            continue;
        }
        return known->repeated
                   ? otlp_problem_in_repeated(pr, known->name, known->number, bytes, f.at)
                   : otlp_problem_in(pr, known->name, -1);
    }
    return true;
}

enum err otlp_count_records(enum otlp_signal signal, struct str request, uint64_t *ret_records,
                            struct err_at *ret_at)
{
    struct otlp_problem problem;
    uint64_t records = 0;
    ASSERT(ret_records != NULL);
    if (!otlp_check(otlp_request(signal), request, 0, &records, &problem)) {
        return otlp_problem_report(&problem, request, ret_at);
    }
    *ret_records = records;
    return ERR_OK;
}
