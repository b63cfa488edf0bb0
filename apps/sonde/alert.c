// SPDX-License-Identifier: Apache-2.0
// Purpose: `sonde alert`: rules, channels and incidents of a running server.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "alert/prom_rules.h"
#include "alert/rule.h"
#include "alert_templates.h"
#include "alert_trial.h"
#include "ask.h"
#include "commands.h"
#include "config.h"
#include "core/clock.h"
#include "core/must.h"
#include "table.h"
#include "when.h"
#include "wire/json_writer.h"

#define NAME_COLUMNS 28
#define ROW_COLUMNS  60

static const char help[] =
    "Usage: sonde alert import FILE [--dry-run]            (- is standard input)\n"
    "       sonde alert import --prometheus FILE [--channel NAME] [--dry-run]\n"
    "       sonde alert templates [NAME] [--channel NAME]\n"
    "       sonde alert export\n"
    "       sonde alert list [--json]\n"
    "       sonde alert channels [--test NAME] [--json]\n"
    "       sonde alert remove RULE\n"
    "       sonde alert test RULE [--since 24h] [--file FILE] [--json]\n"
    "       sonde alert incidents [--all] [--limit N] [--json]\n"
    "       sonde alert on-call [GROUP] [--at TIME] [--json]\n"
    "       sonde alert silences [--json]\n"
    "       sonde alert silence NAME --for 2h [--rule RULE] [--service NAME]\n"
    "                           [--reason TEXT]\n"
    "       sonde alert unsilence NAME\n"
    "                             [--server URL] [--token TOKEN] [--ca FILE]\n"
    "\n"
    "Rules watch records as they come and say within a second whom to tell. `import`\n"
    "takes a file over, all of it or, where anything in it is wrong, nothing:\n"
    "\n"
    "    rules:\n"
    "      - name: errors of the checkout\n"
    "        service: checkout\n"
    "        level: error\n"
    "        channels: [ops]\n"
    "        strategies:\n"
    "          - measure: error_rate     # count rate average sum min max p99\n"
    "            every: 1m               # distinct absence\n"
    "            operator: \">\"\n"
    "            threshold: 5%\n"
    "            at_least: 20\n"
    "            group_by: [instance]\n"
    "    channels:\n"
    "      - {name: ops, type: webhook, url: \"http://127.0.0.1:9000/hook\"}\n"
    "\n"
    "A rule file of Prometheus is known by its `groups`, or by --prometheus, and is\n"
    "taken over as far as it has a counterpart; what has none is named with where.\n"
    "--channel says who is told by these rules. --dry-run prints the rules that would\n"
    "be taken over, and asks no server.\n"
    "`templates` prints rules for the usual, to be piped into `import -` or changed\n"
    "before. `export` prints such a file, without secrets. docs/alerts.md has all\n"
    "keys.\n"
    "`channels --test` sends a test over a channel and prints what was answered;\n"
    "where it was not taken, it exits with 1.\n"
    "`incidents` lists what fires, with --all also what is over.\n"
    "`on-call` says who is told for each group, `silences` what is not told now.\n"
    "`silence` keeps messages of a rule, of a service or of all from leaving for a\n"
    "while; what still fires when that is over is told then.\n"
    "`test` tells when a rule would have fired on what is stored, and how often; with\n"
    "--file a rule of a file that is not taken over.\n";

struct command {
    struct ask_flags server;
    const char *test, *limit, *channel, *length, *rule, *service, *reason, *at;
    const char *prometheus, *since, *file;
    bool json, all, dry_run, wants_help;
    const char *words[2];
    int count;
};

// ---- Printing -----------------------------------------------------------------------------------

