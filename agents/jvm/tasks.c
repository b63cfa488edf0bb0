// SPDX-License-Identifier: Apache-2.0
// Purpose: the table of kept contexts, and the tags that lead to it.
#include "agents/jvm/tasks.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/must.h"

// A tag: from the lowest bit 16 of index, 32 of generation, one for a line, and TAG_MARK.
enum { INDEX_BITS = 16, LINE_BIT = 48, MARK_BIT = 49 };
#define TAG_MARK 0x50DEULL

#define NOBODY UINT32_MAX

struct entry {
    struct context context;
    struct frame *frame; // parked; the context is unset then
    uint32_t generation; // of who has the entry now; changes when it is freed
    uint32_t next, last; // in line: the one behind; of the first one: the last. Free: the next free
    bool is_used;
};

static struct entry entries[TASKS_MAX];
static uint32_t free_first = NOBODY, fresh; // freed entries; those never used begin here
static atomic_uint kept;
static atomic_ullong put_count, dropped;
static jvmtiEnv *jvmti;

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
    } else {
        atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
        return NOBODY;
    }
    ASSERT(!entries[i].is_used);
    entries[i].is_used = true;
    entries[i].next = NOBODY;
    entries[i].last = i;
    entries[i].frame = NULL;
    atomic_fetch_add_explicit(&kept, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&put_count, 1, memory_order_relaxed);
    return i;
}

// Gives the entry back; its context and frame are the caller's.
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

static void drop(struct entry *e)
{
    context_drop(&e->context);
    if (e->frame != NULL) {
        frame_free(e->frame);
    }
}

// ---- Tags ------------------------------------------------------------------------------------

static jlong tag_of(uint32_t i, bool is_line)
{
    return (jlong)(TAG_MARK << MARK_BIT | (uint64_t)is_line << LINE_BIT |
                   (uint64_t)entries[i].generation << INDEX_BITS | i);
}

static bool is_line(jlong tag)
{
    return ((uint64_t)tag >> LINE_BIT & 1) != 0;
}

// The entry that a tag names; NOBODY when it is gone or the tag is not one of these.
static uint32_t entry_of(jlong tag)
{
    uint32_t i = (uint32_t)((uint64_t)tag & (TASKS_MAX - 1));
    uint32_t generation = (uint32_t)((uint64_t)tag >> INDEX_BITS);
    _Static_assert(TASKS_MAX == 1 << INDEX_BITS, "an index fills its bits");
    bool ours = (uint64_t)tag >> MARK_BIT == TAG_MARK;
    return ours && entries[i].is_used && entries[i].generation == generation ? i : NOBODY;
}

static jlong get_tag(jobject object)
{
    jlong tag = 0;
    if (object == NULL || (*jvmti)->GetTag(jvmti, object, &tag) != JVMTI_ERROR_NONE) {
        return 0;
    }
    return tag;
}

static bool set_tag(jobject object, jlong tag)
{
    return (*jvmti)->SetTag(jvmti, object, tag) == JVMTI_ERROR_NONE;
}

// Reading is cheap when nothing is kept at all, as in a program whose work is not traced.
static jlong any_tag(jobject object)
{
    return atomic_load_explicit(&kept, memory_order_relaxed) > 0 ? get_tag(object) : 0;
}

// ---- One submission --------------------------------------------------------------------------

// Makes an entry for the object and tags it; what was given is held by the entry then.
static bool keep(jobject object, struct context c, struct frame *f, bool as_line)
{
    jlong tag = 0;
    pthread_mutex_lock(&table);
    uint32_t i = entry_new();
    if (i != NOBODY) {
        entries[i].context = c;
        entries[i].frame = f;
        tag = tag_of(i, as_line);
    }
    pthread_mutex_unlock(&table);
    if (i != NOBODY && set_tag(object, tag)) {
        return true;
    }
    if (i != NOBODY) {
        pthread_mutex_lock(&table);
        (void)entry_free(i);
        pthread_mutex_unlock(&table);
    }
    return false;
}

