// SPDX-License-Identifier: Apache-2.0
// Purpose: notices and their canonical form.
#include "notify/notice.h"

#include <jansson.h>
#include <math.h>

#include "core/mem.h"
#include "core/must.h"
#include "core/names.h"
#include "wire/json_writer.h"

NAMES_OF(notice_status_name, enum notice_status, NOTICE_STATUS_LIST)
NAMES_OF(notice_level_name, enum notice_level, NOTICE_LEVEL_LIST)

// ---- What a notice has, as data -----------------------------------------------------------------

struct text_field {
    const char *key;
    size_t at, bytes_max;
};
#define TEXT(name, max)                                                                            \
    {                                                                                              \
#name, offsetof(struct notice, name), max                                                  \
    }
static const struct text_field texts[] = {
    TEXT(rule, NOTICE_TEXT_BYTES_MAX),         TEXT(line, NOTICE_TEXT_BYTES_MAX),
    TEXT(environment, NOTICE_TEXT_BYTES_MAX),  TEXT(service, NOTICE_TEXT_BYTES_MAX),
    TEXT(instance, NOTICE_TEXT_BYTES_MAX),     TEXT(address, NOTICE_TEXT_BYTES_MAX),
    TEXT(measure, NOTICE_TEXT_BYTES_MAX),      TEXT(operator, NOTICE_TEXT_BYTES_MAX),
    TEXT(unit, NOTICE_TEXT_BYTES_MAX),         TEXT(incident, NOTICE_TEXT_BYTES_MAX),
    TEXT(incident_url, NOTICE_LONG_BYTES_MAX), TEXT(snapshot_url, NOTICE_LONG_BYTES_MAX),
    TEXT(remedy, NOTICE_LONG_BYTES_MAX),       TEXT(suspect, NOTICE_TEXT_BYTES_MAX),
};
static const struct text_field numbers[] = {TEXT(value, 0), TEXT(threshold, 0),
                                            TEXT(process_cpu, 0), TEXT(host_cpu, 0)};
static const struct text_field integers[] = {TEXT(event_unix_nano, 0), TEXT(fired_unix_nano, 0),
                                             TEXT(more, 0)};
#undef TEXT

struct list_field {
    const char *key;
    size_t at, count_at, max;
};
static const struct list_field lists[] = {
    {"trace_ids", offsetof(struct notice, trace_ids), offsetof(struct notice, trace_count),
     NOTICE_TRACES_MAX},
    {"entries", offsetof(struct notice, entries), offsetof(struct notice, entry_count),
     NOTICE_ENTRIES_MAX},
};

#define PERSON(name)                                                                               \
    {                                                                                              \
#name, offsetof(struct notice_person, name), NOTICE_ID_BYTES_MAX                           \
    }
static const struct text_field person_texts[] = {PERSON(name),  PERSON(mail),     PERSON(phone),
                                                 PERSON(wecom), PERSON(dingtalk), PERSON(feishu),
                                                 PERSON(slack)};
#undef PERSON

#define COUNT(list) (sizeof(list) / sizeof *(list))

static const void *part_of(const void *p, size_t at)
{
    ASSERT(p != NULL);
    return (const char *)p + at;
}

static void *slot_of(void *p, size_t at)
{
    ASSERT(p != NULL);
    return (char *)p + at;
}

// ---- Cleaning -----------------------------------------------------------------------------------

// U+202A to U+202E and U+2066 to U+2069 turn the order of what stands around them.
static bool ends_in_turn(const char *p, size_t n)
{
    const unsigned char *c = (const unsigned char *)p + n - 3;
    ASSERT(p != NULL || n == 0);
    return n >= 3 && c[0] == 0xe2 &&
           ((c[1] == 0x80 && c[2] >= 0xaa && c[2] <= 0xae) ||
            (c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9));
}

