// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of the local journal over a simulated disk: 400 seeded lives with power cuts, torn
// writes and failing syncs. No acknowledged record may be missing, none may come twice.
#include "test.h"

#include <semaphore.h>
#include <stdio.h>
#include <unistd.h>
#include <xxhash.h>

#include "core/logger.h"
#include "core/mem.h"
#include "journal/journal.h"
#include "journal/segment.h"
#include "support/simfs.h"

#define RECORDS_MAX 4000

// What the test knows of every record it ever appended: its number is its payload's first word.
struct life {
    struct simfs *disk;
    bool acked[RECORDS_MAX];
    unsigned times[RECORDS_MAX]; // seen in the last replay
    uint64_t last_seq;
    uint32_t next;
    uint64_t acked_total;
};

struct record {
    struct journal_entry entry;
    struct life *life;
    sem_t *sem;
    uint32_t number;
    char payload[3000];
};

static void on_done(struct journal_entry *entry)
{
    struct record *r = (struct record *)entry;
    if (entry->result == ERR_OK) {
        r->life->acked[r->number] = true;
        r->life->acked_total++;
    }
    sem_post(r->sem);
}

static enum err see(void *ctx, uint64_t seq, struct str payload)
{
    struct life *l = ctx;
    uint32_t number;
    assert_true(payload.n >= 4);
    memcpy(&number, payload.p, 4);
    assert_true(number < RECORDS_MAX);
    assert_true(seq > l->last_seq);
    size_t same = 4;
    while (same < payload.n && (uint8_t)payload.p[same] == (uint8_t)(number + same)) {
        same++;
    }
    assert_int_equal(same, payload.n);
    l->last_seq = seq;
    l->times[number]++;
    return ERR_OK;
}

static void append(struct life *l, struct journal *j, unsigned count, sem_t *sem)
{
    struct record *records = mem_new(count, sizeof *records);
    for (unsigned i = 0; i < count; i++) {
        struct record *r = &records[i];
        assert_true(l->next < RECORDS_MAX);
        r->life = l;
        r->sem = sem;
        r->number = l->next++;
        size_t n = 4 + simfs_random(l->disk, sizeof r->payload - 4);
        memcpy(r->payload, &r->number, 4);
        for (size_t k = 4; k < n; k++) {
            r->payload[k] = (char)(r->number + k);
        }
        r->entry.payload = (struct str){r->payload, n};
        r->entry.done = on_done;
        journal_append(j, &r->entry);
    }
    for (unsigned i = 0; i < count; i++) {
        sem_wait(sem);
    }
    mem_free(records);
}

static void check_replay(struct life *l, struct journal *j, uint64_t after)
{
    memset(l->times, 0, sizeof l->times);
    l->last_seq = after;
    assert_ok(journal_replay(j, after, see, l));
    for (uint32_t i = 0; i < l->next; i++) {
        assert_true(l->times[i] <= 1);
        assert_false(after == 0 && l->acked[i] && l->times[i] != 1);
    }
}

static struct journal *open_journal(struct life *l, enum journal_sync sync)
{
    struct journal *j = NULL;
    struct err_at at = {0};
    const struct journal_options o = {.fs = simfs_fs(l->disk),
                                      .dir = "journal",
                                      .sync = sync,
                                      .sync_interval_ms = 5,
                                      .segment_bytes = 64 << 10,
                                      .disk_bytes_max = 64 << 20};
    enum err e = journal_open(&o, &j, &at);
    if (e != ERR_OK) {
        print_error("%s\n", at.text);
    }
    assert_ok(e);
    // No crash leaves a segment of which nothing can be read, not even what is missing.
    struct journal_stats stats;
    journal_stats(j, &stats);
    assert_true(stats.damaged_segments == 0 || stats.doubtful_records + stats.lost_records > 0);
    return j;
}