static bool is_kept(jlong tag)
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
        if (!keep(object, copy, NULL, false)) {
            context_drop(&copy);
        }
    }
}

bool task_peek(jobject object, struct context *ret)
{
    jlong tag = any_tag(object);
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
static void append(jlong tag, struct context c)
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
    if (object == NULL || (!is_set && atomic_load_explicit(&kept, memory_order_relaxed) == 0)) {
        return;
    }
    struct context copy = context_copy(c);
    pthread_mutex_lock(&lines);
    jlong tag = any_tag(object);
    if (is_kept(tag)) {
        pthread_mutex_lock(&table);
        append(tag, copy);
        pthread_mutex_unlock(&table);
    } else if (!is_set || !keep(object, copy, NULL, true)) {
        context_drop(&copy);
    }
    pthread_mutex_unlock(&lines);
}

// Takes the first of the line out; *ret_tag is what the object's tag must be now.
static bool take_first(jlong tag, struct entry *ret, jlong *ret_tag)
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
    jlong tag = any_tag(object), rest;
    if (tag == 0) {
        return false;
    }
    bool line = is_line(tag);
    if (line) {
        pthread_mutex_lock(&lines);
        tag = get_tag(object);
    }
    pthread_mutex_lock(&table);
    bool found = take_first(tag, ret, &rest);
    pthread_mutex_unlock(&table);
    if (found) {
        (void)set_tag(object, rest);
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
    if (e.frame != NULL) {
        frame_free(e.frame);
    }
    *ret = e.context;
    return true;
}

void task_forget_first(jobject object)
{
    struct entry e;
    if (take(object, &e)) {
        drop(&e);
    }
}

// Cuts the last one off a line of two or more. False when there is but one, or none.
static bool cut_last(jlong tag, struct entry *ret)
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
    jlong tag = any_tag(object);
    pthread_mutex_lock(&table);
    bool cut = cut_last(tag, &e);
    pthread_mutex_unlock(&table);
    pthread_mutex_unlock(&lines);
    if (cut) {
        drop(&e);
    } else {
        task_forget_first(object);
    }
}

// ---- Parked frames ---------------------------------------------------------------------------

bool task_park(jobject object, struct thread_state *t)
{
    ASSERT(t->depth > 0 && t->frames[t->depth - 1]->global == NULL);
    if (object == NULL || is_kept(any_tag(object))) {
        return false;
    }
    struct frame *f = frame_detach(t); // first: from then on another thread may resume it
    if (keep(object, (struct context){0}, f, false)) {
        return true;
    }
    bool back = frame_attach(t, f);
    ASSERT(back);
    (void)back;
    return false;
}

struct frame *task_resume(jobject object, struct thread_state *t)
{
    struct entry e;
    if (!take(object, &e)) {
        return NULL;
    }
    context_drop(&e.context);
    if (e.frame != NULL && !frame_attach(t, e.frame)) {
        frame_free(e.frame);
        e.frame = NULL;
    }
    return e.frame;
}

// ---- Life ------------------------------------------------------------------------------------

void JNICALL tasks_on_object_free(jvmtiEnv *ti, jlong tag)
{
    struct entry e;
    bool found = true;
    (void)ti;
    while (found) { // its whole line
        pthread_mutex_lock(&table);
        found = take_first(tag, &e, &tag);
        pthread_mutex_unlock(&table);
        if (found) {
            drop(&e);
        }
    }
}

void tasks_init(jvmtiEnv *env)
{
    ASSERT(env != NULL && atomic_load(&kept) == 0);
    jvmti = env;
    atomic_store(&put_count, 0);
    atomic_store(&dropped, 0);
}

void tasks_done(void)
{
    for (uint32_t i = 0; i < TASKS_MAX; i++) {
        pthread_mutex_lock(&table);
        struct entry e = entries[i].is_used ? entry_free(i) : (struct entry){0};
        pthread_mutex_unlock(&table);
        drop(&e);
    }
}

void tasks_counts(struct tasks_counts *ret)
{
    *ret =
        (struct tasks_counts){atomic_load(&put_count), atomic_load(&dropped), atomic_load(&kept)};
}
