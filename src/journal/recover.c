// SPDX-License-Identifier: Apache-2.0
// Purpose: a segment after a crash or damage.
#include "journal/recover.h"

#include <stdio.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"

#define COPY_BYTES (JOURNAL_RECORD_MAX + 2 * RECORD_HEADER_BYTES)

struct gap {
    uint64_t first, last, offset;
    bool in_scan; // a scan tells of it; else it lies behind everything that is good
};

// One segment while it is taken in.
struct survey {
    const struct recover *r;
    struct file *file;
    uint64_t first_seq, end_seq;
    struct segment_header header;
    struct gap *gaps;
    size_t gap_count, gap_capacity;
    uint64_t last_seq; // of all that is good
    uint64_t end;      // offset where it ends
    uint64_t durable;  // the greatest number that anything says was durable
    uint64_t file_bytes, torn_bytes;
};

static void path_of(const struct recover *r, uint64_t first_seq, const char *suffix,
                    char out[FS_PATH_MAX])
{
    char name[SEGMENT_NAME_BYTES];
    segment_name(first_seq, name);
    int n = snprintf(out, FS_PATH_MAX, "%s/%s%s", r->dir, name, suffix);
    MUST(n > 0 && n < FS_PATH_MAX);
}

static enum err open_segment(const struct recover *r, uint64_t first_seq, struct file **ret_file)
{
    char path[FS_PATH_MAX];
    ASSERT(first_seq > 0);
    path_of(r, first_seq, "", path);
    return r->fs->ops->open(r->fs, path, FS_READ, ret_file);
}

enum err recover_acked(const struct recover *r, uint64_t first_seq, uint64_t *ret_acked_seq)
{
    struct file *f;
    struct segment_header header = {0};
    enum err e = open_segment(r, first_seq, &f);
    if (e != ERR_OK) {
        return e;
    }
    e = segment_header_read(f, first_seq, &header);
    f->ops->close(f);
    if (e == ERR_OK || e == ERR_CORRUPT) {
        ASSERT(header.acked_seq < first_seq);
        *ret_acked_seq = header.acked_seq;
        e = ERR_OK;
    }
    return e;
}

bool recover_is_new(const char *name, uint64_t *ret_first_seq)
{
    char segment[SEGMENT_NAME_BYTES] = "";
    ASSERT(name != NULL && ret_first_seq != NULL);
    if (strlen(name) != SEGMENT_NAME_BYTES + 3 ||
        strcmp(name + SEGMENT_NAME_BYTES - 1, ".new") != 0) {
        return false;
    }
    memcpy(segment, name, SEGMENT_NAME_BYTES - 1);
    return segment_name_parse(segment, ret_first_seq) == ERR_OK;
}

enum err recover_finish(const struct recover *r, uint64_t first_seq, bool has_segment)
{
    char path[FS_PATH_MAX], fresh[FS_PATH_MAX];
    ASSERT(first_seq > 0);
    path_of(r, first_seq, "", path);
    path_of(r, first_seq, ".new", fresh);
    enum err e =
        has_segment ? r->fs->ops->remove(r->fs, fresh) : r->fs->ops->rename(r->fs, fresh, path);
    return e == ERR_OK ? r->fs->ops->sync_dir(r->fs, r->dir) : e;
}

// ---- Looking -----------------------------------------------------------------------------------

static void add_gap(struct survey *s, uint64_t first, uint64_t last, uint64_t offset, bool in_scan)
{
    ASSERT(first > 0 && first <= last);
    s->gaps = mem_grow(s->gaps, &s->gap_capacity, s->gap_count + 1, sizeof *s->gaps);
    s->gaps[s->gap_count++] = (struct gap){first, last, offset, in_scan};
}

static void raise(uint64_t *value, uint64_t to)
{
    ASSERT(value != NULL);
    *value = to > *value ? to : *value;
}

// Reads the records of a segment whose header is good.
static enum err look(struct survey *s)
{
    ASSERT(s->file != NULL && s->gap_count == 0);
    struct segment_scan scan;
    struct segment_found found;
    enum err e = segment_scan_init(&scan, s->file, s->first_seq, s->end_seq, &s->header);
    while (e == ERR_OK && (e = segment_scan_next(&scan, &found)) == ERR_OK) {
        if (found.item == SEGMENT_GAP) {
            add_gap(s, found.first_seq, found.last_seq, found.offset, true);
        }
        raise(&s->durable, found.durable_seq);
        s->last_seq = found.last_seq;
    }
    if (e == ERR_END) {
        s->torn_bytes = segment_scan_torn_bytes(&scan);
        s->end = scan.offset;
        s->file_bytes = scan.file_bytes;
        e = ERR_OK;
    }
    segment_scan_done(&scan);
    return e;
}