static void live(uint64_t seed)
{
    struct life *l = mem_new(1, sizeof *l);
    sem_t sem;
    assert_int_equal(sem_init(&sem, 0, 0), 0);
    l->disk = simfs_new(seed);
    unsigned starts = 2 + (unsigned)simfs_random(l->disk, 5);
    for (unsigned i = 0; i < starts; i++) {
        struct journal *j = open_journal(l, JOURNAL_SYNC_ALWAYS);
        check_replay(l, j, 0);
        simfs_set_faults(l->disk, seed % 3 == 1 ? 30 : 0, seed % 3 == 2 ? 30 : 0);
        simfs_power_off_after(l->disk, 1 + simfs_random(l->disk, 200));
        journal_start(j);
        for (unsigned k = 0; k < 20; k++) {
            append(l, j, 1 + (unsigned)simfs_random(l->disk, 20), &sem);
        }
        journal_close(j);
        simfs_set_faults(l->disk, 0, 0);
        simfs_crash(l->disk);
    }
    struct journal *j = open_journal(l, JOURNAL_SYNC_ALWAYS);
    check_replay(l, j, 0);
    journal_close(j);
    simfs_free(l->disk);
    sem_destroy(&sem);
    mem_free(l);
}

static void test_power_cuts(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        live(seed);
    }
}

static void test_release_recycles_and_keeps_numbers(void **state)
{
    (void)state;
    struct life *l = mem_new(1, sizeof *l);
    struct journal_stats stats;
    sem_t sem;
    assert_int_equal(sem_init(&sem, 0, 0), 0);
    l->disk = simfs_new(7);
    struct journal *j = open_journal(l, JOURNAL_SYNC_ALWAYS);
    journal_start(j);
    for (int i = 0; i < 40; i++) {
        append(l, j, 10, &sem);
    }
    journal_stats(j, &stats);
    assert_true(stats.segments > 5);
    assert_int_equal(stats.records, 400);
    journal_release(j, 300);
    uint64_t before = stats.segments;
    journal_stats(j, &stats);
    assert_true(stats.segments < before);
    assert_true(stats.first_seq <= 301);
    append(l, j, 200, &sem); // into recycled segments
    journal_release(j, 600);
    journal_close(j);
    j = open_journal(l, JOURNAL_SYNC_ALWAYS);
    check_replay(l, j, 595);
    assert_int_equal(l->last_seq, 600);
    journal_start(j);
    append(l, j, 1, &sem);
    journal_stats(j, &stats);
    assert_int_equal(stats.last_seq, 601);
    journal_close(j);
    simfs_free(l->disk);
    sem_destroy(&sem);
    mem_free(l);
}

static void test_full_disk_refuses_and_recovers(void **state)
{
    (void)state;
    struct life *l = mem_new(1, sizeof *l);
    sem_t sem;
    assert_int_equal(sem_init(&sem, 0, 0), 0);
    l->disk = simfs_new(9);
    struct journal *j = open_journal(l, JOURNAL_SYNC_ALWAYS);
    journal_start(j);
    append(l, j, 10, &sem);
    uint64_t acked = l->acked_total;
    assert_int_equal(acked, 10);
    simfs_set_full(l->disk, true);
    append(l, j, 200, &sem);
    assert_true(l->acked_total < 210);
    simfs_set_full(l->disk, false);
    acked = l->acked_total;
    append(l, j, 50, &sem);
    assert_int_equal(l->acked_total, acked + 50);
    journal_close(j);
    j = open_journal(l, JOURNAL_SYNC_ALWAYS);
    check_replay(l, j, 0);
    journal_close(j);
    simfs_free(l->disk);
    sem_destroy(&sem);
    mem_free(l);
}

static void test_interval_survives_a_clean_stop(void **state)
{
    (void)state;
    struct life *l = mem_new(1, sizeof *l);
    sem_t sem;
    assert_int_equal(sem_init(&sem, 0, 0), 0);
    l->disk = simfs_new(11);
    struct journal *j = open_journal(l, JOURNAL_SYNC_INTERVAL);
    journal_start(j);
    append(l, j, 100, &sem);
    journal_close(j);
    simfs_crash(l->disk); // everything was synced at the stop
    j = open_journal(l, JOURNAL_SYNC_INTERVAL);
    check_replay(l, j, 0);
    assert_int_equal(l->last_seq, 100);
    journal_close(j);
    simfs_free(l->disk);
    sem_destroy(&sem);
    mem_free(l);
}

