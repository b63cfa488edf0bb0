// SPDX-License-Identifier: Apache-2.0
// Purpose: ExportTraceServiceRequest and ExportMetricsServiceRequest -> batches. The hot path of
// the server.
//
// How it is quick:
//   - Fields are read in wire order straight into the batch's rows; nothing is built in between.
//   - Attribute keys repeat from span to span in the same order: each key remembers which key
//     followed it last time, and that one is compared first. Then a small table of keys, then the
//     batch's index.
//   - Each key remembers its last value; then a small table of texts, then the index. Only what is
//     new to the batch is copied and checked for UTF-8.
//   - Strings are compared by words of 8 bytes that may be read past their end: the request is
//     followed by BUF_PAD bytes, and strings in the batch's arena fill whole words.
//   - Paths of errors are put together on the way out (otlp_check.h).
// The resource may stand behind its spans on the wire, so that each ResourceSpans is walked twice;
// the first walk jumps from field to field by their lengths. A ScopeSpans is walked once. The
// messages of metrics have the same fields at these levels: ResourceMetrics, ScopeMetrics.
#include "core/must.h"
#include "model/semconv.h"
#include "wire/otlp_decoder.h"

static bool attrs_equal(const struct batch *b, struct attr_run x, struct attr_run y)
{
    ASSERT(x.first + x.count <= b->attr_count && y.first + y.count <= b->attr_count);
    return x.count == y.count && (x.count == 0 || memcmp(&b->attrs[x.first], &b->attrs[y.first],
                                                         x.count * sizeof *b->attrs) == 0);
}

// Requests of one sender follow one another in a batch: a resource that equals the one before it
// is not kept twice.
static void share_resource(struct batch *b)
{
    if (b->resource_count < 2) {
        return;
    }
    const struct resource *last = &b->resources[b->resource_count - 1], *before = last - 1;
    if (last->dropped_attrs == before->dropped_attrs && last->schema_url == before->schema_url &&
        attrs_equal(b, last->attrs, before->attrs)) {
        ASSERT(last->attrs.first + last->attrs.count == b->attr_count);
        b->attr_count = last->attrs.first;
        b->resource_count--;
    }
}

// The same for the scope of the rows from these on.
static void share_scope(struct batch *b, size_t first_span, size_t first_point)
{
    if (b->scope_count < 2) {
        return;
    }
    const struct scope *last = &b->scopes[b->scope_count - 1], *before = last - 1;
    if (last->dropped_attrs == before->dropped_attrs && last->schema_url == before->schema_url &&
        last->name == before->name && last->version == before->version &&
        attrs_equal(b, last->attrs, before->attrs)) {
        b->scope_count--;
        for (size_t i = first_span; i < b->span_count; i++) {
            ASSERT(b->spans[i].scope == b->scope_count);
            b->spans[i].scope--;
        }
        for (size_t i = first_point; i < b->point_count; i++) {
            b->points[i].scope--;
        }
    }
}

static bool decode_resource(struct decoder *d, struct str bytes, uint32_t schema_url)
{
    struct pb_reader r = pb_reader(bytes);
    struct pb_field f;
    struct resource row = {.schema_url = schema_url};
    ASSERT(d->batch != NULL);
    if (!decoder_has_room(d, bytes) || !decoder_attrs(d, bytes, 1, &row.attrs)) {
        return false;
    }
    while (r.p < r.end) {
        if (!pb_next(&r, &f)) {
            return decoder_fail_broken(d, &f);
        }
        if (f.number == 2 && !decoder_u32(d, &f, "dropped_attributes_count", &row.dropped_attrs)) {
            return false;
        }
    }
    struct batch *b = d->batch;
    const struct attr *name = batch_find_attr(b, row.attrs, SEM_SERVICE_NAME);
    row.service = name != NULL && name->type == ATTR_STRING && name->code != 0
                      ? (uint32_t)name->code
                      : batch_intern(b, SEM_UNKNOWN_SERVICE);
    *batch_add_resource(b) = row;
    share_resource(b);
    d->resource = (uint32_t)b->resource_count - 1;
    return true;
}

