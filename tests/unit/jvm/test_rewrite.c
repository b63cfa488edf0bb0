// SPDX-License-Identifier: Apache-2.0
// Purpose: agents/jvm: reading and rewriting class files. What a JVM's verifier says of the result
// is tested by tests/jvm/gate.
#include <stdlib.h>

#include "agents/jvm/emit.h"
#include "agents/jvm/rewrite_internal.h"
#include "test.h"

static struct probe probe = {.id = 7, .kind = PROBE_SPAN};

static const struct probe *named(void *ctx, const struct class_file *c,
                                 const struct class_method *m)
{
    (void)c;
    return str_eq(m->name, str_of(ctx)) ? &probe : NULL;
}

static struct bytes_out boot(void)
{
    struct bytes_out o;
    out_init(&o, 65536);
    emit_boot(&o);
    assert_false(o.failed);
    return o;
}

static void test_a_class_is_read(void **state)
{
    (void)state;
    struct bytes_out o = boot();
    struct class_file c;
    struct class_method m;
    assert_int_equal(class_parse(&c, o.p, o.n), CLASS_OK);
    assert_true(str_eq(c.name, STR("sonde/Boot")));
    assert_true(str_eq(c.super, STR("java/lang/Object")));
    assert_int_equal(c.method_count, 2);
    size_t at = c.methods + 2;
    assert_true(class_next_method(&c, &at, 0, &m));
    assert_true(str_eq(m.name, STR("init")) && m.code_end == 0);
    assert_true(class_next_method(&c, &at, 1, &m));
    assert_true(str_eq(m.name, STR("run")) && m.code_end > m.code_begin);
    assert_int_equal(at, c.methods_end);
    class_done(&c);
    out_done(&o);
}

// The rewritten class: probed where asked, every other method the same, one handler more.
static void test_a_method_is_probed(void **state)
{
    (void)state;
    struct bytes_out o = boot();
    struct class_file c, after;
    struct class_method m;
    struct rewritten r;
    assert_int_equal(class_parse(&c, o.p, o.n), CLASS_OK);
    assert_int_equal(rewrite_class(&c, named, (void *)"nothing", &r), CLASS_OK);
    assert_null(r.bytes);
    assert_int_equal(rewrite_class(&c, named, (void *)"init", &r), CLASS_OK);
    assert_null(r.bytes); // it has no code
    assert_int_equal(rewrite_class(&c, named, (void *)"run", &r), CLASS_OK);
    assert_int_equal(r.probed, 1);
    assert_int_equal(r.declined, 0);
    assert_int_equal(class_parse(&after, r.bytes, r.n), CLASS_OK);
    size_t at = after.methods + 2;
    assert_true(class_next_method(&after, &at, 0, &m));
    assert_true(class_next_method(&after, &at, 1, &m));
    const uint8_t *code = after.bytes + m.code_begin + 14;
    // sipush 7, aconst_null (no this), three nulls, lconst_0, invokestatic enter, lstore 0.
    static const uint8_t prologue[] = {17, 0, 7, 1, 1, 1, 1, 9, 184};
    assert_memory_equal(code, prologue, sizeof prologue);
    assert_int_equal(code[11], 55);
    assert_int_equal(after.bytes[m.code_begin + 9], 2); // max_locals: the token's two
    class_done(&after);
    free(r.bytes);
    class_done(&c);
    out_done(&o);
}