// What fails is said, and without any traffic that it has passed.
static void test_failing_is_told_until_it_passes(void **state)
{
    (void)state;
    struct life *l = mem_new(1, sizeof *l);
    struct journal_stats stats;
    sem_t sem;
    assert_int_equal(sem_init(&sem, 0, 0), 0);
    l->disk = simfs_new(12);
    struct journal *j = open_journal(l, JOURNAL_SYNC_ALWAYS);
    journal_start(j);
    append(l, j, 1, &sem);
    journal_stats(j, &stats);
    assert_false(stats.failing);
    simfs_set_faults(l->disk, 1000, 1000);
    append(l, j, 1, &sem);
    journal_stats(j, &stats);
    assert_true(stats.failing);
    simfs_set_faults(l->disk, 0, 0);
    for (int i = 0; i < 1000 && stats.failing; i++) {
        (void)usleep(10000);
        journal_stats(j, &stats);
    }
    assert_false(stats.failing);
    assert_int_equal(l->acked_total, 1);
    journal_close(j);
    j = open_journal(l, JOURNAL_SYNC_ALWAYS);
    check_replay(l, j, 0);
    journal_close(j);
    simfs_free(l->disk);
    sem_destroy(&sem);
    mem_free(l);
}

// ---- Damage ------------------------------------------------------------------------------------

// What the journal told to be missing.
struct missing {
    bool told[RECORDS_MAX + 1]; // by seq
    uint64_t acknowledged, doubtful;
    bool again; // a crash amid the repair: what was told may be told again
};

static void on_missing(void *ctx, const struct journal_missing *m)
{
    struct missing *x = ctx;
    assert_true(m->first_seq > 0 && m->first_seq <= m->last_seq && m->last_seq <= RECORDS_MAX);
    for (uint64_t seq = m->first_seq; seq <= m->last_seq; seq++) {
        assert_true(x->again || !x->told[seq]);
        if (!x->told[seq]) {
            *(m->acknowledged ? &x->acknowledged : &x->doubtful) += 1;
        }
        x->told[seq] = true;
    }
}

static enum err open_damaged(struct life *l, struct missing *m, struct journal **ret_journal)
{
    const struct journal_options o = {.fs = simfs_fs(l->disk),
                                      .dir = "journal",
                                      .segment_bytes = 64 << 10,
                                      .disk_bytes_max = 64 << 20,
                                      .on_missing = on_missing,
                                      .ctx = m};
    return journal_open(&o, ret_journal, NULL);
}

static struct file *open_file(struct life *l, const char *name)
{
    struct fs *fs = simfs_fs(l->disk);
    struct file *f = NULL;
    char path[64];
    (void)snprintf(path, sizeof path, "journal/%s", name);
    assert_ok(fs->ops->open(fs, path, FS_WRITE, &f));
    return f;
}

static void damage(struct life *l, const char *name, uint64_t offset, size_t n)
{
    char bytes[4096];
    struct file *f = open_file(l, name);
    assert_true(n <= sizeof bytes);
    memset(bytes, simfs_random(l->disk, 2) == 0 ? 0 : 0xa5, n);
    assert_ok(f->ops->write_at(f, bytes, n, offset));
    assert_ok(f->ops->sync(f));
    f->ops->close(f);
}

// Where the last record of a segment begins.
static uint64_t last_record(struct life *l, const char *name)
{
    struct segment_scan scan;
    struct segment_header header;
    struct segment_found found;
    uint64_t first, at = SEGMENT_HEADER_BYTES;
    struct file *f = open_file(l, name);
    assert_ok(segment_name_parse(name, &first));
    assert_ok(segment_scan_init(&scan, f, first, UINT64_MAX, &header));
    while (segment_scan_next(&scan, &found) == ERR_OK) {
        at = found.offset;
    }
    segment_scan_done(&scan);
    f->ops->close(f);
    return at;
}

static bool exists(struct life *l, const char *path)
{
    struct fs *fs = simfs_fs(l->disk);
    struct file *f = NULL;
    enum err e = fs->ops->open(fs, path, FS_READ, &f);
    if (e == ERR_OK) {
        f->ops->close(f);
    }
    return e == ERR_OK;
}

// Every record was acknowledged, and record n has seq n + 1: what is not replayed must be told.
static void check_accounted(struct life *l, struct journal *j, const struct missing *m)
{
    memset(l->times, 0, sizeof l->times);
    l->last_seq = 0;
    assert_ok(journal_replay(j, 0, see, l));
    for (uint32_t i = 0; i < l->next; i++) {
        assert_int_equal(l->times[i] + (m->told[i + 1] ? 1 : 0), 1);
    }
}

