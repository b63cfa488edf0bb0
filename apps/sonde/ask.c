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

// Prints what the server answered instead of a result, and gives the exit code for it.
static int explain(long status, const struct buf *answer, const char *filter)
{
    json_t *root = json_loadb(answer->p != NULL ? answer->p : "", answer->n, 0, NULL);
    const char *error = json_string_value(json_object_get(root, "error"));
    json_t *position = json_object_get(root, "position");
    if (error == NULL) {
        fprintf(stderr, "sonde: the server answered with status %ld\n", status);
    } else {
        struct err_at room;
        fprintf(stderr, "sonde: %s\n", ask_printable(error, &room));
    }
    if (position != NULL && filter != NULL) {
        int columns = table_columns(filter, (size_t)json_integer_value(position));
        fprintf(stderr, "  %s\n  %*s^\n", filter, columns, "");
    }
    if (status == 401) {
        fputs("  the server asks for a token: give its http.token with --token or in SONDE_TOKEN\n",
              stderr);
    }
    json_decref(root);
    return status == 404 ? EXIT_NOT_FOUND : status == 400 ? EXIT_USAGE : EXIT_FAILED;
}

int ask_text(const struct ask_flags *flags, const char *path, const char *filter,
             struct buf *answer)
{
    struct client_options o = options_of(flags);
    struct err_at at;
    long status;
    enum err e = client_get(&o, path, answer, &status, &at);
    if (e == ERR_INVALID) {
        fprintf(stderr, "sonde: %s\n", at.text);
        return EXIT_USAGE;
    }
    if (e != ERR_OK) {
        fprintf(stderr, "sonde: %s\n  %s\n", at.text,
                e == ERR_DENIED
                    ? "--ca or SONDE_CA names a PEM file of the authority that signed its "
                      "certificate"
                    : "is `sonde server` running there? --server or SONDE_SERVER names another");
        return EXIT_NO_SERVER;
    }
    return status == 200 ? EXIT_DONE : explain(status, answer, filter);
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

const char *ask_string(json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

// ---- Ranges -------------------------------------------------------------------------------------

bool ask_range(const struct ask_range_flags *f, struct ask_range *ret_range)
{
    uint64_t now = clock_wall_ns() / NS_PER_MS, from, to = now + 60000, since = 3600000;
    if (f->since != NULL && f->from != NULL) {
        fputs("sonde: --since and --from both say where to begin\n", stderr);
        return false;
    }
    if (f->since != NULL && config_parse_duration(f->since, &since) != ERR_OK) {
        fprintf(stderr, "sonde: --since is '%s', expected a duration such as 15m, 1h or 7d\n",
                f->since);
        return false;
    }
    const struct {
        const char *name, *text;
        uint64_t *ms;
    } ends[] = {{"--from", f->from, &from}, {"--to", f->to, &to}};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        enum err e = ends[i].text != NULL ? when_parse(ends[i].text, now, ends[i].ms) : ERR_OK;
        if (e != ERR_OK) {
            fprintf(stderr, "sonde: %s is '%s', %s%s\n", ends[i].name, ends[i].text,
                    e == ERR_LIMIT ? "a day that its month does not have" : "expected ",
                    e == ERR_LIMIT ? "" : WHEN_FORMS);
            return false;
        }
    }
    if (f->from == NULL) { // so long before the end
        uint64_t end = to < now ? to : now;
        from = end > since ? end - since : 0;
    }
    *ret_range = (struct ask_range){from, to};
    return true;
}

// ---- Asking and printing ------------------------------------------------------------------------

void ask_param(struct buf *path, const char *name, const char *value)
{
    ASSERT(path->n > 0);
    if (value != NULL) {
        buf_printf(path, "&%s=", name);
        client_escape(path, value);
    }
}

bool ask_step(struct buf *path, const char *step)
{
    uint64_t step_ms;
    ASSERT(path->n > 0);
    if (step == NULL) {
        return true;
    }
    if (config_parse_duration(step, &step_ms) != ERR_OK || step_ms == 0) {
        fprintf(stderr, "sonde: --step is '%s', expected a duration such as 10s, 1m or 1h\n", step);
        return false;
    }
    buf_printf(path, "&step=%" PRIu64, step_ms);
    return true;
}

int ask_and_print(const struct ask_flags *flags, struct buf *path, void (*print)(json_t *root),
                  const char *found)
{
    struct buf answer;
    int code = EXIT_USAGE;
    json_t *root = NULL;
    buf_init(&answer, ASK_ANSWER_MAX);
    buf_add_byte(path, 0);
    if (path->failed) {
        fputs("sonde: the names are too long\n", stderr);
    } else {
        root = ask_json(flags, path->p, NULL, &answer, &code);
    }
    if (root != NULL) {
        bool is_empty = found != NULL && json_array_size(json_object_get(root, found)) == 0;
        code = is_empty ? EXIT_NOT_FOUND : EXIT_DONE;
    }
    if (root != NULL && print != NULL) {
        print(root);
    } else if (root != NULL) {
        printf("%.*s\n", STR_FMT(buf_str(&answer)));
    }
    json_decref(root);
    buf_done(&answer);
    return code;
}

void ask_print_partial(json_t *root)
{
    if (json_is_true(json_object_get(root, "partial"))) {
        fputs("sonde: incomplete: damaged parts of the stored series were left out\n", stderr);
    }
}