// A class a/C whose method make(int) gives what make() gives, and that an object of its own makes.
static struct bytes_out delegate(bool jumps)
{
    struct constants k = {.next = 1};
    struct bytes_out o, methods;
    out_init(&k.out, 65536);
    out_init(&methods, 65536);
    out_init(&o, 65536);
    uint16_t class = constants_class(&k, STR("a/C"));
    uint16_t super = constants_class(&k, STR("java/lang/Object"));
    uint16_t name = constants_utf8(&k, STR("make")), code = constants_utf8(&k, STR("Code"));
    uint16_t types[] = {constants_utf8(&k, STR("(I)La/C;")), constants_utf8(&k, STR("()La/C;"))};
    uint16_t call = constants_method(&k, CP_METHODREF, class, STR("make"), STR("()La/C;"));
    // aload_0; goto behind it, or nothing for three bytes; invokevirtual make(); areturn.
    const uint8_t to_other[] = {
        42, jumps ? 167 : 0, 0, jumps ? 3 : 0, 182, (uint8_t)(call >> 8), (uint8_t)call, 176};
    static const uint8_t itself[] = {42, 176};
    const struct str codes[] = {{(const char *)to_other, sizeof to_other},
                                {(const char *)itself, sizeof itself}};
    for (int i = 0; i < 2; i++) {
        const unsigned head[] = {1,
                                 name,
                                 types[i],
                                 1,
                                 code,
                                 0,
                                 (unsigned)(12 + codes[i].n),
                                 1,
                                 2,
                                 0,
                                 (unsigned)codes[i].n};
        for (size_t at = 0; at < sizeof head / sizeof *head; at++) {
            out_u2(&methods, head[at]);
        }
        out_bytes(&methods, codes[i].p, codes[i].n);
        out_u4(&methods, 0);
    }
    out_u4(&o, 0xCAFEBABE);
    out_u4(&o, 49);
    out_u2(&o, k.next);
    out_bytes(&o, k.out.p, k.out.n);
    const unsigned middle[] = {0x21, class, super, 0, 0, 2};
    for (size_t i = 0; i < sizeof middle / sizeof *middle; i++) {
        out_u2(&o, middle[i]);
    }
    out_bytes(&o, methods.p, methods.n);
    out_u2(&o, 0);
    assert_false(o.failed);
    constants_done(&k);
    out_done(&methods);
    return o;
}

static unsigned probed_of(bool jumps, enum probe_kind kind)
{
    struct bytes_out o = delegate(jumps);
    struct class_file c;
    struct rewritten r;
    assert_int_equal(class_parse(&c, o.p, o.n), CLASS_OK);
    probe.kind = (uint8_t)kind;
    assert_int_equal(rewrite_class(&c, named, (void *)"make", &r), CLASS_OK);
    probe.kind = PROBE_SPAN;
    free(r.bytes);
    class_done(&c);
    out_done(&o);
    return r.probed;
}

static void test_of_methods_that_make_the_last_one_called_is_probed(void **state)
{
    (void)state;
    assert_int_equal(probed_of(false, PROBE_MADE), 1);
    assert_int_equal(probed_of(true, PROBE_MADE), 2); // it may do something else
    assert_int_equal(probed_of(false, PROBE_SPAN), 2);
}

static void rewrite_all_kinds(const uint8_t *bytes, size_t n)
{
    struct class_file c;
    if (class_parse(&c, bytes, n) != CLASS_OK) {
        return;
    }
    for (probe.kind = PROBE_SPAN; probe.kind <= PROBE_GONE; probe.kind++) {
        struct rewritten r = {0};
        if (rewrite_class(&c, named, (void *)"run", &r) == CLASS_OK) {
            free(r.bytes);
        }
    }
    probe.kind = PROBE_SPAN;
    class_done(&c);
}