struct damaged {
    struct life *l;
    struct missing *m;
    sem_t sem;
};

static void damaged_init(struct damaged *d, uint64_t seed, unsigned groups)
{
    struct journal_stats stats;
    d->l = mem_new(1, sizeof *d->l);
    d->m = mem_new(1, sizeof *d->m);
    assert_int_equal(sem_init(&d->sem, 0, 0), 0);
    d->l->disk = simfs_new(seed);
    struct journal *j = open_journal(d->l, JOURNAL_SYNC_ALWAYS);
    journal_start(j);
    for (unsigned i = 0; i < groups; i++) {
        append(d->l, j, 4, &d->sem);
    }
    journal_stats(j, &stats);
    assert_true(stats.segments > 1);
    assert_int_equal(stats.last_seq, 4 * groups);
    journal_close(j);
}

// The name of the n-th segment.
static void segment_at(struct damaged *d, unsigned n, char out[SEGMENT_NAME_BYTES])
{
    unsigned seen = 0;
    for (uint64_t seq = 1; seq <= RECORDS_MAX; seq++) {
        char path[64];
        segment_name(seq, out);
        (void)snprintf(path, sizeof path, "journal/%s", out);
        if (exists(d->l, path) && seen++ == n) {
            return;
        }
    }
    fail();
}

static unsigned segments_of(struct damaged *d)
{
    struct journal_stats stats;
    struct journal *j = NULL;
    assert_ok(open_damaged(d->l, d->m, &j));
    journal_stats(j, &stats);
    journal_close(j);
    return (unsigned)stats.segments;
}

static void damaged_done(struct damaged *d)
{
    simfs_free(d->l->disk);
    sem_destroy(&d->sem);
    mem_free(d->l);
    mem_free(d->m);
}

// Opens what was damaged twice, and appends: all is accounted for, the loss is told once.
static void check_damaged(struct damaged *d, bool first, uint64_t *ret_lost)
{
    struct journal *j = NULL;
    struct journal_stats stats;
    assert_ok(open_damaged(d->l, d->m, &j));
    check_accounted(d->l, j, d->m);
    journal_stats(j, &stats);
    if (first) { // not told by an earlier start
        assert_int_equal(stats.lost_records, d->m->acknowledged);
        assert_int_equal(stats.doubtful_records, d->m->doubtful);
    }
    *ret_lost = d->m->acknowledged + d->m->doubtful;
    journal_start(j);
    append(d->l, j, 10, &d->sem);
    journal_close(j);
    d->m->again = false;
    assert_ok(open_damaged(d->l, d->m, &j));
    check_accounted(d->l, j, d->m);
    journal_stats(j, &stats);
    assert_int_equal(stats.lost_records + stats.doubtful_records + stats.damaged_segments, 0);
    journal_close(j);
    assert_int_equal(*ret_lost, d->m->acknowledged + d->m->doubtful);
}

// Records behind a damaged one are kept, in the newest segment like in any other.
static void test_damage_anywhere_costs_what_it_hits(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        struct damaged d;
        char name[SEGMENT_NAME_BYTES], bad[64];
        uint64_t lost;
        damaged_init(&d, seed, 25);
        unsigned segments = segments_of(&d);
        bool newest = seed % 2 == 0;
        unsigned which = newest ? segments - 1 : (unsigned)simfs_random(d.l->disk, segments - 1);
        segment_at(&d, which, name);
        uint64_t last = last_record(d.l, name);
        if (last <= SEGMENT_HEADER_BYTES) {
            damaged_done(&d);
            continue;
        }
        // Not beyond the begin of the last record: with nothing behind, that would be a torn tail.
        size_t n = 1 + simfs_random(d.l->disk, 4000);
        uint64_t at = SEGMENT_HEADER_BYTES + simfs_random(d.l->disk, last - SEGMENT_HEADER_BYTES);
        n = newest && at + n > last ? (size_t)(last - at) : n;
        damage(d.l, name, at, n);
        if (seed % 3 == 0) { // the power goes during the repair: nothing is left untold
            struct journal *j = NULL;
            simfs_power_off_after(d.l->disk, 1 + simfs_random(d.l->disk, 250));
            enum err e = open_damaged(d.l, d.m, &j);
            if (e == ERR_OK) {
                journal_close(j);
            }
            simfs_power_off_after(d.l->disk, 0);
            simfs_crash(d.l->disk);
            d.m->again = true;
        }
        check_damaged(&d, seed % 3 != 0, &lost);
        (void)snprintf(bad, sizeof bad, "journal/%s.bad", name);
        assert_true(lost == 0 || exists(d.l, bad));
        damaged_done(&d);
    }
}

