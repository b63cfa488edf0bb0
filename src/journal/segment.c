// SPDX-License-Identifier: Apache-2.0
// Purpose: the bytes of a journal segment.
#include "journal/segment.h"

#include <stdio.h>
#include <xxhash.h>

#include "core/must.h"
#include "core/varint.h"
#include "journal/journal.h"

static const uint64_t magic = 0x314c4a45444e4f53; // "SONDEJL1"

void segment_name(uint64_t first_seq, char out[SEGMENT_NAME_BYTES])
{
    int n = snprintf(out, SEGMENT_NAME_BYTES, "%016llx.seg", (unsigned long long)first_seq);
    MUST(n == SEGMENT_NAME_BYTES - 1);
}

enum err segment_name_parse(const char *name, uint64_t *ret_first_seq)
{
    uint64_t seq = 0;
    ASSERT(name != NULL);
    if (strlen(name) != SEGMENT_NAME_BYTES - 1 || strcmp(name + 16, ".seg") != 0) {
        return ERR_INVALID;
    }
    for (int i = 0; i < 16; i++) {
        static const char digits[] = "0123456789abcdef";
        const char *at = strchr(digits, name[i]);
        if (at == NULL || *at == 0) {
            return ERR_INVALID;
        }
        seq = seq << 4 | (uint64_t)(at - digits);
    }
    *ret_first_seq = seq;
    return ERR_OK;
}

enum err segment_header_write(struct file *f, const struct segment_header *header)
{
    uint64_t words[8] = {magic, header->first_seq, header->acked_seq, header->seed, 0, 0, 0, 0};
    _Static_assert(sizeof words == SEGMENT_HEADER_BYTES, "the header is 64 bytes");
    MUST(header->acked_seq < header->first_seq);
    words[7] = XXH3_64bits(words, 56);
    return f->ops->write_at(f, words, sizeof words, 0);
}

enum err segment_header_read(struct file *f, struct segment_header *ret_header)
{
    uint64_t words[8];
    enum err e = f->ops->read_at(f, words, sizeof words, 0);
    if (e != ERR_OK) {
        return e == ERR_END ? ERR_CORRUPT : e;
    }
    if (words[0] != magic || words[7] != XXH3_64bits(words, 56) || words[2] >= words[1]) {
        return ERR_CORRUPT;
    }
    *ret_header = (struct segment_header){words[1], words[2], words[3]};
    return ERR_OK;
}

size_t segment_record_bytes(size_t payload_bytes)
{
    ASSERT(payload_bytes <= JOURNAL_RECORD_MAX);
    return RECORD_HEADER_BYTES + ((payload_bytes + 7) & ~(size_t)7);
}

static uint64_t record_checksum(uint64_t chain, uint64_t seq, struct str payload)
{
    return XXH3_64bits_withSeed(payload.p, payload.n, chain + seq + payload.n);
}

void segment_record_add(struct buf *out, uint64_t *chain, uint64_t seq, struct str payload)
{
    static const char zeros[8];
    MUST(payload.n <= JOURNAL_RECORD_MAX);
    *chain = record_checksum(*chain, seq, payload);
    buf_add_u32(out, (uint32_t)payload.n);
    buf_add_u32(out, 0);
    buf_add_u64(out, seq);
    buf_add_u64(out, *chain);
    buf_add_str(out, payload);
    buf_add(out, zeros, -payload.n & 7);
}

enum err segment_scan_init(struct segment_scan *scan, struct file *f,
                           struct segment_header *ret_header)
{
    struct segment_header header;
    *scan = (struct segment_scan){.file = f, .offset = SEGMENT_HEADER_BYTES};
    buf_init(&scan->payload, JOURNAL_RECORD_MAX);
    enum err e = segment_header_read(f, &header);
    if (e == ERR_OK) {
        e = f->ops->size(f, &scan->file_bytes);
    }
    if (e != ERR_OK) {
        return e;
    }
    scan->next_seq = header.first_seq;
    scan->chain = header.seed;
    *ret_header = header;
    return ERR_OK;
}

// The header at the scan's place, if it could begin the next record.
static enum err read_record_header(struct segment_scan *scan, uint32_t *ret_bytes,
                                   uint64_t *ret_checksum)
{
    uint8_t header[RECORD_HEADER_BYTES];
    if (scan->offset + sizeof header > scan->file_bytes) {
        return ERR_END;
    }
    enum err e = scan->file->ops->read_at(scan->file, header, sizeof header, scan->offset);
    if (e != ERR_OK) {
        return e;
    }
    uint32_t bytes = load_u32(header);
    if (load_u64(header + 8) != scan->next_seq || bytes > JOURNAL_RECORD_MAX ||
        load_u32(header + 4) != 0) {
        return ERR_END;
    }
    *ret_bytes = bytes;
    *ret_checksum = load_u64(header + 16);
    return ERR_OK;
}

enum err segment_scan_next(struct segment_scan *scan, uint64_t *ret_seq, struct str *ret_payload)
{
    uint32_t bytes;
    uint64_t checksum;
    enum err e = read_record_header(scan, &bytes, &checksum);
    if (e != ERR_OK) {
        return e;
    }
    if (scan->offset + segment_record_bytes(bytes) > scan->file_bytes) {
        return ERR_END;
    }
    buf_clear(&scan->payload);
    MUST(buf_reserve(&scan->payload, bytes));
    e = scan->file->ops->read_at(scan->file, scan->payload.p, bytes,
                                 scan->offset + RECORD_HEADER_BYTES);
    if (e != ERR_OK) {
        return e;
    }
    scan->payload.n = bytes;
    struct str payload = buf_str(&scan->payload);
    if (checksum != record_checksum(scan->chain, scan->next_seq, payload)) {
        return ERR_END;
    }
    memset(scan->payload.p + bytes, 0, BUF_PAD);
    scan->chain = checksum;
    scan->offset += segment_record_bytes(bytes);
    *ret_seq = scan->next_seq++;
    *ret_payload = payload;
    return ERR_OK;
}

uint64_t segment_scan_torn_bytes(struct segment_scan *scan)
{
    uint32_t bytes;
    uint64_t checksum;
    ASSERT(scan->offset >= SEGMENT_HEADER_BYTES);
    if (read_record_header(scan, &bytes, &checksum) != ERR_OK) {
        return 0;
    }
    uint64_t end = scan->offset + segment_record_bytes(bytes);
    return (end < scan->file_bytes ? end : scan->file_bytes) - scan->offset;
}

void segment_scan_done(struct segment_scan *scan)
{
    buf_done(&scan->payload);
}
