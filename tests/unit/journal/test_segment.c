// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of journal/segment.h: round trip, damage, torn and stale tails.
#include "test.h"

#include "journal/segment.h"
#include "support/simfs.h"

#define FILE_BYTES ((uint64_t)8192)

static struct file *make(struct simfs *s, const char *path, uint64_t first_seq, unsigned records)
{
    struct fs *fs = simfs_fs(s);
    struct file *f;
    struct buf b;
    struct segment_header header = {first_seq, first_seq - 1, 77 + first_seq};
    assert_ok(fs->ops->open(fs, path, FS_CREATE | FS_WRITE, &f));
    assert_ok(segment_header_write(f, &header, FILE_BYTES));
    buf_init(&b, 1 << 20);
    for (unsigned i = 0; i < records; i++) {
        char text[100];
        memset(text, (int)('a' + i % 26), sizeof text);
        segment_record_add(&b, header.seed, first_seq + i, first_seq - 1,
                           (struct str){text, 1 + i % 90});
    }
    assert_false(b.failed);
    assert_ok(f->ops->write_at(f, b.p, b.n, SEGMENT_HEADER_BYTES));
    buf_done(&b);
    return f;
}

struct counts {
    unsigned records, missing;
    uint64_t torn;
};

// Reads a segment; whatever stands in it, numbers rise without holes and contents are right.
static struct counts count(struct file *f, uint64_t first_seq)
{
    struct segment_scan scan;
    struct segment_header header;
    struct segment_found found;
    struct counts c = {0};
    uint64_t next = first_seq;
    enum err e;
    assert_ok(segment_scan_init(&scan, f, first_seq, UINT64_MAX, &header));
    while ((e = segment_scan_next(&scan, &found)) == ERR_OK) {
        assert_int_equal(found.first_seq, next);
        next = found.last_seq + 1;
        if (found.item == SEGMENT_RECORD) {
            unsigned n = (unsigned)(found.first_seq - first_seq);
            assert_int_equal(found.payload.n, 1 + n % 90);
            assert_int_equal(found.payload.p[0], 'a' + n % 26);
            assert_int_equal(found.durable_seq, first_seq - 1);
            c.records++;
        } else {
            c.missing += (unsigned)(found.last_seq - found.first_seq + 1);
        }
    }
    assert_err(e, ERR_END);
    c.torn = segment_scan_torn_bytes(&scan);
    segment_scan_done(&scan);
    return c;
}

// One flipped byte costs its own record at most: all the others are found, and the hole is told.
static void test_every_flipped_byte(void **state)
{
    (void)state;
    struct simfs *s = simfs_new(1);
    struct file *f = make(s, "d/x", 1000, 20);
    struct segment_scan scan;
    struct segment_header header;
    struct segment_found found;
    struct counts c = count(f, 1000);
    assert_int_equal(c.records, 20);
    assert_int_equal(c.missing + c.torn, 0);
    assert_ok(segment_scan_init(&scan, f, 1000, UINT64_MAX, &header));
    uint64_t last = 0;
    while (segment_scan_next(&scan, &found) == ERR_OK) {
        last = found.offset;
    }
    uint64_t end = scan.offset;
    segment_scan_done(&scan);
    for (uint64_t at = 0; at < end; at++) {
        char byte, other;
        assert_ok(f->ops->read_at(f, &byte, 1, at));
        other = (char)(byte ^ 0x10);
        assert_ok(f->ops->write_at(f, &other, 1, at));
        c = count(f, 1000);
        assert_true(c.records >= 19);
        assert_int_equal(c.records + c.missing, at < last || c.records == 20 ? 20 : 19);
        assert_ok(f->ops->write_at(f, &byte, 1, at));
    }
    char bad = 0x55;
    assert_ok(f->ops->write_at(f, &bad, 1, last + RECORD_HEADER_BYTES));
    assert_true(count(f, 1000).torn > 0);
    f->ops->close(f);
    simfs_free(s);
}

static void test_either_header_will_do(void **state)
{
    (void)state;
    struct simfs *s = simfs_new(1);
    struct file *f = make(s, "d/x", 1000, 20);
    struct segment_header header;
    char zeros[SEGMENT_HEADER_BYTES] = {0};
    uint64_t last = 0;
    assert_ok(f->ops->write_at(f, zeros, sizeof zeros, 0));
    assert_int_equal(count(f, 1000).records, 20);
    assert_ok(f->ops->write_at(f, zeros, sizeof zeros, FILE_BYTES - sizeof zeros));
    assert_err(segment_header_read(f, 1000, &header), ERR_CORRUPT);
    assert_ok(segment_guess_last(f, 1000, &last));
    assert_int_equal(last, 1019);
    assert_ok(segment_guess_last(f, 1001, &last));
    assert_int_equal(last, 1000);
    f->ops->close(f);
    simfs_free(s);
}

static void test_stale_records_behind_the_end(void **state)
{
    (void)state;
    struct simfs *s = simfs_new(1);
    struct file *f = make(s, "d/x", 1000, 20);
    f->ops->close(f);
    f = make(s, "d/x", 990, 10); // as long as the first ten: record 1000 follows in sequence
    assert_int_equal(count(f, 990).records, 10);
    assert_int_equal(count(f, 990).missing, 0);
    f->ops->close(f);
    simfs_free(s);
}

// A sender can put what looks like a record into its spans, but not the sum of its header.
static void test_records_in_payloads_are_not_believed(void **state)
{
    (void)state;
    struct simfs *s = simfs_new(1);
    struct fs *fs = simfs_fs(s);
    struct file *f;
    struct buf fake, b;
    struct segment_header header = {1, 0, 99};
    struct segment_scan scan;
    struct segment_found found;
    buf_init(&fake, 4096);
    buf_init(&b, 8192);
    for (uint64_t seq = 2; seq < 20; seq++) {
        segment_record_add(&fake, 98, seq, 1, STR("believe me"));
    }
    segment_record_add(&b, header.seed, 1, 0, buf_str(&fake));
    segment_lost_add(&b, header.seed, 2, 5);
    segment_record_add(&b, header.seed, 6, 5, STR("real"));
    b.p[1] ^= 1; // the first record's length: what follows must be searched for
    assert_ok(fs->ops->open(fs, "d/x", FS_CREATE | FS_WRITE, &f));
    assert_ok(segment_header_write(f, &header, FILE_BYTES));
    assert_ok(f->ops->write_at(f, b.p, b.n, SEGMENT_HEADER_BYTES));
    assert_ok(segment_scan_init(&scan, f, 1, UINT64_MAX, &header));
    assert_ok(segment_scan_next(&scan, &found));
    assert_int_equal(found.item, SEGMENT_GAP);
    assert_int_equal(found.last_seq, 1);
    assert_ok(segment_scan_next(&scan, &found));
    assert_int_equal(found.item, SEGMENT_LOST);
    assert_int_equal(found.last_seq, 5);
    assert_ok(segment_scan_next(&scan, &found));
    assert_str(found.payload, "real");
    assert_err(segment_scan_next(&scan, &found), ERR_END);
    segment_scan_done(&scan);
    buf_done(&fake);
    buf_done(&b);
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
        cmocka_unit_test(test_either_header_will_do),
        cmocka_unit_test(test_records_in_payloads_are_not_believed),
        cmocka_unit_test(test_stale_records_behind_the_end),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
