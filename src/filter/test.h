// SPDX-License-Identifier: Apache-2.0
// Purpose: tests on what spans share, for single spans and for shapes alike; internal to the
// filter.
#ifndef SONDE_FILTER_TEST_H
#define SONDE_FILTER_TEST_H

#include "filter/filter.h"

// A test on the attributes of a run.
bool filter_test_run(const struct filter_node *test, const struct batch *b, struct attr_run run);

// A test on the attributes of a resource. Where service.name is absent or no text, comparisons see
// the name under which its spans are listed (model/semconv.h).
bool filter_test_resource_attr(const struct filter_node *test, const struct batch *b,
                               const struct resource *r);

// Tests on what a shape knows; false for every other field, which the caller sorts out.
bool filter_test_shared(const struct filter_node *test, const struct batch *b, uint32_t resource,
                        uint32_t scope, struct str name, unsigned kind, unsigned status);

#endif
