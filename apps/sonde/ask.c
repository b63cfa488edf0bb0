// SPDX-License-Identifier: Apache-2.0
// Purpose: asking a running server, and reading its answer.
#include "ask.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "config.h"
#include "core/clock.h"
#include "core/must.h"
#include "table.h"
#include "when.h"

#define DEFAULT_SERVER "http://127.0.0.1:7070"
#define PATH_BYTES_MAX ((size_t)1 << 20)

// ---- Fetching -----------------------------------------------------------------------------------

static struct client_options options_of(const struct ask_flags *f)
{
    const char *server = f->server != NULL ? f->server : getenv("SONDE_SERVER");
    const char *ca = f->ca != NULL ? f->ca : getenv("SONDE_CA");
    return (struct client_options){
        .server = server != NULL ? server : DEFAULT_SERVER,
        .token = f->token != NULL ? f->token : getenv("SONDE_TOKEN"),
        .ca = ca != NULL && ca[0] != 0 ? ca : NULL,
    };
}

const char *ask_printable(const char *text, struct err_at *room)
{
    ASSERT(text != NULL);
    (void)err_at_set(room, ERR_INVALID, 0, "%s", text);
    return room->text;
}

// What is wrong with a file: servers know it by no other name than "rules".
static void print_error(const char *error, const char *file)
{
    static const char name[] = "rules:";
    struct err_at room;
    ASSERT(error != NULL);
    if (file != NULL && strncmp(error, name, sizeof name - 1) == 0) {
        fprintf(stderr, "sonde: %s:%s\n", file, ask_printable(error + sizeof name - 1, &room));
    } else {
        fprintf(stderr, "sonde: %s\n", ask_printable(error, &room));
    }
}

// Prints what the server answered instead of a result, and gives the exit code for it.
static int explain(long status, const struct buf *answer, const char *filter, const char *file,
                   bool has_token)
{
    json_t *root = json_loadb(answer->p != NULL ? answer->p : "", answer->n, 0, NULL);
    const char *error = json_string_value(json_object_get(root, "error"));
    json_t *position = json_object_get(root, "position");
    if (error == NULL) {
        fprintf(stderr, "sonde: the server answered with status %ld\n", status);
    } else {
        print_error(error, file);
    }
    if (position != NULL && filter != NULL) {
        int columns = table_columns(filter, (size_t)json_integer_value(position));
        fprintf(stderr, "  %s\n  %*s^\n", filter, columns, "");
    }
    if (status == 401) {
        fputs(has_token ? "  the token of --token or SONDE_TOKEN is not the server's http.token\n"
                        : "  the server asks for a token: give its http.token with --token or in "
                          "SONDE_TOKEN\n",
              stderr);
    }
    json_decref(root);
    return status == 404 ? EXIT_NOT_FOUND : status == 400 ? EXIT_USAGE : EXIT_FAILED;
}

int ask_send(const struct ask_flags *flags, const struct client_request *request,
             const char *filter, struct buf *answer)
{
    struct client_options o = options_of(flags);
    struct err_at at;
    long status;
    enum err e = client_send(&o, request, answer, &status, &at);
    if (e != ERR_OK) {
        fprintf(stderr, "sonde: %s\n", at.text);
    }
    if (e == ERR_DENIED) {
        fputs("  --ca or SONDE_CA names a PEM file of the authority that signed its certificate\n",
              stderr);
    } else if (e == ERR_CLOSED) {
        fputs("  is `sonde server` running there? --server or SONDE_SERVER names another\n",
              stderr);
    }
    if (e != ERR_OK) {
        return e == ERR_INVALID || e == ERR_LIMIT ? EXIT_USAGE : EXIT_NO_SERVER;
    }
    return status == 200 ? EXIT_DONE
                         : explain(status, answer, filter, request->file, o.token != NULL);
}

int ask_text(const struct ask_flags *flags, const char *path, const char *filter,
             struct buf *answer)
{
    const struct client_request request = {.method = "GET", .path = path};
    return ask_send(flags, &request, filter, answer);
}

