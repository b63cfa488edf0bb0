// SPDX-License-Identifier: Apache-2.0
// Purpose: request and answer bodies in gzip, deflate (the zlib format, as HTTP means it), zstd and
// snappy.
//
// libdeflate needs the whole output at once, so the output starts at a guess and doubles up to the
// buffer's maximum: a body costs at most twice its own decompression, and a bomb at most twice the
// maximum. zstd streams, with a window of at most ZSTD_WINDOW_LOG_MAX (what RFC 8878 asks every
// decoder to support). A block of snappy says its size at its begin, which is believed only as far
// as so many bytes can have been packed.
#include "wire/compress.h"

#include <libdeflate.h>
#include <snappy-c.h>
#include <zstd.h>

#include "core/mem.h"
#include "core/must.h"
#include "core/varint.h"

#define DEFLATE_RATIO_MAX   ((size_t)1032)
#define GUESS_RATIO         ((size_t)8)
#define GUESS_MIN           ((size_t)4096)
#define ZSTD_STEP           ((size_t)128 << 10)
#define ZSTD_WINDOW_LOG_MAX 23
#define ZSTD_WORK_BYTES     ((size_t)320 << 10) // of a decoder, beside its window
#define DEFLATE_LEVEL       1
#define ZSTD_LEVEL          1
#define SNAPPY_RATIO_MAX    ((size_t)32) // a copy of 64 bytes takes three

enum err compression_from_name(struct str name, enum compression *ret_compression)
{
    static const struct {
        const char *name;
        enum compression compression;
    } names[] = {
        {"", COMPRESSION_NONE},       {"identity", COMPRESSION_NONE},   {"gzip", COMPRESSION_GZIP},
        {"x-gzip", COMPRESSION_GZIP}, {"deflate", COMPRESSION_DEFLATE}, {"zstd", COMPRESSION_ZSTD},
    };
    ASSERT(ret_compression != NULL);
    name = str_trim(name);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (str_eq_nocase(name, str_of(names[i].name))) {
            *ret_compression = names[i].compression;
            return ERR_OK;
        }
    }
    return ERR_UNSUPPORTED;
}

static enum err too_large(const struct buf *out, uint64_t offset, struct err_at *ret_at)
{
    ASSERT(out->max > 0);
    if (out->denied) {
        return err_at_set(ret_at, ERR_MEMORY, offset, "there is no memory to decompress the body");
    }
    return err_at_set(ret_at, ERR_LIMIT, offset, "the decompressed body is over %zu bytes",
                      out->max);
}

// How much room to begin with: what the end of a gzip file says, while deflate could have packed so
// much; else a guess.
static size_t room_guess(enum compression c, struct str in)
{
    size_t guess = in.n > SIZE_MAX / DEFLATE_RATIO_MAX ? SIZE_MAX : in.n * GUESS_RATIO;
    if (c == COMPRESSION_GZIP && in.n >= 8) {
        size_t said = load_u32(in.p + in.n - 4);
        if (said / DEFLATE_RATIO_MAX < in.n) {
            guess = said;
        }
    }
    ASSERT(GUESS_RATIO < DEFLATE_RATIO_MAX);
    return guess < GUESS_MIN ? GUESS_MIN : guess;
}

// One gzip member or zlib stream at the start of `in`: decompresses it and says how much of the
// input it took.
static enum err deflate_member(struct libdeflate_decompressor *d, enum compression c, struct str in,
                               uint64_t offset, struct buf *out, size_t *ret_used,
                               struct err_at *ret_at)
{
    size_t room_max = out->max - out->n;
    for (size_t room = room_guess(c, in);; room = room < room_max / 2 ? room * 2 : room_max) {
        room = room < room_max ? room : room_max;
        if (!buf_reserve(out, room)) {
            return too_large(out, offset, ret_at);
        }
        size_t used = 0, made = 0;
        enum libdeflate_result r =
            c == COMPRESSION_GZIP
                ? libdeflate_gzip_decompress_ex(d, in.p, in.n, out->p + out->n, room, &used, &made)
                : libdeflate_zlib_decompress_ex(d, in.p, in.n, out->p + out->n, room, &used, &made);
        if (r == LIBDEFLATE_SUCCESS) {
            ASSERT(used <= in.n && made <= room);
            out->n += made;
            *ret_used = used;
            return ERR_OK;
        }
        if (r != LIBDEFLATE_INSUFFICIENT_SPACE) {
            return err_at_set(ret_at, ERR_INVALID, offset, "the %s body is cut short or broken",
                              c == COMPRESSION_GZIP ? "gzip" : "deflate");
        }
        if (room == room_max) {
            return too_large(out, offset, ret_at);
        }
    }
}

