// SPDX-License-Identifier: Apache-2.0
// Purpose: the groups of one rule.
#include "alert/groups.h"

#include <string.h>

#include "codec/cursor.h"
#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"
#include "core/secret.h"

#define SIZE_FIRST 4

void groups_init(struct groups *g, const struct alert_rule *rule, struct group_totals *totals)
{
    *g = (struct groups){.rule = rule, .totals = totals};
    ASSERT(rule->strategy_count > 0 && rule->strategy_count <= ALERT_STRATEGIES_MAX);
    for (size_t i = 0; i < rule->strategy_count; i++) {
        g->shapes[i] = window_shape_of(&rule->strategies[i]);
        g->is_seasonal = g->is_seasonal || g->shapes[i].has_season;
        g->has_late = g->has_late || !alert_is_early(&rule->strategies[i]);
    }
}

void groups_take(struct groups *g, struct groups *from, const struct alert_rule *rule)
{
    ASSERT(str_eq(from->rule->identity, rule->identity));
    *g = *from;
    g->rule = rule;
    for (size_t i = 0; i < rule->strategy_count; i++) {
        g->shapes[i].strategy = &rule->strategies[i];
    }
    *from = (struct groups){0};
}

static void free_group(struct groups *g, struct group *group)
{
    for (size_t i = 0; i < g->rule->strategy_count; i++) {
        window_free(group->windows[i], &g->shapes[i]);
    }
    for (size_t i = 0; i < sizeof group->origin / sizeof group->origin[0]; i++) {
        mem_free(group->origin[i]);
    }
    ASSERT(g->totals->bytes >= group->bytes && g->totals->count > 0);
    g->totals->bytes -= group->bytes;
    g->totals->count--;
    mem_free(group); // with its values
}

void groups_done(struct groups *g)
{
    ASSERT(g->rule != NULL);
    for (size_t i = 0; i < g->size; i++) {
        if (g->slots[i] != NULL) {
            free_group(g, g->slots[i]);
        }
    }
    mem_free(g->slots);
    mem_free(g->dirty);
}

// ---- The table ----------------------------------------------------------------------------------

uint64_t group_values_hash(const struct str *values, size_t count)
{
    uint64_t h = 1;
    ASSERT(count <= ALERT_GROUP_BY_MAX);
    for (size_t i = 0; i < count; i++) {
        h = secret_fold(h, str_hash(values[i]));
    }
    return h;
}

bool group_values_equal(const struct str *a, const struct str *b, size_t count)
{
    bool is_equal = true;
    ASSERT(count <= ALERT_GROUP_BY_MAX);
    for (size_t i = 0; i < count && is_equal; i++) {
        is_equal = str_eq(a[i], b[i]);
    }
    return is_equal;
}

static size_t fields_of(const struct groups *g)
{
    ASSERT(g->rule != NULL);
    return g->rule->strategies[0].group_by_count;
}

static size_t place(const struct groups *g, uint64_t hash, const struct str *values)
{
    size_t at = hash & (g->size - 1);
    ASSERT(g->rule != NULL);
    while (g->slots[at] != NULL &&
           (g->slots[at]->hash != hash ||
            !group_values_equal(g->slots[at]->values, values, fields_of(g)))) {
        at = (at + 1) & (g->size - 1);
    }
    return at;
}

struct group *groups_find(const struct groups *g, const struct str *values)
{
    ASSERT(g->rule != NULL);
    return g->size == 0 ? NULL
                        : g->slots[place(g, group_values_hash(values, fields_of(g)), values)];
}

static void rehash(struct groups *g)
{
    struct group **old = g->slots;
    size_t old_size = g->size;
    ASSERT(g->rule != NULL);
    g->size = old_size > 0 ? old_size * 2 : SIZE_FIRST;
    g->slots = mem_new(g->size, sizeof(struct group *));
    for (size_t i = 0; i < old_size; i++) {
        if (old[i] != NULL) {
            g->slots[place(g, old[i]->hash, old[i]->values)] = old[i];
        }
    }
    mem_free(old);
}

