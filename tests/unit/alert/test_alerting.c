// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of alert/alerting.h: a file of rules and channels is taken all or not at all; what
// the log says of a channel that fails.
#include "alert/alerting.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/mem.h"
#include "support/receiver.h"
#include "support/sample_notice.h"
#include "test.h"

#define SILENCES_OF_ONE 700 // two such files are more than there may be
#define DEADLINE_NS     (20 * NS_PER_S)

static char folder[64];
static struct budget budget;
static struct ledger *ledger;
static struct store *store;
static struct series_store *series;
static struct alerting *alerting;

static void on_done(void *ctx, uint64_t seq)
{
    (void)ctx;
    (void)seq;
}

static int setup(void **state)
{
    static char store_dir[80], series_dir[80], alert_dir[80];
    struct err_at at = {0};
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/sonde-alerting-XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(store_dir, sizeof store_dir, "%s/store", folder);
    (void)snprintf(series_dir, sizeof series_dir, "%s/series", folder);
    (void)snprintf(alert_dir, sizeof alert_dir, "%s/alert", folder);
    budget_init(&budget, (size_t)256 << 20);
    ledger = ledger_new();
    const struct store_options s = {
        .fs = fs_real(), .dir = store_dir, .budget = &budget, .ledger = ledger};
    assert_ok(store_open(&s, &store, &at));
    const struct series_options r = {.fs = fs_real(), .dir = series_dir, .budget = &budget};
    assert_ok(series_open(&r, &series, &at));
    const struct alerting_options o = {.dir = alert_dir,
                                       .version = "test",
                                       .budget = &budget,
                                       .store = store,
                                       .series = series,
                                       .received_channels = STR(""),
                                       .received_receivers = STR(""),
                                       .failing_ms = 1,
                                       .on_done = on_done};
    assert_ok(alerting_open(&o, &alerting, &at));
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int teardown(void **state)
{
    (void)state;
    alerting_close(alerting);
    series_close(series);
    store_close(store);
    ledger_free(ledger);
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static enum err import(const struct buf *text, struct err_at *at)
{
    struct alerting_taken taken;
    assert_false(text->failed);
    return alerting_import(alerting, buf_str(text), "file", STR("anna"), &taken, at);
}

static void add_silences(struct buf *text, const char *name)
{
    buf_add_str(text, STR("silences:\n"));
    for (int i = 0; i < SILENCES_OF_ONE; i++) {
        buf_printf(text, "  - {name: %s-%d}\n", name, i);
    }
}

static void add_channel(struct buf *text, const char *name, const char *port)
{
    buf_printf(text,
               "  - {name: %s, type: webhook, url: \"http://127.0.0.1:%s/\", secret: \"s\"}\n",
               name, port);
}

// What there is, as a file; but of the silences only how many.
static void check_has(const char *rules_and_channels, size_t silences)
{
    struct buf out;
    size_t found = 0;
    buf_init(&out, (size_t)1 << 20);
    assert_ok(alerting_export(alerting, &out));
    struct str rest = buf_str(&out), line;
    while (rest.n > 0) {
        rest = str_split(rest, '\n', &line);
        found += memmem(line.p, line.n, "old-", 4) != NULL;
        assert_null(memmem(line.p, line.n, "new-", 4));
    }
    assert_int_equal(found, silences);
    assert_non_null(memmem(out.p, out.n, rules_and_channels, strlen(rules_and_channels)));
    buf_done(&out);
}

static void test_a_file_that_is_refused_changes_nothing(void **state)
{
    struct err_at at = {0};
    struct buf text;
    (void)state;
    buf_init(&text, (size_t)1 << 20);
    add_silences(&text, "old");
    buf_add_str(&text, STR("channels:\n"));
    add_channel(&text, "ops", "1");
    assert_ok(import(&text, &at));
    check_has("http://127.0.0.1:1/", SILENCES_OF_ONE);
    // Together with those there are too many: neither the channel of before, nor a new one.
    buf_clear(&text);
    buf_add_str(&text, STR("channels:\n"));
    add_channel(&text, "ops", "2");
    add_channel(&text, "new-one", "2");
    add_silences(&text, "new");
    assert_err(import(&text, &at), ERR_LIMIT);
    assert_string_equal(at.text, "the rules cannot be written: there would be too many");
    check_has("http://127.0.0.1:1/", SILENCES_OF_ONE);
    // So with channels, which are the last of this file that does not fit.
    buf_clear(&text);
    buf_add_str(&text, STR("silences: [{name: new-silence}]\nchannels:\n"));
    add_channel(&text, "ops", "2");
    for (size_t i = 0; i < OUTBOX_CHANNELS_MAX; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "new-%zu", i);
        add_channel(&text, name, "2");
    }
    assert_err(import(&text, &at), ERR_LIMIT);
    assert_string_equal(at.text, "There would be more than 256 channels.");
    check_has("http://127.0.0.1:1/", SILENCES_OF_ONE);
    buf_done(&text);
}

// What went to standard error since the last call, into a file.
static void read_log(const char *path, char *to, size_t size)
{
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t n = fread(to, 1, size - 1, f);
    to[n] = 0;
    (void)fclose(f);
}

static size_t count_lines(const char *text, const char *with)
{
    size_t n = 0;
    for (const char *p = strstr(text, with); p != NULL; p = strstr(p + 1, with)) {
        n++;
    }
    return n;
}

// Once, and as one value, whatever the receiver says.
static void test_a_channel_that_fails_is_logged_once(void **state)
{
    static const char answer[] = "HTTP/1.1 500 No\r\nContent-Length: 14\r\n\r\nsay \"no\" to \\a";
    static char log[65536];
    char path[96], port[16];
    struct receiver r;
    struct buf text;
    struct err_at at = {0};
    struct notice *n = mem_new(1, sizeof *n);
    enum outbox_taken taken;
    uint64_t until_ns = clock_mono_ns() + DEADLINE_NS;
    (void)state;
    receiver_start_with(&r, answer);
    (void)snprintf(port, sizeof port, "%u", r.port);
    (void)snprintf(path, sizeof path, "%s/log", folder);
    buf_init(&text, 4096);
    buf_add_str(&text, STR("channels:\n"));
    add_channel(&text, "ops", port);
    assert_ok(import(&text, &at));
    int before = dup(STDERR_FILENO);
    FILE *to = fopen(path, "w");
    assert_true(before >= 0 && to != NULL && dup2(fileno(to), STDERR_FILENO) >= 0);
    sample_notice(n);
    const struct notify_item item = {STR("k"), STR("ops"), n};
    enum err put = notify_put(alerting_notify(alerting), &item, 1, &taken);
    do {
        read_log(path, log, sizeof log);
    } while (strstr(log, "channel=ops") == NULL && clock_mono_ns() < until_ns);
    alerting_close(alerting); // and what else the sender has to say
    alerting = NULL;
    assert_true(dup2(before, STDERR_FILENO) >= 0);
    (void)close(before);
    (void)fclose(to);
    read_log(path, log, sizeof log);
    receiver_stop(&r);
    assert_ok(put);
    assert_int_equal(count_lines(log, "channel=ops"), 1);
    assert_non_null(strstr(log, "a channel has not worked for minutes"));
    assert_non_null(strstr(log, "say \\\"no\\\" to \\\\a"));
    buf_done(&text);
    mem_free(n);
}

static void import_is(const char *channels, enum err wanted, const char *why)
{
    struct err_at at = {0};
    struct buf text;
    buf_init(&text, 4096);
    buf_printf(&text, "channels:\n%s", channels);
    assert_err(import(&text, &at), wanted);
    if (wanted != ERR_OK && strstr(at.text, why) == NULL) {
        fail_msg("not \"%s\" but \"%s\"", why, at.text);
    }
    buf_done(&text);
}

// What an export leaves out, a channel that is there keeps; no other comes in without it.
static void test_an_export_is_taken_again_where_its_secrets_are(void **state)
{
    static const char robot[] = "  - {name: robot, type: wecom, without: [url]}\n";
    static const char hook[] = "  - {name: hook, type: webhook, url: \"http://127.0.0.1:%d/\", "
                               "without: [secret, token]}\n";
    struct buf out;
    struct err_at at = {0};
    char text[256];
    (void)state;
    import_is(robot, ERR_INVALID, "file:2:5: channel: robot: its secret 'url' is not in the file");
    import_is(
        "  - {name: robot, type: wecom, url: \"https://a.example/?key=1\"}\n"
        "  - {name: hook, type: webhook, url: \"http://127.0.0.1:1/\", secret: s, token: t}\n",
        ERR_OK, "");
    buf_init(&out, 4096);
    assert_ok(alerting_export(alerting, &out));
    check_has("\"without\":[\"url\"]}", 0);
    check_has("\"without\":[\"secret\",\"token\"]}", 0);
    assert_null(memmem(out.p, out.n, "key=1", 5));
    assert_ok(import(&out, &at));
    import_is(robot, ERR_OK, "");
    (void)snprintf(text, sizeof text, hook, 1);
    import_is(text, ERR_OK, "");
    // To another address no secret follows.
    (void)snprintf(text, sizeof text, hook, 2);
    import_is(text, ERR_INVALID, "hook: its secret 'secret' is not in the file");
    check_has("http://127.0.0.1:1/", 0);
    import_is("  - {name: robot, type: wecom, url: \"https://b.example/\", without: [url]}\n",
              ERR_OK, "");
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_export_is_taken_again_where_its_secrets_are, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_file_that_is_refused_changes_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_channel_that_fails_is_logged_once, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
