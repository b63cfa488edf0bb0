// SPDX-License-Identifier: Apache-2.0
// Purpose: the table of spans that wait for their end.
#include "agents/jvm/pending.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "agents/jvm/identity.h"
#include "agents/jvm/memory.h"
#include "agents/jvm/ring.h"
#include "agents/jvm/tags.h"
#include "core/clock.h"
#include "core/must.h"

#define SWEEP_LOT     16   // spans that are written between two looks at the table
#define SWEEP_WAIT_MS 1000 // in all, for room in the ring

enum slot_state { SLOT_FREE, SLOT_WAITING, SLOT_TAKEN };

struct slot {
    struct frame frame; // first: a frame's address is its slot's
    uint32_t index, generation;
    uint8_t state;
    uint64_t since_ns;
    struct slot *next_free;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct slot *slots[PENDING_MAX]; // allocated at their first use, freed at the end
static unsigned slot_count;
static atomic_uint waiting; // changed under the lock
static struct slot *free_slots;
static uint64_t ended_early;

// Held by a sweep to its end, whose spans are not in the table's hands meanwhile, and taken before
// the table's lock.
static pthread_mutex_t sweeping = PTHREAD_MUTEX_INITIALIZER;

// The generation, and behind it the slot, counted from 1.
enum { SLOT_BITS = 16, SLOT_MASK = (1 << SLOT_BITS) - 1 };

static uint64_t handle_of(const struct slot *s)
{
    _Static_assert(PENDING_MAX < SLOT_MASK && 32 + SLOT_BITS <= TAG_BITS, "a handle fits a tag");
    return (uint64_t)s->generation << SLOT_BITS | (s->index + 1);
}

// Under the lock. NULL when the handle is stale.
static struct slot *slot_of(uint64_t handle)
{
    uint32_t index = (uint32_t)(handle & SLOT_MASK) - 1;
    if (handle == 0 || index >= slot_count) {
        return NULL;
    }
    struct slot *s = slots[index];
    return s->state == SLOT_WAITING && s->generation == handle >> SLOT_BITS ? s : NULL;
}

static void release(struct slot *s)
{
    ASSERT(s->state != SLOT_FREE);
    waiting--;
    s->state = SLOT_FREE;
    s->generation++;
    s->next_free = free_slots;
    free_slots = s;
}

static struct slot *add_slot(void)
{
    struct slot *s = slot_count < PENDING_MAX ? memory_zeroed(sizeof *s) : NULL;
    if (s != NULL) {
        s->index = slot_count;
        // At random: a handle of before pending_done() finds nothing after it.
        span_id random = identity_span();
        memcpy(&s->generation, random.b, sizeof s->generation);
        slots[slot_count++] = s;
    }
    return s;
}

uint64_t pending_put(struct thread_state *t)
{
    uint64_t handle = 0;
    pthread_mutex_lock(&lock);
    struct slot *s = free_slots;
    if (s != NULL) {
        free_slots = s->next_free;
    } else {
        s = add_slot();
    }
    if (s != NULL) {
        frame_move(t, &s->frame);
        s->state = SLOT_WAITING;
        s->since_ns = clock_mono_ns();
        waiting++;
        handle = handle_of(s);
    } else {
        ended_early++;
    }
    pthread_mutex_unlock(&lock);
    if (handle == 0) {
        frame_close(t);
    }
    return handle;
}

bool pending_context(uint64_t handle, struct context *ret)
{
    pthread_mutex_lock(&lock);
    struct slot *s = slot_of(handle);
    if (s != NULL) {
        *ret = context_copy(&s->frame.context);
    }
    pthread_mutex_unlock(&lock);
    return s != NULL;
}

bool pending_outer(uint64_t handle, struct context *ret)
{
    pthread_mutex_lock(&lock);
    struct slot *s = slot_of(handle);
    if (s != NULL) {
        *ret = frame_outer(&s->frame);
    }
    pthread_mutex_unlock(&lock);
    return s != NULL;
}

struct frame *pending_take(uint64_t handle)
{
    pthread_mutex_lock(&lock);
    struct slot *s = slot_of(handle);
    if (s != NULL) {
        s->state = SLOT_TAKEN;
    }
    pthread_mutex_unlock(&lock);
    return s != NULL ? &s->frame : NULL;
}

void pending_end(struct frame *f)
{
    struct slot *s = (struct slot *)f;
    ASSERT(s->state == SLOT_TAKEN);
    frame_end(f);
    pthread_mutex_lock(&lock);
    release(s);
    pthread_mutex_unlock(&lock);
}

// Until the calling thread's ring has room for any span, or so long.
static void wait_room(uint64_t until_ns)
{
    struct ring *r = ring_mine();
    uint64_t now = clock_mono_ns();
    unsigned left_ms = now < until_ns ? (unsigned)((until_ns - now) / NS_PER_MS) : 0;
    (void)(r != NULL && ring_wait_room(r, left_ms));
}

// Takes some of those that began waiting by `until_ns`, from slot `*from` on, which moves
// along.
static unsigned take_old(uint64_t until_ns, unsigned *from, struct frame *ret[SWEEP_LOT])
{
    unsigned n = 0;
    pthread_mutex_lock(&lock);
    for (; *from < slot_count && n < SWEEP_LOT; (*from)++) {
        struct slot *s = slots[*from];
        if (s->state == SLOT_WAITING && s->since_ns <= until_ns) {
            ended_early++;
            s->state = SLOT_TAKEN;
            ret[n++] = &s->frame;
        }
    }
    pthread_mutex_unlock(&lock);
    return n;
}

void pending_sweep(uint64_t age_s)
{
    uint64_t now = clock_mono_ns(), age_ns = age_s * NS_PER_S;
    uint64_t room_until_ns = now + SWEEP_WAIT_MS * NS_PER_MS;
    struct frame *old[SWEEP_LOT];
    unsigned n = SWEEP_LOT, from = 0;
    pthread_mutex_lock(&sweeping);
    while (n == SWEEP_LOT) {
        n = take_old(now > age_ns ? now - age_ns : 0, &from, old);
        for (unsigned i = 0; i < n; i++) {
            wait_room(room_until_ns);
            pending_end(old[i]);
        }
    }
    pthread_mutex_unlock(&sweeping);
}

void pending_done(unsigned limit_ms)
{
    uint64_t until_ns = clock_mono_ns() + limit_ms * NS_PER_MS;
    pthread_mutex_lock(&sweeping);
    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < slot_count; i++) {
        if (slots[i]->state == SLOT_WAITING) {
            wait_room(until_ns);
            ended_early++;
            frame_end(&slots[i]->frame);
        }
        memory_free(slots[i]);
        slots[i] = NULL;
    }
    slot_count = 0;
    atomic_store(&waiting, 0);
    free_slots = NULL;
    pthread_mutex_unlock(&lock);
    pthread_mutex_unlock(&sweeping);
}

bool pending_is_any(void)
{
    return atomic_load_explicit(&waiting, memory_order_relaxed) > 0;
}

void pending_counts(struct pending_counts *ret)
{
    pthread_mutex_lock(&lock);
    *ret = (struct pending_counts){atomic_load(&waiting), ended_early};
    pthread_mutex_unlock(&lock);
}
