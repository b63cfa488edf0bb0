// SPDX-License-Identifier: Apache-2.0
// Purpose: the bytes of a journal segment.
#include "journal/segment.h"

#include <stdbool.h>
#include <stdio.h>
#include <xxhash.h>

#include "core/must.h"
#include "core/varint.h"
#include "journal/journal.h"
#include "os/file_number.h"

#define WINDOW_BYTES ((size_t)1 << 20) // of a search for the next good record
#define NOTE_BYTES   ((size_t)8)
#define BACK_UNKNOWN UINT32_MAX // too far to be said

static const uint64_t magic = 0x324c4a45444e4f53;     // "SONDEJL2"
static const uint64_t magic_old = 0x314c4a45444e4f53; // "SONDEJL1"

// Fuzzers take every sum for right, so that what lies behind is reached.
static bool sum_fits(uint64_t have, uint64_t want)
{
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
    (void)have;
    (void)want;
    return true;
#else
    return have == want;
#endif
}

void segment_name(uint64_t first_seq, char out[SEGMENT_NAME_BYTES])
{
    int n = snprintf(out, SEGMENT_NAME_BYTES, "%016llx.seg", (unsigned long long)first_seq);
    MUST(n == SEGMENT_NAME_BYTES - 1);
}

enum err segment_name_parse(const char *name, uint64_t *ret_first_seq)
{
    ASSERT(name != NULL && ret_first_seq != NULL);
    return file_number_parse(name, ".seg", ret_first_seq);
}

// ---- The header --------------------------------------------------------------------------------

enum err segment_header_write(struct file *f, const struct segment_header *header,
                              uint64_t file_bytes)
{
    uint64_t words[8] = {magic, header->first_seq, header->acked_seq, header->seed, 0, 0, 0, 0};
    _Static_assert(sizeof words == SEGMENT_HEADER_BYTES, "the header is 64 bytes");
    MUST(header->acked_seq < header->first_seq && file_bytes >= SEGMENT_FRAME_BYTES);
    words[7] = XXH3_64bits(words, 56);
    enum err e = f->ops->write_at(f, words, sizeof words, file_bytes - SEGMENT_HEADER_BYTES);
    return e == ERR_OK ? f->ops->write_at(f, words, sizeof words, 0) : e;
}

static bool is_good(const uint64_t words[8])
{
    ASSERT(words != NULL);
    return words[0] == magic && words[7] == XXH3_64bits(words, 56) && words[2] < words[1];
}

// One copy of the header; ERR_CORRUPT when it is not good or not of this segment.
static enum err read_copy(struct file *f, uint64_t offset, uint64_t first_seq,
                          struct segment_header *ret_header)
{
    uint64_t words[8];
    ASSERT(ret_header != NULL);
    enum err e = f->ops->read_at(f, words, sizeof words, offset);
    if (e != ERR_OK) {
        return e == ERR_END ? ERR_CORRUPT : e;
    }
    if (words[0] == magic_old && words[7] == XXH3_64bits(words, 56) && words[1] == first_seq) {
        return ERR_UNSUPPORTED;
    }
    if (!is_good(words) || words[1] != first_seq) {
        return ERR_CORRUPT;
    }
    *ret_header = (struct segment_header){words[1], words[2], words[3]};
    return ERR_OK;
}

enum err segment_header_read(struct file *f, uint64_t first_seq, struct segment_header *ret_header)
{
    uint64_t bytes = 0;
    ASSERT(first_seq > 0);
    enum err e = read_copy(f, 0, first_seq, ret_header);
    if (e != ERR_CORRUPT) {
        return e;
    }
    e = f->ops->size(f, &bytes);
    if (e != ERR_OK) {
        return e;
    }
    return bytes < SEGMENT_FRAME_BYTES
               ? ERR_CORRUPT
               : read_copy(f, bytes - SEGMENT_HEADER_BYTES, first_seq, ret_header);
}

// ---- Records -----------------------------------------------------------------------------------

struct record_header {
    uint32_t bytes, back;
    uint64_t seq, payload_sum, header_sum;
};

static struct record_header load_header(const uint8_t bytes[RECORD_HEADER_BYTES])
{
    ASSERT(bytes != NULL);
    return (struct record_header){load_u32(bytes), load_u32(bytes + 4), load_u64(bytes + 8),
                                  load_u64(bytes + 16), load_u64(bytes + 24)};
}

size_t segment_record_bytes(size_t payload_bytes)
{
    ASSERT(payload_bytes <= JOURNAL_RECORD_MAX);
    return RECORD_HEADER_BYTES + ((payload_bytes + 7) & ~(size_t)7);
}

static void add_record(struct buf *out, uint64_t seed, uint64_t seq, uint32_t back,
                       struct str payload)
{
    static const char zeros[8];
    MUST(payload.n <= JOURNAL_RECORD_MAX && seq > 0);
    size_t start = out->n;
    buf_add_u32(out, (uint32_t)payload.n);
    buf_add_u32(out, back);
    buf_add_u64(out, seq);
    buf_add_u64(out, XXH3_64bits_withSeed(payload.p, payload.n, seed + seq));
    if (!out->failed) {
        buf_add_u64(out, XXH3_64bits_withSeed(out->p + start, RECORD_HEADER_BYTES - 8, seed));
    }
    buf_add_str(out, payload);
    buf_add(out, zeros, -payload.n & 7);
    ASSERT(out->failed || out->n - start == segment_record_bytes(payload.n));
}

