// SPDX-License-Identifier: Apache-2.0
// Purpose: the class file reader.
#include "agents/jvm/classfile.h"

#include <stdlib.h>

#include "core/must.h"

struct class_cursor class_cursor(const uint8_t *p, size_t n)
{
    ASSERT(p != NULL || n == 0);
    return (struct class_cursor){p, n > 0 ? p + n : p, false}; // NULL + 0 is undefined
}

const uint8_t *read_bytes(struct class_cursor *c, size_t n)
{
    if (c->bad || (size_t)(c->end - c->p) < n) {
        c->bad = true;
        return NULL;
    }
    const uint8_t *at = c->p;
    c->p += n;
    return at;
}

uint8_t read_u1(struct class_cursor *c)
{
    const uint8_t *b = read_bytes(c, 1);
    return b != NULL ? b[0] : 0;
}

uint16_t read_u2(struct class_cursor *c)
{
    const uint8_t *b = read_bytes(c, 2);
    return b != NULL ? (uint16_t)(b[0] << 8 | b[1]) : 0;
}

uint32_t read_u4(struct class_cursor *c)
{
    const uint8_t *b = read_bytes(c, 4);
    return b != NULL ? (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3] : 0;
}

// ---- The constant pool --------------------------------------------------------------------------

// Bytes behind the tag; -1 for a tag that is not known. CP_UTF8 says its own length.
static int constant_size(uint8_t tag)
{
    switch (tag) {
    case CP_CLASS:
    case CP_STRING:
    case CP_METHOD_TYPE:
    case CP_MODULE:
    case CP_PACKAGE:
        return 2;
    case CP_METHOD_HANDLE:
        return 3;
    case CP_INTEGER:
    case CP_FLOAT:
    case CP_FIELDREF:
    case CP_METHODREF:
    case CP_INTERFACE_METHODREF:
    case CP_NAME_AND_TYPE:
    case CP_DYNAMIC:
    case CP_INVOKE_DYNAMIC:
        return 4;
    case CP_LONG:
    case CP_DOUBLE:
        return 8;
    default:
        return -1;
    }
}

static bool read_constants(struct class_file *c, struct class_cursor *at)
{
    ASSERT(c->cp != NULL && c->cp_count > 0);
    for (uint32_t i = 1; i < c->cp_count && !at->bad; i++) {
        c->cp[i] = (uint32_t)(at->p - c->bytes);
        uint8_t tag = read_u1(at);
        int size = tag == CP_UTF8 ? read_u2(at) : constant_size(tag);
        if (size < 0) {
            return false;
        }
        (void)read_bytes(at, (size_t)size);
        i += tag == CP_LONG || tag == CP_DOUBLE; // they take two indices
    }
    c->cp_end = (size_t)(at->p - c->bytes);
    return !at->bad;
}

// The constant at an index when it has the tag; a cursor behind its tag.
static bool constant(const struct class_file *c, uint16_t index, enum cp_tag tag,
                     struct class_cursor *ret_at)
{
    if (index == 0 || index >= c->cp_count || c->cp[index] == 0 || c->bytes[c->cp[index]] != tag) {
        return false;
    }
    ASSERT(c->cp[index] < c->cp_end);
    *ret_at = class_cursor(c->bytes + c->cp[index] + 1, c->cp_end - c->cp[index] - 1);
    return true;
}

struct str class_utf8(const struct class_file *c, uint16_t index)
{
    struct class_cursor at;
    if (!constant(c, index, CP_UTF8, &at)) {
        return STR_NONE;
    }
    size_t n = read_u2(&at);
    const uint8_t *p = read_bytes(&at, n);
    ASSERT(p != NULL); // read_constants() has walked over it
    return (struct str){(const char *)p, n};
}

struct str class_name_at(const struct class_file *c, uint16_t index)
{
    struct class_cursor at;
    return constant(c, index, CP_CLASS, &at) ? class_utf8(c, read_u2(&at)) : STR_NONE;
}

bool class_method_at(const struct class_file *c, uint16_t index, struct str *ret_class,
                     struct str *ret_name, struct str *ret_descriptor)
{
    struct class_cursor at, named;
    if (!constant(c, index, CP_METHODREF, &at)) {
        return false;
    }
    uint16_t class_index = read_u2(&at);
    if (!constant(c, read_u2(&at), CP_NAME_AND_TYPE, &named)) {
        return false;
    }
    *ret_class = class_name_at(c, class_index);
    *ret_name = class_utf8(c, read_u2(&named));
    *ret_descriptor = class_utf8(c, read_u2(&named));
    return true;
}

struct str class_interface(const struct class_file *c, uint16_t i)
{
    ASSERT(i < c->interface_count);
    struct class_cursor at = class_cursor(c->bytes + c->interfaces + 2 * (size_t)i, 2);
    return class_name_at(c, read_u2(&at));
}

// ---- Members ------------------------------------------------------------------------------------

