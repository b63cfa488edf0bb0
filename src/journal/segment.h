// SPDX-License-Identifier: Apache-2.0
// Purpose: one segment file of the local journal: its byte format, making one, scanning one, and
// telling a torn tail from damage.
//
// A segment is a file named %016llx.seg after its first sequence number:
//
//   header, 64 bytes     u64 magic "SONDEJL2" | u64 first_seq | u64 acked_seq | u64 seed |
//                        u64 zero x 3 | u64 XXH3-64 of the 56 bytes before
//   records, from 64 on  u32 payload bytes | u32 back | u64 seq | u64 payload sum |
//                        u64 header sum | payload | zeros up to a multiple of 8
//   trailer              the header again, in the last 64 bytes of the file
//
// All integers are little-endian. `seed` is drawn anew each time a file becomes a segment. The
// payload sum is XXH3-64 of the payload seeded with seed + seq, the header sum XXH3-64 of the 24
// bytes before it seeded with `seed`: so each record proves by itself that it belongs to this life
// of the file, whatever stands before it, and neither stale bytes of a recycled file nor bytes that
// a sender chose (nobody outside knows the seed) ever read as one. The header stands twice, far
// apart: either copy will do.
//
// `back` is seq less the number up to which everything was durable when the record was written (1
// or more; all ones: nothing is said). A record with `back` 0 is a note instead: the numbers from
// seq to the u64 that is its payload were lost, and that has been reported. `acked_seq` is the last
// number that was durable when the segment was begun. These two are what the following rests on.
//
// Torn or damaged? A crash leaves at most the groups that no sync has covered incomplete, in any
// way: sectors reach the disk in any order, so a bad record may have good ones of its group behind
// it. Therefore a scan does not stop at a bad record; it looks for the next good one with a greater
// number. With D the greatest number that any good record, or the header of the next segment, says
// was durable:
//   - a bad place with nothing good behind it and numbers above D is the torn tail: it is cut. Its
//     numbers were never acknowledged (or only with JOURNAL_SYNC_INTERVAL) and are given out again;
//     nothing can be doubled, since nothing good bears them.
//   - missing numbers up to D were acknowledged: that is damage, never a crash. Everything good
//     behind it is kept; what is missing is reported as lost.
//   - missing numbers above D with something good behind them may be either: an unsynced group that
//     arrived out of order, or damage to the very last group. What is good is kept, too. If it was
//     not acknowledged, its sender sends it again, as it does with a group that arrived whole
//     before the crash, and the store drops the copies. The missing numbers are reported as
//     doubtful.
// In both of the latter cases the segment is written anew with notes in the place of what is
// missing, and the old file is kept beside it as <name>.bad. So numbers are contiguous in every
// segment that is in use, one number is never borne by two records, and a loss is reported once.
// Damage to the last group that hits its end, with nothing good behind, cannot be told from a torn
// tail and is cut like one.
#ifndef SONDE_JOURNAL_SEGMENT_H
#define SONDE_JOURNAL_SEGMENT_H

#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"
#include "os/fs.h"

#define SEGMENT_HEADER_BYTES ((size_t)64)
#define SEGMENT_FRAME_BYTES  (2 * SEGMENT_HEADER_BYTES) // header and trailer
#define RECORD_HEADER_BYTES  ((size_t)32)
#define SEGMENT_NAME_BYTES   21 // 16 digits, ".seg", NUL

struct segment_header {
    uint64_t first_seq, acked_seq, seed;
};

void segment_name(uint64_t first_seq, char out[SEGMENT_NAME_BYTES]);

// Whether the name is one that segment_name() gives, and of which first_seq.
MUST_CHECK enum err segment_name_parse(const char *name, uint64_t *ret_first_seq);

// Writes header and trailer of a file that has, or will have, so many bytes.
MUST_CHECK enum err segment_header_write(struct file *f, const struct segment_header *header,
                                         uint64_t file_bytes);

// The copy of the header that is good and names first_seq; ERR_CORRUPT when neither does,
// ERR_UNSUPPORTED when the file is of another version.
MUST_CHECK enum err segment_header_read(struct file *f, uint64_t first_seq,
                                        struct segment_header *ret_header);

// For a file without a header: the last number of the records that seem to stand in it from
// first_seq on, by their lengths and numbers alone; first_seq - 1 when there are none, as in a
// recycled file whose new header never reached the disk.
MUST_CHECK enum err segment_guess_last(struct file *f, uint64_t first_seq, uint64_t *ret_last);

// Room that a record with this payload takes.
size_t segment_record_bytes(size_t payload_bytes);

// Appends a record to a buffer of records, everything up to `durable_seq` < seq being durable.
void segment_record_add(struct buf *out, uint64_t seed, uint64_t seq, uint64_t durable_seq,
                        struct str payload);

// Appends the note that the numbers from `first` to `last` are lost.
void segment_lost_add(struct buf *out, uint64_t seed, uint64_t first, uint64_t last);

enum segment_item {
    SEGMENT_RECORD,
    SEGMENT_LOST, // a note: the numbers are known to be lost
    SEGMENT_GAP   // bytes that are no record, with a good one behind them
};

struct segment_found {
    enum segment_item item;
    uint64_t first_seq, last_seq; // equal for a record
    uint64_t durable_seq;         // says the record or the note; 0 for a gap
    uint64_t offset;
    struct str payload; // of a record; lives until the next call
};

// Where a scan of a segment stands.
struct segment_scan {
    struct file *file;
    uint64_t seed;
    uint64_t offset;   // of the next record
    uint64_t next_seq; // that it must have
    uint64_t end_seq;  // numbers from here on belong to other segments
    uint64_t end;      // of the room for records
    uint64_t file_bytes;
    struct buf payload, window;
};

// Begins a scan of the segment of this name. The scan must be ended with segment_scan_done()
// whatever this returns: an error of segment_header_read(). Borrows the file.
MUST_CHECK enum err segment_scan_init(struct segment_scan *scan, struct file *f, uint64_t first_seq,
                                      uint64_t end_seq, struct segment_header *ret_header);

// The next item, numbers without holes; ERR_END when nothing good follows.
MUST_CHECK enum err segment_scan_next(struct segment_scan *scan, struct segment_found *ret_found);

// After ERR_END: bytes of a record that was begun with the right sequence number but not finished.
uint64_t segment_scan_torn_bytes(struct segment_scan *scan);

void segment_scan_done(struct segment_scan *scan);

#endif