static void print_rules(json_t *root)
{
    json_t *rules = json_object_get(root, "rules"), *r;
    size_t i;
    ASSERT(root != NULL);
    printf("%-*s  %-8s  %7s  %-8s  %s\n", NAME_COLUMNS, "RULE", "LEVEL", "VERSION", "ENABLED",
           "CHANNELS");
    json_array_foreach(rules, i, r)
    {
        json_t *rule = json_object_get(r, "rule"), *channels = json_object_get(rule, "channels"),
               *c;
        size_t k;
        table_put(ask_string(rule, "name"), NAME_COLUMNS, NAME_COLUMNS);
        printf("  %-8s  %7" PRIu64 "  %-8s ", ask_string(rule, "level"), ask_integer(r, "version"),
               json_is_true(json_object_get(rule, "enabled")) ? "yes" : "no");
        json_array_foreach(channels, k, c)
        {
            putchar(' ');
            table_put(json_string_value(c), 0, NAME_COLUMNS);
        }
        putchar('\n');
    }
    json_t *engine = json_object_get(root, "engine");
    printf("%zu rules; %" PRIu64 " groups watched, %" PRIu64 " firing\n", json_array_size(rules),
           ask_integer(engine, "groups"), ask_integer(engine, "firing"));
}

static void print_channels(json_t *root)
{
    json_t *channels = json_object_get(root, "channels"), *c;
    size_t i;
    ASSERT(root != NULL);
    printf("%-*s  %-12s  %8s  %8s  %8s  %s\n", NAME_COLUMNS, "CHANNEL", "TYPE", "WAITING", "SENT",
           "GIVEN UP", "LAST ERROR");
    json_array_foreach(channels, i, c)
    {
        table_put(ask_string(c, "name"), NAME_COLUMNS, NAME_COLUMNS);
        printf("  ");
        table_put(ask_string(json_object_get(c, "settings"), "type"), 12, 12);
        printf("  %8" PRIu64 "  %8" PRIu64 "  %8" PRIu64 "  ", ask_integer(c, "waiting"),
               ask_integer(c, "sent"), ask_integer(c, "given_up"));
        table_put(ask_string(c, "last_error"), 0, ROW_COLUMNS);
        putchar('\n');
    }
}

static bool is_test_taken(json_t *root)
{
    ASSERT(root != NULL);
    return json_is_true(json_object_get(root, "taken"));
}

static void print_test(json_t *root)
{
    bool is_taken = is_test_taken(root);
    int64_t status = (int64_t)ask_integer(root, "status");
    ASSERT(root != NULL);
    printf("%s in %" PRIu64 " ms", is_taken ? "taken" : "not taken",
           ask_integer(root, "duration_ms"));
    if (status > 0) { // else nothing was answered
        printf(", status %" PRId64, status);
    }
    if (!is_taken) {
        printf(": ");
        table_put(ask_string(root, "error"), 0, 2 * ROW_COLUMNS);
    }
    putchar('\n');
}

static void put_time(uint64_t unix_nano)
{
    time_t seconds = (time_t)(unix_nano / NS_PER_S);
    struct tm tm;
    char text[32] = "-";
    if (unix_nano > 0 && localtime_r(&seconds, &tm) != NULL) {
        (void)strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm);
    }
    printf("%-19s", text);
}

static void print_incidents(json_t *root)
{
    json_t *incidents = json_object_get(root, "incidents"), *n;
    size_t i;
    ASSERT(root != NULL);
    printf("%6s  %-12s  %-8s  %-19s  %6s  %-*s  %s\n", "ID", "STATE", "LEVEL", "SINCE", "ALERTS",
           NAME_COLUMNS, "WHAT", "FIRST SUSPECT");
    json_array_foreach(incidents, i, n)
    {
        printf("%6" PRIu64 "  %-12s  %-8s  ", ask_integer(n, "id"), ask_string(n, "state"),
               ask_string(n, "level"));
        put_time(ask_integer(n, "opened_unix_nano"));
        printf("  %6" PRIu64 "  ", ask_integer(n, "alerts"));
        table_put(ask_string(n, "title"), NAME_COLUMNS, NAME_COLUMNS);
        printf("  ");
        table_put(ask_string(n, "suspect"), 0, ROW_COLUMNS);
        putchar('\n');
    }
    if (json_array_size(incidents) == 0) {
        fputs("sonde: nothing fires\n", stderr);
    }
}

