// SPDX-License-Identifier: Apache-2.0
// Purpose: fuzzes the journal's segment reader: the input is a whole segment file. Inputs without a
// valid header get one, so that the fuzzer reaches the records.
#include "core/mem.h"
#include "core/must.h"
#include "journal/segment.h"
#include "support/simfs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct simfs *s = simfs_new(1);
    struct fs *fs = simfs_fs(s);
    struct file *f;
    struct segment_scan scan;
    struct segment_header header;
    struct str payload;
    uint64_t seq, last = 0;
    MUST(fs->ops->open(fs, "d/x", FS_WRITE | FS_CREATE, &f) == ERR_OK);
    MUST(size == 0 || f->ops->write_at(f, data, size, 0) == ERR_OK);
    if (segment_header_read(f, &header) != ERR_OK) {
        header = (struct segment_header){.first_seq = 1, .acked_seq = 0, .seed = 7};
        MUST(segment_header_write(f, &header) == ERR_OK);
    }
    enum err e = segment_scan_init(&scan, f, &header);
    while (e == ERR_OK && (e = segment_scan_next(&scan, &seq, &payload)) == ERR_OK) {
        MUST(last == 0 || seq == last + 1);
        last = seq;
    }
    if (e == ERR_END) {
        (void)segment_scan_torn_bytes(&scan);
    }
    segment_scan_done(&scan);
    f->ops->close(f);
    simfs_free(s);
    return 0;
}
