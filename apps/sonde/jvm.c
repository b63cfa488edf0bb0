// SPDX-License-Identifier: Apache-2.0
// Purpose: `sonde attach`, `sonde detach`, `sonde jvm list`: the JVM agent in processes that run.
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agents/jvm/options.h"
#include "agents/jvm/state.h"
#include "commands.h"
#include "core/buf.h"
#include "core/clock.h"
#include "core/must.h"
#include "core/str.h"
#include "jvm_attach.h"
#include "jvm_process.h"
#include "table.h"
#include "wire/json_writer.h"

#define JSON_MAX  65536 // of one line
#define SETTLE_MS 30000 // for the agent to be there, or to be gone

static const char attach_help[] =
    "Usage: sonde attach PID [--service NAME] [--endpoint URL]\n"
    "                    [--options KEY=VALUE,...] [--library PATH] [--json]\n"
    "\n"
    "Puts Sonde's agent into a Java process that runs: from now on its requests and\n"
    "calls are traced, without a change of code and without a restart. `sonde jvm\n"
    "list` shows the processes, `sonde detach PID` takes the agent out again.\n"
    "\n"
    "  --service NAME   service.name of the traces; without it OTEL_SERVICE_NAME of\n"
    "                   the process, else its main class or jar\n"
    "  --endpoint URL   where OTLP/HTTP is taken: http://HOST:PORT; without it\n"
    "                   OTEL_EXPORTER_OTLP_ENDPOINT, else http://127.0.0.1:4318\n"
    "  --options LIST   further options of the agent, as docs/operations.md has them:\n"
    "                   token=TEXT, sample=0.1, attributes=K:V;K:V, log=FILE ...\n"
    "  --library PATH   the agent; without it libsonde-jvm.so beside this program or\n"
    "                   where it was installed\n"
    "\n"
    "Do it as the user of the process or as root. It succeeds only once the agent\n"
    "runs; exit code 3: there is no such process, 1: why not is said.\n"
    "\n"
    "  sonde attach 4711 --service cart --endpoint http://10.0.0.5:4318\n"
    "\n"
    "Where attaching is not possible (-XX:+DisableAttachMechanism), start the JVM\n"
    "with -agentpath:/path/to/libsonde-jvm.so=service=cart,endpoint=...\n";

static const char detach_help[] =
    "Usage: sonde detach PID [--json]\n"
    "\n"
    "Takes Sonde's agent out of a Java process: its classes are as they were, its\n"
    "thread is gone, what was recorded has been sent. Another attach may follow, with\n"
    "other options or a newer agent.\n";

static const char jvm_help[] =
    "Usage: sonde jvm list [--json]\n"
    "\n"
    "The Java processes of this machine, those in containers included: process ID,\n"
    "user, JDK, whether Sonde's agent is in it, for which service, and what it runs.\n"
    "Agents in processes of other users are seen by root alone (`unknown`).\n";

// ---- Words -----------------------------------------------------------------------------------

static bool read_pid(const char *text, pid_t *ret)
{
    uint64_t pid;
    if (str_to_u64(str_of(text), &pid) != ERR_OK || pid == 0 || pid > INT_MAX) {
        fprintf(stderr, "sonde: '%s' is no process ID; `sonde jvm list` shows them\n", text);
        return false;
    }
    *ret = (pid_t)pid;
    return true;
}

static bool is_known_option(struct str key)
{
    struct str rest = STR(OPTION_NAMES), name;
    while (rest.n > 0) {
        rest = str_split(rest, ' ', &name);
        if (str_eq(name, key)) {
            return true;
        }
    }
    return false;
}

static bool check_options(const char *text)
{
    struct str rest = str_of(text), pair, key;
    while (rest.n > 0) {
        rest = str_split(rest, ',', &pair);
        bool has_value = str_split(pair, '=', &key).p != NULL;
        if (!has_value || !is_known_option(str_trim(key))) {
            fprintf(stderr, "sonde: --options: '%.*s' %s; keys are: " OPTION_NAMES "\n",
                    STR_FMT(pair), has_value ? "sets no option of the agent" : "is not KEY=VALUE");
            return false;
        }
    }
    return true;
}