// ---- Asking -------------------------------------------------------------------------------------

// Sends, and prints JSON or what `print` makes of it; NULL: the answer as it is. EXIT_FAILED where
// the answer says that it failed (`is_good`, which may be NULL).
static int send_judged(const struct command *c, const struct client_request *r,
                       void (*print)(json_t *root), bool (*is_good)(json_t *root))
{
    struct buf answer;
    ASSERT(c->count > 0);
    buf_init(&answer, ASK_ANSWER_MAX);
    int code = ask_send(&c->server, r, NULL, &answer);
    json_t *root = NULL;
    bool prints = print != NULL && wants_table(c->json);
    if (code == EXIT_DONE && (prints || is_good != NULL)) {
        root = json_loadb(answer.p, answer.n, JSON_ALLOW_NUL, NULL);
    }
    if (root != NULL && prints) {
        print(root);
    } else if (code == EXIT_DONE) {
        bool ends = answer.n > 0 && answer.p[answer.n - 1] == '\n';
        printf("%.*s%s", STR_FMT(buf_str(&answer)), ends ? "" : "\n");
    }
    if (root != NULL && is_good != NULL && !is_good(root)) {
        code = EXIT_FAILED;
    }
    json_decref(root);
    buf_done(&answer);
    return code;
}

static int send(const struct command *c, const struct client_request *r,
                void (*print)(json_t *root))
{
    ASSERT(r->path != NULL);
    return send_judged(c, r, print, NULL);
}

// False after saying what is wrong.
static bool read_file(const char *name, struct buf *out)
{
    char piece[4096];
    size_t n;
    bool is_input = strcmp(name, "-") == 0;
    ASSERT(out != NULL);
    FILE *f = is_input ? stdin : fopen(name, "re");
    if (f == NULL) {
        perror(name);
        return false;
    }
    while (!out->failed && (n = fread(piece, 1, sizeof piece, f)) > 0) {
        buf_add(out, piece, n);
    }
    bool is_read = ferror(f) == 0 && !out->failed;
    if (!is_input) {
        (void)fclose(f);
    }
    if (!is_read) {
        fprintf(stderr, "sonde: %s cannot be read%s\n", name,
                out->failed ? ": it is too large" : "");
    }
    return is_read;
}

static void print_taken(json_t *root)
{
    ASSERT(root != NULL);
    static const char *const more[] = {"people", "groups", "silences"};
    printf("taken over: rules %" PRIu64 ", channels %" PRIu64, ask_integer(root, "rules"),
           ask_integer(root, "channels"));
    for (size_t i = 0; i < sizeof more / sizeof more[0]; i++) {
        if (ask_integer(root, more[i]) > 0) {
            printf(", %s %" PRIu64, more[i], ask_integer(root, more[i]));
        }
    }
    putchar('\n');
}

static int post_rules(const struct command *c, const char *file, struct str text)
{
    const struct client_request r = {"POST", "/api/v1/alerts/rules", text, file};
    ASSERT(c->count > 0);
    return send(c, &r, print_taken);
}

// What would be taken over of a file of ours.
static int show_rules(const char *name, struct str text)
{
    struct alert_file *f;
    struct err_at at = {0};
    struct buf out;
    enum err e = alert_file_read(text, name, &f, &at);
    ASSERT(name != NULL);
    if (e != ERR_OK) {
        fprintf(stderr, "sonde: %s\n", at.text);
        return EXIT_USAGE;
    }
    buf_init(&out, ALERT_FILE_MAX);
    buf_add_str(&out, f->rule_count > 0 ? STR("rules:\n") : STR("rules: []\n"));
    for (size_t i = 0; i < f->rule_count; i++) {
        alert_rule_print(&f->rules[i], &out);
    }
    printf("%.*s", STR_FMT(buf_str(&out)));
    buf_done(&out);
    alert_file_free(f);
    return EXIT_DONE;
}

