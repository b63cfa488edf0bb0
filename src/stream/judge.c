// SPDX-License-Identifier: Apache-2.0
// Purpose: judging chains.
#include "stream/judge.h"

#include <string.h>

#include "core/mem.h"
#include "core/must.h"

// What the line of a service does.
enum { LINE_UNKNOWN, LINE_KEEPS_ALL, LINE_CHOOSES };

void judge_init(struct judge *j, uint64_t key)
{
    *j = (struct judge){.key = key, .restart_seq = UINT64_MAX}; // replay comes first
    ASSERT(!j->is_on);
}

static void forget_shapes(struct judge *j)
{
    ASSERT(j->shape_count <= JUDGE_SHAPES_MAX);
    hash_index_clear(&j->by_shape);
    j->shape_count = 0;
}

void judge_done(struct judge *j)
{
    ASSERT(j->entry_count <= JUDGE_ENTRIES_MAX);
    for (size_t i = 0; i < j->entry_capacity; i++) {
        if (j->entries[i] != j->others) {
            mem_free(j->entries[i]);
        }
    }
    mem_free(j->others);
    mem_free(j->entries);
    mem_free(j->services);
    mem_free(j->shapes);
    mem_free(j->chains);
    hash_index_done(&j->by_shape);
    mem_free(j->rules);
    *j = (struct judge){0};
}

size_t judge_bytes(const struct judge *j)
{
    ASSERT(j->shape_count <= JUDGE_SHAPES_MAX);
    return j->service_capacity + j->entry_capacity * sizeof *j->entries +
           (j->entry_count + 1) * sizeof(struct judge_entry) +
           j->shape_capacity * sizeof *j->shapes + j->chain_capacity * sizeof *j->chains +
           j->by_shape.size * sizeof *j->by_shape.slots;
}

void judge_set_rules(struct judge *j, struct keep_rules *rules)
{
    ASSERT(rules != NULL && rules != j->rules);
    mem_free(j->rules);
    j->rules = rules;
    j->is_on = keep_rules_choose(rules);
    if (j->services != NULL) {
        memset(j->services, LINE_UNKNOWN, j->service_capacity);
    }
}

// ---- Lines --------------------------------------------------------------------------------------

static bool line_keeps_all(struct judge *j, const struct names *names, uint32_t service)
{
    if (service >= j->service_capacity) {
        size_t before = j->service_capacity;
        j->services = mem_grow(j->services, &j->service_capacity, (size_t)service + 1, 1);
        memset(j->services + before, LINE_UNKNOWN, j->service_capacity - before);
    }
    if (j->services[service] == LINE_UNKNOWN) {
        struct str line = names_at(names, service)->node.line;
        j->services[service] = keep_rules_choose_in(j->rules, line) ? LINE_CHOOSES : LINE_KEEPS_ALL;
    }
    ASSERT(service > 0);
    return j->services[service] == LINE_KEEPS_ALL;
}

// ---- Entries ------------------------------------------------------------------------------------

static struct judge_entry *entry_of(struct judge *j, uint32_t endpoint)
{
    if (endpoint >= j->entry_capacity) {
        size_t before = j->entry_capacity;
        j->entries =
            mem_grow(j->entries, &j->entry_capacity, (size_t)endpoint + 1, sizeof *j->entries);
        memset(j->entries + before, 0, (j->entry_capacity - before) * sizeof *j->entries);
    }
    if (j->entries[endpoint] == NULL && j->entry_count < JUDGE_ENTRIES_MAX) {
        j->entries[endpoint] = mem_new(1, sizeof(struct judge_entry));
        j->entry_count++;
    } else if (j->entries[endpoint] == NULL) {
        j->others = j->others != NULL ? j->others : mem_new(1, sizeof(struct judge_entry));
        j->entries[endpoint] = j->others;
    }
    ASSERT(j->entries[endpoint] != NULL);
    return j->entries[endpoint];
}

// Whether a root takes the place of another as the one that stands for the chain.
static bool is_root_before(const struct chain_span *s, const struct chain_span *root)
{
    ASSERT(s->endpoint != 0);
    if (root == NULL || (s->parent == 0) != (root->parent == 0)) {
        return root == NULL || s->parent == 0;
    }
    return s->start_ns < root->start_ns;
}

// Those that were one too many are looked at again once there is room.
void judge_forget(struct judge *j, const struct names *names)
{
    for (size_t i = 1; i < j->service_capacity; i++) {
        j->services[i] = names_is_free(names, (uint32_t)i) ? LINE_UNKNOWN : j->services[i];
    }
    for (size_t i = 1; i < j->entry_capacity; i++) {
        if (j->entries[i] != NULL && j->entries[i] != j->others &&
            names_is_free(names, (uint32_t)i)) {
            mem_free(j->entries[i]);
            j->entries[i] = NULL;
            j->entry_count--;
        }
    }
    for (size_t i = 1; i < j->entry_capacity && j->entry_count < JUDGE_ENTRIES_MAX; i++) {
        j->entries[i] = j->entries[i] == j->others ? NULL : j->entries[i];
    }
    ASSERT(j->entry_count <= JUDGE_ENTRIES_MAX);
}