// NULs become U+FFFD: jansson takes none in the keys of objects.
static void mask_nuls(struct buf *json)
{
    static const char nul[] = "\\u0000", mask[] = "\\ufffd";
    size_t n = sizeof nul - 1;
    for (size_t i = 0; i + 1 < json->n; i++) {
        if (json->p[i] != '\\') {
            continue;
        }
        if (json->n - i >= n && memcmp(json->p + i, nul, n) == 0) {
            memcpy(json->p + i, mask, n);
        }
        i++; // what a backslash stands before begins no other escape
    }
    ASSERT(sizeof nul == sizeof mask);
}

json_t *ask_json(const struct ask_flags *flags, const char *path, const char *filter,
                 struct buf *answer, int *ret_exit)
{
    int code = ask_text(flags, path, filter, answer);
    if (code != EXIT_DONE) {
        *ret_exit = code;
        return NULL;
    }
    json_error_t why;
    json_t *root = json_loadb(answer->p, answer->n, JSON_ALLOW_NUL, &why);
    if (root == NULL && json_error_code(&why) == json_error_null_byte_in_key) {
        mask_nuls(answer);
        root = json_loadb(answer->p, answer->n, JSON_ALLOW_NUL, &why);
    }
    if (root == NULL && json_error_code(&why) == json_error_numeric_overflow) {
        // A span that ends in the year 2500: jansson's integers are too small for its duration.
        root = json_loadb(answer->p, answer->n, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &why);
    }
    if (root == NULL) {
        struct err_at room; // jansson quotes what it read
        fprintf(stderr, "sonde: the answer is not JSON: %s\n", ask_printable(why.text, &room));
        *ret_exit = EXIT_FAILED;
    }
    return root;
}

// ---- Reading ------------------------------------------------------------------------------------

uint64_t ask_integer(json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    double real = json_real_value(value);
    if (!json_is_real(value)) {
        return (uint64_t)json_integer_value(value);
    }
    return real < 0 ? 0 : real >= 0x1p64 ? UINT64_MAX : (uint64_t)real;
}