void segment_record_add(struct buf *out, uint64_t seed, uint64_t seq, uint64_t durable_seq,
                        struct str payload)
{
    MUST(durable_seq < seq);
    uint64_t back = seq - durable_seq < BACK_UNKNOWN ? seq - durable_seq : BACK_UNKNOWN;
    add_record(out, seed, seq, (uint32_t)back, payload);
}

void segment_lost_add(struct buf *out, uint64_t seed, uint64_t first, uint64_t last)
{
    uint8_t payload[NOTE_BYTES];
    MUST(first > 0 && last >= first);
    memcpy(payload, &last, sizeof last); // little-endian, like the machines this runs on
    add_record(out, seed, first, 0, (struct str){(const char *)payload, sizeof payload});
}

// ---- Scanning ----------------------------------------------------------------------------------

enum err segment_scan_init(struct segment_scan *scan, struct file *f, uint64_t first_seq,
                           uint64_t end_seq, struct segment_header *ret_header)
{
    struct segment_header header;
    ASSERT(f != NULL && first_seq < end_seq);
    *scan = (struct segment_scan){.file = f, .offset = SEGMENT_HEADER_BYTES};
    buf_init(&scan->payload, JOURNAL_RECORD_MAX);
    buf_init(&scan->window, WINDOW_BYTES);
    enum err e = segment_header_read(f, first_seq, &header);
    if (e == ERR_OK) {
        e = f->ops->size(f, &scan->file_bytes);
    }
    if (e != ERR_OK) {
        return e;
    }
    // A file whose end was lost has no trailer.
    scan->end =
        scan->file_bytes < SEGMENT_FRAME_BYTES ? 0 : scan->file_bytes - SEGMENT_HEADER_BYTES;
    scan->next_seq = header.first_seq;
    scan->end_seq = end_seq;
    scan->seed = header.seed;
    *ret_header = header;
    return ERR_OK;
}

// Whether these bytes, which stand at `offset`, are the header of a record of this segment that may
// come now.
static bool is_header(const struct segment_scan *scan, const uint8_t bytes[RECORD_HEADER_BYTES],
                      uint64_t offset)
{
    struct record_header h = load_header(bytes);
    ASSERT(scan->end_seq > 0);
    if (h.seq < scan->next_seq || h.seq >= scan->end_seq ||
        (h.back > h.seq && h.back != BACK_UNKNOWN) || h.bytes > JOURNAL_RECORD_MAX ||
        offset > scan->end || segment_record_bytes(h.bytes) > scan->end - offset) {
        return false;
    }
    return sum_fits(h.header_sum, XXH3_64bits_withSeed(bytes, RECORD_HEADER_BYTES - 8, scan->seed));
}

// Reads and checks the payload; ERR_END when it is not good.
static enum err read_payload(struct segment_scan *scan, const struct record_header *h,
                             uint64_t offset, struct segment_found *ret_found)
{
    ASSERT(h->bytes <= JOURNAL_RECORD_MAX);
    struct buf *payload = &scan->payload;
    buf_clear(payload);
    MUST(buf_reserve(payload, h->bytes));
    enum err e =
        scan->file->ops->read_at(scan->file, payload->p, h->bytes, offset + RECORD_HEADER_BYTES);
    if (e != ERR_OK) {
        return e;
    }
    payload->n = h->bytes;
    memset(payload->p + h->bytes, 0, BUF_PAD);
    if (!sum_fits(h->payload_sum,
                  XXH3_64bits_withSeed(payload->p, payload->n, scan->seed + h->seq))) {
        return ERR_END;
    }
    struct segment_found found = {.item = SEGMENT_RECORD,
                                  .first_seq = h->seq,
                                  .last_seq = h->seq,
                                  .durable_seq = h->back == BACK_UNKNOWN ? 0 : h->seq - h->back,
                                  .offset = offset,
                                  .payload = buf_str(payload)};
    if (h->back == 0) {
        found.item = SEGMENT_LOST;
        found.last_seq = h->bytes == NOTE_BYTES ? load_u64((const uint8_t *)payload->p) : 0;
        found.durable_seq = found.last_seq;
        if (found.last_seq < found.first_seq || found.last_seq >= scan->end_seq) {
            return ERR_END;
        }
    }
    *ret_found = found;
    return ERR_OK;
}

