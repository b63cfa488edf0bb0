// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of which targets there are: of the configuration, of files in both formats that
// come, change, turn bad and go.
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/logger.h"
#include "scrape/internal.h"

struct rig {
    char dir[64], pattern[2][96], told[2048];
    struct str files[2];
    struct str fixed[1];
    struct scrape_job job;
    struct budget budget;
    struct discover *d;
};

static void rig_open(struct rig *r)
{
    *r = (struct rig){.dir = "/tmp/sonde-discover-XXXXXX"};
    assert_non_null(mkdtemp(r->dir));
    (void)snprintf(r->pattern[0], sizeof r->pattern[0], "%s/*.json", r->dir);
    (void)snprintf(r->pattern[1], sizeof r->pattern[1], "%s/*.yml", r->dir);
    r->files[0] = str_of(r->pattern[0]);
    r->files[1] = str_of(r->pattern[1]);
    r->fixed[0] = STR("fixed:1");
    r->job = (struct scrape_job){.name = STR("j"),
                                 .targets = r->fixed,
                                 .target_count = 1,
                                 .files = r->files,
                                 .file_count = 2};
    budget_init(&r->budget, (size_t)1 << 20);
    r->d = discover_new(&r->job, 1, &r->budget);
}

static void path_of(const struct rig *r, const char *name, char path[128])
{
    (void)snprintf(path, 128, "%s/%s", r->dir, name);
}