static struct group *make(struct groups *g, const struct str *values, uint64_t now_ms)
{
    size_t n = g->rule->strategies[0].group_by_count, text = 0;
    ASSERT(g->rule != NULL);
    for (size_t i = 0; i < n; i++) {
        text += values[i].n;
    }
    struct group *group = mem_alloc(sizeof *group + text + 1);
    char *at = (char *)(group + 1);
    *group = (struct group){
        .hash = group_values_hash(values, fields_of(g)), .seen_ms = now_ms, .changed_ms = now_ms};
    for (size_t i = 0; i < n; i++) {
        memcpy(at, values[i].n > 0 ? values[i].p : "", values[i].n);
        group->values[i] = (struct str){at, values[i].n};
        at += values[i].n;
    }
    for (size_t i = 0; i < g->rule->strategy_count; i++) {
        group->windows[i] = window_new(&g->shapes[i], now_ms);
    }
    return group;
}

struct group *groups_get(struct groups *g, const struct str *values, uint64_t now_ms)
{
    struct group *found = groups_find(g, values);
    ASSERT(g->rule != NULL);
    if (found != NULL || g->count == ALERT_GROUPS_MAX) {
        return found;
    }
    if ((g->count + 1) * 2 > g->size) {
        rehash(g);
    }
    struct group *group = make(g, values, now_ms);
    g->slots[place(g, group->hash, values)] = group;
    g->count++;
    g->totals->count++;
    groups_weigh(g, group);
    return group;
}

void groups_begin(struct groups *g, uint64_t now_ms)
{
    static const struct str none[ALERT_GROUP_BY_MAX];
    ASSERT(g->rule != NULL);
    if (g->has_late && g->rule->strategies[0].group_by_count == 0) {
        (void)groups_get(g, none, now_ms);
    }
}

void groups_remove(struct groups *g, struct group *group)
{
    size_t at = place(g, group->hash, group->values);
    ASSERT(g->slots[at] == group && !group->is_dirty);
    g->slots[at] = NULL;
    // Those behind it move up, so that a search never stops short of one.
    for (size_t next = (at + 1) & (g->size - 1); g->slots[next] != NULL;
         next = (next + 1) & (g->size - 1)) {
        struct group *moved = g->slots[next];
        g->slots[next] = NULL;
        g->slots[place(g, moved->hash, moved->values)] = moved;
    }
    g->count--;
    free_group(g, group);
}

void groups_touch(struct groups *g, struct group *group, uint64_t event_ms)
{
    ASSERT(g->rule != NULL);
    if (!group->is_dirty) {
        g->dirty = mem_grow(g->dirty, &g->dirty_capacity, g->dirty_count + 1, sizeof *g->dirty);
        g->dirty[g->dirty_count++] = group;
        group->is_dirty = true;
        group->touched_min_ms = group->touched_max_ms = event_ms;
    }
    group->touched_min_ms = event_ms < group->touched_min_ms ? event_ms : group->touched_min_ms;
    group->touched_max_ms = event_ms > group->touched_max_ms ? event_ms : group->touched_max_ms;
}

static uint64_t shifted(uint64_t ms, int64_t by_ms)
{
    uint64_t back = by_ms < 0 ? 0 - (uint64_t)by_ms : 0;
    return by_ms >= 0 ? ms + (uint64_t)by_ms : ms > back ? ms - back : 0;
}

static void shift_group(struct groups *g, struct group *group, int64_t by_ms)
{
    uint64_t *const times[] = {&group->seen_ms, &group->changed_ms, &group->quiet_ms,
                               &group->told_until_ms};
    ASSERT(!group->is_dirty);
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        *times[i] = *times[i] > 0 ? shifted(*times[i], by_ms) : 0;
    }
    for (size_t i = 0; i < g->rule->strategy_count; i++) {
        window_shift(group->windows[i], &g->shapes[i], by_ms);
        group->verdicts[i].end_ms = shifted(group->verdicts[i].end_ms, by_ms);
    }
}

void groups_shift(struct groups *g, int64_t by_ms)
{
    ASSERT(g->rule != NULL);
    for (size_t i = 0; i < g->size; i++) {
        if (g->slots[i] != NULL) {
            shift_group(g, g->slots[i], by_ms);
        }
    }
}

void groups_weigh(struct groups *g, struct group *group)
{
    size_t bytes = sizeof *group + 2 * sizeof(struct group *);
    ASSERT(g->rule != NULL);
    for (size_t i = 0; i < g->rule->strategy_count; i++) {
        bytes += window_bytes(group->windows[i], &g->shapes[i]);
    }
    for (size_t i = 0; i < ALERT_GROUP_BY_MAX; i++) {
        bytes += group->values[i].n;
    }
    for (size_t i = 0; i < sizeof group->origin / sizeof group->origin[0]; i++) {
        bytes += group->origin_n[i];
    }
    g->totals->bytes += bytes - group->bytes;
    group->bytes = bytes;
}

