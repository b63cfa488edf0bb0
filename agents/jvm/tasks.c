// SPDX-License-Identifier: Apache-2.0
// Purpose: the table of kept contexts, and the tags that lead to it.
#include "agents/jvm/tasks.h"

#include <pthread.h>
#include <stdatomic.h>

#include "agents/jvm/log.h"
#include "agents/jvm/tags.h"
#include "core/must.h"

// A tag's number: from the lowest bit 16 of index, 32 of generation, one for a line. 0: no tag.
enum { INDEX_BITS = 16, LINE_BIT = 48 };

#define NOBODY UINT32_MAX

struct entry {
    struct context context;
    uint32_t generation; // from 1; of who has the entry now; changes when it is freed
    uint32_t next, last; // in line: the one behind; of the first one: the last. Free: the next free
    bool is_used;
};

static struct entry entries[TASKS_MAX];
static uint32_t free_first = NOBODY, fresh; // freed entries; those never used begin here
static atomic_uint kept;
static atomic_ullong put_count, dropped;

// The table's lock is held for moments and never across a call of JVMTI: ObjectFree may come at a
// safepoint. A line's lock makes one step of reading an object's tag, changing its line and
// setting the tag; ObjectFree needs it not, for a dead object has nobody else.
static pthread_mutex_t table = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t lines = PTHREAD_MUTEX_INITIALIZER;

// ---- The table (under its lock) --------------------------------------------------------------

static uint32_t entry_new(void)
{
    uint32_t i = free_first;
    if (i != NOBODY) {
        free_first = entries[i].next;
    } else if (fresh < TASKS_MAX) {
        i = fresh++;
        entries[i].generation = 1;
    } else {
        atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
        return NOBODY;
    }
    ASSERT(!entries[i].is_used);
    entries[i].is_used = true;
    entries[i].next = NOBODY;
    entries[i].last = i;
    atomic_fetch_add_explicit(&kept, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&put_count, 1, memory_order_relaxed);
    return i;
}

// Gives the entry back; its context is the caller's.
static struct entry entry_free(uint32_t i)
{
    struct entry was = entries[i];
    ASSERT(was.is_used);
    entries[i] =
        (struct entry){.generation = was.generation + 1, .next = free_first, .last = NOBODY};
    free_first = i;
    atomic_fetch_sub_explicit(&kept, 1, memory_order_relaxed);
    return was;
}

// ---- Tags ------------------------------------------------------------------------------------

static uint64_t tag_of(uint32_t i, bool is_line)
{
    return (uint64_t)is_line << LINE_BIT | (uint64_t)entries[i].generation << INDEX_BITS | i;
}

static bool is_line(uint64_t tag)
{
    return (tag >> LINE_BIT & 1) != 0;
}

// The entry that a tag names; NOBODY when it is gone.
static uint32_t entry_of(uint64_t tag)
{
    uint32_t i = (uint32_t)(tag & (TASKS_MAX - 1));
    uint32_t generation = (uint32_t)(tag >> INDEX_BITS);
    _Static_assert(TASKS_MAX == 1 << INDEX_BITS, "an index fills its bits");
    return entries[i].is_used && entries[i].generation == generation ? i : NOBODY;
}

static uint64_t read_tag(jobject object)
{
    uint64_t tag = 0;
    return tag_get(object, TAG_TASK, &tag) ? tag : 0;
}

bool tasks_are_kept(void)
{
    return atomic_load_explicit(&kept, memory_order_relaxed) > 0;
}

// Reading is cheap when nothing is kept at all, as in a program whose work is not traced.
static uint64_t any_tag(jobject object)
{
    return tasks_are_kept() ? read_tag(object) : 0;
}

// ---- One submission --------------------------------------------------------------------------

// Makes an entry for the object and tags it; what was given is held by the entry then.
static bool keep(jobject object, struct context c, bool as_line)
{
    uint64_t tag = 0;
    pthread_mutex_lock(&table);
    uint32_t i = entry_new();
    if (i != NOBODY) {
        entries[i].context = c;
        tag = tag_of(i, as_line);
    }
    pthread_mutex_unlock(&table);
    if (i != NOBODY) {
        tag_set(object, TAG_TASK, tag);
    }
    return i != NOBODY;
}

static bool is_kept(uint64_t tag)
{
    pthread_mutex_lock(&table);
    bool found = entry_of(tag) != NOBODY;
    pthread_mutex_unlock(&table);
    return found;
}

void task_put(jobject object, const struct context *c)
{
    if (object != NULL && context_is_set(c) && !is_kept(any_tag(object))) {
        struct context copy = context_copy(c);
        if (!keep(object, copy, false)) {
            context_drop(&copy);
        }
    }
}

bool task_peek(jobject object, struct context *ret)
{
    uint64_t tag = any_tag(object);
    if (tag == 0) {
        return false;
    }
    pthread_mutex_lock(&table);
    uint32_t i = entry_of(tag);
    if (i != NOBODY) {
        *ret = context_copy(&entries[i].context);
    }
    pthread_mutex_unlock(&table);
    return i != NOBODY;
}