// Fills what an InstrumentationScope says into its row.
static bool decode_scope(struct decoder *d, struct str bytes, struct scope *row)
{
    struct pb_reader r = pb_reader(bytes);
    struct pb_field f;
    ASSERT(row != NULL);
    *row = (struct scope){.schema_url = row->schema_url};
    if (!decoder_has_room(d, bytes) || !decoder_attrs(d, bytes, 3, &row->attrs)) {
        return false;
    }
    while (r.p < r.end) {
        if (!pb_next(&r, &f)) {
            return decoder_fail_broken(d, &f);
        }
        if ((f.number == 1 && !decoder_text(d, &f, "name", &row->name)) ||
            (f.number == 2 && !decoder_text(d, &f, "version", &row->version)) ||
            (f.number == 4 &&
             !decoder_u32(d, &f, "dropped_attributes_count", &row->dropped_attrs))) {
            return false;
        }
    }
    return true;
}

// What stands beside the list in a ResourceSpans or ResourceMetrics.
struct head {
    struct str resource, schema_url;
};

static bool find_head(struct decoder *d, struct str bytes, struct head *ret_head)
{
    struct pb_reader r = pb_reader(bytes);
    struct pb_field f;
    struct head head = {{bytes.p, 0}, {bytes.p, 0}};
    ASSERT(bytes.p != NULL);
    while (r.p < r.end) {
        if (!pb_next(&r, &f)) {
            return decoder_fail_broken(d, &f);
        }
        if (f.number > 3) {
            continue;
        }
        if (f.wire != PB_BYTES) {
            return decoder_fail_field(d, &f,
                                      f.number == 1   ? "resource"
                                      : f.number == 2 ? d->tree->scopes
                                                      : "schema_url");
        }
        if (f.number == 1) {
            head.resource = f.bytes;
        } else if (f.number == 3) {
            head.schema_url = f.bytes;
        }
    }
    *ret_head = head;
    return true;
}

static bool decode_schema_url(struct decoder *d, struct str url, uint32_t *ret_code)
{
    const struct pb_field f = {.wire = PB_BYTES, .bytes = url};
    ASSERT(ret_code != NULL);
    return decoder_has_room(d, url) && decoder_text(d, &f, "schema_url", ret_code);
}

// One field of a ScopeSpans or ScopeMetrics; `scope` is what is known of its row so far.
static bool decode_scope_field(struct decoder *d, const struct pb_field *f, struct scope *scope)
{
    const char *const names[] = {"scope", d->tree->records, "schema_url"};
    ASSERT(f->number > 0);
    if (f->number > 3) {
        return true;
    }
    if (f->wire != PB_BYTES) {
        return decoder_fail_field(d, f, names[f->number - 1]);
    }
    if (f->number == 1) {
        return decode_scope(d, f->bytes, scope) || otlp_problem_in(&d->problem, "scope", -1);
    }
    return f->number == 2 ? d->tree->record(d, f->bytes)
                          : decode_schema_url(d, f->bytes, &scope->schema_url);
}

// The records are walked once: their scope gets its row first and its contents last, because they
// may stand behind the records.
static bool decode_scope_records(struct decoder *d, struct str bytes)
{
    struct pb_reader r = pb_reader(bytes);
    struct pb_field f;
    struct scope scope = {0};
    struct batch *b = d->batch;
    size_t first_span = b->span_count, first_point = b->point_count;
    if (!decoder_has_room(d, (struct str){bytes.p, 0})) {
        return false;
    }
    (void)batch_add_scope(b);
    d->scope = (uint32_t)b->scope_count - 1;
    while (r.p < r.end) {
        if (!pb_next(&r, &f)) {
            return decoder_fail_broken(d, &f);
        }
        if (!decode_scope_field(d, &f, &scope)) {
            return f.number == 2 && f.wire == PB_BYTES
                       ? otlp_problem_in_repeated(&d->problem, d->tree->records, 2, bytes, f.at)
                       : false;
        }
    }
    ASSERT(d->scope < b->scope_count);
    b->scopes[d->scope] = scope;
    share_scope(b, first_span, first_point);
    return true;
}

// The value of an AnyValue that is a string in UTF-8; "" otherwise.
static struct str plain_text(struct str any_value)
{
    struct pb_reader r = pb_reader(any_value);
    struct pb_field f;
    struct str text = STR("");
    while (r.p < r.end && pb_next(&r, &f)) {
        text = f.number == ATTR_STRING && f.wire == PB_BYTES ? f.bytes : STR("");
    }
    ASSERT(text.p != NULL);
    return str_utf8_valid(text, NULL) ? text : STR("");
}