// ---- What a message shows -----------------------------------------------------------------------

void group_set_origin(struct group *group, enum origin_part part, struct str text)
{
    struct str t = str_cut(text, ALERT_VALUE_MAX);
    ASSERT(group->trace_count <= ALERT_TRACES_MAX);
    if (group->origin[part] != NULL &&
        str_eq((struct str){group->origin[part], group->origin_n[part]}, t)) {
        return;
    }
    mem_free(group->origin[part]);
    group->origin[part] = mem_alloc(t.n + 1);
    memcpy(group->origin[part], t.n > 0 ? t.p : "", t.n);
    group->origin_n[part] = t.n;
}

static struct str origin_part(const struct group *group, enum origin_part part)
{
    ASSERT(group->trace_count <= ALERT_TRACES_MAX);
    return group->origin[part] != NULL ? (struct str){group->origin[part], group->origin_n[part]}
                                       : STR("");
}

struct alert_origin group_origin(const struct group *group)
{
    ASSERT(group->trace_count <= ALERT_TRACES_MAX);
    return (struct alert_origin){.line = origin_part(group, ORIGIN_LINE),
                                 .environment = origin_part(group, ORIGIN_ENVIRONMENT),
                                 .service = origin_part(group, ORIGIN_SERVICE),
                                 .instance = origin_part(group, ORIGIN_INSTANCE),
                                 .address = origin_part(group, ORIGIN_ADDRESS)};
}

// The one that makes room for another; ALERT_TRACES_MAX: that one stays out.
static unsigned trace_victim(const struct group *group, bool failed)
{
    unsigned i = 0;
    ASSERT(group->trace_count == ALERT_TRACES_MAX);
    while (i < ALERT_TRACES_MAX && group->traces[i].failed) {
        i++;
    }
    return i == ALERT_TRACES_MAX && failed ? 0 : i;
}

void group_add_trace(struct group *group, trace_id id, bool failed)
{
    unsigned gone = group->trace_count;
    for (unsigned i = 0; i < group->trace_count; i++) {
        struct group_trace *t = &group->traces[i];
        if (memcmp(&t->id, &id, sizeof id) == 0) {
            t->failed = t->failed || failed;
            return;
        }
    }
    if (gone == ALERT_TRACES_MAX) {
        gone = trace_victim(group, failed);
        if (gone == ALERT_TRACES_MAX) {
            return;
        }
        group->trace_count--;
    }
    memmove(group->traces + gone, group->traces + gone + 1,
            (group->trace_count - gone) * sizeof group->traces[0]);
    group->traces[group->trace_count++] = (struct group_trace){id, failed};
    ASSERT(group->trace_count <= ALERT_TRACES_MAX);
}

size_t group_traces(const struct group *group, trace_id ret_ids[ALERT_TRACES_MAX])
{
    size_t n = 0;
    for (unsigned pass = 0; pass < 2; pass++) {
        for (unsigned i = group->trace_count; i > 0; i--) {
            if (group->traces[i - 1].failed == (pass == 0)) {
                ret_ids[n++] = group->traces[i - 1].id;
            }
        }
    }
    ASSERT(n == group->trace_count);
    return n;
}

// ---- As bytes -----------------------------------------------------------------------------------

static void put_text(struct buf *out, struct str s)
{
    ASSERT(out != NULL);
    buf_add_varint(out, s.n);
    buf_add_str(out, s);
}

static struct str get_text(struct cursor *c, size_t max)
{
    size_t n = cursor_below(c, max + 1);
    const uint8_t *p = cursor_bytes(c, n);
    ASSERT(c->p <= c->end);
    return p != NULL ? (struct str){(const char *)p, n} : STR("");
}

// The strategies that hold, a bit each.
static uint64_t holding(const struct groups *g, const struct group *group)
{
    uint64_t bits = 0;
    ASSERT(g->rule->strategy_count <= ALERT_STRATEGIES_MAX);
    for (size_t i = 0; i < g->rule->strategy_count; i++) {
        bits |= (uint64_t)group->verdicts[i].holds << i;
    }
    return bits;
}

