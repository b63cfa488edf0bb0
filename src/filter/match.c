// SPDX-License-Identifier: Apache-2.0
// Purpose: what a filter says of one span, and what it says of all spans of a shape.
#include "core/must.h"
#include "filter/test.h"
#include "model/semconv.h"
#include "wire/otlp.h"

static bool holds(enum filter_op op, int order)
{
    switch (op) {
    case OP_EQ:
        return order == 0;
    case OP_NE:
        return order != 0;
    case OP_LT:
        return order < 0;
    case OP_LE:
        return order <= 0;
    case OP_GT:
        return order > 0;
    case OP_GE:
        return order >= 0;
    default:
        return false;
    }
}

static bool test_text(const struct filter_node *test, struct str text)
{
    if (test->op == OP_EXISTS || test->op == OP_ABSENT) {
        return (text.n > 0) == (test->op == OP_EXISTS); // an intrinsic is absent when it is empty
    }
    ASSERT(test->pattern == NULL || test->op == OP_MATCH || test->op == OP_NOT_MATCH);
    if (test->value.type != VALUE_TEXT) {
        return false;
    }
    if (test->pattern != NULL) {
        return pattern_match(test->pattern, text) ==
               (test->op == OP_MATCH ? PATTERN_YES : PATTERN_NO);
    }
    if (test->op == OP_EQ || test->op == OP_NE) {
        return str_eq(text, test->value.text) == (test->op == OP_EQ);
    }
    return holds(test->op, str_cmp(text, test->value.text));
}

static bool test_integer(const struct filter_node *test, int64_t i)
{
    if (test->value.type != VALUE_NUMBER) {
        return false;
    }
    if (test->value.is_integer) {
        return holds(test->op, i < test->value.integer ? -1 : i > test->value.integer);
    }
    double d = (double)i;
    return holds(test->op, d < test->value.number ? -1 : d > test->value.number);
}

static bool test_double(const struct filter_node *test, double d)
{
    if (test->value.type != VALUE_NUMBER || d != d) {
        return false; // NaN is in no order, not even unequal
    }
    return holds(test->op, d < test->value.number ? -1 : d > test->value.number);
}

// What a test says of the elements of an array so far.
struct element_search {
    const struct filter_node *test;
    bool any, all; // of the elements that can be compared satisfy it
    size_t compared;
};

static void see_element(void *ctx, const struct otlp_value *value)
{
    struct element_search *s = ctx;
    enum filter_type t = s->test->value.type;
    bool comparable =
        (value->type == ATTR_STRING && t == VALUE_TEXT) ||
        (value->type == ATTR_BOOL && t == VALUE_BOOL) ||
        ((value->type == ATTR_INT || value->type == ATTR_DOUBLE) && t == VALUE_NUMBER);
    uint64_t bits = 0;
    if (!comparable) {
        return; // an array within an array among them
    }
    if (value->type != ATTR_STRING) {
        memcpy(&bits, &value->i, sizeof bits);
    }
    struct str text = value->type == ATTR_STRING ? value->text : STR_NONE;
    bool yes = filter_test_attr(s->test, value->type, bits, text);
    s->any = s->any || yes;
    s->all = s->all && yes;
    s->compared++;
}

static bool test_array(const struct filter_node *test, struct str any_value)
{
    struct element_search s = {.test = test, .all = true};
    ASSERT(test->op < OP_EXISTS);
    otlp_each_element(any_value, see_element, &s);
    bool denies = test->op == OP_NE || test->op == OP_NOT_MATCH;
    return denies ? s.compared > 0 && s.all : s.any;
}

bool filter_test_attr(const struct filter_node *test, enum attr_type type, uint64_t bits,
                      struct str text)
{
    ASSERT(test->type == NODE_TEST);
    double d;
    if (test->op == OP_EXISTS || test->op == OP_ABSENT) {
        return test->op == OP_EXISTS;
    }
    switch (type) {
    case ATTR_STRING:
        return test_text(test, text);
    case ATTR_INT:
        return test_integer(test, (int64_t)bits);
    case ATTR_DOUBLE:
        memcpy(&d, &bits, sizeof d);
        return test_double(test, d);
    case ATTR_BOOL:
        return test->value.type == VALUE_BOOL &&
               holds(test->op, bits == (uint64_t)test->value.integer ? 0 : 1);
    case ATTR_ARRAY:
        return test_array(test, text);
    default:
        return false; // lists and bytes can only be asked for existence
    }
}

