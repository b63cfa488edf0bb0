// SPDX-License-Identifier: Apache-2.0
// Purpose: finding the span flow in a metrics request. Source of the messages:
// opentelemetry/proto/metrics/v1/metrics.proto.
#include "wire/otlp_flow.h"

#include "core/must.h"
#include "wire/protobuf.h"

enum {
    REQUEST_RESOURCES = 1,
    RESOURCE = 1,
    RESOURCE_SCOPES = 2,
    SCOPE_METRICS = 2,
    METRIC_NAME = 1,
    METRIC_SUM = 7,
    SUM_POINTS = 1,
    SUM_TEMPORALITY = 2,
    CUMULATIVE = 2,
    POINT_INT = 6,
    POINT_ATTRIBUTES = 7,
    RESOURCE_ATTRIBUTES = 1,
    PAIR_KEY = 1,
    PAIR_VALUE = 2,
    ANY_TEXT = 1,
};

// The next field of a message that was found whole; false at its end.
static bool next(struct pb_reader *r, struct pb_field *f)
{
    return r->p < r->end && pb_next(r, f);
}

// The first field of a number; empty when there is none.
static struct str first(struct str message, uint32_t number)
{
    struct pb_reader r = pb_reader(message);
    struct pb_field f;
    while (next(&r, &f)) {
        if (f.number == number && f.wire == PB_BYTES) {
            return f.bytes;
        }
    }
    return STR_NONE;
}

// The text of an attribute among a message's `field`s.
static struct str attribute(struct str message, uint32_t field, struct str key)
{
    struct pb_reader r = pb_reader(message);
    struct pb_field f;
    while (next(&r, &f)) {
        if (f.number == field && f.wire == PB_BYTES && str_eq(first(f.bytes, PAIR_KEY), key)) {
            return first(first(f.bytes, PAIR_VALUE), ANY_TEXT);
        }
    }
    return STR_NONE;
}

static void add_reason(struct span_flow *flow, enum flow_part part, struct str name, uint64_t count)
{
    unsigned of_part = 0;
    name = str_cut(name, FLOW_REASON_MAX);
    for (unsigned i = 0; i < flow->dropped_count; i++) {
        of_part += flow->dropped[i].part == part;
        // Reasons beyond the limit are counted with the last one that found room.
        if (flow->dropped[i].part == part &&
            (str_eq(flow->dropped[i].name, name) || of_part == FLOW_PART_REASONS_MAX)) {
            flow->dropped[i].count += count;
            return;
        }
    }
    ASSERT(flow->dropped_count < FLOW_REASONS_MAX);
    flow->dropped[flow->dropped_count++] = (struct flow_reason){name, count, part};
}

// 0: of nothing that is looked for.
static unsigned part_of(struct str metric)
{
    static const char *const names[] = {"otel.sdk.span.started", "otel.sdk.span.live",
                                        "otel.sdk.processor.span.processed",
                                        "otel.sdk.exporter.span.exported"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        if (str_eq(metric, str_of(names[i]))) {
            return 1U << i;
        }
    }
    return 0;
}

static void take_point(struct span_flow *flow, unsigned part, struct str point)
{
    struct pb_reader r = pb_reader(point);
    struct pb_field f;
    uint64_t value = 0;
    while (next(&r, &f)) {
        value = f.number == POINT_INT && f.wire == PB_FIXED64 ? f.value : value;
    }
    value = (int64_t)value < 0 ? 0 : value;
    struct str error = attribute(point, POINT_ATTRIBUTES, STR("error.type"));
    struct str result = attribute(point, POINT_ATTRIBUTES, STR("otel.span.sampling_result"));
    flow->parts |= part;
    if (part == FLOW_LIVE) {
        flow->live += value;
    } else if (part == FLOW_STARTED) {
        *(str_eq(result, STR("RECORD_AND_SAMPLE")) ? &flow->sampled : &flow->not_sampled) += value;
    } else if (error.n > 0) {
        add_reason(flow, (enum flow_part)part, error, value);
    } else {
        *(part == FLOW_PROCESSED ? &flow->processed : &flow->exported) += value;
    }
}

static bool take_metric(struct span_flow *flow, struct str metric)
{
    unsigned part = part_of(first(metric, METRIC_NAME));
    struct str sum = part != 0 ? first(metric, METRIC_SUM) : STR_NONE;
    struct pb_reader r = pb_reader(sum);
    struct pb_field f;
    bool is_cumulative = false;
    while (next(&r, &f)) {
        is_cumulative = is_cumulative || (f.number == SUM_TEMPORALITY && f.value == CUMULATIVE);
    }
    r = pb_reader(is_cumulative || part == FLOW_LIVE ? sum : STR_NONE);
    while (next(&r, &f)) {
        if (f.number == SUM_POINTS && f.wire == PB_BYTES) {
            take_point(flow, part, f.bytes);
        }
    }
    return sum.n > 0;
}

static bool take_scope(struct span_flow *flow, struct str scope)
{
    struct pb_reader r = pb_reader(scope);
    struct pb_field f;
    bool found = false;
    while (next(&r, &f)) {
        if (f.number == SCOPE_METRICS && f.wire == PB_BYTES) {
            found = take_metric(flow, f.bytes) || found;
        }
    }
    return found;
}

static bool take_resource(struct span_flow *flow, struct str message)
{
    struct str resource = first(message, RESOURCE);
    struct pb_reader r = pb_reader(message);
    struct pb_field f;
    bool found = false;
    flow->service = attribute(resource, RESOURCE_ATTRIBUTES, STR("service.name"));
    flow->instance = attribute(resource, RESOURCE_ATTRIBUTES, STR("service.instance.id"));
    flow->sdk = attribute(resource, RESOURCE_ATTRIBUTES, STR("telemetry.sdk.name"));
    while (next(&r, &f)) {
        if (f.number == RESOURCE_SCOPES && f.wire == PB_BYTES) {
            found = take_scope(flow, f.bytes) || found;
        }
    }
    return found;
}

void otlp_read_flow(struct str request, void (*each)(void *ctx, const struct span_flow *flow),
                    void *ctx)
{
    struct pb_reader r = pb_reader(request);
    struct pb_field f;
    ASSERT(each != NULL);
    while (next(&r, &f)) {
        struct span_flow flow = {.live = 0};
        if (f.number == REQUEST_RESOURCES && f.wire == PB_BYTES && take_resource(&flow, f.bytes)) {
            each(ctx, &flow);
        }
    }
}