struct attach_flags {
    const char *service, *endpoint, *options, *library;
    bool json;
};

// The agent's option text; false after saying what is wrong.
static bool build_options(const struct attach_flags *f, char out[ATTACH_TEXT_MAX])
{
    const char *const names[] = {"service", "endpoint"};
    const char *const values[] = {f->service, f->endpoint};
    size_t n = 0;
    for (size_t i = 0; i < 2; i++) {
        if (values[i] != NULL && (values[i][0] == '\0' || strchr(values[i], ',') != NULL)) {
            fprintf(stderr, "sonde: --%s: '%s' is empty or has a comma\n", names[i], values[i]);
            return false;
        }
    }
    if (f->endpoint != NULL && strncmp(f->endpoint, "http://", 7) != 0) {
        fprintf(stderr, "sonde: --endpoint: '%s' is not http://HOST[:PORT][/PATH]\n", f->endpoint);
        return false;
    }
    if (f->options != NULL && !check_options(f->options)) {
        return false;
    }
    out[0] = '\0';
    for (size_t i = 0; i < 3 && n < ATTACH_TEXT_MAX; i++) {
        const char *value = i < 2 ? values[i] : f->options;
        if (value != NULL) {
            n += (size_t)snprintf(out + n, ATTACH_TEXT_MAX - n, "%s%s%s%s", n > 0 ? "," : "",
                                  i < 2 ? names[i] : "", i < 2 ? "=" : "", value);
        }
    }
    if (n >= ATTACH_TEXT_MAX) {
        fprintf(stderr, "sonde: the options have %zu bytes, a JVM takes %d\n", n,
                ATTACH_TEXT_MAX - 1);
        return false;
    }
    return true;
}

// Beside this program, then where it is installed.
static bool find_library(const char *given, char out[PATH_MAX])
{
    static const char *const places[] = {"libsonde-jvm.so", "../lib/sonde/libsonde-jvm.so",
                                         SONDE_LIBDIR "/libsonde-jvm.so"};
    char program[PATH_MAX], path[2 * PATH_MAX];
    if (given != NULL) {
        if (realpath(given, out) == NULL) {
            fprintf(stderr, "sonde: --library: %s: %s\n", given, strerror(errno));
            return false;
        }
        return true;
    }
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    program[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(program, '/');
    program[slash != NULL ? slash - program + 1 : 0] = '\0';
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        (void)snprintf(path, sizeof path, "%s%s", places[i][0] == '/' ? "" : program, places[i]);
        if (realpath(path, out) != NULL) {
            return true;
        }
    }
    fprintf(stderr, "sonde: libsonde-jvm.so is neither beside this program nor in " SONDE_LIBDIR
                    "; name it with --library\n");
    return false;
}

// ---- Output ----------------------------------------------------------------------------------

static void put_text(struct json_writer *w, const char *key, const char *value)
{
    json_put_key(w, key);
    json_put_str(w, str_of(value));
}

static void print_json(const struct jvm_process *p, const uint64_t *took_ms)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, JSON_MAX);
    json_writer_init(&w, &out);
    json_put_object(&w);
    json_put_key(&w, "pid");
    json_put_i64(&w, p->pid);
    put_text(&w, "user", p->user);
    put_text(&w, "jdk", p->version);
    put_text(&w, "main", p->main);
    put_text(&w, "agent", p->agent.state[0] != '\0' ? p->agent.state : "none");
    put_text(&w, "agent_version", p->agent.version);
    put_text(&w, "service", p->agent.service);
    put_text(&w, "endpoint", p->agent.endpoint);
    put_text(&w, "reason", p->agent.reason);
    if (took_ms != NULL) {
        json_put_key(&w, "took_ms");
        json_put_u64(&w, *took_ms);
    }
    json_put_object_end(&w);
    printf("%.*s\n", STR_FMT(buf_str(&out)));
    buf_done(&out);
}

// What the process and its agent are, for messages: texts of strangers.
static void put_words(const char *text)
{
    table_put(text, 0, 200);
}

// ---- attach and detach -----------------------------------------------------------------------

static bool is_present(const struct agent_state *s)
{
    return strcmp(s->state, "starting") == 0 || strcmp(s->state, "running") == 0 ||
           strcmp(s->state, "stopping") == 0;
}