// ---- Attributes of one row ----------------------------------------------------------------------

bool filter_test_run(const struct filter_node *test, const struct batch *b, struct attr_run run)
{
    ASSERT(test->key.n > 0);
    const struct attr *a = batch_find_attr(b, run, test->key);
    if (a == NULL) {
        return test->op == OP_ABSENT;
    }
    struct str text = attr_type_is_text(a->type) ? batch_str(b, a->code) : STR_NONE;
    return filter_test_attr(test, (enum attr_type)a->type, a->bits, text);
}

bool filter_test_resource_attr(const struct filter_node *test, const struct batch *b,
                               const struct resource *r)
{
    ASSERT(test->field == ON_RESOURCE_ATTR || test->field == ON_ANY_ATTR);
    if (str_eq(test->key, SEM_SERVICE_NAME) && test->op != OP_EXISTS && test->op != OP_ABSENT) {
        return filter_test_attr(test, ATTR_STRING, 0, batch_str(b, r->service));
    }
    return filter_test_run(test, b, r->attrs);
}

// Looks for an event or a link that satisfies the test.
struct wire_search {
    const struct filter_node *test;
    bool key_found, satisfied;
};

static void see_value(void *ctx, struct str key, const struct otlp_value *value)
{
    struct wire_search *s = ctx;
    if (!str_eq(key, s->test->key)) {
        return;
    }
    uint64_t bits = 0;
    if (!attr_type_is_text(value->type)) {
        memcpy(&bits, &value->i, sizeof bits);
    }
    struct str text = attr_type_is_text(value->type) ? value->text : STR_NONE;
    s->key_found = true;
    s->satisfied = s->satisfied || filter_test_attr(s->test, value->type, bits, text);
}

static void see_event(void *ctx, const struct otlp_event *event)
{
    struct wire_search *s = ctx;
    if (s->test->field == ON_EVENT_NAME) {
        s->key_found = true;
        s->satisfied = s->satisfied || test_text(s->test, event->name);
    } else {
        otlp_each_key_value(event->attributes, see_value, s);
    }
}

static void see_link(void *ctx, const struct otlp_link *link)
{
    otlp_each_key_value(link->attributes, see_value, ctx);
}

static bool test_wire(const struct filter_node *test, const struct batch *b, const struct span *s)
{
    ASSERT(test->field == ON_LINK_ATTR || test->field == ON_EVENT_ATTR ||
           test->field == ON_EVENT_NAME);
    struct wire_search search = {.test = test};
    if (test->field == ON_LINK_ATTR) {
        otlp_each_link(batch_str(b, s->links), see_link, &search);
    } else {
        otlp_each_event(batch_str(b, s->events), see_event, &search);
    }
    return test->op == OP_ABSENT ? !search.key_found : search.satisfied;
}

static bool test_id(const struct filter_node *test, const uint8_t *bytes, size_t n)
{
    char text[TRACE_ID_HEX + 1];
    if (n == sizeof(trace_id)) {
        trace_id id;
        memcpy(&id, bytes, sizeof id);
        trace_id_hex(id, text);
    } else {
        span_id id;
        ASSERT(n == sizeof id);
        memcpy(&id, bytes, sizeof id);
        span_id_hex(id, text);
        if (span_id_is_zero(id)) {
            return test_text(test, STR("")); // a root's parent
        }
    }
    return test_text(test, str_of(text));
}

bool filter_test_duration(const struct filter_node *test, uint64_t ns)
{
    ASSERT(test->field == ON_DURATION && test->value.type == VALUE_NUMBER);
    double d = (double)ns;
    return holds(test->op, d < test->value.number ? -1 : d > test->value.number);
}

