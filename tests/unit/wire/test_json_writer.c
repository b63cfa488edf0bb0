// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of wire/json_writer.h.
#include "test.h"

#include <math.h>

#include "wire/json_writer.h"

static void test_containers(void **state)
{
    (void)state;
    struct buf out;
    struct json_writer w;
    buf_init(&out, 4096);
    json_writer_init(&w, &out);
    json_put_object(&w);
    json_put_key(&w, "a");
    json_put_array(&w);
    json_put_i64(&w, INT64_MIN);
    json_put_i64(&w, -1);
    json_put_u64(&w, UINT64_MAX);
    json_put_u64(&w, 0);
    json_put_array(&w);
    json_put_array_end(&w);
    json_put_bool(&w, true);
    json_put_null(&w);
    json_put_array_end(&w);
    json_put_key_str(&w, STR("b\"\n"));
    json_put_object(&w);
    json_put_object_end(&w);
    json_put_key(&w, "n");
    json_put_i64(&w, -5);
    json_put_key(&w, "c");
    buf_add_str(json_put_raw(&w), STR("[1]"));
    json_put_object_end(&w);
    assert_str(buf_str(&out),
               "{\"a\":[-9223372036854775808,-1,18446744073709551615,0,[],true,null],"
               "\"b\\\"\\n\":{},\"n\":-5,\"c\":[1]}");
    buf_done(&out);
}

static void test_strings(void **state)
{
    (void)state;
    struct buf out;
    struct json_writer w;
    buf_init(&out, 4096);
    json_writer_init(&w, &out);
    json_put_array(&w);
    json_put_str(&w, STR("\x01\\/ \t\r\x7f"));
    json_put_str(&w, STR("h\xc3\xa9 \xff\xc3(\xf0\x9f\x98\x80"));
    json_put_str(&w, STR_NONE);
    for (size_t i = 0; i < 5; i++) { // each alone in what is plain but for it
        static const char *const odd[] = {"a\"b", "a\\b", "a\x1f", "\x7f", "\xc3\xa9"};
        json_put_str(&w, str_of(odd[i]));
    }
    json_put_array_end(&w);
    assert_str(buf_str(&out), "[\"\\u0001\\\\/ \\t\\r\\u007f\","
                              "\"h\xc3\xa9 \xef\xbf\xbd\xef\xbf\xbd(\xf0\x9f\x98\x80\",\"\","
                              "\"a\\\"b\",\"a\\\\b\",\"a\\u001f\",\"\\u007f\",\"\xc3\xa9\"]");
    buf_done(&out);
}

static void test_doubles(void **state)
{
    (void)state;
    struct buf out;
    struct json_writer w;
    buf_init(&out, 4096);
    json_writer_init(&w, &out);
    json_put_array(&w);
    json_put_double(&w, 0.1);
    json_put_double(&w, 1.0 / 3);
    json_put_double(&w, -0.0);
    json_put_double(&w, 1e300);
    json_put_double(&w, NAN);
    json_put_double(&w, -INFINITY);
    json_put_array_end(&w);
    assert_str(buf_str(&out), "[0.1,0.3333333333333333,-0,1e+300,\"NaN\",\"-Infinity\"]");
    buf_done(&out);
}

static void test_limit(void **state)
{
    (void)state;
    struct buf out;
    struct json_writer w;
    buf_init(&out, 8);
    json_writer_init(&w, &out);
    json_put_array(&w);
    json_put_str(&w, STR("longer than eight"));
    json_put_array_end(&w);
    assert_true(out.failed);
    assert_true(out.n <= 8);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_containers),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_doubles),
        cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