// The record at `offset`, ERR_END when there is no good one. *ret_next is where to look further:
// behind a record whose header alone is good its length can be trusted.
static enum err read_record(struct segment_scan *scan, uint64_t offset, uint64_t *ret_next,
                            struct segment_found *ret_found)
{
    uint8_t bytes[RECORD_HEADER_BYTES];
    ASSERT(offset % 8 == 0);
    *ret_next = offset + 8;
    if (offset + sizeof bytes > scan->end) {
        return ERR_END;
    }
    enum err e = scan->file->ops->read_at(scan->file, bytes, sizeof bytes, offset);
    if (e != ERR_OK) {
        return e;
    }
    if (!is_header(scan, bytes, offset)) {
        return ERR_END;
    }
    struct record_header h = load_header(bytes);
    *ret_next = offset + segment_record_bytes(h.bytes);
    return read_payload(scan, &h, offset, ret_found);
}

// The first place from `offset` on, within one window, where the header of a record stands; the end
// of the window when there is none.
static enum err search_window(struct segment_scan *scan, uint64_t offset, uint64_t *ret_at,
                              bool *ret_found)
{
    uint64_t left = scan->end - offset;
    size_t n = left < WINDOW_BYTES ? (size_t)left : WINDOW_BYTES;
    ASSERT(n >= RECORD_HEADER_BYTES);
    buf_clear(&scan->window);
    MUST(buf_reserve(&scan->window, n));
    enum err e = scan->file->ops->read_at(scan->file, scan->window.p, n, offset);
    if (e != ERR_OK) {
        return e;
    }
    const uint8_t *bytes = (const uint8_t *)scan->window.p;
    size_t at = 0;
    *ret_found = false;
    for (; at + RECORD_HEADER_BYTES <= n; at += 8) {
        if (is_header(scan, bytes + at, offset + at)) {
            *ret_found = true;
            break;
        }
    }
    *ret_at = offset + at;
    return ERR_OK;
}

// The next good record behind the scan's place.
static enum err search(struct segment_scan *scan, uint64_t offset, struct segment_found *ret_found)
{
    enum err e = ERR_OK;
    ASSERT(offset > scan->offset);
    while (e == ERR_OK && offset + RECORD_HEADER_BYTES <= scan->end) {
        bool found = false;
        e = search_window(scan, offset, &offset, &found);
        if (e == ERR_OK && found) {
            e = read_record(scan, offset, &offset, ret_found);
            if (e != ERR_END) {
                return e;
            }
            e = ERR_OK;
        }
    }
    return e == ERR_OK ? ERR_END : e;
}

enum err segment_scan_next(struct segment_scan *scan, struct segment_found *ret_found)
{
    struct segment_found found;
    uint64_t next;
    ASSERT(ret_found != NULL);
    enum err e = read_record(scan, scan->offset, &next, &found);
    if (e == ERR_OK && found.first_seq == scan->next_seq) {
        scan->offset = next;
        scan->next_seq = found.last_seq + 1;
        *ret_found = found;
        return ERR_OK;
    }
    if (e == ERR_END) {
        e = search(scan, next, &found);
    }
    if (e != ERR_OK) {
        return e;
    }
    // Good, but not the one that had to come; without a hole in the numbers nothing is missing.
    uint64_t from = scan->offset;
    scan->offset = found.offset;
    if (found.first_seq == scan->next_seq) {
        return segment_scan_next(scan, ret_found);
    }
    *ret_found = (struct segment_found){.item = SEGMENT_GAP,
                                        .first_seq = scan->next_seq,
                                        .last_seq = found.first_seq - 1,
                                        .offset = from};
    scan->next_seq = found.first_seq;
    return ERR_OK;
}

uint64_t segment_scan_torn_bytes(struct segment_scan *scan)
{
    uint8_t bytes[RECORD_HEADER_BYTES];
    ASSERT(scan->offset >= SEGMENT_HEADER_BYTES);
    if (scan->offset + sizeof bytes > scan->end ||
        scan->file->ops->read_at(scan->file, bytes, sizeof bytes, scan->offset) != ERR_OK) {
        return 0;
    }
    struct record_header h = load_header(bytes);
    if (h.seq != scan->next_seq || h.bytes > JOURNAL_RECORD_MAX) {
        return 0;
    }
    uint64_t end = scan->offset + segment_record_bytes(h.bytes);
    return (end < scan->end ? end : scan->end) - scan->offset;
}

void segment_scan_done(struct segment_scan *scan)
{
    ASSERT(scan->file != NULL);
    buf_done(&scan->payload);
    buf_done(&scan->window);
}

enum err segment_guess_last(struct file *f, uint64_t first_seq, uint64_t *ret_last)
{
    uint64_t size, offset = SEGMENT_HEADER_BYTES, seq = first_seq;
    ASSERT(first_seq > 0 && ret_last != NULL);
    enum err e = f->ops->size(f, &size);
    while (e == ERR_OK && offset + RECORD_HEADER_BYTES <= size) {
        uint8_t bytes[RECORD_HEADER_BYTES];
        e = f->ops->read_at(f, bytes, sizeof bytes, offset);
        struct record_header h = e == ERR_OK ? load_header(bytes) : (struct record_header){0};
        if (h.seq != seq || h.bytes > JOURNAL_RECORD_MAX || h.back == 0) {
            break;
        }
        offset += segment_record_bytes(h.bytes);
        seq++;
    }
    if (e == ERR_OK) {
        *ret_last = seq - 1;
    }
    return e;
}