// Waits until the agent has started or failed, or has left. False when it does not in time.
static bool settle(struct jvm_process *p, bool is_attach)
{
    uint64_t begin = clock_mono_ns();
    const struct timespec pause = {0, 1000000};
    do {
        jvm_agent_read(p->pid, &p->agent);
        if (strcmp(p->agent.state, is_attach ? "starting" : "stopping") != 0) {
            return true;
        }
        (void)nanosleep(&pause, NULL);
    } while (clock_mono_ns() - begin < SETTLE_MS * NS_PER_MS);
    return false;
}

static int refuse(pid_t pid, const char *text)
{
    fprintf(stderr, "sonde: process %d: ", (int)pid);
    for (const char *c = text; *c != '\0'; c++) { // some of it are the JVM's words
        fputc((unsigned char)*c < 0x20 || *c == 0x7F ? ' ' : *c, stderr);
    }
    fputc('\n', stderr);
    return EXIT_FAILED;
}

static const char *answer_text(int code)
{
    switch (code) {
    case ATTACH_BUSY:
        return "an agent is in it already, or has not left yet; `sonde detach` takes it out";
    case ATTACH_NOBODY:
        return "there is no agent in it";
    case ATTACH_OTHER_LIBRARY:
        return "its agent is another library's";
    case ATTACH_FAILED:
        return "the JVM gave the agent no thread: it ends, or memory is out";
    default:
        return "the library's answer is not that of Sonde's agent";
    }
}

static int find_process(const char *word, struct jvm_process *ret)
{
    pid_t pid;
    struct err_at at;
    if (!read_pid(word, &pid)) {
        return EXIT_USAGE;
    }
    if (jvm_process_read(pid, ret) != ERR_OK) {
        fprintf(stderr, "sonde: there is no process %d; `sonde jvm list` shows those of Java\n",
                (int)pid);
        return EXIT_NOT_FOUND;
    }
    return jvm_check(ret, &at) == ERR_OK ? EXIT_DONE : refuse(pid, at.text);
}

static int attach(struct jvm_process *p, const struct attach_flags *f)
{
    char options[ATTACH_TEXT_MAX], library[PATH_MAX];
    struct err_at at;
    int code;
    uint64_t begin = clock_mono_ns();
    if (!build_options(f, options)) {
        return EXIT_USAGE;
    }
    if (!find_library(f->library, library)) {
        return EXIT_FAILED;
    }
    if (is_present(&p->agent)) {
        return refuse(p->pid, answer_text(ATTACH_BUSY));
    }
    if (jvm_load(p, library, false, options, &code, &at) != ERR_OK) {
        return refuse(p->pid, at.text);
    }
    if (code != ATTACH_TAKEN) {
        return refuse(p->pid, answer_text(code));
    }
    if (!settle(p, true)) {
        return refuse(p->pid, "the agent has not started in 30 s: look at the JVM's output");
    }
    if (strcmp(p->agent.state, "running") != 0) {
        return refuse(p->pid, p->agent.reason[0] != '\0' ? p->agent.reason
                                                         : "the agent does not say how it fares");
    }
    uint64_t took_ms = (clock_mono_ns() - begin) / NS_PER_MS;
    if (p->agent.reason[0] != '\0') {
        (void)refuse(p->pid, p->agent.reason); // an option; it is traced all the same
    }
    if (!wants_table(f->json)) {
        print_json(p, &took_ms);
        return EXIT_DONE;
    }
    put_words(p->main);
    printf(" (%d) is traced as service ", (int)p->pid);
    put_words(p->agent.service);
    fputs(", sent to ", stdout);
    put_words(p->agent.endpoint);
    printf(", after %llu ms\n", (unsigned long long)took_ms);
    return EXIT_DONE;
}