// Names on standard error what is not taken over, and what only nearly.
static void print_notes(const char *name, const struct prom_rules *r)
{
    ASSERT(r->note_count <= PROM_NOTES_MAX);
    for (size_t i = 0; i < r->note_count; i++) {
        const struct prom_note *n = &r->notes[i];
        fprintf(stderr, "%s:%zu:%zu: %s%.*s: %.*s\n", name, n->line, n->column,
                n->leaves_out ? "left out: " : "", STR_FMT(n->rule), STR_FMT(n->text));
    }
    if (r->more_notes > 0) {
        fprintf(stderr, "sonde: and %zu more\n", r->more_notes);
    }
    fprintf(stderr, "sonde: of %zu rules %zu have a counterpart\n", r->taken + r->left_out,
            r->taken);
}

static int import_prometheus(const struct command *c, const char *name, struct str text)
{
    struct prom_rules *r;
    struct err_at at = {0};
    int code = EXIT_DONE;
    enum err e =
        prom_rules_read(text, name, c->channel != NULL ? str_of(c->channel) : STR(""), &r, &at);
    ASSERT(c->count > 0);
    if (e != ERR_OK) {
        fprintf(stderr, "sonde: %s\n", at.text);
        return EXIT_USAGE;
    }
    print_notes(name, r);
    if (c->dry_run) {
        printf("%.*s", STR_FMT(buf_str(&r->out)));
    } else if (r->taken > 0) {
        code = post_rules(c, NULL, buf_str(&r->out)); // not as it stands in the file
    } else {
        code = EXIT_NOT_FOUND; // nothing to take over
    }
    prom_rules_free(r);
    return code;
}

static int run_import(const struct command *c)
{
    struct buf text;
    const char *name = c->prometheus != NULL ? c->prometheus : c->words[1];
    ASSERT(c->count > 0);
    if (name == NULL || (c->prometheus != NULL && c->words[1] != NULL)) {
        fputs(help, stderr);
        return EXIT_USAGE;
    }
    buf_init(&text, ALERT_FILE_MAX);
    int code = EXIT_NOT_FOUND;
    if (read_file(name, &text)) {
        const char *called = strcmp(name, "-") == 0 ? "standard input" : name;
        struct str file = buf_str(&text);
        code = c->prometheus != NULL || prom_rules_are(file) ? import_prometheus(c, called, file)
               : c->dry_run                                  ? show_rules(called, file)
                                                             : post_rules(c, called, file);
    }
    buf_done(&text);
    return code;
}

// A path with a name in it.
static int run_named(const struct command *c, const char *method, const char *before,
                     const char *name, const char *after, void (*print)(json_t *root),
                     bool (*is_good)(json_t *root))
{
    struct buf path;
    ASSERT(c->count > 0);
    buf_init(&path, (size_t)64 << 10);
    buf_printf(&path, "%s", before);
    client_escape(&path, name);
    buf_printf(&path, "%s", after);
    buf_add_byte(&path, 0);
    const struct client_request r = {method, path.p, STR("{}"), NULL};
    int code = path.failed ? EXIT_USAGE : send_judged(c, &r, print, is_good);
    buf_done(&path);
    return code;
}

static int run_export(const struct command *c)
{
    const struct client_request r = {"GET", "/api/v1/alerts/export", STR(""), NULL};
    ASSERT(c->count > 0);
    return send(c, &r, NULL);
}