// The business line, read before there is a batch to decode into. Broken bytes are reported by
// decode_resource() afterwards.
static struct str find_line(struct decoder *d, struct str resource)
{
    struct pb_reader r = pb_reader(resource);
    struct pb_field f;
    struct str key, value;
    ASSERT(resource.p != NULL);
    while (r.p < r.end && pb_next(&r, &f)) {
        if (f.number != 1 || f.wire != PB_BYTES) {
            continue;
        }
        if (!decoder_key_value(d, f.bytes, &key, &value)) {
            break;
        }
        if (str_eq(key, SEM_SERVICE_NAMESPACE)) {
            return plain_text(value);
        }
    }
    return STR("");
}

// Forgets what belongs to another batch.
static void use_batch(struct decoder *d, struct batch *batch)
{
    MUST(batch != NULL && !batch->sealed);
    if (batch == d->batch) {
        return;
    }
    d->batch = batch;
    d->first = NULL;
    memset(d->keys, 0, sizeof d->keys);
    memset(d->texts, 0, (d->text_mask + 1) * sizeof d->texts[0]);
}

static bool decode_resource_records(struct decoder *d, struct str bytes)
{
    struct head head = {STR_NONE, STR_NONE};
    uint32_t schema_url = 0;
    ASSERT(bytes.p != NULL);
    if (!find_head(d, bytes, &head)) {
        return false;
    }
    use_batch(d, d->sink->batch_for(d->sink->ctx, find_line(d, head.resource)));
    if (!decode_schema_url(d, head.schema_url, &schema_url)) {
        return false;
    }
    if (!decode_resource(d, head.resource, schema_url)) {
        return otlp_problem_in(&d->problem, "resource", -1);
    }
    struct pb_reader r = pb_reader(bytes);
    struct pb_field f;
    // find_head() walked the same bytes: nothing is broken at this level.
    while (r.p < r.end && pb_next(&r, &f)) {
        if (f.number == 2 && !decode_scope_records(d, f.bytes)) {
            return otlp_problem_in_repeated(&d->problem, d->tree->scopes, 2, bytes, f.at);
        }
    }
    return true;
}

static bool decode_request(struct decoder *d)
{
    struct pb_reader r = pb_reader(d->request);
    struct pb_field f;
    ASSERT(d->batch == NULL);
    while (r.p < r.end) {
        if (!pb_next(&r, &f)) {
            return decoder_fail_broken(d, &f);
        }
        if (f.number != 1) {
            continue;
        }
        if (f.wire != PB_BYTES) {
            return decoder_fail_field(d, &f, d->tree->resources);
        }
        if (!decode_resource_records(d, f.bytes)) {
            return otlp_problem_in_repeated(&d->problem, d->tree->resources, 1, d->request, f.at);
        }
    }
    return true;
}

static enum err decode(const struct decoder_tree *tree, struct str request,
                       const struct otlp_sink *sink, struct otlp_counts *ret_counts,
                       struct err_at *ret_at)
{
    struct decoder d;
    MUST(sink->batch_for != NULL && sink->reject != NULL);
    MUST(sink->wants == NULL || sink->shed != NULL);
    d.tree = tree;
    d.sink = sink;
    d.batch = NULL;
    d.counts = (struct otlp_counts){0};
    d.request = request;
    size_t slots = TEXT_SLOTS_MIN;
    while (slots < TEXT_SLOTS_MAX && slots * BYTES_PER_TEXT < request.n) {
        slots *= 2;
    }
    d.text_mask = slots - 1;
    // A concatenation is not longer than what it was taken from, but for its lengths.
    buf_init(&d.scratch, request.n + 1); // decoder_has_room() asks for it
    bool good = decode_request(&d);
    buf_done(&d.scratch);
    if (!good) {
        enum err e = otlp_problem_report(&d.problem, request, ret_at);
        if (ret_at != NULL && sink->offsets != NULL) {
            ret_at->offset = decoder_offset(&d, request.p);
        }
        return e;
    }
    *ret_counts = d.counts;
    return ERR_OK;
}

enum err otlp_decode_traces(struct str request, const struct otlp_sink *sink,
                            struct otlp_counts *ret_counts, struct err_at *ret_at)
{
    static const struct decoder_tree tree = {"resource_spans", "scope_spans", "spans", batch_growth,
                                             decoder_span};
    return decode(&tree, request, sink, ret_counts, ret_at);
}

enum err otlp_decode_metrics(struct str request, const struct otlp_sink *sink,
                             struct otlp_counts *ret_counts, struct err_at *ret_at)
{
    static const struct decoder_tree tree = {"resource_metrics", "scope_metrics", "metrics",
                                             batch_growth_of_points, decoder_metric};
    ASSERT(sink->wants == NULL);
    return decode(&tree, request, sink, ret_counts, ret_at);
}