static void encode_group(const struct groups *g, const struct group *group, struct buf *out)
{
    ASSERT(g->rule != NULL);
    for (size_t i = 0; i < g->rule->strategies[0].group_by_count; i++) {
        put_text(out, group->values[i]);
    }
    buf_add_varint(out, group->seen_ms);
    buf_add_varint(out, group->changed_ms);
    buf_add_varint(out, group->told_until_ms);
    buf_add_varint(out, group->flaps * 2 + group->fires);
    buf_add_varint(out, holding(g, group));
    for (size_t i = 0; i < sizeof group->origin / sizeof group->origin[0]; i++) {
        put_text(out, origin_part(group, (enum origin_part)i));
    }
    buf_add_varint(out, group->trace_count);
    for (unsigned i = 0; i < group->trace_count; i++) {
        const struct group_trace *t = &group->traces[i];
        buf_add(out, &t->id, sizeof t->id);
        buf_add_byte(out, t->failed);
    }
    for (size_t i = 0; i < g->rule->strategy_count; i++) {
        window_encode(group->windows[i], &g->shapes[i], out);
    }
}

void groups_encode(const struct groups *g, struct buf *out)
{
    ASSERT(g->rule != NULL);
    buf_add_varint(out, g->count);
    for (size_t i = 0; i < g->size; i++) {
        if (g->slots[i] != NULL) {
            encode_group(g, g->slots[i], out);
        }
    }
}

static enum err decode_windows(struct groups *g, struct group *group, struct cursor *c)
{
    struct str rest = {(const char *)c->p, cursor_left(c)};
    ASSERT(g->rule != NULL);
    for (size_t i = 0; i < g->rule->strategy_count; i++) {
        struct window *w;
        enum err e = window_decode(&rest, &g->shapes[i], &w);
        if (e != ERR_OK) {
            return e;
        }
        window_free(group->windows[i], &g->shapes[i]);
        group->windows[i] = w;
    }
    c->p = (const uint8_t *)rest.p;
    return ERR_OK;
}

static enum err decode_group(struct groups *g, struct cursor *c)
{
    struct str values[ALERT_GROUP_BY_MAX] = {{0}};
    ASSERT(g->rule != NULL);
    for (size_t i = 0; i < g->rule->strategies[0].group_by_count; i++) {
        values[i] = get_text(c, ALERT_VALUE_MAX);
    }
    uint64_t seen = cursor_varint(c), changed = cursor_varint(c), told = cursor_varint(c);
    uint64_t flaps = cursor_below(c, 128), bits = cursor_below(c, 1u << ALERT_STRATEGIES_MAX);
    if (c->failed || groups_find(g, values) != NULL) {
        return ERR_CORRUPT;
    }
    struct group *group = groups_get(g, values, seen);
    group->changed_ms = changed;
    group->told_until_ms = told;
    group->flaps = (unsigned)(flaps / 2);
    group->fires = flaps % 2 == 1;
    for (size_t i = 0; i < g->rule->strategy_count; i++) {
        group->verdicts[i].holds = (bits >> i & 1) != 0;
    }
    for (size_t i = 0; i < sizeof group->origin / sizeof group->origin[0]; i++) {
        group_set_origin(group, (enum origin_part)i, get_text(c, ALERT_VALUE_MAX));
    }
    size_t traces = cursor_below(c, ALERT_TRACES_MAX + 1);
    for (size_t i = 0; i < traces; i++) {
        const uint8_t *p = cursor_bytes(c, sizeof(trace_id) + 1);
        trace_id id;
        if (p != NULL) {
            memcpy(&id, p, sizeof id);
            group_add_trace(group, id, p[sizeof id] == 1);
        }
    }
    enum err e = c->failed ? ERR_CORRUPT : decode_windows(g, group, c);
    groups_weigh(g, group);
    return e;
}

enum err groups_decode(struct groups *g, struct str *bytes)
{
    struct cursor c = cursor_of(*bytes);
    size_t count = cursor_below(&c, ALERT_GROUPS_MAX + 1);
    enum err e = c.failed ? ERR_CORRUPT : ERR_OK;
    ASSERT(g->rule != NULL);
    for (size_t i = 0; i < count && e == ERR_OK; i++) {
        e = decode_group(g, &c);
    }
    if (e == ERR_OK) {
        bytes->n = cursor_left(&c);
        bytes->p = (const char *)c.p;
    }
    return e;
}
