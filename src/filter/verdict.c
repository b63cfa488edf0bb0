// SPDX-License-Identifier: Apache-2.0
// Purpose: what a filter says of all spans of a shape, or of all spans at all.
#include "core/must.h"
#include "filter/test.h"

static enum verdict verdict_of(bool yes)
{
    return yes ? VERDICT_YES : VERDICT_NO;
}

// A duration test over the range that the rows' durations lie in.
static enum verdict duration_verdict(const struct filter_node *test, uint64_t min, uint64_t max)
{
    bool at_min = filter_test_duration(test, min), at_max = filter_test_duration(test, max);
    double v = test->value.number;
    switch (test->op) {
    case OP_LT:
    case OP_LE:
        return at_max ? VERDICT_YES : at_min ? VERDICT_MAYBE : VERDICT_NO;
    case OP_GT:
    case OP_GE:
        return at_min ? VERDICT_YES : at_max ? VERDICT_MAYBE : VERDICT_NO;
    case OP_EQ:
        return v < (double)min || v > (double)max ? VERDICT_NO : VERDICT_MAYBE;
    default:
        return VERDICT_MAYBE;
    }
}

bool filter_test_resource(const struct filter_node *test, const struct filter_known *known)
{
    ASSERT(test->field == ON_ANY_ATTR && known->resource < known->batch->resource_count);
    return filter_test_resource_attr(test, known->batch, &known->batch->resources[known->resource]);
}

static enum verdict any_attr_verdict(const struct filter_node *test, const struct filter_known *k)
{
    ASSERT(test->field == ON_ANY_ATTR);
    struct filter_node exists = *test;
    exists.op = OP_EXISTS;
    if (k->attr(k->ctx, &exists) == VERDICT_NO) {
        return verdict_of(filter_test_resource(test, k));
    }
    return k->attr(k->ctx, test);
}

enum verdict filter_test_verdict(const struct filter_node *test, const struct filter_known *k)
{
    switch (test->field) {
    case ON_SPAN_ATTR:
        return k->attr(k->ctx, test);
    case ON_ANY_ATTR:
        return any_attr_verdict(test, k);
    case ON_DURATION:
        return duration_verdict(test, k->min_duration_ns, k->max_duration_ns);
    case ON_EVENT_ATTR:
    case ON_LINK_ATTR:
    case ON_EVENT_NAME:
    case ON_STATUS_MESSAGE:
    case ON_TRACE_ID:
    case ON_SPAN_ID:
    case ON_PARENT_ID:
        return VERDICT_MAYBE;
    default:
        return verdict_of(
            filter_test_shared(test, k->batch, k->resource, k->scope, k->name, k->kind, k->status));
    }
}

static enum verdict node_verdict(const struct filter_node *n, const struct filter_known *k)
{
    enum verdict a, b;
    switch (n->type) {
    case NODE_ALL:
        return VERDICT_YES;
    case NODE_TEST:
        return filter_test_verdict(n, k);
    case NODE_NOT:
        a = node_verdict(n->left, k);
        return a == VERDICT_MAYBE ? VERDICT_MAYBE : verdict_of(a == VERDICT_NO);
    case NODE_AND:
        a = node_verdict(n->left, k);
        b = a == VERDICT_NO ? VERDICT_NO : node_verdict(n->right, k);
        return a == VERDICT_NO || b == VERDICT_NO ? VERDICT_NO
               : a == VERDICT_YES                 ? b
                                                  : VERDICT_MAYBE;
    case NODE_OR:
        a = node_verdict(n->left, k);
        b = a == VERDICT_YES ? VERDICT_YES : node_verdict(n->right, k);
        return a == VERDICT_YES || b == VERDICT_YES ? VERDICT_YES
               : a == VERDICT_NO                    ? b
                                                    : VERDICT_MAYBE;
    }
    return VERDICT_MAYBE;
}

enum verdict filter_verdict(const struct filter *f, const struct filter_known *known)
{
    ASSERT(known->attr != NULL && known->batch != NULL);
    return node_verdict(f->root, known);
}

static void narrow(const struct filter_node *n, uint64_t *min, uint64_t *max)
{
    if (n->type == NODE_AND) {
        narrow(n->left, min, max);
        narrow(n->right, min, max);
    }
    if (n->type != NODE_TEST || n->field != ON_DURATION) {
        return;
    }
    double v = n->value.number < 0 ? 0 : n->value.number;
    uint64_t bound = v >= 1.8e19 ? UINT64_MAX : (uint64_t)v;
    // Bounds are wide by one where rounding could matter: they only prune.
    uint64_t low = bound > 0 ? bound - 1 : 0, high = bound < UINT64_MAX ? bound + 1 : bound;
    if (n->op == OP_GT || n->op == OP_GE || n->op == OP_EQ) {
        *min = low > *min ? low : *min;
    }
    if (n->op == OP_LT || n->op == OP_LE || n->op == OP_EQ) {
        *max = high < *max ? high : *max;
    }
}

void filter_duration_bounds(const struct filter *f, uint64_t *ret_min_ns, uint64_t *ret_max_ns)
{
    ASSERT(f->root != NULL);
    *ret_min_ns = 0;
    *ret_max_ns = UINT64_MAX;
    narrow(f->root, ret_min_ns, ret_max_ns);
}

static void each_test(const struct filter_node *n,
                      void (*each)(void *ctx, const struct filter_node *test), void *ctx)
{
    if (n->type == NODE_TEST) {
        each(ctx, n);
    } else if (n->type != NODE_ALL) {
        each_test(n->left, each, ctx);
        if (n->right != NULL) {
            each_test(n->right, each, ctx);
        }
    }
}

void filter_each_test(const struct filter *f,
                      void (*each)(void *ctx, const struct filter_node *test), void *ctx)
{
    ASSERT(each != NULL);
    each_test(f->root, each, ctx);
}
