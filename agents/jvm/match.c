// SPDX-License-Identifier: Apache-2.0
// Purpose: the tables of probed classes, interfaces and methods.
#include "agents/jvm/match.h"

#include <string.h>

#include "agents/jvm/bridge.h"
#include "agents/jvm/log.h"
#include "core/must.h"

#define TABLE_SIZE (2 * PROBES_MAX) // a power of two, at most half full

// Open addressing. Methods of one class lie in a run: the table may hold a name more than once.
struct table {
    const struct plugin_method *slots[TABLE_SIZE];
    unsigned count;
};

static struct table classes, interfaces, methods; // methods: those of interfaces, by name

static size_t slot_of(struct str name)
{
    _Static_assert((TABLE_SIZE & (TABLE_SIZE - 1)) == 0, "a power of two");
    return (size_t)str_hash(name) & (TABLE_SIZE - 1);
}

static void add(struct table *t, struct str name, const struct plugin_method *m)
{
    size_t i = slot_of(name);
    ASSERT(t->count < TABLE_SIZE / 2);
    while (t->slots[i] != NULL) {
        i = (i + 1) & (TABLE_SIZE - 1);
    }
    t->slots[i] = m;
    t->count++;
}

// Walks the entries that may have a name: the next one at or behind *at, NULL at the end.
static const struct plugin_method *next(const struct table *t, size_t *at)
{
    const struct plugin_method *m = t->slots[*at];
    *at = (*at + 1) & (TABLE_SIZE - 1);
    return m;
}

// The first entry of this class or interface; NULL when there is none.
static const struct plugin_method *find(const struct table *t, struct str name)
{
    size_t at = slot_of(name);
    const struct plugin_method *m;
    while ((m = next(t, &at)) != NULL) {
        if (str_eq(str_of(m->class_name), name)) {
            return m;
        }
    }
    return NULL;
}

static bool is_listed(struct str list, const char *name)
{
    while (list.n > 0) {
        struct str one;
        list = str_split(list, ':', &one);
        if (str_eq(one, str_of(name))) {
            return true;
        }
    }
    return false;
}

static void take_in(struct plugin *p, bool is_late)
{
    for (size_t i = 0; i < p->method_count; i++) {
        struct plugin_method *m = &p->methods[i];
        if ((m->late_only && !is_late) || (m->is_wanted != NULL && !m->is_wanted())) {
            continue;
        }
        if (!bridge_add(m)) {
            agent_log("more than %d probes: some of plug-in %s are left out", PROBES_MAX, p->name);
            return;
        }
        add(m->is_interface ? &interfaces : &classes, str_of(m->class_name), m);
        if (m->is_interface) {
            add(&methods, str_of(m->name), m);
        }
    }
}

void match_init(const char *plugins, bool is_late)
{
    struct str list = str_of(plugins);
    memset(&classes, 0, sizeof classes);
    memset(&interfaces, 0, sizeof interfaces);
    memset(&methods, 0, sizeof methods);
    bool all_but = list.n == 0 || list.p[0] == '-';
    list = all_but ? str_skip(list, 1) : list;
    for (size_t i = 0; i < PLUGIN_COUNT; i++) {
        if (is_listed(list, PLUGINS[i]->name) != all_but) {
            take_in(PLUGINS[i], is_late);
        }
    }
}

bool match_is_class(struct str name)
{
    return find(&classes, name) != NULL;
}

static bool is_method(const struct plugin_method *m, const struct class_method *of)
{
    return str_eq(str_of(m->name), of->name) &&
           (m->descriptor == NULL || str_eq(str_of(m->descriptor), of->descriptor));
}

// Whether some method is one of a probed interface.
static bool has_interface_method(const struct class_file *c)
{
    size_t place = c->methods + 2;
    for (uint16_t i = 0; i < c->method_count; i++) {
        struct class_method of;
        const struct plugin_method *m;
        if (!class_next_method(c, &place, i, &of)) {
            return false;
        }
        size_t at = slot_of(of.name);
        while ((m = next(&methods, &at)) != NULL) {
            if (is_method(m, &of)) {
                return true;
            }
        }
    }
    return false;
}

enum match_interest match_class(const struct class_file *c)
{
    bool maybe = (c->access & ACC_INTERFACE) == 0 && methods.count > 0 && has_interface_method(c);
    return (match_is_class(c->name) ? MATCH_NAME : MATCH_NONE) | (maybe ? MATCH_MAYBE : MATCH_NONE);
}

static bool has(const struct match_context *x, const char *name)
{
    for (unsigned i = 0; i < x->count; i++) {
        if (strcmp(x->interfaces[i], name) == 0) {
            return true;
        }
    }
    return false;
}

void match_add_interface(struct match_context *x, struct str name)
{
    const struct plugin_method *m = find(&interfaces, name);
    ASSERT(x->count <= MATCH_INTERFACES);
    if (m != NULL && x->count < MATCH_INTERFACES && !has(x, m->class_name)) {
        x->interfaces[x->count++] = m->class_name;
    }
}

const struct probe *match_method(void *ctx, const struct class_file *c,
                                 const struct class_method *of)
{
    const struct plugin_method *m;
    size_t at = slot_of(c->name);
    ASSERT(ctx != NULL);
    while ((m = next(&classes, &at)) != NULL) {
        if (str_eq(str_of(m->class_name), c->name) && is_method(m, of)) {
            return &m->probe;
        }
    }
    if ((c->access & ACC_INTERFACE) != 0 || (of->access & ACC_STATIC) != 0) {
        return NULL;
    }
    at = slot_of(of->name);
    while ((m = next(&methods, &at)) != NULL) {
        if (is_method(m, of) && has(ctx, m->class_name)) {
            return &m->probe;
        }
    }
    return NULL;
}