// By renaming, so that each is another file.
static void put(const struct rig *r, const char *name, const char *text)
{
    char path[128], next[128];
    path_of(r, name, path);
    path_of(r, "next", next);
    FILE *f = fopen(next, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(rename(next, path), 0);
}

static void drop(const struct rig *r, const char *name)
{
    char path[128];
    path_of(r, name, path);
    assert_int_equal(unlink(path), 0);
}

static void rig_done(struct rig *r)
{
    discover_free(r->d);
    assert_int_equal(r->budget.total, 0);
    assert_int_equal(rmdir(r->dir), 0);
}

static void on_target(void *ctx, const struct found_target *t)
{
    struct rig *r = ctx;
    size_t n = strlen(r->told);
    n += (size_t)snprintf(r->told + n, sizeof r->told - n, "%.*s", STR_FMT(t->address));
    for (size_t i = 0; i < t->labels.count; i++) {
        n += (size_t)snprintf(r->told + n, sizeof r->told - n, " %.*s=%.*s",
                              STR_FMT(t->labels.items[i].name), STR_FMT(t->labels.items[i].value));
    }
    (void)snprintf(r->told + n, sizeof r->told - n, ";");
}

static void assert_targets(struct rig *r, bool changed, const char *told)
{
    assert_int_equal(discover_look(r->d), changed);
    r->told[0] = '\0';
    discover_each(r->d, on_target, r);
    assert_string_equal(r->told, told);
}

#define FIXED "fixed:1 job=j instance=fixed:1;"

static void test_targets_of_files(void **state)
{
    (void)state;
    struct rig r;
    struct discover_stats stats;
    rig_open(&r);
    assert_targets(&r, true, FIXED);
    assert_targets(&r, false, FIXED);
    put(&r, "a.json",
        "[{\"targets\": [\"a:1\", \"b:2\"], \"labels\": {\"zone\": \"z\", \"__x\": \"y\"}}]");
    put(&r, "b.yml",
        "# two groups\n- targets: ['c:3']\n- labels: {job: other, instance: me}\n  targets: "
        "[d:4]\n");
    assert_targets(&r, true,
                   FIXED "a:1 zone=z job=j instance=a:1;b:2 zone=z job=j instance=b:2;"
                         "c:3 job=j instance=c:3;d:4 job=other instance=me;");
    put(&r, "b.yml", "- targets: ['e:5'");
    assert_targets(&r, false,
                   FIXED "a:1 zone=z job=j instance=a:1;b:2 zone=z job=j instance=b:2;"
                         "c:3 job=j instance=c:3;d:4 job=other instance=me;");
    discover_stats(r.d, &stats);
    assert_int_equal(stats.files, 2);
    assert_int_equal(stats.bad_files, 1);
    assert_int_equal(stats.file_errors, 1);
    assert_false(discover_look(r.d)); // a bad file that has not changed is not read again
    discover_stats(r.d, &stats);
    assert_int_equal(stats.file_errors, 1);
    drop(&r, "a.json");
    put(&r, "b.yml", "[]");
    assert_targets(&r, true, FIXED);
    drop(&r, "b.yml");
    assert_targets(&r, true, FIXED);
    discover_stats(r.d, &stats);
    assert_int_equal(stats.files + stats.bad_files, 0);
    rig_done(&r);
}

static void test_bad_files(void **state)
{
    (void)state;
    static const char *const json[] = {
        "",
        "{}",
        "[1]",
        "[{}]",
        "[{\"targets\": \"a:1\"}]",
        "[{\"targets\": [1]}]",
        "[{\"targets\": [\"a b:1\"]}]",
        "[{\"targets\": [\"a:1/x\"]}]",
        "[{\"targets\": [\"\"]}]",
        "[{\"targets\": [\"a:1\"], \"labels\": []}]",
        "[{\"targets\": [\"a:1\"], \"labels\": {\"a\": 1}}]",
        "[{\"targets\": [\"a:1\"], \"labels\": {\"\": \"1\"}}]",
        "[{\"targets\": [\"a:1\"]}] x",
        "[{\"targets\": [\"a:1\"], \"targets\": [\"a:1\"]}]",
    };
    static const char *const yaml[] = {
        "",
        "a",
        "a: b",
        "- a",
        "- {}",
        "- targets: a",
        "- targets: [[a]]",
        "- targets: [a: b]",
        "- {targets: [a], other: b}",
        "- {targets: [a], targets: [b]}",
        "- {targets: [a], labels: [b]}",
        "- {targets: [a], labels: {b: [c]}}",
        "- {targets: [a], labels: {b: c, b: d}}",
        "- {targets: [*x]}",
        "- targets: [a]\n---\n- targets: [b]\n",
        "- targets: [a",
        "\t- targets: [a]",
        "- targets: [\"a\\x00b\"]",
    };
    struct rig r;
    struct discover_stats stats;
    rig_open(&r);
    (void)discover_look(r.d);
    for (size_t i = 0; i < sizeof json / sizeof json[0] + sizeof yaml / sizeof yaml[0]; i++) {
        bool is_json = i < sizeof json / sizeof json[0];
        const char *name = is_json ? "x.json" : "x.yml";
        const char *text = is_json ? json[i] : yaml[i - sizeof json / sizeof json[0]];
        put(&r, name, text);
        r.told[0] = '\0';
        (void)discover_look(r.d);
        discover_each(r.d, on_target, &r);
        discover_stats(r.d, &stats);
        if (stats.bad_files != 1 || strcmp(r.told, FIXED) != 0) {
            print_error("taken: %s\n", text);
        }
        assert_int_equal(stats.bad_files, 1);
        assert_int_equal(stats.file_errors, i + 1);
        assert_string_equal(r.told, FIXED);
        drop(&r, name);
    }
    rig_done(&r);
}

// A pipe that nobody writes to would be waited for, and all targets with it.
static void test_what_is_not_a_file_is_bad(void **state)
{
    (void)state;
    struct rig r;
    struct discover_stats stats;
    char path[128];
    rig_open(&r);
    path_of(&r, "pipe.json", path);
    assert_int_equal(mkfifo(path, 0600), 0);
    path_of(&r, "folder.yml", path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_targets(&r, true, FIXED);
    discover_stats(r.d, &stats);
    assert_int_equal(stats.files, 2);
    assert_int_equal(stats.bad_files, 2);
    assert_int_equal(rmdir(path), 0);
    drop(&r, "pipe.json");
    rig_done(&r);
}

// A few kilobytes can say as many megabytes: every target has all labels of its group.
static void test_a_file_that_there_is_no_memory_for_is_bad_until_there_is(void **state)
{
    (void)state;
    struct rig r;
    struct discover_stats stats;
    char text[16384] = "[{\"labels\": {\"z\": \"1\"}, \"targets\": [\"t:1000\"";
    rig_open(&r);
    for (int i = 1; i < 1000; i++) {
        size_t n = strlen(text);
        (void)snprintf(text + n, sizeof text - n, ",\"t:%d\"", i);
    }
    (void)strncat(text, "]}]", sizeof text - strlen(text) - 1);
    put(&r, "a.json", text);
    assert_targets(&r, true, FIXED);
    discover_stats(r.d, &stats);
    assert_int_equal(stats.bad_files, 1);
    assert_true(r.budget.total < r.budget.limit_bytes / 100);
    r.budget.limit_bytes *= 4;
    assert_true(discover_look(r.d)); // though it has not changed
    discover_stats(r.d, &stats);
    assert_int_equal(stats.bad_files, 0);
    assert_in_range(r.budget.total, 1000 * sizeof(struct found_target), r.budget.limit_bytes / 8);
    drop(&r, "a.json");
    assert_targets(&r, true, FIXED);
    rig_done(&r);
}

static void test_a_link_whose_file_is_gone_takes_its_targets_along(void **state)
{
    (void)state;
    struct rig r;
    struct discover_stats stats;
    char path[128];
    rig_open(&r);
    put(&r, "real", "[{\"targets\": [\"a:1\"]}]");
    path_of(&r, "link.json", path);
    assert_int_equal(symlink("real", path), 0);
    assert_targets(&r, true, FIXED "a:1 job=j instance=a:1;");
    drop(&r, "real");
    assert_targets(&r, true, FIXED);
    assert_targets(&r, false, FIXED);
    discover_stats(r.d, &stats);
    assert_int_equal(stats.files + stats.bad_files + stats.file_errors, 0);
    drop(&r, "link.json");
    rig_done(&r);
}

static void test_files_beyond_those_that_are_read_are_counted(void **state)
{
    (void)state;
    struct rig r;
    struct discover_stats stats;
    char name[32];
    rig_open(&r);
    for (size_t i = 0; i <= SCRAPE_FILES_MAX; i++) {
        (void)snprintf(name, sizeof name, "%zu.json", i);
        put(&r, name, "[]");
    }
    assert_targets(&r, true, FIXED);
    discover_stats(r.d, &stats);
    assert_int_equal(stats.files, SCRAPE_FILES_MAX);
    assert_int_equal(stats.files_left_out, 1);
    drop(&r, "0.json");
    assert_true(discover_look(r.d));
    (void)discover_look(r.d); // the one takes the place of the other
    discover_stats(r.d, &stats);
    assert_int_equal(stats.files, SCRAPE_FILES_MAX);
    assert_int_equal(stats.files_left_out, 0);
    for (size_t i = 1; i <= SCRAPE_FILES_MAX; i++) {
        (void)snprintf(name, sizeof name, "%zu.json", i);
        drop(&r, name);
    }
    rig_done(&r);
}

static void test_targets_of_the_configuration_beyond_all_are_counted(void **state)
{
    (void)state;
    static struct str targets[SCRAPE_TARGETS_MAX + 2];
    const struct scrape_job job = {
        .name = STR("j"), .targets = targets, .target_count = sizeof targets / sizeof targets[0]};
    struct budget budget;
    struct discover_stats stats;
    for (size_t i = 0; i < job.target_count; i++) {
        targets[i] = STR("t:1");
    }
    budget_init(&budget, (size_t)1 << 24);
    struct discover *d = discover_new(&job, 1, &budget);
    discover_stats(d, &stats);
    assert_int_equal(stats.targets_left_out, 2);
    discover_free(d);
}

int main(void)
{
    log_set_level(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_targets_of_files),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_what_is_not_a_file_is_bad),
        cmocka_unit_test(test_a_file_that_there_is_no_memory_for_is_bad_until_there_is),
        cmocka_unit_test(test_a_link_whose_file_is_gone_takes_its_targets_along),
        cmocka_unit_test(test_files_beyond_those_that_are_read_are_counted),
        cmocka_unit_test(test_targets_of_the_configuration_beyond_all_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