static void test_a_rotten_header_costs_nothing_else(void **state)
{
    (void)state;
    for (unsigned which = 0; which < 2; which++) {
        struct damaged d;
        char name[SEGMENT_NAME_BYTES];
        uint64_t lost, first, next = 101;
        damaged_init(&d, 3 + which, 25);
        unsigned segments = segments_of(&d), index = which == 0 ? segments - 1 : 0;
        segment_at(&d, index, name);
        damage(d.l, name, 0, SEGMENT_HEADER_BYTES);
        check_damaged(&d, true, &lost);
        assert_int_equal(lost, 0);
        // With both copies gone nothing in it can be trusted, but what is lost is known.
        assert_ok(segment_name_parse(name, &first));
        if (index + 1 < segments) {
            char after[SEGMENT_NAME_BYTES];
            segment_at(&d, index + 1, after);
            assert_ok(segment_name_parse(after, &next));
        }
        struct file *f = open_file(d.l, name);
        uint64_t bytes;
        assert_ok(f->ops->size(f, &bytes));
        f->ops->close(f);
        damage(d.l, name, 0, SEGMENT_HEADER_BYTES);
        damage(d.l, name, bytes - SEGMENT_HEADER_BYTES, SEGMENT_HEADER_BYTES);
        check_damaged(&d, true, &lost);
        assert_int_equal(lost, next - first);
        assert_int_equal(d.m->acknowledged, lost);
        damaged_done(&d);
    }
}

// The newest segment, of which nothing is left to be read but noise or zeros: it is kept, and
// counted.
static void test_a_segment_without_anything_to_read_is_kept(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 2; kind++) {
        struct damaged d;
        struct journal *j;
        struct journal_stats stats;
        char name[SEGMENT_NAME_BYTES], path[64], bad[80];
        uint64_t bytes, noise = 7;
        damaged_init(&d, 8, 60);
        segment_at(&d, segments_of(&d) - 1, name);
        (void)snprintf(path, sizeof path, "journal/%s", name);
        (void)snprintf(bad, sizeof bad, "%s.bad", path);
        struct file *f = open_file(d.l, name);
        assert_ok(f->ops->size(f, &bytes));
        uint64_t *filling = mem_new(bytes / 8, 8);
        for (size_t i = 0; i < bytes / 8 && kind == 0; i++) {
            filling[i] = noise = noise * 6364136223846793005U + 1442695040888963407U;
        }
        assert_ok(f->ops->write_at(f, filling, bytes, 0));
        f->ops->close(f);
        mem_free(filling);
        assert_ok(open_damaged(d.l, d.m, &j));
        journal_stats(j, &stats);
        assert_int_equal(stats.damaged_segments, 1);
        assert_int_equal(stats.lost_records, 0); // nobody knows
        journal_close(j);
        assert_true(exists(d.l, bad));
        assert_false(exists(d.l, path));
        damaged_done(&d);
    }
}

static void test_a_lost_segment_is_told(void **state)
{
    (void)state;
    struct damaged d;
    char name[SEGMENT_NAME_BYTES], after[SEGMENT_NAME_BYTES], path[64];
    uint64_t lost, first, next;
    damaged_init(&d, 8, 60);
    assert_true(segments_of(&d) > 2);
    segment_at(&d, 1, name);
    segment_at(&d, 2, after);
    assert_ok(segment_name_parse(name, &first));
    assert_ok(segment_name_parse(after, &next));
    (void)snprintf(path, sizeof path, "journal/%s", name);
    assert_ok(simfs_fs(d.l->disk)->ops->remove(simfs_fs(d.l->disk), path));
    check_damaged(&d, true, &lost);
    assert_int_equal(lost, next - first);
    assert_int_equal(d.m->acknowledged, lost);
    damaged_done(&d);
}