// Moves over the attributes of a member; notes where the Code attribute lies when asked.
static void skip_attributes(const struct class_file *c, struct class_cursor *at, uint16_t count,
                            struct class_method *method)
{
    for (uint16_t i = 0; i < count && !at->bad; i++) {
        const uint8_t *begin = at->p;
        struct str name = class_utf8(c, read_u2(at));
        (void)read_bytes(at, read_u4(at));
        if (method != NULL && !at->bad && str_eq(name, STR("Code"))) {
            at->bad = at->bad || method->code_end != 0; // a second one
            method->code_begin = (size_t)(begin - c->bytes);
            method->code_end = (size_t)(at->p - c->bytes);
        }
    }
}

bool class_next_method(const struct class_file *c, size_t *at, uint16_t index,
                       struct class_method *ret_method)
{
    ASSERT(*at <= c->n && index < c->method_count);
    struct class_cursor r = class_cursor(c->bytes + *at, c->n - *at);
    struct class_method m = {.index = index, .begin = *at};
    m.access = read_u2(&r);
    m.name = class_utf8(c, read_u2(&r));
    m.descriptor = class_utf8(c, read_u2(&r));
    m.attribute_count = read_u2(&r);
    skip_attributes(c, &r, m.attribute_count, &m);
    if (r.bad || m.name.p == NULL || m.descriptor.p == NULL) {
        return false;
    }
    m.end = (size_t)(r.p - c->bytes);
    *at = m.end;
    *ret_method = m;
    return true;
}

static bool read_members(struct class_file *c, struct class_cursor *at)
{
    c->access = read_u2(at);
    c->this_index = read_u2(at);
    c->name = class_name_at(c, c->this_index);
    uint16_t super = read_u2(at);
    c->super = super != 0 ? class_name_at(c, super) : STR("");
    c->interface_count = read_u2(at);
    c->interfaces = (size_t)(at->p - c->bytes);
    (void)read_bytes(at, 2 * (size_t)c->interface_count);
    uint16_t field_count = read_u2(at);
    for (uint16_t i = 0; i < field_count && !at->bad; i++) {
        (void)read_bytes(at, 6);
        skip_attributes(c, at, read_u2(at), NULL);
    }
    c->methods = (size_t)(at->p - c->bytes);
    c->method_count = read_u2(at);
    if (at->bad || c->name.p == NULL || c->super.p == NULL) {
        return false;
    }
    size_t next = c->methods + 2;
    struct class_method unused;
    for (uint16_t i = 0; i < c->method_count; i++) {
        if (!class_next_method(c, &next, i, &unused)) {
            return false;
        }
    }
    c->methods_end = next;
    ASSERT(next <= c->n);
    return true;
}

enum class_result class_parse(struct class_file *ret_class, const uint8_t *bytes, size_t n)
{
    struct class_cursor at = class_cursor(bytes, n);
    struct class_file c = {.bytes = bytes, .n = n};
    ASSERT(ret_class != NULL);
    if (n > CLASS_BYTES_MAX) {
        return CLASS_TOO_LARGE;
    }
    uint32_t magic = read_u4(&at);
    (void)read_u2(&at);
    c.major = read_u2(&at);
    c.cp_count = read_u2(&at);
    if (at.bad || magic != 0xCAFEBABE || c.cp_count == 0) {
        return CLASS_MALFORMED;
    }
    c.cp = calloc(c.cp_count, sizeof *c.cp);
    if (c.cp == NULL) {
        return CLASS_NO_MEMORY;
    }
    if (!read_constants(&c, &at) || !read_members(&c, &at)) {
        class_done(&c);
        return CLASS_MALFORMED;
    }
    *ret_class = c;
    return CLASS_OK;
}

void class_done(struct class_file *c)
{
    ASSERT(c != NULL);
    free(c->cp);
    c->cp = NULL;
}

// ---- Descriptors --------------------------------------------------------------------------------

char descriptor_next(struct str descriptor, size_t *at, struct str *ret_class)
{
    size_t i = *at;
    ASSERT(i <= descriptor.n);
    while (i < descriptor.n && descriptor.p[i] == '[') {
        i++;
    }
    if (i == descriptor.n) {
        return 0;
    }
    char kind = i > *at ? '[' : descriptor.p[i];
    if (descriptor.p[i] == 'L') {
        const char *end = memchr(descriptor.p + i, ';', descriptor.n - i);
        if (end == NULL || end == descriptor.p + i + 1) {
            return 0;
        }
        if (ret_class != NULL) {
            *ret_class = (struct str){descriptor.p + i + 1, (size_t)(end - descriptor.p) - i - 1};
        }
        i = (size_t)(end - descriptor.p);
    } else if (memchr("BCDFIJSZV", descriptor.p[i], 9) == NULL) {
        return 0;
    }
    *at = i + 1;
    return kind;
}

int descriptor_slots(struct str descriptor)
{
    size_t at = 1;
    int slots = 0;
    if (descriptor.n < 3 || descriptor.p[0] != '(') {
        return -1;
    }
    while (at < descriptor.n && descriptor.p[at] != ')') {
        char kind = descriptor_next(descriptor, &at, NULL);
        if (kind == 0 || kind == 'V') {
            return -1;
        }
        slots += kind == 'J' || kind == 'D' ? 2 : 1;
    }
    ASSERT(slots >= 0);
    return at < descriptor.n && slots <= 255 ? slots : -1;
}