// Tests on what a shape knows; the caller has sorted out the rest.
bool filter_test_shared(const struct filter_node *test, const struct batch *b, uint32_t resource,
                        uint32_t scope, struct str name, unsigned kind, unsigned status)
{
    ASSERT(resource < b->resource_count && scope < b->scope_count);
    const struct scope *sc = &b->scopes[scope];
    switch (test->field) {
    case ON_RESOURCE_ATTR:
        return filter_test_resource_attr(test, b, &b->resources[resource]);
    case ON_SCOPE_ATTR:
        return filter_test_run(test, b, sc->attrs);
    case ON_SCOPE_NAME:
        return test_text(test, batch_str(b, sc->name));
    case ON_SCOPE_VERSION:
        return test_text(test, batch_str(b, sc->version));
    case ON_NAME:
        return test_text(test, name);
    case ON_STATUS:
        return holds(test->op, (int)status == test->value.integer ? 0 : 1);
    case ON_KIND:
        return holds(test->op, (int)kind == test->value.integer ? 0 : 1);
    default:
        return false; // the caller sorts out every other field
    }
}

static bool test_span(const struct filter_node *test, const struct batch *b, const struct span *s)
{
    switch (test->field) {
    case ON_SPAN_ATTR:
        return filter_test_run(test, b, s->attrs);
    case ON_ANY_ATTR:
        return batch_find_attr(b, s->attrs, test->key) != NULL
                   ? filter_test_run(test, b, s->attrs)
                   : filter_test_resource_attr(test, b, batch_resource(b, s));
    case ON_EVENT_ATTR:
    case ON_LINK_ATTR:
    case ON_EVENT_NAME:
        return test_wire(test, b, s);
    case ON_STATUS_MESSAGE:
        return test_text(test, batch_str(b, s->status_message));
    case ON_DURATION:
        return filter_test_duration(test, s->duration_ns);
    case ON_TRACE_ID:
        return test_id(test, s->trace.b, sizeof s->trace.b);
    case ON_SPAN_ID:
        return test_id(test, s->id.b, sizeof s->id.b);
    case ON_PARENT_ID:
        return test_id(test, s->parent.b, sizeof s->parent.b);
    default:
        return filter_test_shared(test, b, s->resource, s->scope, batch_str(b, s->name), s->kind,
                                  s->status);
    }
}

static bool test_point(const struct filter_node *test, const struct batch *b, const struct point *p)
{
    switch (test->field) {
    case ON_SPAN_ATTR:
        return filter_test_run(test, b, p->attrs);
    case ON_ANY_ATTR:
        return batch_find_attr(b, p->attrs, test->key) != NULL
                   ? filter_test_run(test, b, p->attrs)
                   : filter_test_resource_attr(test, b, &b->resources[p->resource]);
    case ON_RESOURCE_ATTR:
    case ON_SCOPE_ATTR:
    case ON_SCOPE_NAME:
    case ON_SCOPE_VERSION:
    case ON_NAME:
        return filter_test_shared(test, b, p->resource, p->scope,
                                  batch_str(b, b->metrics[p->metric].name), 0, 0);
    default:
        return false;
    }
}

// One record: a span, or where that is NULL a point.
struct record {
    const struct batch *batch;
    const struct span *span;
    const struct point *point;
    struct str rpc_id; // of a span in a tree
};

static bool match_node(const struct filter_node *n, const struct record *r)
{
    switch (n->type) {
    case NODE_ALL:
        return true;
    case NODE_AND:
        return match_node(n->left, r) && match_node(n->right, r);
    case NODE_OR:
        return match_node(n->left, r) || match_node(n->right, r);
    case NODE_NOT:
        return !match_node(n->left, r);
    case NODE_TEST:
        return n->field == ON_RPC_ID ? test_text(n, r->rpc_id)
               : r->span != NULL     ? test_span(n, r->batch, r->span)
                                     : test_point(n, r->batch, r->point);
    }
    return false;
}

bool filter_match(const struct filter *f, struct row row)
{
    ASSERT(row.index < row.batch->span_count);
    const struct record r = {.batch = row.batch, .span = row_span(row)};
    return match_node(f->root, &r);
}

bool filter_match_in_tree(const struct filter *f, struct row row, struct str rpc_id)
{
    ASSERT(f->tree != NULL && row.index < row.batch->span_count && rpc_id.n > 0);
    const struct record r = {.batch = row.batch, .span = row_span(row), .rpc_id = rpc_id};
    return match_node(f->tree, &r);
}

bool filter_match_point(const struct filter *f, const struct batch *b, uint32_t point)
{
    ASSERT(point < b->point_count);
    const struct record r = {.batch = b, .point = &b->points[point]};
    return match_node(f->root, &r);
}