double ask_number(json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

const char *ask_string(json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

void ask_print_partial(json_t *root)
{
    if (json_is_true(json_object_get(root, "partial"))) {
        fputs("sonde: incomplete: damaged parts of the stored series were left out\n", stderr);
    }
}

// ---- Commands -----------------------------------------------------------------------------------

bool ask_parse(struct ask *a, int argc, char **argv, const struct flag *flags)
{
    int count;
    a->exit_code = EXIT_USAGE;
    ASSERT(a->help != NULL && a->word == NULL);
    if (!flags_parse(argc, argv, flags, &a->word, a->words == ASK_NO_WORD ? 0 : 1, &count)) {
        return false;
    }
    bool lacks_word = a->words == ASK_ONE_WORD && count == 0;
    a->exit_code = a->wants_help || !lacks_word ? EXIT_DONE : EXIT_USAGE;
    if (a->wants_help || lacks_word) {
        fputs(a->help, a->wants_help ? stdout : stderr);
    }
    return !a->wants_help && !lacks_word;
}

// False after saying what is wrong.
static bool read_range(struct ask *a)
{
    uint64_t now = clock_wall_ns() / NS_PER_MS, from = 0, to = now, since = 3600000;
    if (a->since != NULL && a->from != NULL) {
        fputs("sonde: --since and --from both say where to begin\n", stderr);
        return false;
    }
    if (a->since != NULL && config_parse_duration(a->since, &since) != ERR_OK) {
        fprintf(stderr, "sonde: --since is '%s', expected a duration such as 15m, 1h or 7d\n",
                a->since);
        return false;
    }
    const struct {
        const char *name, *text;
        uint64_t *ms;
    } ends[] = {{"--from", a->from, &from}, {"--to", a->to, &to}};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        enum err e = ends[i].text != NULL ? when_parse(ends[i].text, now, ends[i].ms) : ERR_OK;
        if (e != ERR_OK) {
            fprintf(stderr, "sonde: %s is '%s', %s%s\n", ends[i].name, ends[i].text,
                    e == ERR_LIMIT ? "a day that its month does not have" : "expected ",
                    e == ERR_LIMIT ? "" : WHEN_FORMS);
            return false;
        }
    }
    if (a->from == NULL) { // so long before the end
        uint64_t end = to < now ? to : now;
        from = end > since ? end - since : 0;
    }
    a->from_ms = from;
    a->to_ms = to;
    return true;
}

void ask_begin(struct ask *a, const char *path)
{
    ASSERT(a->exit_code == EXIT_DONE && a->path.n == 0);
    buf_init(&a->path, PATH_BYTES_MAX);
    if (!read_range(a)) {
        a->exit_code = EXIT_USAGE;
        return;
    }
    buf_printf(&a->path, "%s?from=%" PRIu64 "&to=%" PRIu64, path, a->from_ms,
               a->to_ms + (a->to == NULL ? a->ahead_ms : 0));
}

void ask_begin_now(struct ask *a, const char *path)
{
    ASSERT(a->exit_code == EXIT_DONE && a->path.n == 0);
    buf_init(&a->path, PATH_BYTES_MAX);
    buf_printf(&a->path, "%s", path);
}

void ask_param(struct ask *a, const char *name, const char *value)
{
    ASSERT(a->path.n > 0 || a->exit_code != EXIT_DONE);
    if (value != NULL && a->exit_code == EXIT_DONE) {
        buf_printf(&a->path, "&%s=", name);
        client_escape(&a->path, value);
    }
}

void ask_param_labels(struct ask *a, const struct flag_values *labels)
{
    ASSERT(labels->count <= FLAG_VALUES_MAX);
    for (size_t i = 0; i < labels->count && a->exit_code == EXIT_DONE; i++) {
        const char *label = labels->items[i], *value = strchr(label, '=');
        struct buf name;
        if (value == NULL || value == label) {
            fprintf(stderr, "sonde: --label is '%s', expected NAME=VALUE\n", label);
            a->exit_code = EXIT_USAGE;
            return;
        }
        buf_init(&name, PATH_BYTES_MAX);
        buf_add(&name, label, (size_t)(value - label));
        buf_add_byte(&name, 0);
        buf_add_str(&a->path, STR("&label."));
        client_escape(&a->path, name.failed ? "" : name.p);
        buf_add_byte(&a->path, '=');
        client_escape(&a->path, value + 1);
        buf_done(&name);
    }
}

void ask_param_duration(struct ask *a, const char *name, const char *value, uint64_t of_s)
{
    uint64_t ms;
    ASSERT(a->path.n > 0 || a->exit_code != EXIT_DONE);
    if (value == NULL || a->exit_code != EXIT_DONE) {
        return;
    }
    if (config_parse_duration(value, &ms) != ERR_OK || ms == 0) {
        fprintf(stderr, "sonde: --%s is '%s', expected a duration such as 10s, 1m or 1h\n", name,
                value);
        a->exit_code = EXIT_USAGE;
        return;
    }
    if (of_s > 0 && ms % (of_s * 1000) != 0) {
        fprintf(stderr, "sonde: --%s is '%s', expected a multiple of %" PRIu64 "s\n", name, value,
                of_s);
        a->exit_code = EXIT_USAGE;
        return;
    }
    buf_printf(&a->path, "&%s=%" PRIu64, name, ms);
}

const char *ask_path(struct ask *a)
{
    if (a->exit_code == EXIT_DONE) {
        buf_add_byte(&a->path, 0);
        ASSERT(a->path.n > 0 || a->path.failed);
        if (a->path.failed) {
            fputs("sonde: what is asked for is too long\n", stderr);
            a->exit_code = EXIT_USAGE;
        }
    }
    return a->exit_code == EXIT_DONE ? a->path.p : NULL;
}

int ask_end(struct ask *a, void (*print)(json_t *root), const char *found)
{
    struct buf answer;
    const char *path = ask_path(a);
    json_t *root = NULL;
    bool holds = true;
    ASSERT(print != NULL);
    buf_init(&answer, ASK_ANSWER_MAX);
    if (path != NULL) {
        root = ask_json(&a->server, path, NULL, &answer, &a->exit_code);
    }
    if (root != NULL) {
        bool is_empty = found != NULL && json_array_size(json_object_get(root, found)) == 0;
        holds = is_empty || a->holds == NULL || a->holds(root);
        a->exit_code = is_empty || !holds ? EXIT_NOT_FOUND : EXIT_DONE;
    }
    if (root != NULL && wants_table(a->json)) {
        if (holds) {
            print(root);
        }
    } else if (root != NULL) {
        printf("%.*s\n", STR_FMT(buf_str(&answer)));
    }
    json_decref(root);
    buf_done(&answer);
    buf_done(&a->path);
    return a->exit_code;
}
