// SPDX-License-Identifier: Apache-2.0
// Purpose: constants that a probed class gains.
#include "agents/jvm/rewrite_internal.h"
#include "core/must.h"

// Takes the next index for the constant that is about to be written.
static uint16_t take_index(struct constants *k)
{
    ASSERT(k->next > 0);
    if (k->next >= UINT16_MAX) { // the count of constants, one more than the last, has two bytes
        k->out.failed = true;
        return 0;
    }
    return (uint16_t)k->next++;
}

uint16_t constants_utf8(struct constants *k, struct str s)
{
    uint16_t index = take_index(k);
    out_utf8(&k->out, s);
    return index;
}

// A constant that names a text: a Class or a String.
static uint16_t add_named(struct constants *k, enum cp_tag tag, struct str name)
{
    uint16_t utf8 = constants_utf8(k, name);
    uint16_t index = take_index(k);
    out_u1(&k->out, tag);
    out_u2(&k->out, utf8);
    return index;
}

uint16_t constants_string(struct constants *k, struct str text)
{
    return add_named(k, CP_STRING, text);
}

uint16_t constants_method(struct constants *k, enum cp_tag tag, uint16_t class_index,
                          struct str name, struct str descriptor)
{
    ASSERT(tag == CP_METHODREF || tag == CP_INTERFACE_METHODREF || tag == CP_FIELDREF);
    uint16_t name_index = constants_utf8(k, name);
    uint16_t descriptor_index = constants_utf8(k, descriptor);
    uint16_t name_and_type = take_index(k);
    out_u1(&k->out, CP_NAME_AND_TYPE);
    out_u2(&k->out, name_index);
    out_u2(&k->out, descriptor_index);
    uint16_t index = take_index(k);
    out_u1(&k->out, tag);
    out_u2(&k->out, class_index);
    out_u2(&k->out, name_and_type);
    return index;
}

static uint16_t add_method(struct constants *k, uint16_t class_index, struct str name,
                           struct str descriptor)
{
    return constants_method(k, CP_METHODREF, class_index, name, descriptor);
}

void constants_init(struct constants *k, const struct class_file *c)
{
    ASSERT(c->cp_count > 0);
    *k = (struct constants){.next = c->cp_count};
    out_init(&k->out, CLASS_BYTES_MAX);
    uint16_t bridge = add_named(k, CP_CLASS, STR(BRIDGE_CLASS));
    k->enter = add_method(k, bridge, STR("enter"), STR(BRIDGE_ENTER_DESCRIPTOR));
    k->note = add_method(k, bridge, STR("note"), STR(BRIDGE_NOTE_DESCRIPTOR));
    k->exit = add_method(k, bridge, STR("exit"), STR(BRIDGE_EXIT_DESCRIPTOR));
    k->exitp = add_method(k, bridge, STR("exitP"), STR(BRIDGE_EXITP_DESCRIPTOR));
    k->fail = add_method(k, bridge, STR("fail"), STR(BRIDGE_FAIL_DESCRIPTOR));
    k->enter_held = add_method(k, bridge, STR("enterHeld"), STR(BRIDGE_ENTER_DESCRIPTOR));
    k->number = add_method(k, bridge, STR("number"), STR(BRIDGE_ENTER_DESCRIPTOR));
    k->hold = add_method(k, bridge, STR("hold"), STR(BRIDGE_HOLD_DESCRIPTOR));
    k->gone = add_method(k, bridge, STR("gone"), STR(BRIDGE_GONE_DESCRIPTOR));
    k->enter_read = add_method(k, bridge, STR("enterRead"), STR(BRIDGE_ENTER_DESCRIPTOR));
    k->exit_read = add_method(k, bridge, STR("exitRead"), STR(BRIDGE_EXIT_READ_DESCRIPTOR));
    k->fail_read = add_method(k, bridge, STR("failRead"), STR(BRIDGE_FAIL_READ_DESCRIPTOR));
    k->throwable = add_named(k, CP_CLASS, STR("java/lang/Throwable"));
    k->object = add_named(k, CP_CLASS, STR("java/lang/Object"));
    k->stack_map_table = constants_utf8(k, STR("StackMapTable"));
}

void constants_done(struct constants *k)
{
    out_done(&k->out);
}

bool constants_too_large(const struct constants *k)
{
    return k->next >= UINT16_MAX;
}

uint16_t constants_class(struct constants *k, struct str name)
{
    unsigned kept = k->recent_count < RECENT_CLASSES ? k->recent_count : RECENT_CLASSES;
    ASSERT(name.n > 0);
    for (unsigned i = 0; i < kept; i++) {
        if (str_eq(k->recent[i].name, name)) {
            return k->recent[i].index;
        }
    }
    uint16_t index = add_named(k, CP_CLASS, name);
    unsigned slot = k->recent_count++ % RECENT_CLASSES;
    k->recent[slot].name = name;
    k->recent[slot].index = index;
    return index;
}
