// SPDX-License-Identifier: Apache-2.0
// Purpose: the targets that the configuration names, or a file in JSON or YAML.
#include <jansson.h>
#include <string.h>
#include <yaml.h>

#include "core/logger.h"
#include "core/mem.h"
#include "core/must.h"
#include "scrape/internal.h"

#define CONTENT_TARGETS_MAX SCRAPE_TARGETS_MAX
#define FOUND_MAX           (4 * SCRAPE_TARGETS_MAX) // of a pool, files read anew twice
#define FILE_LABELS_MAX     ((size_t)32)             // of a group, job and instance not counted
#define TARGET_BYTES        (2 * sizeof(struct found_target) + 16) // the array doubles

// ---- Targets ------------------------------------------------------------------------------------

// A group of a file, while it is read.
struct group {
    struct prom_label labels[FILE_LABELS_MAX];
    size_t label_count;
    size_t first; // of its targets in the content
};

// ":9100" or nothing.
static bool is_port(struct str text)
{
    unsigned port = 0;
    ASSERT(text.p != NULL);
    for (size_t i = 1; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9' || i > 5) {
            return false;
        }
        port = port * 10 + (unsigned)(text.p[i] - '0');
    }
    return text.n == 0 || (text.p[0] == ':' && port > 0 && port <= UINT16_MAX);
}

const char *scrape_address_wrong(struct str address)
{
    if (address.n == 0 || address.n > SCRAPE_ADDRESS_BYTES_MAX) {
        return "a target has no address, or one that is too long";
    }
    for (size_t i = 0; i < address.n; i++) {
        unsigned char c = (unsigned char)address.p[i];
        if (c <= ' ' || c >= 0x7f || strchr("/?#@\\", c) != NULL) {
            return "a target is not HOST:PORT";
        }
    }
    bool is_v6 = address.p[0] == '[';
    const char *end = memchr(address.p, is_v6 ? ']' : ':', address.n);
    size_t host = end != NULL ? (size_t)(end - address.p) + (is_v6 ? 1 : 0) : address.n;
    return host > 0 && (!is_v6 || end != NULL) && is_port(str_skip(address, host))
               ? NULL
               : "a target is not HOST:PORT";
}

// Asks for memory before it is allocated. What the configuration names is there in any case.
static const char *charge(struct content *c, size_t bytes)
{
    struct meter *meter = &c->pool->meter;
    ASSERT(meter->budget != NULL);
    if (c->is_forced) {
        meter_force(meter, bytes);
    } else if (meter->held_bytes + bytes > meter->budget->limit_bytes / SCRAPE_BUDGET_SHARE ||
               !meter_take(meter, bytes)) {
        c->pool->again = true;
        return "there is no memory for its targets and their labels";
    }
    c->charged += bytes;
    return NULL;
}

static const char *add_target(struct content *c, const struct scrape_job *job, struct str address)
{
    const char *wrong = scrape_address_wrong(address);
    if (wrong == NULL && (c->count == CONTENT_TARGETS_MAX || c->pool->found == FOUND_MAX)) {
        wrong = "more targets than are taken";
    }
    if (wrong == NULL) {
        wrong = charge(c, TARGET_BYTES + address.n);
    }
    if (wrong != NULL) {
        return wrong;
    }
    c->pool->found++;
    c->targets = mem_grow(c->targets, &c->capacity, c->count + 1, sizeof *c->targets);
    c->targets[c->count++] =
        (struct found_target){.job = job, .address = arena_str(&c->arena, address)};
    ASSERT(c->count <= CONTENT_TARGETS_MAX);
    return NULL;
}

static const char *add_label(struct content *c, struct group *g, struct str name, struct str value)
{
    if (name.n == 0 || !point_text_fits(name) || !point_text_fits(value) ||
        !str_utf8_valid(name, NULL) || !str_utf8_valid(value, NULL)) {
        return "a label has no name, is too long or not UTF-8";
    }
    if (str_starts(name, STR("__"))) {
        return NULL;
    }
    if (g->label_count == FILE_LABELS_MAX) {
        return "a group has too many labels";
    }
    for (size_t i = 0; i < g->label_count; i++) {
        if (str_eq(g->labels[i].name, name)) {
            return "a label is given twice";
        }
    }
    const char *wrong = charge(c, name.n + value.n);
    if (wrong != NULL) {
        return wrong;
    }
    ASSERT(g->label_count < FILE_LABELS_MAX);
    g->labels[g->label_count++] =
        (struct prom_label){arena_str(&c->arena, name), arena_str(&c->arena, value)};
    return NULL;
}

static bool has_label(const struct group *g, struct str name)
{
    ASSERT(g->label_count <= FILE_LABELS_MAX);
    for (size_t i = 0; i < g->label_count; i++) {
        if (str_eq(g->labels[i].name, name) && g->labels[i].value.n > 0) {
            return true;
        }
    }
    return false;
}