// Asks no server.
static int run_templates(const struct command *c)
{
    if (c->channel != NULL && strpbrk(c->channel, "\"\\\n") != NULL) {
        fprintf(stderr, "sonde: --channel is no name of a channel\n");
        return EXIT_USAGE;
    }
    if (!alert_templates_print(c->words[1], c->channel)) {
        fprintf(stderr, "sonde: there is no template '%s'; there are ", c->words[1]);
        alert_templates_list();
        return EXIT_NOT_FOUND;
    }
    return EXIT_DONE;
}

static int run_list(const struct command *c)
{
    const struct client_request r = {"GET", "/api/v1/alerts/rules", STR(""), NULL};
    ASSERT(c->count > 0);
    return send(c, &r, print_rules);
}

static int run_channels(const struct command *c)
{
    const struct client_request r = {"GET", "/api/v1/alerts/channels", STR(""), NULL};
    ASSERT(c->count > 0);
    return c->test == NULL ? send(c, &r, print_channels)
                           : run_named(c, "POST", "/api/v1/alerts/channels/", c->test, "/test",
                                       print_test, is_test_taken);
}

static void print_removed(json_t *root)
{
    ASSERT(root != NULL);
    puts("removed");
}

static int run_remove(const struct command *c)
{
    ASSERT(c->count > 0);
    return run_named(c, "DELETE", "/api/v1/alerts/rules/", c->words[1], "", print_removed, NULL);
}

// ---- People and silences ------------------------------------------------------------------------

static void print_on_call(json_t *root)
{
    json_t *groups = json_object_get(root, "groups"), *g;
    size_t i;
    ASSERT(root != NULL);
    printf("%-*s  %-*s  %-19s  %s\n", NAME_COLUMNS, "GROUP", NAME_COLUMNS, "ON CALL", "UNTIL",
           "THEN");
    json_array_foreach(groups, i, g)
    {
        uint64_t until_ms = ask_integer(g, "turn_ends_unix_ms");
        const char *who = ask_string(g, "on_call");
        table_put(ask_string(g, "name"), NAME_COLUMNS, NAME_COLUMNS);
        printf("  ");
        table_put(who[0] != 0 ? who : "all members", NAME_COLUMNS, NAME_COLUMNS);
        printf("  ");
        put_time(until_ms * NS_PER_MS);
        if (until_ms > 0) {
            const char *next = ask_string(g, "next");
            printf("  ");
            table_put(next[0] != 0 ? next : "all members", 0, NAME_COLUMNS);
        }
        putchar('\n');
    }
    printf("groups: %zu\n", json_array_size(groups));
}

static void print_covered(json_t *names, const char *all)
{
    json_t *n;
    size_t i;
    ASSERT(all != NULL);
    if (json_array_size(names) == 0) {
        printf("%s", all);
    }
    json_array_foreach(names, i, n)
    {
        printf("%s", i > 0 ? ", " : "");
        table_put(json_string_value(n), 0, NAME_COLUMNS);
    }
}

static void print_silences(json_t *root)
{
    json_t *silences = json_object_get(root, "silences"), *s;
    size_t i, holding = 0;
    ASSERT(root != NULL);
    printf("%-*s  %-8s  %-19s  %s\n", NAME_COLUMNS, "SILENCE", "NOW", "UNTIL", "COVERS");
    json_array_foreach(silences, i, s)
    {
        bool holds = json_is_true(json_object_get(s, "holds"));
        bool is_over = json_is_true(json_object_get(s, "is_over"));
        holding += holds;
        table_put(ask_string(s, "name"), NAME_COLUMNS, NAME_COLUMNS);
        printf("  %-8s  ", holds ? "holds" : is_over ? "is over" : "waits");
        put_time(ask_integer(s, "until_unix_ms") * NS_PER_MS);
        printf("  ");
        print_covered(json_object_get(s, "rules"), "all rules");
        printf(" of ");
        print_covered(json_object_get(s, "services"), "all services");
        putchar('\n');
    }
    printf("silences: %zu, of which %zu hold now\n", json_array_size(silences), holding);
}