// ---- Rare ---------------------------------------------------------------------------------------

static uint64_t shape_of(const struct paths *paths, const struct judged_chain *chain)
{
    uint64_t shape = 0;
    for (size_t i = 0; i < chain->sum_count; i++) {
        shape ^= secret_mix(paths_at(paths, chain->sums[i].path)->id);
    }
    ASSERT(chain->sum_count > 0);
    return shape;
}

static uint32_t *chains_of_shape(struct judge *j, uint64_t shape)
{
    uint32_t number;
    struct hash_walk walk = hash_index_walk(&j->by_shape, shape);
    while (hash_index_next(&walk, &number)) {
        ASSERT(number < j->shape_count);
        if (j->shapes[number] == shape) {
            return &j->chains[number];
        }
    }
    if (j->shape_count == JUDGE_SHAPES_MAX) {
        return NULL;
    }
    j->shapes = mem_grow(j->shapes, &j->shape_capacity, j->shape_count + 1, sizeof *j->shapes);
    j->chains = mem_grow(j->chains, &j->chain_capacity, j->shape_count + 1, sizeof *j->chains);
    hash_index_reserve(&j->by_shape, j->shapes, j->shape_count, 64);
    hash_index_put(&j->by_shape, shape, (uint32_t)j->shape_count);
    j->shapes[j->shape_count] = shape;
    j->chains[j->shape_count] = 0;
    return &j->chains[j->shape_count++];
}

// Counts the chain; whether its entry may have one more that is rare.
static bool entry_allows(const struct judge *j, struct judge_entry *entry)
{
    if (entry->hour_ms != j->hour_ms) {
        entry->hour_ms = j->hour_ms;
        entry->chains = entry->rare = 0;
    }
    entry->chains += entry->chains < UINT32_MAX ? 1 : 0;
    ASSERT(entry->rare <= entry->chains);
    uint64_t most = (uint64_t)JUDGE_RARE_SHAPES * j->rules->rare + entry->chains / JUDGE_RARE_SHARE;
    return entry->rare < most;
}

static bool is_rare(struct judge *j, const struct paths *paths, const struct judged_chain *chain,
                    struct judge_entry *entry, uint64_t now_ms)
{
    ASSERT(chain->count > 0);
    if (now_ms >= j->hour_ms + JUDGE_HOUR_MS) { // chains do not close in the order of time
        forget_shapes(j);
        j->hour_ms = now_ms;
    }
    if (chain->sum_count == 0 || j->rules->rare == 0 || !entry_allows(j, entry)) {
        return false;
    }
    uint32_t *chains = chains_of_shape(j, shape_of(paths, chain));
    if (chains == NULL) {
        j->other_shapes++;
        return false;
    }
    *chains += *chains < UINT32_MAX ? 1 : 0;
    entry->rare += *chains <= j->rules->rare ? 1 : 0;
    return *chains <= j->rules->rare;
}

// ---- The verdict --------------------------------------------------------------------------------

static enum keep_why why_of(struct judge *j, const struct names *names, const struct paths *paths,
                            const struct judged_chain *chain, uint64_t now_ms)
{
    const struct chain_span *root = NULL;
    bool has_error = false, keeps_all = false;
    for (size_t i = 0; i < chain->count; i++) {
        const struct chain_span *s = &chain->spans[i];
        has_error = has_error || s->error;
        keeps_all = keeps_all || line_keeps_all(j, names, s->service);
        if (s->endpoint != 0 && is_root_before(s, root)) {
            root = s;
        }
    }
    if (keeps_all) {
        return KEEP_LINE;
    }
    // Every chain is counted once, whatever keeps it.
    bool is_slow = false, is_new = false, rare = false;
    if (root != NULL) {
        struct judge_entry *entry = entry_of(j, root->endpoint);
        is_new = j->rules->slow_ppm > 0 && !pace_is_known(&entry->pace);
        if (!chain->is_again) {
            pace_add(&entry->pace, root->duration_ns, j->rules->slow_ppm);
            rare = is_rare(j, paths, chain, entry, now_ms);
        }
        is_slow = j->rules->slow_ppm > 0 && pace_is_slow(&entry->pace, root->duration_ns);
    }
    ASSERT(chain->count > 0);
    return has_error                                                          ? KEEP_ERROR
           : is_slow                                                          ? KEEP_SLOW
           : is_new                                                           ? KEEP_NEW
           : rare                                                             ? KEEP_RARE
           : keep_is_drawn(keep_hash(j->key, chain->id), j->rules->share_ppm) ? KEEP_SHARE
           : chain->first_seq <= j->restart_seq                               ? KEEP_RESTART
                                                                              : KEEP_NOT;
}

enum keep_why judge_chain(struct judge *j, const struct names *names, const struct paths *paths,
                          const struct judged_chain *chain, uint64_t now_ms)
{
    ASSERT(j->is_on && j->key != 0);
    enum keep_why why = why_of(j, names, paths, chain, now_ms);
    j->verdicts[why]++;
    return why;
}