// What is left may make one again out of bytes that were none: so the end of the copy is looked at.
static struct str without_turns(struct arena *a, struct str text)
{
    char *copy = arena_alloc(a, text.n + 1);
    size_t n = 0;
    ASSERT(text.p != NULL || text.n == 0);
    for (size_t i = 0; i < text.n; i++) {
        copy[n++] = text.p[i];
        n -= n >= 3 && ends_in_turn(copy, n) ? 3 : 0;
    }
    copy[n] = 0;
    return (struct str){copy, n};
}

static void clean(struct arena *a, struct str *text)
{
    ASSERT(text->p != NULL || text->n == 0);
    if (text->n > 0 && memchr(text->p, 0xe2, text->n) != NULL) {
        *text = without_turns(a, *text);
    }
}

static void clean_fields(struct arena *a, const struct text_field *fields, size_t count, void *of)
{
    ASSERT(of != NULL);
    for (size_t i = 0; i < count; i++) {
        clean(a, slot_of(of, fields[i].at));
    }
}

void notice_clean(struct notice *n, struct arena *a)
{
    ASSERT(n->people_count <= NOTICE_PEOPLE_MAX && n->group_count <= NOTICE_GROUP_MAX);
    clean_fields(a, texts, COUNT(texts), n);
    for (size_t i = 0; i < COUNT(lists); i++) {
        struct str *items = slot_of(n, lists[i].at);
        for (size_t k = 0; k < *(const size_t *)part_of(n, lists[i].count_at); k++) {
            clean(a, &items[k]);
        }
    }
    for (size_t i = 0; i < n->group_count; i++) {
        clean(a, &n->group[i].field);
        clean(a, &n->group[i].value);
    }
    for (size_t i = 0; i < n->people_count; i++) {
        clean_fields(a, person_texts, COUNT(person_texts), &n->people[i]);
    }
}

// ---- Writing ------------------------------------------------------------------------------------

static void put_cut(struct json_writer *w, struct str text, size_t bytes_max)
{
    ASSERT(bytes_max > 3);
    if (text.n <= bytes_max) {
        json_put_str(w, text);
        return;
    }
    char cut[NOTICE_LONG_BYTES_MAX];
    struct str head = str_cut(text, bytes_max - 3);
    MUST(bytes_max <= sizeof cut);
    memcpy(cut, head.p, head.n);
    memcpy(cut + head.n, "...", 3);
    json_put_str(w, (struct str){cut, head.n + 3});
}

static void put_texts(struct json_writer *w, const struct text_field *fields, size_t count,
                      const void *of)
{
    ASSERT(of != NULL);
    for (size_t i = 0; i < count; i++) {
        json_put_key(w, fields[i].key);
        put_cut(w, *(const struct str *)part_of(of, fields[i].at), fields[i].bytes_max);
    }
}

static void put_numbers(struct json_writer *w, const struct notice *n)
{
    ASSERT(n != NULL);
    for (size_t i = 0; i < COUNT(numbers); i++) {
        const struct notice_number *x = part_of(n, numbers[i].at);
        json_put_key(w, numbers[i].key);
        if (x->is_there && isfinite(x->value)) {
            json_put_double(w, x->value);
        } else {
            json_put_null(w);
        }
    }
    for (size_t i = 0; i < COUNT(integers); i++) {
        uint64_t v = *(const uint64_t *)part_of(n, integers[i].at);
        json_put_key(w, integers[i].key);
        json_put_u64(w, v < INT64_MAX ? v : INT64_MAX);
    }
}

static void put_lists(struct json_writer *w, const struct notice *n)
{
    ASSERT(n->trace_count <= NOTICE_TRACES_MAX && n->entry_count <= NOTICE_ENTRIES_MAX);
    for (size_t i = 0; i < COUNT(lists); i++) {
        const struct str *items = part_of(n, lists[i].at);
        size_t count = *(const size_t *)part_of(n, lists[i].count_at);
        json_put_key(w, lists[i].key);
        json_put_array(w);
        for (size_t k = 0; k < count; k++) {
            put_cut(w, items[k], NOTICE_TEXT_BYTES_MAX);
        }
        json_put_array_end(w);
    }
}

