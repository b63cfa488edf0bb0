// SPDX-License-Identifier: Apache-2.0
// Purpose: one segment file of the local journal: its byte format, making one, scanning one.
//
// A segment is a file named %016llx.seg after its first sequence number:
//
//   header, 64 bytes     u64 magic "SONDEJL1" | u64 first_seq | u64 acked_seq | u64 seed |
//                        u64 zero x 3 | u64 XXH3-64 of the 56 bytes before
//   records, from 64 on  u32 payload bytes | u32 zero | u64 seq | u64 checksum | payload | zeros up
//                        to a multiple of 8
//
// All integers are little-endian. `checksum` is XXH3-64 of the payload, seeded with
// (checksum of the record before, or the header's seed) + seq + length: each record vouches for the
// whole chain before it in its segment. Segments are recycled, so behind the last record stand
// stale bytes; the chain and the sequence tell them apart from records: whatever does not continue
// both is the end.
//
// `acked_seq` is the last sequence number that was durable when the segment was begun. The end of
// an older segment may be torn (a crash, or a failed sync after which the journal moved on to a new
// segment), but everything up to the acked_seq of its successor was acknowledged: if less than that
// can be read, data is lost and the journal does not open.
#ifndef SONDE_JOURNAL_SEGMENT_H
#define SONDE_JOURNAL_SEGMENT_H

#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"
#include "os/fs.h"

#define SEGMENT_HEADER_BYTES ((size_t)64)
#define RECORD_HEADER_BYTES  ((size_t)24)
#define SEGMENT_NAME_BYTES   21 // 16 digits, ".seg", NUL

struct segment_header {
    uint64_t first_seq, acked_seq, seed;
};

void segment_name(uint64_t first_seq, char out[SEGMENT_NAME_BYTES]);

// Whether the name is one that segment_name() gives, and of which first_seq.
MUST_CHECK enum err segment_name_parse(const char *name, uint64_t *ret_first_seq);

MUST_CHECK enum err segment_header_write(struct file *f, const struct segment_header *header);

// ERR_CORRUPT when there is no valid header.
MUST_CHECK enum err segment_header_read(struct file *f, struct segment_header *ret_header);

// Room that a record with this payload takes.
size_t segment_record_bytes(size_t payload_bytes);

// Appends a record to a buffer of records; `chain` is the checksum of the record before it and
// becomes the checksum of this one.
void segment_record_add(struct buf *out, uint64_t *chain, uint64_t seq, struct str payload);

// Where a scan of a segment stands.
struct segment_scan {
    struct file *file;
    uint64_t offset;   // of the next record
    uint64_t next_seq; // that it must have
    uint64_t chain;
    uint64_t file_bytes;
    struct buf payload;
};

// The scan must be ended with segment_scan_done() whatever this returns. Borrows the file.
MUST_CHECK enum err segment_scan_init(struct segment_scan *scan, struct file *f,
                                      struct segment_header *ret_header);

// The next record; ERR_END at the end of the chain. *ret_payload lives until the next call.
MUST_CHECK enum err segment_scan_next(struct segment_scan *scan, uint64_t *ret_seq,
                                      struct str *ret_payload);

// After ERR_END: bytes of a record that was begun with the right sequence number but not finished.
uint64_t segment_scan_torn_bytes(struct segment_scan *scan);

void segment_scan_done(struct segment_scan *scan);

#endif