// Gives the targets of the group their labels.
static const char *end_group(struct content *c, const struct group *g)
{
    size_t labels_max = g->label_count + 2;
    const char *wrong = charge(c, (c->count - g->first) * labels_max * sizeof(struct prom_label));
    if (wrong != NULL) {
        return wrong;
    }
    for (size_t i = g->first; i < c->count; i++) {
        struct found_target *t = &c->targets[i];
        struct prom_series all = {.label_count = 0};
        for (size_t k = 0; k < g->label_count; k++) {
            all.labels[all.label_count++] = g->labels[k];
        }
        if (!has_label(g, STR("job"))) {
            all.labels[all.label_count++] = (struct prom_label){STR("job"), t->job->name};
        }
        if (!has_label(g, STR("instance"))) {
            all.labels[all.label_count++] = (struct prom_label){STR("instance"), t->address};
        }
        ASSERT(all.label_count <= FILE_LABELS_MAX + 2);
        t->labels.count = all.label_count;
        t->labels.items = arena_alloc(&c->arena, all.label_count * sizeof *t->labels.items);
        memcpy(t->labels.items, all.labels, all.label_count * sizeof *t->labels.items);
        t->hash = seen_hash(&all, NULL) ^ str_hash(t->address) * 5 ^ str_hash(t->job->name) * 3;
    }
    return NULL;
}

// ---- JSON ---------------------------------------------------------------------------------------

static struct str text_of(const json_t *value)
{
    ASSERT(json_is_string(value));
    return (struct str){json_string_value(value), json_string_length(value)};
}

static const char *read_json_group(struct content *c, const struct scrape_job *job, json_t *group)
{
    struct group g = {.first = c->count};
    json_t *targets = json_object_get(group, "targets"), *labels = json_object_get(group, "labels");
    json_t *value;
    const char *key, *wrong = NULL;
    size_t i;
    if (!json_is_array(targets) || (labels != NULL && !json_is_object(labels))) {
        return "expected {targets: [...], labels: {...}}";
    }
    json_array_foreach(targets, i, value)
    {
        wrong = wrong != NULL           ? wrong
                : json_is_string(value) ? add_target(c, job, text_of(value))
                                        : "a target is not a text";
    }
    json_object_foreach(labels, key, value)
    {
        wrong = wrong != NULL           ? wrong
                : json_is_string(value) ? add_label(c, &g, str_of(key), text_of(value))
                                        : "a label is not a text";
    }
    ASSERT(c->count >= g.first);
    return wrong != NULL ? wrong : end_group(c, &g);
}

static const char *read_json(struct content *c, const struct scrape_job *job, struct str text)
{
    json_error_t error;
    json_t *root = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &error), *group;
    const char *wrong = root == NULL || !json_is_array(root) ? "this is no list in JSON" : NULL;
    size_t i;
    ASSERT(job != NULL);
    if (wrong == NULL) {
        json_array_foreach(root, i, group)
        {
            wrong = wrong != NULL ? wrong : read_json_group(c, job, group);
        }
    }
    json_decref(root);
    return wrong;
}

// ---- YAML ---------------------------------------------------------------------------------------
// Read event by event: the shape is known, so that nothing is built, and depth is no matter.

struct yaml_reader {
    yaml_parser_t parser;
    yaml_event_t event;
    bool has_event;
    struct content *content;
    const struct scrape_job *job;
    const char *wrong;
};

#define NOT_THE_SHAPE "expected a list of {targets: [...], labels: {...}}"

// The type of the next event; YAML_NO_EVENT, with `wrong`, where there is none.
static yaml_event_type_t next_event(struct yaml_reader *r)
{
    if (r->has_event) {
        yaml_event_delete(&r->event);
        r->has_event = false;
    }
    if (r->wrong != NULL) {
        return YAML_NO_EVENT;
    }
    if (yaml_parser_parse(&r->parser, &r->event) != 1) {
        r->wrong = "this is not YAML";
        return YAML_NO_EVENT;
    }
    ASSERT(r->event.type != YAML_NO_EVENT);
    r->has_event = true;
    return r->event.type;
}

static void expect(struct yaml_reader *r, yaml_event_type_t type)
{
    if (next_event(r) != type && r->wrong == NULL) {
        r->wrong = NOT_THE_SHAPE;
    }
    ASSERT(type != YAML_NO_EVENT);
}

static struct str scalar(const struct yaml_reader *r)
{
    ASSERT(r->has_event && r->event.type == YAML_SCALAR_EVENT);
    return (struct str){(const char *)r->event.data.scalar.value, r->event.data.scalar.length};
}

