// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of journal/segment.h: round trip, torn and stale tails.
#include "test.h"

#include "journal/segment.h"
#include "support/simfs.h"

static struct file *make(struct simfs *s, const char *path, uint64_t first_seq, unsigned records)
{
    struct fs *fs = simfs_fs(s);
    struct file *f;
    struct buf b;
    struct segment_header header = {first_seq, first_seq - 1, 77};
    uint64_t chain = header.seed;
    assert_ok(fs->ops->open(fs, path, FS_CREATE | FS_WRITE, &f));
    assert_ok(segment_header_write(f, &header));
    buf_init(&b, 1 << 20);
    for (unsigned i = 0; i < records; i++) {
        char text[100];
        memset(text, (int)('a' + i % 26), sizeof text);
        segment_record_add(&b, &chain, first_seq + i, (struct str){text, 1 + i % 90});
    }
    assert_false(b.failed);
    assert_ok(f->ops->write_at(f, b.p, b.n, SEGMENT_HEADER_BYTES));
    buf_done(&b);
    return f;
}

static unsigned count(struct file *f, uint64_t *ret_torn)
{
    struct segment_scan scan;
    struct segment_header header;
    struct str payload;
    uint64_t seq;
    unsigned n = 0;
    enum err e;
    assert_ok(segment_scan_init(&scan, f, &header));
    while ((e = segment_scan_next(&scan, &seq, &payload)) == ERR_OK) {
        assert_int_equal(seq, header.first_seq + n);
        assert_int_equal(payload.n, 1 + n % 90);
        assert_int_equal(payload.p[0], 'a' + n % 26);
        n++;
    }
    assert_err(e, ERR_END);
    *ret_torn = segment_scan_torn_bytes(&scan);
    segment_scan_done(&scan);
    return n;
}

static void test_every_flipped_byte(void **state)
{
    (void)state;
    struct simfs *s = simfs_new(1);
    struct file *f = make(s, "d/x", 1000, 20);
    uint64_t size, torn;
    assert_ok(f->ops->size(f, &size));
    assert_int_equal(count(f, &torn), 20);
    assert_int_equal(torn, 0);
    for (uint64_t at = SEGMENT_HEADER_BYTES; at < size; at++) {
        char byte, other;
        assert_ok(f->ops->read_at(f, &byte, 1, at));
        other = (char)(byte ^ 0x10);
        assert_ok(f->ops->write_at(f, &other, 1, at));
        // Padding and the reserved word's neighbours aside, a flip ends the chain at its record.
        assert_true(count(f, &torn) <= 20);
        assert_ok(f->ops->write_at(f, &byte, 1, at));
    }
    char bad = 0x55;
    assert_ok(f->ops->write_at(f, &bad, 1, SEGMENT_HEADER_BYTES + RECORD_HEADER_BYTES));
    assert_int_equal(count(f, &torn), 0);
    assert_true(torn > 0);
    assert_ok(f->ops->write_at(f, &bad, 1, 20));
    struct segment_header header;
    assert_err(segment_header_read(f, &header), ERR_CORRUPT);
    f->ops->close(f);
    simfs_free(s);
}

static void test_stale_records_behind_the_end(void **state)
{
    (void)state;
    struct simfs *s = simfs_new(1);
    uint64_t torn;
    struct file *f = make(s, "d/x", 1000, 20);
    f->ops->close(f);
    f = make(s, "d/x", 990, 10); // as long as the first ten: record 1000 follows in sequence
    assert_int_equal(count(f, &torn), 10);
    f->ops->close(f);
    simfs_free(s);
}

static void test_names(void **state)
{
    (void)state;
    char name[SEGMENT_NAME_BYTES];
    uint64_t seq = 0;
    segment_name(0xabc, name);
    assert_string_equal(name, "0000000000000abc.seg");
    assert_ok(segment_name_parse(name, &seq));
    assert_int_equal(seq, 0xabc);
    assert_err(segment_name_parse("0000000000000abg.seg", &seq), ERR_INVALID);
    assert_err(segment_name_parse("spare-1", &seq), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_flipped_byte),
        cmocka_unit_test(test_stale_records_behind_the_end),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