// A key that is there already is left out: an object has each once.
static void put_group(struct json_writer *w, const struct notice *n)
{
    ASSERT(n->group_count <= NOTICE_GROUP_MAX);
    json_put_key(w, "group");
    json_put_object(w);
    for (size_t i = 0; i < n->group_count; i++) {
        bool is_new = true;
        struct str field = str_cut(n->group[i].field, NOTICE_TEXT_BYTES_MAX);
        for (size_t k = 0; k < i; k++) {
            is_new = is_new && !str_eq(str_cut(n->group[k].field, NOTICE_TEXT_BYTES_MAX), field);
        }
        if (is_new) {
            json_put_key_str(w, field);
            put_cut(w, n->group[i].value, NOTICE_TEXT_BYTES_MAX);
        }
    }
    json_put_object_end(w);
}

void notice_to_json(const struct notice *n, bool with_people, struct buf *out)
{
    struct json_writer w;
    MUST(n->status < NOTICE_STATUS_COUNT && n->level < NOTICE_LEVEL_COUNT);
    ASSERT(n->people_count <= NOTICE_PEOPLE_MAX);
    json_writer_init(&w, out);
    json_put_object(&w);
    json_put_key(&w, "status");
    json_put_str(&w, str_of(notice_status_name(n->status)));
    json_put_key(&w, "level");
    json_put_str(&w, str_of(notice_level_name(n->level)));
    put_texts(&w, texts, COUNT(texts), n);
    put_group(&w, n);
    put_numbers(&w, n);
    put_lists(&w, n);
    json_put_key(&w, "repeat");
    json_put_bool(&w, n->repeat);
    if (with_people) {
        json_put_key(&w, "people");
        json_put_array(&w);
        for (size_t i = 0; i < n->people_count; i++) {
            json_put_object(&w);
            put_texts(&w, person_texts, COUNT(person_texts), &n->people[i]);
            json_put_object_end(&w);
        }
        json_put_array_end(&w);
    }
    json_put_object_end(&w);
}

// ---- Reading ------------------------------------------------------------------------------------

struct reader {
    struct arena *arena;
    struct err_at *at;
};

static enum err wrong(const struct reader *r, enum err e, const char *key, const char *what)
{
    ASSERT(key != NULL && what != NULL);
    return err_at_set(r->at, e, 0, "'%.64s' of a notice %s.", key, what);
}

static enum err read_text(const struct reader *r, const char *key, const json_t *v,
                          size_t bytes_max, struct str *ret)
{
    if (!json_is_string(v)) {
        return wrong(r, ERR_INVALID, key, "is no text");
    }
    struct str text = {json_string_value(v), json_string_length(v)};
    ASSERT(bytes_max > 0);
    if (text.n > bytes_max) {
        return wrong(r, ERR_LIMIT, key, "is too long");
    }
    *ret = arena_str(r->arena, text);
    return ERR_OK;
}

static enum err read_texts(const struct reader *r, const json_t *list, const struct list_field *f,
                           struct notice *n)
{
    struct str *items = slot_of(n, f->at);
    size_t *count = slot_of(n, f->count_at);
    size_t size = json_array_size(list);
    enum err e = !json_is_array(list) ? wrong(r, ERR_INVALID, f->key, "is no list")
                 : size > f->max      ? wrong(r, ERR_LIMIT, f->key, "has too many items")
                                      : ERR_OK;
    for (size_t i = 0; i < size && e == ERR_OK; i++) {
        e = read_text(r, f->key, json_array_get(list, i), NOTICE_TEXT_BYTES_MAX, &items[i]);
    }
    ASSERT(e != ERR_OK || size <= f->max);
    *count = e == ERR_OK ? size : 0;
    return e;
}