static void test_an_earlier_version_is_refused(void **state)
{
    (void)state;
    struct life *l = mem_new(1, sizeof *l);
    struct journal *j = NULL;
    struct err_at at = {0};
    l->disk = simfs_new(1);
    struct fs *fs = simfs_fs(l->disk);
    struct file *f;
    uint64_t words[8] = {0x314c4a45444e4f53, 1, 0, 77};
    words[7] = XXH3_64bits(words, 56);
    assert_ok(fs->ops->open(fs, "journal/0000000000000001.seg", FS_CREATE, &f));
    assert_ok(f->ops->write_at(f, words, sizeof words, 0));
    f->ops->close(f);
    const struct journal_options o = {.fs = fs, .dir = "journal"};
    assert_err(journal_open(&o, &j, &at), ERR_UNSUPPORTED);
    assert_non_null(strstr(at.text, "0000000000000001.seg has another version"));
    simfs_free(l->disk);
    mem_free(l);
}

// Spare segments are within the limit, the fewer the smaller it is.
static void test_spares_are_counted(void **state)
{
    (void)state;
    static const struct {
        size_t max;
        uint64_t spares;
    } cases[] = {{4 << 20, 4}, {1 << 20, 2}, {512 << 10, 1}, {256 << 10, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct life *l = mem_new(1, sizeof *l);
        struct journal *j = NULL;
        struct journal_stats stats;
        sem_t sem;
        assert_int_equal(sem_init(&sem, 0, 0), 0);
        l->disk = simfs_new(i + 1);
        const struct journal_options o = {.fs = simfs_fs(l->disk),
                                          .dir = "journal",
                                          .segment_bytes = 64 << 10,
                                          .disk_bytes_max = cases[i].max};
        assert_ok(journal_open(&o, &j, NULL));
        journal_start(j);
        for (int k = 0; k < 100; k++) {
            append(l, j, 10, &sem);
            journal_stats(j, &stats);
            assert_true(stats.disk_bytes <= cases[i].max);
            if (k % 25 == 24) {
                journal_release(j, stats.last_seq);
            }
        }
        journal_release(j, l->next);
        journal_stats(j, &stats);
        assert_int_equal(stats.segments, 1);
        assert_int_equal(stats.disk_bytes, (1 + cases[i].spares) * (64 << 10));
        journal_close(j);
        assert_ok(journal_open(&o, &j, NULL)); // found again at the next start
        journal_stats(j, &stats);
        assert_int_equal(stats.disk_bytes, (1 + cases[i].spares) * (64 << 10));
        journal_close(j);
        simfs_free(l->disk);
        sem_destroy(&sem);
        mem_free(l);
    }
}

// Above half of its size the journal asks for haste; full, it says that its own size is why.
static void test_filling_is_told_and_so_is_the_limit(void **state)
{
    (void)state;
    struct life *l = mem_new(1, sizeof *l);
    struct journal *j = NULL;
    struct journal_stats stats;
    atomic_bool filling = false;
    sem_t sem;
    assert_int_equal(sem_init(&sem, 0, 0), 0);
    l->disk = simfs_new(3);
    const struct journal_options o = {.fs = simfs_fs(l->disk),
                                      .dir = "journal",
                                      .segment_bytes = 64 << 10,
                                      .disk_bytes_max = 512 << 10,
                                      .filling = &filling};
    assert_ok(journal_open(&o, &j, NULL));
    journal_start(j);
    do {
        append(l, j, 1, &sem);
        journal_stats(j, &stats);
        assert_int_equal(atomic_load(&filling), stats.disk_bytes > o.disk_bytes_max / 2);
        assert_false(stats.at_limit && !stats.failing);
    } while (!stats.failing);
    assert_true(stats.at_limit);
    journal_release(j, stats.last_seq); // what is left is the last segment, and a spare
    assert_false(atomic_load(&filling));
    append(l, j, 10, &sem);
    journal_stats(j, &stats);
    assert_false(stats.failing || stats.at_limit);
    simfs_set_full(l->disk, true);
    append(l, j, 200, &sem);
    journal_stats(j, &stats);
    assert_true(stats.failing && !stats.at_limit); // the disk's end is another matter
    journal_close(j);
    simfs_free(l->disk);
    sem_destroy(&sem);
    mem_free(l);
}

// ---- Doubt -------------------------------------------------------------------------------------

// A disk whose renames and removals fail now and then, after they have happened or without.
static struct fs_ops doubtful_ops;
static const struct fs_ops *sure_ops;
static struct simfs *doubtful_disk;

static bool fails(unsigned in)
{
    return simfs_random(doubtful_disk, in) == 0;
}

static enum err doubtful_rename(struct fs *fs, const char *from, const char *to)
{
    bool failing = fails(3);
    enum err e = failing && fails(2) ? ERR_OK : sure_ops->rename(fs, from, to);
    return failing ? ERR_IO : e;
}

static enum err doubtful_remove(struct fs *fs, const char *path)
{
    return fails(8) ? ERR_IO : sure_ops->remove(fs, path);
}

struct names {
    char name[64][32];
    size_t count;
};

static void note_name(void *ctx, const char *name)
{
    struct names *n = ctx;
    assert_true(n->count < 64);
    if (strstr(name, ".bad") != NULL) {
        return; // a person's to remove, and not counted
    }
    (void)snprintf(n->name[n->count++], sizeof n->name[0], "%s", name);
}

static uint64_t folder_bytes(struct life *l)
{
    struct names n = {0};
    uint64_t sum = 0;
    assert_ok(sure_ops->list(simfs_fs(l->disk), "journal", note_name, &n));
    for (size_t i = 0; i < n.count; i++) {
        uint64_t bytes = 0;
        struct file *f = open_file(l, n.name[i]);
        assert_ok(f->ops->size(f, &bytes));
        f->ops->close(f);
        sum += bytes;
    }
    return sum;
}

// Whatever has become of a rename or a removal that failed, what the folder takes is counted.
static void test_no_file_is_uncounted(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct life *l = mem_new(1, sizeof *l);
        struct journal *j = NULL;
        struct journal_stats stats;
        sem_t sem;
        assert_int_equal(sem_init(&sem, 0, 0), 0);
        l->disk = doubtful_disk = simfs_new(seed);
        struct fs *fs = simfs_fs(l->disk);
        sure_ops = fs->ops;
        doubtful_ops = *sure_ops;
        doubtful_ops.rename = doubtful_rename;
        doubtful_ops.remove = doubtful_remove;
        const struct journal_options o = {
            .fs = fs, .dir = "journal", .segment_bytes = 64 << 10, .disk_bytes_max = 1 << 20};
        assert_ok(journal_open(&o, &j, NULL));
        fs->ops = &doubtful_ops;
        journal_start(j);
        for (int k = 0; k < 60; k++) {
            append(l, j, 20, &sem);
            journal_stats(j, &stats);
            assert_true(folder_bytes(l) <= stats.disk_bytes);
            assert_true(stats.disk_bytes <= o.disk_bytes_max);
            if (k % 3 == 2) {
                journal_release(j, stats.last_seq);
            }
        }
        fs->ops = sure_ops;
        journal_close(j);
        assert_ok(journal_open(&o, &j, NULL));
        journal_stats(j, &stats);
        assert_int_equal(folder_bytes(l), stats.disk_bytes); // the next start knows what is there
        journal_close(j);
        simfs_free(l->disk);
        sem_destroy(&sem);
        mem_free(l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power_cuts),
        cmocka_unit_test(test_release_recycles_and_keeps_numbers),
        cmocka_unit_test(test_full_disk_refuses_and_recovers),
        cmocka_unit_test(test_interval_survives_a_clean_stop),
        cmocka_unit_test(test_failing_is_told_until_it_passes),
        cmocka_unit_test(test_damage_anywhere_costs_what_it_hits),
        cmocka_unit_test(test_a_rotten_header_costs_nothing_else),
        cmocka_unit_test(test_a_segment_without_anything_to_read_is_kept),
        cmocka_unit_test(test_a_lost_segment_is_told),
        cmocka_unit_test(test_an_earlier_version_is_refused),
        cmocka_unit_test(test_spares_are_counted),
        cmocka_unit_test(test_filling_is_told_and_so_is_the_limit),
        cmocka_unit_test(test_no_file_is_uncounted),
    };
    log_set_level(LOG_SILENT); // failing disks are the point here
    return cmocka_run_group_tests(tests, NULL, NULL);
}