static int run_on_call(const struct command *c)
{
    uint64_t now_ms = clock_wall_ns() / NS_PER_MS, at_ms = now_ms;
    char path[64];
    ASSERT(c->count > 0);
    if (c->at != NULL && when_parse(c->at, now_ms, &at_ms) != ERR_OK) {
        fprintf(stderr, "sonde: --at is '%s', expected %s\n", c->at, WHEN_FORMS);
        return EXIT_USAGE;
    }
    (void)snprintf(path, sizeof path, "/api/v1/alerts/on-call?at=%" PRIu64 "%s", at_ms,
                   c->count > 1 ? "&name=" : "");
    return run_named(c, "GET", path, c->count > 1 ? c->words[1] : "", "", print_on_call, NULL);
}

static int run_silences(const struct command *c)
{
    const struct client_request r = {"GET", "/api/v1/alerts/roster", STR(""), NULL};
    ASSERT(c->count > 0);
    return send(c, &r, print_silences);
}

static void print_silenced(json_t *root)
{
    ASSERT(root != NULL);
    puts("silenced");
}

static int run_silence(const struct command *c)
{
    uint64_t length_ms = 0;
    ASSERT(c->count > 1);
    if (c->length == NULL || config_parse_duration(c->length, &length_ms) != ERR_OK ||
        length_ms < 1000) {
        fprintf(stderr, "sonde: --for is %s, expected how long, such as 2h\n",
                c->length != NULL ? c->length : "not there");
        return EXIT_USAGE;
    }
    char until[40];
    time_t seconds = (time_t)((clock_wall_ns() / NS_PER_MS + length_ms) / 1000);
    struct tm t;
    (void)gmtime_r(&seconds, &t);
    (void)strftime(until, sizeof until, "%Y-%m-%dT%H:%M:%SZ", &t);
    json_t *silence = json_pack("{s:s, s:s}", "name", c->words[1], "until", until);
    bool is_text = silence != NULL; // what is left out would make it cover more
    const char *const keys[] = {"rules", "services", "reason"};
    const char *const values[] = {c->rule, c->service, c->reason};
    for (size_t i = 0; i < 3; i++) {
        if (values[i] != NULL) {
            is_text = is_text && json_object_set_new(silence, keys[i], json_string(values[i])) == 0;
        }
    }
    json_t *body = json_pack("{s:[o]}", "silences", silence);
    char *text = body != NULL ? json_dumps(body, 0) : NULL;
    json_decref(body);
    if (!is_text || text == NULL) {
        free(text);
        fprintf(stderr, "sonde: the name, the rule, the service or the reason is no UTF-8\n");
        return EXIT_USAGE;
    }
    const struct client_request r = {"POST", "/api/v1/alerts/rules", str_of(text), NULL};
    int code = send(c, &r, print_silenced);
    free(text);
    return code;
}

static int run_unsilence(const struct command *c)
{
    ASSERT(c->count > 1);
    return run_named(c, "DELETE", "/api/v1/alerts/silences/", c->words[1], "", print_removed, NULL);
}

// ---- Incidents ----------------------------------------------------------------------------------

static int run_incidents(const struct command *c)
{
    char path[128];
    const char *limit = c->limit != NULL ? c->limit : "50";
    ASSERT(c->count > 0);
    if (strspn(limit, "0123456789") != strlen(limit) || strlen(limit) > 6 || limit[0] == 0) {
        fprintf(stderr, "sonde: --limit is '%s', expected a number\n", limit);
        return EXIT_USAGE;
    }
    (void)snprintf(path, sizeof path, "/api/v1/incidents?state=%s&limit=%s",
                   c->all ? "all" : "open", limit);
    const struct client_request r = {"GET", path, STR(""), NULL};
    return send(c, &r, print_incidents);
}

