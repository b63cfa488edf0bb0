// SPDX-License-Identifier: Apache-2.0
// Purpose: agents/jvm/reader_class: what is written is a class, and calls what it was told to call
// and nothing that is left out. Whether the JVM's verifier likes it, and what it gives, is seen in
// tests/jvm/web_containers.
#include "agents/jvm/bridge_class.h"
#include "agents/jvm/bytecode.h"
#include "agents/jvm/classfile.h"
#include "agents/jvm/reader_class.h"
#include "test.h"

static const struct reader_step STEPS[] = {
    {"a/Request", "getName", "()Ljava/lang/String;"},
    {"a/Request", "getHeader", "(Ljava/lang/String;)Ljava/lang/String;", "accept"},
    {"a/Request", "getPort", "()I"},
    {"a/Request", "isOpen", "()Z", .is_optional = true},
    {"a/Request", "getMapping", "()La/Mapping;", .is_optional = true},
    {"a/Mapping", "getPattern", "()Ljava/lang/String;", .of = READER_LINK},
    {"a/Response", "getStatus", "()I", .of = READER_B},
    {"a/Request", "set", "(Ljava/lang/String;Ljava/lang/Object;)V", "mark", "1"},
};
enum { COUNT = sizeof STEPS / sizeof *STEPS, CODE_AT = 6 + 2 + 2 + 4, CODE_TAIL = 4 };

// How many interface methods the class's code calls, and how many values it separates.
static void count(const struct bytes_out *o, unsigned *ret_calls, unsigned *ret_separators)
{
    struct class_file c;
    struct class_method m;
    assert_false(o->failed);
    assert_int_equal(class_parse(&c, o->p, o->n), CLASS_OK);
    assert_true(str_eq(c.name, STR("a/Reader")));
    assert_true(str_eq(c.super, STR(READING_CLASS)));
    assert_int_equal(c.method_count, 2);
    size_t at = c.methods + 2;
    assert_true(class_next_method(&c, &at, 0, &m));
    assert_true(str_eq(m.name, STR(READER_METHOD)));
    assert_true(str_eq(m.descriptor, STR(READER_DESCRIPTOR)));
    const uint8_t *code = o->p + m.code_begin + CODE_AT;
    size_t n = m.code_end - m.code_begin - CODE_AT - CODE_TAIL, pc = 0;
    *ret_calls = *ret_separators = 0;
    for (uint8_t last = 0; pc < n; pc += instruction_size(code, n, pc)) {
        assert_int_not_equal(instruction_size(code, n, pc), 0);
        last = code[pc];
        *ret_calls += last == OP_INVOKEINTERFACE;
        *ret_separators += last == OP_SIPUSH && code[pc + 2] == READER_SEPARATOR;
        assert_int_equal(last == OP_ARETURN, pc + 1 == n);
    }
    assert_int_equal(pc, n);
    assert_true(class_next_method(&c, &at, 1, &m)); // the bridge's way to it
    assert_true(str_eq(m.name, STR(READING_METHOD)));
    assert_true(str_eq(m.descriptor, STR(READER_DESCRIPTOR)));
    code = o->p + m.code_begin + CODE_AT; // of another loader's interface nothing is read
    assert_int_equal(code[1], OP_INSTANCEOF);
    assert_true(str_eq(class_name_at(&c, (uint16_t)(code[2] << 8 | code[3])), STR("a/Request")));
    class_done(&c);
}

static void test_every_step_is_called_and_has_a_value(void **state)
{
    (void)state;
    struct bytes_out o;
    unsigned calls, separators;
    out_init(&o, 65536);
    emit_reader(&o, STR("a/Reader"), STEPS, COUNT, 0);
    count(&o, &calls, &separators);
    assert_int_equal(calls, COUNT);
    assert_int_equal(separators, COUNT);
    out_done(&o);
}

static void test_what_is_left_out_has_an_empty_value(void **state)
{
    (void)state;
    struct bytes_out o;
    unsigned calls, separators;
    out_init(&o, 65536);
    emit_reader(&o, STR("a/Reader"), STEPS, COUNT, 1 << 3 | 1 << 4 | 1 << 5);
    count(&o, &calls, &separators);
    assert_int_equal(calls, COUNT - 3);
    assert_int_equal(separators, COUNT);
    out_done(&o);
}

static void test_no_room_is_told(void **state)
{
    (void)state;
    struct bytes_out o;
    out_init(&o, 100);
    emit_reader(&o, STR("a/Reader"), STEPS, COUNT, 0);
    assert_true(o.failed);
    out_done(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_step_is_called_and_has_a_value),
        cmocka_unit_test(test_what_is_left_out_has_an_empty_value),
        cmocka_unit_test(test_no_room_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