static void read_yaml_targets(struct yaml_reader *r)
{
    expect(r, YAML_SEQUENCE_START_EVENT);
    while (r->wrong == NULL) {
        yaml_event_type_t type = next_event(r);
        if (type == YAML_SEQUENCE_END_EVENT) {
            return;
        }
        r->wrong = r->wrong != NULL            ? r->wrong
                   : type == YAML_SCALAR_EVENT ? add_target(r->content, r->job, scalar(r))
                                               : NOT_THE_SHAPE;
    }
    ASSERT(r->wrong != NULL);
}

static void read_yaml_labels(struct yaml_reader *r, struct group *g)
{
    char name[POINT_TEXT_BYTES_MAX];
    expect(r, YAML_MAPPING_START_EVENT);
    while (r->wrong == NULL) {
        yaml_event_type_t type = next_event(r);
        if (type == YAML_MAPPING_END_EVENT) {
            return;
        }
        if (type != YAML_SCALAR_EVENT || scalar(r).n > sizeof name) {
            r->wrong = r->wrong != NULL ? r->wrong : NOT_THE_SHAPE;
            return;
        }
        size_t n = scalar(r).n;
        memcpy(name, scalar(r).p, n);
        expect(r, YAML_SCALAR_EVENT);
        if (r->wrong == NULL) {
            r->wrong = add_label(r->content, g, (struct str){name, n}, scalar(r));
        }
    }
    ASSERT(r->wrong != NULL);
}

static void read_yaml_group(struct yaml_reader *r)
{
    struct group g = {.first = r->content->count};
    unsigned seen = 0; // 1: targets, 2: labels
    while (r->wrong == NULL) {
        yaml_event_type_t type = next_event(r);
        if (type == YAML_MAPPING_END_EVENT) {
            break;
        }
        struct str key = type == YAML_SCALAR_EVENT ? scalar(r) : STR("");
        if (str_eq(key, STR("targets")) && (seen & 1) == 0) {
            seen |= 1;
            read_yaml_targets(r);
        } else if (str_eq(key, STR("labels")) && (seen & 2) == 0) {
            seen |= 2;
            read_yaml_labels(r, &g);
        } else if (r->wrong == NULL) {
            r->wrong = NOT_THE_SHAPE;
        }
    }
    ASSERT(r->content->count >= g.first);
    if (r->wrong == NULL && (seen & 1) == 0) {
        r->wrong = NOT_THE_SHAPE;
    }
    r->wrong = r->wrong != NULL ? r->wrong : end_group(r->content, &g);
}

static const char *read_yaml(struct content *c, const struct scrape_job *job, struct str text)
{
    struct yaml_reader r = {.content = c, .job = job};
    MUST(yaml_parser_initialize(&r.parser) == 1);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text.p, text.n);
    expect(&r, YAML_STREAM_START_EVENT);
    expect(&r, YAML_DOCUMENT_START_EVENT);
    expect(&r, YAML_SEQUENCE_START_EVENT);
    while (r.wrong == NULL) {
        yaml_event_type_t type = next_event(&r);
        if (type == YAML_SEQUENCE_END_EVENT) {
            break;
        }
        if (type == YAML_MAPPING_START_EVENT) {
            read_yaml_group(&r);
        } else if (r.wrong == NULL) {
            r.wrong = NOT_THE_SHAPE;
        }
    }
    expect(&r, YAML_DOCUMENT_END_EVENT);
    expect(&r, YAML_STREAM_END_EVENT);
    if (r.has_event) {
        yaml_event_delete(&r.event);
    }
    yaml_parser_delete(&r.parser);
    return r.wrong;
}

// ---- Both ---------------------------------------------------------------------------------------

const char *content_read(struct content *c, const struct scrape_job *job, bool is_json,
                         struct str text)
{
    const char *wrong = is_json ? read_json(c, job, text) : read_yaml(c, job, text);
    ASSERT(c->count <= CONTENT_TARGETS_MAX);
    return wrong;
}

void content_take_fixed(struct content *c, const struct scrape_job *job)
{
    struct group g = {.first = c->count};
    ASSERT(c->is_forced);
    for (size_t i = 0; i < job->target_count; i++) {
        const char *wrong = add_target(c, job, job->targets[i]);
        if (wrong != NULL) {
            c->left_out++;
            log_write(LOG_WARN, "scrape", "a target is left out", "job=%.*s reason=\"%s\"",
                      STR_FMT(job->name), wrong);
        }
    }
    const char *none = end_group(c, &g);
    MUST(none == NULL); // it is forced
}

void content_done(struct content *c)
{
    struct content_pool *pool = c->pool;
    ASSERT(pool != NULL && pool->found >= c->count);
    pool->found -= c->count;
    meter_give(&pool->meter, c->charged);
    arena_done(&c->arena);
    mem_free(c->targets);
    *c = (struct content){.pool = pool};
}