static int detach(struct jvm_process *p, bool json)
{
    struct err_at at;
    int code;
    if (strcmp(p->agent.state, "running") != 0) {
        return refuse(p->pid, answer_text(is_present(&p->agent) ? ATTACH_BUSY : ATTACH_NOBODY));
    }
    if (jvm_load(p, p->agent.library, true, DETACH_OPTION, &code, &at) != ERR_OK) {
        return refuse(p->pid, at.text);
    }
    if (code != ATTACH_TAKEN) {
        return refuse(p->pid, answer_text(code));
    }
    if (!settle(p, false) || strcmp(p->agent.state, "stopped") != 0) {
        return refuse(p->pid, "the agent has not left in 30 s: it waits for its server");
    }
    if (!wants_table(json)) {
        print_json(p, NULL);
        return EXIT_DONE;
    }
    put_words(p->main);
    printf(" (%d) is traced no more", (int)p->pid);
    fputs(p->agent.reason[0] != '\0' ? "; " : "", stdout);
    put_words(p->agent.reason);
    putchar('\n');
    return EXIT_DONE;
}

// The one word of a command; NULL when there is nothing to be done any more, and why as exit code.
static const char *only_word(int argc, char **argv, const struct flag *flags, const bool *want_help,
                             const char *help, int *ret_code)
{
    const char *words[1] = {NULL};
    int count;
    if (!flags_parse(argc, argv, flags, words, 1, &count)) {
        *ret_code = EXIT_USAGE;
        return NULL;
    }
    if (*want_help || count == 0) {
        fputs(help, *want_help ? stdout : stderr);
        *ret_code = *want_help ? EXIT_DONE : EXIT_USAGE;
        return NULL;
    }
    return words[0];
}

int command_attach(int argc, char **argv)
{
    struct attach_flags f = {0};
    struct jvm_process p;
    bool want_help = false;
    const struct flag flags[] = {{"--service", &f.service, NULL},
                                 {"--endpoint", &f.endpoint, NULL},
                                 {"--options", &f.options, NULL},
                                 {"--library", &f.library, NULL},
                                 {"--json", NULL, &f.json},
                                 {"--help", NULL, &want_help},
                                 {NULL, NULL, NULL}};
    int code = EXIT_DONE;
    const char *word = only_word(argc, argv, flags, &want_help, attach_help, &code);
    if (word == NULL) {
        return code;
    }
    code = find_process(word, &p);
    return code == EXIT_DONE ? attach(&p, &f) : code;
}

int command_detach(int argc, char **argv)
{
    bool json = false, want_help = false;
    struct jvm_process p;
    const struct flag flags[] = {
        {"--json", NULL, &json}, {"--help", NULL, &want_help}, {NULL, NULL, NULL}};
    int code = EXIT_DONE;
    const char *word = only_word(argc, argv, flags, &want_help, detach_help, &code);
    if (word == NULL) {
        return code;
    }
    code = find_process(word, &p);
    return code == EXIT_DONE ? detach(&p, json) : code;
}

// ---- jvm list --------------------------------------------------------------------------------

static void list_one(void *ctx, const struct jvm_process *p)
{
    const bool *table = ctx;
    if (!*table) {
        print_json(p, NULL);
        return;
    }
    printf("%-8d", (int)p->pid);
    table_put(p->user, 10, 10);
    table_put(p->version[0] != '\0' ? p->version : "?", 11, 11);
    table_put(p->agent.state[0] != '\0' ? p->agent.state : "-", 10, 10);
    putchar(' ');
    table_put(p->agent.service[0] != '\0' ? p->agent.service : "-", 20, 20);
    putchar(' ');
    table_put(p->main, 0, 60);
    putchar('\n');
}

int command_jvm(int argc, char **argv)
{
    bool json = false, want_help = false;
    const struct flag flags[] = {
        {"--json", NULL, &json}, {"--help", NULL, &want_help}, {NULL, NULL, NULL}};
    int code = EXIT_DONE;
    const char *word = only_word(argc, argv, flags, &want_help, jvm_help, &code);
    if (word == NULL) {
        return code;
    }
    if (strcmp(word, "list") != 0) {
        fprintf(stderr, "sonde: there is no command 'jvm %s'; `sonde jvm --help` lists them\n",
                word);
        return EXIT_USAGE;
    }
    bool table = wants_table(json);
    if (table) {
        puts("PID     USER      JDK        AGENT      SERVICE              RUNS");
    }
    jvm_process_each(list_one, &table);
    return EXIT_DONE;
}
