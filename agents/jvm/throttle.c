// SPDX-License-Identifier: Apache-2.0
// Purpose: throttling by kind.
#include "agents/jvm/throttle.h"

#include "core/must.h"

// The place of this kind, else one that is free; THROTTLE_KINDS_MAX when there is neither.
static unsigned place_of(const struct throttle *t, uint64_t hash, uint64_t now_ns)
{
    unsigned place = THROTTLE_KINDS_MAX;
    for (unsigned i = 0; i < THROTTLE_KINDS_MAX; i++) {
        if (t->kinds[i].hash == hash && t->kinds[i].until_ns != 0) {
            return i;
        }
        if (place == THROTTLE_KINDS_MAX && now_ns >= t->kinds[i].until_ns) {
            place = i;
        }
    }
    return place;
}

bool throttle_is_due(struct throttle *t, uint64_t hash, uint64_t now_ns, uint64_t quiet_ns,
                     unsigned *ret_left_out)
{
    unsigned place = place_of(t, hash, now_ns);
    ASSERT(quiet_ns > 0);
    if (place == THROTTLE_KINDS_MAX) {
        t->left_out++;
        return false;
    }
    if (t->kinds[place].hash == hash && now_ns < t->kinds[place].until_ns) {
        t->kinds[place].left_out++;
        return false;
    }
    *ret_left_out = t->left_out + t->kinds[place].left_out;
    t->left_out = 0;
    t->kinds[place].hash = hash;
    t->kinds[place].left_out = 0;
    t->kinds[place].until_ns = now_ns + quiet_ns;
    return true;
}