static enum err inflate_body(enum compression c, struct str body, struct buf *out,
                             struct err_at *ret_at)
{
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    MUST(d != NULL);
    enum err e = ERR_OK;
    size_t at = 0;
    do {
        size_t used = 0;
        e = deflate_member(d, c, str_skip(body, at), at, out, &used, ret_at);
        at += used;
    } while (e == ERR_OK && at < body.n && c == COMPRESSION_GZIP);
    libdeflate_free_decompressor(d);
    if (e == ERR_OK && at < body.n) {
        return err_at_set(ret_at, ERR_INVALID, at, "bytes follow the deflate body");
    }
    return e;
}

// What a frame's decoder takes from the heap: the window that its header asks for (RFC 8878,
// 3.1.1.1), and what the library needs beside it. 0 where the library refuses the frame anyway.
static size_t zstd_work_bytes(struct str frame)
{
    ASSERT(frame.n == 0 || frame.p != NULL);
    if (frame.n < 6 || load_u32(frame.p) != ZSTD_MAGICNUMBER) {
        return 0;
    }
    uint8_t descriptor = (uint8_t)frame.p[4], window = (uint8_t)frame.p[5];
    unsigned log = 10 + (window >> 3);
    if ((descriptor & 0x20) != 0) { // a single segment: the window is the content
        unsigned long long n = ZSTD_getFrameContentSize(frame.p, frame.n);
        return n > (1U << ZSTD_WINDOW_LOG_MAX) ? 0 : (size_t)n + ZSTD_WORK_BYTES;
    }
    size_t base = (size_t)1 << log;
    return log > ZSTD_WINDOW_LOG_MAX ? 0 : base + base / 8 * (window & 7) + ZSTD_WORK_BYTES;
}

static enum err unzstd_with(ZSTD_DCtx *d, struct str body, struct buf *out, struct err_at *ret_at)
{
    ZSTD_inBuffer in = {body.p, body.n, 0};
    enum err e = ERR_OK;
    ASSERT(d != NULL);
    size_t more = 1; // 0 at the end of a frame
    while (e == ERR_OK) {
        size_t room = out->max - out->n < ZSTD_STEP ? out->max - out->n : ZSTD_STEP;
        char beyond; // where the maximum is reached, one byte more tells whether that is the end
        if (room > 0 && !buf_reserve(out, room)) {
            e = too_large(out, in.pos, ret_at);
            break;
        }
        ZSTD_outBuffer to = {room > 0 ? out->p + out->n : &beyond, room > 0 ? room : 1, 0};
        more = ZSTD_decompressStream(d, &to, &in);
        if (ZSTD_isError(more)) {
            e = err_at_set(ret_at, ERR_INVALID, in.pos, "the zstd body is broken: %s",
                           ZSTD_getErrorName(more));
        } else if (room == 0 && to.pos > 0) {
            e = too_large(out, in.pos, ret_at);
        } else {
            out->n += to.pos;
            if (in.pos == in.size && (more == 0 || to.pos < to.size)) {
                break;
            }
        }
    }
    if (e == ERR_OK && more != 0) {
        return err_at_set(ret_at, ERR_INVALID, body.n, "the zstd body is cut short");
    }
    return e;
}

// The most that one of the body's frames needs.
static size_t zstd_work_max(struct str body)
{
    size_t most = 0;
    while (body.n > 0) {
        size_t bytes = zstd_work_bytes(body), n = ZSTD_findFrameCompressedSize(body.p, body.n);
        most = bytes > most ? bytes : most;
        if (ZSTD_isError(n)) {
            break; // broken, which is found again when it is decompressed
        }
        ASSERT(n <= body.n);
        body = str_skip(body, n);
    }
    return most;
}