// A segment without a good header: nothing in it can be told from stale bytes. But numbers that
// stand where its first records would are what is missing.
static enum err look_without_header(struct survey *s)
{
    ASSERT(s->file != NULL);
    uint64_t last = s->first_seq - 1;
    s->header = (struct segment_header){.first_seq = s->first_seq, .acked_seq = s->first_seq - 1};
    s->end = SEGMENT_HEADER_BYTES;
    enum err e = s->file->ops->size(s->file, &s->file_bytes);
    if (e == ERR_OK) {
        e = segment_guess_last(s->file, s->first_seq, &last);
    }
    if (e == ERR_OK && last >= s->first_seq && last < s->end_seq) {
        raise(&s->durable, last); // its records were begun, so the header once was good
        add_gap(s, s->first_seq, last, 0, false);
        s->last_seq = last;
    }
    return e;
}

// ---- Writing anew ------------------------------------------------------------------------------

struct rewrite {
    struct file *to;
    uint64_t seed, offset;
    struct buf out;
};

static enum err put(struct rewrite *w)
{
    MUST(!w->out.failed);
    enum err e = w->to->ops->write_at(w->to, w->out.p, w->out.n, w->offset);
    w->offset += w->out.n;
    buf_clear(&w->out);
    return e;
}

// Copies what is good, with notes where something is missing.
static enum err copy_records(const struct survey *s, struct rewrite *w)
{
    ASSERT(w->to != NULL && w->offset == SEGMENT_HEADER_BYTES);
    struct segment_scan scan;
    struct segment_found found;
    struct segment_header header;
    enum err e = segment_scan_init(&scan, s->file, s->first_seq, s->end_seq, &header);
    while (e == ERR_OK && (e = segment_scan_next(&scan, &found)) == ERR_OK) {
        if (found.item == SEGMENT_RECORD) {
            segment_record_add(&w->out, w->seed, found.first_seq, found.first_seq - 1,
                               found.payload);
        } else {
            segment_lost_add(&w->out, w->seed, found.first_seq, found.last_seq);
        }
        ASSERT(w->out.n > 0);
        e = put(w);
    }
    segment_scan_done(&scan);
    return e == ERR_END || e == ERR_CORRUPT ? ERR_OK : e; // ERR_CORRUPT: there is no header
}

static enum err write_new(const struct survey *s, const char *path)
{
    ASSERT(s->gap_count > 0);
    struct segment_header header = s->header;
    struct rewrite w = {.offset = SEGMENT_HEADER_BYTES};
    enum err e = s->r->fs->ops->open(s->r->fs, path, FS_WRITE | FS_CREATE, &w.to);
    if (e != ERR_OK) {
        return e;
    }
    buf_init(&w.out, COPY_BYTES);
    header.seed = w.seed = s->header.seed ^ clock_wall_ns() ^ s->first_seq << 32;
    e = w.to->ops->truncate(w.to, 0);
    e = e == ERR_OK ? copy_records(s, &w) : e;
    for (size_t i = 0; i < s->gap_count && e == ERR_OK; i++) {
        if (!s->gaps[i].in_scan) {
            segment_lost_add(&w.out, w.seed, s->gaps[i].first, s->gaps[i].last);
            e = put(&w);
        }
    }
    e = e == ERR_OK ? segment_header_write(w.to, &header, w.offset + SEGMENT_HEADER_BYTES) : e;
    e = e == ERR_OK ? w.to->ops->sync(w.to) : e;
    w.to->ops->close(w.to);
    buf_done(&w.out);
    return e;
}