static enum err read_group(const struct reader *r, json_t *object, struct notice *n)
{
    const char *key;
    size_t key_bytes;
    json_t *v;
    if (!json_is_object(object)) {
        return wrong(r, ERR_INVALID, "group", "is no object");
    }
    if (json_object_size(object) > NOTICE_GROUP_MAX) {
        return wrong(r, ERR_LIMIT, "group", "has too many fields");
    }
    json_object_keylen_foreach(object, key, key_bytes, v)
    {
        struct notice_pair *p = &n->group[n->group_count];
        if (key_bytes > NOTICE_TEXT_BYTES_MAX) {
            return wrong(r, ERR_LIMIT, "group", "has a field that is too long");
        }
        enum err e = read_text(r, "group", v, NOTICE_TEXT_BYTES_MAX, &p->value);
        if (e != ERR_OK) {
            return e;
        }
        p->field = arena_str(r->arena, (struct str){key, key_bytes});
        n->group_count++;
    }
    ASSERT(n->group_count <= NOTICE_GROUP_MAX);
    return ERR_OK;
}

static enum err read_person(const struct reader *r, json_t *object, struct notice_person *ret)
{
    const char *key;
    json_t *v;
    enum err e =
        json_is_object(object) ? ERR_OK : wrong(r, ERR_INVALID, "people", "is no list of objects");
    ASSERT(ret != NULL);
    json_object_foreach(object, key, v)
    {
        size_t i = 0;
        while (i < COUNT(person_texts) && strcmp(person_texts[i].key, key) != 0) {
            i++;
        }
        if (i == COUNT(person_texts)) {
            return wrong(r, ERR_INVALID, key, "is no key of a person");
        }
        e = read_text(r, key, v, person_texts[i].bytes_max, slot_of(ret, person_texts[i].at));
        if (e != ERR_OK) {
            return e;
        }
    }
    return e;
}

static enum err read_people(const struct reader *r, const json_t *list, struct notice *n)
{
    size_t size = json_array_size(list);
    enum err e = !json_is_array(list)       ? wrong(r, ERR_INVALID, "people", "is no list")
                 : size > NOTICE_PEOPLE_MAX ? wrong(r, ERR_LIMIT, "people", "are too many")
                                            : ERR_OK;
    ASSERT(n->people_count == 0);
    for (size_t i = 0; i < size && e == ERR_OK; i++) {
        e = read_person(r, json_array_get(list, i), &n->people[i]);
    }
    n->people_count = e == ERR_OK ? size : 0;
    return e;
}

static enum err read_name(const struct reader *r, const char *key, const json_t *v, size_t count,
                          const char *(*name_of)(unsigned i), unsigned *ret)
{
    const char *text = json_string_value(v);
    ASSERT(count > 0);
    for (unsigned i = 0; i < count && text != NULL; i++) {
        if (strcmp(name_of(i), text) == 0) {
            *ret = i;
            return ERR_OK;
        }
    }
    return wrong(r, ERR_INVALID, key, "is none that there is");
}

static const char *status_name(unsigned i)
{
    ASSERT(i < NOTICE_STATUS_COUNT);
    return notice_status_name((enum notice_status)i);
}

static const char *level_name(unsigned i)
{
    ASSERT(i < NOTICE_LEVEL_COUNT);
    return notice_level_name((enum notice_level)i);
}

static const struct text_field *find(const struct text_field *fields, size_t count, const char *key)
{
    ASSERT(key != NULL);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(fields[i].key, key) == 0) {
            return &fields[i];
        }
    }
    return NULL;
}

static enum err read_number(const struct reader *r, const char *key, const json_t *v,
                            struct notice_number *ret)
{
    ASSERT(ret != NULL);
    if (!json_is_number(v) && !json_is_null(v)) {
        return wrong(r, ERR_INVALID, key, "is no number");
    }
    *ret = (struct notice_number){json_is_number(v), json_number_value(v)};
    return ERR_OK;
}

static enum err read_integer(const struct reader *r, const char *key, const json_t *v,
                             uint64_t *ret)
{
    ASSERT(ret != NULL);
    if (!json_is_integer(v) || json_integer_value(v) < 0) {
        return wrong(r, ERR_INVALID, key, "is no whole number");
    }
    *ret = (uint64_t)json_integer_value(v);
    return ERR_OK;
}

