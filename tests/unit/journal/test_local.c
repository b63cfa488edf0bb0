// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of the local journal over a simulated disk: 400 seeded lives with power cuts, torn
// writes and failing syncs. No acknowledged record may be missing, none may come twice.
#include "test.h"

#include <semaphore.h>
#include <stdio.h>

#include "core/logger.h"
#include "core/mem.h"
#include "journal/journal.h"
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
    for (size_t i = 4; i < payload.n; i++) {
        assert_int_equal((uint8_t)payload.p[i], (uint8_t)(number + i));
    }
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

// A damaged segment in the middle is not a torn tail: the journal says so instead of losing
// records.
static void test_damage_before_acknowledged_records(void **state)
{
    (void)state;
    struct life *l = mem_new(1, sizeof *l);
    sem_t sem;
    assert_int_equal(sem_init(&sem, 0, 0), 0);
    l->disk = simfs_new(13);
    struct fs *fs = simfs_fs(l->disk);
    struct journal *j = open_journal(l, JOURNAL_SYNC_ALWAYS);
    journal_start(j);
    append(l, j, 200, &sem);
    journal_close(j);
    struct file *f;
    assert_ok(fs->ops->open(fs, "journal/0000000000000001.seg", FS_WRITE, &f));
    assert_ok(f->ops->write_at(f, "?", 1, 200));
    f->ops->close(f);
    struct err_at at = {0};
    const struct journal_options o = {.fs = fs, .dir = "journal"};
    assert_err(journal_open(&o, &j, &at), ERR_CORRUPT);
    assert_non_null(strstr(at.text, "0000000000000001.seg is damaged after record"));
    simfs_free(l->disk);
    sem_destroy(&sem);
    mem_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power_cuts),
        cmocka_unit_test(test_release_recycles_and_keeps_numbers),
        cmocka_unit_test(test_full_disk_refuses_and_recovers),
        cmocka_unit_test(test_interval_survives_a_clean_stop),
        cmocka_unit_test(test_damage_before_acknowledged_records),
    };
    log_set_level(LOG_SILENT); // failing disks are the point here
    return cmocka_run_group_tests(tests, NULL, NULL);
}
