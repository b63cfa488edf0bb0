// SPDX-License-Identifier: Apache-2.0
// Purpose: quantiles of what is told by buckets.
#include "model/buckets.h"

#include <math.h>

#include "core/must.h"

// What there is up to each bound, as one walks up.
struct climb {
    double below, within;
};

static double climb(struct climb *c, const struct bucket_mass *m)
{
    ASSERT(!isnan(m->bound));
    if (m->below > c->below) {
        c->below = m->below;
    }
    c->within += m->within;
    return c->below + c->within;
}

double buckets_quantile(const struct bucket_mass *b, size_t count, double q)
{
    struct climb c = {0, 0};
    double all = 0, before = 0;
    for (size_t i = 0; i < count; i++) {
        double n = climb(&c, &b[i]);
        all = n > all ? n : all;
    }
    ASSERT(q >= 0 && q <= 1);
    double rank = q * all;
    c = (struct climb){0, 0};
    for (size_t i = 0; i < count && all > 0; i++) {
        double n = climb(&c, &b[i]);
        n = n > before ? n : before;
        if (n >= rank && n > 0) {
            if (isinf(b[i].bound)) {
                return i > 0 ? b[i - 1].bound : NAN;
            }
            bool zeros = b[i].bound == 0 && b[i].has_within; // no more than 0 itself
            double lower = i > 0 && !zeros ? b[i - 1].bound : b[i].bound > 0 ? 0 : b[i].bound;
            return n > before ? lower + (b[i].bound - lower) * (rank - before) / (n - before)
                              : b[i].bound;
        }
        before = n;
    }
    return NAN;
}
