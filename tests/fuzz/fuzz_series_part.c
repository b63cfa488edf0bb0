// SPDX-License-Identifier: Apache-2.0
// Purpose: fuzzing the reader of series parts over a file in memory: any bytes give series and
// samples or an error, never a crash, and what was read can be written as another part, which reads
// the same. Checksums are passed over in this build, see codec/checksum.h.
#include "core/mem.h"
#include "core/must.h"
#include "series/chunk.h"
#include "support/simfs.h"
#include "unit/series/parts.h"
#include "unit/store/memfs.h"

#define SERIES_READ 64 // of a part: a chunk of a few bytes may have millions of numbers

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct list {
    struct buf keys[SERIES_READ];
    enum series_type types[SERIES_READ];
    size_t count;
};

static enum err note_series(void *ctx, struct str key, enum series_type type)
{
    struct list *l = ctx;
    if (l->count < SERIES_READ) {
        buf_init(&l->keys[l->count], REGION_MAX);
        buf_add_str(&l->keys[l->count], key);
        l->types[l->count++] = type;
    }
    return ERR_OK;
}

// Reads the histograms of a series by steps, as queries do; `all` is what they are, not yet folded.
static void read_sums(struct part_cursor *c, uint64_t position, enum err wanted,
                      const struct samples *all)
{
    struct arena sums = {0};
    struct samples s = {0}, again = {0};
    const struct chunk_steps steps = {0, SAMPLE_TIME_MAX, 3600000, &sums};
    enum err e = part_cursor_sums(c, position, &steps, &s);
    MUST(e == wanted);
    if (e == ERR_OK) {
        for (size_t i = 0; i < all->count; i++) {
            samples_add(&again, all->at[i]);
        }
        samples_fold(&s, SERIES_HIST, steps.step_ms, &sums);
        samples_fold(&again, SERIES_HIST, steps.step_ms, &sums);
        MUST(s.count == again.count);
        for (size_t i = 0; i < s.count; i++) {
            MUST(s.at[i].time_ms == again.at[i].time_ms && str_eq(s.at[i].hist, again.at[i].hist));
        }
    }
    samples_done(&s);
    samples_done(&again);
    arena_done(&sums);
}

// Writes the series that can be read, and reads them back.
static void rewrite(struct series_part *p, const struct list *l)
{
    struct simfs *disk = simfs_new(1);
    const struct series_part_options o = {simfs_fs(disk), "made", p->meta.line, p->meta.tier, 1};
    struct series_part_writer *w;
    struct part_cursor c;
    struct samples s = {0}, all = {0};
    struct arena sums = {0};
    uint64_t written = 0;
    MUST(series_part_writer_new(&o, &w) == ERR_OK);
    part_cursor_init(&c, p);
    for (size_t i = 0; i < l->count; i++) {
        samples_clear(&s);
        enum err e = part_cursor_samples(&c, i, l->types[i], &s);
        MUST(e == ERR_OK || (e == ERR_CORRUPT && atomic_load(&p->damaged)));
        if (l->types[i] == SERIES_HIST) {
            read_sums(&c, i, e, &s);
        }
        samples_fold(&s, l->types[i], series_tier_ms(p->meta.tier), &sums);
        if (s.count > 0) {
            written += s.count;
            MUST(series_part_writer_add(w, buf_str(&l->keys[i]), l->types[i], &s) == ERR_OK);
        }
    }
    part_cursor_done(&c);
    if (written > 0) {
        struct series_part *made;
        struct list again = {.count = 0};
        MUST(series_part_writer_finish(w) == ERR_OK);
        MUST(series_part_open(o.fs, "made", &made, NULL) == ERR_OK);
        MUST(made->meta.samples == written);
        MUST(series_part_each(made, note_series, &again) == ERR_OK);
        part_cursor_init(&c, made);
        for (size_t i = 0; i < again.count; i++) {
            MUST(part_cursor_samples(&c, i, again.types[i], &all) == ERR_OK);
            buf_done(&again.keys[i]);
        }
        MUST(all.count == written);
        part_cursor_done(&c);
        series_part_unref(made);
    }
    series_part_writer_free(w);
    samples_done(&s);
    samples_done(&all);
    arena_done(&sums);
    simfs_free(disk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct memfs fs;
    struct series_part *p;
    struct list l = {.count = 0};
    memfs_init(&fs, data, size);
    enum err e = series_part_open(&fs.base, "", &p, NULL);
    if (e != ERR_OK) {
        MUST(e == ERR_CORRUPT || e == ERR_UNSUPPORTED);
        return 0;
    }
    e = series_part_each(p, note_series, &l);
    MUST(e == ERR_OK || e == ERR_CORRUPT);
    if (l.count > 0) {
        rewrite(p, &l);
    }
    for (size_t i = 0; i < l.count; i++) {
        buf_done(&l.keys[i]);
    }
    series_part_unref(p);
    return 0;
}