// Tells of each gap, cut where certainty ends.
static void tell(const struct survey *s)
{
    ASSERT(s->r->on_missing != NULL);
    for (size_t i = 0; i < s->gap_count; i++) {
        const struct gap *g = &s->gaps[i];
        struct journal_missing m = {.segment = s->first_seq,
                                    .offset = g->offset,
                                    .first_seq = g->first,
                                    .last_seq = g->last < s->durable ? g->last : s->durable,
                                    .acknowledged = true};
        if (g->first <= s->durable) {
            s->r->on_missing(s->r->ctx, &m);
        }
        if (g->last > s->durable) {
            m.first_seq = g->first > s->durable ? g->first : s->durable + 1;
            m.last_seq = g->last;
            m.acknowledged = false;
            s->r->on_missing(s->r->ctx, &m);
        }
    }
}

// Puts a repaired file in the place of the damaged one, which is kept.
static enum err replace(const struct survey *s)
{
    const struct fs_ops *ops = s->r->fs->ops;
    char path[FS_PATH_MAX], fresh[FS_PATH_MAX], bad[FS_PATH_MAX];
    ASSERT(s->gap_count > 0);
    path_of(s->r, s->first_seq, "", path);
    path_of(s->r, s->first_seq, ".new", fresh);
    path_of(s->r, s->first_seq, ".bad", bad);
    enum err e = write_new(s, fresh);
    e = e == ERR_OK ? ops->sync_dir(s->r->fs, s->r->dir) : e;
    if (e != ERR_OK) {
        return e;
    }
    tell(s); // before it cannot be seen any more
    e = ops->rename(s->r->fs, path, bad);
    e = e == ERR_OK ? ops->sync_dir(s->r->fs, s->r->dir) : e;
    e = e == ERR_OK ? ops->rename(s->r->fs, fresh, path) : e;
    return e == ERR_OK ? ops->sync_dir(s->r->fs, s->r->dir) : e;
}

// Keeps a file of which nothing can be read.
static enum err set_aside(const struct survey *s)
{
    const struct fs_ops *ops = s->r->fs->ops;
    char path[FS_PATH_MAX], bad[FS_PATH_MAX];
    ASSERT(s->gap_count == 0 && s->r->on_unreadable != NULL);
    path_of(s->r, s->first_seq, "", path);
    path_of(s->r, s->first_seq, ".bad", bad);
    s->r->on_unreadable(s->r->ctx, s->first_seq, s->file_bytes);
    enum err e = ops->rename(s->r->fs, path, bad);
    return e == ERR_OK ? ops->sync_dir(s->r->fs, s->r->dir) : e;
}

// ---- The whole ---------------------------------------------------------------------------------

static enum err survey(struct survey *s, uint64_t acked_behind, struct recovered *out)
{
    bool has_header = true;
    ASSERT(acked_behind < s->end_seq);
    s->durable = acked_behind;
    s->last_seq = s->first_seq - 1;
    enum err e = look(s);
    if (e == ERR_CORRUPT) {
        has_header = false;
        e = look_without_header(s);
    }
    if (e == ERR_OK && acked_behind > s->last_seq) {
        add_gap(s, s->last_seq + 1, acked_behind, s->end, false);
        s->last_seq = acked_behind;
    }
    out->set_aside = !has_header && s->gap_count == 0;
    out->last_seq = s->last_seq;
    out->acked_seq = s->header.acked_seq;
    out->bytes = s->file_bytes;
    out->torn_bytes = s->torn_bytes;
    return e;
}

enum err recover_segment(const struct recover *r, uint64_t first_seq, uint64_t end_seq,
                         uint64_t acked_behind, struct recovered *ret_recovered)
{
    struct survey s = {.r = r, .first_seq = first_seq, .end_seq = end_seq};
    struct recovered out = {0};
    ASSERT(first_seq > 0 && first_seq < end_seq);
    enum err e = open_segment(r, first_seq, &s.file);
    if (e != ERR_OK) {
        return e;
    }
    e = survey(&s, acked_behind, &out);
    if (e == ERR_OK && s.gap_count > 0) {
        e = replace(&s);
        out.repaired = true;
    }
    if (e == ERR_OK && out.set_aside) {
        e = set_aside(&s);
    }
    s.file->ops->close(s.file);
    if (e == ERR_OK && out.repaired) {
        e = open_segment(r, first_seq, &s.file);
        if (e == ERR_OK) {
            e = s.file->ops->size(s.file, &out.bytes);
            s.file->ops->close(s.file);
        }
    }
    mem_free(s.gaps);
    if (e == ERR_OK) {
        *ret_recovered = out;
    }
    return e;
}