// ---- Lines -----------------------------------------------------------------------------------

// Behind the others of this tag's line.
static void append(uint64_t tag, struct context c)
{
    uint32_t first = entry_of(tag);
    uint32_t i = first != NOBODY ? entry_new() : NOBODY;
    if (i == NOBODY) {
        context_drop(&c);
        return;
    }
    entries[i].context = c;
    entries[entries[first].last].next = i;
    entries[first].last = i;
}

void task_queue(jobject object, const struct context *c)
{
    bool is_set = context_is_set(c);
    if (object == NULL || (!is_set && !tasks_are_kept())) {
        return;
    }
    struct context copy = context_copy(c);
    pthread_mutex_lock(&lines);
    uint64_t tag = any_tag(object);
    if (is_kept(tag)) {
        pthread_mutex_lock(&table);
        append(tag, copy);
        pthread_mutex_unlock(&table);
    } else if (!is_set || !keep(object, copy, true)) {
        context_drop(&copy);
    }
    pthread_mutex_unlock(&lines);
}

// Takes the first of the line out; *ret_tag is what the object's tag must be now.
static bool take_first(uint64_t tag, struct entry *ret, uint64_t *ret_tag)
{
    uint32_t i = entry_of(tag);
    *ret_tag = 0;
    if (i == NOBODY) {
        return false;
    }
    uint32_t next = entries[i].next, last = entries[i].last;
    *ret = entry_free(i);
    if (next != NOBODY) {
        entries[next].last = last;
        *ret_tag = tag_of(next, true);
    }
    return true;
}

static bool take(jobject object, struct entry *ret)
{
    uint64_t tag = any_tag(object), rest;
    if (tag == 0) {
        return false;
    }
    bool line = is_line(tag);
    if (line) {
        pthread_mutex_lock(&lines);
        tag = read_tag(object);
    }
    pthread_mutex_lock(&table);
    bool found = take_first(tag, ret, &rest);
    pthread_mutex_unlock(&table);
    if (found) {
        if (rest != 0) {
            tag_set(object, TAG_TASK, rest);
        } else {
            tag_clear(object, TAG_TASK);
        }
    }
    if (line) {
        pthread_mutex_unlock(&lines);
    }
    return found;
}

bool task_take(jobject object, struct context *ret)
{
    struct entry e;
    if (!take(object, &e)) {
        return false;
    }
    *ret = e.context;
    return true;
}

void task_forget_first(jobject object)
{
    struct entry e;
    if (take(object, &e)) {
        context_drop(&e.context);
    }
}

// Cuts the last one off a line of two or more. False when there is but one, or none.
static bool cut_last(uint64_t tag, struct entry *ret)
{
    uint32_t first = entry_of(tag);
    if (first == NOBODY || entries[first].last == first) {
        return false;
    }
    uint32_t before = first, last = entries[first].last;
    while (entries[before].next != last) {
        before = entries[before].next;
    }
    entries[before].next = NOBODY;
    entries[first].last = before;
    *ret = entry_free(last);
    return true;
}

void task_forget_last(jobject object)
{
    struct entry e;
    pthread_mutex_lock(&lines);
    uint64_t tag = any_tag(object);
    pthread_mutex_lock(&table);
    bool cut = cut_last(tag, &e);
    pthread_mutex_unlock(&table);
    pthread_mutex_unlock(&lines);
    if (cut) {
        context_drop(&e.context);
    } else {
        task_forget_first(object);
    }
}

// ---- Life ------------------------------------------------------------------------------------

void tasks_freed(jlong object_tag)
{
    struct entry e;
    uint64_t tag;
    bool found = tag_is(object_tag, TAG_TASK, &tag);
    while (found) { // its whole line
        pthread_mutex_lock(&table);
        found = take_first(tag, &e, &tag);
        pthread_mutex_unlock(&table);
        if (found) {
            context_drop(&e.context);
        }
    }
}

void tasks_clear(void)
{
    if (atomic_load_explicit(&kept, memory_order_relaxed) == 0) {
        return;
    }
    pthread_mutex_lock(&table);
    for (uint32_t i = 0; i < fresh; i++) {
        if (entries[i].is_used) {
            struct entry e = entry_free(i);
            context_drop(&e.context);
        }
    }
    pthread_mutex_unlock(&table);
}

void tasks_init(void)
{
    tasks_clear(); // what an agent has left that could not leave in quiet
    atomic_store(&put_count, 0);
    atomic_store(&dropped, 0);
}

void tasks_counts(struct tasks_counts *ret)
{
    *ret =
        (struct tasks_counts){atomic_load(&put_count), atomic_load(&dropped), atomic_load(&kept)};
}

void tasks_report(void)
{
    struct tasks_counts n;
    tasks_counts(&n);
    agent_note("contexts: %llu handed over, %u kept at the end, %llu found no room",
               (unsigned long long)n.put, n.kept, (unsigned long long)n.dropped);
}
