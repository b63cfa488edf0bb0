// SPDX-License-Identifier: Apache-2.0
// Purpose: agents/jvm/bridge_class: what is written are classes with the methods that rewritten
// code calls. Whether the JVM's verifier likes them is seen in tests/jvm/gate, what they do in the
// others of tests/jvm.
#include "agents/jvm/bridge_class.h"
#include "agents/jvm/classfile.h"
#include "test.h"

// Of the bridge's class file. A bridge that is another one needs another number in BRIDGE_CLASS:
// the JVM keeps the one of an agent that was there before.
#define BRIDGE_HASH 0x1160c057c8dc2f15ULL

static void open_class(struct bytes_out *o, struct class_file *c, void (*emit)(struct bytes_out *o))
{
    out_init(o, CLASS_BYTES_MAX);
    emit(o);
    assert_false(o->failed);
    assert_int_equal(class_parse(c, o->p, o->n), CLASS_OK);
}

// Whether there is such a method, and whether it has code.
static bool has_method(const struct class_file *c, const char *name, const char *descriptor,
                       bool *ret_code)
{
    struct class_method m;
    size_t at = c->methods + 2;
    for (uint16_t i = 0; i < c->method_count; i++) {
        assert_true(class_next_method(c, &at, i, &m));
        if (str_eq(m.name, str_of(name)) && str_eq(m.descriptor, str_of(descriptor))) {
            *ret_code = m.code_end != 0;
            return true;
        }
    }
    return false;
}

static void test_the_bridge_has_what_rewritten_code_calls(void **state)
{
    (void)state;
    static const char *const called[][2] = {
        {"exit", BRIDGE_EXIT_DESCRIPTOR},          {"exitP", BRIDGE_EXITP_DESCRIPTOR},
        {"fail", BRIDGE_FAIL_DESCRIPTOR},          {"enterHeld", BRIDGE_ENTER_DESCRIPTOR},
        {"hold", BRIDGE_HOLD_DESCRIPTOR},          {"gone", BRIDGE_GONE_DESCRIPTOR},
        {"enterRead", BRIDGE_ENTER_DESCRIPTOR},    {"exitRead", BRIDGE_EXIT_READ_DESCRIPTOR},
        {"failRead", BRIDGE_FAIL_READ_DESCRIPTOR},
    };
    struct bytes_out o;
    struct class_file c;
    bool has_code;
    open_class(&o, &c, emit_bridge);
    assert_true(str_eq(c.name, STR(BRIDGE_CLASS)));
    for (size_t i = 0; i < sizeof called / sizeof *called; i++) {
        assert_true(has_method(&c, called[i][0], called[i][1], &has_code) && has_code);
    }
#define IS_NATIVE(name, descriptor)                                                                \
    assert_true(has_method(&c, #name, descriptor, &has_code) && !has_code);
    BRIDGE_NATIVE_LIST(IS_NATIVE)
    class_done(&c);
    out_done(&o);
}

static void test_another_bridge_has_another_name(void **state)
{
    (void)state;
    struct bytes_out o;
    struct class_file c;
    open_class(&o, &c, emit_bridge);
    uint64_t hash = str_hash_stable((struct str){(const char *)o.p, o.n});
    if (hash != BRIDGE_HASH) {
        print_message("the bridge's hash is 0x%llx\n", (unsigned long long)hash);
    }
    assert_true(hash == BRIDGE_HASH);
    class_done(&c);
    out_done(&o);
}

static void test_what_the_bridge_holds(void **state)
{
    (void)state;
    struct bytes_out o;
    struct class_file c;
    bool has_code;
    open_class(&o, &c, emit_held);
    assert_true(str_eq(c.super, STR("java/lang/ref/WeakReference"))); // it keeps nothing alive
    assert_true(has_method(&c, "<init>", BRIDGE_HOLD_DESCRIPTOR, &has_code) && has_code);
    class_done(&c);
    out_done(&o);
    open_class(&o, &c, emit_reading);
    assert_true(has_method(&c, READING_METHOD,
                           "(Ljava/lang/Object;Ljava/lang/Object;)Ljava/lang/String;", &has_code));
    assert_false(has_code); // a reader's class has it
    class_done(&c);
    out_done(&o);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_bridge_has_what_rewritten_code_calls),
        cmocka_unit_test(test_another_bridge_has_another_name),
        cmocka_unit_test(test_what_the_bridge_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