static enum err unzstd(struct str body, struct buf *out, struct err_at *ret_at)
{
    size_t work = zstd_work_max(body);
    struct mem_source *source = out->source;
    if (source != NULL && !source->take(source, work)) {
        out->failed = out->denied = true;
        return too_large(out, 0, ret_at);
    }
    ZSTD_DCtx *d = ZSTD_createDCtx();
    MUST(d != NULL);
    size_t set = ZSTD_DCtx_setParameter(d, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);
    MUST(!ZSTD_isError(set));
    enum err e = unzstd_with(d, body, out, ret_at);
    ZSTD_freeDCtx(d);
    if (source != NULL) {
        source->give(source, work);
    }
    return e;
}

static enum err unsnappy(struct str body, struct buf *out, struct err_at *ret_at)
{
    size_t n = 0;
    if (snappy_uncompressed_length(body.p, body.n, &n) != SNAPPY_OK ||
        n / SNAPPY_RATIO_MAX > body.n) {
        return err_at_set(ret_at, ERR_INVALID, 0, "the body is no block of snappy");
    }
    if (n > out->max - out->n || !buf_reserve(out, n)) {
        return too_large(out, 0, ret_at);
    }
    size_t made = n;
    if (snappy_uncompress(body.p, body.n, out->p + out->n, &made) != SNAPPY_OK) {
        return err_at_set(ret_at, ERR_INVALID, 0, "the snappy body is cut short or broken");
    }
    MUST(made == n);
    out->n += n;
    return ERR_OK;
}

enum err decompress(enum compression c, struct str body, struct buf *out, struct err_at *ret_at)
{
    enum err e = ERR_OK;
    switch (c) {
    case COMPRESSION_NONE:
        buf_add_str(out, body);
        if (out->failed) {
            return too_large(out, 0, ret_at);
        }
        break;
    case COMPRESSION_GZIP:
    case COMPRESSION_DEFLATE:
        e = inflate_body(c, body, out, ret_at);
        break;
    case COMPRESSION_ZSTD:
        e = unzstd(body, out, ret_at);
        break;
    case COMPRESSION_SNAPPY:
        e = unsnappy(body, out, ret_at);
        break;
    default:
        return ERR_UNSUPPORTED;
    }
    if (e != ERR_OK) {
        return e;
    }
    if (!buf_reserve(out, 0)) {
        return too_large(out, 0, ret_at);
    }
    memset(out->p + out->n, 0, BUF_PAD); // a decompressor may have written beyond the end
    return ERR_OK;
}

static enum err deflate_body(enum compression c, struct str body, struct buf *out)
{
    struct libdeflate_compressor *z = libdeflate_alloc_compressor(DEFLATE_LEVEL);
    MUST(z != NULL);
    size_t room = c == COMPRESSION_GZIP ? libdeflate_gzip_compress_bound(z, body.n)
                                        : libdeflate_zlib_compress_bound(z, body.n);
    size_t n = 0;
    if (buf_reserve(out, room)) {
        n = c == COMPRESSION_GZIP
                ? libdeflate_gzip_compress(z, body.p, body.n, out->p + out->n, room)
                : libdeflate_zlib_compress(z, body.p, body.n, out->p + out->n, room);
        MUST(n > 0);
        out->n += n;
    }
    libdeflate_free_compressor(z);
    return out->failed ? ERR_LIMIT : ERR_OK;
}

enum err compress(enum compression c, struct str body, struct buf *out)
{
    if (c == COMPRESSION_GZIP || c == COMPRESSION_DEFLATE) {
        return deflate_body(c, body, out);
    }
    if (c == COMPRESSION_NONE) {
        buf_add_str(out, body);
        return out->failed ? ERR_LIMIT : ERR_OK;
    }
    if (c != COMPRESSION_ZSTD) {
        return ERR_UNSUPPORTED;
    }
    size_t room = ZSTD_compressBound(body.n);
    if (!buf_reserve(out, room)) {
        return ERR_LIMIT;
    }
    size_t n = ZSTD_compress(out->p + out->n, room, body.p, body.n, ZSTD_LEVEL);
    MUST(!ZSTD_isError(n));
    out->n += n;
    return ERR_OK;
}