// Whatever is cut or flipped is noticed or harmless; the sanitizers watch. Exact copies, so that a
// read past the end is seen.
static void test_bad_classes(void **state)
{
    (void)state;
    struct bytes_out o = boot();
    for (size_t n = 0; n < o.n; n++) {
        uint8_t *cut = malloc(n > 0 ? n : 1);
        assert_non_null(cut);
        memcpy(cut, o.p, n);
        struct class_file c;
        if (n < o.n - 2) { // the class's own attributes are not looked at
            assert_int_not_equal(class_parse(&c, cut, n), CLASS_OK);
        }
        free(cut);
    }
    for (size_t bit = 0; bit < 8 * o.n; bit++) {
        o.p[bit / 8] ^= (uint8_t)(1U << bit % 8);
        rewrite_all_kinds(o.p, o.n);
        o.p[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    out_done(&o);
}

static void put_utf8(struct bytes_out *o, const char *text)
{
    out_utf8(o, str_of(text));
}

// A class whose method run() takes what `descriptor` says and has as many locals, exception
// handlers, empty line tables and `same` frames.
static struct bytes_out large(const char *descriptor, unsigned locals, unsigned handlers,
                              unsigned tables, unsigned frames)
{
    enum { NAME = 5, DESCRIPTOR, CODE, LINES, FRAMES, CONSTANTS, PLACES = 20000 };
    static const uint8_t nops[PLACES];
    struct bytes_out o;
    out_init(&o, CLASS_BYTES_MAX);
    out_u4(&o, 0xCAFEBABE);
    out_u4(&o, 52);
    out_u2(&o, CONSTANTS);
    put_utf8(&o, "A");
    out_bytes(&o, (uint8_t[]){CP_CLASS, 0, 1}, 3);
    put_utf8(&o, "java/lang/Object");
    out_bytes(&o, (uint8_t[]){CP_CLASS, 0, 3}, 3);
    put_utf8(&o, "run");
    put_utf8(&o, descriptor);
    put_utf8(&o, "Code");
    put_utf8(&o, "LineNumberTable");
    put_utf8(&o, "StackMapTable");
    out_bytes(&o, (uint8_t[]){0, 1, 0, 2, 0, 4, 0, 0, 0, 0, 0, 1}, 12);
    out_bytes(&o, (uint8_t[]){0, ACC_STATIC, 0, NAME, 0, DESCRIPTOR, 0, 1, 0, CODE}, 10);
    size_t begin = o.n;
    out_u4(&o, 0);
    out_u2(&o, 1); // stack
    out_u2(&o, locals);
    out_u4(&o, PLACES + 1);
    out_bytes(&o, nops, PLACES);
    out_u1(&o, 177); // return
    out_u2(&o, handlers);
    for (unsigned i = 0; i < handlers; i++) {
        out_bytes(&o, (uint8_t[]){0, 0, 0, 1, 0, 0, 0, 0}, 8);
    }
    out_u2(&o, tables + (frames > 0));
    for (unsigned i = 0; i < tables; i++) {
        out_bytes(&o, (uint8_t[]){0, LINES, 0, 0, 0, 2, 0, 0}, 8);
    }
    if (frames > 0) {
        out_u2(&o, FRAMES);
        out_u4(&o, 2 + frames);
        out_u2(&o, frames);
        out_bytes(&o, nops, frames);
    }
    out_set_u4(&o, begin, (uint32_t)(o.n - begin - 4));
    out_u2(&o, 0);
    assert_false(o.failed);
    return o;
}

static void assert_declined(struct bytes_out o, enum class_result expected)
{
    struct class_file c;
    struct rewritten r = {0};
    assert_int_equal(class_parse(&c, o.p, o.n), CLASS_OK);
    assert_int_equal(rewrite_class(&c, named, (void *)"run", &r), CLASS_OK);
    assert_int_equal(r.declined, expected != CLASS_OK);
    assert_int_equal(r.why_declined, expected);
    free(r.bytes);
    class_done(&c);
    out_done(&o);
}

// What leaves no room for a handler, an attribute or frames more is left as it was.
static void test_methods_at_the_formats_limits(void **state)
{
    (void)state;
    assert_declined(large("()V", 0, 65534, 65533, 20000), CLASS_OK);
    assert_declined(large("()V", 0, 65535, 0, 0), CLASS_TOO_LARGE);
    assert_declined(large("()V", 0, 0, 65535, 0), CLASS_TOO_LARGE);
    assert_declined(large("()V", 60000, 0, 0, 20000), CLASS_TOO_LARGE); // 1.2 GB of frames
    assert_declined(large("(L;)V", 1, 0, 0, 1), CLASS_MALFORMED);       // a class without a name
}

static void test_descriptors(void **state)
{
    (void)state;
    assert_int_equal(descriptor_slots(STR("()V")), 0);
    assert_int_equal(descriptor_slots(STR("(IJLjava/lang/String;[[D)V")), 5);
    assert_int_equal(descriptor_slots(STR("(")), -1);
    assert_int_equal(descriptor_slots(STR("(V)V")), -1);
    assert_int_equal(descriptor_slots(STR("(Ljava/lang")), -1);
    assert_int_equal(descriptor_slots(STR("([)V")), -1);
    assert_int_equal(descriptor_slots(STR("(L;)V")), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_class_is_read),
        cmocka_unit_test(test_a_method_is_probed),
        cmocka_unit_test(test_of_methods_that_make_the_last_one_called_is_probed),
        cmocka_unit_test(test_bad_classes),
        cmocka_unit_test(test_methods_at_the_formats_limits),
        cmocka_unit_test(test_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