// What `test` asks; false after saying what is wrong.
static bool put_test(const struct command *c, struct buf *body)
{
    const char *since = c->since != NULL ? c->since : "24h";
    char moment[64];
    uint64_t now_ms = clock_wall_ns() / NS_PER_MS, from_ms;
    struct buf text;
    struct json_writer w;
    bool is_read = true;
    (void)snprintf(moment, sizeof moment, "now-%s", since);
    if (strlen(since) > 32 || when_parse(moment, now_ms, &from_ms) != ERR_OK) {
        fprintf(stderr, "sonde: --since is '%s', expected a duration such as 24h\n", since);
        return false;
    }
    buf_init(&text, ALERT_FILE_MAX);
    json_writer_init(&w, body);
    json_put_object(&w);
    json_put_key(&w, "rule");
    json_put_str(&w, str_of(c->words[1]));
    json_put_key(&w, "from");
    json_put_u64(&w, from_ms);
    json_put_key(&w, "to");
    json_put_u64(&w, now_ms);
    if (c->file != NULL) {
        is_read = read_file(c->file, &text);
        json_put_key(&w, "text");
        json_put_str(&w, buf_str(&text));
    }
    json_put_object_end(&w);
    buf_done(&text);
    return is_read && !body->failed;
}

static int run_test(const struct command *c)
{
    struct buf body;
    int code = EXIT_USAGE;
    ASSERT(c->count > 1);
    buf_init(&body, 4 * ALERT_FILE_MAX);
    if (put_test(c, &body)) {
        const struct client_request r = {"POST", "/api/v1/alerts/test", buf_str(&body), NULL};
        code = send(c, &r, alert_trial_print);
    }
    buf_done(&body);
    return code;
}

int command_alert(int argc, char **argv)
{
    static const struct {
        const char *name;
        int words, optional;
        int (*run)(const struct command *c);
    } subs[] = {{"import", 1, 1, run_import},       {"export", 1, 0, run_export},
                {"list", 1, 0, run_list},           {"channels", 1, 0, run_channels},
                {"remove", 2, 0, run_remove},       {"incidents", 1, 0, run_incidents},
                {"templates", 1, 1, run_templates}, {"on-call", 1, 1, run_on_call},
                {"silences", 1, 0, run_silences},   {"silence", 2, 0, run_silence},
                {"unsilence", 2, 0, run_unsilence}, {"test", 2, 0, run_test}};
    struct command c = {0};
    const struct flag flags[] = {{"--server", &c.server.server, NULL},
                                 {"--token", &c.server.token, NULL},
                                 {"--ca", &c.server.ca, NULL},
                                 {"--test", &c.test, NULL},
                                 {"--channel", &c.channel, NULL},
                                 {"--prometheus", &c.prometheus, NULL},
                                 {"--dry-run", NULL, &c.dry_run},
                                 {"--limit", &c.limit, NULL},
                                 {"--for", &c.length, NULL},
                                 {"--rule", &c.rule, NULL},
                                 {"--service", &c.service, NULL},
                                 {"--reason", &c.reason, NULL},
                                 {"--since", &c.since, NULL},
                                 {"--at", &c.at, NULL},
                                 {"--file", &c.file, NULL},
                                 {"--json", NULL, &c.json},
                                 {"--all", NULL, &c.all},
                                 {"--help", NULL, &c.wants_help},
                                 {NULL, NULL, NULL}};
    if (!flags_parse(argc, argv, flags, c.words, 2, &c.count)) {
        return EXIT_USAGE;
    }
    if (c.wants_help || c.count == 0) {
        fputs(help, c.wants_help ? stdout : stderr);
        return c.wants_help ? EXIT_DONE : EXIT_USAGE;
    }
    for (size_t i = 0; i < sizeof subs / sizeof subs[0]; i++) {
        if (strcmp(subs[i].name, c.words[0]) == 0 && c.count >= subs[i].words &&
            c.count <= subs[i].words + subs[i].optional) {
            return subs[i].run(&c);
        }
    }
    fputs(help, stderr);
    return EXIT_USAGE;
}