// The keys that stand for themselves.
static enum err read_other(const struct reader *r, const char *key, json_t *v, struct notice *n)
{
    unsigned i = 0;
    enum err e;
    ASSERT(r->arena != NULL);
    if (strcmp(key, "status") == 0) {
        e = read_name(r, key, v, NOTICE_STATUS_COUNT, status_name, &i);
        n->status = (enum notice_status)i;
    } else if (strcmp(key, "level") == 0) {
        e = read_name(r, key, v, NOTICE_LEVEL_COUNT, level_name, &i);
        n->level = (enum notice_level)i;
    } else if (strcmp(key, "group") == 0) {
        e = read_group(r, v, n);
    } else if (strcmp(key, "people") == 0) {
        e = read_people(r, v, n);
    } else if (strcmp(key, "repeat") == 0) {
        n->repeat = json_is_true(v);
        e = json_is_boolean(v) ? ERR_OK : wrong(r, ERR_INVALID, key, "is neither true nor false");
    } else {
        e = wrong(r, ERR_INVALID, key, "is no key that there is");
    }
    return e;
}

static enum err read_key(const struct reader *r, const char *key, json_t *v, struct notice *n)
{
    ASSERT(v != NULL);
    const struct text_field *f = find(texts, COUNT(texts), key);
    if (f != NULL) {
        return read_text(r, key, v, f->bytes_max, slot_of(n, f->at));
    }
    f = find(numbers, COUNT(numbers), key);
    if (f != NULL) {
        return read_number(r, key, v, slot_of(n, f->at));
    }
    f = find(integers, COUNT(integers), key);
    if (f != NULL) {
        return read_integer(r, key, v, slot_of(n, f->at));
    }
    for (size_t i = 0; i < COUNT(lists); i++) {
        if (strcmp(lists[i].key, key) == 0) {
            return read_texts(r, v, &lists[i], n);
        }
    }
    return read_other(r, key, v, n);
}

static enum err read_all(const struct reader *r, json_t *root, struct notice *n)
{
    const char *key;
    json_t *v;
    static const char *const needed[] = {"status", "rule", "level"};
    ASSERT(n->status == 0);
    if (!json_is_object(root)) {
        return err_at_set(r->at, ERR_INVALID, 0, "A notice is an object.");
    }
    json_object_foreach(root, key, v)
    {
        enum err e = read_key(r, key, v, n);
        if (e != ERR_OK) {
            return e;
        }
    }
    for (size_t i = 0; i < COUNT(needed); i++) {
        if (json_object_get(root, needed[i]) == NULL) {
            return wrong(r, ERR_INVALID, needed[i], "is missing");
        }
    }
    return n->rule.n > 0 ? ERR_OK : wrong(r, ERR_INVALID, "rule", "is empty");
}

enum err notice_from_json(struct str json, struct arena *a, struct notice *ret_notice,
                          struct err_at *ret_at)
{
    json_error_t why;
    const struct reader r = {a, ret_at};
    ASSERT(ret_notice != NULL);
    if (json.n > NOTICE_JSON_BYTES_MAX) {
        return err_at_set(ret_at, ERR_LIMIT, NOTICE_JSON_BYTES_MAX, "A notice is too large.");
    }
    json_t *root =
        json_loadb(json.n > 0 ? json.p : "", json.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
    if (root == NULL) {
        return err_at_set(ret_at, ERR_INVALID, why.position > 0 ? (uint64_t)why.position : 0,
                          "A notice is no JSON: %.150s.", why.text);
    }
    struct notice *n = mem_new(1, sizeof *n);
    enum err e = read_all(&r, root, n);
    json_decref(root);
    if (e == ERR_OK) {
        *ret_notice = *n;
    }
    mem_free(n);
    return e;
}

void notice_make_test(struct notice *ret_notice, uint64_t now_unix_nano)
{
    ASSERT(ret_notice != NULL);
    *ret_notice = (struct notice){.status = NOTICE_TEST,
                                  .level = NOTICE_INFO,
                                  .rule = STR("sonde-test"),
                                  .event_unix_nano = now_unix_nano,
                                  .fired_unix_nano = now_unix_nano};
}
