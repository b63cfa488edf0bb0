// SPDX-License-Identifier: Apache-2.0
// Purpose: the time that retention goes by.
#include "core/retain_clock.h"

#include "core/must.h"

struct retain_clock retain_clock_from(uint64_t believed_ns, uint64_t borne_ns, uint64_t wall_ns,
                                      uint64_t mono_ns)
{
    ASSERT(mono_ns > 0);
    struct retain_clock c = {.believed_ns = believed_ns > 0 ? believed_ns : wall_ns,
                             .borne_ns = believed_ns > 0 ? borne_ns : 0,
                             .mono_ns = mono_ns};
    (void)retain_clock_step(&c, wall_ns, mono_ns);
    ASSERT(c.believed_ns <= wall_ns);
    return c;
}

uint64_t retain_clock_step(struct retain_clock *c, uint64_t wall_ns, uint64_t mono_ns)
{
    ASSERT(mono_ns >= c->mono_ns);
    uint64_t passed_ns = mono_ns - c->mono_ns, ahead_ns = 0;
    c->mono_ns = mono_ns;
    if (wall_ns > c->believed_ns && wall_ns - c->believed_ns > passed_ns) {
        ahead_ns = wall_ns - c->believed_ns - passed_ns;
    }
    c->leaping = ahead_ns > RETAIN_LEAD_NS && c->borne_ns + passed_ns < RETAIN_BORNE_NS;
    c->borne_ns = c->leaping ? c->borne_ns + passed_ns : 0;
    c->believed_ns = c->leaping ? c->believed_ns + passed_ns : wall_ns;
    ASSERT(c->believed_ns <= wall_ns);
    return c->believed_ns;
}
