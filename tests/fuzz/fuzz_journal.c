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
    struct segment_found found;
    uint64_t next = 1, last;
    MUST(fs->ops->open(fs, "d/x", FS_WRITE | FS_CREATE, &f) == ERR_OK);
    MUST(size == 0 || f->ops->write_at(f, data, size, 0) == ERR_OK);
    if (segment_header_read(f, 1, &header) != ERR_OK) {
        uint64_t bytes = size > SEGMENT_FRAME_BYTES ? size : SEGMENT_FRAME_BYTES;
        header = (struct segment_header){.first_seq = 1, .acked_seq = 0, .seed = 7};
        MUST(segment_header_write(f, &header, bytes) == ERR_OK);
    }
    enum err e = segment_scan_init(&scan, f, 1, UINT64_MAX, &header);
    while (e == ERR_OK && (e = segment_scan_next(&scan, &found)) == ERR_OK) {
        MUST(found.first_seq == next && found.last_seq >= next);
        next = found.last_seq + 1;
    }
    if (e == ERR_END) {
        (void)segment_scan_torn_bytes(&scan);
    }
    segment_scan_done(&scan);
    MUST(segment_guess_last(f, 1, &last) == ERR_OK);
    f->ops->close(f);
    simfs_free(s);
    return 0;
}
