// SPDX-License-Identifier: Apache-2.0
// Purpose: agents/jvm/packer: what goes to another machine is packed and comes out the same, also
// where packing makes it longer; what stays on this machine is not.
#include <libdeflate.h>

#include "agents/jvm/packer.h"
#include "test.h"

#define BODY_MAX 65536

static struct post_target to(const char *url)
{
    struct post_target t;
    assert_true(post_target_parse(str_of(url), &t));
    return t;
}

static void test_nothing_is_packed_on_the_way_to_this_machine(void **state)
{
    (void)state;
    static const char *const here[] = {"http://127.0.0.1:4318", "http://127.1.2.3:4318",
                                       "http://localhost:4318", "http://[::1]:4318"};
    static const char *const elsewhere[] = {"http://10.0.0.1:4318", "http://0.0.0.0:4318",
                                            "http://localhost.example:4318", "http://[::2]:4318",
                                            "http://sonde"};
    for (size_t i = 0; i < sizeof here / sizeof *here; i++) {
        struct post_target t = to(here[i]);
        struct packer p;
        assert_false(packer_is_needed(&t));
        assert_true(packer_init(&p, &t, BODY_MAX));
        assert_true(str_eq(packer_pack(&p, STR("a body")), STR("a body")));
        packer_done(&p);
    }
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++) {
        struct post_target t = to(elsewhere[i]);
        assert_true(packer_is_needed(&t));
    }
}

static void check_packed(struct packer *p, struct str body)
{
    static uint8_t out[BODY_MAX];
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    size_t n = 0;
    struct str packed = packer_pack(p, body);
    assert_int_equal(libdeflate_gzip_decompress(d, packed.p, packed.n, out, sizeof out, &n), 0);
    assert_int_equal(n, body.n);
    assert_memory_equal(out, body.p, n);
    libdeflate_free_decompressor(d);
}

static void test_what_is_packed_comes_out_the_same(void **state)
{
    (void)state;
    static char body[BODY_MAX];
    struct post_target t = to("http://10.0.0.1:4318");
    struct packer p;
    assert_true(packer_init(&p, &t, BODY_MAX));
    check_packed(&p, (struct str){body, BODY_MAX});
    assert_true(packer_pack(&p, (struct str){body, BODY_MAX}).n < BODY_MAX / 100);
    uint64_t x = 1;
    for (size_t i = 0; i < sizeof body; i++) { // what cannot be packed
        x = x * 6364136223846793005U + 1442695040888963407U;
        body[i] = (char)(x >> 56);
    }
    check_packed(&p, (struct str){body, BODY_MAX});
    check_packed(&p, (struct str){body, 1});
    packer_done(&p);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_packed_on_the_way_to_this_machine),
        cmocka_unit_test(test_what_is_packed_comes_out_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
